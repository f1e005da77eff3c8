//! What the user asks of the running program, by a key or in the window.

use jid::BareJid;
use muji_core::Digit;

/// One thing the user can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserAction {
    /// Accept the call or invitation that rings.
    Accept,
    /// Decline it.
    Decline,
    /// Mute or unmute the microphone.
    Mute,
    /// Turn the camera off or on; in an audio call: add video.
    Camera,
    /// Press a key of a telephone.
    Digit(Digit),
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
            b'0'..=b'9' | b'*' | b'#' => Digit::of_key(char::from(key)).map(Self::Digit),
            _ => None,
        }
    }
}
