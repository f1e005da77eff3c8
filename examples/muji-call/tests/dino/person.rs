//! Calls with one person.

use std::time::Duration;

use crate::support::*;
use crate::testbed::*;

const TONE: u16 = 660;
const OUR_TONE: &str = "tone:660";

#[tokio::test(flavor = "multi_thread")]
async fn dino_calls_and_is_answered_mutes_and_hangs_up() {
    held("Dino calls one of us", 4, async |testbed| {
        let mut juliet = testbed.muji_call("juliet", &["--wait", "--once", "--auto-answer", "1", "--audio", OUR_TONE]);
        juliet.tells("that it waits", LIMIT, |event| event["event"] == "waiting").await;
        let dino = testbed.dino("romeo")?;
        assert!(dino.call(&testbed.jid("juliet"), "audio"));
        juliet.tells("that it rings", LIMIT, |event| event["event"] == "ringing").await;
        juliet.sees("connected").await;
        juliet.hears_dino(&dino).await?;
        heard_by(&dino, &[TONE]);
        assert!(dino.press("microphone"));
        juliet.sees("muted").await;
        assert!(dino.press("microphone"));
        juliet.sees("unmuted").await;
        juliet.hears_dino(&dino).await?;
        assert!(dino.press("hang up"));
        let why = juliet.ends().await;
        assert_eq!(why, "the other hung up");
        Ok("sound both ways, muted and unmuted, hung up".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_call_dino_which_answers_and_we_hang_up() {
    held("we call Dino", 4, async |testbed| {
        let dino = testbed.dino("romeo")?;
        let whom = testbed.jid("romeo");
        let mut juliet = testbed.muji_call("juliet", &[&whom, "--audio", OUR_TONE]);
        juliet.talks_with(&dino, TONE).await?;
        signal(&juliet.child, "-INT").await;
        juliet.ends().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        unheard_by(&dino, &[TONE]);
        Ok("sound both ways, hung up".to_owned())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_declines() {
    held("Dino declines", 4, async |testbed| {
        let dino = testbed.dino("romeo")?;
        let whom = testbed.jid("romeo");
        let mut juliet = testbed.muji_call("juliet", &[&whom, "--audio", OUR_TONE]);
        assert!(dino.answer("reject"));
        let why = juliet.ends().await;
        assert!(why.starts_with("declined on"), "{why}");
        Ok(why)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_shows_our_pictures() {
    held("we show Dino a picture", 4, async |testbed| {
        let dino = testbed.dino("romeo")?;
        let whom = testbed.jid("romeo");
        let mut juliet = testbed.muji_call("juliet", &[&whom, "--audio", OUR_TONE, "--video", "pattern:c03030"]);
        juliet.talks_with(&dino, TONE).await?;
        let share = shown_by(&dino, RED);
        signal(&juliet.child, "-INT").await;
        juliet.ends().await;
        Ok(format!("{:.0} % of its screen have its colour", share * 100.0))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_calls_with_pictures_and_each_sees_the_other() {
    held("Dino calls with pictures", 4, async |testbed| {
        const COLOUR: [u8; 3] = [0x20, 0xA0, 0x40];
        let mut juliet = testbed.muji_call(
            "juliet",
            &["--wait", "--once", "--auto-answer", "1", "--audio", OUR_TONE, "--video", "pattern:c03030"],
        );
        juliet.tells("that it waits", LIMIT, |event| event["event"] == "waiting").await;
        let dino = testbed.dino_with("romeo", HUM, Some(COLOUR))?;
        assert!(dino.call(&testbed.jid("juliet"), "video"));
        juliet.sees("connected").await;
        juliet.hears_dino(&dino).await?;
        juliet.sees_colour(COLOUR).await;
        let share = shown_by(&dino, RED);
        assert!(dino.press("camera"));
        juliet.tells("that Dino's camera is off", LIMIT, |event| event["state"] == "muted").await;
        assert!(dino.press("camera"));
        juliet.tells("that it is on again", LIMIT, |event| event["state"] == "unmuted").await;
        juliet.sees_colour(COLOUR).await;
        assert!(dino.press("hang up"));
        juliet.ends().await;
        Ok(format!("seen both ways, {:.0} % of its screen have our colour", share * 100.0))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn we_are_another_device_of_dinos_account_and_the_first_that_picks_up_has_the_call() {
    held("we are another device of Dino's account", 4, async |testbed| {
        let whom = testbed.jid("romeo");
        let mut device = testbed.muji_call("romeo", &["--wait", "--once", "--audio", "tone:550"]);
        device.tells("that it waits", LIMIT, |event| event["event"] == "waiting").await;
        let dino = testbed.dino("romeo")?;
        let mut juliet = testbed.muji_call("juliet", &[&whom, "--audio", OUR_TONE]);
        device.tells("that it rings", LIMIT, |event| event["event"] == "ringing").await;
        juliet.talks_with(&dino, TONE).await?;
        let why = device.ends().await;
        assert!(why.starts_with("answered on") && why.ends_with("/dino"), "{why}");
        signal(&juliet.child, "-INT").await;
        juliet.ends().await;

        let mut device = testbed.muji_call("romeo", &["--wait", "--once", "--auto-answer", "3", "--audio", "tone:550"]);
        device.tells("that it waits", LIMIT, |event| event["event"] == "waiting").await;
        let mut juliet = testbed.muji_call("juliet", &[&whom, "--audio", OUR_TONE]);
        device.tells("that it rings", LIMIT, |event| event["event"] == "ringing").await;
        assert!(soon(|| dino.rings()), "it rings at Dino's too");
        juliet.hears(550).await;
        assert!(soon(|| !dino.rings()), "it rings no more at Dino's");
        signal(&juliet.child, "-INT").await;
        juliet.ends().await;
        device.ends().await;
        Ok("both ring; the one that picks up has the call, the other stops ringing".to_owned())
    })
    .await;
}
