//! A call with one person that goes on in a room, so that others can come (XEP-0272 says nothing of it; Dino does it so).
//!
//! The session with that person stays: once it is in the room, it is the pair's. Sound does not stop meanwhile, and if the
//! room comes to nothing the call goes on as it was.

use muji_xep::jingle::Content;
use xmpp_parsers::presence::Type;

use super::Conference;
use super::participants::Returned;
use crate::command::RoomKind;
use crate::context::Context;
use crate::error::RoomFault;
use crate::event::Event;
use crate::handover::Handover;

impl Conference {
    /// This call goes on with what was said and sent to one person.
    pub(crate) fn continues(mut self, cx: &mut Context<'_>, handover: Handover) -> Self {
        self.publishing.take_over(&handover, cx.capabilities);
        self.before = Some(handover.session.parties().peer.clone());
        self.shown_to.clone_from(&handover.shown_to);
        self.participants.take_over(cx, handover);
        self.event(cx, Event::GoesOnInRoom(self.membership.room().clone()));
        self
    }

    /// Our contents are public: from now on the session is one of the room's, under the names that the room knows.
    pub(super) fn has_moved(&mut self, cx: &mut Context<'_>) {
        let Some(peer) = self.before.take() else { return };
        let (participants, view) = self.participants();
        participants.name_contents(cx, &view, &peer);
    }

    /// We do not get into the room: the call goes on with one person. False if there is none to go back to.
    pub(super) fn goes_back(&mut self, cx: &mut Context<'_>, fault: &RoomFault) -> bool {
        let Some(peer) = self.before.take() else { return false };
        let Some(Returned { session, participant, proposed }) = self.participants.give_back(&peer) else {
            return false;
        };
        if !self.membership.is_outside() && self.membership.room_kind() == RoomKind::CallRoom {
            self.present(cx, Type::Unavailable, None, None);
        }
        self.handed_back = Some(Box::new(Handover {
            session,
            media: self.publishing.contents().iter().filter_map(Content::media).cloned().collect(),
            muted: self.publishing.muted().to_vec(),
            holding: self.publishing.is_holding(),
            state: participant.state,
            since: participant.since,
            verification: participant.verification,
            shown_to: self.shown_to.take(),
            proposed,
        }));
        self.membership.finish();
        self.event(cx, Event::NotInRoom(fault.clone()));
        true
    }

    /// What the call with one person takes back that this was, and is again.
    pub(crate) fn hand_back(&mut self) -> Option<Handover> {
        self.handed_back.take().map(|handover| *handover)
    }
}
