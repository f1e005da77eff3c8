//! What the peer's certificate has to be.

use muji_xep::ice::Transport;
use muji_xep::jingle::Content;

use crate::fault::{NegotiationError, spoken};
use crate::media::RemoteTransport;
use crate::parties::SessionParams;

/// What the user requires of the peer's certificate.
#[derive(Debug, Clone)]
pub(super) struct CertificateRules {
    /// One of these, as SHA-256; any if empty.
    certificates: Vec<[u8; 32]>,
    /// Bound to a device of the peer's by an end-to-end encryption.
    bound_only: bool,
}

impl CertificateRules {
    pub(super) fn of(parties: &SessionParams) -> Self {
        Self { certificates: parties.certificates.clone(), bound_only: parties.bound_only }
    }

    /// Whether the peer may show the certificate that its content promises.
    ///
    /// # Errors
    /// If it is not bound, or not one of those that are known.
    pub(super) fn check(&self, content: &Content, remote: &RemoteTransport) -> Result<(), NegotiationError> {
        if !content.transport.as_ref().is_some_and(|transport| self.admits(transport)) {
            return Err(NegotiationError::Unbound(spoken(content)));
        }
        let known = self.certificates.iter().any(|certificate| certificate[..] == remote.fingerprint[..]);
        if self.certificates.is_empty() || known {
            return Ok(());
        }
        Err(NegotiationError::Certificate(spoken(content)))
    }

    /// Whether fingerprints of this transport count. The client's own encryption, when it opens a sealed fingerprint, puts the plain one
    /// beside it and removes any other.
    pub(super) fn admits(&self, transport: &Transport) -> bool {
        !self.bound_only || !transport.encrypted_fingerprints.is_empty()
    }
}
