//! What the media layer reports, and what it means for the session.

use std::time::Instant;

use muji_xep::jingle::{Action, Content, Reason, Side};

use super::Session;
use super::digits::Way;
use super::state::{Request, State};
use super::types::{End, SessionEvent};
use super::warning::SessionWarning;
use crate::ids::{Ids, TransportId};
use crate::media::{MediaReport, PathFailure, TransportFailure};

impl Session {
    /// A report of the media layer about this session.
    pub fn handle_media(&mut self, now: Instant, ids: &mut Ids, report: MediaReport) {
        if self.is_over() {
            return; // It was on its way when everything was closed.
        }
        if report.transport().is_some_and(|transport| !self.contents.transports.has(transport)) {
            return; // It was closed meanwhile, such as one that the peer's bundle does without.
        }
        match report {
            MediaReport::Described { transport, local } => {
                if let Some(content) = self.contents.described(transport, local) {
                    self.inform_about(now, ids, content, Request::Restart(transport));
                }
                self.advance(now, ids);
                self.change(now, ids, |changes| changes.send_ready());
            }
            MediaReport::Candidate { transport, candidate } => {
                let content = self.contents.found_candidate(transport, candidate);
                if let Some(content) = content.filter(|_| self.state.is_known_to_peer()) {
                    self.inform_about(now, ids, content, Request::Other);
                }
            }
            MediaReport::Connected { transport } => {
                let completed = self.contents.connected(transport);
                if self.is_active() && self.contents.all_connected() && !completed {
                    self.state = State::Up;
                    self.out.event(SessionEvent::Connected);
                    self.contents.list.forget_reported_flow();
                    self.report_flowing();
                }
            }
            MediaReport::Interrupted { transport } => {
                self.out.event(SessionEvent::Interrupted);
                // One side is enough, and it is the one that decides which addresses are used.
                if self.contents.side() == Side::Initiator {
                    self.restart(now, transport);
                }
            }
            MediaReport::Moved { transport } => self.restart(now, transport),
            MediaReport::Failed { transport, failure } => self.lost(now, ids, transport, failure),
            MediaReport::WrongCertificate { .. } => {
                self.terminate(now, ids, Reason::SecurityError.into(), End::WrongCertificate)
            }
            MediaReport::Flowing { content, .. } => {
                self.contents.heard(&content);
                self.report_flowing();
            }
            MediaReport::Digit { digit, .. } => self.pressed(now, digit, Way::Rtp),
            MediaReport::Silent { content, .. } => self.silenced(content),
            MediaReport::Trouble(trouble) => self.out.event(SessionEvent::Warning(SessionWarning::Media(trouble))),
        }
    }

    /// Tells the peer something of the transport of a content.
    fn inform_about(&mut self, now: Instant, ids: &mut Ids, content: Content, request: Request) {
        let news = self.out.jingle_about(Action::TransportInfo, content);
        self.out.request(now, ids, &news, request);
    }

    /// Nothing comes of a content.
    pub(super) fn silenced(&mut self, content: String) {
        if let Some((media, why)) = self.contents.silenced(&content).filter(|_| self.is_active()) {
            self.out.event(SessionEvent::Silent { content, media, why });
        }
    }

    /// Reports what flows, once the session is connected: a content may flow before the transports of others work.
    fn report_flowing(&mut self) {
        if self.is_connected() {
            for (content, after_silence) in self.contents.list.take_flowing() {
                self.out.event(SessionEvent::Flowing { content, after_silence });
            }
        }
    }

    /// A transport has failed: the session goes on without what was just added by it, or ends.
    fn lost(&mut self, now: Instant, ids: &mut Ids, transport: TransportId, failure: PathFailure) {
        if !self.change(now, ids, |changes| changes.survives(transport, &failure)) {
            let reason = if failure.why == TransportFailure::RsaCertificate {
                Reason::SecurityError
            } else if self.is_connected() {
                Reason::ConnectivityError
            } else {
                Reason::FailedTransport // Before there was a path it could not be set up (XEP-0166 section 7.4).
            };
            self.terminate(now, ids, reason.into(), End::Path(failure));
        }
    }

    /// ICE restarts on a transport, if the peer can.
    fn restart(&mut self, now: Instant, transport: TransportId) {
        if self.is_active() && self.out.parties.quirks.restarts_ice {
            self.contents.transports.want_restart(now, transport);
            self.handle_restarts(now);
        }
    }
}
