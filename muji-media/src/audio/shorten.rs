//! Sound that has waited too long is made shorter where it repeats itself, without another pitch (as NetEq's "accelerate" does).
//!
//! ```text
//!   before   |── a period ──|── the next ──|── ...
//!   after    |─ from the first into the next ─|── ...
//! ```

use std::collections::VecDeque;

/// The periods that are looked for: those of voices, and whole numbers of those of higher tones.
const SHORTEST: usize = 120;
const LONGEST: usize = 720;

/// How much sound has to be there.
pub(crate) const NEEDED: usize = 2 * LONGEST;

/// Two periods are alike if they correlate so much; the transition between others would be heard as a click or an echo.
const ALIKE: f64 = 0.9;

/// Sound of less energy than this, in the mean of a sample, is silence: in it any transition is inaudible.
const SILENCE: f64 = 50.0 * 50.0;

/// Only each fourth sample is looked at first: that finds a period, and costs a sixteenth.
const COARSE: usize = 4;

/// Leaves out a period at the beginning, if there is one of at most so many samples; how many samples that were.
pub(crate) fn shorten(sound: &mut VecDeque<i16>, most: usize) -> usize {
    let most = most.min(LONGEST);
    if sound.len() < NEEDED || most < SHORTEST {
        return 0;
    }
    let samples: Vec<f64> = sound.iter().take(NEEDED).map(|sample| f64::from(*sample)).collect();
    let silent = samples.iter().map(|sample| sample * sample).sum::<f64>() < SILENCE * NEEDED as f64;
    let found = if silent { Some(most) } else { period(&samples, most) };
    let Some(period) = found else { return 0 };
    sound.drain(..period);
    for (number, (sample, before)) in sound.iter_mut().zip(&samples[..period]).enumerate() {
        let share = number as f64 / period as f64;
        *sample = (before * (1.0 - share) + f64::from(*sample) * share).round() as i16;
    }
    period
}

/// After how many samples the sound repeats itself.
fn period(samples: &[f64], most: usize) -> Option<usize> {
    let coarse = best(samples, (SHORTEST..=most).step_by(COARSE), COARSE)?;
    let near = coarse.saturating_sub(COARSE).max(SHORTEST)..=(coarse + COARSE).min(most);
    best(samples, near, 1).filter(|period| alike(samples, *period, 1) >= ALIKE)
}

/// The shift by which it is most like itself.
fn best(samples: &[f64], shifts: impl Iterator<Item = usize>, step: usize) -> Option<usize> {
    let likeness = shifts.map(|shift| (alike(samples, shift, step), shift));
    likeness.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, shift)| shift)
}

/// How much it correlates with itself, shifted by so many samples; 1 if it is the same.
fn alike(samples: &[f64], shift: usize, step: usize) -> f64 {
    let pairs = samples[..LONGEST].iter().zip(&samples[shift..]).step_by(step);
    let (mut both, mut first, mut second) = (0.0, 0.0, 0.0);
    for (one, other) in pairs {
        both += one * other;
        first += one * one;
        second += other * other;
    }
    both / (first * second).sqrt().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, samples: usize) -> VecDeque<i16> {
        let at = |number: usize| (number as f64 * hz * std::f64::consts::TAU / 48_000.0).sin() * 8_000.0;
        (0..samples).map(|number| at(number) as i16).collect()
    }

    /// The largest step from one sample to the next.
    fn steepest(sound: &VecDeque<i16>) -> i32 {
        sound
            .iter()
            .zip(sound.iter().skip(1))
            .map(|(one, next)| (i32::from(*one) - i32::from(*next)).abs())
            .max()
            .unwrap()
    }

    #[test]
    fn of_a_tone_whole_periods_are_left_out_and_it_goes_on_without_a_click() {
        for hz in [100.0, 220.0, 440.0, 770.0, 3_000.0] {
            let mut sound = tone(hz, 1_920);
            let (before, left_out) = (steepest(&sound), shorten(&mut sound, LONGEST));
            let period = 48_000.0 / hz;
            let off = (left_out as f64 / period).round().mul_add(-period, left_out as f64).abs();
            assert!((SHORTEST..=LONGEST).contains(&left_out) && off <= 0.6, "{hz} Hz: {left_out} samples");
            assert!(sound.len() == 1_920 - left_out && steepest(&sound) <= before + 200, "{hz} Hz");
        }
    }

    #[test]
    fn not_more_is_left_out_than_is_too_much() {
        assert_eq!(shorten(&mut tone(100.0, 1_920), 400), 0, "a period is longer");
        assert_eq!(shorten(&mut tone(100.0, 1_920), 481), 480);
        assert_eq!(shorten(&mut tone(440.0, NEEDED - 1), LONGEST), 0, "it cannot be compared");
        assert_eq!(shorten(&mut VecDeque::from(vec![3; 1_920]), 300), 300, "silence");
    }

    #[test]
    fn noise_has_no_periods() {
        let mut random = 1u32;
        let mut next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 17) as i16
        };
        let mut noise: VecDeque<i16> = (0..1_920).map(|_| next()).collect();
        noise.iter_mut().for_each(|sample| *sample -= 16_384);
        assert_eq!(shorten(&mut noise, LONGEST), 0);
    }
}
