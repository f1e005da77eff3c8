//! One transport: which sockets it uses, its traffic, and what flows by it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use muji_core::media::MediaReport;
use muji_jingle::TransportId;

use super::flow::{FlowWatch, Taken};
use super::output::PeersOutput;
use crate::rtp::is_stun;
use crate::stats::{Path, Traffic};
use crate::transport::{Transport, TransportOutput};

/// One transport.
pub(super) struct TransportEntry {
    pub(super) transport: Box<dyn Transport>,
    /// The number of the socket set that it sends from.
    pub(super) socket_set: usize,
    /// ICE and DTLS are done.
    pub(super) connected: bool,
    /// The addresses between which something other than ICE's checks was sent last.
    pub(super) path: Option<[SocketAddr; 2]>,
    /// Which contents flow, as far as it was reported to the core.
    pub(super) flows: FlowWatch,
    sent: Traffic,
    pub(super) received: Traffic,
}

/// What the caller has to do for the other transports of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collected {
    /// Nothing.
    Outputs,
    /// The transport is connected, perhaps again: the core expects to hear again what flows in the session.
    Connected,
}

impl TransportEntry {
    pub(super) fn new(transport: Box<dyn Transport>, socket_set: usize) -> Self {
        Self {
            transport,
            socket_set,
            connected: false,
            path: None,
            flows: FlowWatch::default(),
            sent: Traffic::default(),
            received: Traffic::default(),
        }
    }

    /// Moves what the transport has to say to `out`, and takes note of it.
    pub(super) fn collect(&mut self, now: Instant, id: TransportId, out: &mut VecDeque<PeersOutput>) -> Collected {
        let mut collected = Collected::Outputs;
        while let Some(output) = self.transport.poll_output() {
            match &output {
                TransportOutput::Datagram { from, to, bytes } => self.sends([*from, *to], bytes),
                TransportOutput::Rtp { content, .. } => match self.flows.packet(now, content) {
                    Taken::No => continue,
                    Taken::First => {
                        let content = content.to_string();
                        out.push_back(PeersOutput::Report(MediaReport::Flowing { session: id.session, content }));
                    }
                    Taken::Next => {}
                },
                TransportOutput::Connected => {
                    self.connected = true;
                    self.flows.connected(now);
                    collected = Collected::Connected;
                }
                TransportOutput::Failed(_) | TransportOutput::WrongCertificate => {
                    self.connected = false;
                    self.flows.interrupted();
                }
                TransportOutput::Interrupted => self.flows.interrupted(),
                TransportOutput::KeyFrameRequested
                | TransportOutput::Contributors { .. }
                | TransportOutput::BandwidthEstimate(_)
                | TransportOutput::Loss(_)
                | TransportOutput::AudioLoss(_)
                | TransportOutput::Congestion(_) => {}
            }
            out.push_back(PeersOutput::Transport { id, output });
        }
        collected
    }

    fn sends(&mut self, path: [SocketAddr; 2], bytes: &[u8]) {
        self.sent.count(bytes);
        if !is_stun(bytes) {
            self.path = Some(path);
        }
    }

    /// The path that it uses, once something went by it.
    pub(super) fn measured_path(&self) -> Option<Path> {
        let [local, remote] = self.path?;
        let round_trip = self.transport.round_trip();
        Some(Path { local, remote, sent: self.sent, received: self.received, round_trip })
    }
}
