//! RTP packets before and after a transport, and how they are distinguished from STUN.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use muji_core::SessionId;

/// A packet of ours, encoded and packetised once for all peers. Each transport adds its own SSRC, sequence number and payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPacket {
    /// In ticks of the codec's clock rate.
    pub timestamp: u32,
    /// The first of a talkspurt, or the last of a frame.
    pub marker: bool,
    /// What the codec made.
    pub payload: Arc<[u8]>,
}

/// A packet a peer sent, checked and decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRtp {
    /// Its payload type in this session.
    pub payload_type: u8,
    /// The sequence number, extended beyond 16 bits.
    pub sequence: u64,
    /// When it reached the socket.
    pub arrived: Instant,
    /// When it was captured, by the sender's clock; `None` before a sender report came (RFC 3550 section 6.4.1).
    pub captured: Option<SystemTime>,
    /// By how many quarter turns to the right the frame is to be rotated, if the packet says so (3GPP TS 26.114 section 7.4.5).
    pub turns: Option<u8>,
    /// The packet.
    pub packet: RtpPacket,
}

/// An encoded frame of our video, as packets.
#[derive(Debug)]
pub struct PacketizedFrame {
    /// Its temporal layer: peers on slow paths do without the higher ones.
    pub layer: u8,
    /// It is a key frame.
    pub key: bool,
    /// What it is sent as.
    pub packets: Vec<RtpPacket>,
}

/// STUN begins with two zero bits (RFC 7983). It can come from any address; its user name says which transport it is for.
pub(crate) fn is_stun(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4)
}

/// A stream of a peer: the session, and the content's name in it.
pub(crate) type StreamId = (SessionId, Arc<str>);
