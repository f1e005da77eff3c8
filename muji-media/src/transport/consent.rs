//! Whether the peer is there: which checks it answered, when it was heard last, and what follows (RFC 7675).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_core::media::{CandidateCounts, TransportFailure};
use muji_xep::ice::CandidateKind;

use super::interface::TransportOutput;
use crate::gather::LocalCandidate;

/// Without a packet or an answer for so long, the peer is taken for interrupted. A lost check or two are not enough.
const INTERRUPTED: Duration = Duration::from_secs(5);

/// Without an answer to our checks for so long, sending must stop (RFC 7675 section 5.1).
const CONSENT: Duration = Duration::from_secs(30);

/// From knowing the peer to a path to it; ICE alone would go on, but people do not.
const NO_PATH: Duration = Duration::from_secs(25);

/// And for so long, the path is given up. By then a router has started anew, and people have.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// STUN binding requests and success responses begin so, and have their transaction's id here (RFC 8489 section 5).
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const TRANSACTION: std::ops::Range<usize> = 8..20;

/// Checks whose answers are awaited: a hundred pairs at most (RFC 8445 section 6.1.2.5), and some asked again.
const MAX_CHECKS: usize = 256;

/// What ends a path.
pub(super) enum Lost {
    /// There never was one.
    NoPath,
    /// It answers no more.
    GivenUp,
}

/// What is known of the peer.
#[derive(Default)]
pub(super) struct Consent {
    connected: bool,
    /// Until then it must be.
    connected_by: Option<Instant>,
    /// The peer's last answer to a check of ours, once there is a path.
    consented: Option<Instant>,
    /// When anything that is surely the peer's last came, once connected.
    heard: Option<Instant>,
    interrupted: bool,
    /// ICE has begun anew, and leads nowhere yet.
    anew: bool,
    /// Our last checks: by transaction, whom they asked, and when they left.
    checks: VecDeque<(Vec<u8>, SocketAddr, Instant)>,
    round_trip: Option<Duration>,
}

impl Consent {
    /// It is known whom to connect to.
    pub(super) fn begin(&mut self, now: Instant) {
        self.connected_by = Some(now + NO_PATH);
    }

    /// ICE begins with other credentials.
    pub(super) fn begin_anew(&mut self) {
        self.forget();
        self.anew = true;
    }

    /// What was asked until now was asked otherwise than it would be now, and its answers do not count.
    pub(super) fn forget(&mut self) {
        self.checks.clear();
    }

    /// ICE has found a path.
    pub(super) fn found_path(&mut self, now: Instant, out: &mut VecDeque<TransportOutput>) {
        self.consented = Some(now);
        if std::mem::take(&mut self.anew) && self.connected {
            (self.heard, self.interrupted) = (Some(now), false);
            out.push_back(TransportOutput::Connected);
        }
    }

    /// The handshake has ended.
    pub(super) fn connected(&mut self, now: Instant, out: &mut VecDeque<TransportOutput>) {
        (self.connected, self.connected_by) = (true, None);
        self.heard = Some(now);
        out.push_back(TransportOutput::Connected);
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    pub(super) fn is_anew(&self) -> bool {
        self.anew
    }

    #[cfg(feature = "webrtc-ice")]
    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Remembers a check that leaves.
    pub(super) fn asks(&mut self, now: Instant, bytes: &[u8], to: SocketAddr) {
        if let Some(transaction) = bytes.get(TRANSACTION).filter(|_| bytes.starts_with(&BINDING_REQUEST)) {
            if self.checks.len() == MAX_CHECKS {
                self.checks.pop_front();
            }
            self.checks.push_back((transaction.to_vec(), to, now));
        }
    }

    /// When that was asked of which this is an answer; of what was asked again the last time counts. `None` if it was not, or another
    /// address was asked (RFC 8445 section 7.2.5.2.1): that is neither a path nor the peer's consent.
    pub(super) fn asked(&self, bytes: &[u8], from: SocketAddr) -> Option<Instant> {
        let asked = |of: &[u8], whom: SocketAddr| bytes.get(TRANSACTION) == Some(of) && whom == from;
        self.checks.iter().rfind(|(of, whom, _)| asked(of, *whom)).map(|(.., sent)| *sent)
    }

    /// Something answers a check. False if nobody asked for it.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        bytes: &[u8],
        from: SocketAddr,
        out: &mut VecDeque<TransportOutput>,
    ) -> bool {
        let Some(sent) = self.asked(bytes, from) else { return false };
        self.round_trip = Some(now.saturating_duration_since(sent));
        if self.consented.is_some() {
            self.consented = Some(now);
            self.hears(now, out);
        }
        true
    }

    /// Something came that nobody but the peer can have sent.
    pub(super) fn hears(&mut self, now: Instant, out: &mut VecDeque<TransportOutput>) {
        if self.connected {
            self.heard = Some(now);
        }
        if std::mem::take(&mut self.interrupted) && !self.anew {
            out.push_back(TransportOutput::Connected);
        }
    }

    /// True if the peer's consent has ended: it gets nothing but checks.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        self.consented.is_some_and(|last| last + CONSENT <= now)
    }

    /// Tells of an interruption, or what ends the path.
    pub(super) fn handle_timeout(&mut self, now: Instant, out: &mut VecDeque<TransportOutput>) -> Option<Lost> {
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
            Lost::NoPath if self.consented.is_some() => TransportFailure::NoHandshake,
            Lost::NoPath => {
                let of_kind = |kind| ours.iter().filter(|ours| ours.told.kind == kind).count();
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

    /// When the peer is taken for interrupted.
    fn interrupted_at(&self) -> Option<Instant> {
        self.heard.filter(|_| !self.interrupted).map(|last| last + INTERRUPTED)
    }
}
