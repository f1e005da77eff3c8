//! The way into the room: our announcement enters it, then the room is asked what must be known before we publish.

use std::collections::BTreeSet;
use std::time::Instant;

use jid::FullJid;
use muji_jingle::Ids;
use muji_xep::muc::{self, MucUser, Privacy, code};
use muji_xep::{Element, Secret};
use xmpp_parsers::stanza_error::StanzaError;

use super::form::{self, NextStep};
use super::outcome::Outcome;
use super::room_query::RoomQuery;
use super::stage::Stage;
use super::{Membership, NickOrigin, pause};
use crate::command::RoomKind;
use crate::config;
use crate::context::Context;
use crate::error::{EndReason, RoomFault};
use crate::peer::call_nick;
use crate::room_state::seen_under_nick;
use crate::warning::RoomRequest;

impl Membership {
    /// Our announcement goes out: what enters the room with it. Nothing, inside a chat room that the client has entered; but a
    /// room that lost us lost the client too, and if it is back already it is only told everything again.
    pub(crate) fn enter(&mut self) -> Option<Element> {
        self.stage = Stage::Present;
        self.check = None;
        self.enters()
    }

    /// What enters the room, if our presence has to.
    pub(crate) fn enters(&self) -> Option<Element> {
        (self.room_kind == RoomKind::CallRoom || self.absence.is_some()).then(|| self.entry())
    }

    /// The element with which one enters a room (XEP-0045 section 7.2).
    pub(crate) fn entry(&self) -> Element {
        muc::enter(self.password.as_ref().map(Secret::expose))
    }

    /// The room repeated our presence.
    pub(crate) fn echoed(&mut self, user: &MucUser) {
        self.shows_jids |= user.has(code::NON_ANONYMOUS);
    }

    /// The room gave us another nick (status 210 or 303). Under one that cannot be part of a JID, such as one with emoji, we cannot speak: we
    /// enter again, which asks for the nick of before.
    pub(crate) fn renamed(&mut self, nick: &str) -> Outcome {
        if nick == self.nick() || self.set_nick(nick) {
            Outcome::Nothing
        } else {
            Outcome::Lost(EndReason::Room(RoomFault::NickInvalid))
        }
    }

    /// We are in, behind everybody whose presence came before: what the room is asked before we publish.
    pub(crate) fn entered(&mut self, cx: &mut Context<'_>, user: &MucUser) -> Outcome {
        let created = user.has(code::CREATED);
        if created && self.invited && self.absence.is_none() {
            // The room of the invitation is gone; this one we made ourselves by looking.
            self.ask(cx, RoomQuery::Request(RoomRequest::Discard), muc::cancel());
            return Outcome::Failed(RoomFault::CallIsOver);
        }
        if created {
            self.made.get_or_insert(Privacy::Open);
            let (asked, query) = form::ask_form();
            self.check(cx, asked, query);
        } else if !self.shows_jids {
            let (asked, query) = form::ask_anonymity();
            self.check(cx, asked, query);
        }
        Outcome::Ready
    }

    fn check(&mut self, cx: &mut Context<'_>, asked: RoomQuery, query: Element) {
        self.ask(cx, asked, query);
        self.check = Some(cx.now + config::OWN_PREPARING);
    }

    /// An answer to what must be known of the room before contents may be published.
    pub(super) fn checked(
        &mut self,
        cx: &mut Context<'_>,
        asked: &RoomQuery,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> Outcome {
        let next = form::answered(asked, answer, self.made.unwrap_or(Privacy::Open), self.shows_jids);
        if self.check.is_none() {
            return Outcome::Nothing; // It comes too late.
        }
        match next {
            NextStep::Ask(asked, query) => self.ask(cx, asked, query),
            NextStep::Done => {
                self.check = None;
                self.shows_jids = true;
                return Outcome::Ready;
            }
            // Others prepare a call here, so perhaps one of them is configuring the room just now (ejabberd does not lock a
            // new one).
            NextStep::Fail(RoomFault::HidesRealJids) if !self.hidden.is_empty() && self.may_retry() => {
                return Outcome::RetryLater { leave: true };
            }
            NextStep::Fail(fault) => {
                if fault == RoomFault::Configuration {
                    self.ask(cx, RoomQuery::Request(RoomRequest::Abandon), muc::cancel());
                }
                return Outcome::Failed(fault);
            }
            NextStep::Unrelated => {}
        }
        Outcome::Nothing
    }

    fn may_retry(&self) -> bool {
        self.retries < config::LOCKED_ROOM_RETRY.len()
    }

    /// The room is not open yet, perhaps.
    pub(crate) fn retry_later(&mut self, now: Instant) {
        self.stage = Stage::Closed { until: now + pause(&config::LOCKED_ROOM_RETRY, self.retries) };
        self.check = None;
        self.retries += 1;
        self.hidden.clear();
    }

    /// The room did not let us in.
    pub(crate) fn entry_refused(&mut self, ids: &mut Ids, fault: RoomFault) -> Outcome {
        if fault == RoomFault::NickInUse && self.has_call_nick && self.takes_another_nick() {
            return Outcome::EnterUnderAnotherNick;
        }
        if fault == RoomFault::NickInUse && self.may_take_another_nick() {
            self.take_free_nick(ids);
            return Outcome::EnterUnderAnotherNick;
        }
        if fault == RoomFault::NotFound && self.may_retry() {
            return Outcome::RetryLater { leave: false };
        }
        self.stage = Stage::Outside { at: None }; // So there is nothing to leave.
        let over = fault == RoomFault::NotFound && self.invited;
        self.trouble(if over { RoomFault::CallIsOver } else { fault })
    }

    /// True if others do not see our presence, by what the room says of us: another session of the account has the nick too. `entering`:
    /// our announcement is on its way.
    pub(crate) fn is_hidden(&self, us: &FullJid, user: &MucUser, entering: bool) -> bool {
        let enters = match self.room_kind {
            RoomKind::CallRoom => entering,
            RoomKind::ChatRoom => self.waits_for_client() || (entering && self.has_call_nick),
        };
        let there = self.is_present() || self.waits_for_client();
        there && seen_under_nick(us, user, enters) == Some(false)
    }

    /// Goes by another nick for the call. False if several were tried.
    pub(crate) fn takes_another_nick(&mut self) -> bool {
        // A nick that is as long as one may be leaves no room for more words.
        let takes = self.nicks < config::MAX_NICKS && self.set_nick(&call_nick(self.nick()));
        if takes {
            self.nicks += 1;
            self.has_call_nick = true;
        }
        takes
    }

    /// True if our announcement may be lost that asked for a nick of the call's own, and is to be said again: ejabberd repeats with a
    /// change of nick what was said before it.
    pub(crate) fn loses_words(&mut self) -> bool {
        self.has_call_nick && self.may_restate()
    }

    /// True if this is what the room says of us under the nick that we have left for the call's.
    pub(crate) fn is_former_nick(&self, nick: &str, user: &MucUser) -> bool {
        self.has_call_nick && self.is_present() && nick != self.nick() && !user.has(code::NICK_GIVEN)
    }

    /// Two of us have the same nick, or our ghost still has it.
    fn take_free_nick(&mut self, ids: &mut Ids) {
        self.nicks += 1;
        // A nick that is as long as one may be leaves no room for more words.
        let numbered = self.nick_origin == NickOrigin::Configured && self.set_nick(&call_nick(self.nick()));
        if !numbered {
            self.set_nick(&ids.nick());
        }
    }

    fn may_take_another_nick(&self) -> bool {
        self.nick_origin != NickOrigin::Chosen && self.room_kind == RoomKind::CallRoom && self.nicks < config::MAX_NICKS
    }

    /// Entering or publishing failed. On the way back that may pass.
    pub(crate) fn trouble(&self, fault: RoomFault) -> Outcome {
        if self.absence.is_some() && fault.may_pass() {
            Outcome::Lost(EndReason::Room(fault))
        } else {
            Outcome::Failed(fault)
        }
    }

    /// Our contents are public: we are in, or back.
    pub(crate) fn is_back(&mut self) {
        self.absence = None;
    }

    /// The room hides the real JID of somebody who takes part, perhaps only until it is configured.
    pub(crate) fn hides(&mut self, nick: &str) {
        if self.hidden.len() < config::MAX_PARTICIPANTS {
            self.hidden.insert(nick.to_owned());
        }
    }

    /// Those whose real JIDs the room hides for good.
    pub(crate) fn take_hidden(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.hidden)
    }
}
