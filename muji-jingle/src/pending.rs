//! Requests that wait for their result, each with a deadline.

use std::time::Instant;

use crate::timers;

/// Requests remembered at once; one more is sent and its answer ignored.
pub const MAX_PENDING: usize = 128;

/// Requests by the ids of their stanzas. The owner knows to whom they went.
#[derive(Debug, Clone)]
pub struct PendingRequests<What> {
    /// In the order of sending, so that equal histories are equal values whatever the ids are.
    pending: Vec<Pending<What>>,
}

#[derive(Debug, Clone)]
struct Pending<What> {
    id: String,
    until: Instant,
    what: What,
}

impl<What> Default for PendingRequests<What> {
    fn default() -> Self {
        Self { pending: Vec::new() }
    }
}

impl<What> PendingRequests<What> {
    /// Remembers a request sent now.
    pub fn asked(&mut self, now: Instant, id: &str, what: What) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push(Pending { id: id.to_owned(), until: now + timers::ANSWER, what });
        }
    }

    /// A result or an error came: the request it answers, once.
    pub fn answered(&mut self, id: &str) -> Option<What> {
        let index = self.pending.iter().position(|pending| pending.id == id)?;
        Some(self.pending.remove(index).what)
    }

    /// The requests whose time is over.
    pub fn expired(&mut self, now: Instant) -> Vec<What> {
        // All wait for the same time, so the first sent are the first to expire.
        let due = self.pending.iter().take_while(|pending| pending.until <= now).count();
        self.pending.drain(..due).map(|pending| pending.what).collect()
    }

    /// Forgets all: no answer will come any more.
    pub fn clear(&mut self) {
        self.pending.clear();
    }

    /// When the next request expires.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.first().map(|pending| pending.until)
    }
}
