//! What transports tell, as it goes to the network, the core, and whoever encodes and decodes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use muji_core::media::MediaReport;
use muji_jingle::{SessionId, TransportId};

use super::entry::TransportEntry;
use super::output::PeersOutput;
use crate::rtp::{ReceivedRtp, is_stun};
use crate::transport::TransportOutput;

/// What transports told, and what comes of it.
#[derive(Default)]
pub(super) struct Told {
    pub(super) connected: BTreeSet<TransportId>,
    /// Contents of which something came.
    pub(super) flowing: BTreeSet<(SessionId, Arc<str>)>,
    pub(super) out: VecDeque<PeersOutput>,
}

impl Told {
    /// Takes what a transport has to say.
    pub(super) fn listen(&mut self, id: TransportId, line: &mut TransportEntry) {
        while let Some(output) = line.transport.poll_output() {
            if let TransportOutput::Datagram { from, to, bytes } = &output {
                line.sent.count(bytes);
                if !is_stun(bytes) {
                    line.between = Some([*from, *to]);
                }
            }
            self.says(id, output);
        }
    }

    fn says(&mut self, id: TransportId, output: TransportOutput) {
        match output {
            TransportOutput::Datagram { from, to, bytes } => {
                self.out.push_back(PeersOutput::Datagram { from, to, bytes });
            }
            TransportOutput::Connected => {
                self.flowing.retain(|(session, _)| *session != id.session); // What comes again is told again.
                self.connected.insert(id);
                self.report(MediaReport::Connected { transport: id });
            }
            TransportOutput::Interrupted => self.report(MediaReport::Interrupted { transport: id }),
            TransportOutput::Failed(why) => {
                self.connected.remove(&id);
                self.report(MediaReport::Failed { transport: id, failure: why.into() });
            }
            TransportOutput::Impostor => {
                self.connected.remove(&id);
                self.report(MediaReport::Impostor { transport: id });
            }
            TransportOutput::Rtp { content, received } => self.received(id.session, content, received),
            TransportOutput::KeyFrameAsked => self.out.push_back(PeersOutput::KeyFrameAsked),
            TransportOutput::Lost(share) => self.out.push_back(PeersOutput::Lost { transport: id, share }),
            TransportOutput::Overflowed(share) => self.out.push_back(PeersOutput::Overflowed { transport: id, share }),
            TransportOutput::Estimate(bits) => self.out.push_back(PeersOutput::Estimate { transport: id, bits }),
        }
    }

    fn received(&mut self, session: SessionId, content: Arc<str>, received: ReceivedRtp) {
        let stream = (session, content.clone());
        if !self.flowing.contains(&stream) {
            self.flowing.insert(stream);
            self.report(MediaReport::Flowing { session, content: content.to_string() });
        }
        self.out.push_back(PeersOutput::Rtp { session, content, received });
    }

    pub(super) fn report(&mut self, report: MediaReport) {
        self.out.push_back(PeersOutput::Report(report));
    }
}
