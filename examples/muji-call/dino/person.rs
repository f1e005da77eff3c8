//! Calls with one person.

use std::time::Duration;

use crate::home::*;
use crate::support::*;

const TONE: u16 = 660;
const OUR_TONE: &str = "tone:660";

#[tokio::test(flavor = "multi_thread")]
async fn dino_calls_and_is_answered_mutes_and_hangs_up() {
    let Some(home) = Home::new() else { return };
    let mut juliet = home.ours("juliet", &["--wait", "--once", "--auto-answer", "1", "--audio", OUR_TONE]);
    juliet.tells("that it waits", LIMIT, |event| event["event"] == "waiting").await;
    let Some(dino) = home.dino("romeo") else { return };
    assert!(dino.call(&home.jid("juliet"), "audio"));
    juliet.tells("that it rings", LIMIT, |event| event["event"] == "ringing").await;
    juliet.sees("connected").await;
    juliet.hears_the_hum().await;
    heard_by(&dino, &[TONE]);
    assert!(dino.press("microphone"));
    juliet.sees("muted").await;
    assert!(dino.press("microphone"));
    juliet.sees("unmuted").await;
    juliet.hears_the_hum().await;
    assert!(dino.press("hang up"));
    let why = juliet.ends().await;
    assert_eq!(why, "the other hung up");
    told("Dino calls one of us", "sound both ways, muted and unmuted, hung up");
}

#[tokio::test(flavor = "multi_thread")]
async fn we_call_dino_which_answers_and_we_hang_up() {
    let Some(home) = Home::new() else { return };
    let Some(dino) = home.dino("romeo") else { return };
    let whom = home.jid("romeo");
    let mut juliet = home.ours("juliet", &[&whom, "--audio", OUR_TONE]);
    assert!(dino.answer("accept"));
    juliet.sees("connected").await;
    juliet.hears_the_hum().await;
    heard_by(&dino, &[TONE]);
    signal(&juliet.child, "-INT").await;
    juliet.ends().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    unheard_by(&dino, &[TONE]);
    told("we call Dino", "sound both ways, hung up");
}

#[tokio::test(flavor = "multi_thread")]
async fn dino_declines() {
    let Some(home) = Home::new() else { return };
    let Some(dino) = home.dino("romeo") else { return };
    let whom = home.jid("romeo");
    let mut juliet = home.ours("juliet", &[&whom, "--audio", OUR_TONE]);
    assert!(dino.answer("reject"));
    let why = juliet.ends().await;
    assert!(why.starts_with("declined on"), "{why}");
    told("Dino declines", &why);
}
