//! The cost of connections, packets and calls beside bare str0m doing the same work in the same run.
//!
//! Set-up, packets and memory are measured without a network: datagrams go from hand to hand in virtual time, so what is
//! compared is what our layer adds. The call is a real one, over loopback and in real time.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use muji_core::media::{DtlsRole, IceRole, LocalTransport, MediaCommand, MediaReport, OpenContent, RemoteTransport};
use muji_core::{CallId, Media, SessionId};
use muji_media::codec::opus;
use muji_media::peers::{Peers, PeersOutput};
use muji_media::transport::RtpPacket;
use muji_media::transport::str0m::Str0m;
use str0m::config::{DtlsCert, DtlsVersion};
use str0m::format::Codec;
use str0m::ice::IceCreds;
use str0m::media::{Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::{Candidate, Event as RtcEvent, Input, Output, Rtc, RtcConfig};

use crate::{Goals, sorted, spread};

/// Participants of the mesh whose set-up is measured.
const MANY: usize = 16;
/// Paired rounds; one before them warms both up.
const ROUNDS: usize = 7;
/// Of bare str0m's CPU time.
const SETUP_GOAL: f64 = 1.15;
/// Of bare str0m's instructions.
const PACKET_GOAL: f64 = 1.05;
/// Of bare str0m's memory.
const MEMORY_GOAL: f64 = 1.2;
/// Packets in the two runs whose difference is taken.
const FEW_AND_MANY_PACKETS: (u64, u64) = (1_000, 11_000);
/// A packet of 1200 bytes with its header.
const PAYLOAD: usize = 1_188;

const CALL: CallId = CallId(1);
const PUBLICATION: &str = "audio";
const SSRC: u32 = 7;

pub(crate) fn measure(goals: &mut Goals) {
    println!("## Beside bare str0m, without a network\n");
    println!(
        "Bare: one `Rtc` for each end, told of its peer. Ours: `Peers` with its commands, reports, routing and fan-out.\n"
    );
    println!("| what | ours | bare str0m | ratio | goal | met |");
    println!("|---|---|---|---|---|---|");
    set_up(goals);
    packets(goals);
    memory(goals);
    println!();
}

fn set_up(goals: &mut Goals) {
    let connections = (MANY * (MANY - 1) / 2) as f64;
    let mut rounds = Vec::new();
    for _ in 0..=ROUNDS {
        let (ours, bare) = (cpu(|| Ours::mesh(MANY)), cpu(|| Bare::mesh(MANY)));
        rounds.push((ours.as_secs_f64() * 1_000.0 / connections, bare.as_secs_f64() * 1_000.0 / connections));
    }
    rounds.remove(0);
    let ratios = sorted(rounds.iter().map(|(ours, bare)| ours / bare));
    let met = goals.check(ratios[ROUNDS / 2] <= SETUP_GOAL, || "CPU time of a connection's set-up".to_owned());
    println!(
        "| CPU of a connection's set-up, both ends, {MANY} participants, {ROUNDS} paired rounds | {} ms | {} ms | {} | {SETUP_GOAL} | {met} |",
        spread(&sorted(rounds.iter().map(|(ours, _)| *ours))),
        spread(&sorted(rounds.iter().map(|(_, bare)| *bare))),
        spread(&ratios),
    );
}

fn cpu<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = ThreadTime::now();
    let result = work();
    let took = begun.elapsed();
    drop(result);
    took
}

fn packets(goals: &mut Goals) {
    let (few, many) = FEW_AND_MANY_PACKETS;
    let per_packet = |who: &str| {
        let total = |count: u64| instructions(&["packets", who, &count.to_string()]);
        Some((total(many)? - total(few)?) / (many - few) as f64)
    };
    match (per_packet("ours"), per_packet("bare")) {
        (Some(ours), Some(bare)) => {
            let ratio = ours / bare;
            let met = goals.check(ratio <= PACKET_GOAL, || "instructions of a packet".to_owned());
            println!(
                "| instructions of a 1200-byte packet, sent and received (callgrind, {many} less {few} packets) | {ours:.0} | {bare:.0} | {ratio:.3} | {PACKET_GOAL} | {met} |"
            );
        }
        _ => {
            let met = goals.check(false, || "valgrind is not installed, so no instructions were counted".to_owned());
            println!("| instructions of a 1200-byte packet | - | - | - | {PACKET_GOAL} | {met} |");
        }
    }
}

/// Runs this program under callgrind.
fn instructions(arguments: &[&str]) -> Option<f64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe().ok()?);
    let output = command.args(arguments).output().ok().filter(|output| output.status.success())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}

fn memory(goals: &mut Goals) {
    let per_end = |who: &str| {
        let resident = |n: usize| {
            let output =
                Command::new(std::env::current_exe().ok()?).args(["memory", who, &n.to_string()]).output().ok()?;
            String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().ok()
        };
        let ends = (MANY * (MANY - 1) - MANY / 2 * (MANY / 2 - 1)) as f64;
        Some((resident(MANY)? - resident(MANY / 2)?) / ends)
    };
    let (Some(ours), Some(bare)) = (per_end("ours"), per_end("bare")) else {
        goals.check(false, || "the system does not tell how much memory is used".to_owned());
        return;
    };
    let ratio = ours / bare;
    let met = goals.check(ratio <= MEMORY_GOAL, || "memory of a further peer".to_owned());
    println!(
        "| memory of a further peer (resident, {} to {MANY} participants) | {ours:.0} kB | {bare:.0} kB | {ratio:.2} | {MEMORY_GOAL} | {met} |",
        MANY / 2
    );
}

/// What this program does when it is run by itself: `packets WHO COUNT`, `memory WHO N`.
pub(crate) fn child(arguments: &[String]) -> Option<()> {
    let [what, who, number] = arguments else { return None };
    let number: usize = number.parse().ok()?;
    match (what.as_str(), who.as_str()) {
        ("packets", "ours") => Ours::mesh(2).packets(number),
        ("packets", "bare") => Bare::mesh(2).packets(number),
        ("memory", "ours") => resident(&Ours::mesh(number)),
        ("memory", "bare") => resident(&Bare::mesh(number)),
        _ => return None,
    }
    Some(())
}

fn resident<T>(_held: &T) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    println!("{}", line.trim().trim_end_matches(" kB"));
}

/// The address of a participant, or of one of its ends.
fn address(participant: usize, end: usize) -> SocketAddr {
    let number = |number: usize| u8::try_from(number).expect("small meshes only");
    ([10, 0, number(participant), number(end)], 5_000).into()
}

fn packet(number: u32) -> RtpPacket {
    RtpPacket { timestamp: number.wrapping_mul(960), marker: false, payload: Arc::from([7u8; PAYLOAD].as_slice()) }
}

type Wire = VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>;

// ---- ours ------------------------------------------------------------------------------------------------------------

struct Ours {
    now: Instant,
    peers: Vec<Peers>,
    wire: Wire,
    connected: usize,
    received: usize,
}

impl Ours {
    fn mesh(n: usize) -> Self {
        let maker = || Str0m::new().expect("chance for a certificate").maker();
        let peers = (0..n).map(|index| Peers::new(maker(), vec![address(index, 0)])).collect();
        let mut this = Self { now: Instant::now(), peers, wire: VecDeque::new(), connected: 0, received: 0 };
        for one in 0..n {
            for other in 0..one {
                this.introduce(one, other);
            }
        }
        while this.connected < n * (n - 1) {
            this.step();
        }
        this
    }

    fn introduce(&mut self, one: usize, other: usize) {
        let (first, second) = (self.open(one, other, IceRole::Controlling), self.open(other, one, IceRole::Controlled));
        self.agree(one, other, second, DtlsRole::Client);
        self.agree(other, one, first, DtlsRole::Server);
    }

    fn open(&mut self, who: usize, with: usize, role: IceRole) -> LocalTransport {
        let (command, _) = open(with, role);
        self.peers[who].execute(self.now, &command);
        loop {
            match self.peers[who].poll_output().expect("an end is described at once") {
                PeersOutput::Report(MediaReport::Described { local, .. }) => return local,
                PeersOutput::Datagram { from, to, bytes } => self.wire.push_back((from, to, bytes)),
                PeersOutput::Report(_) | PeersOutput::Rtp { .. } => {}
            }
        }
    }

    fn agree(&mut self, who: usize, with: usize, remote: LocalTransport, dtls: DtlsRole) {
        for command in agree(with, remote, dtls) {
            self.peers[who].execute(self.now, &command);
        }
        self.drain(who);
    }

    fn drain(&mut self, who: usize) {
        while let Some(output) = self.peers[who].poll_output() {
            match output {
                PeersOutput::Datagram { from, to, bytes } => self.wire.push_back((from, to, bytes)),
                PeersOutput::Report(MediaReport::Connected { .. }) => self.connected += 1,
                PeersOutput::Rtp { .. } => self.received += 1,
                PeersOutput::Report(_) => {}
            }
        }
    }

    /// Carries what is under way, or lets time pass to the next thing that is due.
    fn step(&mut self) {
        self.carry();
        let due = self.peers.iter().filter_map(Peers::poll_timeout).min().expect("there are timers");
        self.now = self.now.max(due);
        for who in 0..self.peers.len() {
            self.peers[who].handle_timeout(self.now);
            self.drain(who);
        }
    }

    fn carry(&mut self) {
        while let Some((from, to, bytes)) = self.wire.pop_front() {
            let SocketAddr::V4(place) = to else { continue };
            let who = usize::from(place.ip().octets()[2]);
            self.peers[who].datagram(self.now, to, from, &bytes);
            self.drain(who);
        }
    }

    fn packets(mut self, count: usize) {
        for number in 0..count {
            self.now += Duration::from_millis(1);
            self.peers[0].publish(self.now, CALL, PUBLICATION, &packet(number as u32));
            self.drain(0);
            self.carry();
            if number.is_multiple_of(20) {
                self.peers.iter_mut().for_each(|peers| peers.handle_timeout(self.now));
                (0..2).for_each(|who| self.drain(who));
                self.carry();
            }
        }
        assert!(self.received >= count, "{} of {count} packets arrived", self.received);
    }
}

/// What opens a session with the participant of this number.
pub(crate) fn open(with: usize, role: IceRole) -> (MediaCommand, SessionId) {
    let session = SessionId(with as u64);
    let content = OpenContent {
        name: PUBLICATION.to_owned(),
        publication: PUBLICATION.to_owned(),
        media: Media::Audio,
        ssrc: SSRC,
        transport: muji_jingle::TransportId { session, index: 0 },
        payload_types: vec![opus::payload_type()],
    };
    let name = "somebody".to_owned();
    (MediaCommand::Open { call: CALL, session, name, role, contents: vec![content] }, session)
}

/// What lets it flow.
pub(crate) fn agree(with: usize, remote: LocalTransport, dtls: DtlsRole) -> Vec<MediaCommand> {
    let session = SessionId(with as u64);
    let transport = muji_jingle::TransportId { session, index: 0 };
    let (content, send, ssrcs) = (PUBLICATION.to_owned(), Some(opus::payload_type()), vec![SSRC]);
    let mut commands = vec![MediaCommand::Content { session, content, send, receive: true, ssrcs }];
    let LocalTransport { ufrag, pwd, fingerprint, candidates } = remote;
    commands.extend(candidates.into_iter().map(|candidate| MediaCommand::Candidate { transport, candidate }));
    commands.push(MediaCommand::Remote { transport, remote: RemoteTransport { ufrag, pwd, fingerprint, dtls } });
    commands
}

// ---- bare ------------------------------------------------------------------------------------------------------------

struct Bare {
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
    fn mesh(n: usize) -> Self {
        let now = Instant::now();
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let certificates: Vec<DtlsCert> =
            (0..n).map(|_| crypto.dtls_provider.generate_certificate().expect("a certificate")).collect();
        let (ends, wire) = (Vec::new(), VecDeque::new());
        let mut this = Self { now, ends, places: HashMap::new(), wire, connected: 0, received: 0 };
        for one in 0..n {
            for other in 0..one {
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
                Output::Event(RtcEvent::RtpPacket(_)) => self.received += 1,
                Output::Event(_) => {}
            }
        }
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
            let who = self.places[&to];
            let datagram = Receive::new(Protocol::Udp, from, to, &bytes).expect("str0m made it");
            self.ends[who].rtc.handle_input(Input::Receive(self.now, datagram)).expect("the transport lives");
            self.drain(who);
        }
    }

    fn packets(mut self, count: usize) {
        for number in 0..count {
            self.now += Duration::from_millis(1);
            let RtpPacket { timestamp, payload, .. } = packet(number as u32);
            let end = &mut self.ends[0];
            end.sequence += 1;
            let write = RtpWrite::new(111.into(), end.sequence.into(), timestamp, self.now, payload);
            let mut api = end.rtc.direct_api();
            api.stream_tx(&SSRC.into()).expect("it was declared").write_rtp(write);
            end.rtc.handle_input(Input::Timeout(self.now)).expect("time is taken");
            self.drain(0);
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
    socket: std::net::UdpSocket,
    encoder: opus::Encoder,
    decoders: Vec<opus::Decoder>,
    tone: muji_media::device::tone::Tone,
    tick: u32,
}

impl RealBare {
    pub(crate) fn connected(n: usize) -> Self {
        let socket = std::net::UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
        socket.set_nonblocking(true).expect("every socket can");
        let bare = Bare::mesh(n);
        let decoders = bare.ends.iter().map(|_| opus::Decoder::new().expect("memory")).collect();
        let (encoder, tone) = (opus::Encoder::new().expect("memory"), muji_media::device::tone::Tone::new(440.0));
        Self { bare, participants: n, socket, encoder, decoders, tone, tick: 0 }
    }

    /// Runs for so long; the CPU time it took. Every packet goes through the kernel once, as it does with ours.
    pub(crate) fn run(&mut self, window: Duration) -> Duration {
        use muji_media::device::Source;
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
                let mut frame = [0; muji_media::sound::FRAME];
                self.tone.fill(&mut frame).expect("a tone never ends");
                payloads.push(self.encoder.encode(&frame).expect("it encodes"));
            }
            for who in 0..self.bare.ends.len() {
                let payload = payloads[self.owner(who)].clone();
                let end = &mut self.bare.ends[who];
                end.sequence += 1;
                let timestamp = self.tick.wrapping_mul(960);
                let write = RtpWrite::new(111.into(), end.sequence.into(), timestamp, self.bare.now, payload);
                end.rtc.direct_api().stream_tx(&SSRC.into()).expect("it was declared").write_rtp(write);
                end.rtc.handle_input(Input::Timeout(self.bare.now)).expect("time is taken");
                self.bare.drain(who);
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
        let mut room = [0; 2_048];
        let own = self.socket.local_addr().expect("it is bound");
        while let Some((from, to, bytes)) = self.bare.wire.pop_front() {
            self.socket.send_to(&bytes, own).expect("loopback takes it");
            let (length, _) = self.socket.recv_from(&mut room).expect("loopback gives it at once");
            let who = self.bare.places[&to];
            let end = &mut self.bare.ends[who];
            let datagram = Receive::new(Protocol::Udp, from, to, &room[..length]).expect("str0m made it");
            end.rtc.handle_input(Input::Receive(self.bare.now, datagram)).expect("the transport lives");
            loop {
                match end.rtc.poll_output().expect("the transport lives") {
                    Output::Timeout(at) => {
                        end.due = at;
                        break;
                    }
                    Output::Transmit(transmit) => {
                        let bytes = Vec::from(transmit.contents);
                        self.bare.wire.push_back((transmit.source, transmit.destination, bytes));
                    }
                    Output::Event(RtcEvent::RtpPacket(packet)) => {
                        let _sound = self.decoders[who].decode(&packet.payload).expect("it decodes");
                    }
                    Output::Event(_) => {}
                }
            }
        }
    }
}
