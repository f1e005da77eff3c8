//! Leaving: first the presence, then the sessions, then silence (XEP-0272 section 6).

use muji_jingle::Mute;
use muji_xep::muc;
use xmpp_parsers::presence::Type;

use super::staying::Resync;
use super::{Asked, Conference, Stage};
use crate::command::Style;
use crate::config;
use crate::context::Context;
use crate::error::{EndReason, Refused, RoomFault};
use crate::event::Event;

impl Conference {
    /// The user leaves.
    pub(crate) fn leave(&mut self, cx: &mut Context<'_>) {
        self.withdraw(cx, EndReason::Left);
    }

    /// The user ends the call for everybody.
    pub(crate) fn end_for_all(&mut self, cx: &mut Context<'_>) -> Result<(), Refused> {
        if self.made.is_none() || !self.is_public() {
            return Err(Refused::NotOwner);
        }
        self.withdraw(cx, EndReason::Left);
        self.ask(cx, Asked::Favour("destroy itself"), muc::destroy());
        Ok(())
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

    pub(super) fn fail(&mut self, cx: &mut Context<'_>, fault: RoomFault) {
        self.withdraw(cx, EndReason::Room(fault));
    }

    /// First the presence, then the sessions, then silence. Also a join that was given up withdraws so, or others would
    /// wait behind it (Dino for ever).
    pub(super) fn withdraw(&mut self, cx: &mut Context<'_>, why: EndReason) {
        let outside = match self.stage {
            Stage::Leaving { .. } | Stage::Over => return,
            Stage::Closed { .. } | Stage::Outside { .. } => true,
            Stage::Entering { .. } | Stage::Settling { .. } | Stage::Publishing { .. } | Stage::Active => false,
        };
        if let EndReason::Room(fault) = &why
            && self.goes_back(cx, fault)
        {
            return;
        }
        match self.how.style {
            _ if outside => {}
            Style::Own => drop(self.present(cx, Type::Unavailable, None, None)),
            Style::InChat => self.say(cx, None),
        }
        self.guests.leave(cx, self.participants.is_empty());
        self.end_sessions(cx);
        if outside {
            return self.finish(cx, why); // There is nothing to leave.
        }
        self.stage = Stage::Leaving { until: cx.now + config::LEAVING, why };
    }

    /// Ends all sessions as one who leaves does: `gone` is for those whom the room has seen leaving.
    pub(super) fn end_sessions(&mut self, cx: &mut Context<'_>) {
        for content in std::mem::take(&mut self.contents) {
            self.capture(cx, &content, Mute::On);
        }
        (self.round, self.adding, self.resync) = (None, Vec::new(), Resync::default());
        let (participants, view) = self.participants();
        participants.end_all(cx, &view);
    }

    pub(super) fn finish(&mut self, cx: &mut Context<'_>, why: EndReason) {
        self.stage = Stage::Over;
        self.absence = None;
        cx.hide_from(self.shown_to.take());
        self.event(cx, Event::Ended(why));
    }
}
