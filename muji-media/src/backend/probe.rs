//! One server asked as a call would ask it, to say whether it works from here.

use std::future::poll_fn;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use muji_core::media::IceServer;
use muji_core::tls::Trust;

use super::network::Network;
use crate::gather::streams::News;
use crate::gather::{Attempt, GatherPolicy};

/// A server that says nothing is not there by then; longer than any of the ways to it takes.
const LIMIT: Duration = Duration::from_secs(12);

/// Asks a server, and gives what was asked and what came of it. Nothing is relayed longer than that takes.
///
/// # Errors
/// If its name has no address, or no socket can be opened: a sentence.
pub async fn probe(server: IceServer, addresses: Vec<IpAddr>, trust: Trust) -> Result<Vec<Attempt>, String> {
    let host = server.host.clone();
    let (mut network, begun) = (Network::new(GatherPolicy { trust, ..GatherPolicy::default() }), Instant::now());
    let bound = network.add_lane(begun, &addresses).await;
    bound.map_err(|why| format!("no UDP socket can be opened: {why}"))?;
    network.resolve(vec![server]);
    network.gatherer.set_wanted(begun, true);
    let mut asked = false;
    while begun.elapsed() < LIMIT {
        let now = Instant::now();
        network.gatherer.handle_timeout(now);
        pass_on(&mut network);
        if asked && network.gatherer.attempts().iter().all(|attempt| attempt.outcome.is_some()) {
            break;
        }
        let due = network.gatherer.poll_timeout().unwrap_or(begun + LIMIT).max(now + Duration::from_millis(1));
        tokio::select! {
            woken = poll_fn(|cx| network.poll_woken(cx)) => match woken {
                Some(News::Servers(servers)) if servers.iter().all(|(_, addresses)| addresses.is_empty()) => {
                    return Err(format!("{host} has no address"));
                }
                Some(news) => {
                    asked |= matches!(news, News::Servers(_));
                    network.hear(Instant::now(), news);
                }
                None => {
                    let now = Instant::now();
                    for datagram in network.receive(now) {
                        network.takes(now, &datagram);
                    }
                }
            },
            () = tokio::time::sleep_until(due.min(begun + LIMIT).into()) => {}
        }
    }
    let attempts = network.gatherer.attempts();
    network.gatherer.set_wanted(Instant::now(), false);
    pass_on(&mut network);
    Ok(attempts)
}

/// There are no peers.
fn pass_on(network: &mut Network) {
    while network.poll_output().is_some() {}
    network.flush();
}
