//! Random numbers that repeat with their seed.

use std::time::Duration;

/// SplitMix64: one multiplication chain, good enough to shuffle delays.
#[derive(Debug, Clone)]
pub struct SeededRandom(u64);

impl SeededRandom {
    /// Begins with a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// True in this share of cases, from 0 to 1.
    pub fn happens(&mut self, share: f64) -> bool {
        (self.number() as f64) < share * (u64::MAX as f64)
    }

    /// A time between nothing and `most`.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).expect("delays are short");
        Duration::from_micros(self.number() % (micros + 1))
    }

    /// 32 bytes, for an Engine's ids.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        seed.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.number().to_be_bytes()));
        seed
    }
}
