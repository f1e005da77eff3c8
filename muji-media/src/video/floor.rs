//! Who is seen in a call that is joined with others: the one who speaks in those.

use std::time::{Duration, Instant};

use crate::audio::speech::Speech;

/// Who takes the floor is so many times as loud as who holds it, in power: 6 dB.
const LOUDER: f32 = 4.0;

/// The floor is held for so long at least: pictures that change more often cannot be followed.
pub(super) const HOLD: Duration = Duration::from_secs(2);

/// Who holds the floor.
#[derive(Debug)]
pub(super) struct Floor<S> {
    holder: Option<S>,
    /// Since when it is held by speaking; `None` if nobody has spoken yet.
    since: Option<Instant>,
}

impl<S> Default for Floor<S> {
    /// Nobody holds it.
    fn default() -> Self {
        Self { holder: None, since: None }
    }
}

impl<S: Clone + PartialEq> Floor<S> {
    /// Who holds it.
    pub(super) fn holder(&self) -> Option<&S> {
        self.holder.as_ref()
    }

    /// Decides again between these, in an order that does not change. Before anybody has spoken it is the first.
    pub(super) fn decide(&mut self, now: Instant, candidates: &[(S, Speech)]) {
        let held = candidates.iter().find(|(candidate, _)| Some(candidate) == self.holder.as_ref());
        let loudest = candidates
            .iter()
            .filter(|(_, speech)| speech.speaks)
            .max_by(|(_, one), (_, other)| one.power.total_cmp(&other.power));
        let Some((holder, speech)) = held else {
            self.since = loudest.map(|_| now);
            self.holder = loudest.or_else(|| candidates.first()).map(|(candidate, _)| candidate.clone());
            return;
        };
        let Some((taker, _)) = loudest.filter(|(_, by)| self.since.is_none() || by.power >= speech.power * LOUDER)
        else {
            return;
        };
        if taker == holder {
            self.since = self.since.or(Some(now));
        } else if self.since.is_none_or(|since| since + HOLD <= now) {
            (self.holder, self.since) = (Some(taker.clone()), Some(now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Speech = Speech { speaks: false, power: 0.0 };

    fn speaks(power: f32) -> Speech {
        Speech { speaks: true, power }
    }

    fn after(floor: &mut Floor<char>, now: Instant, candidates: &[(char, Speech)]) -> Option<char> {
        floor.decide(now, candidates);
        floor.holder().copied()
    }

    #[test]
    fn before_anybody_speaks_the_first_is_seen_and_the_first_who_speaks_at_once() {
        let (mut floor, now) = (Floor::default(), Instant::now());
        assert_eq!(after(&mut floor, now, &[]), None);
        assert_eq!(after(&mut floor, now, &[('a', QUIET), ('b', QUIET)]), Some('a'));
        assert_eq!(after(&mut floor, now, &[('a', QUIET), ('b', speaks(0.01))]), Some('b'));
    }

    // Shows brg-vid-04.
    #[test]
    fn the_floor_is_held_for_two_seconds_and_taken_by_who_is_6_db_louder() {
        let (mut floor, start) = (Floor::default(), Instant::now());
        assert_eq!(after(&mut floor, start, &[('a', speaks(0.01)), ('b', QUIET)]), Some('a'));
        let both = [('a', speaks(0.01)), ('b', speaks(0.05))];
        assert_eq!(after(&mut floor, start + Duration::from_millis(1_900), &both), Some('a'));
        assert_eq!(after(&mut floor, start + HOLD, &[('a', speaks(0.01)), ('b', speaks(0.03))]), Some('a'));
        assert_eq!(after(&mut floor, start + HOLD, &both), Some('b'));
    }

    #[test]
    fn who_was_the_last_to_speak_is_seen_until_another_speaks_or_it_goes() {
        let (mut floor, start) = (Floor::default(), Instant::now());
        after(&mut floor, start, &[('a', QUIET), ('b', speaks(0.01))]);
        let later = start + 60 * HOLD;
        assert_eq!(after(&mut floor, later, &[('a', QUIET), ('b', QUIET)]), Some('b'));
        let cough = Speech { speaks: false, power: 0.3 };
        assert_eq!(after(&mut floor, later, &[('a', cough), ('b', QUIET)]), Some('b'));
        assert_eq!(after(&mut floor, later, &[('a', QUIET)]), Some('a'));
    }
}
