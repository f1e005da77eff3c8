//! Requests that wait for their result, each with a deadline.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::timers;

/// Requests remembered at once; one more is sent and its answer ignored.
const MAX_PENDING: usize = 128;

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
        self.pending.extract_if(.., |_, (until, _)| *until <= now).map(|(_, (_, what))| what).collect()
    }

    /// When the next request expires.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pending.values().map(|(until, _)| *until).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_request_is_answered_once_and_expires_on_time() {
        let start = Instant::now();
        let mut answers = Answers::default();
        answers.asked(start, "a", 1);
        answers.asked(start + Duration::from_secs(1), "b", 2);
        assert_eq!(answers.answered("a"), Some(1));
        assert_eq!(answers.answered("a"), None);
        assert_eq!(answers.expired(start + timers::ANSWER), []);
        assert_eq!(answers.poll_timeout(), Some(start + timers::ANSWER + Duration::from_secs(1)));
        assert_eq!(answers.expired(start + timers::ANSWER + Duration::from_secs(1)), [2]);
    }

    #[test]
    fn one_request_too_many_is_not_remembered() {
        let start = Instant::now();
        let mut answers = Answers::default();
        (0..=MAX_PENDING).for_each(|id| answers.asked(start, &id.to_string(), id));
        assert_eq!(answers.answered(&MAX_PENDING.to_string()), None);
        assert_eq!(answers.answered("0"), Some(0));
    }
}
