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

/// Both channels as one.
#[must_use]
pub(crate) fn mean([left, right]: &[AudioFrame; 2]) -> AudioFrame {
    std::array::from_fn(|number| left[number].midpoint(right[number]))
}

/// A sum of frames, which may be more than a sample holds: a limiter makes a frame of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum(pub(crate) [i32; FRAME]);

impl Sum {
    /// Silence.
    pub(crate) const ZERO: Self = Self([0; FRAME]);

    /// Adds a frame.
    pub(crate) fn add(&mut self, frame: &AudioFrame) {
        self.0.iter_mut().zip(frame).for_each(|(sum, sample)| *sum += i32::from(*sample));
    }

    /// Adds another sum.
    pub(crate) fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, sample)| *sum += sample);
    }

    /// How many decibels it is below full scale, as RFC 6465 counts: 0 is the loudest, 127 silence.
    pub(crate) fn below_full_scale(&self) -> u8 {
        let power = self.0.iter().map(|sample| (f64::from(*sample) / 32_768.0).powi(2)).sum::<f64>() / FRAME as f64;
        (-10.0 * power.log10()).clamp(0.0, 127.0).round() as u8
    }

    /// The same without what is part of it.
    pub(crate) fn without(&self, part: &Self) -> Self {
        Self(std::array::from_fn(|number| self.0[number] - part.0[number]))
    }
}
