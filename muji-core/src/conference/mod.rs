//! One call in one room: entering, publishing, a session with each participant, coming back, leaving.
//!
//! ```text
//!                presences, answers                stanzas of sessions, media
//!                       │                                      │
//!   ┌───────────────────▼──────────────────────────────────────▼──────────────────┐
//!   │ Membership            Publishing              Participants        Guests    │
//!   │ in the room? under    our contents: announce, a session with      who is    │
//!   │ which nick? what must wait, publish; payload  each other, offers  invited,  │
//!   │ be asked? come back?  ids, our own echo       held, recovery      by whom   │
//!   └─────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Each of the four decides about its own matter. What concerns another of them it returns; here that is passed on, in the order of
//! the wire:
//! - `presences`: what the room says, and what follows from it;
//! - `own_contents`: our contents on their way;
//! - `leaving`: losing the room and leaving it;
//! - `from_direct_call`: a call with one person that goes on in the room.
//!
//! The room repeats all presences to everybody in one order (XEP-0045), so what came before our own echo came before us for
//! all the others too. On that rest whose turn it is to publish and who of a pair calls (XEP-0272 section 3).

mod from_direct_call;
mod guests;
mod leaving;
mod membership;
mod own_contents;
mod participant;
mod participants;
mod presences;
mod publishing;

use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use muji_jingle::{CallId, Hold, Mute, Session, SessionId};
use muji_xep::bridge::BridgeMark;
use muji_xep::jingle::{Content, Jingle};
use muji_xep::muji::MujiElement;
use muji_xep::rtp::Media;
use muji_xep::{Element, Skipped, dtls, muc};
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza_error::StanzaError;

use crate::command::{Command, Join, RoomKind};
use crate::config::GUESTS_BYTES;
use crate::context::Context;
use crate::error::{EndReason, Refused};
use crate::event::Event;
use crate::guest::{self, Guest};
use crate::handover::Handover;
use crate::invitation::Invitation;
use crate::media::{MediaCommand, MediaReport};
use crate::occupants::Occupants;
use crate::output::Output;
use crate::pair::Pair;
use crate::room_state::RoomState;
use crate::stanza;
use crate::warning::{RoomRequest, Warning};
use guests::{CallDetails, Guests, Invitee, Invites};
use membership::{Membership, RoomQuery};
use participants::{ConferenceView, Participants, PublishState};
use publishing::Publishing;

/// A call in a room.
#[derive(Debug, Clone)]
pub(crate) struct Conference {
    call: CallId,
    us: FullJid,
    membership: Membership,
    publishing: Publishing,
    participants: Participants,
    guests: Guests,
    /// Who of the room takes part, as the room tells it.
    occupants: Occupants,
    /// The other in the call with one person that this was; until we are in the room, we can go back to it.
    before: Option<FullJid>,
    handed_back: Option<Box<Handover>>,
    /// Who sees us for this call, since it was one with one person.
    shown_to: Option<Jid>,
    /// Who takes part through us, as a bridge, and how often that was another than before; 0 if we are none.
    through_us: Vec<Guest>,
    guests_version: u32,
    /// We are this bridge.
    bridge: Option<BridgeMark>,
}

impl Conference {
    /// Enters the room, announcing at once that we prepare.
    pub(crate) fn enter(cx: &mut Context<'_>, call: CallId, us: FullJid, occupant: FullJid, how: Join) -> Self {
        let mut this = Self {
            call,
            us,
            publishing: Publishing::new(how.media.clone()),
            membership: Membership::new(cx.now, occupant, how, cx.config),
            participants: Participants::default(),
            guests: Guests::default(),
            occupants: Occupants::default(),
            before: None,
            handed_back: None,
            shown_to: None,
            through_us: Vec::new(),
            guests_version: 0,
            bridge: None,
        };
        this.enter_room(cx);
        this
    }

    /// We were in this room before.
    pub(crate) fn again(mut self) -> Self {
        self.membership.returns();
        self
    }

    /// The room is made for this call: nobody may enter who was not invited.
    pub(crate) fn is_ours_alone(&mut self) {
        self.membership.makes_room();
    }

    /// The client sits in the room already.
    pub(crate) fn in_chat_room(mut self, cx: &mut Context<'_>, room: &RoomState) -> Self {
        self.membership.knows_room(room.shows_jids, room.hides_us);
        if let Some(shared) = room.nick.clone().filter(|_| room.hides_us) {
            self.tell_nick(cx, shared);
        }
        for (nick, occupant) in room.occupants.iter() {
            self.takes_part(cx, nick, occupant.real.clone(), occupant.muji.clone(), Some(occupant.quirks));
            self.occupants.share(nick, room.occupants.sharers(nick));
        }
        self
    }

    // ---- how it stands -----------------------------------------------------------------------------------------------

    /// True if it is our own occupant in the room.
    pub(crate) fn is_us(&self, who: &Jid) -> bool {
        self.membership.is_us(who)
    }

    /// True if this person is in the call too.
    pub(crate) fn has_met(&self, who: &BareJid) -> bool {
        self.participants.has_met(who)
    }

    pub(crate) fn room(&self) -> &BareJid {
        self.membership.room()
    }

    pub(crate) fn has_room_of_its_own(&self) -> bool {
        self.membership.room_kind() == RoomKind::CallRoom
    }

    pub(crate) fn is_over(&self) -> bool {
        self.membership.is_over()
    }

    /// True once the room has repeated our contents, while we stay.
    fn is_active(&self) -> bool {
        self.membership.is_present() && self.publishing.is_public()
    }

    /// True once others may have seen our contents, while we stay.
    fn is_published(&self) -> bool {
        self.membership.is_present() && self.publishing.is_out()
    }

    /// How we stand with each other participant, by nick.
    pub(crate) fn pairs(&self) -> Vec<Pair> {
        let mut pairs = self.participants.pairs(&self.occupants);
        pairs.sort_by(|a, b| a.peer.nick.cmp(&b.peer.nick));
        pairs
    }

    /// The sessions with all others; `None` if one is not connected.
    pub(crate) fn connected_sessions(&self) -> Option<Vec<&Session>> {
        self.participants.connected_sessions()
    }

    // ---- sessions ----------------------------------------------------------------------------------------------------

    /// The participants, and what their sessions depend on.
    fn participants(&mut self) -> (&mut Participants, ConferenceView<'_>) {
        let state = if self.membership.has_left() {
            PublishState::Leaving
        } else if self.is_active() {
            PublishState::Public
        } else if self.is_published() {
            PublishState::Published
        } else {
            PublishState::Unpublished
        };
        let view = ConferenceView {
            call: self.call,
            us: &self.us,
            room: self.membership.room(),
            occupants: &self.occupants,
            contents: self.publishing.contents(),
            media: self.publishing.wanted(),
            muted: self.publishing.muted(),
            holding: self.publishing.is_holding(),
            state,
            later_stay: self.membership.is_later_stay(),
        };
        (&mut self.participants, view)
    }

    /// The session that a peer's stanza names.
    pub(crate) fn session_of(&self, peer: &FullJid, sid: &str) -> Option<SessionId> {
        self.participants.session_of(peer, sid)
    }

    /// A session-initiate marked with our room.
    pub(crate) fn offered(&mut self, cx: &mut Context<'_>, id: &str, from: &FullJid, offer: &Jingle) {
        self.learn_device(cx, from);
        let (participants, view) = self.participants();
        participants.offered(cx, &view, id, from, offer);
    }

    /// A peer's request in a session.
    pub(crate) fn session_requested(&mut self, cx: &mut Context<'_>, session: SessionId, id: &str, jingle: &Jingle) {
        let (participants, view) = self.participants();
        participants.session_requested(cx, &view, session, id, jingle);
    }

    /// The result of a request in a session. False if it was none.
    pub(crate) fn session_answered(
        &mut self,
        cx: &mut Context<'_>,
        peer: &FullJid,
        id: &str,
        outcome: Result<(), &StanzaError>,
    ) -> bool {
        let (participants, view) = self.participants();
        participants.session_answered(cx, &view, peer, id, outcome)
    }

    /// News from the media layer, about a session or about none.
    pub(crate) fn media(&mut self, cx: &mut Context<'_>, report: &MediaReport) {
        if let Some(session) = report.session() {
            let (participants, view) = self.participants();
            participants.media(cx, &view, session, report);
        } else if let MediaReport::Trouble(trouble) = report {
            self.warn(cx, Warning::Media(trouble.clone()));
        }
    }

    // ---- what the user does ------------------------------------------------------------------------------------------

    /// Does what the user wants.
    pub(crate) fn command(&mut self, cx: &mut Context<'_>, command: Command) -> Result<(), Refused> {
        match command {
            Command::Leave => self.withdraw(cx, EndReason::Left),
            Command::EndForAll => return self.end_for_all(cx),
            Command::Mute(media, mute) => self.mute(cx, &media, mute),
            Command::Hold(hold) => self.hold(cx, hold),
            Command::SendDigits(digits) => {
                let (participants, view) = self.participants();
                if !participants.send_digits(cx, &view, &digits) {
                    return Err(Refused::NoDigits);
                }
            }
            Command::SetGuests(guests) => {
                if self.through_us != guests {
                    self.through_us = guests;
                    self.guests_version = self.guests_version.saturating_add(1);
                    self.restate_muji(cx);
                }
            }
            Command::SetBridge(bridge) => {
                if self.bridge.as_ref() != Some(&bridge) {
                    self.bridge = Some(bridge);
                    self.restate_muji(cx);
                }
            }
            Command::Add(media) => return self.add(cx, media),
            Command::Remove(media) => return self.remove(cx, &media),
            Command::Admit(guest) => return self.admit(cx, &guest),
            Command::Invite(guest) => return self.invite(cx, Invitee { jid: guest, to: Invites::Call }),
            Command::InviteToRoom(guest, via) => {
                return self.invite(cx, Invitee { jid: guest, to: Invites::Room(via) });
            }
            Command::Accept(_) | Command::Decline | Command::Refuse(_) => return Err(Refused::NotRinging),
        }
        Ok(())
    }

    /// Stops listening and sending, or goes on.
    fn hold(&mut self, cx: &mut Context<'_>, hold: Hold) {
        self.publishing.hold(hold == Hold::On);
        let capture = if hold == Hold::On { Mute::On } else { Mute::Off };
        for content in self.publishing.contents() {
            self.capture(cx, content, capture);
        }
        let (participants, view) = self.participants();
        participants.set_hold(cx, &view, hold);
    }

    /// Stops or resumes sending.
    fn mute(&mut self, cx: &mut Context<'_>, media: &Media, mute: Mute) {
        for content in self.publishing.mute(media, mute) {
            self.capture(cx, &content, mute);
            let (participants, view) = self.participants();
            participants.announce_mute(cx, &view, &content.name, mute);
        }
    }

    /// Starts or stops capturing what is sent as `content`; nothing starts while it is muted or we hold.
    fn capture(&self, cx: &mut Context<'_>, content: &Content, mute: Mute) {
        let Some(media) = content.media().cloned() else { return };
        let call = self.call;
        let publication = content.name.clone();
        let command = match mute {
            Mute::Off if self.publishing.is_silenced(&media) => return,
            Mute::Off => MediaCommand::Publish { call, publication, media },
            Mute::On => MediaCommand::Unpublish { call, publication },
        };
        cx.out.push_back(Output::Media(command));
    }

    /// What the client says in every presence is another thing now: we say it too.
    pub(crate) fn extras_changed(&mut self, cx: &mut Context<'_>) {
        self.restate_muji(cx);
    }

    // ---- guests ------------------------------------------------------------------------------------------------------

    /// The user lets somebody in. As a member, not an owner: Dino makes owners, who may then destroy the room.
    fn admit(&mut self, cx: &mut Context<'_>, guest: &BareJid) -> Result<(), Refused> {
        if !self.membership.is_owner() {
            return Err(Refused::NotOwner);
        }
        self.membership.ask(cx, RoomQuery::Request(RoomRequest::Admit), muc::admit(guest));
        Ok(())
    }

    /// The user invites somebody, which waits until we are in.
    fn invite(&mut self, cx: &mut Context<'_>, guest: Invitee) -> Result<(), Refused> {
        if !self.is_active() {
            return self.guests.wait(guest);
        }
        self.invite_now(cx, guest);
        Ok(())
    }

    /// The same for several; if one cannot be invited that is told.
    pub(crate) fn invite_all(&mut self, cx: &mut Context<'_>, guests: Vec<BareJid>) {
        for jid in guests {
            if let Err(why) = self.invite(cx, Invitee { jid: jid.clone(), to: Invites::Call }) {
                self.warn(cx, Warning::GuestNotInvited { guest: jid, why });
            }
        }
    }

    /// If the room is ours, the guest is made a member first: without that it could not enter.
    fn invite_now(&mut self, cx: &mut Context<'_>, guest: Invitee) {
        if self.membership.is_owner() {
            let payload = muc::admit(&guest.jid);
            self.membership.ask(cx, RoomQuery::Admission(guest), payload);
        } else {
            self.send_invitation(cx, &guest);
        }
    }

    fn send_invitation(&mut self, cx: &mut Context<'_>, guest: &Invitee) {
        let room = self.membership.room();
        let details = CallDetails { room, password: self.membership.password(), media: self.publishing.wanted() };
        self.guests.invite(cx, details, guest);
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

    /// One of our invitations was returned, or its copy for one device. False if it is none that we made.
    pub(crate) fn invitation_returned(&self, cx: &mut Context<'_>, from: &Jid, id: &str, condition: &str) -> bool {
        let guest = from.to_bare();
        let ours = self.guests.has_invited(&guest, id);
        if ours {
            self.warn(cx, Warning::InvitationReturned { guest, condition: condition.to_owned() });
        }
        ours
    }

    /// A guest whom the room has told does not come.
    pub(crate) fn was_declined(&self, cx: &mut Context<'_>, guest: Jid, reason: Option<String>) {
        self.event(cx, Event::Declined(guest, reason));
    }

    // ---- time --------------------------------------------------------------------------------------------------------

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if !self.membership.is_offline() {
            self.room_timeout(cx);
        }
        self.absence_timeout(cx);
        let (participants, view) = self.participants();
        participants.handle_timeout(cx, &view);
    }

    fn room_timeout(&mut self, cx: &mut Context<'_>) {
        let outcome = self.membership.handle_timeout(cx.now);
        self.follow(cx, outcome);
        self.publishing_timeout(cx);
        if self.is_active() {
            self.membership.ping_if_due(cx);
        }
        for outcome in self.membership.unanswered(cx.now) {
            self.follow(cx, outcome);
        }
        self.resync_timeout(cx);
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let membership = self.membership.poll_timeout(self.is_active(), self.participants.held_until());
        let publishes = self.membership.is_ready() && !self.membership.is_offline();
        let publishing = publishes.then(|| self.publishing.poll_timeout()).flatten();
        membership.into_iter().chain(publishing).chain(self.participants.poll_timeout()).min()
    }

    // ---- what we say -------------------------------------------------------------------------------------------------

    /// Tells the room again what holds of us in the call, if we are in it.
    fn restate_muji(&mut self, cx: &mut Context<'_>) {
        if self.membership.is_present() {
            let muji = self.publishing.muji();
            self.present(cx, Type::None, None, Some(&muji));
        }
    }

    /// Sends a presence to the room; its id.
    fn present(
        &mut self,
        cx: &mut Context<'_>,
        kind: Type,
        enter: Option<Element>,
        muji: Option<&MujiElement>,
    ) -> String {
        let id = cx.ids.token();
        if kind == Type::None {
            self.publishing.echo.say(&id, muji.cloned());
        }
        let extras = cx.extras.iter().filter(|_| kind == Type::None).cloned();
        // Dino's place for it, so that who offers us a session knows for whom to encrypt its fingerprint.
        let device = cx.trust.own_device().map(dtls::write_device_id);
        let muji = muji.map(|muji| {
            let mut element = muji.write();
            device.map(|device| element.append_child(device));
            element
        });
        let bridge = self.bridge.as_ref().filter(|_| muji.is_some()).map(BridgeMark::write);
        let guests = muji.is_some() && self.guests_version > 0;
        let guests =
            guests.then(|| guest::document(None, self.guests_version, &self.through_us).write_within(GUESTS_BYTES));
        let said = stanza::available(enter.into_iter().chain(muji).chain(bridge).chain(guests).chain(extras));
        let to = Some(self.membership.occupant().clone().into());
        cx.send(Presence { type_: kind, to, id: Some(id.clone()), ..said });
        id
    }

    fn event(&self, cx: &mut Context<'_>, event: Event) {
        cx.event(self.call, event);
    }

    /// Tells what of a stanza had no effect.
    pub(crate) fn skipped(&self, cx: &mut Context<'_>, from: &str, skipped: &Skipped) {
        if !skipped.is_empty() {
            self.event(cx, Event::Skipped { from: from.to_owned(), what: skipped.to_string() });
        }
    }

    fn warn(&self, cx: &mut Context<'_>, warning: Warning) {
        self.event(cx, Event::Warning(warning));
    }
}
