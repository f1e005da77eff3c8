//! Whether somebody speaks, and how loud: over a second, so that a cough is no speech and a gap between words no silence.

use crate::audio::frame::{AudioFrame, FRAME};

/// Frames of a second.
const SECOND: usize = 50;

/// A frame with more power (-50 dBFS) is one in which somebody may speak: rooms and microphones are quieter, speech is louder.
const AUDIBLE: f32 = 1e-5;

/// Who speaks is audible in so many frames of a second: words have gaps, and a cough lasts 0.3 s.
const SPEAKS: usize = SECOND / 2;

/// The loudness of the last second.
#[derive(Debug, Clone)]
pub(crate) struct SpeechMeter {
    powers: [f32; SECOND],
    next: usize,
}

/// What somebody did in the last second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Speech {
    /// It spoke.
    pub speaks: bool,
    /// The mean power, of which a full square wave has 1.
    pub power: f32,
}

impl Default for SpeechMeter {
    /// Silence.
    fn default() -> Self {
        Self { powers: [0.0; SECOND], next: 0 }
    }
}

impl SpeechMeter {
    /// The next 20 ms.
    pub(crate) fn add(&mut self, frame: &AudioFrame) {
        let sum: f32 = frame.iter().map(|sample| (f32::from(*sample) / 32_768.0).powi(2)).sum();
        self.powers[self.next] = sum / FRAME as f32;
        self.next = (self.next + 1) % SECOND;
    }

    /// The last second.
    pub(crate) fn speech(&self) -> Speech {
        let audible = self.powers.iter().filter(|power| **power > AUDIBLE).count();
        Speech { speaks: audible >= SPEAKS, power: self.powers.iter().sum::<f32>() / SECOND as f32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(frames: &[(usize, i16)]) -> Speech {
        let mut meter = SpeechMeter::default();
        for (count, sample) in frames {
            (0..*count).for_each(|_| meter.add(&[*sample; FRAME]));
        }
        meter.speech()
    }

    // Shows brg-vid-04.
    #[test]
    fn words_with_gaps_are_speech_and_a_cough_is_none() {
        assert!(after(&[(10, 3_000), (8, 0), (12, 3_000), (10, 0), (10, 3_000)]).speaks);
        assert!(!after(&[(50, 0), (15, 20_000), (35, 0)]).speaks);
        assert!(!after(&[(500, 50)]).speaks, "the noise of a room");
    }

    #[test]
    fn what_was_before_the_last_second_does_not_count() {
        assert_eq!(after(&[(500, 9_000), (50, 0)]), Speech::default());
        let half = after(&[(50, 0), (25, 16_384)]);
        assert!((half.power - 0.125).abs() < 1e-6 && half.speaks);
    }
}
