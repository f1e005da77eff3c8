//! A server, Dinos and our programs, all on one machine in a network of its own.

use std::time::{Duration, Instant};

use muji_conformance::harness::dino::{Dino, Owner};
use muji_conformance::harness::net::Net;
use muji_conformance::harness::real::{PEOPLE, Real};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use crate::support::*;

/// The longest that sound may take to come through: Dino's own begins within seconds, if it begins.
pub(crate) const SOUND: Duration = Duration::from_secs(20);

/// The tone of Dino's microphone, in Hertz.
pub(crate) const HUM: u16 = 400;

/// All of it ends with the value.
pub(crate) struct Home {
    // In this order: the server ends before its network.
    pub(crate) xmpp: Real,
    pub(crate) net: Net,
}

impl Home {
    /// `None` if it cannot be: it is said why.
    pub(crate) fn new() -> Option<Self> {
        let net = match Net::new().unwrap_or_else(|why| panic!("{why}")) {
            Ok(net) => net,
            Err(why) => {
                skipped(&why);
                return None;
            }
        };
        let xmpp = Real::prosody_at_home(net.place(), PASSWORD).unwrap_or_else(|why| panic!("{why}"));
        let Some(xmpp) = xmpp else {
            skipped("Prosody is not installed");
            return None;
        };
        Some(Self { xmpp, net })
    }

    pub(crate) fn jid(&self, name: &str) -> String {
        format!("{name}@{}", self.xmpp.domain)
    }

    /// The Dino of somebody, who has a conversation with everybody else.
    pub(crate) fn dino(&self, name: &str) -> Option<Dino> {
        let friends: Vec<String> = PEOPLE.iter().filter(|other| **other != name).map(|other| self.jid(other)).collect();
        let (jid, authority) = (self.jid(name), self.xmpp.authority());
        let owner =
            Owner { jid: &jid, password: PASSWORD, authority: authority.as_ref(), friends: &friends, tone: HUM };
        match Dino::start(self.net.place(), &owner).unwrap_or_else(|why| panic!("{why}")) {
            Ok(dino) => Some(dino),
            Err(why) => {
                skipped(&why);
                None
            }
        }
    }

    /// Our program for somebody.
    pub(crate) fn ours(&self, name: &str, more: &[&str]) -> Ours {
        let (jid, server, authority) = (self.jid(name), self.xmpp.address(), self.xmpp.authority());
        let mut arguments = vec!["--jid", &jid, "--server", &server, "--ca-file", &authority, "--json", "--no-window"];
        arguments.extend(more);
        let mut command = through(self.net.command("env"), &program(&arguments));
        let mut child = command.spawn().expect("it is built");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Ours { name: name.to_owned(), child, lines, seen: Vec::new() }
    }
}

/// Our program, and what it told so far.
pub(crate) struct Ours {
    name: String,
    pub(crate) child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<Value>,
}

impl Ours {
    /// The next event of this kind; a failure if it does not come in time.
    pub(crate) async fn tells(&mut self, what: &str, limit: Duration, is: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = tokio::time::timeout(left, self.lines.next_line()).await;
            let Ok(Ok(Some(line))) = line else {
                let told: Vec<String> = self.seen.iter().map(Value::to_string).collect();
                panic!("{} did not tell: {what}\n{}", self.name, told.join("\n"));
            };
            let event: Value = serde_json::from_str(&line).expect("each line is an object");
            self.seen.push(event.clone());
            if is(&event) {
                return event;
            }
        }
    }

    /// It hears Dino's hum.
    pub(crate) async fn hears_the_hum(&mut self) {
        let hum = |event: &Value| {
            event["event"] == "heard" && event["hz"].as_f64().is_some_and(|hz| (hz - f64::from(HUM)).abs() < 3.0)
        };
        self.tells("the hum of Dino's microphone", SOUND, hum).await;
    }

    /// Dino has picked up: we hear each other.
    pub(crate) async fn talks_with(&mut self, dino: &Dino, tone: u16) {
        assert!(dino.answer("accept"), "it rings at Dino's");
        self.sees("connected").await;
        self.hears_the_hum().await;
        heard_by(dino, &[tone]);
    }

    /// Dino is in this state.
    pub(crate) async fn sees(&mut self, state: &str) -> Value {
        let is = |event: &Value| event["event"] == "peer" && event["state"] == state && is_dino(event);
        self.tells(state, LIMIT, is).await
    }

    /// The call is over.
    pub(crate) async fn ends(&mut self) -> String {
        let ended = self.tells("the end", LIMIT, |event| event["event"] == "ended").await;
        ended["why"].as_str().unwrap_or_default().to_owned()
    }
}

fn is_dino(event: &Value) -> bool {
    event["jid"].as_str().is_some_and(|jid| jid.ends_with("/dino"))
}

/// Dino hears these tones, sooner or later.
pub(crate) fn heard_by(dino: &Dino, tones: &[u16]) {
    let until = Instant::now() + SOUND;
    loop {
        let heard = dino.hears(tones).unwrap_or_else(|why| panic!("{why}"));
        if heard == tones {
            return;
        }
        assert!(Instant::now() < until, "Dino hears {heard:?} of {tones:?}");
    }
}

/// Dino hears nothing of these now.
pub(crate) fn unheard_by(dino: &Dino, tones: &[u16]) {
    let heard = dino.hears(tones).unwrap_or_else(|why| panic!("{why}"));
    assert!(heard.is_empty(), "Dino still hears {heard:?}");
}

pub(crate) fn told(what: &str, result: &str) {
    println!("dino | {what} | {result}");
}
