//! Which encodings of audio and video there are, how packets name them, and what encodes and decodes them.

use std::collections::BTreeSet;

use muji_xep::rtp::PayloadType;

use super::g711::{self, Law};
use super::h264::{self, DecoderLimit, H264Payloader, Packetization, UnknownLevel};
use super::opus;
use super::video::{Payloader, Piece, VideoDecoder, VideoEncoder, VideoFault};
use super::vp8::{self, Vp8Payloader};
use crate::audio::frame::SAMPLE_RATE;
use crate::rtp::RtpPacket;

/// An encoding of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AudioEncoding {
    /// Opus (RFC 7587).
    Opus,
    /// G.711 with µ-law (RFC 3551).
    Pcmu,
    /// G.711 with A-law (RFC 3551).
    Pcma,
}

/// How our audio is to be encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WantedAudio {
    /// The encodings that some peer gets.
    pub encodings: BTreeSet<AudioEncoding>,
    /// Who of those that get Opus takes copies of earlier frames.
    pub red: RedTakers,
}

/// Who takes copies of earlier frames (RED, RFC 2198).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RedTakers {
    /// No peer.
    #[default]
    Nobody,
    /// Some peers, and others do not.
    Some,
    /// Each peer.
    All,
}

impl AudioEncoding {
    /// All of them, best first.
    pub(crate) const ALL: [Self; 3] = [Self::Opus, Self::Pcmu, Self::Pcma];

    /// That of a payload type.
    #[must_use]
    pub fn of(payload: &PayloadType) -> Option<Self> {
        let name = payload.name.as_deref()?;
        Self::ALL.into_iter().find(|encoding| name.eq_ignore_ascii_case(encoding.name()))
    }

    /// How it is announced.
    pub(crate) fn payload_type(self) -> PayloadType {
        match self {
            Self::Opus => opus::payload_type(),
            Self::Pcmu => Law::Mu.payload_type(),
            Self::Pcma => Law::A.payload_type(),
        }
    }

    /// Ticks of its timestamps a second.
    pub(crate) fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => SAMPLE_RATE,
            Self::Pcmu | Self::Pcma => g711::CLOCK_RATE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}

/// An encoding of video, as peers take it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum VideoEncoding {
    /// VP8 (RFC 6386, RFC 7741).
    Vp8,
    /// H.264 whose units may be cut into several packets (RFC 6184, `packetization-mode` 1).
    H264,
    /// H.264 for peers that take single units alone (`packetization-mode` 0).
    H264Single,
}

impl VideoEncoding {
    /// All of them, in the order in which they are offered: VP8 first, since each client of the list in docs/status.md has it, and ours has
    /// layers for slow viewers in it alone.
    const ALL: [Self; 3] = [Self::Vp8, Self::H264, Self::H264Single];

    /// Those that this program can encode and decode, in the order in which they are offered.
    pub fn built_in() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|encoding| encoding.is_built_in())
    }

    fn is_built_in(self) -> bool {
        match self {
            Self::Vp8 => cfg!(feature = "vp8"),
            Self::H264 | Self::H264Single => cfg!(feature = "h264"),
        }
    }

    /// That of a payload type.
    #[must_use]
    pub fn of(payload: &PayloadType) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.payload_type().same_codec(payload))
    }

    /// The same of a source: its units may be longer than a packet.
    pub(crate) fn of_source(self) -> Self {
        match self {
            Self::Vp8 => Self::Vp8,
            Self::H264 | Self::H264Single => Self::H264,
        }
    }

    /// How it is announced.
    #[must_use]
    pub fn payload_type(self) -> PayloadType {
        match self {
            Self::Vp8 => vp8::payload_type(),
            Self::H264 => h264::payload_type(Packetization::NonInterleaved),
            Self::H264Single => h264::payload_type(Packetization::Single),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::H264 | Self::H264Single => "H.264",
        }
    }

    /// Whether our encoder makes temporal layers, of which slow paths can get fewer.
    #[must_use]
    pub fn has_layers(self) -> bool {
        match self {
            Self::Vp8 => true,
            Self::H264 | Self::H264Single => false,
        }
    }

    /// What the decoder of a peer can do that takes this payload type.
    ///
    /// # Errors
    /// If what the peer says of it makes no sense.
    pub(crate) fn decoder_limit(self, payload: &PayloadType) -> Result<DecoderLimit, UnknownLevel> {
        match self {
            Self::Vp8 => Ok(DecoderLimit::NONE),
            Self::H264 | Self::H264Single => DecoderLimit::of(payload),
        }
    }

    /// An encoder for frames of this size, in pixels, at so many bits a second.
    ///
    /// # Errors
    /// If it is not built in, or the library refuses.
    pub fn encoder(self, size: [usize; 2], bits: u32) -> Result<Box<dyn VideoEncoder>, VideoFault> {
        match self {
            #[cfg(feature = "vp8")]
            Self::Vp8 => Ok(Box::new(vp8::Encoder::new(size[0], size[1], bits)?)),
            #[cfg(feature = "h264")]
            Self::H264 => Ok(Box::new(h264::Encoder::new(size, bits, Packetization::NonInterleaved)?)),
            #[cfg(feature = "h264")]
            Self::H264Single => Ok(Box::new(h264::Encoder::new(size, bits, Packetization::Single)?)),
            #[cfg(not(all(feature = "vp8", feature = "h264")))]
            absent => {
                let _no_encoder_takes_them = (size, bits);
                Err(VideoFault::Absent(absent.name()))
            }
        }
    }

    /// A decoder that waits for a key frame.
    ///
    /// # Errors
    /// If it is not built in, or the library refuses.
    pub fn decoder(self) -> Result<Box<dyn VideoDecoder>, VideoFault> {
        match self {
            #[cfg(feature = "vp8")]
            Self::Vp8 => Ok(Box::new(vp8::Decoder::new()?)),
            #[cfg(feature = "h264")]
            Self::H264 | Self::H264Single => Ok(Box::new(h264::Decoder::new()?)),
            #[cfg(not(all(feature = "vp8", feature = "h264")))]
            absent => Err(VideoFault::Absent(absent.name())),
        }
    }

    /// What cuts its frames into packets.
    #[must_use]
    pub fn payloader(self) -> Box<dyn Payloader> {
        match self {
            Self::Vp8 => Box::new(Vp8Payloader::default()),
            Self::H264 => Box::new(H264Payloader(Packetization::NonInterleaved)),
            Self::H264Single => Box::new(H264Payloader(Packetization::Single)),
        }
    }

    /// What a packet holds; `None` if it is none of this encoding.
    pub(crate) fn read(self, payload: &[u8]) -> Option<Piece> {
        match self {
            Self::Vp8 => vp8::read(payload),
            Self::H264 | Self::H264Single => h264::read(payload),
        }
    }

    /// The frame that was cut into these pieces.
    ///
    /// # Errors
    /// If they contradict each other.
    pub(crate) fn join(self, pieces: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, VideoFault> {
        match self {
            Self::Vp8 => Ok(pieces.flatten().collect()),
            Self::H264 | Self::H264Single => h264::join(pieces),
        }
    }

    /// Whether a frame is a key frame.
    pub(crate) fn is_key(self, frame: &[u8]) -> bool {
        match self {
            Self::Vp8 => vp8::is_key(frame),
            Self::H264 | Self::H264Single => h264::is_key(frame),
        }
    }

    /// The sides of a key frame, in pixels, as it says them; `None` for other frames, and for encodings whose frames do not simply say it.
    pub(crate) fn size(self, frame: &[u8]) -> Option<[usize; 2]> {
        match self {
            Self::Vp8 => vp8::size(frame),
            Self::H264 | Self::H264Single => None,
        }
    }

    /// A packet for a peer that was not sent so many frames.
    pub(crate) fn renumbered(self, packet: &RtpPacket, kept_back: u16) -> RtpPacket {
        match self {
            Self::Vp8 => vp8::renumbered(packet, kept_back),
            Self::H264 | Self::H264Single => packet.clone(), // It has no numbers of frames.
        }
    }
}
