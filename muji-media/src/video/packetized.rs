//! One of our encoded frames, as packets.

use muji_core::Media;

use crate::codec::encoding::VideoEncoding;
use crate::rtp::RtpPacket;

/// One of our streams of video: of the camera or the screen, in one encoding.
pub type VideoKind = (Media, VideoEncoding);

/// An encoded frame of our video, as packets.
#[derive(Debug)]
pub struct PacketizedFrame {
    /// How it is encoded.
    pub encoding: VideoEncoding,
    /// Its temporal layer: peers on slow paths do without the higher ones.
    pub layer: u8,
    /// It is a key frame.
    pub key: bool,
    /// What it is sent as.
    pub packets: Vec<RtpPacket>,
}

impl PacketizedFrame {
    /// The length of all its packets' payloads.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.packets.iter().map(|packet| packet.payload.len()).sum()
    }
}
