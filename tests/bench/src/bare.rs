//! The baseline of the benchmarks: bare str0m, in virtual time or over loopback in real time.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use muji_media::device::tone::Tone;
use muji_media::device::{AudioSource, FRAME};
use muji_media::parts::PacketizedFrame;
use muji_media::parts::codec::opus;
use muji_media::transport::RtpPacket;
use str0m::config::{DtlsCert, DtlsVersion};
use str0m::format::Codec;
use str0m::ice::IceCreds;
use str0m::media::{Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::{Candidate, Event as RtcEvent, Input, Output, Rtc, RtcConfig};

use crate::fan_out::INTERVAL;
use crate::load::{SSRC, Wire, address, packet};

const FRAME_TIME: Duration = Duration::from_millis(20);

/// One `Rtc` for each end.
pub(crate) struct Bare {
    now: Instant,
    ends: Vec<End>,
    places: HashMap<SocketAddr, usize>,
    wire: Wire,
    connected: usize,
    received: usize,
}

struct End {
    rtc: Rtc,
    address: SocketAddr,
    credentials: IceCreds,
    due: Instant,
    sequence: u64,
    /// What was sent of pictures is kept for a peer that misses it, and reported on each second instead of each five, as ours does.
    kind: MediaKind,
}

/// What an end gives.
enum Given {
    Connected,
    Datagram(SocketAddr, SocketAddr, Vec<u8>),
    Payload(Arc<[u8]>),
}

impl End {
    /// The next thing, until the end only waits for time to pass.
    fn next(&mut self) -> Option<Given> {
        loop {
            match self.rtc.poll_output().expect("the transport lives") {
                Output::Timeout(at) => {
                    self.due = at;
                    return None;
                }
                Output::Transmit(transmit) => {
                    let contents = Vec::from(transmit.contents);
                    return Some(Given::Datagram(transmit.source, transmit.destination, contents));
                }
                Output::Event(RtcEvent::Connected) => return Some(Given::Connected),
                Output::Event(RtcEvent::RtpPacket(packet)) => return Some(Given::Payload(packet.payload)),
                Output::Event(_) => {}
            }
        }
    }

    fn write(&mut self, now: Instant, timestamp: u32, payload: Arc<[u8]>) {
        self.sequence += 1;
        let keeps_sent = self.kind.is_video();
        let write = RtpWrite::new(111.into(), self.sequence.into(), timestamp, now, payload).nackable(keeps_sent);
        self.rtc.direct_api().stream_tx(&SSRC.into()).expect("it was declared").write_rtp(write);
        self.time(now);
    }

    fn time(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).expect("time is taken");
    }

    fn receive(&mut self, now: Instant, (from, to): (SocketAddr, SocketAddr), bytes: &[u8]) {
        let datagram = Receive::new(Protocol::Udp, from, to, bytes).expect("str0m made it");
        self.rtc.handle_input(Input::Receive(now, datagram)).expect("the transport lives");
    }
}

impl Bare {
    /// Everybody has an end with everybody else.
    pub(crate) fn mesh(n: usize) -> Self {
        Self::connected(n, MediaKind::Audio, (0..n).flat_map(|one| (0..one).map(move |other| (one, other))))
    }

    /// The first has an end with everybody else, for pictures.
    fn star(n: usize) -> Self {
        Self::connected(n, MediaKind::Video, (1..n).map(|one| (one, 0)))
    }

    fn connected(n: usize, kind: MediaKind, pairs: impl Iterator<Item = (usize, usize)>) -> Self {
        let now = Instant::now();
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let certificates: Vec<DtlsCert> =
            (0..n).map(|_| crypto.dtls_provider.generate_certificate().expect("a certificate")).collect();
        let (ends, wire) = (Vec::new(), VecDeque::new());
        let mut this = Self { now, ends, places: HashMap::new(), wire, connected: 0, received: 0 };
        for (one, other) in pairs {
            for (who, with) in [(one, other), (other, one)] {
                let credentials = IceCreds::new();
                let mut config = RtcConfig::new()
                    .set_crypto_provider(crypto.clone())
                    .set_dtls_cert(certificates[who].clone())
                    .set_local_ice_credentials(credentials.clone())
                    .set_dtls_version(DtlsVersion::Auto)
                    .clear_codecs()
                    .clear_extension_map()
                    .set_rtp_mode(true);
                // str0m keeps nothing of a payload type that has none for RTX.
                let (resend, codec, clock, channels) = match kind {
                    MediaKind::Audio => (None, Codec::Opus, Frequency::FORTY_EIGHT_KHZ, Some(2)),
                    MediaKind::Video => (Some(112.into()), Codec::Vp8, Frequency::NINETY_KHZ, None),
                };
                config.codec_config().add_config(111.into(), resend, codec, clock, channels, Default::default());
                let address = address(who, with + 1);
                this.places.insert(address, this.ends.len());
                let rtc = config.build(now);
                this.ends.push(End { rtc, address, credentials, due: now, sequence: 0, kind });
            }
            this.introduce();
        }
        while this.connected < this.ends.len() {
            this.step();
        }
        this
    }

    /// The last two ends.
    fn introduce(&mut self) {
        let last = self.ends.len() - 1;
        for (who, with) in [(last - 1, last), (last, last - 1)] {
            let (peer, credentials) = (self.ends[with].address, self.ends[with].credentials.clone());
            let fingerprint = self.ends[with].rtc.direct_api().local_dtls_fingerprint().clone();
            let candidate = |address| Candidate::host(address, Protocol::Udp).expect("a usable address");
            let End { rtc, address, kind, .. } = &mut self.ends[who];
            rtc.add_local_candidate(candidate(*address));
            rtc.add_remote_candidate(candidate(peer));
            let mut api = rtc.direct_api();
            api.set_ice_controlling(who < with);
            let mid = Mid::from("a");
            api.declare_media(mid, *kind);
            api.declare_stream_tx(Ssrc::from(SSRC), None, mid, None);
            api.expect_stream_rx(Ssrc::from(SSRC), None, mid, None);
            api.set_remote_fingerprint(fingerprint);
            api.set_remote_ice_credentials(credentials);
            api.start_dtls(who < with).expect("the handshake begins");
            for _ in 0..2 {
                self.ends[who].time(self.now);
                self.drain(who);
            }
        }
    }

    fn drain(&mut self, who: usize) {
        while let Some(given) = self.ends[who].next() {
            match given {
                Given::Connected => self.connected += 1,
                Given::Datagram(from, to, bytes) => self.wire.push_back((from, to, bytes)),
                Given::Payload(_) => self.received += 1,
            }
        }
    }

    /// A datagram reached an end.
    fn deliver(&mut self, (from, to): (SocketAddr, SocketAddr), bytes: &[u8]) {
        let who = self.places[&to];
        self.ends[who].receive(self.now, (from, to), bytes);
        self.drain(who);
    }

    fn write(&mut self, who: usize, timestamp: u32, payload: Arc<[u8]>) {
        self.ends[who].write(self.now, timestamp, payload);
        self.drain(who);
    }

    fn step(&mut self) {
        self.carry();
        let due = self.ends.iter().map(|end| end.due).min().expect("there are ends");
        self.now = self.now.max(due);
        self.time();
    }

    fn time(&mut self) {
        for who in 0..self.ends.len() {
            if self.ends[who].due <= self.now {
                self.ends[who].time(self.now);
                self.drain(who);
            }
        }
    }

    fn carry(&mut self) {
        while let Some((from, to, bytes)) = self.wire.pop_front() {
            self.deliver((from, to), &bytes);
        }
    }

    /// The same through the kernel, each datagram by itself.
    fn carry_over(&mut self, socket: &UdpSocket) {
        let mut room = [0; 2_048];
        let own = socket.local_addr().expect("it is bound");
        while let Some((from, to, bytes)) = self.wire.pop_front() {
            socket.send_to(&bytes, own).expect("loopback takes it");
            let (length, _) = socket.recv_from(&mut room).expect("loopback gives it at once");
            self.deliver((from, to), &room[..length]);
        }
    }

    pub(crate) fn packets(mut self, count: usize) {
        for number in 0..count {
            self.now += Duration::from_millis(1);
            let RtpPacket { timestamp, payload, .. } = packet(number as u32);
            self.write(0, timestamp, payload);
            self.carry();
            if number.is_multiple_of(20) {
                self.time();
                self.carry();
            }
        }
        assert!(self.received >= count, "{} of {count} packets arrived", self.received);
    }
}

/// The bare mesh in real time over loopback: each participant has a thread and a socket, encodes once and decodes all others.
pub(crate) struct RealBare(Vec<Participant>);

struct Participant {
    socket: UdpSocket,
    encoder: opus::Encoder,
    tone: Tone,
    ticks: u32,
    peers: Vec<Peer>,
}

/// One end of a participant.
struct Peer {
    end: End,
    /// The address that the end knows the peer by, and its socket.
    known_as: SocketAddr,
    address: SocketAddr,
    decoder: opus::Decoder,
}

impl RealBare {
    pub(crate) fn connected(n: usize) -> Self {
        let sockets: Vec<UdpSocket> = (0..n).map(|_| loopback()).collect();
        let addresses: Vec<SocketAddr> =
            sockets.iter().map(|socket| socket.local_addr().expect("it is bound")).collect();
        let new = |socket| {
            let encoder = opus::Encoder::new().expect("memory");
            Participant { socket, encoder, tone: Tone::new(440.0), ticks: 0, peers: Vec::new() }
        };
        let mut participants: Vec<Participant> = sockets.into_iter().map(new).collect();
        let Bare { now, ends, .. } = Bare::mesh(n);
        // The time in which they connected may be ahead of the clock.
        std::thread::sleep(now.saturating_duration_since(Instant::now()));
        for end in ends {
            let SocketAddr::V4(of_end) = end.address else { continue };
            let [_, _, owner, place] = of_end.ip().octets();
            let (owner, other) = (usize::from(owner), usize::from(place) - 1);
            let (known_as, decoder) = (address(other, owner + 1), opus::Decoder::new().expect("memory"));
            participants[owner].peers.push(Peer { end, known_as, address: addresses[other], decoder });
        }
        Self(participants)
    }

    /// Runs for so long; the CPU time it took. The participants wake one after the other, as programs on several machines do.
    pub(crate) fn run(&mut self, window: Duration) -> Duration {
        let (start, between) = (Instant::now(), FRAME_TIME / u32::try_from(self.0.len()).expect("a few"));
        std::thread::scope(|scope| {
            let threads = self.0.iter_mut().zip(0..).map(|(participant, number)| {
                let start = start + between * number;
                scope.spawn(move || participant.run(start, window))
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|thread| thread.join().expect("it ends")).sum()
        })
    }
}

impl Participant {
    fn run(&mut self, start: Instant, window: Duration) -> Duration {
        let begun = ThreadTime::now();
        for turn in 0..(window.as_millis() / FRAME_TIME.as_millis()) as u32 {
            std::thread::sleep((start + FRAME_TIME * turn).saturating_duration_since(Instant::now()));
            let now = Instant::now();
            self.send(now);
            self.receive(now);
            for peer in self.peers.iter_mut().filter(|peer| peer.end.due <= now) {
                peer.end.time(now);
                peer.drain(&self.socket);
            }
        }
        begun.elapsed()
    }

    fn send(&mut self, now: Instant) {
        self.ticks += 1;
        let mut frame = [0; FRAME];
        self.tone.fill(&mut frame).expect("a tone never ends");
        let payload = self.encoder.encode(&frame).expect("it encodes");
        for peer in &mut self.peers {
            peer.end.write(now, self.ticks.wrapping_mul(960), payload.clone());
            peer.drain(&self.socket);
        }
    }

    fn receive(&mut self, now: Instant) {
        let mut room = [0; 2_048];
        while let Ok((length, from)) = self.socket.recv_from(&mut room) {
            let Some(peer) = self.peers.iter_mut().find(|peer| peer.address == from) else { continue };
            peer.end.receive(now, (peer.known_as, peer.end.address), &room[..length]);
            peer.drain(&self.socket);
        }
    }
}

impl Peer {
    fn drain(&mut self, socket: &UdpSocket) {
        while let Some(given) = self.end.next() {
            match given {
                Given::Connected => {}
                Given::Datagram(_, _, bytes) => {
                    socket.send_to(&bytes, self.address).expect("loopback takes it");
                }
                Given::Payload(payload) => drop(self.decoder.decode(&payload).expect("it decodes")),
            }
        }
    }
}

/// One who sends to many over loopback, packet by packet.
pub(crate) struct FanBare {
    bare: Bare,
    socket: UdpSocket,
    sent: usize,
}

impl FanBare {
    pub(crate) fn connected(peers: usize) -> Self {
        Self { bare: Bare::star(peers + 1), socket: loopback(), sent: 0 }
    }

    pub(crate) fn send(&mut self, pictures: &[PacketizedFrame]) {
        for PacketizedFrame { packets, .. } in pictures {
            self.bare.now += INTERVAL;
            // Of each pair of ends the second is the sender's.
            for who in (1..self.bare.ends.len()).step_by(2) {
                for packet in packets {
                    self.bare.write(who, packet.timestamp, packet.payload.clone());
                    self.bare.carry_over(&self.socket);
                    self.sent += 1;
                }
            }
            self.bare.time();
            self.bare.carry_over(&self.socket);
        }
        assert_eq!(self.bare.received, self.sent, "loopback loses nothing");
    }
}

fn loopback() -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    socket.set_nonblocking(true).expect("every socket can");
    socket
}
