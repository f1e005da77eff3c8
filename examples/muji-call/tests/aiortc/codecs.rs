//! What is sent under which number, and from which source.

use std::time::{Duration, Instant};

use crate::testbed::*;

/// The peer's second source has this tone, see `peer/session.py`.
const NEW_SOURCE: u16 = 300;

// RFC 3264 6.1: the same number in both directions is a SHOULD.
#[tokio::test]
async fn aiortc_gives_opus_another_number_than_our_offer() {
    let Some(testbed) = Testbed::new() else { return };
    let mut juliet = testbed.aiortc(&["answer", "--tone", "560", "--opus-number", "109"]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet, "--audio", "tone:440"]);
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

#[tokio::test]
async fn the_sound_of_aiortc_goes_on_from_another_source() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&["--audio", "tone:440"]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--tone", "560", "--new-source-after", "2"]).await;
    romeo.hears(THEIRS).await;
    juliet.tells("new-source").await;
    let changed = Instant::now();
    romeo.hears(NEW_SOURCE).await;
    // Two whole seconds of it were heard.
    assert!(changed.elapsed() < Duration::from_secs(5), "after {:?}", changed.elapsed());
    juliet.hears(OURS).await;
}

#[tokio::test]
#[ignore = "we have no G.711"]
async fn aiortc_calls_with_pcmu_alone() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&["--audio", "tone:440"]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--tone", "560", "--codec", "PCMU"]).await;
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

#[tokio::test]
#[ignore = "we have no G.711"]
async fn aiortc_answers_with_pcmu_alone() {
    let Some(testbed) = Testbed::new() else { return };
    let mut juliet = testbed.aiortc(&["answer", "--tone", "560", "--codec", "PCMU"]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet, "--audio", "tone:440"]);
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

#[tokio::test]
async fn telephone_events_that_aiortc_offers_do_not_disturb_the_call() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&["--audio", "tone:440"]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--tone", "560", "--digits", ""]).await;
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}
