//! How long our packets of video wait in str0m's pacer.
//!
//! It sends at 1.1 times the estimate. If that falls, what was encoded before and what is sent again wait behind each other; each is asked for
//! again meanwhile, and so the queue feeds itself until nobody waits for what is in it. libwebrtc paces at 2.5 times the estimate, which comes to
//! the same as a bound for the wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The longest wait. A key frame takes about so long at the usual bit rates.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// A timer that runs so late shows that the machine did not let us run. What piled up meanwhile is paced, however long it waits: a burst would
/// look like a queue of the network's, and the estimate would fall.
const LATE: Duration = Duration::from_millis(20);

/// For so long after that: at 1.1 times the estimate what a third of a second has piled up leaves in three.
const DRAINS: Duration = Duration::from_secs(3);

/// Packets that are followed: what one second of video has at 10 Mbit/s. With more the wait is too long anyway.
const MAX_FOLLOWED: usize = 1_024;

/// The packets of one content that have not left.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    written: VecDeque<Instant>,
    /// Until then what waits may be what piled up while the machine did not let us run.
    drains_until: Option<Instant>,
}

impl Pacing {
    /// A packet was given to str0m.
    pub(super) fn written(&mut self, now: Instant) {
        if self.written.len() == MAX_FOLLOWED {
            self.written.pop_front();
        }
        self.written.push_back(now);
    }

    /// A packet left.
    pub(super) fn left(&mut self) {
        self.written.pop_front();
    }

    /// A timer was due then, and runs only now.
    pub(super) fn timer_ran(&mut self, now: Instant, due: Instant) {
        if now.saturating_duration_since(due) >= LATE {
            self.drains_until = Some(now + DRAINS);
        }
    }

    /// Packets wait for too long: what is there should leave at once.
    pub(super) fn is_too_slow(&self, now: Instant) -> bool {
        let drains = self.drains_until.is_some_and(|until| now < until);
        !drains && self.written.front().is_some_and(|first| now.saturating_duration_since(*first) >= MAX_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_too_slow_when_its_first_packet_has_waited_for_too_long() {
        let (mut pacing, begun) = (Pacing::default(), Instant::now());
        pacing.written(begun);
        pacing.written(begun + MAX_WAIT / 2);
        assert!(!pacing.is_too_slow(begun + MAX_WAIT - Duration::from_millis(1)));
        assert!(pacing.is_too_slow(begun + MAX_WAIT));
        pacing.left();
        assert!(!pacing.is_too_slow(begun + MAX_WAIT));
        pacing.timer_ran(begun + MAX_WAIT, begun + MAX_WAIT - LATE / 2);
        assert!(pacing.is_too_slow(begun + 2 * MAX_WAIT));
        pacing.timer_ran(begun + 2 * MAX_WAIT, begun + 2 * MAX_WAIT - LATE);
        let drains_until = begun + 2 * MAX_WAIT + DRAINS;
        assert!(!pacing.is_too_slow(drains_until - Duration::from_millis(1)), "the machine did not let us run");
        assert!(pacing.is_too_slow(drains_until));
        (0..2 * MAX_FOLLOWED).for_each(|_| pacing.written(begun));
        assert_eq!(pacing.written.len(), MAX_FOLLOWED);
    }
}
