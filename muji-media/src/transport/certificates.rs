//! Each call has its own certificate, so that nobody can link two calls by it.

use std::collections::BTreeMap;

use muji_core::{CallId, config};

/// Certificates of one kind of transport.
pub(super) struct Certificates<C> {
    of_calls: BTreeMap<CallId, C>,
    /// Made ahead for the next call: making one takes time that a ringing call does not have.
    spare: C,
}

impl<C: Clone> Certificates<C> {
    /// With the first.
    pub(super) fn new(spare: C) -> Self {
        Self { of_calls: BTreeMap::new(), spare }
    }

    /// The certificate of a call; `make` makes the one for the next.
    pub(super) fn of(&mut self, call: CallId, make: impl FnOnce() -> Option<C>) -> C {
        if let Some(known) = self.of_calls.get(&call) {
            return known.clone();
        }
        if self.of_calls.len() == config::MAX_CALLS {
            self.of_calls.pop_first(); // Ids count up: the oldest call.
        }
        // Without randomness for another, the spare is used twice: worse for privacy, no worse for secrecy.
        let next = make().unwrap_or_else(|| self.spare.clone());
        let certificate = std::mem::replace(&mut self.spare, next);
        self.of_calls.insert(call, certificate.clone());
        certificate
    }
}

/// The cryptography library has no source of randomness, or no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no certificate for DTLS could be made")]
pub struct NoCertificate;
