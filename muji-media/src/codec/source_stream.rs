//! What a source gives that is encoded already: looked at before it is sent or decoded.

use super::encoding::VideoEncoding;
use super::h264::ParameterSets;
use super::video::{SourceFrame, VideoFault};
use crate::video::frame::MAX_PIXELS;

/// The stream of a source.
#[derive(Debug)]
pub(crate) struct SourceStream {
    encoding: VideoEncoding,
    parameters: ParameterSets,
    /// The size of its last key frame.
    size: Option<[usize; 2]>,
}

impl SourceStream {
    pub(crate) fn new(encoding: VideoEncoding) -> Self {
        Self { encoding, parameters: ParameterSets::default(), size: None }
    }

    /// Reads the next frame; `None` if it has nothing to show, or nothing came that it could build on.
    ///
    /// # Errors
    /// If it is no frame of this encoding, or one that cannot be decoded.
    pub(crate) fn read(&mut self, bytes: Vec<u8>) -> Result<Option<SourceFrame>, VideoFault> {
        if matches!(self.encoding, VideoEncoding::H264 | VideoEncoding::H264Single) {
            return self.parameters.complete(&bytes);
        }
        let key = self.encoding.is_key(&bytes);
        if key {
            let size = self.encoding.size(&bytes);
            self.size = Some(size.ok_or(VideoFault::Stream("a key frame does not say its size"))?);
        }
        let Some(size) = self.size.filter(|_| !bytes.is_empty()) else { return Ok(None) };
        let [width, height] = size;
        if width == 0 || height == 0 || width * height > MAX_PIXELS {
            return Err(VideoFault::Size);
        }
        Ok(Some(SourceFrame { bytes, key, size, other_profile: None }))
    }
}
