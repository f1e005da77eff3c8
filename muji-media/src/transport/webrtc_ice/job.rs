//! What goes to the tasks of a path, and what comes back.

use std::sync::{Arc, Mutex, PoisonError};

use dtls::crypto::Certificate;
use muji_core::media::TransportFailure;
use webrtc_srtp::config::SessionKeys;
use webrtc_srtp::protection_profile::ProtectionProfile;

/// By which messages are signed between us and the agent.
pub(super) const INSIDE: &str = "between the mux and the agent";

/// What is new.
pub(super) enum Job {
    /// ICE begins, or begins anew, between these (ufrag). Pairs follow.
    Ice { controlling: bool, ours: String, theirs: String },
    /// A pair to try.
    Pair { number: u32, priority: u32, relayed: bool },
    /// A STUN message came by a pair.
    Stun { number: u32, bytes: Vec<u8> },
    /// The handshake begins.
    Handshake(Box<Handshake>),
    /// A record came.
    Record(Vec<u8>),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum JobOutput {
    /// To be sent by a pair.
    Stun { number: u32, bytes: Vec<u8> },
    /// The pair that ICE chose.
    Chosen(u32),
    /// To be sent by the chosen pair.
    Record(Vec<u8>),
    /// The handshake has ended with the promised certificate.
    Secured(Keys),
    /// It has ended with another.
    Impostor,
    /// It has ended with nothing, or the connection has afterwards.
    Ended(TransportFailure),
}

/// What tasks made in this turn.
#[derive(Clone, Default)]
pub(super) struct Outbox(Arc<Mutex<Vec<JobOutput>>>);

impl Outbox {
    pub(super) fn put(&self, made: JobOutput) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(made);
    }

    pub(super) fn empty(&self) -> Vec<JobOutput> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a handshake needs.
pub(super) struct Handshake {
    pub(super) certificate: Certificate,
    /// We open it.
    pub(super) client: bool,
    /// SHA-256 of the certificate that the peer promised.
    pub(super) fingerprint: Vec<u8>,
}

/// What it is for.
pub(super) struct Keys {
    pub(super) profile: ProtectionProfile,
    pub(super) keys: SessionKeys,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("profile", &self.profile).finish_non_exhaustive()
    }
}
