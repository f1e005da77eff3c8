//! What every source and sink of audio and video does.

use std::sync::Arc;

use muji_core::{Media, SessionId};

use crate::audio::frame::AudioFrame;
use crate::codec::encoding::VideoEncoding;
use crate::video::frame::VideoFrame;

/// A device or file does not do what it should. The call goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeviceError(pub String);

/// Where audio comes from. Nothing is captured before a call has published its audio, nor while it is muted.
pub trait AudioSource: Send {
    /// The next 20 ms.
    ///
    /// # Errors
    /// If there will be no more; it is not asked again.
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError>;

    /// The next 20 ms in two channels; the same in both, if it has one only.
    ///
    /// # Errors
    /// If there will be no more; it is not asked again.
    fn fill_stereo(&mut self, left: &mut AudioFrame, right: &mut AudioFrame) -> Result<(), DeviceError> {
        self.fill(left)?;
        *right = *left;
        Ok(())
    }

    /// Nothing more is needed for now: muted, or no call. A microphone is closed until it is asked again.
    fn release(&mut self) {}

    /// What happened to it meanwhile that its user should know: it vanished, or is back. It goes on.
    fn poll_notice(&mut self) -> Option<DeviceError> {
        None
    }
}

/// Where audio goes.
pub trait AudioSink: Send {
    /// The next 20 ms.
    ///
    /// # Errors
    /// If it takes no more; it is not given any again.
    fn put(&mut self, frame: &AudioFrame) -> Result<(), DeviceError>;

    /// Nothing more comes for now: there is no call. A loudspeaker is closed until it is given something again.
    fn release(&mut self) {}

    /// What happened to it meanwhile that its user should know: it vanished, or is back. It goes on.
    fn poll_notice(&mut self) -> Option<DeviceError> {
        None
    }
}

/// Where video comes from, thirty frames a second. Nothing is captured before a call has published video, nor while it is muted.
pub trait VideoSource: Send {
    /// The width and height of its first frame, in pixels; both even. Later frames may have another size.
    fn size(&self) -> [usize; 2];

    /// The frame of now.
    ///
    /// # Errors
    /// If there will be no more; it is not asked again.
    fn capture(&mut self) -> Result<VideoFrame, DeviceError>;

    /// Nothing more is needed for now: muted, or no call. A camera is closed until it is asked again.
    fn release(&mut self) {}
}

/// Where video comes from that is encoded already: a camera with an encoder of its own, a graphics card, a pipeline of GStreamer.
///
/// Peers that take its encoding get its frames as they are. For others they are decoded and encoded again, as those of a [`VideoSource`]
/// are; so they are if a participant cannot decode frames so large, or if they are larger than 1920 x 1080 or H.264 of a profile beyond
/// constrained baseline, which is said. A [`VideoSink`] is shown them decoded.
///
/// What it has to do itself, since nobody else can: keep to the bit rate, with smaller or fewer frames if it must, and leave them as large
/// as this machine can encode. What goes far beyond the bit rate is left out up to a key frame, which is said. It needs no temporal layers:
/// all who get its frames get each of them, so the bit rate follows the slowest of them.
///
/// If it gives what is no frame of its encoding, one of more than a megabyte, or no key frame within five seconds of being asked, that is
/// said and the call goes on.
pub trait EncodedVideoSource: Send {
    /// How its frames are encoded. All H.264 is [`VideoEncoding::H264`].
    fn encoding(&self) -> VideoEncoding;

    /// The next frame, if there is one: all of it, and nothing else. H.264 is a byte stream (ITU-T H.264 annex B), AV1 units that say their
    /// lengths; the parameters of H.264 and the sequence header of AV1 need not come more than once. This is called every few milliseconds in the thread that decodes, so it must not wait; the time of the call is
    /// that of the frame.
    ///
    /// # Errors
    /// If there will be no more; it is not asked again.
    fn poll_frame(&mut self) -> Result<Option<Vec<u8>>, DeviceError>;

    /// From now on so many bits a second, as often as every 20 ms.
    fn set_bit_rate(&mut self, bits: u32);

    /// The next frame is to be a key frame. It is asked for again after a second if none has come.
    fn request_key_frame(&mut self);

    /// Nothing more is needed for now: muted, or no call. A camera is closed until it is asked again.
    fn release(&mut self) {}
}

/// Where the video comes from that we send.
pub enum VideoInput {
    /// Frames that we encode.
    Raw(Box<dyn VideoSource>),
    /// Frames that are encoded already.
    Encoded(Box<dyn EncodedVideoSource>),
}

impl VideoInput {
    /// How its frames are encoded, if they are.
    pub(crate) fn encoding(&self) -> Option<VideoEncoding> {
        match self {
            Self::Raw(_) => None,
            Self::Encoded(source) => Some(source.encoding().of_source()),
        }
    }
}

/// Changes the frames of a source before anybody sees them; [`filter::FilteredVideo`](super::filter::FilteredVideo) sets it for one.
pub trait VideoFilter: Send {
    /// The frame that is shown in place of this one. It may take long: frames that come meanwhile are left out.
    ///
    /// # Errors
    /// If it cannot be filtered: no more is shown of this source then.
    fn filter(&mut self, frame: VideoFrame) -> Result<VideoFrame, DeviceError>;
}

/// Whose video it is, and whether it shows a person ([`Media::Video`]) or a screen ([`Media::Slides`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum VideoOrigin {
    /// Ours, as it is sent.
    Local(Media),
    /// That of a participant: the session, and the content's name in it.
    Remote(SessionId, Arc<str>, Media),
}

/// Where video goes: a window, usually.
pub trait VideoSink: Send {
    /// The next frame. It is called in the thread that encodes and decodes, so it must be quick: what takes long here delays everybody's
    /// video, and our own on its way out.
    fn show(&mut self, origin: &VideoOrigin, frame: VideoFrame);

    /// There is no more of this video.
    fn end(&mut self, origin: &VideoOrigin);
}
