//! A row of the exploration: how many people, what may happen to them, and the moves of which every path consists.

use std::fmt;

/// The names of the people.
pub(crate) const NAMES: [&str; 5] = ["ann", "bob", "cat", "dan", "eve"];

/// What may happen, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// People.
    pub(crate) people: usize,
    /// They sit in a chat room; otherwise the room is one for the call.
    pub(crate) in_chat: bool,
    /// Leavings.
    pub(crate) leaves: usize,
    /// Processes that die; the server notices at some time.
    pub(crate) crashes: usize,
    /// Waits behind a stalled participant that run out.
    pub(crate) timeouts: usize,
    /// Contents that the room refuses.
    pub(crate) refusals: usize,
    /// Returns of who has left.
    pub(crate) rejoins: usize,
    /// People who begin to show pictures, at any time.
    pub(crate) adds: usize,
}

impl Row {
    /// True if nobody may have to call out of turn: nobody is mistaken for who it was before.
    pub(crate) fn needs_no_repair(&self) -> bool {
        self.rejoins == 0
    }

    /// True if each pair adds pictures to its session once at most: nobody has to add out of turn.
    pub(crate) fn adds_once(&self) -> bool {
        self.leaves + self.crashes + self.timeouts + self.rejoins == 0
    }

    /// True if only time may mend a pair (rule 8).
    pub(crate) fn needs_time(&self) -> bool {
        self.rejoins > 0 && self.leaves + self.crashes + self.timeouts > 1
    }
}

/// One thing that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Somebody joins, for the first time or again.
    Join(usize),
    Leave(usize),
    Crash(usize),
    /// Somebody begins to show pictures.
    Add(usize),
    /// The server notices that somebody is gone.
    Notice(usize),
    /// Somebody's patience with those ahead runs out.
    Expire(usize),
    /// The room takes what somebody said.
    Hear(usize),
    /// The room refuses what somebody said.
    Refuse(usize),
    /// Somebody reads what the room says.
    Read(usize),
    /// Somebody reads what another said.
    Answer {
        from: usize,
        to: usize,
    },
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(who) => write!(f, "{} joins", NAMES[*who]),
            Self::Leave(who) => write!(f, "{} leaves", NAMES[*who]),
            Self::Add(who) => write!(f, "{} begins to show pictures", NAMES[*who]),
            Self::Crash(who) => write!(f, "{} dies", NAMES[*who]),
            Self::Notice(who) => write!(f, "the server notices that {} is gone", NAMES[*who]),
            Self::Expire(who) => write!(f, "{} waits no longer for those ahead", NAMES[*who]),
            Self::Hear(who) => write!(f, "the room hears {}", NAMES[*who]),
            Self::Refuse(who) => write!(f, "the room refuses {}", NAMES[*who]),
            Self::Read(who) => write!(f, "{} hears the room", NAMES[*who]),
            Self::Answer { from, to } => write!(f, "{} hears {}", NAMES[*to], NAMES[*from]),
        }
    }
}

pub(crate) fn is_delivery(happens: Move) -> bool {
    match happens {
        Move::Hear(_) | Move::Read(_) | Move::Answer { .. } | Move::Notice(_) => true,
        Move::Join(_) | Move::Leave(_) | Move::Crash(_) | Move::Add(_) | Move::Expire(_) | Move::Refuse(_) => false,
    }
}
