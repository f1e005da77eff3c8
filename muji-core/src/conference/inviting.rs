//! Letting others into the room of the call, and telling them of it.

use jid::BareJid;
use muji_xep::invite::{CallInvite, Word};
use muji_xep::muc;
use muji_xep::rtp::Media;

use super::{Asked, Conference, Cx, Refused};
use crate::engine::call_message;

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
    pub(crate) fn invite(&mut self, cx: &mut Cx<'_>, guest: BareJid) {
        if self.made.is_none() {
            return self.tell(cx, &guest);
        }
        let payload = muc::admit(&guest);
        self.ask(cx, Asked::Admission(guest), payload);
    }

    /// The room let a guest in, or did not.
    pub(super) fn admitted(&self, cx: &mut Cx<'_>, guest: &BareJid, refused: Option<String>) {
        match refused {
            None => self.tell(cx, guest),
            Some(why) => self.warn(cx, format!("{guest} is not invited, as the room does not let it in: {why}")),
        }
    }

    fn tell(&self, cx: &mut Cx<'_>, guest: &BareJid) {
        let id = cx.ids.word();
        let word = Word::Invite { video: self.how.media.contains(&Media::Video) };
        let invite = CallInvite { id: id.clone(), word, room: Some(self.room.clone()) };
        cx.send(call_message(guest.clone().into(), id, &invite));
    }
}
