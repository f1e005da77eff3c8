//! What the first bits of a VP9 frame say (VP9 Bitstream & Decoding Process Specification, section 6.2), looked at before a decoder makes
//! room for it.

use super::superframe;
use crate::codec::bits::Bits;
use crate::codec::video::VideoFault;

/// With what each frame begins, in two bits.
const FRAME_MARKER: u32 = 2;

/// With what the header of a frame goes on that refers to no other.
const SYNC_CODE: u32 = 0x49_83_42;

/// Colours as red, green and blue, of which there is no frame with fewer samples of colour than of brightness.
const RGB: u32 = 7;

/// The header of a frame of profile 0: eight bits a sample, and one of each colour for four of brightness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// It needs no frame before it.
    pub(super) key: bool,
    /// Its sides, in pixels, if it does not take over those of another.
    pub(super) size: Option<[usize; 2]>,
}

impl Header {
    /// Reads it.
    ///
    /// # Errors
    /// If there is none, or it is of another profile.
    pub(super) fn read(frame: &[u8]) -> Result<Self, VideoFault> {
        let unreadable = VideoFault::Stream("the header of a frame cannot be read");
        let bits = &mut Bits::new(frame);
        match profile(bits).ok_or(unreadable)? {
            0 => Self::behind_profile(bits).ok_or(unreadable),
            other => Err(VideoFault::Profile(other)),
        }
    }

    fn behind_profile(bits: &mut Bits<'_>) -> Option<Self> {
        let shows_another = bits.flag()?;
        if shows_another {
            return Some(Self { key: false, size: None });
        }
        let key = !bits.flag()?;
        let (shown, resilient) = (bits.flag()?, bits.flag()?);
        if key {
            let (sync, space) = (bits.number(24)?, bits.number(3)?);
            bits.flag()?; // The range of the samples.
            let readable = sync == SYNC_CODE && space != RGB;
            let size = sides(bits)?;
            return readable.then_some(Self { key, size: Some(size) });
        }
        let intra = !shown && bits.flag()?;
        if !resilient {
            bits.number(2)?; // Whether statistics of symbols begin again.
        }
        let size = if intra { intra_size(bits) } else { inter_size(bits) }?;
        Some(Self { key, size })
    }
}

fn profile(bits: &mut Bits<'_>) -> Option<u8> {
    let marker = bits.number(2)?;
    let (low, high) = (bits.flag()?, bits.flag()?);
    (marker == FRAME_MARKER).then(|| u8::from(low) | u8::from(high) << 1)
}

/// The size of a frame that refers to no other, and yet is no key frame.
fn intra_size(bits: &mut Bits<'_>) -> Option<Option<[usize; 2]>> {
    let sync = bits.number(24)?;
    bits.number(8)?; // What it replaces.
    if sync == SYNC_CODE { sides(bits).map(Some) } else { None }
}

/// The size of a frame that refers to three others: that of one of them, or one of its own.
fn inter_size(bits: &mut Bits<'_>) -> Option<Option<[usize; 2]>> {
    bits.number(8 + 3 * 4)?; // What it replaces, and what it refers to.
    for _ in 0..3 {
        if bits.flag()? {
            return Some(None);
        }
    }
    sides(bits).map(Some)
}

fn sides(bits: &mut Bits<'_>) -> Option<[usize; 2]> {
    let mut side = || bits.number(16).map(|less_one| less_one as usize + 1);
    Some([side()?, side()?])
}

/// Whether a picture is a key frame: of several layers the lowest is one.
pub(crate) fn is_key(picture: &[u8]) -> bool {
    let first = superframe::frames(picture).and_then(|frames| frames.first().copied());
    first.is_some_and(|frame| Header::read(frame).is_ok_and(|header| header.key))
}

/// The sides of a key frame, in pixels: of several layers, those of the largest.
pub(crate) fn size(picture: &[u8]) -> Option<[usize; 2]> {
    let frames = superframe::frames(picture).filter(|_| is_key(picture))?;
    let sizes = frames.into_iter().filter_map(|frame| Header::read(frame).ok()?.size);
    sizes.max_by_key(|[width, height]| width * height)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key frame of 160 x 96.
    const KEY: [u8; 9] = [0x82, 0x49, 0x83, 0x42, 0x00, 0x09, 0xF0, 0x05, 0xF0];

    /// These numbers, each of so many bits.
    fn bits(numbers: &[(u32, u32)]) -> Vec<u8> {
        let all: Vec<bool> =
            numbers.iter().flat_map(|(bits, number)| (0..*bits).rev().map(move |bit| number >> bit & 1 == 1)).collect();
        let byte = |bits: &[bool]| bits.iter().zip(0u8..).map(|(bit, at)| u8::from(*bit) << (7 - at)).sum();
        all.chunks(8).map(byte).collect()
    }

    #[test]
    fn key_frames_say_their_size_and_others_may() {
        assert_eq!(Header::read(&KEY), Ok(Header { key: true, size: Some([160, 96]) }));
        assert_eq!((is_key(&KEY), size(&KEY)), (true, Some([160, 96])));
        // Shown, and refers to three frames.
        let inter = [(4, 0b1000), (4, 0b0110), (2, 0), (8, 1), (12, 0)];
        let header = |more: &[(u32, u32)]| Header::read(&bits(&[&inter, more].concat()));
        assert_eq!(header(&[(2, 0b01)]), Ok(Header { key: false, size: None }), "that of the second");
        let own = [(3, 0), (16, 0xFFFF), (16, 4_095)];
        assert_eq!(header(&own), Ok(Header { key: false, size: Some([65_536, 4_096]) }));
        assert_eq!(size(&bits(&[&inter, &own[..]].concat())), None, "it is no key frame");
        // Not shown, and refers to none.
        let intra = [(4, 0b1000), (4, 0b0100), (1, 1), (2, 0), (24, SYNC_CODE), (8, 1), (16, 4_095), (16, 0xFFFF)];
        assert_eq!(Header::read(&bits(&intra)), Ok(Header { key: false, size: Some([4_096, 65_536]) }));
        assert_eq!(Header::read(&[0x88]), Ok(Header { key: false, size: None }), "shows another again");
    }

    #[test]
    fn other_profiles_are_told_and_what_ends_too_early_or_makes_no_sense_is_refused() {
        assert_eq!(Header::read(&[0xA0, 1]), Err(VideoFault::Profile(1)));
        assert_eq!(Header::read(&[0xB0, 1]), Err(VideoFault::Profile(3)));
        let unreadable = Err(VideoFault::Stream("the header of a frame cannot be read"));
        for length in 0..KEY.len() {
            assert_eq!(Header::read(&KEY[..length]), unreadable, "{length} bytes");
        }
        for (at, with, why) in [(0, 0x42, "no marker"), (3, 0x43, "no sync code"), (4, 0xE0, "RGB")] {
            let mut other = KEY;
            other[at] = with;
            assert_eq!(Header::read(&other), unreadable, "{why}");
        }
    }
}
