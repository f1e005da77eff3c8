//! An encoded video frame, its temporal layer, and what encoders and decoders have in common.

/// A frame, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// What came out.
    pub bytes: Vec<u8>,
    /// It needs no frame before it.
    pub key: bool,
    /// Who can do without it.
    pub layer: Layer,
}

/// What of the bit rate the frames up to each temporal layer take, in percent: of four frames one is of layer 0 and needs none but
/// those of layer 0 before it, one is of layer 1 and needs none of layer 2, and two are of layer 2, which nothing needs.
pub const LAYERS: [u32; 3] = [40, 60, 100];

/// The temporal layer of a frame (RFC 7741 section 4.2). Without layers all are of the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layer {
    /// From 0 on: an index of [`LAYERS`].
    pub number: u8,
    /// It depends on nothing but the last frame of layer 0 (the Y bit of RFC 7741).
    pub sync: bool,
}

/// How libvpx keeps to its bit rate (`rc_buf_sz` and its neighbours). Levels are in ms at the target bit rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateControl {
    /// As constant as it can be, or varying with what is seen.
    pub constant: bool,
    /// The size of the buffer in the decoder that the encoder reckons with.
    pub buffer: u32,
    /// Its level in the beginning.
    pub initial: u32,
    /// The level that the encoder aims at.
    pub optimal: u32,
    /// Frames are left out when it is less full than that, in percent; 0: never.
    pub drop_below: u32,
}

impl RateControl {
    /// For conversations: a new target is reached within four frames, where browsers' second of buffer takes up to 23, and libvpx's
    /// own six seconds never reach a lower one (`make bitrate`).
    pub const CONVERSATION: Self = Self { constant: true, buffer: 200, initial: 150, optimal: 160, drop_below: 30 };
}

/// What cannot be encoded or decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Vp8Fault {
    /// The frame has not the size that was said, or is too large.
    #[error("the size of the frame is not supported")]
    Size,
    /// This program was built without feature `vp8`.
    #[error("this program was built without VP8")]
    Absent,
    /// There is no memory.
    #[error("no memory for a frame")]
    Memory,
    /// libvpx says no, with its number.
    #[error("libvpx: error {0}")]
    Codec(u32),
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
