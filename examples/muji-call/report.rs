//! What the user sees: sentences, or with `--json` an object a line.
//!
//! | event | fields besides `event` and `ms`, the milliseconds since "join" |
//! |---|---|
//! | `joined` | `contents` |
//! | `peer` | `nick`, `jid`, `state` (joined, connecting, connected, flowing, muted, unmuted, failed, left), `why` if failed |
//! | `first-sound` | `nick` |
//! | `heard` | once a second: `nick`, `hz` (null if no tone), `dbfs`, `received`, `lost`, `delay_ms` |
//! | `connection` | `state` (lost, resumed) |
//! | `warning` | `why` |
//! | `skipped` | `from`, `what`: unknown words that had no effect |
//! | `ended` | `why` |

use std::collections::BTreeMap;
use std::time::Instant;

use muji_core::{Event, Peer, SessionId};
use muji_media::backend::Observation;
use serde_json::{Value, json};

/// What is known of somebody.
#[derive(Default)]
struct Known {
    /// Milliseconds from "join" to the first sound.
    first_sound: Option<u128>,
    /// What was heard in the last second.
    now: Option<String>,
    lost: u64,
    received: u64,
}

/// Tells what happens.
pub(crate) struct Report {
    json: bool,
    joined: Instant,
    names: BTreeMap<SessionId, String>,
    people: BTreeMap<String, Known>,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, joined: Instant::now(), names: BTreeMap::new(), people: BTreeMap::new() }
    }

    /// "Join" was pressed now.
    pub(crate) fn joining(&mut self) {
        self.joined = Instant::now();
    }

    /// How many others were heard so far.
    pub(crate) fn heard(&self) -> usize {
        self.people.values().filter(|known| known.first_sound.is_some()).count()
    }

    /// True if anybody else took part.
    pub(crate) fn anybody_came(&self) -> bool {
        !self.people.is_empty()
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Joined { contents } => {
                self.say("joined", json!({ "contents": contents }), || "in the call".to_owned());
            }
            Event::PeerJoined(peer) => {
                self.people.entry(peer.nick.clone()).or_default();
                self.peer(peer, "joined", None);
            }
            Event::PeerConnecting(peer, session) => {
                self.names.insert(*session, peer.nick.clone());
                self.peer(peer, "connecting", None);
            }
            Event::PeerConnected(peer, _) => self.peer(peer, "connected", None),
            Event::PeerFlowing(peer, _) => self.peer(peer, "flowing", None),
            Event::PeerMuted(peer, _) => self.peer(peer, "muted", None),
            Event::PeerUnmuted(peer, _) => self.peer(peer, "unmuted", None),
            Event::PeerFailed(peer, failure) => self.peer(peer, "failed", Some(failure.to_string())),
            Event::PeerLeft(peer) => {
                if let Some(known) = self.people.get_mut(&peer.nick) {
                    known.now = None;
                }
                self.peer(peer, "left", None);
            }
            Event::Warning(why) => self.say("warning", json!({ "why": why }), || format!("warning: {why}")),
            Event::Skipped { from, what } if self.json => {
                self.say("skipped", json!({ "from": from, "what": what }), String::new);
            }
            Event::Ended(why) => {
                let why = why.to_string();
                self.say("ended", json!({ "why": why }), || format!("the call is over: {why}"));
            }
            _ => {}
        }
    }

    fn peer(&self, peer: &Peer, state: &str, why: Option<String>) {
        let Peer { nick, jid } = peer;
        let fields = json!({ "nick": nick, "jid": jid.to_string(), "state": state, "why": why });
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        self.say("peer", fields, || format!("{} {state}{why}", printable(nick)));
    }

    pub(crate) fn connection(&self, state: &str) {
        self.say("connection", json!({ "state": state }), || format!("the connection to the server is {state}"));
    }

    pub(crate) fn observation(&mut self, observation: &Observation) {
        match observation {
            Observation::FirstSound { session, at } => {
                let Some(nick) = self.names.get(session) else { return };
                let ms = at.saturating_duration_since(self.joined).as_millis();
                let known = self.people.entry(nick.clone()).or_default();
                known.first_sound.get_or_insert(ms);
                let nick = nick.clone();
                self.say("first-sound", json!({ "nick": nick, "ms": ms }), || {
                    format!("{} is heard, {ms} ms after joining", printable(&nick))
                });
            }
            Observation::Heard { session, level, counts, delay } => {
                let Some(nick) = self.names.get(session) else { return };
                let tone = level.frequency.filter(|_| level.is_sound());
                let text = match tone {
                    Some(hz) => format!("{hz:.0} Hz {:.0} dB", level.level),
                    None => format!("{:.0} dB", level.level),
                };
                let known = self.people.entry(nick.clone()).or_default();
                known.now = level.is_sound().then_some(text);
                (known.received, known.lost) = (counts.received, counts.lost);
                if self.json {
                    let fields = json!({
                        "nick": nick, "hz": tone, "dbfs": level.level, "received": counts.received,
                        "lost": counts.lost, "delay_ms": delay.as_millis(),
                    });
                    self.say("heard", fields, String::new);
                }
            }
            _ => {}
        }
    }

    /// Who is heard now, once a second.
    pub(crate) fn row(&self) {
        if self.json || self.people.is_empty() {
            return;
        }
        let people = self
            .people
            .iter()
            .map(|(nick, known)| format!("{} {}", printable(nick), known.now.as_deref().unwrap_or("-")));
        println!("hearing: {}", people.collect::<Vec<_>>().join(" | "));
    }

    /// The table at the end.
    pub(crate) fn table(&self) {
        if self.json || self.people.is_empty() {
            return;
        }
        println!("{:<24} {:>16} {:>10} {:>8}", "participant", "first sound", "packets", "lost");
        for (nick, known) in &self.people {
            let first = known.first_sound.map_or_else(|| "never".to_owned(), |ms| format!("{ms} ms"));
            println!("{:<24} {first:>16} {:>10} {:>8}", printable(nick), known.received, known.lost);
        }
    }

    fn say(&self, event: &str, fields: Value, sentence: impl FnOnce() -> String) {
        if !self.json {
            return println!("{}", sentence());
        }
        let mut line = json!({ "event": event, "ms": self.joined.elapsed().as_millis() });
        if let (Value::Object(line), Value::Object(fields)) = (&mut line, fields) {
            line.extend(fields.into_iter().filter(|(name, value)| !value.is_null() || name == "hz"));
        }
        println!("{line}");
    }
}

/// A name that a stranger chose, without what would move the cursor.
fn printable(nick: &str) -> String {
    nick.chars().filter(|letter| !letter.is_control()).take(24).collect()
}
