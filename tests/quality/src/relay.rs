//! Carries datagrams between the two ends of libwebrtc, in real time, over an impaired path.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use muji_harness::impairment::{Impairment, RtpPath};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use crate::SEED;

/// The largest datagram that the ends send.
const LARGEST: usize = 2_048;

/// A datagram on its way.
struct UnderWay {
    at: Instant,
    /// To the sender or to the receiver.
    to: usize,
    bytes: Vec<u8>,
}

/// An address for each end, which takes it for the address of the other.
pub(crate) struct Relay {
    /// Towards the sender, and towards the receiver.
    sockets: [UdpSocket; 2],
    /// Where each end is: at the address from which it was first heard. It has several, and one is enough.
    ends: [Option<SocketAddr>; 2],
    network: Impairment,
    path: RtpPath,
    under_way: VecDeque<UnderWay>,
}

impl Relay {
    pub(crate) async fn bind(network: Impairment) -> io::Result<Self> {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0));
        let sockets = [bind().await?, bind().await?];
        let path = RtpPath::new(Instant::now().into_std(), network, SEED);
        Ok(Self { sockets, ends: [None; 2], network, path, under_way: VecDeque::new() })
    }

    pub(crate) fn ports(&self) -> io::Result<[u16; 2]> {
        let [sender, receiver] = &self.sockets;
        Ok([sender.local_addr()?.port(), receiver.local_addr()?.port()])
    }

    /// Carries until a socket fails.
    pub(crate) async fn run(mut self) -> io::Error {
        let [mut of_sender, mut of_receiver] = [[0; LARGEST], [0; LARGEST]];
        loop {
            let next = self.under_way.front().map(|first| first.at);
            let carried = tokio::select! {
                received = self.sockets[0].recv_from(&mut of_sender) => {
                    received.map(|(length, from)| self.arrived(0, from, &of_sender[..length]))
                }
                received = self.sockets[1].recv_from(&mut of_receiver) => {
                    received.map(|(length, from)| self.arrived(1, from, &of_receiver[..length]))
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => self.deliver().await,
            };
            if let Err(why) = carried {
                return why;
            }
        }
    }

    fn arrived(&mut self, end: usize, from: SocketAddr, bytes: &[u8]) {
        if *self.ends[end].get_or_insert(from) != from {
            return;
        }
        let now = Instant::now();
        let takes = if end == 0 { self.path.takes(now.into_std(), bytes) } else { Some(self.network.delay) };
        let Some(takes) = takes else { return };
        let at = now + takes;
        let place = self.under_way.partition_point(|before| before.at <= at);
        self.under_way.insert(place, UnderWay { at, to: 1 - end, bytes: bytes.to_vec() });
    }

    async fn deliver(&mut self) -> io::Result<()> {
        while self.under_way.front().is_some_and(|first| first.at <= Instant::now()) {
            let due = self.under_way.pop_front().expect("the first is due");
            if let Some(end) = self.ends[due.to] {
                self.sockets[due.to].send_to(&due.bytes, end).await?;
            }
        }
        Ok(())
    }
}
