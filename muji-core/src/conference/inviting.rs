//! Letting others into the room of the call, and telling them of it.

use jid::{BareJid, Jid};
use muji_xep::invite::{CallInvite, InviteKind};
use muji_xep::room_invite::{self, Via};
use muji_xep::rtp::Media;
use muji_xep::{Element, Secret, muc};
use xmpp_parsers::message::{Id, Message};

use super::{Asked, Conference, Stage};
use crate::config;
use crate::context::Context;
use crate::error::Refused;
use crate::event::Event;
use crate::invitation::Invitation;
use crate::stanza::chat;
use crate::stanza::stanza_error;

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
    pub(crate) fn admit(&mut self, cx: &mut Context<'_>, guest: &BareJid) -> Result<(), Refused> {
        if self.made.is_none() {
            return Err(Refused::NotOwner);
        }
        self.ask(cx, Asked::Favour("let a guest in"), muc::admit(guest));
        Ok(())
    }

    /// The user invites somebody, which waits until we are in.
    pub(super) fn invite(&mut self, cx: &mut Context<'_>, guest: Guest) -> Result<(), Refused> {
        if self.stage == Stage::Active {
            self.invite_now(cx, guest);
        } else if self.to_invite.len() >= config::MAX_GUESTS {
            return Err(Refused::TooManyGuests);
        } else {
            self.to_invite.push(guest);
        }
        Ok(())
    }

    /// The same for several; who is one too many is told of.
    pub(crate) fn invite_all(&mut self, cx: &mut Context<'_>, guests: Vec<BareJid>) {
        for jid in guests {
            if let Err(why) = self.invite(cx, Guest { jid: jid.clone(), to: Invites::Call }) {
                self.warn(cx, format!("{jid} is not invited: {why}"));
            }
        }
    }

    /// Into a room of ours a guest is let before, or it would stand before a closed door.
    pub(super) fn invite_now(&mut self, cx: &mut Context<'_>, guest: Guest) {
        if self.made.is_none() {
            return self.tell(cx, &guest);
        }
        let payload = muc::admit(&guest.jid);
        self.ask(cx, Asked::Admission(guest), payload);
    }

    /// The room let a guest in, or did not.
    pub(super) fn admitted(&mut self, cx: &mut Context<'_>, guest: &Guest, refused: Option<String>) {
        match refused {
            None => self.tell(cx, guest),
            Some(why) => {
                let guest = &guest.jid;
                self.warn(cx, format!("{guest} is not invited, as the room does not let it in: {why}"));
            }
        }
    }

    fn tell(&mut self, cx: &mut Context<'_>, guest: &Guest) {
        let id = cx.ids.token();
        let message = match guest.to {
            Invites::Call => {
                if self.guests.len() == config::MAX_GUESTS {
                    self.guests.remove(0);
                }
                self.guests.push((guest.jid.clone(), id.clone()));
                let [audio, video] = [Media::Audio, Media::Video].map(|media| self.how.media.contains(&media));
                let payloads = CallInvite::new(&id, InviteKind::Invite { audio, video }, Some(&self.room)).write();
                chat(guest.jid.clone().into(), id, payloads)
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

    /// An invitation brought us here; whoever made it is told when we leave.
    pub(crate) fn came_by(&mut self, invitation: Invitation) {
        self.came_by = Some(invitation);
    }

    /// Somebody whom we invited does not come.
    pub(crate) fn guest_rejects(&mut self, cx: &mut Context<'_>, guest: &Jid, id: &str) {
        let known = |(jid, invited): &(BareJid, String)| *jid == guest.to_bare() && invited == id;
        if let Some(index) = self.guests.iter().position(known) {
            self.guests.remove(index);
            self.event(cx, Event::Declined(guest.clone(), None));
        }
    }

    /// Tells of our leaving those who were told of our coming: whom we invited in vain shall not come to an empty room, and
    /// whoever invited us knows that we are gone (XEP-0482 sections 2.2 and 2.5).
    pub(super) fn uninvite(&mut self, cx: &mut Context<'_>) {
        let alone = self.participants.is_empty();
        for (guest, invited) in std::mem::take(&mut self.guests) {
            let word = if alone { InviteKind::Retract } else { InviteKind::Left };
            let id = cx.ids.token();
            cx.send(chat(guest.into(), id, CallInvite::new(&invited, word, None).write()));
        }
        if let Some(invitation) = self.came_by.take() {
            let message = invitation.answer(cx.ids.token(), InviteKind::Left);
            cx.send(message);
        }
    }

    fn password(&self) -> Option<&Secret> {
        self.how.password.as_ref()
    }

    /// The room does not pass an invitation on: in some of ejabberd's only moderators may invite.
    pub(crate) fn not_passed_on(&self, cx: &mut Context<'_>, payloads: &[Element]) {
        let error = stanza_error(payloads);
        let why = error.map_or_else(|| "no reason".to_owned(), |error| format!("{:?}", error.defined_condition));
        self.warn(
            cx,
            format!("the room does not pass the invitation on ({why}); invite directly, or ask its owner to"),
        );
    }

    /// A guest whom the room has told does not come.
    pub(crate) fn was_declined(&self, cx: &mut Context<'_>, guest: Jid, reason: Option<String>) {
        self.event(cx, Event::Declined(guest, reason));
    }
}
