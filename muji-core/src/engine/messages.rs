//! Messages: ringing, invitations, what a room says of itself; and the copies of what other devices hear and say (XEP-0280).

use std::time::{Duration, Instant};

use jid::{BareJid, Jid};
use muji_jingle::timers;
use muji_xep::invite::{CallInvite, InviteKind};
use muji_xep::jmi::JingleMessage;
use muji_xep::muc::MucUser;
use muji_xep::room_invite::{self, RoomInvite};
use muji_xep::{Element, guard, ns};
use xmpp_parsers::message::{Message, MessageType};
use xmpp_parsers::stanza::Stanza;

use super::Engine;
use crate::call_message::{Heard, Sender};
use crate::command::Join;
use crate::delay::Delay;
use crate::event::{Event, EventScope, Handled};
use crate::invitation::Invitation;
use crate::output::Output;
use crate::stanza;
use crate::{config, wall_clock};

/// A message, and who said it to whom, whichever way it came.
struct IncomingMessage<'a> {
    message: &'a Message,
    sender: Sender,
    delay: Delay,
}

impl Engine {
    pub(super) fn handle_message(&mut self, now: Instant, message: &Message) -> Handled {
        if let Some(excess) = message.payloads.iter().find_map(|payload| guard::check(payload).err()) {
            let from = message.from.as_ref().map(ToString::to_string).unwrap_or_default();
            self.skipped(from, &format!("a message that is {excess}"));
            return Handled::NotOurs; // Copying it could exhaust the stack.
        }
        if message.payloads.iter().any(|payload| payload.ns() == ns::CARBONS) {
            return self.handle_carbon(now, message);
        }
        if let Some(incoming) = self.incoming(message)
            && self.handle_call_message(now, &incoming)
        {
            return Handled::Shared;
        }
        if message.type_ == MessageType::Error && self.handle_returned(now, message) {
            return Handled::Shared;
        }
        if let Some(handled) = self.handle_invite(now, message) {
            return handled;
        }
        self.handle_room_message(now, message)
    }

    fn handle_carbon(&mut self, now: Instant, message: &Message) -> Handled {
        let Some((forwarded, sent)) = self.forwarded(message) else { return Handled::NotOurs };
        let Some(written) = forwarded.get_child("message", ns::CLIENT) else { return Handled::NotOurs };
        match stanza::read(written) {
            Ok(Stanza::Message(copy)) => {
                let Some(sender) = self.copied(&copy, written, sent) else { return Handled::NotOurs };
                let stamped = message.payloads.iter().chain(forwarded.children()).chain(&copy.payloads);
                let delay = Delay::find(stamped);
                self.handle_call_message(now, &IncomingMessage { message: &copy, sender, delay });
            }
            Ok(_) => {}
            Err(unreadable) => self.skipped(unreadable.from.clone().unwrap_or_default(), &unreadable.to_string()),
        }
        Handled::Shared
    }

    /// A message that was said to us.
    fn incoming<'a>(&self, message: &'a Message) -> Option<IncomingMessage<'a>> {
        let from = message.from.clone()?.try_into_full().ok()?;
        let us = self.us.as_ref().filter(|us| **us != from)?;
        if !is_spoken(message) {
            return None;
        }
        let sender = if from.to_bare() == us.to_bare() { Sender::Device(from) } else { Sender::Peer(from) };
        Some(IncomingMessage { message, sender, delay: Delay::find(&message.payloads) })
    }

    /// What a copy holds, and whether we said it. Only our own account makes copies (XEP-0280 section 11).
    fn forwarded<'a>(&self, message: &'a Message) -> Option<(&'a Element, bool)> {
        self.us.as_ref().filter(|us| message.from.as_ref().is_some_and(|from| *from == us.to_bare()))?;
        let of = |name: &str| message.payloads.iter().find(|payload| payload.is(name, ns::CARBONS));
        let (copied, sent) = match (of("sent"), of("received")) {
            (Some(copied), _) => (copied, true),
            (None, Some(copied)) => (copied, false),
            (None, None) => return None,
        };
        Some((copied.get_child("forwarded", ns::FORWARD)?, sent))
    }

    /// Who said to all of our devices, or by another of them, what was copied.
    fn copied(&self, copy: &Message, written: &Element, sent: bool) -> Option<Sender> {
        let us = self.us.as_ref().filter(|_| is_spoken(copy))?; // An error may hold what it returns, which its sender did not say.
        let from = copy.from.clone()?.try_into_full().ok()?;
        let ours = from.to_bare() == us.to_bare();
        // As it is written: the resource of another device may be none that can be read.
        let to_all = written.attr("to").is_none_or(|to| !to.contains('/'));
        if sent && ours && from != *us {
            Some(Sender::Device(from))
        } else if !sent && !ours && to_all {
            Some(Sender::Peer(from))
        } else {
            None // Said to another device alone: if that one is late, it is told so itself.
        }
    }

    /// True if it spoke of a call.
    fn handle_call_message(&mut self, now: Instant, incoming: &IncomingMessage<'_>) -> bool {
        if let Some(message) = JingleMessage::find(&incoming.message.payloads) {
            let since = self.since(now, incoming.delay, timers::CALLING);
            let heard = Heard { sender: incoming.sender.clone(), message, since };
            self.archived.said(&heard);
            // Sessions run between real JIDs, so nobody is called from behind a nick.
            let bare = heard.sender.jid().to_bare();
            if self.shared.config.one_to_one && !self.is_room(&bare) {
                self.hear(now, &heard);
            }
            return self.shared.config.one_to_one;
        }
        let id = incoming.message.id.as_ref().map(|id| id.0.as_str());
        let reference = muji_xep::invite::reference(&incoming.message.payloads, id, None);
        let Some(invite) = CallInvite::find(&incoming.message.payloads, reference) else { return false };
        self.handle_call_invite(now, incoming, invite);
        true
    }

    fn hear(&mut self, now: Instant, heard: &Heard) {
        let met = self.has_met(&heard.sender.jid().to_bare());
        self.with_direct_calls(now, |direct_calls, cx, us| direct_calls.heard(cx, us, heard, met));
    }

    pub(super) fn take_archived(&mut self, now: Instant, age: Duration, message: &Message) {
        if message.payloads.iter().any(|payload| guard::check(payload).is_err()) || !self.shared.config.one_to_one {
            return; // Copying it could exhaust the stack.
        }
        let Some(incoming) = self.incoming(message) else { return };
        let Some(spoken) = JingleMessage::find(&message.payloads) else { return };
        if !self.is_room(&incoming.sender.jid().to_bare()) {
            self.archived.found(now, age, Heard { sender: incoming.sender, message: spoken, since: None });
        }
    }

    /// That was all that had been said while we were away. Callers that still wait ring for the rest of their time; calls that are
    /// over and were answered on no device are [`Event::Missed`].
    pub fn archive_done(&mut self, now: Instant) {
        self.archived.take().iter().for_each(|heard| self.hear(now, heard));
    }

    fn is_room(&self, jid: &BareJid) -> bool {
        self.call_in(jid).is_some() || self.chat_rooms.contains_key(jid)
    }

    fn handle_call_invite(&mut self, now: Instant, incoming: &IncomingMessage<'_>, invite: CallInvite) {
        match (&incoming.sender, invite.kind) {
            (Sender::Device(device), kind) => {
                self.invitations.device_said(device, &invite.id, kind, &mut self.shared.out);
            }
            (Sender::Peer(from), InviteKind::Invite { .. }) => {
                match self.since(now, incoming.delay, config::INVITATION_LIFETIME) {
                    Some(since) => self.show_invitation(now, since, from.clone().into(), invite, None),
                    None => self.skipped(from.to_string(), "an invitation of long ago"),
                }
            }
            (Sender::Peer(from), kind) => self.guest_said(now, &from.clone().into(), &invite.id, kind),
        }
    }

    /// Somebody answers one of our invitations, or takes its own back.
    fn guest_said(&mut self, now: Instant, from: &Jid, id: &str, kind: InviteKind) {
        match kind {
            InviteKind::Retract => self.invitations.retracted(from, id, &mut self.shared.out),
            InviteKind::Reject => self.with_all(now, |conference, cx| conference.guest_rejects(cx, from, id)),
            InviteKind::Invite { .. } | InviteKind::Accept | InviteKind::Left => {} // Who comes is seen in the room.
        }
    }

    fn show_invitation(
        &mut self,
        now: Instant,
        since: Instant,
        from: Jid,
        invite: CallInvite,
        within: Option<BareJid>,
    ) {
        let InviteKind::Invite { audio, video } = invite.kind else { return };
        let Some(room) = invite.room else {
            // A session that is offered later (`jingle`): calls with one person are proposed (XEP-0353), here and by all clients.
            return self.skipped(from.to_string(), "an invitation to a call that names no room by a JID");
        };
        let invitation = Invitation { from, room, id: invite.id, audio, video, external: invite.external, within };
        let counterpart = self.direct_calls.talking_with(&invitation.from.to_bare()).is_some();
        if self.shared.config.follow
            && counterpart
            && invitation.within.is_none()
            && self.call_in(&invitation.room).is_none()
        {
            // A refusal has its reason in calls that are there; the call with one person goes on.
            return drop(self.accept(now, &invitation, Join::call_room()));
        }
        if self.call_in(&invitation.room).is_none()
            && self.invitations.is_news(now, since, &invitation.room, Some(&invitation), &mut self.shared.out)
        {
            self.shared.out.push_back(Output::Event(EventScope::Account, Event::Invited(Box::new(invitation))));
        }
    }

    pub(super) fn skipped(&mut self, from: String, what: &str) {
        let event = Event::Skipped { from, what: what.to_owned() };
        self.shared.out.push_back(Output::Event(EventScope::Account, event));
    }

    /// Since when something holds that was said at that time and `lasts` so long; `None` if it is over.
    fn since(&self, now: Instant, said: Delay, lasts: Duration) -> Option<Instant> {
        wall_clock::since(now, self.clock.age(now, said)?, lasts)
    }

    /// Our own proposal or invitation came back: a server or a device says why.
    fn handle_returned(&mut self, now: Instant, message: &Message) -> bool {
        let (Some(from), Some(id)) = (&message.from, &message.id) else { return false };
        let why = stanza::returned_condition(&message.payloads);
        let proposal =
            self.with_direct_calls(now, |direct_calls, cx, us| direct_calls.returned(cx, us, from, &id.0, &why));
        let mut calls = self.calls.keys().copied().collect::<Vec<_>>().into_iter();
        proposal == Some(true)
            || calls.any(|call| {
                let invitation =
                    self.with_call(now, call, |conference, cx| conference.invitation_returned(cx, from, &id.0, &why));
                invitation == Some(true)
            })
    }

    /// Invitations that are not from a person's device to ours: to all of a chat room, and to a room as such. A copy of our
    /// own, or an old one from an archive, is none.
    fn handle_invite(&mut self, now: Instant, message: &Message) -> Option<Handled> {
        let since = self.since(now, Delay::find(&message.payloads), config::INVITATION_LIFETIME)?;
        match message.type_ {
            MessageType::Groupchat => self.handle_group_invite(now, since, message),
            MessageType::Chat | MessageType::Normal => self.handle_room_invite(now, since, message),
            MessageType::Error | MessageType::Headline => None,
        }
    }

    /// Somebody invites all of a chat room, or answers there. What our devices say comes back under our nick.
    fn handle_group_invite(&mut self, now: Instant, since: Instant, message: &Message) -> Option<Handled> {
        let from = message.from.clone()?;
        let chat = from.to_bare();
        let nick = from.resource()?.as_str();
        let ours = self.chat_rooms.get(&chat).and_then(|chat_room| chat_room.nick.as_deref()) == Some(nick);
        let id = message.id.as_ref().map(|id| id.0.as_str());
        let reference = muji_xep::invite::reference(&message.payloads, id, Some(&chat));
        let invite = CallInvite::find(&message.payloads, reference)?;
        match (ours, invite.kind) {
            (true, kind) => {
                let device = from.try_into_full().ok()?;
                self.invitations.device_said(&device, &invite.id, kind, &mut self.shared.out);
            }
            (false, InviteKind::Invite { .. }) => self.show_invitation(now, since, from, invite, Some(chat)),
            (false, kind) => self.guest_said(now, &from, &invite.id, kind),
        }
        Some(Handled::Shared)
    }

    /// An invitation to a room as such; whether there is a call the client may find out.
    fn handle_room_invite(&mut self, now: Instant, since: Instant, message: &Message) -> Option<Handled> {
        let invite = RoomInvite::find(message.from.as_ref()?, &message.payloads)?;
        let ours = self.us.as_ref().is_some_and(|us| us.to_bare() == invite.from.to_bare());
        let there = self.call_in(&invite.room).is_some()
            || self.chat_rooms.get(&invite.room).is_some_and(|chat_room| chat_room.nick.is_some());
        if !ours && !there && self.invitations.is_news(now, since, &invite.room, None, &mut self.shared.out) {
            self.shared.out.push_back(Output::Event(EventScope::Account, Event::RoomInvited(invite)));
        }
        Some(Handled::Shared)
    }

    /// A room speaks of itself in messages.
    fn handle_room_message(&mut self, now: Instant, message: &Message) -> Handled {
        let Some(room) = message.from.as_ref().filter(|from| from.is_bare()).map(Jid::to_bare) else {
            return Handled::NotOurs;
        };
        let (Some(call), Some(user)) = (self.call_in(&room), MucUser::find(&message.payloads)) else {
            return Handled::NotOurs;
        };
        let handled = self.what_a_room_says(call);
        let declined = room_invite::declined(&message.payloads);
        self.with_call(now, call, |conference, cx| match declined {
            _ if message.type_ == MessageType::Error => conference.not_passed_on(cx, &message.payloads),
            Some((guest, reason)) => conference.was_declined(cx, guest, reason),
            None => conference.room_changed(cx, &user),
        });
        handled
    }
}

/// True if its sender says what it holds, to persons.
fn is_spoken(message: &Message) -> bool {
    match message.type_ {
        MessageType::Chat | MessageType::Normal | MessageType::Headline => true,
        MessageType::Error | MessageType::Groupchat => false,
    }
}
