//! What comes out of all transports.

use std::net::SocketAddr;
use std::sync::Arc;

use muji_core::SessionId;
use muji_core::media::MediaReport;
use muji_jingle::TransportId;

use crate::rtp::ReceivedRtp;

/// What comes out, in order.
#[derive(Debug)]
pub enum PeersOutput {
    /// To the network.
    Datagram {
        /// The local address to send from.
        from: SocketAddr,
        /// The peer's address.
        to: SocketAddr,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// To the core.
    Report(MediaReport),
    /// To whoever decodes.
    Rtp {
        /// The session.
        session: SessionId,
        /// The content's name in the session.
        content: Arc<str>,
        /// The packet.
        received: ReceivedRtp,
    },
    /// To whoever encodes: a peer cannot show our pictures before a key frame comes.
    KeyFrameAsked,
    /// What a path carries, in bits a second.
    Estimate {
        /// The path.
        transport: TransportId,
        /// Bits a second.
        bits: u32,
    },
    /// So much of our pictures was lost on a path lately.
    Lost {
        /// The path.
        transport: TransportId,
        /// From 0 to 1.
        share: f32,
    },
    /// So much of what left in the last moments was lost that a path has become narrower.
    Overflowed {
        /// The path.
        transport: TransportId,
        /// From 0 to 1.
        share: f32,
    },
}
