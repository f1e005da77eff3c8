//! The call in a room.

use crate::testbed::*;

#[tokio::test]
async fn aiortc_comes_into_the_call_in_our_room() {
    let Some(testbed) = Testbed::new() else { return };
    let room = testbed.room();
    let mut romeo = testbed.muji_call(&[&room, "--nick", "romeo"]);
    romeo.tells("joined").await;
    let mut juliet = testbed.aiortc(&["join", &room]).await;
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
    juliet.hangs_up().await;
    romeo.tells_that("peer", |event| event["state"] == "left").await;
}

// It is asked once, however long its user needs.
#[tokio::test]
async fn we_come_into_a_room_in_which_aiortc_rings_for_seven_seconds() {
    let Some(testbed) = Testbed::new() else { return };
    let room = testbed.room();
    let mut juliet = testbed.aiortc(&["join", &room, "--rings-for", "7"]).await;
    juliet.tells("joined").await;
    let mut romeo = testbed.muji_call(&[&room, "--nick", "romeo"]);
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
    assert_eq!(juliet.times("offered"), 1, "{}", juliet.transcript());
}
