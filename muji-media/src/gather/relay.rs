//! A relayed address of a TURN server (RFC 8656): asking for it, keeping it, and speaking with peers through it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use turn_client_proto::api::{Transmit, TurnClientApi, TurnConfig};
use turn_client_proto::client::{TurnClient, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::stun::types::TransportType;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{AddressFamily, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use super::policy::is_private;
use super::stun_clock::StunClock;
use crate::rtp::is_stun;

/// Datagrams to one peer that wait until the server permits them: the checks of one round trip.
const MAX_WAITING: usize = 8;

/// Peers' addresses that we ask the server to permit: those of a full room, with a full list of candidates each.
const MAX_PERMISSIONS: usize = 512;

/// After so many requests, with these pauses, a server that does not answer is not there: 8.5 s in all.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(2);
const REPEATS: u32 = 4;
const LAST: Duration = Duration::from_secs(2);

/// Between two looks at an allocation that is not there yet: the library does not report by itself that it gave up.
const LOOK: Duration = Duration::from_millis(500);

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RelayOutput {
    /// Send this to the server.
    Send(Vec<u8>),
    /// The server relays from this address.
    Allocated(SocketAddr),
    /// A peer sent this to that address.
    Received { local: SocketAddr, from: SocketAddr, bytes: Vec<u8> },
    /// The allocation has ended, or was refused.
    Over,
}

/// One allocation: an address of each family, if the server has both.
// Never printed: the library's client holds the password.
pub(super) struct Relay {
    clock: StunClock,
    client: TurnClient,
    allocated: Vec<SocketAddr>,
    /// What waits for the server's permission, by peer.
    waiting: BTreeMap<IpAddr, Vec<(SocketAddr, Vec<u8>)>>,
    refused: BTreeSet<IpAddr>,
    /// Peers' addresses with a channel, or with one asked for.
    channels: BTreeSet<SocketAddr>,
    due: Option<Instant>,
    out: VecDeque<RelayOutput>,
    over: bool,
}

impl Relay {
    /// Asks a server for an allocation; `local` is where its answers arrive.
    pub(super) fn ask(
        now: Instant,
        datagrams: bool,
        local: SocketAddr,
        server: SocketAddr,
        username: &str,
        password: &str,
    ) -> Self {
        let mut config = TurnConfig::new(TurnCredentials::new(username, password));
        config.add_address_family(AddressFamily::IPV6);
        config.set_request_retransmits(FIRST, LONGEST, REPEATS, LAST);
        let client = match datagrams {
            true => TurnClient::Udp(TurnClientUdp::allocate(local, server, config)),
            false => TurnClient::Tcp(TurnClientTcp::allocate(local, server, config)),
        };
        let mut this = Self {
            clock: StunClock::new(now),
            client,
            allocated: Vec::new(),
            waiting: BTreeMap::new(),
            refused: BTreeSet::new(),
            channels: BTreeSet::new(),
            due: None,
            out: VecDeque::new(),
            over: false,
        };
        this.advance(now);
        this
    }

    /// The relayed addresses.
    pub(super) fn allocated(&self) -> &[SocketAddr] {
        &self.allocated
    }

    /// Sends something from the relayed address to a peer.
    pub(super) fn send(&mut self, now: Instant, to: SocketAddr, bytes: &[u8]) {
        // A server in the internet cannot reach private networks. It would be asked for each of their addresses in vain, and coturn has been
        // seen to end the allocation if its machine has no route there.
        if is_private(to.ip()) && !self.allocated.iter().any(|ours| is_private(ours.ip())) {
            return;
        }
        if self.client.have_permission(TransportType::Udp, to.ip()) {
            // Channel data saves 32 bytes a packet. Checks of paths that come to nothing are not worth a channel.
            if !is_stun(bytes) && self.channels.len() < MAX_PERMISSIONS && self.channels.insert(to) {
                // Without a channel, a Send indication does.
                let _unbound = self.client.bind_channel(TransportType::Udp, to, self.clock.at(now)).is_err();
            }
            self.pass(now, to, bytes);
        } else if let Some(waiting) = self.waiting.get_mut(&to.ip()) {
            if waiting.len() < MAX_WAITING {
                waiting.push((to, bytes.to_vec()));
            }
        } else if !self.refused.contains(&to.ip()) && self.waiting.len() + self.refused.len() < MAX_PERMISSIONS {
            let asked = self.client.create_permission(TransportType::Udp, to.ip(), self.clock.at(now));
            match asked {
                Ok(()) => drop(self.waiting.insert(to.ip(), vec![(to, bytes.to_vec())])),
                Err(_) => drop(self.refused.insert(to.ip())), // It is of a family that we have no relayed address of.
            }
        }
        self.advance(now);
    }

    fn pass(&mut self, now: Instant, to: SocketAddr, bytes: &[u8]) {
        // The permission may have expired in between: lost as on any network.
        if let Ok(Some(transmit)) = self.client.send_to(TransportType::Udp, to, bytes, self.clock.at(now)) {
            self.out.push_back(RelayOutput::Send(transmit.build().data));
        }
    }

    /// The server sent something.
    pub(super) fn received(&mut self, now: Instant, bytes: &[u8]) {
        let (from, to) = (self.client.remote_addr(), self.client.local_addr());
        let transmit = Transmit::new(bytes, self.client.transport(), from, to);
        if let TurnRecvRet::PeerData(data) = self.client.recv(transmit, self.clock.at(now)) {
            self.peer_sent(data.peer, data.as_ref().to_vec());
        }
        while let Some(data) = self.client.poll_recv(self.clock.at(now)) {
            self.peer_sent(data.peer, data.as_ref().to_vec());
        }
        self.advance(now);
    }

    fn peer_sent(&mut self, from: SocketAddr, bytes: Vec<u8>) {
        if let Some(local) = self.allocated.iter().find(|ours| ours.is_ipv4() == from.is_ipv4()) {
            self.out.push_back(RelayOutput::Received { local: *local, from, bytes });
        }
    }

    /// Gives the address back. The server's answer does not matter.
    pub(super) fn give_back(&mut self, now: Instant) {
        let _none = self.client.delete(self.clock.at(now)).is_err();
        self.advance(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.advance(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.due.filter(|_| !self.over)
    }

    pub(super) fn poll_output(&mut self) -> Option<RelayOutput> {
        self.out.pop_front()
    }

    fn advance(&mut self, now: Instant) {
        let at = self.clock.at(now);
        for _ in 0..MAX_PERMISSIONS {
            let polled = self.client.poll(at);
            let mut moved = false;
            while let Some(transmit) = self.client.poll_transmit(at) {
                self.out.push_back(RelayOutput::Send(transmit.data.to_vec()));
                moved = true;
            }
            while let Some(event) = self.client.poll_event() {
                self.event(now, event);
                moved = true;
            }
            match polled {
                TurnPollRet::Closed => return self.end(),
                TurnPollRet::WaitUntil(due) if moved || due > at => self.due = Some(self.clock.instant(due).max(now)),
                // Due, and yet nothing happens: look again a little later.
                TurnPollRet::WaitUntil(_) => self.due = Some(now + StunClock::STEP),
                TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } => {} // Nobody asks for TCP allocations.
            }
            if !moved {
                // The library reports that it gave up only when it is polled.
                if self.allocated.is_empty() {
                    self.due = self.due.map(|due| due.min(now + LOOK));
                }
                return;
            }
        }
    }

    fn event(&mut self, now: Instant, event: TurnEvent) {
        match event {
            TurnEvent::AllocationCreated(_, address) => {
                self.allocated.push(address);
                self.out.push_back(RelayOutput::Allocated(address));
            }
            TurnEvent::PermissionCreated(_, ip) => {
                for (to, bytes) in self.waiting.remove(&ip).unwrap_or_default() {
                    self.pass(now, to, &bytes);
                }
            }
            TurnEvent::PermissionCreateFailed(_, ip) => {
                self.waiting.remove(&ip);
                self.refused.insert(ip);
            }
            TurnEvent::ChannelCreateFailed(_, to) => drop(self.channels.remove(&to)),
            // Many servers have one family only.
            TurnEvent::AllocationCreateFailed(_)
            | TurnEvent::ChannelCreated(..)
            | TurnEvent::TcpConnected(_)
            | TurnEvent::TcpConnectFailed(_) => {}
        }
    }

    fn end(&mut self) {
        if !self.over {
            self.over = true;
            self.out.push_back(RelayOutput::Over);
        }
    }
}
