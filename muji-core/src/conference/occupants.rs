//! What the room says about its occupants.

use jid::FullJid;
use muji_xep::jingle::Content;
use muji_xep::muc::{MucUser, code};
use muji_xep::muji::Muji;
use muji_xep::{Skipped, dtls, guard};
use xmpp_parsers::presence::{Presence, Type};

use super::{Conference, Stage};
use crate::client_quirks::ClientQuirks;
use crate::config;
use crate::context::Context;
use crate::event::Event;
use crate::payload;
use crate::peer::Peer;

impl Conference {
    /// A presence from the room.
    pub(crate) fn presence(&mut self, cx: &mut Context<'_>, presence: &Presence) {
        self.heard_room(cx);
        let Some(nick) = presence.from.as_ref().and_then(|from| from.resource()).map(|nick| nick.as_str().to_owned())
        else {
            return; // The room itself has no part in a call.
        };
        let ours = nick == self.nick;
        if presence.type_ == Type::Error {
            if ours {
                self.refused(cx, presence);
            }
            return;
        }
        let Some(user) = MucUser::find(&presence.payloads) else { return };
        self.resync.told_of(&nick);
        match (&presence.type_, ours || user.has(code::SELF)) {
            (Type::None, true) => self.echoed(cx, &nick, &user, presence),
            (Type::None, false) => self.occupant_says(cx, &nick, user, presence),
            (Type::Unavailable, true) => self.put_out(cx, user),
            (Type::Unavailable, false) => self.occupant_left(cx, &nick, user),
            _ => {}
        }
    }

    pub(super) fn read_muji(&self, cx: &mut Context<'_>, nick: &str, presence: &Presence) -> Option<Muji> {
        let element = Muji::find(&presence.payloads)?;
        let mut skipped = Skipped::default();
        let read = guard::check(element).map(|()| Muji::read(element, &mut skipped));
        if let Err(excess) = &read {
            self.warn(cx, format!("the call information of {nick} is ignored: {excess}"));
        }
        self.skipped(cx, nick, &skipped);
        read.ok()
    }

    fn occupant_says(&mut self, cx: &mut Context<'_>, nick: &str, user: MucUser, presence: &Presence) {
        let muji = self.read_muji(cx, nick, presence).filter(|muji| *muji != Muji::default());
        let known = self.occupants.get(nick).map(|occupant| occupant.real.clone());
        let Some(muji) = muji else { return self.occupant_dropped(cx, nick) };
        // A room that hides JIDs from now on (status 173) keeps no secret of those it has shown.
        let Some(real) = user.real.or_else(|| known.clone()) else {
            if self.is_public() {
                self.warn(cx, format!("{nick} is not called: the room hides its real JID"));
            } else if self.hidden.len() < config::MAX_PARTICIPANTS {
                self.hidden.insert(nick.to_owned()); // Perhaps only until the room is configured.
            }
            return self.occupant_dropped(cx, nick);
        };
        if known.is_some_and(|known| known != real) {
            self.occupant_gone(cx, nick); // A new occupant under an old nick, whose leaving we missed.
        }
        if let Some(device) = Muji::find(&presence.payloads).and_then(dtls::device) {
            cx.trust.names_device(&real, device);
        }
        self.takes_part(cx, nick, real, muji, ClientQuirks::find(&presence.payloads));
        self.publish_in_turn(cx);
    }

    /// An occupant prepares or has contents.
    pub(super) fn takes_part(
        &mut self,
        cx: &mut Context<'_>,
        nick: &str,
        real: FullJid,
        muji: Muji,
        profile: Option<ClientQuirks>,
    ) {
        let preparing = muji.preparing;
        let before = match self.occupants.update(cx.now, nick, real.clone(), muji, profile) {
            Ok(before) => before.map(|occupant| occupant.muji.contents),
            Err(why) => return self.warn(cx, format!("{nick} is not called: {why}")),
        };
        if !preparing && let Some(queue) = self.queue_mut() {
            queue.passed(nick);
        }
        if self.occupants.participant(&real).is_some() {
            let (participants, view) = self.participants();
            participants.describes(cx, &view, nick, real, before.as_deref());
            if self.stage == Stage::Active {
                self.settle_ids(cx);
            }
        } else if before.is_none() && !self.participants.contains(&real) {
            self.event(cx, Event::PeerPreparing(Peer { nick: nick.to_owned(), jid: real }));
        }
    }

    /// An occupant's presence has no Muji (any more).
    fn occupant_dropped(&mut self, cx: &mut Context<'_>, nick: &str) {
        if let Some(queue) = self.queue_mut() {
            queue.passed(nick);
        }
        if let Some(occupant) = self.occupants.remove(nick) {
            self.participants.expect_until(&occupant.real, cx.now + config::DROPPED);
        }
        self.publish_in_turn(cx);
    }

    fn occupant_left(&mut self, cx: &mut Context<'_>, nick: &str, user: MucUser) {
        let renamed = user.has(code::RENAMED);
        match user.new_nick.filter(|_| renamed) {
            Some(new) => {
                if let Some(real) = self.occupants.rename(nick, &new) {
                    self.participants.renamed(&real, &new);
                }
                if let Some(queue) = self.queue_mut() {
                    queue.renamed(nick, &new);
                }
            }
            None if user.codes.contains(&code::SHUTDOWN) => self.occupant_lost(cx, nick),
            None => self.occupant_gone(cx, nick),
        }
    }

    /// The service shuts down: whoever was in the room comes back as we do.
    fn occupant_lost(&mut self, cx: &Context<'_>, nick: &str) {
        if let Some(occupant) = self.occupants.remove(nick) {
            self.participants.expect_until(&occupant.real, cx.now + config::ROOM_LOSS);
        }
    }

    pub(super) fn occupant_gone(&mut self, cx: &mut Context<'_>, nick: &str) {
        if let Some(queue) = self.queue_mut() {
            queue.passed(nick);
        }
        if let Some(occupant) = self.occupants.remove(nick) {
            let (participants, view) = self.participants();
            participants.left(cx, &view, &occupant.real);
        }
        self.publish_in_turn(cx);
    }

    /// Gives way where a payload type id of ours means something else to a participant that comes first.
    pub(super) fn settle_ids(&mut self, cx: &mut Context<'_>) {
        let heard: Vec<Vec<Content>> = self.occupants.participants().map(|(.., contents)| contents.to_vec()).collect();
        heard.iter().for_each(|contents| self.note_ids(contents));
        let us = self.us.to_string();
        let winners = self.occupants.participants().filter(|(_, jid, _)| jid.to_string() < us);
        let winners: Vec<&[Content]> = winners.map(|(.., contents)| contents).collect();
        if let Some(contents) = payload::yielding(&self.contents, &winners, &self.used)
            && self.yielded < config::MAX_YIELDED
        {
            self.yielded += 1;
            self.note_ids(&contents);
            self.contents = contents;
            self.restate_muji(cx);
        }
    }

    /// Ids that mean something in this call are never given another meaning.
    pub(super) fn note_ids(&mut self, contents: &[Content]) {
        let described = contents.iter().filter_map(|content| content.description.as_ref());
        self.used.extend(described.flat_map(|description| &description.payload_types).map(|payload| payload.id));
    }
}
