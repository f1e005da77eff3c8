//! Where audio and video come from, and where they go.

#[cfg(all(feature = "camera", target_os = "linux"))]
pub mod camera;
pub mod filter;
mod interface;
pub mod ivf;
mod patience;
pub mod pattern;
#[cfg(all(feature = "screen", target_os = "linux"))]
pub mod screen;
#[cfg(feature = "devices")]
pub mod sound_card;
pub mod tone;
pub(crate) mod track;
pub mod video_file;
#[cfg(feature = "devices")]
pub mod voice_processing;
pub mod wav;
pub mod webm;
mod webm_reader;
pub mod y4m;

pub use interface::{
    AudioSink, AudioSource, DeviceError, EncodedVideoSource, VideoFilter, VideoInput, VideoOrigin, VideoSink,
    VideoSource,
};
pub use track::VideoFileError;

pub use crate::audio::frame::{AudioFrame, FRAME, FRAME_TIME, SAMPLE_RATE};
pub use crate::codec::encoding::VideoEncoding;
pub use crate::video::frame::VideoFrame;
