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
    /// Somebody was heard in the frames before.
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

    /// A frame was played: each tenth tells the loudest of each since the last, in dBFS. That nobody is heard any more is told once.
    pub(crate) fn frame(&mut self) -> Option<BTreeMap<u32, f32>> {
        self.frames = (self.frames + 1) % FRAMES;
        if self.frames != 0 {
            return None;
        }
        let levels = std::mem::take(&mut self.levels);
        let heard = std::mem::replace(&mut self.heard, !levels.is_empty());
        (heard || self.heard).then_some(levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(levels: &mut GuestLevels, contributors: &[Contributor]) -> Vec<BTreeMap<u32, f32>> {
        let frames = (0..FRAMES).filter_map(|_| {
            levels.add(contributors);
            levels.frame()
        });
        frames.collect()
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
    fn sources_without_end_are_not_kept() {
        let mut levels = GuestLevels::default();
        (0..10_000).for_each(|source| levels.add(&[Contributor { source, level: 1 }]));
        assert_eq!(levels.levels.len(), MOST);
    }
}
