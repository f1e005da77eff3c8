//! Which encodings of audio and video there are, how packets name them, and what encodes and decodes them.

use std::collections::BTreeSet;

use muji_xep::rtp::PayloadType;

use super::av1::{self, Av1Payloader};
use super::decoder_limit::DecoderLimit;
use super::g711::{self, Law};
use super::h264::{self, H264Payloader, Packetization, UnknownLevel};
use super::opus;
use super::video::{Payloader, Piece, VideoDecoder, VideoEncoder, VideoFault};
use super::vp8::{self, Vp8Payloader};
use super::vp9::{self, Vp9Payloader};
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
    /// VP9, profile 0 (RFC 9628).
    Vp9,
    /// H.264 whose units may be cut into several packets (RFC 6184, `packetization-mode` 1).
    H264,
    /// H.264 for peers that take single units alone (`packetization-mode` 0).
    H264Single,
    /// AV1, profile 0 (RTP Payload Format For AV1).
    Av1,
}

impl VideoEncoding {
    /// All of them, in the order in which they are offered: VP8 first, since each client of the list in docs/status.md has it, ours has
    /// layers for slow viewers in it alone, and it takes the least of the processor.
    pub(crate) const ALL: [Self; 5] = [Self::Vp8, Self::Vp9, Self::H264, Self::H264Single, Self::Av1];

    /// Those that this program can encode and decode, in the order in which they are offered.
    pub fn built_in() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|encoding| encoding.is_built_in())
    }

    /// The same with that one first, in all of its forms, which this user prefers.
    pub(crate) fn offered(preferred: Option<Self>) -> Vec<Self> {
        let mut offered: Vec<Self> = Self::built_in().collect();
        offered.sort_by_key(|encoding| preferred.map(Self::name) != Some(encoding.name()));
        offered
    }

    fn is_built_in(self) -> bool {
        match self {
            Self::Vp8 | Self::Vp9 => cfg!(feature = "vp8"),
            Self::H264 | Self::H264Single => cfg!(feature = "h264"),
            Self::Av1 => cfg!(feature = "av1"),
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
            Self::H264 | Self::H264Single => Self::H264,
            Self::Vp8 | Self::Vp9 | Self::Av1 => self,
        }
    }

    /// How it is announced.
    #[must_use]
    pub fn payload_type(self) -> PayloadType {
        match self {
            Self::Vp8 => vp8::payload_type(),
            Self::Vp9 => vp9::payload_type(),
            Self::H264 => h264::payload_type(Packetization::NonInterleaved),
            Self::H264Single => h264::payload_type(Packetization::Single),
            Self::Av1 => av1::payload_type(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::H264 | Self::H264Single => "H.264",
            Self::Av1 => "AV1",
        }
    }

    /// Its name in WebM files; `None` if they cannot hold it.
    pub(crate) fn webm_name(self) -> Option<&'static str> {
        match self {
            Self::Vp8 => Some("V_VP8"),
            Self::Vp9 => Some("V_VP9"),
            Self::Av1 => Some("V_AV1"),
            Self::H264 | Self::H264Single => None,
        }
    }

    /// What WebM files say of a track that begins with this key frame, for encodings of which they say something.
    pub(crate) fn webm_private(self, frame: &[u8]) -> Option<[u8; 4]> {
        match self {
            Self::Av1 => av1::configuration(frame),
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::H264Single => None,
        }
    }

    /// Its name in IVF files.
    pub(crate) fn ivf_name(self) -> Option<&'static [u8]> {
        match self {
            Self::Vp8 => Some(b"VP80"),
            Self::Vp9 => Some(b"VP90"),
            Self::Av1 => Some(b"AV01"),
            Self::H264 | Self::H264Single => None,
        }
    }

    /// Whether our encoder makes temporal layers, of which slow paths can get fewer.
    #[must_use]
    pub fn has_layers(self) -> bool {
        match self {
            Self::Vp8 => true,
            Self::Vp9 | Self::H264 | Self::H264Single | Self::Av1 => false,
        }
    }

    /// What the decoder of a peer can do that takes this payload type.
    ///
    /// # Errors
    /// If what the peer says of it makes no sense.
    pub(crate) fn decoder_limit(self, payload: &PayloadType) -> Result<DecoderLimit, UnknownLevel> {
        match self {
            Self::Vp8 | Self::Vp9 => Ok(DecoderLimit::of_vpx(payload)),
            Self::H264 | Self::H264Single => h264::decoder_limit(payload),
            // `level-idx` is no bound in practice: Chromium says 3.1, whatever it decodes.
            Self::Av1 => Ok(DecoderLimit::NONE),
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
            #[cfg(feature = "vp8")]
            Self::Vp9 => Ok(Box::new(vp9::Encoder::new(size[0], size[1], bits)?)),
            #[cfg(feature = "h264")]
            Self::H264 => Ok(Box::new(h264::Encoder::new(size, bits, Packetization::NonInterleaved)?)),
            #[cfg(feature = "h264")]
            Self::H264Single => Ok(Box::new(h264::Encoder::new(size, bits, Packetization::Single)?)),
            #[cfg(feature = "av1")]
            Self::Av1 => Ok(Box::new(av1::Encoder::new(size, bits)?)),
            #[cfg(not(all(feature = "av1", feature = "h264", feature = "vp8")))]
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
            #[cfg(feature = "vp8")]
            Self::Vp9 => Ok(Box::new(vp9::Decoder::new()?)),
            #[cfg(feature = "h264")]
            Self::H264 | Self::H264Single => Ok(Box::new(h264::Decoder::new()?)),
            #[cfg(feature = "av1")]
            Self::Av1 => Ok(Box::new(av1::Decoder::new()?)),
            #[cfg(not(all(feature = "av1", feature = "h264", feature = "vp8")))]
            absent => Err(VideoFault::Absent(absent.name())),
        }
    }

    /// What cuts its frames into packets.
    #[must_use]
    pub fn payloader(self) -> Box<dyn Payloader> {
        match self {
            Self::Vp8 => Box::new(Vp8Payloader::default()),
            Self::Vp9 => Box::new(Vp9Payloader::default()),
            Self::H264 => Box::new(H264Payloader(Packetization::NonInterleaved)),
            Self::H264Single => Box::new(H264Payloader(Packetization::Single)),
            Self::Av1 => Box::new(Av1Payloader),
        }
    }

    /// What a packet holds; `None` if it is none of this encoding.
    pub(crate) fn read(self, payload: &[u8]) -> Option<Piece> {
        match self {
            Self::Vp8 => vp8::read(payload),
            Self::Vp9 => vp9::read(payload),
            Self::H264 | Self::H264Single => h264::read(payload),
            Self::Av1 => av1::read(payload),
        }
    }

    /// The frame that was cut into these pieces.
    ///
    /// # Errors
    /// If they contradict each other.
    pub(crate) fn join(self, pieces: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, VideoFault> {
        match self {
            Self::Vp8 => Ok(pieces.flatten().collect()),
            Self::Vp9 => vp9::join(pieces),
            Self::H264 | Self::H264Single => h264::join(pieces),
            Self::Av1 => av1::join(pieces),
        }
    }

    /// Whether a frame is a key frame.
    pub(crate) fn is_key(self, frame: &[u8]) -> bool {
        match self {
            Self::Vp8 => vp8::is_key(frame),
            Self::Vp9 => vp9::is_key(frame),
            Self::H264 | Self::H264Single => h264::is_key(frame),
            Self::Av1 => av1::is_key(frame),
        }
    }

    /// The sides of a key frame, in pixels, as it says them; `None` for other frames, and for encodings whose frames do not simply say it.
    pub(crate) fn size(self, frame: &[u8]) -> Option<[usize; 2]> {
        match self {
            Self::Vp8 => vp8::size(frame),
            Self::Vp9 => vp9::size(frame),
            Self::Av1 => av1::size(frame),
            Self::H264 | Self::H264Single => None,
        }
    }

    /// A packet for a peer that was not sent so many frames.
    pub(crate) fn renumbered(self, packet: &RtpPacket, kept_back: u16) -> RtpPacket {
        match self {
            Self::Vp8 => vp8::renumbered(packet, kept_back),
            Self::Vp9 => vp9::renumbered(packet, kept_back),
            Self::H264 | Self::H264Single | Self::Av1 => packet.clone(), // They have no numbers of frames.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::video::{Encoded, Layer};

    /// How a key frame of each encoding begins.
    fn beginning(encoding: VideoEncoding) -> &'static [u8] {
        match encoding {
            VideoEncoding::Vp8 => &[0x10, 0, 0, 0x9D, 1, 0x2A, 160, 0, 96, 0],
            VideoEncoding::Vp9 => &[0x82, 0x49, 0x83, 0x42, 0x00, 0x09, 0xF0, 0x05, 0xF0],
            VideoEncoding::H264 | VideoEncoding::H264Single => &[0, 0, 0, 1, 0x67, 66, 1, 31, 0, 0, 0, 1, 0x65],
            VideoEncoding::Av1 => &[0x0A, 6, 0, 0, 0, 0x24, 0xF5, 0x77, 0x32, 0xB8, 0x17],
        }
    }

    /// The packets of such a frame, of 3000 bytes behind its beginning.
    fn packets(encoding: VideoEncoding) -> Vec<Vec<u8>> {
        let rest = (0..3_000u32).map(|at| (at % 251) as u8 | 2);
        let bytes = beginning(encoding).iter().copied().chain(rest).collect();
        let packets = encoding.payloader().packets(&Encoded { bytes, key: true, layer: Layer::default() }, 0);
        packets.into_iter().map(|packet| packet.payload.to_vec()).collect()
    }

    #[test]
    fn a_damaged_packet_never_panics() {
        for encoding in VideoEncoding::ALL {
            let whole = packets(encoding);
            assert!(whole.iter().all(|packet| encoding.read(packet).is_some()), "{encoding:?}");
            for (number, packet) in whole.iter().enumerate() {
                let heads = (0..24.min(packet.len())).flat_map(|at| (0..=u8::MAX).map(move |with| (at, with)));
                let damaged = heads.map(|(at, with)| {
                    let mut damaged = packet.clone();
                    damaged[at] = with;
                    damaged
                });
                for damaged in damaged.chain((0..packet.len()).map(|length| packet[..length].to_vec())) {
                    let mut all = whole.clone();
                    all[number] = damaged;
                    let pieces: Vec<Piece> = all.iter().filter_map(|packet| encoding.read(packet)).collect();
                    let joined = encoding.join(pieces.into_iter().map(|piece| piece.bytes));
                    let _any_result = joined.map(|frame| (encoding.is_key(&frame), encoding.size(&frame)));
                }
            }
        }
    }

    #[test]
    fn what_a_user_prefers_is_offered_first_in_all_its_forms_and_each_under_its_own_id() {
        let offered = VideoEncoding::offered(Some(VideoEncoding::H264));
        assert!(offered.iter().take(2).all(|first| !cfg!(feature = "h264") || first.name() == "H.264"), "{offered:?}");
        assert_eq!(offered.len(), VideoEncoding::built_in().count());
        assert_eq!(VideoEncoding::offered(None), VideoEncoding::built_in().collect::<Vec<_>>());
        let ids: BTreeSet<u8> = VideoEncoding::ALL.map(|encoding| encoding.payload_type().id).into();
        assert_eq!(ids.len(), VideoEncoding::ALL.len());
    }
}
