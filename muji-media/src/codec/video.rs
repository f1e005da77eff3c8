//! What all encodings of video have in common: an encoded frame, the traits of encoders, decoders and payloaders, and their faults.

use std::time::Duration;

use crate::rtp::RtpPacket;
use crate::video::frame::VideoFrame;

/// Ticks a second of a video timestamp (RFC 3551 section 5, RFC 6184, RFC 7741, RFC 9628).
pub const CLOCK_RATE: u32 = 90_000;

/// Bytes of a packet's payload: with all headers and the tag it stays under 1280, which every path of IPv6 carries.
pub(crate) const MAX_PAYLOAD: usize = 1_150;

/// Encodes the frames of one size.
pub trait VideoEncoder: Send {
    /// From now on so many bits a second.
    ///
    /// # Errors
    /// If the library fails.
    fn set_bit_rate(&mut self, bits: u32) -> Result<(), VideoFault>;

    /// From now on in temporal layers, or in one: then nothing that is sent can be done without.
    ///
    /// # Errors
    /// If the library fails.
    fn set_layered(&mut self, layered: bool) -> Result<(), VideoFault>;

    /// What is encoded from now on is a screen: edges stay sharp, and most of it stays as it is (`contentHint` `detail` of W3C's
    /// mst-content-hint).
    ///
    /// # Errors
    /// If the library fails.
    fn set_screen_content(&mut self) -> Result<(), VideoFault> {
        Ok(()) // Not every library knows the difference.
    }

    /// Frames come so far apart from now on. An encoder that goes by the times of its frames need not be told.
    ///
    /// # Errors
    /// If the library fails.
    fn set_interval(&mut self, _interval: Duration) -> Result<(), VideoFault> {
        Ok(())
    }

    /// Encodes the next frame, which was taken at `at` in ticks of [`CLOCK_RATE`]. `None` if it is left out to keep to the bit rate.
    ///
    /// # Errors
    /// If the frame has another size, or the library fails.
    fn encode(&mut self, frame: &VideoFrame, at: u64, key: bool) -> Result<Option<Encoded>, VideoFault>;
}

/// Decodes one stream.
pub trait VideoDecoder: Send {
    /// Decodes what one frame was encoded to. `None` if it is not to be shown.
    ///
    /// # Errors
    /// If it is no such thing, or larger than is taken; a key frame is needed then.
    fn decode(&mut self, bytes: &[u8]) -> Result<Option<VideoFrame>, VideoFault>;
}

/// Cuts the frames of one stream into packets.
pub trait Payloader: Send {
    /// The packets of the next frame, whose timestamp is in ticks of [`CLOCK_RATE`].
    fn packets(&mut self, frame: &Encoded, timestamp: u32) -> Vec<RtpPacket>;
}

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

/// What a frame says before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// It needs no frame before it.
    pub(crate) key: bool,
    /// Its sides, in pixels, if it does not take over those of another.
    pub(crate) size: Option<[usize; 2]>,
}

/// A frame of a source that encodes itself, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFrame {
    /// What is packetised, or decoded.
    pub(crate) bytes: Vec<u8>,
    /// It needs no frame before it.
    pub(crate) key: bool,
    /// Its sides, in pixels.
    pub(crate) size: [usize; 2],
    /// The number of its profile, if peers agreed to take another.
    pub(crate) other_profile: Option<u8>,
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

/// What a packet says of its frame, and what of it is the frame's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The frame begins with it.
    pub(crate) starts: bool,
    /// And it is a key frame.
    pub(crate) key: PieceKey,
    /// Its layer, and the number of the last frame of layer 0.
    pub(crate) layer: Option<(Layer, u8)>,
    /// A part of what the encoder made.
    pub(crate) bytes: Vec<u8>,
}

/// Whether a packet begins a key frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PieceKey {
    /// It does not.
    No,
    /// It does.
    Whole,
    /// It does for those who have the stream's parameters, which came before (H.264).
    WithoutParameters,
}

/// Cuts into pieces of about one size, at most so large: a small last packet is lost as often as a large one.
pub(crate) fn cut(bytes: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let count = bytes.len().div_ceil(most).max(1);
    bytes.chunks(bytes.len().div_ceil(count).max(1))
}

/// A frame from the rows of a library's three planes, each by its plane, its number and its length. Its sides are made even: of an odd one the
/// last row or column is left out.
///
/// # Errors
/// If it is too large, or rows are missing.
#[cfg(any(feature = "av1", feature = "h264", feature = "vp8"))]
pub(crate) fn copied<'a>(
    sides: [usize; 2],
    row: impl Fn(usize, usize, usize) -> &'a [u8],
) -> Result<VideoFrame, VideoFault> {
    let [width, height] = sides.map(|side| side & !1);
    let pixels = width
        .checked_mul(height)
        .filter(|pixels| *pixels <= crate::video::frame::MAX_PIXELS)
        .ok_or(VideoFault::Size)?;
    let mut samples = Vec::with_capacity(pixels + pixels / 2);
    let halves = (width / 2, height / 2);
    for (plane, (width, height)) in [(width, height), halves, halves].into_iter().enumerate() {
        (0..height).for_each(|number| samples.extend_from_slice(row(plane, number, width)));
    }
    VideoFrame::from_samples(width, height, samples).ok_or(VideoFault::Size)
}

/// What cannot be encoded or decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VideoFault {
    /// The frame has not the size that was said, or is too large.
    #[error("the size of the frame is not supported")]
    Size,
    /// This program was built without the feature.
    #[error("this program was built without {0}")]
    Absent(&'static str),
    /// A profile that cannot be decoded, by its number in the codec.
    #[error("profile {0} is not supported")]
    Profile(u8),
    /// The stream contradicts itself, or its codec.
    #[error("the stream makes no sense: {0}")]
    Stream(&'static str),
    /// There is no memory.
    #[error("no memory for a frame")]
    Memory,
    /// A library gives nothing for a frame, and no reason.
    #[error("{0} gave nothing for a frame")]
    Nothing(&'static str),
    /// A library says no, with its number.
    #[error("{library}: error {code}")]
    Library {
        /// The library.
        library: &'static str,
        /// Its number of the error.
        code: i64,
    },
}
