//! What the user asks of the running program, by a key or in the window.

use jid::BareJid;
use muji_core::Digit;
use serde::Deserialize;

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
    /// With --bridge: do something with a caller.
    Caller(CallerAction, String),
    /// With --bridge: the caller whose number is pressed next is to be removed.
    RemoveNext,
    /// With --bridge: call somebody into the room.
    Dial(BareJid),
    /// Invite somebody.
    #[cfg_attr(not(feature = "window"), expect(dead_code, reason = "there is no key that says whom"))]
    Invite(BareJid),
    /// Leave the call.
    Leave,
    /// Leave the call and end the program.
    #[cfg_attr(not(feature = "window"), expect(dead_code, reason = "there are signals for it"))]
    Quit,
}

/// What is done with a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerAction {
    /// It is heard no more.
    Mute,
    /// It is heard again.
    Unmute,
    /// Its call is ended.
    Remove,
    /// It is let in without the PIN.
    Admit,
}

/// A line of JSON on standard input.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Line {
    Mute(String),
    Unmute(String),
    Remove(String),
    Admit(String),
    Dial(BareJid),
}

impl UserAction {
    /// What a line of JSON asks for, such as `{"mute":"c2"}`.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        Some(match serde_json::from_str(line).ok()? {
            Line::Mute(id) => Self::Caller(CallerAction::Mute, id),
            Line::Unmute(id) => Self::Caller(CallerAction::Unmute, id),
            Line::Remove(id) => Self::Caller(CallerAction::Remove, id),
            Line::Admit(id) => Self::Caller(CallerAction::Admit, id),
            Line::Dial(whom) => Self::Dial(whom),
        })
    }

    /// What a key means.
    pub(crate) fn of_key(key: u8) -> Option<Self> {
        match key {
            b'a' => Some(Self::Accept),
            b'd' => Some(Self::Decline),
            b'm' => Some(Self::Mute),
            b'v' => Some(Self::Camera),
            b'q' => Some(Self::Leave),
            b'x' => Some(Self::RemoveNext),
            b'0'..=b'9' | b'*' | b'#' => Digit::of_key(char::from(key)).map(Self::Digit),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_says_what_becomes_of_a_caller_and_what_is_none_has_no_effect() {
        let of = UserAction::of_line;
        assert_eq!(of(r#"{"mute":"c2"}"#), Some(UserAction::Caller(CallerAction::Mute, "c2".to_owned())));
        assert_eq!(of(r#"{"admit":"c2"}"#), Some(UserAction::Caller(CallerAction::Admit, "c2".to_owned())));
        let whom = "zoe@x.example".parse().expect("a JID");
        assert_eq!(of(r#"{"dial":"zoe@x.example"}"#), Some(UserAction::Dial(whom)));
        let nothing = ["", "{", "{}", r#"{"mute":2}"#, r#"{"dial":"@"}"#, r#"{"sing":"c2"}"#, r#"{"mute":"c2","x":1}"#];
        assert!(nothing.into_iter().all(|line| of(line).is_none()));
    }
}
