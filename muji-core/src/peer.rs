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

/// The next nick for a call whose client goes by `nick`, which another session of the account has too: `romeo (call)`, `romeo (call 2)`.
pub(crate) fn call_nick(nick: &str) -> String {
    let numbered = nick.strip_suffix(')').and_then(|nick| nick.rsplit_once(" (call"));
    match numbered.map(|(name, number)| (name, number.trim_start().parse::<u8>())) {
        Some((name, Ok(number))) => format!("{name} (call {})", number.saturating_add(1)),
        Some((name, Err(_))) if nick.ends_with(" (call)") => format!("{name} (call 2)"),
        Some((_, Err(_))) | None => format!("{nick} (call)"),
    }
}

/// The JID of an occupant: the room with a nick. `None` if the nick cannot be part of a JID.
pub(crate) fn occupant_jid(room: &BareJid, nick: &str) -> Option<FullJid> {
    room.with_resource_str(nick).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nick_for_a_call_is_another_one() {
        let nicks = ["romeo", "romeo (call)", "romeo (call 2)", "romeo (call 3)"];
        for pair in nicks.windows(2) {
            assert_eq!(call_nick(pair[0]), pair[1]);
        }
        assert_eq!(call_nick("romeo (caller)"), "romeo (caller) (call)");
    }
}
