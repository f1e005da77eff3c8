//! The UDP sockets that serve all peers, one a local address.
//!
//! What came is fetched many datagrams at once, each with the time at which the kernel took it, so that nobody need be
//! woken for each.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Room for what one call of the kernel gives at once: it joins datagrams of one sender up to this (UDP GRO).
const ROOM: usize = 65_536;

/// Calls of the kernel in one go before timers and commands have their turn.
const BURST: usize = 8;

/// A datagram that waited longer in the kernel was stamped by another clock: one that was set meanwhile.
const PLAUSIBLE: Duration = Duration::from_secs(1);

/// A datagram that came.
pub(crate) struct Datagram {
    pub(crate) local: SocketAddr,
    pub(crate) from: SocketAddr,
    pub(crate) arrived: Instant,
    pub(crate) bytes: Vec<u8>,
}

/// All our sockets: one a local address, and more where a peer has more transports than one.
pub(crate) struct Sockets {
    sockets: Vec<Socket>,
    room: Vec<u8>,
}

struct Socket {
    address: SocketAddr,
    state: UdpSocketState,
    io: UdpSocket,
}

impl Sockets {
    pub(crate) fn new() -> Self {
        Self { sockets: Vec::new(), room: vec![0; ROOM * BATCH_SIZE] }
    }

    /// Binds a free port of each address; those bound now are returned.
    ///
    /// # Errors
    /// If not one can be bound.
    pub(crate) async fn bind(&mut self, addresses: &[IpAddr]) -> io::Result<Vec<SocketAddr>> {
        let mut bound = Vec::new();
        let mut last = io::Error::other("the machine has no address");
        for address in addresses {
            match Self::open(*address).await {
                Ok(socket) => {
                    bound.push(socket.address);
                    self.sockets.push(socket);
                }
                Err(error) => last = error,
            }
        }
        if bound.is_empty() { Err(last) } else { Ok(bound) }
    }

    async fn open(address: IpAddr) -> io::Result<Socket> {
        let socket = UdpSocket::bind((address, 0)).await?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        Ok(Socket { address: socket.local_addr()?, state, io: socket })
    }

    /// Sends if the kernel takes it; what it does not take is lost as on any network.
    pub(crate) fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(Socket { state, io, .. }) = self.sockets.iter().find(|socket| socket.address == from) else { return };
        let transmit = Transmit { destination: to, ecn: None, contents: bytes, segment_size: None, src_ip: None };
        // Not by tokio: to it a socket is not writable before it was polled, and 250 ms would be lost.
        let _lost = state.try_send(UdpSockRef::from(io), &transmit).is_err();
    }

    /// Ready when a socket has something.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let readable = self.sockets.iter().filter(|socket| socket.io.poll_recv_ready(cx).is_ready());
        if readable.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// What came on all sockets, of each in its order.
    pub(crate) fn receive(&mut self, now: Instant) -> Vec<Datagram> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut datagrams = Vec::new();
        for socket in &self.sockets {
            for _ in 0..BURST {
                let mut metas = [RecvMeta::default(); BATCH_SIZE];
                // An error is the echo of a datagram that nobody took (ICMP), or means that nothing is there.
                let Ok(count) = socket.receive(&mut self.room, &mut metas) else { break };
                for (meta, bytes) in metas[..count].iter().zip(self.room.chunks_exact(ROOM)) {
                    let waited = meta.timestamp.and_then(|stamp| since_epoch.checked_sub(stamp));
                    let waited = waited.filter(|waited| *waited < PLAUSIBLE).unwrap_or_default();
                    let arrived = now.checked_sub(waited).unwrap_or(now);
                    let stride = meta.stride.max(1);
                    datagrams.extend(bytes[..meta.len].chunks(stride).map(|bytes| Datagram {
                        local: socket.address,
                        from: meta.addr,
                        arrived,
                        bytes: bytes.to_vec(),
                    }));
                }
            }
        }
        datagrams
    }
}

impl Socket {
    fn receive(&self, room: &mut [u8], metas: &mut [RecvMeta; BATCH_SIZE]) -> io::Result<usize> {
        let mut chunks = room.chunks_exact_mut(ROOM);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let mut receive = || self.state.recv(UdpSockRef::from(&self.io), &mut slices, metas);
        // That nothing is there must reach tokio, which would call us again and again otherwise; but what it has not
        // noticed yet may be there all the same.
        let received = self.io.try_io(Interest::READABLE, &mut receive);
        if received.is_err() { receive() } else { received }
    }
}

/// The addresses others may reach us by: those of all interfaces that are up, but for the loopback and addresses that
/// mean nothing beyond one link. A machine without any talks to itself.
#[must_use]
pub fn local_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = interfaces.into_iter().filter(|interface| !interface.is_loopback() && !interface.is_link_local());
    let mut addresses: Vec<IpAddr> = usable.map(|interface| interface.ip()).collect();
    addresses.sort_by_key(IpAddr::is_ipv6); // IPv4 first: it works in more places.
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() { vec![IpAddr::from([127, 0, 0, 1])] } else { addresses }
}

/// More addresses are more candidates for every peer to try.
const MAX_ADDRESSES: usize = 8;
