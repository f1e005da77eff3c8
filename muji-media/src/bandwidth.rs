//! One encoding for all: what each path can carry, what pictures are encoded to, and who gets fewer of them.

use std::collections::BTreeMap;

use muji_jingle::TransportId;

use crate::codec::vp8::LAYERS;

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

/// Pictures go out in layers from the moment on at which others than those on the slowest path can get so many times as much, and no more
/// when they cannot get so many times as much: layers cost some bits themselves.
const WORTH_LAYERS: f64 = 1.5;
const NOT_WORTH_LAYERS: f64 = 1.25;

/// A path gets a layer more when it carries so many times what that needs.
const EASILY: f64 = 1.1;

/// The lowest layer may take so much of the slowest path, in percent: its pictures are few and large, and a lost one costs a key frame.
const ROOM: u32 = 78;

/// To whom the bit rate of our pictures is fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// To the slowest path: everybody gets everything.
    Slowest,
    /// To the fastest, but not so that the slowest could not carry the lowest temporal layer: slow ones get fewer pictures a second.
    #[default]
    Layers,
    /// To what this share of the paths, in percent, can carry; slower ones get fewer layers, and lose something if even the lowest is
    /// too much.
    Most(u8),
}

/// What pictures are encoded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Bits a second.
    pub bits: u32,
    /// In temporal layers, of which slow paths get fewer.
    pub layered: bool,
}

impl Default for Target {
    fn default() -> Self {
        Self { bits: INITIAL, layered: false }
    }
}

/// A path with a full queue is left so much of what it carries, until that is gone.
const DRAINS: f32 = 0.75;

/// What is known of a path, in bits a second.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// By the delay of packets, or by what the peer says.
    estimate: Option<u32>,
    /// By what is lost.
    bound: Option<u32>,
    /// Layers that are kept back.
    kept_back: u8,
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
    policy: Policy,
    paths: BTreeMap<TransportId, Known>,
    told: Target,
}

impl Bandwidth {
    /// Of no path yet.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// A path carries so many bits a second, as it seems.
    pub fn estimated(&mut self, path: TransportId, bits: u32) {
        self.paths.entry(path).or_default().estimate = Some(bits);
    }

    /// This share of our pictures was lost on a path lately, as its other end reports about each second.
    pub fn lost(&mut self, path: TransportId, share: f32) {
        let told = self.told.bits;
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

    /// So much of what left on a path in the last moments is lost: it carries the rest, and less until the queue before it is gone.
    pub fn overflowed(&mut self, path: TransportId, share: f32) {
        let told = self.told.bits;
        let known = self.paths.entry(path).or_default();
        known.bound = Some((known.carries().min(told) as f32 * (1.0 - share) * DRAINS) as u32);
    }

    /// These paths are no more.
    pub fn forget(&mut self, gone: impl Fn(&TransportId) -> bool) {
        self.paths.retain(|path, _| !gone(path));
    }

    /// What is to be encoded to. `None` if that is as before.
    pub fn news(&mut self) -> Option<Target> {
        let (target, told) = (self.target(), self.told);
        let little = u64::from(target.bits.abs_diff(told.bits)) * 100 < u64::from(told.bits) * u64::from(WORTH);
        if little && target.layered == told.layered {
            return None;
        }
        self.told = target;
        Some(target)
    }

    /// What was told last.
    #[must_use]
    pub fn told(&self) -> Target {
        self.told
    }

    fn target(&self) -> Target {
        let mut carries: Vec<u32> = self.paths.values().map(|known| known.carries()).collect();
        carries.sort_unstable();
        let [slowest, .., fastest] = *carries else {
            return Target { bits: carries.first().copied().unwrap_or(INITIAL), layered: false };
        };
        let wanted = match self.policy {
            Policy::Slowest => slowest,
            Policy::Layers => fastest.min(needed(slowest, ROOM * LAYERS[2] / 100, LAYERS[0])),
            Policy::Most(share) => {
                carries.get(carries.len() * usize::from(100 - share.min(100)) / 100).copied().unwrap_or(fastest)
            }
        };
        let worth = if self.told.layered { NOT_WORTH_LAYERS } else { WORTH_LAYERS };
        let layered = f64::from(wanted) > f64::from(slowest) * worth;
        Target { bits: if layered { wanted } else { slowest }, layered }
    }

    /// The highest temporal layer that each path gets of what is encoded to the last target.
    pub fn layers(&mut self) -> impl Iterator<Item = (TransportId, u8)> {
        let Target { bits, layered } = self.told;
        let highest = LAYERS.len() as u8 - 1;
        self.paths.iter_mut().map(move |(path, known)| {
            let gets = highest - known.kept_back;
            let fits = |layer: u8| {
                let easily = if layer > gets { EASILY } else { 1.0 };
                let needs = needed(bits, LAYERS[usize::from(layer)], LAYERS[2]);
                f64::from(known.carries()) >= f64::from(needs) * easily
            };
            let most = if layered { (1..=highest).rev().find(|layer| fits(*layer)).unwrap_or(0) } else { highest };
            known.kept_back = highest - most;
            (*path, most)
        })
    }
}

/// So many of so many parts of a bit rate.
fn needed(bits: u32, parts: u32, of: u32) -> u32 {
    u32::try_from(u64::from(bits) * u64::from(parts) / u64::from(of)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use muji_jingle::SessionId;

    use super::*;

    fn path(session: u64) -> TransportId {
        TransportId { session: SessionId(session), index: 0 }
    }

    /// What is encoded to if that changed, for everybody.
    fn news(bandwidth: &mut Bandwidth) -> Option<u32> {
        bandwidth.news().map(|target| {
            assert!(!target.layered);
            target.bits
        })
    }

    #[test]
    fn the_slowest_path_decides_and_small_changes_nothing() {
        let mut bandwidth = Bandwidth::new(Policy::Slowest);
        assert_eq!(news(&mut bandwidth), None);
        bandwidth.estimated(path(1), 1_000_000);
        assert_eq!(news(&mut bandwidth), Some(850_000));
        bandwidth.estimated(path(2), 400_000);
        assert_eq!(news(&mut bandwidth), Some(340_000));
        bandwidth.estimated(path(2), 405_000);
        assert_eq!(news(&mut bandwidth), None);
        bandwidth.forget(|gone| *gone == path(2));
        assert_eq!(news(&mut bandwidth), Some(850_000));
    }

    /// What is encoded to when paths carry so many kbit/s, and the highest layer that each gets.
    fn layered(bandwidth: &mut Bandwidth, carried: &[u32]) -> (u32, bool, Vec<u8>) {
        for (number, kilobits) in (0u64..).zip(carried) {
            bandwidth.estimated(path(number), kilobits * 100_000 / 85 + 100);
        }
        bandwidth.news();
        let Target { bits, layered } = bandwidth.told;
        (bits / 1_000, layered, bandwidth.layers().map(|(_, most)| most).collect())
    }

    #[test]
    fn slow_paths_get_fewer_layers_of_what_the_fast_ones_can_carry() {
        let mut bandwidth = Bandwidth::default();
        assert_eq!(layered(&mut bandwidth, &[400, 500, 550]), (400, false, vec![2, 2, 2]), "about the same");
        assert_eq!(layered(&mut bandwidth, &[400, 600, 1_000]), (780, true, vec![0, 1, 2]));
        assert_eq!(
            layered(&mut bandwidth, &[200, 600, 1_000]),
            (390, true, vec![0, 2, 2]),
            "the slowest can carry the lowest"
        );
        assert_eq!(layered(&mut bandwidth, &[400, 500, 560]), (560, true, vec![1, 1, 2]), "not yet as one again");
        assert_eq!(layered(&mut bandwidth, &[500, 500, 560]), (500, false, vec![2, 2, 2]));
    }

    #[test]
    fn a_path_gets_a_layer_more_only_when_it_carries_that_easily() {
        let mut bandwidth = Bandwidth::default();
        assert_eq!(layered(&mut bandwidth, &[520, 590, 1_000]), (1_000, true, vec![0, 0, 2]));
        assert_eq!(layered(&mut bandwidth, &[520, 630, 1_000]).2, [0, 0, 2]);
        assert_eq!(layered(&mut bandwidth, &[520, 670, 1_000]).2, [0, 1, 2]);
        assert_eq!(layered(&mut bandwidth, &[520, 610, 1_000]).2, [0, 1, 2]);
    }

    #[test]
    fn what_most_can_carry_may_be_too_much_for_the_others() {
        let paths = [100, 900, 1_000, 1_100, 1_200];
        assert_eq!(layered(&mut Bandwidth::new(Policy::Most(80)), &paths), (900, true, vec![0, 2, 2, 2, 2]));
        assert_eq!(layered(&mut Bandwidth::new(Policy::Most(50)), &paths), (1_000, true, vec![0, 1, 2, 2, 2]));
        assert_eq!(layered(&mut Bandwidth::new(Policy::Most(100)), &paths), (100, false, vec![2; 5]));
        assert_eq!(layered(&mut Bandwidth::new(Policy::Most(0)), &paths), (1_200, true, vec![0, 1, 1, 1, 2]));
    }

    #[test]
    fn no_path_makes_us_send_nothing_or_more_than_is_wanted() {
        let mut bandwidth = Bandwidth::default();
        bandwidth.estimated(path(1), u32::MAX);
        assert_eq!(news(&mut bandwidth), Some(DESIRED));
        bandwidth.estimated(path(1), 0);
        assert_eq!(news(&mut bandwidth), Some(LEAST));
    }

    #[test]
    fn a_path_that_loses_gets_less_and_slowly_more_again() {
        let mut bandwidth = Bandwidth::default();
        bandwidth.estimated(path(1), 1_000_000);
        assert_eq!(news(&mut bandwidth), Some(850_000));
        bandwidth.lost(path(1), 0.2);
        assert_eq!(news(&mut bandwidth), Some(765_000));
        bandwidth.lost(path(1), 0.4);
        assert_eq!(news(&mut bandwidth), Some(459_000), "what comes through is what it carries");
        bandwidth.lost(path(1), 0.9);
        assert_eq!(news(&mut bandwidth), Some(229_500), "some of that had only waited");
        bandwidth.lost(path(1), 0.05);
        assert_eq!(news(&mut bandwidth), None, "a little is lost on any path");
        bandwidth.lost(path(1), 0.0);
        assert_eq!(news(&mut bandwidth), Some(247_860));
        (0..60).for_each(|_| bandwidth.lost(path(1), 0.0));
        assert_eq!(news(&mut bandwidth), Some(850_000), "the estimate still holds");
    }

    #[test]
    fn a_path_that_becomes_narrow_gets_less_than_comes_through_at_once() {
        let mut bandwidth = Bandwidth::default();
        bandwidth.estimated(path(1), 1_000_000);
        assert_eq!(news(&mut bandwidth), Some(850_000));
        bandwidth.overflowed(path(1), 0.6);
        assert_eq!(news(&mut bandwidth), Some(254_999), "three quarters of the 340 that come through");
    }

    #[test]
    fn a_path_of_which_losses_alone_are_known_begins_as_usual_and_grows_while_nothing_is_lost() {
        let mut bandwidth = Bandwidth::default();
        (0..60).for_each(|_| bandwidth.lost(path(1), 0.0));
        assert_eq!(news(&mut bandwidth), Some(DESIRED));
    }
}
