//! A bridge: people who call its account are in the room's call.

use std::process::Stdio;

use muji_harness::room::Rules;
use muji_harness::server::Server;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::support::*;

fn one(server: &Server, name: &str, more: &[&str]) -> Command {
    let (jid, address) = (format!("{name}@localhost/{name}"), server.address().to_string());
    let mut arguments = more.to_vec();
    arguments.extend(["--jid", &jid, "--server", &address, "--tls", "none", "--bind", "127.0.0.1", "--json"]);
    let mut command = program(&arguments);
    command.stdin(Stdio::piped());
    command
}

async fn types(child: &mut Child, text: &str) {
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_caller_enters_the_pin_with_keys_is_shown_in_the_room_and_muted_and_sent_away_by_the_owner() {
    let server = server(Rules::default()).await;
    server.with_service(|service| {
        service.contacts.extend(["phone@localhost", "nurse@localhost"].map(|jid| jid.parse().unwrap()));
    });
    let mut romeo = one(&server, "romeo", &[ROOM, "--nick", "romeo", "--audio", "tone:440"]).spawn().unwrap();
    said(&mut romeo, "\"joined\"").await;
    let mut bridge = one(&server, "phone", &[ROOM, "--bridge", "--pin", "493021"]).spawn().unwrap();
    said(&mut bridge, "\"flowing\"").await;
    let mut nurse = one(&server, "nurse", &["phone@localhost", "--audio", "tone:660"]).spawn().unwrap();
    assert!(said(&mut bridge, "\"waiting\"").await.contains("\"id\":\"c1\""));
    said(&mut nurse, "\"flowing\"").await;
    types(&mut nurse, "111111#").await;
    types(&mut nurse, "493021#").await;
    assert!(said(&mut bridge, "\"in\"").await.contains("\"jid\":\"nurse@localhost\""));
    said(&mut romeo, "\"name\":\"nurse\",\"state\":\"connected\"").await;
    said(&mut nurse, "\"hz\":4").await;
    types(&mut bridge, "{\"mute\":\"c1\"}\n").await;
    let shown = said(&mut romeo, "\"muted\":true").await;
    assert!(shown.contains("\"guests\""), "{shown}");
    types(&mut bridge, "{\"mute\":\"c7\"}\nx1").await;
    said(&mut bridge, "there is no caller c7").await;
    assert!(said(&mut nurse, "\"ended\"").await.contains("the other hung up"));
    assert!(said(&mut bridge, "\"left\"").await.contains("\"c1\""));
    said(&mut romeo, "\"guests\":[]").await;
}

#[tokio::test]
async fn what_makes_no_sense_of_a_bridge_is_said() {
    let server = server(Rules::default()).await;
    for (arguments, why) in [
        (&[ROOM, "--bridge", "--pin", "12345"][..], "--pin must be 6 to 32 digits"),
        (&[ROOM, "--admit", "nurse@localhost"], "--admit needs --new or --bridge"),
        (&["nurse@localhost/phone", "--bridge"], "nurse@localhost/phone is not a room"),
    ] {
        let (code, said) = failure(one(&server, "phone", arguments)).await;
        assert_eq!(code, Some(2));
        assert!(said.contains(why), "{said}");
    }
}
