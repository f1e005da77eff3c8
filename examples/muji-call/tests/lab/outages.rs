//! Networks that fail, come back, or are other ones, in the middle of a call.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use muji_harness::network::Access::{NoUdp, Open, PortRestricted};
use muji_harness::network::{Host, visit};
use serde_json::Value;
use tokio::process::Child;

use crate::place::{Internet, LIMIT, event, told};
use crate::support::*;

/// Two in a call at sites behind routers, who hear each other.
struct Call {
    internet: Internet,
    here: Host,
    _there: Host,
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
    Some(Call { internet, here, _there: there, romeo, juliet })
}

fn is_tone(event: &Value) -> bool {
    event["event"] == "heard" && !event["hz"].is_null()
}

fn is_state(event: &Value, state: &str) -> bool {
    event["event"] == "peer" && event["state"] == state
}

/// What somebody has heard by a moment, in frames of 20 ms that were not concealed.
#[derive(Debug)]
struct HeardSound {
    ms: u64,
    frames: u64,
}

async fn heard(child: &mut Child) -> HeardSound {
    let heard = event(child, LIMIT, |event| event["event"] == "heard").await.expect("once a second");
    let number = |name: &str| heard[name].as_u64().expect("it is told");
    HeardSound { ms: number("ms"), frames: number("played") - number("concealed") }
}

/// How much of what was said from a moment on, for so long, somebody did not hear as it was said.
async fn unheard(child: &mut Child, before: &HeardSound, time: Duration) -> Duration {
    let until = before.ms + u64::try_from(time.as_millis()).expect("tests are short");
    let mut after = heard(child).await;
    while after.ms < until {
        after = heard(child).await;
    }
    Duration::from_millis((after.ms - before.ms).saturating_sub(20 * (after.frames - before.frames)))
}

async fn sleep(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test]
async fn after_thirty_seconds_without_any_network_sound_is_back_within_three() {
    let Some(mut call) = call().await else { return };
    let before = heard(&mut call.juliet).await;
    let cut = Instant::now();
    call.internet.net.cut(&call.here, true).unwrap();
    event(&mut call.juliet, LIMIT, |event| is_state(event, "interrupted")).await.expect("it is noticed");
    let noticed = cut.elapsed();
    tokio::time::sleep(Duration::from_secs(30).saturating_sub(cut.elapsed())).await;
    call.internet.net.cut(&call.here, false).unwrap();
    let dark = cut.elapsed();
    let lost = unheard(&mut call.juliet, &before, dark + Duration::from_secs(12)).await;
    let longer = lost.saturating_sub(dark);
    told(
        "no network for 30 s",
        &format!("noticed after {} ms, heard {} ms after its end", noticed.as_millis(), longer.as_millis()),
    );
    assert!(noticed <= Duration::from_millis(6_000) && longer <= Duration::from_secs(3));
    // And both stay in the call.
    assert!(event(&mut call.romeo, LIMIT, is_tone).await.is_some());
}

#[tokio::test]
async fn another_address_in_the_same_network_is_used_within_five_seconds() {
    let Some(mut call) = call().await else { return };
    let before = heard(&mut call.juliet).await;
    call.here.readdress().unwrap();
    let lost = unheard(&mut call.juliet, &before, Duration::from_secs(12)).await;
    told("another address", &format!("{} ms of sound lost", lost.as_millis()));
    assert!(lost <= Duration::from_secs(5) && event(&mut call.romeo, LIMIT, is_tone).await.is_some());
}

#[tokio::test]
async fn a_network_that_is_unplugged_and_comes_back_is_used_again() {
    let Some(mut call) = call().await else { return };
    let (before, unplugged) = (heard(&mut call.juliet).await, Instant::now());
    call.here.unplug(true).unwrap();
    sleep(10).await;
    call.here.unplug(false).unwrap();
    let dark = unplugged.elapsed();
    let lost = unheard(&mut call.juliet, &before, dark + Duration::from_secs(15)).await;
    let longer = lost.saturating_sub(dark);
    told("unplugged for 10 s", &format!("heard {} ms after it was plugged in", longer.as_millis()));
    assert!(longer <= Duration::from_secs(5) && event(&mut call.romeo, LIMIT, is_tone).await.is_some());
}

#[tokio::test]
async fn where_udp_is_blocked_in_the_middle_of_a_call_a_relay_is_found_by_tcp() {
    let Some(mut call) = call().await else { return };
    let before = heard(&mut call.juliet).await;
    call.here.block("meta l4proto udp").unwrap();
    let lost = unheard(&mut call.juliet, &before, Duration::from_secs(25)).await;
    told("UDP blocked in the call", &format!("heard after {} ms through a relay", lost.as_millis()));
    assert!(lost <= Duration::from_secs(15) && event(&mut call.romeo, LIMIT, is_tone).await.is_some());
}

#[tokio::test]
async fn a_machine_that_sleeps_for_a_minute_is_in_the_call_again() {
    let Some(mut call) = call().await else { return };
    signal(&call.romeo, "-STOP").await;
    sleep(60).await;
    signal(&call.romeo, "-CONT").await;
    let woke = Instant::now();
    let back = |event: &Value| is_tone(event) && event["nick"] == "romeo";
    assert!(event(&mut call.juliet, LIMIT, back).await.is_some(), "it is heard again");
    told("asleep for 60 s", &format!("heard {} ms after it woke", woke.elapsed().as_millis()));
    assert!(event(&mut call.romeo, LIMIT, is_tone).await.is_some(), "and hears");
}

#[tokio::test]
async fn where_there_is_no_path_it_is_said_within_thirty_seconds_and_what_was_tried() {
    let Some(mut internet) = Internet::new(false) else { return };
    let (here, there) = (internet.site(NoUdp), internet.site(Open));
    let stun = format!("{}:9", muji_harness::network::SERVER);
    let mut romeo = internet.call(&here, "romeo", &["--audio", "tone:440", "--stun", &stun]).spawn().unwrap();
    let _juliet = internet.call(&there, "juliet", &["--audio", "tone:660"]).spawn().unwrap();
    event(&mut romeo, LIMIT, |event| is_state(event, "connecting")).await.expect("both are there");
    let since = Instant::now();
    let failed = event(&mut romeo, LIMIT, |event| is_state(event, "failed")).await.expect("it is told");
    let why = failed["why"].to_string();
    told("no path", &format!("told after {} ms: {why}", since.elapsed().as_millis()));
    assert!(since.elapsed() <= Duration::from_secs(30), "{:?}", since.elapsed());
    assert!(why.contains("no ICE check between") && why.contains("STUN at 198.51.100.1:9: no answer"), "{why}");
}

#[tokio::test]
async fn somebody_whose_ports_are_all_taken_is_told_so_and_talks_once_they_are_free() {
    let Some(mut internet) = Internet::new(false) else { return };
    let (here, there) = (internet.site(Open), internet.site(Open));
    let range = here.command("sysctl").args(["-qw", "net.ipv4.ip_local_port_range=50000 50001"]).status();
    assert!(range.unwrap().success(), "the machine has two ports");
    // Of both protocols: a socket of IPv6 takes IPv4 too.
    let take = || (50_000..=50_001).map(|port| UdpSocket::bind(("::", port))).collect::<std::io::Result<Vec<_>>>();
    let taken = visit(&here.place, take).unwrap();
    let mut romeo = internet.call(&here, "romeo", &["--audio", "tone:440"]).spawn().unwrap();
    let _juliet = internet.call(&there, "juliet", &["--audio", "tone:660"]).spawn().unwrap();
    let told_so = |event: &Value| {
        event.to_string().contains("no UDP socket can be opened on this machine: Address already in use")
    };
    event(&mut romeo, LIMIT, told_so).await.expect("it is said why");
    drop(taken);
    let free = Instant::now();
    event(&mut romeo, LIMIT, |event| event["event"] == "first-sound").await.expect("they hear each other");
    told("all ports are taken, then free", &format!("first sound after {} ms", free.elapsed().as_millis()));
}
