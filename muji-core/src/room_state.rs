//! A chat room as its presences tell it: our nick there, whether it shows real JIDs, and who is in a call.
//!
//! This is the one place where a presence of a room is read (XEP-0045 sections 7 to 10); the calls in rooms and the chat rooms
//! in which the client sits both go by what is read here.

use std::time::Instant;

use jid::FullJid;
use muji_xep::bridge::BridgeMark;
use muji_xep::conference_info::ConferenceInfo;
use muji_xep::guard::Excess;
use muji_xep::muc::{MucUser, code};
use muji_xep::muji::MujiElement;
use muji_xep::{Skipped, dtls, guard};
use xmpp_parsers::presence::{Presence, Type};

use crate::client_quirks::ClientQuirks;
use crate::error::RoomFault;
use crate::guest::{self, ShownGuests};
use crate::occupants::Occupants;
use crate::stanza;

/// A presence that an occupant of a room sent, or the room in its name.
#[derive(Debug)]
pub(crate) struct RoomPresence {
    pub(crate) nick: String,
    /// The id with which it was sent, where the room repeats it.
    pub(crate) id: Option<String>,
    pub(crate) kind: PresenceKind,
}

/// What it says.
#[derive(Debug)]
pub(crate) enum PresenceKind {
    /// The occupant is in the room.
    Available(Box<OccupantPresence>),
    /// It is not, any more or under this nick.
    Unavailable(MucUser),
    /// The room refuses one of our presences.
    Refused(RoomFault),
}

/// An occupant as its presence describes it.
#[derive(Debug)]
pub(crate) struct OccupantPresence {
    pub(crate) user: MucUser,
    /// Its part in a call, if it says something about that.
    pub(crate) muji: Option<MujiElement>,
    /// Why that could not be read.
    pub(crate) excess: Option<Excess>,
    /// What of it had no effect.
    pub(crate) skipped: Skipped,
    /// What its client does in its own way, if it says what that is.
    pub(crate) quirks: Option<ClientQuirks>,
    /// The id of its device in an end-to-end encryption.
    pub(crate) device: Option<u32>,
    /// Who takes part through it.
    pub(crate) guests: ShownGuests,
    /// It is this bridge.
    pub(crate) bridge: Option<BridgeMark>,
}

impl RoomPresence {
    /// Reads what somebody of this nick says; `None` if it is no presence of an occupant.
    pub(crate) fn read(nick: String, presence: &Presence) -> Option<Self> {
        let id = presence.id.clone();
        let kind = match presence.type_ {
            Type::None => PresenceKind::Available(Box::new(OccupantPresence::read(presence)?)),
            Type::Unavailable => PresenceKind::Unavailable(MucUser::find(&presence.payloads)?),
            Type::Error => {
                let error = stanza::error(&presence.payloads);
                let fault = error.map(|error| RoomFault::from_condition(&stanza::condition_name(&error)));
                PresenceKind::Refused(fault.unwrap_or_else(|| RoomFault::Other("no reason".to_owned())))
            }
            Type::Probe | Type::Subscribe | Type::Subscribed | Type::Unsubscribe | Type::Unsubscribed => return None,
        };
        Some(Self { nick, id, kind })
    }
}

impl OccupantPresence {
    fn read(presence: &Presence) -> Option<Self> {
        let user = MucUser::find(&presence.payloads)?;
        let mut this = Self {
            user,
            muji: None,
            excess: None,
            skipped: Skipped::default(),
            quirks: ClientQuirks::find(&presence.payloads),
            device: None,
            guests: ShownGuests::default(),
            bridge: BridgeMark::find(&presence.payloads),
        };
        if let Some(element) = MujiElement::find(&presence.payloads) {
            match guard::check(element) {
                Ok(()) => {
                    this.muji = Some(MujiElement::read(element, &mut this.skipped));
                    this.device = dtls::device_id(element);
                }
                Err(excess) => this.excess = Some(excess),
            }
        }
        if let Some(element) = ConferenceInfo::find(&presence.payloads).filter(|_| this.muji.is_some()) {
            match guard::check(element) {
                Ok(()) => this.guests = guest::of(ConferenceInfo::read(element, &mut this.skipped)),
                Err(excess) => this.skipped.note("conference-info", excess),
            }
        }
        Some(this)
    }

    /// Its part in the call, if it prepares or has contents.
    pub(crate) fn part(&self) -> Option<&MujiElement> {
        self.muji.as_ref().filter(|muji| **muji != MujiElement::default())
    }
}

/// Whether others see our presence, by what the room says of the sessions under our nick; `None` if that tells nothing. `enters`: it is the
/// first that we hear under this nick.
///
/// Prosody shows others the session that came first, and names all of them to each; ejabberd names the one that it shows.
pub(crate) fn seen_under_nick(us: &FullJid, user: &MucUser, enters: bool) -> Option<bool> {
    match &user.devices[..] {
        [] => None,
        [only] => Some(only == us),
        several if !several.contains(us) => Some(false),
        _ => enters.then_some(false),
    }
}

/// A chat room in which the client may sit. Of the others only those with Muji are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct RoomState {
    /// The client's nick, if it is in the room.
    pub(crate) nick: Option<String>,
    pub(crate) occupants: Occupants,
    /// Everybody sees real JIDs.
    pub(crate) shows_jids: bool,
    /// Another session of the account has the client's nick and was there first: others see its presence, not the client's.
    pub(crate) hides_us: bool,
}

impl RoomState {
    /// A presence from the room. True if other people are in a call there now.
    pub(crate) fn heard(&mut self, now: Instant, us: Option<&FullJid>, presence: &RoomPresence) -> bool {
        let nick = presence.nick.as_str();
        match &presence.kind {
            PresenceKind::Available(described) if described.user.has(code::SELF) => {
                let enters = self.nick.as_deref() != Some(nick);
                self.nick = Some(nick.to_owned());
                self.shows_jids |= described.user.has(code::NON_ANONYMOUS);
                if let Some(seen) = us.and_then(|us| seen_under_nick(us, &described.user, enters)) {
                    self.hides_us = !seen;
                }
                false
            }
            PresenceKind::Available(described) => self.described(now, nick, described),
            PresenceKind::Unavailable(user) => self.left(nick, user),
            PresenceKind::Refused(_) => false,
        }
    }

    fn described(&mut self, now: Instant, nick: &str, described: &OccupantPresence) -> bool {
        let before = self.in_call(nick).cloned();
        let known = self.occupants.get(nick).map(|known| known.real.clone());
        match (described.part(), described.user.real(known.as_ref()).or(known)) {
            // An occupant over the bound is not shown; a client that joins the call gets a warning that says why.
            (Some(muji), Some(real)) => {
                let _over_a_bound = self.occupants.update(now, nick, real, muji.clone(), described.quirks).is_err();
                self.occupants.share(nick, &described.user.devices);
            }
            (Some(_), None) | (None, _) => drop(self.occupants.remove(nick)),
        }
        self.in_call(nick) != before.as_ref()
    }

    fn left(&mut self, nick: &str, user: &MucUser) -> bool {
        let ours = user.has(code::SELF);
        match user.new_nick.as_deref().filter(|_| user.has(code::RENAMED)) {
            Some(new) if ours => {
                self.nick = Some(new.to_owned());
                false
            }
            Some(new) => {
                let in_call = self.in_call(nick).is_some() || self.in_call(new).is_some();
                self.occupants.rename(nick, new).is_some() && in_call
            }
            None if ours => {
                let had_call = self.occupants.participants().next().is_some();
                *self = Self::default();
                had_call
            }
            None => {
                let in_call = self.in_call(nick).is_some();
                self.occupants.remove(nick);
                in_call
            }
        }
    }

    /// The real JID of an occupant that has contents.
    fn in_call(&self, nick: &str) -> Option<&FullJid> {
        self.occupants.get(nick).filter(|occupant| !occupant.muji.contents.is_empty()).map(|occupant| &occupant.real)
    }

    /// True if nothing is known: the client is not in the room, and neither is a call.
    pub(crate) fn is_empty(&self) -> bool {
        self.nick.is_none() && self.occupants.iter().next().is_none()
    }
}
