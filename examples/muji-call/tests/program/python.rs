//! The Python package, in bots on slixmpp and nbxmpp that take calls, through Prosody. `make python` does it with the wheel, other tests with
//! the sources.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use muji_core::xmpp::Connection;
use muji_harness::proxy::Proxy;
use muji_harness::real_server::{PEOPLE, RealServer};
use muji_xep::Element;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::library::account;
use crate::real_servers::{friends, in_room};
use crate::support::*;

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python")
}

/// Python with our package, and with this library from where `scripts/needs python` installs it; `None` if it is not there.
fn python(library: &str) -> Option<Command> {
    let wheel = std::env::var_os("MUJI_PYTHON").map(PathBuf::from).filter(|_| library == "slixmpp");
    let test = std::env::current_exe().expect("it runs");
    let environment = if library == "slixmpp" { "python" } else { library };
    let mut installed = test.ancestors().map(|folder| folder.join(environment).join("bin/python3"));
    let Some(python) = wheel.clone().or_else(|| installed.find(|python| python.exists())) else {
        skipped(&format!("{library} is not installed: scripts/needs python"));
        return None;
    };
    let mut command = Command::new(python);
    command.arg("-B").stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    if wheel.is_none() {
        command.env("PYTHONPATH", package()).env("MUJI_CALL", env!("CARGO_BIN_EXE_muji-call"));
    }
    Some(command)
}

/// Such a bot, with a tone to send, connected there; `None` if its library is not installed.
fn bot_on(library: &str, server: &RealServer, name: &str, address: &str) -> Option<Child> {
    let mut command = python(library)?;
    let program = if library == "slixmpp" { "examples/bot.py" } else { "examples/nbxmpp_bot.py" };
    command.arg(package().join(program)).args(["--audio", "tone:660", "--bind", "127.0.0.1"]);
    as_account(&mut command, server, name, address);
    Some(command.stderr(Stdio::piped()).spawn().expect("it runs"))
}

/// The variables by which examples in other languages learn who they are.
pub(crate) fn as_account(command: &mut Command, server: &RealServer, name: &str, address: &str) {
    command.env("XMPP_JID", format!("{name}@{}", server.domain)).env("XMPP_PASSWORD", PASSWORD);
    command.env("XMPP_SERVER", address).env("XMPP_CA_FILE", server.authority());
}

/// Waits until this tone is heard, as JSON or Python shows it.
pub(crate) async fn hears(child: &mut Child, hz: f64) {
    let tone = |line: &str| {
        let said = line.split_once("hz")?.1.trim_start_matches(['"', '\'', ':', ' ']);
        said.split([',', '}']).next()?.parse::<f64>().ok()
    };
    let search = async { while !tone(&said(child, "hz").await).is_some_and(|tone| (tone - hz).abs() < 5.0) {} };
    timeout(LIMIT, search).await.unwrap_or_else(|_| panic!("it never heard {hz} Hz"));
}

/// A server and a wire to it.
async fn friends_behind_a_wire() -> Option<(RealServer, Proxy)> {
    let server = friends()?;
    let wire = Proxy::before(SocketAddr::from(([127, 0, 0, 1], server.port)), usize::MAX).await;
    Some((server, wire.expect("a free port")))
}

/// A server, a bot on it by this wire, and somebody who called the bot: both hear each other.
async fn in_a_call_with_a_bot(library: &str) -> Option<(RealServer, Proxy, Child, Child)> {
    let (server, wire) = friends_behind_a_wire().await?;
    let [romeo, juliet, ..] = PEOPLE;
    let mut bot = bot_on(library, &server, juliet, &wire.address().to_string())?;
    said(&mut bot, "online").await;
    let callee = format!("{juliet}@{}", server.domain);
    let mut caller = in_room(&server, romeo, &callee, &["--audio", "tone:440", "--json"]).spawn().expect("it is built");
    hears(&mut caller, 660.0).await;
    hears(&mut bot, 440.0).await;
    Some((server, wire, bot, caller))
}

/// A word of somebody's to the bot.
async fn tell(server: &RealServer, from: &str, to: &str, word: &str) {
    let mut connection = Connection::open(account(server, from)).await.expect("the login works");
    let to = format!("{to}@{}", server.domain);
    let word = format!("<message xmlns='jabber:client' to='{to}' type='chat'><body>{word}</body></message>");
    connection.send_element(word.parse::<Element>().expect("it is XML")).await;
}

#[tokio::test]
async fn the_packages_own_tests_pass() {
    let Some(mut python) = python("slixmpp") else { return };
    python.args(["-W", "error", "-m", "unittest", "discover", "--start-directory"]).arg(package().join("tests"));
    let output = timeout(LIMIT * 2, python.stderr(Stdio::piped()).output()).await.expect("in time").expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_bot_in_python_takes_a_call_and_comes_into_a_room_that_is_named_to_it() {
    let Some((server, _wire, mut bot, caller)) = in_a_call_with_a_bot("slixmpp").await else { return };
    signal(&caller, "-INT").await;
    said(&mut bot, "'event': 'ended'").await;

    let [romeo, juliet, ..] = PEOPLE;
    let room = format!("balcony@conference.{}", server.domain);
    tell(&server, romeo, juliet, &room).await;
    let mut caller = in_room(&server, romeo, &room, &["--audio", "tone:440", "--json"]).spawn().expect("it is built");
    hears(&mut caller, 660.0).await;
    hears(&mut bot, 440.0).await;
    signal(&bot, "-INT").await;
    said(&mut caller, "\"left\"").await;
}

#[tokio::test]
async fn a_bot_on_the_library_of_gajim_takes_a_call_and_ends_it_by_a_stream_that_was_cut_and_resumed() {
    let Some((_server, wire, mut bot, mut caller)) = in_a_call_with_a_bot("nbxmpp").await else { return };
    wire.cut();
    said(&mut bot, "resumed").await;
    signal(&bot, "-INT").await;
    said(&mut caller, "\"ended\"").await;
    let ended = timeout(LIMIT, bot.wait_with_output()).await.expect("in time").expect("it ran");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test]
async fn when_the_call_program_of_a_bot_is_killed_the_other_sees_it_leave_at_once() {
    let Some((_server, _wire, mut bot, mut caller)) = in_a_call_with_a_bot("slixmpp").await else { return };
    let id = bot.id().expect("it runs").to_string();
    let killed = Command::new("pkill").args(["-KILL", "--parent", &id]).status().await;
    assert!(killed.expect("pkill is there").success());
    said(&mut caller, "\"ended\"").await;
    let gone = said(&mut bot, "'event': 'gone'").await;
    assert!(gone.contains("muji-call has ended"), "{gone}");
}

#[tokio::test]
async fn a_bot_that_is_killed_takes_its_call_program_with_it() {
    let Some((_server, _wire, mut bot, mut caller)) = in_a_call_with_a_bot("slixmpp").await else { return };
    let mut errors = bot.stderr.take().expect("it is piped");
    bot.kill().await.expect("it ran");
    // The program has the same standard error, which ends with the last that could write to it.
    let mut told = String::new();
    timeout(LIMIT, errors.read_to_string(&mut told)).await.expect("both have ended").expect("it is text");
    said(&mut caller, "\"interrupted\"").await; // The server still waits for its stream.
}

#[tokio::test]
async fn a_bot_whose_stream_is_cut_goes_on_with_it_and_one_whose_server_was_killed_comes_back_into_the_room() {
    let Some((mut server, wire)) = friends_behind_a_wire().await else { return };
    let [romeo, juliet, ..] = PEOPLE;
    let Some(mut bot) = bot_on("slixmpp", &server, juliet, &wire.address().to_string()) else { return };
    said(&mut bot, "online").await;
    let room = format!("balcony@conference.{}", server.domain);
    tell(&server, romeo, juliet, &room).await;
    said(&mut bot, "'event': 'joined'").await;

    wire.cut();
    said(&mut bot, "resumed").await;
    let mut caller = in_room(&server, romeo, &room, &["--audio", "tone:440", "--json"]).spawn().expect("it is built");
    hears(&mut caller, 660.0).await; // So what the bot says to the room, and the room to it, passes again.
    hears(&mut bot, 440.0).await;

    server.kill();
    said(&mut caller, "\"lost\"").await;
    server.start().expect("it starts again");
    said(&mut bot, "online").await;
    said(&mut bot, "'event': 'joined'").await;
    said(&mut caller, "\"joined\"").await;
}
