//! Clock drift: two clocks that are nearly the same. Audio that comes too fast or too slow is resampled by single samples, so that an hour
//! of talk adds neither delay nor gaps.

use std::collections::VecDeque;

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Adjustable, Async, FixedAsync, PolynomialDegree, ResamplerConstructionError, Slip};

use crate::audio::frame::{FRAME, SAMPLE_RATE};

/// How long it takes to resample an excess away, in seconds. In a steady state a clock that is 0.1 % fast then waits 4 ms longer than it
/// should, and one 0.1 % slow 4 ms less: the buffers on both sides can spare that.
const WORKED_OFF_IN: f64 = 4.0;

/// The most that audio is stretched: half a percent is a twelfth of a semitone.
const MAX_STRETCH: f64 = 0.005;

/// Which side comes in frames of 20 ms; the other side takes or gives some samples more or less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FixedSide {
    /// Frames go in: to a loudspeaker.
    #[cfg_attr(not(feature = "devices"), allow(dead_code, reason = "only sound cards take frames"))]
    Input,
    /// Frames come out.
    Output,
}

/// Resamples between the two clocks.
pub(crate) struct DriftCompensator {
    resampler: Box<dyn AdjustableResampler>,
    input: Vec<f32>,
    output: Vec<f32>,
}

trait AdjustableResampler: Adjustable<f32> + Send {}
impl<R: Adjustable<f32> + Send> AdjustableResampler for R {}

impl DriftCompensator {
    /// Between one clock and another, both of 48 kHz.
    #[must_use]
    pub(crate) fn new(fixed: FixedSide) -> Self {
        // Between equal rates single samples are left out or put in and the rest passes as it is; interpolating would cost more and dull it.
        let slip = Slip::new(FRAME, 1, fixed.into()).expect("a frame is longer than four samples");
        Self { resampler: Box::new(slip), input: Vec::new(), output: Vec::new() }
    }

    /// Between two rates in Hz. From any to 48 kHz frames come out, from 48 kHz to any they go in.
    ///
    /// # Errors
    /// If a rate is zero.
    #[cfg_attr(not(feature = "devices"), allow(dead_code, reason = "only sound cards have other rates"))]
    pub(crate) fn between(fixed: FixedSide, from: u32, to: u32) -> Result<Self, ResamplerConstructionError> {
        if (from, to) == (SAMPLE_RATE, SAMPLE_RATE) {
            return Ok(Self::new(fixed));
        }
        let ratio = f64::from(to) / f64::from(from);
        // Cubic is enough: cards have 44.1 or 48 kHz, and voices lie far below half of that.
        let cubic = PolynomialDegree::Cubic;
        let resampler = Async::new_poly(ratio, 1.0 + 2.0 * MAX_STRETCH, cubic, FRAME, 1, fixed.into())?;
        Ok(Self { resampler: Box::new(resampler), input: Vec::new(), output: Vec::new() })
    }

    /// How many samples the next call of [`Self::resample`] takes.
    #[must_use]
    pub(crate) fn needs(&self) -> usize {
        self.resampler.input_frames_next()
    }

    /// Takes [`Self::needs`] samples, with silence for missing ones, and gives them resampled. `excess` is how many seconds of audio wait
    /// beyond what should.
    pub(crate) fn resample(&mut self, sound: &mut VecDeque<i16>, excess: f64) -> &[f32] {
        // In proportion to the excess, so that it settles without overshooting: a fixed step would swing about the goal and be heard.
        let faster = (excess / WORKED_OFF_IN).clamp(-MAX_STRETCH, MAX_STRETCH);
        let _at_its_limit = self.resampler.set_resample_ratio_relative(1.0 - faster, true).is_err();
        let needed = self.resampler.input_frames_next();
        // At the end of a stream, or behind a gap, fewer may be there than are needed: a few samples of silence are not heard.
        let taken = needed.min(sound.len());
        self.input.clear();
        // Slices, because an iterator over the queue is asked for each sample by itself.
        let (front, back) = sound.as_slices();
        for part in [front, back] {
            let left = taken - self.input.len();
            self.input.extend(part.iter().take(left).copied().map(f32::from));
        }
        sound.drain(..taken);
        self.input.resize(needed, 0.0);
        self.output.resize(self.resampler.output_frames_max(), 0.0);
        let capacity = self.output.len();
        let input = SequentialSlice::new(self.input.as_slice(), 1, needed).expect("it was made as long");
        let mut output = SequentialSlice::new_mut(&mut self.output, 1, capacity).expect("it was made as long");
        let done = self.resampler.process_into_buffer(&input, &mut output, None);
        let (_, written) = done.expect("both sides are as long as it asked for");
        &self.output[..written]
    }
}

/// A sample in the format of files and codecs.
#[must_use]
pub(crate) fn rounded(sample: f32) -> i16 {
    // Nearly as `round`, which is a call of the C library for each sample; the conversion cuts and saturates.
    (sample + 0.5f32.copysign(sample)) as i16
}

impl From<FixedSide> for FixedAsync {
    fn from(fixed: FixedSide) -> Self {
        match fixed {
            FixedSide::Input => Self::Input,
            FixedSide::Output => Self::Output,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An hour between two clocks, the first faster by `factor`; the longest the queue became, in seconds.
    fn longest_queue(factor: f64, from: u32) -> f64 {
        let mut drift = DriftCompensator::between(FixedSide::Output, from, SAMPLE_RATE).unwrap();
        let (mut waiting, mut longest, mut credit) = (VecDeque::new(), 0.0, 0.0);
        for _ in 0..3_600 * 50 {
            credit += f64::from(from) / 50.0 * factor;
            let whole = credit as usize;
            credit -= whole as f64;
            waiting.extend(std::iter::repeat_n(1_000i16, whole));
            let excess = waiting.len() as f64 / f64::from(from) - 0.020;
            assert_eq!(drift.resample(&mut waiting, excess).len(), FRAME);
            longest = f64::max(longest, waiting.len() as f64 / f64::from(from));
        }
        longest
    }

    #[test]
    fn in_an_hour_with_a_clock_that_runs_a_thousandth_fast_the_delay_does_not_grow() {
        for (factor, from) in [(1.001, 48_000), (1.001, 44_100), (1.0, 48_000)] {
            let longest = longest_queue(factor, from);
            assert!(longest < 0.035, "{factor} of {from} Hz: {longest}");
        }
    }

    #[test]
    fn frames_for_a_card_of_another_rate_become_as_many_samples_as_it_plays() {
        let mut drift = DriftCompensator::between(FixedSide::Input, SAMPLE_RATE, 44_100).unwrap();
        for (excess, expected) in [(0.0, 44_100), (1.0, 43_880), (-1.0, 44_321)] {
            let second: usize = (0..50).map(|_| drift.resample(&mut vec![1_000; FRAME].into(), excess).len()).sum();
            assert!(second.abs_diff(expected) < 20, "{excess}: {second}");
        }
    }

    #[test]
    fn sound_passes_unchanged_while_the_clocks_agree() {
        let mut drift = DriftCompensator::new(FixedSide::Output);
        let mut sound: VecDeque<i16> = (0..960).collect();
        let passed: Vec<i16> = drift.resample(&mut sound, 0.0).iter().copied().map(rounded).collect();
        assert_eq!(passed, (0..960).collect::<Vec<i16>>());
    }

    #[test]
    fn a_tone_that_is_stretched_is_still_a_tone() {
        use crate::audio::meter::Meter;
        use crate::device::AudioSource;
        use crate::device::tone::Tone;
        let (mut drift, mut tone, mut meter) =
            (DriftCompensator::new(FixedSide::Output), Tone::new(440.0), Meter::default());
        let mut sound = VecDeque::new();
        for _ in 0..50 {
            while sound.len() < 2 * FRAME {
                let mut frame = [0; FRAME];
                tone.fill(&mut frame).unwrap();
                sound.extend(frame);
            }
            let stretched: Vec<i16> = drift.resample(&mut sound, 0.02).iter().copied().map(rounded).collect();
            meter.add(&stretched);
        }
        let level = meter.take().unwrap();
        assert!(level.frequency.is_some_and(|hz| (hz - 442.2).abs() < 1.0), "{level:?}");
    }
}
