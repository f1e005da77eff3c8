//! A call with one person that goes on in a room, so that others can come (XEP-0272 says nothing of it; Dino does it so).
//!
//! The session with that person stays: once it is in the room, it is the pair's. Sound does not stop meanwhile, and if the
//! room comes to nothing the call goes on as it was.

use muji_xep::jingle::Content;
use muji_xep::rtp::{Description, Media};
use xmpp_parsers::presence::Type;

use super::participants::Returned;
use super::{Conference, Stage};
use crate::command::Style;
use crate::context::Context;
use crate::error::RoomFault;
use crate::event::Event;
use crate::handover::Handover;

impl Conference {
    /// This call goes on with what was said and sent to one person.
    pub(crate) fn continues(mut self, cx: &mut Context<'_>, handover: Handover) -> Self {
        self.contents = handover.media.iter().map(|media| captured(cx, media)).collect();
        self.how.media.clone_from(&handover.media);
        self.muted.clone_from(&handover.muted);
        self.holding = handover.holding;
        self.before = Some(handover.session.parties().peer.clone());
        self.shown_to.clone_from(&handover.shown_to);
        self.participants.take_over(handover);
        let room = self.room.clone();
        self.event(cx, Event::GoesOnInRoom(room));
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
        let outside = matches!(self.stage, Stage::Closed { .. } | Stage::Outside { .. });
        if !outside && self.how.style == Style::Own {
            self.present(cx, Type::Unavailable, None, None);
        }
        self.handed_back = Some(Box::new(Handover {
            session,
            media: self.contents.iter().filter_map(Content::media).cloned().collect(),
            muted: self.muted.clone(),
            holding: self.holding,
            state: participant.state,
            since: participant.since,
            verification: participant.verification,
            shown_to: self.shown_to.take(),
            proposed,
        }));
        self.stage = Stage::Over;
        self.event(cx, Event::NotInRoom(fault.clone()));
        true
    }

    /// What the call with one person takes back that this was, and is again.
    pub(crate) fn hand_back(&mut self) -> Option<Handover> {
        self.handed_back.take().map(|handover| *handover)
    }
}

/// What is captured already. Its ids mean nothing to the room yet.
fn captured(cx: &Context<'_>, media: &Media) -> Content {
    let description = Description::new(media.clone(), cx.capabilities.of(media).to_vec());
    Content { description: Some(description), ..Content::new(media.as_str()) }
}
