//! Asking the room to tell us again who is in it, if it seems that we have missed something.
//!
//! Its answer ends with our own presence (XEP-0045 section 7.2.2), so everybody of whom it has not told by then is gone. A
//! room repeats our presence for other reasons too; only the one with which we asked counts, by its id. Where ids are not
//! repeated nobody is taken for gone.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::config;

/// Where that stands.
#[derive(Debug, Clone, Default)]
pub(super) struct Resync {
    /// The id of the presence with which we asked, and until when the answer must be complete.
    asked: Option<(String, Instant)>,
    /// Occupants of whom the room has not told again yet.
    stale: BTreeSet<String>,
    /// When we asked the last time.
    last: Option<Instant>,
}

impl Resync {
    /// We have asked by the presence of this id; these are all whom we know.
    pub(super) fn asked(&mut self, now: Instant, id: String, known: BTreeSet<String>) {
        self.asked = Some((id, now + config::ECHO));
        self.stale = known;
        self.last = Some(now);
    }

    pub(super) fn told_of(&mut self, nick: &str) {
        self.stale.remove(nick);
    }

    /// Our own presence came back: those who are gone, if it is the one with which we asked.
    pub(super) fn repeated(&mut self, id: Option<&str>) -> BTreeSet<String> {
        let complete = self.asked.take_if(|(asked, _)| Some(asked.as_str()) == id).is_some();
        if complete { std::mem::take(&mut self.stale) } else { BTreeSet::new() }
    }

    /// True if the room did not answer in time. It is not asked for the same again.
    pub(super) fn expired(&mut self, now: Instant) -> bool {
        let expired = self.asked.take_if(|(_, until)| *until <= now).is_some();
        if expired {
            self.stale.clear();
        }
        expired
    }

    /// When to ask: an offer waits, until one of these times, for the presence of who made it. That presence may be on its
    /// way, or we have missed it.
    pub(super) fn due(&self, held_until: impl Iterator<Item = Instant>) -> Option<Instant> {
        if self.asked.is_some() {
            return None;
        }
        let due = held_until.map(|until| until - (config::EARLY_OFFER - config::RESYNC));
        due.filter(|at| self.last.is_none_or(|last| last + config::SELF_PING <= *at)).min()
    }

    pub(super) fn until(&self) -> Option<Instant> {
        self.asked.as_ref().map(|(_, until)| *until)
    }
}
