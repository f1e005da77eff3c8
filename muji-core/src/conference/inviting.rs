//! Letting others into the room of the call, and telling them of it.

use jid::{BareJid, Jid};
use muji_xep::invite::{CallInvite, Word};
use muji_xep::room_invite::{self, Via};
use muji_xep::rtp::Media;
use muji_xep::{Element, Secret, muc};
use xmpp_parsers::message::{Id, Message};

use super::{Asked, Conference, Cx, Refused};
use crate::engine::call_message;
use crate::error::stanza_error;
use crate::event::Event;

/// Somebody to be invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guest {
    pub(crate) jid: BareJid,
    pub(crate) to: Invites,
}

/// To what somebody is invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invites {
    Call,
    Room(Via),
}

impl Conference {
    /// The user lets somebody in. As a member, not an owner: Dino makes owners, who may then destroy the room.
    pub(crate) fn admit(&mut self, cx: &mut Cx<'_>, guest: &BareJid) -> Result<(), Refused> {
        if self.made.is_none() {
            return Err(Refused::NotOwner);
        }
        self.ask(cx, Asked::Favour("let a guest in"), muc::admit(guest));
        Ok(())
    }

    /// The user invites somebody. Into a room of ours it is let before, or it would stand before a closed door.
    pub(crate) fn invite(&mut self, cx: &mut Cx<'_>, guest: Guest) {
        if self.made.is_none() {
            return self.tell(cx, &guest);
        }
        let payload = muc::admit(&guest.jid);
        self.ask(cx, Asked::Admission(guest), payload);
    }

    /// The room let a guest in, or did not.
    pub(super) fn admitted(&self, cx: &mut Cx<'_>, guest: &Guest, refused: Option<String>) {
        match refused {
            None => self.tell(cx, guest),
            Some(why) => {
                let guest = &guest.jid;
                self.warn(cx, format!("{guest} is not invited, as the room does not let it in: {why}"));
            }
        }
    }

    fn tell(&self, cx: &mut Cx<'_>, guest: &Guest) {
        let id = cx.ids.word();
        let message = match guest.to {
            Invites::Call => {
                let word = Word::Invite { video: self.how.media.contains(&Media::Video) };
                let invite = CallInvite { id: id.clone(), word, room: Some(self.room.clone()) };
                call_message(guest.jid.clone().into(), id, &invite)
            }
            Invites::Room(via) => {
                let (to, payload) = match via {
                    Via::Message => (&guest.jid, room_invite::direct(&self.room, self.password())),
                    Via::Room => (&self.room, room_invite::mediated(&guest.jid)),
                };
                let mut message = Message::normal(Some(to.clone().into()));
                (message.id, message.payloads) = (Some(Id(id)), vec![payload]);
                message
            }
        };
        cx.send(message);
    }

    fn password(&self) -> Option<&Secret> {
        self.how.password.as_ref()
    }

    /// The room does not pass an invitation on: in some of ejabberd's only moderators may invite.
    pub(crate) fn not_passed_on(&self, cx: &mut Cx<'_>, payloads: &[Element]) {
        let error = stanza_error(payloads);
        let why = error.map_or_else(|| "no reason".to_owned(), |error| format!("{:?}", error.defined_condition));
        self.warn(
            cx,
            format!("the room does not pass the invitation on ({why}); invite directly, or ask its owner to"),
        );
    }

    /// A guest whom the room has told does not come.
    pub(crate) fn was_declined(&self, cx: &mut Cx<'_>, guest: Jid, reason: Option<String>) {
        self.event(cx, Event::Declined(guest, reason));
    }
}
