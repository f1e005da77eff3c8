//! Staying in the room: asking whether we are, and coming back when the room or the connection lost us.
//!
//! Sound does not stop because signalling does: sessions live on for a minute while we come back (XEP-0045 section 9.1,
//! statuses 332 and 333; XEP-0410).

use std::collections::BTreeSet;
use std::time::Instant;

use jid::FullJid;
use muji_xep::muc::{self, MucUser, code};
use muji_xep::{Secret, ns};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::Type;
use xmpp_parsers::stanza_error::{DefinedCondition, StanzaError};

use super::entering::shows_real_jids;
use super::{Absence, Asked, Conference, Stage};
use crate::command::Style;
use crate::config;
use crate::context::Context;
use crate::error::{EndReason, Removal, RoomFault};
use crate::event::Event;

/// Asking the room to tell everything anew, where it seems that we have missed something.
#[derive(Debug, Clone, Default)]
pub(super) struct Resync {
    /// We have asked by the presence of this id; the answer is complete by then.
    asked: Option<(String, Instant)>,
    /// Occupants of whom it has not told yet.
    stale: BTreeSet<String>,
    /// When we asked last.
    last: Option<Instant>,
}

impl Resync {
    pub(super) fn until(&self) -> Option<Instant> {
        self.asked.as_ref().map(|(_, until)| *until)
    }

    pub(super) fn told_of(&mut self, nick: &str) {
        self.stale.remove(nick);
    }
}

impl Conference {
    /// The room said something, so it is there and we are in it.
    pub(super) fn heard_room(&mut self, cx: &Context<'_>) {
        self.ping_at = cx.now + config::SELF_PING;
    }

    pub(super) fn ping_timeout(&mut self, cx: &mut Context<'_>) {
        if self.stage == Stage::Active && self.ping_at <= cx.now {
            self.heard_room(cx); // Or the next ping follows so much later.
            self.ask(cx, Asked::SelfPing, Element::bare("ping", ns::PING));
        }
        for asked in self.asked.expired(cx.now) {
            match asked {
                Asked::SelfPing => self.warn(cx, "the room does not answer; the call goes on".to_owned()),
                Asked::Favour(what) => self.warn(cx, format!("the room did not answer when asked to {what}")),
                Asked::Admission(guest) => self.admitted(cx, &guest, Some("it did not answer".to_owned())),
                Asked::Form | Asked::Configuration { .. } | Asked::Anonymity => {} // The stage has less patience.
            }
        }
    }

    /// The room, or we ourselves through it, answered a question of ours. False if it was none.
    pub(crate) fn room_answered(
        &mut self,
        cx: &mut Context<'_>,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> bool {
        let Some(asked) = self.asked.answered(id) else { return false };
        self.heard_room(cx);
        match (asked, answer) {
            (Asked::SelfPing, answer) => self.pinged(cx, answer.err()),
            (Asked::Favour(what), Err(error)) => {
                self.warn(cx, format!("the room refused to {what}: {}", RoomFault::from_error(error)));
            }
            (Asked::Favour(_), Ok(_)) => {}
            (Asked::Admission(guest), answer) => {
                let refused = answer.err().map(|error| RoomFault::from_error(error).to_string());
                self.admitted(cx, &guest, refused);
            }
            (Asked::Anonymity, Ok(Some(info))) if self.stage == Stage::Active => {
                self.shows_jids = shows_real_jids(info);
                self.tell_if_hidden(cx);
            }
            (asked, answer) => self.checked(cx, asked, answer),
        }
        true
    }

    /// What a ping of ourselves says (XEP-0410 section 3.2).
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the conditions are RFC 6120's, and all others say that we are out"
    )]
    fn pinged(&mut self, cx: &mut Context<'_>, error: Option<&StanzaError>) {
        let Some(condition) = error.map(|error| &error.defined_condition) else { return };
        match condition {
            DefinedCondition::ServiceUnavailable | DefinedCondition::FeatureNotImplemented => {} // We are in.
            DefinedCondition::ItemNotFound => {} // We are in under another nick; its presence is under way.
            DefinedCondition::RemoteServerNotFound | DefinedCondition::RemoteServerTimeout => {
                self.warn(cx, "the room cannot be reached for now; the call goes on".to_owned());
            }
            _ => self.lost(cx, EndReason::Room(RoomFault::Lost)),
        }
    }

    /// The room said something about itself.
    pub(crate) fn room_changed(&mut self, cx: &mut Context<'_>, user: &MucUser) {
        self.heard_room(cx);
        self.shows_jids |= user.has(code::NOW_NON_ANONYMOUS);
        if user.has(code::NOW_SEMI_ANONYMOUS) {
            self.shows_jids = false;
            self.tell_if_hidden(cx);
        } else if user.has(code::CONFIGURED) && self.stage == Stage::Active {
            self.ask(cx, Asked::Anonymity, Element::bare("query", ns::DISCO_INFO));
        }
    }

    fn tell_if_hidden(&self, cx: &mut Context<'_>) {
        if !self.shows_jids && self.is_public() {
            let what = "the room hides real JIDs from now on; whoever comes cannot be called, those who are here stay";
            self.warn(cx, what.to_owned());
        }
    }

    /// When we ask the room to tell everything anew: somebody offers a session of whom it has not told. Its presence may be
    /// on its way, or we have missed it.
    pub(super) fn resync_at(&self) -> Option<Instant> {
        if self.stage != Stage::Active || self.resync.asked.is_some() {
            return None;
        }
        let due = self.participants.held_until().map(|until| until - (config::HOLD - config::RESYNC));
        due.filter(|at| self.resync.last.is_none_or(|last| last + config::SELF_PING <= *at)).min()
    }

    pub(super) fn resync_timeout(&mut self, cx: &mut Context<'_>) {
        if self.resync_at().is_some_and(|at| at <= cx.now) {
            self.resync(cx);
        }
        if self.resync.asked.take_if(|(_, until)| *until <= cx.now).is_some() {
            self.resync.stale.clear();
            self.warn(cx, "the room did not tell anew who is in it; the call goes on".to_owned());
        }
    }

    /// Asks the room to tell everything anew, as to one who enters (XEP-0045 section 17.3). Sessions are not touched.
    fn resync(&mut self, cx: &mut Context<'_>) {
        let stale = self.occupants.iter().map(|(nick, _)| nick.to_owned()).collect();
        let enter = muc::enter(self.how.password.as_ref().map(Secret::expose));
        let muji = self.muji();
        let id = self.present(cx, Type::None, Some(enter), muji.as_ref());
        self.resync = Resync { asked: Some((id, cx.now + config::ECHO)), stale, last: Some(cx.now) };
    }

    /// Our own presence comes last: whoever was not told of before it is gone. A room repeats it for other reasons too, so
    /// only the one with which we asked says that; where ids are not repeated nobody is taken for gone.
    pub(super) fn resynced(&mut self, cx: &mut Context<'_>, id: Option<&str>) {
        if self.resync.asked.take_if(|(asked, _)| Some(asked.as_str()) == id).is_some() {
            for nick in std::mem::take(&mut self.resync.stale) {
                self.occupant_gone(cx, &nick);
            }
        }
    }

    /// We are not in the room any more.
    pub(super) fn put_out(&mut self, cx: &mut Context<'_>, user: MucUser) {
        if user.has(code::RENAMED)
            && let Some(new) = user.new_nick
        {
            self.nick = new;
            return;
        }
        if let Stage::Leaving { why, .. } = &self.stage {
            let why = why.clone();
            return self.finish(cx, why);
        }
        if matches!(self.stage, Stage::Closed { .. }) {
            return; // We went ourselves, to come again.
        }
        let put_out = Removal { by: user.actor.clone(), reason: user.reason.clone() };
        let fault = match () {
            () if user.destroyed.is_some() => RoomFault::Destroyed(user.destroyed.unwrap_or_default()),
            () if user.has(code::BANNED) => RoomFault::Banned(put_out),
            () if user.has(code::SHUTDOWN) => return self.lost(cx, EndReason::Room(RoomFault::Shutdown)),
            // A kick beside it is only the way the room puts it (XEP-0045 section 17.3).
            () if user.has(code::TECHNICAL) => return self.lost(cx, EndReason::Room(RoomFault::Lost)),
            () if user.has(code::KICKED) => RoomFault::Kicked(put_out),
            () if user.has(code::AFFILIATION) || user.has(code::MEMBERS_ONLY) => RoomFault::NoMember,
            () => RoomFault::Removed,
        };
        self.end_sessions(cx);
        self.finish(cx, EndReason::Room(fault));
    }

    /// The room lost us through no fault of ours: we come back while sound goes on.
    pub(super) fn lost(&mut self, cx: &mut Context<'_>, why: EndReason) {
        if matches!(self.stage, Stage::Leaving { .. } | Stage::Over) {
            return;
        }
        let news = self.absence.is_none();
        let until = cx.now + config::ROOM_LOSS;
        let absence = self.absence.get_or_insert_with(|| Absence { until, why: why.clone(), attempts: 0 });
        let pause = config::REJOIN[absence.attempts.min(config::REJOIN.len() - 1)];
        absence.attempts += 1;
        self.stage = Stage::Outside { at: Some(cx.now + pause) };
        (self.later_stay, self.restated, self.round) = (true, 0, None);
        self.resync = Resync::default();
        self.said.clear();
        self.asked.clear();
        self.occupants.clear();
        self.participants.expect_all_until(until);
        if news {
            self.event(cx, Event::RoomLost(why));
        }
    }

    /// Entering or publishing failed. On the way back that may pass.
    pub(super) fn trouble_inside(&mut self, cx: &mut Context<'_>, fault: RoomFault) {
        if self.absence.is_some() && fault.may_pass() {
            return self.lost(cx, EndReason::Room(fault));
        }
        self.fail(cx, fault);
    }

    pub(super) fn absence_timeout(&mut self, cx: &mut Context<'_>) {
        if let Some(absence) = self.absence.take_if(|absence| absence.until <= cx.now) {
            return self.withdraw(cx, absence.why);
        }
        self.participants.close_old_orphans(cx);
    }

    /// The connection is gone for now: nobody can be asked or answer.
    pub(crate) fn went_offline(&mut self) {
        self.offline = true;
    }

    /// The same stream goes on: what was asked may take its full time again.
    pub(crate) fn resumed(&mut self, cx: &mut Context<'_>) {
        self.offline = false;
        self.heard_room(cx);
        self.round_resumed(cx.now);
        match &mut self.stage {
            Stage::Entering { until, .. } | Stage::Publishing { until, .. } | Stage::Leaving { until, .. } => {
                *until = cx.now + config::ECHO;
            }
            Stage::Settling { check: Some(until), .. } => *until = cx.now + config::OWN_PREPARING,
            Stage::Closed { .. }
            | Stage::Settling { check: None, .. }
            | Stage::Active
            | Stage::Outside { .. }
            | Stage::Over => {}
        }
    }

    /// A new stream: the room has forgotten us, or will when it notices.
    pub(crate) fn rebound(&mut self, cx: &mut Context<'_>, jid: FullJid) {
        self.offline = false;
        if let Stage::Leaving { why, .. } = &self.stage {
            let why = why.clone();
            return self.finish(cx, why);
        }
        self.lost(cx, EndReason::Disconnected);
        if jid != self.us {
            self.us = jid;
            self.participants.orphan_sessions(cx);
            if self.how.nick.is_none() && self.how.style == Style::Own {
                self.nick = cx.ids.nick(); // Our ghost may still have the old one.
            }
        }
        let at = (self.how.style == Style::Own).then_some(cx.now); // A client enters its chat rooms itself.
        self.stage = Stage::Outside { at };
    }
}
