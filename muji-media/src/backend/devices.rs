//! What a media layer is started with.

use std::net::IpAddr;

use crate::audio::sender::Sound;
use crate::bandwidth::BandwidthPolicy;
use crate::codec::encoding::VideoEncoding;
use crate::codec::opus::OpusFault;
use crate::device::{AudioSink, AudioSource, DeviceError, VideoInput, VideoSink};
use crate::gather::GatherPolicy;
use crate::record::RecordingTemplate;
use crate::transport::NoCertificate;

/// What a media layer works with. By default it receives only, and uses all addresses of the machine.
#[derive(Default)]
pub struct Devices {
    /// The audio that we send; without it we only listen.
    pub audio_source: Option<Box<dyn AudioSource>>,
    /// What that audio is: speech, or music.
    pub sound: Sound,
    /// Where everybody's audio is played, mixed; without it, it is only measured and recorded.
    pub audio_sink: Option<Box<dyn AudioSink>>,
    /// The video that we send as [`Media::Video`](muji_core::Media::Video), usually a camera; without it we only watch.
    pub video_source: Option<VideoInput>,
    /// The video that we send as [`Media::Slides`](muji_core::Media::Slides): a screen.
    pub slides_source: Option<VideoInput>,
    /// Where everybody's video is shown, ours too; without it, it is only measured.
    pub video_sink: Option<Box<dyn VideoSink>>,
    /// The encoding of video that is offered first, where [`VideoEncoding::built_in`] has it; without one, VP8. That of a camera that
    /// encodes itself goes before it. Each peer takes the first of an offer that it can do, so this decides in sessions that we offer, and
    /// in rooms where nobody was before us.
    pub preferred_video: Option<VideoEncoding>,
    /// To whose path the bit rate of our video is fitted.
    pub bandwidth_policy: BandwidthPolicy,
    /// Calls can be joined ([`MediaCommand::Bridge`](muji_core::media::MediaCommand::Bridge)). Pictures are then passed on as they were
    /// encoded, so VP8 alone is offered.
    pub bridging: bool,
    /// The files for recordings.
    pub record: Option<RecordingTemplate>,
    /// The local addresses to use. Empty: all that the machine has, see [`local_addresses`](super::local_addresses), and those that it
    /// gets during a call.
    pub addresses: Vec<IpAddr>,
    /// How others may reach us beyond those addresses.
    pub gather_policy: GatherPolicy,
}

/// The media layer could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoMedia {
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] NoCertificate),
    /// No codec.
    #[error(transparent)]
    Codec(#[from] OpusFault),
    /// No folder for recordings.
    #[error(transparent)]
    Folder(#[from] DeviceError),
    /// The system gives no thread, or no event loop.
    #[error("the system gives no thread for the media: {0}")]
    Thread(std::io::Error),
}
