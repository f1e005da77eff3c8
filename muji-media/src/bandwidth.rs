//! Bandwidth: video is encoded once for all peers that take an encoding. Here is what each path can carry, what the encoder is set to, and which peers get fewer
//! temporal layers. Paths report an estimate (TWCC or REMB, by delay) and losses; the lower bound of both counts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use muji_jingle::TransportId;

use crate::codec::video::LAYERS;
use crate::transport::Congestion;
use crate::video::encoded_rate::EncodedRate;

/// Before anything is known of a path, in bits a second.
pub const INITIAL: u32 = 600_000;

/// What is of use for frames of so many pixels at most, in bits a second. libwebrtc, and so browsers, send 600 kbit/s up to 320 x 240,
/// 1700 up to 640 x 480, and 2500 for anything larger; in simulcast they give 1920 x 1080 4 to 5 Mbit/s. With 1500 for 640 x 360 the film of
/// `make quality` looks as good as it came (VMAF 99).
const DESIRED_BY_PIXELS: [(usize, u32); 3] = [(320 * 240, 600_000), (640 * 480, 1_500_000), (1_280 * 720, 2_500_000)];

/// For any larger frames; nothing is worth more.
const MOST_DESIRED: u32 = 4_000_000;

/// Before the size is known, and for what a peer sends that is told by REMB: that of 640 x 360. Such a peer halves its bit rate again and again
/// on a path that becomes narrow, and falls too low from any more.
pub(crate) const DESIRED: u32 = DESIRED_BY_PIXELS[1].1;

/// What is of use for frames of this size, in bits a second.
fn desired([width, height]: [usize; 2]) -> u32 {
    let most = DESIRED_BY_PIXELS.iter().find(|(pixels, _)| width * height <= *pixels);
    most.map_or(MOST_DESIRED, |(_, bits)| *bits)
}

/// The lowest bit rate. With less nothing can be recognised, so a path that carries less had better lose some packets.
pub(crate) const LEAST: u32 = 50_000;

/// The share of an estimate that video gets, in percent: headers, retransmissions and audio need the rest.
const SHARE: u64 = 85;

/// A smaller change, in percent, is not worth setting the encoder: it needs up to four frames to follow.
const WORTH: u32 = 3;

/// Loss-based congestion control (draft-ietf-rmcat-gcc-02 section 6): above 10 % a path has too much to carry and gets less; below 2 % it is
/// given 8 % more with each report; in between it stays. Delay alone is not enough, because it does not show a queue that is always full.
pub(crate) const TOO_MUCH: f32 = 0.10;
pub(crate) const LITTLE: f32 = 0.02;
pub(crate) const MORE: f32 = 1.08;

/// A path that loses more than this is full and carries only what comes through. Yet it keeps at least the share `KEPT`: part of what is
/// lost is only what waited in the queue, and would have been carried later.
const FULL: f32 = 0.25;
const KEPT: f32 = 0.5;

/// Video is sent in temporal layers as soon as the faster paths can get so many times the bits of the slowest, and in one layer again when
/// they cannot get so many times as much. Layers cost some bits themselves; two limits keep it from switching back and forth.
const WORTH_LAYERS: f64 = 1.5;
const NOT_WORTH_LAYERS: f64 = 1.25;

/// A path gets one more layer when it carries so many times what that needs: else it would lose it again with the next estimate.
const EASILY: f64 = 1.1;

/// The share of the slowest path that the lowest layer may take, in percent. Its frames are few and large, and a lost one costs a key frame.
const ROOM: u32 = 78;

/// The highest temporal layer.
const HIGHEST: u8 = LAYERS.len() as u8 - 1;

/// To whose path the bit rate of our video is fitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BandwidthPolicy {
    /// To the slowest: each peer gets each frame.
    Slowest,
    /// To the fastest, as long as the slowest can carry the lowest temporal layer: slow ones get fewer frames a second.
    #[default]
    Layers,
    /// To what this share of the paths, in percent, can carry. Slower ones get fewer layers, and lose packets if even the lowest is too
    /// much.
    Most(u8),
}

impl BandwidthPolicy {
    /// The same for video that has temporal layers, or not: what has none is sent whole to each peer, so the slowest decides where layers
    /// would.
    pub(crate) fn with_layers(self, has_layers: bool) -> Self {
        match self {
            Self::Layers if !has_layers => Self::Slowest,
            policy => policy,
        }
    }
}

/// What video is encoded to.
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

/// A path that has become congested gets this share of what it carries, until the queue before it has drained.
const DRAINS: f32 = 0.75;

/// What a path loses so soon after it was congested is the key frame behind the pause, which is as large as several other frames and meets what
/// is left of the queue. If delay is measured too, and an estimate by it has come since, that one knows better: lowered twice, a path of 300
/// kbit/s was left with 50.
const SAME_CONGESTION: Duration = Duration::from_secs(2);

/// An estimate below this share of what it was has fallen. Of a path that is merely full congestion control takes 85 % of what came through.
pub(crate) const FALLEN: f32 = 0.67;

/// If less than this share of an estimate is sent, nothing has tested it (application-limited, as congestion control calls it; libwebrtc
/// draws the line at the same share). What congestion control sees then when a machine has no processor for some hundred milliseconds is
/// one late burst in which little came, and it takes 85 % of that for the path: 63 kbit/s where 1163 were known to pass.
const UNTESTED: f32 = 0.65;

/// So a fall of an estimate that was not tested is believed only if it lasts so long: until then the transport has probed the path again.
/// Longer, the queue of a path that has really become narrow would grow by too much; one of 300 ms, as home routers have, overflows before
/// that, and what is lost is believed at once.
const DOUBTED: Duration = Duration::from_millis(800);

/// A fall of an estimate that is not believed yet.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    /// The new estimate.
    bits: u32,
    /// When it is believed.
    until: Instant,
}

/// What is known of a path, in bits a second.
#[derive(Debug, Clone, Copy, Default)]
struct PathCapacity {
    /// By the delay of packets (TWCC), or as the peer says (REMB).
    estimate: Option<u32>,
    /// When it came.
    estimated_at: Option<Instant>,
    doubt: Option<Doubt>,
    /// By losses.
    bound: Option<u32>,
    /// When it was lowered because the path was congested.
    congested_at: Option<Instant>,
    /// How many layers are left out.
    kept_back: u8,
    /// It gets no video, so nothing need fit it.
    rests: bool,
}

impl PathCapacity {
    /// Whether an estimate has fallen although nothing tested the one before.
    fn doubts(self, bits: u32, sent: Option<u32>) -> bool {
        // While nothing is sent there is nothing to protect, and the estimate before is as old as the pause.
        let (Some(before), Some(sent)) = (self.estimate, sent) else { return false };
        let (bits, before, sent) = (bits as f32, before as f32, sent as f32);
        bits < before * FALLEN && sent < before * UNTESTED
    }

    fn believe(&mut self) {
        if let Some(Doubt { bits, .. }) = self.doubt.take() {
            self.estimate = Some(bits);
        }
    }

    /// What video may be encoded to on this path alone.
    fn carries(self, desired: u32) -> u32 {
        let estimate = self.estimate.map(|bits| u32::try_from(u64::from(bits) * SHARE / 100).unwrap_or(u32::MAX));
        // With losses but no estimate, the path is taken for a usual one at first.
        let bound = self.bound.or_else(|| estimate.is_none().then_some(INITIAL));
        estimate.into_iter().chain(bound).min().unwrap_or(INITIAL).clamp(LEAST, desired)
    }
}

/// What is known of the paths by which our video is sent.
#[derive(Debug)]
pub struct PathBandwidths {
    policy: BandwidthPolicy,
    /// More is of no use.
    desired: u32,
    paths: BTreeMap<TransportId, PathCapacity>,
    encoded: EncodedRate,
    last_target: Target,
}

impl Default for PathBandwidths {
    fn default() -> Self {
        Self::new(BandwidthPolicy::default())
    }
}

impl PathBandwidths {
    /// No path is known yet.
    #[must_use]
    pub fn new(policy: BandwidthPolicy) -> Self {
        let (encoded, last_target) = (EncodedRate::default(), Target::default());
        Self { policy, desired: DESIRED, paths: BTreeMap::new(), encoded, last_target }
    }

    /// The largest frames have this size, in pixels, from now on: so much is sent at most.
    pub fn set_size(&mut self, size: [usize; 2]) {
        self.desired = desired(size);
    }

    /// The most that is sent, in bits a second.
    #[must_use]
    pub fn desired(&self) -> u32 {
        self.desired
    }

    /// A frame of a layer was encoded.
    pub fn encoded(&mut self, now: Instant, layer: u8, bytes: usize) {
        self.encoded.add(now, layer, bytes);
    }

    /// A path's bandwidth was estimated, in bits a second.
    pub fn estimated(&mut self, now: Instant, path: TransportId, bits: u32) {
        let known = self.paths.entry(path).or_default();
        known.estimated_at = Some(now);
        let sent = self.encoded.up_to(now, HIGHEST - known.kept_back);
        if known.doubts(bits, sent) {
            // An estimate that goes on falling is still the same fall.
            let until = known.doubt.map_or(now + DOUBTED, |doubt| doubt.until);
            known.doubt = Some(Doubt { bits, until });
        } else {
            known.estimate = Some(bits);
            known.doubt = None;
        }
    }

    /// This share of our packets on a path was lost lately, as its other end reports about each second.
    pub fn lost(&mut self, path: TransportId, share: f32) {
        // Of what the path was thought to carry only what was encoded has been tried: less than that is what it needs now.
        let (encoded, desired) = (self.last_target.bits, self.desired);
        let known = self.paths.entry(path).or_default();
        if share > TOO_MUCH {
            known.believe();
            // Of what is lost on a path that is not full, half is blamed on the bit rate, as in GCC.
            let kept = if share > FULL { 1.0 - share.min(1.0) } else { 1.0 - share / 2.0 };
            known.bound = Some((known.carries(desired).min(encoded) as f32 * kept.max(KEPT)) as u32);
        } else if share < LITTLE {
            // A path that only an estimate bounds needs no other bound.
            let before = known.bound.or_else(|| known.estimate.is_none().then_some(INITIAL));
            known.bound = before.map(|bound| ((bound as f32 * MORE) as u32).min(desired));
        }
    }

    /// Of what was sent on a path in the last moments a share is lost: it carries the rest, and less until its queue has drained.
    pub fn congested(&mut self, now: Instant, path: TransportId, congestion: Congestion) {
        let (encoded, desired) = (self.last_target.bits, self.desired);
        let known = self.paths.entry(path).or_default();
        known.believe();
        let same = known.congested_at.filter(|at| now.saturating_duration_since(*at) < SAME_CONGESTION);
        if congestion.has_delay_estimate && same.is_some_and(|at| known.estimated_at > Some(at)) {
            return;
        }
        known.congested_at = Some(now);
        known.bound = Some((known.carries(desired).min(encoded) as f32 * (1.0 - congestion.lost) * DRAINS) as u32);
    }

    /// These paths are gone.
    pub fn forget(&mut self, gone: impl Fn(&TransportId) -> bool) {
        self.paths.retain(|path, _| !gone(path));
    }

    /// What each path carries of video, in bits a second.
    pub(crate) fn carried(&self) -> impl Iterator<Item = (TransportId, u32)> {
        self.paths.iter().map(|(path, known)| (*path, known.carries(self.desired)))
    }

    /// A path gets no video from now on.
    pub(crate) fn rest(&mut self, path: TransportId) {
        self.paths.get_mut(&path).into_iter().for_each(|known| known.rests = true);
    }

    /// It gets video again.
    pub(crate) fn go_on(&mut self, path: TransportId) {
        self.paths.get_mut(&path).into_iter().for_each(|known| known.rests = false);
    }

    /// What to encode to; `None` if it is as before.
    pub fn changed(&mut self, now: Instant) -> Option<Target> {
        // Transports report an estimate only when it changes, so one that stays low is believed here.
        let lasts = |known: &&mut PathCapacity| known.doubt.is_some_and(|doubt| doubt.until <= now);
        self.paths.values_mut().filter(lasts).for_each(PathCapacity::believe);
        // Compared with what is encoded, not with what was computed before: many small steps in one direction add up.
        let (target, last) = (self.target(), self.last_target);
        let little = u64::from(target.bits.abs_diff(last.bits)) * 100 < u64::from(last.bits) * u64::from(WORTH);
        if little && target.layered == last.layered {
            return None;
        }
        self.last_target = target;
        Some(target)
    }

    /// What was encoded to last.
    #[must_use]
    pub fn last_target(&self) -> Target {
        self.last_target
    }

    fn target(&self) -> Target {
        let used = self.paths.values().filter(|known| !known.rests);
        let mut carries: Vec<u32> = used.map(|known| known.carries(self.desired)).collect();
        carries.sort_unstable();
        // With one peer there is nobody to save frames for, and layers would only cost it bits.
        let [slowest, .., fastest] = *carries else {
            return Target { bits: carries.first().copied().unwrap_or(INITIAL), layered: false };
        };
        let wanted = match self.policy {
            BandwidthPolicy::Slowest => slowest,
            // As much as leaves the slowest room for the lowest layer: below that it would freeze, not stutter.
            BandwidthPolicy::Layers => fastest.min(needed(slowest, ROOM * LAYERS[2] / 100, LAYERS[0])),
            BandwidthPolicy::Most(share) => {
                carries.get(carries.len() * usize::from(100 - share.min(100)) / 100).copied().unwrap_or(fastest)
            }
        };
        let worth = if self.last_target.layered { NOT_WORTH_LAYERS } else { WORTH_LAYERS };
        let layered = f64::from(wanted) > f64::from(slowest) * worth;
        Target { bits: if layered { wanted } else { slowest }, layered }
    }

    /// The highest temporal layer that each path gets of what is encoded.
    pub fn layers(&mut self, now: Instant) -> impl Iterator<Item = (TransportId, u8)> {
        let (layered, desired) = (self.last_target.layered, self.desired);
        let needs = [0, 1, HIGHEST].map(|layer| self.needs(now, layer));
        self.paths.iter_mut().map(move |(path, known)| {
            let gets = HIGHEST - known.kept_back;
            let fits = |layer: u8| {
                // Only upwards: a path that gets a layer keeps it as long as it fits at all.
                let easily = if layer > gets { EASILY } else { 1.0 };
                f64::from(known.carries(desired)) >= f64::from(needs[usize::from(layer)]) * easily
            };
            let most = if layered { (1..=HIGHEST).rev().find(|layer| fits(*layer)).unwrap_or(0) } else { HIGHEST };
            known.kept_back = HIGHEST - most;
            (*path, most)
        })
    }

    /// What the layers up to one need. A path is slow only if what is sent does not fit: simple pictures are encoded to a tenth of the target,
    /// and few of them would never show that a path carries more.
    fn needs(&self, now: Instant, layer: u8) -> u32 {
        let planned = needed(self.last_target.bits, LAYERS[usize::from(layer)], LAYERS[usize::from(HIGHEST)]);
        // Not more than planned: a key frame takes several frames' bits at once, and the encoder makes up for it afterwards.
        self.encoded.up_to(now, layer).map_or(planned, |encoded| encoded.min(planned))
    }
}

/// A part of a bit rate.
fn needed(bits: u32, parts: u32, of: u32) -> u32 {
    u32::try_from(u64::from(bits) * u64::from(parts) / u64::from(of)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use muji_jingle::SessionId;

    use super::*;

    /// The same each time.
    fn epoch() -> Instant {
        static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
        *EPOCH
    }

    fn path(session: u64) -> TransportId {
        TransportId { session: SessionId(session), index: 0 }
    }

    /// What is encoded to if that changed, for everybody.
    fn news(bandwidth: &mut PathBandwidths) -> Option<u32> {
        bandwidth.changed(epoch()).map(|target| {
            assert!(!target.layered);
            target.bits
        })
    }

    #[test]
    fn the_slowest_path_decides_and_small_changes_nothing() {
        let mut bandwidth = PathBandwidths::new(BandwidthPolicy::Slowest);
        assert_eq!(news(&mut bandwidth), None);
        bandwidth.estimated(epoch(), path(1), 1_000_000);
        assert_eq!(news(&mut bandwidth), Some(850_000));
        bandwidth.estimated(epoch(), path(2), 400_000);
        assert_eq!(news(&mut bandwidth), Some(340_000));
        bandwidth.estimated(epoch(), path(2), 405_000);
        assert_eq!(news(&mut bandwidth), None);
        bandwidth.forget(|gone| *gone == path(2));
        assert_eq!(news(&mut bandwidth), Some(850_000));
    }

    /// What is encoded to when paths carry so many kbit/s, and the highest layer that each gets.
    fn layered(bandwidth: &mut PathBandwidths, carried: &[u32]) -> (u32, bool, Vec<u8>) {
        for (number, kilobits) in (0u64..).zip(carried) {
            bandwidth.estimated(epoch(), path(number), kilobits * 100_000 / 85 + 100);
        }
        bandwidth.changed(epoch());
        let Target { bits, layered } = bandwidth.last_target;
        (bits / 1_000, layered, bandwidth.layers(epoch()).map(|(_, most)| most).collect())
    }

    #[test]
    fn slow_paths_get_fewer_layers_of_what_the_fast_ones_can_carry() {
        let mut bandwidth = PathBandwidths::default();
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
        let mut bandwidth = PathBandwidths::default();
        assert_eq!(layered(&mut bandwidth, &[520, 590, 1_000]), (1_000, true, vec![0, 0, 2]));
        assert_eq!(layered(&mut bandwidth, &[520, 630, 1_000]).2, [0, 0, 2]);
        assert_eq!(layered(&mut bandwidth, &[520, 670, 1_000]).2, [0, 1, 2]);
        assert_eq!(layered(&mut bandwidth, &[520, 610, 1_000]).2, [0, 1, 2]);
    }

    #[test]
    fn what_most_can_carry_may_be_too_much_for_the_others() {
        let paths = [100, 900, 1_000, 1_100, 1_200];
        assert_eq!(
            layered(&mut PathBandwidths::new(BandwidthPolicy::Most(80)), &paths),
            (900, true, vec![0, 2, 2, 2, 2])
        );
        assert_eq!(
            layered(&mut PathBandwidths::new(BandwidthPolicy::Most(50)), &paths),
            (1_000, true, vec![0, 1, 2, 2, 2])
        );
        assert_eq!(layered(&mut PathBandwidths::new(BandwidthPolicy::Most(100)), &paths), (100, false, vec![2; 5]));
        assert_eq!(
            layered(&mut PathBandwidths::new(BandwidthPolicy::Most(0)), &paths),
            (1_200, true, vec![0, 1, 1, 1, 2])
        );
    }

    #[test]
    fn no_path_makes_us_send_nothing_or_more_than_is_wanted() {
        let mut bandwidth = PathBandwidths::default();
        bandwidth.estimated(epoch(), path(1), u32::MAX);
        assert_eq!(news(&mut bandwidth), Some(DESIRED));
        bandwidth.estimated(epoch(), path(1), 0);
        assert_eq!(news(&mut bandwidth), Some(LEAST));
    }

    #[test]
    fn larger_frames_are_given_more() {
        let mut bandwidth = PathBandwidths::default();
        bandwidth.estimated(epoch(), path(1), u32::MAX);
        let sizes = [[320, 180], [640, 360], [960, 540], [1_280, 720], [1_920, 1_080], [1_080, 1_920]];
        let given = sizes.map(|size| {
            bandwidth.set_size(size);
            bandwidth.changed(epoch());
            assert_eq!(bandwidth.desired(), bandwidth.last_target().bits);
            bandwidth.last_target().bits / 1_000
        });
        assert_eq!(given, [600, 1_500, 2_500, 2_500, 4_000, 4_000]);
    }

    #[test]
    fn a_path_that_loses_gets_less_and_slowly_more_again() {
        let mut bandwidth = PathBandwidths::default();
        bandwidth.estimated(epoch(), path(1), 1_000_000);
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
        let mut bandwidth = PathBandwidths::default();
        bandwidth.estimated(epoch(), path(1), 1_000_000);
        assert_eq!(news(&mut bandwidth), Some(850_000));
        bandwidth.congested(epoch(), path(1), Congestion { lost: 0.6, has_delay_estimate: true });
        assert_eq!(news(&mut bandwidth), Some(254_999), "three quarters of the 340 that come through");
    }

    #[test]
    fn a_path_that_loses_the_key_frame_behind_the_pause_too_is_lowered_again_unless_delay_has_told_since_what_it_carries()
     {
        let lowered = |has_delay_estimate: bool, estimated: bool, after: Duration| {
            let mut bandwidth = PathBandwidths::default();
            bandwidth.estimated(epoch(), path(1), 1_000_000);
            bandwidth.congested(epoch(), path(1), Congestion { lost: 0.6, has_delay_estimate });
            bandwidth.changed(epoch());
            if estimated {
                bandwidth.estimated(epoch() + after / 2, path(1), 900_000);
            }
            bandwidth.congested(epoch() + after, path(1), Congestion { lost: 0.6, has_delay_estimate });
            bandwidth.changed(epoch());
            bandwidth.last_target().bits / 1_000
        };
        let (soon, later) = (SAME_CONGESTION / 2, SAME_CONGESTION);
        assert_eq!(lowered(true, true, soon), 179);
        assert_eq!(lowered(true, true, later), 53, "that is another congestion");
        assert_eq!(lowered(true, false, soon), 53, "nothing was measured since");
        assert_eq!(lowered(false, true, soon), 53, "the peer says what it thinks, not what comes late");
    }

    /// Frames of so many bits a second in three layers, up to a time from one on.
    fn encode(bandwidth: &mut PathBandwidths, from: Duration, to: Duration, bits: usize) {
        let frame = Duration::from_micros(33_333);
        let times = (0..).map(|number| from + frame * number).take_while(|at| *at < to);
        for (at, layer) in times.zip([0, 2, 1, 2].into_iter().cycle()) {
            let share = [40 * 4, 20 * 4, 20 * 4][usize::from(layer)];
            bandwidth.encoded(epoch() + at, layer, bits / 8 / 30 * share / 100);
        }
    }

    fn highest(bandwidth: &mut PathBandwidths, at: Duration) -> Vec<u8> {
        bandwidth.changed(epoch() + at);
        bandwidth.layers(epoch() + at).map(|(_, highest)| highest).collect()
    }

    #[test]
    fn a_path_that_carries_what_is_sent_gets_all_of_it_however_little_it_is_known_to_carry() {
        let mut bandwidth = PathBandwidths::default();
        bandwidth.estimated(epoch(), path(1), 150_000);
        bandwidth.estimated(epoch(), path(2), 3_000_000);
        let second = Duration::from_secs(1);
        assert_eq!(highest(&mut bandwidth, Duration::ZERO), [0, 2], "before anything is encoded the target counts");
        encode(&mut bandwidth, Duration::ZERO, 3 * second, 100_000);
        assert_eq!(highest(&mut bandwidth, 3 * second), [2, 2], "simple pictures");
        encode(&mut bandwidth, 3 * second, 4 * second, 1_000_000);
        assert_eq!(highest(&mut bandwidth, 4 * second), [0, 2], "detailed ones");
    }

    #[test]
    fn an_estimate_that_nothing_has_tested_falls_only_if_it_stays_low_or_packets_are_lost() {
        let second = Duration::from_secs(1);
        let fallen = |sent: usize| {
            let mut bandwidth = PathBandwidths::default();
            bandwidth.estimated(epoch(), path(1), 1_300_000);
            encode(&mut bandwidth, Duration::ZERO, second, sent);
            bandwidth.changed(epoch() + second);
            bandwidth.estimated(epoch() + second, path(1), 70_000);
            bandwidth
        };
        let target = |bandwidth: &mut PathBandwidths, at: Duration| {
            bandwidth.changed(epoch() + at);
            bandwidth.last_target().bits
        };
        assert_eq!(target(&mut fallen(900_000), second), 59_500, "so much had passed");
        let mut doubted = fallen(100_000);
        assert_eq!(target(&mut doubted, second), 1_105_000);
        let half = second + second / 2;
        encode(&mut doubted, second, 2 * second, 100_000);
        doubted.estimated(epoch() + half, path(1), 75_000);
        assert_eq!(target(&mut doubted, half), 1_105_000);
        assert_eq!(target(&mut doubted, second + DOUBTED), 63_750, "it stays low");
        let mut recovered = fallen(100_000);
        recovered.estimated(epoch() + half, path(1), 1_200_000);
        assert_eq!(target(&mut recovered, 4 * second), 1_020_000);
        let mut loses = fallen(100_000);
        loses.lost(path(1), 0.2);
        assert_eq!(target(&mut loses, second), 53_550);
    }

    #[test]
    fn an_estimate_that_nothing_has_tested_and_that_falls_by_less_than_a_third_is_believed_at_once() {
        for (estimate, target) in [(670_000, 569_500), (669_999, 850_000)] {
            let mut bandwidth = PathBandwidths::default();
            bandwidth.estimated(epoch(), path(1), 1_000_000);
            encode(&mut bandwidth, Duration::ZERO, Duration::from_secs(1), 100_000);
            bandwidth.changed(epoch());
            bandwidth.estimated(epoch() + Duration::from_secs(1), path(1), estimate);
            bandwidth.changed(epoch() + Duration::from_secs(1));
            assert_eq!(bandwidth.last_target().bits, target);
        }
    }

    #[test]
    fn losses_at_a_limit_count_as_those_below_it_and_a_change_worth_setting_the_encoder_is_one_of_three_percent() {
        let begun = || {
            let mut bandwidth = PathBandwidths::default();
            bandwidth.estimated(epoch(), path(1), 1_000_000);
            assert_eq!(news(&mut bandwidth), Some(850_000));
            bandwidth
        };
        for (share, target) in [(TOO_MUCH, None), (LITTLE, None), (FULL, Some(743_750))] {
            let mut bandwidth = begun();
            bandwidth.lost(path(1), share);
            assert_eq!(news(&mut bandwidth), target, "{share}");
        }
        let mut narrow = begun();
        narrow.lost(path(1), 0.5);
        assert_eq!(news(&mut narrow), Some(425_000));
        narrow.lost(path(1), LITTLE);
        assert_eq!(news(&mut narrow), None, "no more yet");
        for (estimate, target) in [(1_029_998, None), (1_030_000, Some(875_500))] {
            let mut bandwidth = begun();
            bandwidth.estimated(epoch(), path(1), estimate);
            assert_eq!(news(&mut bandwidth), target);
        }
    }

    #[test]
    fn layers_begin_above_half_as_much_again_as_the_slowest_carries_and_end_at_a_quarter_more() {
        let mut bandwidth = PathBandwidths::default();
        for (fastest, bits, layered) in
            [(600_000, 340_000, false), (601_000, 510_850, true), (501_000, 425_850, true), (500_000, 340_000, false)]
        {
            bandwidth.estimated(epoch(), path(1), 400_000);
            bandwidth.estimated(epoch(), path(2), fastest);
            bandwidth.changed(epoch());
            assert_eq!(bandwidth.last_target(), Target { bits, layered }, "{fastest}");
        }
    }

    #[test]
    fn video_without_layers_is_fitted_to_the_slowest_where_others_would_get_fewer() {
        let most = BandwidthPolicy::Most(80);
        assert_eq!(BandwidthPolicy::Layers.with_layers(false), BandwidthPolicy::Slowest);
        assert_eq!(BandwidthPolicy::Layers.with_layers(true), BandwidthPolicy::Layers);
        assert_eq!([most.with_layers(false), most.with_layers(true)], [most; 2]);
    }

    #[test]
    fn a_path_of_which_losses_alone_are_known_begins_as_usual_and_grows_while_nothing_is_lost() {
        let mut bandwidth = PathBandwidths::default();
        (0..60).for_each(|_| bandwidth.lost(path(1), 0.0));
        assert_eq!(news(&mut bandwidth), Some(DESIRED));
    }
}
