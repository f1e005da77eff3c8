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
}

impl Bare {
    /// Everybody has an end with everybody else.
    pub(crate) fn mesh(n: usize) -> Self {
        Self::connected(n, (0..n).flat_map(|one| (0..one).map(move |other| (one, other))))
    }

    /// The first has an end with everybody else.
    fn star(n: usize) -> Self {
        Self::connected(n, (1..n).map(|one| (one, 0)))
    }

    fn connected(n: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Self {
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
                config.codec_config().add_config(
                    111.into(),
                    None,
                    Codec::Opus,
                    Frequency::FORTY_EIGHT_KHZ,
                    Some(2),
                    Default::default(),
                );
                let address = address(who, with + 1);
                this.places.insert(address, this.ends.len());
                this.ends.push(End { rtc: config.build(now), address, credentials, due: now, sequence: 0 });
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
            let End { rtc, address, .. } = &mut self.ends[who];
            rtc.add_local_candidate(candidate(*address));
            rtc.add_remote_candidate(candidate(peer));
            let mut api = rtc.direct_api();
            api.set_ice_controlling(who < with);
            let mid = Mid::from("a");
            api.declare_media(mid, MediaKind::Audio);
            api.declare_stream_tx(Ssrc::from(SSRC), None, mid, None);
            api.expect_stream_rx(Ssrc::from(SSRC), None, mid, None);
            api.set_remote_fingerprint(fingerprint);
            api.set_remote_ice_credentials(credentials);
            api.start_dtls(who < with).expect("the handshake begins");
            for _ in 0..2 {
                self.ends[who].rtc.handle_input(Input::Timeout(self.now)).expect("time is taken");
                self.drain(who);
            }
        }
    }

    fn drain(&mut self, who: usize) {
        self.drain_to(who, |_| {});
    }

    fn drain_to(&mut self, who: usize, mut heard: impl FnMut(&[u8])) {
        let end = &mut self.ends[who];
        loop {
            match end.rtc.poll_output().expect("the transport lives") {
                Output::Timeout(at) => {
                    end.due = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    self.wire.push_back((transmit.source, transmit.destination, Vec::from(transmit.contents)));
                }
                Output::Event(RtcEvent::Connected) => self.connected += 1,
                Output::Event(RtcEvent::RtpPacket(packet)) => {
                    self.received += 1;
                    heard(&packet.payload);
                }
                Output::Event(_) => {}
            }
        }
    }

    /// A datagram reached an end.
    fn deliver(&mut self, (from, to): (SocketAddr, SocketAddr), bytes: &[u8], heard: impl FnMut(usize, &[u8])) {
        let (who, mut heard) = (self.places[&to], heard);
        let datagram = Receive::new(Protocol::Udp, from, to, bytes).expect("str0m made it");
        self.ends[who].rtc.handle_input(Input::Receive(self.now, datagram)).expect("the transport lives");
        self.drain_to(who, |payload| heard(who, payload));
    }

    fn write(&mut self, who: usize, timestamp: u32, payload: Arc<[u8]>) {
        let end = &mut self.ends[who];
        end.sequence += 1;
        let write = RtpWrite::new(111.into(), end.sequence.into(), timestamp, self.now, payload);
        end.rtc.direct_api().stream_tx(&SSRC.into()).expect("it was declared").write_rtp(write);
        end.rtc.handle_input(Input::Timeout(self.now)).expect("time is taken");
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
                self.ends[who].rtc.handle_input(Input::Timeout(self.now)).expect("time is taken");
                self.drain(who);
            }
        }
    }

    fn carry(&mut self) {
        while let Some((from, to, bytes)) = self.wire.pop_front() {
            self.deliver((from, to), &bytes, |_, _| {});
        }
    }

    /// The same through the kernel, each datagram by itself.
    fn carry_over(&mut self, socket: &UdpSocket, mut heard: impl FnMut(usize, &[u8])) {
        let mut room = [0; 2_048];
        let own = socket.local_addr().expect("it is bound");
        while let Some((from, to, bytes)) = self.wire.pop_front() {
            socket.send_to(&bytes, own).expect("loopback takes it");
            let (length, _) = socket.recv_from(&mut room).expect("loopback gives it at once");
            self.deliver((from, to), &room[..length], &mut heard);
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

/// The bare mesh in real time over loopback, in one thread: each participant encodes once and decodes all others.
pub(crate) struct RealBare {
    bare: Bare,
    participants: usize,
    socket: UdpSocket,
    encoder: opus::Encoder,
    decoders: Vec<opus::Decoder>,
    tone: Tone,
    tick: u32,
}

impl RealBare {
    pub(crate) fn connected(n: usize) -> Self {
        let (socket, bare) = (loopback(), Bare::mesh(n));
        let decoders = bare.ends.iter().map(|_| opus::Decoder::new().expect("memory")).collect();
        let (encoder, tone) = (opus::Encoder::new().expect("memory"), Tone::new(440.0));
        Self { bare, participants: n, socket, encoder, decoders, tone, tick: 0 }
    }

    /// Runs for so long; the CPU time it took. Every packet goes through the kernel once, as it does with ours.
    pub(crate) fn run(&mut self, window: Duration) -> Duration {
        let begun = ThreadTime::now();
        let ticks = u32::try_from(window.as_millis() / 20).expect("short");
        let start = Instant::now();
        self.bare.now = self.bare.now.max(start);
        for turn in 0..ticks {
            let due = start + Duration::from_millis(20) * turn;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.bare.now = self.bare.now.max(due);
            self.tick += 1;
            let mut payloads = Vec::new();
            for _ in 0..self.participants {
                let mut frame = [0; FRAME];
                self.tone.fill(&mut frame).expect("a tone never ends");
                payloads.push(self.encoder.encode(&frame).expect("it encodes"));
            }
            for who in 0..self.bare.ends.len() {
                let payload = payloads[self.owner(who)].clone();
                self.bare.write(who, self.tick.wrapping_mul(960), payload);
            }
            self.carry();
            self.bare.time();
            self.carry();
        }
        begun.elapsed()
    }

    fn owner(&self, who: usize) -> usize {
        let SocketAddr::V4(address) = self.bare.ends[who].address else { return 0 };
        usize::from(address.ip().octets()[2])
    }

    fn carry(&mut self) {
        let Self { bare, socket, decoders, .. } = self;
        bare.carry_over(socket, |who, payload| {
            let _sound = decoders[who].decode(payload).expect("it decodes");
        });
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
                    self.bare.carry_over(&self.socket, |_, _| {});
                    self.sent += 1;
                }
            }
            self.bare.time();
            self.bare.carry_over(&self.socket, |_, _| {});
        }
        assert_eq!(self.bare.received, self.sent, "loopback loses nothing");
    }
}

fn loopback() -> UdpSocket {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
    socket.set_nonblocking(true).expect("every socket can");
    socket
}
