//! When the frames of a stream are shown: at a steady distance from when they were captured.
//!
//! Shown as soon as they are whole, frames would stand still while a lost packet is asked for and sent again, and then hurry. So each is held
//! until the usual late one would be there too: on a bad path some round trips, on a clean path not at all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Over so much time it is observed how late frames are. A path that has become clean is trusted after it.
const OBSERVED: Duration = Duration::from_secs(10);

/// Frames observed at most: those of this time at 60 a second. A hostile stream must not cost more.
const MAX_OBSERVED: usize = 600;

/// So many of a hundred frames are to be there when they are due.
const IN_TIME: usize = 95;

/// The others may be late by so much: it is seen as a stutter. Somewhat later it would count as a freeze.
const STUTTER: Duration = Duration::from_millis(100);

/// Frames that are late by less are shown as they come: it is less than one interval, and each ms of delay is one of the conversation.
const STEADY: Duration = Duration::from_millis(20);

/// Frames are held for so long at most. Longer, people begin to talk at the same time.
pub(super) const MAX_DELAY: Duration = Duration::from_millis(600);

/// After a frame that was late the delay shrinks by one part in so many of the time: the pictures run faster by as much, which is not seen.
const SHRINKS: u32 = 10;

/// A timestamp that is so far from where it should be begins a new count: the sender has started again.
const JUMP: i64 = 2_000_000;

/// What was observed of one frame.
#[derive(Debug, Clone, Copy)]
struct Arrival {
    at: Instant,
    /// From when it was captured, by the sender's clock, to when it was whole, by ours, in µs; from an unknown zero.
    transit: i64,
    /// A packet of it, or of one before it, had to be sent again.
    repaired: bool,
}

/// A place in the sender's count.
#[derive(Debug, Clone, Copy)]
struct Place {
    timestamp: u32,
    /// In ticks, without wraps.
    ticks: i64,
}

/// How long the frames of one stream are held.
#[derive(Debug)]
pub(super) struct PlayoutDelay {
    begun: Instant,
    arrivals: VecDeque<Arrival>,
    last: Option<Place>,
    delay: Duration,
}

impl PlayoutDelay {
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now, arrivals: VecDeque::new(), last: None, delay: Duration::ZERO }
    }

    /// How long a frame is held that comes as fast as frames can.
    pub(super) fn delay(&self) -> Duration {
        self.delay
    }

    /// A frame is whole, and so are all that it needs; `repaired` if one of its packets came out of order, or one of those before it that was
    /// waited for.
    pub(super) fn whole(&mut self, at: Instant, timestamp: u32, repaired: bool) {
        let mut place = self.place(timestamp);
        let mut transit = self.since_begun(at) - micros(place.ticks);
        if self.arrivals.back().is_some_and(|before| before.transit.abs_diff(transit) > JUMP.unsigned_abs()) {
            self.arrivals.clear();
            place.ticks = 0;
            transit = self.since_begun(at);
        }
        let elapsed = self.arrivals.back().map(|before| at.saturating_duration_since(before.at)).unwrap_or_default();
        self.last = Some(place);
        self.arrivals.push_back(Arrival { at, transit, repaired });
        let old = |arrival: &Arrival| at.saturating_duration_since(arrival.at) > OBSERVED;
        while self.arrivals.len() > MAX_OBSERVED || self.arrivals.front().is_some_and(old) {
            self.arrivals.pop_front();
        }
        self.adapt(elapsed);
    }

    /// Grows at once by what a frame is late, or the next would be late too; shrinks slowly. One that was not repaired and is less than a
    /// stutter late, as a key frame is because it is large, says nothing of the next.
    fn adapt(&mut self, elapsed: Duration) {
        let earliest = self.earliest();
        let lateness = |it: &Arrival| lateness(it.transit, earliest);
        let mut late: Vec<Duration> = self.arrivals.iter().map(lateness).collect();
        let last = late.len() - 1;
        let (_, usual, _) = late.select_nth_unstable(last * IN_TIME / 100);
        let worst = self.arrivals.iter().map(lateness).max().unwrap_or_default();
        let wanted = noticed((*usual).max(worst.saturating_sub(STUTTER)));
        let last = self.arrivals.back().filter(|last| last.repaired || lateness(last) > STUTTER);
        let this = noticed(last.map(lateness).unwrap_or_default());
        self.delay = self.delay.saturating_sub(elapsed / SHRINKS).max(wanted).max(this).min(MAX_DELAY);
    }

    /// When a frame is due that was whole at some moment.
    pub(super) fn due(&self, whole_at: Instant, timestamp: u32) -> Instant {
        let since = self.earliest() + micros(self.place(timestamp).ticks);
        let first = u64::try_from(since).ok().and_then(|since| self.begun.checked_add(Duration::from_micros(since)));
        first.map_or(whole_at, |first| (first + self.delay).clamp(whole_at, whole_at + MAX_DELAY))
    }

    fn place(&self, timestamp: u32) -> Place {
        let ahead = |last: Place| last.ticks + i64::from(timestamp.wrapping_sub(last.timestamp).cast_signed());
        Place { timestamp, ticks: self.last.map_or(0, ahead) }
    }

    fn earliest(&self) -> i64 {
        self.arrivals.iter().map(|arrival| arrival.transit).min().unwrap_or_default()
    }

    fn since_begun(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.begun).as_micros()).unwrap_or(i64::MAX / 2)
    }
}

/// Ticks of a video timestamp in µs.
fn micros(ticks: i64) -> i64 {
    ticks.saturating_mul(100) / 9
}

fn lateness(transit: i64, earliest: i64) -> Duration {
    Duration::from_micros(u64::try_from(transit.saturating_sub(earliest)).unwrap_or_default())
}

fn noticed(late: Duration) -> Duration {
    if late < STEADY { Duration::ZERO } else { late }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames, 30 a second.
    struct Stream {
        delay: PlayoutDelay,
        begun: Instant,
        frames: u32,
        whole: Instant,
    }

    impl Stream {
        fn new() -> Self {
            let begun = Instant::now();
            Self { delay: PlayoutDelay::new(begun), begun, frames: 0, whole: begun }
        }

        /// The last packet of the next frame is late by so many ms. How many ms after a frame that is not it is shown.
        fn frame(&mut self, late: u64) -> u128 {
            self.take(late, false)
        }

        /// The same of a frame that may have had to be repaired.
        fn take(&mut self, late: u64, repaired: bool) -> u128 {
            let timestamp = u32::MAX - 10_000; // It wraps soon.
            let first = self.begun + Duration::from_millis(40) + Duration::from_micros(100_000 / 3) * self.frames;
            let timestamp = timestamp.wrapping_add(3_000 * self.frames);
            self.frames += 1;
            self.whole = self.whole.max(first + Duration::from_millis(late)); // Whole with those before it.
            self.delay.whole(self.whole, timestamp, repaired);
            self.delay.due(self.whole, timestamp).duration_since(first).as_millis()
        }

        /// So many frames in a row; when the last is shown.
        fn frames(&mut self, count: usize, late: impl Fn(usize) -> u64) -> u128 {
            (0..count).map(|number| self.frame(late(number))).last().expect("there is one")
        }
    }

    #[test]
    fn on_a_clean_path_frames_are_shown_as_they_come() {
        let mut stream = Stream::new();
        for number in 0..600 {
            let late = number % 7 * 3;
            assert!(stream.frame(late).abs_diff(late.into()) <= 1, "{number}");
        }
    }

    #[test]
    fn a_large_frame_that_comes_somewhat_late_holds_none_behind_it() {
        let mut stream = Stream::new();
        stream.frames(300, |_| 0);
        assert_eq!([90, 60, 27, 0, 0].map(|late| stream.frame(late)), [90, 60, 27, 0, 0]);
    }

    #[test]
    fn a_late_frame_holds_those_behind_it_and_the_delay_shrinks_slowly() {
        let mut stream = Stream::new();
        stream.frames(300, |_| 0);
        for (late, repaired) in [(90, true), (120, false)] {
            assert_eq!(stream.take(late, repaired), u128::from(late));
            let behind: Vec<u128> = (0..40).map(|_| stream.frame(0)).collect();
            assert!(behind.windows(2).all(|pair| pair[1] <= pair[0] && pair[0] - pair[1] <= 4), "{behind:?}");
            assert!(behind[0] == u128::from(late) && behind[39] <= 20, "{behind:?}");
            stream.frames(300, |_| 0);
        }
    }

    #[test]
    fn a_path_that_loses_is_waited_for_and_one_that_has_become_clean_is_not() {
        let mut stream = Stream::new();
        stream.frames(300, |number| if number % 10 == 0 { 110 } else { 0 });
        assert_eq!(stream.frame(0), 110);
        stream.frames(600, |number| if number % 100 == 0 { 220 } else { 0 });
        assert_eq!(stream.frame(0), 120, "one in a hundred may stutter");
        assert_eq!(stream.frames(450, |_| 0), 0);
    }

    #[test]
    fn nobody_is_held_for_longer_than_the_bound_and_who_starts_again_is_not_held_for_that() {
        let mut stream = Stream::new();
        assert_eq!(stream.frames(300, |number| if number % 100 == 0 { 900 } else { 0 }), 600);
        let whole = stream.begun + Duration::from_secs(60);
        for timestamp in [5, u32::MAX, u32::MAX / 2, 77, 0] {
            stream.delay.whole(whole, timestamp, true);
            let due = stream.delay.due(whole, timestamp);
            assert!(due >= whole && due <= whole + MAX_DELAY);
        }
    }
}
