//! What a decoder can do: the size of frames, how many a second, and how many bits.

use std::time::Duration;

use muji_xep::rtp::PayloadType;

/// The side of a macroblock, in pixels.
pub(super) const MACROBLOCK: usize = 16;

/// What a peer can decode of an encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecoderLimit {
    /// Macroblocks of a frame (MaxFS).
    pub(super) macroblocks: u32,
    /// And of a second (MaxMBPS).
    pub(super) macroblocks_per_second: u32,
    /// Frames of a second.
    pub(super) frames_per_second: u32,
    /// Bits a second (MaxBR).
    pub(super) bits: u32,
}

impl DecoderLimit {
    /// Whatever there is.
    pub(crate) const NONE: Self =
        Self { macroblocks: u32::MAX, macroblocks_per_second: u32::MAX, frames_per_second: u32::MAX, bits: u32::MAX };

    /// That of level 3.1 of H.264, which everybody takes: 1280 x 720 at 30 a second.
    pub(crate) const USUAL: Self =
        Self { macroblocks: 3_600, macroblocks_per_second: 108_000, bits: 14_000_000, ..Self::NONE };

    /// That of a peer which takes this of VP8 or VP9: `max-fs` and `max-fr` (RFC 7741 section 6.1, RFC 9628 section 6). Firefox says 12288
    /// macroblocks, 60 times a second; most say nothing, and one that cannot be read says nothing either.
    pub(crate) fn of_vpx(payload: &PayloadType) -> Self {
        let named = |name: &str| {
            let value = payload.parameter(name).and_then(|value| value.parse().ok());
            value.filter(|value| *value > 0).unwrap_or(u32::MAX)
        };
        Self { macroblocks: named("max-fs"), frames_per_second: named("max-fr"), ..Self::NONE }
    }

    /// What both can do.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            macroblocks: self.macroblocks.min(other.macroblocks),
            macroblocks_per_second: self.macroblocks_per_second.min(other.macroblocks_per_second),
            frames_per_second: self.frames_per_second.min(other.frames_per_second),
            bits: self.bits.min(other.bits),
        }
    }

    /// Whether frames of this size may be sent so far apart.
    pub(crate) fn permits(self, size: [usize; 2], interval: Duration) -> bool {
        let [width, height] = size.map(|side| side.div_ceil(MACROBLOCK) as u64);
        let (most, frame) = (u64::from(self.macroblocks), width * height);
        // Rounded: an interval of whole microseconds is not exactly a thirtieth of a second.
        let frames = (1.0 / interval.as_secs_f64()).round() as u64;
        // No side may be longer than the square root of eight frames (ITU-T H.264 section A.3.1, RFC 7741 section 6.1).
        let is_shaped = [width, height].into_iter().all(|side| side * side <= most * 8);
        let is_slow =
            frame * frames <= u64::from(self.macroblocks_per_second) && frames <= u64::from(self.frames_per_second);
        frame <= most && is_slow && is_shaped
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
    fn a_peer_that_names_frames_of_vp8_is_sent_no_larger_and_no_more_of_them() {
        let largest = |parameters: &[(&str, &str)], interval: Duration| {
            let vp8 = PayloadType::new(96, "VP8", 90_000, 1);
            let payload = parameters.iter().fold(vp8, |payload, (name, value)| payload.with_parameter(name, value));
            let sizes = [[1_920, 1_080], [1_280, 720], [640, 360]];
            sizes.into_iter().find(|size| DecoderLimit::of_vpx(&payload).permits(*size, interval))
        };
        assert_eq!(largest(&[], INTERVAL), Some([1_920, 1_080]));
        assert_eq!(largest(&[("max-fs", "12288"), ("max-fr", "60")], INTERVAL), Some([1_920, 1_080]), "Firefox");
        assert_eq!(largest(&[("max-fs", "3600")], INTERVAL), Some([1_280, 720]));
        assert_eq!(largest(&[("max-fr", "15")], INTERVAL), None, "not thirty a second");
        assert_eq!(largest(&[("max-fr", "15")], 2 * INTERVAL), Some([1_920, 1_080]));
        for unreadable in ["", "0", "-1", "many", "99999999999"] {
            assert_eq!(largest(&[("max-fs", unreadable), ("max-fr", unreadable)], INTERVAL), Some([1_920, 1_080]));
        }
    }
}
