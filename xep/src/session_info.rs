//! What a session-info says (XEP-0167 section 8).

use minidom::Element;

use crate::element::{Build, text};
use crate::ns;

/// One piece of news about a running session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionInfo {
    /// Nothing: the peer asks whether the session still exists (XEP-0166 section 6.8).
    Ping,
    /// The sender takes part, as opposed to holding.
    Active,
    /// The sender does not listen for now.
    Hold,
    /// The sender listens again.
    Unhold,
    /// The sender stops sending a content, or all. Dino omits the creator, Movim too.
    Mute(Option<String>),
    /// The sender sends again.
    Unmute(Option<String>),
    /// The user is being asked.
    Ringing,
    /// Something we do not know, by its element name.
    Unknown(String),
}

impl SessionInfo {
    pub(crate) fn read(payload: Option<&Element>) -> Self {
        let Some(element) = payload else { return Self::Ping };
        if element.ns() != ns::RTP_INFO {
            return Self::Unknown(element.name().to_owned());
        }
        match element.name() {
            "active" => Self::Active,
            "hold" => Self::Hold,
            "unhold" => Self::Unhold,
            "mute" => Self::Mute(text(element, "name")),
            "unmute" => Self::Unmute(text(element, "name")),
            "ringing" => Self::Ringing,
            other => Self::Unknown(other.to_owned()),
        }
    }

    pub(crate) fn write(&self) -> Option<Element> {
        let (word, content) = match self {
            Self::Ping | Self::Unknown(_) => return None,
            Self::Active => ("active", None),
            Self::Hold => ("hold", None),
            Self::Unhold => ("unhold", None),
            Self::Mute(content) => ("mute", content.as_ref()),
            Self::Unmute(content) => ("unmute", content.as_ref()),
            Self::Ringing => ("ringing", None),
        };
        // Every content of ours is created by the initiator, so far.
        let creator = content.map(|_| "initiator");
        Some(Element::bare(word, ns::RTP_INFO).with_opt("creator", creator).with_opt("name", content))
    }
}
