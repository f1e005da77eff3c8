//! Who takes part on both sides of a bridge, and what each side is told of the other.
//!
//! Callers' addresses are told only while the room shows its own people's: in a semi-anonymous room they are `Guest 1`, `Guest 2`, for the
//! room and for each other. Callers know people in the room by nick.

use std::collections::BTreeMap;

use jid::{BareJid, FullJid};
use muji_jingle::CallId;

use super::caller::{Caller, CallerState};
use crate::guest::{EndpointStatus, Guest};
use crate::peer::Peer;

/// Characters of a nick that callers are told. A nick may have a thousand, and a document names
/// up to [`MAX_USERS`](muji_xep::conference_info::MAX_USERS) people.
const MAX_NICK: usize = 64;

/// Somebody in the room's call.
#[derive(Debug, Clone)]
struct Person {
    /// A short name for it, such as `r1`: a nick could be the id of a caller.
    id: String,
    nick: String,
    muted: bool,
}

/// Those in the room's call but us.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster {
    people: BTreeMap<FullJid, Person>,
    /// People so far: their ids.
    numbered: u32,
    /// The room is semi-anonymous by now.
    hides_jids: bool,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    pub(super) fn has(&self, who: &BareJid) -> bool {
        self.people.keys().any(|jid| jid.to_bare() == *who)
    }

    pub(super) fn connected(&mut self, peer: &Peer) {
        let nick: String = peer.nick.chars().take(MAX_NICK).collect();
        if let Some(known) = self.people.get_mut(&peer.jid) {
            known.nick = nick;
            return;
        }
        self.numbered += 1;
        let person = Person { id: format!("r{}", self.numbered), nick, muted: false };
        self.people.insert(peer.jid.clone(), person);
    }

    pub(super) fn left(&mut self, peer: &Peer) {
        self.people.remove(&peer.jid);
    }

    pub(super) fn muted(&mut self, peer: &Peer, muted: bool) {
        self.people.get_mut(&peer.jid).into_iter().for_each(|person| person.muted = muted);
    }

    /// The room hides the addresses of its people from now on.
    pub(super) fn hides_jids(&mut self) {
        self.hides_jids = true;
    }

    /// We have entered the room, as we do only if it shows them.
    pub(super) fn shows_jids(&mut self) {
        self.hides_jids = false;
    }

    /// A caller as the room and other callers see it.
    pub(super) fn shown(&self, caller: &Caller) -> Guest {
        let guest = caller.guest();
        if !self.hides_jids {
            return guest;
        }
        let name = format!("Guest {}", guest.id.trim_start_matches('c'));
        Guest { name, jid: None, ..guest }
    }

    /// What the room is told.
    pub(super) fn for_room(&self, callers: &BTreeMap<CallId, Caller>) -> Vec<Guest> {
        callers.values().map(|caller| self.shown(caller)).collect()
    }

    /// What each caller is told who takes part: the other callers, and the room's people.
    pub(super) fn for_callers(&self, callers: &BTreeMap<CallId, Caller>) -> Vec<(CallId, Vec<Guest>)> {
        let inside = callers.values().filter(|caller| caller.state == CallerState::In);
        let of = |call: CallId| {
            let others = callers.values().filter(|caller| caller.call != call).map(|caller| self.shown(caller));
            others.chain(self.people.values().map(Person::shown)).collect()
        };
        inside.map(|caller| (caller.call, of(caller.call))).collect()
    }
}

impl Person {
    fn shown(&self) -> Guest {
        let Self { id, nick, muted } = self;
        let status = EndpointStatus::Connected;
        Guest { id: id.clone(), name: nick.clone(), jid: None, status, muted: *muted, source: None }
    }
}
