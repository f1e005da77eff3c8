//! What makes a frame of a sum: where it would be louder than a sample holds, all of it becomes softer for a while. Cutting its peaks
//! would be heard as a rattle.

use crate::audio::frame::{AudioFrame, FRAME, Sum};

/// Samples of a step, 2.5 ms: the gain is a line from each to the next.
const STEP: usize = FRAME / STEPS;
const STEPS: usize = 8;

/// The loudest sample, a decibel below full scale.
const LIMIT: f32 = 29_204.0;

/// The gain grows so much in each step: from half to all of it in half a second, too slow to be heard as a flutter.
const RELEASE: f32 = 0.0025;

/// One output.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    /// The next frame.
    pub(crate) fn limit(&mut self, Sum(sum): &Sum) -> AudioFrame {
        let peaks: [f32; STEPS] = std::array::from_fn(|step| {
            let loudest = sum[step * STEP..][..STEP].iter().map(|sample| sample.unsigned_abs()).max();
            loudest.unwrap_or(0) as f32
        });
        if self.gain >= 1.0 && peaks.iter().all(|peak| *peak <= LIMIT) {
            return sum.map(sample);
        }
        let allowed = peaks.map(|peak| if peak > LIMIT { LIMIT / peak } else { 1.0 });
        let mut frame = [0; FRAME];
        for step in 0..STEPS {
            // At the end of a step the gain is one that the next can bear too: so it is there before the peak is.
            let next = allowed.get(step + 1).copied().unwrap_or(1.0);
            let to = (self.gain + RELEASE).min(allowed[step]).min(next);
            let from = std::mem::replace(&mut self.gain, to);
            for number in 0..STEP {
                let share = (number + 1) as f32 / STEP as f32;
                let gain = (from + (to - from) * share).min(allowed[step]);
                frame[step * STEP + number] = (sum[step * STEP + number] as f32 * gain) as i16;
            }
        }
        frame
    }
}

fn sample(sum: i32) -> i16 {
    i16::try_from(sum).unwrap_or(if sum < 0 { i16::MIN } else { i16::MAX })
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::audio::frame::SAMPLE_RATE;

    /// Sines of 200 Hz and odd steps above it, of this amplitude each.
    fn sines(count: usize, amplitude: f64, frame: usize) -> Sum {
        Sum(std::array::from_fn(|number| {
            let at = (frame * FRAME + number) as f64 / f64::from(SAMPLE_RATE);
            (0..count).map(|sine| (amplitude * (TAU * (200.0 + 150.0 * sine as f64) * at).sin()) as i32).sum()
        }))
    }

    #[test]
    fn what_is_not_too_loud_stays_as_it_is() {
        let mut limiter = Limiter::default();
        let sum = sines(2, 14_000.0, 0);
        let frame = limiter.limit(&sum);
        assert!(frame.iter().zip(&sum.0).all(|(sample, sum)| i32::from(*sample) == *sum));
    }

    // Shows brg-mix-03.
    #[test]
    fn eight_at_full_scale_become_softer_without_a_rattle() {
        let mut limiter = Limiter::default();
        let (mut worst, mut energy, mut wrong) = (0, 0.0, 0.0);
        for number in 0..50 {
            let sum = sines(8, 32_767.0, number);
            let frame = limiter.limit(&sum);
            worst = worst.max(frame.iter().map(|sample| sample.unsigned_abs()).max().unwrap());
            if number < 10 {
                continue;
            }
            // What the frame has beyond the sum at its mean gain.
            let (mut product, mut square) = (0.0, 0.0);
            for (sample, sum) in frame.iter().zip(&sum.0) {
                product += f64::from(*sample) * f64::from(*sum);
                square += f64::from(*sum).powi(2);
            }
            for (sample, sum) in frame.iter().zip(&sum.0) {
                energy += f64::from(*sample).powi(2);
                wrong += (f64::from(*sample) - f64::from(*sum) * product / square).powi(2);
            }
        }
        let distortion = (wrong / energy).sqrt();
        assert!(u32::from(worst) <= LIMIT as u32, "{worst}");
        assert!(distortion < 0.03, "{distortion}");
        let clipped: Vec<i16> = sines(8, 32_767.0, 20).0.map(sample).to_vec();
        assert!(clipped.iter().filter(|sample| **sample == i16::MAX).count() > 50, "cutting would have been heard");
    }

    #[test]
    fn it_is_as_loud_as_before_half_a_second_behind_the_peak() {
        let mut limiter = Limiter::default();
        limiter.limit(&Sum([60_000; FRAME]));
        let quiet = Sum([1_000; FRAME]);
        let gains: Vec<i16> = (0..30).map(|_| limiter.limit(&quiet)[FRAME - 1]).collect();
        assert!(gains[0] < 600 && gains[29] == 1_000, "{gains:?}");
    }

    #[test]
    fn one_peak_in_silence_is_within_the_limit() {
        for at in [0, 1, STEP - 1, STEP, FRAME - 1] {
            let mut sum = Sum::ZERO;
            sum.0[at] = -5_000_000;
            let frame = Limiter::default().limit(&sum);
            assert!(frame.iter().all(|sample| u32::from(sample.unsigned_abs()) <= LIMIT as u32), "{at}");
        }
    }
}
