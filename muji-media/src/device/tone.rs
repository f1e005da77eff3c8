//! A tone, so that a call can be heard without any device.

use std::f32::consts::TAU;

use super::interface::{AudioSource, DeviceError};
use crate::audio::frame::{AudioFrame, SAMPLE_RATE};

/// A tenth of full scale is -20 dBFS: four at once do not clip.
const AMPLITUDE: f32 = 3_276.7;

/// A sine.
#[derive(Debug, Clone)]
pub struct Tone {
    step: f32,
    phase: f32,
}

impl Tone {
    /// A tone of `frequency` Hz, 1 to 20 000.
    #[must_use]
    pub fn new(frequency: f32) -> Self {
        Self { step: TAU * frequency.clamp(1.0, 20_000.0) / SAMPLE_RATE as f32, phase: 0.0 }
    }
}

impl AudioSource for Tone {
    fn fill(&mut self, frame: &mut AudioFrame) -> Result<(), DeviceError> {
        for sample in frame {
            *sample = (AMPLITUDE * self.phase.sin()) as i16;
            self.phase = (self.phase + self.step) % TAU;
        }
        Ok(())
    }
}
