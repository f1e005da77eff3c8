//! Audio as numbers: how loud it is, and which tone it holds.

use std::f64::consts::TAU;

use crate::audio::frame::SAMPLE_RATE;
use crate::stats::Level;

/// The share of the power that a single tone must hold.
const PURITY: f64 = 0.5;

/// Measures over a second.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    samples: Vec<i16>,
}

impl Meter {
    /// More audio; what exceeds a second before [`Self::take`] is not measured.
    pub fn add(&mut self, samples: &[i16]) {
        let room = (SAMPLE_RATE as usize).saturating_sub(self.samples.len());
        self.samples.extend(samples.iter().take(room));
    }

    /// The measurement, if a second is full; the next second begins then.
    pub fn take(&mut self) -> Option<Level> {
        (self.samples.len() == SAMPLE_RATE as usize).then(|| {
            let samples = std::mem::take(&mut self.samples);
            measure(&samples)
        })
    }
}

/// Samples of one loudness value: a fifth of a second.
const SHORT: u32 = SAMPLE_RATE / 5;

/// How loud it is, five times a second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Loudness {
    power: f64,
    samples: u32,
}

impl Loudness {
    /// More audio.
    pub(crate) fn add(&mut self, samples: &[i16]) {
        let power = |sample: &i16| (f64::from(*sample) / 32_768.0).powi(2);
        self.power += samples.iter().map(power).sum::<f64>();
        self.samples += u32::try_from(samples.len()).unwrap_or(u32::MAX);
    }

    /// The level in dBFS, once a fifth of a second is full.
    pub(crate) fn take(&mut self) -> Option<f32> {
        (self.samples >= SHORT).then(|| {
            let Self { power, samples } = std::mem::take(self);
            decibels(power / f64::from(samples))
        })
    }
}

fn decibels(power: f64) -> f32 {
    (10.0 * power.max(1e-12).log10()) as f32
}

fn measure(samples: &[i16]) -> Level {
    let sound: Vec<f64> = samples.iter().map(|sample| f64::from(*sample) / 32_768.0).collect();
    let power = sound.iter().map(|sample| sample * sample).sum::<f64>() / sound.len() as f64;
    let level = decibels(power);
    let frequency =
        tone(&sound, power.sqrt() * 0.5).filter(|frequency| power > 0.0 && share(&sound, *frequency, power) >= PURITY);
    Level { level, frequency: frequency.map(|frequency| frequency as f32) }
}

/// The frequency of a tone by its zero crossings, interpolated between samples. Only a crossing that comes from below `depth` counts:
/// noise crosses zero many times.
fn tone(sound: &[f64], depth: f64) -> Option<f64> {
    let mut below = false;
    let rising = sound.windows(2).enumerate().filter(|(_, pair)| {
        below |= pair[0] < -depth;
        let rises = pair[0] < 0.0 && pair[1] >= 0.0 && below;
        below &= !rises;
        rises
    });
    let crossings: Vec<f64> = rising.map(|(index, pair)| index as f64 - pair[0] / (pair[1] - pair[0])).collect();
    let mut periods: Vec<f64> = crossings.windows(2).map(|pair| pair[1] - pair[0]).collect();
    periods.sort_by(f64::total_cmp);
    // A gap makes a few periods longer or shorter; the median does not see them.
    let usual = *periods.get(periods.len() / 2)?;
    let alike: Vec<f64> = periods.into_iter().filter(|period| (period / usual - 1.0).abs() < 0.1).collect();
    Some(f64::from(SAMPLE_RATE) * alike.len() as f64 / alike.iter().sum::<f64>())
}

/// The share of the power at a frequency (Goertzel), over short stretches, since a tone's phase may jump at a gap.
fn share(sound: &[f64], frequency: f64, power: f64) -> f64 {
    const STRETCH: usize = 2_400; // 50 ms, a band of 20 Hz
    let turn = TAU * frequency / f64::from(SAMPLE_RATE);
    let shares = sound.chunks_exact(STRETCH).map(|stretch| {
        let (mut one, mut two) = (0.0, 0.0);
        for sample in stretch {
            let next = sample + 2.0 * turn.cos() * one - two;
            two = one;
            one = next;
        }
        let magnitude = one * one + two * two - 2.0 * turn.cos() * one * two;
        2.0 * magnitude / (STRETCH * STRETCH) as f64
    });
    shares.sum::<f64>() / (sound.len() / STRETCH) as f64 / power
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::frame::{FRAME, Sum};
    use crate::audio::limiter::Limiter;
    use crate::device::AudioSource;
    use crate::device::tone::Tone;

    fn measured(mut frame: impl FnMut() -> [i16; FRAME]) -> Level {
        let mut meter = Meter::default();
        (0..50).for_each(|_| meter.add(&frame()));
        meter.take().unwrap()
    }

    fn next(tone: &mut Tone) -> [i16; FRAME] {
        let mut frame = [0; FRAME];
        tone.fill(&mut frame).unwrap();
        frame
    }

    #[test]
    fn a_tone_is_measured_to_a_hertz_and_a_decibel() {
        for frequency in [100.0, 440.0, 880.0, 3_000.0] {
            let mut tone = Tone::new(frequency);
            let level = measured(|| next(&mut tone));
            assert!((level.frequency.unwrap() - frequency).abs() < 1.0, "{level:?}");
            assert!((level.level + 23.0).abs() < 1.0, "{level:?}");
        }
    }

    #[test]
    fn silence_has_no_tone() {
        let level = measured(|| [0; FRAME]);
        assert_eq!((level.frequency, level.is_sound()), (None, false));
    }

    #[test]
    fn two_tones_at_once_are_not_taken_for_one() {
        let (mut low, mut high) = (Tone::new(440.0), Tone::new(1_870.0));
        let level = measured(|| {
            let mut both = Sum::ZERO;
            both.add(&next(&mut low));
            both.add(&next(&mut high));
            Limiter::default().limit(&both)
        });
        assert_eq!(level.frequency, None);
        assert!(level.is_sound());
    }

    #[test]
    fn nothing_is_told_before_a_second_is_full() {
        let mut meter = Meter::default();
        (0..49).for_each(|_| meter.add(&[0; FRAME]));
        assert_eq!(meter.take(), None);
    }
}
