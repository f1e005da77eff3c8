//! `muji-call` as its user sees it: what it says, what it leaves behind, how it ends.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use muji_conformance::harness::room::Rules;
use muji_conformance::harness::server::Server;
use muji_media::meter::Meter;
use muji_xep::Element;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

const PASSWORD: &str = "canary-in-the-gold-mine";
const ROOM: &str = "balcony@conference.localhost";

/// No run here may take longer.
const LIMIT: Duration = Duration::from_secs(30);

async fn server(rules: Rules) -> Server {
    Server::start("localhost", PASSWORD, rules).await.expect("a free port")
}

fn program(arguments: &[&str]) -> Command {
    let folder =
        std::env::current_exe().expect("a test has a place").parent().and_then(Path::parent).map(Path::to_owned);
    let mut command = Command::new(folder.expect("below target").join("examples/muji-call"));
    command.args(arguments).env("XMPP_PASSWORD", PASSWORD).env_remove("XMPP_ROOM_PASSWORD");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// The program for `name` in the call of the room.
fn call(server: &Server, name: &str, more: &[&str]) -> Command {
    let (jid, address) = (format!("{name}@localhost"), server.address().to_string());
    let mut arguments = vec![ROOM, "--jid", &jid, "--nick", name, "--server", &address, "--tls", "none"];
    arguments.extend(["--bind", "127.0.0.1"]);
    arguments.extend(more);
    program(&arguments)
}

async fn run(mut command: Command) -> Output {
    timeout(LIMIT, command.output()).await.expect("it ends in time").expect("it is built")
}

/// The exit code and the last sentence on standard error.
async fn failure(command: Command) -> (Option<i32>, String) {
    let output = run(command).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), errors.lines().last().unwrap_or_default().to_owned())
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("muji-call-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// Waits until a line of the output contains `what`.
async fn said(child: &mut Child, what: &str) {
    let output = child.stdout.as_mut().expect("it is piped");
    let mut lines = BufReader::new(output).lines();
    let search = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line.contains(what) {
                return true;
            }
        }
        false
    };
    assert!(timeout(LIMIT, search).await.is_ok_and(|found| found), "it never said {what}");
}

// ---- how it fails ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_refused_port() {
    let gone = server(Rules::default()).await.address().to_string();
    let (code, why) = failure(program(&[ROOM, "--jid", "romeo@localhost", "--server", &gone, "--tls", "none"])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("is not reached") && why.contains("is it running"), "{why}");
}

#[tokio::test]
async fn a_wrong_password() {
    let server = server(Rules::default()).await;
    let mut romeo = call(&server, "romeo", &[]);
    romeo.env("XMPP_PASSWORD", "thorn");
    let (code, why) = failure(romeo).await;
    assert_eq!(code, Some(3));
    assert_eq!(
        why,
        "muji-call: the server does not accept this name and password; check both"
    );
}

#[tokio::test]
async fn a_password_from_a_file_and_none_at_all() {
    let server = server(Rules::default()).await;
    let folder = folder("password");
    let file = folder.join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let mut romeo = call(&server, "romeo", &["--password-file", text(&file), "--seconds", "0", "--expect", "0"]);
    romeo.env_remove("XMPP_PASSWORD");
    assert_eq!(run(romeo).await.status.code(), Some(0));
    let mut nobody = call(&server, "romeo", &["--password-file", text(&folder.join("none"))]);
    nobody.env_remove("XMPP_PASSWORD");
    let (code, why) = failure(nobody).await;
    assert_eq!(code, Some(2));
    assert!(why.contains("none cannot be read"), "{why}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_server_elsewhere_is_not_spoken_to_without_tls() {
    let (code, why) = failure(program(&[ROOM, "--jid", "romeo@localhost", "--server", "192.0.2.1:5222", "--tls", "none"])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("not on this machine"), "{why}");
}

#[tokio::test]
async fn an_account_without_a_name() {
    let (code, why) = failure(program(&[ROOM, "--jid", "localhost"])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("must look like name@server"), "{why}");
}

#[tokio::test]
async fn wrong_words_on_the_command_line() {
    for wrong in [&["--audio", "tone:9"][..], &["--audio", "/nowhere.wav"], &["--seconds", "soon"], &["--what"]] {
        let mut arguments = vec![ROOM, "--jid", "romeo@localhost"];
        arguments.extend(wrong);
        let (code, why) = failure(program(&arguments)).await;
        assert_eq!(code, Some(2), "{wrong:?}");
        assert!(!why.is_empty());
    }
}

#[tokio::test]
async fn a_file_that_is_no_wav() {
    let folder = folder("wav");
    let file = folder.join("speech.wav");
    std::fs::write(&file, "once upon a time").unwrap();
    let (code, why) = failure(program(&[ROOM, "--jid", "romeo@localhost", "--audio", text(&file)])).await;
    assert_eq!(code, Some(2));
    assert!(why.contains("speech.wav cannot be read as a WAV file"), "{why}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn rooms_that_do_not_let_us_in_or_are_no_place_for_a_call() {
    let romeo = || ["romeo@localhost".parse().unwrap()].into();
    let cases = [
        (Rules { capacity: Some(0), ..Rules::default() }, "the room is full"),
        (Rules { members: Some([].into()), ..Rules::default() }, "for members only"),
        (Rules { banned: romeo(), ..Rules::default() }, "you are banned"),
        (Rules { password: Some("rose".to_owned()), ..Rules::default() }, "wants a password"),
        (Rules { hides_jids: true, ..Rules::default() }, "hides who its occupants are"),
        (Rules { strips_muji: true, ..Rules::default() }, "removes call information"),
    ];
    for (rules, sentence) in cases {
        let server = server(Rules::default()).await;
        server.with_service(|service| service.rooms.set(&ROOM.parse().unwrap(), rules));
        let (code, why) = failure(call(&server, "romeo", &[])).await;
        assert_eq!(code, Some(4), "{why}");
        assert!(why.contains(sentence), "{why}");
    }
}

#[tokio::test]
async fn a_nick_in_use() {
    let server = server(Rules::default()).await;
    let mut juliet = call(&server, "juliet", &["--json"]).spawn().unwrap();
    said(&mut juliet, "joined").await;
    let (code, why) = failure(call(&server, "romeo", &["--nick", "juliet"])).await;
    assert_eq!(code, Some(2), "clap takes each option once: {why}");
    let (jid, address) = ("romeo@localhost", server.address().to_string());
    let (code, why) = failure(program(&[ROOM, "--jid", jid, "--nick", "juliet", "--server", &address, "--tls", "none"])).await;
    assert_eq!(code, Some(4));
    assert!(why.contains("choose another"), "{why}");
}

#[tokio::test]
async fn nobody_comes() {
    let server = server(Rules::default()).await;
    let (code, why) = failure(call(&server, "romeo", &["--seconds", "1"])).await;
    assert_eq!((code, why.as_str()), (Some(5), "muji-call: nobody else came to the call"));
}

#[tokio::test]
async fn fewer_are_heard_than_expected() {
    let server = server(Rules::default()).await;
    let silent = call(&server, "juliet", &["--audio", "none", "--seconds", "4"]);
    let romeo = call(&server, "romeo", &["--seconds", "2", "--expect", "1"]);
    let (_, (code, why)) = tokio::join!(run(silent), failure(romeo));
    assert_eq!((code, why.as_str()), (Some(1), "muji-call: 0 others were heard, 1 were expected"));
}

#[tokio::test]
async fn a_server_that_forgets_us_ends_the_call_with_a_sentence() {
    let server = server(Rules::default()).await;
    let mut romeo = call(&server, "romeo", &["--json"]).spawn().unwrap();
    said(&mut romeo, "joined").await;
    server.cut();
    let output = timeout(LIMIT, romeo.wait_with_output()).await.expect("in time").unwrap();
    assert_eq!(output.status.code(), Some(1));
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(why.contains("the connection to the server was lost"), "{why}");
}

// ---- how it works ----------------------------------------------------------------------------------------------------

/// The tone of the last whole second of a recording.
fn tone(path: &Path) -> Option<f32> {
    let reader = hound::WavReader::open(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let samples: Vec<i16> = reader.into_samples().map(Result::unwrap).collect();
    let mut meter = Meter::default();
    meter.add(samples.get(samples.len().checked_sub(60_000)?..)?);
    meter.take()?.frequency
}

#[tokio::test]
async fn two_hear_and_record_each_other_and_no_secret_is_told() {
    let server = server(Rules::default()).await;
    let folder = folder("call");
    let (record, trace) = (folder.join("record"), folder.join("trace.xml"));
    let template = record.join("{nick}.wav");
    let more = ["--audio", "tone:440", "--json", "--seconds", "4", "--expect", "1"];
    let mut more_of_romeo = more.to_vec();
    more_of_romeo.extend(["--record", text(&template), "--trace", text(&trace)]);
    let romeo = call(&server, "romeo", &more_of_romeo);
    let juliet = call(&server, "juliet", &["--audio", "tone:660", "--seconds", "5", "--expect", "1"]);
    let (romeo, juliet) = tokio::join!(run(romeo), run(juliet));
    assert_eq!((romeo.status.code(), juliet.status.code()), (Some(0), Some(0)));

    let events: Vec<Value> =
        String::from_utf8_lossy(&romeo.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let heard = events.iter().filter(|event| event["event"] == "heard" && event["nick"] == "juliet");
    let tones: Vec<f64> = heard.filter_map(|event| event["hz"].as_f64()).collect();
    assert!(tones.iter().any(|hz| (hz - 660.0).abs() < 2.0), "{tones:?}");
    let last: Vec<&Value> = events.iter().rev().take(2).map(|event| &event["event"]).collect();
    assert_eq!(last, ["summary", "ended"]);
    assert!(String::from_utf8_lossy(&juliet.stdout).contains("romeo 440 Hz -23 dB"));

    for (file, expected) in [("juliet.wav", 660.0), ("mix.wav", 660.0)] {
        let tone = tone(&record.join(file));
        assert!(tone.is_some_and(|hz| (hz - expected).abs() < 2.0), "{file}: {tone:?}");
    }
    let trace = std::fs::read_to_string(&trace).unwrap();
    let written: Element = trace.parse().unwrap();
    assert!(written.children().count() > 8);
    assert!(trace.contains("pwd=\"***\"") || trace.contains("pwd='***'"));
    for output in [&romeo.stdout, &romeo.stderr, &juliet.stdout, &juliet.stderr, &trace.into_bytes()] {
        assert!(!String::from_utf8_lossy(output).contains(PASSWORD));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// What a trace says was sent: presences by type, Jingle requests by action.
fn sent(trace: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(trace).unwrap();
    let text = if text.contains("</trace>") { text } else { text + "</trace>" };
    let trace: Element = text.parse().unwrap();
    let stanzas = trace.children().filter(|entry| entry.name() == "sent").filter_map(|entry| entry.children().next());
    let words = stanzas.filter_map(|stanza| {
        let jingle = stanza.children().find(|child| child.name() == "jingle");
        match (stanza.name(), jingle) {
            ("presence", _) => Some(format!("presence {}", stanza.attr("type").unwrap_or("available"))),
            (_, Some(jingle)) => jingle.attr("action").map(str::to_owned),
            _ => None,
        }
    });
    words.collect()
}

async fn signal(child: &Child, signal: &str) {
    let id = child.id().expect("it runs").to_string();
    let sent = Command::new("kill").args([signal, &id]).status().await.expect("kill is there");
    assert!(sent.success());
}

#[tokio::test]
async fn an_interrupt_leaves_properly() {
    leaves_properly("-INT").await;
}

#[tokio::test]
async fn a_termination_leaves_properly() {
    leaves_properly("-TERM").await;
}

async fn leaves_properly(kill: &str) {
    let server = server(Rules::default()).await;
    let folder = folder(kill);
    let trace = folder.join("trace.xml");
    let mut juliet = call(&server, "juliet", &["--json", "--seconds", "20"]).spawn().unwrap();
    said(&mut juliet, "joined").await;
    let mut romeo = call(&server, "romeo", &["--json", "--trace", text(&trace)]).spawn().unwrap();
    said(&mut romeo, "first-sound").await;
    signal(&romeo, kill).await;
    let output = timeout(LIMIT, romeo.wait_with_output()).await.expect("in time").unwrap();
    assert_eq!(output.status.code(), Some(130));
    let sent = sent(&trace);
    assert_eq!(
        sent,
        ["presence available", "presence available", "session-initiate", "presence unavailable", "session-terminate"]
    );
    said(&mut juliet, "\"left\"").await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_second_interrupt_quits_at_once() {
    let server = server(Rules::default()).await;
    let mut romeo = call(&server, "romeo", &["--json"]).spawn().unwrap();
    said(&mut romeo, "joined").await;
    // A server that says nothing any more: leaving takes its five seconds.
    server.with_service(|service| service.rooms = muji_conformance::harness::room::Rooms::new(Rules::default()));
    signal(&romeo, "-INT").await;
    tokio::time::sleep(Duration::from_millis(300)).await; // Two signals at once would be one.
    signal(&romeo, "-INT").await;
    let output = timeout(Duration::from_secs(3), romeo.wait_with_output()).await.expect("at once").unwrap();
    assert_eq!(output.status.code(), Some(130));
}
