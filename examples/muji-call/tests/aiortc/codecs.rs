//! What is sent under which number, and from which source.

use std::time::{Duration, Instant};

use crate::testbed::*;

/// The peer's second source has this tone, see `peer/session.py`.
const NEW_SOURCE: u16 = 300;

// RFC 3264 6.1: the same number in both directions is a SHOULD.
#[tokio::test]
async fn aiortc_gives_opus_another_number_than_our_offer() {
    let Some(testbed) = Testbed::new() else { return };
    let mut juliet = testbed.aiortc(&["answer", "--opus-number", "109"]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet]);
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

// Music on hold. Sound and pictures are in one bundle, so the new source could be either.
#[tokio::test]
async fn the_sound_of_aiortc_goes_on_from_another_source() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&["--video", RED_PATTERN]).await;
    let theirs = ["call", &testbed.romeo, "--colour", BLUE, "--new-source-after", "2"];
    let mut juliet = testbed.aiortc(&theirs).await;
    romeo.hears(THEIRS).await;
    juliet.tells("new-source").await;
    let changed = Instant::now();
    romeo.hears(NEW_SOURCE).await;
    // Two whole seconds of it were heard.
    assert!(changed.elapsed() < Duration::from_secs(5), "after {:?}", changed.elapsed());
    romeo.sees(BLUE).await;
    juliet.hears(OURS).await;
}

#[tokio::test]
async fn aiortc_calls_with_pcmu_alone() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&[]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--codec", "PCMU"]).await;
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

#[tokio::test]
async fn aiortc_answers_with_pcmu_alone() {
    let Some(testbed) = Testbed::new() else { return };
    let mut juliet = testbed.aiortc(&["answer", "--codec", "PCMU"]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet]);
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

// RFC 4733. aiortc sends them in place of sound, as gateways do.
#[tokio::test]
async fn each_is_told_the_digits_that_the_other_presses() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&[]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--digits", "12#"]).await;
    for digit in ["1", "2", "#"] {
        assert_eq!(romeo.tells("digit").await["digit"], digit);
    }
    romeo.hears(THEIRS).await;
    romeo.presses(b"7*").await;
    for digit in ["7", "*"] {
        assert_eq!(juliet.tells("digit").await["digit"], digit);
    }
    juliet.hears(OURS).await;
}
