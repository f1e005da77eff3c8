//! How loud those are who take part through a mixer.

use std::collections::BTreeMap;

use crate::transport::contributors::Contributor;

/// Frames of 20 ms between two reports.
const FRAMES: u32 = 10;

/// More are in none of our bridges; a packet names 15, and the next one may name others.
const MOST: usize = 64;

/// The levels of the last frames.
#[derive(Debug, Default)]
pub(crate) struct GuestLevels {
    levels: BTreeMap<u32, f32>,
    frames: u32,
    /// It was told that somebody is heard, and not yet that nobody is any more.
    heard: bool,
}

impl GuestLevels {
    /// These are heard in a packet that came.
    pub(crate) fn add(&mut self, contributors: &[Contributor]) {
        for Contributor { source, level } in contributors {
            let level = -f32::from(*level);
            if self.levels.len() < MOST || self.levels.contains_key(source) {
                let loudest = self.levels.entry(*source).or_insert(level);
                *loudest = loudest.max(level);
            }
        }
    }

    /// A frame was played: each tenth tells the loudest of each since the last, in dBFS. That nobody is heard any more is told until `tell`
    /// says that it was taken: there is no other after it.
    pub(crate) fn frame(&mut self, tell: impl FnOnce(BTreeMap<u32, f32>) -> bool) {
        self.frames = (self.frames + 1) % FRAMES;
        if self.frames != 0 {
            return;
        }
        let levels = std::mem::take(&mut self.levels);
        let anybody = !levels.is_empty();
        if anybody || self.heard {
            let told = tell(levels);
            self.heard = anybody || !told;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(levels: &mut GuestLevels, contributors: &[Contributor]) -> Vec<BTreeMap<u32, f32>> {
        let mut told = Vec::new();
        for _ in 0..FRAMES {
            levels.add(contributors);
            levels.frame(|heard| {
                told.push(heard);
                true
            });
        }
        told
    }

    #[test]
    fn the_loudest_of_each_is_told_five_times_a_second_and_silence_once() {
        let mut levels = GuestLevels::default();
        assert_eq!(told(&mut levels, &[]), []);
        levels.add(&[Contributor { source: 7, level: 12 }]);
        let heard = told(&mut levels, &[Contributor { source: 7, level: 40 }, Contributor { source: 9, level: 127 }]);
        assert_eq!(heard, [BTreeMap::from([(7, -12.0), (9, -127.0)])]);
        assert_eq!(told(&mut levels, &[]), [BTreeMap::new()]);
        assert_eq!(told(&mut levels, &[]), []);
    }

    #[test]
    fn silence_that_a_slow_program_could_not_take_is_told_again() {
        let mut levels = GuestLevels::default();
        told(&mut levels, &[Contributor { source: 7, level: 12 }]);
        (0..FRAMES).for_each(|_| levels.frame(|_| false));
        assert_eq!(told(&mut levels, &[]), [BTreeMap::new()]);
        assert_eq!(told(&mut levels, &[]), []);
    }

    #[test]
    fn sources_without_end_are_not_kept() {
        let mut levels = GuestLevels::default();
        (0..10_000).for_each(|source| levels.add(&[Contributor { source, level: 1 }]));
        assert_eq!(levels.levels.len(), MOST);
    }
}
