//! A bridge between sites: people in a room, and callers, one of whom has a slow link.

use std::time::{Duration, Instant};

use muji_harness::network::Access::{FullCone, Open, PortRestricted};
use muji_harness::recognition::is_tone;
use serde_json::Value;
use tokio::process::Child;

use crate::losses::{bytes_at, detailed_pictures};
use crate::place::{Internet, LIMIT, event, told};
use crate::support::*;

/// What the slow link lets through: sound takes a part of it, and pictures would take more than there is.
const NARROW: u32 = 120;

/// Until the bridge has seen that a path is slow, and until bit rates have settled.
const SETTLED: Duration = Duration::from_secs(25);
const LOOK: Duration = Duration::from_secs(15);

/// Somebody hears this tone.
async fn hears(child: &mut Child, tone: u16) {
    let is = |event: &Value| event["event"] == "heard" && event["hz"].as_f64().is_some_and(|hz| is_tone(hz, tone));
    assert!(event(child, LIMIT, is).await.is_some(), "{tone} Hz are not heard");
}

/// Pictures that come in a time, in kbit/s.
async fn kbps(child: &mut Child) -> f64 {
    let (before, begun) = (bytes_at(child, SETTLED).await, Instant::now());
    (bytes_at(child, LOOK).await - before) * 8.0 / 1_000.0 / begun.elapsed().as_secs_f64()
}

#[tokio::test]
async fn callers_at_other_sites_hear_and_see_the_room_and_one_on_a_slow_link_takes_pictures_from_nobody() {
    let Some(mut internet) = Internet::new(false) else { return };
    let [home, at_romeos, at_nurses, at_tybalts] =
        [Open, PortRestricted, FullCone, PortRestricted].map(|access| internet.site(access));
    let pictures = detailed_pictures();
    let admitted = ["nurse", "tybalt"].map(|name| format!("{name}@{}", internet.xmpp.domain));
    let phone = format!("mercutio@{}", internet.xmpp.domain);
    let mut romeo = internet.call(&at_romeos, "romeo", &["--audio", "tone:440", "--video", text(&pictures)]);
    let mut romeo = romeo.spawn().unwrap();
    let bridge = ["--bridge", "--admit", &admitted[0], "--admit", &admitted[1]];
    let mut bridge = internet.call(&home, "mercutio", &bridge).spawn().unwrap();
    event(&mut bridge, LIMIT, |event| event["event"] == "peer" && event["state"] == "connected").await.unwrap();
    let caller = |site, name, tone| {
        internet.call_to(&phone, site, name, &["--audio", tone, "--video", "pattern:3050c0"]).spawn().unwrap()
    };
    let mut nurse = caller(&at_nurses, "nurse", "none");
    let mut tybalt = caller(&at_tybalts, "tybalt", "none");
    for caller in [&mut nurse, &mut tybalt] {
        hears(caller, 440).await;
    }
    let before = kbps(&mut nurse).await;
    at_tybalts.narrow(NARROW).unwrap();
    let after = kbps(&mut nurse).await;
    hears(&mut tybalt, 440).await;
    told(
        &format!("a bridge, one of whose two callers gets {NARROW} kbit/s"),
        &format!("the other sees {after:.0} kbit/s of pictures, {before:.0} before; both hear the room"),
    );
    assert!(before > 300.0 && after > before * 0.6, "{before} and {after} kbit/s");
    for child in [&mut nurse, &mut tybalt, &mut bridge, &mut romeo] {
        child.start_kill().unwrap();
    }
}
