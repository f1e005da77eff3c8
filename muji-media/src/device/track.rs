//! A track of encoded media in a file.

use std::path::PathBuf;
use std::time::Duration;

use crate::codec::encoding::VideoEncoding;
use crate::codec::video::VideoFault;

/// A file cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VideoFileError {
    /// Not there, not ours to read, or of a form that is not known.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system or the reader says.
        why: String,
    },
    /// Other codecs, or none.
    #[error(
        "{path} holds {found}; convert it, for example with: ffmpeg -i {path} -c:v libvpx -b:v 2M -c:a libopus out.webm"
    )]
    Codec {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: String,
    },
    /// No frame can be decoded.
    #[error("the first frame of {path} cannot be shown: {why}")]
    FirstFrame {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: VideoFault,
    },
}

/// A piece of a video, and when it is due from the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedSample {
    pub(crate) at: Duration,
    pub(crate) bytes: Vec<u8>,
}

/// The encoded pieces of a track, in order.
pub(crate) trait Track: Send {
    /// How its frames are encoded; `None` if it is sound.
    fn encoding(&self) -> Option<VideoEncoding>;

    /// The next; `None` at the end.
    fn next(&mut self) -> Result<Option<EncodedSample>, String>;

    /// Starts again from the beginning.
    fn rewind(&mut self) -> Result<(), String>;

    /// The length of the file, if it says it: its video and its audio start again together.
    fn length(&self) -> Option<Duration>;
}

/// What of a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrackKind {
    Video,
    Audio,
}
