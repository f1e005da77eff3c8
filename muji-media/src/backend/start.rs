//! The default media layer: its threads, and the way to them.

use std::task::{Context, Poll};
use std::thread::Thread;

use muji_core::Media;
use muji_core::media::{Capabilities, MediaBackend, MediaCommand, MediaReport};
use muji_xep::rtp::PayloadType;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::audio::Audio;
use super::devices::{Devices, NoMedia};
use super::network::Network;
use super::observer::Observer;
use super::router::Router;
use super::video::Video;
use super::worker::Worker;
use crate::codec::encoding::{AudioEncoding, VideoEncoding};
use crate::codec::{offer, red, telephone_event};
use crate::device::VideoInput;
use crate::record::{Finish, Recordings};
use crate::stats::Observation;
use crate::transport::str0m::Str0m;
use crate::transport::{MakeTransport, NoCertificate, csrc_audio_level, mid};
use crate::video::forwarder::ENCODING;
use crate::video::thread::VideoThread;
use crate::video::worker::Sources;

/// Commands and reports that wait. A call of 64 makes some hundred at once; with more the other side has stopped.
const MAX_WAITING: usize = 4_096;

/// Observations that wait; further ones are dropped, and the next second has others.
const MAX_OBSERVATIONS: usize = 256;

/// The default media layer. Dropped, it ends its thread and with it everything it sends, and waits for recordings to be written.
pub struct Backend {
    // In this order: the thread ends with the commands, and what it still had to record is then written.
    /// `None` since the thread took no commands any more.
    commands: Option<mpsc::Sender<MediaCommand>>,
    reports: mpsc::Receiver<MediaReport>,
    thread: Thread,
    capabilities: Capabilities,
    _finish: Option<Finish>,
}

impl Backend {
    /// Starts the thread. Nothing is bound, captured or sent before a call needs it.
    ///
    /// # Errors
    /// If something it needs is missing.
    pub fn start(devices: Devices) -> Result<(Self, mpsc::Receiver<Observation>), NoMedia> {
        Self::start_with(default_transports()?, devices)
    }

    /// The same with other transports.
    ///
    /// # Errors
    /// If something it needs is missing.
    pub fn start_with(make: MakeTransport, devices: Devices) -> Result<(Self, mpsc::Receiver<Observation>), NoMedia> {
        // First the encoding of a camera that encodes itself, so that it need not be encoded again.
        let camera = devices.video_source.as_ref().and_then(VideoInput::encoding);
        let preferred = camera.or(devices.preferred_video);
        let capabilities = capabilities(make.transport_cc, preferred, devices.bridging);
        let (commands, to_do) = mpsc::channel(MAX_WAITING);
        let (reported, reports) = mpsc::channel(MAX_WAITING);
        let (observed, observations) = mpsc::channel(MAX_OBSERVATIONS);
        let (router, finish) = router(make, devices, reported, observed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(NoMedia::Thread)?;
        let worker = Worker::new(router, to_do, runtime);
        let thread = std::thread::Builder::new().name("muji-media".to_owned());
        let thread = thread.spawn(move || worker.run()).map_err(NoMedia::Thread)?.thread().clone();
        let commands = Some(commands);
        Ok((Self { commands, reports, thread, capabilities, _finish: finish }, observations))
    }
}

/// str0m, and for peers with RSA certificates webrtc-ice, if it is built in.
///
/// # Errors
/// If the cryptography library cannot make a certificate.
pub fn default_transports() -> Result<MakeTransport, NoCertificate> {
    let make = Str0m::new()?.maker();
    #[cfg(feature = "webrtc-ice")]
    let make = make.with_rsa(crate::transport::webrtc_ice::WebrtcIce::new()?.maker());
    Ok(make)
}

fn router(
    make: MakeTransport,
    devices: Devices,
    reports: mpsc::Sender<MediaReport>,
    observed: mpsc::Sender<Observation>,
) -> Result<(Router, Option<Finish>), NoMedia> {
    let (recordings, finish) = devices.record.map(Recordings::start).transpose()?.unzip();
    let recorder = recordings.as_ref().and_then(Recordings::of_video);
    let sources = [(Media::Video, devices.video_source), (Media::Slides, devices.slides_source)];
    let sources: Sources = sources.into_iter().filter_map(|(media, source)| Some((media, source?))).collect();
    let encoded = sources.iter().filter_map(|(media, source)| Some((media.clone(), source.encoding()?))).collect();
    let is_shown = devices.video_sink.is_some() || recorder.is_some();
    // What is passed on was encoded by others, in layers or not.
    let policy = devices.bandwidth_policy.with_layers(!devices.bridging);
    let thread = VideoThread::start(sources, devices.video_sink, recorder, observed.clone());
    let observer = Observer::new(observed);
    let audio = Audio::new(devices.audio_source, devices.sound, devices.audio_sink, recordings, observer.clone())?;
    let preferred = VideoEncoding::offered(devices.preferred_video).first().copied();
    let video = Video::new(thread.map_err(NoMedia::Thread)?, is_shown, policy, encoded, preferred);
    let network = Network::new(make, devices.addresses, devices.gather_policy);
    Ok((Router::new(audio, video, network, reports, observer), finish))
}

impl MediaBackend for Backend {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn execute(&mut self, command: MediaCommand) {
        let Some(commands) = &self.commands else { return };
        if matches!(commands.try_send(command), Err(TrySendError::Full(_))) {
            // The thread hangs. Without this command it would do something else than the calls need: it is to end, as if it had.
            self.commands = None;
        }
        self.thread.unpark();
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<MediaReport>> {
        if self.commands.is_none() {
            return Poll::Ready(None);
        }
        self.reports.poll_recv(cx)
    }
}

fn capabilities(transport_cc: bool, preferred: Option<VideoEncoding>, bridging: bool) -> Capabilities {
    let mut audio: Vec<PayloadType> = AudioEncoding::ALL.into_iter().map(AudioEncoding::payload_type).collect();
    audio.insert(1, red::payload_type(audio[0].id)); // Behind Opus, which it repeats.
    audio.extend(telephone_event::payload_types());
    let mut encodings = VideoEncoding::offered(preferred);
    let mut video_extensions = if encodings.is_empty() { Vec::new() } else { offer::extensions() };
    if bridging {
        // What one takes, all have to take; and who passes frames on says of none that it is to be rotated: senders do it themselves then.
        encodings.retain(|encoding| *encoding == ENCODING);
        video_extensions.retain(|extension| extension.uri != offer::ORIENTATION);
    }
    let video: Vec<_> = encodings.into_iter().map(VideoEncoding::payload_type).collect();
    video_extensions.retain(|extension| transport_cc || extension.uri != offer::TRANSPORT_CC);
    video_extensions.push(mid());
    let audio_extensions = vec![mid(), csrc_audio_level()];
    let video_rtx = !video.is_empty();
    Capabilities {
        audio,
        video,
        audio_extensions,
        video_extensions,
        video_rtx,
        ice_restart: true,
        bundling: true,
        bridging,
    }
}
