//! The UDP sockets that serve all peers: one for each local address.
//!
//! Many datagrams are fetched at once, each with the kernel's time of arrival, so that the thread need not wake for each. Datagrams to one
//! address in a row, the packets of a video frame, leave in one system call (UDP GSO).

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use muji_core::media::NetworkFailure;
use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Room for one read: the kernel joins datagrams of one sender up to this (UDP GRO).
const ROOM: usize = 65_536;

/// Reads in one system call: the packets that come to a call of nine within 20 ms. Room for each costs memory, and time with every call.
const BATCH: usize = 8;

/// System calls in a row before timers and commands have their turn.
const BURST: usize = 32;

/// If a datagram seems to have waited longer in the kernel, the wall clock was set meanwhile, and the stamp means nothing.
const PLAUSIBLE: Duration = Duration::from_secs(1);

/// Bytes that leave in one call at most: those of the largest UDP datagram.
const MAX_BATCH: usize = 65_000;

/// A datagram that came.
pub struct Datagram<'a> {
    /// Our address.
    pub local: SocketAddr,
    /// The sender's.
    pub from: SocketAddr,
    /// When the kernel received it.
    pub arrived: Instant,
    /// What it holds.
    pub bytes: &'a [u8],
}

/// Datagrams where the kernel has written them, those of one system call after the other. Separate from [`Sockets`], which send answers while
/// these are read. A round of all sockets has one `now`, that of its beginning.
#[derive(Default)]
pub struct ReceiveBuffer {
    room: Vec<u8>,
    /// Each read: our address, when it came, and what the kernel says of it.
    reads: Vec<(SocketAddr, Instant, RecvMeta)>,
    /// The number of the socket that is read, how often it was, and whether there may be datagrams that tokio has not noticed yet.
    socket: usize,
    calls: usize,
    probable: bool,
    /// The time of the wall clock when the round of all sockets began.
    wall: Duration,
}

impl ReceiveBuffer {
    /// What came by the last call of [`Sockets::receive`], in order of arrival.
    pub fn datagrams(&self) -> impl Iterator<Item = Datagram<'_>> {
        let reads = self.reads.iter().zip(self.room.chunks_exact(ROOM));
        reads.flat_map(|((local, arrived, meta), bytes)| {
            let datagrams = bytes[..meta.len].chunks(meta.stride.max(1));
            datagrams.map(|bytes| Datagram { local: *local, from: meta.addr, arrived: *arrived, bytes })
        })
    }
}

/// Datagrams that leave together: all of one size, the last may be shorter.
#[derive(Default)]
struct Batch {
    /// The number of the socket, and the destination.
    route: Option<(usize, SocketAddr)>,
    size: usize,
    bytes: Vec<u8>,
}

impl Batch {
    /// Whether one more can leave with them; `most` is how many the kernel takes.
    fn takes(&self, route: (usize, SocketAddr), bytes: &[u8], most: usize) -> bool {
        self.route == Some(route)
            && bytes.len() <= self.size
            && self.bytes.len().is_multiple_of(self.size) // The last so far is not a shorter one.
            && self.bytes.len() / self.size < most
            && self.bytes.len() + bytes.len() <= MAX_BATCH
    }
}

/// All sockets: one for each local address, and more sets where a peer has several transports.
#[derive(Default)]
pub struct Sockets {
    sockets: Vec<Socket>,
    leaving: Batch,
}

struct Socket {
    address: SocketAddr,
    state: UdpSocketState,
    io: UdpSocket,
    /// Why the kernel did not send the last datagram.
    refused: Option<io::Error>,
}

impl Sockets {
    /// An address is gone, and its socket with it.
    pub fn close(&mut self, address: SocketAddr) {
        self.flush();
        self.sockets.retain(|socket| socket.address != address);
    }

    /// Binds a free port of each address, and gives those that are bound. It must be called within an event loop of tokio.
    ///
    /// # Errors
    /// If not one can be bound.
    pub fn bind(&mut self, addresses: &[IpAddr]) -> io::Result<Vec<SocketAddr>> {
        let mut bound = Vec::new();
        let mut last = io::Error::other("the machine has no address");
        for address in addresses {
            match Self::open(*address) {
                Ok(socket) => {
                    bound.push(socket.address);
                    self.sockets.push(socket);
                }
                Err(error) => last = error,
            }
        }
        if bound.is_empty() { Err(last) } else { Ok(bound) }
    }

    fn open(address: IpAddr) -> io::Result<Socket> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        Ok(Socket { address: socket.local_addr()?, state, io: socket, refused: None })
    }

    /// Sends a datagram, together with those that follow to the same address; [`Self::flush`] ends that.
    pub fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Some(by) = self.sockets.iter().position(|socket| socket.address == from) else { return };
        if !self.leaving.takes((by, to), bytes, self.sockets[by].state.max_gso_segments()) {
            self.flush();
            self.leaving.route = Some((by, to));
            self.leaving.size = bytes.len().max(1);
        }
        self.leaving.bytes.extend(bytes);
    }

    /// Sends what was kept to leave together. What the kernel refuses is lost as on any network, and [`Self::refusals`] says why.
    pub fn flush(&mut self) {
        let Batch { route, size, bytes } = &mut self.leaving;
        let Some((by, destination)) = route.take() else { return };
        let Socket { state, io, refused, .. } = &mut self.sockets[by];
        let segment_size = Some(*size).filter(|size| *size < bytes.len());
        let transmit = Transmit { destination, ecn: None, contents: bytes, segment_size, src_ip: None };
        // Not by tokio: it takes a socket for unwritable before its first poll, and the first check would wait 250 ms.
        *refused = state.try_send(UdpSockRef::from(&*io), &transmit).err();
        bytes.clear();
    }

    /// From which addresses nothing can be sent now, and why: no route to that network, or a firewall of this machine.
    #[must_use]
    pub fn refusals(&self) -> Vec<NetworkFailure> {
        let why = |socket: &Socket| {
            let error = socket.refused.as_ref()?.to_string();
            Some(NetworkFailure::Sending { from: socket.address.ip(), error })
        };
        self.sockets.iter().filter_map(why).collect()
    }

    /// Ready when a socket has something.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let readable = self.sockets.iter().filter(|socket| socket.io.poll_recv_ready(cx).is_ready());
        if readable.count() > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Takes some of the datagrams that wait at the sockets, in order of arrival for each. False if none is left, or timers and commands
    /// must have their turn.
    pub fn receive(&mut self, now: Instant, buffer: &mut ReceiveBuffer) -> bool {
        let ReceiveBuffer { room, reads, socket: number, calls, probable, wall } = buffer;
        room.resize(ROOM * BATCH, 0);
        reads.clear();
        if (*number, *calls) == (0, 0) {
            *wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        }
        while let Some(socket) = self.sockets.get(*number) {
            let mut metas = [RecvMeta::default(); BATCH];
            // An error is the ICMP reply to a datagram that nobody took, or means that nothing is there.
            let received = (*calls < BURST).then(|| socket.receive(room, &mut metas, *calls == 0 || *probable));
            if let Some(Ok(count)) = received {
                *calls += 1;
                *probable = count == BATCH;
                reads.extend(
                    metas[..count].iter().map(|meta| (socket.address, arrived(now, *wall, meta.timestamp), *meta)),
                );
                return true;
            }
            *number += 1;
            *calls = 0;
        }
        *number = 0;
        false
    }
}

/// When a datagram arrived, by the kernel's stamp: a time since 1970 by a clock that may have been set meanwhile.
fn arrived(now: Instant, wall: Duration, stamp: Option<Duration>) -> Instant {
    let waited = stamp.and_then(|stamp| wall.checked_sub(stamp)).filter(|waited| *waited < PLAUSIBLE);
    waited.and_then(|waited| now.checked_sub(waited)).unwrap_or(now)
}

impl Socket {
    /// `probable`: there may be datagrams that tokio has not noticed yet.
    fn receive(&self, room: &mut [u8], metas: &mut [RecvMeta; BATCH], probable: bool) -> io::Result<usize> {
        let mut chunks = room.chunks_exact_mut(ROOM);
        let mut slices: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let mut receive = || self.state.recv(UdpSockRef::from(&self.io), &mut slices, metas);
        // tokio must learn that nothing is there, or it would wake us again and again; but datagrams that it has not noticed yet may
        // be there all the same.
        let received = self.io.try_io(Interest::READABLE, &mut receive);
        if received.is_err() && probable { receive() } else { received }
    }
}

/// The addresses that others may reach us by: those of all interfaces that are up, except loopback and link-local ones. A machine without
/// any uses its loopback.
#[must_use]
pub fn local_addresses() -> Vec<IpAddr> {
    let addresses = interface_addresses();
    if addresses.is_empty() { vec![IpAddr::from([127, 0, 0, 1])] } else { addresses }
}

/// The same as they are now; it may be none.
pub(crate) fn interface_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = interfaces.into_iter().filter(|interface| !interface.is_loopback() && !interface.is_link_local());
    let mut addresses: Vec<IpAddr> = usable.map(|interface| interface.ip()).collect();
    addresses.sort_by_key(IpAddr::is_ipv6); // IPv4 first: it works in more places.
    addresses.truncate(MAX_ADDRESSES);
    addresses
}

/// Each address is one more candidate for each peer to check.
const MAX_ADDRESSES: usize = 8;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// Longest that loopback may take.
    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn what_leaves_together_arrives_one_by_one_and_in_its_order() {
        let local = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let (mut ours, mut theirs, mut others) = (Sockets::default(), Sockets::default(), Sockets::default());
        let from = ours.bind(&local).unwrap()[0];
        let (to, other) = (theirs.bind(&local).unwrap()[0], others.bind(&local).unwrap()[0]);
        let lengths = [1_000, 1_000, 1_000, 400, 400, 1_000, 7, 1_200, 1_200, 1, 1_100].into_iter().chain([900; 150]);
        let sent: Vec<Vec<u8>> = (0u8..).zip(lengths).map(|(number, length)| vec![number; length]).collect();
        for (number, bytes) in sent.iter().enumerate() {
            ours.send(from, to, bytes);
            if number == 7 {
                ours.send(from, other, b"something else");
            }
        }
        ours.flush();
        let (mut received, mut buffer) = (Vec::new(), ReceiveBuffer::default());
        while received.len() < sent.len() {
            let readable = std::future::poll_fn(|cx| theirs.poll_readable(cx));
            tokio::time::timeout(LIMIT, readable).await.expect("loopback loses nothing");
            while theirs.receive(Instant::now(), &mut buffer) {
                received.extend(buffer.datagrams().map(|datagram| datagram.bytes.to_vec()));
            }
        }
        assert!(received == sent, "{:?}", received.iter().map(Vec::len).collect::<Vec<_>>());
        assert!(others.receive(Instant::now(), &mut buffer));
        assert_eq!(buffer.datagrams().count(), 1);
        assert!(!others.receive(Instant::now(), &mut buffer));
    }

    #[tokio::test]
    async fn what_the_kernel_refuses_to_send_is_told_until_it_takes_something_again() {
        let mut ours = Sockets::default();
        let from = ours.bind(&[IpAddr::V4(Ipv4Addr::LOCALHOST)]).unwrap()[0];
        assert_eq!(ours.refusals(), []);
        // From the loopback there is no route to an address of another machine.
        ours.send(from, SocketAddr::from(([192, 0, 2, 1], 9)), b"lost");
        ours.flush();
        let refusals = ours.refusals();
        let from_loopback =
            |it: &NetworkFailure| matches!(it, NetworkFailure::Sending { from, .. } if from.is_loopback());
        assert!(refusals.len() == 1 && from_loopback(&refusals[0]), "{refusals:?}");
        ours.send(from, from, b"taken");
        ours.flush();
        assert_eq!(ours.refusals(), []);
    }

    #[test]
    fn a_clock_that_is_set_meanwhile_changes_the_time_of_no_datagram() {
        let (now, wall) = (Instant::now(), Duration::from_secs(1_800_000_000));
        let (hour, ten) = (Duration::from_secs(3_600), Duration::from_millis(10));
        assert_eq!(arrived(now, wall, Some(wall - ten)), now - ten);
        for stamp in [None, Some(wall + hour), Some(wall - hour), Some(wall + ten)] {
            assert_eq!(arrived(now, wall, stamp), now, "{stamp:?}");
        }
    }
}
