//! Calls through real servers: Prosody and ejabberd, with TLS.

use std::time::Duration;

use muji_harness::proxy::Proxy;
use muji_harness::real_server::{PEOPLE, RealServer};
use serde_json::Value;

use crate::support::*;

const TONES: [f32; 3] = [440.0, 660.0, 880.0];

/// A server takes seconds to start on a busy machine, and then the call its time.
const CALL: &str = "8";

pub(crate) fn prosody() -> Option<RealServer> {
    started("Prosody", RealServer::prosody(PASSWORD))
}

pub(crate) fn ejabberd() -> Option<RealServer> {
    started("ejabberd", RealServer::ejabberd(PASSWORD))
}

/// One whose accounts are contacts of each other.
pub(crate) fn friends() -> Option<RealServer> {
    started("Prosody", RealServer::prosody_of_friends(PASSWORD))
}

fn started(name: &str, server: std::io::Result<Option<RealServer>>) -> Option<RealServer> {
    let server = server.unwrap_or_else(|why| panic!("{why}"));
    if server.is_none() {
        skipped(&format!("{name} is not installed"));
    }
    server
}

fn person(server: &RealServer, name: &str, more: &[&str]) -> tokio::process::Command {
    in_room(server, name, &format!("balcony@conference.{}", server.domain), more)
}

pub(crate) fn in_room(server: &RealServer, name: &str, room: &str, more: &[&str]) -> tokio::process::Command {
    let jid = format!("{name}@{}", server.domain);
    let (address, authority) = (server.address(), server.authority());
    let mut arguments = vec![room, "--jid", &jid, "--nick", name, "--ca-file", &authority];
    if !more.contains(&"--server") {
        arguments.extend(["--server", &address]);
    }
    arguments.extend(["--bind", "127.0.0.1"]);
    arguments.extend(more);
    program(&arguments)
}

#[tokio::test]
async fn three_hear_each_other_in_a_room_of_prosody() {
    let Some(server) = prosody() else { return };
    three_hear_each_other(&server).await;
    a_room_for_members_only(&server).await;
    inside_a_chat_room(&server).await;
    // The session that came first is shown, so the other goes by another nick.
    beside_a_chat_client(&server, "romeo (call)").await;
    wrong_words(&server).await;
}

#[tokio::test]
async fn three_hear_each_other_in_a_room_of_ejabberd() {
    let Some(server) = ejabberd() else { return };
    three_hear_each_other(&server).await;
    a_room_for_members_only(&server).await;
    inside_a_chat_room(&server).await;
    // The session that came last is shown.
    beside_a_chat_client(&server, "romeo").await;
    wrong_words(&server).await;
}

/// Three processes, three accounts, one room; the third comes by direct TLS. Each records the two others' tones.
async fn three_hear_each_other(server: &RealServer) {
    let folder = folder(server.domain);
    let direct = server.direct_address();
    let calls = PEOPLE.iter().zip(TONES).map(|(name, tone)| {
        let (tone, template) = (format!("tone:{tone}"), folder.join(name).join("{nick}.wav"));
        let mut more = vec!["--audio", &tone, "--record", text(&template), "--seconds", CALL, "--expect", "2"];
        if *name == PEOPLE[2] {
            more.extend(["--server", &direct, "--tls", "direct"]);
        }
        run(person(server, name, &more))
    });
    for output in futures::future::join_all(calls).await {
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
    for listener in PEOPLE.into_iter().take(TONES.len()) {
        for (speaker, hz) in PEOPLE.iter().zip(TONES).filter(|(speaker, _)| **speaker != listener) {
            let recording = folder.join(listener).join(format!("{speaker}.wav"));
            let heard = tone(&recording);
            assert!(heard.is_some_and(|heard| (heard - hz).abs() < 2.0), "{listener} hears {heard:?} of {speaker}");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// The service's own form is filled in so that only who was named gets in.
async fn a_room_for_members_only(server: &RealServer) {
    let (service, guest) = (format!("conference.{}", server.domain), format!("{}@{}", PEOPLE[1], server.domain));
    let mut maker = in_room(server, PEOPLE[0], &service, &["--new", "--admit", &guest, "--json"]).spawn().unwrap();
    let made: Value = serde_json::from_str(&said(&mut maker, "\"room\"").await).unwrap();
    said(&mut maker, "\"joined\"").await;
    let room = made["room"].as_str().unwrap();
    let output = run(in_room(server, PEOPLE[1], room, &["--seconds", "4", "--expect", "1"])).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let (code, why) = failure(in_room(server, PEOPLE[2], room, &["--seconds", "4"])).await;
    assert_eq!(code, Some(4), "{why}");
    assert!(why.contains("for members only"), "{why}");
}

/// The first to come makes the chat room, which the client has to configure; here the one before did.
async fn inside_a_chat_room(server: &RealServer) {
    let kitchen = format!("kitchen@conference.{}", server.domain);
    let mut host = in_room(server, PEOPLE[2], &kitchen, &["--json"]).spawn().unwrap();
    said(&mut host, "\"joined\"").await;
    let more = ["--in-chat", "--seconds", CALL, "--expect", "2"];
    let guests = [PEOPLE[0], PEOPLE[1]].map(|name| run(in_room(server, name, &kitchen, &more)));
    for output in futures::future::join_all(guests).await {
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
    }
}

/// The user's chat client is in the room under the same nick, and the room shows others that one alone.
async fn beside_a_chat_client(server: &RealServer, nick: &str) {
    let parlour = format!("parlour@conference.{}", server.domain);
    let mut host = in_room(server, PEOPLE[2], &parlour, &["--json"]).spawn().unwrap();
    said(&mut host, "\"joined\"").await;
    let (jid, address, authority) = (format!("{}@{}", PEOPLE[0], server.domain), server.address(), server.authority());
    let more = ["--wait", "--chat", &parlour, "--jid", &jid, "--nick", PEOPLE[0], "--json"];
    let connection = ["--server", &address, "--ca-file", &authority];
    let mut chat = program(&[&more[..], &connection[..]].concat()).spawn().unwrap();
    said(&mut chat, "\"chat\"").await;
    let more = ["--in-chat", "--seconds", CALL, "--expect", "1"];
    let output = run(in_room(server, PEOPLE[0], &parlour, &more)).await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    said(&mut host, &format!("\"nick\":\"{nick}\"")).await;
}

async fn wrong_words(server: &RealServer) {
    let mut wrong = person(server, "romeo", &[]);
    wrong.env("XMPP_PASSWORD", "thorn");
    let (code, why) = failure(wrong).await;
    assert_eq!(code, Some(3), "{why}");
    assert!(why.contains("does not accept this name and password"), "{why}");

    let (code, why) = failure(person(server, "nobody", &[])).await;
    assert_eq!(code, Some(3), "{why}");

    let (jid, address, authority) = (format!("romeo@{}", server.domain), server.address(), server.authority());
    let nowhere = format!("balcony@nowhere.{}", server.domain);
    let (code, why) = failure(program(&[&nowhere, "--jid", &jid, "--server", &address, "--ca-file", &authority])).await;
    assert_eq!(code, Some(4), "{why}");
    assert!(why.contains("check the part of the address after the @"), "{why}");
}

#[tokio::test]
async fn when_prosody_is_killed_sound_goes_on_and_the_program_comes_back_into_the_call() {
    let Some(mut server) = prosody() else { return };
    let mut juliet = person(&server, "juliet", &["--json"]).spawn().unwrap();
    let mut romeo = person(&server, "romeo", &["--json"]).spawn().unwrap();
    said(&mut juliet, "\"first-sound\"").await;
    said(&mut romeo, "\"first-sound\"").await;
    server.kill();
    said(&mut romeo, "\"lost\"").await;
    let heard = heard_in_seconds(&mut romeo, 4).await;
    assert!(heard >= 3, "sound went on for {heard} of 4 s");
    server.start().unwrap();
    // Prosody has forgotten the room and everybody in it.
    said(&mut romeo, "\"joined\"").await;
    said(&mut juliet, "\"joined\"").await;
    let heard = heard_in_seconds(&mut romeo, 4).await;
    assert!(heard >= 3, "sound goes on for {heard} of 4 s after coming back");
}

// Shows sm-02.
#[tokio::test]
async fn a_stream_that_is_cut_is_resumed_and_what_was_under_way_arrives_once() {
    let Some(server) = prosody() else { return };
    let direct = std::net::SocketAddr::from(([127, 0, 0, 1], server.port));
    let mut juliet = person(&server, "juliet", &["--json"]).spawn().unwrap();
    said(&mut juliet, "\"joined\"").await;
    // The offer is on its way when the wire freezes, and what follows of it comes by the next one.
    let mut proxy = Proxy::before(direct, 14).await.unwrap();
    let through = proxy.address().to_string();
    let mut romeo = person(&server, "romeo", &["--json", "--server", &through, "--tls", "none"]).spawn().unwrap();
    proxy.frozen().await;
    proxy.cut();
    said(&mut romeo, "\"resumed\"").await;
    said(&mut romeo, "\"first-sound\"").await;
    said(&mut juliet, "\"first-sound\"").await;
    signal(&romeo, "-INT").await;
    let left = said(&mut juliet, "\"left\"").await;
    assert!(left.contains("romeo"), "{left}");
    let told = romeo.wait_with_output().await.unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(!told.contains("\"failed\"") && !told.contains("room-lost"), "{told}");
}

async fn heard_in_seconds(child: &mut tokio::process::Child, seconds: u64) -> usize {
    let mut heard = 0;
    let count = async {
        loop {
            let Some(line) = next_line(child).await else { return };
            let event: Value = serde_json::from_str(&line).unwrap();
            heard += usize::from(event["event"] == "heard" && !event["hz"].is_null());
        }
    };
    let _time_is_up = tokio::time::timeout(Duration::from_secs(seconds), count).await.is_err();
    heard
}
