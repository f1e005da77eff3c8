//! Losing the room, and leaving it: first the presence, then the sessions, then silence (XEP-0272 section 6).

use jid::FullJid;
use muji_jingle::Mute;
use muji_xep::muc;
use xmpp_parsers::presence::Type;

use super::Conference;
use super::membership::RoomQuery;
use crate::command::RoomKind;
use crate::context::Context;
use crate::error::{EndReason, Refused, RoomFault};
use crate::event::Event;
use crate::warning::RoomRequest;

impl Conference {
    // ---- the room or the connection is lost --------------------------------------------------------------------------

    /// The room lost us, not by our fault: we come back while sound goes on.
    pub(super) fn lost(&mut self, cx: &mut Context<'_>, why: EndReason) {
        let Some((until, news)) = self.membership.lost(cx.now, &why) else { return };
        self.publishing.lost();
        self.occupants.clear();
        self.participants.expect_all_until(until);
        if news {
            self.event(cx, Event::RoomLost(why));
        }
    }

    /// The connection is gone for now: nobody can be asked or answer.
    pub(crate) fn went_offline(&mut self) {
        self.membership.went_offline();
    }

    /// The same stream goes on: what was asked may take its full time again.
    pub(crate) fn resumed(&mut self, cx: &mut Context<'_>) {
        self.membership.resumed(cx.now);
        self.publishing.resumed(cx.now);
    }

    /// A new stream: the room has forgotten us, or will when it notices.
    pub(crate) fn rebound(&mut self, cx: &mut Context<'_>, jid: FullJid) {
        if let Some(why) = self.membership.rebound() {
            return self.finish(cx, why);
        }
        self.lost(cx, EndReason::Disconnected);
        let new_jid = jid != self.us;
        if new_jid {
            self.us = jid;
            self.participants.orphan_sessions(cx);
        }
        self.membership.comes_back(cx.now, cx.ids, new_jid);
    }

    pub(super) fn absence_timeout(&mut self, cx: &mut Context<'_>) {
        match self.membership.absence_is_over(cx.now) {
            Some(why) => self.withdraw(cx, why),
            None => self.participants.close_old_orphans(cx),
        }
    }

    /// There is no stream any more on which anything could be said.
    pub(crate) fn disconnected(&mut self, cx: &mut Context<'_>) {
        self.end_sessions(cx);
        self.finish(cx, EndReason::Disconnected);
    }

    /// There is nothing to send or hear with.
    pub(crate) fn media_gone(&mut self, cx: &mut Context<'_>) {
        self.withdraw(cx, EndReason::MediaGone);
    }

    // ---- leaving -----------------------------------------------------------------------------------------------------

    /// The user ends the call for everybody.
    pub(super) fn end_for_all(&mut self, cx: &mut Context<'_>) -> Result<(), Refused> {
        if !self.membership.is_owner() || !self.is_published() {
            return Err(Refused::NotOwner);
        }
        self.withdraw(cx, EndReason::Left);
        self.membership.ask(cx, RoomQuery::Request(RoomRequest::Destroy), muc::destroy());
        Ok(())
    }

    pub(super) fn fail(&mut self, cx: &mut Context<'_>, fault: RoomFault) {
        self.withdraw(cx, EndReason::Room(fault));
    }

    /// First the presence, then the sessions, then silence. A join that was given up withdraws so too, or others would wait
    /// behind it (Dino for ever).
    pub(crate) fn withdraw(&mut self, cx: &mut Context<'_>, why: EndReason) {
        if self.membership.has_left() {
            return;
        }
        if let EndReason::Room(fault) = &why
            && self.goes_back(cx, fault)
        {
            return;
        }
        let outside = self.membership.is_outside();
        if !outside {
            match self.membership.room_kind() {
                RoomKind::CallRoom => self.present(cx, Type::Unavailable, None, None),
                RoomKind::ChatRoom => self.present(cx, Type::None, None, None),
            };
        }
        self.guests.leave(cx, self.participants.is_empty());
        self.end_sessions(cx);
        if outside {
            return self.finish(cx, why); // There is nothing to leave.
        }
        self.membership.leave(cx.now, why);
    }

    /// Ends all sessions as one who leaves does.
    pub(super) fn end_sessions(&mut self, cx: &mut Context<'_>) {
        for content in self.publishing.leave() {
            self.capture(cx, &content, Mute::On);
        }
        self.membership.stop_resync();
        let (participants, view) = self.participants();
        participants.end_all(cx, &view);
    }

    pub(super) fn finish(&mut self, cx: &mut Context<'_>, why: EndReason) {
        self.membership.finish();
        cx.hide_from(self.shown_to.take());
        self.event(cx, Event::Ended(why));
    }
}
