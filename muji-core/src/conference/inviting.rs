//! Letting others into the room of the call, and telling them of it.

use jid::{BareJid, Jid};
use muji_xep::{Element, muc};

use super::guests::{Guest, Invites, Venue};
use super::{Asked, Conference, Stage};
use crate::context::Context;
use crate::error::Refused;
use crate::event::Event;
use crate::invitation::Invitation;
use crate::stanza::stanza_error;

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
            return Ok(());
        }
        self.guests.wait(guest)
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
            return self.send_invitation(cx, &guest);
        }
        let payload = muc::admit(&guest.jid);
        self.ask(cx, Asked::Admission(guest), payload);
    }

    /// The room let a guest in, or did not.
    pub(super) fn admitted(&mut self, cx: &mut Context<'_>, guest: &Guest, refused: Option<String>) {
        match refused {
            None => self.send_invitation(cx, guest),
            Some(why) => {
                let guest = &guest.jid;
                self.warn(cx, format!("{guest} is not invited, as the room does not let it in: {why}"));
            }
        }
    }

    fn send_invitation(&mut self, cx: &mut Context<'_>, guest: &Guest) {
        let venue = Venue { room: &self.room, password: self.how.password.as_ref(), media: &self.how.media };
        self.guests.invite(cx, venue, guest);
    }

    /// An invitation brought us here; who made it is told when we leave.
    pub(crate) fn came_by(&mut self, invitation: Invitation) {
        self.guests.came_by(invitation);
    }

    /// Somebody whom we invited does not come.
    pub(crate) fn guest_rejects(&mut self, cx: &mut Context<'_>, guest: &Jid, id: &str) {
        if self.guests.rejected(guest, id) {
            self.event(cx, Event::Declined(guest.clone(), None));
        }
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
