//! The keys of telephones: as events of RTP (RFC 4733), and as XEP-0181 had them in session-info before.

use std::fmt;

use minidom::Element;

/// The namespaces that XEP-0181 has had, the last one first.
const NAMESPACES: [&str; 2] = ["urn:xmpp:jingle:dtmf:0", "http://www.xmpp.org/extensions/xep-0181.html#ns"];

/// The keys in the order of their events (RFC 4733 section 3.2). Telephones of people have no letters.
const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

/// A key of a telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digit(u8);

impl Digit {
    /// The key with this letter: `0` to `9`, `*`, `#`, `A` to `D`.
    #[must_use]
    pub fn of_key(key: char) -> Option<Self> {
        (0..).zip(KEYS).find(|(_, known)| *known == key).map(|(event, _)| Self(event))
    }

    /// The key of an event of RTP.
    #[must_use]
    pub fn of_event(event: u8) -> Option<Self> {
        (usize::from(event) < KEYS.len()).then_some(Self(event))
    }

    /// Its event of RTP.
    #[must_use]
    pub fn event(self) -> u8 {
        self.0
    }

    /// Its letter.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "a digit is made for events that have a key alone")]
    pub fn key(self) -> char {
        KEYS[usize::from(self.0)]
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key())
    }
}

/// What XEP-0181 says of a key.
pub(crate) enum Pressed {
    /// It is pressed.
    Down(Digit),
    /// It is let go, which says nothing new.
    Up,
    /// It is none.
    Unknown,
}

/// Reads the element of XEP-0181; `None` if it is another one.
pub(crate) fn read(element: &Element) -> Option<Pressed> {
    NAMESPACES.iter().find(|ns| element.is("dtmf", **ns))?;
    if element.attr("action") == Some("button-up") {
        return Some(Pressed::Up);
    }
    let mut letters = element.attr("code").unwrap_or_default().chars();
    let digit = letters.next().filter(|_| letters.next().is_none()).and_then(Digit::of_key);
    Some(digit.map_or(Pressed::Unknown, Pressed::Down))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_an_event_and_each_event_below_16_a_key() {
        for (event, key) in (0..16).zip("0123456789*#ABCD".chars()) {
            let digit = Digit::of_key(key).expect("it is one");
            assert_eq!(
                (digit.event(), Digit::of_event(event), digit.to_string()),
                (event, Some(digit), key.to_string())
            );
        }
        assert_eq!((Digit::of_event(16), Digit::of_key('a'), Digit::of_key(' ')), (None, None, None));
    }
}
