//! What every source and sink of audio and video does.

use std::sync::Arc;

use muji_core::{Media, SessionId};

use crate::audio::frame::Frame;
use crate::video::frame::VideoFrame;

/// A device or file does not do what it should. The call goes on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeviceError(pub String);

/// Where sound comes from. Nothing is taken from it before a call has published its sound, nor while it is muted.
pub trait Source: Send {
    /// The next 20 ms.
    ///
    /// # Errors
    /// If there will be no more; it is not asked again.
    fn fill(&mut self, frame: &mut Frame) -> Result<(), DeviceError>;

    /// Nothing more is wanted for now: muted, or no call. A microphone is let go until it is asked again.
    fn rest(&mut self) {}

    /// What happened to it meanwhile that its user should know: it vanished, or is back. It goes on.
    fn news(&mut self) -> Option<DeviceError> {
        None
    }
}

/// Where pictures come from, thirty a second. Nothing is taken from it before a call has published pictures, nor while they are
/// muted.
pub trait VideoSource: Send {
    /// The width and height of its pictures, in pixels; both even.
    fn size(&self) -> [usize; 2];

    /// The picture of now.
    ///
    /// # Errors
    /// If there will be no more; it is not asked again.
    fn take(&mut self) -> Result<VideoFrame, DeviceError>;

    /// Nothing more is wanted for now: muted, or no call. A camera is let go until it is asked again.
    fn rest(&mut self) {}
}

/// Whose pictures, and what they show: a person ([`Media::Video`]) or a screen ([`Media::Slides`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Ours, as they are sent.
    Ours(Media),
    /// Those of a participant: the session, and the content's name in it.
    Theirs(SessionId, Arc<str>, Media),
}

/// Where pictures go: a window, usually.
pub trait VideoSink: Send {
    /// The next picture of somebody. It is asked in the thread that decodes, so what takes long delays everybody's.
    fn show(&mut self, whose: &Whose, picture: VideoFrame);

    /// There are no more of somebody.
    fn end(&mut self, whose: &Whose);
}

/// Where sound goes.
pub trait Sink: Send {
    /// The next 20 ms.
    ///
    /// # Errors
    /// If it takes no more; it is not given any again.
    fn put(&mut self, frame: &Frame) -> Result<(), DeviceError>;

    /// Nothing more comes for now: there is no call. A loudspeaker is let go until it is given something again.
    fn rest(&mut self) {}

    /// What happened to it meanwhile that its user should know: it vanished, or is back. It goes on.
    fn news(&mut self) -> Option<DeviceError> {
        None
    }
}
