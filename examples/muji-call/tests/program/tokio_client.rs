//! The example on `tokio_xmpp::Client`, in a call with `muji-call` through Prosody.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;

use jid::BareJid;
use muji_core::error::EndReason;
use muji_harness::real_server::{PEOPLE, RealServer};
use muji_media::backend::{Backend, Devices};
use muji_media::device::tone::Tone;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_xmpp::Client;
use tokio_xmpp::connect::DnsConfig;
use tokio_xmpp::xmlstream::Timeouts;

use crate::real_servers::{in_room, prosody};
use crate::support::*;

#[path = "../../../tokio_client.rs"]
#[expect(dead_code, reason = "its main function is the example's")]
mod example;

/// A user who never hangs up is one whose half is kept.
fn user() -> (oneshot::Sender<()>, impl Future<Output = ()>) {
    let (hangs_up, hung_up) = oneshot::channel();
    let until = async {
        if hung_up.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    (hangs_up, until)
}

/// The example as Romeo, with a tone, and how its call ends.
fn romeo<User: Future<Output = ()>>(
    server: &RealServer,
    room: &str,
    hang_up: User,
) -> impl Future<Output = EndReason> + use<User> {
    let jid: BareJid = format!("{}@{}", PEOPLE[0], server.domain).parse().expect("a JID");
    let (room, address) = (room.parse().expect("a room"), format!("127.0.0.1:{}", server.port));
    let client = Client::new_plaintext(jid, PASSWORD, DnsConfig::addr(&address), Timeouts::tight());
    let devices = Devices {
        audio_source: Some(Box::new(Tone::new(440.0))),
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        ..Devices::default()
    };
    let (media, _) = Backend::start(devices).expect("media works");
    async { example::run(client, media, room, hang_up).await.expect("it ends as a call does") }
}

#[tokio::test]
async fn a_client_on_tokio_xmpp_is_heard_and_hangs_up() {
    let Some(server) = prosody() else { return };
    let room = format!("balcony@conference.{}", server.domain);
    let (hangs_up, hung_up) = user();
    let juliet = async {
        let more = ["--audio", "tone:660", "--json", "--seconds", "4", "--expect", "1"];
        let output = run(in_room(&server, PEOPLE[1], &room, &more)).await;
        hangs_up.send(()).expect("the call goes on");
        output
    };
    let (ended, output) = tokio::join!(timeout(LIMIT, romeo(&server, &room, hung_up)), juliet);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let heard = events(&output).iter().filter_map(|event| event["hz"].as_f64()).any(|hz| (hz - 440.0).abs() < 5.0);
    assert!(heard, "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(ended.expect("the user has hung up"), EndReason::Left);
}

#[tokio::test]
async fn a_stanza_that_cannot_be_written_stops_neither_the_user_nor_events() {
    let Some(mut server) = prosody() else { return };
    let room = format!("balcony@conference.{}", server.domain);
    let (hangs_up, hung_up) = user();
    let mut juliet = in_room(&server, PEOPLE[1], &room, &["--json"]).spawn().expect("it is built");
    let mut romeo = pin!(romeo(&server, &room, hung_up));
    tokio::select! {
        _ = said(&mut juliet, "\"first-sound\"") => {}
        ended = &mut romeo => panic!("nobody has hung up: {ended}"),
    }
    server.kill(); // Now the client connects again and again, and what it is to send waits.
    hangs_up.send(()).expect("the call goes on");
    assert_eq!(timeout(LIMIT, romeo).await.expect("the room need not confirm it"), EndReason::Left);
}
