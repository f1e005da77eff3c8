//! Requests that wait for their result, each with a deadline.

use std::time::Instant;

use crate::timers;

/// Requests remembered at once; one more is sent and its answer ignored.
pub const MAX_PENDING: usize = 128;

/// What was asked, by the id of the stanza that asks. Who was asked is the owner's knowledge.
#[derive(Debug, Clone)]
pub struct Answers<What> {
    /// In the order of asking, so that equal histories are equal values whatever the ids.
    pending: Vec<Pending<What>>,
}

#[derive(Debug, Clone)]
struct Pending<What> {
    id: String,
    until: Instant,
    what: What,
}

impl<What> Default for Answers<What> {
    fn default() -> Self {
        Self { pending: Vec::new() }
    }
}

impl<What> Answers<What> {
    /// Remembers a request sent now.
    pub fn asked(&mut self, now: Instant, id: &str, what: What) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push(Pending { id: id.to_owned(), until: now + timers::ANSWER, what });
        }
    }

    /// A result or an error came: what had been asked, once.
    pub fn answered(&mut self, id: &str) -> Option<What> {
        let index = self.pending.iter().position(|pending| pending.id == id)?;
        Some(self.pending.remove(index).what)
    }

    /// The requests whose time is over.
    pub fn expired(&mut self, now: Instant) -> Vec<What> {
        // The time is the same for all, so the first asked are the first to expire.
        let due = self.pending.iter().take_while(|pending| pending.until <= now).count();
        self.pending.drain(..due).map(|pending| pending.what).collect()
    }

    /// Forgets all: whoever was asked will not answer any more.
    pub fn clear(&mut self) {
        self.pending.clear();
    }

    /// When the next request expires.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.first().map(|pending| pending.until)
    }
}
