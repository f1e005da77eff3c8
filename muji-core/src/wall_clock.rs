//! The clocks on the wall: by them servers stamp what they deliver late (XEP-0203), and end credentials (XEP-0215).

use std::time::{Duration, Instant, SystemTime};

use crate::config;
use crate::delay::Delay;

/// An instant and what the clocks on the wall showed then, once that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WallClock(Option<(Instant, SystemTime)>);

impl WallClock {
    pub(crate) fn set(&mut self, now: Instant, wall: SystemTime) {
        self.0 = Some((now, wall));
    }

    /// What they show now.
    pub(crate) fn shows(self, now: Instant) -> Option<SystemTime> {
        self.0.map(|(then, wall)| wall + now.saturating_duration_since(then))
    }

    /// How long ago something was said; `None` if nothing tells.
    pub(crate) fn age(self, now: Instant, delay: Delay) -> Option<Duration> {
        match delay {
            Delay::None => Some(Duration::ZERO),
            // A stamp of the future is one of another clock.
            Delay::Since(at) => Some(self.shows(now)?.duration_since(at).unwrap_or_default()),
            Delay::Unreadable => None,
        }
    }
}

/// Since when something holds that was said so long ago; `None` if it is over, because it `lasts` no longer.
///
/// Clocks differ. What seems over may have been said just now, so it is taken to be as young as it can be: to ask the user in vain
/// costs less than a call.
pub(crate) fn since(now: Instant, age: Duration, lasts: Duration) -> Option<Instant> {
    let age = if age < lasts { age } else { age.saturating_sub(config::CLOCK_SKEW) };
    (age < lasts).then(|| now.checked_sub(age).unwrap_or(now))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);

    fn clock() -> (Instant, SystemTime, WallClock) {
        let (now, wall) = (Instant::now(), SystemTime::UNIX_EPOCH + 1_000 * MINUTE);
        let mut clock = WallClock::default();
        clock.set(now, wall);
        (now, wall, clock)
    }

    #[test]
    fn the_age_of_what_is_stamped_counts_by_the_wall() {
        let (now, wall, clock) = clock();
        let age = |delay| clock.age(now + MINUTE, delay);
        assert_eq!(age(Delay::None), Some(Duration::ZERO));
        assert_eq!(age(Delay::Since(wall)), Some(MINUTE));
        assert_eq!(age(Delay::Since(wall + 3 * MINUTE)), Some(Duration::ZERO), "the server's clock is ahead");
        assert_eq!(age(Delay::Unreadable), None);
        let unset = WallClock::default();
        assert_eq!((unset.age(now, Delay::None), unset.age(now, Delay::Since(wall))), (Some(Duration::ZERO), None));
    }

    #[test]
    fn what_is_young_holds_since_it_was_said() {
        let (now, ..) = clock();
        let later = now + 10 * MINUTE;
        assert_eq!(since(later, 3 * SECOND, MINUTE), Some(later - 3 * SECOND));
        assert_eq!(since(later, MINUTE - SECOND, MINUTE), Some(later - MINUTE + SECOND));
    }

    #[test]
    fn what_is_over_by_a_clock_that_may_be_wrong_is_as_young_as_it_can_be() {
        let (now, ..) = clock();
        let later = now + 10 * MINUTE;
        assert_eq!(since(later, config::CLOCK_SKEW + 3 * SECOND, MINUTE), Some(later - 3 * SECOND));
        assert_eq!(since(later, MINUTE, MINUTE), Some(later));
        assert_eq!(since(later, config::CLOCK_SKEW + MINUTE, MINUTE), None);
    }
}
