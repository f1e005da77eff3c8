//! A test pattern, so that a call can be seen without any camera: a colour, a bar that moves, a name and a counter.

use font8x8::UnicodeFonts;

use super::interface::{DeviceError, VideoSource};
use crate::video::frame::VideoFrame;

/// The sides of the pattern if nothing else is said, in pixels: small, since nothing fine is in it.
const SIZE: [usize; 2] = [640, 360];

/// In pixels of a pattern of that size: the bar's width, how far it moves with each frame, and a letter's dot.
const BAR: usize = 24;
const STEP: usize = 4;
const DOT: usize = 4;

/// The brightness of the bar and of letters (BT.601, limited range).
const WHITE: u8 = 235;

/// The pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    name: String,
    field: VideoFrame,
    shown: usize,
}

impl Pattern {
    /// A pattern of 640 x 360 in this colour, as red, green and blue, with this name in it.
    #[must_use]
    pub fn new(name: &str, rgb: [u8; 3]) -> Self {
        Self::with_size(name, rgb, SIZE)
    }

    /// The same in another size, in pixels.
    ///
    /// # Panics
    /// If a side is odd or zero, or the whole larger than 4096 x 2304.
    #[must_use]
    pub fn with_size(name: &str, rgb: [u8; 3], [width, height]: [usize; 2]) -> Self {
        Self { name: name.to_owned(), field: VideoFrame::filled(width, height, rgb), shown: 0 }
    }
}

impl VideoSource for Pattern {
    fn size(&self) -> [usize; 2] {
        [self.field.width(), self.field.height()]
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        let mut frame = self.field.clone();
        let [width, height] = self.size();
        let scaled = |pixels: usize| (pixels * width / SIZE[0]).max(1);
        let (bar, dot) = (scaled(BAR), scaled(DOT));
        let left = self.shown * scaled(STEP) % (width - bar).max(1);
        for (x, y) in (left..left + bar).flat_map(|x| (0..height / 8).map(move |y| (x, y))) {
            frame.set_brightness(x, y, WHITE);
        }
        write(&mut frame, [4 * dot, height / 2], dot, &self.name);
        write(&mut frame, [4 * dot, height / 2 + 10 * dot], dot, &self.shown.to_string());
        self.shown += 1;
        Ok(frame)
    }
}

/// Writes a line of letters with dots of so many pixels; what the font has not is left out.
fn write(frame: &mut VideoFrame, [x, y]: [usize; 2], dot: usize, line: &str) {
    for (number, rows) in line.chars().map(|letter| font8x8::BASIC_FONTS.get(letter)).enumerate() {
        for (row, bits) in rows.into_iter().flatten().enumerate() {
            for column in (0..8).filter(|column| bits & (1 << column) != 0) {
                let (left, top) = (x + (8 * number + column) * dot, y + row * dot);
                for (x, y) in (left..left + dot).flat_map(|x| (top..top + dot).map(move |y| (x, y))) {
                    frame.set_brightness(x, y, WHITE);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_has_its_colour_and_no_two_frames_are_alike() {
        let rgb = [40, 160, 40];
        for size in [[640, 360], [1_920, 1_080], [360, 640], [160, 96], [2, 2]] {
            let mut pattern = Pattern::with_size("romeo", rgb, size);
            let [first, second] = [pattern.capture().unwrap(), pattern.capture().unwrap()];
            assert_eq!(([first.width(), first.height()], pattern.size()), (size, size));
            assert!(size == [2, 2] || first != second);
            assert!(first.mean().iter().zip(rgb).all(|(seen, put)| seen.abs_diff(put) < 25), "{:?}", first.mean());
        }
    }
}
