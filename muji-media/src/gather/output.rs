//! What comes out of gathering.

use std::net::SocketAddr;

use super::candidate::LocalCandidate;

/// Which stream to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamNumber(pub(super) u64);

/// What comes of gathering, in order.
#[derive(Debug)]
pub enum Gathered {
    /// To the network by a socket of ours.
    Datagram {
        /// The socket.
        from: SocketAddr,
        /// A server.
        to: SocketAddr,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// A stream to a server is wanted.
    Connect {
        /// What it is called from now on.
        stream: StreamNumber,
        /// The server's address.
        to: SocketAddr,
        /// Its name, if it is spoken with within TLS.
        secure: Option<String>,
    },
    /// By that stream.
    Write {
        /// Which.
        stream: StreamNumber,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// It is not wanted any more.
    Close(StreamNumber),
    /// From a peer, by an address that is relayed.
    Received {
        /// That address.
        local: SocketAddr,
        /// The peer's.
        from: SocketAddr,
        /// What came.
        bytes: Vec<u8>,
    },
    /// One more address of ours.
    Found {
        /// In which lane.
        lane: usize,
        /// The address.
        candidate: LocalCandidate,
    },
    /// An address is not ours any more.
    Lost {
        /// In which lane.
        lane: usize,
        /// The address.
        candidate: LocalCandidate,
    },
}
