//! The format of video frames: I420, eight bits a sample, in the colours of BT.601 with limited range.

use std::time::Duration;

/// Pixels of the largest frame: 4096 times 2304, as cameras and screens of 4K give. A stream of larger ones could use up the machine; one of
/// these costs its decoder some 60 MB, for it keeps four frames.
pub(crate) const MAX_PIXELS: usize = 4_096 * 2_304;

/// Between two frames: 30 a second.
pub(crate) const INTERVAL: Duration = Duration::from_micros(1_000_000 / 30);

/// A frame: one sample of brightness for each pixel, one of each colour difference for each two by two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFrame {
    width: usize,
    height: usize,
    /// Y, then U, then V, rows without gaps.
    samples: Vec<u8>,
}

impl VideoFrame {
    /// A frame from its planes; `None` if a side is odd or zero, the whole too large, or the number of samples another.
    #[must_use]
    pub fn from_samples(width: usize, height: usize, samples: Vec<u8>) -> Option<Self> {
        let even = width.is_multiple_of(2) && height.is_multiple_of(2) && width > 0 && height > 0;
        let pixels = width.checked_mul(height).filter(|pixels| even && *pixels <= MAX_PIXELS)?;
        (samples.len() == pixels + pixels / 2).then_some(Self { width, height, samples })
    }

    /// A frame of one colour, given as red, green and blue.
    ///
    /// # Panics
    /// If a side is odd or zero, or the whole too large.
    #[must_use]
    pub fn filled(width: usize, height: usize, rgb: [u8; 3]) -> Self {
        let (pixels, [y, u, v]) = (width * height, to_yuv(rgb));
        let mut samples = vec![y; pixels];
        samples.resize(pixels + pixels / 4, u);
        samples.resize(pixels + pixels / 2, v);
        Self::from_samples(width, height, samples).expect("sides are even and the frame is not too large")
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

    /// Sets the brightness of a pixel; outside of the frame nothing happens.
    pub fn set_brightness(&mut self, x: usize, y: usize, brightness: u8) {
        if x < self.width && y < self.height {
            self.samples[y * self.width + x] = brightness;
        }
    }

    /// The same rotated right by so many quarter turns.
    #[must_use]
    pub fn turned(self, turns: u8) -> Self {
        let (width, height) = (self.width, self.height);
        let pixels = width * height;
        let turned = |place: &dyn Fn(usize, usize, [usize; 2]) -> [usize; 2], [new_width, new_height]: [usize; 2]| {
            let mut samples = Vec::with_capacity(pixels * 3 / 2);
            for (begin, part) in [(0, 1), (pixels, 2), (pixels + pixels / 4, 2)] {
                let plane = &self.samples[begin..][..pixels / part / part];
                for row in 0..new_height / part {
                    samples.extend((0..new_width / part).map(|column| {
                        let [x, y] = place(column, row, [width / part, height / part]);
                        plane[y * (width / part) + x]
                    }));
                }
            }
            Self { width: new_width, height: new_height, samples }
        };
        match turns % 4 {
            1 => turned(&|column, row, [_, height]| [row, height - 1 - column], [height, width]),
            2 => turned(&|column, row, [width, height]| [width - 1 - column, height - 1 - row], [width, height]),
            3 => turned(&|column, row, [width, _]| [width - 1 - row, column], [height, width]),
            _ => self,
        }
    }

    /// The same in another size; a side that is odd loses a pixel. Each pixel is the mean of the area that it covers, so that fine lines do not
    /// flicker in smaller frames.
    #[must_use]
    pub fn resized(&self, [width, height]: [usize; 2]) -> Self {
        if [width, height] == [self.width, self.height] {
            return self.clone();
        }
        let (width, height) = ((width / 2).max(1) * 2, (height / 2).max(1) * 2);
        let mut samples = Vec::with_capacity(width * height * 3 / 2);
        let (brightness, colours) = self.samples.split_at(self.width * self.height);
        scale(brightness, [self.width, self.height], [width, height], &mut samples);
        for colour in colours.chunks_exact(colours.len() / 2) {
            scale(colour, [self.width / 2, self.height / 2], [width / 2, height / 2], &mut samples);
        }
        Self { width, height, samples }
    }

    /// Its pixels as red, green, blue and an alpha of 255, row by row.
    #[must_use]
    pub fn to_rgba(&self) -> Vec<u8> {
        let (pixels, half) = (self.width * self.height, self.width / 2);
        let (brightness, colours) = self.samples.split_at(pixels);
        let (us, vs) = colours.split_at(pixels / 4);
        let mut rgba = Vec::with_capacity(4 * pixels);
        for (row, brightness) in brightness.chunks_exact(self.width).enumerate() {
            let (us, vs) = (&us[row / 2 * half..][..half], &vs[row / 2 * half..][..half]);
            for ((pair, u), v) in brightness.chunks_exact(2).zip(us).zip(vs) {
                // Parts of 256: 1.164, 1.596, 0.392, 0.813 and 2.017.
                let (u, v) = (i32::from(*u) - 128, i32::from(*v) - 128);
                let (red, green, blue) = (409 * v, -100 * u - 208 * v, 516 * u);
                for y in pair {
                    let y = 298 * (i32::from(*y) - 16) + 128;
                    let [red, green, blue] = [red, green, blue].map(|part| ((y + part) >> 8).clamp(0, 255) as u8);
                    rgba.extend([red, green, blue, 255]);
                }
            }
        }
        rgba
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

/// Of all weights of one side together: then a weighed sum of samples just fits 16 bits, which processors add twice as many of at once.
const WHOLE: u16 = 256;

/// Appends a plane in another size.
fn scale(plane: &[u8], [from_width, from_height]: [usize; 2], [width, height]: [usize; 2], scaled: &mut Vec<u8>) {
    let columns: Vec<Covered> = (0..width).map(|column| Covered::by(column, width, from_width)).collect();
    let (mut sums, whole) = (vec![0u16; from_width], u32::from(WHOLE) * u32::from(WHOLE));
    for row in 0..height {
        let rows = Covered::by(row, height, from_height);
        sums.fill(0);
        for (weight, row) in rows.weights.iter().zip(plane.chunks_exact(from_width).skip(rows.first)) {
            // Nothing can overflow; a build that checks it would add one sample after the other.
            let add = |(sum, sample): (&mut u16, &u8)| *sum = sum.wrapping_add(weight.wrapping_mul(u16::from(*sample)));
            sums.iter_mut().zip(row).for_each(add);
        }
        scaled.extend(columns.iter().map(|column| {
            let weighed = column.weights.iter().zip(&sums[column.first..]);
            let sum: u32 = weighed.map(|(weight, sum)| u32::from(*weight) * u32::from(*sum)).sum();
            ((sum + whole / 2) / whole) as u8
        }));
    }
}

/// The samples of a row or column that one of another size covers, from the first on, and how much of each.
struct Covered {
    first: usize,
    weights: Vec<u16>,
}

impl Covered {
    /// By the sample `at` of `to`, of `from` samples.
    fn by(at: usize, to: usize, from: usize) -> Self {
        // In parts of which a sample of the one has `to` and one of the other `from`.
        let (begin, end) = (at * from, (at + 1) * from);
        let (first, last) = (begin / to, (end - 1) / to);
        // Rounded where they end and not each for itself, so that they are the whole together.
        let up_to = |sample: usize| ((end.min((sample + 1) * to) - begin) * usize::from(WHOLE) / from) as u16;
        let weights = (first..=last).scan(0, |before, sample| {
            let weight = up_to(sample) - *before;
            *before += weight;
            Some(weight)
        });
        Self { first, weights: weights.collect() }
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
    fn a_frame_of_one_colour_has_that_colour() {
        for rgb in [[200, 40, 40], [40, 200, 40], [40, 40, 200], [128, 128, 128]] {
            let mean = VideoFrame::filled(16, 8, rgb).mean();
            assert!(mean.iter().zip(rgb).all(|(seen, put)| seen.abs_diff(put) <= 3), "{rgb:?} became {mean:?}");
        }
    }

    #[test]
    fn every_pixel_has_the_colour_of_its_place() {
        let mut frame = VideoFrame::filled(4, 4, [200, 40, 40]);
        frame.set_brightness(3, 2, 235);
        let rgba = frame.to_rgba();
        assert_eq!(rgba.len(), 64);
        for (number, pixel) in rgba.chunks(4).enumerate() {
            let brighter = number == 2 * 4 + 3;
            let near = pixel[..3].iter().zip([200, 40, 40]).all(|(seen, put)| seen.abs_diff(put) <= 3);
            assert!(near != brighter && pixel[3] == 255, "pixel {number}: {pixel:?}");
        }
    }

    #[test]
    fn a_frame_is_turned_right_as_often_as_is_said() {
        let mut frame = VideoFrame::filled(6, 4, [200, 40, 40]);
        frame.set_brightness(5, 0, 235);
        let corner = |turns: u8| {
            let turned = frame.clone().turned(turns);
            let at = turned.samples().iter().position(|sample| *sample == 235).expect("it is there");
            ([turned.width(), turned.height()], [at % turned.width(), at / turned.width()])
        };
        assert_eq!([0, 1, 2, 3].map(corner), [([6, 4], [5, 0]), ([4, 6], [3, 5]), ([6, 4], [0, 3]), ([4, 6], [0, 0]),]);
        assert_eq!(frame.clone().turned(1).turned(3), frame);
    }

    #[test]
    fn each_pixel_of_a_smaller_frame_is_the_mean_of_what_it_covers() {
        let mut frame = VideoFrame::filled(12, 6, [0, 0, 0]);
        let stripes = (0..12).step_by(2).flat_map(|x| (0..6).map(move |y| (x, y)));
        stripes.for_each(|(x, y)| frame.set_brightness(x, y, 216));
        assert_eq!(frame.resized([6, 2]).samples()[..12], [116; 12], "half 216, half 16");
        let two_thirds = frame.resized([8, 4]);
        assert_eq!(two_thirds.samples()[..4], [149, 150, 83, 82], "two thirds of 216 twice, then of 16");
        assert_eq!(frame.resized([12, 6]), frame);
    }

    #[test]
    fn in_another_size_it_is_the_same_frame() {
        let mut frame = VideoFrame::filled(16, 8, [200, 40, 40]);
        (0..4).for_each(|y| (0..8).for_each(|x| frame.set_brightness(x, y, 235)));
        for [width, height] in [[8, 4], [32, 16], [6, 10], [7, 5]] {
            let other = frame.resized([width, height]);
            let (width, height) = (width / 2 * 2, height / 2 * 2);
            assert_eq!((other.width(), other.height(), other.samples().len()), (width, height, width * height * 3 / 2));
            let (bright, rest) = (other.samples()[0], other.samples()[width * height - 1]);
            assert_eq!((bright, rest), (235, VideoFrame::filled(2, 2, [200, 40, 40]).samples()[0]));
            let colours = VideoFrame::filled(width, height, [200, 40, 40]);
            assert_eq!(other.samples()[width * height..], colours.samples()[width * height..]);
        }
    }

    #[test]
    fn what_is_no_frame_is_not_taken() {
        for (width, height, samples) in [(0, 0, 0), (3, 2, 9), (2, 2, 5), (4_096, 2_306, 4_096 * 2_306 * 3 / 2)] {
            assert_eq!(VideoFrame::from_samples(width, height, vec![0; samples]), None, "{width} x {height}");
        }
    }
}
