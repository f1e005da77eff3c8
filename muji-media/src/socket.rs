//! The UDP sockets that serve all peers, one a local address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

/// Largest datagram: more than any network delivers to us whole.
const MAX_DATAGRAM: usize = 2_048;

/// Datagrams taken in one go before timers and commands have their turn.
pub(crate) const BURST: usize = 64;

/// A datagram that came.
pub(crate) struct Datagram {
    pub(crate) local: SocketAddr,
    pub(crate) from: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// All our sockets.
pub(crate) struct Sockets {
    sockets: Vec<(SocketAddr, UdpSocket)>,
    /// Where the search for the next datagram begins, so that no socket starves.
    turn: usize,
}

impl Sockets {
    /// Binds a free port of each address. Without any address of the machine the loopback serves.
    ///
    /// # Errors
    /// If not one can be bound.
    pub(crate) async fn bind(addresses: &[IpAddr]) -> io::Result<Self> {
        let mut sockets = Vec::new();
        let mut last = io::Error::other("the machine has no address");
        for address in addresses {
            match UdpSocket::bind((*address, 0)).await {
                Ok(socket) => {
                    // Before it is known to be writable the first datagrams would be lost, and with them 250 ms.
                    socket.writable().await?;
                    sockets.push((socket.local_addr()?, socket));
                }
                Err(error) => last = error,
            }
        }
        if sockets.is_empty() { Err(last) } else { Ok(Self { sockets, turn: 0 }) }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|(address, _)| *address).collect()
    }

    /// Sends if the kernel takes it; what it does not take is lost as on any network.
    pub(crate) fn send(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let socket = self.sockets.iter().find(|(address, _)| *address == from);
        if let Some((_, socket)) = socket {
            let _lost = socket.try_send_to(bytes, to).is_err();
        }
    }

    /// The next datagram of any socket.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Datagram> {
        let mut bytes = [0; MAX_DATAGRAM];
        for offset in 0..self.sockets.len() {
            let index = (self.turn + offset) % self.sockets.len();
            let (local, socket) = &self.sockets[index];
            let mut buffer = ReadBuf::new(&mut bytes);
            // An error is the echo of a datagram that nobody took (ICMP); the next call gives the next datagram.
            while let Poll::Ready(received) = socket.poll_recv_from(cx, &mut buffer) {
                if let Ok(from) = received {
                    self.turn = index + 1;
                    return Poll::Ready(Datagram { local: *local, from, bytes: buffer.filled().to_vec() });
                }
                buffer.clear();
            }
        }
        Poll::Pending
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
