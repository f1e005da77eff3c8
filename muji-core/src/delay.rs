//! Delayed delivery (XEP-0203): when something was said that waited on its way.

use std::time::SystemTime;

use muji_xep::{Element, ns};

use crate::timestamp;

/// What the stamps of a stanza say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    /// It has none: it was said just now.
    None,
    /// It was said then, by the clock of who stamped it.
    Since(SystemTime),
    /// It was said at some time: no stamp can be read.
    Unreadable,
}

impl Delay {
    /// Reads the stamps among the children of a stanza. Each server on the way may add one: the first is the earliest.
    pub(crate) fn find<'a>(children: impl IntoIterator<Item = &'a Element>) -> Self {
        let stamps = children.into_iter().filter(|child| child.is("delay", ns::DELAY)).map(read);
        stamps.fold(Self::None, Self::earlier)
    }

    /// The earlier of two; one that can be read counts more than one that cannot.
    pub(crate) fn earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::Since(at), Self::Since(other)) => Self::Since(at.min(other)),
            (Self::Since(at), Self::None | Self::Unreadable) | (Self::None | Self::Unreadable, Self::Since(at)) => {
                Self::Since(at)
            }
            (Self::None, Self::None) => Self::None,
            (Self::Unreadable, Self::None | Self::Unreadable) | (Self::None, Self::Unreadable) => Self::Unreadable,
        }
    }
}

fn read(delay: &Element) -> Delay {
    delay.attr("stamp").and_then(timestamp::read).map_or(Delay::Unreadable, Delay::Since)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn find(stamps: &[&str]) -> Delay {
        let children: Vec<Element> = stamps
            .iter()
            .map(|stamp| format!("<delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>").parse().expect("it is XML"))
            .collect();
        Delay::find(&children)
    }

    fn at(milliseconds: u64) -> Delay {
        Delay::Since(SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds))
    }

    #[test]
    fn a_stanza_was_said_at_the_earliest_of_its_stamps() {
        assert_eq!(find(&[]), Delay::None);
        assert_eq!(find(&["1970-01-01T00:00:05Z"]), at(5_000));
        assert_eq!(find(&["1970-01-01T01:00:00.5+01:00"]), at(500));
        assert_eq!(find(&["1970-01-01T00:00:09Z", "1970-01-01T00:00:05Z", "1970-01-01T00:00:07Z"]), at(5_000));
    }

    #[test]
    fn a_stamp_that_cannot_be_read_is_none_beside_one_that_can() {
        for unreadable in ["", "yesterday", "19700101T00:00:05", "1969-12-31T23:59:59Z"] {
            assert_eq!(find(&[unreadable]), Delay::Unreadable, "{unreadable}");
            assert_eq!(find(&[unreadable, "1970-01-01T00:00:05Z"]), at(5_000));
            assert_eq!(find(&["1970-01-01T00:00:05Z", unreadable]), at(5_000));
        }
    }
}
