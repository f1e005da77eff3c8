//! What one set of sockets gathers: its mappings by STUN, and the relays that are asked through it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use muji_core::media::{IceServer, ServerKind, ServerTransport};
use muji_xep::Secret;
use muji_xep::ice::{Candidate, CandidateKind};

use super::attempt::Attempts;
use super::candidate::LocalCandidate;
use super::framing::{StunFramer, padded};
use super::mapping::Mapping;
use super::output::{ConnectionId, GatherOutput};
use super::policy::{GatherPolicy, Relays};
use super::relay::{Relay, RelayOutput};

/// After so long without an answer, or after a failure, the next route to a relay is tried. UDP is tried first because it suits media best,
/// and a network that lets it through answers within that time.
const PATIENCE: Duration = Duration::from_millis(700);

/// STUN servers asked. A second one shows a NAT that maps each destination to another address.
const MAX_MAPPINGS: usize = 2;

/// Routes to relays that are tried.
const MAX_ROUTES: usize = 12;

/// A set that lost its relay asks so many times again: a server that ends each allocation is of no use.
const MAX_LOSSES: u32 = 3;

/// Addresses of a kind that are kept; one more replaces the oldest. A symmetric NAT shows another with each request.
const MAX_OF_KIND: usize = 8;

/// The port of related addresses if the real one is not to be shown (RFC 8839 section 5.1).
const DISCARD: u16 = 9;

/// A server and its addresses; the first of a family is used.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) server: IceServer,
    pub(super) addresses: Vec<SocketAddr>,
}

/// One way to ask for a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TurnRoute {
    /// The socket to ask by; `None` for a connection.
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
    route: TurnRoute,
    /// The id of its connection, if it has one.
    number: ConnectionId,
    /// `None` while its connection is being opened.
    relay: Option<Relay>,
    /// The server has answered something.
    heard: bool,
    /// What a connection received and is not complete.
    frames: StunFramer,
}

impl TurnAttempt {
    /// The server sent something; false if the relay is not there yet.
    fn read(&mut self, now: Instant, bytes: &[u8]) -> bool {
        self.heard = true;
        self.relay.as_mut().map(|relay| relay.received(now, bytes)).is_some()
    }
}

/// A set of sockets.
#[derive(Default)]
pub(super) struct SocketSet {
    number: usize,
    pub(super) sockets: Vec<SocketAddr>,
    pub(super) candidates: Vec<LocalCandidate>,
    mappings: Vec<Mapping>,
    untried: VecDeque<TurnRoute>,
    /// When the next of them is tried.
    next: Option<Instant>,
    asked: Vec<TurnAttempt>,
    losses: u32,
    /// Candidates found so far.
    count: u16,
}

/// What a set is given with each input.
pub(super) struct GatherContext<'a> {
    pub(super) now: Instant,
    pub(super) policy: &'a GatherPolicy,
    pub(super) servers: &'a [Server],
    /// There are sessions.
    pub(super) wanted: bool,
    /// Connections opened so far.
    pub(super) streams: &'a mut u64,
    pub(super) attempts: &'a mut Attempts,
    pub(super) out: &'a mut VecDeque<GatherOutput>,
}

impl SocketSet {
    pub(super) fn new(number: usize) -> Self {
        Self { number, ..Self::default() }
    }

    /// One more socket, whose address others learn if the policy allows it.
    pub(super) fn add_socket(&mut self, context: &mut GatherContext<'_>, socket: SocketAddr) {
        self.sockets.push(socket);
        if context.policy.may_advertise(socket.ip()) {
            self.keep(context.out, CandidateKind::Host, socket, socket, None, 0);
        }
    }

    /// A socket is gone with its address, and so is what was found by it.
    pub(super) fn remove_socket(&mut self, context: &mut GatherContext<'_>, socket: SocketAddr) {
        self.sockets.retain(|ours| *ours != socket);
        self.mappings.retain(|mapping| mapping.socket() != socket);
        self.untried.retain(|route| route.socket != Some(socket));
        self.lose(context.out, |candidate| candidate.base == socket);
        let by_it = self.asked.iter().filter(|asked| asked.route.socket == Some(socket));
        for number in by_it.map(|asked| asked.number).collect::<Vec<_>>() {
            self.over(context, number, "the address that it was asked by is gone");
        }
        self.advance(context);
    }

    /// Asks the servers that were not asked yet.
    pub(super) fn begin(&mut self, context: &mut GatherContext<'_>) {
        self.ask_mappings(context);
        if self.asked.is_empty() && self.untried.is_empty() {
            self.try_routes(context, |_| true);
        }
        self.advance(context);
    }

    /// A path does not work: the NAT may show other addresses by now, and a relay may be reached in another way.
    pub(super) fn renew(&mut self, context: &mut GatherContext<'_>) {
        self.ask_mappings(context);
        if self.untried.is_empty() && self.next.is_none() {
            let asked: Vec<TurnRoute> = self.asked.iter().map(|asked| asked.route.clone()).collect();
            self.try_routes(context, |route| !asked.contains(route));
        }
        self.advance(context);
    }

    /// Gives relayed addresses back, and forgets mappings.
    pub(super) fn end(&mut self, context: &mut GatherContext<'_>) {
        self.next = None;
        self.losses = 0;
        self.untried.clear();
        self.mappings.clear();
        for relay in self.asked.iter_mut().filter_map(|asked| asked.relay.as_mut()) {
            relay.give_back(context.now);
        }
        self.advance(context);
        for asked in std::mem::take(&mut self.asked).iter().filter(|asked| asked.route.socket.is_none()) {
            context.out.push_back(GatherOutput::Close(asked.number));
        }
        self.lose(context.out, |candidate| candidate.advertised.kind != CandidateKind::Host);
    }

    fn ask_mappings(&mut self, context: &mut GatherContext<'_>) {
        if context.policy.relays == Relays::Only {
            return;
        }
        // A TURN server is a STUN server too.
        let stuns = context.servers.iter().filter(|it| it.server.kind == ServerKind::Stun);
        let turns = context.servers.iter().filter(|it| it.server.kind != ServerKind::Stun);
        let usable: Vec<&Server> = stuns.chain(turns).filter(|it| it.server.by == ServerTransport::Udp).collect();
        for socket in &self.sockets {
            let mut servers: Vec<SocketAddr> =
                usable.iter().filter_map(|server| of_family(&server.addresses, *socket)).collect();
            servers.dedup();
            for server in servers.into_iter().take(MAX_MAPPINGS) {
                if !self.mappings.iter().any(|known| known.is_between(*socket, server)) {
                    self.mappings.push(Mapping::ask(context.now, *socket, server));
                    context.attempts.begin(format!("STUN at {server}"));
                }
            }
        }
    }

    fn try_routes(&mut self, context: &mut GatherContext<'_>, which: impl Fn(&TurnRoute) -> bool) {
        if context.wanted && context.policy.relays != Relays::Never {
            self.untried = routes(context.servers, &self.sockets).into_iter().filter(which).collect();
            self.try_next(context);
        }
    }

    fn try_next(&mut self, context: &mut GatherContext<'_>) {
        self.next = None;
        let Some(route) = self.untried.pop_front() else { return };
        self.next = (!self.untried.is_empty()).then_some(context.now + PATIENCE);
        *context.streams += 1;
        let number = ConnectionId(*context.streams);
        let relay = route.socket.map(|socket| ask(context.now, &route, socket));
        if relay.is_none() {
            let tls_name = (route.by == ServerTransport::Tls).then(|| route.host.clone());
            context.out.push_back(GatherOutput::Connect { connection: number, to: route.to, tls_name });
        }
        context.attempts.begin(route.name());
        self.asked.push(TurnAttempt { route, number, relay, heard: false, frames: StunFramer::default() });
    }

    /// True if packets from this address go through a relay.
    pub(super) fn is_relayed(&self, from: SocketAddr) -> bool {
        let mut relays = self.asked.iter().filter_map(|asked| asked.relay.as_ref());
        relays.any(|relay| relay.allocated().contains(&from))
    }

    /// Sends something from a relayed address.
    pub(super) fn send(&mut self, context: &mut GatherContext<'_>, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let mut relays = self.asked.iter_mut().filter_map(|asked| asked.relay.as_mut());
        if let Some(relay) = relays.find(|relay| relay.allocated().contains(&from)) {
            relay.send(context.now, to, bytes);
        }
        self.advance(context);
    }

    /// A datagram by one of its sockets. True if it came from a server that was asked.
    pub(super) fn datagram(
        &mut self,
        context: &mut GatherContext<'_>,
        local: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        // One server may do both STUN and TURN at one address.
        let mut mappings = self.mappings.iter_mut().filter(|mapping| mapping.is_between(local, from));
        let mapped = mappings.any(|mapping| mapping.received(context.now, bytes));
        let mut asked = self.asked.iter_mut().filter(|it| it.route.socket == Some(local) && it.route.to == from);
        let ours = mapped || asked.next().is_some_and(|asked| asked.read(context.now, bytes));
        if ours {
            self.advance(context);
        }
        ours
    }

    /// True if this connection belongs to the set.
    pub(super) fn has(&self, connection: ConnectionId) -> bool {
        self.asked.iter().any(|asked| asked.number == connection)
    }

    /// A connection is open; `local` is our end of it.
    pub(super) fn opened(&mut self, context: &mut GatherContext<'_>, connection: ConnectionId, local: SocketAddr) {
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.number == connection) {
            asked.relay = Some(ask(context.now, &asked.route, local));
        }
        self.advance(context);
    }

    /// A connection received something.
    pub(super) fn read(&mut self, context: &mut GatherContext<'_>, connection: ConnectionId, bytes: &[u8]) {
        let Some(asked) = self.asked.iter_mut().find(|asked| asked.number == connection) else { return };
        match asked.frames.take(bytes) {
            Some(frames) => {
                for frame in frames {
                    let _unopened = !asked.read(context.now, &frame);
                }
            }
            None => self.over(context, connection, "what it says is not TURN"),
        }
        self.advance(context);
    }

    /// A connection could not be opened, or is closed.
    pub(super) fn closed(&mut self, context: &mut GatherContext<'_>, connection: ConnectionId, why: &str) {
        self.over(context, connection, why);
        self.advance(context);
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, context: &mut GatherContext<'_>) {
        for relay in self.asked.iter_mut().filter_map(|asked| asked.relay.as_mut()) {
            relay.handle_timeout(context.now);
        }
        if self.next.is_some_and(|next| next <= context.now) {
            self.try_next(context);
        }
        self.advance(context);
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let relays = self.asked.iter().filter_map(|asked| asked.relay.as_ref()?.poll_timeout());
        relays.chain(self.mappings.iter().filter_map(Mapping::poll_timeout)).chain(self.next).min()
    }

    /// Passes on what mappings and relays give.
    fn advance(&mut self, context: &mut GatherContext<'_>) {
        for mapping in &mut self.mappings {
            let (from, to) = (mapping.socket(), mapping.server());
            while let Some(bytes) = mapping.poll(context.now) {
                context.out.push_back(GatherOutput::Datagram { from, to, bytes });
            }
        }
        let answered = self.mappings.extract_if(.., |mapping| mapping.answer().is_some());
        for mapping in answered.collect::<Vec<_>>() {
            self.mapped(context, &mapping);
        }
        let mut ended = Vec::new();
        for index in 0..self.asked.len() {
            while let Some(output) = self.asked[index].relay.as_mut().and_then(Relay::poll_output) {
                if output == RelayOutput::Over {
                    ended.push((self.asked[index].number, self.asked[index].heard));
                } else {
                    self.relayed(context, index, output);
                }
            }
        }
        for (number, heard) in &ended {
            let why = if *heard { "the server refuses: are the credentials right?" } else { "no answer" };
            self.over(context, *number, why);
        }
        if !ended.is_empty() {
            self.advance(context); // For what is tried instead: there are only so many routes.
        }
    }

    /// A STUN server has answered, or has not.
    fn mapped(&mut self, context: &mut GatherContext<'_>, mapping: &Mapping) {
        let (socket, answer) = (mapping.socket(), mapping.answer().flatten());
        context.attempts.end(&format!("STUN at {}", mapping.server()), answer.ok_or_else(|| "no answer".to_owned()));
        // Without a NAT the mapped address is the socket's own. One of another family says nothing about this socket.
        let seen = answer.filter(|seen| *seen != socket && seen.is_ipv4() == socket.is_ipv4());
        if let Some(seen) = seen.filter(|seen| context.policy.tries(*seen, socket.ip().is_loopback())) {
            let related = if context.policy.may_advertise(socket.ip()) { socket } else { nowhere(socket) };
            self.keep(context.out, CandidateKind::ServerReflexive, seen, socket, Some(related), 0);
        }
    }

    fn relayed(&mut self, context: &mut GatherContext<'_>, index: usize, output: RelayOutput) {
        let TurnAttempt { route, number, .. } = &self.asked[index];
        match output {
            RelayOutput::Send(bytes) => context.out.push_back(match route.socket {
                Some(from) => GatherOutput::Datagram { from, to: route.to, bytes },
                None => GatherOutput::Write { connection: *number, bytes: padded(bytes) },
            }),
            RelayOutput::Received { local, from, bytes } => {
                context.out.push_back(GatherOutput::Received { local, from, bytes });
            }
            RelayOutput::Allocated(address) => {
                context.attempts.end(&route.name(), Ok(address));
                let less = route.by as u32;
                self.next = None;
                self.untried.clear();
                self.keep(context.out, CandidateKind::Relayed, address, address, Some(nowhere(address)), less);
            }
            RelayOutput::Over => {}
        }
    }

    /// A route to a relay has come to nothing, or the relay has ended.
    fn over(&mut self, context: &mut GatherContext<'_>, number: ConnectionId, why: &str) {
        let Some(index) = self.asked.iter().position(|asked| asked.number == number) else { return };
        let asked = self.asked.remove(index);
        if asked.route.socket.is_none() {
            context.out.push_back(GatherOutput::Close(number));
        }
        let relayed = asked.relay.as_ref().map(|relay| relay.allocated().to_vec()).unwrap_or_default();
        self.lose(context.out, |candidate| relayed.contains(&candidate.base));
        context.attempts.end(&asked.route.name(), Err(why.to_owned()));
        if !relayed.is_empty() && self.losses < MAX_LOSSES {
            self.losses += 1;
            self.try_routes(context, |_| true);
        } else if !self.untried.is_empty() {
            self.try_next(context);
        }
    }

    /// Keeps an address if it is new. `less` lowers its priority within its kind.
    fn keep(
        &mut self,
        out: &mut VecDeque<GatherOutput>,
        kind: CandidateKind,
        address: SocketAddr,
        base: SocketAddr,
        related: Option<SocketAddr>,
        less: u32,
    ) {
        if self.candidates.iter().any(|known| known.advertised.address == address) {
            return;
        }
        let of_kind = self.candidates.iter().filter(|known| known.advertised.kind == kind);
        if of_kind.clone().count() == MAX_OF_KIND {
            let oldest = of_kind.map(|known| known.advertised.address).next();
            self.lose(out, |known| Some(known.advertised.address) == oldest);
        }
        self.count = self.count.saturating_add(1);
        let advertised = Candidate {
            component: 1,
            foundation: self.count.to_string(),
            generation: 0,
            id: Some(format!("{kind}{}", self.count)),
            address,
            priority: priority(kind, less, self.count),
            kind,
            related,
        };
        let candidate = LocalCandidate { advertised, base };
        self.candidates.push(candidate.clone());
        out.push_back(GatherOutput::Found { socket_set: self.number, candidate });
    }

    fn lose(&mut self, out: &mut VecDeque<GatherOutput>, gone: impl Fn(&LocalCandidate) -> bool) {
        let socket_set = self.number;
        let lost = self.candidates.extract_if(.., |candidate| gone(candidate));
        out.extend(lost.map(|candidate| GatherOutput::Lost { socket_set, candidate }));
    }
}

fn ask(now: Instant, route: &TurnRoute, local: SocketAddr) -> Relay {
    Relay::ask(now, route.socket.is_some(), local, route.to, &route.username, route.password.expose())
}

/// ICE priority (RFC 8445 section 5.1.2.1): of one kind the first found is preferred.
fn priority(kind: CandidateKind, less: u32, count: u16) -> u32 {
    let preference = match kind {
        CandidateKind::Host => 126,
        CandidateKind::PeerReflexive => 110,
        CandidateKind::ServerReflexive => 100,
        CandidateKind::Relayed => 2,
    };
    ((preference - less) << 24) + (u32::from(u16::MAX - count) << 8) + 255
}

/// The routes to relays, best first: all by UDP, then TCP, then TLS.
fn routes(servers: &[Server], sockets: &[SocketAddr]) -> Vec<TurnRoute> {
    let mut routes = Vec::new();
    for Server { server, addresses } in servers {
        let ServerKind::Turn { username, password } = &server.kind else { continue };
        let route = |socket, to| TurnRoute {
            socket,
            to,
            by: server.by,
            host: server.host.clone(),
            username: username.clone(),
            password: password.clone(),
        };
        match server.by {
            ServerTransport::Udp => routes
                .extend(sockets.iter().filter_map(|socket| Some(route(Some(*socket), of_family(addresses, *socket)?)))),
            ServerTransport::Tcp | ServerTransport::Tls => routes.extend(addresses.iter().map(|to| route(None, *to))),
        }
    }
    routes.sort_by_key(|route| route.by);
    routes.truncate(MAX_ROUTES);
    routes
}

fn of_family(addresses: &[SocketAddr], socket: SocketAddr) -> Option<SocketAddr> {
    addresses.iter().copied().find(|address| address.is_ipv4() == socket.is_ipv4())
}

/// The unspecified address of a family.
fn nowhere(family: SocketAddr) -> SocketAddr {
    let ip: IpAddr = if family.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, DISCARD)
}
