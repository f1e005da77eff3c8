//! All that leaves this machine for media and all that comes: sockets by lane, streams to servers, and what is gathered by both.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Instant;

use muji_core::media::{IceServer, NetworkFailure};

use crate::gather::streams::{News, Streams};
use crate::gather::{GatherPolicy, Gathered, Gatherer, LocalCandidate};
use crate::socket::{Datagram, Sockets};

/// What concerns those who talk with peers.
pub(crate) enum ForPeers {
    /// From a peer, by an address that is relayed.
    Received { local: SocketAddr, from: SocketAddr, bytes: Vec<u8> },
    /// One more address of a lane.
    Found { lane: usize, candidate: LocalCandidate },
    /// An address is not the lane's any more.
    Lost { lane: usize, candidate: LocalCandidate },
}

/// The sockets of all lanes, the streams, and what speaks with servers by them.
pub(crate) struct Network {
    sockets: Sockets,
    /// Their addresses, by lane.
    lanes: Vec<Vec<SocketAddr>>,
    streams: Streams,
    pub(crate) gatherer: Gatherer,
}

impl Network {
    /// Nothing is bound, and nobody asked.
    pub(crate) fn new(reach: GatherPolicy) -> Self {
        let streams = Streams::new(reach.trust.clone());
        Self { sockets: Sockets::default(), lanes: Vec::new(), streams, gatherer: Gatherer::new(reach) }
    }

    /// A lane of sockets more, one for each of these addresses: as far as others may learn them.
    pub(crate) async fn add_lane(&mut self, now: Instant, addresses: &[IpAddr]) -> io::Result<Vec<LocalCandidate>> {
        let bound = self.sockets.bind(addresses).await?;
        let told = self.gatherer.add_lane(now, &bound);
        self.lanes.push(bound);
        Ok(told)
    }

    /// The machine has these addresses by now. One that talks to itself goes on doing so.
    pub(crate) async fn follow(&mut self, now: Instant, addresses: &[IpAddr]) {
        for number in 0..self.lanes.len() {
            let lane = self.lanes[number].clone();
            let gone = lane.iter().filter(|socket| !socket.ip().is_loopback() && !addresses.contains(&socket.ip()));
            for socket in gone {
                self.lanes[number].retain(|ours| ours != socket);
                self.sockets.close(*socket);
                self.gatherer.remove_socket(now, number, *socket);
            }
            let new = addresses.iter().filter(|address| lane.iter().all(|socket| socket.ip() != **address));
            for address in new.copied() {
                // What cannot be bound yet, such as an address of IPv6 that is still being checked, is tried at the next look.
                for socket in self.sockets.bind(&[address]).await.unwrap_or_default() {
                    self.lanes[number].push(socket);
                    self.gatherer.add_socket(now, number, socket);
                }
            }
        }
    }

    /// Looks up the addresses of servers, which are asked as soon as they are known.
    pub(crate) fn resolve(&mut self, servers: Vec<IceServer>) {
        self.streams.resolve(servers);
    }

    /// Ready with what a server's stream or the resolver has to say, or with nothing if datagrams are there.
    pub(crate) fn poll_woken(&mut self, cx: &mut Context<'_>) -> Poll<Option<News>> {
        match self.streams.news.poll_recv(cx) {
            Poll::Ready(Some(news)) => Poll::Ready(Some(news)),
            Poll::Ready(None) | Poll::Pending => self.sockets.poll_readable(cx).map(|()| None),
        }
    }

    /// Takes news.
    pub(crate) fn hear(&mut self, now: Instant, news: News) {
        match news {
            News::Servers(servers) => {
                self.streams.resolved();
                self.gatherer.set_servers(now, servers);
            }
            News::Opened(stream, local) => self.gatherer.opened(now, stream, local),
            News::Read(stream, bytes) => self.gatherer.read(now, stream, &bytes),
            News::Closed(stream, why) => {
                self.streams.close(stream);
                self.gatherer.closed(now, stream, &why);
            }
        }
    }

    /// The datagrams that came; those of servers are for [`Self::takes`].
    pub(crate) fn receive(&mut self, now: Instant) -> Vec<Datagram> {
        self.sockets.receive(now)
    }

    /// True if a datagram came from a server that was asked.
    pub(crate) fn takes(&mut self, now: Instant, datagram: &Datagram) -> bool {
        self.gatherer.datagram(now, datagram.local, datagram.from, &datagram.bytes)
    }

    /// Sends to a peer, by a socket or by a relay.
    pub(crate) fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if self.gatherer.is_relayed(from) {
            self.gatherer.send(now, from, to, bytes);
        } else {
            self.sockets.send(from, to, bytes);
        }
    }

    /// Passes on what goes to servers; the next thing that concerns peers.
    pub(crate) fn poll_output(&mut self) -> Option<ForPeers> {
        loop {
            match self.gatherer.poll_output()? {
                Gathered::Datagram { from, to, bytes } => self.sockets.send(from, to, &bytes),
                Gathered::Connect { stream, to, secure } => self.streams.connect(stream, to, secure),
                Gathered::Write { stream, bytes } => self.streams.write(stream, bytes),
                Gathered::Close(stream) => self.streams.close(stream),
                Gathered::Received { local, from, bytes } => return Some(ForPeers::Received { local, from, bytes }),
                Gathered::Found { lane, candidate } => return Some(ForPeers::Found { lane, candidate }),
                Gathered::Lost { lane, candidate } => return Some(ForPeers::Lost { lane, candidate }),
            }
        }
    }

    /// What was tried in vain, as sentences.
    pub(crate) fn failures(&self) -> Vec<NetworkFailure> {
        [self.sockets.refusals(), self.gatherer.failures()].concat()
    }

    /// Nothing more follows for now.
    pub(crate) fn flush(&mut self) {
        self.sockets.flush();
    }

    /// True if tasks need the runtime.
    pub(crate) fn is_busy(&self) -> bool {
        self.streams.are_busy()
    }
}
