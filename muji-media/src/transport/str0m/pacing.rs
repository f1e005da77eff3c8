//! How long our packets of video wait in str0m's pacer.
//!
//! It sends at 1.1 times the estimate. If that falls, what was encoded before and what is sent again wait behind each other; each is asked for
//! again meanwhile, and so the queue feeds itself until nobody waits for what is in it. libwebrtc paces at 2.5 times the estimate, which comes to
//! the same as a bound for the wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The longest wait. A key frame takes about so long at the usual bit rates.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// Packets that are followed: what one second of video has at 10 Mbit/s. With more the wait is too long anyway.
const MAX_FOLLOWED: usize = 1_024;

/// The packets of one content that have not left.
#[derive(Debug, Default)]
pub(super) struct Pacing {
    written: VecDeque<Instant>,
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

    /// Packets wait for too long: what is there should leave at once.
    pub(super) fn is_too_slow(&self, now: Instant) -> bool {
        self.written.front().is_some_and(|first| now.saturating_duration_since(*first) >= MAX_WAIT)
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
        (0..2 * MAX_FOLLOWED).for_each(|_| pacing.written(begun));
        assert_eq!(pacing.written.len(), MAX_FOLLOWED);
    }
}
