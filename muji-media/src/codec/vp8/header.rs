//! What the first bytes of a VP8 frame say.

use crate::codec::video::{FrameHeader, VideoFault};
use crate::video::frame::MAX_PIXELS;

/// The last of the four profiles.
const LAST_PROFILE: u8 = 3;

/// What a frame says (RFC 6386 section 9.1).
///
/// # Errors
/// If it is no frame, or too large.
pub(crate) fn look(frame: &[u8]) -> Result<FrameHeader, VideoFault> {
    let [first, middle, last, rest @ ..] = frame else { return Err(VideoFault::Stream("a frame has no header")) };
    let profile = first >> 1 & 7;
    if profile > LAST_PROFILE {
        return Err(VideoFault::Profile(profile));
    }
    // Behind three bits of which one says whether it is shown.
    let length = u32::from_le_bytes([*first, *middle, *last, 0]) >> 5;
    if rest.len() < length as usize {
        return Err(VideoFault::Stream("a frame is shorter than it says"));
    }
    let (key, size) = (is_key(frame), size(frame));
    match size {
        None if key => Err(VideoFault::Stream("a key frame does not say its size")),
        Some([width, height]) if width * height == 0 || width * height > MAX_PIXELS => Err(VideoFault::Size),
        _ => Ok(FrameHeader { key, size }),
    }
}

/// Whether a frame, given by its first bytes, is a key frame: its first bit is zero then (RFC 6386 section 9.1).
pub(crate) fn is_key(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 == 0)
}

/// The sides of the frame that a key frame begins with, in pixels (RFC 6386 section 9.1); `None` if it is none.
pub(crate) fn size(frame: &[u8]) -> Option<[usize; 2]> {
    let [_, _, _, 0x9D, 0x01, 0x2A, rest @ ..] = frame else { return None };
    let [w0, w1, h0, h1, ..] = rest else { return None };
    let side = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    is_key(frame).then(|| [side(*w0, *w1), side(*h0, *h1)])
}
