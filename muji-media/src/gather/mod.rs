//! By which addresses we can be reached: those of our sockets, those by which a STUN server sees them, and those that TURN
//! servers lend us. As values: no socket, no clock.
//!
//! ```text
//!  peers ◄─► Gatherer ─┬─► socket            a host address, or what a STUN server sees of it
//!                      ├─► Relay ─► socket   relayed; asked for by UDP
//!                      └─► Relay ─► stream   and, where that comes to nothing, by TCP and TLS
//! ```
//!
//! Each lane of sockets gathers for itself; all sessions that use a lane share what was found. Nothing is asked before a session opens,
//! and what was relayed is given back when the last has closed.

mod attempt;
pub(crate) mod candidate;
mod frames;
mod lane;
mod mapping;
mod output;
mod policy;
mod relay;
pub(crate) mod streams;
mod time;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use muji_core::media::{IceServer, NetworkFailure};
use muji_xep::ice::Candidate;

pub use attempt::Attempt;
pub use candidate::LocalCandidate;
pub use output::{Gathered, StreamNumber};
pub use policy::{GatherPolicy, Relays};

use attempt::Attempts;
use lane::{GatherContext, Lane, Server};

/// Finds our addresses and speaks with relays.
pub struct Gatherer {
    reach: GatherPolicy,
    servers: Vec<Server>,
    lanes: Vec<Lane>,
    /// There are sessions.
    wanted: bool,
    streams: u64,
    attempts: Attempts,
    out: VecDeque<Gathered>,
}

impl Gatherer {
    /// Nothing is found yet, and nothing is asked.
    #[must_use]
    pub fn new(reach: GatherPolicy) -> Self {
        Self {
            reach,
            servers: Vec::new(),
            lanes: Vec::new(),
            wanted: false,
            streams: 0,
            attempts: Attempts::default(),
            out: VecDeque::new(),
        }
    }

    /// Further sockets, of each address one: their own addresses, as far as others may learn them.
    pub fn add_lane(&mut self, now: Instant, sockets: &[SocketAddr]) -> Vec<LocalCandidate> {
        let number = self.lanes.len();
        self.lanes.push(Lane::new(number));
        let told = self.out.len();
        self.with(now, number, |lane, around| sockets.iter().for_each(|socket| lane.add_socket(around, *socket)));
        self.out.truncate(told); // Whoever adds them knows of them.
        let hosts = self.lanes[number].candidates.clone();
        self.begin(now, number);
        hosts
    }

    /// A socket more in a lane: the machine has another address.
    pub fn add_socket(&mut self, now: Instant, number: usize, socket: SocketAddr) {
        self.with(now, number, |lane, around| lane.add_socket(around, socket));
        self.begin(now, number);
    }

    /// A socket is gone with its address, and what was found by it.
    pub fn remove_socket(&mut self, now: Instant, number: usize, socket: SocketAddr) {
        self.with(now, number, |lane, around| lane.remove_socket(around, socket));
    }

    /// What the servers' addresses are. They serve from now on; relays that relayed an address before go on.
    pub fn set_servers(&mut self, now: Instant, servers: Vec<(IceServer, Vec<SocketAddr>)>) {
        self.servers = servers.into_iter().map(|(server, addresses)| Server { server, addresses }).collect();
        (0..self.lanes.len()).for_each(|lane| self.begin(now, lane));
    }

    /// There are sessions, or none any more.
    pub fn set_wanted(&mut self, now: Instant, wanted: bool) {
        if std::mem::replace(&mut self.wanted, wanted) == wanted {
            return;
        }
        for lane in 0..self.lanes.len() {
            if wanted {
                self.begin(now, lane);
            } else {
                self.with(now, lane, Lane::end);
            }
        }
    }

    /// A path does not work: how we are seen may be otherwise by now, and a relay may be reached another way.
    pub fn renew(&mut self, now: Instant) {
        (0..self.lanes.len()).for_each(|lane| self.with(now, lane, Lane::renew));
    }

    fn begin(&mut self, now: Instant, lane: usize) {
        if self.wanted {
            self.with(now, lane, Lane::begin);
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
        self.attempts.0.iter().cloned().collect()
    }

    /// What was tried in vain.
    #[must_use]
    pub fn failures(&self) -> Vec<NetworkFailure> {
        let failed = self.attempts.0.iter().filter_map(|attempt| match &attempt.outcome {
            Some(Err(error)) => Some(NetworkFailure::Server { server: attempt.what.clone(), error: error.clone() }),
            Some(Ok(_)) | None => None,
        });
        failed.collect()
    }

    /// True if packets from this address of ours go through a relay: [`Self::send`] sends them.
    #[must_use]
    pub fn is_relayed(&self, from: SocketAddr) -> bool {
        self.lanes.iter().any(|lane| lane.is_relayed(from))
    }

    /// Sends something from an address that is relayed.
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if let Some(lane) = self.lanes.iter().position(|lane| lane.is_relayed(from)) {
            self.with(now, lane, |lane, around| lane.send(around, from, to, bytes));
        }
    }

    /// A datagram from the network. True if it came from a server we asked.
    pub fn datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) -> bool {
        let mut ours = false;
        if let Some(lane) = self.lanes.iter().position(|lane| lane.sockets.contains(&local)) {
            self.with(now, lane, |lane, around| ours = lane.datagram(around, local, from, bytes));
        }
        ours
    }

    /// A stream that was asked for is open; `local` is our end of it.
    pub fn opened(&mut self, now: Instant, stream: StreamNumber, local: SocketAddr) {
        self.with_stream(now, stream, |lane, around| lane.opened(around, stream, local));
    }

    /// Something came by a stream.
    pub fn read(&mut self, now: Instant, stream: StreamNumber, bytes: &[u8]) {
        self.with_stream(now, stream, |lane, around| lane.read(around, stream, bytes));
    }

    /// A stream could not be opened, or is closed.
    pub fn closed(&mut self, now: Instant, stream: StreamNumber, why: &str) {
        self.with_stream(now, stream, |lane, around| lane.closed(around, stream, why));
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        (0..self.lanes.len()).for_each(|lane| self.with(now, lane, Lane::handle_timeout));
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.lanes.iter().filter_map(Lane::poll_timeout).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Gathered> {
        self.out.pop_front()
    }

    fn with_stream(&mut self, now: Instant, stream: StreamNumber, act: impl FnOnce(&mut Lane, &mut GatherContext<'_>)) {
        if let Some(lane) = self.lanes.iter().position(|lane| lane.has(stream)) {
            self.with(now, lane, act);
        }
    }

    fn with(&mut self, now: Instant, lane: usize, act: impl FnOnce(&mut Lane, &mut GatherContext<'_>)) {
        let Self { reach, servers, lanes, wanted, streams, attempts, out } = self;
        let mut around = GatherContext { now, reach, servers, wanted: *wanted, streams, attempts, out };
        if let Some(lane) = lanes.get_mut(lane) {
            act(lane, &mut around);
        }
    }
}

/// The addresses of sockets themselves, for those who ask no server.
#[must_use]
pub fn hosts(sockets: &[SocketAddr]) -> Vec<LocalCandidate> {
    let mut gatherer = Gatherer::new(GatherPolicy::default());
    gatherer.add_lane(Instant::now(), sockets) // Nothing is asked, so the time means nothing.
}
