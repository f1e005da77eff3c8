//! A world in virtual time: people, a server with rooms, the delays between them. It repeats with its seed.
//!
//! Stanzas to and from rooms take a route of their own, so an offer can overtake its presence; each route keeps its order.

mod actions;
mod assertions;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid};
use muji_core::config::Config;
use muji_core::error::Refused;
use muji_core::media::Capabilities;
use muji_core::{Command, Disco, Engine, Invitation, Join, RoomInvite};
use muji_media::transport::{MakeTransport, loopback};
use muji_xep::Element;
use xmpp_parsers::stanza::Stanza;

use super::client_profile::{ClientProfile, Scripted};
use super::impairment::{self, Impairment};
use super::person::{Body, Client, Layer, Person, Sent, transports, usual};
use muji_simulation::room::{Delivery, Rooms, Rules};
use muji_simulation::seeded_random::SeededRandom;
use muji_simulation::simulated_server::SimulatedServer;
use muji_simulation::stanza;

/// Somebody in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(usize);

impl PersonId {
    /// The person who was added to the world as number `index`, from 0.
    #[must_use]
    pub fn nth(index: usize) -> Self {
        Self(index)
    }
}

/// The delays of one person.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    /// From a client to the server, and back: half of R.
    pub server: Duration,
    /// The most by which the route through rooms is slower; drawn for each stanza.
    pub rooms: Duration,
    /// From peer to peer: half of P. Between two people the mean of theirs.
    pub peer: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        Self { server: Duration::from_millis(25), rooms: Duration::ZERO, peer: Duration::from_millis(25) }
    }
}

/// A stanza that a client sent.
#[derive(Debug, Clone)]
pub struct SentStanza {
    /// When, from the start.
    pub at: Duration,
    /// Who.
    pub from: PersonId,
    /// What.
    pub stanza: Element,
}

/// A stanza that somebody sent or received.
#[derive(Debug, Clone)]
pub struct LoggedStanza {
    /// When, from the start.
    pub at: Duration,
    /// Who.
    pub who: PersonId,
    /// True if it was sent, false if it was received.
    pub said: bool,
    /// What.
    pub stanza: Element,
}

/// Sits between a client and its connection, and changes what is sent and received.
pub trait Interceptor {
    /// What is sent instead of the client's stanza.
    fn says(&mut self, stanza: Stanza) -> Vec<Stanza>;
    /// What the client receives instead of the stanza, and what is sent in its name.
    fn hears(&mut self, stanza: Stanza) -> Intercepted;
}

/// What an interceptor makes of a stanza that arrives.
#[derive(Debug, Default)]
pub struct Intercepted {
    /// What the client receives.
    pub heard: Vec<Stanza>,
    /// What is sent in its name.
    pub said: Vec<Stanza>,
}

/// What crossed the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Stanzas.
    pub stanzas: usize,
    /// Their size as XML.
    pub bytes: usize,
}

impl Traffic {
    fn count(&mut self, stanza: &Element) {
        self.stanzas += 1;
        self.bytes += String::from(stanza).len();
    }
}

#[derive(Debug)]
enum Arrival {
    AtServer { from: FullJid, stanza: Box<Stanza> },
    AtPerson { who: PersonId, stanza: Box<Stanza> },
    Datagram { who: PersonId, local: SocketAddr, from: SocketAddr, bytes: Vec<u8> },
}

/// A route that keeps the order of its stanzas.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Route {
    who: FullJid,
    up: bool,
    rooms: bool,
}

/// The world.
pub struct World {
    seed: u64,
    random: SeededRandom,
    start: Instant,
    now: Instant,
    /// The server; tests change its rooms' rules.
    pub service: SimulatedServer,
    /// Of those to come.
    delays: Delays,
    people: Vec<Person>,
    arrivals: BTreeMap<(Instant, u64), Arrival>,
    arrived: u64,
    /// New streams so far.
    rebound: usize,
    routes: BTreeMap<Route, Instant>,
    /// Packets sent from each address to each.
    datagrams: BTreeMap<(IpAddr, IpAddr), usize>,
    /// Between these addresses every packet is lost.
    pub(super) blocked: BTreeSet<(IpAddr, IpAddr)>,
    /// The impairment of the network between any two people.
    pub impairment: Option<Impairment>,
    packet_paths: BTreeMap<(IpAddr, IpAddr), impairment::ImpairedPath>,
    /// The servers replace the certificates' fingerprints in what they deliver.
    pub swaps_certificates: bool,
    /// Nobody learns which contents others group, as if each client were like Dino.
    pub ungroups: bool,
    /// Every stanza clients sent, in order.
    pub wire: Vec<SentStanza>,
    /// Every stanza that anybody sent or received, if a test asked for it.
    pub stanza_log: Option<Vec<LoggedStanza>>,
    /// Stands between one person and its connection.
    pub interceptor: Option<(PersonId, Box<dyn Interceptor>)>,
    /// What clients sent.
    pub sent: Traffic,
    /// What clients were sent.
    pub delivered: Traffic,
}

/// Where time begins: the one look at a real clock.
fn epoch() -> Instant {
    Instant::now()
}

/// More steps than this at one instant mean that somebody answers itself in a loop.
const STORM: usize = 100_000;

impl World {
    /// A world with usual delays. A failing test prints the seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with(seed, Delays::default())
    }

    /// A world with these delays.
    #[must_use]
    pub fn with(seed: u64, delays: Delays) -> Self {
        let now = epoch();
        Self {
            seed,
            random: SeededRandom::new(seed),
            start: now,
            now,
            service: SimulatedServer::new("capulet.example", Rules::default()),
            delays,
            people: Vec::new(),
            arrivals: BTreeMap::new(),
            arrived: 0,
            rebound: 0,
            routes: BTreeMap::new(),
            datagrams: BTreeMap::new(),
            blocked: BTreeSet::new(),
            impairment: None,
            packet_paths: BTreeMap::new(),
            swaps_certificates: false,
            ungroups: false,
            wire: Vec::new(),
            stanza_log: None,
            interceptor: None,
            sent: Traffic::default(),
            delivered: Traffic::default(),
        }
    }

    /// A client that has logged in.
    pub fn person(&mut self, name: &str) -> PersonId {
        self.client(name, usual(), loopback::maker())
    }

    /// A client with other codecs or transports.
    pub fn client(&mut self, name: &str, can: Capabilities, make: MakeTransport) -> PersonId {
        self.configured(name, can, make, muji_simulation::config())
    }

    /// The same with other limits and policies.
    pub fn configured(&mut self, name: &str, can: Capabilities, make: MakeTransport, config: Config) -> PersonId {
        let (jid, address) = self.addresses(name);
        let engine = Engine::with_config(self.random.seed(), can, config);
        self.add_client(name, engine, jid, address, transports(make, address))
    }

    /// A client whose media backend answers at once and sends nothing: for worlds in which only signalling matters.
    pub fn person_without_media(&mut self, name: &str) -> PersonId {
        self.client_without_media(name, usual())
    }

    /// The same with a media layer that says that it can do this.
    pub fn client_without_media(&mut self, name: &str, can: Capabilities) -> PersonId {
        let (jid, address) = self.addresses(name);
        let engine = Engine::with_config(self.random.seed(), can, muji_simulation::config());
        self.add_client(name, engine, jid, address, Layer::Instant)
    }

    fn add_client(&mut self, name: &str, engine: Engine, jid: FullJid, address: IpAddr, media: Layer) -> PersonId {
        let client = Client::new(self.now, engine, jid.clone(), address, media);
        self.add(Person {
            name: name.to_owned(),
            jid,
            address,
            delays: self.delays,
            body: Body::Client(Box::new(client)),
        })
    }

    /// Several clients of one account.
    pub fn devices<const N: usize>(&mut self, name: &str) -> [PersonId; N] {
        [(); N].map(|()| self.person(name))
    }

    /// The media layer of somebody makes no transports any more.
    pub fn hang_media(&mut self, who: PersonId) {
        self.client_mut(who).media_hangs = true;
    }

    /// The Engine of somebody answers who asks what it is.
    pub fn answer_disco(&mut self, who: PersonId, node: &str) -> Disco {
        self.answer_disco_with(who, node, &[])
    }

    /// The same of a client that can do this too.
    pub fn answer_disco_with(&mut self, who: PersonId, node: &str, more: &[&str]) -> Disco {
        let now = self.now;
        let client = self.client_mut(who);
        let disco = Disco::new(node, "muji", &[&client.engine.features(), more].concat());
        client.engine.answer_disco(now, disco.clone());
        self.drain(who);
        disco
    }

    /// The Engine of somebody lets people call it, without a client around.
    pub fn accept_calls(&mut self, who: PersonId) {
        let now = self.now;
        self.client_mut(who).engine.accept_calls(now);
        self.drain(who);
    }

    /// Invites somebody to the call.
    pub fn invite(&mut self, who: PersonId, guest: PersonId) {
        let guest = self.jid(guest).to_bare();
        self.command(who, Command::Invite(guest));
    }

    /// Takes an invitation.
    ///
    /// # Panics
    /// If the Engine refuses even to try.
    pub fn accept(&mut self, who: PersonId, invitation: &Invitation) {
        let nick = self.people[who.0].name.clone();
        self.try_accept(who, invitation, Join::call_room().nick(nick)).expect("the Engine takes the wish");
    }

    /// The same as told, and what the Engine says to it.
    ///
    /// # Errors
    /// As [`muji_core::Engine::accept`].
    pub fn try_accept(&mut self, who: PersonId, invitation: &Invitation, how: Join) -> Result<(), Refused> {
        let now = self.now;
        let client = self.client_mut(who);
        let call = client.engine.accept(now, invitation, how)?;
        client.wants(call);
        self.drain(who);
        Ok(())
    }

    /// Declines an invitation.
    pub fn decline(&mut self, who: PersonId, invitation: &Invitation) {
        self.client_mut(who).engine.decline(invitation);
        self.drain(who);
    }

    /// Declines an invitation to a room.
    pub fn decline_room(&mut self, who: PersonId, invite: &RoomInvite) {
        self.client_mut(who).engine.decline_room(invite);
        self.drain(who);
    }

    /// A person who does only what the test says.
    pub fn puppet(&mut self, name: &str) -> PersonId {
        let (jid, address) = self.addresses(name);
        self.add(Person { name: name.to_owned(), jid, address, delays: self.delays, body: Body::Puppet(Vec::new()) })
    }

    /// Somebody with another client, who will join the call of this room.
    pub fn other_client(&mut self, name: &str, profile: ClientProfile, room: &str) -> PersonId {
        let (jid, address) = self.addresses(name);
        let scripted = Scripted::new(profile, jid.clone(), self.service.room(room), name);
        let body = Body::Scripted(Box::new(scripted));
        self.add(Person { name: name.to_owned(), jid, address, delays: self.delays, body })
    }

    /// Somebody with another client joins.
    ///
    /// # Panics
    /// If it is none.
    pub fn enter(&mut self, who: PersonId) {
        match &mut self.people[who.0].body {
            Body::Scripted(scripted) => scripted.enter(),
            Body::Client(_) | Body::Puppet(_) => panic!("{} is no other client", self.people[who.0].name),
        }
        self.drain(who);
    }

    /// Another client, to look at.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn other(&self, who: PersonId) -> &Scripted {
        match &self.people[who.0].body {
            Body::Scripted(scripted) => scripted,
            Body::Client(_) | Body::Puppet(_) => panic!("{} is no other client", self.people[who.0].name),
        }
    }

    fn addresses(&self, name: &str) -> (FullJid, IpAddr) {
        let number = u8::try_from(self.people.len() + 1).expect("a world has at most 255 people");
        let jid = format!("{name}@capulet.example/{number}").parse().expect("names are plain");
        (jid, IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)))
    }

    fn add(&mut self, person: Person) -> PersonId {
        self.service.connected(person.jid.clone());
        self.service.copy_to(person.jid.clone());
        self.people.push(person);
        PersonId(self.people.len() - 1)
    }

    // ---- time --------------------------------------------------------------------------------------------------------

    /// Lets this much time pass.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        self.run_until(until, |_| false);
    }

    /// Lets time pass until something is so; `None` if it is not within `limit`.
    pub fn run_while(&mut self, limit: Duration, wait: impl Fn(&Self) -> bool) -> Option<Duration> {
        let until = self.now + limit;
        self.run_until(until, |world| !wait(world));
        (!wait(self)).then(|| self.age())
    }

    fn run_until(&mut self, until: Instant, done: impl Fn(&Self) -> bool) {
        let mut at_once = 0;
        while !done(self) {
            let Some(next) = self.next().filter(|next| *next <= until) else {
                self.now = until;
                return;
            };
            at_once = if next > self.now { 0 } else { at_once + 1 };
            assert!(at_once < STORM, "something answers itself for ever");
            self.now = self.now.max(next);
            self.step();
        }
    }

    fn next(&self) -> Option<Instant> {
        let arrival = self.arrivals.keys().next().map(|(at, _)| *at);
        let timeouts = self.people.iter().filter_map(|person| match &person.body {
            Body::Client(client) => client.poll_timeout(),
            Body::Puppet(_) | Body::Scripted(_) => None,
        });
        timeouts.chain(arrival).min()
    }

    fn step(&mut self) {
        let due = self.arrivals.first_entry().filter(|entry| entry.key().0 <= self.now);
        if let Some(entry) = due {
            let arrival = entry.remove();
            return self.arrive(arrival);
        }
        for index in 0..self.people.len() {
            let now = self.now;
            if let Body::Client(client) = &mut self.people[index].body
                && client.poll_timeout().is_some_and(|at| at <= now)
            {
                client.handle_timeout(now);
                self.drain(PersonId(index));
            }
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.now;
        match arrival {
            Arrival::AtServer { from, stanza } => {
                let stanza = if self.swaps_certificates { stanza::with_other_certificates(stanza) } else { stanza };
                let stanza = if self.ungroups { stanza::without_groups(stanza) } else { stanza };
                let deliveries = self.service.handle(&from, *stanza);
                self.deliver(deliveries);
            }
            Arrival::AtPerson { who, stanza } => {
                self.log_stanza(who, false, &stanza);
                let heard = match &mut self.interceptor {
                    Some((victim, interceptor)) if *victim == who => {
                        let Intercepted { heard, said } = interceptor.hears(*stanza);
                        said.into_iter().for_each(|stanza| self.stanza_passed(who, stanza));
                        heard
                    }
                    _ => vec![*stanza],
                };
                heard.into_iter().for_each(|stanza| self.heard(who, stanza));
            }
            Arrival::Datagram { who, local, from, bytes } => {
                if let Body::Client(client) = &mut self.people[who.0].body
                    && !client.frozen
                {
                    client.datagram(now, local, from, &bytes);
                    self.drain(who);
                }
            }
        }
    }

    fn heard(&mut self, who: PersonId, stanza: Stanza) {
        let now = self.now;
        match &mut self.people[who.0].body {
            Body::Client(client) if client.frozen => {}
            Body::Client(client) if client.cut => client.missed.push(stanza),
            Body::Client(client) => {
                // As a connection gives it. Nobody else is here to take it.
                let _whose = client.engine.handle_element(now, &stanza.into());
                self.drain(who);
            }
            Body::Puppet(inbox) => inbox.push(stanza),
            Body::Scripted(scripted) => {
                scripted.handle(&stanza);
                self.drain(who);
            }
        }
    }

    fn log_stanza(&mut self, who: PersonId, said: bool, stanza: &Stanza) {
        let at = self.age();
        if let Some(stanza_log) = &mut self.stanza_log {
            stanza_log.push(LoggedStanza { at, who, said, stanza: stanza::element(stanza) });
        }
    }

    fn drain(&mut self, who: PersonId) {
        let now = self.now;
        if let Body::Scripted(scripted) = &mut self.people[who.0].body {
            let said = scripted.drain();
            return said.into_iter().for_each(|stanza| self.stanza_sent(who, stanza));
        }
        for sent in self.client_mut(who).drain(now) {
            match sent {
                Sent::Stanza(stanza) => self.stanza_sent(who, *stanza),
                Sent::Datagram { from, to, bytes } => {
                    *self.datagrams.entry((from.ip(), to.ip())).or_default() += 1;
                    if self.blocked.contains(&(from.ip(), to.ip())) {
                        continue;
                    }
                    let found = self.people.iter().position(|person| person.address == to.ip());
                    let Some(index) = found else { continue };
                    let arrival = Arrival::Datagram { who: PersonId(index), local: to, from, bytes };
                    let Some(takes) = self.takes(who, PersonId(index), &arrival) else { continue };
                    self.schedule(self.now + takes, arrival);
                }
            }
        }
    }

    /// How long a packet is on its way; `None` if it is lost.
    fn takes(&mut self, from: PersonId, to: PersonId, arrival: &Arrival) -> Option<Duration> {
        let (from, to) = (&self.people[from.0], &self.people[to.0]);
        let usual = (from.delays.peer + to.delays.peer) / 2;
        let (Some(kind), Arrival::Datagram { bytes, .. }) = (&self.impairment, arrival) else { return Some(usual) };
        let now = self.now;
        let way =
            self.packet_paths.entry((from.address, to.address)).or_insert_with(|| impairment::ImpairedPath::new(now));
        way.takes(now, kind, bytes.len(), &mut self.random)
    }

    fn stanza_sent(&mut self, who: PersonId, stanza: Stanza) {
        if let Body::Client(client) = &mut self.people[who.0].body
            && client.cut
        {
            return client.unsent.push(stanza);
        }
        let said = match &mut self.interceptor {
            Some((victim, interceptor)) if *victim == who => interceptor.says(stanza),
            _ => vec![stanza],
        };
        said.into_iter().for_each(|stanza| self.stanza_passed(who, stanza));
    }

    fn stanza_passed(&mut self, who: PersonId, stanza: Stanza) {
        self.log_stanza(who, true, &stanza);
        let written = stanza::element(&stanza);
        self.sent.count(&written);
        self.wire.push(SentStanza { at: self.age(), from: who, stanza: written });
        let (jid, to) = (self.jid(who), stanza::to(&stanza));
        let rooms = self.service.is_of_rooms(to.as_ref());
        let at = self.arrival(self.people[who.0].delays, Route { who: jid.clone(), up: true, rooms });
        self.schedule(at, Arrival::AtServer { from: jid, stanza: Box::new(stanza) });
    }

    fn deliver(&mut self, deliveries: Vec<(FullJid, Stanza)>) {
        for (to, stanza) in deliveries {
            let Some(index) = self.people.iter().position(|person| person.jid == to) else { continue };
            let rooms = self.service.is_of_rooms(stanza::from(&stanza).as_ref());
            self.delivered.count(&stanza::element(&stanza)); // It will arrive, and in this form.
            let at = self.arrival(self.people[index].delays, Route { who: to, up: false, rooms });
            self.schedule(at, Arrival::AtPerson { who: PersonId(index), stanza: Box::new(stanza) });
        }
    }

    fn arrival(&mut self, delays: Delays, way: Route) -> Instant {
        let detour = if way.rooms { self.random.up_to(delays.rooms) } else { Duration::ZERO };
        let last = self.routes.get(&way).copied().unwrap_or(self.now);
        let at = (self.now + delays.server + detour).max(last);
        self.routes.insert(way, at);
        at
    }

    fn schedule(&mut self, at: Instant, arrival: Arrival) {
        self.arrived += 1;
        self.arrivals.insert((at, self.arrived), arrival);
    }

    /// The room of this name.
    #[must_use]
    pub fn room(&self, name: &str) -> BareJid {
        self.service.room(name)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the world's seed was {}", self.seed);
        }
    }
}
