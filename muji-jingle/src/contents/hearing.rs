//! What is known of whether a content is heard.

use std::time::Instant;

use crate::timers;

/// Why nothing comes of a content, though the path to the peer works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The peer said that it muted it.
    Muted,
    /// The peer holds the call.
    Held,
    /// The peer did not say: its microphone or camera gives nothing, or its client has a fault.
    Unexplained,
}

/// What is known of whether a content is heard.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hearing {
    /// The peer said that it muted it.
    pub(super) muted: bool,
    pub(super) silent: Option<Silence>,
    /// It is silent, and the peer said that it sends again: by when it should.
    pub(super) due: Option<Instant>,
}

impl Hearing {
    /// What made the content silent is over.
    pub(super) fn expect(&mut self, now: Instant, over: Silence) {
        if self.silent == Some(over) {
            self.due = Some(now + timers::SILENCE);
        }
    }
}
