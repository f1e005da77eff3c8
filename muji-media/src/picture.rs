//! Pictures as they are handled here: I420, eight bits a sample, in the colours of BT.601 with limited range.

/// Pixels of the largest picture taken: 1920 times 1088. A stream of larger ones could use up the machine.
pub const MAX_PIXELS: usize = 1_920 * 1_088;

/// A picture: one sample of brightness a pixel, one of each colour difference for two times two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    /// Y, then U, then V, rows without gaps.
    samples: Vec<u8>,
}

impl Picture {
    /// A picture from its planes; `None` if a side is odd, zero or the whole too large, or the samples are not as many.
    #[must_use]
    pub fn from_samples(width: usize, height: usize, samples: Vec<u8>) -> Option<Self> {
        let even = width.is_multiple_of(2) && height.is_multiple_of(2) && width > 0 && height > 0;
        let pixels = width.checked_mul(height).filter(|pixels| even && *pixels <= MAX_PIXELS)?;
        (samples.len() == pixels + pixels / 2).then_some(Self { width, height, samples })
    }

    /// A picture of one colour, given as red, green and blue.
    ///
    /// # Panics
    /// If a side is odd or zero, or the whole too large.
    #[must_use]
    pub fn filled(width: usize, height: usize, rgb: [u8; 3]) -> Self {
        let (pixels, [y, u, v]) = (width * height, to_yuv(rgb));
        let mut samples = vec![y; pixels];
        samples.resize(pixels + pixels / 4, u);
        samples.resize(pixels + pixels / 2, v);
        Self::from_samples(width, height, samples).expect("sides are even and the picture is not too large")
    }

    /// Pixels of a row; even.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows; even.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Y, then U, then V.
    #[must_use]
    pub fn samples(&self) -> &[u8] {
        &self.samples
    }

    /// Sets the brightness of a pixel; outside of the picture nothing happens.
    pub fn set_brightness(&mut self, x: usize, y: usize, brightness: u8) {
        if x < self.width && y < self.height {
            self.samples[y * self.width + x] = brightness;
        }
    }

    /// Its mean colour as red, green and blue.
    #[must_use]
    pub fn mean(&self) -> [u8; 3] {
        let pixels = self.width * self.height;
        let mean =
            |plane: &[u8]| (plane.iter().map(|sample| u64::from(*sample)).sum::<u64>() / plane.len() as u64) as u8;
        let (brightness, colours) = self.samples.split_at(pixels);
        let (u, v) = colours.split_at(pixels / 4);
        to_rgb([mean(brightness), mean(u), mean(v)])
    }
}

/// BT.601, limited range.
fn to_yuv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let [red, green, blue] = [red, green, blue].map(f32::from);
    let y = 16.0 + 0.2568 * red + 0.5041 * green + 0.0979 * blue;
    let u = 128.0 - 0.1482 * red - 0.2910 * green + 0.4392 * blue;
    let v = 128.0 + 0.4392 * red - 0.3678 * green - 0.0714 * blue;
    [y, u, v].map(|sample| sample.round() as u8)
}

fn to_rgb([y, u, v]: [u8; 3]) -> [u8; 3] {
    let (y, u, v) = (1.164 * (f32::from(y) - 16.0), f32::from(u) - 128.0, f32::from(v) - 128.0);
    [y + 1.596 * v, y - 0.392 * u - 0.813 * v, y + 2.017 * u].map(|part| part.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_one_colour_has_that_colour() {
        for rgb in [[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]] {
            let mean = Picture::filled(16, 8, rgb).mean();
            assert!(mean.iter().zip(rgb).all(|(seen, put)| seen.abs_diff(put) <= 3), "{rgb:?} became {mean:?}");
        }
    }

    #[test]
    fn what_is_no_picture_is_not_taken() {
        for (width, height, samples) in [(0, 0, 0), (3, 2, 9), (2, 2, 5), (4_096, 4_096, 4_096 * 4_096 * 3 / 2)] {
            assert_eq!(Picture::from_samples(width, height, vec![0; samples]), None, "{width} x {height}");
        }
    }
}
