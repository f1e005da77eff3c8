//! One person calls another who has several devices: every order in which they pick up, decline, give up, hang up and call
//! back, and in which what they say, the copies of it, and errors for some of the copies, arrive.
//!
//! To the server and from it each device has a way of its own that keeps its order. The media layer answers at once, and so
//! does a client that confirms a request.
//!
//! Devices differ in their names only, so of paths that differ in which is which one is tried: that in which the users first do
//! something in the order of their devices' names. If one may call back, it is not like the others, and all paths are tried.
//!
//! All that reaches a device comes from the server, in order. So what it reads next, and what its user does, is enough to try (`ample.rs`
//! says what that means).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jid::{FullJid, Jid};
use muji_core::error::EndReason;
use muji_core::media::MediaCommand;
use muji_core::{CallId, Command, ConnectionChange, Engine, Event, EventScope, Media, Output, SessionId};
use muji_jingle::timers;
use muji_simulation::instant_backend;
use muji_simulation::room::Rules;
use muji_simulation::simulated_server::SimulatedServer;
use muji_simulation::stanza::{self, copy, element};
use muji_xep::jmi::{JingleMessage, MessageKind};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::Message;
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::check::Violation;
use crate::digest::{self, Digest, Part};
use crate::in_flight::{Channels, InFlight};
use crate::ladder;
use crate::person::codecs;
use crate::search::{Orders, World};

/// The caller, and the devices of the other.
const NAMES: [&str; 4] = ["romeo", "phone", "laptop", "tablet"];

/// What may happen, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Devices of the person who is called.
    pub(crate) devices: usize,
    /// Times the user picks up.
    pub(crate) accepts: usize,
    /// Times it is declined.
    pub(crate) declines: usize,
    /// Times somebody gives up or hangs up.
    pub(crate) ends: usize,
    /// Times the other calls too, on the first device.
    pub(crate) calls_back: usize,
    /// Copies of the proposal that the server returns instead of giving them to their devices.
    pub(crate) returned: usize,
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    Call,
    CallBack,
    Accept(usize),
    Decline(usize),
    End(usize),
    /// The server takes what somebody said.
    Hear(usize),
    /// Somebody reads what the server passes on.
    Read(usize),
    /// The server gives up a device's stream, and returns its copy of the proposal.
    Return(usize),
    /// The caller has waited after an error for as long as it does.
    Wait,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call => write!(f, "romeo calls"),
            Self::CallBack => write!(f, "phone calls romeo"),
            Self::Accept(who) => write!(f, "{} picks up", NAMES[*who]),
            Self::Decline(who) => write!(f, "{} declines", NAMES[*who]),
            Self::End(who) => write!(f, "{} hangs up", NAMES[*who]),
            Self::Hear(who) => write!(f, "the server hears {}", NAMES[*who]),
            Self::Read(who) => write!(f, "{} hears the server", NAMES[*who]),
            Self::Return(who) => write!(f, "the server returns the copy for {}", NAMES[*who]),
            Self::Wait => write!(f, "romeo waits in vain for a device"),
        }
    }
}

/// A device with a real Engine.
#[derive(Debug, Clone)]
struct Device {
    engine: Engine,
    now: Instant,
    /// What rings.
    ringing: Option<CallId>,
    /// What its user wanted: placed or taken.
    wanted: BTreeSet<CallId>,
    /// Calls that are not over.
    calls: BTreeSet<CallId>,
    /// Whose media are open, and the ids on the wire.
    sessions: BTreeMap<SessionId, CallId>,
    connected: BTreeSet<SessionId>,
    captures: BTreeSet<CallId>,
    /// A device was heard to ring.
    heard_ringing: bool,
    /// The call ended as one that reached nobody, though a device rang.
    given_up_ringing: bool,
}

/// What moves touch, a bit for each; the lowest are those of the devices.
const SERVER: u64 = 1 << 8;
const ACCEPTS: u64 = 1 << 9;
const DECLINES: u64 = 1 << 10;
const ENDS: u64 = 1 << 11;
const CALLS_BACK: u64 = 1 << 12;
const RETURNED: u64 = 1 << 13;

fn device(index: usize) -> u64 {
    1 << index
}

/// All devices and what is under way.
#[derive(Debug, Clone)]
pub(crate) struct Forking {
    people: Vec<Part<Device>>,
    service: Arc<SimulatedServer>,
    up: Channels,
    down: Channels,
    row: Row,
    left: Row,
    called: bool,
    offers: usize,
    /// On how many devices a user has done something, if they do so first in the order of the names.
    used: Option<usize>,
    /// Which devices the last move touched.
    touched: u64,
    /// A move touched a device that it should not have.
    strayed: bool,
}

fn jid(index: usize) -> FullJid {
    let account = if index == 0 { "romeo" } else { "juliet" };
    format!("{account}@x/{}", NAMES[index]).parse().expect("names are plain")
}

fn index(jid: &FullJid) -> usize {
    NAMES.iter().position(|name| *name == jid.resource().as_str()).expect("there are no others")
}

impl Forking {
    pub(crate) fn new(row: Row, seed: u8, orders: Orders) -> Self {
        let start = Instant::now();
        let mut service = SimulatedServer::new("x", Rules::default());
        let mut people = Vec::new();
        for index in 0..=row.devices {
            service.connected(jid(index));
            service.copy_to(jid(index));
            let mut engine_seed = [seed; 32];
            engine_seed[0] = u8::try_from(index).expect("few");
            let mut engine = Engine::with_config(engine_seed, codecs(index), muji_simulation::config());
            engine.handle_connection(start, ConnectionChange::Bound { jid: jid(index) });
            engine.set_contacts([jid(0).to_bare(), jid(1).to_bare()]);
            let device = Device {
                engine,
                now: start,
                ringing: None,
                wanted: BTreeSet::new(),
                calls: BTreeSet::new(),
                sessions: BTreeMap::new(),
                connected: BTreeSet::new(),
                captures: BTreeSet::new(),
                heard_ringing: false,
                given_up_ringing: false,
            };
            people.push(Part::new(device));
        }
        let (up, down) = (Channels::default(), Channels::default());
        let mut this = Self {
            people,
            service: Arc::new(service),
            up,
            down,
            row,
            left: row,
            called: false,
            offers: 0,
            used: (orders == Orders::Distinct && row.calls_back == 0).then_some(0),
            touched: 0,
            strayed: false,
        };
        (0..=row.devices).for_each(|who| this.touch(who, |_| ()));
        this
    }

    fn people(&self) -> impl Iterator<Item = &Device> {
        self.people.iter().map(|device| &**device)
    }

    fn happen(&mut self, happens: Move) {
        match happens {
            Move::Call => {
                self.called = true;
                self.place(0, 1);
            }
            Move::CallBack => {
                self.left.calls_back -= 1;
                self.place(1, 0);
            }
            Move::Accept(who) => {
                self.left.accepts -= 1;
                self.command(who, Command::Accept(vec![Media::Audio]));
            }
            Move::Decline(who) => {
                self.left.declines -= 1;
                self.command(who, Command::Decline);
            }
            Move::End(who) => {
                self.left.ends -= 1;
                self.command(who, Command::Leave);
            }
            Move::Hear(who) => self.hear(who),
            Move::Read(who) => {
                let letter = self.down.next(who);
                self.receive(who, &letter.stanza);
            }
            Move::Return(who) => {
                self.left.returned -= 1;
                self.return_copy(who);
            }
            Move::Wait => self.touch(0, |caller| {
                caller.now += timers::UNDELIVERED;
                caller.engine.handle_timeout(caller.now);
            }),
        }
    }

    fn place(&mut self, who: usize, whom: usize) {
        let to = jid(whom).to_bare();
        self.touch(who, |device| {
            // Who is being called, or talks already, has nobody to call.
            if let Ok(call) = device.engine.call(device.now, to, vec![Media::Audio]) {
                device.wanted.insert(call);
                device.calls.insert(call);
            }
        });
    }

    fn command(&mut self, who: usize, command: Command) {
        self.used = self.used.map(|used| used.max(who));
        self.touch(who, |device| {
            let ringing = device.ringing.take();
            let call = ringing.or_else(|| device.calls.first().copied()).expect("there is a call");
            if matches!(command, Command::Accept(_)) {
                device.wanted.insert(call);
            }
            device.engine.command(device.now, call, command).expect("the call is there");
        });
    }

    fn hear(&mut self, who: usize) {
        let letter = self.up.next(who);
        let deliveries = Arc::make_mut(&mut self.service).handle(&jid(who), copy(&letter.stanza));
        for (to, stanza) in deliveries {
            self.down.push(index(&to), stanza);
        }
    }

    fn receive(&mut self, who: usize, stanza: &Stanza) {
        self.touch(who, |device| {
            let _whose = device.engine.handle_stanza(device.now, stanza); // Nobody else is here to take it.
        });
    }

    /// Does something with a device and everything that follows from it at once.
    fn touch(&mut self, who: usize, act: impl FnOnce(&mut Device)) {
        self.touched |= device(who);
        let device = self.people[who].change();
        act(device);
        let mut said = Vec::new();
        while let Some(output) = device.engine.poll_output() {
            match output {
                Output::Send(stanza) => said.push(stanza.into()),
                Output::Media(command) => device.obey(&command),
                Output::Event(EventScope::Call(call), event) => device.told(call, &event),
                _ => {}
            }
        }
        said.into_iter().for_each(|stanza| self.send(who, stanza));
    }

    fn send(&mut self, who: usize, mut stanza: Stanza) {
        self.offers += usize::from(stanza::jingle_action(&element(&stanza)) == Some("session-initiate"));
        let to = stanza::to(&stanza).and_then(|to| to.try_into_full().ok());
        if let (Stanza::Iq(iq @ Iq::Result { .. }), Some(to)) = (&mut stanza, to) {
            *iq.from_mut() = Some(jid(who).into());
            return self.receive(index(&to), &stanza); // Confirmations travel at once.
        }
        self.up.push(who, stanza);
    }

    /// The copy of the proposal that is the next thing for a device.
    fn proposal(&self, who: usize) -> Option<&Message> {
        let Stanza::Message(message) = self.down.front(who)? else { return None };
        let word = JingleMessage::find(&message.payloads)?;
        matches!(word.kind, MessageKind::Propose(_)).then_some(message)
    }

    /// A server says the same of one device whose stream it gives up as of an account that it does not know.
    fn return_copy(&mut self, who: usize) {
        let letter = self.down.next(who);
        let Stanza::Message(message) = &letter.stanza else { return };
        let mut error = Message::error(Jid::from(jid(0)));
        (error.id, error.from) = (message.id.clone(), message.to.clone());
        let condition = DefinedCondition::ServiceUnavailable;
        error.payloads = vec![StanzaError::new(ErrorType::Cancel, condition, "en", "").into()];
        self.down.push(0, error.into());
    }

    /// Whose request a device reads next: it is confirmed at once.
    fn confirmed(&self, who: usize) -> Option<usize> {
        self.down.request(who).map(|from| index(&from))
    }

    /// A device has something to read, and nothing but that and its user can change it: none of its requests is about to be confirmed, the
    /// server does not return what it would read, and its user need not wait for those of other devices.
    fn reads_alone(&self, who: usize) -> bool {
        let is_its = |letter: &InFlight| {
            let Stanza::Iq(Iq::Set { from: Some(from), .. }) = &letter.stanza else { return false };
            from.clone().try_into_full().is_ok_and(|from| index(&from) == who)
        };
        let is_request = |letter: &InFlight| matches!(letter.stanza, Stanza::Iq(Iq::Set { .. }));
        let asks = self.up.of(who).any(is_request) || self.down.all().any(is_its);
        let is_returned = self.left.returned > 0 && self.proposal(who).is_some();
        self.down.front(who).is_some() && !asks && !is_returned && self.used.is_none_or(|used| who <= used + 1)
    }

    /// True if the caller waits for a device after an error.
    fn doubts(&self) -> bool {
        let caller = &self.people[0];
        caller.engine.poll_timeout().is_some_and(|due| due <= caller.now + timers::UNDELIVERED)
    }

    fn wrong(what: impl Into<String>) -> Result<(), Violation> {
        Err(Violation::DirectCall(what.into()))
    }
}

impl Device {
    fn obey(&mut self, command: &MediaCommand) {
        for report in instant_backend::obey(command) {
            self.engine.handle_media(self.now, &report);
        }
        match command {
            MediaCommand::Open { session, call, .. } => drop(self.sessions.insert(*session, *call)),
            MediaCommand::Close { session } => {
                self.sessions.remove(session);
                self.connected.remove(session);
            }
            MediaCommand::Publish { call, .. } => drop(self.captures.insert(*call)),
            MediaCommand::Unpublish { call, .. } => drop(self.captures.remove(call)),
            _ => {}
        }
    }

    fn told(&mut self, call: CallId, event: &Event) {
        match event {
            Event::Ringing { .. } => {
                self.ringing = Some(call);
                self.calls.insert(call);
            }
            Event::PeerConnected(_, session) => drop(self.connected.insert(*session)),
            Event::DeviceRings(_) => self.heard_ringing = true,
            Event::Ended(why) => {
                self.given_up_ringing |= self.heard_ringing && matches!(why, EndReason::Unreachable(_));
                self.ringing = self.ringing.filter(|ringing| *ringing != call);
                self.calls.remove(&call);
                self.wanted.remove(&call);
            }
            _ => {}
        }
    }
}

impl World for Forking {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        if !self.called {
            moves.push(Move::Call);
        }
        if self.left.calls_back > 0 && self.people[1].calls.is_empty() {
            moves.push(Move::CallBack);
        }
        let may_be_used = |who: &usize| self.used.is_none_or(|used| *who <= used + 1);
        for (who, device) in self.people().enumerate().filter(|(who, _)| may_be_used(who)) {
            if device.ringing.is_some() && self.left.accepts > 0 {
                moves.push(Move::Accept(who));
            }
            if device.ringing.is_some() && self.left.declines > 0 {
                moves.push(Move::Decline(who));
            }
            if !device.wanted.is_empty() && self.left.ends > 0 {
                moves.push(Move::End(who));
            }
        }
        moves.extend(self.up.clients().map(Move::Hear));
        moves.extend(self.down.clients().map(Move::Read));
        if self.left.returned > 0 {
            moves.extend((1..self.people.len()).filter(|who| self.proposal(*who).is_some()).map(Move::Return));
        }
        if self.doubts() {
            moves.push(Move::Wait);
        }
        moves
    }

    fn act(&mut self, happens: Move) {
        let may_touch = self.touches(happens);
        self.touched = 0;
        self.happen(happens);
        self.strayed |= self.touched & !may_touch != 0;
    }

    fn number(&self, happens: Move) -> u32 {
        let (kind, who) = match happens {
            Move::Call => (0, 0),
            Move::CallBack => (0, 1),
            Move::Wait => (0, 2),
            Move::Accept(who) => (1, who),
            Move::Decline(who) => (2, who),
            Move::End(who) => (3, who),
            Move::Hear(who) => (4, who),
            Move::Read(who) => (5, who),
            Move::Return(who) => (6, who),
        };
        u32::try_from(kind * NAMES.len() + who).expect("few")
    }

    /// A device is what its Engine knows and the front of what is under way to it: the server adds to the back only.
    fn touches(&self, happens: Move) -> u64 {
        match happens {
            Move::Call | Move::Wait => device(0),
            Move::CallBack => device(1) | CALLS_BACK,
            Move::Accept(who) => device(who) | ACCEPTS,
            Move::Decline(who) => device(who) | DECLINES,
            Move::End(who) => device(who) | ENDS,
            Move::Hear(_) => SERVER,
            Move::Read(who) => device(who) | self.confirmed(who).map_or(0, device),
            Move::Return(who) => device(who) | SERVER | RETURNED,
        }
    }

    fn ample(&self, possible: &[Move]) -> Vec<Vec<Move>> {
        let of = |who: usize| {
            let its = possible.iter().copied().filter(|happens| self.touches(*happens) & device(who) != 0);
            its.collect()
        };
        (0..self.people.len()).filter(|who| self.reads_alone(*who)).map(of).collect()
    }

    fn digest(&self) -> u64 {
        let channels: Vec<_> =
            [&self.up, &self.down].iter().map(|channels| channels.clients().collect::<Vec<_>>()).collect();
        let marks =
            Digest::of_text(&format!("{:?} {} {} {:?} {channels:?}", self.left, self.called, self.offers, self.used));
        let people = self.people.iter().map(|device| device.digest(|device| Digest::of(device, device.now)));
        let in_flight = self.up.all().chain(self.down.all()).map(InFlight::digest);
        digest::together([&marks].into_iter().chain(people).chain(in_flight))
    }

    fn check_always(&self) -> Result<(), Violation> {
        if self.strayed {
            return Err(Violation::Strayed);
        }
        for (device, name) in self.people().zip(NAMES) {
            if device.sessions.values().chain(&device.captures).any(|call| !device.wanted.contains(call)) {
                return Self::wrong(format!("I1, I2: {name} has media open that its user did not want"));
            }
            if device.given_up_ringing {
                return Self::wrong(format!("{name} took one copy's error for that of all: a device rings"));
            }
            if device.sessions.len() > 1 {
                return Self::wrong(format!("{name} has two sessions at once"));
            }
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.up.is_empty() && self.down.is_empty() && !self.doubts()
    }

    /// Either two talk, or nobody does and nothing rings on.
    fn check(&self) -> Result<(), Violation> {
        let talk = |device: &Device| device.sessions.len() == 1 && device.connected.len() == 1;
        let talking: Vec<&str> = self.people().zip(NAMES).filter(|(it, _)| talk(it)).map(|(_, name)| name).collect();
        let open = self.people().filter(|device| !device.sessions.is_empty()).count();
        if open != talking.len() || ![0, 2].contains(&open) || (open == 2 && talking[0] != NAMES[0]) {
            return Self::wrong(format!("{open} have a session, and these talk: {talking:?}"));
        }
        let placed = self.people().any(|device| device.ringing.is_none() && !device.calls.is_empty());
        for (device, name) in self.people().zip(NAMES) {
            if device.ringing.is_some() && (open == 2 || !placed) {
                return Self::wrong(format!("{name} rings, and nobody waits for it"));
            }
            let waits = device.ringing.is_none() && !device.calls.is_empty() && device.sessions.is_empty();
            let asked = self.people().any(|other| other.ringing.is_some());
            if waits && (open == 2 || !asked) {
                return Self::wrong(format!("{name} waits for a session that does not come"));
            }
        }
        if self.offers > 1 && self.row.calls_back == 0 {
            return Self::wrong("R-FORK-1: the caller offered more than one session");
        }
        Ok(())
    }

    fn needs_time(&self) -> bool {
        false
    }

    fn heal(&mut self, _time: Duration) {}

    #[cfg(test)]
    fn outcome(&self) -> String {
        let device = |device: &Device| {
            let Device {
                ringing, wanted, calls, sessions, connected, captures, heard_ringing, given_up_ringing, ..
            } = device;
            let (wanted, calls, sessions) = (wanted.len(), calls.len(), sessions.len());
            let (ringing, connected, captures) = (ringing.is_some(), connected.len(), captures.len());
            format!("{ringing} {wanted} {calls} {sessions} {connected} {captures} {heard_ringing} {given_up_ringing}")
        };
        let mut devices: Vec<String> = self.people().skip(1).map(device).collect();
        if self.row.calls_back == 0 {
            devices.sort();
        }
        format!("{:?} {} {}; {}", self.left, self.offers, device(&self.people[0]), devices.join("; "))
    }

    fn line(&self, happens: Move) -> String {
        let letter = match happens {
            Move::Hear(who) => self.up.front(who),
            Move::Read(who) => self.down.front(who),
            Move::Return(who) => self.down.front(who),
            Move::Call | Move::CallBack | Move::Accept(_) | Move::Decline(_) | Move::End(_) | Move::Wait => None,
        };
        ladder::line(&happens, letter.map(element).as_ref())
    }
}
