//! Opus by libopus (RFC 6716, RFC 7587).

use std::sync::Arc;

use muji_xep::rtp::PayloadType;
use opusic_c::{Application, Bitrate, Channels, ErrorCode, InbandFec, SampleRate};

use crate::audio::frame::{AudioFrame, FRAME, SAMPLE_RATE};

/// Speech in full band; music is fine too.
const TARGET_BITRATE: u32 = 32_000;

/// Speech in wide band, for a path that can hardly carry video too.
const NARROW_BITRATE: u32 = 20_000;

/// It is used if video gets fewer bits a second than this.
const NARROW: u32 = 120_000;

/// Speech, and as much again of what was lost: where packets get lost and the path carries more.
const ROBUST_BITRATE: u32 = 48_000;

/// It is used if video gets so many bits a second, so that some thousands more are no part of what is lost, and so many packets are lost.
const WIDE: u32 = 500_000;
const LOSSY: f32 = 0.02;

/// A copy of a frame that was sent before (RED, RFC 2198), and a frame where all peers take such copies. With what names the copy that is
/// 1.5 times what libwebrtc sends. Of the same sum larger frames and smaller copies sound worse from 5 % loss on (`make quality`).
pub(crate) const COPY_BITRATE: u32 = 14_400;
pub(crate) const COPIED_BITRATE: u32 = 28_800;

/// Music in stereo and full band.
const MUSIC_BITRATE: u32 = 128_000;

/// How much the decoder may compute: at 5 a neural network makes up what is lost, at 6 a small one and at 7 a large one take out what the
/// coding of speech in wide band has added (LACE and NoLACE).
const COMPLEXITY: u8 = 7;

/// The same on a machine that is too slow for a call: the networks would take the processor of what they are to repair. In a call of 32 on two
/// cores they were nearly half of all that was computed.
const THRIFTY_COMPLEXITY: u8 = 0;

/// Largest payload of one packet: what fits a datagram that no network splits.
const MAX_PAYLOAD: usize = 1_200;

/// Longest packet that Opus knows: 120 ms.
const MAX_SAMPLES: usize = 6 * FRAME;

/// How Opus is announced: exactly as Dino does, which compares everything.
#[must_use]
pub fn payload_type() -> PayloadType {
    PayloadType::new(111, "opus", SAMPLE_RATE, 2).with_parameter("useinbandfec", "1")
}

/// The bit rate of audio, in bits a second, on a path on which video gets `video` bits a second, and which loses this share of packets,
/// 0 to 1. Without video nothing is known of what the path carries.
pub(crate) fn bit_rate(video: Option<u32>, loss: f32) -> u32 {
    match video {
        Some(video) if video < NARROW => NARROW_BITRATE,
        Some(video) if video >= WIDE && loss >= LOSSY => ROBUST_BITRATE,
        Some(_) | None => TARGET_BITRATE,
    }
}

/// True if copies of frames are worth their bits, and the path has room for them: as [`bit_rate`]. Without video they are some 20 % of what a
/// call sends, with the headers of all its packets.
pub(crate) fn has_room_for_copies(video: Option<u32>, loss: f32) -> bool {
    loss >= LOSSY && video.is_none_or(|video| video >= WIDE)
}

/// libopus failed: it has no memory, or the input is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the Opus library failed: {0}")]
pub struct OpusFault(String);

impl From<ErrorCode> for OpusFault {
    fn from(error: ErrorCode) -> Self {
        Self(error.message().to_owned())
    }
}

/// One encoder for all peers.
pub struct Encoder(opusic_c::Encoder);

impl Encoder {
    /// An encoder for speech, which expects no loss.
    ///
    /// # Errors
    /// If the library has no memory.
    pub fn new() -> Result<Self, OpusFault> {
        let mut encoder = opusic_c::Encoder::new(Channels::Mono, SampleRate::Hz48000, Application::Voip)?;
        encoder.set_bitrate(Bitrate::Value(TARGET_BITRATE))?;
        // A variable bit rate would betray what is said by the sizes of encrypted packets (RFC 6562 section 3).
        encoder.set_vbr(false)?;
        Ok(Self(encoder))
    }

    /// An encoder for music in stereo.
    ///
    /// # Errors
    /// If the library has no memory.
    pub fn for_music() -> Result<Self, OpusFault> {
        let mut encoder = opusic_c::Encoder::new(Channels::Stereo, SampleRate::Hz48000, Application::Audio)?;
        encoder.set_bitrate(Bitrate::Value(MUSIC_BITRATE))?;
        encoder.set_vbr(false)?;
        Ok(Self(encoder))
    }

    /// From now on a frame in which nothing is to be heard is one of two bytes at most, except one in twenty (DTX).
    ///
    /// # Errors
    /// If the library refuses.
    pub fn set_pauses(&mut self) -> Result<(), OpusFault> {
        Ok(self.0.set_dtx(true)?)
    }

    /// From now on so many bits a second, 6000 to 510000.
    ///
    /// # Errors
    /// If it is none of these.
    pub fn set_bit_rate(&mut self, bits: u32) -> Result<(), OpusFault> {
        Ok(self.0.set_bitrate(Bitrate::Value(bits.min(i32::MAX.cast_unsigned())))?)
    }

    /// From now on this share of packets is expected to be lost, 0 to 1. If it is not 0, each packet has a copy of the one before, the better
    /// the more is lost (in-band FEC).
    ///
    /// # Errors
    /// If the library refuses.
    pub fn set_expected_loss(&mut self, share: f32) -> Result<(), OpusFault> {
        let percent = (share.clamp(0.0, 1.0) * 100.0).round() as u8;
        self.0.set_inband_fec(if percent == 0 { InbandFec::Off } else { InbandFec::Mode1 })?;
        Ok(self.0.set_packet_loss(percent)?)
    }

    /// The payload of a packet.
    ///
    /// # Errors
    /// If the library fails; the next frame may work.
    pub fn encode(&mut self, frame: &AudioFrame) -> Result<Arc<[u8]>, OpusFault> {
        self.run(&frame.map(i16::cast_unsigned))
    }

    /// The payload of a packet in stereo, of an encoder for it.
    ///
    /// # Errors
    /// If the library fails; the next frame may work.
    pub fn encode_stereo(&mut self, [left, right]: &[AudioFrame; 2]) -> Result<Arc<[u8]>, OpusFault> {
        let both = left.iter().zip(right).flat_map(|(left, right)| [left.cast_unsigned(), right.cast_unsigned()]);
        self.run(&both.collect::<Vec<u16>>())
    }

    fn run(&mut self, samples: &[u16]) -> Result<Arc<[u8]>, OpusFault> {
        let mut payload = [0; MAX_PAYLOAD];
        let length = self.0.encode_to_slice(samples, &mut payload)?;
        Ok(Arc::from(&payload[..length]))
    }
}

/// The decoder of one stream.
pub struct Decoder {
    decoder: opusic_c::Decoder,
    /// Samples of the packet before: a lost one is taken to be as long.
    last: usize,
}

impl Decoder {
    /// A decoder that knows nothing yet.
    ///
    /// # Errors
    /// If the library has no memory.
    pub fn new() -> Result<Self, OpusFault> {
        Self::with_complexity(COMPLEXITY)
    }

    /// One that may compute so much, 0 to 10.
    pub(crate) fn with_complexity(complexity: u8) -> Result<Self, OpusFault> {
        let mut decoder = opusic_c::Decoder::new(Channels::Mono, SampleRate::Hz48000)?;
        decoder.set_complexity(complexity)?;
        Ok(Self { decoder, last: FRAME })
    }

    /// From now on what is lost is made up with little computing, or as well as it can be.
    pub(crate) fn set_thrifty(&mut self, thrifty: bool) {
        let complexity = if thrifty { THRIFTY_COMPLEXITY } else { COMPLEXITY };
        // libopus refuses more than 10, and nothing else.
        let _never = self.decoder.set_complexity(complexity).is_err();
    }

    /// Another stream begins.
    pub fn forget(&mut self) {
        self.last = FRAME;
        // libopus refuses a pointer that is null, and nothing else.
        let _never = self.decoder.reset().is_err();
    }

    /// The audio of a packet.
    ///
    /// # Errors
    /// If it is no Opus packet.
    pub fn decode(&mut self, payload: &[u8]) -> Result<Vec<i16>, OpusFault> {
        // To libopus an empty payload is a gap, as long as there is room.
        let samples = if payload.is_empty() { self.last } else { self.decoder.get_nb_samples(payload)? };
        let sound = self.run(payload, samples.min(MAX_SAMPLES), false)?;
        self.last = sound.len().max(FRAME / 8);
        Ok(sound)
    }

    /// The audio of a lost packet, from what the packet behind it says about it (in-band FEC).
    ///
    /// # Errors
    /// If that is no Opus packet.
    pub fn recover(&mut self, following: &[u8]) -> Result<Vec<i16>, OpusFault> {
        self.run(following, self.last, true)
    }

    /// So many samples for a gap, made up from what came before: a multiple of 10 ms, up to 120.
    ///
    /// # Errors
    /// If the library fails.
    pub fn conceal(&mut self, samples: usize) -> Result<Vec<i16>, OpusFault> {
        self.run(&[], samples.min(MAX_SAMPLES), false)
    }

    fn run(&mut self, payload: &[u8], samples: usize, fec: bool) -> Result<Vec<i16>, OpusFault> {
        let mut sound = Vec::new();
        self.decoder.decode_to_vec(payload, &mut sound, samples, fec)?;
        Ok(sound.into_iter().map(u16::cast_signed).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::meter::Meter;
    use crate::device::AudioSource;
    use crate::device::tone::Tone;

    fn tone_of(frames: impl IntoIterator<Item = Vec<i16>>) -> f32 {
        let mut meter = Meter::default();
        frames.into_iter().for_each(|frame| meter.add(&frame));
        meter.take().expect("a second of sound").frequency.expect("a tone")
    }

    #[test]
    fn a_tone_survives_encoding_and_losses() {
        let (mut tone, mut encoder) = (Tone::new(440.0), Encoder::new().unwrap());
        encoder.set_expected_loss(0.1).unwrap();
        let mut frame = [0; FRAME];
        let payloads: Vec<_> = (0..100)
            .map(|_| {
                tone.fill(&mut frame).unwrap();
                encoder.encode(&frame).unwrap()
            })
            .collect();
        let mut whole = Decoder::new().unwrap();
        let heard = tone_of(payloads.iter().map(|payload| whole.decode(payload).unwrap()));
        assert!((heard - 440.0).abs() < 2.0, "{heard}");
        let mut lossy = Decoder::new().unwrap();
        let heard = tone_of((0..99).map(|index| match index % 10 {
            9 => lossy.recover(&payloads[index + 1]).unwrap(),
            4 => lossy.conceal(FRAME).unwrap(),
            _ => lossy.decode(&payloads[index]).unwrap(),
        }));
        assert!((heard - 440.0).abs() < 10.0, "{heard}");
    }

    #[test]
    fn fec_is_on_only_while_some_loss_is_expected() {
        let mut encoder = Encoder::new().unwrap();
        let settings = [0.0, 0.02, 0.2, 7.0, -1.0, 0.004].map(|expected| {
            encoder.set_expected_loss(expected).unwrap();
            (encoder.0.get_inband_fec().unwrap(), encoder.0.get_packet_loss().unwrap())
        });
        let (on, off) = (InbandFec::Mode1, InbandFec::Off);
        assert_eq!(settings, [(off, 0), (on, 2), (on, 20), (on, 100), (off, 0), (off, 0)]);
    }

    #[test]
    fn nonsense_is_an_error_and_no_end() {
        let mut decoder = Decoder::new().unwrap();
        assert!(decoder.decode(&[0xFF; 3]).is_err());
        assert_eq!(decoder.decode(&[]).map(|sound| sound.len()), Ok(FRAME), "an empty payload is a gap");
    }
}
