//! What the program prints: sentences, or with `--json` one object per line. The documentation has a table of them.

mod events;

use std::collections::BTreeMap;
use std::time::Instant;

use jid::BareJid;
use muji_core::bridge::{Caller, CallerState};
use muji_core::xmpp::{LoggedIn, Mechanism};
use muji_core::{EndpointStatus, Media, Pair, PairState, Peer, Recovery, SessionId, Silence};
use muji_media::stats::{AudioStats, Level, Observation, Target};
use serde_json::{Map, Value, json};

use crate::args::Args;
use crate::output::{self, plain, printable};
use crate::pair_matrix::PairMatrix;
use crate::statistics::{self, ParticipantStats, millis};
use crate::window_state::{Person, SharedWindowState};

/// Louder than this is somebody who speaks, in dBFS.
const SPEECH: f32 = -45.0;

/// At this level somebody speaks.
fn speaks(level: f32) -> bool {
    level > SPEECH
}

/// How it is told.
enum Style {
    Sentences,
    /// Nothing but errors.
    Quiet,
    /// JSON objects, and what takes them.
    Objects(Sink),
}

/// What takes the objects.
pub(crate) type Sink = Box<dyn Fn(Value)>;

/// Tells what happens.
pub(crate) struct Report {
    style: Style,
    /// What each object has as well.
    also: Value,
    verbose: bool,
    /// The network is shown too.
    stats: bool,
    pair_matrix: PairMatrix,
    shared_view: SharedWindowState,
    joined: Instant,
    names: BTreeMap<SessionId, String>,
    people: BTreeMap<String, ParticipantStats>,
    /// The last rows that were said, without their times.
    picture: Vec<Value>,
    /// The security code that was said last.
    security_code: Option<String>,
    /// Bytes of payload that each of the others was sent.
    sent: u64,
    /// Those of calls before this one.
    sent_before: u64,
}

impl Report {
    pub(crate) fn new(args: &Args, shared_view: SharedWindowState) -> Self {
        let style = match (args.json, args.quiet) {
            (true, _) => Style::Objects(Box::new(|object| output::line(format_args!("{object}")))),
            (false, true) => Style::Quiet,
            (false, false) => Style::Sentences,
        };
        Self {
            verbose: args.verbose > 0,
            stats: args.stats,
            pair_matrix: PairMatrix::new(args.tui),
            ..Self::with(style, Value::Null, shared_view)
        }
    }

    /// Objects alone, each with these fields too.
    pub(crate) fn objects(sink: Sink, also: Value) -> Self {
        Self::with(Style::Objects(sink), also, SharedWindowState::default())
    }

    /// What each object has as well from now on.
    pub(crate) fn also(&mut self, fields: Value) {
        self.also = fields;
    }

    fn with(style: Style, also: Value, shared_view: SharedWindowState) -> Self {
        Self {
            style,
            also,
            verbose: false,
            stats: false,
            pair_matrix: PairMatrix::new(false),
            shared_view,
            joined: Instant::now(),
            names: BTreeMap::new(),
            people: BTreeMap::new(),
            picture: Vec::new(),
            security_code: None,
            sent: 0,
            sent_before: 0,
        }
    }

    /// The login worked. That the password was shown to the server is said in any case.
    pub(crate) fn logged_in(&mut self, login: &LoggedIn) {
        let LoggedIn { server, encrypted, mechanism } = login;
        if *mechanism == Mechanism::Plain {
            output::error(format_args!(
                "muji-call: note: the password was sent to the server itself (PLAIN over TLS), since it offers no better mechanism"
            ));
        }
        let (name, verbose) = (mechanism.name(), self.verbose);
        self.say("login", json!({ "server": server, "encrypted": encrypted, "mechanism": name }), || {
            let tls = if *encrypted { "with TLS" } else { "without TLS" };
            verbose.then(|| format!("logged in to {server} {tls}, mechanism {name}"))
        });
    }

    /// "Join" was pressed now.
    pub(crate) fn joining(&mut self) {
        self.joined = Instant::now();
        self.pair_matrix.begin();
        self.sent_before = self.sent;
    }

    /// How many others were heard so far.
    pub(crate) fn heard(&self) -> usize {
        self.people.values().filter(|known| known.first_sound.is_some()).count()
    }

    /// True if anybody else took part.
    pub(crate) fn anybody_came(&self) -> bool {
        !self.people.is_empty()
    }

    /// Something was left out or went wrong, and the rest works on.
    pub(crate) fn warning(&mut self, why: &str) {
        self.say("warning", json!({ "why": why }), || Some(format!("warning: {why}")));
    }

    /// Somebody calls or invites who cannot be answered here now.
    pub(crate) fn busy(&mut self, who: &str) {
        self.say("busy", json!({ "from": who }), || {
            Some(format!("{who} is calling too; you can answer on your other devices"))
        });
    }

    /// Somebody called in, or is called; or it is another way with them.
    pub(crate) fn caller(&mut self, caller: &Caller) {
        let Caller { id, jid, .. } = caller;
        let state = match (&caller.over, caller.state) {
            (Some(_), _) => "left",
            (None, CallerState::Called) => "called",
            (None, CallerState::Entering) => "connecting",
            (None, CallerState::EnteringLobby { .. } | CallerState::Lobby { .. }) => "waiting",
            (None, CallerState::In) => "in",
            (None, CallerState::Leaving) => "leaving",
        };
        let (muted, why) = (caller.is_muted(), caller.over.as_ref().map(ToString::to_string));
        let fields = json!({ "id": id, "jid": jid.to_string(), "state": state, "muted": muted, "held": caller.holds, "conference": caller.is_focus, "why": why });
        self.say("caller", fields, || {
            let said = match state {
                "left" => format!("left: {}", why.unwrap_or_default()),
                "called" => "is called".to_owned(),
                "connecting" => "calls in".to_owned(),
                "leaving" => "is sent away".to_owned(),
                "waiting" => "waits to enter the PIN".to_owned(),
                _ if muted => "is in the call, muted".to_owned(),
                _ if caller.holds => "is in the call, and holds it".to_owned(),
                _ if caller.is_focus => "is in the call, a conference itself".to_owned(),
                _ => "is in the call".to_owned(),
            };
            Some(format!("caller {id}, {jid}, {said}"))
        });
    }

    /// It rings aloud.
    pub(crate) fn bell(&self) {
        if matches!(self.style, Style::Sentences) {
            self.pair_matrix.bell();
        }
    }

    /// Nothing happens before somebody calls.
    pub(crate) fn waiting(&mut self) {
        self.say("waiting", json!({}), || Some("waiting for calls; Ctrl-C ends the program".to_owned()));
    }

    /// We are in a chat room in which calls may be announced.
    pub(crate) fn chat_room_entered(&mut self, room: &BareJid) {
        let room = room.to_string();
        self.say("chat", json!({ "room": room }), || Some(format!("waiting in the chat room {room}")));
    }

    fn peer(&mut self, peer: &Peer, state: &'static str, detail: Option<(&str, String)>) {
        let Peer { nick, jid } = peer;
        let known = self.people.entry(nick.clone()).or_default();
        known.state = state;
        if state == "left" {
            (known.now, known.level) = (None, None);
            known.guest_levels.clear();
        }
        let mut fields = json!({ "nick": nick, "jid": jid.to_string(), "state": state });
        let mut sentence = format!("{} {state}", printable(nick));
        if let Some((name, detail)) = detail {
            sentence = format!("{sentence}: {}", plain(&detail));
            fields[name] = json!(detail);
        }
        self.say("peer", fields, || Some(sentence));
    }

    /// The state of each pair; as JSON when it differs from the last.
    pub(crate) fn pairs(&mut self, pairs: &[Pair]) {
        for pair in pairs {
            let known = self.people.entry(pair.peer.nick.clone()).or_default();
            (known.state, known.since) = (state(&pair.state), Some(pair.since));
            known.doing = doing(pair.recovery);
            known.silent = pair.silent.iter().map(|(_, media, why)| (media.clone(), *why)).collect();
            known.contents.clone_from(&pair.contents);
        }
        self.show_people();
        let picture: Vec<Value> = pairs.iter().map(|pair| row(pair, false)).collect();
        if self.picture != picture {
            self.picture = picture;
            self.say("pairs", json!({ "pairs": rows(pairs) }), || None);
        }
    }

    /// Digits to compare by voice, when they are others than before.
    pub(crate) fn authentication(&mut self, code: Option<String>) {
        if self.security_code == code {
            return;
        }
        self.security_code = code;
        if let Some(code) = self.security_code.clone() {
            self.say("authentication", json!({ "digits": code }), || {
                Some(format!("security code: the call is private if the others read the same digits: {code}"))
            });
        }
    }

    /// Shows the people in the window as they are now.
    fn show_people(&self) {
        let people = self.people.iter().filter(|(_, known)| known.state != "left" && !known.state.is_empty());
        let people = people.flat_map(|(nick, known)| {
            let participant = Person {
                name: printable(nick),
                session: known.session,
                speaks: known.speaks,
                muted: known.mutes(&Media::Audio),
                camera_off: !known.contents.is_empty()
                    && !known.contents.iter().any(|(_, media)| *media == Media::Video)
                    || known.mutes(&Media::Video),
                problem: problem(known),
            };
            // Whether they have a camera only the tile of the bridge shows.
            let guests = known.guests.named.iter().map(|guest| Person {
                name: printable(&guest.name),
                speaks: known.guest_level(guest).is_some_and(speaks),
                muted: guest.muted,
                problem: (guest.status != EndpointStatus::Connected).then(|| guest.status.as_str().to_owned()),
                ..Person::default()
            });
            let more = known.guests.more;
            let counted = (more > 0).then(|| Person { name: format!("{more} more"), ..Person::default() });
            std::iter::once(participant).chain(guests.collect::<Vec<_>>()).chain(counted)
        });
        let people = people.collect();
        self.shared_view.with(|window_state| {
            window_state.people = people;
            window_state.security_code.clone_from(&self.security_code);
        });
    }

    /// A room was made for the call.
    pub(crate) fn room_made(&mut self, room: &BareJid) {
        let room = room.to_string();
        self.say("room", json!({ "room": room }), || Some(format!("made the room {room}")));
    }

    pub(crate) fn connection(&mut self, state: &str, why: Option<&str>) {
        self.say("connection", json!({ "state": state, "why": why }), || {
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            let media = if state == "lost" { "; audio continues while the program reconnects" } else { "" };
            Some(format!("the connection to the server is {state}{why}{media}"))
        });
    }

    pub(crate) fn observation(&mut self, observation: &Observation) {
        match observation {
            Observation::FirstSound { session, at } => {
                let Some(nick) = self.names.get(session).cloned() else { return };
                let ms = at.saturating_duration_since(self.joined).as_millis();
                self.people.entry(nick.clone()).or_default().first_sound.get_or_insert(ms);
                self.say("first-sound", json!({ "nick": nick, "ms": ms }), || {
                    Some(format!("first sound from {}, {ms} ms after joining", printable(&nick)))
                });
            }
            Observation::Audio { session, level, stats } => {
                if let Some(nick) = self.names.get(session).cloned() {
                    self.heard_now(nick, level, stats);
                }
            }
            Observation::Loudness { session, level } => {
                let known = self.names.get(session).and_then(|nick| self.people.get_mut(nick));
                if let Some(known) = known {
                    known.level = Some(*level);
                    let speaks = speaks(*level);
                    if known.speaks != speaks {
                        known.speaks = speaks;
                        self.show_people();
                    }
                }
                if self.pair_matrix.is_due() {
                    self.row();
                }
            }
            Observation::Guests { session, levels } => self.guests_heard(*session, levels),
            Observation::MalformedAudio { session, why } => {
                let Some(nick) = self.names.get(session).map(|nick| printable(nick)) else { return };
                self.warning(&format!(
                    "the program of {nick} sends what cannot be read: {why}; only the rest is played"
                ));
            }
            Observation::Video { session, media, size, colour: [red, green, blue], stats } => {
                let Some(nick) = self.names.get(session).cloned() else { return };
                let (colour, [width, height]) = (format!("{red:02x}{green:02x}{blue:02x}"), size);
                let fields = json!({
                    "nick": nick, "media": media.as_str(), "width": width, "height": height, "colour": colour, "shown": stats.shown,
                    "decoded": stats.decoded, "freezes": stats.freezes, "frozen_ms": stats.frozen.as_millis(),
                    "bytes": stats.bytes,
                });
                let known = self.people.entry(nick.clone()).or_default();
                let (whose, first) = match media {
                    Media::Slides => ("the shared screen of ", !std::mem::replace(&mut known.shows_screen, true)),
                    _ => ("", known.see(*size, *stats)),
                };
                let sentence = format!("first picture from {whose}{}, {width} x {height}", printable(&nick));
                self.say("seen", fields, || first.then_some(sentence));
            }
            Observation::Paths { session, paths, codecs } => {
                let Some(nick) = self.names.get(session).cloned() else { return };
                let known = self.people.entry(nick.clone()).or_default();
                known.travels(*session, paths, codecs);
                let fields = known.network(&nick);
                self.say("network", fields, || None);
            }
            Observation::Target { media, encoding, target: Target { bits, layered } } => {
                let (media, encoding) = (media.as_str(), encoding.name());
                let fields = json!({ "media": media, "encoding": encoding, "kbps": bits / 1_000, "layered": layered });
                self.say("target", fields, || None);
            }
            Observation::Sent { bytes } => {
                self.sent = *bytes;
                self.say("sent", json!({ "bytes": bytes }), || None);
            }
            _ => {}
        }
    }

    /// Who takes part through somebody is as loud as this.
    fn guests_heard(&mut self, session: SessionId, levels: &BTreeMap<u32, f32>) {
        let known = self.names.get(&session).and_then(|nick| self.people.get_mut(nick));
        let Some(known) = known else { return };
        let who_speaks = |levels: &BTreeMap<u32, f32>| -> Vec<u32> {
            levels.iter().filter(|(_, level)| speaks(**level)).map(|(source, _)| *source).collect()
        };
        let changed = who_speaks(&known.guest_levels) != who_speaks(levels);
        known.guest_levels.clone_from(levels);
        if changed {
            self.show_people();
        }
    }

    fn heard_now(&mut self, nick: String, level: &Level, stats: &AudioStats) {
        let tone = level.frequency.filter(|_| level.is_sound());
        let text = match tone {
            Some(hz) => format!("{hz:.0} Hz {:.0} dB", level.level),
            None => format!("{:.0} dB", level.level),
        };
        let known = self.people.entry(nick.clone()).or_default();
        known.now = level.is_sound().then_some(text);
        known.stats = *stats;
        let of_guests =
            known.guests.named.iter().filter_map(|guest| Some((guest.id.clone(), json!(known.guest_level(guest)?))));
        let guests: Map<String, Value> = of_guests.collect();
        let mut fields = json!({
            "nick": nick, "hz": tone, "dbfs": level.level, "received": stats.counts.received, "lost": stats.counts.lost,
            "discarded": stats.counts.discarded, "malformed": stats.counts.malformed, "skipped": stats.counts.skipped, "bytes": stats.counts.bytes,
            "played": stats.played, "concealed": stats.concealed, "delay_ms": stats.delay.as_millis(),
            "jitter_ms": millis(stats.jitter), "rtt_ms": stats.round_trip.map(millis),
        });
        if !guests.is_empty() {
            fields["guests"] = guests.into();
        }
        self.say("heard", fields, || None);
    }

    /// Who is heard now, once a second.
    pub(crate) fn row(&mut self) {
        if matches!(self.style, Style::Sentences) {
            self.pair_matrix.draw(self.people.iter().map(|(nick, known)| (printable(nick), known)), self.stats);
        }
    }

    /// How everybody fared, at the end.
    pub(crate) fn summary(&mut self) {
        let people = std::mem::take(&mut self.people);
        self.pair_matrix.end();
        (self.picture, self.security_code) = (Vec::new(), None);
        self.show_people();
        if matches!(self.style, Style::Objects(_)) {
            return people.iter().for_each(|(nick, known)| self.say("summary", known.summary(nick), || None));
        }
        if matches!(self.style, Style::Quiet) || people.is_empty() {
            return;
        }
        let named = || people.iter().map(|(nick, known)| (printable(nick), known));
        for line in [statistics::lines(named()), statistics::network_lines(named())].concat() {
            self.pair_matrix.say(&line);
        }
        let seconds = self.joined.elapsed().as_secs_f64();
        self.pair_matrix.say(&format!(
            "audio sent to each: {:.1} kbit/s",
            (self.sent - self.sent_before) as f64 * 8.0 / 1_000.0 / seconds
        ));
    }

    /// Says an event as JSON, or the sentence that is worth one.
    fn say(&mut self, event: &str, fields: Value, sentence: impl FnOnce() -> Option<String>) {
        let sentence = sentence();
        if let Some(sentence) = &sentence {
            self.shared_view.with(|window_state| window_state.message.clone_from(sentence));
        }
        match (&self.style, sentence) {
            (Style::Objects(sink), _) => {
                let mut object = json!({ "event": event, "ms": self.joined.elapsed().as_millis() });
                for more in [self.also.clone(), fields] {
                    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
                        object.extend(more.into_iter().filter(|(name, value)| !value.is_null() || name == "hz"));
                    }
                }
                sink(object);
            }
            (Style::Sentences, Some(sentence)) => self.pair_matrix.say(&sentence),
            (Style::Sentences | Style::Quiet, _) => {}
        }
    }
}

/// What is wrong with a pair.
fn problem(known: &ParticipantStats) -> Option<String> {
    if matches!(known.state, "flowing" | "connected" | "muted" | "unmuted" | "left") {
        let unexplained = known.silent.iter().find(|(_, why)| *why == Silence::Unexplained);
        return unexplained.map(|(media, _)| format!("no {} comes", media.as_str()));
    }
    let since = known.since.map_or(0, |since| since.elapsed().as_secs());
    let doing = known.doing.as_deref().map(|doing| format!(", {doing}")).unwrap_or_default();
    Some(format!("{} for {since} s{doing}", known.state))
}

fn state(state: &PairState) -> &'static str {
    match state {
        PairState::Preparing => "preparing",
        PairState::Announced => "joined",
        PairState::Offered => "offered",
        PairState::Connecting => "connecting",
        PairState::Connected => "connected",
        PairState::Flowing => "flowing",
        PairState::Interrupted => "interrupted",
        PairState::Failed(_) => "failed",
        _ => "unknown",
    }
}

/// Why nothing comes, in a word.
fn silence(why: Silence) -> &'static str {
    match why {
        Silence::Muted => "muted",
        Silence::Held => "held",
        Silence::Unexplained => "unexplained",
    }
}

fn doing(recovery: Recovery) -> Option<String> {
    match recovery {
        Recovery::Nothing => None,
        Recovery::TheirTurn { .. } => Some("waiting for its call".to_owned()),
        Recovery::CallAgain { attempt, .. } => Some(format!("calling again, attempt {attempt}")),
        Recovery::NeedsRejoin => Some("one of you has to join again".to_owned()),
    }
}

/// The rows of the matrix, as the event `pairs` has them.
pub(crate) fn rows(pairs: &[Pair]) -> Vec<Value> {
    pairs.iter().map(|pair| row(pair, true)).collect()
}

/// A row of the matrix.
fn row(pair: &Pair, with_time: bool) -> Value {
    let mut row = json!({ "nick": pair.peer.nick, "jid": pair.peer.jid.to_string(), "state": state(&pair.state) });
    if let Some(doing) = doing(pair.recovery) {
        row["doing"] = json!(doing);
    }
    if let PairState::Failed(why) = &pair.state {
        row["why"] = json!(why.to_string());
    }
    if !pair.silent.is_empty() {
        let silent = pair.silent.iter().map(|(content, _, why)| json!({ "content": content, "why": silence(*why) }));
        row["silent"] = silent.collect();
    }
    if with_time {
        row["for_ms"] = json!(pair.since.elapsed().as_millis());
    }
    row
}
