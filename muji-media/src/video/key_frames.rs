//! When a key frame is made: when peers ask, but not more often than all can bear.

use std::time::{Duration, Instant};

/// Between two key frames that peers ask for. Each costs all peers as many bits as several other frames.
const APART: Duration = Duration::from_millis(300);

/// The longest time between them, in seconds: a peer that joins waits for one.
const MAX_WAIT: f64 = 2.0;

/// The share of all bits that key frames may take. On a path that is too narrow peers ask for them again and again, and they would fill it.
const SHARE: f64 = 0.3;

/// Whether one was asked for, and when the next may be made.
#[derive(Debug)]
pub(super) struct KeyFrames {
    asked: bool,
    from: Instant,
}

impl KeyFrames {
    /// The first is asked for.
    pub(super) fn new(now: Instant) -> Self {
        Self { asked: true, from: now }
    }

    /// A peer cannot show our video before one comes.
    pub(super) fn ask(&mut self) {
        self.asked = true;
    }

    /// The next frame is to be one.
    pub(super) fn are_due(&self, now: Instant) -> bool {
        self.asked && self.from <= now
    }

    /// One of so many bytes was made, at so many bits a second.
    pub(super) fn made(&mut self, now: Instant, bytes: usize, bits: u32) {
        let costs = bytes as f64 * 8.0 / (f64::from(bits.max(1)) * SHARE);
        self.asked = false;
        self.from = now + APART.max(Duration::from_secs_f64(costs.min(MAX_WAIT)));
    }
}
