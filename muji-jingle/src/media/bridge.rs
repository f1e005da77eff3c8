//! Calls that are joined, and the tones that somebody in one of them hears.

/// Whether people in a joined call are heard in the others. They hear the others in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audibility {
    /// They are.
    Heard,
    /// They are not: they were muted by those who join the calls.
    Muted,
}

/// A tone for the people in one call, which nobody else hears. Each lasts less than a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// They wait to be let in.
    Waiting,
    /// They are let in.
    Admitted,
    /// What they entered is wrong.
    Refused,
    /// They are not heard any more.
    Muted,
    /// They are heard again.
    Unmuted,
    /// Nobody else is there.
    Alone,
}
