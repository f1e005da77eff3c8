//! The media layer as the core commands it: a thread of its own with sockets, clock and sound.

mod devices;
mod network;
mod probe;
mod worker;

use std::task::{Context, Poll};

use muji_core::media::{Capabilities, MediaBackend, MediaCommand, MediaReport};
use tokio::sync::mpsc;

use crate::codec::{opus, vp8};
use crate::record::Finish;
pub use crate::stats::Observation;
use crate::transport::MakeTransport;
use crate::transport::str0m::Str0m;
pub use devices::{Devices, NoMedia};
pub use probe::probe;
use worker::Worker;

/// Commands and reports under way. A call of 64 makes some hundred at once; with more the other side has stopped.
const UNDER_WAY: usize = 4_096;

/// Observations under way; more are dropped, the next second tells anew.
const OBSERVATIONS: usize = 256;

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
