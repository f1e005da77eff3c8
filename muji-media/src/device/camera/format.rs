//! What cameras give: plain frames, or JPEG.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::video::frame::{MAX_PIXELS, VideoFrame};

/// How a camera gives its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Y, U, Y, V: two pixels in four bytes, `row` bytes a row.
    Yuyv { sides: [usize; 2], row: usize },
    /// A JPEG each.
    Jpeg { sides: [usize; 2] },
}

impl Format {
    /// The sides of what is read, in pixels: an odd one loses a pixel.
    pub(super) fn even_sides(self) -> [usize; 2] {
        let (Self::Yuyv { sides, .. } | Self::Jpeg { sides }) = self;
        sides.map(|side| side / 2 * 2)
    }

    /// The frame in these bytes; `None` if there is none.
    pub(super) fn read(self, bytes: &[u8]) -> Option<VideoFrame> {
        match self {
            Self::Yuyv { row, .. } => yuyv(self.even_sides(), row, bytes),
            Self::Jpeg { .. } => jpeg(bytes),
        }
    }
}

fn yuyv([width, height]: [usize; 2], row: usize, bytes: &[u8]) -> Option<VideoFrame> {
    // Cameras give limited range by default, as we have it.
    let pixel = |x: usize, y: usize| {
        let pair = bytes.get(y * row + x / 2 * 4..)?.get(..4)?;
        Some([pair[x % 2 * 2], pair[1], pair[3]])
    };
    planes([width, height], pixel)
}

fn jpeg(bytes: &[u8]) -> Option<VideoFrame> {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().ok()?;
    // Before it makes room for its pixels.
    let sides = decoder.info().map(|info| [usize::from(info.width), usize::from(info.height)])?;
    if sides[0] * sides[1] > MAX_PIXELS {
        return None;
    }
    let pixels = decoder.decode().ok()?;
    let pixel = |x: usize, y: usize| {
        let full = pixels.get((y * sides[0] + x) * 3..)?.get(..3)?;
        // JPEG is full range.
        let limited = |sample: u8, range: u32| (u32::from(sample) * range / 255 + 16) as u8;
        Some([limited(full[0], 219), limited(full[1], 224), limited(full[2], 224)])
    };
    planes(sides.map(|side| side / 2 * 2), pixel)
}

/// A frame from its pixels; each colour is the mean of two rows.
fn planes([width, height]: [usize; 2], pixel: impl Fn(usize, usize) -> Option<[u8; 3]>) -> Option<VideoFrame> {
    let pixels = width * height;
    let mut samples = vec![0; pixels + pixels / 2];
    let (brightness, colours) = samples.split_at_mut(pixels);
    let (us, vs) = colours.split_at_mut(pixels / 4);
    for y in 0..height {
        for x in 0..width {
            brightness[y * width + x] = pixel(x, y)?[0];
        }
    }
    for y in 0..height / 2 {
        for x in 0..width / 2 {
            let ([_, u, v], [_, below_u, below_v]) = (pixel(2 * x, 2 * y)?, pixel(2 * x, 2 * y + 1)?);
            us[y * width / 2 + x] = u.midpoint(below_u);
            vs[y * width / 2 + x] = v.midpoint(below_v);
        }
    }
    VideoFrame::from_samples(width, height, samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A red frame of 64 x 36 with a white corner, as a camera gives it.
    const RED: &[u8] = include_bytes!("../../../fixtures/camera.jpg");

    fn is_red_with_a_white_corner(frame: &VideoFrame) {
        assert_eq!((frame.width(), frame.height()), (64, 36));
        let [red, green, blue] = frame.mean();
        assert!(red > 230 && green < 30 && blue < 30, "{red} {green} {blue}");
        assert!(frame.samples()[0] > 210, "{}", frame.samples()[0]);
        assert!(frame.samples()[64 * 36 - 1].abs_diff(81) < 8, "{}", frame.samples()[64 * 36 - 1]);
    }

    #[test]
    fn a_jpeg_is_read_with_its_colours_and_range() {
        let jpeg = Format::Jpeg { sides: [64, 36] };
        is_red_with_a_white_corner(&jpeg.read(RED).unwrap());
    }

    /// As cameras send them: the tables are the usual ones, and left out.
    #[test]
    fn a_jpeg_without_its_tables_is_read_with_the_usual_ones() {
        let mut bytes = [&RED[..2], b"\xFF\xE0\0\x10AVI1\0\0\0\0\0\0\0\0\0"].concat();
        let mut left = &RED[2..];
        while left[1] != 0xDA {
            let length = 2 + usize::from(u16::from_be_bytes([left[2], left[3]]));
            if left[1] != 0xC4 && left[1] != 0xE0 {
                bytes.extend(&left[..length]);
            }
            left = &left[length..];
        }
        bytes.extend(left);
        assert!(bytes.len() < RED.len() - 300);
        is_red_with_a_white_corner(&Format::Jpeg { sides: [64, 36] }.read(&bytes).unwrap());
    }

    #[test]
    fn a_plain_frame_is_read_with_rows_that_are_longer_than_its_pixels() {
        let (white, red) = ([235, 128, 235, 128], [81, 90, 81, 240]);
        let mut bytes = Vec::new();
        for y in 0..36 {
            (0..32).for_each(|x| bytes.extend(if x < 4 && y < 6 { white } else { red }));
            bytes.extend([0; 16]);
        }
        let plain = Format::Yuyv { sides: [64, 36], row: 144 };
        is_red_with_a_white_corner(&plain.read(&bytes).unwrap());
        assert_eq!(plain.read(&bytes[..36 * 144 - 17]), None);
        assert_eq!(Format::Yuyv { sides: [65, 37], row: 144 }.even_sides(), [64, 36]);
    }

    #[test]
    fn what_is_no_frame_is_left_out() {
        let jpeg = Format::Jpeg { sides: [64, 36] };
        assert_eq!(jpeg.read(b""), None);
        for length in 0..RED.len() {
            let _cut = jpeg.read(&RED[..length]); // Some of it may be there.
        }
        for at in 0..RED.len() {
            let mut bytes = RED.to_vec();
            bytes[at] ^= 0xFF;
            if let Some(frame) = jpeg.read(&bytes) {
                assert!(frame.width() * frame.height() <= MAX_PIXELS);
            }
        }
    }
}
