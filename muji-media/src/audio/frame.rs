//! The audio format of this crate: one channel, 48 kHz, 16 bits, in frames of 20 ms.

use std::time::Duration;

/// Samples a second.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples of a frame.
pub const FRAME: usize = 960;
/// How long a frame lasts.
pub const FRAME_TIME: Duration = Duration::from_millis(20);

/// 20 ms of audio.
pub type AudioFrame = [i16; FRAME];

/// The sum of all frames. Peaks are clipped; wrapping would turn them into noise.
#[must_use]
pub fn mix<'a>(frames: impl IntoIterator<Item = &'a AudioFrame>) -> AudioFrame {
    let mut sums = [0i32; FRAME];
    for frame in frames {
        sums.iter_mut().zip(frame).for_each(|(sum, sample)| *sum += i32::from(*sample));
    }
    sums.map(|sum| i16::try_from(sum).unwrap_or(if sum < 0 { i16::MIN } else { i16::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_the_sum_cut_at_the_limits() {
        let loud = [20_000; FRAME];
        assert_eq!(mix([&loud, &[-5; FRAME]]), [19_995; FRAME]);
        assert_eq!(mix([&loud, &loud]), [i16::MAX; FRAME]);
        assert_eq!(mix([&[i16::MIN; FRAME], &[-1; FRAME]]), [i16::MIN; FRAME]);
        assert_eq!(mix([]), [0; FRAME]);
    }
}
