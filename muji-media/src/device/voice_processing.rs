//! What a voice needs between a microphone and a loudspeaker in one room: no echo, less noise, an even level.

use sonora::config::{EchoCanceller, GainController2, HighPassFilter, NoiseSuppression};
use sonora::{AudioProcessing, Config, StreamConfig};

use crate::audio::frame::{AudioFrame, FRAME, SAMPLE_RATE};

/// The processing works on 10 ms.
const STEP: usize = FRAME / 2;

/// Takes out of what is captured what was just played.
pub struct VoiceProcessing(AudioProcessing);

impl VoiceProcessing {
    /// One for a microphone and a loudspeaker.
    #[must_use]
    pub fn new() -> Self {
        let config = Config {
            high_pass_filter: Some(HighPassFilter::default()),
            echo_canceller: Some(EchoCanceller::default()),
            noise_suppression: Some(NoiseSuppression::default()),
            gain_controller2: Some(GainController2::default()),
            ..Config::default()
        };
        let form = || StreamConfig::new(SAMPLE_RATE, 1);
        Self(AudioProcessing::builder().config(config).capture_config(form()).render_config(form()).build())
    }

    /// What the loudspeaker is given.
    pub fn played(&mut self, frame: &AudioFrame) {
        let mut unused = [0; STEP];
        for step in frame.chunks_exact(STEP) {
            // It fails for other lengths only.
            let _impossible = self.0.process_render_i16(step, &mut unused).is_err();
        }
    }

    /// What the microphone gave, and becomes.
    pub fn captured(&mut self, frame: &mut AudioFrame) {
        for step in frame.chunks_exact_mut(STEP) {
            let mut clean = [0; STEP];
            if self.0.process_capture_i16(step, &mut clean).is_ok() {
                step.copy_from_slice(&clean);
            }
        }
    }
}

impl Default for VoiceProcessing {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise like speech: bursts of changing loudness, the same for every run.
    fn speech(frames: usize) -> Vec<AudioFrame> {
        let mut state = 1u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 16) / 32_768.0 - 1.0
        };
        let mut low = 0.0;
        (0..frames)
            .map(|index| {
                let loud = if index % 25 < 15 { 6_000.0 } else { 0.0 };
                let mut frame = [0; FRAME];
                frame.fill_with(|| {
                    low += (noise() - low) * 0.2;
                    (low * loud) as i16
                });
                frame
            })
            .collect()
    }

    fn power(frames: &[AudioFrame]) -> f64 {
        let sum: f64 = frames.iter().flatten().map(|sample| f64::from(*sample).powi(2)).sum();
        sum / (frames.len() * FRAME) as f64
    }

    #[test]
    fn an_echo_is_taken_out() {
        let mut voice = VoiceProcessing::new();
        let spoken = speech(500);
        let mut left = Vec::new();
        for (index, frame) in spoken.iter().enumerate() {
            voice.played(frame);
            // The room: 60 ms later, at half the loudness.
            let mut echo = index.checked_sub(3).map_or([0; FRAME], |before| spoken[before].map(|sample| sample / 2));
            voice.captured(&mut echo);
            left.push(echo);
        }
        let (before, after) = (power(&spoken[350..]) / 4.0, power(&left[350..]));
        assert!(after < before / 100.0, "{:.1} dB", 10.0 * (after / before).log10());
    }

    #[test]
    fn somebody_who_speaks_is_still_heard() {
        let mut voice = VoiceProcessing::new();
        let spoken = speech(500);
        let mut heard = Vec::new();
        for frame in &spoken {
            voice.played(&[0; FRAME]);
            let mut captured = *frame;
            voice.captured(&mut captured);
            heard.push(captured);
        }
        assert!(power(&heard[350..]) > power(&spoken[350..]) / 10.0);
    }
}
