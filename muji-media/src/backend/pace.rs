//! Whether the machine keeps up with the clock of sound. A tick that comes far too late leaves out what was missed: after a sleep that is
//! right, but if it happens again and again, the machine is too slow for the call, and its user has to know why everybody sounds bad.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Sound has to be left out so many times within [`WINDOW`]: a machine that slept, or a disk that was busy, does it once or twice.
const TIMES: usize = 3;

/// Each time at least 200 ms are left out, so three times are 6 % of it: as bad as a bad network.
const WINDOW: Duration = Duration::from_secs(10);

/// If all was well for so long, the machine is no longer too slow. If it is later, that is told again: a warning each ten seconds would
/// help nobody.
const CALM: Duration = Duration::from_secs(60);

/// What was left out lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When, and how much, of the last [`WINDOW`]: [`TIMES`] at most.
    left_out: VecDeque<(Instant, Duration)>,
    /// The last time, since the machine is too slow.
    behind: Option<Instant>,
}

impl Pace {
    /// So much sound is left out. How much it was in all lately, if the user is to be told.
    pub(super) fn left_out(&mut self, now: Instant, time: Duration) -> Option<Duration> {
        if time >= WINDOW {
            return None; // The machine slept, or the process was stopped.
        }
        self.left_out.retain(|(at, _)| now.duration_since(*at) < WINDOW);
        self.left_out.truncate(TIMES - 1);
        self.left_out.push_front((now, time));
        let is_known = self.is_behind(now);
        let is_news = !is_known && self.left_out.len() == TIMES;
        if is_known || is_news {
            self.behind = Some(now);
        }
        is_news.then(|| self.left_out.iter().map(|(_, time)| *time).sum())
    }

    /// True while the machine is too slow.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        self.behind.is_some_and(|last| now.duration_since(last) < CALM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MISSED: Duration = Duration::from_millis(220);

    /// What is told when 220 ms are left out at each of these seconds.
    fn told(seconds: &[u32]) -> Vec<u32> {
        let (start, mut pace) = (Instant::now(), Pace::default());
        let tells = |second: &&u32| pace.left_out(start + **second * SECOND, MISSED).is_some();
        seconds.iter().filter(tells).copied().collect()
    }

    #[test]
    fn a_machine_that_leaves_sound_out_again_and_again_is_told_once_to_be_too_slow() {
        let all_the_time: Vec<u32> = (0..300).collect();
        assert_eq!(told(&all_the_time), [2]);
        assert_eq!(told(&[0, 4, 8, 12]), [8]);
    }

    #[test]
    fn what_is_left_out_now_and_then_is_not_worth_a_word() {
        let seldom: Vec<u32> = (0..100).map(|number| 6 * number).collect();
        assert_eq!(told(&seldom), [0; 0]);
    }

    #[test]
    fn it_is_told_again_after_a_minute_in_which_all_was_well() {
        assert_eq!(told(&[0, 1, 2, 30, 31, 32, 92, 93, 94]), [2, 94]);
    }

    #[test]
    fn it_is_too_slow_from_the_third_time_until_all_was_well_for_a_minute() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        for second in 0..3 {
            pace.left_out(start + second * SECOND, MISSED);
        }
        let behind = [1, 2, 30, 61, 62].map(|second| pace.is_behind(start + second * SECOND));
        assert_eq!(behind, [true, true, true, true, false]);
        let mut twice = Pace::default();
        for second in 0..2 {
            twice.left_out(start + second * SECOND, MISSED);
        }
        assert!(!twice.is_behind(start + SECOND));
    }

    #[test]
    fn a_machine_that_slept_for_an_hour_is_not_slow() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        let slept = [3_600_000, 220, 220].map(Duration::from_millis);
        assert_eq!(slept.map(|time| pace.left_out(start, time)), [None; 3]);
        assert_eq!(pace.left_out(start, MISSED), Some(3 * MISSED));
    }

    #[test]
    fn what_was_left_out_lately_is_told_in_all() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        assert_eq!(pace.left_out(start, 5 * SECOND), None);
        let later = [11, 12, 13].map(|second| pace.left_out(start + second * SECOND, SECOND));
        assert_eq!(later, [None, None, Some(3 * SECOND)]);
    }
}
