//! Somebody whose process is killed while it joins, behind each stanza that crosses its wire: the others go on, its ghost goes, and
//! when it is started again it is in the call.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_harness::proxy::Proxy;
use muji_harness::real_server::{HIBERNATION, RealServer};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::place::{LIMIT, event, told};
use crate::support::*;

/// The first two stanzas bind a resource; somebody who joins a call of two is done with the sixteenth.
const STEPS: std::ops::RangeInclusive<usize> = 3..=16;

fn person(server: &RealServer, name: &str, through: SocketAddr, more: &[&str]) -> Command {
    let (jid, address) = (format!("{name}@{}", server.domain), through.to_string());
    let room = format!("balcony@conference.{}", server.domain);
    let mut arguments = vec![room.as_str(), "--jid", &jid, "--nick", name, "--server", &address, "--tls", "none"];
    arguments.extend(["--bind", "127.0.0.1", "--json", "--no-window"]);
    arguments.extend(more);
    program(&arguments)
}

fn of(event: &Value, nick: &str, state: &str) -> bool {
    event["event"] == "peer" && event["nick"] == nick && event["state"] == state
}

/// Reads what somebody says until the others are heard or the time is over; who was heard, and who left.
async fn listen(child: &mut Child, time: Duration) -> Vec<Value> {
    let mut said = Vec::new();
    let read = async {
        while let Some(line) = next_line(child).await {
            said.push(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line} is no JSON")));
        }
    };
    let _time_is_over = timeout(time, read).await.is_err();
    said
}

async fn at_every_step(name: &str, server: &RealServer) {
    let direct = SocketAddr::from(([127, 0, 0, 1], server.port));
    let mut romeo = person(server, "romeo", direct, &["--audio", "tone:440"]).spawn().unwrap();
    event(&mut romeo, LIMIT, |event| event["event"] == "joined").await.expect("romeo is in the room");
    let mut juliet = person(server, "juliet", direct, &["--audio", "tone:660"]).spawn().unwrap();
    for child in [&mut romeo, &mut juliet] {
        event(child, LIMIT, |event| event["event"] == "first-sound").await.expect("they hear each other");
    }
    // A program whose output is not read blocks when the pipe is full.
    let mut unread = juliet.stdout.take().expect("it is piped");
    tokio::spawn(async move { tokio::io::copy(&mut unread, &mut tokio::io::sink()).await });
    // The picture is told when it changes.
    let mut people = 1;
    let (mut slowest, mut longest) = (Duration::ZERO, Duration::ZERO);
    for step in STEPS {
        let mut proxy = Proxy::before(direct, step).await.unwrap();
        let mut victim = person(server, "mercutio", proxy.address(), &[]).spawn().unwrap();
        let reached = timeout(Duration::from_secs(10), proxy.frozen()).await;
        assert!(reached.is_ok(), "{name}: only {} stanzas before step {step}", proxy.stanzas());
        victim.kill().await.unwrap();
        proxy.cut();
        let killed = Instant::now();
        // Started again, under the same nick, it hears both, whatever is left of it.
        let mut again = person(server, "mercutio", direct, &["--audio", "tone:880"]).spawn().unwrap();
        for number in 1..=2 {
            let heard = event(&mut again, LIMIT, |event| event["event"] == "first-sound").await;
            assert!(heard.is_some(), "{name}, step {step}: restarted it hears the {number}. of the others");
        }
        slowest = slowest.max(killed.elapsed());
        signal(&again, "-INT").await;
        let ended = timeout(LIMIT, again.wait()).await.expect("in time").unwrap();
        assert_eq!(ended.code(), Some(130));
        let said = listen(&mut romeo, Duration::from_millis(1_500)).await;
        let deaf =
            said.iter().filter(|it| it["event"] == "heard" && it["nick"] == "juliet" && it["hz"].is_null()).count();
        let interrupted = said.iter().any(|event| of(event, "juliet", "interrupted") || of(event, "juliet", "failed"));
        assert!(deaf == 0 && !interrupted, "{name}, step {step}: romeo heard juliet all the time");
        // Of ghosts nothing is left by the time that the server forgets them.
        people = last_pairs(&said).unwrap_or(people);
        while people > 1 && killed.elapsed() < Duration::from_secs(HIBERNATION + 20) {
            people = last_pairs(&listen(&mut romeo, Duration::from_secs(1)).await).unwrap_or(people);
        }
        assert_eq!(people, 1, "{name}, step {step}: juliet alone is left");
        longest = longest.max(killed.elapsed());
    }
    told(
        &format!("killed at each of {} steps, {name}", STEPS.count()),
        &format!(
            "the others hear each other all the time; restarted it hears both after {} ms at most; nothing is left of it after {} ms at most",
            slowest.as_millis(),
            longest.as_millis()
        ),
    );
}

/// How many others somebody saw last, if anything was said of them.
fn last_pairs(said: &[Value]) -> Option<usize> {
    let last = said.iter().rfind(|event| event["event"] == "pairs")?;
    last["pairs"].as_array().map(Vec::len)
}

#[tokio::test]
async fn somebody_is_killed_at_every_step_on_prosody() {
    let Some(server) = RealServer::prosody(PASSWORD).unwrap_or_else(|why| panic!("{why}")) else {
        return skipped("Prosody is not installed");
    };
    at_every_step("Prosody", &server).await;
}

#[tokio::test]
async fn somebody_is_killed_at_every_step_on_ejabberd() {
    let Some(server) = RealServer::ejabberd(PASSWORD).unwrap_or_else(|why| panic!("{why}")) else {
        return skipped("ejabberd is not installed");
    };
    at_every_step("ejabberd", &server).await;
}
