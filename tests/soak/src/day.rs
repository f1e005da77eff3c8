//! A day in virtual time: six people in a call, and each hour everything that goes wrong between them and their server.
//!
//! Signalling alone, for sound would be 130 million packets: everybody is muted, transports greet each other and send nothing else. At the
//! end of each hour, when nothing is under way, each pair has one session and no more is allocated than an hour ago.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

use muji_core::config::Config;
use muji_core::media::ServerKind;
use muji_core::{Command, Join, Media, Mute};
use muji_harness::allocations;
use muji_harness::person::usual;
use muji_harness::world::{PersonId, SentStanza, World};
use muji_media::transport::loopback;
use muji_xep::muc::code;
use muji_xep::{Element, ns};

use crate::Outcome;
use crate::growth::growth;

/// The first two never leave: their session lasts all day.
const PEOPLE: [&str; 6] = ["romeo", "juliet", "nurse", "tybalt", "mercutio", "benvolio"];
const STAY: usize = 2;

/// How often in an hour those two begin and end to show each other pictures: in a day more often than a number of eight bits counts.
const SHOWS: u32 = 16;

const ROOM: &str = "balcony";

/// When it begins, on the wall: 2026-12-01T00:00:00Z. Hours are written as days of that month.
const BEGINNING: u64 = 1_796_083_200;

/// People whom nobody saw before and who are not there when they are called, each hour.
const STRANGERS: usize = 20;

/// The same in the first hour, so that everything that remembers people up to a bound has reached it.
const FIRST_STRANGERS: usize = 600;

/// Those of them who are in the room at once: a call of at most 64 is kept.
const AT_ONCE: usize = 30;

/// Ids of all that was said, for each hour at most: memory for them is taken at the beginning, so that it does not count as growth.
const IDS: usize = 8_192;

/// The hours in which memories fill up to their bounds.
pub(crate) const WARM_UP: u32 = 1;

/// What may be allocated more at the end of the last hours than of the first, in bytes. It may differ by what is under way and by how full
/// the nodes of maps are; 20 bytes that were kept of each offer would be more.
const MAX_GROWTH: i64 = 16 * 1_024;

/// What an hour was like.
struct Hour {
    stanzas: i64,
    offers: i64,
    additions: i64,
    allocated: i64,
    blocks: i64,
}

/// Plays the given hours, and prints a table of them.
pub(crate) fn play(hours: u32, seed: u64) -> Outcome {
    println!("## {hours} hours in virtual time, a call of {} (seed {seed})\n", PEOPLE.len());
    println!("| hour | stanzas | session-initiate | content-add | allocated, kB | blocks |\n|---|---|---|---|---|---|");
    let mut day = Day::new(hours, seed);
    let mut table: Vec<Hour> = Vec::with_capacity(hours as usize);
    for number in 0..hours {
        day.hour(number);
        let [stanzas, offers, additions] = day.read_wire();
        day.world.forget_past();
        let allocated = allocations::now();
        println!(
            "| {} | {stanzas} | {offers} | {additions} | {:.1} | {} |",
            number + 1,
            allocated.bytes as f64 / 1_024.0,
            allocated.blocks
        );
        table.push(Hour { stanzas, offers, additions, allocated: allocated.bytes, blocks: allocated.blocks });
    }
    println!();
    day.judge(&table)
}

struct Day {
    world: World,
    people: [PersonId; PEOPLE.len()],
    strangers: usize,
    hasher: RandomState,
    ids: HashSet<u64>,
    twice: usize,
    /// Offers between the two who stay.
    between_stayers: usize,
    faults: Vec<String>,
}

impl Day {
    fn new(hours: u32, seed: u64) -> Self {
        let mut world = World::new(seed);
        world.service.external = Some(vec![turn(0)]);
        world.ungroups = true; // As with Dino, each content has a transport of its own: more is made and forgotten.
        let people = PEOPLE.map(|name| {
            let who = world.configured(name, usual(), loopback::maker(), Config::default());
            world.set_clock(who, SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING));
            who
        });
        for who in people {
            enter(&mut world, who);
        }
        let ids = HashSet::with_capacity(hours as usize * IDS);
        Self {
            world,
            people,
            strangers: 0,
            hasher: RandomState::new(),
            ids,
            twice: 0,
            between_stayers: 0,
            faults: Vec::new(),
        }
    }

    /// All that happens in an hour. Each time it happens to others.
    fn hour(&mut self, number: u32) {
        self.world.service.external = Some(vec![turn(number + 1)]);
        let goer = |step: u32| self.people[STAY + (number + step) as usize % (PEOPLE.len() - STAY)];
        let anybody = |step: u32| self.people[(number + step) as usize % PEOPLE.len()];
        let [leaver, rebound, removed] = [0, 1, 2].map(goer);
        let [resumed, forgotten] = [0, 1].map(anybody);
        self.until(number, 3);
        self.world.leave(leaver);
        self.until(number, 6);
        enter(&mut self.world, leaver);
        self.until(number, 10);
        self.world.cut(resumed);
        self.world.run_for(Duration::from_secs(30));
        self.world.resume(resumed);
        self.until(number, 13);
        self.world.cut(rebound);
        self.world.run_for(Duration::from_secs(20));
        self.world.rebind(rebound);
        self.until(number, 16);
        self.world.with_rooms(|rooms| rooms.shut_down());
        self.until(number, 19);
        self.restart_server();
        self.until(number, 22);
        self.show();
        let strangers = if number < WARM_UP { FIRST_STRANGERS } else { STRANGERS };
        self.until(number, 30);
        for _ in 0..strangers.div_ceil(AT_ONCE) {
            self.visit(strangers.min(AT_ONCE));
        }
        self.until(number, 53);
        let (room, jid) = (self.world.room(ROOM), self.world.jid(forgotten));
        self.world.service.rooms.forget(&room, &jid);
        self.until(number, 56);
        self.world.put_out(removed, ROOM, &[code::KICKED, code::TECHNICAL]);
        self.until(number, 60);
        self.look(number);
    }

    fn until(&mut self, hour: u32, minute: u64) {
        let at = Duration::from_secs(u64::from(hour) * 3_600 + minute * 60);
        self.world.run_for(at.saturating_sub(self.world.age()));
    }

    /// The server is killed, and comes back without knowing anything.
    fn restart_server(&mut self) {
        self.people.into_iter().for_each(|who| self.world.cut(who));
        self.world.service.rooms.forget_all();
        self.world.run_for(Duration::from_secs(10));
        for who in self.people {
            self.world.rebind_same(who);
            self.world.run_for(Duration::from_secs(1));
        }
    }

    /// Two show each other pictures for some seconds, again and again. The others see none, so they are offered none.
    fn show(&mut self) {
        let [romeo, juliet, ..] = self.people;
        let (add, remove) = (Command::Add(Media::Video), Command::Remove(Media::Video));
        for _ in 0..SHOWS {
            for (who, command) in [(romeo, &add), (juliet, &add), (juliet, &remove), (romeo, &remove)] {
                if let Err(why) = self.world.try_command(who, command.clone()) {
                    self.faults.push(format!("pictures were refused at {:?}: {why}", self.world.age()));
                }
                self.world.run_for(Duration::from_secs(5));
                let shown = self.world.flows(romeo, juliet, "video") == (true, true);
                if shown != (who == juliet && *command == add) {
                    self.faults.push(format!("at {:?} pictures flow: {shown}", self.world.age()));
                }
            }
        }
    }

    /// Strangers enter, say that they take part, do not answer, and leave.
    fn visit(&mut self, count: usize) {
        let strangers: Vec<usize> = (self.strangers..self.strangers + count).collect();
        self.strangers += count;
        for kind in ["", "type='unavailable'"] {
            for stranger in &strangers {
                let said = presence(&self.world, *stranger, kind);
                self.people.into_iter().for_each(|who| self.world.forge(who, &said));
            }
            self.world.run_for(Duration::from_secs(20));
        }
    }

    /// Everybody has one session with everybody, and the servers of this hour.
    fn look(&mut self, hour: u32) {
        let others = PEOPLE.len() - 1;
        for (who, name) in self.people.into_iter().zip(PEOPLE) {
            let counts = [self.world.pairs(who).len(), self.world.connected(who), self.world.sessions(who)];
            if counts != [others; 3] {
                self.faults.push(format!("hour {hour}: {name} has {counts:?} pairs, connected pairs, sessions"));
            }
            let known = self.world.servers(who).last().and_then(|servers| servers.first());
            let user = known.map(|server| match &server.kind {
                ServerKind::Turn { username, .. } => username.clone(),
                ServerKind::Stun => "STUN".to_owned(),
            });
            if user != Some(user_of(hour + 1)) {
                self.faults.push(format!("hour {hour}: {name} knows the TURN credentials of {user:?}"));
            }
        }
    }

    /// Stanzas, offers and added contents since the last time; ids that were there before are counted.
    fn read_wire(&mut self) -> [i64; 3] {
        let (mut offers, mut additions) = (0, 0);
        for SentStanza { from, stanza, .. } in &self.world.wire {
            let jingle = stanza.get_child("jingle", ns::JINGLE);
            additions += i64::from(jingle.is_some_and(|jingle| jingle.attr("action") == Some("content-add")));
            if let Some(offer) = jingle.filter(|jingle| jingle.attr("action") == Some("session-initiate")) {
                offers += 1;
                let [stays, is_called] =
                    [self.world.jid(*from).as_str(), stanza.attr("to").unwrap_or_default()].map(stays);
                self.between_stayers += usize::from(stays && is_called);
                // Without `from`: two initiators must not take the same one either.
                let sid = self.hasher.hash_one(("sid", offer.attr("sid")));
                self.twice += usize::from(!self.ids.insert(sid));
            }
            let answers = matches!(stanza.attr("type"), Some("result" | "error"));
            if let Some(id) = stanza.attr("id").filter(|_| !answers) {
                let id = self.hasher.hash_one((from, id));
                self.twice += usize::from(!self.ids.insert(id));
            }
        }
        [self.world.wire.len() as i64, offers, additions]
    }

    fn judge(mut self, table: &[Hour]) -> Outcome {
        let settled = table.get(WARM_UP as usize..).unwrap_or_default();
        let of = |what: fn(&Hour) -> i64| settled.iter().map(what).collect::<Vec<i64>>();
        let (bytes, blocks) = (growth(&of(|hour| hour.allocated)), growth(&of(|hour| hour.blocks)));
        if bytes.is_none_or(|bytes| bytes > MAX_GROWTH) {
            self.faults.push(format!("memory grew by {bytes:?} bytes, {MAX_GROWTH} may be"));
        }
        if self.between_stayers != 1 {
            self.faults.push(format!("two who stayed called each other {} times", self.between_stayers));
        }
        if self.twice > 0 {
            self.faults.push(format!("{} ids came twice", self.twice));
        }
        let spread =
            |all: Vec<i64>| format!("{} to {}", all.iter().min().unwrap_or(&0), all.iter().max().unwrap_or(&0));
        let (stanzas, offers) = (spread(of(|hour| hour.stanzas)), spread(of(|hour| hour.offers)));
        let (ids, additions) = (self.ids.len(), table.iter().map(|hour| hour.additions).sum::<i64>());
        let sentence = format!(
            "{} hours, {ids} ids, {} that came twice, {stanzas} stanzas and {offers} offers an hour, {additions} contents added, \
             {} bytes and {} blocks more",
            table.len(),
            self.twice,
            bytes.unwrap_or_default(),
            blocks.unwrap_or_default()
        );
        Outcome::Judged { faults: self.faults, sentence }
    }
}

/// Whether this is the JID of one who stays.
fn stays(jid: &str) -> bool {
    PEOPLE.iter().take(STAY).any(|name| jid.starts_with(&format!("{name}@")))
}

/// Joins, and sends nothing.
fn enter(world: &mut World, who: PersonId) {
    world.join_how(
        who,
        ROOM,
        Join::call_room().nick(world.jid(who).node().map_or("x", |node| node.as_str()).to_owned()),
    );
    world.run_for(Duration::from_secs(5));
    world.mute(who, Mute::On);
}

fn user_of(hour: u32) -> String {
    format!("hour{hour}")
}

/// A TURN server whose credentials end five minutes into an hour.
fn turn(hour: u32) -> Element {
    let (day, hour_of_day, user) = (1 + hour / 24, hour % 24, user_of(hour));
    let expires = format!("2026-12-{day:02}T{hour_of_day:02}:05:00Z");
    let namespace = ns::EXTDISCO;
    let text = format!(
        "<service xmlns='{namespace}' type='turn' host='turn.x' username='{user}' password='secret' expires='{expires}'/>"
    );
    text.parse().expect("it is well-formed")
}

/// What the room says of a stranger.
fn presence(world: &World, number: usize, kind: &str) -> String {
    let room = world.room(ROOM);
    let content = format!(
        "<content xmlns='{}' creator='initiator' name='audio'><description xmlns='{}' media='audio'>\
         <payload-type id='111' name='opus' clockrate='48000' channels='2'/></description></content>",
        ns::JINGLE,
        ns::RTP
    );
    let muji = format!("<muji xmlns='{}'>{content}</muji>", ns::MUJI);
    let caps = format!("<c xmlns='{}' hash='sha-1' node='https://client.example' ver='ver{number}'/>", ns::CAPS);
    format!(
        "<presence xmlns='jabber:client' from='{room}/stranger{number}' {kind}>{muji}{caps}<x xmlns='{}'>\
         <item affiliation='none' role='participant' jid='stranger{number}@nowhere.example/1'/></x></presence>",
        ns::MUC_USER
    )
}
