//! What a sequence parameter set says (ITU-T H.264 section 7.3.2.1.1), looked at before a decoder makes room for it.
//!
//! Our own reader: crate `h264-reader` refuses what real encoders send, such as a size beyond the level that they name.

use crate::codec::decoder_limit::MACROBLOCK;
use crate::codec::video::VideoFault;
use crate::video::frame::MAX_PIXELS;

/// Baseline, main and high: what OpenH264 decodes of them has eight bits, colours at half the resolution, and whole frames.
const BASELINE: u8 = 66;
const MAIN: u8 = 77;
const HIGH: u8 = 100;

/// The constraint of main with which it keeps to baseline as well (`constraint_set0_flag`).
const KEEPS_TO_BASELINE: u8 = 0x80;

/// Macroblocks of all pictures that a decoder keeps to refer to: those of level 5.2, the highest that OpenH264 knows (table A-1,
/// `MaxDpbMbs`), some 70 MB. A stream of small pictures may name sixteen of them, one of large ones may not.
const MAX_KEPT: usize = 184_320;

const BROKEN: VideoFault = VideoFault::Stream("a sequence parameter set cannot be read");

/// A sequence parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    /// The profile, by its number.
    pub(super) profile: u8,
    /// It keeps to constrained baseline. Plain baseline counts: what it allows beyond that, no encoder in use makes.
    pub(super) is_baseline: bool,
    /// The sides of the picture, in pixels, before it is cropped.
    #[cfg_attr(not(feature = "h264"), allow(dead_code, reason = "only a decoder makes room for it"))]
    pub(super) coded: [usize; 2],
    /// The sides that are shown; even.
    pub(super) shown: [usize; 2],
}

/// Reads a sequence parameter set.
///
/// # Errors
/// If it makes no sense, or is of a profile or size that cannot be decoded.
pub(super) fn read(unit: &[u8]) -> Result<Sequence, VideoFault> {
    let [_, profile, constraints, _, rest @ ..] = unit else { return Err(BROKEN) };
    let bits = &mut Bits::new(rest);
    bits.golomb()?; // The id of the set.
    match *profile {
        BASELINE | MAIN => {}
        HIGH => high(bits)?,
        other => return Err(VideoFault::Profile(other)),
    }
    bits.golomb()?; // The length of a frame's number.
    order(bits)?;
    let references = bits.golomb()?.max(1);
    bits.bit()?; // Whether numbers of frames have gaps.
    let mut side = || Ok((bits.golomb()? + 1).saturating_mul(MACROBLOCK));
    let size: [usize; 2] = [side()?, side()?];
    if !bits.bit()? {
        return Err(VideoFault::Stream("interlaced pictures are not supported"));
    }
    let pixels = size[0].saturating_mul(size[1]);
    let kept = (pixels / (MACROBLOCK * MACROBLOCK)).saturating_mul(references);
    if pixels > MAX_PIXELS || kept > MAX_KEPT {
        return Err(VideoFault::Size);
    }
    bits.bit()?; // How motion between frames is derived.
    let is_baseline = *profile == BASELINE || *profile == MAIN && constraints & KEEPS_TO_BASELINE != 0;
    Ok(Sequence { profile: *profile, is_baseline, coded: size, shown: cropped(bits, size)? })
}

/// What is shown of a picture: it is cropped by units of two pixels.
fn cropped(bits: &mut Bits, [width, height]: [usize; 2]) -> Result<[usize; 2], VideoFault> {
    if !bits.bit()? {
        return Ok([width, height]);
    }
    let mut side =
        |whole: usize| Ok(whole.saturating_sub(bits.golomb()?.saturating_add(bits.golomb()?).saturating_mul(2)));
    let shown = [side(width)?, side(height)?];
    if shown.contains(&0) { Err(BROKEN) } else { Ok(shown) }
}

/// What profile high alone says.
fn high(bits: &mut Bits) -> Result<(), VideoFault> {
    let [colours, luma, chroma] = [bits.golomb()?, bits.golomb()?, bits.golomb()?];
    if [colours, luma, chroma] != [1, 0, 0] {
        return Err(VideoFault::Profile(HIGH));
    }
    bits.bit()?; // Whether a transform is left out.
    if bits.bit()? {
        for list in 0..8 {
            if bits.bit()? {
                scaling(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(())
}

/// Passes over a list of so many scales (section 7.3.2.1.1.1).
fn scaling(bits: &mut Bits, count: usize) -> Result<(), VideoFault> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..count {
        if next != 0 {
            next = (last + bits.signed()?) & 0xFF;
        }
        last = if next == 0 { last } else { next };
    }
    Ok(())
}

/// Passes over how the order of pictures is told.
fn order(bits: &mut Bits) -> Result<(), VideoFault> {
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => {
            bits.bit()?;
            bits.golomb()?;
            bits.golomb()?;
            let offsets = bits.golomb()?;
            if offsets > 255 {
                return Err(BROKEN);
            }
            for _ in 0..offsets {
                bits.golomb()?;
            }
        }
        2 => {}
        _ => return Err(BROKEN),
    }
    Ok(())
}

/// Reads bits.
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    /// Without the bytes that keep start codes out (section 7.4.1).
    fn new(escaped: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(escaped.len());
        let mut zeros = 0;
        for byte in escaped {
            if zeros >= 2 && *byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            bytes.push(*byte);
        }
        Self { bytes, at: 0 }
    }

    fn bit(&mut self) -> Result<bool, VideoFault> {
        let byte = self.bytes.get(self.at / 8).ok_or(BROKEN)?;
        let bit = byte >> (7 - self.at % 8) & 1 == 1;
        self.at += 1;
        Ok(bit)
    }

    /// A number in Exp-Golomb code (section 9.1), below 2^31.
    fn golomb(&mut self) -> Result<usize, VideoFault> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 30 {
                return Err(BROKEN);
            }
        }
        let mut number = 1;
        for _ in 0..zeros {
            number = number << 1 | usize::from(self.bit()?);
        }
        Ok(number - 1)
    }

    /// The same with a sign (section 9.1.1).
    fn signed(&mut self) -> Result<i64, VideoFault> {
        let number = i64::try_from(self.golomb()?).map_err(|_| BROKEN)?;
        Ok(if number % 2 == 0 { -number / 2 } else { number / 2 + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes bits.
    #[derive(Default)]
    struct Written(Vec<bool>);

    impl Written {
        fn number(&mut self, bits: usize, number: u32) {
            self.0.extend((0..bits).rev().map(|bit| number >> bit & 1 == 1));
        }

        /// In Exp-Golomb code (ITU-T H.264 section 9.1).
        fn golomb(&mut self, numbers: &[u32]) {
            for number in numbers {
                let length = 32 - (number + 1).leading_zeros() as usize;
                self.number(length - 1, 0);
                self.number(length, number + 1);
            }
        }

        fn bytes(mut self) -> Vec<u8> {
            self.0.push(true); // Where the set ends.
            let byte = |bits: &[bool]| bits.iter().zip(0u8..).map(|(bit, at)| u8::from(*bit) << (7 - at)).sum();
            let raw: Vec<u8> = self.0.chunks(8).map(byte).collect();
            // Three bytes that would look like a start code get another between them (section 7.4.1).
            let mut escaped = Vec::new();
            for byte in raw {
                if byte < 4 && escaped.ends_with(&[0, 0]) {
                    escaped.push(3);
                }
                escaped.push(byte);
            }
            escaped
        }
    }

    /// A set that names this profile, this size in macroblocks, and so many pictures to refer to.
    fn set(profile: u8, [width, height]: [u32; 2], references: u32, frames: bool) -> Vec<u8> {
        let mut bits = Written::default();
        bits.number(8, 0x67);
        bits.number(8, profile.into());
        bits.number(16, 0x00_1F);
        bits.golomb(&[0]);
        if profile >= 100 {
            bits.golomb(&[1, 0, 0]);
            bits.number(2, 0);
        }
        bits.golomb(&[0, 2, references]);
        bits.number(1, 0);
        bits.golomb(&[width - 1, height - 1]);
        bits.number(if frames { 1 } else { 2 }, u32::from(frames) << u32::from(!frames));
        bits.number(3, 0b100);
        bits.bytes()
    }

    #[test]
    fn the_size_of_what_can_be_decoded_is_known_before_it_is() {
        for profile in [BASELINE, MAIN, HIGH] {
            let is_baseline = profile == BASELINE;
            let read = read(&set(profile, [40, 23], 1, true));
            assert_eq!(read, Ok(Sequence { profile, is_baseline, coded: [640, 368], shown: [640, 368] }), "{profile}");
        }
        assert_eq!(read(&set(66, [120, 68], 4, true)).map(|set| set.coded), Ok([1_920, 1_088]));
    }

    #[test]
    fn other_profiles_interlaced_pictures_and_sizes_beyond_the_bound_are_refused_in_words() {
        let refused = |set: &[u8]| read(set).expect_err("it is refused").to_string();
        assert_eq!(refused(&set(244, [40, 23], 1, true)), "profile 244 is not supported");
        assert_eq!(
            refused(&set(77, [40, 23], 1, false)),
            "the stream makes no sense: interlaced pictures are not supported"
        );
        for [width, height] in [[1, 65_536], [65_536, 65_536], [512, 288]] {
            assert_eq!(
                refused(&set(66, [width, height], 1, true)),
                "the size of the frame is not supported",
                "{width}"
            );
        }
        assert_eq!(refused(&set(66, [120, 68], 400, true)), "the size of the frame is not supported");
        let whole = set(66, [40, 23], 1, true);
        for length in 0..whole.len() - 1 {
            assert!(read(&whole[..length]).is_err(), "{length} bytes");
        }
    }
}
