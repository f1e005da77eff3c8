//! Networks that fail, come back, or are other ones, in the middle of a call.

use std::time::{Duration, Instant};

use muji_conformance::harness::net::Access::{NoUdp, Open, PortRestricted};
use muji_conformance::harness::net::Site;
use serde_json::Value;
use tokio::process::Child;

use crate::place::{Internet, LIMIT, event, told};
use crate::support::*;

/// Two in a call at sites behind routers, who hear each other.
struct Call {
    internet: Internet,
    here: Site,
    there: Site,
    romeo: Child,
    juliet: Child,
}

async fn call() -> Option<Call> {
    let mut internet = Internet::new(true)?;
    let (here, there) = (internet.site(PortRestricted), internet.site(PortRestricted));
    let mut romeo = internet.call(&here, "romeo", &["--audio", "tone:440"]).spawn().unwrap();
    let mut juliet = internet.call(&there, "juliet", &["--audio", "tone:660"]).spawn().unwrap();
    for child in [&mut romeo, &mut juliet] {
        event(child, LIMIT, |event| event["event"] == "first-sound").await.expect("they hear each other");
    }
    Some(Call { internet, here, there, romeo, juliet })
}

fn is_tone(event: &Value) -> bool {
    event["event"] == "heard" && !event["hz"].is_null()
}

fn is_state(event: &Value, state: &str) -> bool {
    event["event"] == "peer" && event["state"] == state
}

/// How long until somebody hears a tone again; its report comes once a second, about the second before.
async fn back(child: &mut Child, limit: Duration) -> Duration {
    let since = Instant::now();
    event(child, limit, |event| is_state(event, "flowing")).await.expect("sound comes back");
    since.elapsed()
}

/// What somebody has heard by a moment, in frames of 20 ms that were not made up.
#[derive(Debug, Default)]
struct Heard {
    ms: u64,
    frames: u64,
}

async fn heard(child: &mut Child) -> Heard {
    let heard = event(child, LIMIT, |event| event["event"] == "heard").await.expect("once a second");
    let number = |name: &str| heard[name].as_u64().expect("it is told");
    Heard { ms: number("ms"), frames: number("played") - number("concealed") }
}

async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test]
async fn after_thirty_seconds_without_any_network_sound_is_back_within_three() {
    let Some(mut call) = call().await else { return };
    call.internet.net.cut(&call.here, true).unwrap();
    let cut = Instant::now();
    event(&mut call.juliet, LIMIT, |event| is_state(event, "interrupted")).await.expect("it is noticed");
    let noticed = cut.elapsed();
    tokio::time::sleep(Duration::from_secs(30).saturating_sub(cut.elapsed())).await;
    call.internet.net.cut(&call.here, false).unwrap();
    let took = back(&mut call.juliet, LIMIT).await;
    told(
        "no network for 30 s",
        &format!("noticed after {} ms, heard {} ms after its end", noticed.as_millis(), took.as_millis()),
    );
    assert!(noticed <= Duration::from_millis(6_000) && took <= Duration::from_secs(3));
    // And both stay in the call.
    assert!(event(&mut call.romeo, LIMIT, is_tone).await.is_some());
}

#[tokio::test]
async fn another_address_in_the_same_network_is_used_within_five_seconds() {
    let Some(mut call) = call().await else { return };
    let [before, mut after] = [heard(&mut call.juliet).await, Heard::default()];
    call.here.readdress().unwrap();
    while after.ms < before.ms + 9_000 {
        after = heard(&mut call.juliet).await;
    }
    // Whatever was not heard as it was sent.
    let gap = (after.ms - before.ms).saturating_sub(20 * (after.frames - before.frames));
    told("another address", &format!("{gap} ms of sound lost"));
    assert!(gap <= 5_000 && event(&mut call.romeo, LIMIT, is_tone).await.is_some());
}

#[tokio::test]
async fn a_network_that_is_unplugged_and_comes_back_is_used_again() {
    let Some(mut call) = call().await else { return };
    call.here.unplug(true).unwrap();
    sleep(10).await;
    call.here.unplug(false).unwrap();
    let took = back(&mut call.juliet, LIMIT).await;
    let heard = event(&mut call.romeo, LIMIT, is_tone).await;
    told("unplugged for 10 s", &format!("heard {} ms after it was plugged in", took.as_millis()));
    assert!(heard.is_some() && took <= Duration::from_secs(5));
}

#[tokio::test]
async fn where_udp_is_blocked_in_the_middle_of_a_call_a_relay_is_found_by_tcp() {
    let Some(mut call) = call().await else { return };
    call.here.block("meta l4proto udp").unwrap();
    let took = back(&mut call.juliet, LIMIT).await;
    let heard = event(&mut call.romeo, LIMIT, is_tone).await;
    told("UDP blocked in the call", &format!("heard after {} ms through a relay", took.as_millis()));
    assert!(heard.is_some() && took <= Duration::from_secs(15));
}

#[tokio::test]
async fn a_machine_that_sleeps_for_a_minute_is_in_the_call_again() {
    let Some(mut call) = call().await else { return };
    signal(&call.romeo, "-STOP").await;
    sleep(60).await;
    signal(&call.romeo, "-CONT").await;
    let woke = Instant::now();
    let heard = event(&mut call.juliet, LIMIT, |event| is_state(event, "flowing")).await;
    told("asleep for 60 s", &format!("heard {} ms after it woke", woke.elapsed().as_millis()));
    assert!(heard.is_some(), "it is heard again");
    assert!(event(&mut call.romeo, LIMIT, is_tone).await.is_some(), "and hears");
}

#[tokio::test]
async fn where_there_is_no_path_it_is_said_within_thirty_seconds_and_what_was_tried() {
    let Some(mut internet) = Internet::new(false) else { return };
    let (here, there) = (internet.site(NoUdp), internet.site(Open));
    let stun = format!("{}:9", muji_conformance::harness::net::SERVER);
    let mut romeo = internet.call(&here, "romeo", &["--stun", &stun]).spawn().unwrap();
    let _juliet = internet.call(&there, "juliet", &[]).spawn().unwrap();
    event(&mut romeo, LIMIT, |event| is_state(event, "connecting")).await.expect("both are there");
    let since = Instant::now();
    let failed = event(&mut romeo, LIMIT, |event| is_state(event, "failed")).await.expect("it is told");
    let why = failed["why"].to_string();
    told("no path", &format!("told after {} ms: {why}", since.elapsed().as_millis()));
    assert!(since.elapsed() <= Duration::from_secs(30), "{:?}", since.elapsed());
    assert!(why.contains("nothing was answered") && why.contains("STUN at 198.51.100.1:9: no answer"), "{why}");
}
