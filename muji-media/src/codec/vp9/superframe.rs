//! Several frames in one: layers of a picture, or frames that are not shown with one that is (VP9 specification, annex B).

/// Frames of one picture, at most: their number has three bits.
pub(super) const MAX_FRAMES: usize = 8;

/// The first three bits of the bytes around an index.
const MARKER: u8 = 0xC0;
const MARKER_BITS: u8 = 0xE0;

/// The frames of a picture; `None` if they are longer than it.
pub(super) fn frames(picture: &[u8]) -> Option<Vec<&[u8]>> {
    let Some((sizes, mut rest)) = index(picture) else { return Some(vec![picture]) };
    let mut frames = Vec::new();
    for size in sizes {
        let (frame, others) = rest.split_at_checked(size)?;
        frames.push(frame);
        rest = others;
    }
    Some(frames)
}

/// The sizes that the index at the end says, and what is before it; `None` if there is none.
fn index(picture: &[u8]) -> Option<(Vec<usize>, &[u8])> {
    let marker = *picture.last().filter(|last| *last & MARKER_BITS == MARKER)?;
    let (count, bytes) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let begin = picture.len().checked_sub(2 + count * bytes)?;
    let (before, index) = picture.split_at(begin);
    let [first, sizes @ .., _] = index else { return None };
    let little_endian = |size: &[u8]| size.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte));
    (*first == marker).then(|| (sizes.chunks(bytes).map(little_endian).collect(), before))
}

/// A picture of these frames, [`MAX_FRAMES`] at most, with an index that says where each ends.
pub(super) fn together(frames: &[&[u8]]) -> Vec<u8> {
    let count = u8::try_from(frames.len()).unwrap_or(u8::MAX);
    let marker = MARKER | 3 << 3 | count.saturating_sub(1) & 7;
    let mut picture = frames.concat();
    picture.push(marker);
    for frame in frames {
        picture.extend(u32::try_from(frame.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    picture.push(marker);
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_were_put_together_come_apart_again() {
        for several in [&[&[1, 2, 3][..]][..], &[&[1, 2, 3], &[], &[0xC0; 300]], &[&[7][..]; MAX_FRAMES]] {
            assert_eq!(frames(&together(several)), Some(several.to_vec()));
        }
        assert_eq!(frames(&[0x82, 1, 2]), Some(vec![&[0x82, 1, 2][..]]), "a frame alone");
    }

    #[test]
    fn an_index_that_says_more_than_there_is_is_refused_and_half_an_index_is_none() {
        assert_eq!(frames(&[1, 2, 3, 0xC1, 2, 2, 0xC1]), None);
        assert_eq!(frames(&[1, 0xD8, 0xFF, 0xFF, 0xFF, 0xFF, 0xD8]), None);
        for half in [&[0xC1][..], &[0xC0, 1, 0xC1], &[9, 9, 9, 0xC1]] {
            assert_eq!(frames(half), Some(vec![half]), "{half:02x?}");
        }
        assert_eq!(frames(&[]), Some(vec![&[][..]]));
    }
}
