//! Somebody calls us, and perhaps other devices of ours.

use jid::FullJid;
use muji_jingle::{CallId, Manner, Ring, Silenced, acknowledge, timers};
use muji_xep::jingle::{Jingle, Reason};
use muji_xep::jmi::Word;
use muji_xep::rtp::Media;

use super::{Begun, Direct, Sight};
use crate::cx::Cx;
use crate::error::{Over, Refused};
use crate::event::Event;

impl Direct {
    /// Somebody proposes a call.
    pub(super) fn rung(cx: &mut Cx<'_>, call: CallId, us: &FullJid, ring: Ring, sight: Sight, manner: Manner) -> Self {
        let (from, media) = (ring.caller().clone(), ring.media().to_vec());
        let mut this = Self::new(cx, call, us, from.to_bare(), sight, Begun::Rung(ring));
        this.said(cx);
        cx.event(
            call,
            match manner {
                Manner::Told => Event::Ringing { from, media },
                Manner::Discreet => Event::Stranger { from, media },
            },
        );
        this
    }

    /// Somebody whom we know offers a session without a word before (a client without XEP-0353).
    pub(super) fn offered(
        cx: &mut Cx<'_>,
        call: CallId,
        us: &FullJid,
        id: &str,
        from: &FullJid,
        offer: &Jingle,
    ) -> Self {
        let begun = Begun::Offered { until: cx.now + timers::RUNG };
        let mut this = Self::new(cx, call, us, from.to_bare(), Sight::Sees, begun);
        cx.send(acknowledge(from, id));
        if this.hold_session(cx, from, offer) {
            this.with_session(cx, |session, cx| session.announce_ringing(cx.now, cx.ids));
            let described = offer.contents.iter().filter_map(|content| content.media().cloned());
            cx.event(call, Event::Ringing { from: from.clone(), media: described.collect() });
        }
        this
    }

    /// The user takes the call, sending these media.
    pub(super) fn accept(&mut self, cx: &mut Cx<'_>, media: Vec<Media>) -> Result<(), Refused> {
        if media.iter().all(|media| cx.capabilities.of(media).is_empty()) {
            return Err(Refused::NoCodec);
        }
        match &mut self.begun {
            Begun::Rung(ring) if ring.is_ringing() => {
                self.media = media;
                let caller = ring.caller().clone();
                ring.accept(cx.now);
                self.show_to(cx, caller.into());
                self.said(cx);
            }
            Begun::Offered { .. } => {
                (self.media, self.begun) = (media, Begun::Plain);
                self.accept_session(cx);
            }
            Begun::Rung(_) | Begun::Placed(_) | Begun::Plain => return Err(Refused::NotRinging),
        }
        Ok(())
    }

    /// The user does not want to talk.
    pub(super) fn decline(&mut self, cx: &mut Cx<'_>) -> Result<(), Refused> {
        if self.is_wanted() {
            return Err(Refused::NotRinging);
        }
        self.leave(cx, Over::Left);
        Ok(())
    }

    /// The caller says something about its call.
    pub(super) fn caller_said(&mut self, cx: &mut Cx<'_>, word: &Word) {
        let Begun::Rung(ring) = &mut self.begun else { return };
        let silenced = ring.caller_said(word);
        self.silenced(cx, silenced);
    }

    /// Another device of ours says something about this call.
    pub(super) fn device_said(&mut self, cx: &mut Cx<'_>, device: &FullJid, word: &Word) {
        let Begun::Rung(ring) = &mut self.begun else { return };
        let silenced = ring.device_said(device, word);
        self.silenced(cx, silenced);
    }

    /// The caller does not want this call any more.
    pub(super) fn cancelled(&mut self, cx: &mut Cx<'_>) {
        self.hang_up(cx, Reason::Expired);
        self.end(cx, Over::Cancelled);
    }

    pub(super) fn ringing_timeout(&mut self, cx: &mut Cx<'_>) {
        match &mut self.begun {
            Begun::Rung(ring) => {
                let silenced = ring.handle_timeout(cx.now);
                self.silenced(cx, silenced);
            }
            Begun::Offered { until } if *until <= cx.now => {
                self.hang_up(cx, Reason::Expired);
                self.end(cx, Over::Expired);
            }
            Begun::Offered { .. } | Begun::Placed(_) | Begun::Plain => {}
        }
    }

    fn silenced(&mut self, cx: &mut Cx<'_>, why: Option<Silenced>) {
        self.said(cx);
        match why {
            None => {}
            Some(Silenced::Elsewhere(device)) => self.end(cx, Over::Elsewhere(device)),
            Some(Silenced::DeclinedElsewhere(device)) => self.end(cx, Over::DeclinedElsewhere(device)),
            Some(Silenced::Cancelled) => self.end(cx, Over::Cancelled),
            Some(Silenced::Expired) => self.end(cx, Over::Expired),
            Some(Silenced::NoOffer) => self.end(cx, Over::NoOffer),
        }
    }
}
