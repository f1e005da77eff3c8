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
    /// Streams that are cut and resumed: what is under way waits meanwhile (XEP-0198).
    pub(crate) cuts: usize,
}

impl Row {
    /// True if nobody may have to call out of turn: nobody is mistaken for who it was before.
    pub(crate) fn needs_no_repair(&self) -> bool {
        self.rejoins == 0
    }

    /// True if it makes no difference who is who: which JID is lower counts between two who publish different payload maps, and
    /// that takes one whose patience runs out.
    pub(crate) fn is_symmetric(&self) -> bool {
        self.timeouts == 0
    }

    /// True if each pair adds pictures to its session once at most: nobody has to add out of turn.
    pub(crate) fn adds_once(&self) -> bool {
        self.leaves + self.crashes + self.timeouts + self.rejoins == 0
    }

    /// True if nothing is left that may happen but that people join.
    pub(crate) fn is_over(&self) -> bool {
        let ended = self.leaves + self.crashes + self.timeouts + self.cuts;
        ended + self.refusals + self.rejoins + self.adds == 0
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
    /// Somebody's stream is cut.
    Cut(usize),
    /// It goes on.
    Resume(usize),
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

impl Move {
    /// A number below 64, not the same for two moves that may happen in one state: who has joined does not join, the server
    /// notices the dead only, and only what was cut is resumed.
    pub(crate) fn number(self) -> u32 {
        let (kind, who) = match self {
            Self::Join(who) | Self::Leave(who) => (0, who),
            Self::Crash(who) | Self::Notice(who) => (1, who),
            Self::Add(who) => (2, who),
            Self::Expire(who) => (3, who),
            Self::Hear(who) => (4, who),
            Self::Refuse(who) => (5, who),
            Self::Read(who) => (6, who),
            Self::Cut(who) | Self::Resume(who) => (7, who),
            Self::Answer { from, to } => (8 + to, from - usize::from(from > to)),
        };
        let kinds = if kind < 8 { kind * NAMES.len() } else { 8 * NAMES.len() + (kind - 8) * (NAMES.len() - 1) };
        u32::try_from(kinds + who).expect("few")
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(who) => write!(f, "{} joins", NAMES[*who]),
            Self::Leave(who) => write!(f, "{} leaves", NAMES[*who]),
            Self::Add(who) => write!(f, "{} begins to show pictures", NAMES[*who]),
            Self::Crash(who) => write!(f, "{} dies", NAMES[*who]),
            Self::Cut(who) => write!(f, "{}'s stream is cut", NAMES[*who]),
            Self::Resume(who) => write!(f, "{}'s stream is resumed", NAMES[*who]),
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
        Move::Hear(_) | Move::Read(_) | Move::Answer { .. } | Move::Notice(_) | Move::Resume(_) => true,
        Move::Join(_) | Move::Leave(_) | Move::Crash(_) | Move::Add(_) => false,
        Move::Expire(_) | Move::Refuse(_) | Move::Cut(_) => false,
    }
}
