//! What one lane of sockets finds: how each is seen, and the relays that are asked through it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use muji_core::media::{IceServer, ServerKind, ServerTransport};
use muji_xep::Secret;
use muji_xep::ice::{Candidate, CandidateKind};

use super::attempt::Attempts;
use super::candidate::LocalCandidate;
use super::frames::{Frames, padded};
use super::mapping::Mapping;
use super::output::{Gathered, StreamNumber};
use super::policy::{GatherPolicy, Relays};
use super::relay::{Relay, RelayOutput};

/// A further way to a relay is tried when those before have come to nothing for so long, or have failed: UDP is the best for
/// sound, and a network that lets it through answers within that.
const PATIENCE: Duration = Duration::from_millis(700);

/// STUN servers asked. A second one tells of a NAT that shows each server another address.
const MAX_MAPPINGS: usize = 2;

/// Ways to relays tried at a time.
const MAX_WAYS: usize = 12;

/// A lane that lost its relay asks anew so often: a server that takes its addresses back each time is none.
const MAX_LOSSES: u32 = 3;

/// Addresses of a kind that are kept; with one more the oldest goes. A NAT that is asked again and again shows another each time.
const MAX_OF_KIND: usize = 8;

/// What candidates name as related where the real address is nobody's business (RFC 8839 section 5.1).
const DISCARD: u16 = 9;

/// A server and its addresses, of which the first of a family is used.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) server: IceServer,
    pub(super) addresses: Vec<SocketAddr>,
}

/// A way to ask for a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TurnRoute {
    /// By which of our sockets, or by a stream.
    socket: Option<SocketAddr>,
    to: SocketAddr,
    by: ServerTransport,
    host: String,
    username: String,
    password: Secret,
}

impl TurnRoute {
    fn name(&self) -> String {
        format!("TURN by {} at {}:{}", self.by, self.host, self.to.port())
    }
}

/// A relay that was asked for.
pub(super) struct TurnAttempt {
    way: TurnRoute,
    /// What its stream is called, if it has one.
    number: StreamNumber,
    /// `None` while its stream is opened.
    relay: Option<Relay>,
    /// The server has said something.
    heard: bool,
    /// What came by a stream.
    frames: Frames,
}

impl TurnAttempt {
    /// What the server said; false if there is nobody to take it.
    fn read(&mut self, now: Instant, bytes: &[u8]) -> bool {
        self.heard = true;
        self.relay.as_mut().map(|relay| relay.received(now, bytes)).is_some()
    }
}

/// One lane.
#[derive(Default)]
pub(super) struct Lane {
    number: usize,
    pub(super) sockets: Vec<SocketAddr>,
    pub(super) candidates: Vec<LocalCandidate>,
    mappings: Vec<Mapping>,
    untried: VecDeque<TurnRoute>,
    /// When the next of those is tried.
    next: Option<Instant>,
    asked: Vec<TurnAttempt>,
    losses: u32,
    /// Candidates so far.
    count: u16,
}

/// What a lane is given with each input.
pub(super) struct GatherContext<'a> {
    pub(super) now: Instant,
    pub(super) reach: &'a GatherPolicy,
    pub(super) servers: &'a [Server],
    /// There are sessions.
    pub(super) wanted: bool,
    /// Streams so far.
    pub(super) streams: &'a mut u64,
    pub(super) attempts: &'a mut Attempts,
    pub(super) out: &'a mut VecDeque<Gathered>,
}

impl Lane {
    pub(super) fn new(number: usize) -> Self {
        Self { number, ..Self::default() }
    }

    /// A socket more, whose address is told as far as others may learn it.
    pub(super) fn add_socket(&mut self, around: &mut GatherContext<'_>, socket: SocketAddr) {
        self.sockets.push(socket);
        if around.reach.tells(socket.ip()) {
            self.keep(around.out, CandidateKind::Host, socket, socket, None, 0);
        }
    }

    /// A socket is gone with its address, and what was found by it.
    pub(super) fn remove_socket(&mut self, around: &mut GatherContext<'_>, socket: SocketAddr) {
        self.sockets.retain(|ours| *ours != socket);
        self.mappings.retain(|mapping| mapping.socket() != socket);
        self.untried.retain(|way| way.socket != Some(socket));
        self.lose(around.out, |candidate| candidate.base == socket);
        let by_it = self.asked.iter().filter(|asked| asked.way.socket == Some(socket));
        for number in by_it.map(|asked| asked.number).collect::<Vec<_>>() {
            self.over(around, number, "the address that it was asked by is gone");
        }
        self.advance(around);
    }

    /// Asks whatever is to be asked and was not yet.
    pub(super) fn begin(&mut self, around: &mut GatherContext<'_>) {
        self.ask_mappings(around);
        if self.asked.is_empty() && self.untried.is_empty() {
            self.try_ways(around, |_| true);
        }
        self.advance(around);
    }

    /// A path does not work: how we are seen may be otherwise by now, and a relay may be reached another way.
    pub(super) fn renew(&mut self, around: &mut GatherContext<'_>) {
        self.ask_mappings(around);
        if self.untried.is_empty() && self.next.is_none() {
            let asked: Vec<TurnRoute> = self.asked.iter().map(|asked| asked.way.clone()).collect();
            self.try_ways(around, |way| !asked.contains(way));
        }
        self.advance(around);
    }

    /// Gives back what was relayed, and forgets what was seen.
    pub(super) fn end(&mut self, around: &mut GatherContext<'_>) {
        (self.next, self.losses) = (None, 0);
        self.untried.clear();
        self.mappings.clear();
        for relay in self.asked.iter_mut().filter_map(|asked| asked.relay.as_mut()) {
            relay.give_back(around.now);
        }
        self.advance(around);
        for asked in std::mem::take(&mut self.asked).iter().filter(|asked| asked.way.socket.is_none()) {
            around.out.push_back(Gathered::Close(asked.number));
        }
        self.lose(around.out, |candidate| candidate.told.kind != CandidateKind::Host);
    }

    fn ask_mappings(&mut self, around: &mut GatherContext<'_>) {
        if around.reach.relays == Relays::Only {
            return;
        }
        // A TURN server is a STUN server too.
        let stuns = around.servers.iter().filter(|it| it.server.kind == ServerKind::Stun);
        let turns = around.servers.iter().filter(|it| it.server.kind != ServerKind::Stun);
        let usable: Vec<&Server> = stuns.chain(turns).filter(|it| it.server.by == ServerTransport::Udp).collect();
        for socket in &self.sockets {
            let mut servers: Vec<SocketAddr> =
                usable.iter().filter_map(|server| of_family(&server.addresses, *socket)).collect();
            servers.dedup();
            for server in servers.into_iter().take(MAX_MAPPINGS) {
                if !self.mappings.iter().any(|known| known.is_between(*socket, server)) {
                    self.mappings.push(Mapping::ask(around.now, *socket, server));
                    around.attempts.begin(format!("STUN at {server}"));
                }
            }
        }
    }

    fn try_ways(&mut self, around: &mut GatherContext<'_>, which: impl Fn(&TurnRoute) -> bool) {
        if around.wanted && around.reach.relays != Relays::Never {
            self.untried = ways(around.servers, &self.sockets).into_iter().filter(which).collect();
            self.try_next(around);
        }
    }

    fn try_next(&mut self, around: &mut GatherContext<'_>) {
        self.next = None;
        let Some(way) = self.untried.pop_front() else { return };
        self.next = (!self.untried.is_empty()).then_some(around.now + PATIENCE);
        *around.streams += 1;
        let number = StreamNumber(*around.streams);
        let relay = way.socket.map(|socket| ask(around.now, &way, socket));
        if relay.is_none() {
            let secure = (way.by == ServerTransport::Tls).then(|| way.host.clone());
            around.out.push_back(Gathered::Connect { stream: number, to: way.to, secure });
        }
        around.attempts.begin(way.name());
        self.asked.push(TurnAttempt { way, number, relay, heard: false, frames: Frames::default() });
    }

    /// True if packets from this address go through a relay.
    pub(super) fn is_relayed(&self, from: SocketAddr) -> bool {
        let mut relays = self.asked.iter().filter_map(|asked| asked.relay.as_ref());
        relays.any(|relay| relay.allocated().contains(&from))
    }

    /// Sends something from an address that is relayed.
    pub(super) fn send(&mut self, around: &mut GatherContext<'_>, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let mut relays = self.asked.iter_mut().filter_map(|asked| asked.relay.as_mut());
        if let Some(relay) = relays.find(|relay| relay.allocated().contains(&from)) {
            relay.send(around.now, to, bytes);
        }
        self.advance(around);
    }

    /// A datagram by one of its sockets. True if it came from a server that was asked.
    pub(super) fn datagram(
        &mut self,
        around: &mut GatherContext<'_>,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        // A server may do both, by one address.
        let mut mappings = self.mappings.iter_mut().filter(|mapping| mapping.is_between(local, from));
        let mapped = mappings.any(|mapping| mapping.received(around.now, bytes));
        let mut asked = self.asked.iter_mut().filter(|it| it.way.socket == Some(local) && it.way.to == from);
        let ours = mapped || asked.next().is_some_and(|asked| asked.read(around.now, bytes));
        if ours {
            self.advance(around);
        }
        ours
    }

    /// True if it asked for this stream.
    pub(super) fn has(&self, stream: StreamNumber) -> bool {
        self.asked.iter().any(|asked| asked.number == stream)
    }

    /// A stream is open; `local` is our end of it.
    pub(super) fn opened(&mut self, around: &mut GatherContext<'_>, stream: StreamNumber, local: SocketAddr) {
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.number == stream) {
            asked.relay = Some(ask(around.now, &asked.way, local));
        }
        self.advance(around);
    }

    /// Something came by a stream.
    pub(super) fn read(&mut self, around: &mut GatherContext<'_>, stream: StreamNumber, bytes: &[u8]) {
        let Some(asked) = self.asked.iter_mut().find(|asked| asked.number == stream) else { return };
        match asked.frames.take(bytes) {
            Some(frames) => {
                for frame in frames {
                    let _unopened = !asked.read(around.now, &frame);
                }
            }
            None => self.over(around, stream, "what it says is not TURN"),
        }
        self.advance(around);
    }

    /// A stream could not be opened, or is closed.
    pub(super) fn closed(&mut self, around: &mut GatherContext<'_>, stream: StreamNumber, why: &str) {
        self.over(around, stream, why);
        self.advance(around);
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, around: &mut GatherContext<'_>) {
        for relay in self.asked.iter_mut().filter_map(|asked| asked.relay.as_mut()) {
            relay.handle_timeout(around.now);
        }
        if self.next.is_some_and(|next| next <= around.now) {
            self.try_next(around);
        }
        self.advance(around);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let relays = self.asked.iter().filter_map(|asked| asked.relay.as_ref()?.poll_timeout());
        relays.chain(self.mappings.iter().filter_map(Mapping::poll_timeout)).chain(self.next).min()
    }

    /// Passes on what mappings and relays give.
    fn advance(&mut self, around: &mut GatherContext<'_>) {
        for mapping in &mut self.mappings {
            let (from, to) = (mapping.socket(), mapping.server());
            while let Some(bytes) = mapping.poll(around.now) {
                around.out.push_back(Gathered::Datagram { from, to, bytes });
            }
        }
        let answered = self.mappings.extract_if(.., |mapping| mapping.answer().is_some());
        for mapping in answered.collect::<Vec<_>>() {
            self.mapped(around, &mapping);
        }
        let mut ended = Vec::new();
        for index in 0..self.asked.len() {
            while let Some(output) = self.asked[index].relay.as_mut().and_then(Relay::poll_output) {
                if output == RelayOutput::Over {
                    ended.push((self.asked[index].number, self.asked[index].heard));
                } else {
                    self.relayed(around, index, output);
                }
            }
        }
        for (number, heard) in &ended {
            let why = if *heard { "the server refuses: are the credentials right?" } else { "no answer" };
            self.over(around, *number, why);
        }
        if !ended.is_empty() {
            self.advance(around); // What was asked instead: there are only so many ways.
        }
    }

    /// A STUN server has answered, or does not.
    fn mapped(&mut self, around: &mut GatherContext<'_>, mapping: &Mapping) {
        let (socket, answer) = (mapping.socket(), mapping.answer().flatten());
        around.attempts.end(&format!("STUN at {}", mapping.server()), answer.ok_or_else(|| "no answer".to_owned()));
        // A socket that is seen as it is needs no other name; an answer of another family says nothing of it.
        let seen = answer.filter(|seen| *seen != socket && seen.is_ipv4() == socket.is_ipv4());
        if let Some(seen) = seen.filter(|seen| around.reach.tries(*seen, socket.ip().is_loopback())) {
            let related = if around.reach.tells(socket.ip()) { socket } else { nowhere(socket) };
            self.keep(around.out, CandidateKind::ServerReflexive, seen, socket, Some(related), 0);
        }
    }

    fn relayed(&mut self, around: &mut GatherContext<'_>, index: usize, output: RelayOutput) {
        let TurnAttempt { way, number, .. } = &self.asked[index];
        match output {
            RelayOutput::Send(bytes) => around.out.push_back(match way.socket {
                Some(from) => Gathered::Datagram { from, to: way.to, bytes },
                None => Gathered::Write { stream: *number, bytes: padded(bytes) },
            }),
            RelayOutput::Received { local, from, bytes } => {
                around.out.push_back(Gathered::Received { local, from, bytes });
            }
            RelayOutput::Allocated(address) => {
                around.attempts.end(&way.name(), Ok(address));
                let less = way.by as u32;
                (self.next, self.untried) = (None, VecDeque::new());
                self.keep(around.out, CandidateKind::Relayed, address, address, Some(nowhere(address)), less);
            }
            RelayOutput::Over => {}
        }
    }

    /// A way to a relay is at its end.
    fn over(&mut self, around: &mut GatherContext<'_>, number: StreamNumber, why: &str) {
        let Some(index) = self.asked.iter().position(|asked| asked.number == number) else { return };
        let asked = self.asked.remove(index);
        if asked.way.socket.is_none() {
            around.out.push_back(Gathered::Close(number));
        }
        let relayed = asked.relay.as_ref().map(|relay| relay.allocated().to_vec()).unwrap_or_default();
        self.lose(around.out, |candidate| relayed.contains(&candidate.base));
        around.attempts.end(&asked.way.name(), Err(why.to_owned()));
        if !relayed.is_empty() && self.losses < MAX_LOSSES {
            self.losses += 1;
            self.try_ways(around, |_| true);
        } else if !self.untried.is_empty() {
            self.try_next(around);
        }
    }

    /// Keeps an address, if it is new; `less` is by how much its kind is worse than others of its.
    fn keep(
        &mut self,
        out: &mut VecDeque<Gathered>,
        kind: CandidateKind,
        address: SocketAddr,
        base: SocketAddr,
        related: Option<SocketAddr>,
        less: u32,
    ) {
        if self.candidates.iter().any(|known| known.told.address == address) {
            return;
        }
        let of_kind = self.candidates.iter().filter(|known| known.told.kind == kind);
        if of_kind.clone().count() == MAX_OF_KIND {
            let oldest = of_kind.map(|known| known.told.address).next();
            self.lose(out, |known| Some(known.told.address) == oldest);
        }
        self.count = self.count.saturating_add(1);
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
        out.push_back(Gathered::Found { lane: self.number, candidate });
    }

    fn lose(&mut self, out: &mut VecDeque<Gathered>, gone: impl Fn(&LocalCandidate) -> bool) {
        let lane = self.number;
        let lost = self.candidates.extract_if(.., |candidate| gone(candidate));
        out.extend(lost.map(|candidate| Gathered::Lost { lane, candidate }));
    }
}

fn ask(now: Instant, way: &TurnRoute, local: SocketAddr) -> Relay {
    Relay::ask(now, way.socket.is_some(), local, way.to, &way.username, way.password.expose())
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

/// The ways to ask for a relay, best first: all of UDP, of TCP, of TLS.
fn ways(servers: &[Server], sockets: &[SocketAddr]) -> Vec<TurnRoute> {
    let mut ways = Vec::new();
    for Server { server, addresses } in servers {
        let ServerKind::Turn { username, password } = &server.kind else { continue };
        let way = |socket, to| TurnRoute {
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
    ways
}

fn of_family(addresses: &[SocketAddr], socket: SocketAddr) -> Option<SocketAddr> {
    addresses.iter().copied().find(|address| address.is_ipv4() == socket.is_ipv4())
}

/// No address of this family.
fn nowhere(family: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if family.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, DISCARD)
}
