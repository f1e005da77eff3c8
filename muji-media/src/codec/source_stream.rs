//! What a source gives that is encoded already: looked at before it is sent or decoded.

use super::av1::SequenceHeader;
use super::encoding::VideoEncoding;
use super::h264::ParameterSets;
use super::video::{FrameHeader, SourceFrame, VideoFault};
use super::{vp8, vp9};

/// The stream of a source.
#[derive(Debug)]
pub(crate) enum SourceStream {
    /// VP8: the size of its frames, if one came.
    Vp8(Option<[usize; 2]>),
    /// VP9: the same.
    Vp9(Option<[usize; 2]>),
    /// H.264.
    H264(ParameterSets),
    /// AV1.
    Av1(SequenceHeader),
}

impl SourceStream {
    pub(crate) fn new(encoding: VideoEncoding) -> Self {
        match encoding {
            VideoEncoding::Vp8 => Self::Vp8(None),
            VideoEncoding::Vp9 => Self::Vp9(None),
            VideoEncoding::H264 | VideoEncoding::H264Single => Self::H264(ParameterSets::default()),
            VideoEncoding::Av1 => Self::Av1(SequenceHeader::default()),
        }
    }

    /// Reads the next frame; `None` if it has nothing to show, or nothing came that it could build on.
    ///
    /// # Errors
    /// If it is no frame of this encoding, or one that cannot be decoded.
    pub(crate) fn read(&mut self, bytes: Vec<u8>) -> Result<Option<SourceFrame>, VideoFault> {
        match self {
            Self::Vp8(size) => shown(size, bytes, vp8::look),
            Self::Vp9(size) => shown(size, bytes, vp9::look),
            Self::H264(parameters) => parameters.complete(&bytes),
            Self::Av1(sequence) => sequence.complete(&bytes),
        }
    }
}

/// A frame of which the header says all, if some frame of the stream has said its size.
fn shown(
    size: &mut Option<[usize; 2]>,
    bytes: Vec<u8>,
    look: fn(&[u8]) -> Result<FrameHeader, VideoFault>,
) -> Result<Option<SourceFrame>, VideoFault> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let FrameHeader { key, size: said } = look(&bytes)?;
    if key || size.is_some() {
        *size = said.or(*size);
    }
    // Without a size it is of a camera that was encoding before it was asked.
    Ok(size.map(|size| SourceFrame { bytes, key, size, other_profile: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stream gives for frames: whether each is a key frame, and its size.
    fn read(encoding: VideoEncoding, frames: &[&[u8]]) -> Vec<Option<(bool, [usize; 2])>> {
        let mut stream = SourceStream::new(encoding);
        let read = frames.iter().map(|frame| stream.read(frame.to_vec()).expect("it is a frame"));
        read.map(|frame| frame.map(|frame| (frame.key, frame.size))).collect()
    }

    const VP8_KEY: [u8; 10] = [0x10, 0, 0, 0x9D, 1, 0x2A, 160, 0, 96, 0];
    const VP9_KEY: [u8; 9] = [0x82, 0x49, 0x83, 0x42, 0x00, 0x09, 0xF0, 0x05, 0xF0];

    #[test]
    fn frames_without_a_key_frame_before_them_are_not_shown_and_later_ones_have_its_size() {
        let known = [Some((true, [160, 96])), None, Some((false, [160, 96]))];
        let vp8 = read(VideoEncoding::Vp8, &[&[0x11, 0, 0], &VP8_KEY, &[], &[0x11, 0, 0]]);
        // It refers to three frames, and has the size of the first.
        let inter = [0x86, 0, 0, 0x02];
        let vp9 = read(VideoEncoding::Vp9, &[&inter, &VP9_KEY, &[], &inter]);
        assert_eq!((vp8[0], &vp8[1..], vp9[0], &vp9[1..]), (None, &known[..], None, &known[..]));
    }

    #[test]
    fn frames_of_vp9_between_key_frames_may_have_another_size() {
        // It refers to three frames, and has the size of none of them: 320 x 192.
        let other = [0x86, 0, 0, 0, 0, 0x9F, 0x80, 0x5F, 0x80];
        let seen = read(VideoEncoding::Vp9, &[&VP9_KEY, &other, &VP9_KEY]);
        assert_eq!(seen, [Some((true, [160, 96])), Some((false, [320, 192])), Some((true, [160, 96]))]);
    }

    #[test]
    fn what_is_no_frame_between_key_frames_is_refused_in_words() {
        let why = |encoding, key: &[u8], frame: &[u8]| {
            let mut stream = SourceStream::new(encoding);
            assert!(stream.read(key.to_vec()).is_ok_and(|key| key.is_some()));
            stream.read(frame.to_vec()).unwrap_err().to_string()
        };
        let teapot = b"I am a teapot, and no camera.";
        let vp8 = |frame: &[u8]| why(VideoEncoding::Vp8, &VP8_KEY, frame);
        assert_eq!(vp8(teapot), "profile 4 is not supported");
        assert_eq!(vp8(&[0x11, 0]), "the stream makes no sense: a frame has no header");
        assert_eq!(vp8(&[0x31, 0, 0]), "the stream makes no sense: a frame is shorter than it says");
        assert_eq!(vp8(&VP8_KEY[..6]), "the stream makes no sense: a key frame does not say its size");
        let vp9 = |frame: &[u8]| why(VideoEncoding::Vp9, &VP9_KEY, frame);
        let unreadable = "the stream makes no sense: the header of a frame cannot be read";
        assert_eq!((vp9(teapot).as_str(), vp9(&[0x86, 0]).as_str()), (unreadable, unreadable));
        assert_eq!(vp9(&[0xA2, 0x49, 0x83, 0x42]), "profile 1 is not supported");
        let huge = [0x86, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0x80];
        assert_eq!(vp9(&huge), "the size of the frame is not supported");
        let overrun = [0x86, 0, 0, 0x02, 0xC1, 200, 200, 0xC1];
        assert_eq!(vp9(&overrun), "the stream makes no sense: a frame is longer than its picture");
    }
}
