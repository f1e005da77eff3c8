//! Rooms: joining a call in one, making one for a call, answering invitations, and who is in a call in a chat room.

use std::time::Instant;

use jid::{BareJid, DomainRef, NodePart};
use muji_jingle::CallId;
use muji_xep::invite::InviteKind;
use muji_xep::room_invite::{self, RoomInvite, Via};
use xmpp_parsers::message::Message;

use super::Engine;
#[cfg(doc)]
use crate::command::Command;
use crate::command::{Join, RoomKind};
use crate::conference::Conference;
use crate::config;
use crate::error::Refused;
use crate::event::{Event, EventScope};
use crate::invitation::Invitation;
use crate::outgoing_stanza::OutgoingStanza;
use crate::output::Output;
use crate::peer::{Peer, call_nick, occupant_jid};
use crate::room_state::RoomPresence;

/// What XML does not have (XML 1.0 section 2.2), and other control characters, which nobody means.
fn is_no_xml(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}')
}

impl Engine {
    /// Enters a room and its call. What becomes of it comes as events.
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn join(&mut self, now: Instant, room: BareJid, how: Join) -> Result<CallId, Refused> {
        let chat_room = match how.room_kind {
            RoomKind::CallRoom => None,
            RoomKind::ChatRoom => {
                let chat_room = self.chat_rooms.get(&room).filter(|chat_room| chat_room.nick.is_some());
                Some(chat_room.cloned().ok_or(Refused::NotInRoom)?)
            }
        };
        let again = self.left.contains(&room);
        let chat_nick = chat_room.as_ref().and_then(|chat_room| {
            let nick = chat_room.nick.as_deref()?;
            Some(if chat_room.hides_us { call_nick(nick) } else { nick.to_owned() })
        });
        let (call, mut conference) = self.enter(now, None, room, how, chat_nick)?;
        if again {
            conference = conference.again();
        }
        if let Some(chat_room) = chat_room {
            conference = conference.in_chat_room(&mut self.context(now), &chat_room);
        }
        self.calls.insert(call, conference);
        Ok(call)
    }

    /// Makes a room for a call at this service and enters it: for members only, whom [`Command::Admit`] makes, under a name
    /// that nobody can guess. It is gone when the last one leaves.
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn open(&mut self, now: Instant, service: &DomainRef, how: Join) -> Result<(BareJid, CallId), Refused> {
        let room = BareJid::from_parts(Some(&self.room_name()), service);
        let (call, mut conference) =
            self.enter(now, None, room.clone(), Join { room_kind: RoomKind::CallRoom, ..how }, None)?;
        conference.is_ours_alone();
        self.calls.insert(call, conference);
        Ok((room, call))
    }

    /// A name that nobody can guess.
    pub(super) fn room_name(&mut self) -> NodePart {
        NodePart::new(&self.shared.ids.token()).expect("hexadecimal digits are a node").into_owned()
    }

    /// The way into every room; `call` is one that goes on there.
    pub(super) fn enter(
        &mut self,
        now: Instant,
        call: Option<CallId>,
        room: BareJid,
        how: Join,
        chat_nick: Option<String>,
    ) -> Result<(CallId, Conference), Refused> {
        let us = self.us.clone().ok_or(Refused::NotConnected)?;
        self.is_online()?;
        self.may_enter(&room)?;
        if how.media.iter().all(|media| self.shared.capabilities.of(media).is_empty()) {
            return Err(Refused::NoCodec);
        }
        if how.password.as_ref().is_some_and(|password| password.expose().contains(is_no_xml)) {
            return Err(Refused::BadPassword);
        }
        let named = chat_nick.or_else(|| how.nick.clone()).or_else(|| self.shared.config.nick.clone());
        let nick = named.unwrap_or_else(|| self.shared.ids.nick());
        let occupant = occupant_jid(&room, &nick).ok_or(Refused::BadNick)?;
        let call = call.unwrap_or_else(|| self.shared.ids.call());
        self.seek_servers(now);
        Ok((call, Conference::enter(&mut self.context(now), call, us, occupant, how)))
    }

    fn may_enter(&self, room: &BareJid) -> Result<(), Refused> {
        if self.calls.values().any(|call| call.room() == room) {
            return Err(Refused::AlreadyThere);
        }
        if self.calls.len() >= config::MAX_CALLS {
            return Err(Refused::TooManyCalls);
        }
        Ok(())
    }

    /// Takes an invitation: tells the person who invited us and joins the call, if it is still there. If we talk with that
    /// person, that call goes on there: it keeps its id, its session and what is sent in it.
    ///
    /// # Errors
    /// As [`Self::join`]; nothing was sent then.
    pub fn accept(&mut self, now: Instant, invitation: &Invitation, how: Join) -> Result<CallId, Refused> {
        let before = self.direct_calls.talking_with(&invitation.from.to_bare());
        let call = match before.filter(|_| invitation.within.is_none()) {
            Some(call) => {
                self.goes_on_in(now, call, invitation.room.clone(), how.invited())?;
                call
            }
            None => self.join(now, invitation.room.clone(), how.invited())?,
        };
        self.invitations.accepted(&invitation.room);
        self.answer_invitation(invitation, InviteKind::Accept);
        let answered = invitation.clone();
        self.with_call(now, call, |conference, _| conference.came_by(answered));
        Ok(call)
    }

    /// Tells the person who invited us that we do not come. If it invites us again, that is shown again.
    pub fn decline(&mut self, invitation: &Invitation) {
        self.invitations.declined(&invitation.room);
        self.answer_invitation(invitation, InviteKind::Reject);
    }

    /// Tells the person who invited us to a room that we do not come, unless it did so directly (XEP-0249 section 2). To
    /// come: [`Self::join`] it with [`Join::invited`].
    pub fn decline_room(&mut self, invite: &RoomInvite) {
        self.invitations.declined(&invite.room);
        if invite.via == Via::Room {
            let mut message = Message::normal(Some(invite.room.clone().into()));
            message.payloads = vec![room_invite::decline(&invite.from.to_bare())];
            self.shared.out.push_back(Output::Send(OutgoingStanza::new(message)));
        }
    }

    fn answer_invitation(&mut self, invitation: &Invitation, kind: InviteKind) {
        let message = invitation.answer(self.shared.ids.token(), kind);
        self.shared.out.push_back(Output::Send(OutgoingStanza::new(message)));
    }

    /// Who is in a call in a chat room in which the client sits, whether or not we take part.
    #[must_use]
    pub fn people_in_call(&self, room: &BareJid) -> Vec<Peer> {
        let chat_room = self.chat_rooms.get(room);
        let people = chat_room.into_iter().flat_map(|chat_room| chat_room.occupants.participants());
        people.map(|(nick, jid, _)| Peer { nick: nick.to_owned(), jid: jid.clone() }).collect()
    }

    /// Keeps up with who is in a call in a room, whether or not we are.
    pub(super) fn observe(&mut self, now: Instant, room: &BareJid, presence: &RoomPresence) {
        if self.calls.values().any(|call| call.room() == room && call.has_room_of_its_own()) {
            return;
        }
        if !self.chat_rooms.contains_key(room) && self.chat_rooms.len() >= config::MAX_ROOMS {
            // Rooms in which the client does not sit may be a stranger's invention.
            let invented =
                self.chat_rooms.iter().find(|(_, chat_room)| chat_room.nick.is_none()).map(|(room, _)| room.clone());
            let Some(invented) = invented else { return }; // A client in so many rooms is told of calls in the first ones.
            self.chat_rooms.remove(&invented);
        }
        let chat_room = self.chat_rooms.entry(room.clone()).or_default();
        let changed = chat_room.heard(now, self.us.as_ref(), presence);
        if chat_room.is_empty() {
            self.chat_rooms.remove(room);
        }
        if changed && self.call_in(room).is_none() {
            let event = Event::CallRunning { people: self.people_in_call(room) };
            self.shared.out.push_back(Output::Event(EventScope::Room(room.clone()), event));
        }
    }
}
