//! That one end of a session is a conference (XEP-0298), and that it is a bridge of ours, which joins the call of a room with such sessions.
//!
//! A bridge names itself and the bridges behind it in each session with a caller and in its presences, so that several of them do not
//! join rooms in a ring, in which all would hear themselves for ever:
//!
//! ```text
//! <bridge xmlns='https://github.com/muji-rs/muji#bridge' id='9f2c' path='9f2c 01be'/>
//! ```

use minidom::Element;

use crate::element::Build;
use crate::ns;

/// Longest id of a bridge; ours have 32 bytes.
const MAX_ID: usize = 64;

/// Ids of a path that are read. Two are too many for a bridge to be talked with.
pub const MAX_PATH: usize = 8;

/// A bridge, and those behind it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BridgeMark {
    /// What tells it from other bridges.
    pub id: String,
    /// The bridges with which it is joined, without itself, at most [`MAX_PATH`].
    pub behind: Vec<String>,
}

impl BridgeMark {
    /// The mark among the children of a presence.
    #[must_use]
    pub fn find(payloads: &[Element]) -> Option<Self> {
        payloads.iter().find_map(Self::read)
    }

    /// Reads a mark; `None` if it is another element, or has no id.
    #[must_use]
    pub fn read(element: &Element) -> Option<Self> {
        let is_id = |id: &&str| !id.is_empty() && id.len() <= MAX_ID && !id.contains(char::is_whitespace);
        let id = element.attr("id").filter(|_| element.is("bridge", ns::BRIDGE)).filter(is_id)?;
        let path = element.attr("path").unwrap_or_default().split_whitespace().filter(is_id);
        let mut behind: Vec<String> = Vec::new();
        for other in path.filter(|other| *other != id) {
            if behind.len() < MAX_PATH && !behind.iter().any(|known| known == other) {
                behind.push(other.to_owned());
            }
        }
        Some(Self { id: id.to_owned(), behind })
    }

    /// Writes the mark; its path begins with itself.
    #[must_use]
    pub fn write(&self) -> Element {
        let path: Vec<&str> = std::iter::once(&self.id).chain(&self.behind).map(String::as_str).collect();
        Element::bare("bridge", ns::BRIDGE).with("id", &self.id).with("path", path.join(" "))
    }
}

/// True if an element says that its sender is a conference.
pub(crate) fn is_focus(element: &Element) -> bool {
    element.is("conference-info", ns::COIN) && matches!(element.attr("isfocus"), Some("true" | "1"))
}

/// The element that says so.
pub(crate) fn focus() -> Element {
    Element::bare("conference-info", ns::COIN).with("isfocus", "true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Skipped;
    use crate::jingle::{Action, Jingle};

    fn read(attributes: &str) -> Option<BridgeMark> {
        let xml = format!("<bridge xmlns='{}' {attributes}/>", ns::BRIDGE);
        BridgeMark::read(&xml.parse().expect("it is well-formed"))
    }

    fn mark(id: &str, behind: &[&str]) -> BridgeMark {
        BridgeMark { id: id.to_owned(), behind: behind.iter().map(|id| (*id).to_owned()).collect() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for mark in [mark("9f2c", &[]), mark("9f2c", &["01be", "77aa"])] {
            assert_eq!(BridgeMark::find(&[Element::bare("x", "y"), mark.write()]), Some(mark));
        }
    }

    #[test]
    fn an_offer_and_an_answer_say_what_their_sender_is_and_nothing_else_does() {
        for action in [Action::SessionInitiate, Action::SessionAccept, Action::TransportInfo] {
            let begins = action != Action::TransportInfo;
            let said = Jingle { is_focus: true, bridge: Some(mark("9f2c", &["01be"])), ..Jingle::new(action, "sid") };
            let read = Jingle::read(&said.write(), &mut Skipped::default()).expect("it is read");
            assert_eq!((read.is_focus, read.bridge), (begins, said.bridge.filter(|_| begins)));
        }
        for (isfocus, is) in [("isfocus='1'", true), ("isfocus='false'", false), ("", false)] {
            let element = format!("<conference-info xmlns='urn:xmpp:coin:1' {isfocus}/>");
            assert_eq!(is_focus(&element.parse().expect("it is well-formed")), is, "{isfocus}");
        }
    }

    #[test]
    fn a_mark_of_another_form_is_read_as_far_as_it_goes() {
        assert_eq!(read("id='a'"), Some(mark("a", &[])));
        assert_eq!(read("id='a' path=' b  a b\nc '"), Some(mark("a", &["b", "c"])));
        let long = "x".repeat(MAX_ID + 1);
        assert_eq!(read(&format!("id='a' path='{long} b'")), Some(mark("a", &["b"])));
        for no_id in ["", "id=''", "id='a b'", &format!("id='{long}'")] {
            assert_eq!(read(no_id), None);
        }
        let crowd: Vec<String> = (0..100).map(|number| number.to_string()).collect();
        let read = read(&format!("id='a' path='{}'", crowd.join(" "))).expect("it has an id");
        assert_eq!(read.behind.len(), MAX_PATH);
    }
}
