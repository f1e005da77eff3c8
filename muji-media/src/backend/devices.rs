//! What a media layer is started with.

use std::net::IpAddr;

use crate::bandwidth::Policy;
use crate::codec::opus::OpusFault;
use crate::device::{DeviceError, Sink, Source, VideoSink, VideoSource};
use crate::gather::GatherPolicy;
use crate::record::Template;
use crate::transport::NoCertificate;

/// What a media layer works with; by default it listens and looks, at all addresses of the machine.
#[derive(Default)]
pub struct Devices {
    /// What is sent; without one we only listen.
    pub source: Option<Box<dyn Source>>,
    /// What is shown to the others as [`Media::Video`]; without one we only look.
    pub pictures: Option<Box<dyn VideoSource>>,
    /// What is shown to them as [`Media::Slides`]: a screen.
    pub slides: Option<Box<dyn VideoSource>>,
    /// To whom their bit rate is fitted.
    pub policy: Policy,
    /// Where everybody's pictures go, ours too; without it they are only measured.
    pub view: Option<Box<dyn VideoSink>>,
    /// Where everybody's sound goes as one; without it it is only measured and recorded.
    pub sink: Option<Box<dyn Sink>>,
    /// The files for recordings.
    pub record: Option<Template>,
    /// The local addresses to use. Empty: all that the machine has, see [`crate::socket::local_addresses`], and those that it gets
    /// while a call goes on.
    pub addresses: Vec<IpAddr>,
    /// How others may reach us beyond them.
    pub reach: GatherPolicy,
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
    /// The system gives no thread.
    #[error("the system gives no thread for the media: {0}")]
    Thread(std::io::Error),
}
