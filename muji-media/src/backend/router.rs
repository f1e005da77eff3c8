//! Audio, video and network put together: which of them a command concerns, and where what comes out of one goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use muji_core::media::{MediaCommand, MediaReport, MediaTrouble, OpenContent, TransportFailure};
use muji_core::{CallId, Media, SessionId};
use muji_jingle::TransportId;
use tokio::sync::mpsc;

use super::audio::Audio;
use super::network::{Network, NetworkEvent};
use super::observer::Observer;
use super::pace::Pace;
use super::video::Video;
use crate::audio::frame::FRAME_TIME;
use crate::bandwidth::Target;
use crate::device::DeviceError;
use crate::peers::PeersOutput;
use crate::rtp::{ReceivedRtp, StreamId};
use crate::socket::ReceiveBuffer;
use crate::stats::Observation;
use crate::transport::TransportOutput;
use crate::video::forwarder::{Forwarded, Source};
use crate::video::packetized::{PacketizedFrame, VideoKind};
use crate::video::task::VideoOutput;

/// One for each frame of audio.
const TICKS_PER_SECOND: u64 = 50;

/// From one choice of who is seen in calls that are joined to the next.
const TICKS_PER_CHOICE: u64 = 5;

/// What is missed of a tick that comes so late is left out; of others it is made up for. Peers' jitter buffers hold no more than a second.
const TOO_LATE: Duration = Duration::from_millis(200);

/// The media layer without its clock: time comes in.
pub(super) struct Router {
    pub(super) audio: Audio,
    pub(super) video: Video,
    pub(super) network: Network,
    receive_buffer: ReceiveBuffer,
    /// The codecs of what came.
    codecs: BTreeMap<StreamId, String>,
    /// When the next 20 ms are due; `None` while there is nothing to play or send.
    tick: Option<Instant>,
    /// Ticks so far.
    ticks: u64,
    pace: Pace,
    /// What video is encoded to, as far as it is still to be told.
    untold_targets: BTreeMap<VideoKind, Target>,
    reports: mpsc::Sender<MediaReport>,
    observer: Observer,
}

/// The core, or the program behind it, does not listen any more.
pub(super) struct Disconnected;

impl Router {
    pub(super) fn new(
        audio: Audio,
        video: Video,
        network: Network,
        reports: mpsc::Sender<MediaReport>,
        observer: Observer,
    ) -> Self {
        Self {
            audio,
            video,
            network,
            receive_buffer: ReceiveBuffer::default(),
            codecs: BTreeMap::new(),
            tick: None,
            ticks: 0,
            pace: Pace::default(),
            untold_targets: BTreeMap::new(),
            reports,
            observer,
        }
    }

    // ---- commands --------------------------------------------------------------------------------------------------

    /// Does what the core commands. Each command is in this match: one that is new does not compile before it is handled.
    pub(super) fn execute(&mut self, now: Instant, command: &MediaCommand) -> Result<(), Disconnected> {
        match command {
            MediaCommand::Servers { servers } => self.network.set_servers(servers),
            MediaCommand::Publish { call, publication, media } => match media {
                Media::Video | Media::Slides => self.video.publish(*call, publication, media),
                Media::Audio | Media::Other(_) => self.audio.publish(*call, publication),
            },
            MediaCommand::Unpublish { call, publication } => {
                self.video.unpublish(*call, publication);
                self.audio.unpublish(*call, publication);
            }
            MediaCommand::Open { call, session, name, contents, .. } => {
                self.open(now, command, *call, *session, name, contents)?;
            }
            MediaCommand::Candidate { candidate, .. } => {
                // A useless address is dropped silently: an answer would show the peer which addresses we try.
                if self.network.tries(candidate) {
                    self.network.peers.execute(now, command);
                }
            }
            MediaCommand::Bridge { calls } => {
                self.audio.set_bridge(calls);
                self.video.set_bridge(calls);
                self.limit_received(now)?;
            }
            MediaCommand::Prompt { call, prompt } => self.audio.prompt(*call, *prompt),
            MediaCommand::Remote { .. } | MediaCommand::SendDigits { .. } => self.network.peers.execute(now, command),
            MediaCommand::Restart { .. } => {
                self.network.renew(now);
                self.network.peers.execute(now, command);
            }
            MediaCommand::Content { session, content, send, .. } => {
                self.network.peers.execute(now, command);
                self.video.encode(self.network.peers.decoder_limits());
                // The peer begins to watch, and has no frame to build on.
                if let Some(begins) = self.network.peers.video_kind(*session, content).filter(|_| send.is_some()) {
                    self.force_key_frame(now, *session, vec![begins])?;
                }
            }
            MediaCommand::RemoveContent { session, content } => {
                self.close_streams(|(of, name)| of == session && **name == **content);
                self.network.peers.execute(now, command);
                self.video.encode(self.network.peers.decoder_limits());
                self.network.close_unused(now);
            }
            MediaCommand::Close { session } => {
                self.close_streams(|(of, _)| of == session);
                self.audio.forget_paths(|path| path.session == *session).or_else(|error| self.device_trouble(error))?;
                self.network.peers.execute(now, command);
                self.video.encode(self.network.peers.decoder_limits());
                self.network.close_unused(now);
            }
        }
        // What is sent, and how it is encoded, may have changed.
        self.network.peers.set_desired_bit_rate(self.video.desired());
        self.rest_if_idle(now);
        Ok(())
    }

    fn open(
        &mut self,
        now: Instant,
        command: &MediaCommand,
        call: CallId,
        session: SessionId,
        name: &str,
        contents: &[OpenContent],
    ) -> Result<(), Disconnected> {
        if let Err(why) = self.network.open_sockets(now, command) {
            if !self.network.has_sockets() {
                return self.fail_transports(contents, &TransportFailure::NoSocket(why.to_string()));
            }
            // Those that are there may do for some of its transports.
            self.trouble(MediaTrouble::Socket(why.to_string()))?;
        }
        let named = self.audio.name(session, name);
        named.or_else(|error| self.device_trouble(error))?;
        contents.iter().for_each(|content| self.open_stream(call, session, content));
        self.network.peers.execute(now, command);
        Ok(())
    }

    /// A session cannot begin; others may, later.
    fn fail_transports(&self, contents: &[OpenContent], why: &TransportFailure) -> Result<(), Disconnected> {
        let transports: BTreeSet<TransportId> = contents.iter().map(|content| content.transport).collect();
        let failed = |transport| MediaReport::Failed { transport, failure: why.clone().into() };
        transports.into_iter().try_for_each(|transport| self.report(failed(transport)))
    }

    /// A participant may send a content from now on.
    fn open_stream(&mut self, call: CallId, session: SessionId, content: &OpenContent) {
        let id = (session, content.name.as_str().into());
        let payload_types = content.payload_types.clone();
        match content.media {
            Media::Video | Media::Slides => self.video.open(call, id, &content.media, payload_types),
            Media::Audio | Media::Other(_) => self.audio.open(call, id, payload_types),
        }
    }

    /// Nothing of these contents matters any more.
    fn close_streams(&mut self, gone: impl Fn(&StreamId) -> bool) {
        self.audio.close(&gone);
        self.video.close(&gone);
        self.codecs.retain(|id, _| !gone(id));
    }

    /// Servers are asked while there are transports; the clock of 20 ms runs while there is something to play or to send.
    fn rest_if_idle(&mut self, now: Instant) {
        let wanted = !self.network.peers.is_empty();
        self.network.set_wanted(now, wanted);
        self.audio.release_unused();
        let idle = self.audio.is_idle() && self.video.is_idle();
        self.tick = if idle { None } else { self.tick.or(Some(now)) };
    }

    // ---- inputs ----------------------------------------------------------------------------------------------------

    /// What the network woke the loop for.
    pub(super) fn handle_network(&mut self, now: Instant, event: NetworkEvent) -> Result<(), Disconnected> {
        match event {
            NetworkEvent::Readable => self.receive_datagrams(now),
            NetworkEvent::Connection(event) => {
                self.network.handle_event(now, event);
                Ok(())
            }
        }
    }

    /// Takes all datagrams that wait at the sockets.
    pub(super) fn receive_datagrams(&mut self, now: Instant) -> Result<(), Disconnected> {
        let mut buffer = std::mem::take(&mut self.receive_buffer);
        while self.network.receive(now, &mut buffer) {
            for datagram in buffer.datagrams() {
                self.network.handle_datagram(now, &datagram);
                self.drain(now)?;
            }
        }
        self.receive_buffer = buffer;
        Ok(())
    }

    /// What the thread of video has made.
    pub(super) fn handle_video(&mut self, now: Instant, output: VideoOutput) -> Result<(), Disconnected> {
        match output {
            VideoOutput::Frame(media, captured, frame) => self.send_frame(now, captured, &media, &frame)?,
            VideoOutput::LargestSize(media, size) => {
                self.video.set_size(&media, size);
                self.network.peers.set_desired_bit_rate(self.video.desired());
            }
            VideoOutput::RequestKeyFrame((session, content)) => {
                self.network.peers.request_key_frame(now, session, &content);
            }
            VideoOutput::BehindSound(session, behind) => self.audio.pictures_behind(session, behind),
            VideoOutput::Trouble(error) => self.device_trouble(error)?,
        }
        Ok(())
    }

    fn send_frame(
        &mut self,
        now: Instant,
        captured: Instant,
        media: &Media,
        frame: &PacketizedFrame,
    ) -> Result<(), Disconnected> {
        self.video.encoded(now, media, frame);
        let is_camera = *media == Media::Video;
        for (call, publication) in self.video.publications(media) {
            if !is_camera || !self.video.bridges(*call) {
                self.network.peers.publish_video(now, captured, *call, publication, frame);
            }
        }
        if is_camera {
            let forwarded = self.video.forward_own(now, frame);
            self.forward(now, forwarded)?;
        }
        Ok(())
    }

    /// Passes on the pictures of calls that are joined.
    fn forward(&mut self, now: Instant, forwarded: Vec<Forwarded>) -> Result<(), Disconnected> {
        for forwarded in forwarded {
            match forwarded {
                Forwarded::Frame(call, captured, frame) => {
                    for (of, publication) in self.video.publications(&Media::Video).filter(|(of, _)| *of == call) {
                        self.network.peers.publish_video(now, captured, *of, publication, &frame);
                    }
                }
                Forwarded::RequestKeyFrame(Source::Ours) => self.video.force_own_key_frame(),
                Forwarded::RequestKeyFrame(Source::Theirs((session, content))) => {
                    self.network.peers.request_key_frame(now, session, &content);
                }
                Forwarded::Rest(path) => {
                    self.video.rest(path);
                    self.network.peers.rest_video(path);
                }
                Forwarded::GoOn(path) => {
                    self.video.go_on(path);
                    self.network.peers.go_on_with_video(now, path);
                }
                Forwarded::Trouble(why) => self.trouble(MediaTrouble::Device(why.to_owned()))?,
            }
        }
        Ok(())
    }

    /// Somebody in this session cannot show these kinds of video before a key frame comes.
    fn force_key_frame(&mut self, now: Instant, session: SessionId, kinds: Vec<VideoKind>) -> Result<(), Disconnected> {
        let Some(call) = self.video.bridged(session) else {
            self.video.force_key_frame(kinds);
            return Ok(());
        };
        let (passed_on, ours): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|(media, _)| *media == Media::Video);
        self.video.force_key_frame(ours);
        if passed_on.is_empty() {
            return Ok(());
        }
        let forwarded = self.video.bridge_key_frame(now, call);
        self.forward(now, forwarded)
    }

    // ---- time ------------------------------------------------------------------------------------------------------

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), Disconnected> {
        self.network.handle_timeout(now);
        let Some(due) = self.tick.filter(|due| *due <= now) else { return Ok(()) };
        self.tick = Some(due + FRAME_TIME);
        let late = now.duration_since(due);
        if late > TOO_LATE {
            // A machine that slept does not send all it missed.
            let frames = u32::try_from(late.as_millis() / FRAME_TIME.as_millis()).unwrap_or(u32::MAX);
            self.tick = Some(due + FRAME_TIME.saturating_mul(frames.saturating_add(1)));
            self.audio.left_out(frames.into());
            if let Some(left_out) = self.pace.left_out(now, late).filter(|_| !self.audio.is_idle()) {
                self.trouble(MediaTrouble::TooSlow(left_out))?;
            }
        }
        self.audio.set_thrifty(self.pace.is_behind(now));
        self.observe_paths();
        if self.audio.is_bridge() {
            // What calls get that are joined is what has come in the others by now: the other way around it would be 20 ms older.
            self.play_audio(now)?;
            self.capture_audio(now)?;
            self.choose_seen(now)?;
            return self.adapt_video(now);
        }
        self.capture_audio(now)?;
        self.adapt_video(now)?;
        self.play_audio(now)
    }

    /// Decides who gets the pictures that are passed on, and tells those who send them how much they may send.
    fn limit_received(&mut self, now: Instant) -> Result<(), Disconnected> {
        let changes = self.video.compare_viewers(now);
        self.forward(now, changes)?;
        for ((session, content), most) in self.video.received_limits() {
            self.network.peers.limit_received(session, &content, most);
        }
        Ok(())
    }

    /// Decides who is seen in calls that are joined, ten times a second.
    fn choose_seen(&mut self, now: Instant) -> Result<(), Disconnected> {
        if !self.ticks.is_multiple_of(TICKS_PER_CHOICE) {
            return Ok(());
        }
        if self.ticks.is_multiple_of(TICKS_PER_SECOND) {
            self.limit_received(now)?;
        }
        let Self { audio, video, .. } = self;
        let forwarded = video.choose_seen(now, |session| audio.speech(session));
        self.forward(now, forwarded)
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.network.poll_timeout(), self.tick].into_iter().flatten().min()
    }

    /// When the loop has to wake, if nothing but audio flows and everybody is connected: packets that come before are played then anyway.
    pub(super) fn settled_until(&self) -> Option<Instant> {
        self.tick.filter(|_| self.video.is_idle() && self.network.is_settled())
    }

    fn observe_paths(&mut self) {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(TICKS_PER_SECOND) {
            return;
        }
        for (session, paths) in self.network.peers.paths() {
            let of_session = self.codecs.iter().filter(|((of, _), _)| *of == session);
            let codecs = of_session.map(|(_, codec)| codec.clone()).collect();
            self.observer.send(Observation::Paths { session, paths, codecs });
        }
    }

    fn capture_audio(&mut self, now: Instant) -> Result<(), Disconnected> {
        let Self { audio, network, .. } = self;
        let wanted = network.peers.wanted_audio(|call| !audio.bridges(call));
        let captured = audio.capture(&wanted);
        let bridged = audio.bridged(|calls| network.peers.wanted_audio(|call| calls.contains(&call)));
        // Their timestamp is that of their first sample, 20 ms ago.
        let at = now.checked_sub(FRAME_TIME).unwrap_or(now);
        for packet in captured.iter().flatten() {
            for (call, publication) in audio.publications().filter(|(call, _)| !audio.bridges(*call)) {
                network.peers.publish(now, at, *call, publication, packet);
            }
        }
        for (of, packet) in bridged.iter().flatten() {
            for (call, publication) in audio.publications().filter(|(call, _)| call == of) {
                network.peers.publish(now, at, *call, publication, packet);
            }
        }
        let mut troubles = [captured.err(), bridged.err()].into_iter().flatten();
        troubles.try_for_each(|error| self.device_trouble(error))
    }

    /// Fits our video, and the audio with it, to what the paths carry.
    fn adapt_video(&mut self, now: Instant) -> Result<(), Disconnected> {
        for ((media, encoding), target) in self.video.adapt(now) {
            let lowest = self.video.lowest_bit_rate().unwrap_or(target.bits);
            if let Err(error) = self.audio.set_video_bit_rate(lowest) {
                self.device_trouble(error)?;
            }
            self.untold_targets.insert((media, encoding), target);
        }
        // No second has another: a program that misses one gets the latest with the next tick.
        self.untold_targets.retain(|(media, encoding), target| {
            !self.observer.send(Observation::Target { media: media.clone(), encoding: *encoding, target: *target })
        });
        for (path, media, highest) in self.video.layers(now) {
            self.network.peers.limit_layers(path, &media, highest);
        }
        Ok(())
    }

    fn play_audio(&mut self, now: Instant) -> Result<(), Disconnected> {
        let peers = &self.network.peers;
        let troubles = self.audio.play(now, |session| peers.round_trip(session));
        if let Some(why) = self.audio.poll_trouble() {
            self.trouble(MediaTrouble::Decoder(why.to_string()))?;
        }
        for (session, clock) in self.audio.playout_clocks() {
            self.video.set_clock(session, clock);
        }
        troubles.into_iter().try_for_each(|error| self.device_trouble(error))
    }

    // ---- outputs ---------------------------------------------------------------------------------------------------

    /// Passes on what the transports give.
    pub(super) fn drain(&mut self, now: Instant) -> Result<(), Disconnected> {
        while let Some(output) = self.network.peers.poll_output() {
            match output {
                PeersOutput::Transport { id, output } => self.transport_output(now, id, output)?,
                PeersOutput::Report(report) => self.report(self.with_failures(report))?,
            }
        }
        self.network.flush();
        Ok(())
    }

    fn transport_output(&mut self, now: Instant, id: TransportId, output: TransportOutput) -> Result<(), Disconnected> {
        if let Some(report) = output.report(id) {
            self.report(self.with_failures(report))?;
        }
        match output {
            TransportOutput::Datagram { from, to, bytes } => self.network.send(now, from, to, &bytes),
            TransportOutput::Rtp { content, received } => self.received(now, (id.session, content), received)?,
            TransportOutput::Contributors { content, contributors } => {
                self.audio.contributed(&(id.session, content), &contributors);
            }
            TransportOutput::KeyFrameRequested if self.network.peers.key_frame_is_under_way(now, id) => {}
            // What was sent before, the peer did not get.
            TransportOutput::Connected | TransportOutput::KeyFrameRequested => {
                self.force_key_frame(now, id.session, self.network.peers.video_sent_by(id))?;
            }
            TransportOutput::Failed(_) => {
                self.video.forget_paths(|path| *path == id);
                self.audio.forget_paths(|path| *path == id).or_else(|error| self.device_trouble(error))?;
            }
            TransportOutput::BandwidthEstimate(bits) => {
                self.video.estimated(now, id, bits, &self.network.peers.video_sent_by(id));
            }
            TransportOutput::Loss(share) => self.video.lost(id, share, &self.network.peers.video_sent_by(id)),
            TransportOutput::AudioLoss(share) => {
                self.audio.lost(id, share).or_else(|error| self.device_trouble(error))?;
            }
            TransportOutput::Congestion(congestion) => {
                self.video.congested(now, id, congestion, &self.network.peers.video_sent_by(id));
                self.network.peers.pause_video(now, id);
            }
            TransportOutput::Interrupted | TransportOutput::WrongCertificate => {}
        }
        Ok(())
    }

    /// If a transport failed: with what else does not work in our network, which may be the cause.
    fn with_failures(&self, mut report: MediaReport) -> MediaReport {
        if let MediaReport::Failed { failure, .. } = &mut report {
            failure.network = self.network.failures();
        }
        report
    }

    /// A packet of a participant. One of an encoding that was not agreed on is dropped.
    fn received(&mut self, now: Instant, id: StreamId, received: ReceivedRtp) -> Result<(), Disconnected> {
        let of_audio = self.audio.payload_types(&id);
        let is_audio = of_audio.is_some();
        let types = of_audio.or_else(|| self.video.payload_types(&id));
        let known = types.and_then(|types| types.iter().find(|known| known.id == received.payload_type));
        let Some(known) = known else { return Ok(()) };
        if known.is_telephone_event() {
            let report = self.audio.digit(&id, &received).map(|digit| MediaReport::Digit { session: id.0, digit });
            return report.map_or(Ok(()), |report| self.report(report));
        }
        let codec = known.name.as_deref().unwrap_or_default();
        if known.is_codec() && self.codecs.get(&id).is_none_or(|before| before != codec) {
            self.codecs.insert(id.clone(), codec.to_owned());
        }
        if is_audio {
            self.audio.receive(&id, received);
            return Ok(());
        }
        let (forwarded, taken) = self.video.receive(now, id, received);
        self.forward(now, forwarded)?;
        taken.or_else(|error| self.device_trouble(error))
    }

    fn device_trouble(&self, DeviceError(why): DeviceError) -> Result<(), Disconnected> {
        self.trouble(MediaTrouble::Device(why))
    }

    fn trouble(&self, trouble: MediaTrouble) -> Result<(), Disconnected> {
        self.report(MediaReport::Trouble(trouble))
    }

    fn report(&self, report: MediaReport) -> Result<(), Disconnected> {
        self.reports.try_send(report).map_err(|_| Disconnected)
    }
}
