//! Two at sites with NATs of every kind: each hears the other by the best path that there is.

use muji_harness::network::Access::{self, FullCone, Ipv6, NoUdp, Open, PortRestricted, Symmetric};
use serde_json::Value;

use crate::place::{Internet, told};
use crate::support::*;

/// How two hear each other: by which candidates, and how soon.
struct ConnectionPath {
    relayed: bool,
    first_sound: u64,
    pair: String,
}

async fn path_between(first: Access, second: Access) -> Option<ConnectionPath> {
    let mut internet = Internet::new(true)?;
    let (here, there) = (internet.site(first), internet.site(second));
    let more = ["--audio", "tone:440", "--seconds", "8", "--expect", "1"];
    let romeo = internet.call(&here, "romeo", &more);
    let juliet = internet.call(&there, "juliet", &more);
    let (romeo, juliet) = tokio::join!(run(romeo), run(juliet));
    for (name, output) in [("romeo", &romeo), ("juliet", &juliet)] {
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{name}, {first:?} and {second:?}: {errors}\n{said}");
    }
    let events = events(&romeo);
    let first_sound = events.iter().find(|event| event["event"] == "first-sound").and_then(|it| it["ms"].as_u64());
    let network: Option<&Value> = events.iter().rfind(|event| event["event"] == "network");
    let pair = network.map(|network| network["candidate_pairs"].to_string()).unwrap_or_default();
    // The TURN server lends addresses of its own.
    let relayed = ["198.51.100.1:", "[2001:db8::1]:"].iter().any(|server| pair.contains(server));
    let path = ConnectionPath { relayed, first_sound: first_sound.expect("it was heard"), pair };
    let by = if path.relayed { "through a relay" } else { "directly" };
    told(
        &format!("{first:?} and {second:?}"),
        &format!("{by}, first sound after {} ms, {}", path.first_sound, path.pair),
    );
    Some(path)
}

async fn directly(first: Access, second: Access) {
    if let Some(path) = path_between(first, second).await {
        assert!(!path.relayed, "{first:?} and {second:?} went by {}", path.pair);
    }
}

async fn relayed(first: Access, second: Access) {
    if let Some(path) = path_between(first, second).await {
        assert!(path.relayed, "{first:?} and {second:?} went by {}", path.pair);
    }
}

#[tokio::test]
async fn two_with_addresses_of_their_own_talk_directly() {
    directly(Open, Open).await;
}

#[tokio::test]
async fn full_cones_and_port_restricted_nats_are_passed_directly() {
    directly(FullCone, FullCone).await;
    directly(PortRestricted, PortRestricted).await;
    directly(FullCone, Symmetric).await;
    directly(Open, Symmetric).await;
}

#[tokio::test]
async fn symmetric_nats_are_passed_through_a_relay() {
    relayed(Symmetric, Symmetric).await;
    relayed(Symmetric, PortRestricted).await;
}

#[tokio::test]
async fn without_udp_the_relay_is_reached_by_tcp() {
    relayed(NoUdp, PortRestricted).await;
    relayed(NoUdp, NoUdp).await;
}

#[tokio::test]
async fn two_with_ipv6_alone_talk_directly_and_with_one_of_ipv4_through_a_relay() {
    directly(Ipv6, Ipv6).await;
    relayed(Ipv6, PortRestricted).await;
}
