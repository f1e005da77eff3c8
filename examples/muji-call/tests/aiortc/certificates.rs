//! Certificates that are not of the usual kind. That of aiortc itself is ECDSA, as in all other tests.

use crate::testbed::*;

// GStreamer's webrtcbin and many gateways have RSA certificates.
#[cfg(feature = "webrtc-ice")]
#[tokio::test]
#[ignore = "no transport is chosen by the certificate of the other yet"]
async fn aiortc_with_an_rsa_certificate_calls_us() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&[]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--certificate", "rsa"]).await;
    romeo.hears(THEIRS).await;
    juliet.hears(OURS).await;
}

#[cfg(feature = "webrtc-ice")]
#[tokio::test]
#[ignore = "no transport is chosen by the certificate of the other yet"]
async fn we_call_aiortc_which_has_an_rsa_certificate() {
    let Some(testbed) = Testbed::new() else { return };
    let mut juliet = testbed.aiortc(&["answer", "--certificate", "rsa"]).await;
    let mut romeo = testbed.muji_call(&[&testbed.juliet]);
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
#[ignore = "the end does not name the certificate yet"]
async fn without_the_second_transport_an_rsa_certificate_is_said_to_be_the_reason() {
    let Some(testbed) = Testbed::new() else { return };
    let mut romeo = testbed.muji_call_waits(&[]).await;
    let mut juliet = testbed.aiortc(&["call", &testbed.romeo, "--certificate", "rsa"]).await;
    juliet.ends("security-error").await;
    let ended = romeo.tells("ended").await;
    assert!(ended["why"].as_str().is_some_and(|why| why.contains("RSA")), "{ended}");
}
