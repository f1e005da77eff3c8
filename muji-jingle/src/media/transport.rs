//! The two ends of a transport, and who plays which part between them.

use muji_xep::Secret;
use muji_xep::ice::Candidate;
use muji_xep::rtp::HeaderExtension;

/// Who decides which pair of addresses is used (RFC 8445 6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceRole {
    /// We nominate.
    Controlling,
    /// The peer nominates.
    Controlled,
}

/// Who opens the DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// We do.
    Client,
    /// The peer does.
    Server,
}

/// Our end of a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTransport {
    /// ICE user name.
    pub ufrag: String,
    /// ICE password.
    pub pwd: Secret,
    /// SHA-256 of our certificate.
    pub fingerprint: Vec<u8>,
    /// The addresses that are known already.
    pub candidates: Vec<Candidate>,
}

/// The peer's end of a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTransport {
    /// ICE user name.
    pub ufrag: String,
    /// ICE password.
    pub pwd: Secret,
    /// SHA-256 of the certificate the peer must show.
    pub fingerprint: Vec<u8>,
    /// Who opens the handshake, seen from us.
    pub dtls: DtlsRole,
    /// Header extensions that both ends know, with the ids that they have here.
    pub extensions: Vec<HeaderExtension>,
}
