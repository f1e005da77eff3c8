//! How many bits a second leave the encoder, which for simple pictures may be a tenth of its target.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Over so much time bits are counted. A shorter one would take a key frame for the bit rate, a longer one would let detailed pictures fill
/// a narrow path before they are noticed.
const COUNTED: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct EncodedFrame {
    at: Instant,
    layer: u8,
    bits: u32,
}

/// The frames of the last second.
#[derive(Debug, Default)]
pub(crate) struct EncodedRate {
    frames: VecDeque<EncodedFrame>,
}

impl EncodedRate {
    /// A frame of a temporal layer was encoded.
    pub(crate) fn add(&mut self, at: Instant, layer: u8, bytes: usize) {
        while self.frames.front().is_some_and(|frame| !frame.is_counted(at)) {
            self.frames.pop_front();
        }
        self.frames.push_back(EncodedFrame { at, layer, bits: u32::try_from(bytes * 8).unwrap_or(u32::MAX) });
    }

    /// Bits a second of the layers up to one; `None` if nothing is encoded.
    pub(crate) fn up_to(&self, now: Instant, highest: u8) -> Option<u32> {
        let frames: Vec<&EncodedFrame> = self.frames.iter().filter(|frame| frame.is_counted(now)).collect();
        let counted = frames.iter().filter(|frame| frame.layer <= highest);
        let bits = counted.fold(0u32, |sum, frame| sum.saturating_add(frame.bits));
        (!frames.is_empty()).then_some(bits)
    }
}

impl EncodedFrame {
    fn is_counted(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) <= COUNTED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_the_last_second_are_counted_by_layers() {
        let (mut rate, begun) = (EncodedRate::default(), Instant::now());
        assert_eq!(rate.up_to(begun, 2), None);
        for (ms, layer, bytes) in [(0, 0, 1_000), (100, 2, 100), (200, 1, 200), (300, 2, 100)] {
            rate.add(begun + Duration::from_millis(ms), layer, bytes);
        }
        let up_to = |ms, highest| rate.up_to(begun + Duration::from_millis(ms), highest);
        assert_eq!([0, 1, 2].map(|highest| up_to(300, highest)), [Some(8_000), Some(9_600), Some(11_200)]);
        assert_eq!([0, 1, 2].map(|highest| up_to(1_050, highest)), [Some(0), Some(1_600), Some(3_200)]);
        assert_eq!(up_to(2_000, 2), None, "the encoder pauses");
    }
}
