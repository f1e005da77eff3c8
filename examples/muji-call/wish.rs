//! What the user wants of a running program, whether by a key or in the window.

use jid::BareJid;

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserAction {
    /// Take what rings.
    Accept,
    /// Do not take it.
    Decline,
    /// Stop sending sound, or go on.
    Mute,
    /// Stop showing pictures, or go on; in a call with sound alone: see those of the others too.
    Camera,
    /// Invite somebody.
    #[cfg_attr(not(feature = "window"), expect(dead_code, reason = "there is no key that says whom"))]
    Invite(BareJid),
    /// Leave the call.
    Leave,
    /// Leave the call and end the program.
    #[cfg_attr(not(feature = "window"), expect(dead_code, reason = "there are signals for it"))]
    Quit,
}

impl UserAction {
    /// What a key means.
    pub(crate) fn of_key(key: u8) -> Option<Self> {
        match key {
            b'a' => Some(Self::Accept),
            b'd' => Some(Self::Decline),
            b'm' => Some(Self::Mute),
            b'v' => Some(Self::Camera),
            b'q' => Some(Self::Leave),
            _ => None,
        }
    }
}
