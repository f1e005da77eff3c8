//! The decoder of VP9, profile 0.

use super::header::{TOO_SHORT, checked};
use super::superframe::{frames, together};
use crate::codec::libvpx::{DecoderContext, Format};
use crate::codec::video::{VideoDecoder, VideoFault};
use crate::video::frame::VideoFrame;

/// Decodes one stream. It keeps up to eight frames to refer to: of the largest that are taken, some 110 MB.
pub struct Decoder(DecoderContext);

impl Decoder {
    /// Waits for a key frame.
    ///
    /// # Errors
    /// If libvpx has no memory, or is not the one that was built against.
    pub fn new() -> Result<Self, VideoFault> {
        DecoderContext::new(Format::Vp9).map(Self)
    }
}

impl VideoDecoder for Decoder {
    /// Of several frames the last that is to be shown is: in layers, the largest.
    fn decode(&mut self, bytes: &[u8]) -> Result<Option<VideoFrame>, VideoFault> {
        let frames = frames(bytes).ok_or(TOO_SHORT)?;
        let mut shown = None;
        for frame in frames {
            checked(frame)?;
            // With an index: libvpx would take what is left behind a frame for another, which nobody has looked at.
            shown = self.0.decode(&together(&[frame]))?.or(shown);
        }
        Ok(shown)
    }
}
