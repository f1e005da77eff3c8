//! What the first bytes of a VP8 frame say.

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
