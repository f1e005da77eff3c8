//! The thread of the media layer: obeys commands, moves packets and sound.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use muji_core::media::{IceServer, MediaCommand, MediaReport, MediaTrouble, OpenContent, TransportFailure};
use muji_core::{CallId, Media, SessionId};
use muji_jingle::TransportId;
use muji_xep::rtp::PayloadType;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::devices::{Devices, NoMedia};
use super::network::{ForPeers, Network};
use crate::audio::frame::{FRAME, FRAME_TIME, Frame, mix};
use crate::audio::meter::{Loudness, Meter};
use crate::audio::publisher::Publisher;
use crate::audio::receiver::Receiver;
use crate::bandwidth::Bandwidth;
use crate::codec::opus;
use crate::device::{DeviceError, Sink};
use crate::gather::GatherPolicy;
use crate::gather::streams::{News, usable};
use crate::peers::{Peers, PeersOutput};
use crate::record::{Finish, Piece, Recordings};
use crate::rtp::ReceivedRtp;
use crate::socket::{Datagram, interface_addresses, local_addresses};
use crate::stats::{Observation, Stats};
use crate::transport::MakeTransport;
use crate::video::thread::{Done, Pictures, StreamId, Task};

/// One for each frame of sound.
const TICKS_PER_SECOND: u64 = 50;

/// What goes to the thread of pictures.
const PICTURES: [Media; 2] = [Media::Video, Media::Slides];

/// How often the machine's addresses are looked at while there are sessions: a network that changes is used within this.
const WATCH: Duration = Duration::from_secs(2);

/// How often pictures are told what is heard: five times a second, so that they follow the jitter buffer.
const FRAMES_PER_CLOCK: u64 = 10;

/// One content of a session, as it is heard.
struct Stream {
    payload_types: Vec<PayloadType>,
    receiver: Receiver,
    meter: Meter,
    loudness: Loudness,
    frames: u64,
    sounded: bool,
}

/// What exists once the first call needs it.
struct Running {
    network: Network,
    peers: Peers,
}

impl Running {
    /// A datagram of a peer, or of a server.
    fn datagram(&mut self, now: Instant, datagram: &Datagram) {
        if !self.network.takes(now, datagram) {
            self.peers.datagram(datagram.arrived, datagram.local, datagram.from, &datagram.bytes);
        }
        self.gather(now);
    }

    /// Sends to a peer.
    fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.network.send(now, from, to, bytes);
        self.gather(now);
    }

    /// Tells the peers' transports what comes of gathering.
    fn gather(&mut self, now: Instant) {
        while let Some(output) = self.network.poll_output() {
            match output {
                ForPeers::Received { local, from, bytes } => self.peers.datagram(now, local, from, &bytes),
                ForPeers::Found { lane, candidate } => self.peers.found(now, lane, &candidate),
                ForPeers::Lost { lane, candidate } => self.peers.lost(now, lane, &candidate),
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.network.gatherer.handle_timeout(now);
        self.gather(now);
        self.peers.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.peers.poll_timeout(), self.network.gatherer.poll_timeout()].into_iter().flatten().min()
    }

    /// True if nothing is being made: what comes can wait for the next tick.
    fn is_settled(&self) -> bool {
        self.peers.are_settled() && !self.network.is_busy()
    }
}

/// The core, or the program behind it, does not listen any more.
struct Abandoned;

/// What the thread has.
pub(super) struct Worker {
    publisher: Publisher,
    pictures: Pictures,
    /// In which calls and under which names our pictures go out.
    shown: BTreeMap<(CallId, String), Media>,
    /// The pictures that may come, and how they are encoded.
    watched: BTreeMap<StreamId, (Media, Vec<PayloadType>)>,
    /// Of each kind of pictures: each follows what it finds on its paths.
    bandwidth: BTreeMap<Media, Bandwidth>,
    sink: Option<Box<dyn Sink>>,
    recordings: Option<Recordings>,
    addresses: Vec<IpAddr>,
    /// When the machine's addresses are looked at next, if they are to be followed.
    watched_at: Option<Instant>,
    reach: GatherPolicy,
    /// What the XMPP server knows.
    servers: Vec<IceServer>,
    make: Option<MakeTransport>,
    running: Option<Running>,
    streams: BTreeMap<(SessionId, Arc<str>), Stream>,
    /// The codecs of what came.
    codecs: BTreeMap<StreamId, String>,
    /// Ticks since the paths were told last.
    untold: u64,
    /// When the next 20 ms are due; `None` while there is nothing to hear or say.
    tick: Option<Instant>,
    /// Sent so far, to each.
    packets: u64,
    bytes: u64,
    reports: mpsc::Sender<MediaReport>,
    observed: mpsc::Sender<Observation>,
}

enum Woken {
    Command(Option<MediaCommand>),
    News(News),
    Datagrams,
    Time,
}

impl Worker {
    /// The worker, and what is waited for when it has ended.
    pub(super) fn new(
        make: MakeTransport,
        devices: Devices,
        reports: mpsc::Sender<MediaReport>,
        observed: mpsc::Sender<Observation>,
    ) -> Result<(Self, Option<Finish>), NoMedia> {
        let (recordings, finish) = devices.record.map(Recordings::start).transpose()?.unzip();
        let recorder = recordings.as_ref().and_then(Recordings::of_pictures);
        let sources = [(Media::Video, devices.pictures), (Media::Slides, devices.slides)];
        let sources = sources.into_iter().filter_map(|(media, source)| Some((media, source?))).collect();
        let pictures = Pictures::start(sources, devices.view, recorder, observed.clone());
        let this = Self {
            publisher: Publisher::new(devices.source)?,
            pictures: pictures.map_err(NoMedia::Thread)?,
            shown: BTreeMap::new(),
            watched: BTreeMap::new(),
            bandwidth: PICTURES.map(|media| (media, Bandwidth::new(devices.policy))).into(),
            sink: devices.sink,
            recordings,
            watched_at: None,
            addresses: devices.addresses,
            reach: devices.reach,
            servers: Vec::new(),
            make: Some(make),
            running: None,
            streams: BTreeMap::new(),
            codecs: BTreeMap::new(),
            untold: 0,
            tick: None,
            packets: 0,
            bytes: 0,
            reports,
            observed,
        };
        Ok((this, finish))
    }

    /// Works until nobody commands or listens any more.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<MediaCommand>) {
        loop {
            let woken = self.sleep(&mut commands).await;
            let now = Instant::now();
            self.watch(now).await;
            let outcome = match woken {
                Woken::Command(None) => return,
                Woken::Command(Some(command)) => self.command(now, command).await,
                Woken::News(news) => {
                    self.hear_news(now, news);
                    Ok(())
                }
                Woken::Datagrams | Woken::Time => self.datagrams(now),
            };
            // Whatever came: a flood of packets must not keep the clock from being looked at.
            if outcome.and_then(|()| self.time(now)).and_then(|()| self.drain(now)).is_err() {
                return;
            }
        }
    }

    /// Waits for whatever comes first; commands before packets, so that a closed session hears nothing more.
    ///
    /// In a settled call that is the next tick: packets are played then anyway, and every wake-up costs more than what it
    /// does. With seven peers it would be hundreds a second.
    async fn sleep(&mut self, commands: &mut mpsc::Receiver<MediaCommand>) -> Woken {
        // Pictures are paced, and shown as soon as they come.
        let pictures = !self.shown.is_empty() || !self.watched.is_empty();
        let settled = !pictures && self.running.as_ref().is_some_and(Running::is_settled);
        if let Some(tick) = self.tick.filter(|_| settled) {
            return match commands.try_recv() {
                Ok(command) => Woken::Command(Some(command)),
                Err(TryRecvError::Disconnected) => Woken::Command(None),
                Err(TryRecvError::Empty) => {
                    // The thread is ours alone. tokio's timer would wake it each 64 ms too, and its sockets with each datagram.
                    std::thread::sleep(tick.saturating_duration_since(Instant::now()));
                    Woken::Time
                }
            };
        }
        let running = self.running.as_ref().and_then(Running::poll_timeout);
        let watched_at = self.watched_at.filter(|_| self.running.as_ref().is_some_and(|it| !it.peers.is_empty()));
        let due = [running, self.tick, watched_at].into_iter().flatten().min();
        let far = Instant::now() + Duration::from_secs(3_600);
        let mut timer = pin!(tokio::time::sleep_until(due.unwrap_or(far).into()));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(command) = commands.poll_recv(cx) {
                return Poll::Ready(Woken::Command(command));
            }
            if let Some(running) = &mut self.running
                && let Poll::Ready(woken) = running.network.poll_woken(cx)
            {
                return Poll::Ready(woken.map_or(Woken::Datagrams, Woken::News));
            }
            timer.as_mut().poll(cx).map(|()| Woken::Time)
        })
        .await
    }

    async fn command(&mut self, now: Instant, command: MediaCommand) -> Result<(), Abandoned> {
        match &command {
            MediaCommand::Publish { call, publication, media } if PICTURES.contains(media) => {
                self.shown.insert((*call, publication.clone()), media.clone());
                self.pictures.give(Task::Capture(media.clone(), true));
            }
            MediaCommand::Publish { call, publication, .. } => self.publisher.publish(*call, publication),
            MediaCommand::Unpublish { call, publication } => {
                let media = self.shown.remove(&(*call, publication.clone()));
                if let Some(media) = media.filter(|media| self.shown.values().all(|other| other != media)) {
                    self.pictures.give(Task::Capture(media, false));
                }
                self.publisher.unpublish(*call, publication);
            }
            MediaCommand::Servers { servers } => {
                self.servers.clone_from(servers);
                self.resolve();
            }
            MediaCommand::Open { session, name, contents, .. } => {
                if let Err(why) = self.start(now, &command).await {
                    let why = why.to_string();
                    if self.running.is_none() {
                        return self.without_sockets(contents, &why);
                    }
                    // Those that are there may do for some of its transports.
                    self.report(MediaReport::Trouble(MediaTrouble::Socket(why)))?;
                }
                self.record(Piece::Named(*session, name.clone()))?;
                for content in contents {
                    self.attend(*session, content)?;
                }
            }
            // Whoever names an address of no use is told nothing of it: that would say which we try.
            MediaCommand::Candidate { candidate, .. }
                if self.running.as_ref().is_some_and(|running| !running.network.gatherer.tries(candidate)) =>
            {
                return Ok(());
            }
            MediaCommand::Restart { .. } => {
                if let Some(running) = &mut self.running {
                    running.network.gatherer.renew(now);
                    running.gather(now);
                }
            }
            // Who begins to look knows no picture before.
            MediaCommand::Content { send: Some(_), .. } => self.pictures.give(Task::KeyFrame),
            MediaCommand::Drop { session, content } => {
                self.ignore(|(of, name)| of == session && **name == **content);
            }
            MediaCommand::Close { session } => self.ignore(|(of, _)| of == session),
            _ => {}
        }
        if let Some(running) = &mut self.running {
            running.peers.execute(now, &command);
            let wanted = !running.peers.is_empty();
            running.network.gatherer.set_wanted(now, wanted);
            running.gather(now);
        }
        if self.streams.is_empty()
            && let Some(sink) = &mut self.sink
        {
            sink.rest();
        }
        let idle =
            self.streams.is_empty() && self.watched.is_empty() && self.shown.is_empty() && !self.publisher.is_on();
        self.tick = if idle { None } else { self.tick.or(Some(now)) };
        Ok(())
    }

    /// The addresses that sockets are bound to.
    fn usable(&self) -> Vec<IpAddr> {
        if self.addresses.is_empty() { local_addresses() } else { self.addresses.clone() }
    }

    /// A session cannot begin; others may, later.
    fn without_sockets(&self, contents: &[OpenContent], why: &str) -> Result<(), Abandoned> {
        let transports: BTreeSet<TransportId> = contents.iter().map(|content| content.transport).collect();
        transports.into_iter().try_for_each(|transport| {
            let failure = TransportFailure::NoSocket(why.to_owned()).into();
            self.report(MediaReport::Failed { transport, failure })
        })
    }

    /// Binds the sockets that a command needs.
    async fn start(&mut self, now: Instant, command: &MediaCommand) -> std::io::Result<()> {
        let usable = self.usable();
        if self.running.is_none() {
            let mut network = Network::new(self.reach.clone());
            let told = network.add_lane(now, &usable).await?; // If it fails, the next session tries again.
            self.watched_at = self.addresses.is_empty().then_some(now + WATCH);
            self.running = self.make.take().map(|make| Running { network, peers: Peers::new(make, told) });
            self.resolve();
        }
        if let Some(Running { network, peers }) = &mut self.running {
            while peers.lanes() < peers.lanes_wanted(command) {
                peers.add_lane(network.add_lane(now, &usable).await?);
            }
        }
        Ok(())
    }

    /// Looks whether the machine has other addresses, if it is time.
    async fn watch(&mut self, now: Instant) {
        let Some(running) = self.running.as_mut().filter(|_| self.watched_at.is_some_and(|at| at <= now)) else {
            return;
        };
        self.watched_at = Some(now + WATCH);
        if !running.peers.is_empty() {
            running.network.follow(now, &interface_addresses()).await;
            running.gather(now);
        }
    }

    /// Looks up the addresses of the servers, once something runs that needs them.
    fn resolve(&mut self) {
        let servers = usable(&self.reach.servers, &self.servers);
        if let Some(running) = self.running.as_mut().filter(|_| !servers.is_empty()) {
            running.network.resolve(servers);
        }
    }

    fn hear_news(&mut self, now: Instant, news: News) {
        if let Some(running) = &mut self.running {
            running.network.hear(now, news);
            running.gather(now);
        }
    }

    /// A content of a participant may come from now on.
    fn attend(&mut self, session: SessionId, content: &OpenContent) -> Result<(), Abandoned> {
        let id = (session, content.name.as_str().into());
        let payload_types = content.payload_types.clone();
        if PICTURES.contains(&content.media) {
            self.watched.insert(id, (content.media.clone(), payload_types));
            return Ok(());
        }
        match Receiver::new() {
            Ok(receiver) => {
                let (meter, loudness) = (Meter::default(), Loudness::default());
                let stream = Stream { payload_types, receiver, meter, loudness, frames: 0, sounded: false };
                self.streams.insert(id, stream);
                Ok(())
            }
            Err(why) => self.report(MediaReport::Trouble(MediaTrouble::Decoder(why.to_string()))),
        }
    }

    /// Nothing that comes of these contents matters any more.
    fn ignore(&mut self, gone: impl Fn(&StreamId) -> bool) {
        // What comes by a path that stays is estimated anew.
        let sessions: BTreeSet<SessionId> = self.watched.keys().filter(|id| gone(id)).map(|(of, _)| *of).collect();
        self.forget(|path| sessions.contains(&path.session));
        self.streams.retain(|id, _| !gone(id));
        self.codecs.retain(|id, _| !gone(id));
        let unwatched: Vec<StreamId> = self.watched.keys().filter(|id| gone(id)).cloned().collect();
        for id in unwatched {
            self.watched.remove(&id);
            self.pictures.give(Task::Drop(id));
        }
    }

    /// These paths are no more.
    fn forget(&mut self, gone: impl Fn(&TransportId) -> bool) {
        self.bandwidth.values_mut().for_each(|bandwidth| bandwidth.forget(&gone));
    }

    /// Something is known of a path: each kind of pictures that goes by it is told, and how many kinds there are.
    fn learn(&mut self, path: TransportId, mut tell: impl FnMut(&mut Bandwidth, u32)) {
        let shown = self.running.as_ref().map(|running| running.peers.shown_by(path)).unwrap_or_default();
        let kinds = shown.len() as u32;
        let concerned = self.bandwidth.iter_mut().filter(|(media, _)| shown.contains(media));
        concerned.for_each(|(_, bandwidth)| tell(bandwidth, kinds));
    }

    fn datagrams(&mut self, now: Instant) -> Result<(), Abandoned> {
        let datagrams = self.running.as_mut().map(|running| running.network.receive(now)).unwrap_or_default();
        for datagram in datagrams {
            if let Some(running) = &mut self.running {
                running.datagram(now, &datagram);
            }
            self.drain(now)?;
        }
        Ok(())
    }

    fn time(&mut self, now: Instant) -> Result<(), Abandoned> {
        if let Some(running) = &mut self.running {
            running.handle_timeout(now);
        }
        let Some(due) = self.tick.filter(|due| *due <= now) else { return Ok(()) };
        // A machine that slept does not send all it missed.
        let late = now.duration_since(due) > 10 * FRAME_TIME;
        self.tick = Some(if late { now + FRAME_TIME } else { due + FRAME_TIME });
        self.tell_paths();
        self.say(now)?;
        self.show(now)?;
        self.hear(now)
    }

    fn tell_paths(&mut self) {
        self.untold += 1;
        if self.untold < TICKS_PER_SECOND {
            return;
        }
        self.untold = 0;
        let Some(Running { peers, .. }) = &self.running else { return };
        for (session, paths) in peers.paths() {
            let of_session = self.codecs.iter().filter(|((of, _), _)| *of == session);
            let codecs = of_session.map(|(_, codec)| codec.clone()).collect();
            // Missed by a slow observer, the next second tells anew.
            drop(self.observed.try_send(Observation::Paths { session, paths, codecs }));
        }
    }

    fn say(&mut self, now: Instant) -> Result<(), Abandoned> {
        match self.publisher.packet() {
            Ok(None) => Ok(()),
            Ok(Some(packet)) => {
                let Some(running) = &mut self.running else { return Ok(()) };
                for (call, publication) in self.publisher.publications() {
                    // Its timestamp is that of its first sample, 20 ms ago.
                    let captured = now.checked_sub(FRAME_TIME).unwrap_or(now);
                    running.peers.publish(now, captured, *call, publication, std::slice::from_ref(&packet));
                }
                self.packets += 1;
                self.bytes += packet.payload.len() as u64;
                if self.packets.is_multiple_of(TICKS_PER_SECOND) {
                    // Missed by a slow observer, the next second tells anew.
                    drop(self.observed.try_send(Observation::Sent { bytes: self.bytes }));
                }
                Ok(())
            }
            Err(DeviceError(why)) => self.report(MediaReport::Trouble(MediaTrouble::Device(why))),
        }
    }

    /// Passes on what comes of pictures, and what they are encoded to.
    fn show(&mut self, now: Instant) -> Result<(), Abandoned> {
        let news = self.bandwidth.iter_mut().filter_map(|(media, bandwidth)| Some((media.clone(), bandwidth.news()?)));
        for (media, target) in news.collect::<Vec<_>>() {
            self.pictures.give(Task::Target(media.clone(), target));
            let least = self.bandwidth.values().map(|bandwidth| bandwidth.told().bits).min().unwrap_or(target.bits);
            if let Err(DeviceError(why)) = self.publisher.set_bit_rate(opus::beside(least)) {
                self.report(MediaReport::Trouble(MediaTrouble::Device(why)))?;
            }
            drop(self.observed.try_send(Observation::Target(media, target))); // A slow observer misses it.
        }
        if let Some(running) = &mut self.running {
            for (media, bandwidth) in &mut self.bandwidth {
                bandwidth.layers().for_each(|(path, most)| running.peers.limit(path, media, most));
            }
        }
        while let Some(done) = self.pictures.poll() {
            match (done, &mut self.running) {
                (Done::VideoFrame(of, captured, coded), Some(running)) => {
                    for ((call, publication), _) in self.shown.iter().filter(|(_, media)| **media == of) {
                        running.peers.show(now, captured, *call, publication, &coded);
                    }
                }
                (Done::AskKeyFrame((session, content)), Some(running)) => {
                    running.peers.ask_key_frame(now, session, &content);
                }
                (Done::DeviceError(DeviceError(why)), _) => {
                    self.report(MediaReport::Trouble(MediaTrouble::Device(why)))?
                }
                (Done::VideoFrame(..) | Done::AskKeyFrame(_), None) => {} // There is nobody yet.
            }
        }
        Ok(())
    }

    fn hear(&mut self, now: Instant) -> Result<(), Abandoned> {
        let mut frames: Vec<Frame> = Vec::with_capacity(self.streams.len());
        let mut troubles = Vec::new();
        for ((session, _), stream) in &mut self.streams {
            let frame = stream.receiver.frame(now);
            let round_trip = || self.running.as_ref().and_then(|running| running.peers.round_trip(*session));
            if stream.keeps_time()
                && let Some(clock) = stream.receiver.clock()
            {
                self.pictures.give(Task::Clock(*session, clock));
            }
            stream.observe(now, *session, frame.as_ref(), round_trip, &self.observed);
            let frame = frame.unwrap_or([0; FRAME]);
            if let Some(recordings) = &self.recordings {
                troubles.extend(recordings.recorder.give(Piece::Sound(*session, now, frame)).err());
            }
            frames.push(frame);
        }
        if !frames.is_empty() {
            let mix = mix(&frames);
            if let Some(recordings) = &self.recordings {
                troubles.extend(recordings.recorder.give(Piece::Mix(now, mix)).err());
                troubles.extend(recordings.trouble());
            }
            if let Some(Err(trouble)) = self.sink.as_mut().map(|sink| sink.put(&mix)) {
                self.sink = None;
                troubles.push(trouble);
            }
        }
        let news = [self.publisher.news(), self.sink.as_mut().and_then(|sink| sink.news())];
        troubles.extend(news.into_iter().flatten());
        troubles
            .into_iter()
            .try_for_each(|DeviceError(why)| self.report(MediaReport::Trouble(MediaTrouble::Device(why))))
    }

    /// Passes on what the peers' transports give.
    fn drain(&mut self, now: Instant) -> Result<(), Abandoned> {
        while let Some(output) = self.running.as_mut().and_then(|running| running.peers.poll_output()) {
            match output {
                PeersOutput::Datagram { from, to, bytes } => {
                    if let Some(running) = &mut self.running {
                        running.send(now, from, to, &bytes);
                    }
                }
                PeersOutput::Report(mut report) => {
                    match &mut report {
                        // What was sent before, it did not get.
                        MediaReport::Connected { .. } => self.pictures.give(Task::KeyFrame),
                        MediaReport::Failed { transport, failure } => {
                            failure.network = self.running.as_ref().map(|it| it.network.failures()).unwrap_or_default();
                            let gone = *transport;
                            self.forget(|path| *path == gone);
                        }
                        _ => {}
                    }
                    self.report(report)?;
                }
                PeersOutput::KeyFrameAsked => self.pictures.give(Task::KeyFrame),
                PeersOutput::Lost { transport, share } => {
                    self.learn(transport, |bandwidth, _| bandwidth.lost(transport, share));
                }
                PeersOutput::Overflowed { transport, share } => {
                    self.learn(transport, |bandwidth, _| bandwidth.overflowed(transport, share));
                    if let Some(running) = &mut self.running {
                        running.peers.pause(now, transport);
                    }
                }
                // Those that share a path share what it carries.
                PeersOutput::Estimate { transport, bits } => {
                    self.learn(transport, |bandwidth, kinds| bandwidth.estimated(transport, bits / kinds));
                }
                PeersOutput::Rtp { session, content, received } => {
                    self.received((session, content), received)?;
                }
            }
        }
        if let Some(running) = &mut self.running {
            running.network.flush();
        }
        Ok(())
    }

    /// A packet of a participant.
    fn received(&mut self, id: StreamId, received: ReceivedRtp) -> Result<(), Abandoned> {
        let watched = self.watched.get(&id);
        let heard = self.streams.get(&id).map(|stream| &stream.payload_types);
        let types = heard.or_else(|| watched.map(|(_, types)| types));
        let known = types.and_then(|types| types.iter().find(|known| known.id == received.payload_type));
        let Some(known) = known else { return Ok(()) };
        if !self.codecs.contains_key(&id) {
            let name = known.name.clone().unwrap_or_else(|| known.id.to_string());
            self.codecs.insert(id.clone(), name);
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.receiver.insert(received);
        } else if let Some((media, _)) = watched
            && let Err(DeviceError(why)) = self.pictures.packet(id, media, received)
        {
            return self.report(MediaReport::Trouble(MediaTrouble::Device(why)));
        }
        Ok(())
    }

    fn record(&self, piece: Piece) -> Result<(), Abandoned> {
        let given = self.recordings.as_ref().map_or(Ok(()), |recordings| recordings.recorder.give(piece));
        given.or_else(|DeviceError(why)| self.report(MediaReport::Trouble(MediaTrouble::Device(why))))
    }

    fn report(&self, report: MediaReport) -> Result<(), Abandoned> {
        self.reports.try_send(report).map_err(|_| Abandoned)
    }
}

impl Stream {
    /// Whether it is time to say what is heard now, for the pictures.
    fn keeps_time(&mut self) -> bool {
        self.frames += 1;
        self.frames.is_multiple_of(FRAMES_PER_CLOCK)
    }

    fn observe(
        &mut self,
        at: Instant,
        session: SessionId,
        frame: Option<&Frame>,
        round_trip: impl FnOnce() -> Option<Duration>,
        observed: &mpsc::Sender<Observation>,
    ) {
        if observed.is_closed() {
            return; // Measuring tones costs more than decoding them.
        }
        let silence = [0; FRAME];
        self.meter.add(frame.unwrap_or(&silence));
        self.loudness.add(frame.unwrap_or(&silence));
        // An observer that is slow or gone misses something; the next second tells anew.
        let tell = |observation| drop(observed.try_send(observation));
        if !self.sounded && frame.is_some_and(|frame| frame.iter().any(|sample| sample.unsigned_abs() > FIRST)) {
            self.sounded = true;
            tell(Observation::FirstSound { session, at });
        }
        if let Some(level) = self.loudness.take() {
            tell(Observation::Loud { session, level });
        }
        if let Some(level) = self.meter.take() {
            let stats = Stats { round_trip: round_trip(), ..self.receiver.stats() };
            tell(Observation::Heard { session, level, stats });
        }
    }
}

/// The first sample above this (-50 dBFS) is called sound.
const FIRST: u16 = 100;
