//! The media layer as the core commands it: a thread of its own with sockets, clock and sound.

mod worker;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use muji_core::media::{Capabilities, MediaBackend, MediaCommand, MediaReport};
use muji_core::{Media, SessionId};
use tokio::sync::mpsc;

use crate::bandwidth::{Policy, Target};
use crate::codec::opus::{self, OpusFault};
use crate::codec::vp8;
use crate::device::{DeviceError, Sink, Source, VideoSink, VideoSource};
use crate::gather::GatherPolicy;
use crate::meter::Level;
use crate::peers::Path;
use crate::receive::Stats;
use crate::record::{Finish, Template};
use crate::transport::str0m::Str0m;
use crate::transport::{MakeTransport, NoCertificate};
use crate::video::VideoStats;
use worker::Worker;

/// Commands and reports under way. A call of 64 makes some hundred at once; with more the other side has stopped.
const UNDER_WAY: usize = 4_096;

/// Observations under way; more are dropped, the next second tells anew.
const OBSERVATIONS: usize = 256;

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

/// What is heard of a participant, for whoever wants to look.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Observation {
    /// The first frame that was louder than silence.
    FirstSound {
        /// The session.
        session: SessionId,
        /// When it was decoded.
        at: Instant,
    },
    /// Five times a second: how loud it is, for a mark at whoever speaks.
    Loud {
        /// The session.
        session: SessionId,
        /// Root mean square of these 200 ms in dBFS: silence has -120.
        level: f32,
    },
    /// Once a second.
    Heard {
        /// The session.
        session: SessionId,
        /// How it sounded, measured on what was decoded.
        level: Level,
        /// How it fared since the session began.
        stats: Stats,
    },
    /// Once a second while pictures of a participant are shown.
    Seen {
        /// The session.
        session: SessionId,
        /// A person, or a screen.
        media: Media,
        /// Width and height, in pixels.
        size: [usize; 2],
        /// The mean colour of the last picture: red, green, blue.
        colour: [u8; 3],
        /// How they fared since the session began.
        stats: VideoStats,
    },
    /// Once a second: the network's view of a session.
    Paths {
        /// The session.
        session: SessionId,
        /// A path for each transport that has one.
        paths: Vec<Path>,
        /// The codecs of what came, by their names in SDP.
        codecs: BTreeSet<String>,
    },
    /// What our pictures are encoded to from now on.
    Target(Media, Target),
    /// Once a second while we send: bytes of payload so far, the same to everybody.
    Sent {
        /// Bytes.
        bytes: u64,
    },
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

/// The default media layer. Dropped, it ends its thread and with it everything it sends, and waits for recordings to be written.
pub struct Backend {
    // In this order: the thread ends with the commands, and what it still had to record is then written.
    commands: mpsc::Sender<MediaCommand>,
    reports: mpsc::Receiver<MediaReport>,
    capabilities: Capabilities,
    _finish: Option<Finish>,
}

impl Backend {
    /// Starts the thread. Nothing is bound, captured or sent before a call needs it.
    ///
    /// # Errors
    /// If something it needs is not to be had.
    pub fn start(devices: Devices) -> Result<(Self, mpsc::Receiver<Observation>), NoMedia> {
        Self::start_with(Str0m::new()?.maker(), devices)
    }

    /// The same with other transports.
    ///
    /// # Errors
    /// If something it needs is not to be had.
    pub fn start_with(make: MakeTransport, devices: Devices) -> Result<(Self, mpsc::Receiver<Observation>), NoMedia> {
        let capabilities = capabilities(make.counts_packets);
        let (commands, to_do) = mpsc::channel(UNDER_WAY);
        let (news, reports) = mpsc::channel(UNDER_WAY);
        let (observed, observations) = mpsc::channel(OBSERVATIONS);
        let (worker, finish) = Worker::new(make, devices, news, observed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(NoMedia::Thread)?;
        let thread = std::thread::Builder::new().name("muji-media".to_owned());
        thread.spawn(move || runtime.block_on(worker.run(to_do))).map_err(NoMedia::Thread)?;
        Ok((Self { commands, reports, capabilities, _finish: finish }, observations))
    }
}

impl MediaBackend for Backend {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn execute(&mut self, command: MediaCommand) {
        // A thread that takes no commands any more has ended, which `poll_report` tells.
        let _ended = self.commands.try_send(command).is_err();
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<MediaReport>> {
        self.reports.poll_recv(cx)
    }
}

fn capabilities(counts_packets: bool) -> Capabilities {
    let video = cfg!(feature = "vp8").then(vp8::payload_type);
    let mut video_extensions = if video.is_some() { vp8::extensions() } else { Vec::new() };
    video_extensions.retain(|extension| counts_packets || extension.uri != vp8::TRANSPORT_CC);
    Capabilities { audio: vec![opus::payload_type()], video: Vec::from_iter(video), video_extensions }
}
