//! A film whose pictures bear their number, so that they are known again where they are shown.

use std::path::Path;

use muji_media::device::y4m::Y4mSource;
use muji_media::device::{VideoFrame, VideoSource};

use crate::Failure;

/// As long as it is shown before it runs backwards: without a cut an encoder never leaves out a picture for one.
const PICTURES: usize = 300;

/// The number is written in squares of so many pixels, lowest bit first, in the first row: black is 0, white is 1.
const SQUARE: usize = 16;
const BITS: usize = 14;

/// The pictures, forth and back again and again.
pub(crate) struct Film(Vec<VideoFrame>);

impl Film {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let mut source = Y4mSource::open(path)?;
        let pictures = (0..PICTURES).map(|_| source.capture()).collect::<Result<_, _>>()?;
        Ok(Self(pictures))
    }

    pub(crate) fn size(&self) -> [usize; 2] {
        [self.0[0].width(), self.0[0].height()]
    }

    /// The picture of this number, which it bears.
    pub(crate) fn picture(&self, number: usize) -> VideoFrame {
        let (place, last) = (number % (2 * self.0.len()), self.0.len() - 1);
        let mut picture = self.0[if place > last { 2 * last + 1 - place } else { place }].clone();
        for bit in 0..BITS {
            let brightness = if number >> bit & 1 == 1 { 235 } else { 16 };
            for pixel in 0..SQUARE * SQUARE {
                picture.set_brightness(bit * SQUARE + pixel % SQUARE, pixel / SQUARE, brightness);
            }
        }
        picture
    }
}

/// The number that a picture bears, in whatever size it is shown: of `width` instead of `full`.
pub(crate) fn number(picture: &VideoFrame, full: usize) -> usize {
    let square = SQUARE * picture.width() / full;
    let white = |bit: &usize| picture.samples()[square / 2 * picture.width() + bit * square + square / 2] > 125;
    (0..BITS).filter(white).map(|bit| 1 << bit).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_known_again_in_its_own_size_and_in_smaller_ones() {
        let film = Film(vec![VideoFrame::filled(640, 360, [90, 120, 60]); 3]);
        for number in [0, 1, 4_711, (1 << BITS) - 1] {
            let picture = film.picture(number);
            assert_eq!(super::number(&picture, 640), number);
            assert_eq!(super::number(&picture.resized([480, 270]), 640), number);
            assert_eq!(super::number(&picture.resized([320, 180]), 640), number);
        }
    }
}
