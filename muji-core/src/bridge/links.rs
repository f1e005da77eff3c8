//! Other conferences among the callers, and what keeps several bridges from joining rooms in a ring.
//!
//! One room is safe with any number of bridges, as none sends into the room what comes from it. A bridge that calls a bridge joins two
//! rooms, and sound would come back if rooms were joined in a ring:
//!
//! ```text
//!   room 1 ── A ═══ B ── room 2            A names itself to B, B to A: allowed.
//!     │               │                    A then says in room 1 that B is behind it, and B says in room 2 that A is.
//!     └─── C ═══ D ───┘                    C knows from room 1 that B is behind it too: D, and C itself, end their call.
//! ```
//!
//! So between two bridges with nobody behind them a call goes on, and no other. If two such calls begin at once, each side sees the other
//! one in its room, and the bridge with the higher id ends its own. Foreign mixers say only that they are one: one at most takes part.

use std::collections::BTreeMap;

use jid::FullJid;
use muji_jingle::CallId;
use muji_xep::bridge::{BridgeMark, MAX_PATH};

use super::caller::{Caller, CallerState};
use crate::error::BridgeConflict;

/// Who we are among bridges, and the other bridges in the room.
#[derive(Debug, Clone, Default)]
pub(super) struct Links {
    /// Empty until it is drawn.
    id: String,
    in_room: BTreeMap<FullJid, BridgeMark>,
}

impl Links {
    pub(super) fn is_named(&self) -> bool {
        !self.id.is_empty()
    }

    pub(super) fn set_id(&mut self, id: String) {
        self.id = id;
    }

    /// Somebody in the room is this bridge, or none.
    pub(super) fn in_room(&mut self, who: &FullJid, bridge: Option<&BridgeMark>) {
        match bridge {
            Some(bridge) => drop(self.in_room.insert(who.clone(), bridge.clone())),
            None => drop(self.in_room.remove(who)),
        }
    }

    /// What the room is told: those behind us are the bridges among our callers.
    pub(super) fn for_room(&self, callers: &BTreeMap<CallId, Caller>) -> Option<BridgeMark> {
        self.mark(linked(callers).filter_map(|caller| caller.bridge.as_ref()))
    }

    /// What a caller is told: those behind us are the other bridges among our callers, and those that join the room with others.
    pub(super) fn for_caller(&self, callers: &BTreeMap<CallId, Caller>, call: CallId) -> Option<BridgeMark> {
        let others = linked(callers).filter(|caller| caller.call != call).filter_map(|caller| caller.bridge.as_ref());
        self.mark(others.chain(self.in_room.values().filter(|bridge| !bridge.behind.is_empty())))
    }

    fn mark<'a>(&self, others: impl Iterator<Item = &'a BridgeMark>) -> Option<BridgeMark> {
        let ids = others.flat_map(|other| std::iter::once(&other.id).chain(&other.behind)).filter(|id| **id != self.id);
        let mut behind: Vec<String> = Vec::new();
        for id in ids {
            if behind.len() < MAX_PATH && !behind.contains(id) {
                behind.push(id.clone());
            }
        }
        self.is_named().then(|| BridgeMark { id: self.id.clone(), behind })
    }

    /// Why a caller that is a conference cannot take part.
    pub(super) fn conflict(&self, callers: &BTreeMap<CallId, Caller>, caller: &Caller) -> Option<BridgeConflict> {
        let ours = self.for_caller(callers, caller.call).unwrap_or_default();
        if let Some(theirs) = &caller.bridge {
            if theirs.id == ours.id || theirs.behind.contains(&ours.id) {
                return Some(BridgeConflict::Ring);
            }
            if self.in_room.values().any(|other| other.id == theirs.id) {
                return Some(BridgeConflict::InRoom);
            }
            if !theirs.behind.is_empty() || !ours.behind.is_empty() {
                return Some(BridgeConflict::Chain);
            }
        }
        let mut others = callers.values().filter(|other| other.call != caller.call);
        let second = others.any(|other| other.is_focus && other.state != CallerState::Leaving);
        second.then_some(BridgeConflict::SecondFocus)
    }

    /// The calls that make a ring with one of another bridge in the room, and are ours to end.
    pub(super) fn in_ring(&self, callers: &BTreeMap<CallId, Caller>) -> Vec<CallId> {
        let another = self.in_room.values().any(|other| !other.behind.is_empty() && other.id < self.id);
        let calls = linked(callers).filter(|_| another).map(|caller| caller.call);
        calls.collect()
    }
}

/// Callers that are bridges.
fn linked(callers: &BTreeMap<CallId, Caller>) -> impl Iterator<Item = &Caller> {
    callers.values().filter(|caller| caller.bridge.is_some() && caller.state != CallerState::Leaving)
}
