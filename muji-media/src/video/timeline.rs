//! The timestamps of a stream that is made of several: they go on where another sender's frames begin.

use std::time::{Duration, Instant};

use crate::codec::video::CLOCK_RATE;

/// The least that a frame of another sender is later than the one before it: 30 frames a second.
const LEAST_APART: u32 = CLOCK_RATE / 30;

/// A timestamp that is later by more, or earlier, belongs to another stream of the same sender.
const LONGEST_PAUSE: u32 = 60 * CLOCK_RATE;

/// Of one stream that we send.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    /// The timestamp as it came, and as it was sent.
    came: u32,
    sent: u32,
    /// When the first frame of this sender was sent, and its timestamp.
    begun: (Instant, u32),
    /// When the last one was sent.
    at: Instant,
}

impl Timeline {
    /// The timestamp to send a frame with that came with this one, and the moment which it stands for. `begins` with the first frame of a
    /// sender.
    pub(super) fn next(&mut self, now: Instant, came: u32, begins: bool) -> (u32, Instant) {
        let next = match self.last {
            None => Last { came, sent: came, begun: (now, came), at: now },
            Some(last) => {
                let later = came.wrapping_sub(last.came);
                if begins || later > LONGEST_PAUSE {
                    let paused = now.saturating_duration_since(last.at).as_millis();
                    let ticks = u32::try_from(paused * u128::from(CLOCK_RATE / 1_000)).unwrap_or(LONGEST_PAUSE);
                    let sent = last.sent.wrapping_add(ticks.max(LEAST_APART));
                    Last { came, sent, begun: (now, sent), at: now }
                } else {
                    Last { came, sent: last.sent.wrapping_add(later), at: now, ..last }
                }
            }
        };
        self.last = Some(next);
        let (begun, first) = next.begun;
        let since = f64::from(next.sent.wrapping_sub(first)) / f64::from(CLOCK_RATE);
        // The sender's clock may be faster than ours.
        (next.sent, (begun + Duration::from_secs_f64(since)).min(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_one_sender_it_keeps_the_senders_steps_and_over_a_switch_the_time_that_passed() {
        let (mut line, start) = (Timeline::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(line.next(at(0), 700, true), (700, at(0)));
        assert_eq!(line.next(at(50), 3_700, false).0, 3_700, "jitter is not passed on");
        assert_eq!(line.next(at(550), 4_000_000_000, true), (3_700 + 45_000, at(550)));
        assert_eq!(line.next(at(583), 4_000_003_000, false).0, 3_700 + 48_000);
        assert_eq!(line.next(at(584), 5, true).0, 3_700 + 51_000, "at least one frame");
    }

    #[test]
    fn a_sender_that_begins_again_elsewhere_does_not_make_it_jump() {
        let (mut line, start) = (Timeline::default(), Instant::now());
        line.next(start, 1_000_000, true);
        assert_eq!(line.next(start + Duration::from_secs(1), 3_000, false).0, 1_090_000);
    }

    #[test]
    fn it_wraps_as_timestamps_do() {
        let (mut line, start) = (Timeline::default(), Instant::now());
        line.next(start, u32::MAX - 999, true);
        assert_eq!(line.next(start + Duration::from_millis(33), 2_000, false).0, 2_000);
    }
}
