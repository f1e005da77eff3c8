//! We call: all devices of somebody, or one that is known to take a plain offer.

use jid::{FullJid, Jid};
use muji_jingle::{CallId, IncomingCall, OutgoingCall, OutgoingCallEvent, Returned, Unanswered};
use muji_xep::jingle::Reason;
use muji_xep::jmi::{MessageKind, MessageReason};
use muji_xep::rtp::Media;

use super::call::{DirectCall, Origin, Visibility};
use crate::context::Context;
use crate::error::EndReason;
use crate::event::Event;
use crate::pair::PairState;
use crate::warning::Warning;

impl DirectCall {
    /// Calls somebody: on all devices, or on the one that is named, without a proposal.
    pub(super) fn place(
        cx: &mut Context<'_>,
        call: CallId,
        us: &FullJid,
        to: Jid,
        media: Vec<Media>,
        visibility: Visibility,
    ) -> Self {
        let bare = to.to_bare();
        let outgoing = to.is_bare().then(|| OutgoingCall::propose(cx.now, cx.ids.token(), bare.clone(), media.clone()));
        let origin = outgoing.map_or(Origin::Plain, Origin::Placed);
        let mut this = Self { media, ..Self::new(cx, call, us, bare, visibility, origin) };
        this.show_to(cx, to.clone());
        this.said(cx);
        if let Ok(device) = to.try_into_full() {
            let sid = cx.ids.token();
            this.open_session(cx, device, sid);
        }
        this
    }

    /// A device of the callee says something about our call.
    pub(super) fn callee_said(&mut self, cx: &mut Context<'_>, from: &FullJid, kind: &MessageKind) {
        let Origin::Placed(outgoing) = &mut self.origin else { return };
        let event = outgoing.handle_message(from, kind);
        self.said(cx);
        if let Some(event) = event {
            self.outgoing_event(cx, event);
        }
    }

    fn outgoing_event(&mut self, cx: &mut Context<'_>, event: OutgoingCallEvent) {
        match event {
            OutgoingCallEvent::Rings(device) => cx.event(self.call, Event::DeviceRings(device)),
            OutgoingCallEvent::PickedUp(device) => {
                cx.event(self.call, Event::PickedUp(device.clone()));
                let sid = self.id().expect("a proposed call has an id").to_owned();
                self.open_session(cx, device, sid);
            }
            OutgoingCallEvent::Over(why) => {
                let over = match why {
                    Unanswered::Declined(device, Some(why)) if why.reason == Reason::Busy => EndReason::Busy(device),
                    Unanswered::Declined(device, _) => EndReason::Declined(device),
                    Unanswered::TieBreak(_) => EndReason::Session(muji_jingle::End::TieBreak),
                    Unanswered::Nobody => EndReason::Unanswered,
                    Unanswered::Undelivered(condition) => EndReason::Unreachable(condition),
                };
                self.end(cx, over);
            }
        }
    }

    /// Both call each other, and the other's proposal wins: it is taken, as the user wants to talk with that person.
    pub(super) fn gives_way(&mut self, cx: &mut Context<'_>, mut theirs: IncomingCall) {
        if let Origin::Placed(outgoing) = &mut self.origin {
            outgoing.retract(MessageReason::tie_break());
        }
        self.said(cx);
        theirs.accept(cx.now);
        cx.event(self.call, Event::PickedUp(theirs.caller().clone()));
        self.origin = Origin::Rung(theirs);
        self.said(cx);
    }

    /// Our proposal was returned, or the copy for one device.
    pub(super) fn returned(&mut self, cx: &mut Context<'_>, from: &Jid, condition: &str) {
        let Origin::Placed(outgoing) = &mut self.origin else { return };
        if !outgoing.is_open() {
            return; // A device took the call, so it does not matter which other one did not hear of it.
        }
        match outgoing.handle_error(cx.now, from, condition.to_owned()) {
            Returned::Perhaps => {}
            Returned::OneCopy => {
                let warning = Warning::ProposalReturned { from: from.clone(), condition: condition.to_owned() };
                cx.event(self.call, Event::Warning(warning));
            }
        }
    }

    pub(super) fn placing_timeout(&mut self, cx: &mut Context<'_>) {
        let Origin::Placed(outgoing) = &mut self.origin else { return };
        let event = outgoing.handle_timeout(cx.now);
        self.said(cx);
        if let Some(event) = event {
            self.outgoing_event(cx, event);
        }
    }

    /// The id of a call that we placed.
    pub(super) fn placed_id(&self) -> Option<&str> {
        matches!(self.origin, Origin::Placed(_)).then(|| self.id()).flatten()
    }

    /// True while nobody has picked up, and we have to wait.
    pub(super) fn is_placed(&self) -> bool {
        matches!(&self.origin, Origin::Placed(outgoing) if outgoing.is_open())
    }

    pub(super) fn is(&mut self, cx: &Context<'_>, state: PairState) {
        if self.state != state {
            self.state = state;
            self.since = cx.now;
        }
    }
}
