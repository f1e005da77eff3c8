//! NAL units: what an H.264 stream is made of (ITU-T H.264 section 7.4.1 and annex B).

/// What precedes each unit of a frame (annex B).
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// What a unit is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NalKind {
    /// A slice of a picture that needs others.
    Slice,
    /// A slice of a picture that needs none before it (IDR).
    KeySlice,
    /// Supplemental information.
    Information,
    /// A sequence parameter set: profile and size.
    SequenceParameters,
    /// A picture parameter set.
    PictureParameters,
    /// Anything else that a packet or a file may hold by itself; decoders do without it.
    Other,
}

impl NalKind {
    /// That of a unit with this first byte; `None` if it is none.
    pub(super) fn of(first: u8) -> Option<Self> {
        match first & 0x1F {
            1 => Some(Self::Slice),
            5 => Some(Self::KeySlice),
            6 => Some(Self::Information),
            7 => Some(Self::SequenceParameters),
            8 => Some(Self::PictureParameters),
            2..=4 | 9..=23 => Some(Self::Other),
            _ => None,
        }
    }
}

/// The units of a frame, without their start codes.
pub(super) fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(frame);
    std::iter::from_fn(move || {
        let from = rest?;
        let end = from.windows(3).position(|bytes| bytes == [0, 0, 1]).unwrap_or(from.len());
        rest = after_start_code(&from[end..]);
        let zeros = from[..end].iter().rev().take_while(|byte| **byte == 0).count();
        Some(&from[..end - zeros])
    })
    .filter(|unit| !unit.is_empty())
}

fn after_start_code(bytes: &[u8]) -> Option<&[u8]> {
    let at = bytes.windows(3).position(|bytes| bytes == [0, 0, 1])?;
    Some(&bytes[at + 3..])
}

/// Appends a unit to a frame.
pub(super) fn append(frame: &mut Vec<u8>, unit: &[u8]) {
    frame.extend(START_CODE);
    frame.extend(unit);
}

/// Whether a frame is a key frame.
pub(crate) fn is_key(frame: &[u8]) -> bool {
    units(frame).any(|unit| NalKind::of(unit[0]) == Some(NalKind::KeySlice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_apart_by_start_codes_of_three_or_four_bytes() {
        let frame = [0, 0, 0, 1, 0x67, 9, 0, 0, 1, 0x68, 0, 0, 0, 1, 0x65, 7, 7, 0];
        assert_eq!(units(&frame).collect::<Vec<_>>(), [&[0x67, 9][..], &[0x68], &[0x65, 7, 7]]);
        assert!(is_key(&frame) && !is_key(&frame[..9]));
        for nonsense in [&[][..], &[0], &[0, 0, 1], &[0, 0, 1, 0, 0, 1, 0, 0], &[9, 9, 9, 9]] {
            assert_eq!(units(nonsense).count(), 0, "{nonsense:02x?}");
        }
    }
}
