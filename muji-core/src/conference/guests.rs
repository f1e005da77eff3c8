//! Invitations: who is invited, who invited us, and what both are told.

use jid::{BareJid, Jid};
use muji_xep::Secret;
use muji_xep::invite::{CallInvite, InviteKind};
use muji_xep::room_invite::{self, Via};
use muji_xep::rtp::Media;
use xmpp_parsers::message::{Id, Message};

use crate::config;
use crate::context::Context;
use crate::error::Refused;
use crate::invitation::Invitation;
use crate::stanza::chat;

/// Somebody to be invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invitee {
    pub(super) jid: BareJid,
    pub(super) to: Invites,
}

/// To what somebody is invited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invites {
    Call,
    Room(Via),
}

/// What an invitation says about the call.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallDetails<'a> {
    pub(super) room: &'a BareJid,
    pub(super) password: Option<&'a Secret>,
    pub(super) media: &'a [Media],
}

/// Invitations that brought us and others here, or shall bring them.
#[derive(Debug, Clone, Default)]
pub(super) struct Guests {
    /// The invitation that brought us here.
    came_by: Option<Invitation>,
    /// Who was invited to the call, and the invitations' ids.
    invited: Vec<(BareJid, String)>,
    /// Who is invited once we are in the room.
    waiting: Vec<Invitee>,
}

impl Guests {
    /// An invitation brought us here; who made it is told when we leave.
    pub(super) fn came_by(&mut self, invitation: Invitation) {
        self.came_by = Some(invitation);
    }

    /// Somebody is to be invited once we are in the room.
    pub(super) fn wait(&mut self, guest: Invitee) -> Result<(), Refused> {
        if self.waiting.len() >= config::MAX_GUESTS {
            return Err(Refused::TooManyGuests);
        }
        self.waiting.push(guest);
        Ok(())
    }

    /// We are in the room: who waited for that.
    pub(super) fn take_waiting(&mut self) -> Vec<Invitee> {
        std::mem::take(&mut self.waiting)
    }

    /// Sends an invitation.
    pub(super) fn invite(&mut self, cx: &mut Context<'_>, details: CallDetails<'_>, guest: &Invitee) {
        let id = cx.ids.token();
        let CallDetails { room, password, media } = details;
        let message = match guest.to {
            Invites::Call => {
                if self.invited.len() == config::MAX_GUESTS {
                    self.invited.remove(0);
                }
                self.invited.push((guest.jid.clone(), id.clone()));
                let [audio, video] = [Media::Audio, Media::Video].map(|wanted| media.contains(&wanted));
                let payloads = CallInvite::new(&id, InviteKind::Invite { audio, video }, Some(room)).write();
                chat(guest.jid.clone().into(), id, payloads)
            }
            Invites::Room(via) => {
                let (to, payload) = match via {
                    Via::Message => (&guest.jid, room_invite::direct(room, password)),
                    Via::Room => (room, room_invite::mediated(&guest.jid)),
                };
                let mut message = Message::normal(Some(to.clone().into()));
                message.id = Some(Id(id));
                message.payloads = vec![payload];
                message
            }
        };
        cx.send(message);
    }

    /// True if somebody was invited by this.
    pub(super) fn has_invited(&self, guest: &BareJid, id: &str) -> bool {
        self.invited.iter().any(|(jid, invited)| jid == guest && invited == id)
    }

    /// Somebody rejects an invitation. False if it is none that we made.
    pub(super) fn rejected(&mut self, guest: &Jid, id: &str) -> bool {
        let index = self.invited.iter().position(|(jid, invited)| *jid == guest.to_bare() && invited == id);
        index.map(|index| self.invited.remove(index)).is_some()
    }

    /// We leave, and tell those who were told of our coming: guests shall not come to an empty room, so their invitations are
    /// taken back if we were alone, and who invited us learns that we are gone (XEP-0482 sections 2.2 and 2.5).
    pub(super) fn leave(&mut self, cx: &mut Context<'_>, alone: bool) {
        for (guest, invited) in std::mem::take(&mut self.invited) {
            let kind = if alone { InviteKind::Retract } else { InviteKind::Left };
            let id = cx.ids.token();
            cx.send(chat(guest.into(), id, CallInvite::new(&invited, kind, None).write()));
        }
        if let Some(invitation) = self.came_by.take() {
            let message = invitation.answer(cx.ids.token(), InviteKind::Left);
            cx.send(message);
        }
    }
}
