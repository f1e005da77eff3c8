//! Calls that are joined, and the tones that somebody in one of them hears.

/// Whether people in a joined call are heard and seen in the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audibility {
    /// They are, and hear and see the others.
    Heard,
    /// They hear and see the others and are seen, and are not heard: they were muted by those who join the calls.
    Muted,
    /// They hear tones alone ([`Prompt`]), neither the others nor what we capture, and nobody hears or sees them: they wait to be let in.
    Apart,
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
