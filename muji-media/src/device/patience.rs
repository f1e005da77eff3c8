//! How long a thread that fills something has been silent, as far as it was asked.

use std::time::{Duration, Instant};

/// Between two questions no more than this counts: a process that was stopped did not wait, and its threads go on in any order.
const MOST: Duration = Duration::from_secs(1);

/// Waits for an answer.
#[derive(Debug)]
pub(super) struct Patience {
    asked: Instant,
    waited: Duration,
}

impl Patience {
    /// It waits from now on.
    pub(super) fn new(now: Instant) -> Self {
        Self { asked: now, waited: Duration::ZERO }
    }

    /// Asks again without an answer; how long that has lasted.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        self.waited += now.saturating_duration_since(self.asked).min(MOST);
        self.asked = now;
        self.waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_stopped_has_not_waited_meanwhile() {
        let begun = Instant::now();
        let mut patience = Patience::new(begun);
        let ms = Duration::from_millis;
        assert_eq!(patience.wait(begun + ms(500)), ms(500));
        assert_eq!(patience.wait(begun + ms(60_500)), ms(1_500), "it was stopped for a minute");
        assert_eq!(patience.wait(begun + ms(60_533)), ms(1_533));
    }
}
