//! G.711, the sound of telephones: µ-law (PCMU) and A-law (PCMA), 8 kHz (ITU-T G.711, RFC 3551 section 4.5.14).

use std::sync::Arc;

use muji_xep::rtp::PayloadType;

use crate::audio::frame::{AudioFrame, FRAME};
use crate::audio::narrowband::{Narrower, Wider};

/// What both laws share: 8000 samples a second.
pub(crate) const CLOCK_RATE: u32 = 8_000;

/// µ-law adds this before it takes the logarithm.
const BIAS: i32 = 0x84;

/// Largest payload that is decoded: 200 ms, the most that RFC 3551 section 4.2 wants a receiver to take.
const MAX_PAYLOAD: usize = 1_600;

/// By how much concealed sound is quieter after each frame.
const FADE: f32 = 0.6;

/// Which logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Law {
    /// µ-law, in North America and Japan.
    Mu,
    /// A-law, elsewhere.
    A,
}

impl Law {
    /// How it is announced: with its static payload type (RFC 3551 section 6).
    pub(crate) fn payload_type(self) -> PayloadType {
        match self {
            Self::Mu => PayloadType::new(0, "PCMU", CLOCK_RATE, 1),
            Self::A => PayloadType::new(8, "PCMA", CLOCK_RATE, 1),
        }
    }

    fn expand(self, byte: u8) -> i16 {
        match self {
            Self::Mu => mu_expanded(byte),
            Self::A => a_expanded(byte),
        }
    }

    fn compress(self, sample: i16) -> u8 {
        match self {
            Self::Mu => mu_compressed(sample),
            Self::A => a_compressed(sample),
        }
    }
}

fn mu_expanded(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = (((i32::from(byte & 0x0F) << 3) + BIAS) << (byte >> 4 & 7)) - BIAS;
    (if byte & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

fn mu_compressed(sample: i16) -> u8 {
    let magnitude = (i32::from(sample).abs() + BIAS).min(0x7FFF);
    let segment = magnitude.ilog2() - 7;
    let mantissa = magnitude >> (segment + 3) & 0x0F;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment as u8) << 4 | mantissa as u8)
}

fn a_expanded(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (mantissa, segment) = (i32::from(byte & 0x0F) << 4, byte >> 4 & 7);
    let magnitude = if segment == 0 { mantissa + 8 } else { (mantissa + 0x108) << (segment - 1) };
    (if byte & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

fn a_compressed(sample: i16) -> u8 {
    // The negative values are one lower than the positive ones.
    let (sign, magnitude) = if sample < 0 { (0, !i32::from(sample)) } else { (0x80, i32::from(sample)) };
    let segment = (magnitude >> 8).checked_ilog2().map_or(0, |log| log + 1);
    let mantissa = if segment == 0 { magnitude >> 4 } else { magnitude >> (segment + 3) } & 0x0F;
    (sign | (segment as u8) << 4 | mantissa as u8) ^ 0x55
}

/// The encoder of both laws, for all peers.
#[derive(Default)]
pub(crate) struct Encoder(Narrower);

impl Encoder {
    /// The payloads of the next frame, one for each law that is wanted, with its name.
    pub(crate) fn encode<N>(
        &mut self,
        frame: &AudioFrame,
        wanted: impl IntoIterator<Item = (N, Law)>,
    ) -> Vec<(N, Arc<[u8]>)> {
        let mut wanted = wanted.into_iter().peekable();
        if wanted.peek().is_none() {
            return Vec::new();
        }
        let narrow = self.0.narrow(frame);
        let payload = |law: Law| narrow.iter().map(|sample| law.compress(*sample)).collect();
        wanted.map(|(name, law)| (name, payload(law))).collect()
    }
}

/// The decoder of one stream, of both laws.
pub(crate) struct Decoder {
    wider: Wider,
    /// The last frame that came, which stands in for lost ones.
    last: Vec<i16>,
    /// Samples that were made up since.
    made_up: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { wider: Wider::default(), last: vec![0; FRAME], made_up: 0 }
    }
}

impl Decoder {
    /// The audio of a packet.
    pub(crate) fn decode(&mut self, law: Law, payload: &[u8]) -> Vec<i16> {
        let payload = &payload[..payload.len().min(MAX_PAYLOAD)];
        let sound = self.wider.widen(payload.iter().map(|byte| law.expand(*byte)));
        self.last.extend(&sound);
        self.last.drain(..self.last.len() - FRAME);
        self.made_up = 0;
        sound
    }

    /// So many samples for a gap: the last frame again, quieter all along, so that there is no step.
    pub(crate) fn conceal(&mut self, samples: usize) -> Vec<i16> {
        let made_up = (self.made_up..self.made_up + samples).map(|place| {
            let gain = FADE.powf(place as f32 / FRAME as f32);
            (f32::from(self.last[place % FRAME]) * gain) as i16
        });
        let made_up = made_up.collect();
        self.made_up += samples;
        made_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::meter::Meter;
    use crate::audio::narrowband::RATIO;
    use crate::device::AudioSource;
    use crate::device::tone::Tone;

    #[test]
    fn both_laws_give_the_values_of_the_recommendation() {
        // ITU-T G.711 tables 1 and 2: the ends of the segments, in steps of 16 bits.
        let mu = [(0xFF, 0), (0x7F, 0), (0xFE, 8), (0xF0, 120), (0xEF, 132), (0x80, 32_124), (0x00, -32_124)];
        assert_eq!(mu.map(|(byte, _)| Law::Mu.expand(byte)), mu.map(|(_, sample)| sample));
        let a = [(0xD5, 8), (0x55, -8), (0xC5, 264), (0xAA, 32_256), (0x2A, -32_256)];
        assert_eq!(a.map(|(byte, _)| Law::A.expand(byte)), a.map(|(_, sample)| sample));
    }

    #[test]
    fn each_byte_is_its_own_value_again_and_no_sample_is_off_by_more_than_half_a_step() {
        for law in [Law::Mu, Law::A] {
            for byte in 0..=255u8 {
                let again = law.compress(law.expand(byte));
                assert!(again == byte || (law, byte) == (Law::Mu, 0x7F), "{law:?} {byte:#x} {again:#x}");
            }
            for sample in i16::MIN..=i16::MAX {
                let off = i32::from(law.expand(law.compress(sample))) - i32::from(sample);
                let step = (i32::from(sample).abs() / 16).max(16);
                assert!(off.abs() <= step || sample.unsigned_abs() > 32_500, "{law:?} {sample} {off}");
            }
        }
    }

    /// A tone in µ-law and in A-law.
    fn payloads(hz: f32, frames: usize) -> Vec<[Arc<[u8]>; 2]> {
        let (mut tone, mut encoder, mut frame) = (Tone::new(hz), Encoder::default(), [0; FRAME]);
        let encoded = (0..frames).map(|_| {
            tone.fill(&mut frame).unwrap();
            let both = encoder.encode(&frame, [((), Law::Mu), ((), Law::A)]);
            <[_; 2]>::try_from(both).expect("two").map(|(_, payload)| payload)
        });
        encoded.collect()
    }

    #[test]
    fn a_tone_survives_both_laws_in_frames_of_160_bytes() {
        for (place, law) in [Law::Mu, Law::A].into_iter().enumerate() {
            let (mut decoder, mut meter) = (Decoder::default(), Meter::default());
            for payload in payloads(440.0, 60) {
                assert_eq!(payload[place].len(), FRAME / RATIO);
                let sound = decoder.decode(law, &payload[place]);
                assert_eq!(sound.len(), FRAME);
                meter.add(&sound);
            }
            let level = meter.take().expect("a second of sound");
            assert!(level.frequency.is_some_and(|hz| (hz - 440.0).abs() < 2.0), "{law:?}: {level:?}");
        }
    }

    #[test]
    fn a_gap_is_filled_with_what_came_before_and_fades() {
        let mut decoder = Decoder::default();
        for [payload, _] in payloads(440.0, 10) {
            decoder.decode(Law::Mu, &payload);
        }
        let peaks: Vec<i16> = (0..5).map(|_| decoder.conceal(FRAME).into_iter().max().unwrap()).collect();
        assert!(peaks[0] > 1_000 && peaks.windows(2).all(|two| two[1] * 10 < two[0] * 7), "{peaks:?}");
        assert_eq!(Decoder::default().conceal(FRAME), [0; FRAME]);
    }

    #[test]
    fn a_payload_of_any_length_is_decoded_within_the_bound() {
        let mut decoder = Decoder::default();
        for length in [0, 1, 80, 160, 240, 1_600, 60_000] {
            let sound = decoder.decode(Law::A, &vec![0x2A; length]);
            assert_eq!(sound.len(), length.min(MAX_PAYLOAD) * RATIO);
            assert_eq!(decoder.conceal(FRAME).len(), FRAME);
        }
    }
}
