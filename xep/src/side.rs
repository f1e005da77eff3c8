//! The two sides of a session, and which of them sends a content (XEP-0166 section 7.3).

use std::fmt;

/// One side of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Who sent the session-initiate.
    Initiator,
    /// Who received it.
    Responder,
}

/// Who sends a content (XEP-0166 section 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Senders {
    /// Both sides; the default.
    Both,
    /// The initiator only.
    Initiator,
    /// The responder only.
    Responder,
    /// Nobody. Dino refuses it.
    None,
}

impl Senders {
    /// True if `side` may send.
    #[must_use]
    pub fn include(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Initiator => side == Side::Initiator,
            Self::Responder => side == Side::Responder,
            Self::None => false,
        }
    }

    /// The same with `side` sending too, or not.
    #[must_use]
    pub fn with(self, side: Side, sends: bool) -> Self {
        let may = |other| if other == side { sends } else { self.include(other) };
        match (may(Side::Initiator), may(Side::Responder)) {
            (true, true) => Self::Both,
            (true, false) => Self::Initiator,
            (false, true) => Self::Responder,
            (false, false) => Self::None,
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, known)| *known == word).map(|(senders, _)| *senders)
    }

    const WORDS: [(Self, &'static str); 4] =
        [(Self::Both, "both"), (Self::Initiator, "initiator"), (Self::Responder, "responder"), (Self::None, "none")];
}

impl Side {
    /// The side across.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

impl fmt::Display for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::WORDS.iter().find(|(senders, _)| senders == self).expect("WORDS names all senders").1)
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initiator => "initiator",
            Self::Responder => "responder",
        })
    }
}
