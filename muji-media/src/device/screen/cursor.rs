//! The pointer's image, which an X server draws over what it gives.

use super::pixels::{BYTES, Pixels};

/// The pointer as it looks now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The point that it points at, from the corner of what is captured.
    pub(super) points_at: [i32; 2],
    /// That point in its image.
    pub(super) hot_spot: [i32; 2],
    pub(super) sides: [usize; 2],
    /// Alpha, red, green and blue, from the highest byte to the lowest; the colours are multiplied by alpha.
    pub(super) image: Vec<u32>,
}

impl Cursor {
    /// Whether it points at something within these sides.
    pub(super) fn is_within(&self, sides: [usize; 2]) -> bool {
        self.points_at.iter().zip(sides).all(|(at, side)| usize::try_from(*at).is_ok_and(|at| at < side))
    }

    /// Draws it into a picture; what lies outside is left out.
    pub(super) fn draw(&self, pixels: &mut Pixels) {
        let [width, height] = pixels.sides;
        let [left, top] = [0, 1].map(|side| self.points_at[side] - self.hot_spot[side]);
        for (row, image) in self.image.chunks_exact(self.sides[0].max(1)).take(self.sides[1]).enumerate() {
            for (column, argb) in image.iter().enumerate() {
                let place = [left + column as i32, top + row as i32].map(usize::try_from);
                let [Ok(x), Ok(y)] = place else { continue };
                if x < width && y < height {
                    blend(&mut pixels.bytes[(y * width + x) * BYTES..][..BYTES], *argb);
                }
            }
        }
    }
}

fn blend(pixel: &mut [u8], argb: u32) {
    let [blue, green, red, alpha] = argb.to_le_bytes();
    for (below, above) in pixel.iter_mut().zip([blue, green, red]) {
        let shines_through = u16::from(*below) * (255 - u16::from(alpha)) / 255;
        *below = above.saturating_add(shines_through as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_drawn_where_it_points_and_cut_at_the_edges() {
        let image = vec![0xFF00_00FF, 0, 0x8080_0000, 0xFFFF_FFFF];
        let cursor = |points_at| Cursor { points_at, hot_spot: [1, 0], sides: [2, 2], image: image.clone() };
        let drawn = |at| {
            let mut pixels = Pixels { sides: [3, 2], bytes: [100, 100, 100, 0].repeat(6) };
            cursor(at).draw(&mut pixels);
            pixels.bytes.chunks(4).map(|pixel| [pixel[2], pixel[1], pixel[0]]).collect::<Vec<_>>()
        };
        let (grey, blue, white, mixed) = ([100; 3], [0, 0, 255], [255; 3], [128 + 49, 49, 49]);
        assert_eq!(drawn([1, 0]), [blue, grey, grey, mixed, white, grey]);
        assert_eq!(drawn([0, 1]), [grey, grey, grey, grey, grey, grey], "it is transparent there");
        assert_eq!(drawn([3, 0]), [grey, grey, blue, grey, grey, mixed]);
        assert_eq!(drawn([-9, 40]), [grey; 6]);
    }

    #[test]
    fn it_is_within_what_it_points_at() {
        let cursor = |points_at| Cursor { points_at, hot_spot: [0, 0], sides: [0, 0], image: Vec::new() };
        let within = [[0, 0], [3, 2], [4, 2], [3, 3], [-1, 0]].map(|at| cursor(at).is_within([4, 3]));
        assert_eq!(within, [true, true, false, false, false]);
    }
}
