//! One bit rate for all: what each path can carry, and what pictures are encoded to.

use std::collections::BTreeMap;

use muji_jingle::TransportId;

/// Before anything is known of the paths, in bits a second.
pub const INITIAL: u32 = 600_000;

/// More than this is not wanted for 640 x 360, in bits a second.
pub const DESIRED: u32 = 1_500_000;

/// With less nothing can be recognised, in bits a second: then it is better that a path loses some.
pub(crate) const LEAST: u32 = 50_000;

/// The share of a path that pictures get, in percent: headers, retransmissions and sound need the rest.
const SHARE: u64 = 85;

/// A change of less, in percent, is not worth one of the encoder.
const WORTH: u32 = 3;

/// A path that loses more has too much to carry; one that loses less may be tried with a little more each time it says so. These are
/// what congestion control of conversations has by loss (draft-ietf-rmcat-gcc-02 section 6): delay alone does not show a queue
/// that is always full.
pub(crate) const TOO_MUCH: f32 = 0.10;
pub(crate) const LITTLE: f32 = 0.02;
pub(crate) const MORE: f32 = 1.08;

/// A path that loses more than this is full, and carries what comes through; yet not less than that share of what was sent, for some of
/// what is lost is what waited.
const FULL: f32 = 0.25;
const KEPT: f32 = 0.5;

/// What is known of a path, in bits a second.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// By the delay of packets, or by what the peer says.
    estimate: Option<u32>,
    /// By what is lost.
    bound: Option<u32>,
}

impl Known {
    /// What pictures may be encoded to.
    fn carries(self) -> u32 {
        let estimate = self.estimate.map(|bits| u32::try_from(u64::from(bits) * SHARE / 100).unwrap_or(u32::MAX));
        // Of a path of which losses alone are known, we begin as if it were usual.
        let bound = self.bound.or_else(|| estimate.is_none().then_some(INITIAL));
        estimate.into_iter().chain(bound).min().unwrap_or(INITIAL).clamp(LEAST, DESIRED)
    }
}

/// What is known of the paths by which our pictures go.
#[derive(Debug, Default)]
pub struct Bandwidth {
    paths: BTreeMap<TransportId, Known>,
    told: Option<u32>,
}

impl Bandwidth {
    /// A path carries so many bits a second, as it seems.
    pub fn estimated(&mut self, path: TransportId, bits: u32) {
        self.paths.entry(path).or_default().estimate = Some(bits);
    }

    /// This share of our pictures was lost on a path lately, as its other end reports about each second.
    pub fn lost(&mut self, path: TransportId, share: f32) {
        let told = self.told.unwrap_or(INITIAL);
        let known = self.paths.entry(path).or_default();
        if share > TOO_MUCH {
            let kept = if share > FULL { 1.0 - share.min(1.0) } else { 1.0 - share / 2.0 };
            known.bound = Some((known.carries().min(told) as f32 * kept.max(KEPT)) as u32);
        } else if share < LITTLE {
            // Where nothing bounds it but an estimate, nothing else is needed.
            let before = known.bound.or_else(|| known.estimate.is_none().then_some(INITIAL));
            known.bound = before.map(|bound| ((bound as f32 * MORE) as u32).min(DESIRED));
        }
    }

    /// These paths are no more.
    pub fn forget(&mut self, gone: impl Fn(&TransportId) -> bool) {
        self.paths.retain(|path, _| !gone(path));
    }

    /// What is to be encoded to, in bits a second: what the slowest path can bear. `None` if that is as before.
    pub fn news(&mut self) -> Option<u32> {
        let target = self.paths.values().map(|known| known.carries()).min().unwrap_or(INITIAL);
        let told = self.told.unwrap_or(INITIAL);
        if u64::from(target.abs_diff(told)) * 100 < u64::from(told) * u64::from(WORTH) {
            return None;
        }
        self.told = Some(target);
        Some(target)
    }
}

#[cfg(test)]
mod tests {
    use muji_jingle::SessionId;

    use super::*;

    fn path(session: u64) -> TransportId {
        TransportId { session: SessionId(session), index: 0 }
    }

    #[test]
    fn the_slowest_path_decides_and_small_changes_nothing() {
        let mut bandwidth = Bandwidth::default();
        assert_eq!(bandwidth.news(), None);
        bandwidth.estimated(path(1), 1_000_000);
        assert_eq!(bandwidth.news(), Some(850_000));
        bandwidth.estimated(path(2), 400_000);
        assert_eq!(bandwidth.news(), Some(340_000));
        bandwidth.estimated(path(2), 405_000);
        assert_eq!(bandwidth.news(), None);
        bandwidth.forget(|gone| *gone == path(2));
        assert_eq!(bandwidth.news(), Some(850_000));
    }

    #[test]
    fn no_path_makes_us_send_nothing_or_more_than_is_wanted() {
        let mut bandwidth = Bandwidth::default();
        bandwidth.estimated(path(1), u32::MAX);
        assert_eq!(bandwidth.news(), Some(DESIRED));
        bandwidth.estimated(path(1), 0);
        assert_eq!(bandwidth.news(), Some(LEAST));
    }

    #[test]
    fn a_path_that_loses_gets_less_and_slowly_more_again() {
        let mut bandwidth = Bandwidth::default();
        bandwidth.estimated(path(1), 1_000_000);
        assert_eq!(bandwidth.news(), Some(850_000));
        bandwidth.lost(path(1), 0.2);
        assert_eq!(bandwidth.news(), Some(765_000));
        bandwidth.lost(path(1), 0.4);
        assert_eq!(bandwidth.news(), Some(459_000), "what comes through is what it carries");
        bandwidth.lost(path(1), 0.9);
        assert_eq!(bandwidth.news(), Some(229_500), "some of that had only waited");
        bandwidth.lost(path(1), 0.05);
        assert_eq!(bandwidth.news(), None, "a little is lost on any path");
        bandwidth.lost(path(1), 0.0);
        assert_eq!(bandwidth.news(), Some(247_860));
        (0..60).for_each(|_| bandwidth.lost(path(1), 0.0));
        assert_eq!(bandwidth.news(), Some(850_000), "the estimate still holds");
    }

    #[test]
    fn a_path_of_which_losses_alone_are_known_begins_as_usual_and_grows_while_nothing_is_lost() {
        let mut bandwidth = Bandwidth::default();
        (0..60).for_each(|_| bandwidth.lost(path(1), 0.0));
        assert_eq!(bandwidth.news(), Some(DESIRED));
    }
}
