//! A call with one person that goes on in a room, so that others can come (XEP-0272 says nothing of it; Dino does it so).
//!
//! The session with that person stays: once it is in the room, it is the pair's. Sound does not stop meanwhile, and if the
//! room comes to nothing the call goes on as it was.

use muji_xep::jingle::Content;
use muji_xep::rtp::{Description, Media};
use xmpp_parsers::presence::Type;

use super::participant::Participant;
use super::{Conference, Stage};
use crate::client_quirks::ClientQuirks;
use crate::command::Style;
use crate::context::Context;
use crate::error::RoomFault;
use crate::event::Event;
use crate::handover::Handover;
use crate::peer::Peer;

impl Conference {
    /// This call goes on with what was said and sent to one person.
    pub(crate) fn continues(mut self, cx: &mut Context<'_>, handover: Handover) -> Self {
        let Handover { session, media, muted, holding, state, since, verification, shown_to, proposed } = handover;
        let id = session.parties().session;
        let peer = session.parties().peer.clone();
        let mut participant = Participant::new(since, peer.to_bare().as_str(), ClientQuirks::default());
        participant.session = Some(id);
        participant.state = state;
        participant.not_in_room = true;
        participant.verification = verification;
        self.participants.insert(peer.clone(), participant);
        self.sessions.insert(id, session);
        self.contents = media.iter().map(|media| captured(cx, media)).collect();
        self.how.media = media;
        self.muted = muted;
        self.holding = holding;
        self.proposed = proposed.map(|proposal| (id, proposal));
        self.before = Some(peer);
        self.shown_to = shown_to;
        let room = self.room.clone();
        self.event(cx, Event::GoesOnInRoom(room));
        self
    }

    /// Our contents are public: from now on the session is one of the room's, under the names that the room knows.
    pub(super) fn has_moved(&mut self, cx: &mut Context<'_>) {
        let Some(peer) = self.before.take() else { return };
        let Some(id) = self.participants.get(&peer).and_then(|participant| participant.session) else { return };
        let names: Vec<(Media, String)> =
            self.contents.iter().filter_map(|it| Some((it.media()?.clone(), it.name.clone()))).collect();
        self.with_session(cx, id, |session, _| {
            names.iter().for_each(|(media, name)| session.publish_as(media, name));
        });
    }

    /// We do not get into the room: the call goes on with one person. False if there is none to go back to.
    pub(super) fn goes_back(&mut self, cx: &mut Context<'_>, fault: &RoomFault) -> bool {
        let Some(peer) = self.before.take() else { return false };
        let id = self.participants.get(&peer).and_then(|participant| participant.session);
        let Some(session) = id.and_then(|id| self.sessions.remove(&id)) else { return false };
        let outside = matches!(self.stage, Stage::Closed { .. } | Stage::Outside { .. });
        if !outside && self.how.style == Style::Own {
            self.present(cx, Type::Unavailable, None, None);
        }
        let Some(participant) = self.participants.remove(&peer) else { return false };
        self.handed_back = Some(Box::new(Handover {
            session,
            media: self.contents.iter().filter_map(Content::media).cloned().collect(),
            muted: self.muted.clone(),
            holding: self.holding,
            state: participant.state,
            since: participant.since,
            verification: participant.verification,
            shown_to: self.shown_to.take(),
            proposed: self.proposed.take().map(|(_, proposal)| proposal),
        }));
        self.stage = Stage::Over;
        self.event(cx, Event::NotInRoom(fault.clone()));
        true
    }

    /// What the call with one person takes back that this was, and is again.
    pub(crate) fn hand_back(&mut self) -> Option<Handover> {
        self.handed_back.take().map(|handover| *handover)
    }

    /// Somebody whom we have talked to before is in the room now.
    pub(super) fn arrives(&mut self, cx: &mut Context<'_>, peer: Peer) {
        if let Some(participant) = self.participants.get_mut(&peer.jid)
            && std::mem::take(&mut participant.not_in_room)
        {
            self.event(cx, Event::PeerJoined(peer));
        }
    }
}

/// What is captured already. Its ids mean nothing to the room yet.
fn captured(cx: &Context<'_>, media: &Media) -> Content {
    let description = Description::new(media.clone(), cx.capabilities.of(media).to_vec());
    Content { description: Some(description), ..Content::new(media.as_str()) }
}
