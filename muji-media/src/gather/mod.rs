//! The addresses by which we can be reached (ICE candidates): those of our sockets, those by which STUN servers see them, and those that
//! TURN servers relay from. As values: no socket, no clock.
//!
//! ```text
//!  peers ◄─► Gatherer ─┬─► socket            a host address, or what a STUN server sees of it
//!                      ├─► Relay ─► socket   relayed; asked for by UDP
//!                      └─► Relay ─► stream   and, if UDP does not get through, by TCP and TLS
//! ```
//!
//! Each set of sockets gathers for itself; all sessions that use a set share what was found. No server is asked before a session opens,
//! and relayed addresses are given back when the last has closed.

mod attempt;
pub(crate) mod candidate;
pub(crate) mod connections;
mod framing;
mod mapping;
mod output;
mod policy;
mod relay;
mod socket_set;
mod stun_clock;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use muji_core::media::{IceServer, NetworkFailure};
use muji_xep::ice::Candidate;

pub use attempt::Attempt;
pub use candidate::LocalCandidate;
pub use output::{ConnectionId, GatherOutput};
pub use policy::{GatherPolicy, Relays};

use attempt::Attempts;
use socket_set::{GatherContext, Server, SocketSet};

/// Finds our addresses, and speaks with relays.
pub struct Gatherer {
    policy: GatherPolicy,
    servers: Vec<Server>,
    socket_sets: Vec<SocketSet>,
    /// There are sessions.
    wanted: bool,
    streams: u64,
    attempts: Attempts,
    out: VecDeque<GatherOutput>,
}

impl Gatherer {
    /// No server is known, and none is asked.
    #[must_use]
    pub fn new(policy: GatherPolicy) -> Self {
        Self {
            policy,
            servers: Vec::new(),
            socket_sets: Vec::new(),
            wanted: false,
            streams: 0,
            attempts: Attempts::default(),
            out: VecDeque::new(),
        }
    }

    /// One more set of sockets, one for each address. Gives their host candidates, as far as the policy lets others learn them.
    pub fn add_socket_set(&mut self, now: Instant, sockets: &[SocketAddr]) -> Vec<LocalCandidate> {
        let number = self.socket_sets.len();
        self.socket_sets.push(SocketSet::new(number));
        let before = self.out.len();
        self.with(now, number, |socket_set, context| {
            sockets.iter().for_each(|socket| socket_set.add_socket(context, *socket))
        });
        self.out.truncate(before); // The caller gets them as the result.
        let hosts = self.socket_sets[number].candidates.clone();
        self.begin(now, number);
        hosts
    }

    /// One more socket in a set: the machine has another address.
    pub fn add_socket(&mut self, now: Instant, number: usize, socket: SocketAddr) {
        self.with(now, number, |socket_set, context| socket_set.add_socket(context, socket));
        self.begin(now, number);
    }

    /// A socket is gone with its address, and so is what was found by it.
    pub fn remove_socket(&mut self, now: Instant, number: usize, socket: SocketAddr) {
        self.with(now, number, |socket_set, context| socket_set.remove_socket(context, socket));
    }

    /// The last set of sockets is not needed any more; what servers gave for it is given back. Its sockets are closed after that.
    pub fn remove_last_socket_set(&mut self, now: Instant) {
        let last = self.socket_sets.len().saturating_sub(1);
        self.with(now, last, SocketSet::end);
        self.socket_sets.pop();
    }

    /// The servers and their addresses. Relayed addresses of earlier servers stay.
    pub fn set_servers(&mut self, now: Instant, servers: Vec<(IceServer, Vec<SocketAddr>)>) {
        self.servers = servers.into_iter().map(|(server, addresses)| Server { server, addresses }).collect();
        (0..self.socket_sets.len()).for_each(|socket_set| self.begin(now, socket_set));
    }

    /// Whether there are sessions: only then servers are asked.
    pub fn set_wanted(&mut self, now: Instant, wanted: bool) {
        if std::mem::replace(&mut self.wanted, wanted) == wanted {
            return;
        }
        for socket_set in 0..self.socket_sets.len() {
            if wanted {
                self.begin(now, socket_set);
            } else {
                self.with(now, socket_set, SocketSet::end);
            }
        }
    }

    /// A path does not work: the NAT may show other addresses by now, and a relay may be reached in another way.
    pub fn renew(&mut self, now: Instant) {
        for socket_set in 0..self.socket_sets.len() {
            self.with(now, socket_set, SocketSet::renew);
        }
    }

    fn begin(&mut self, now: Instant, socket_set: usize) {
        if self.wanted {
            self.with(now, socket_set, SocketSet::begin);
        }
    }

    /// All addresses of a socket set found by now.
    #[must_use]
    pub fn candidates(&self, socket_set: usize) -> Vec<LocalCandidate> {
        self.socket_sets.get(socket_set).map(|socket_set| socket_set.candidates.clone()).unwrap_or_default()
    }

    /// Whether an address that a peer names is tried.
    #[must_use]
    pub fn tries(&self, candidate: &Candidate) -> bool {
        let local =
            self.socket_sets.iter().flat_map(|socket_set| &socket_set.sockets).any(|socket| socket.ip().is_loopback());
        self.policy.tries(candidate.address, local)
    }

    /// How servers were asked lately, and what came of it.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.attempts.0.iter().cloned().collect()
    }

    /// The attempts that came to nothing.
    #[must_use]
    pub fn failures(&self) -> Vec<NetworkFailure> {
        let failed = self.attempts.0.iter().filter_map(|attempt| match &attempt.outcome {
            Some(Err(error)) => Some(NetworkFailure::Server { server: attempt.what.clone(), error: error.clone() }),
            Some(Ok(_)) | None => None,
        });
        failed.collect()
    }

    /// True if packets from this address go through a relay: [`Self::send`] sends them.
    #[must_use]
    pub fn is_relayed(&self, from: SocketAddr) -> bool {
        self.socket_sets.iter().any(|socket_set| socket_set.is_relayed(from))
    }

    /// Sends a packet from a relayed address.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(socket_set) = self.socket_sets.iter().position(|socket_set| socket_set.is_relayed(from)) {
            self.with(now, socket_set, |socket_set, context| socket_set.send(context, from, to, bytes));
        }
    }

    /// A datagram from the network. True if it came from a server that was asked.
    pub fn handle_datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool {
        let of = self.socket_sets.iter().position(|socket_set| socket_set.sockets.contains(&local));
        of.and_then(|of| self.with(now, of, |socket_set, context| socket_set.datagram(context, local, from, bytes)))
            .unwrap_or(false)
    }

    /// A connection is open; `local` is our end of it.
    pub fn opened(&mut self, now: Instant, connection: ConnectionId, local: SocketAddr) {
        self.with_connection(now, connection, |socket_set, context| socket_set.opened(context, connection, local));
    }

    /// A connection received something.
    pub fn read(&mut self, now: Instant, connection: ConnectionId, bytes: &[u8]) {
        self.with_connection(now, connection, |socket_set, context| socket_set.read(context, connection, bytes));
    }

    /// A connection could not be opened, or is closed.
    pub fn closed(&mut self, now: Instant, connection: ConnectionId, why: &str) {
        self.with_connection(now, connection, |socket_set, context| socket_set.closed(context, connection, why));
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        for socket_set in 0..self.socket_sets.len() {
            self.with(now, socket_set, SocketSet::handle_timeout);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.socket_sets.iter().filter_map(SocketSet::poll_timeout).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<GatherOutput> {
        self.out.pop_front()
    }

    fn with_connection(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        act: impl FnOnce(&mut SocketSet, &mut GatherContext<'_>),
    ) {
        if let Some(socket_set) = self.socket_sets.iter().position(|socket_set| socket_set.has(connection)) {
            self.with(now, socket_set, act);
        }
    }

    /// `None` if there is no such set.
    fn with<T>(
        &mut self,
        now: Instant,
        socket_set: usize,
        act: impl FnOnce(&mut SocketSet, &mut GatherContext<'_>) -> T,
    ) -> Option<T> {
        let Self { policy, servers, socket_sets, wanted, streams, attempts, out } = self;
        let mut context = GatherContext { now, policy, servers, wanted: *wanted, streams, attempts, out };
        socket_sets.get_mut(socket_set).map(|socket_set| act(socket_set, &mut context))
    }
}

/// The host candidates of sockets, for those who ask no server.
#[must_use]
pub fn hosts(sockets: &[SocketAddr]) -> Vec<LocalCandidate> {
    let mut gatherer = Gatherer::new(GatherPolicy::default());
    gatherer.add_socket_set(Instant::now(), sockets) // No server is asked, so the time does not matter.
}
