//! We call: all devices of somebody, or one that is known to take a plain offer.

use jid::{FullJid, Jid};
use muji_jingle::{CallId, Fork, ForkEvent, Ring, Unanswered};
use muji_xep::jingle::Reason;
use muji_xep::jmi::{Because, Word};
use muji_xep::rtp::Media;

use super::{Begun, Direct, Sight};
use crate::cx::Cx;
use crate::error::Over;
use crate::event::Event;
use crate::pair::PairState;

impl Direct {
    /// Calls somebody: on all devices, or on the one that is named, without a word before.
    pub(super) fn place(cx: &mut Cx<'_>, call: CallId, us: &FullJid, to: Jid, media: Vec<Media>, sight: Sight) -> Self {
        let bare = to.to_bare();
        let fork = to.is_bare().then(|| Fork::propose(cx.now, cx.ids.word(), bare.clone(), media.clone()));
        let begun = fork.map_or(Begun::Plain, Begun::Placed);
        let mut this = Self { media, ..Self::new(cx, call, us, bare, sight, begun) };
        this.show_to(cx, to.clone());
        this.said(cx);
        if let Ok(device) = to.try_into_full() {
            let sid = cx.ids.word();
            this.open_session(cx, device, sid);
        }
        this
    }

    /// A device of the callee says something about our call.
    pub(super) fn callee_said(&mut self, cx: &mut Cx<'_>, from: &FullJid, word: &Word) {
        let Begun::Placed(fork) = &mut self.begun else { return };
        let event = fork.heard(from, word);
        self.said(cx);
        if let Some(event) = event {
            self.fork_event(cx, event);
        }
    }

    fn fork_event(&mut self, cx: &mut Cx<'_>, event: ForkEvent) {
        match event {
            ForkEvent::Rings(device) => cx.event(self.call, Event::DeviceRings(device)),
            ForkEvent::PickedUp(device) => {
                cx.event(self.call, Event::PickedUp(device.clone()));
                let sid = self.id().expect("a fork has an id").to_owned();
                self.open_session(cx, device, sid);
            }
            ForkEvent::Over(why) => {
                let over = match why {
                    Unanswered::Declined(device, Some(why)) if why.reason == Reason::Busy => Over::Busy(device),
                    Unanswered::Declined(device, _) => Over::Declined(device),
                    Unanswered::TieBreak(_) => Over::Session(muji_jingle::End::TieBreak),
                    Unanswered::Nobody => Over::Unanswered,
                };
                self.end(cx, over);
            }
        }
    }

    /// Both call each other, and the other's proposal wins: it is taken, as the user wants to talk to whoever made it.
    pub(super) fn gives_way(&mut self, cx: &mut Cx<'_>, mut theirs: Ring) {
        if let Begun::Placed(fork) = &mut self.begun {
            fork.retract(Because::tie_break());
        }
        self.said(cx);
        theirs.accept(cx.now);
        cx.event(self.call, Event::PickedUp(theirs.caller().clone()));
        self.begun = Begun::Rung(theirs);
        self.said(cx);
    }

    /// The server could not deliver our proposal.
    pub(super) fn undelivered(&mut self, cx: &mut Cx<'_>, why: String) {
        self.end(cx, Over::Unreachable(why));
    }

    pub(super) fn placing_timeout(&mut self, cx: &mut Cx<'_>) {
        let Begun::Placed(fork) = &mut self.begun else { return };
        let event = fork.handle_timeout(cx.now);
        self.said(cx);
        if let Some(event) = event {
            self.fork_event(cx, event);
        }
    }

    /// The id of a call that we placed.
    pub(super) fn placed_id(&self) -> Option<&str> {
        matches!(self.begun, Begun::Placed(_)).then(|| self.id()).flatten()
    }

    /// True while nobody has picked up, and we have to wait.
    pub(super) fn is_placed(&self) -> bool {
        matches!(&self.begun, Begun::Placed(fork) if fork.is_open())
    }

    pub(super) fn is(&mut self, cx: &Cx<'_>, state: PairState) {
        if self.state != state {
            (self.state, self.since) = (state, cx.now);
        }
    }
}
