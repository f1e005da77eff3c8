//! The payloads of session-info (XEP-0167 section 8).

use minidom::Element;

use crate::element::{Build, text};
use crate::ns;
use crate::side::Side;

/// The content that a session-info is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentRef {
    /// Who added it; Dino and Movim omit it. Absent means the initiator.
    pub creator: Side,
    /// Its name.
    pub name: String,
}

/// One payload of a session-info.
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
    /// The sender stops sending a content, or all.
    Mute(Option<ContentRef>),
    /// The sender sends again.
    Unmute(Option<ContentRef>),
    /// The user is being asked.
    Ringing,
    /// One that is not known here, by its element name.
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
            "mute" => Self::Mute(ContentRef::read(element)),
            "unmute" => Self::Unmute(ContentRef::read(element)),
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
        let creator = content.map(|content| content.creator);
        let name = content.map(|content| &content.name);
        Some(Element::bare(word, ns::RTP_INFO).with_opt("creator", creator).with_opt("name", name))
    }
}

impl ContentRef {
    fn read(element: &Element) -> Option<Self> {
        let creator = if element.attr("creator") == Some("responder") { Side::Responder } else { Side::Initiator };
        Some(Self { creator, name: text(element, "name")? })
    }
}
