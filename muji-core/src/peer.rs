//! The others in a call, and the JIDs under which a room knows people.

use jid::{BareJid, FullJid};

/// A participant other than us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its nick in the room, chosen by it.
    pub nick: String,
    /// Who it is.
    pub jid: FullJid,
}

/// The JID of an occupant: the room with a nick. `None` if the nick cannot be part of a JID.
pub(crate) fn occupant_jid(room: &BareJid, nick: &str) -> Option<FullJid> {
    room.with_resource_str(nick).ok()
}
