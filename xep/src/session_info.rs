//! The payloads of session-info (XEP-0167 section 8).

use minidom::Element;

use crate::dtmf::{self, Digit, Pressed};
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
    /// A key of a telephone (XEP-0181). It is read only: a key is sent as an event of RTP.
    Digit(Digit),
    /// One that is not known here, by its element name.
    Unknown(String),
}

impl SessionInfo {
    pub(crate) fn read(payload: Option<&Element>) -> Self {
        let Some(element) = payload else { return Self::Ping };
        match dtmf::read(element) {
            Some(Pressed::Down(digit)) => return Self::Digit(digit),
            Some(Pressed::Up) => return Self::Ping, // It needs an answer and no more.
            Some(Pressed::Unknown) | None => {}
        }
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
            Self::Ping | Self::Digit(_) | Self::Unknown(_) => return None,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_telephones_are_read_in_all_forms_of_xep_0181() {
        let read = |text: &str| SessionInfo::read(Some(&text.parse().expect("it is well-formed")));
        let seven = SessionInfo::Digit(Digit::of_key('7').expect("it is one"));
        assert_eq!(read("<dtmf xmlns='urn:xmpp:jingle:dtmf:0' code='7' duration='400' volume='42'/>"), seven);
        let old = "http://www.xmpp.org/extensions/xep-0181.html#ns";
        assert_eq!(read(&format!("<dtmf xmlns='{old}' action='button-down' code='7'/>")), seven);
        assert_eq!(read(&format!("<dtmf xmlns='{old}' action='button-up' code='7'/>")), SessionInfo::Ping);
        for code in ["77", "", "x"] {
            let unknown = SessionInfo::Unknown("dtmf".to_owned());
            assert_eq!(read(&format!("<dtmf xmlns='urn:xmpp:jingle:dtmf:0' code='{code}'/>")), unknown);
        }
    }
}
