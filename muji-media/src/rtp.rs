//! RTP as it is handled here: packets before and after a transport, and how they are told from STUN.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// A packet, encoded and packetised once for all peers. Each peer has its own SSRC, sequence and payload type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPacket {
    /// In ticks of the codec's clock rate.
    pub timestamp: u32,
    /// The first of a talkspurt, or the last of a picture.
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
    /// When it was captured, by the sender's clock; `None` before a sender report says how to tell (RFC 3550 section 6.4.1).
    pub captured: Option<SystemTime>,
    /// How often the picture is to be turned right by 90 degrees, if the packet says so (3GPP TS 26.114 section 7.4.5).
    pub turns: Option<u8>,
    /// The packet.
    pub packet: RtpPacket,
}

/// A picture of ours on its way out.
#[derive(Debug)]
pub struct Coded {
    /// Its temporal layer: who gets fewer pictures does without the higher ones.
    pub layer: u8,
    /// It needs no picture before it.
    pub key: bool,
    /// What it is sent as.
    pub packets: Vec<RtpPacket>,
}

/// STUN begins with two zero bits; it alone says by its user name whose it is, whatever the address.
pub(crate) fn is_stun(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4)
}
