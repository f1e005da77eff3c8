//! How long pictures stood still, by the times at which they were shown.

use std::collections::VecDeque;
use std::time::Duration;

/// The mean is over so many delays, as in W3C's webrtc-stats (freezeCount).
const WINDOW: usize = 30;

/// A picture that comes so much later than the mean is late enough to be a freeze.
const STILL: Duration = Duration::from_millis(150);

/// What became of the pictures.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Freezes {
    pub(crate) count: usize,
    /// Their length together (totalFreezesDuration).
    pub(crate) time: Duration,
}

/// A delay between two pictures is a freeze if it is at least three times the mean of the last thirty, and at least 150 ms longer.
/// What comes after the last picture, up to `end`, is judged like a delay.
pub(crate) fn freezes(shown: &[Duration], end: Duration) -> Freezes {
    let mut freezes = Freezes::default();
    let mut last: VecDeque<Duration> = VecDeque::new();
    let ends = shown.iter().skip(1).copied().chain([end]);
    for delay in shown.iter().zip(ends).map(|(before, at)| at.saturating_sub(*before)) {
        let mean = last.iter().sum::<Duration>() / u32::try_from(last.len().max(1)).expect("there are thirty");
        if !last.is_empty() && delay >= (3 * mean).max(mean + STILL) {
            freezes.count += 1;
            freezes.time += delay;
        }
        last.push_back(delay);
        if last.len() > WINDOW {
            last.pop_front();
        }
    }
    freezes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_delay_of_183_ms_among_pictures_each_33_ms_is_a_freeze_and_a_shorter_one_is_not() {
        let shown =
            |gap: u64| -> Vec<Duration> { (0..60).map(|n| ms(n * 33 + if n > 30 { gap } else { 0 })).collect() };
        assert_eq!(freezes(&shown(149), ms(60 * 33 + 149)), Freezes::default());
        assert_eq!(freezes(&shown(150), ms(60 * 33 + 150)), Freezes { count: 1, time: ms(183) });
    }

    #[test]
    fn pictures_that_never_come_again_are_a_freeze() {
        let shown: Vec<Duration> = (0..60).map(|n| ms(n * 33)).collect();
        assert_eq!(freezes(&shown, ms(59 * 33 + 5_000)), Freezes { count: 1, time: ms(5_000) });
    }
}
