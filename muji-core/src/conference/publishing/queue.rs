//! Waiting our turn to publish.
//!
//! We wait for those who prepared before us, and only for those: the room repeats presences to everyone in one order, so
//! "before" means the same to all and no two wait for each other (XEP-0272 section 3).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::config::Config;

/// The participants ahead of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublishQueue {
    ahead: BTreeSet<String>,
    /// When our turn comes if only one is ahead.
    until: Instant,
    stagger: Duration,
}

impl PublishQueue {
    /// Our own presence came back; `preparing` are the nicks preparing at that moment.
    pub(crate) fn new(now: Instant, preparing: BTreeSet<String>, config: &Config) -> Self {
        Self { ahead: preparing, until: now + config.preparing, stagger: config.stagger }
    }

    /// `nick` published, withdrew or left.
    pub(crate) fn passed(&mut self, nick: &str) {
        self.ahead.remove(nick);
    }

    /// `nick` goes by another name.
    pub(crate) fn renamed(&mut self, nick: &str, new: &str) {
        if self.ahead.remove(nick) {
            self.ahead.insert(new.to_owned());
        }
    }

    /// True if it is our turn.
    pub(crate) fn is_done(&self, now: Instant) -> bool {
        self.poll_timeout().is_none_or(|until| until <= now)
    }

    /// When our turn comes even if some are still ahead. The more are, the later: they wait for the same stalled one.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let others = u32::try_from(self.ahead.len()).expect("participants are bounded").checked_sub(1)?;
        Some(self.until + self.stagger * others)
    }

    /// Who is ahead of us.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = &str> {
        self.ahead.iter().map(String::as_str)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]
mod tests {
    use super::*;
    use crate::config;

    fn queue(start: Instant, nicks: &[&str]) -> PublishQueue {
        PublishQueue::new(start, nicks.iter().map(|nick| (*nick).to_owned()).collect(), &Config::default())
    }

    #[test]
    fn with_nobody_ahead_it_is_our_turn() {
        let start = Instant::now();
        assert!(queue(start, &[]).is_done(start));
    }

    #[test]
    fn a_silent_participant_delays_us_only_so_long() {
        let start = Instant::now();
        let romeo = queue(start, &["tybalt"]);
        assert!(!romeo.is_done(start + config::PREPARING - Duration::from_millis(1)));
        assert!(romeo.is_done(start + config::PREPARING));
    }

    #[test]
    fn two_behind_one_stalled_go_one_after_the_other() {
        let start = Instant::now();
        let mut second = queue(start, &["tybalt", "romeo"]);
        assert!(!second.is_done(start + config::PREPARING));
        assert!(second.is_done(start + config::PREPARING + config::STAGGER));
        second.passed("romeo");
        assert!(second.is_done(start + config::PREPARING));
    }

    #[test]
    fn one_who_is_renamed_is_still_waited_for() {
        let start = Instant::now();
        let mut romeo = queue(start, &["tybalt"]);
        romeo.renamed("tybalt", "prince of cats");
        assert_eq!(romeo.ahead().collect::<Vec<_>>(), ["prince of cats"]);
        romeo.renamed("benvolio", "juliet");
        romeo.passed("prince of cats");
        assert!(romeo.is_done(start), "who was not ahead is not with another name either");
    }
}
