//! The world of the explorer: real Engines, a real room service, and every order in which what is under way may arrive.
//!
//! To the room and from it each person has a way of its own, and so has each person to each other; every way keeps its
//! order, and there is none between ways. The media layer answers at once, and so does whoever confirms a request.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid, Jid};
use muji_conformance::harness::instant;
use muji_conformance::harness::room::Rules;
use muji_conformance::harness::service::Service;
use muji_core::config::Config;
use muji_core::media::{Capabilities, MediaCommand};
use muji_core::{CallId, Command, Connection, Engine, Event, Join, Output, Pair, SessionId};
use muji_xep::jingle::Jingle;
use muji_xep::muji::Muji;
use muji_xep::rtp::PayloadType;
use muji_xep::{Element, Skipped, muc};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;

use crate::digest::{self, Digest};

/// So long waits somebody behind a stalled participant here: far less than any other deadline, so that it can pass alone.
const PREPARING: Duration = Duration::from_millis(100);
const STAGGER: Duration = Duration::from_millis(20);

/// The names of the people.
const NAMES: [&str; 5] = ["ann", "bob", "cat", "dan", "eve"];

/// What may happen, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// People.
    pub(crate) people: usize,
    /// They sit in a chat room; otherwise the room is one for the call.
    pub(crate) in_chat: bool,
    /// Leavings.
    pub(crate) leaves: usize,
    /// Processes that die; the server notices at some time.
    pub(crate) crashes: usize,
    /// Waits behind a stalled participant that run out.
    pub(crate) timeouts: usize,
    /// Contents that the room refuses.
    pub(crate) refusals: usize,
    /// Returns of who has left.
    pub(crate) rejoins: usize,
}

impl Row {
    /// True if nobody may have to call out of turn: nobody is mistaken for who it was before.
    pub(crate) fn needs_no_repair(&self) -> bool {
        self.rejoins == 0
    }

    /// True if only time may mend a pair (rule 8).
    pub(crate) fn needs_time(&self) -> bool {
        self.rejoins > 0 && self.leaves + self.crashes + self.timeouts > 1
    }
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Somebody joins, for the first time or again.
    Join(usize),
    Leave(usize),
    Crash(usize),
    /// The server notices that somebody is gone.
    Notice(usize),
    /// Somebody's patience with those ahead runs out.
    Expire(usize),
    /// The room takes what somebody said.
    Hear(usize),
    /// The room refuses what somebody said.
    Refuse(usize),
    /// Somebody reads what the room says.
    Read(usize),
    /// Somebody reads what another said.
    Answer {
        from: usize,
        to: usize,
    },
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(who) => write!(f, "{} joins", NAMES[*who]),
            Self::Leave(who) => write!(f, "{} leaves", NAMES[*who]),
            Self::Crash(who) => write!(f, "{} dies", NAMES[*who]),
            Self::Notice(who) => write!(f, "the server notices that {} is gone", NAMES[*who]),
            Self::Expire(who) => write!(f, "{} waits no longer for those ahead", NAMES[*who]),
            Self::Hear(who) => write!(f, "the room hears {}", NAMES[*who]),
            Self::Refuse(who) => write!(f, "the room refuses {}", NAMES[*who]),
            Self::Read(who) => write!(f, "{} hears the room", NAMES[*who]),
            Self::Answer { from, to } => write!(f, "{} hears {}", NAMES[*to], NAMES[*from]),
        }
    }
}

/// Somebody.
#[derive(Debug, Clone)]
struct Person {
    engine: Engine,
    now: Instant,
    call: Option<CallId>,
    joined: bool,
    leaving: bool,
    /// The call is public.
    active: bool,
    /// How often contents were published in this stay.
    published: usize,
    /// Sessions whose media are open, with the peer and the id on the wire.
    sessions: BTreeMap<SessionId, (usize, String)>,
    /// Whether something is captured.
    captures: bool,
    alive: bool,
    noticed: bool,
}

/// A part of the state with what makes it what it is.
type Known<T> = Arc<(T, Digest)>;

/// A stanza under way.
#[derive(Debug)]
struct Letter {
    stanza: Stanza,
    digest: Digest,
}

impl Letter {
    fn new(stanza: Stanza) -> Arc<Self> {
        let digest = Digest::of_text(&String::from(&element(&stanza)));
        Arc::new(Self { stanza, digest })
    }
}

/// Where letters wait in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    ToRoom(usize),
    FromRoom(usize),
    Between { from: usize, to: usize },
}

/// All people, the room and what is under way.
#[derive(Debug, Clone)]
pub(crate) struct State {
    row: Row,
    people: Vec<Known<Person>>,
    service: Known<Service>,
    ways: BTreeMap<Way, VecDeque<Arc<Letter>>>,
    /// What may still happen.
    left: Row,
    /// Offers made out of turn.
    pub(crate) repairs: usize,
    /// Two who have offered each other more than one session.
    rivals: Option<(usize, usize)>,
    /// Who has offered whom a session.
    offers: BTreeSet<(usize, usize)>,
}

/// What should not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("I1: {0} has a session without having joined")]
    Consent(String),
    #[error("I2: {0} captures sound outside of a call")]
    Capture(String),
    #[error("I12: {0} has more than one session with {1}")]
    Twice(String, String),
    #[error("I17: {0} and {1} are in the call and {2}")]
    Pair(String, String, String),
    #[error("I18: {0} is alive, has joined and its contents are not public")]
    Stuck(String),
    #[error("I19: {0} and {1} publish different payload maps")]
    Map(String, String),
    #[error("I19: {0} published twice, though nobody's patience ran out")]
    Republished(String),
    #[error("I20: {0} has a session with {1}, who is gone")]
    Ghost(String, String),
    #[error("I9, I10, I11, I13: {0}'s state changed by {1} of a stranger")]
    Stranger(String, &'static str),
    #[error("J1: {0} and {1} offered each other more than one session, though nothing made a repair necessary")]
    Rivals(String, String),
    #[error("4.5: {0} offers were made out of turn, though nothing made a repair necessary")]
    Repairs(usize),
}

impl State {
    /// Nobody has joined.
    pub(crate) fn new(row: Row, seed: u8) -> Self {
        let start = Instant::now();
        let mut service = Service::new("x", Rules::default());
        let room = service.room("r");
        service.rooms.set(&room, Rules::default());
        let mut people = Vec::new();
        for index in 0..row.people {
            service.connected(jid(index));
            let config = Config { preparing: PREPARING, stagger: STAGGER };
            let mut chance = [seed; 32];
            chance[0] = u8::try_from(index).expect("few");
            let mut engine = Engine::with_config(chance, codecs(index), config);
            engine.handle_connection(start, Connection::Bound { jid: jid(index) });
            let person = Person {
                engine,
                now: start,
                call: None,
                joined: false,
                leaving: false,
                active: false,
                published: 0,
                sessions: BTreeMap::new(),
                captures: false,
                alive: true,
                noticed: false,
            };
            people.push(Arc::new((person, Digest::default())));
        }
        let digest = Digest::of(&service.rooms, start);
        let service = Arc::new((service, digest));
        let (ways, offers) = (BTreeMap::new(), BTreeSet::new());
        let mut this = Self { row, people, service, ways, left: row, repairs: 0, rivals: None, offers };
        if row.in_chat {
            for index in 0..row.people {
                let to = occupant(index);
                let sit = Presence::new(Type::None).with_to(to).with_payloads(vec![muc::enter(None)]);
                this.post(Way::ToRoom(index), sit.into());
            }
            this.settle();
        }
        for index in 0..row.people {
            this.touch(index, |_| ());
        }
        this
    }

    fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().map(|known| &known.0)
    }

    /// True if only time may mend a pair.
    pub(crate) fn needs_time(&self) -> bool {
        self.row.needs_time()
    }

    /// What may happen now.
    pub(crate) fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (index, person) in self.people().enumerate().filter(|(_, person)| person.alive) {
            if person.call.is_none() && (!person.joined || self.left.rejoins > 0) {
                moves.push(Move::Join(index));
            }
            if person.call.is_some() && self.left.leaves > 0 && !person.leaving {
                moves.push(Move::Leave(index));
            }
            if person.joined && self.left.crashes > 0 {
                moves.push(Move::Crash(index));
            }
            if self.left.timeouts > 0 && person.waits() {
                moves.push(Move::Expire(index));
            }
        }
        let gone = self.people().enumerate().filter(|(_, person)| !person.alive && !person.noticed);
        moves.extend(gone.map(|(index, _)| Move::Notice(index)));
        for (way, letters) in &self.ways {
            match way {
                Way::ToRoom(who) => {
                    moves.push(Move::Hear(*who));
                    if self.left.refusals > 0 && has_contents(&element(&letters[0].stanza)) {
                        moves.push(Move::Refuse(*who));
                    }
                }
                Way::FromRoom(who) => moves.push(Move::Read(*who)),
                Way::Between { from, to } => moves.push(Move::Answer { from: *from, to: *to }),
            }
        }
        moves
    }

    /// Nothing is under way: whatever happens next, somebody has to decide it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.ways.is_empty() && self.people().all(|person| person.alive || person.noticed)
    }

    /// What makes it the state it is.
    pub(crate) fn digest(&self) -> u64 {
        let marks = Digest::of_text(&format!("{:?} {:?}", self.left, self.ways.keys().collect::<Vec<_>>()));
        let people = self.people.iter().map(|known| &known.1);
        let letters = self.ways.values().flatten().map(|letter| &letter.digest);
        digest::together([&marks, &self.service.1].into_iter().chain(people).chain(letters))
    }

    /// Lets one thing happen.
    pub(crate) fn act(&mut self, happens: Move) {
        self.happen(happens);
        if self.left.rejoins == 0 {
            (0..self.people.len()).for_each(|who| self.spare_reading(who));
        }
    }

    /// Who has left for good has nothing of presences and ends of sessions, so when it reads them makes no difference.
    fn spare_reading(&mut self, who: usize) {
        let person = &self.people[who].0;
        if !person.joined || person.call.is_some() {
            return;
        }
        self.ways.retain(|way, letters| match way {
            Way::FromRoom(to) => *to != who,
            Way::Between { to, .. } if *to == who => {
                while letters.front().is_some_and(|letter| is_end(&letter.stanza)) {
                    letters.pop_front();
                }
                !letters.is_empty()
            }
            Way::Between { .. } | Way::ToRoom(_) => true,
        });
    }

    fn happen(&mut self, happens: Move) {
        match happens {
            Move::Join(who) => {
                let again = usize::from(self.people[who].0.joined);
                self.left.rejoins -= again;
                let how = if self.row.in_chat { Join::in_chat() } else { Join::own().nick(NAMES[who]) };
                self.touch(who, |person| {
                    let room = room();
                    (person.joined, person.published) = (true, 0);
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
            Move::Crash(who) => {
                self.left.crashes -= 1;
                self.ways.retain(|way, _| !matches!(way, Way::FromRoom(to) | Way::Between { to, .. } if *to == who));
                self.touch(who, |person| person.alive = false);
            }
            Move::Notice(who) => {
                // What it had said before arrives before its end does.
                while self.ways.contains_key(&Way::ToRoom(who)) {
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
                let letter = self.next(Way::FromRoom(who));
                self.receive(who, &letter.stanza);
            }
            Move::Answer { from, to } => {
                let letter = self.next(Way::Between { from, to });
                self.receive(to, &letter.stanza);
                if is_end(&letter.stanza) {
                    self.forget_answer(to, from, id(&letter.stanza));
                }
            }
        }
    }

    fn refuse_next(&mut self, refuse: bool) {
        let (service, _) = Arc::make_mut(&mut self.service);
        let room = room();
        let rules = service.rooms.rules(&room).expect("the room is there").clone();
        service.rooms.set(&room, Rules { refusals: usize::from(refuse), ..rules });
    }

    fn next(&mut self, way: Way) -> Arc<Letter> {
        let letters = self.ways.get_mut(&way).expect("a move is about letters that are there");
        let letter = letters.pop_front().expect("empty ways are removed");
        if letters.is_empty() {
            self.ways.remove(&way);
        }
        letter
    }

    fn post(&mut self, way: Way, stanza: Stanza) {
        self.ways.entry(way).or_default().push_back(Letter::new(stanza));
    }

    fn hear(&mut self, who: usize) {
        let letter = self.next(Way::ToRoom(who));
        self.serve(|service| service.handle(&jid(who), copy(&letter.stanza)));
    }

    fn serve(&mut self, act: impl FnOnce(&mut Service) -> Vec<(FullJid, Stanza)>) {
        let (service, digest) = Arc::make_mut(&mut self.service);
        let deliveries = act(service);
        *digest = Digest::of(&service.rooms, self.people[0].0.now);
        for (to, stanza) in deliveries {
            let who = index(&to);
            if self.people[who].0.alive {
                self.post(Way::FromRoom(who), stanza);
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
        let (person, digest) = Arc::make_mut(&mut self.people[who]);
        act(person);
        let mut said = Vec::new();
        let mut opened = BTreeMap::new();
        while let Some(output) = person.engine.poll_output() {
            match output {
                Output::Send(stanza) => {
                    if let Some((to, sid)) = offer_or_answer(&stanza)
                        && let Some(session) = opened.remove(&to)
                    {
                        person.sessions.insert(session, (to, sid));
                    }
                    person.published += usize::from(has_contents(&element(&stanza)));
                    said.push(stanza);
                }
                Output::Media(command) => person.obey(&command, &mut opened),
                Output::Event(_, event) => person.told(&event),
                _ => {}
            }
        }
        *digest = if person.alive {
            Digest::of(person, person.now)
        } else {
            Digest::of_text(if person.noticed { "gone" } else { "dead" }) // What it knew does nothing any more.
        };
        for stanza in said {
            self.send(who, *stanza);
        }
    }

    fn send(&mut self, who: usize, mut stanza: Stanza) {
        let to = address(&stanza).expect("everything goes to somebody");
        if to.to_bare() == room() {
            return self.post(Way::ToRoom(who), stanza);
        }
        let to = index(&to.try_into_full().expect("a session runs between full JIDs"));
        if let Some(sid) = offer(&stanza) {
            self.repairs += usize::from(sid.starts_with("z-"));
            let pair = (who.min(to), who.max(to));
            if !self.offers.insert(pair) {
                self.rivals = Some(pair);
            }
        }
        let Stanza::Iq(iq) = &mut stanza else { return };
        *iq.from_mut() = Some(jid(who).into());
        match (&*iq, self.people[to].0.alive) {
            (Iq::Result { .. }, true) => self.receive(to, &stanza), // Confirmations travel at once.
            (_, true) => self.post(Way::Between { from: who, to }, stanza),
            // Its server answers for whoever is gone.
            (Iq::Set { .. }, false) if self.people[to].0.noticed => self.bounce(who, to, iq),
            (_, false) => {}
        }
    }

    /// Nobody waits for what is said to the end of a session.
    fn forget_answer(&mut self, from: usize, to: usize, id: Option<&str>) {
        let way = Way::Between { from, to };
        let answers = self.ways.get(&way).and_then(|letters| letters.back()).is_some_and(
            |letter| matches!(&letter.stanza, Stanza::Iq(Iq::Error { id: of, .. }) if Some(of.as_str()) == id),
        );
        if answers && let Some(letters) = self.ways.get_mut(&way) {
            letters.pop_back();
            if letters.is_empty() {
                self.ways.remove(&way);
            }
        }
    }

    fn bounce(&mut self, who: usize, to: usize, iq: &Iq) {
        let condition = xmpp_parsers::stanza_error::DefinedCondition::ServiceUnavailable;
        let error = muji_conformance::harness::room::error(condition);
        let (from, id) = (Some(Jid::from(jid(to))), iq.id().to_owned());
        let error = Iq::Error { from, to: Some(jid(who).into()), id, error, payload: None };
        self.post(Way::Between { from: to, to: who }, error.into());
    }

    /// Delivers everything, the oldest first of each way in turn.
    fn settle(&mut self) {
        while let Some(happens) = self.moves().into_iter().find(|happens| is_delivery(*happens)) {
            self.act(happens);
        }
    }

    /// Lets time pass, everything being delivered at once, until nothing is due for a while.
    pub(crate) fn heal(&mut self, time: Duration) {
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

    /// What should not be though nothing is under way.
    pub(crate) fn check(&self) -> Result<(), Violation> {
        for index in 0..self.people.len() {
            self.check_person(index)?;
            for other in index + 1..self.people.len() {
                self.check_pair(index, other)?;
            }
        }
        self.check_map()
    }

    /// What should never be.
    pub(crate) fn check_always(&self) -> Result<(), Violation> {
        if self.row.needs_no_repair() && self.repairs > 0 {
            return Err(Violation::Repairs(self.repairs));
        }
        if let Some((a, b)) = self.rivals.filter(|_| self.row.needs_no_repair()) {
            return Err(Violation::Rivals(NAMES[a].to_owned(), NAMES[b].to_owned()));
        }
        let once = self.row.timeouts + self.row.refusals == 0;
        if let Some(who) = self.people().position(|person| person.published > 1).filter(|_| once) {
            return Err(Violation::Republished(NAMES[who].to_owned()));
        }
        for (index, person) in self.people().enumerate().filter(|(_, person)| person.call.is_none()) {
            if !person.sessions.is_empty() {
                return Err(Violation::Consent(NAMES[index].to_owned()));
            }
            if person.captures {
                return Err(Violation::Capture(NAMES[index].to_owned()));
            }
        }
        Ok(())
    }

    fn check_person(&self, index: usize) -> Result<(), Violation> {
        let person = &self.people[index].0;
        let name = || NAMES[index].to_owned();
        if !person.alive {
            return Ok(());
        }
        if person.call.is_some() && !person.active {
            return Err(Violation::Stuck(name()));
        }
        for (other, name_of) in NAMES.iter().enumerate().take(self.people.len()) {
            let sessions = person.sessions.values().filter(|(peer, _)| *peer == other).count();
            if sessions > 1 {
                return Err(Violation::Twice(name(), (*name_of).to_owned()));
            }
            if sessions > 0 && !self.people[other].0.is_in() {
                return Err(Violation::Ghost(name(), (*name_of).to_owned()));
            }
        }
        self.check_stranger(index)
    }

    /// Nothing that a stranger says changes anything.
    fn check_stranger(&self, index: usize) -> Result<(), Violation> {
        let (known, before) = &*self.people[index];
        let sid = known.sessions.values().next().map_or("none", |(_, sid)| sid.as_str());
        for action in ["session-accept", "session-terminate", "transport-info", "content-add", "session-info"] {
            let mut person = known.clone();
            let forged = format!(
                "<iq xmlns='jabber:client' type='set' id='f' from='mal@x/1'><jingle xmlns='urn:xmpp:jingle:1' \
                 action='{action}' sid='{sid}'/></iq>"
            );
            let forged: Element = forged.parse().expect("the text is well-formed");
            let _whose = person.engine.handle_element(person.now, &forged);
            while person.engine.poll_output().is_some() {}
            let after = Digest::of(&person, person.now);
            if digest::together([before].into_iter()) != digest::together([&after].into_iter()) {
                return Err(Violation::Stranger(NAMES[index].to_owned(), action));
            }
        }
        Ok(())
    }

    fn check_pair(&self, a: usize, b: usize) -> Result<(), Violation> {
        let (one, other) = (&self.people[a].0, &self.people[b].0);
        if !one.is_in() || !other.is_in() {
            return Ok(());
        }
        let violation = |what: &str| Err(Violation::Pair(NAMES[a].to_owned(), NAMES[b].to_owned(), what.to_owned()));
        let of = |person: &Person, peer: usize| {
            person.sessions.values().find(|(other, _)| *other == peer).map(|(_, sid)| sid.clone())
        };
        match (of(one, b), of(other, a)) {
            (Some(ours), Some(theirs)) if ours == theirs => {}
            (Some(_), Some(_)) => return violation("think of different sessions"),
            (None, None) => return violation("have no session"),
            _ => return violation("only one of them has a session"),
        }
        let up = |person: &Person, peer: usize| {
            let pairs: Vec<Pair> = person.call.map_or_else(Vec::new, |call| person.engine.pairs(call));
            let found = pairs.iter().find(|pair| pair.peer.jid == jid(peer));
            found.is_some_and(|pair| pair.state == muji_core::PairState::Connected)
        };
        if up(one, b) && up(other, a) { Ok(()) } else { violation("their session is not up") }
    }

    /// Everybody's payload types mean the same, and all have one in common.
    fn check_map(&self) -> Result<(), Violation> {
        let published: Vec<(usize, Vec<PayloadType>)> = self.published();
        for (a, ours) in &published {
            for (b, theirs) in &published {
                let clash = ours.iter().any(|one| theirs.iter().any(|it| it.id == one.id && !it.same_codec(one)));
                let common = ours.iter().any(|one| theirs.iter().any(|it| it.id == one.id));
                if clash || !common {
                    return Err(Violation::Map(NAMES[*a].to_owned(), NAMES[*b].to_owned()));
                }
            }
        }
        Ok(())
    }

    fn published(&self) -> Vec<(usize, Vec<PayloadType>)> {
        let said = |index: usize| {
            let payloads = self.service.0.rooms.said(&room(), &jid(index))?;
            let muji = Muji::read(Muji::find(payloads)?, &mut Skipped::default());
            let description = muji.contents.into_iter().next()?.description?;
            Some((index, description.payload_types))
        };
        (0..self.people.len()).filter(|index| self.people[*index].0.is_in()).filter_map(said).collect()
    }

    /// The next letter of a move, for the ladder.
    pub(crate) fn letter(&self, happens: Move) -> Option<Element> {
        let way = match happens {
            Move::Hear(who) | Move::Refuse(who) => Way::ToRoom(who),
            Move::Read(who) => Way::FromRoom(who),
            Move::Answer { from, to } => Way::Between { from, to },
            Move::Join(_) | Move::Leave(_) | Move::Crash(_) | Move::Notice(_) | Move::Expire(_) => return None,
        };
        Some(element(&self.ways.get(&way)?.front()?.stanza))
    }
}

impl Person {
    /// In the call, as far as it knows, and alive.
    fn is_in(&self) -> bool {
        self.alive && self.active
    }

    /// Waits behind somebody who is preparing.
    fn waits(&self) -> bool {
        let due = self.engine.poll_timeout().map(|at| at.saturating_duration_since(self.now));
        due.is_some_and(|due| due <= PREPARING + 10 * STAGGER)
    }

    fn obey(&mut self, command: &MediaCommand, opened: &mut BTreeMap<usize, SessionId>) {
        for report in instant::obey(command) {
            self.engine.handle_media(self.now, &report);
        }
        match command {
            MediaCommand::Open { session, name, .. } => drop(opened.insert(position(name), *session)),
            MediaCommand::Close { session } => drop(self.sessions.remove(session)),
            MediaCommand::Publish { .. } => self.captures = true,
            MediaCommand::Unpublish { .. } => self.captures = false,
            _ => {}
        }
    }

    fn told(&mut self, event: &Event) {
        match event {
            Event::Joined { .. } => self.active = true,
            Event::Ended(_) => (self.call, self.active, self.leaving) = (None, false, false),
            _ => {}
        }
    }
}

fn is_delivery(happens: Move) -> bool {
    match happens {
        Move::Hear(_) | Move::Read(_) | Move::Answer { .. } | Move::Notice(_) => true,
        Move::Join(_) | Move::Leave(_) | Move::Crash(_) | Move::Expire(_) | Move::Refuse(_) => false,
    }
}

/// Everybody's JID, made once: checking one takes longer than most moves.
static JIDS: LazyLock<Vec<FullJid>> = LazyLock::new(|| {
    // The name is also the device's: a session that is older than its presence is called by that.
    NAMES.iter().map(|name| format!("{name}@x/{name}").parse().expect("names are plain")).collect()
});

static ROOM: LazyLock<BareJid> = LazyLock::new(|| "r@conference.x".parse().expect("a room's name"));

fn jid(index: usize) -> FullJid {
    JIDS[index].clone()
}

fn index(jid: &FullJid) -> usize {
    position(jid.resource().as_str())
}

fn position(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).expect("there are no others")
}

fn room() -> BareJid {
    ROOM.clone()
}

fn occupant(index: usize) -> FullJid {
    room().with_resource_str(NAMES[index]).expect("names are plain")
}

/// Everybody knows Opus, each by another id: without the order of the room their maps would differ.
fn codecs(index: usize) -> Capabilities {
    let id = 96 + u8::try_from(index).expect("few");
    Capabilities { audio: vec![PayloadType::new(id, "opus", 48_000, 2)], video: Vec::new() }
}

fn address(stanza: &Stanza) -> Option<Jid> {
    match stanza {
        Stanza::Presence(presence) => presence.to.clone(),
        Stanza::Iq(iq) => iq.to().cloned(),
        Stanza::Message(message) => message.to.clone(),
    }
}

/// `Stanza` cannot be cloned, what it holds can.
fn copy(stanza: &Stanza) -> Stanza {
    match stanza {
        Stanza::Presence(presence) => presence.clone().into(),
        Stanza::Iq(iq) => iq.clone().into(),
        Stanza::Message(message) => message.clone().into(),
    }
}

fn element(stanza: &Stanza) -> Element {
    match stanza {
        Stanza::Presence(presence) => presence.clone().into(),
        Stanza::Iq(iq) => iq.clone().into(),
        Stanza::Message(message) => message.clone().into(),
    }
}

fn has_contents(stanza: &Element) -> bool {
    let muji = stanza.children().find(|child| child.name() == "muji");
    muji.is_some_and(|muji| muji.children().any(|child| child.name() == "content"))
}

fn jingle(stanza: &Stanza) -> Option<(usize, Jingle)> {
    let Stanza::Iq(Iq::Set { to: Some(to), payload, .. }) = stanza else { return None };
    let to = to.clone().try_into_full().ok()?;
    Some((index(&to), Jingle::read(payload, &mut Skipped::default())?))
}

fn offer_or_answer(stanza: &Stanza) -> Option<(usize, String)> {
    use muji_xep::jingle::Action::{SessionAccept, SessionInitiate};
    let (to, jingle) = jingle(stanza)?;
    matches!(jingle.action, SessionInitiate | SessionAccept).then_some((to, jingle.sid))
}

fn is_end(stanza: &Stanza) -> bool {
    jingle(stanza).is_some_and(|(_, jingle)| jingle.action == muji_xep::jingle::Action::SessionTerminate)
}

fn id(stanza: &Stanza) -> Option<&str> {
    match stanza {
        Stanza::Iq(iq) => Some(iq.id()),
        Stanza::Presence(_) | Stanza::Message(_) => None,
    }
}

/// The id of the session that is offered.
fn offer(stanza: &Stanza) -> Option<String> {
    let (_, jingle) = jingle(stanza)?;
    (jingle.action == muji_xep::jingle::Action::SessionInitiate).then_some(jingle.sid)
}
