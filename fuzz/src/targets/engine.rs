//! Three people with real Engines, and a stranger, in virtual time: calls in a room and between two, in any stage, while stanzas come that
//! nobody should send, connections break, and users act.
//!
//! Nobody has two sessions with one peer, a stranger changes nothing, what is kept has a bound, nothing answers itself for ever, and when
//! all have left no session is open and nothing is captured.

use std::collections::BTreeSet;
use std::time::Duration;

use jid::FullJid;
use muji_core::{Command, Digit, Event, Hold, Media, Mute, Via};
use muji_harness::world::{PersonId, World};
use muji_xep::{Element, ns};

use crate::choices::Choices;
use crate::stanza::{Names, change, set, stanza};

const SECOND: Duration = Duration::from_secs(1);
const ROOM: &str = "balcony";

/// The length of an Engine's Debug text, as a measure of what it keeps: what stanzas of a few hundred kilobytes may leave behind.
const MAX_KEPT: usize = 4 << 20;

/// All deadlines of a call are shorter.
const AFTER_ALL: Duration = Duration::from_secs(300);

const STRANGER: &str = "mallory@elsewhere.example/1";

struct Play {
    world: World,
    people: [PersonId; 3],
}

pub(super) fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut play = Play::new();
    play.begin(choices.below(6));
    while !choices.is_over() {
        play.step(&mut choices);
        play.check();
    }
    play.end();
}

impl Play {
    fn new() -> Self {
        let mut world = World::new(1);
        let people = ["romeo", "juliet", "nurse"].map(|name| world.person_without_media(name));
        world.befriend_all();
        people.iter().for_each(|who| world.accept_calls(*who));
        Self { world, people }
    }

    /// Brings the people to a stage of a call.
    fn begin(&mut self, stage: usize) {
        let [romeo, juliet, nurse] = self.people;
        let world = &mut self.world;
        match stage {
            0 => world.join(romeo, ROOM),
            1 => {
                world.join(romeo, ROOM);
                world.join(juliet, ROOM);
                world.run_for(Duration::from_millis(120));
            }
            2 => {
                for who in [romeo, juliet, nurse] {
                    world.join(who, ROOM);
                    world.run_for(SECOND);
                }
            }
            3 => {
                let callee = world.jid(juliet).to_bare();
                world.ring(romeo, callee);
                world.run_for(SECOND / 5);
            }
            4 => {
                let callee = world.jid(juliet).to_bare();
                world.ring(romeo, callee);
                world.run_for(SECOND);
                world.pick_up(juliet);
                world.run_for(SECOND);
            }
            _ => {
                world.enter_chat_room(romeo, ROOM);
                world.enter_chat_room(juliet, ROOM);
                world.run_for(SECOND);
                world.join_in_chat(juliet, ROOM);
                world.run_for(SECOND);
            }
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let who = *choices.one_of(&self.people);
        match choices.below(8) {
            0 | 1 => self.forge(who, choices),
            2 | 3 => self.repeat(choices),
            4 => self.world.run_for(*choices.one_of(&[SECOND / 20, SECOND / 2, 4 * SECOND, 21 * SECOND])),
            5 => self.act(who, choices),
            6 => self.connection(who, choices.below(5)),
            _ => self.intrude(who, choices),
        }
    }

    /// The id of the last session that anybody opened.
    fn sid(&self) -> String {
        let requests = self.world.wire.iter().rev().filter_map(|sent| sent.stanza.get_child("jingle", ns::JINGLE));
        requests.filter_map(|jingle| jingle.attr("sid")).next().unwrap_or("none").to_owned()
    }

    /// Somebody whom the victim knows, or the room, sends a stanza.
    fn forge(&mut self, victim: PersonId, choices: &mut Choices<'_>) {
        let from = match choices.below(4) {
            0 => format!("{}/{}", self.world.room(ROOM), choices.one_of(&["romeo", "juliet", "nurse", "tybalt"])),
            1 => self.world.room(ROOM).to_string(),
            2 => "capulet.example".to_owned(),
            _ => self.world.jid(*choices.one_of(&self.people)).to_string(),
        };
        let (sid, peer) = (self.sid(), self.world.jid(*choices.one_of(&self.people)));
        let room = self.world.room(ROOM).to_string();
        let stanza = stanza(choices, Names { sid: &sid, peer: peer.as_str(), room: &room });
        self.send(victim, stanza, &from);
    }

    fn send(&mut self, victim: PersonId, mut stanza: Element, from: &str) {
        let to = self.world.jid(victim).to_string();
        for (name, value) in [("from", from), ("to", to.as_str())] {
            set(&mut stanza, name, value);
        }
        self.world.forge_element(victim, &stanza);
    }

    /// Something that was said comes again, changed, from who said it.
    fn repeat(&mut self, choices: &mut Choices<'_>) {
        let Some(back) = self.world.wire.len().checked_sub(1 + choices.byte() as usize) else { return };
        let sent = self.world.wire[back].clone();
        let from = self.world.jid(sent.from);
        let to = sent.stanza.attr("to").and_then(|to| to.parse::<FullJid>().ok());
        let known = |who: &&PersonId| to.as_ref() == Some(&self.world.jid(**who));
        // What was said to a room or an account reaches all, and here one of them.
        let found = self.people.iter().find(known).copied();
        let victim = found.unwrap_or_else(|| *choices.one_of(&self.people));
        let from = match (&to, sent.stanza.name()) {
            (None, "presence") => {
                format!("{}/{}", self.world.room(ROOM), choices.one_of(&["romeo", "juliet", "tybalt"]))
            }
            _ => from.to_string(),
        };
        let mut stanza = sent.stanza;
        let sid = self.sid();
        change(choices, &mut stanza, Names { sid: &sid, peer: &from, room: &self.world.room(ROOM).to_string() });
        self.send(victim, stanza, &from);
    }

    /// A stranger's Jingle request changes nothing.
    fn intrude(&mut self, victim: PersonId, choices: &mut Choices<'_>) {
        let before = self.state(victim);
        let (sid, room) = (self.sid(), self.world.room(ROOM).to_string());
        let request = crate::stanza::request(choices, Names { sid: &sid, peer: STRANGER, room: &room });
        if request.attr("action") == Some("session-initiate") {
            return; // That may ring.
        }
        let mut iq = Element::bare("iq", ns::CLIENT);
        for (name, value) in [("type", "set"), ("id", "intruder")] {
            set(&mut iq, name, value);
        }
        iq.append_child(request);
        self.send(victim, iq, STRANGER);
        assert_eq!(self.state(victim), before, "a stranger changed something");
    }

    fn state(&self, who: PersonId) -> (Vec<muji_core::Pair>, usize, bool) {
        let world = &self.world;
        (world.pairs(who), world.sessions(who), world.is_in_call(who))
    }

    fn act(&mut self, who: PersonId, choices: &mut Choices<'_>) {
        let world = &mut self.world;
        let guest = world.jid(*choices.one_of(&self.people)).to_bare();
        let media = choices.one_of(&[Media::Video, Media::Audio, Media::Slides]).clone();
        let command = match choices.below(16) {
            0 => Command::Accept(vec![media]),
            1 => Command::Decline,
            2 => Command::Leave,
            3 => Command::Hold(Hold::On),
            4 => Command::Hold(Hold::Off),
            5 => Command::EndForAll,
            6 => Command::Mute(media, Mute::On),
            7 => Command::Add(media),
            8 => Command::Remove(media),
            9 => Command::SendDigits(vec![Digit::of_event(5).expect("a key")]),
            10 => Command::Admit(guest),
            11 => Command::Invite(guest),
            12 => Command::InviteToRoom(guest, Via::Room),
            13 => {
                let room = world.room(ROOM);
                let _refused = world.try_join(who, &room, muji_core::Join::call_room().nick("other")).is_err();
                return;
            }
            14 => {
                let _refused = world.try_ring(who, guest, vec![media]).is_err();
                return;
            }
            _ => {
                let invited = world.events(who).iter().rev().find_map(|event| match event {
                    Event::Invited(invitation) => Some((**invitation).clone()),
                    _ => None,
                });
                if let Some(invitation) = invited {
                    let _refused = world.try_accept(who, &invitation, muji_core::Join::call_room()).is_err();
                }
                return;
            }
        };
        if world.client_call(who).is_some() {
            let _refused = world.try_command(who, command).is_err();
        }
    }

    fn connection(&mut self, who: PersonId, how: usize) {
        match how {
            0 => self.world.cut(who),
            1 => self.world.resume(who),
            2 => self.world.rebind_same(who),
            3 => self.world.rebind(who),
            _ => {
                let room = self.world.room(ROOM);
                self.world.with_rooms(|rooms| rooms.destroy(&room));
            }
        }
    }

    fn check(&self) {
        for who in self.people {
            let pairs = self.world.pairs(who);
            let peers: BTreeSet<_> = pairs.iter().map(|pair| pair.peer.jid.clone()).collect();
            assert_eq!(peers.len(), pairs.len(), "two sessions with one peer: {pairs:?}");
        }
    }

    fn end(&mut self) {
        for who in self.people {
            assert!(self.world.kept(who) <= MAX_KEPT, "{} bytes are kept", self.world.kept(who));
            self.world.resume(who);
        }
        self.world.run_for(SECOND);
        self.people.iter().for_each(|who| self.world.leave_all(*who));
        self.world.run_for(AFTER_ALL);
        for who in self.people {
            assert_eq!(self.world.sessions(who), 0, "when all have left");
            assert_eq!(self.world.published(who), [""; 0], "when all have left");
        }
    }
}
