//! What the room says: that we are in, who else is, that it is our turn to publish, that we are out.

use jid::{FullJid, Jid};
use muji_jingle::{Mute, SessionId};
use muji_xep::jingle::Reason;
use muji_xep::muc::{self, MucUser, code};
use muji_xep::muji::Muji;
use muji_xep::{Skipped, guard, ns};
use xmpp_parsers::disco::DiscoInfoResult;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza_error::StanzaError;

use super::{Asked, Conference, Cx, Partner, Stage};
use crate::config;
use crate::error::{Over, RoomFault};
use crate::event::{Event, Peer};
use crate::payload;
use crate::queue::Queue;

impl Conference {
    /// A presence from the room.
    pub(crate) fn presence(&mut self, cx: &mut Cx<'_>, presence: &Presence) {
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
        match (&presence.type_, ours || user.codes.contains(&code::SELF)) {
            (Type::None, true) => self.echoed(cx, &user, presence),
            (Type::None, false) => self.occupant_says(cx, &nick, user, presence),
            (Type::Unavailable, true) => self.put_out(cx, user),
            (Type::Unavailable, false) => self.occupant_left(cx, &nick, user),
            _ => {}
        }
    }

    fn read_muji(&self, cx: &mut Cx<'_>, nick: &str, presence: &Presence) -> Option<Muji> {
        let element = Muji::find(&presence.payloads)?;
        let mut skipped = Skipped::default();
        let read = guard::check(element).map(|()| Muji::read(element, &mut skipped));
        if let Err(excess) = &read {
            self.warn(cx, format!("the call information of {nick} is ignored: {excess}"));
        }
        self.skipped(cx, nick, &skipped);
        read.ok()
    }

    /// The room repeated our own presence.
    fn echoed(&mut self, cx: &mut Cx<'_>, user: &MucUser, presence: &Presence) {
        let nick = self.nick.clone();
        let muji = self.read_muji(cx, &nick, presence);
        match self.stage {
            Stage::Entering { .. } if muji.is_none() => self.fail(cx, RoomFault::MujiStripped),
            Stage::Entering { .. } => self.entered(cx, user),
            Stage::Publishing { .. } if muji.is_some_and(|muji| muji.contents.is_empty()) => {} // That of entering.
            Stage::Publishing { .. } if Muji::find(&presence.payloads).is_none() => {
                self.fail(cx, RoomFault::MujiStripped);
            }
            Stage::Publishing { .. } => self.published(cx),
            Stage::Closed { .. } | Stage::Settling { .. } | Stage::Active | Stage::Leaving { .. } | Stage::Over => {}
        }
    }

    /// We are in, behind everyone whose presence came before.
    fn entered(&mut self, cx: &mut Cx<'_>, user: &MucUser) {
        let question = if user.codes.contains(&code::CREATED) {
            Some((Asked::Configuration, muc::configure()))
        } else if user.codes.contains(&code::NON_ANONYMOUS) {
            None
        } else {
            Some((Asked::Anonymity, Element::bare("query", ns::DISCO_INFO)))
        };
        let check = question.map(|(asked, payload)| {
            let (id, to) = (cx.ids.word(), Some(Jid::from(self.room.clone())));
            self.asked.asked(cx.now, &id, asked);
            cx.send(match asked {
                Asked::Configuration => Iq::Set { from: None, to, id, payload },
                Asked::Anonymity => Iq::Get { from: None, to, id, payload },
            });
            cx.now + config::OWN_PREPARING
        });
        self.stage = Stage::Settling { queue: Queue::new(cx.now, self.roster.preparing()), check };
        self.publish_in_turn(cx);
    }

    /// The room answered a question of ours. False if it was none.
    pub(crate) fn room_answered(
        &mut self,
        cx: &mut Cx<'_>,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> bool {
        let Some(asked) = self.asked.answered(id) else { return false };
        let Stage::Settling { check, .. } = &mut self.stage else { return true };
        let fine = match (asked, answer) {
            (Asked::Configuration, Ok(_)) => Ok(()),
            (Asked::Configuration, Err(_)) => Err(RoomFault::Configuration),
            (Asked::Anonymity, Ok(Some(info))) if shows_real_jids(info) => Ok(()),
            (Asked::Anonymity, _) => Err(RoomFault::HidesRealJids),
        };
        match fine {
            Ok(()) => {
                *check = None;
                self.publish_in_turn(cx);
            }
            Err(fault) => self.fail(cx, fault),
        }
        true
    }

    pub(super) fn publish_in_turn(&mut self, cx: &mut Cx<'_>) {
        if matches!(&self.stage, Stage::Settling { queue, check: None } if queue.is_done(cx.now)) {
            self.publish(cx);
        }
    }

    fn publish(&mut self, cx: &mut Cx<'_>) {
        if let Stage::Settling { queue, .. } = &self.stage {
            let late: Vec<&str> = queue.ahead().collect();
            if !late.is_empty() {
                self.warn(cx, format!("{} did not finish preparing in time; going on", late.join(", ")));
            }
        }
        let others = self.roster.participants().map(|(_, jid, contents)| (jid.clone(), contents)).collect();
        let (contents, without) = payload::derive(&others, &self.how.media, |media| cx.capabilities.of(media));
        drop(others);
        if contents.is_empty() {
            return self.fail(cx, RoomFault::NoCommonCodec);
        }
        for media in without {
            self.warn(cx, format!("no codec in common for {media}; it is not sent"));
        }
        self.contents = contents;
        self.stage = Stage::Publishing { until: cx.now + config::ECHO, refused: false };
        self.present(cx, Type::None, vec![Muji::with(self.contents.clone()).write()]);
        for content in self.contents.clone() {
            self.capture(cx, &content, Mute::Off);
        }
        // Those we see now are before us in any order the room can choose.
        self.call_everybody(cx);
        self.try_held(cx);
    }

    fn published(&mut self, cx: &mut Cx<'_>) {
        self.stage = Stage::Active;
        let contents = self.contents.iter().map(|content| content.name.clone()).collect();
        self.event(cx, Event::Joined { contents });
        self.call_everybody(cx);
    }

    fn occupant_says(&mut self, cx: &mut Cx<'_>, nick: &str, user: MucUser, presence: &Presence) {
        let muji = self.read_muji(cx, nick, presence);
        let (Some(real), Some(muji)) = (user.real, muji.filter(|muji| *muji != Muji::default())) else {
            return self.occupant_dropped(cx, nick);
        };
        if self.roster.get(nick).is_some_and(|known| known.real != real) {
            self.occupant_gone(cx, nick); // A new occupant under an old nick, whose leaving we missed.
        }
        let finished = !muji.preparing;
        if let Err(why) = self.roster.update(nick, real.clone(), muji) {
            return self.warn(cx, format!("{nick} is not called: {why}"));
        }
        if let Stage::Settling { queue, .. } = &mut self.stage
            && finished
        {
            queue.passed(nick);
        }
        if self.roster.participant(&real).is_some() {
            self.participates(cx, nick, real);
        }
        self.publish_in_turn(cx);
    }

    fn participates(&mut self, cx: &mut Cx<'_>, nick: &str, real: FullJid) {
        let active = self.stage == Stage::Active;
        if let Some(partner) = self.partners.get_mut(&real) {
            partner.ends_at = None;
            nick.clone_into(&mut partner.nick);
            return;
        }
        let call_at = active.then(|| cx.now + config::INITIATE);
        let partner = Partner { nick: nick.to_owned(), session: None, call_at, redials: 0, ends_at: None };
        self.partners.insert(real.clone(), partner);
        self.event(cx, Event::PeerJoined(Peer { nick: nick.to_owned(), jid: real }));
        self.try_held(cx);
    }

    /// An occupant's presence has no Muji (any more).
    fn occupant_dropped(&mut self, cx: &mut Cx<'_>, nick: &str) {
        if let Stage::Settling { queue, .. } = &mut self.stage {
            queue.passed(nick);
        }
        if let Some(occupant) = self.roster.remove(nick)
            && let Some(partner) = self.partners.get_mut(&occupant.real)
        {
            partner.ends_at = Some(cx.now + config::DROPPED);
            partner.call_at = None;
        }
        self.publish_in_turn(cx);
    }

    fn occupant_left(&mut self, cx: &mut Cx<'_>, nick: &str, user: MucUser) {
        match user.new_nick.filter(|_| user.codes.contains(&code::RENAMED)) {
            Some(new) => {
                let renamed = self.roster.rename(nick, &new);
                if let Some(partner) = renamed.and_then(|real| self.partners.get_mut(&real)) {
                    partner.nick.clone_from(&new);
                }
                if let Stage::Settling { queue, .. } = &mut self.stage {
                    queue.renamed(nick, &new);
                }
            }
            None => self.occupant_gone(cx, nick),
        }
    }

    fn occupant_gone(&mut self, cx: &mut Cx<'_>, nick: &str) {
        if let Stage::Settling { queue, .. } = &mut self.stage {
            queue.passed(nick);
        }
        if let Some(occupant) = self.roster.remove(nick) {
            self.part(cx, &occupant.real);
        }
        self.publish_in_turn(cx);
    }

    /// Ends everything with a participant that is not there any more.
    pub(super) fn part(&mut self, cx: &mut Cx<'_>, jid: &FullJid) {
        let Some(partner) = self.partners.remove(jid) else { return };
        let held = self.held.iter().map(|(id, _)| *id).filter(|id| self.sessions[id].parties().peer == *jid);
        let sessions: Vec<SessionId> = held.chain(partner.session).collect();
        for id in sessions {
            self.with_session(cx, id, |session, cx| session.end(cx.now, cx.ids, Reason::Gone));
        }
        self.event(cx, Event::PeerLeft(Peer { nick: partner.nick, jid: jid.clone() }));
    }

    /// The room does not take a presence of ours.
    fn refused(&mut self, cx: &mut Cx<'_>, presence: &Presence) {
        let mut sane = presence.payloads.iter().filter(|payload| guard::check(payload).is_ok());
        let error = sane.find_map(|payload| StanzaError::try_from(payload.clone()).ok());
        let fault = error.as_ref().map_or_else(|| RoomFault::Other("no reason".to_owned()), RoomFault::from_error);
        match &mut self.stage {
            Stage::Entering { .. } if fault == RoomFault::NickInUse && self.how.nick.is_none() => {
                self.nick = cx.ids.nick(); // Chance gave two of us one nick.
                self.knock(cx);
            }
            Stage::Entering { closed, .. } if fault == RoomFault::NotFound && *closed < config::CLOSED.len() => {
                self.stage = Stage::Closed { until: cx.now + config::CLOSED[*closed], closed: *closed + 1 };
            }
            Stage::Entering { .. } => self.finish(cx, Over::Room(fault)),
            Stage::Publishing { refused: true, .. } => self.fail(cx, fault),
            Stage::Publishing { refused, until } => {
                (*refused, *until) = (true, cx.now + config::ECHO);
                self.present(cx, Type::None, vec![Muji::with(self.contents.clone()).write()]);
            }
            Stage::Closed { .. } | Stage::Settling { .. } | Stage::Active | Stage::Leaving { .. } | Stage::Over => {}
        }
    }

    /// We are not in the room any more.
    fn put_out(&mut self, cx: &mut Cx<'_>, user: MucUser) {
        if let Some(new) = user.new_nick.filter(|_| user.codes.contains(&code::RENAMED)) {
            self.nick = new;
            return;
        }
        if let Stage::Leaving { why, .. } = &self.stage {
            let why = why.clone();
            return self.finish(cx, why);
        }
        let has = |code| user.codes.contains(&code);
        let fault = match () {
            () if user.destroyed => RoomFault::Destroyed,
            () if has(code::BANNED) => RoomFault::Banned,
            () if has(code::SHUTDOWN) => RoomFault::Shutdown,
            () if has(code::KICKED) => RoomFault::Kicked,
            () if has(code::AFFILIATION) || has(code::MEMBERS_ONLY) => RoomFault::NoMember,
            () => RoomFault::Removed,
        };
        self.end_sessions(cx, &Reason::Gone);
        self.finish(cx, Over::Room(fault));
    }
}

fn shows_real_jids(info: &Element) -> bool {
    DiscoInfoResult::try_from(info.clone())
        .is_ok_and(|info| info.features.iter().any(|feature| feature == "muc_nonanonymous"))
}
