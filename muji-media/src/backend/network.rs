//! The network of a media layer: sockets, connections to servers, what is gathered by both, and the transports to all peers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use muji_core::media::{IceServer, MediaCommand, NetworkFailure};
use muji_xep::ice::Candidate;

use crate::gather::connections::{ConnectionEvent, Connections, usable};
use crate::gather::{Attempt, GatherOutput, GatherPolicy, Gatherer};
use crate::peers::Peers;
use crate::socket::{Datagram, ReceiveBuffer, Sockets, interface_addresses, local_addresses};
use crate::transport::MakeTransport;

/// How often the machine's addresses are looked at while there are sessions: a network that changes is used within this time.
const FOLLOW: Duration = Duration::from_secs(2);

/// All that leaves this machine for media, and all that comes. After each input take [`Self::peers`]' outputs, then [`Self::flush`].
pub(super) struct Network {
    sockets: Sockets,
    /// The addresses of the sockets, by set.
    socket_sets: Vec<Vec<SocketAddr>>,
    connections: Connections,
    gatherer: Gatherer,
    /// The transports.
    pub(super) peers: Peers,
    /// The local addresses to use; empty: all of the machine.
    addresses: Vec<IpAddr>,
    /// STUN and TURN servers that the user named, and those that the XMPP server knows.
    own_servers: Vec<IceServer>,
    known_servers: Vec<IceServer>,
    /// When the machine's addresses are looked at next, if they are followed.
    follow_at: Option<Instant>,
}

/// What woke the network.
pub(super) enum NetworkEvent {
    /// Datagrams wait at the sockets.
    Readable,
    /// A connection to a server, or the resolver, has something.
    Connection(ConnectionEvent),
}

impl Network {
    /// Nothing is bound, and no server is asked.
    pub(super) fn new(make: MakeTransport, addresses: Vec<IpAddr>, policy: GatherPolicy) -> Self {
        Self {
            sockets: Sockets::default(),
            socket_sets: Vec::new(),
            connections: Connections::new(policy.trust.clone()),
            own_servers: policy.servers.clone(),
            gatherer: Gatherer::new(policy),
            peers: Peers::new(make),
            addresses,
            known_servers: Vec::new(),
            follow_at: None,
        }
    }

    // ---- sockets ---------------------------------------------------------------------------------------------------

    /// Binds the sockets that a command needs.
    pub(super) fn open_sockets(&mut self, now: Instant, command: &MediaCommand) -> io::Result<()> {
        while self.socket_sets.len() < self.peers.socket_sets_needed(command) {
            self.add_socket_set(now)?; // If it fails, the next session tries again.
        }
        Ok(())
    }

    /// Binds one more set of sockets: one for each address.
    pub(super) fn add_socket_set(&mut self, now: Instant) -> io::Result<()> {
        let addresses = if self.addresses.is_empty() { local_addresses() } else { self.addresses.clone() };
        let bound = self.sockets.bind(&addresses)?;
        let candidates = self.gatherer.add_socket_set(now, &bound);
        self.peers.add_socket_set(candidates);
        self.socket_sets.push(bound);
        if self.socket_sets.len() == 1 {
            // Even if the next set cannot be bound: this one has to be kept reachable.
            self.follow_at = self.addresses.is_empty().then_some(now + FOLLOW);
            self.resolve_servers();
        }
        Ok(())
    }

    /// Closes the sets of sockets that no transport needs any more, such as that for a content which the peer has bundled with others.
    pub(super) fn close_unused(&mut self, now: Instant) {
        let left = self.peers.release_socket_sets();
        while self.socket_sets.len() > left {
            self.gatherer.remove_last_socket_set(now);
            self.advance(now);
            self.socket_sets.pop().into_iter().flatten().for_each(|socket| self.sockets.close(socket));
        }
    }

    pub(super) fn has_sockets(&self) -> bool {
        !self.socket_sets.is_empty()
    }

    /// Looks whether the machine has other addresses.
    fn follow_addresses(&mut self, now: Instant) {
        let addresses = interface_addresses();
        for number in 0..self.socket_sets.len() {
            self.close_gone(now, number, &addresses);
            self.bind_new(now, number, &addresses);
        }
    }

    fn close_gone(&mut self, now: Instant, number: usize, addresses: &[IpAddr]) {
        // A machine without a network, which talks to itself, goes on doing so.
        let is_gone = |socket: &mut SocketAddr| !socket.ip().is_loopback() && !addresses.contains(&socket.ip());
        let gone: Vec<SocketAddr> = self.socket_sets[number].extract_if(.., is_gone).collect();
        for socket in gone {
            self.sockets.close(socket);
            self.gatherer.remove_socket(now, number, socket);
        }
    }

    fn bind_new(&mut self, now: Instant, number: usize, addresses: &[IpAddr]) {
        let is_new = |address: &&IpAddr| self.socket_sets[number].iter().all(|socket| socket.ip() != **address);
        let new: Vec<IpAddr> = addresses.iter().filter(is_new).copied().collect();
        for address in new {
            // What cannot be bound yet, such as an IPv6 address that is still being checked, is tried at the next look.
            for socket in self.sockets.bind(&[address]).unwrap_or_default() {
                self.socket_sets[number].push(socket);
                self.gatherer.add_socket(now, number, socket);
            }
        }
    }

    // ---- servers ---------------------------------------------------------------------------------------------------

    /// The XMPP server knows these servers. They are asked as soon as there is a session.
    pub(super) fn set_servers(&mut self, servers: &[IceServer]) {
        self.known_servers = servers.to_vec();
        if self.has_sockets() {
            self.resolve_servers();
        }
    }

    /// Looks up the addresses of the servers.
    fn resolve_servers(&mut self) {
        let servers = usable(&self.own_servers, &self.known_servers);
        if !servers.is_empty() {
            self.resolve(servers);
        }
    }

    /// Looks up the addresses of these servers, which are asked as soon as they are known.
    pub(super) fn resolve(&mut self, servers: Vec<IceServer>) {
        self.connections.resolve(servers);
    }

    /// Servers are asked for addresses while there are sessions.
    pub(super) fn set_wanted(&mut self, now: Instant, wanted: bool) {
        self.gatherer.set_wanted(now, wanted);
        self.advance(now);
    }

    /// A path does not work: a NAT may show other addresses by now, and a relay may be reached in another way.
    pub(super) fn renew(&mut self, now: Instant) {
        self.gatherer.renew(now);
        self.advance(now);
    }

    /// Whether an address that a peer names is tried.
    pub(super) fn tries(&self, candidate: &Candidate) -> bool {
        self.gatherer.tries(candidate)
    }

    /// How servers were asked, and what came of it.
    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.gatherer.attempts()
    }

    /// What was tried in vain.
    pub(super) fn failures(&self) -> Vec<NetworkFailure> {
        [self.sockets.refusals(), self.gatherer.failures()].concat()
    }

    // ---- inputs and outputs ----------------------------------------------------------------------------------------

    /// Takes what a connection or the resolver has.
    pub(super) fn handle_event(&mut self, now: Instant, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Resolved(servers) => {
                self.connections.resolved();
                self.gatherer.set_servers(now, servers);
            }
            ConnectionEvent::Opened(connection, local) => self.gatherer.opened(now, connection, local),
            ConnectionEvent::Received(connection, bytes) => self.gatherer.read(now, connection, &bytes),
            ConnectionEvent::Closed(connection, why) => {
                self.connections.close(connection);
                self.gatherer.closed(now, connection, &why);
            }
        }
        self.advance(now);
    }

    /// Takes some of the datagrams that wait at the sockets; false if there are no more for now.
    pub(super) fn receive(&mut self, now: Instant, buffer: &mut ReceiveBuffer) -> bool {
        self.sockets.receive(now, buffer)
    }

    /// A datagram of a server that was asked, or of a peer.
    pub(super) fn handle_datagram(&mut self, now: Instant, datagram: &Datagram<'_>) {
        let Datagram { local, from, arrived, bytes } = *datagram;
        if !self.gatherer.handle_datagram(now, local, from, bytes) {
            self.peers.handle_datagram(arrived, local, from, bytes);
        }
        self.advance(now);
    }

    /// Sends a datagram of a transport: from a socket, or through a relay.
    pub(super) fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.gatherer.is_relayed(from) {
            self.gatherer.send(now, from, to, bytes);
            self.advance(now);
        } else {
            self.sockets.send(from, to, bytes);
        }
    }

    /// Nothing more follows for now: datagrams that were kept to leave together leave.
    pub(super) fn flush(&mut self) {
        self.sockets.flush();
    }

    /// Does what gathering asks for.
    fn advance(&mut self, now: Instant) {
        while let Some(output) = self.gatherer.poll_output() {
            match output {
                GatherOutput::Datagram { from, to, bytes } => self.sockets.send(from, to, &bytes),
                GatherOutput::Connect { connection, to, tls_name } => self.connections.open(connection, to, tls_name),
                GatherOutput::Write { connection, bytes } => self.connections.write(connection, bytes),
                GatherOutput::Close(connection) => self.connections.close(connection),
                GatherOutput::Received { local, from, bytes } => self.peers.handle_datagram(now, local, from, &bytes),
                GatherOutput::Found { socket_set, candidate } => {
                    self.peers.add_local_candidate(now, socket_set, &candidate);
                }
                GatherOutput::Lost { socket_set, candidate } => {
                    self.peers.remove_local_candidate(now, socket_set, &candidate);
                }
            }
        }
    }

    // ---- time ------------------------------------------------------------------------------------------------------

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.follow_at.is_some_and(|at| at <= now) {
            self.follow_at = Some(now + FOLLOW);
            if !self.peers.is_empty() {
                self.follow_addresses(now);
            }
        }
        self.gatherer.handle_timeout(now);
        self.advance(now);
        self.peers.handle_timeout(now);
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let follow_at = self.follow_at.filter(|_| !self.peers.is_empty());
        [self.peers.poll_timeout(), self.gatherer.poll_timeout(), follow_at].into_iter().flatten().min()
    }

    /// Ready when something came.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<NetworkEvent> {
        if let Poll::Ready(Some(event)) = self.connections.poll_event(cx) {
            return Poll::Ready(NetworkEvent::Connection(event));
        }
        self.sockets.poll_readable(cx).map(|()| NetworkEvent::Readable)
    }

    /// True if all peers are connected and no task needs the event loop: what comes can wait for the next tick.
    pub(super) fn is_settled(&self) -> bool {
        self.peers.are_settled() && !self.connections.are_busy()
    }
}
