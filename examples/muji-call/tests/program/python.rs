//! The Python package, in a bot on slixmpp that takes calls, through Prosody. `make python` does it with the wheel, other tests with the
//! sources.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use muji_core::xmpp::Connection;
use muji_harness::real_server::{PEOPLE, RealServer};
use muji_xep::Element;
use tokio::process::{Child, Command};

use crate::library::account;
use crate::real_servers::{friends, in_room};
use crate::support::*;

/// Where `scripts/needs python` installs, below the folder of the build.
const ENVIRONMENT: &str = "python/bin/python3";

/// The bot, with a tone to send; `None` if there is no Python with slixmpp.
fn bot(server: &RealServer, name: &str) -> Option<Child> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python");
    let installed = std::env::var_os("MUJI_PYTHON").map(PathBuf::from);
    let test = std::env::current_exe().expect("it runs");
    let of_tests = test.ancestors().map(|folder| folder.join(ENVIRONMENT)).find(|python| python.exists());
    let Some(python) = installed.clone().or(of_tests) else {
        skipped("slixmpp is not installed: scripts/needs python");
        return None;
    };
    let mut command = Command::new(python);
    command.arg("-B").arg(package.join("examples/bot.py")).args(["--audio", "tone:660", "--bind", "127.0.0.1"]);
    if installed.is_none() {
        command.env("PYTHONPATH", &package).env("MUJI_CALL", env!("CARGO_BIN_EXE_muji-call"));
    }
    command.env("XMPP_JID", format!("{name}@{}", server.domain)).env("XMPP_PASSWORD", PASSWORD);
    command.env("XMPP_SERVER", server.address()).env("XMPP_CA_FILE", server.authority());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    Some(command.spawn().expect("it runs"))
}

#[tokio::test]
async fn a_bot_in_python_takes_a_call_and_comes_into_a_room_that_is_named_to_it() {
    let Some(server) = friends() else { return };
    let [romeo, juliet, ..] = PEOPLE;
    let Some(mut bot) = bot(&server, juliet) else { return };
    said(&mut bot, "online").await;

    let callee = format!("{juliet}@{}", server.domain);
    let call = in_room(&server, romeo, &callee, &["--audio", "tone:440", "--json", "--seconds", "4", "--expect", "1"]);
    let called = run(call).await;
    assert_eq!(called.status.code(), Some(0), "{}", String::from_utf8_lossy(&called.stderr));
    hears(&events(&called), 660.0);
    said(&mut bot, "'event': 'first-sound'").await;
    said(&mut bot, "'event': 'ended'").await;

    let room = format!("balcony@conference.{}", server.domain);
    let mut connection = Connection::open(account(&server, romeo)).await.expect("the login works");
    let word = format!("<message xmlns='jabber:client' to='{callee}' type='chat'><body>{room}</body></message>");
    connection.send_element(word.parse::<Element>().expect("it is XML")).await;
    let call = in_room(&server, romeo, &room, &["--audio", "tone:440", "--json", "--seconds", "4", "--expect", "1"]);
    let called = run(call).await;
    assert_eq!(called.status.code(), Some(0), "{}", String::from_utf8_lossy(&called.stderr));
    hears(&events(&called), 660.0);
    bot.kill().await.expect("it ran");
}

fn hears(events: &[serde_json::Value], hz: f64) {
    let tones: Vec<f64> =
        events.iter().filter(|event| event["event"] == "heard").filter_map(|it| it["hz"].as_f64()).collect();
    assert!(tones.iter().any(|tone| (tone - hz).abs() < 5.0), "{tones:?}");
}
