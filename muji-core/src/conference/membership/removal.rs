//! Why a room puts us out.

use muji_xep::muc::{MucUser, code};

use super::outcome::Outcome;
use crate::error::{EndReason, Removal, RoomFault};

/// What follows from our removal. With status 333 the room lost us, even if it says 307 (kicked) too (XEP-0045 section 17.3).
pub(super) fn outcome(user: &MucUser) -> Outcome {
    if user.destroyed.is_none() && !user.has(code::BANNED) {
        if user.has(code::SHUTDOWN) {
            return Outcome::Lost(EndReason::Room(RoomFault::Shutdown));
        }
        if user.has(code::TECHNICAL) {
            return Outcome::Lost(EndReason::Room(RoomFault::Lost));
        }
    }
    let removal = Removal { by: user.actor.clone(), reason: user.reason.clone() };
    let no_member = user.has(code::AFFILIATION) || user.has(code::MEMBERS_ONLY);
    Outcome::PutOut(match &user.destroyed {
        Some(destroyed) => RoomFault::Destroyed(destroyed.clone()),
        None if user.has(code::BANNED) => RoomFault::Banned(removal),
        None if user.has(code::KICKED) => RoomFault::Kicked(removal),
        None if no_member => RoomFault::NoMember,
        None => RoomFault::Removed,
    })
}
