//! What a decoder can do: the size of frames, how much of them a second, and how many bits.

use std::time::Duration;

use muji_xep::rtp::PayloadType;

/// The side of a macroblock, in pixels.
pub(super) const MACROBLOCK: usize = 16;

/// Macroblocks of 176 x 144: no decoder can do less, and a peer that says so would make the video of everybody as small.
const LEAST: u32 = 99;

/// What a peer can decode of an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecoderLimit {
    /// Macroblocks of a frame (MaxFS).
    pub(super) macroblocks: u32,
    /// And of a second (MaxMBPS).
    pub(super) macroblocks_per_second: u32,
    /// Bits a second (MaxBR).
    pub(super) bits: u32,
}

impl DecoderLimit {
    /// No limit.
    pub(crate) const NONE: Self = Self { macroblocks: u32::MAX, macroblocks_per_second: u32::MAX, bits: u32::MAX };

    /// That of level 3.1 of H.264, which every client takes: 1280 x 720 at 30 a second.
    pub(crate) const USUAL: Self = Self { macroblocks: 3_600, macroblocks_per_second: 108_000, bits: 14_000_000 };

    /// That of a peer which takes this of VP8 or VP9: `max-fs` (RFC 7741 section 6.1, RFC 9628 section 6). Firefox says 12288 macroblocks, most
    /// say nothing, and one that cannot be right says nothing either. `max-fr` is not looked at: Firefox says 60, and we send 30 at most.
    pub(crate) fn of_vpx(payload: &PayloadType) -> Self {
        let named = payload.parameter("max-fs").and_then(|value| value.parse().ok());
        let macroblocks = named.filter(|value| *value >= LEAST).unwrap_or(u32::MAX);
        Self { macroblocks, ..Self::NONE }
    }

    /// What both can do.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            macroblocks: self.macroblocks.min(other.macroblocks),
            macroblocks_per_second: self.macroblocks_per_second.min(other.macroblocks_per_second),
            bits: self.bits.min(other.bits),
        }
    }

    /// Whether frames of this size may be sent so far apart.
    pub(crate) fn permits(self, size: [usize; 2], interval: Duration) -> bool {
        let [width, height] = size.map(|side| side.div_ceil(MACROBLOCK) as u64);
        let (most, frame) = (u64::from(self.macroblocks), width * height);
        // Rounded: an interval of whole microseconds is not exactly a thirtieth of a second.
        let second = frame * (1.0 / interval.as_secs_f64()).round() as u64;
        // No side may be longer than the square root of eight frames (ITU-T H.264 section A.3.1, RFC 7741 section 6.1).
        let is_shaped = [width, height].into_iter().all(|side| side * side <= most * 8);
        frame <= most && second <= u64::from(self.macroblocks_per_second) && is_shaped
    }

    /// Bits a second that it takes.
    pub(crate) fn bits(self) -> u32 {
        self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::frame::INTERVAL;

    #[test]
    fn a_peer_that_names_the_size_of_frames_of_vp8_is_sent_no_larger_ones() {
        let largest = |max_fs: &str| {
            let payload = PayloadType::new(96, "VP8", 90_000, 1).with_parameter("max-fs", max_fs);
            let sizes = [[1_920, 1_080], [1_280, 720], [640, 360], [176, 144]];
            sizes.into_iter().find(|size| DecoderLimit::of_vpx(&payload).permits(*size, INTERVAL))
        };
        assert_eq!(largest("12288"), Some([1_920, 1_080]), "Firefox");
        assert_eq!(largest("3600"), Some([1_280, 720]));
        assert_eq!(largest("99"), Some([176, 144]));
        for unreadable in ["", "0", "-1", "98", "many", "99999999999"] {
            assert_eq!(largest(unreadable), Some([1_920, 1_080]), "{unreadable}");
        }
    }
}
