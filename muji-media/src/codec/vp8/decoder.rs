//! The decoder of VP8.

use super::header::size;
use crate::codec::libvpx::{DecoderContext, Format};
use crate::codec::video::{VideoDecoder, VideoFault};
use crate::video::frame::{MAX_PIXELS, VideoFrame};

/// Decodes one stream.
pub struct Decoder(DecoderContext);

impl Decoder {
    /// Waits for a key frame.
    ///
    /// # Errors
    /// If libvpx has no memory, or is not the one that was built against.
    pub fn new() -> Result<Self, VideoFault> {
        DecoderContext::new(Format::Vp8).map(Self)
    }
}

impl VideoDecoder for Decoder {
    fn decode(&mut self, bytes: &[u8]) -> Result<Option<VideoFrame>, VideoFault> {
        // Looked at before libvpx makes room for it.
        if size(bytes).is_some_and(|[width, height]| width * height > MAX_PIXELS) {
            return Err(VideoFault::Size);
        }
        self.0.decode(bytes)
    }
}
