//! A test pattern, so that a call can be seen without any camera: a colour, a bar that moves, a name and a counter.

use font8x8::UnicodeFonts;

use super::interface::{DeviceError, VideoSource};
use crate::video::frame::VideoFrame;

/// The sides of the pattern, in pixels.
const WIDTH: usize = 640;
const HEIGHT: usize = 360;

/// The bar's width, and how far it moves with each frame, in pixels.
const BAR: usize = 24;
const STEP: usize = 4;

/// Pixels of a letter's dot.
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
    /// A pattern in this colour, as red, green and blue, with this name in it.
    #[must_use]
    pub fn new(name: &str, rgb: [u8; 3]) -> Self {
        Self { name: name.to_owned(), field: VideoFrame::filled(WIDTH, HEIGHT, rgb), shown: 0 }
    }
}

impl VideoSource for Pattern {
    fn size(&self) -> [usize; 2] {
        [WIDTH, HEIGHT]
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        let mut frame = self.field.clone();
        let left = self.shown * STEP % (WIDTH - BAR);
        for (x, y) in (left..left + BAR).flat_map(|x| (0..HEIGHT / 8).map(move |y| (x, y))) {
            frame.set_brightness(x, y, WHITE);
        }
        write(&mut frame, [16, HEIGHT / 2], &self.name);
        write(&mut frame, [16, HEIGHT / 2 + 10 * DOT], &self.shown.to_string());
        self.shown += 1;
        Ok(frame)
    }
}

/// Writes a line of letters; what the font has not is left out.
fn write(frame: &mut VideoFrame, [x, y]: [usize; 2], line: &str) {
    for (number, rows) in line.chars().map(|letter| font8x8::BASIC_FONTS.get(letter)).enumerate() {
        for (row, bits) in rows.into_iter().flatten().enumerate() {
            for column in (0..8).filter(|column| bits & (1 << column) != 0) {
                let (left, top) = (x + (8 * number + column) * DOT, y + row * DOT);
                for (x, y) in (left..left + DOT).flat_map(|x| (top..top + DOT).map(move |y| (x, y))) {
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
        let mut pattern = Pattern::new("romeo", rgb);
        let [first, second] = [pattern.capture().unwrap(), pattern.capture().unwrap()];
        assert_ne!(first, second);
        assert!(first.mean().iter().zip(rgb).all(|(seen, put)| seen.abs_diff(put) < 25), "{:?}", first.mean());
    }
}
