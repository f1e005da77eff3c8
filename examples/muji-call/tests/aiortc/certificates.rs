//! RSA certificates, as GStreamer's webrtcbin and many gateways have. That of aiortc itself is ECDSA, as in all other tests.

use crate::testbed::*;

#[cfg(feature = "webrtc-ice")]
#[tokio::test]
async fn aiortc_with_an_rsa_certificate_is_heard_when_it_calls_again() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call(&["--wait", "--anybody", "--auto-answer", "0"]);
    romeo.tells("waiting").await;
    let call = ["call", &testbed.romeo, "--certificate", "rsa"];
    let mut juliet = testbed.aiortc(&call).await;
    juliet.tells("ended").await;
    let ended = romeo.tells("ended").await;
    assert!(ended["why"].as_str().is_some_and(|why| why.contains("RSA") && why.contains("the next call")), "{ended}");
    let mut juliet = testbed.aiortc(&call).await;
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

#[cfg(feature = "webrtc-ice")]
#[tokio::test]
async fn aiortc_with_an_rsa_certificate_is_called_again_in_a_room() {
    let Some(testbed) = Testbed::new() else { return };
    let room = testbed.room();
    let mut juliet = testbed.aiortc(&["join", &room, "--certificate", "rsa"]).await;
    juliet.tells("joined").await;
    let mut romeo = testbed.muji_call(&[&room, "--nick", "romeo"]);
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

#[cfg(feature = "webrtc-ice")]
#[tokio::test]
async fn the_second_transport_takes_an_rsa_certificate_in_both_roles() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&["--transport", "webrtc-ice"]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--certificate", "rsa"]).await;
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
    juliet.hangs_up().await;
    romeo.ends("the other hung up").await;

    let mut juliet = testbed.aiortc(&["answer", "--certificate", "rsa"]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet, "--transport", "webrtc-ice"]);
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

#[cfg(not(feature = "webrtc-ice"))]
#[tokio::test]
async fn without_the_second_transport_an_rsa_certificate_is_said_to_be_the_reason() {
    let Some(testbed) = Testbed::new() else { return };
    let romeo = testbed.muji_call_waits(&[]).await;
    let juliet = testbed.aiortc(&["call", &testbed.romeo, "--certificate", "rsa"]).await;
    end_because_of_rsa(romeo, juliet).await;

    let juliet = testbed.aiortc(&["answer", "--certificate", "rsa"]).await;
    let romeo = testbed.muji_call(&[&testbed.juliet]);
    end_because_of_rsa(romeo, juliet).await;
}

#[cfg(not(feature = "webrtc-ice"))]
async fn end_because_of_rsa(mut romeo: Side, mut juliet: Side) {
    let ended = romeo.tells("ended").await;
    assert!(ended["why"].as_str().is_some_and(|why| why.contains("certificate is RSA")), "{ended}");
    juliet.ends("security-error").await;
}
