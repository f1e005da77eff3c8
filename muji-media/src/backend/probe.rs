//! One server asked as a call would ask it, to see whether it works from here.

use std::future::poll_fn;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use muji_core::media::IceServer;
use muji_core::tls::TlsRoots;

use super::network::{Network, NetworkEvent};
use crate::gather::connections::ConnectionEvent;
use crate::gather::{Attempt, GatherPolicy};
use crate::socket::ReceiveBuffer;
use crate::transport::loopback;

/// A server that has not answered by then is not there; all ways to ask it take less.
const LIMIT: Duration = Duration::from_secs(12);

/// Asks a server, and gives how it was asked and what came of it. A relayed address is given back at once.
///
/// # Errors
/// If its name has no address, or no socket can be opened: a sentence.
pub async fn probe(server: IceServer, addresses: Vec<IpAddr>, trust: TlsRoots) -> Result<Vec<Attempt>, String> {
    let host = server.host.clone();
    let policy = GatherPolicy { trust, ..GatherPolicy::default() };
    let mut network = Network::new(loopback::maker(), addresses, policy); // There are no peers, so no transport is made.
    let begun = Instant::now();
    network.add_socket_set(begun).map_err(|why| format!("no UDP socket can be opened: {why}"))?;
    network.resolve(vec![server]);
    network.set_wanted(begun, true);
    let (mut asked, mut buffer) = (false, ReceiveBuffer::default());
    while begun.elapsed() < LIMIT {
        let now = Instant::now();
        network.handle_timeout(now);
        network.flush();
        if asked && network.attempts().iter().all(|attempt| attempt.outcome.is_some()) {
            break;
        }
        let due = network.poll_timeout().unwrap_or(begun + LIMIT).max(now + Duration::from_millis(1));
        tokio::select! {
            event = poll_fn(|cx| network.poll_event(cx)) => match event {
                NetworkEvent::Connection(ConnectionEvent::Resolved(servers))
                    if servers.iter().all(|(_, addresses)| addresses.is_empty()) =>
                {
                    return Err(format!("{host} has no address"));
                }
                NetworkEvent::Connection(event) => {
                    asked |= matches!(event, ConnectionEvent::Resolved(_));
                    network.handle_event(Instant::now(), event);
                }
                NetworkEvent::Readable => {
                    let now = Instant::now();
                    while network.receive(now, &mut buffer) {
                        buffer.datagrams().for_each(|datagram| network.handle_datagram(now, &datagram));
                    }
                }
            },
            () = tokio::time::sleep_until(due.min(begun + LIMIT).into()) => {}
        }
    }
    let attempts = network.attempts();
    network.set_wanted(Instant::now(), false);
    network.flush();
    Ok(attempts)
}
