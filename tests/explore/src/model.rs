//! The explorer's world: real Engines, a real room service, and every order in which stanzas in flight can arrive.
//!
//! Each person has a channel of its own to the room and from it, and to each other person. Every channel keeps its order;
//! between channels there is none. The media layer answers at once, and requests are confirmed at once.
//!
//! People who have done nothing yet differ in their names only, so of paths that differ in who is who one is tried: that in
//! which the room hears them for the first time in the order of their names. Each path is such a one after a renaming, and
//! Engines do the same under other names unless they ask which JID is lower ([`Row::is_symmetric`]); that one had reason to ask
//! is a violation. (Random ids do not follow the names: where two repairs cross, see `digest.rs`.)

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jid::{FullJid, Jid};
use muji_core::config::Config;
use muji_core::{Command, ConnectionChange, Engine, Join, Media, Output};
use muji_simulation::room::Rules;
use muji_simulation::simulated_server::SimulatedServer;
use muji_simulation::stanza::{self, copy, element, has_contents};
use muji_xep::{Element, muc};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;

use crate::check::Violation;
use crate::digest::{self, Digest, Part};
use crate::in_flight::{InFlight, adds, id, is_end, offer, offer_or_answer};
use crate::ladder;
#[cfg(test)]
use crate::outcome;
use crate::person::{PREPARING, Person, STAGGER, codecs, index, jid, occupant, room};
use crate::row::{Move, NAMES, Row, is_delivery};
use crate::search::{Orders, World};

/// Where stanzas in flight wait, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Channel {
    ToRoom(usize),
    FromRoom(usize),
    Between { from: usize, to: usize },
}

/// What moves touch, a bit for each; the lowest are those of the people.
const ROOM: u64 = 1 << 8;
const LEAVES: u64 = 1 << 9;
const CRASHES: u64 = 1 << 10;
const ADDS: u64 = 1 << 11;
const TIMEOUTS: u64 = 1 << 12;
const REFUSALS: u64 = 1 << 13;
const CUTS: u64 = 1 << 14;
pub(crate) const EVERYTHING: u64 = u64::MAX;

pub(crate) fn person(index: usize) -> u64 {
    1 << index
}

/// What somebody has said to the room takes its stream.
fn stream(index: usize) -> u64 {
    1 << (16 + index)
}

/// All people, the room and what is under way.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) row: Row,
    pub(crate) people: Vec<Part<Person>>,
    pub(crate) service: Part<SimulatedServer>,
    pub(crate) channels: BTreeMap<Channel, VecDeque<Arc<InFlight>>>,
    /// What may still happen.
    pub(crate) left: Row,
    /// How many people the room has heard, if it hears them for the first time in the order of their names.
    pub(crate) heard: Option<usize>,
    /// Two have published different payload maps.
    pub(crate) maps_differ: bool,
    /// Whom the last move touched.
    pub(crate) touched: u64,
    /// A move touched somebody whom it should not have.
    pub(crate) strayed: bool,
    /// Offers made out of turn.
    pub(crate) repairs: usize,
    /// Two who have offered each other more than one session.
    pub(crate) rivals: Option<(usize, usize)>,
    /// Who has offered whom a session.
    pub(crate) offers: BTreeSet<(usize, usize)>,
    /// Who has added pictures to the session with whom.
    pub(crate) additions: BTreeSet<(usize, usize)>,
    /// Two whose session had them added twice.
    pub(crate) added_twice: Option<(usize, usize)>,
}

impl World for State {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        self.possible()
    }

    fn act(&mut self, happens: Move) {
        let may_touch = self.touches(happens);
        self.touched = 0;
        self.happen(happens);
        self.strayed |= self.touched & !may_touch != 0;
        if self.left.rejoins == 0 {
            (0..self.people.len()).for_each(|who| self.spare_reading(who));
        }
    }

    fn number(&self, happens: Move) -> u32 {
        happens.number()
    }

    fn touches(&self, happens: Move) -> u64 {
        self.touched_by(happens)
    }

    fn ample(&self, possible: &[Move]) -> Vec<Vec<Move>> {
        self.ample_sets(possible)
    }

    fn digest(&self) -> u64 {
        let channels: Vec<_> = self.channels.keys().collect();
        let marks = Digest::of_text(&format!("{:?} {:?} {channels:?}", self.left, self.heard));
        let people = self.people.iter().map(|person| person.digest(Person::digest));
        let in_flight = self.channels.values().flatten().map(|letter| letter.digest());
        let rooms = self.service.digest(|service| Digest::of(&service.rooms, self.people[0].now));
        digest::together([&marks, rooms].into_iter().chain(people).chain(in_flight))
    }

    fn check_always(&self) -> Result<(), Violation> {
        self.holds_always()
    }

    fn is_quiet(&self) -> bool {
        self.channels.is_empty() && self.people().all(|person| (person.alive && !person.cut) || person.noticed)
    }

    fn check(&self) -> Result<(), Violation> {
        self.holds()
    }

    fn needs_time(&self) -> bool {
        self.row.needs_time()
    }

    /// Everything is delivered at once meanwhile.
    fn heal(&mut self, time: Duration) {
        self.settle();
        let mut passed = Duration::ZERO;
        loop {
            let alive = self.people().filter(|person| person.alive);
            let next =
                alive.filter_map(|person| Some(person.engine.poll_timeout()?.saturating_duration_since(person.now)));
            let Some(pause) = next.min().filter(|pause| passed + *pause <= time) else { return };
            passed += pause;
            for index in 0..self.people.len() {
                self.touch(index, |person| {
                    person.now += pause;
                    if person.alive {
                        person.engine.handle_timeout(person.now);
                    }
                });
            }
            self.settle();
        }
    }

    #[cfg(test)]
    fn outcome(&self) -> String {
        outcome::first_of_orders(self.people.len(), |order| self.outcome_in(order))
    }

    fn line(&self, happens: Move) -> String {
        ladder::line(&happens, self.letter(happens).as_ref())
    }
}

impl State {
    /// Nobody has joined.
    pub(crate) fn new(row: Row, seed: u8, orders: Orders) -> Self {
        let start = Instant::now();
        let mut service = SimulatedServer::new("x", Rules::default());
        let room = service.room("r");
        service.rooms.set(&room, Rules::default());
        let mut people = Vec::new();
        for index in 0..row.people {
            service.connected(jid(index));
            let config = Config { preparing: PREPARING, stagger: STAGGER, ..muji_simulation::config() };
            let mut engine_seed = [seed; 32];
            engine_seed[0] = u8::try_from(index).expect("few");
            let mut engine = Engine::with_config(engine_seed, codecs(index), config);
            engine.handle_connection(start, ConnectionChange::Bound { jid: jid(index) });
            let person = Person {
                engine,
                now: start,
                call: None,
                joined: false,
                returned: false,
                leaving: false,
                active: false,
                published: 0,
                sessions: BTreeMap::new(),
                pictures: BTreeMap::new(),
                shows: false,
                captures: BTreeSet::new(),
                alive: true,
                noticed: false,
                cut: false,
            };
            people.push(Part::new(person));
        }
        let service = Part::new(service);
        let mut this = Self {
            row,
            people,
            service,
            channels: BTreeMap::new(),
            left: row,
            heard: None,
            maps_differ: false,
            touched: 0,
            strayed: false,
            repairs: 0,
            rivals: None,
            offers: BTreeSet::new(),
            additions: BTreeSet::new(),
            added_twice: None,
        };
        if row.in_chat {
            for index in 0..row.people {
                let to = occupant(index);
                let sit = Presence::new(Type::None).with_to(to).with_payloads(vec![muc::enter(None)]);
                this.post(Channel::ToRoom(index), sit.into());
            }
            this.settle();
        }
        for index in 0..row.people {
            this.touch(index, |_| ());
        }
        this.heard = (orders == Orders::Distinct && row.is_symmetric()).then_some(0);
        this
    }

    /// A person is what its Engine knows and the front of what is under way to it: others add to the back only, and only one does
    /// to each channel. The room is everybody's order in it. What may still happen so often in all is a thing too.
    pub(crate) fn touched_by(&self, happens: Move) -> u64 {
        match happens {
            // Once nobody returns, what those who have left would read is dropped.
            Move::Join(who) if self.people[who].joined => EVERYTHING,
            Move::Join(who) => person(who),
            Move::Leave(who) => person(who) | LEAVES,
            Move::Crash(who) => person(who) | CRASHES,
            Move::Add(who) => person(who) | ADDS,
            Move::Expire(who) => person(who) | TIMEOUTS,
            Move::Notice(_) => EVERYTHING, // From then on the server answers for it.
            Move::Cut(who) => person(who) | stream(who) | CUTS,
            Move::Resume(who) => person(who) | stream(who),
            Move::Hear(who) => ROOM | stream(who),
            Move::Refuse(who) => ROOM | stream(who) | REFUSALS,
            Move::Read(who) => person(who),
            Move::Answer { from, to } => person(from) | person(to), // It is confirmed at once.
        }
    }

    pub(crate) fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().map(|person| &**person)
    }

    fn possible(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (index, person) in self.people().enumerate().filter(|(_, person)| person.alive) {
            if person.call.is_none() && (!person.joined || self.left.rejoins > 0) {
                moves.push(Move::Join(index));
            }
            if person.call.is_some() && self.left.leaves > 0 && !person.leaving {
                moves.push(Move::Leave(index));
            }
            if person.call.is_some() && self.left.adds > 0 && !person.shows && !person.leaving {
                moves.push(Move::Add(index));
            }
            if person.joined && self.left.crashes > 0 {
                moves.push(Move::Crash(index));
            }
            if self.left.timeouts > 0 && person.waits() {
                moves.push(Move::Expire(index));
            }
            if person.cut {
                moves.push(Move::Resume(index));
            } else if self.left.cuts > 0 && person.call.is_some() {
                moves.push(Move::Cut(index));
            }
        }
        let may_be_heard = |who: usize| self.heard.is_none_or(|heard| who <= heard);
        let gone = self.people().enumerate().filter(|(_, person)| !person.alive && !person.noticed);
        let gone = gone.filter(|(index, _)| may_be_heard(*index));
        moves.extend(gone.map(|(index, _)| Move::Notice(index)));
        let cut = |who: usize| self.people[who].cut;
        for (way, in_flight) in &self.channels {
            match way {
                Channel::ToRoom(who) | Channel::FromRoom(who) if cut(*who) => {}
                Channel::Between { from, to } if cut(*from) || cut(*to) => {}
                Channel::ToRoom(who) if !may_be_heard(*who) => {}
                Channel::ToRoom(who) => {
                    moves.push(Move::Hear(*who));
                    if self.left.refusals > 0 && has_contents(element(&in_flight[0].stanza).children()) {
                        moves.push(Move::Refuse(*who));
                    }
                }
                Channel::FromRoom(who) => moves.push(Move::Read(*who)),
                Channel::Between { from, to } => moves.push(Move::Answer { from: *from, to: *to }),
            }
        }
        moves
    }

    /// Who has left for good has nothing of presences and ends of sessions, so when it reads them makes no difference.
    fn spare_reading(&mut self, who: usize) {
        let person = &self.people[who];
        if !person.joined || person.call.is_some() {
            return;
        }
        self.channels.retain(|way, in_flight| match way {
            Channel::FromRoom(to) => *to != who,
            Channel::Between { to, .. } if *to == who => {
                while in_flight.front().is_some_and(|letter| is_end(&letter.stanza)) {
                    in_flight.pop_front();
                }
                !in_flight.is_empty()
            }
            Channel::Between { .. } | Channel::ToRoom(_) => true,
        });
    }

    fn happen(&mut self, happens: Move) {
        match happens {
            Move::Join(who) => {
                let again = usize::from(self.people[who].joined);
                self.left.rejoins -= again;
                let how = if self.row.in_chat { Join::chat_room() } else { Join::call_room().nick(NAMES[who]) };
                self.touch(who, |person| {
                    let room = room();
                    person.returned |= person.joined;
                    (person.joined, person.published, person.shows) = (true, 0, false);
                    person.call = Some(person.engine.join(person.now, room, how).expect("it is not in the room"));
                });
            }
            Move::Leave(who) => {
                self.left.leaves -= 1;
                self.touch(who, |person| {
                    let call = person.call.expect("only who has joined leaves");
                    person.leaving = true;
                    person.engine.command(person.now, call, Command::Leave).expect("the call is there");
                });
            }
            Move::Add(who) => {
                self.left.adds -= 1;
                self.touch(who, |person| {
                    let call = person.call.expect("only who has joined shows anything");
                    person.shows = true;
                    person.engine.command(person.now, call, Command::Add(Media::Video)).expect("the call is there");
                });
            }
            Move::Crash(who) => {
                self.left.crashes -= 1;
                self.channels
                    .retain(|way, _| !matches!(way, Channel::FromRoom(to) | Channel::Between { to, .. } if *to == who));
                self.touch(who, |person| (person.alive, person.cut) = (false, false));
            }
            Move::Cut(who) => {
                self.left.cuts -= 1;
                self.touch(who, |person| {
                    person.cut = true;
                    person.engine.handle_connection(person.now, ConnectionChange::Lost);
                });
            }
            Move::Resume(who) => self.touch(who, |person| {
                person.cut = false;
                person.engine.handle_connection(person.now, ConnectionChange::Resumed);
            }),
            Move::Notice(who) => {
                // What it had said before arrives before its end does.
                while self.channels.contains_key(&Channel::ToRoom(who)) {
                    self.hear(who);
                }
                self.touch(who, |person| person.noticed = true);
                self.serve(|service| service.disconnected(&jid(who)));
            }
            Move::Expire(who) => {
                self.left.timeouts -= 1;
                self.touch(who, |person| {
                    person.now = person.engine.poll_timeout().expect("it waits");
                    person.engine.handle_timeout(person.now);
                });
            }
            Move::Hear(who) => self.hear(who),
            Move::Refuse(who) => {
                self.left.refusals -= 1;
                self.refuse_next(true);
                self.hear(who);
                self.refuse_next(false);
            }
            Move::Read(who) => {
                let letter = self.next(Channel::FromRoom(who));
                self.receive(who, &letter.stanza);
            }
            Move::Answer { from, to } => {
                let letter = self.next(Channel::Between { from, to });
                self.receive(to, &letter.stanza);
                if is_end(&letter.stanza) {
                    self.forget_answer(to, from, id(&letter.stanza));
                }
            }
        }
    }

    fn refuse_next(&mut self, refuse: bool) {
        let service = self.service.change();
        let room = room();
        let rules = service.rooms.rules(&room).expect("the room is there").clone();
        service.rooms.set(&room, Rules { refusals: usize::from(refuse), ..rules });
    }

    fn next(&mut self, way: Channel) -> Arc<InFlight> {
        let in_flight = self.channels.get_mut(&way).expect("a move takes a stanza that is in flight");
        let letter = in_flight.pop_front().expect("empty channels are removed");
        if in_flight.is_empty() {
            self.channels.remove(&way);
        }
        letter
    }

    fn post(&mut self, way: Channel, stanza: Stanza) {
        self.channels.entry(way).or_default().push_back(InFlight::new(stanza));
    }

    fn hear(&mut self, who: usize) {
        let letter = self.next(Channel::ToRoom(who));
        self.heard = self.heard.map(|heard| heard.max(who + 1));
        self.serve(|service| service.handle(&jid(who), copy(&letter.stanza)));
        self.maps_differ |= self.heard.is_some() && self.check_maps(|_| true).is_err();
    }

    fn serve(&mut self, act: impl FnOnce(&mut SimulatedServer) -> Vec<(FullJid, Stanza)>) {
        let deliveries = act(self.service.change());
        for (to, stanza) in deliveries {
            let who = index(&to);
            if self.people[who].alive {
                self.post(Channel::FromRoom(who), stanza);
            }
        }
    }

    fn receive(&mut self, who: usize, stanza: &Stanza) {
        self.touch(who, |person| {
            let _whose = person.engine.handle_stanza(person.now, stanza); // Nobody else is here to take it.
        });
    }

    /// Does something with a person and everything that follows from it at once.
    fn touch(&mut self, who: usize, act: impl FnOnce(&mut Person)) {
        self.touched |= person(who);
        let person = self.people[who].change();
        act(person);
        let mut said = Vec::new();
        let mut opened = BTreeMap::new();
        while let Some(output) = person.engine.poll_output() {
            match output {
                Output::Send(stanza) => {
                    let stanza = stanza.into();
                    if let Some((to, sid)) = offer_or_answer(&stanza)
                        && let Some(session) = opened.remove(&to)
                    {
                        person.sessions.insert(session, (to, sid));
                    }
                    person.published += usize::from(has_contents(element(&stanza).children()));
                    said.push(stanza);
                }
                Output::Media(command) => person.obey(&command, &mut opened),
                Output::Event(_, event) => person.told(&event),
                _ => {}
            }
        }
        for stanza in said {
            self.send(who, stanza);
        }
    }

    fn send(&mut self, who: usize, mut stanza: Stanza) {
        let to = stanza::to(&stanza).expect("everything goes to somebody");
        if to.to_bare() == room() {
            return self.post(Channel::ToRoom(who), stanza);
        }
        let to = index(&to.try_into_full().expect("a session runs between full JIDs"));
        if let Some(sid) = offer(&stanza) {
            self.repairs += usize::from(sid.starts_with("z-"));
            let pair = (who.min(to), who.max(to));
            if !self.offers.insert(pair) {
                self.rivals = Some(pair);
            }
        }
        if adds(&stanza) {
            let pair = (who.min(to), who.max(to));
            if !self.additions.insert(pair) {
                self.added_twice = Some(pair);
            }
        }
        let Stanza::Iq(iq) = &mut stanza else { return };
        *iq.from_mut() = Some(jid(who).into());
        match (&*iq, self.people[to].alive) {
            (Iq::Result { .. }, true) => self.receive(to, &stanza), // Confirmations travel at once.
            (_, true) => self.post(Channel::Between { from: who, to }, stanza),
            // The server answers for a client that is gone.
            (Iq::Set { .. }, false) if self.people[to].noticed => self.bounce(who, to, iq),
            (_, false) => {}
        }
    }

    /// Nobody waits for what is said to the end of a session.
    fn forget_answer(&mut self, from: usize, to: usize, id: Option<&str>) {
        let way = Channel::Between { from, to };
        let answers = self.channels.get(&way).and_then(|in_flight| in_flight.back()).is_some_and(
            |letter| matches!(&letter.stanza, Stanza::Iq(Iq::Error { id: of, .. }) if Some(of.as_str()) == id),
        );
        if answers && let Some(in_flight) = self.channels.get_mut(&way) {
            in_flight.pop_back();
            if in_flight.is_empty() {
                self.channels.remove(&way);
            }
        }
    }

    fn bounce(&mut self, who: usize, to: usize, iq: &Iq) {
        let condition = xmpp_parsers::stanza_error::DefinedCondition::ServiceUnavailable;
        let error = muji_simulation::room::error(condition);
        let (from, id) = (Some(Jid::from(jid(to))), iq.id().to_owned());
        let error = Iq::Error { from, to: Some(jid(who).into()), id, error, payload: None };
        self.post(Channel::Between { from: to, to: who }, error.into());
    }

    /// Delivers everything, the oldest first of each way in turn.
    fn settle(&mut self) {
        while let Some(happens) = self.possible().into_iter().find(|happens| is_delivery(*happens)) {
            self.act(happens);
        }
    }

    /// The next letter of a move.
    fn letter(&self, happens: Move) -> Option<Element> {
        let way = match happens {
            Move::Hear(who) | Move::Refuse(who) => Channel::ToRoom(who),
            Move::Read(who) => Channel::FromRoom(who),
            Move::Answer { from, to } => Channel::Between { from, to },
            Move::Join(_) | Move::Leave(_) | Move::Crash(_) | Move::Add(_) | Move::Notice(_) | Move::Expire(_) => {
                return None;
            }
            Move::Cut(_) | Move::Resume(_) => return None,
        };
        Some(element(&self.channels.get(&way)?.front()?.stanza))
    }
}
