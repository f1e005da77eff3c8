//! What goes to the tasks of a path, and what comes back.

use std::sync::{Arc, Mutex, PoisonError};

use dtls::crypto::Certificate;
use muji_core::media::{DtlsRole, TransportFailure};
use webrtc_srtp::config::SessionKeys;
use webrtc_srtp::protection_profile::ProtectionProfile;

/// The password between the mux and the agent.
pub(super) const INSIDE: &str = "between the mux and the agent";

/// What is new for the tasks.
pub(super) enum Job {
    /// ICE starts or restarts, between these user names. Pairs follow.
    Ice { controlling: bool, ours: String, theirs: String },
    /// One more pair to check.
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
    /// ICE has selected a pair.
    Selected(u32),
    /// A DTLS record to be sent by the selected pair.
    Record(Vec<u8>),
    /// The handshake has ended with the promised certificate.
    Secured(Keys),
    /// The peer shows another certificate.
    WrongCertificate,
    /// The handshake has failed, or the connection has ended.
    Ended(TransportFailure),
}

/// The outputs of the tasks in this turn.
#[derive(Clone, Default)]
pub(super) struct Outbox(Arc<Mutex<Vec<JobOutput>>>);

impl Outbox {
    pub(super) fn put(&self, output: JobOutput) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(output);
    }

    pub(super) fn empty(&self) -> Vec<JobOutput> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a handshake needs.
pub(super) struct Handshake {
    pub(super) certificate: Certificate,
    pub(super) role: DtlsRole,
    /// SHA-256 of the certificate that the peer promised.
    pub(super) fingerprint: Vec<u8>,
}

/// The keys for SRTP.
pub(super) struct Keys {
    pub(super) profile: ProtectionProfile,
    pub(super) keys: SessionKeys,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("profile", &self.profile).finish_non_exhaustive()
    }
}
