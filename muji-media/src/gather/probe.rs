//! One server asked as a call would ask it, to say whether it works from here.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use muji_core::media::IceServer;
use muji_core::tls::Trust;

use super::streams::{News, Streams};
use super::{Attempt, Gathered, Gatherer, Reach};
use crate::socket::{Datagram, Sockets};

/// A server that says nothing is not there by then; longer than any of the ways to it takes.
const LIMIT: Duration = Duration::from_secs(12);

/// Asks a server, and gives what was asked and what came of it. Nothing is lent longer than that takes.
///
/// # Errors
/// If its name has no address, or no socket can be opened: a sentence.
pub async fn probe(server: IceServer, addresses: Vec<IpAddr>, trust: Trust) -> Result<Vec<Attempt>, String> {
    let (mut sockets, mut streams) = (Sockets::default(), Streams::new(trust.clone()));
    let bound = sockets.bind(&addresses).await.map_err(|why| format!("no UDP socket can be opened: {why}"))?;
    let mut gatherer = Gatherer::new(Reach { trust, ..Reach::default() });
    let begun = Instant::now();
    gatherer.add_lane(begun, &bound);
    streams.resolve(vec![server.clone()]);
    gatherer.set_wanted(begun, true);
    let mut asked = false;
    while begun.elapsed() < LIMIT {
        let now = Instant::now();
        gatherer.handle_timeout(now);
        pass_on(&mut gatherer, &mut sockets, &mut streams);
        let attempts = gatherer.attempts();
        if asked && attempts.iter().all(|attempt| attempt.outcome.is_some()) {
            break;
        }
        let due = gatherer.poll_timeout().unwrap_or(begun + LIMIT).max(now + Duration::from_millis(1));
        tokio::select! {
            Some(news) = streams.news.recv() => match news {
                News::Servers(servers) => {
                    streams.resolved();
                    if servers.iter().all(|(_, addresses)| addresses.is_empty()) {
                        return Err(format!("{} has no address", server.host));
                    }
                    gatherer.set_servers(Instant::now(), servers);
                    asked = true;
                }
                News::Opened(stream, local) => gatherer.opened(Instant::now(), stream, local),
                News::Read(stream, bytes) => gatherer.read(Instant::now(), stream, &bytes),
                News::Closed(stream, why) => {
                    streams.close(stream);
                    gatherer.closed(Instant::now(), stream, &why);
                }
            },
            () = std::future::poll_fn(|cx| sockets.poll_readable(cx)) => {
                for Datagram { local, from, bytes, .. } in sockets.receive(Instant::now()) {
                    gatherer.datagram(Instant::now(), local, from, &bytes);
                }
            }
            () = tokio::time::sleep_until(due.min(begun + LIMIT).into()) => {}
        }
    }
    let attempts = gatherer.attempts();
    gatherer.set_wanted(Instant::now(), false);
    pass_on(&mut gatherer, &mut sockets, &mut streams);
    Ok(attempts)
}

fn pass_on(gatherer: &mut Gatherer, sockets: &mut Sockets, streams: &mut Streams) {
    while let Some(gathered) = gatherer.poll_output() {
        match gathered {
            Gathered::Datagram { from, to, bytes } => sockets.send(from, to, &bytes),
            Gathered::Connect { stream, to, secure } => streams.connect(stream, to, secure),
            Gathered::Write { stream, bytes } => streams.write(stream, bytes),
            Gathered::Close(stream) => streams.close(stream),
            // There are no peers.
            Gathered::Received { .. } | Gathered::Found { .. } | Gathered::Lost { .. } => {}
        }
    }
    sockets.flush();
}
