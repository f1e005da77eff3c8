//! Two servers that lose each other and find each other again: in the end each pair has one session.

use std::time::Duration;

use muji_harness::network::Access::Open;
use muji_harness::network::{Host, Network, SERVER, SERVER2};
use muji_harness::real_server::RealServer;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::place::{LIMIT, at, event, told};
use crate::support::*;

/// The address of the first site, where the other server is.
const OTHER: &str = "198.51.100.11";

/// So long they do not reach each other.
const SPLIT: Duration = Duration::from_secs(40);

/// Where servers speak with each other.
const SERVERS: u16 = 5_269;

/// The room lives at the first server.
fn call(site: &Host, server: &RealServer, name: &str, more: &[&str]) -> Command {
    let (jid, address) = (format!("{name}@{}", server.domain), format!("{}:{}", server.domain, server.port));
    let room = format!("balcony@{SERVER2}");
    let authority = server.authority();
    let mut arguments = vec![room.as_str(), "--jid", &jid, "--nick", name, "--server", &address];
    arguments.extend(["--ca-file", &authority, "--json", "--no-window"]);
    arguments.extend(more);
    at(site, &program(&arguments))
}

/// Whether somebody sees just these others, each in a session that flows.
fn sees(event: &Value, others: &[&str]) -> bool {
    let Some(pairs) = event["pairs"].as_array() else { return false };
    let flows =
        |nick: &&str| pairs.iter().filter(|pair| pair["nick"] == *nick && pair["state"] == "flowing").count() == 1;
    event["event"] == "pairs" && pairs.len() == others.len() && others.iter().all(flows)
}

async fn heard(child: &mut Child) {
    event(child, LIMIT, |event| event["event"] == "first-sound").await.expect("they hear each other");
}

#[tokio::test]
async fn when_servers_lose_and_find_each_other_there_is_one_session_for_each_pair() {
    let mut net = match Network::new().unwrap_or_else(|why| panic!("{why}")) {
        Ok(net) => net,
        Err(why) => return skipped(&why),
    };
    let [other, here, there] = [(); 3].map(|()| net.site(Open).unwrap_or_else(|why| panic!("{why}")));
    assert_eq!(other.address, OTHER);
    let first = RealServer::federated(net.place(), PASSWORD, SERVER, SERVER2).unwrap_or_else(|why| panic!("{why}"));
    let second =
        RealServer::federated(&other.place, PASSWORD, OTHER, "rooms.invalid").unwrap_or_else(|why| panic!("{why}"));
    let (Some(first), Some(second)) = (first, second) else { return skipped("Prosody is not installed") };
    let mut romeo = call(&here, &first, "romeo", &["--audio", "tone:440"]).spawn().unwrap();
    event(&mut romeo, LIMIT, |event| event["event"] == "joined").await.expect("romeo is in the room");
    let mut juliet = call(&there, &second, "juliet", &["--audio", "tone:660"]).spawn().unwrap();
    heard(&mut romeo).await;
    heard(&mut juliet).await;
    other.refuse(SERVERS, true).unwrap();
    // Somebody comes, of whom juliet cannot learn; whether the room takes her for gone is its own affair.
    let mut mercutio = call(&here, &first, "mercutio", &["--audio", "tone:880"]).spawn().unwrap();
    heard(&mut mercutio).await;
    tokio::time::sleep(SPLIT).await;
    other.refuse(SERVERS, false).unwrap();
    let healed = std::time::Instant::now();
    for (child, others) in [(&mut juliet, ["romeo", "mercutio"]), (&mut mercutio, ["romeo", "juliet"])] {
        let whole = event(child, Duration::from_secs(150), |event| sees(event, &others)).await;
        assert!(whole.is_some(), "{others:?} are heard again");
    }
    told(
        "two servers lose each other",
        &format!("all hear all {} ms after they found each other", healed.elapsed().as_millis()),
    );
    // And it stays so.
    let others = ["romeo", "mercutio"];
    let wrong = |event: &Value| event["event"] == "pairs" && !sees(event, &others);
    let changed = event(&mut juliet, Duration::from_secs(15), wrong).await;
    assert!(changed.is_none(), "{changed:?}");
}
