//! What the first bits of a VP9 frame say (VP9 Bitstream & Decoding Process Specification, section 6.2), looked at before a decoder makes
//! room for it.

use super::superframe;
use crate::codec::bits::Bits;
use crate::codec::video::{FrameHeader, VideoFault};
use crate::video::frame::MAX_PIXELS;

/// With what each frame begins, in two bits.
const FRAME_MARKER: u32 = 2;

/// With what the header of a frame goes on that refers to no other.
const SYNC_CODE: u32 = 0x49_83_42;

/// What is wrong with a picture whose index says more than there is.
pub(super) const TOO_SHORT: VideoFault = VideoFault::Stream("a frame is longer than its picture");

/// Colours as red, green and blue, of which there is no frame with fewer samples of colour than of brightness.
const RGB: u32 = 7;

/// Reads the header of a frame of profile 0: eight bits a sample, and one of each colour for four of brightness.
fn read(frame: &[u8]) -> Result<FrameHeader, VideoFault> {
    let unreadable = VideoFault::Stream("the header of a frame cannot be read");
    let bits = &mut Bits::new(frame);
    match profile(bits).ok_or(unreadable)? {
        0 => behind_profile(bits).ok_or(unreadable),
        other => Err(VideoFault::Profile(other)),
    }
}

fn behind_profile(bits: &mut Bits<'_>) -> Option<FrameHeader> {
    let shows_another = bits.flag()?;
    if shows_another {
        return Some(FrameHeader { key: false, size: None });
    }
    let key = !bits.flag()?;
    let (shown, resilient) = (bits.flag()?, bits.flag()?);
    if key {
        let (sync, space) = (bits.number(24)?, bits.number(3)?);
        bits.flag()?; // The range of the samples.
        let readable = sync == SYNC_CODE && space != RGB;
        let size = sides(bits)?;
        return readable.then_some(FrameHeader { key, size: Some(size) });
    }
    let intra = !shown && bits.flag()?;
    if !resilient {
        bits.number(2)?; // Whether statistics of symbols begin again.
    }
    let size = if intra { intra_size(bits) } else { inter_size(bits) }?;
    Some(FrameHeader { key, size })
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

/// Reads the header of a frame that is to be decoded: each may have another size than the one before, not only key frames, and decoders make
/// room for whatever it says.
///
/// # Errors
/// If there is none, or it is of another profile, or the frame is too large.
pub(super) fn checked(frame: &[u8]) -> Result<FrameHeader, VideoFault> {
    let header = read(frame)?;
    let too_large = header.size.is_some_and(|[width, height]| width * height > MAX_PIXELS);
    if too_large { Err(VideoFault::Size) } else { Ok(header) }
}

/// What a picture says: of several layers it is a key frame if the lowest is one, and has the sides of the largest.
///
/// # Errors
/// As of [`checked`], for any of its frames.
pub(crate) fn look(picture: &[u8]) -> Result<FrameHeader, VideoFault> {
    let frames = superframe::frames(picture).ok_or(TOO_SHORT)?;
    let headers = frames.into_iter().map(checked).collect::<Result<Vec<_>, _>>()?;
    let size = headers.iter().filter_map(|header| header.size).max_by_key(|[width, height]| width * height);
    Ok(FrameHeader { key: headers.first().is_some_and(|lowest| lowest.key), size })
}

/// Whether a picture is a key frame: of several layers the lowest is one.
pub(crate) fn is_key(picture: &[u8]) -> bool {
    let first = superframe::frames(picture).and_then(|frames| frames.first().copied());
    first.is_some_and(|frame| read(frame).is_ok_and(|header| header.key))
}

/// The sides of a key frame, in pixels: of several layers, those of the largest.
pub(crate) fn size(picture: &[u8]) -> Option<[usize; 2]> {
    let frames = superframe::frames(picture).filter(|_| is_key(picture))?;
    let sizes = frames.into_iter().filter_map(|frame| read(frame).ok()?.size);
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
        assert_eq!(read(&KEY), Ok(FrameHeader { key: true, size: Some([160, 96]) }));
        assert_eq!((is_key(&KEY), size(&KEY)), (true, Some([160, 96])));
        // Shown, and refers to three frames.
        let inter = [(4, 0b1000), (4, 0b0110), (2, 0), (8, 1), (12, 0)];
        let header = |more: &[(u32, u32)]| read(&bits(&[&inter, more].concat()));
        assert_eq!(header(&[(2, 0b01)]), Ok(FrameHeader { key: false, size: None }), "that of the second");
        let own = [(3, 0), (16, 0xFFFF), (16, 4_095)];
        assert_eq!(header(&own), Ok(FrameHeader { key: false, size: Some([65_536, 4_096]) }));
        assert_eq!(size(&bits(&[&inter, &own[..]].concat())), None, "it is no key frame");
        // Not shown, and refers to none.
        let intra = [(4, 0b1000), (4, 0b0100), (1, 1), (2, 0), (24, SYNC_CODE), (8, 1), (16, 4_095), (16, 0xFFFF)];
        assert_eq!(read(&bits(&intra)), Ok(FrameHeader { key: false, size: Some([4_096, 65_536]) }));
        assert_eq!(read(&[0x88]), Ok(FrameHeader { key: false, size: None }), "shows another again");
    }

    #[test]
    fn other_profiles_are_told_and_what_ends_too_early_or_makes_no_sense_is_refused() {
        assert_eq!(read(&[0xA0, 1]), Err(VideoFault::Profile(1)));
        assert_eq!(read(&[0xB0, 1]), Err(VideoFault::Profile(3)));
        let unreadable = Err(VideoFault::Stream("the header of a frame cannot be read"));
        for length in 0..KEY.len() {
            assert_eq!(read(&KEY[..length]), unreadable, "{length} bytes");
        }
        for (at, with, why) in [(0, 0x42, "no marker"), (3, 0x43, "no sync code"), (4, 0xE0, "RGB")] {
            let mut other = KEY;
            other[at] = with;
            assert_eq!(read(&other), unreadable, "{why}");
        }
    }
}
