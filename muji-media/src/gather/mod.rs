//! By which addresses we can be reached: those of our sockets, those by which a STUN server sees them, and those that TURN
//! servers lend us. As values: no socket, no clock.
//!
//! ```text
//!  peers ◄─► Gatherer ─┬─► socket            a host address, or what a STUN server sees of it
//!                      ├─► Relay ─► socket   lent; asked for by UDP
//!                      └─► Relay ─► stream   and, where that comes to nothing, by TCP and TLS
//! ```
//!
//! Each lane of sockets gathers for itself; all sessions that use a lane share what was found. Nothing is asked before a session opens,
//! and what was lent is given back when the last has closed.

mod frames;
mod mapping;
mod probe;
mod reach;
mod relay;
pub(crate) mod streams;
mod time;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use muji_core::media::{IceServer, ServerKind, ServerTransport};
use muji_xep::Secret;
use muji_xep::ice::{Candidate, CandidateKind};

pub use probe::probe;
pub use reach::{Reach, Relays};

use frames::{Frames, padded};
use mapping::Mapping;
use relay::{Relay, RelayOutput};

/// A further way to a relay is tried when those before have come to nothing for so long, or have failed: UDP is the best for
/// sound, and a network that lets it through answers within that.
const PATIENCE: Duration = Duration::from_millis(700);

/// STUN servers asked. A second one tells of a NAT that shows each server another address.
const MAX_MAPPINGS: usize = 2;

/// Ways to relays tried in a lane at a time.
const MAX_WAYS: usize = 12;

/// A lane that lost its relay asks anew so often: a server that takes its addresses back each time is none.
const MAX_LOSSES: u32 = 3;

/// What candidates name as related where the real address is nobody's business (RFC 8839 section 5.1).
const DISCARD: u16 = 9;

/// Attempts remembered, to be told where no path is found.
const MAX_ATTEMPTS: usize = 32;

/// An address of ours, as it is told and as it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCandidate {
    /// As others learn it.
    pub told: Candidate,
    /// The address that packets are sent from: the socket's, or the one that is lent.
    pub base: SocketAddr,
}

/// Which stream to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamNumber(u64);

/// What comes of gathering, in order.
#[derive(Debug)]
pub enum Gathered {
    /// To the network by a socket of ours.
    Datagram {
        /// The socket.
        from: SocketAddr,
        /// A server.
        to: SocketAddr,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// A stream to a server is wanted.
    Connect {
        /// What it is called from now on.
        stream: StreamNumber,
        /// The server's address.
        to: SocketAddr,
        /// Its name, if it is spoken with within TLS.
        secure: Option<String>,
    },
    /// By that stream.
    Write {
        /// Which.
        stream: StreamNumber,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// It is not wanted any more.
    Close(StreamNumber),
    /// From a peer, by an address that is lent.
    Received {
        /// That address.
        local: SocketAddr,
        /// The peer's.
        from: SocketAddr,
        /// What came.
        bytes: Vec<u8>,
    },
    /// One more address of ours.
    Found {
        /// In which lane.
        lane: usize,
        /// The address.
        candidate: LocalCandidate,
    },
    /// An address is not ours any more.
    Lost {
        /// In which lane.
        lane: usize,
        /// Where its packets were sent from.
        base: SocketAddr,
    },
}

/// A server and its addresses, of which the first of a family is used.
#[derive(Debug, Clone)]
struct Server {
    server: IceServer,
    addresses: Vec<SocketAddr>,
}

/// How a relay is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Socket(SocketAddr),
    Stream(StreamNumber),
}

/// A way to ask for a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Way {
    /// By which of our sockets, or by a stream.
    socket: Option<SocketAddr>,
    to: SocketAddr,
    by: ServerTransport,
    host: String,
    username: String,
    password: Secret,
}

impl Way {
    fn name(&self) -> String {
        format!("TURN by {} at {}:{}", self.by, self.host, self.to.port())
    }
}

struct Asked {
    by: By,
    /// Which of the attempts that are told of it is.
    name: String,
    transport: ServerTransport,
    to: SocketAddr,
    /// `None` while its stream is opened.
    relay: Option<Relay>,
    /// The server has said something.
    heard: bool,
    /// What came by a stream.
    frames: Frames,
    way: Way,
}

/// How something was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What, such as `TURN by UDP at turn.example:3478`.
    pub what: String,
    /// The address that it gave, or why there is none; `None` as long as nothing is known.
    pub outcome: Option<Result<SocketAddr, String>>,
}

#[derive(Default)]
struct Lane {
    sockets: Vec<SocketAddr>,
    candidates: Vec<LocalCandidate>,
    mappings: Vec<Mapping>,
    untried: VecDeque<Way>,
    /// When the next of those is tried.
    next: Option<Instant>,
    asked: Vec<Asked>,
    losses: u32,
    /// Candidates so far.
    count: u16,
}

/// Finds our addresses and speaks with relays.
pub struct Gatherer {
    reach: Reach,
    servers: Vec<Server>,
    lanes: Vec<Lane>,
    /// There are sessions.
    wanted: bool,
    streams: u64,
    attempts: VecDeque<Attempt>,
    out: VecDeque<Gathered>,
}

impl Gatherer {
    /// Nothing is found yet, and nothing is asked.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self {
            reach,
            servers: Vec::new(),
            lanes: Vec::new(),
            wanted: false,
            streams: 0,
            attempts: VecDeque::new(),
            out: VecDeque::new(),
        }
    }

    /// Further sockets, of each address one: their own addresses, as far as others may learn them.
    pub fn add_lane(&mut self, now: Instant, sockets: Vec<SocketAddr>) -> Vec<LocalCandidate> {
        let number = self.lanes.len();
        self.lanes.push(Lane { sockets: sockets.clone(), ..Lane::default() });
        for socket in sockets.into_iter().filter(|socket| self.reach.tells(socket.ip())) {
            self.lanes[number].keep(CandidateKind::Host, socket, socket, None, 0);
        }
        let hosts = self.lanes[number].candidates.clone();
        if self.wanted {
            self.begin(now, number);
        }
        hosts
    }

    /// A socket more in a lane: the machine has another address.
    pub fn add_socket(&mut self, now: Instant, number: usize, socket: SocketAddr) {
        let Some(lane) = self.lanes.get_mut(number) else { return };
        lane.sockets.push(socket);
        if self.reach.tells(socket.ip()) {
            let found = lane.keep(CandidateKind::Host, socket, socket, None, 0);
            self.out.extend(found.map(|candidate| Gathered::Found { lane: number, candidate }));
        }
        if self.wanted {
            self.begin(now, number);
        }
    }

    /// A socket is gone with its address, and what was found by it.
    pub fn remove_socket(&mut self, now: Instant, number: usize, socket: SocketAddr) {
        let Some(lane) = self.lanes.get_mut(number) else { return };
        lane.sockets.retain(|ours| *ours != socket);
        lane.candidates.retain(|candidate| candidate.base != socket);
        lane.mappings.retain(|mapping| mapping.socket() != socket);
        lane.untried.retain(|way| way.socket != Some(socket));
        self.out.push_back(Gathered::Lost { lane: number, base: socket });
        self.over(now, number, By::Socket(socket), "the address that it was asked by is gone");
        self.advance(now);
    }

    /// What the servers' addresses are. They serve from now on; relays that lent an address before go on.
    pub fn set_servers(&mut self, now: Instant, servers: Vec<(IceServer, Vec<SocketAddr>)>) {
        self.servers = servers.into_iter().map(|(server, addresses)| Server { server, addresses }).collect();
        if self.wanted {
            (0..self.lanes.len()).for_each(|lane| self.begin(now, lane));
        }
    }

    /// There are sessions, or none any more.
    pub fn set_wanted(&mut self, now: Instant, wanted: bool) {
        if std::mem::replace(&mut self.wanted, wanted) == wanted {
            return;
        }
        for lane in 0..self.lanes.len() {
            if wanted {
                self.lanes[lane].losses = 0;
                self.begin(now, lane);
            } else {
                self.end(now, lane);
            }
        }
    }

    /// Asks whatever is to be asked in a lane and was not yet.
    fn begin(&mut self, now: Instant, number: usize) {
        if self.reach.relays != Relays::Only {
            self.ask_mappings(now, number);
        }
        let lane = &mut self.lanes[number];
        if self.reach.relays != Relays::Never && lane.asked.is_empty() && lane.untried.is_empty() {
            lane.untried = ways(&self.servers, &lane.sockets);
            self.try_next(now, number);
        }
        self.advance(now);
    }

    fn ask_mappings(&mut self, now: Instant, number: usize) {
        // A TURN server is a STUN server too.
        let stuns = self.servers.iter().filter(|it| it.server.kind == ServerKind::Stun);
        let turns = self.servers.iter().filter(|it| it.server.kind != ServerKind::Stun);
        let usable: Vec<&Server> = stuns.chain(turns).filter(|it| it.server.by == ServerTransport::Udp).collect();
        let mut asked = Vec::new();
        let lane = &mut self.lanes[number];
        for socket in &lane.sockets {
            let mut servers: Vec<SocketAddr> =
                usable.iter().filter_map(|server| of_family(&server.addresses, *socket)).collect();
            servers.dedup();
            for server in servers.into_iter().take(MAX_MAPPINGS) {
                if !lane.mappings.iter().any(|known| known.is_between(*socket, server)) {
                    lane.mappings.push(Mapping::ask(now, *socket, server));
                    asked.push(format!("STUN at {server}"));
                }
            }
        }
        asked.into_iter().for_each(|what| self.attempt(what));
    }

    fn try_next(&mut self, now: Instant, number: usize) {
        let lane = &mut self.lanes[number];
        lane.next = None;
        let Some(way) = lane.untried.pop_front() else { return };
        lane.next = (!lane.untried.is_empty()).then_some(now + PATIENCE);
        let (by, relay) = match way.socket {
            Some(socket) => {
                let relay = Relay::ask(now, true, socket, way.to, &way.username, way.password.expose());
                (By::Socket(socket), Some(relay))
            }
            None => {
                self.streams += 1;
                let stream = StreamNumber(self.streams);
                let secure = (way.by == ServerTransport::Tls).then(|| way.host.clone());
                self.out.push_back(Gathered::Connect { stream, to: way.to, secure });
                (By::Stream(stream), None)
            }
        };
        let (name, transport, to) = (way.name(), way.by, way.to);
        lane.asked.push(Asked {
            by,
            name: name.clone(),
            transport,
            to,
            relay,
            heard: false,
            frames: Frames::default(),
            way,
        });
        self.attempt(name);
    }

    /// Gives back what was lent, and forgets what was seen.
    fn end(&mut self, now: Instant, number: usize) {
        let lane = &mut self.lanes[number];
        (lane.next, lane.losses) = (None, 0);
        lane.untried.clear();
        lane.mappings.clear();
        lane.candidates.retain(|candidate| candidate.told.kind == CandidateKind::Host);
        for relay in lane.asked.iter_mut().filter_map(|asked| asked.relay.as_mut()) {
            relay.give_back(now);
        }
        self.advance(now);
        for asked in std::mem::take(&mut self.lanes[number].asked) {
            if let By::Stream(stream) = asked.by {
                self.out.push_back(Gathered::Close(stream));
            }
        }
    }

    /// All addresses of a lane found by now.
    #[must_use]
    pub fn candidates(&self, lane: usize) -> Vec<LocalCandidate> {
        self.lanes.get(lane).map(|lane| lane.candidates.clone()).unwrap_or_default()
    }

    /// Whether an address that a peer names is tried.
    #[must_use]
    pub fn tries(&self, candidate: &Candidate) -> bool {
        let local = self.lanes.iter().flat_map(|lane| &lane.sockets).any(|socket| socket.ip().is_loopback());
        self.reach.tries(candidate.address, local)
    }

    /// What was tried lately, and what came of it.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.attempts.iter().cloned().collect()
    }

    /// What was tried in vain, as sentences.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let failed = self.attempts.iter().filter_map(|attempt| match &attempt.outcome {
            Some(Err(why)) => Some(format!("{}: {why}", attempt.what)),
            Some(Ok(_)) | None => None,
        });
        failed.collect()
    }

    /// A path does not work: how we are seen may be otherwise by now, and a relay may be reached another way.
    pub fn renew(&mut self, now: Instant) {
        for number in 0..self.lanes.len() {
            if self.reach.relays != Relays::Only {
                self.ask_mappings(now, number);
            }
            let lane = &mut self.lanes[number];
            if self.wanted && self.reach.relays != Relays::Never && lane.untried.is_empty() && lane.next.is_none() {
                let mut others = ways(&self.servers, &lane.sockets);
                others.retain(|way| lane.asked.iter().all(|asked| asked.way != *way));
                lane.untried = others;
                self.try_next(now, number);
            }
        }
        self.advance(now);
    }

    /// True if packets from this address of ours go through a relay: [`Self::send`] sends them.
    #[must_use]
    pub fn lends(&self, from: SocketAddr) -> bool {
        let relays = self.lanes.iter().flat_map(|lane| &lane.asked).filter_map(|asked| asked.relay.as_ref());
        relays.into_iter().any(|relay| relay.allocated().contains(&from))
    }

    /// Sends something from an address that is lent.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let relays = self.lanes.iter_mut().flat_map(|lane| &mut lane.asked).filter_map(|asked| asked.relay.as_mut());
        if let Some(relay) = relays.into_iter().find(|relay| relay.allocated().contains(&from)) {
            relay.send(now, to, bytes);
        }
        self.advance(now);
    }

    /// A datagram from the network. True if it came from a server we asked.
    pub fn datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.sockets.contains(&local)) else { return false };
        // A server may do both, by one address.
        let mut mappings = lane.mappings.iter_mut().filter(|mapping| mapping.is_between(local, from));
        let mapped = mappings.any(|mapping| mapping.received(now, bytes));
        let mut asked = lane.asked.iter_mut().filter(|asked| asked.by == By::Socket(local) && asked.to == from);
        let ours = mapped || asked.next().is_some_and(|asked| asked.read(now, bytes));
        if ours {
            self.advance(now);
        }
        ours
    }

    /// A stream that was asked for is open; `local` is our end of it.
    pub fn opened(&mut self, now: Instant, stream: StreamNumber, local: SocketAddr) {
        if let Some((_, asked)) = self.by_stream(stream) {
            let Way { username, password, .. } = &asked.way;
            asked.relay = Some(Relay::ask(now, false, local, asked.to, username, password.expose()));
        }
        self.advance(now);
    }

    /// Something came by a stream.
    pub fn read(&mut self, now: Instant, stream: StreamNumber, bytes: &[u8]) {
        let whole = self.by_stream(stream).map(|(_, asked)| asked.frames.take(bytes));
        match whole {
            Some(Some(frames)) => {
                for frame in frames {
                    let _unopened = self.by_stream(stream).is_none_or(|(_, asked)| !asked.read(now, &frame));
                }
                self.advance(now);
            }
            Some(None) => self.closed(now, stream, "what it says is not TURN"),
            None => {}
        }
    }

    /// A stream could not be opened, or is closed.
    pub fn closed(&mut self, now: Instant, stream: StreamNumber, why: &str) {
        if let Some((lane, _)) = self.by_stream(stream) {
            self.over(now, lane, By::Stream(stream), why);
        }
        self.advance(now);
    }

    fn by_stream(&mut self, stream: StreamNumber) -> Option<(usize, &mut Asked)> {
        let lanes = self.lanes.iter_mut().enumerate();
        let mut asked = lanes.flat_map(|(number, lane)| lane.asked.iter_mut().map(move |asked| (number, asked)));
        asked.find(|(_, asked)| asked.by == By::Stream(stream))
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for number in 0..self.lanes.len() {
            let lane = &mut self.lanes[number];
            for relay in lane.asked.iter_mut().filter_map(|asked| asked.relay.as_mut()) {
                relay.handle_timeout(now);
            }
            if lane.next.is_some_and(|next| next <= now) {
                self.try_next(now, number);
            }
        }
        self.advance(now);
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lanes = self.lanes.iter().flat_map(|lane| {
            let relays = lane.asked.iter().filter_map(|asked| asked.relay.as_ref()?.poll_timeout());
            relays.chain(lane.mappings.iter().filter_map(Mapping::poll_timeout)).chain(lane.next)
        });
        lanes.min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Gathered> {
        self.out.pop_front()
    }

    /// Passes on what mappings and relays give.
    fn advance(&mut self, now: Instant) {
        for number in 0..self.lanes.len() {
            self.advance_mappings(now, number);
            self.advance_relays(now, number);
        }
    }

    fn advance_mappings(&mut self, now: Instant, number: usize) {
        let lane = &mut self.lanes[number];
        for mapping in &mut lane.mappings {
            let (from, to) = (mapping.socket(), mapping.server());
            while let Some(bytes) = mapping.poll(now) {
                self.out.push_back(Gathered::Datagram { from, to, bytes });
            }
        }
        let answered: Vec<Mapping> = lane.mappings.extract_if(.., |mapping| mapping.answer().is_some()).collect();
        for mapping in answered {
            let (socket, answer) = (mapping.socket(), mapping.answer().flatten());
            self.attempted(&format!("STUN at {}", mapping.server()), answer.ok_or_else(|| "no answer".to_owned()));
            // A socket that is seen as it is needs no other name; an answer of another family says nothing of it.
            let seen = answer.filter(|seen| *seen != socket && seen.is_ipv4() == socket.is_ipv4());
            let Some(seen) = seen.filter(|seen| self.reach.tries(*seen, socket.ip().is_loopback())) else { continue };
            let related = if self.reach.tells(socket.ip()) { socket } else { nowhere(socket) };
            let kind = CandidateKind::ServerReflexive;
            let found = self.lanes[number].keep(kind, seen, socket, Some(related), 0);
            self.out.extend(found.map(|candidate| Gathered::Found { lane: number, candidate }));
        }
    }

    fn advance_relays(&mut self, now: Instant, number: usize) {
        let mut ended = Vec::new();
        for index in 0..self.lanes[number].asked.len() {
            let Asked { by, to, transport, .. } = self.lanes[number].asked[index];
            while let Some(output) = self.lanes[number].asked[index].relay.as_mut().and_then(Relay::poll_output) {
                match output {
                    RelayOutput::Send(bytes) => self.out.push_back(match by {
                        By::Socket(from) => Gathered::Datagram { from, to, bytes },
                        By::Stream(stream) => Gathered::Write { stream, bytes: padded(bytes) },
                    }),
                    RelayOutput::Received { local, from, bytes } => {
                        self.out.push_back(Gathered::Received { local, from, bytes });
                    }
                    RelayOutput::Allocated(address) => {
                        let name = self.lanes[number].asked[index].name.clone();
                        self.attempted(&name, Ok(address));
                        let lane = &mut self.lanes[number];
                        (lane.next, lane.untried) = (None, VecDeque::new());
                        let kind = CandidateKind::Relayed;
                        let found = lane.keep(kind, address, address, Some(nowhere(address)), transport as u32);
                        self.out.extend(found.map(|candidate| Gathered::Found { lane: number, candidate }));
                    }
                    RelayOutput::Over => ended.push(by),
                }
            }
        }
        for by in ended {
            let heard = self.lanes[number].asked.iter().any(|asked| asked.by == by && asked.heard);
            let why = if heard { "the server refuses: are the credentials right?" } else { "no answer" };
            self.over(now, number, by, why);
        }
    }

    /// A way to a relay is at its end.
    fn over(&mut self, now: Instant, number: usize, by: By, why: &str) {
        let lane = &mut self.lanes[number];
        let Some(index) = lane.asked.iter().position(|asked| asked.by == by) else { return };
        let asked = lane.asked.remove(index);
        let lent = asked.relay.as_ref().map(|relay| relay.allocated().to_vec()).unwrap_or_default();
        lane.candidates.retain(|candidate| !lent.contains(&candidate.base));
        if let By::Stream(stream) = by {
            self.out.push_back(Gathered::Close(stream));
        }
        self.out.extend(lent.iter().map(|base| Gathered::Lost { lane: number, base: *base }));
        self.attempted(&asked.name, Err(why.to_owned()));
        let lane = &mut self.lanes[number];
        if self.wanted && !lent.is_empty() && lane.losses < MAX_LOSSES {
            lane.losses += 1;
            lane.untried = ways(&self.servers, &lane.sockets);
        }
        if !lane.untried.is_empty() {
            self.try_next(now, number);
        }
    }

    fn attempt(&mut self, what: String) {
        self.attempts.retain(|attempt| attempt.what != what);
        if self.attempts.len() == MAX_ATTEMPTS {
            self.attempts.pop_front();
        }
        self.attempts.push_back(Attempt { what, outcome: None });
    }

    fn attempted(&mut self, what: &str, outcome: Result<SocketAddr, String>) {
        if let Some(attempt) = self.attempts.iter_mut().find(|attempt| attempt.what == what) {
            // With an address of each family the first counts.
            if !matches!((&attempt.outcome, &outcome), (Some(Ok(_)), Ok(_))) {
                attempt.outcome = Some(outcome);
            }
        }
    }
}

impl Asked {
    /// What the server said; false if there is nobody to take it.
    fn read(&mut self, now: Instant, bytes: &[u8]) -> bool {
        self.heard = true;
        self.relay.as_mut().map(|relay| relay.received(now, bytes)).is_some()
    }
}

impl Lane {
    /// Keeps an address, if it is new; `less` is by how much its kind is worse than others of its.
    fn keep(
        &mut self,
        kind: CandidateKind,
        address: SocketAddr,
        base: SocketAddr,
        related: Option<SocketAddr>,
        less: u32,
    ) -> Option<LocalCandidate> {
        if self.candidates.iter().any(|known| known.told.address == address) {
            return None;
        }
        self.count += 1;
        let told = Candidate {
            component: 1,
            foundation: self.count.to_string(),
            generation: 0,
            id: Some(format!("{kind}{}", self.count)),
            address,
            priority: priority(kind, less, self.count),
            kind,
            related,
        };
        let candidate = LocalCandidate { told, base };
        self.candidates.push(candidate.clone());
        Some(candidate)
    }
}

/// The addresses of sockets themselves, for those who ask no server.
#[must_use]
pub fn hosts(sockets: &[SocketAddr]) -> Vec<LocalCandidate> {
    let mut lane = Lane::default();
    sockets.iter().filter_map(|socket| lane.keep(CandidateKind::Host, *socket, *socket, None, 0)).collect()
}

/// The first found is preferred among those of a kind (RFC 8445 section 5.1.2.1).
fn priority(kind: CandidateKind, less: u32, count: u16) -> u32 {
    let preference = match kind {
        CandidateKind::Host => 126,
        CandidateKind::PeerReflexive => 110,
        CandidateKind::ServerReflexive => 100,
        CandidateKind::Relayed => 2,
    };
    ((preference - less) << 24) + (u32::from(u16::MAX - count) << 8) + 255
}

/// The ways to ask for a relay in a lane, best first: all of UDP, of TCP, of TLS.
fn ways(servers: &[Server], sockets: &[SocketAddr]) -> VecDeque<Way> {
    let mut ways = Vec::new();
    for Server { server, addresses } in servers {
        let ServerKind::Turn { username, password } = &server.kind else { continue };
        let way = |socket, to| Way {
            socket,
            to,
            by: server.by,
            host: server.host.clone(),
            username: username.clone(),
            password: password.clone(),
        };
        match server.by {
            ServerTransport::Udp => ways
                .extend(sockets.iter().filter_map(|socket| Some(way(Some(*socket), of_family(addresses, *socket)?)))),
            ServerTransport::Tcp | ServerTransport::Tls => ways.extend(addresses.iter().map(|to| way(None, *to))),
        }
    }
    ways.sort_by_key(|way| way.by);
    ways.truncate(MAX_WAYS);
    ways.into()
}

fn of_family(addresses: &[SocketAddr], socket: SocketAddr) -> Option<SocketAddr> {
    addresses.iter().copied().find(|address| address.is_ipv4() == socket.is_ipv4())
}

/// No address of this family.
fn nowhere(family: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if family.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, DISCARD)
}
