//! Calls by a bridge.

use std::time::{Duration, Instant};

use muji_harness::dino::Dino;
use muji_harness::recognition::{SECOND, tone_level};
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
        bridge.tells("that the caller is in", LIMIT, is_in).await;
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

/// The tones of those who call, and of our program among them.
const CALLERS: [(&str, u16); 2] = [("nurse", 610), ("tybalt", 730)];
const OURS: u16 = 870;

/// Our program hears a tone that is as loud as this, in dBFS, for so many seconds: its own was sent with -23.
const HEARD: f64 = -33.0;
const SECONDS: usize = 2;

/// It does not hear itself as loud as this: 40 dB below what it sent.
const ECHO: f64 = -63.0;

/// How long all are in the call together: what our program records of its end is looked at.
const TOGETHER: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn two_dinos_in_a_room_and_two_dinos_and_one_of_ours_that_call_its_bridge_all_hear_each_other() {
    held("two Dinos in a room, two Dinos and one muji-call call its bridge", 6, async |testbed| {
        let in_room = [testbed.dino("romeo")?, testbed.dino_with("benvolio", 500, None)?];
        let service = format!("conference.{}", testbed.xmpp.domain);
        let [romeo, benvolio, phone] = ["romeo", "benvolio", "mercutio"].map(|name| testbed.jid(name));
        let people = ["--admit", &romeo, "--admit", &benvolio, "--invite", &romeo, "--invite", &benvolio];
        let arguments = [&[&*service, "--new", "--bridge", "--nick", "phone"][..], &people].concat();
        let mut bridge = testbed.muji_call("mercutio", &arguments);
        for dino in &in_room {
            assert!(dino.answer("accept"), "it rings at Dino's");
            bridge.sees("connected").await;
        }
        hear_each_other(&[&in_room[0], &in_room[1]], &[])?;

        let mut dinos: Vec<&Dino> = in_room.iter().collect();
        let callers = [
            testbed.dino_with(CALLERS[0].0, CALLERS[0].1, None)?,
            testbed.dino_with(CALLERS[1].0, CALLERS[1].1, None)?,
        ];
        for caller in &callers {
            assert!(caller.call(&phone, "audio"));
            bridge.tells("that the caller is in", LIMIT, is_in).await;
            dinos.push(caller);
            hear_each_other(&dinos, &[])?;
        }
        let folder = folder("dino-bridge");
        let (tone, record) = (format!("tone:{OURS}"), folder.join("{nick}.wav").display().to_string());
        let mut ours = testbed.muji_call("juliet", &[&phone, "--audio", &tone, "--record", &record]);
        bridge.tells("that our program is in", LIMIT, is_in).await;
        hear_each_other(&dinos, &[OURS])?;
        tokio::time::sleep(TOGETHER).await;
        for caller in &callers {
            unheard_by(caller, &[caller.tone]);
        }
        for muji_call in [&mut ours, &mut bridge] {
            signal(&muji_call.child, "-INT").await;
            muji_call.ends().await;
        }
        let mix = recorded(&folder.join("mix.wav"));
        let lasts = |tone: u16, part, level| {
            let seconds = mix.rchunks_exact(SECOND).take(TOGETHER.as_secs() as usize);
            seconds.filter(|second| tone_level(second, tone.into(), part) > level).count() >= SECONDS
        };
        let unheard = dinos.iter().map(|dino| dino.tone).filter(|tone| !lasts(*tone, SECOND / 10, HEARD));
        assert_eq!(unheard.collect::<Vec<u16>>(), Vec::<u16>::new(), "what our program does not hear, in Hz");
        assert!(!lasts(OURS, SECOND / 2, ECHO), "our program hears itself");
        std::fs::remove_dir_all(folder).expect("it was made");
        Ok("20 of 20 directions are heard, and no caller hears itself".to_owned())
    })
    .await;
}

fn is_in(event: &Value) -> bool {
    event["event"] == "caller" && event["state"] == "in"
}

/// All of these hear each other, and `more` tones. A microphone that none of them hears is Dino's own silence; one that some hear and others do
/// not is ours.
fn hear_each_other(dinos: &[&Dino], more: &[u16]) -> Result<(), DinoError> {
    let wanted = |listener: &Dino| -> Vec<u16> {
        let others = dinos.iter().map(|dino| dino.tone).filter(|tone| *tone != listener.tone);
        others.chain(more.iter().copied()).collect()
    };
    let until = Instant::now() + SOUND;
    loop {
        let heard = dinos.iter().map(|dino| dino.hears(&wanted(dino)).unwrap_or_else(|why| panic!("{why}")));
        let heard: Vec<Vec<u16>> = heard.collect();
        if dinos.iter().zip(&heard).all(|(dino, heard)| *heard == wanted(dino)) {
            return Ok(());
        }
        if Instant::now() > until {
            let silent =
                dinos.iter().map(|dino| dino.tone).find(|tone| heard.iter().all(|heard| !heard.contains(tone)));
            let all: Vec<u16> = dinos.iter().map(|dino| dino.tone).chain(more.iter().copied()).collect();
            let levels =
                |dino: &&Dino| format!("that of {} Hz {:.0?} dBFS", dino.tone, dino.levels(&all).unwrap_or_default());
            let told: Vec<String> = dinos.iter().map(levels).collect();
            let told = format!("of {all:?} Hz hears {}", told.join(", "));
            assert!(silent.is_some(), "not all hear all: {told}");
            return Err(DinoError::Silent(told));
        }
    }
}

fn recorded(file: &std::path::Path) -> Vec<f64> {
    let reader = hound::WavReader::open(file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    reader.into_samples::<i16>().map(|sample| f64::from(sample.expect("a sample")) / 32_768.0).collect()
}
