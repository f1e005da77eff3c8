//! Bridges in the calls of one or two rooms, people who call them, and bridges that call each other: every order in which they do so, in
//! which calls end, and in which what they say arrives.
//!
//! ```text
//!   caller ─ bridge ─ room 1 ─ bridge ─ caller          caller ─ bridge ─ room 1 ─ bridge
//!                                                                    ║                ║        joined once at most
//!                                                                  bridge ─ room 2 ─ bridge
//! ```
//!
//! The bridges are in the calls of their rooms when it begins. All that anybody says goes by the server, in order; the media layer answers at
//! once, and so does a client that confirms a request. Nobody answers what asks for features: nothing waits for that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid};
use muji_core::bridge::{AdmissionPolicy, Bridge, CallerState};
use muji_core::media::{Capabilities, MediaCommand};
use muji_core::{CallId, Command, ConnectionChange, Engine, Event, EventScope, Join, Media, Output, SessionId};
use muji_simulation::instant_backend;
use muji_simulation::room::Rules;
use muji_simulation::simulated_server::SimulatedServer;
use muji_simulation::stanza::{self, copy, element};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

use crate::check::Violation;
use crate::digest::{self, Digest, Part};
use crate::in_flight::{Channels, InFlight};
use crate::ladder;
use crate::person::codecs;
use crate::search::World;

/// The bridges come first, those of the first room before those of the second, and then the callers.
const NAMES: [&str; 6] = ["ann", "bob", "cat", "dan", "eve", "fay"];

/// What may happen, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Rooms.
    pub(crate) rooms: usize,
    /// Bridges in each room.
    pub(crate) bridges: usize,
    /// People who call one bridge each, at any time.
    pub(crate) callers: usize,
    /// Bridges that call the one opposite, at any time: of two rooms that of the other room, of one room the next. The first of the first room
    /// does, or also the last of the last.
    pub(crate) dials: usize,
    /// Times a caller hangs up, or a bridge leaves its room.
    pub(crate) ends: usize,
}

impl Row {
    fn all_bridges(&self) -> usize {
        self.rooms * self.bridges
    }

    fn room_of(&self, bridge: usize) -> usize {
        bridge / self.bridges
    }

    fn dials(&self, bridge: usize) -> bool {
        [0, self.all_bridges() - 1].iter().take(self.dials).any(|it| *it == bridge)
    }

    /// Whom a bridge calls.
    fn opposite(&self, bridge: usize) -> usize {
        let apart = if self.rooms == 1 { 1 } else { self.bridges };
        (bridge + apart) % self.all_bridges()
    }
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Somebody calls its bridge.
    Call(usize),
    /// A bridge calls another.
    Dial(usize),
    /// A caller hangs up, or a bridge leaves the room.
    End(usize),
    /// The server takes what somebody said.
    Hear(usize),
    /// Somebody reads what the server passes on.
    Read(usize),
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(who) => write!(f, "{} calls a bridge", NAMES[*who]),
            Self::Dial(who) => write!(f, "{} calls another bridge", NAMES[*who]),
            Self::End(who) => write!(f, "{} ends its call", NAMES[*who]),
            Self::Hear(who) => write!(f, "the server hears {}", NAMES[*who]),
            Self::Read(who) => write!(f, "{} hears the server", NAMES[*who]),
        }
    }
}

/// A real Engine, and a real bridge if it is one.
#[derive(Debug, Clone)]
struct Client {
    engine: Engine,
    now: Instant,
    bridge: Option<Bridge>,
    /// The call of the room, or with the bridge, until it is over.
    call: Option<CallId>,
    /// It has called.
    called: bool,
    /// Whose media are open with one person: which call that is, and who it is.
    sessions: BTreeMap<SessionId, (CallId, BareJid)>,
    connected: BTreeSet<SessionId>,
    /// Calls that hear each other.
    joined: BTreeSet<CallId>,
}

/// What moves touch, a bit for each; the lowest are those of the clients.
const SERVER: u64 = 1 << 8;
const ENDS: u64 = 1 << 9;

fn client(index: usize) -> u64 {
    1 << index
}

/// All clients and what is under way.
#[derive(Debug, Clone)]
pub(crate) struct Bridging {
    clients: Vec<Part<Client>>,
    service: Part<SimulatedServer>,
    up: Channels,
    down: Channels,
    row: Row,
    left: Row,
    /// Which clients the last move touched.
    touched: u64,
    /// A move touched a client that it should not have.
    strayed: bool,
}

fn jid(index: usize) -> FullJid {
    format!("{0}@x/{0}", NAMES[index]).parse().expect("names are plain")
}

/// Media that can join calls. Who knows an encoding by which id does not matter here.
fn joins_calls() -> Capabilities {
    Capabilities { bridging: true, ..codecs(0) }
}

fn index(jid: &FullJid) -> usize {
    NAMES.iter().position(|name| *name == jid.resource().as_str()).expect("there are no others")
}

/// Far more than anybody waits for somebody on the way into a room where all answer.
const ENTERING: Duration = Duration::from_secs(5);

impl Bridging {
    pub(crate) fn new(row: Row, seed: u8) -> Self {
        let start = Instant::now();
        let mut service = SimulatedServer::new("x", Rules::default());
        let people = row.all_bridges() + row.callers;
        let contacts: Vec<BareJid> = (0..people).map(|index| jid(index).to_bare()).collect();
        let client = |index: usize| {
            let mut engine_seed = [seed; 32];
            engine_seed[0] = u8::try_from(index).expect("few");
            let mut engine = Engine::with_config(engine_seed, joins_calls(), muji_simulation::config());
            engine.handle_connection(start, ConnectionChange::Bound { jid: jid(index) });
            engine.set_contacts(contacts.clone());
            Part::new(Client {
                engine,
                now: start,
                bridge: None,
                call: None,
                called: false,
                sessions: BTreeMap::new(),
                connected: BTreeSet::new(),
                joined: BTreeSet::new(),
            })
        };
        let clients: Vec<Part<Client>> = (0..people).map(client).collect();
        (0..people).for_each(|index| service.connected(jid(index)));
        let rooms: Vec<BareJid> = (0..row.rooms).map(|number| service.room(&format!("r{number}"))).collect();
        rooms.iter().for_each(|room| service.rooms.set(room, Rules::default()));
        let (up, down) = (Channels::default(), Channels::default());
        let service = Part::new(service);
        let mut this = Self { clients, service, up, down, row, left: row, touched: 0, strayed: false };
        for bridge in 0..row.all_bridges() {
            this.enter(bridge, rooms[row.room_of(bridge)].clone());
        }
        this
    }

    /// A bridge comes into the call of a room, and everybody there is connected with it.
    fn enter(&mut self, who: usize, room: BareJid) {
        self.touch(who, |client| {
            let how = Join::call_room().nick(NAMES[who]);
            let call = client.engine.join(client.now, room, how).expect("it is not in the room");
            client.call = Some(call);
            client.bridge = Some(Bridge::new(client.now, call, AdmissionPolicy::default()));
        });
        self.settle();
        (0..self.clients.len()).for_each(|who| {
            self.touch(who, |client| {
                client.now += ENTERING;
                client.engine.handle_timeout(client.now);
            });
        });
        self.settle();
    }

    /// Delivers everything.
    fn settle(&mut self) {
        let delivery = |happens: &Move| matches!(happens, Move::Hear(_) | Move::Read(_));
        while let Some(happens) = self.moves().into_iter().find(delivery) {
            self.happen(happens);
        }
    }

    fn clients(&self) -> impl Iterator<Item = &Client> {
        self.clients.iter().map(|client| &**client)
    }

    fn happen(&mut self, happens: Move) {
        match happens {
            Move::Call(who) => {
                let bridge = jid(who - self.row.all_bridges()).to_bare();
                self.touch(who, |client| {
                    client.called = true;
                    client.call = client.engine.call(client.now, bridge, vec![Media::Audio]).ok();
                });
            }
            Move::Dial(who) => {
                let other = jid(self.row.opposite(who)).to_bare();
                self.touch(who, |client| client.dial(other));
            }
            Move::End(who) => {
                self.left.ends -= 1;
                self.touch(who, |client| {
                    let call = client.call.expect("only who has a call ends one");
                    client.engine.command(client.now, call, Command::Leave).expect("the call is there");
                });
            }
            Move::Hear(who) => self.hear(who),
            Move::Read(who) => {
                let letter = self.down.next(who);
                self.receive(who, &letter.stanza);
            }
        }
    }

    fn hear(&mut self, who: usize) {
        let letter = self.up.next(who);
        let deliveries = self.service.change().handle(&jid(who), copy(&letter.stanza));
        for (to, stanza) in deliveries {
            self.down.push(index(&to), stanza);
        }
    }

    fn receive(&mut self, who: usize, stanza: &Stanza) {
        self.touch(who, |client| {
            let _whose = client.engine.handle_stanza(client.now, stanza); // Nobody else is here to take it.
        });
    }

    /// Does something with a client and everything that follows from it at once.
    fn touch(&mut self, who: usize, act: impl FnOnce(&mut Client)) {
        self.touched |= client(who);
        let client = self.clients[who].change();
        act(client);
        let said = client.follow();
        said.into_iter().for_each(|stanza| self.send(who, stanza));
    }

    fn send(&mut self, who: usize, mut stanza: Stanza) {
        let person = stanza::to(&stanza).and_then(|to| to.try_into_full().ok());
        let person = person.filter(|to| !to.domain().as_str().contains('.'));
        match (&mut stanza, person) {
            (Stanza::Iq(iq @ Iq::Result { .. }), Some(to)) => {
                *iq.from_mut() = Some(jid(who).into());
                self.receive(index(&to), &stanza); // Confirmations travel at once.
            }
            (Stanza::Iq(Iq::Get { .. }), Some(_)) => {}
            _ => self.up.push(who, stanza),
        }
    }

    /// Whose request a client reads next: it is confirmed at once.
    fn confirmed(&self, who: usize) -> Option<usize> {
        let from = self.down.request(who)?;
        (!from.domain().as_str().contains('.')).then(|| index(&from))
    }

    fn wrong(what: impl Into<String>) -> Result<(), Violation> {
        Err(Violation::Bridge(what.into()))
    }

    /// The bridge of somebody has these calls, and each is with somebody who has one with it.
    fn check_bridge(&self, who: usize, bridge: &Bridge) -> Result<(), Violation> {
        let (name, client) = (NAMES[who], &*self.clients[who]);
        let inside: BTreeSet<CallId> = bridge.callers().map(|caller| caller.call).collect();
        for caller in bridge.callers() {
            if caller.state != CallerState::In {
                return Self::wrong(format!("{} is {:?} at {name} for ever", caller.jid, caller.state));
            }
        }
        if client.call.is_none() && !inside.is_empty() {
            return Self::wrong(format!("{name} has left the room, and its callers are still there"));
        }
        let joined: BTreeSet<CallId> =
            inside.iter().copied().chain(client.call.filter(|_| !inside.is_empty())).collect();
        if client.joined != joined {
            return Self::wrong(format!("{name} joins {:?}, and these are in: {joined:?}", client.joined));
        }
        Ok(())
    }

    /// With whom somebody is connected, without those in the room.
    fn connected(client: &Client) -> impl Iterator<Item = &BareJid> {
        client.sessions.iter().filter(|(id, _)| client.connected.contains(*id)).map(|(_, (_, peer))| peer)
    }

    /// Calls between the two rooms, or within the one, that are up.
    fn ways(&self) -> usize {
        let calls = |who: &usize| {
            let other = jid(self.row.opposite(*who)).to_bare();
            Self::connected(&self.clients[*who]).any(|peer| *peer == other)
        };
        let first = if self.row.rooms == 1 { self.row.all_bridges() } else { self.row.bridges };
        (0..first).filter(calls).count()
    }
}

impl Client {
    fn dial(&mut self, other: BareJid) {
        self.called = true;
        // Who is being called by it, or talks with it already, has nobody to call.
        let Ok(call) = self.engine.call(self.now, other.clone(), vec![Media::Audio]) else { return };
        let bridge = self.bridge.as_mut().expect("it is a bridge");
        bridge.add_called(self.now, call, other).expect("there is a place");
    }

    /// Takes all outputs, does what the bridge wants done, and gives what is to be sent.
    fn follow(&mut self) -> Vec<Stanza> {
        let mut said = Vec::new();
        loop {
            let Some(output) = self.next_output() else { return said };
            match output {
                Output::Send(stanza) => said.push(stanza.into()),
                Output::Media(command) => self.obey(&command),
                Output::Event(about, event) => self.told(&about, &event),
                _ => {}
            }
        }
    }

    /// The bridge decides once the Engine has nothing more to say.
    fn next_output(&mut self) -> Option<Output> {
        let output = self.engine.poll_output();
        let (None, Some(bridge)) = (&output, &mut self.bridge) else { return output };
        let _shown = self.engine.follow(self.now, bridge);
        self.engine.poll_output()
    }

    fn obey(&mut self, command: &MediaCommand) {
        for report in instant_backend::obey(command) {
            self.engine.handle_media(self.now, &report);
        }
        match command {
            MediaCommand::Open { session, call, peer, .. } if self.bridge.is_none() || self.call != Some(*call) => {
                self.sessions.insert(*session, (*call, peer.clone()));
            }
            MediaCommand::Close { session } => {
                self.sessions.remove(session);
                self.connected.remove(session);
            }
            MediaCommand::Bridge { calls } => self.joined = calls.keys().copied().collect(),
            _ => {}
        }
    }

    fn told(&mut self, about: &EventScope, event: &Event) {
        if let Some(bridge) = &mut self.bridge {
            bridge.handle_event(self.now, about, event);
        }
        let EventScope::Call(call) = about else { return };
        match event {
            Event::PeerConnected(_, session) if self.sessions.contains_key(session) => {
                self.connected.insert(*session);
            }
            Event::Ended(_) => self.call = self.call.filter(|mine| mine != call),
            _ => {}
        }
    }
}

impl World for Bridging {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (who, client) in self.clients().enumerate() {
            if client.bridge.is_none() && !client.called {
                moves.push(Move::Call(who));
            }
            if client.bridge.is_some() && client.call.is_some() && !client.called && self.row.dials(who) {
                moves.push(Move::Dial(who));
            }
            if client.call.is_some() && self.left.ends > 0 {
                moves.push(Move::End(who));
            }
        }
        moves.extend(self.up.clients().map(Move::Hear));
        moves.extend(self.down.clients().map(Move::Read));
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
            Move::Call(who) | Move::Dial(who) => (0, who), // A bridge does the one, a caller the other.
            Move::End(who) => (1, who),
            Move::Hear(who) => (2, who),
            Move::Read(who) => (3, who),
        };
        u32::try_from(kind * NAMES.len() + who).expect("few")
    }

    /// A client is what its Engine and its bridge know, and the front of what is under way to it: the server adds to the back only.
    fn touches(&self, happens: Move) -> u64 {
        match happens {
            Move::Call(who) | Move::Dial(who) => client(who),
            Move::End(who) => client(who) | ENDS,
            Move::Hear(_) => SERVER,
            Move::Read(who) => client(who) | self.confirmed(who).map_or(0, client),
        }
    }

    /// What a client reads next, and what it does of its own accord, if nothing else can change it: none of its requests is about to be
    /// confirmed (as of `forking.rs`).
    fn ample(&self, possible: &[Move]) -> Vec<Vec<Move>> {
        let is_request = |letter: &InFlight| matches!(letter.stanza, Stanza::Iq(Iq::Set { .. }));
        let of = |letter: &InFlight, who: usize| {
            let Stanza::Iq(Iq::Set { from: Some(from), .. }) = &letter.stanza else { return false };
            from.clone().try_into_full().is_ok_and(|from| from == jid(who))
        };
        let asks = |who: usize| self.up.of(who).any(is_request) || self.down.all().any(|letter| of(letter, who));
        let alone = (0..self.clients.len()).filter(|who| self.down.front(*who).is_some() && !asks(*who));
        let its = |who: usize| possible.iter().copied().filter(|it| self.touches(*it) & client(who) != 0).collect();
        alone.map(its).collect()
    }

    fn digest(&self) -> u64 {
        let channels: Vec<_> =
            [&self.up, &self.down].iter().map(|channels| channels.clients().collect::<Vec<_>>()).collect();
        let marks = Digest::of_text(&format!("{:?} {channels:?}", self.left));
        let clients = self.clients.iter().map(|client| client.digest(|client| Digest::of(client, client.now)));
        let in_flight = self.up.all().chain(self.down.all()).map(InFlight::digest);
        let rooms = self.service.digest(|service| Digest::of(&service.rooms, self.clients[0].now));
        digest::together([&marks, rooms].into_iter().chain(clients).chain(in_flight))
    }

    fn check_always(&self) -> Result<(), Violation> {
        if self.strayed {
            return Err(Violation::Strayed);
        }
        for (client, name) in self.clients().zip(NAMES) {
            let peers: BTreeSet<&BareJid> = client.sessions.values().map(|(_, peer)| peer).collect();
            if peers.len() < client.sessions.len() {
                return Self::wrong(format!("{name} has two sessions with one account"));
            }
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.up.is_empty() && self.down.is_empty()
    }

    /// Each call is up at both ends or over at both, callers are in and hear the others, and rooms are joined once at most.
    fn check(&self) -> Result<(), Violation> {
        for (who, client) in self.clients().enumerate() {
            let name = NAMES[who];
            if let Some(bridge) = &client.bridge {
                self.check_bridge(who, bridge)?;
            } else if client.call.is_some() && client.connected.len() != 1 {
                return Self::wrong(format!("{name} waits for a bridge for ever"));
            }
            if client.connected.len() != client.sessions.len() {
                return Self::wrong(format!("{name} has a session that is not up"));
            }
            for peer in Self::connected(client) {
                let ours = jid(who).to_bare();
                let other = (0..self.clients.len()).find(|other| jid(*other).to_bare() == *peer);
                if !other.is_some_and(|other| Self::connected(&self.clients[other]).any(|of| *of == ours)) {
                    return Self::wrong(format!("{name} talks with {peer}, and {peer} not with {name}"));
                }
            }
        }
        let most = usize::from(self.row.rooms > 1);
        if self.ways() > most {
            return Self::wrong(format!("brg-loop-02: rooms are joined in a ring, by {} calls", self.ways()));
        }
        Ok(())
    }

    fn needs_time(&self) -> bool {
        false
    }

    fn heal(&mut self, _time: Duration) {}

    #[cfg(test)]
    fn outcome(&self) -> String {
        let client = |client: &Client| {
            let Client { call, called, sessions, connected, joined, .. } = client;
            format!("{} {called} {} {} {}", call.is_some(), sessions.len(), connected.len(), joined.len())
        };
        format!("{:?} {}", self.left, self.clients().map(client).collect::<Vec<_>>().join("; "))
    }

    fn line(&self, happens: Move) -> String {
        let letter = match happens {
            Move::Hear(who) => self.up.front(who),
            Move::Read(who) => self.down.front(who),
            Move::Call(_) | Move::Dial(_) | Move::End(_) => None,
        };
        ladder::line(&happens, letter.map(element).as_ref())
    }
}
