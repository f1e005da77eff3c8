//! A person in the simulated world: a client with the real Engine and real transports, or a puppet that a test controls.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jid::FullJid;
use muji_core::bridge::{Bridge, BridgeOutput, Caller};
use muji_core::media::{Audibility, Capabilities, IceServer, MediaCommand, MediaReport, TransportFailure};
use muji_core::{CallId, ConnectionChange, Engine, Event, EventScope, Media, Output, SessionId};
use muji_jingle::TransportId;
use muji_media::device::FRAME as FRAME_LENGTH;
use muji_media::parts::codec::AudioEncoding;
use muji_media::parts::codec::opus::{self, Encoder};
use muji_media::parts::{AudioPacket, AudioReceiver, PacketizedFrame, Peers, PeersOutput, VideoKind};
use muji_media::stats::AudioStats;
use muji_media::transport::{MakeTransport, RtpPacket, TransportOutput, hosts};
use muji_xep::rtp::PayloadType;
use xmpp_parsers::stanza::Stanza;

use super::client_profile::Scripted;
use super::world::Delays;
use muji_simulation::instant_backend;

/// The first transports of all sessions receive there, further ones at the ports that follow.
const PORT: u16 = 5_000;

/// Sound comes in packets of this length.
pub const FRAME: Duration = Duration::from_millis(20);

/// Nobody is heard whose last packet is older.
const RECENT: Duration = Duration::from_millis(200);

/// What all clients here can do unless a test says otherwise.
#[must_use]
pub fn usual() -> Capabilities {
    let opus = PayloadType::new(111, "opus", 48_000, 2).with_parameter("useinbandfec", "1");
    let video = vec![PayloadType::new(98, "VP8", 90_000, 1)];
    Capabilities {
        audio: vec![opus],
        video,
        ice_restart: true,
        bundling: true,
        bridging: true,
        ..Capabilities::default()
    }
}

/// What a client sends into the world.
#[derive(Debug)]
pub(crate) enum Sent {
    Stanza(Box<Stanza>),
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
}

/// Packets of one session that were accepted.
#[derive(Debug, Clone, Copy)]
struct Heard {
    first: Instant,
    last: Instant,
}

/// What is captured.
struct Capture {
    media: Media,
    /// When its next frame is due.
    next: Instant,
}

/// What is heard of one content.
struct Ear {
    receiver: AudioReceiver,
    due: Instant,
}

impl Ear {
    fn new(now: Instant) -> Self {
        Self { receiver: AudioReceiver::new(&[opus::payload_type()]), due: now + FRAME }
    }

    fn hear(&mut self, now: Instant) {
        while self.due <= now {
            let _silent = self.receiver.frame(self.due).is_none();
            self.due += FRAME;
        }
    }
}

/// What does the media of a client.
pub(crate) enum Layer {
    /// The real transports, and silence for sound.
    Transports(Box<Peers>),
    /// [`muji_simulation::instant_backend`]: for worlds in which only words matter.
    Instant,
}

/// A client without a window: the real Engine, and a media layer.
pub(crate) struct Client {
    pub(crate) engine: Engine,
    address: IpAddr,
    media: Layer,
    pub(crate) events: Vec<Event>,
    pub(crate) call: Option<CallId>,
    /// Others are in that call through it.
    pub(crate) bridge: Option<Bridge>,
    /// Callers of whom it was told that they are gone.
    pub(crate) gone_callers: Vec<Caller>,
    /// The calls that are joined.
    pub(crate) joined: BTreeMap<CallId, Audibility>,
    /// Calls that its user wants: nothing is opened or captured for another.
    pub(crate) wanted: BTreeSet<CallId>,
    /// What is captured, with the time of the next frame.
    publishing: BTreeMap<(CallId, String), Capture>,
    frames: u32,
    sessions: BTreeMap<SessionId, FullJid>,
    heard: BTreeMap<(SessionId, Arc<str>), Heard>,
    /// Peers' ends that are known, and their addresses.
    pub(crate) ends: BTreeMap<TransportId, usize>,
    /// What is agreed of each content: whether we send and receive it.
    agreed: BTreeMap<SessionId, BTreeMap<String, (bool, bool)>>,
    /// Sessions whose media are open.
    pub(crate) open: BTreeSet<SessionId>,
    /// The process hangs: nothing is read or sent.
    pub(crate) frozen: bool,
    /// Its connection is broken: packets still travel.
    pub(crate) cut: bool,
    /// What came while it was, and what should have gone.
    pub(crate) missed: Vec<Stanza>,
    pub(crate) unsent: Vec<Stanza>,
    /// Its media layer does nothing any more.
    pub(crate) media_hangs: bool,
    /// What it hears, if it listens.
    ears: Option<BTreeMap<(SessionId, Arc<str>), Ear>>,
    /// What it sends twenty milliseconds of sound as.
    sound: Arc<[u8]>,
    /// STUN and TURN servers, as often as the media layer was told.
    pub(crate) servers: Vec<Vec<IceServer>>,
}

impl Client {
    pub(crate) fn new(now: Instant, mut engine: Engine, jid: FullJid, address: IpAddr, media: Layer) -> Self {
        engine.handle_connection(now, ConnectionChange::Bound { jid });
        Self {
            engine,
            address,
            media,
            events: Vec::new(),
            call: None,
            bridge: None,
            gone_callers: Vec::new(),
            joined: BTreeMap::new(),
            wanted: BTreeSet::new(),
            publishing: BTreeMap::new(),
            frames: 0,
            sessions: BTreeMap::new(),
            heard: BTreeMap::new(),
            ends: BTreeMap::new(),
            agreed: BTreeMap::new(),
            open: BTreeSet::new(),
            frozen: false,
            cut: false,
            missed: Vec::new(),
            unsent: Vec::new(),
            media_hangs: false,
            ears: None,
            sound: Arc::from(&b"silence"[..]),
            servers: Vec::new(),
        }
    }

    /// Its user wants this call.
    pub(crate) fn wants(&mut self, call: CallId) {
        self.call = Some(call);
        self.wanted.insert(call);
    }

    /// Nothing of before is looked at any more: events, calls and sessions that are over, and servers but for the last.
    pub(crate) fn forget_past(&mut self) {
        self.events = Vec::new();
        self.wanted.retain(|call| self.call == Some(*call));
        self.sessions.retain(|session, _| self.open.contains(session));
        self.heard.retain(|(session, _), _| self.open.contains(session));
        self.ends.clear(); // A session that lasts has had hundreds.
        self.agreed.retain(|session, _| self.open.contains(session));
        if let Some(ears) = &mut self.ears {
            ears.retain(|(session, _), _| self.open.contains(session));
        }
        self.servers.drain(..self.servers.len().saturating_sub(1));
    }

    /// It hears what comes, and sends what can be heard.
    pub(crate) fn listen(&mut self) {
        self.ears = Some(BTreeMap::new());
        self.sound =
            Encoder::new().and_then(|mut encoder| encoder.encode(&[0; FRAME_LENGTH])).expect("silence is sound");
    }

    /// How what somebody sent is heard.
    pub(crate) fn sound(&self, speaker: &FullJid) -> Option<AudioStats> {
        let mut of = self.ears.iter().flatten().filter(|((session, _), _)| self.sessions.get(session) == Some(speaker));
        of.next_back().map(|(_, ear)| ear.receiver.stats())
    }

    /// Its sockets are at another address.
    pub(crate) fn moves(&mut self, now: Instant, address: IpAddr) {
        let before = std::mem::replace(&mut self.address, address);
        let Layer::Transports(peers) = &mut self.media else { return };
        for (socket_set, port) in (PORT..).enumerate().take(peers.socket_sets()) {
            hosts(&[SocketAddr::new(address, port)])
                .iter()
                .for_each(|found| peers.add_local_candidate(now, socket_set, found));
            hosts(&[SocketAddr::new(before, port)])
                .iter()
                .for_each(|lost| peers.remove_local_candidate(now, socket_set, lost));
        }
    }

    pub(crate) fn datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        if let Layer::Transports(peers) = &mut self.media {
            peers.handle_datagram(now, local, from, bytes);
        }
    }

    /// When something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let frames = self.publishing.values().map(|capture| capture.next);
        let transports = match &self.media {
            Layer::Transports(peers) => peers.poll_timeout(),
            Layer::Instant => None,
        };
        let ears = self.ears.iter().flat_map(BTreeMap::values).map(|ear| ear.due).min();
        let bridge = self.bridge.as_ref().and_then(Bridge::poll_timeout);
        let others = [self.engine.poll_timeout(), transports, ears, bridge];
        others.into_iter().flatten().chain(frames).min().filter(|_| !self.frozen)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.engine.poll_timeout().is_some_and(|at| at <= now) {
            self.engine.handle_timeout(now);
        }
        if let Some(bridge) = &mut self.bridge {
            bridge.handle_timeout(now);
        }
        for ear in self.ears.iter_mut().flat_map(BTreeMap::values_mut) {
            ear.hear(now);
        }
        let Layer::Transports(peers) = &mut self.media else { return };
        if peers.poll_timeout().is_some_and(|at| at <= now) {
            peers.handle_timeout(now);
        }
        for ((call, publication), capture) in self.publishing.iter_mut().filter(|(_, capture)| capture.next <= now) {
            self.frames += 1;
            let packet = RtpPacket { timestamp: self.frames * 960, marker: false, payload: self.sound.clone() };
            if capture.media == Media::Audio {
                let packet = AudioPacket {
                    encoding: AudioEncoding::Opus,
                    packet,
                    earlier: Vec::new(),
                    contributors: Vec::new(),
                };
                peers.publish(now, now, *call, publication, &packet);
            } else {
                for (_, encoding) in peers.video_kinds().into_iter().filter(|(media, _)| *media == capture.media) {
                    let frame = PacketizedFrame { encoding, layer: 0, key: true, packets: vec![packet.clone()] };
                    peers.publish_video(now, now, *call, publication, &frame);
                }
            }
            capture.next = now + FRAME;
        }
    }

    /// Everything that follows from the inputs so far.
    pub(crate) fn drain(&mut self, now: Instant) -> Vec<Sent> {
        let mut sent = Vec::new();
        loop {
            self.follow_bridge(now);
            if let Some(output) = self.engine.poll_output() {
                self.engine_says(now, output, &mut sent);
            } else if let Some(output) = self.poll_transports() {
                self.peers_say(now, output, &mut sent);
            } else {
                return sent;
            }
        }
    }

    /// Does what its bridge wants done: its user wants the calls that it takes.
    fn follow_bridge(&mut self, now: Instant) {
        if let Some(bridge) = &mut self.bridge {
            self.wanted.extend(bridge.callers().map(|caller| caller.call));
            for shown in self.engine.follow(now, bridge) {
                if let BridgeOutput::Changed(caller) = shown {
                    self.gone_callers.extend(caller.over.is_some().then_some(*caller));
                }
            }
        }
    }

    fn poll_transports(&mut self) -> Option<PeersOutput> {
        match &mut self.media {
            Layer::Transports(peers) => peers.poll_output(),
            Layer::Instant => None,
        }
    }

    fn do_media(&mut self, now: Instant, command: &MediaCommand) {
        match command {
            MediaCommand::Servers { servers } => self.servers.push(servers.clone()),
            MediaCommand::Open { session, .. } => drop(self.open.insert(*session)),
            MediaCommand::Content { session, content, send, receive, .. } => {
                let of_session = self.agreed.entry(*session).or_default();
                of_session.insert(content.clone(), (send.is_some(), *receive));
            }
            MediaCommand::Bridge { calls } => self.joined.clone_from(calls),
            MediaCommand::Candidate { transport, .. } => *self.ends.entry(*transport).or_default() += 1,
            MediaCommand::Remote { transport, .. } => {
                self.ends.entry(*transport).or_default();
            }
            MediaCommand::RemoveContent { session, content } => {
                self.agreed.entry(*session).or_default().remove(content);
            }
            MediaCommand::Close { session } => {
                self.open.remove(session);
                self.agreed.remove(session);
            }
            _ => {}
        }
        match &mut self.media {
            Layer::Transports(peers) => {
                while peers.socket_sets() < peers.socket_sets_needed(command) {
                    let port = PORT + u16::try_from(peers.socket_sets()).expect("few contents");
                    peers.add_socket_set(hosts(&[SocketAddr::new(self.address, port)]));
                }
                peers.execute(now, command);
            }
            Layer::Instant => {
                let reports = instant_backend::obey(command);
                reports.iter().for_each(|report| self.engine.handle_media(now, report));
            }
        }
    }

    fn engine_says(&mut self, now: Instant, output: Output, sent: &mut Vec<Sent>) {
        if let Output::Media(MediaCommand::Open { call, .. } | MediaCommand::Publish { call, .. }) = &output {
            assert!(self.wanted.contains(call), "something is opened that the user did not ask for");
        }
        match output {
            Output::Send(stanza) => sent.push(Sent::Stanza(Box::new(stanza.into()))),
            Output::Media(MediaCommand::Publish { call, publication, media })
                if matches!(self.media, Layer::Transports(_)) =>
            {
                self.publishing.insert((call, publication), Capture { media, next: now });
            }
            Output::Media(MediaCommand::Unpublish { call, publication }) => {
                self.publishing.remove(&(call, publication));
            }
            Output::Media(_) if self.media_hangs => {}
            Output::Media(command) => self.do_media(now, &command),
            Output::Event(about, event) => {
                if let Some(bridge) = &mut self.bridge {
                    bridge.handle_event(now, &about, &event);
                } else if let (EventScope::Call(call), Event::Ringing { .. } | Event::Stranger { .. }) =
                    (&about, &event)
                {
                    self.call = Some(*call);
                }
                if let Event::PeerConnecting(peer, session) = &event {
                    self.sessions.insert(*session, peer.jid.clone());
                }
                self.events.push(event);
            }
            _ => {}
        }
    }

    fn peers_say(&mut self, now: Instant, output: PeersOutput, sent: &mut Vec<Sent>) {
        let (id, output) = match output {
            PeersOutput::Report(report) => return self.engine.handle_media(now, &report),
            PeersOutput::Transport { id, output } => (id, output),
        };
        if let Some(report) = output.report(id) {
            self.engine.handle_media(now, &report);
        }
        match output {
            TransportOutput::Datagram { from, to, bytes } => sent.push(Sent::Datagram { from, to, bytes }),
            TransportOutput::Rtp { content, received } => {
                let stream = (id.session, content);
                if let Some(ears) = &mut self.ears {
                    ears.entry(stream.clone()).or_insert_with(|| Ear::new(now)).receiver.insert(received);
                }
                self.heard.entry(stream).or_insert(Heard { first: now, last: now }).last = now;
            }
            TransportOutput::Connected
            | TransportOutput::Interrupted
            | TransportOutput::Failed(_)
            | TransportOutput::WrongCertificate => {} // The core was told above.
            TransportOutput::KeyFrameRequested
            | TransportOutput::BandwidthEstimate(_)
            | TransportOutput::Loss(_)
            | TransportOutput::AudioLoss(_)
            | TransportOutput::Contributors { .. }
            | TransportOutput::Congestion(_) => {} // Nothing is encoded here.
        }
    }

    /// The media layer finds nobody at the other end of the sessions with `peer`.
    pub(crate) fn lose(&mut self, now: Instant, peer: &FullJid) {
        let with = self.open.iter().filter(|session| self.sessions.get(session) == Some(peer));
        for session in with.copied().collect::<Vec<_>>() {
            let transport = TransportId { session, index: 0 };
            self.engine.handle_media(
                now,
                &MediaReport::Failed { transport, failure: TransportFailure::Silent(Duration::from_secs(60)).into() },
            );
        }
    }

    /// The media layer has heard a content of `peer`, and hears it no more.
    pub(crate) fn silence(&mut self, now: Instant, peer: &FullJid, content: &str) {
        let with = self.open.iter().filter(|session| self.sessions.get(session) == Some(peer));
        for session in with.copied().collect::<Vec<_>>() {
            let content = content.to_owned();
            self.engine.handle_media(now, &MediaReport::Flowing { session, content: content.clone() });
            self.engine.handle_media(now, &MediaReport::Silent { session, content });
        }
    }

    /// Whether we send and receive a content in the sessions with somebody.
    pub(crate) fn flows(&self, peer: &FullJid, content: &str) -> (bool, bool) {
        let with = self.agreed.iter().filter(|(session, _)| self.sessions.get(session) == Some(peer));
        let of = with.filter_map(|(_, contents)| contents.get(content));
        of.fold((false, false), |(sends, receives), (send, receive)| (sends | send, receives | receive))
    }

    /// Transports of the sessions with somebody to which an address is known, and those addresses.
    pub(crate) fn transports(&self, peer: &FullJid) -> (usize, usize) {
        let with = self.ends.iter().filter(|(id, _)| self.sessions.get(&id.session) == Some(peer));
        with.fold((0, 0), |(transports, addresses), (_, known)| (transports + 1, addresses + known))
    }

    pub(crate) fn publications(&self) -> Vec<String> {
        self.publishing.keys().map(|(_, publication)| publication.clone()).collect()
    }

    fn heard_of(&self, speaker: &FullJid) -> impl Iterator<Item = (&str, Heard)> {
        let contents = self.heard.iter().filter(|((session, _), _)| self.sessions.get(session) == Some(speaker));
        contents.map(|((_, content), heard)| (&**content, *heard))
    }

    /// The contents of which something of `speaker` came just now.
    pub(crate) fn receives(&self, now: Instant, speaker: &FullJid) -> BTreeSet<String> {
        let recent = self.heard_of(speaker).filter(|(_, heard)| heard.last + RECENT >= now);
        recent.map(|(content, _)| content.to_owned()).collect()
    }

    /// The streams of video that somebody gets.
    pub(crate) fn video_kinds(&self) -> BTreeSet<VideoKind> {
        match &self.media {
            Layer::Transports(peers) => peers.video_kinds(),
            Layer::Instant => BTreeSet::new(),
        }
    }

    pub(crate) fn first_heard(&self, speaker: &FullJid) -> Option<Instant> {
        self.heard_of(speaker).map(|(_, heard)| heard.first).min()
    }
}

pub(crate) enum Body {
    Client(Box<Client>),
    /// What it was sent.
    Puppet(Vec<Stanza>),
    /// Another client, as far as words go.
    Scripted(Box<Scripted>),
}

pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) jid: FullJid,
    pub(crate) address: IpAddr,
    pub(crate) delays: Delays,
    pub(crate) body: Body,
}

/// Transports for one client with one address.
pub(crate) fn transports(make: MakeTransport, address: IpAddr) -> Layer {
    let mut peers = Peers::new(make);
    peers.add_socket_set(hosts(&[SocketAddr::new(address, PORT)]));
    Layer::Transports(Box::new(peers))
}
