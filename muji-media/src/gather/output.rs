//! What comes out of gathering.

use std::net::SocketAddr;

use super::candidate::LocalCandidate;

/// Which TCP or TLS connection to a TURN server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(pub(super) u64);

/// What to do next, in order.
#[derive(Debug)]
pub enum GatherOutput {
    /// A datagram to a server.
    Datagram {
        /// The socket.
        from: SocketAddr,
        /// A server.
        to: SocketAddr,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// Open a connection to a server.
    Connect {
        /// Its id from now on.
        connection: ConnectionId,
        /// The server's address.
        to: SocketAddr,
        /// The server's name, if the connection is to use TLS.
        tls_name: Option<String>,
    },
    /// Send by a connection.
    Write {
        /// Which.
        connection: ConnectionId,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// A connection is no longer needed.
    Close(ConnectionId),
    /// A datagram of a peer came through a relay.
    Received {
        /// The relayed address.
        local: SocketAddr,
        /// The peer's address.
        from: SocketAddr,
        /// What came.
        bytes: Vec<u8>,
    },
    /// We have one more address.
    Found {
        /// In which socket set.
        socket_set: usize,
        /// The address.
        candidate: LocalCandidate,
    },
    /// We have lost an address.
    Lost {
        /// In which socket set.
        socket_set: usize,
        /// The address.
        candidate: LocalCandidate,
    },
}
