//! Somebody calls us, and perhaps our other devices too.

use jid::FullJid;
use muji_jingle::{CallId, IncomingCall, RingStopped, RingingReply, acknowledge, timers};
use muji_xep::jingle::{Jingle, Reason};
use muji_xep::jmi::MessageKind;
use muji_xep::rtp::Media;

use super::call::{DirectCall, Origin, Visibility};
use crate::context::Context;
use crate::error::{EndReason, Refused};
use crate::event::Event;

impl DirectCall {
    /// Somebody proposes a call.
    pub(super) fn rung(
        cx: &mut Context<'_>,
        call: CallId,
        us: &FullJid,
        incoming: IncomingCall,
        visibility: Visibility,
        reply: RingingReply,
    ) -> Self {
        let from = incoming.caller().clone();
        let media = incoming.media().to_vec();
        let mut this = Self::new(cx, call, us, from.to_bare(), visibility, Origin::Rung(incoming));
        this.said(cx);
        cx.event(
            call,
            match reply {
                RingingReply::Sent => Event::Ringing { from, media },
                RingingReply::Withheld => Event::Stranger { from, media },
            },
        );
        this
    }

    /// Somebody whom we know offers a session without a proposal (a client without XEP-0353).
    pub(super) fn offered(
        cx: &mut Context<'_>,
        call: CallId,
        us: &FullJid,
        id: &str,
        from: &FullJid,
        offer: &Jingle,
    ) -> Self {
        let origin = Origin::Offered { until: cx.now + timers::RINGING };
        let mut this = Self::new(cx, call, us, from.to_bare(), Visibility::Visible, origin);
        cx.send(acknowledge(from, id));
        if this.hold_session(cx, from, offer) {
            this.with_session(cx, |session, cx| session.announce_ringing(cx.now, cx.ids));
            let described = offer.contents.iter().filter_map(|content| content.media().cloned());
            cx.event(call, Event::Ringing { from: from.clone(), media: described.collect() });
        }
        this
    }

    /// The user takes the call, sending these media.
    pub(super) fn accept(&mut self, cx: &mut Context<'_>, media: Vec<Media>) -> Result<(), Refused> {
        if media.iter().all(|media| cx.capabilities.of(media).is_empty()) {
            return Err(Refused::NoCodec);
        }
        match &mut self.origin {
            Origin::Rung(incoming) if incoming.is_ringing() => {
                self.media = media;
                let caller = incoming.caller().clone();
                incoming.accept(cx.now);
                self.show_to(cx, caller.into());
                self.said(cx);
            }
            Origin::Offered { .. } => {
                self.media = media;
                self.origin = Origin::Plain;
                self.accept_session(cx);
            }
            Origin::Rung(_) | Origin::Placed(_) | Origin::Plain => return Err(Refused::NotRinging),
        }
        Ok(())
    }

    /// The user does not want to talk.
    pub(super) fn decline(&mut self, cx: &mut Context<'_>) -> Result<(), Refused> {
        if self.is_wanted() {
            return Err(Refused::NotRinging);
        }
        self.leave(cx, EndReason::DeclinedHere);
        Ok(())
    }

    /// The caller says something about its call.
    pub(super) fn caller_said(&mut self, cx: &mut Context<'_>, kind: &MessageKind) {
        let Origin::Rung(incoming) = &mut self.origin else { return };
        let stopped = incoming.handle_caller(kind);
        self.ring_stopped(cx, stopped);
    }

    /// Another of our devices says something about this call.
    pub(super) fn device_said(&mut self, cx: &mut Context<'_>, device: &FullJid, kind: &MessageKind) {
        let Origin::Rung(incoming) = &mut self.origin else { return };
        let stopped = incoming.handle_device(device, kind);
        self.ring_stopped(cx, stopped);
    }

    /// The caller does not want this call any more.
    pub(super) fn cancelled(&mut self, cx: &mut Context<'_>) {
        self.hang_up(cx, Reason::Expired);
        self.end(cx, EndReason::Cancelled);
    }

    pub(super) fn ringing_timeout(&mut self, cx: &mut Context<'_>) {
        match &mut self.origin {
            Origin::Rung(incoming) => {
                let stopped = incoming.handle_timeout(cx.now);
                self.ring_stopped(cx, stopped);
            }
            Origin::Offered { until } if *until <= cx.now => {
                self.hang_up(cx, Reason::Expired);
                self.end(cx, EndReason::Expired);
            }
            Origin::Offered { .. } | Origin::Placed(_) | Origin::Plain => {}
        }
    }

    fn ring_stopped(&mut self, cx: &mut Context<'_>, why: Option<RingStopped>) {
        self.said(cx);
        match why {
            None => {}
            Some(RingStopped::Elsewhere(device)) => self.end(cx, EndReason::Elsewhere(device)),
            Some(RingStopped::DeclinedElsewhere(device)) => self.end(cx, EndReason::DeclinedElsewhere(device)),
            Some(RingStopped::Cancelled) => self.end(cx, EndReason::Cancelled),
            Some(RingStopped::Expired) => self.end(cx, EndReason::Expired),
            Some(RingStopped::NoOffer) => self.end(cx, EndReason::NoOffer),
        }
    }
}
