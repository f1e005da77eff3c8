//! An encoded frame of our audio, as a packet.

use crate::codec::encoding::AudioEncoding;
use crate::codec::red::EarlierFrame;
use crate::rtp::RtpPacket;
use crate::transport::contributors::Contributor;

/// A frame of our audio in one encoding, for all peers that take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioPacket {
    /// How it is encoded.
    pub encoding: AudioEncoding,
    /// The frame.
    pub packet: RtpPacket,
    /// Earlier frames, for peers that take them with new ones (RED, RFC 2198).
    pub earlier: Vec<EarlierFrame>,
    /// Who is heard in it, if it is mixed of what others send.
    pub contributors: Vec<Contributor>,
}
