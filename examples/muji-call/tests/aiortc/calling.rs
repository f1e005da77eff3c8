//! Calls with one person.

use serde_json::Value;

use crate::testbed::*;

#[tokio::test]
async fn aiortc_calls_us_and_hangs_up() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&[]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo]).await;
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
    juliet.hangs_up().await;
    romeo.ends("the other hung up").await;
}

#[tokio::test]
async fn we_call_aiortc_and_hang_up() {
    let Some(testbed) = Testbed::new() else { return };
    let mut juliet = testbed.aiortc(&["answer"]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet]);
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
    romeo.hangs_up().await;
    juliet.ends("success").await;
}

#[tokio::test]
async fn aiortc_calls_one_device_of_ours_without_a_word_before() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&[]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.device()]).await;
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

#[tokio::test]
async fn aiortc_calls_with_pictures_and_each_sees_the_other() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&["--video", RED_PATTERN]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--colour", BLUE]).await;
    see_each_other(&mut romeo, &mut juliet).await;
}

#[tokio::test]
async fn we_call_aiortc_with_pictures_and_each_sees_the_other() {
    let Some(testbed) = Testbed::new() else { return };
    let mut juliet = testbed.aiortc(&["answer", "--colour", BLUE]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet, "--video", RED_PATTERN]);
    see_each_other(&mut romeo, &mut juliet).await;
}

#[tokio::test]
async fn pictures_that_are_lost_in_a_call_to_aiortc_come_again_by_a_source_of_their_own_both_ways() {
    let Some(testbed) = Testbed::new() else { return };
    let mut juliet = testbed.aiortc(&["answer", "--colour", BLUE, "--loses"]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet, "--video", RED_PATTERN]);
    see_each_other(&mut romeo, &mut juliet).await;
    both_send_again(&mut juliet).await;
}

#[tokio::test]
async fn pictures_that_are_lost_in_a_call_of_aiortc_come_again_by_a_source_of_their_own_both_ways() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&["--video", RED_PATTERN]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--colour", BLUE, "--loses"]).await;
    see_each_other(&mut romeo, &mut juliet).await;
    both_send_again(&mut juliet).await;
}

/// As counted by aiortc (RTX).
async fn both_send_again(aiortc: &mut Side) {
    let some = |event: &Value, way: &str| event[way].as_u64().is_some_and(|packets| packets >= 5);
    aiortc.tells_that("again", |event| some(event, "sent") && some(event, "came")).await;
}

async fn see_each_other(romeo: &mut Side, juliet: &mut Side) {
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
    romeo.sees(BLUE).await;
    juliet.sees(RED).await;
}

// A person who is asked for the microphone needs longer than a program.
#[tokio::test]
async fn aiortc_rings_for_seven_seconds_before_it_accepts() {
    let Some(testbed) = Testbed::new() else { return };
    let mut juliet = testbed.aiortc(&["answer", "--rings-for", "7"]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet]);
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}
