//! Requests that wait for their result, each with a deadline.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::timers;

/// Requests remembered at once; one more is sent and its answer ignored.
pub const MAX_PENDING: usize = 128;

/// What was asked, by the id of the stanza that asks. Who was asked is the owner's knowledge.
#[derive(Debug, Clone)]
pub struct Answers<What> {
    pending: BTreeMap<String, (Instant, What)>,
}

impl<What> Default for Answers<What> {
    fn default() -> Self {
        Self { pending: BTreeMap::new() }
    }
}

impl<What> Answers<What> {
    /// Remembers a request sent now.
    pub fn asked(&mut self, now: Instant, id: &str, what: What) {
        if self.pending.len() < MAX_PENDING {
            self.pending.insert(id.to_owned(), (now + timers::ANSWER, what));
        }
    }

    /// A result or an error came: what had been asked, once.
    pub fn answered(&mut self, id: &str) -> Option<What> {
        self.pending.remove(id).map(|(_, what)| what)
    }

    /// The requests whose time is over.
    pub fn expired(&mut self, now: Instant) -> Vec<What> {
        let due = self.pending.iter().filter(|(_, (until, _))| *until <= now);
        let due: Vec<String> = due.map(|(id, _)| id.clone()).collect();
        due.iter().filter_map(|id| self.answered(id)).collect()
    }

    /// When the next request expires.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.values().map(|(until, _)| *until).min()
    }
}
