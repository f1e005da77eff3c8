//! A picture in memory that is shared with us.
//!
//! That of a compositor is read as a file: were it mapped and smaller than it says, reading it would end this process. Only what
//! PipeWire has made and mapped itself is read where it is. Memory of a graphics card (DMA-BUF) is never agreed on.

use std::fs::File;
use std::os::unix::fs::FileExt;

use pipewire::buffer::Buffer;
use pipewire::spa::buffer::meta::MetaVideoCrop;
use pipewire::spa::buffer::{ChunkFlags, DataType};

use super::super::pixels::{BYTES, Pixels};
use super::format::{Format, Pixel};
use crate::device::interface::DeviceError;

/// Where a picture is in its memory, as its buffer says.
#[derive(Debug, Clone, Copy)]
struct Said {
    length: u32,
    offset: u32,
    size: u32,
    stride: i32,
}

/// Where the shown part of a picture is in its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    first: u64,
    /// From one row to the next.
    stride: u64,
    sides: [usize; 2],
}

/// Reads a buffer; whether there is a picture in it. A compositor also sends some without, when only the pointer has moved.
pub(super) fn read(buffer: &mut Buffer<'_>, format: Format, pixels: &mut Pixels) -> Result<bool, DeviceError> {
    let shown = buffer.find_meta::<MetaVideoCrop>().map(|crop| *crop.meta_region().region());
    let Some(data) = buffer.datas_mut().first_mut() else { return Ok(false) };
    let (memory, kind) = (*data.as_raw(), data.type_());
    if memory.chunk.is_null() {
        return Ok(false);
    }
    let chunk = data.chunk();
    if chunk.size() == 0 || chunk.flags().contains(ChunkFlags::CORRUPTED) {
        return Ok(false);
    }
    let said = Said { length: memory.maxsize, offset: chunk.offset(), size: chunk.size(), stride: chunk.stride() };
    let shown = shown.map(|it| ([it.position.x, it.position.y], [it.size.width, it.size.height]));
    let place = said.place(format, shown);
    let begin = u64::from(memory.mapoffset);
    let read = match kind {
        DataType::MemFd => place.and_then(|place| {
            let memory = File::open(format!("/proc/self/fd/{}", data.fd())).ok()?;
            place.read(format.pixel, pixels, |row, at| memory.read_exact_at(row, begin + at).ok())
        }),
        DataType::MemPtr => place.zip(data.data()).and_then(|(place, memory)| {
            place.read(format.pixel, pixels, |row, at| {
                let at = usize::try_from(at).ok()?;
                row.copy_from_slice(memory.get(at..at.checked_add(row.len())?)?);
                Some(())
            })
        }),
        kind => {
            let why =
                format!("nothing is shared: the desktop's pictures are in memory that is not read here ({kind:?})");
            return Err(DeviceError(why));
        }
    };
    read.map(|()| true).ok_or_else(|| {
        DeviceError("nothing is shared any more: the desktop's pictures are smaller than it says".to_owned())
    })
}

impl Said {
    /// Where the shown part of a picture of this format is; `None` if it cannot be there.
    fn place(self, format: Format, shown: Option<([i32; 2], [u32; 2])>) -> Option<Place> {
        let Format { sides, pixel } = format;
        let pixel = pixel.bytes as u64;
        let row = u64::from(sides[0]) * pixel;
        let stride =
            if self.stride == 0 { row } else { u64::try_from(self.stride).ok().filter(|stride| *stride >= row)? };
        let offset = u64::from(self.offset.checked_rem(self.length)?);
        let there = u64::from(self.size).min(u64::from(self.length) - offset);
        let needed = u64::from(sides[1].checked_sub(1)?) * stride + row;
        if there < needed {
            return None;
        }
        let (corner, sides) = shown.and_then(|(corner, shown)| within(sides, corner, shown)).unwrap_or(([0, 0], sides));
        let first = offset + u64::from(corner[1]) * stride + u64::from(corner[0]) * pixel;
        Some(Place { first, stride, sides: sides.map(|side| side as usize) })
    }
}

/// This part, if it is one: windows may be in pictures that are larger.
fn within(sides: [u32; 2], corner: [i32; 2], part: [u32; 2]) -> Option<([u32; 2], [u32; 2])> {
    let [x, y] = corner.map(|at| u32::try_from(at).ok());
    let corner = [x?, y?];
    let fits =
        |side: usize| part[side] > 0 && corner[side].checked_add(part[side]).is_some_and(|end| end <= sides[side]);
    (fits(0) && fits(1)).then_some((corner, part))
}

impl Place {
    /// Reads it row by row; `None` if `read` finds less there.
    fn read(self, pixel: Pixel, pixels: &mut Pixels, read: impl Fn(&mut [u8], u64) -> Option<()>) -> Option<()> {
        let [width, height] = self.sides;
        pixels.sides = self.sides;
        pixels.bytes.resize(width * height * BYTES, 0);
        let mut at = self.first;
        for row in pixels.bytes.chunks_exact_mut(width * BYTES) {
            read(&mut row[..width * pixel.bytes], at)?;
            at += self.stride;
            if pixel.bytes < BYTES {
                // From the last on, each has its place free.
                (0..width).rev().for_each(|it| row.copy_within(it * pixel.bytes..(it + 1) * pixel.bytes, it * BYTES));
            }
            if pixel.is_rgb {
                row.chunks_exact_mut(BYTES).for_each(|pixel| pixel.swap(0, 2));
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Said = Said { length: 4_000, offset: 0, size: 4_000, stride: 0 };
    const BGRX: Pixel = Pixel { bytes: 4, is_rgb: false };

    fn of(sides: [u32; 2]) -> Format {
        Format { sides, pixel: BGRX }
    }

    #[test]
    fn a_picture_is_found_in_its_memory_with_gaps_between_rows_and_the_part_that_is_the_window() {
        let place = |first, stride, sides| Some(Place { first, stride, sides });
        assert_eq!(WHOLE.place(of([10, 10]), None), place(0, 40, [10, 10]));
        let gaps = Said { offset: 80, stride: 64, ..WHOLE };
        assert_eq!(gaps.place(of([10, 10]), None), place(80, 64, [10, 10]));
        assert_eq!(gaps.place(of([10, 10]), Some(([2, 3], [4, 5]))), place(80 + 3 * 64 + 2 * 4, 64, [4, 5]));
        for no_part in [([-1, 0], [4, 4]), ([7, 0], [4, 4]), ([0, 0], [0, 4]), ([0, i32::MAX], [1, u32::MAX])] {
            assert_eq!(WHOLE.place(of([10, 10]), Some(no_part)), place(0, 40, [10, 10]), "{no_part:?}");
        }
    }

    #[test]
    fn a_picture_that_is_larger_than_its_memory_is_refused() {
        let refused = |said: Said, sides| assert_eq!(said.place(of(sides), None), None, "{said:?}");
        refused(WHOLE, [10, 101]);
        refused(WHOLE, [1_001, 1]);
        refused(Said { size: 399, ..WHOLE }, [10, 10]);
        refused(Said { offset: 3_601, ..WHOLE }, [10, 10]);
        refused(Said { length: 0, ..WHOLE }, [10, 10]);
        refused(Said { stride: 39, ..WHOLE }, [10, 10]);
        refused(Said { stride: -40, ..WHOLE }, [10, 10]);
        refused(Said { stride: i32::MAX, ..WHOLE }, [10, 10]);
        refused(WHOLE, [10, 0]);
    }

    #[test]
    fn each_form_of_pixels_is_read_and_memory_that_is_smaller_than_it_says_is_not() {
        let memory: Vec<u8> = (0..64).collect();
        let read = |place: Place, pixel| {
            let mut pixels = Pixels::default();
            let read = place.read(pixel, &mut pixels, |row, at| {
                let at = usize::try_from(at).ok()?;
                row.copy_from_slice(memory.get(at..at + row.len())?);
                Some(())
            });
            // The fourth byte means nothing.
            read.map(|()| pixels.bytes.chunks(4).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect::<Vec<_>>())
        };
        let place = Place { first: 16, stride: 16, sides: [2, 2] };
        assert_eq!(read(place, BGRX), Some(vec![[16, 17, 18], [20, 21, 22], [32, 33, 34], [36, 37, 38]]));
        let rgbx = Pixel { is_rgb: true, ..BGRX };
        assert_eq!(read(place, rgbx), Some(vec![[18, 17, 16], [22, 21, 20], [34, 33, 32], [38, 37, 36]]));
        let rgb = Pixel { bytes: 3, is_rgb: true };
        assert_eq!(read(place, rgb), Some(vec![[18, 17, 16], [21, 20, 19], [34, 33, 32], [37, 36, 35]]));
        assert_eq!(read(Place { sides: [2, 4], ..place }, BGRX), None);
    }
}
