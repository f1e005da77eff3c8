//! Our side of the benchmarks without a network: `Peers` in virtual time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_core::media::{
    DtlsRole, IceRole, LocalTransport, MediaCommand, MediaReport, OpenContent, RemoteTransport, Sending,
};
use muji_core::{Media, SessionId};
use muji_media::parts::codec::{AudioEncoding, opus, video, vp8};
use muji_media::parts::{AudioPacket, Peers, PeersOutput};
use muji_media::transport::str0m::Str0m;
use muji_media::transport::{TransportOutput, hosts};
use muji_xep::rtp::{HeaderExtension, PayloadType};

use crate::load::{CALL, PUBLICATION, SSRC, Wire, address, packet};

/// Participants, each with all its peers.
pub(crate) struct Ours {
    now: Instant,
    peers: Vec<Peers>,
    wire: Wire,
    connected: usize,
    received: usize,
}

impl Ours {
    pub(crate) fn mesh(n: usize) -> Self {
        let maker = || Str0m::new().expect("the system has random numbers for a certificate").maker();
        let peers = (0..n)
            .map(|index| {
                let mut peers = Peers::new(maker());
                peers.add_socket_set(hosts(&[address(index, 0)]));
                peers
            })
            .collect();
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
                PeersOutput::Transport { output: TransportOutput::Datagram { from, to, bytes }, .. } => {
                    self.wire.push_back((from, to, bytes))
                }
                _ => {}
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
                PeersOutput::Transport { output: TransportOutput::Datagram { from, to, bytes }, .. } => {
                    self.wire.push_back((from, to, bytes))
                }
                PeersOutput::Transport { output: TransportOutput::Connected, .. } => self.connected += 1,
                PeersOutput::Transport { output: TransportOutput::Rtp { .. }, .. } => self.received += 1,
                _ => {}
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
            self.peers[who].handle_datagram(self.now, to, from, &bytes);
            self.drain(who);
        }
    }

    pub(crate) fn packets(mut self, count: usize) {
        for number in 0..count {
            self.now += Duration::from_millis(1);
            let packet = packet(number as u32);
            let packet =
                AudioPacket { encoding: AudioEncoding::Opus, packet, earlier: Vec::new(), contributors: Vec::new() };
            self.peers[0].publish(self.now, self.now, CALL, PUBLICATION, &packet);
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
    open_with(with, role, &[Media::Audio])
}

/// The same with these media, each by a transport of its own and under its own name.
pub(crate) fn open_with(with: usize, role: IceRole, media: &[Media]) -> (MediaCommand, SessionId) {
    let session = SessionId(with as u64);
    let content = |(index, media): (u32, &Media)| OpenContent {
        name: media.to_string(),
        media: media.clone(),
        ssrc: SSRC + index,
        rtx_ssrc: None,
        transport: muji_jingle::TransportId { session, index },
        payload_types: vec![payload_type(media)],
        extensions: extensions(media),
    };
    let contents = (0..).zip(media).map(content).collect();
    let (peer, name) = (format!("{with}@x.example").parse().expect("a bare JID"), "somebody".to_owned());
    (MediaCommand::Open { call: CALL, session, peer, name, role, contents }, session)
}

fn payload_type(media: &Media) -> PayloadType {
    if *media == Media::Video { vp8::payload_type() } else { opus::payload_type() }
}

/// What lets it flow.
pub(crate) fn agree(with: usize, remote: LocalTransport, dtls: DtlsRole) -> Vec<MediaCommand> {
    agree_on(with, 0, &Media::Audio, remote, dtls)
}

/// What lets a medium flow, by the transport of this number.
pub(crate) fn agree_on(
    with: usize,
    index: u32,
    media: &Media,
    remote: LocalTransport,
    dtls: DtlsRole,
) -> Vec<MediaCommand> {
    let session = SessionId(with as u64);
    let transport = muji_jingle::TransportId { session, index };
    let send =
        Some(Sending { publication: media.to_string(), payload_type: payload_type(media), red: None, rtx: None });
    let (content, streams) = (media.to_string(), vec![(SSRC + index).into()]);
    let mut commands = vec![MediaCommand::Content { session, content, send, receive: true, streams }];
    let LocalTransport { ufrag, pwd, fingerprint, candidates } = remote;
    commands.extend(candidates.into_iter().map(|candidate| MediaCommand::Candidate { transport, candidate }));
    commands.push(MediaCommand::Remote {
        transport,
        remote: RemoteTransport { ufrag, pwd, fingerprint, dtls, extensions: extensions(media) },
    });
    commands
}

fn extensions(media: &Media) -> Vec<HeaderExtension> {
    if *media == Media::Video { video::extensions() } else { Vec::new() }
}
