//! Calls by a bridge.

use std::time::Duration;

use serde_json::Value;

use crate::support::*;
use crate::testbed::*;

/// The microphone and the camera of the Dino that calls.
const CALLER_HUM: u16 = 500;
const GREEN: [u8; 3] = [0x20, 0xA0, 0x40];

#[tokio::test(flavor = "multi_thread")]
async fn a_dino_calls_a_bridge_and_those_in_the_room_and_it_hear_and_see_each_other() {
    held("one Dino calls the bridge of a room in which another is", 4, async |testbed| {
        let in_room = testbed.dino("romeo")?;
        let [romeo, mercutio] = ["romeo", "mercutio"].map(|name| testbed.jid(name));
        let service = format!("conference.{}", testbed.xmpp.domain);
        let room = [&service, "--new", "--admit", &romeo, "--admit", &mercutio, "--invite", &romeo];
        let ours = ["--audio", "tone:660", "--video", "pattern:c03030"];
        let mut juliet = testbed.muji_call("juliet", &[&room[..], &ours].concat());
        let room = juliet.tells("the room", LIMIT, |event| event["event"] == "room").await;
        let room = room["room"].as_str().expect("its name").to_owned();
        juliet.talks_with(&in_room, 660).await?;
        let mut bridge = testbed.muji_call("mercutio", &[&room, "--bridge", "--nick", "phone"]);
        bridge.sees("connected").await;
        let caller = testbed.dino_with("benvolio", CALLER_HUM, Some(GREEN))?;
        assert!(caller.call(&mercutio, "video"));
        let is = |state: &'static str| move |event: &Value| event["event"] == "caller" && event["state"] == state;
        bridge.tells("that the caller is in", LIMIT, is("in")).await;
        juliet.hears_dino(&caller).await?;
        juliet.sees_colour(GREEN).await;
        heard_by(&in_room, &[CALLER_HUM, 660]);
        heard_by(&caller, &[HUM, 660]);
        let share = shown_by(&caller, RED);
        assert!(caller.press("hang up"));
        bridge
            .tells("that the caller has gone", LIMIT, |event| event["event"] == "caller" && !event["why"].is_null())
            .await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        unheard_by(&in_room, &[CALLER_HUM]);
        for ours in [&bridge, &juliet] {
            signal(&ours.child, "-INT").await;
        }
        bridge.ends().await;
        juliet.ends().await;
        Ok(format!(
            "all hear all, the room sees the caller, and {:.0} % of the caller's screen show the room",
            share * 100.0
        ))
    })
    .await;
}
