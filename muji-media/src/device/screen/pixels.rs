//! The pixels of an X server, and how they become a frame.

use crate::video::frame::{MAX_PIXELS, VideoFrame};

/// Bytes of a pixel: blue, green, red, and one that means nothing.
pub(super) const BYTES: usize = 4;

/// A picture, rows without gaps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pixels {
    pub(super) sides: [usize; 2],
    pub(super) bytes: Vec<u8>,
}

impl Pixels {
    /// The sides of the frame that this many pixels become: even, and halved until a frame may be so large. `None` if nothing is left.
    pub(super) fn frame_sides(mut sides: [usize; 2]) -> Option<[usize; 2]> {
        while sides[0].saturating_mul(sides[1]) > MAX_PIXELS {
            sides = sides.map(|side| side / 2);
        }
        let even = sides.map(|side| side / 2 * 2);
        (!even.contains(&0)).then_some(even)
    }

    /// The frame; `None` if there are no two by two pixels.
    pub(super) fn to_frame(&self) -> Option<VideoFrame> {
        if self.sides[0].saturating_mul(self.sides[1]) > MAX_PIXELS {
            return self.halved().to_frame();
        }
        let [width, height] = Self::frame_sides(self.sides)?;
        let pixels = width * height;
        let mut samples = vec![0; pixels + pixels / 2];
        let (brightness, colours) = samples.split_at_mut(pixels);
        let (us, vs) = colours.split_at_mut(pixels / 4);
        let rows = self.bytes.chunks_exact(2 * self.sides[0] * BYTES);
        let planes = brightness.chunks_exact_mut(2 * width).zip(us.chunks_exact_mut(width / 2));
        for ((rows, (brightness, us)), vs) in rows.zip(planes).zip(vs.chunks_exact_mut(width / 2)) {
            let (above, below) = rows.split_at(self.sides[0] * BYTES);
            let (above, below) = (&above[..width * BYTES], &below[..width * BYTES]);
            let (first, second) = brightness.split_at_mut(width);
            write_brightness(above, first);
            write_brightness(below, second);
            write_colours(above, below, us, vs);
        }
        VideoFrame::from_samples(width, height, samples)
    }

    /// The mean of each two by two.
    fn halved(&self) -> Self {
        let [width, height] = self.sides.map(|side| side / 2);
        let mut bytes = Vec::with_capacity(width * height * BYTES);
        for rows in self.bytes.chunks_exact(2 * self.sides[0] * BYTES) {
            let (above, below) = rows.split_at(self.sides[0] * BYTES);
            for (above, below) in above.chunks_exact(2 * BYTES).zip(below.chunks_exact(2 * BYTES)) {
                let sum = |part: usize| {
                    [above, below].iter().map(|row| u16::from(row[part]) + u16::from(row[part + BYTES])).sum::<u16>()
                };
                bytes.extend([0, 1, 2, 3].map(|part| ((sum(part) + 2) / 4) as u8));
            }
        }
        Self { sides: [width, height], bytes }
    }
}

/// BT.601 in limited range, in parts of 256. The compiler makes vectors of it: all fits into 16 bits.
fn write_brightness(pixels: &[u8], brightness: &mut [u8]) {
    for (pixel, brightness) in pixels.chunks_exact(BYTES).zip(brightness) {
        let [blue, green, red] = [0, 1, 2].map(|part| u16::from(pixel[part]));
        *brightness = ((66 * red + 129 * green + 25 * blue + 128) >> 8) as u8 + 16;
    }
}

/// One of each colour difference for each two by two pixels, of their mean.
fn write_colours(above: &[u8], below: &[u8], us: &mut [u8], vs: &mut [u8]) {
    let rows = above.chunks_exact(2 * BYTES).zip(below.chunks_exact(2 * BYTES));
    for (((above, below), u), v) in rows.zip(us).zip(vs) {
        let mean = |part: usize| {
            let sum = |row: &[u8]| i16::from(row[part]) + i16::from(row[part + BYTES]);
            (sum(above) + sum(below) + 2) >> 2
        };
        let (blue, green, red) = (i32::from(mean(0)), i32::from(mean(1)), i32::from(mean(2)));
        *u = (((-38 * red - 74 * green + 112 * blue + 128) >> 8) + 128) as u8;
        *v = (((112 * red - 94 * green - 18 * blue + 128) >> 8) + 128) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of one colour, given as red, green and blue.
    fn filled(sides: [usize; 2], [red, green, blue]: [u8; 3]) -> Pixels {
        Pixels { sides, bytes: [blue, green, red, 7].repeat(sides[0] * sides[1]) }
    }

    #[test]
    fn a_colour_becomes_the_same_as_in_a_frame_of_it() {
        for rgb in [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [12, 200, 99]] {
            let [ours, right] = [filled([6, 4], rgb).to_frame().unwrap(), VideoFrame::filled(6, 4, rgb)];
            let apart = ours.samples().iter().zip(right.samples()).map(|(one, other)| one.abs_diff(*other)).max();
            assert!(apart <= Some(1), "{rgb:?} is off by {apart:?}");
        }
    }

    #[test]
    fn every_pixel_stays_in_its_place_and_an_odd_side_loses_one() {
        let mut pixels = filled([7, 5], [0, 0, 0]);
        pixels.bytes[(3 * 7 + 5) * BYTES..][..BYTES].fill(255);
        let frame = pixels.to_frame().unwrap();
        assert_eq!((frame.width(), frame.height()), (6, 4));
        let bright: Vec<usize> = (0..24).filter(|at| frame.samples()[*at] > 16).collect();
        assert_eq!(bright, [3 * 6 + 5]);
        assert_eq!(filled([1, 9], [0, 0, 0]).to_frame(), None);
    }

    #[test]
    fn what_is_too_large_for_a_frame_is_halved() {
        let sides = [4_200, MAX_PIXELS / 4_200 + 2];
        let frame = filled(sides, [200, 40, 40]).to_frame().unwrap();
        assert_eq!(Some([frame.width(), frame.height()]), Pixels::frame_sides(sides));
        assert_eq!(frame.width(), 2_100);
        assert!(
            frame.mean().iter().zip([200, 40, 40]).all(|(seen, put)| seen.abs_diff(put) <= 3),
            "{:?}",
            frame.mean()
        );
    }
}
