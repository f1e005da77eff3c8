//! How it works: what two hear, record and tell, and how they leave.

use std::path::Path;
use std::time::Duration;

use muji_harness::room::Rules;
use muji_xep::Element;
use serde_json::Value;
use tokio::time::timeout;

use crate::support::*;

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
    // A Hertz less or more while the clocks are being matched.
    let said = String::from_utf8_lossy(&juliet.stdout).into_owned();
    assert!((438..=442).any(|hz| said.contains(&format!("romeo {hz} Hz -23 dB"))), "{said}");

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

// Shows sm-05.
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
async fn a_call_goes_on_when_the_reader_of_its_output_is_gone() {
    let server = server(Rules::default()).await;
    let mut romeo = call(&server, "romeo", &["--audio", "tone:440", "--json"]).spawn().unwrap();
    let mut juliet = call(&server, "juliet", &["--audio", "tone:660", "--json"]).spawn().unwrap();
    for child in [&mut romeo, &mut juliet] {
        said(child, "first-sound").await;
    }
    drop((romeo.stdout.take(), romeo.stderr.take()));
    // Each second something is said, and so something cannot be.
    for _ in 0..4 {
        let heard = said(&mut juliet, "\"heard\"").await;
        assert!(heard.contains("\"hz\":4") && heard.contains("\"nick\":\"romeo\""), "{heard}");
    }
    signal(&romeo, "-INT").await;
    let ended = timeout(LIMIT, romeo.wait()).await.expect("in time").unwrap();
    assert_eq!(ended.code(), Some(130), "it left as always");
}

#[tokio::test]
async fn a_second_interrupt_quits_at_once() {
    let server = server(Rules::default()).await;
    let mut romeo = call(&server, "romeo", &["--json"]).spawn().unwrap();
    said(&mut romeo, "joined").await;
    // A server that says nothing any more: leaving takes its five seconds.
    server.with_service(|service| service.rooms = muji_harness::room::Rooms::new(Rules::default()));
    signal(&romeo, "-INT").await;
    tokio::time::sleep(Duration::from_millis(300)).await; // Two signals at once would be one.
    signal(&romeo, "-INT").await;
    let output = timeout(Duration::from_secs(3), romeo.wait_with_output()).await.expect("at once").unwrap();
    assert_eq!(output.status.code(), Some(130));
}

#[tokio::test]
async fn two_who_sit_in_a_chat_room_talk_inside_it_and_stay_until_they_go() {
    let server = server(Rules::default()).await;
    let more = ["--in-chat", "--json", "--seconds", "4", "--expect", "1"];
    let (romeo, juliet) = tokio::join!(run(call(&server, "romeo", &more)), run(call(&server, "juliet", &more)));
    for output in [&romeo, &juliet] {
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let pairs =
        events(&romeo).into_iter().rfind(|event| event["event"] == "pairs" && event["pairs"][0]["state"] == "flowing");
    let pair = pairs.expect("the matrix is told")["pairs"][0].clone();
    assert_eq!((&pair["nick"], pair["for_ms"].is_u64()), (&"juliet".into(), true));
}

#[tokio::test]
async fn a_room_is_made_for_a_call_and_lets_in_who_was_named() {
    let server = server(Rules::default()).await;
    let (address, service) = (server.address().to_string(), "conference.localhost");
    let mut arguments =
        vec![service, "--new", "--admit", "juliet@localhost", "--jid", "romeo@localhost", "--nick", "romeo"];
    arguments.extend(["--server", &address, "--tls", "none", "--bind", "127.0.0.1", "--json"]);
    let mut romeo = program(&arguments).spawn().unwrap();
    let made: Value = serde_json::from_str(&said(&mut romeo, "\"room\"").await).unwrap();
    let room = made["room"].as_str().unwrap().to_owned();
    said(&mut romeo, "\"joined\"").await;

    let guest = |name: &str| {
        let jid = format!("{name}@localhost");
        let mut arguments = vec![room.clone(), "--jid".to_owned(), jid, "--server".to_owned(), address.clone()];
        arguments.extend(["--tls", "none", "--bind", "127.0.0.1", "--seconds", "3"].map(str::to_owned));
        program(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert_eq!(run(guest("juliet")).await.status.code(), Some(0));
    let (code, why) = failure(guest("tybalt")).await;
    assert_eq!(code, Some(4));
    assert!(why.contains("for members only"), "{why}");
}
