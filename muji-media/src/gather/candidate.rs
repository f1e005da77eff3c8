//! A local ICE candidate.

use std::net::SocketAddr;

use muji_xep::ice::Candidate;

/// An address of ours: how others learn it, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCandidate {
    /// The candidate as the peer gets it.
    pub advertised: Candidate,
    /// The address that packets are sent from (RFC 8445 section 5.1.1): the socket's, or the relayed one.
    pub base: SocketAddr,
}
