//! Whether the peer is still there and consents to be sent to (RFC 7675): which checks it answered, and when it was heard last.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_core::media::{CandidateCounts, TransportFailure};
use muji_xep::ice::CandidateKind;

use super::interface::TransportOutput;
use crate::gather::LocalCandidate;

/// Without a packet or an answer for so long, the path counts as interrupted. One or two lost checks are not enough.
const INTERRUPTED: Duration = Duration::from_secs(5);

/// Without an answer to our checks for so long, we must stop sending (RFC 7675 section 5.1).
const CONSENT: Duration = Duration::from_secs(30);

/// The time from knowing the peer to a path. ICE alone would go on, but nobody waits longer for a call to connect.
const NO_PATH: Duration = Duration::from_secs(25);

/// After so long without an answer the path is given up. A router has restarted by then.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// The first bytes of STUN binding requests and success responses, and where the transaction id is (RFC 8489 section 5).
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const TRANSACTION: std::ops::Range<usize> = 8..20;

/// Checks remembered to match their answers: a hundred pairs at most (RFC 8445 section 6.1.2.5), and retransmissions.
const MAX_CHECKS: usize = 256;

/// Why a path has ended.
pub(super) enum Lost {
    /// No pair of addresses ever worked.
    NoPath,
    /// The peer does not answer any more.
    GivenUp,
}

/// What is known of the peer.
#[derive(Default)]
pub(super) struct Consent {
    connected: bool,
    /// When ICE and DTLS must be done.
    connected_by: Option<Instant>,
    /// The peer's last answer to a check of ours, once there is a path.
    consented: Option<Instant>,
    /// When something that only the peer can have sent came last, once connected.
    heard: Option<Instant>,
    interrupted: bool,
    /// ICE was restarted and has not found a path yet.
    restarting: bool,
    /// Our last checks: transaction id, destination, and when they left.
    checks: VecDeque<(Vec<u8>, SocketAddr, Instant)>,
    round_trip: Option<Duration>,
}

impl Consent {
    /// It is known whom to connect to.
    pub(super) fn begin(&mut self, now: Instant) {
        self.connected_by = Some(now + NO_PATH);
    }

    /// ICE restarts with other credentials.
    pub(super) fn restarted(&mut self) {
        self.forget();
        self.restarting = true;
    }

    /// Answers to earlier checks do not count any more.
    pub(super) fn forget(&mut self) {
        self.checks.clear();
    }

    /// ICE has found a path.
    pub(super) fn found_path(&mut self, now: Instant, out: &mut VecDeque<TransportOutput>) {
        self.consented = Some(now);
        // After a restart DTLS goes on, and no handshake will report that the peer is there again.
        if std::mem::take(&mut self.restarting) && self.connected {
            self.heard = Some(now);
            self.interrupted = false;
            out.push_back(TransportOutput::Connected);
        }
    }

    /// The handshake has ended.
    pub(super) fn connected(&mut self, now: Instant, out: &mut VecDeque<TransportOutput>) {
        self.connected = true;
        self.connected_by = None;
        self.heard = Some(now);
        out.push_back(TransportOutput::Connected);
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    pub(super) fn is_restarting(&self) -> bool {
        self.restarting
    }

    #[cfg(feature = "webrtc-ice")]
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Remembers a check that leaves.
    pub(super) fn check_sent(&mut self, now: Instant, bytes: &[u8], to: SocketAddr) {
        if let Some(transaction) = bytes.get(TRANSACTION).filter(|_| is_check(bytes)) {
            // The oldest is the least likely to be answered yet.
            if self.checks.len() == MAX_CHECKS {
                self.checks.pop_front();
            }
            self.checks.push_back((transaction.to_vec(), to, now));
        }
    }

    /// When the check left that this answers; of retransmissions the last counts. `None` if there was none, or it went to another address
    /// (RFC 8445 section 7.2.5.2.1): such an answer is neither a path nor consent.
    pub(super) fn check_time(&self, bytes: &[u8], from: SocketAddr) -> Option<Instant> {
        let asked = |of: &[u8], whom: SocketAddr| bytes.get(TRANSACTION) == Some(of) && whom == from;
        self.checks.iter().rfind(|(of, whom, _)| asked(of, *whom)).map(|(.., sent)| *sent)
    }

    /// Something answers a check. False if no check asked for it.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        bytes: &[u8],
        from: SocketAddr,
        out: &mut VecDeque<TransportOutput>,
    ) -> bool {
        // Anybody can send an answer: without a check of ours it neither prolongs consent nor measures anything (RFC 7675 section 5.1).
        let Some(sent) = self.check_time(bytes, from) else { return false };
        self.round_trip = Some(now.saturating_duration_since(sent));
        // Before there is a path, answers only say which pairs work: consent begins with the pair that is chosen.
        if self.consented.is_some() {
            self.consented = Some(now);
            self.received(now, out);
        }
        true
    }

    /// Something came that only the peer can have sent.
    pub(super) fn received(&mut self, now: Instant, out: &mut VecDeque<TransportOutput>) {
        // During the handshake NO_PATH bounds the time, not the silence: DTLS may retransmit for seconds.
        if self.connected {
            self.heard = Some(now);
        }
        // While ICE restarts, late packets still come by the old path; `found_path` reports the new one.
        if std::mem::take(&mut self.interrupted) && !self.restarting {
            out.push_back(TransportOutput::Connected);
        }
    }

    /// True if the peer's consent has expired: only checks may be sent to it.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.consented.is_some_and(|last| last + CONSENT <= now)
    }

    /// Reports an interruption; gives what ends the path.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<TransportOutput>) -> Option<Lost> {
        // The worst first: after a sleep of the machine all three may be due at once.
        if self.given_up_at().is_some_and(|at| at <= now) {
            return Some(Lost::GivenUp);
        }
        if self.connected_by.is_some_and(|by| by <= now) {
            return Some(Lost::NoPath);
        }
        if self.interrupted_at().is_some_and(|at| at <= now) {
            self.interrupted = true;
            out.push_back(TransportOutput::Interrupted);
        }
        None
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.given_up_at(), self.interrupted_at(), self.connected_by].into_iter().flatten().min()
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Why it is lost.
    pub(super) fn why(&self, lost: &Lost, ours: &[LocalCandidate], remote: usize) -> TransportFailure {
        match lost {
            Lost::GivenUp => TransportFailure::Silent(GIVEN_UP),
            // Checks were answered, so a pair works: only DTLS did not come through, as if both ends wait for a ClientHello.
            Lost::NoPath if self.consented.is_some() => TransportFailure::NoHandshake,
            Lost::NoPath => {
                let of_kind = |kind| ours.iter().filter(|ours| ours.advertised.kind == kind).count();
                let local = CandidateCounts {
                    host: of_kind(CandidateKind::Host),
                    reflexive: of_kind(CandidateKind::ServerReflexive),
                    relayed: of_kind(CandidateKind::Relayed),
                };
                TransportFailure::NoPath { local, remote, waited: NO_PATH }
            }
        }
    }

    fn given_up_at(&self) -> Option<Instant> {
        self.consented.map(|last| last + GIVEN_UP)
    }

    /// When the path counts as interrupted.
    fn interrupted_at(&self) -> Option<Instant> {
        // By packets of any kind, not by consent: checks are up to several seconds apart, and a peer that is heard is there.
        self.heard.filter(|_| !self.interrupted).map(|last| last + INTERRUPTED)
    }
}

/// A check of the path asks: a STUN binding request.
pub(super) fn is_check(bytes: &[u8]) -> bool {
    bytes.starts_with(&BINDING_REQUEST)
}

/// A check of the path is answered.
pub(super) fn is_check_answer(bytes: &[u8]) -> bool {
    bytes.starts_with(&BINDING_SUCCESS)
}
