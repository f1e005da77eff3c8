//! What every source and sink of audio and video does.

use std::sync::Arc;

use muji_core::{Media, SessionId};

use crate::audio::frame::AudioFrame;
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
