//! The media layer as the core commands it: a thread of its own with sockets, clock and sound.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use muji_core::SessionId;
use muji_core::media::{Capabilities, MediaBackend, MediaCommand, MediaReport};
use muji_xep::rtp::PayloadType;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::codec::opus::{self, OpusFault};
use crate::device::{Sink, Source, Trouble};
use crate::meter::{Level, Meter};
use crate::peers::{Peers, PeersOutput};
use crate::publish::Publisher;
use crate::receive::{Receiver, Stats};
use crate::record::{Recordings, Template};
use crate::socket::{Datagram, Sockets};
use crate::sound::{FRAME, FRAME_TIME, Frame, mix};
use crate::transport::MakeTransport;
use crate::transport::str0m::{NoCertificate, Str0m};

/// Commands and reports under way. A call of 64 makes some hundred at once; with more the other side has stopped.
const UNDER_WAY: usize = 4_096;

/// Observations under way; more are dropped, the next second tells anew.
const OBSERVATIONS: usize = 256;

/// One for each frame.
const PACKETS_PER_SECOND: u64 = 50;

/// What a media layer works with.
pub struct Devices {
    /// What is sent; without one we only listen.
    pub source: Option<Box<dyn Source>>,
    /// Where everybody's sound goes as one; without it it is only measured and recorded.
    pub sink: Option<Box<dyn Sink>>,
    /// The files for recordings.
    pub record: Option<Template>,
    /// The local addresses to use; see [`crate::socket::local_addresses`].
    pub addresses: Vec<IpAddr>,
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
    /// Once a second.
    Heard {
        /// The session.
        session: SessionId,
        /// How it sounded, measured on what was decoded.
        level: Level,
        /// How it fared since the session began.
        stats: Stats,
    },
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
    Folder(#[from] Trouble),
    /// The system gives no thread.
    #[error("the system gives no thread for the media: {0}")]
    Thread(std::io::Error),
}

/// The default media layer. Dropped, it ends its thread and with it everything it sends.
pub struct Backend {
    commands: mpsc::Sender<MediaCommand>,
    reports: mpsc::Receiver<MediaReport>,
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
        let (commands, to_do) = mpsc::channel(UNDER_WAY);
        let (news, reports) = mpsc::channel(UNDER_WAY);
        let (observed, observations) = mpsc::channel(OBSERVATIONS);
        let worker = Worker {
            publisher: Publisher::new(devices.source)?,
            sink: devices.sink,
            recordings: devices.record.map(Recordings::new).transpose()?,
            addresses: devices.addresses,
            make: Some(make),
            running: None,
            streams: BTreeMap::new(),
            tick: None,
            packets: 0,
            bytes: 0,
            reports: news,
            observed,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(NoMedia::Thread)?;
        let thread = std::thread::Builder::new().name("muji-media".to_owned());
        thread.spawn(move || runtime.block_on(worker.run(to_do))).map_err(NoMedia::Thread)?;
        Ok((Self { commands, reports }, observations))
    }
}

impl MediaBackend for Backend {
    fn capabilities(&self) -> Capabilities {
        Capabilities { audio: vec![opus::payload_type()], video: Vec::new() }
    }

    fn execute(&mut self, command: MediaCommand) {
        // A thread that takes no commands any more has ended, which `poll_report` tells.
        let _ended = self.commands.try_send(command).is_err();
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<MediaReport>> {
        self.reports.poll_recv(cx)
    }
}

/// One content of a session, as it is heard.
struct Stream {
    name: String,
    payload_types: Vec<PayloadType>,
    receiver: Receiver,
    meter: Meter,
    sounded: bool,
}

/// What exists once the first call needs it.
struct Running {
    sockets: Sockets,
    peers: Peers,
}

/// The core, or the program behind it, does not listen any more.
struct Abandoned;

struct Worker {
    publisher: Publisher,
    sink: Option<Box<dyn Sink>>,
    recordings: Option<Recordings>,
    addresses: Vec<IpAddr>,
    make: Option<MakeTransport>,
    running: Option<Running>,
    streams: BTreeMap<(SessionId, Arc<str>), Stream>,
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
    Datagrams,
    Time,
}

impl Worker {
    async fn run(mut self, mut commands: mpsc::Receiver<MediaCommand>) {
        loop {
            let woken = self.sleep(&mut commands).await;
            let now = Instant::now();
            let outcome = match woken {
                Woken::Command(None) => return,
                Woken::Command(Some(command)) => self.command(now, command).await,
                Woken::Datagrams | Woken::Time => self.datagrams(now),
            };
            // Whatever came: a flood of packets must not keep the clock from being looked at.
            if outcome.and_then(|()| self.time(now)).and_then(|()| self.drain()).is_err() {
                return;
            }
        }
    }

    /// Waits for whatever comes first; commands before packets, so that a closed session hears nothing more.
    ///
    /// In a settled call that is the next tick: packets are played then anyway, and every wake-up costs more than what it
    /// does. With seven peers it would be hundreds a second.
    async fn sleep(&self, commands: &mut mpsc::Receiver<MediaCommand>) -> Woken {
        if let Some(tick) =
            self.tick.filter(|_| self.running.as_ref().is_some_and(|running| running.peers.are_settled()))
        {
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
        let peers = self.running.as_ref().and_then(|running| running.peers.poll_timeout());
        let due = [peers, self.tick].into_iter().flatten().min();
        let far = Instant::now() + Duration::from_secs(3_600);
        let mut timer = pin!(tokio::time::sleep_until(due.unwrap_or(far).into()));
        std::future::poll_fn(|cx| {
            if let Poll::Ready(command) = commands.poll_recv(cx) {
                return Poll::Ready(Woken::Command(command));
            }
            if let Some(running) = &self.running
                && running.sockets.poll_readable(cx).is_ready()
            {
                return Poll::Ready(Woken::Datagrams);
            }
            timer.as_mut().poll(cx).map(|()| Woken::Time)
        })
        .await
    }

    async fn command(&mut self, now: Instant, command: MediaCommand) -> Result<(), Abandoned> {
        match &command {
            MediaCommand::Publish { call, publication, .. } => self.publisher.publish(*call, publication),
            MediaCommand::Unpublish { call, publication } => self.publisher.unpublish(*call, publication),
            MediaCommand::Open { session, name, contents, .. } => {
                if let Err(why) = self.start(&command).await {
                    return self.report(MediaReport::Trouble { why: format!("no UDP socket can be opened: {why}") });
                }
                for content in contents {
                    self.listen(*session, name, &content.name, &content.payload_types)?;
                }
            }
            MediaCommand::Drop { session, content } => {
                self.streams.retain(|(of, name), _| of != session || **name != **content);
            }
            MediaCommand::Close { session } => self.streams.retain(|(of, _), _| of != session),
            _ => {}
        }
        if let Some(running) = &mut self.running {
            running.peers.execute(now, &command);
        }
        if self.streams.is_empty()
            && let Some(sink) = &mut self.sink
        {
            sink.rest();
        }
        let idle = self.streams.is_empty() && !self.publisher.is_on();
        self.tick = if idle { None } else { self.tick.or(Some(now)) };
        Ok(())
    }

    /// Binds the sockets that a command needs.
    async fn start(&mut self, command: &MediaCommand) -> std::io::Result<()> {
        if let Some(make) = self.make.take() {
            let mut sockets = Sockets::new();
            let peers = Peers::new(make, sockets.bind(&self.addresses).await?);
            self.running = Some(Running { sockets, peers });
        }
        if let Some(Running { sockets, peers }) = &mut self.running {
            while peers.lanes() < peers.lanes_wanted(command) {
                peers.add_lane(sockets.bind(&self.addresses).await?);
            }
        }
        Ok(())
    }

    fn listen(
        &mut self,
        session: SessionId,
        name: &str,
        content: &str,
        payload_types: &[PayloadType],
    ) -> Result<(), Abandoned> {
        let (name, payload_types) = (name.to_owned(), payload_types.to_vec());
        match Receiver::new() {
            Ok(receiver) => {
                let stream = Stream { name, payload_types, receiver, meter: Meter::default(), sounded: false };
                self.streams.insert((session, content.into()), stream);
                Ok(())
            }
            Err(why) => self.report(MediaReport::Trouble { why: why.to_string() }),
        }
    }

    fn datagrams(&mut self, now: Instant) -> Result<(), Abandoned> {
        let datagrams = self.running.as_mut().map(|running| running.sockets.receive(now)).unwrap_or_default();
        for Datagram { local, from, arrived, bytes } in datagrams {
            if let Some(running) = &mut self.running {
                running.peers.datagram(arrived, local, from, &bytes);
            }
            self.drain()?;
        }
        Ok(())
    }

    fn time(&mut self, now: Instant) -> Result<(), Abandoned> {
        if let Some(running) = &mut self.running {
            running.peers.handle_timeout(now);
        }
        let Some(due) = self.tick.filter(|due| *due <= now) else { return Ok(()) };
        // A machine that slept does not send all it missed.
        let late = now.duration_since(due) > 10 * FRAME_TIME;
        self.tick = Some(if late { now + FRAME_TIME } else { due + FRAME_TIME });
        self.say(now)?;
        self.hear(now)
    }

    fn say(&mut self, now: Instant) -> Result<(), Abandoned> {
        match self.publisher.packet() {
            Ok(None) => Ok(()),
            Ok(Some(packet)) => {
                let Some(running) = &mut self.running else { return Ok(()) };
                for (call, publication) in self.publisher.publications() {
                    running.peers.publish(now, *call, publication, &packet);
                }
                self.packets += 1;
                self.bytes += packet.payload.len() as u64;
                if self.packets.is_multiple_of(PACKETS_PER_SECOND) {
                    // Missed by a slow observer, the next second tells anew.
                    drop(self.observed.try_send(Observation::Sent { bytes: self.bytes }));
                }
                Ok(())
            }
            Err(Trouble(why)) => self.report(MediaReport::Trouble { why }),
        }
    }

    fn hear(&mut self, now: Instant) -> Result<(), Abandoned> {
        let mut frames: Vec<Frame> = Vec::with_capacity(self.streams.len());
        let mut troubles = Vec::new();
        for ((session, _), stream) in &mut self.streams {
            let frame = stream.receiver.frame(now);
            let round_trip = || self.running.as_ref().and_then(|running| running.peers.round_trip(*session));
            stream.observe(now, *session, frame.as_ref(), round_trip, &self.observed);
            let frame = frame.unwrap_or([0; FRAME]);
            if let Some(recordings) = &mut self.recordings {
                troubles.extend(recordings.participant(&stream.name, &frame).err());
            }
            frames.push(frame);
        }
        if !frames.is_empty() {
            let mix = mix(&frames);
            troubles.extend(self.recordings.as_mut().and_then(|recordings| recordings.mix(&mix).err()));
            if let Some(Err(trouble)) = self.sink.as_mut().map(|sink| sink.put(&mix)) {
                self.sink = None;
                troubles.push(trouble);
            }
        }
        let news = [self.publisher.news(), self.sink.as_mut().and_then(|sink| sink.news())];
        troubles.extend(news.into_iter().flatten());
        troubles.into_iter().try_for_each(|Trouble(why)| self.report(MediaReport::Trouble { why }))
    }

    /// Passes on what the peers' transports give.
    fn drain(&mut self) -> Result<(), Abandoned> {
        while let Some(output) = self.running.as_mut().and_then(|running| running.peers.poll_output()) {
            match output {
                PeersOutput::Datagram { from, to, bytes } => {
                    if let Some(running) = &self.running {
                        running.sockets.send(from, to, &bytes);
                    }
                }
                PeersOutput::Report(report) => self.report(report)?,
                PeersOutput::Rtp { session, content, received } => {
                    let Some(stream) = self.streams.get_mut(&(session, content)) else { continue };
                    if stream.payload_types.iter().any(|payload| payload.id == received.payload_type) {
                        stream.receiver.insert(received);
                    }
                }
            }
        }
        Ok(())
    }

    fn report(&self, report: MediaReport) -> Result<(), Abandoned> {
        self.reports.try_send(report).map_err(|_| Abandoned)
    }
}

impl Stream {
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
        // An observer that is slow or gone misses something; the next second tells anew.
        let tell = |observation| drop(observed.try_send(observation));
        if !self.sounded && frame.is_some_and(|frame| frame.iter().any(|sample| sample.unsigned_abs() > FIRST)) {
            self.sounded = true;
            tell(Observation::FirstSound { session, at });
        }
        if let Some(level) = self.meter.take() {
            let stats = Stats { round_trip: round_trip(), ..self.receiver.stats() };
            tell(Observation::Heard { session, level, stats });
        }
    }
}

/// The first sample above this (-50 dBFS) is called sound.
const FIRST: u16 = 100;
