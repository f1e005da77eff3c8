//! When the bandwidth of a path is estimated from the beginning: after an estimate that says little about the path.
//!
//! str0m takes what it saw last for what a path can carry. If one of the machines has no processor for some hundred milliseconds, packets
//! come late as behind a full queue, and few have come; if a probe was under way, its rate is taken as it is. So the estimate can fall to a
//! tenth within a moment, with nothing wrong with the path, and str0m itself probes such a path after 5 s if little is sent, after 15 s
//! else. Begun again, str0m probes at once with three and six times the low estimate, and goes on as long as that passes.

use std::time::{Duration, Instant};

use crate::bandwidth::{FALLEN, INITIAL};

/// From the fall to the first probe: what came late is worked off by then.
const FIRST: Duration = Duration::from_millis(200);

/// To the next, and how many there are: a path has recovered within 5 s. A path that has really become narrow is left alone after that: each
/// probe lengthens its queue by a tenth of a second.
const AGAIN: Duration = Duration::from_secs(1);
const PROBES: u32 = 4;

/// Follows the estimates of one path.
#[derive(Debug)]
pub(super) struct Probing {
    estimate: u32,
    /// The highest estimate since the last fall.
    highest: u32,
    /// When the next probe is due, and how many there are with it.
    next: Option<Instant>,
    left: u32,
}

impl Default for Probing {
    fn default() -> Self {
        Self { estimate: INITIAL, highest: INITIAL, next: None, left: 0 }
    }
}

impl Probing {
    /// The path is estimated to carry so many bits a second, of which so many are of use.
    pub(super) fn estimated(&mut self, now: Instant, bits: u32, desired: u32) {
        self.estimate = bits;
        if (bits as f32) < self.highest as f32 * FALLEN {
            self.highest = bits;
            self.next = Some(now + FIRST);
            self.left = PROBES;
        }
        self.highest = self.highest.max(bits);
        if bits >= desired {
            self.next = None;
        }
    }

    /// So much is lost that the path is full, whatever else is known: probes would only add to it.
    pub(super) fn lost(&mut self) {
        self.next = None;
    }

    /// When [`Self::take`] is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next
    }

    /// From which estimate to begin again, if it is time to.
    pub(super) fn take(&mut self, now: Instant) -> Option<u32> {
        self.next.filter(|at| *at <= now)?;
        self.left -= 1;
        self.next = (self.left > 0).then_some(now + AGAIN);
        Some(self.estimate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bandwidth::DESIRED;

    /// When probes are due, up to ten seconds after something.
    fn probes(probing: &mut Probing, from: Instant) -> Vec<u128> {
        let due = std::iter::from_fn(|| {
            let at = probing.due()?;
            probing.take(at).map(|_| (at - from).as_millis())
        });
        due.take_while(|at| *at < 10_000).collect()
    }

    #[test]
    fn a_path_whose_estimate_has_fallen_is_probed_for_some_seconds_and_others_are_not() {
        let now = Instant::now();
        let mut probing = Probing::default();
        for bits in [600_000, 1_400_000, 1_000_000, 1_100_000] {
            probing.estimated(now, bits, DESIRED);
            assert_eq!(probing.due(), None, "{bits}");
        }
        probing.estimated(now, 100_000, DESIRED);
        assert_eq!(probes(&mut probing, now), [200, 1_200, 2_200, 3_200]);
        probing.estimated(now, 70_000, DESIRED);
        assert_eq!(probing.due(), None, "it is as low as it was");
        probing.estimated(now, 60_000, DESIRED);
        assert_eq!(probing.take(now + FIRST), Some(60_000), "it has fallen further");
    }

    #[test]
    fn a_path_that_has_recovered_or_loses_packets_is_not_probed() {
        let now = Instant::now();
        let mut probing = Probing::default();
        probing.estimated(now, 100_000, DESIRED);
        probing.estimated(now, DESIRED, DESIRED);
        assert_eq!(probing.due(), None);
        probing.estimated(now, 100_000, DESIRED);
        probing.lost();
        assert_eq!(probing.due(), None);
    }
}
