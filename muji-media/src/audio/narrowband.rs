//! Between 48 kHz and the 8 kHz of telephones: a low-pass filter, and one sample of six.

use std::collections::VecDeque;
use std::f32::consts::PI;
use std::sync::LazyLock;

use crate::audio::drift::rounded;

/// Samples of ours for one of a telephone.
pub(crate) const RATIO: usize = 6;

/// The length of the filter in samples of 48 kHz: 5 ms. It falls from 3.4 kHz, where telephones end, to nothing at 4.6 kHz, so what is
/// folded back lies above 3.4 kHz.
const TAPS: usize = 40 * RATIO;

/// Where the filter has lost half of its gain, as a share of 48 kHz.
const CUTOFF: f32 = 4_000.0 / 48_000.0;

/// A sinc under a Blackman window, whose sum is one.
static FILTER: LazyLock<[f32; TAPS]> = LazyLock::new(|| {
    let length = TAPS as f32;
    let mut taps: [f32; TAPS] = std::array::from_fn(|place| {
        let place = place as f32 + 0.5;
        let angle = 2.0 * PI * CUTOFF * (place - length / 2.0);
        let window = 0.42 - 0.5 * (2.0 * PI * place / length).cos() + 0.08 * (4.0 * PI * place / length).cos();
        angle.sin() / angle * window
    });
    let sum: f32 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    taps
});

/// From 48 kHz to 8 kHz.
#[derive(Default)]
pub(crate) struct Narrower {
    /// The last samples.
    before: VecDeque<i16>,
}

impl Narrower {
    /// One sample for six.
    pub(crate) fn narrow(&mut self, sound: &[i16]) -> Vec<i16> {
        self.before.extend(sound);
        let missing = (TAPS - RATIO + sound.len()).saturating_sub(self.before.len());
        (0..missing).for_each(|_| self.before.push_front(0)); // It begins with silence.
        let mut narrow = Vec::with_capacity(sound.len() / RATIO);
        while self.before.len() >= TAPS {
            let filtered = self.before.iter().zip(FILTER.iter()).map(|(sample, tap)| f32::from(*sample) * tap);
            narrow.push(rounded(filtered.sum()));
            self.before.drain(..RATIO);
        }
        narrow
    }
}

/// From 8 kHz to 48 kHz.
#[derive(Default)]
pub(crate) struct Wider {
    /// The last samples, the newest first.
    before: VecDeque<i16>,
}

impl Wider {
    /// Six samples for one.
    pub(crate) fn widen(&mut self, sound: impl IntoIterator<Item = i16>) -> Vec<i16> {
        let mut wide = Vec::new();
        for sample in sound {
            self.before.push_front(sample);
            self.before.truncate(TAPS / RATIO);
            for phase in 0..RATIO {
                // As if five zeros stood behind each sample: every sixth tap meets one that is none.
                let taps = FILTER.iter().skip(phase).step_by(RATIO);
                let filtered = self.before.iter().zip(taps).map(|(sample, tap)| f32::from(*sample) * tap);
                wide.push(rounded(filtered.sum::<f32>() * RATIO as f32));
            }
        }
        wide
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::frame::FRAME;

    /// The loudest sample of a tone after it went to 8 kHz and, if `back`, to 48 kHz again; of one with 10000.
    fn left_of(hz: f32, back: bool) -> i16 {
        let tone = |place: usize| (10_000.0 * (2.0 * PI * hz * place as f32 / 48_000.0).sin()) as i16;
        let sound: Vec<i16> = (0..10 * FRAME).map(tone).collect();
        let narrow = Narrower::default().narrow(&sound);
        assert_eq!(narrow.len(), sound.len() / RATIO);
        let played = if back { Wider::default().widen(narrow) } else { narrow };
        played[played.len() / 2..].iter().copied().max().unwrap()
    }

    #[test]
    fn speech_passes_both_ways_and_nothing_else_is_heard_as_speech() {
        for hz in [100.0, 440.0, 1_000.0, 3_000.0, 3_300.0] {
            let left = left_of(hz, true);
            assert!((9_500..=10_500).contains(&left), "{hz} Hz: {left}");
        }
        for hz in [4_700.0, 6_000.0, 8_000.0, 12_000.0, 20_000.0] {
            let left = left_of(hz, false);
            assert!(left < 100, "{hz} Hz: {left}");
        }
    }

    #[test]
    fn what_comes_in_pieces_sounds_as_what_comes_at_once() {
        let sound: Vec<i16> = (0..4 * FRAME).map(|place| (place * 7_919 % 20_000) as i16).collect();
        let (mut narrower, mut wider) = (Narrower::default(), Wider::default());
        let pieces: Vec<i16> = sound.chunks(FRAME).flat_map(|piece| wider.widen(narrower.narrow(piece))).collect();
        assert_eq!(pieces, Wider::default().widen(Narrower::default().narrow(&sound)));
    }
}
