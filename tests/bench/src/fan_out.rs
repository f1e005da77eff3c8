//! Pictures sent to many over loopback: encoded once, and all packets of a picture given to the kernel at once for each peer;
//! beside bare str0m with an encoder for each peer and a call of the kernel for each packet.
//!
//! Nothing is paced here, on either side. One round warms both up; then they take turns at being the first after the encoder, which leaves
//! nothing of the pictures in the processor's caches.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use muji_core::media::{DtlsRole, IceRole, LocalTransport, MediaCommand, MediaReport};
use muji_core::{CallId, Media};
use muji_harness::test_content::{HEIGHT, WIDTH, picture};
use muji_media::device::VideoFrame;
use muji_media::parts::codec::VideoEncoding;
use muji_media::parts::{Datagram, PacketizedFrame, Peers, PeersOutput, ReceiveBuffer, Sockets};
use muji_media::transport::str0m::Str0m;
use muji_media::transport::{TransportOutput, hosts};

use crate::bare::FanBare;
use crate::load::CALL;
use crate::ours::{agree_on, open_with};
use crate::{Goals, sorted, spread};

const PEERS: [usize; 3] = [1, 3, 7];
/// As many for each order.
const ROUNDS: usize = 8;
/// Four seconds of pictures.
const PICTURES: usize = 120;
pub(crate) const INTERVAL: Duration = Duration::from_micros(1_000_000 / 30);
/// Bits a second.
const TARGET: u32 = 1_000_000;
/// Of bare str0m's CPU time for a packet to one peer, there and received.
const GOAL: f64 = 0.7;

pub(crate) fn measure(goals: &mut Goals) {
    println!("## A picture sent to many over loopback\n");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let _sockets_know_it = runtime.enter();
    let pictures: Vec<VideoFrame> = (0..PICTURES).map(picture).collect();
    let sent = encode(&pictures);
    let packets: usize = sent.iter().map(|coded| coded.packets.len()).sum();
    println!(
        "640 x 360, {PICTURES} pictures, {TARGET} bit/s, {packets} packets; {ROUNDS} paired rounds; medians [smallest, largest].\n"
    );
    println!(
        "| peers | µs of a packet to one of them, ours | bare str0m | ratio | goal | met | CPU of a minute, ours with 1 encoder | bare with as many as peers | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for peers in PEERS {
        let mut ours = runtime.block_on(Fan::connected(peers));
        let mut bare = FanBare::connected(peers);
        let (mut our_packets, mut bare_packets, mut our_minutes, mut bare_minutes) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        ours.send(&sent);
        bare.send(&sent);
        for round in 0..ROUNDS {
            let encoding = cpu(|| drop(encode(&pictures)));
            let (our_time, bare_time) = in_turns(round, || ours.send(&sent), || bare.send(&sent));
            let per_packet = |time: Duration| time.as_secs_f64() * 1e6 / (packets * peers) as f64;
            our_packets.push(per_packet(our_time));
            bare_packets.push(per_packet(bare_time));
            let minute = |time: Duration| time.as_secs_f64() * 60.0 / (INTERVAL.as_secs_f64() * PICTURES as f64);
            our_minutes.push(minute(encoding + our_time));
            bare_minutes.push(minute(encoding * peers as u32 + bare_time));
        }
        assert_eq!(ours.received(), (1 + ROUNDS) * packets * peers, "loopback loses nothing");
        let ratios = |ours: &[f64], bare: &[f64]| sorted(ours.iter().zip(bare).map(|(ours, bare)| ours / bare));
        let (packet, minute) = (ratios(&our_packets, &bare_packets), ratios(&our_minutes, &bare_minutes));
        let met = goals.check(packet[ROUNDS / 2] <= GOAL, || format!("CPU of a packet to each of {peers} peers"));
        let [our_packets, bare_packets, our_minutes, bare_minutes] =
            [our_packets, bare_packets, our_minutes, bare_minutes].map(|values| spread(&sorted(values.into_iter())));
        println!(
            "| {peers} | {our_packets} | {bare_packets} | {} | {GOAL} | {met} | {our_minutes} s | {bare_minutes} s | {} |",
            spread(&packet),
            spread(&minute)
        );
    }
    println!();
}

pub(crate) fn encode(pictures: &[VideoFrame]) -> Vec<PacketizedFrame> {
    let mut encoder = VideoEncoding::Vp8.encoder([WIDTH, HEIGHT], TARGET).expect("libvpx works");
    let mut payloader = VideoEncoding::Vp8.payloader();
    let coded = (0u32..).zip(pictures).filter_map(|(number, picture)| {
        let at = number * 3_000;
        let encoded = encoder.encode(picture, at.into(), false).expect("libvpx works");
        let frame = |encoded| {
            let packets = payloader.packets(&encoded, at);
            PacketizedFrame { encoding: VideoEncoding::Vp8, layer: 0, key: encoded.key, packets }
        };
        encoded.map(frame)
    });
    coded.collect()
}

pub(crate) fn cpu(work: impl FnOnce()) -> Duration {
    let begun = ThreadTime::now();
    work();
    begun.elapsed()
}

/// The CPU time of both.
fn in_turns(round: usize, ours: impl FnOnce(), bare: impl FnOnce()) -> (Duration, Duration) {
    if round.is_multiple_of(2) {
        let ours = cpu(ours);
        return (ours, cpu(bare));
    }
    let bare = cpu(bare);
    (cpu(ours), bare)
}

/// Without the feedback by which the path is estimated, and therefore without pacing.
fn unpaced(mut command: MediaCommand) -> MediaCommand {
    match &mut command {
        MediaCommand::Open { contents, .. } => contents.iter_mut().for_each(|content| content.extensions.clear()),
        MediaCommand::Remote { remote, .. } => remote.extensions.clear(),
        _ => {}
    }
    command
}

/// One who sends, and those who receive.
pub(crate) struct Fan {
    now: Instant,
    parties: Vec<Party>,
}

struct Party {
    peers: Peers,
    sockets: Sockets,
    receive_buffer: ReceiveBuffer,
    /// Since it was looked at last.
    sent: bool,
    connected: usize,
    received: usize,
}

impl Party {
    async fn new() -> Self {
        let mut sockets = Sockets::default();
        let addresses = sockets.bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)]).expect("a free port");
        let maker = Str0m::new().expect("the system has random numbers for a certificate").maker();
        let mut peers = Peers::new(maker);
        peers.add_socket_set(hosts(&addresses));
        Self { peers, sockets, receive_buffer: ReceiveBuffer::default(), sent: false, connected: 0, received: 0 }
    }

    fn open(&mut self, now: Instant, of: CallId, with: usize, role: IceRole) -> LocalTransport {
        let mut open = unpaced(open_with(with, role, &[Media::Video]).0);
        if let MediaCommand::Open { call, .. } = &mut open {
            *call = of;
        }
        self.peers.execute(now, &open);
        loop {
            match self.peers.poll_output().expect("an end is described at once") {
                PeersOutput::Report(MediaReport::Described { local, .. }) => return local,
                PeersOutput::Transport { output: TransportOutput::Datagram { from, to, bytes }, .. } => {
                    self.sockets.send(from, to, &bytes)
                }
                _ => {}
            }
        }
    }

    fn agree(&mut self, now: Instant, with: usize, remote: LocalTransport, dtls: DtlsRole) {
        let commands = agree_on(with, 0, &Media::Video, remote, dtls).into_iter().map(unpaced);
        commands.for_each(|command| self.peers.execute(now, &command));
    }

    fn drain(&mut self) {
        while let Some(output) = self.peers.poll_output() {
            match output {
                PeersOutput::Transport { output: TransportOutput::Datagram { from, to, bytes }, .. } => {
                    self.sockets.send(from, to, &bytes);
                    self.sent = true;
                }
                PeersOutput::Transport { output: TransportOutput::Connected, .. } => self.connected += 1,
                PeersOutput::Transport { output: TransportOutput::Rtp { .. }, .. } => self.received += 1,
                _ => {}
            }
        }
        self.sockets.flush();
    }

    fn receive(&mut self, now: Instant) {
        while self.sockets.receive(now, &mut self.receive_buffer) {
            for Datagram { local, from, bytes, .. } in self.receive_buffer.datagrams() {
                self.peers.handle_datagram(now, local, from, bytes);
            }
        }
        self.drain();
    }

    fn time(&mut self, now: Instant) {
        self.peers.handle_timeout(now);
        self.drain();
    }
}

impl Fan {
    async fn connected(peers: usize) -> Self {
        Self::in_calls(peers, |_| CALL).await
    }

    /// Connected, with each in such a call.
    pub(crate) async fn in_calls(peers: usize, call: impl Fn(usize) -> CallId) -> Self {
        let now = Instant::now();
        let mut parties = Vec::new();
        for _ in 0..=peers {
            parties.push(Party::new().await);
        }
        for with in 1..=peers {
            let first = parties[0].open(now, call(with), with, IceRole::Controlling);
            let second = parties[with].open(now, CALL, 0, IceRole::Controlled);
            parties[0].agree(now, with, second, DtlsRole::Client);
            parties[with].agree(now, 0, first, DtlsRole::Server);
        }
        let mut this = Self { now, parties };
        // A handshake takes some turns, each as long as the next timer wants.
        for _ in 0..10_000 {
            if this.parties.iter().map(|party| party.connected).sum::<usize>() == 2 * peers {
                return this;
            }
            let due = this.parties.iter().filter_map(|party| party.peers.poll_timeout()).min();
            this.now = this.now.max(due.expect("there are timers"));
            this.turn();
        }
        panic!("not all ends are connected");
    }

    /// Carries what is under way, and does what is due. As with bare str0m, a socket is read if something was sent to it.
    fn turn(&mut self) {
        let Self { now, parties } = self;
        let Some((first, others)) = parties.split_first_mut() else { return };
        let mut answered = false;
        for other in others.iter_mut() {
            other.receive(*now);
            other.time(*now);
            answered |= std::mem::take(&mut other.sent);
        }
        if answered {
            first.receive(*now);
        }
        first.time(*now);
    }

    fn send(&mut self, pictures: &[PacketizedFrame]) {
        for coded in pictures {
            self.picture(|now, peers| peers.publish_video(now, now, CALL, &Media::Video.to_string(), coded));
        }
    }

    /// The time of the next picture, which `send` gives to the peers.
    pub(crate) fn picture(&mut self, send: impl FnOnce(Instant, &mut Peers)) {
        self.now += INTERVAL;
        send(self.now, &mut self.parties[0].peers);
        self.parties[0].drain();
        self.turn();
    }

    /// Packets that came to anybody.
    pub(crate) fn received(&self) -> usize {
        self.parties.iter().map(|party| party.received).sum()
    }
}
