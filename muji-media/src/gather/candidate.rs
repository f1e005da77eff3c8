//! An address of ours.

use std::net::SocketAddr;

use muji_xep::ice::Candidate;

/// An address of ours, as it is told and as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCandidate {
    /// As others learn it.
    pub told: Candidate,
    /// The address that packets are sent from: the socket's, or the one that is relayed.
    pub base: SocketAddr,
}
