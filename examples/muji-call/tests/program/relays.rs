//! Calls through a real TURN server, by each way.

use muji_harness::real_server::RealServer;
use muji_harness::room::Rules;
use muji_harness::turn::{NAME, PASSWORD as TURN_PASSWORD, Turn, USER};
use serde_json::Value;
use tokio::process::Command;

use crate::support::*;

/// A call through relays takes two round trips more to begin.
const CALL: &str = "5";

fn coturn() -> Option<Turn> {
    let turn = Turn::start().unwrap_or_else(|why| panic!("{why}"));
    if turn.is_none() {
        skipped("coturn is not installed");
    }
    turn
}

/// The program for somebody who may use the server by this way.
fn relayed(mut command: Command, turn: &Turn, way: &str) -> Command {
    let server = match way {
        "TLS" => format!("turns:{NAME}:{}", turn.tls_port()),
        "TCP" => format!("turn:127.0.0.1:{}?transport=tcp", turn.port()),
        _ => format!("turn:127.0.0.1:{}", turn.port()),
    };
    command.args(["--turn", &server, "--turn-user", USER]).env("TURN_PASSWORD", TURN_PASSWORD);
    command.arg("--ca-file").arg(turn.authority());
    command
}

/// The types of the candidates that a trace says were told.
fn told(trace: &str) -> Vec<&str> {
    let sent = trace.split("<sent").skip(1).map(|entry| entry.split("</sent>").next().unwrap_or_default());
    let candidates = sent.flat_map(|stanza| stanza.split("<candidate ").skip(1));
    candidates.filter_map(|candidate| candidate.split("type=").nth(1)?.split(['"', '\'']).nth(1)).collect()
}

// Shows ice-priv-01.
#[tokio::test]
async fn two_talk_through_relays_alone_and_tell_no_address_of_their_own() {
    let Some(turn) = coturn() else { return };
    for (first, second) in [("UDP", "UDP"), ("TCP", "TLS")] {
        let server = server(Rules::default()).await;
        let folder = folder(&format!("relays-{first}-{second}"));
        let person = |name: &str, way: &str| {
            let trace = folder.join(format!("{name}.xml"));
            let more = ["--relay-only", "--json", "-vvv", "--seconds", CALL, "--expect", "1", "--trace", text(&trace)];
            run(relayed(call(&server, name, &more), &turn, way))
        };
        let (romeo, juliet) = tokio::join!(person("romeo", first), person("juliet", second));
        for (name, output) in [("romeo", &romeo), ("juliet", &juliet)] {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{name} by {first} and {second}: {errors}");
            let trace = std::fs::read_to_string(folder.join(format!("{name}.xml"))).unwrap();
            let told = told(&trace);
            assert!(!told.is_empty() && told.iter().all(|kind| *kind == "relay"), "{name} told {told:?}");
            for (what, written) in
                [("output", output.stdout.as_slice()), ("log", &output.stderr), ("trace", trace.as_bytes())]
            {
                assert!(!String::from_utf8_lossy(written).contains(TURN_PASSWORD), "the password is in the {what}");
            }
        }
        let network = events(&romeo).into_iter().rfind(|event| event["event"] == "network").expect("it is told");
        let pair = &network["candidate_pairs"][0];
        assert!(pair.to_string().contains("127.0.0.1"), "{pair}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}

#[tokio::test]
async fn who_has_no_relay_and_wants_nothing_else_hears_nobody() {
    let Some(turn) = coturn() else { return };
    let server = server(Rules::default()).await;
    let mut romeo =
        relayed(call(&server, "romeo", &["--relay-only", "--json", "--seconds", "6", "--expect", "1"]), &turn, "UDP");
    romeo.env("TURN_PASSWORD", "wrong");
    let juliet = call(&server, "juliet", &["--seconds", "6"]);
    let (romeo, _) = tokio::join!(run(romeo), run(juliet));
    assert_eq!(romeo.status.code(), Some(1), "somebody came, and was not heard");
    let sounds: Vec<Value> = events(&romeo).into_iter().filter(|event| event["event"] == "first-sound").collect();
    assert_eq!(sounds, Vec::<Value>::new());
}

#[tokio::test]
async fn the_doctor_says_what_works_from_here_and_why_the_rest_does_not() {
    let Some(turn) = coturn() else { return };
    let services = turn.services("127.0.0.1");
    let Some(server) = RealServer::prosody_in(None, PASSWORD, &services).unwrap_or_else(|why| panic!("{why}")) else {
        return skipped("Prosody is not installed");
    };
    let (jid, address, authority) = (format!("romeo@{}", server.domain), server.address(), server.authority());
    let wrong = format!("turn:127.0.0.1:{}", turn.port());
    let arguments = ["doctor", "--jid", &jid, "--server", &address, "--ca-file", &authority, "--bind", "127.0.0.1"];
    let mut command = program(&arguments);
    command.args(["--turn", &wrong, "--turn-user", USER, "--stun", "127.0.0.1:9"]).env("TURN_PASSWORD", "wrong");
    let output = run(command).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for expected in [
        "login            ok: 127.0.0.1:",
        &format!("rooms            can be made at conference.{}", server.domain),
        "XEP-0215         the XMPP server announces 4 STUN and TURN servers",
        &format!("STUN             127.0.0.1:{} sees this machine as 127.0.0.1:", turn.port()),
        &format!("TURN by UDP      127.0.0.1:{} relays from 127.0.0.1:", turn.port()),
        &format!("TURN by TCP      127.0.0.1:{} relays from 127.0.0.1:", turn.port()),
        // Prosody's authority vouches for nothing there.
        &format!("TURN by TLS      127.0.0.1:{}: its certificate is refused: ", turn.tls_port()),
        "STUN             127.0.0.1:9: no answer",
        &format!("TURN by UDP      127.0.0.1:{}: the server refuses: are the credentials right?", turn.port()),
        "all others are reached through a TURN relay (UDP, TCP)",
        "last failure     ",
    ] {
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
    }
    assert!(!said.contains(PASSWORD) && !said.contains(TURN_PASSWORD));
}
