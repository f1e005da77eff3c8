//! OBUs: what an AV1 stream is made of (AV1 Bitstream & Decoding Process Specification, section 5.3).
//!
//! A frame is kept as WebM and RTP have it: each OBU says its length, and there are no temporal delimiters.

use crate::codec::bits::Bits;
use crate::codec::video::VideoFault;

/// Kinds of OBUs (section 6.2.2), as far as they matter here.
const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
const TILE_LIST: u8 = 8;
const PADDING: u8 = 15;

/// Bits of the first byte: it must not be set; a second byte follows; the length follows.
const FORBIDDEN: u8 = 0x80;
const EXTENSION: u8 = 0x04;
const HAS_LENGTH: u8 = 0x02;

/// Bytes of a length, at most (section 4.10.5).
const MAX_LEB128: usize = 8;

/// An OBU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Obu<'a> {
    first: u8,
    /// Which layer it is of.
    extension: Option<u8>,
    body: &'a [u8],
}

impl<'a> Obu<'a> {
    /// The first OBU of some bytes, and what is behind it; `None` if it is longer than they are. One without a length takes all.
    pub(super) fn first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (first, mut rest) = bytes.split_first().filter(|(first, _)| *first & FORBIDDEN == 0)?;
        let mut extension = None;
        if first & EXTENSION != 0 {
            let (byte, behind) = rest.split_first()?;
            extension = Some(*byte);
            rest = behind;
        }
        let length = if first & HAS_LENGTH == 0 { rest.len() } else { leb128(&mut rest)? };
        let (body, others) = rest.split_at_checked(length)?;
        Some((Self { first: *first, extension, body }, others))
    }

    fn kind(self) -> u8 {
        self.first >> 3 & 0x0F
    }

    /// Decoders of a live stream do without it, and files and packets should be without it.
    pub(super) fn is_dispensable(self) -> bool {
        matches!(self.kind(), TEMPORAL_DELIMITER | TILE_LIST | PADDING)
    }

    /// Of no kind that there is yet.
    pub(super) fn is_reserved(self) -> bool {
        matches!(self.kind(), 0 | 9..=14)
    }

    /// Appends it to a frame, with its length.
    pub(super) fn append_to(self, frame: &mut Vec<u8>) {
        frame.push(self.first | HAS_LENGTH);
        frame.extend(self.extension);
        append_leb128(frame, self.body.len());
        frame.extend(self.body);
    }

    /// As it is in a packet, which says its length by itself.
    pub(super) fn without_length(self) -> Vec<u8> {
        let mut bytes = vec![self.first & !HAS_LENGTH];
        bytes.extend(self.extension);
        bytes.extend(self.body);
        bytes
    }

    /// What it says of the frames that follow, if it is a sequence header.
    pub(super) fn sequence(self) -> Option<Result<Sequence, VideoFault>> {
        (self.kind() == SEQUENCE_HEADER).then(|| Sequence::read(self.body))
    }

    /// Whether it begins a key frame; `None` if it begins no frame.
    pub(super) fn key(self) -> Option<bool> {
        // One bit says that another frame is shown again; of the two behind it key frames have none.
        matches!(self.kind(), FRAME | FRAME_HEADER).then(|| self.body.first().is_some_and(|first| first & 0xE0 == 0))
    }
}

/// The OBUs of a frame.
///
/// # Errors
/// If one is longer than the frame.
pub(super) fn obus(mut frame: &[u8]) -> Result<Vec<Obu<'_>>, VideoFault> {
    let mut obus = Vec::new();
    while !frame.is_empty() {
        let (obu, rest) = Obu::first(frame).ok_or(VideoFault::Stream("a unit is longer than its frame"))?;
        obus.push(obu);
        frame = rest;
    }
    Ok(obus)
}

/// Whether a frame is a key frame.
pub(crate) fn is_key(frame: &[u8]) -> bool {
    sequence(frame).is_some()
}

/// With what a key frame begins.
fn sequence(frame: &[u8]) -> Option<Sequence> {
    let obus = obus(frame).ok()?;
    let key = obus.iter().find_map(|obu| obu.key())?;
    obus.iter().find_map(|obu| obu.sequence()?.ok()).filter(|_| key)
}

/// The sides of a key frame, in pixels, at most.
pub(crate) fn size(frame: &[u8]) -> Option<[usize; 2]> {
    sequence(frame).map(|sequence| sequence.sides)
}

/// What WebM says of a track that begins with this key frame.
pub(crate) fn configuration(frame: &[u8]) -> Option<[u8; 4]> {
    sequence(frame).map(Sequence::configuration)
}

/// A number in seven bits a byte, the lowest first, below 2^32.
pub(super) fn leb128(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for at in 0..MAX_LEB128 {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return u32::try_from(number).ok().and_then(|number| usize::try_from(number).ok());
        }
    }
    None
}

pub(super) fn append_leb128(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// What a sequence header says, as far as it matters here, in profile 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    /// The largest sides of frames, in pixels.
    pub(super) sides: [usize; 2],
    /// The level of all layers together, and whether it is of the high tier.
    level: u8,
    high_tier: bool,
}

impl Sequence {
    fn read(body: &[u8]) -> Result<Self, VideoFault> {
        let unreadable = VideoFault::Stream("a sequence header cannot be read");
        let bits = &mut Bits::new(body);
        match bits.number(3).ok_or(unreadable)? {
            0 => Self::behind_profile(bits).ok_or(unreadable),
            profile => Err(VideoFault::Profile(u8::try_from(profile).unwrap_or(u8::MAX))),
        }
    }

    fn behind_profile(bits: &mut Bits<'_>) -> Option<Self> {
        bits.flag()?; // Whether it is a picture that stands still.
        let is_reduced = bits.flag()?;
        let (level, high_tier) = if is_reduced { (bits.number(5)?, false) } else { operating_points(bits)? };
        let lengths = [bits.number(4)? + 1, bits.number(4)? + 1];
        let mut side = |length| bits.number(length).map(|less_one| less_one as usize + 1);
        let sides = [side(lengths[0])?, side(lengths[1])?];
        Some(Self { sides, level: u8::try_from(level).ok()?, high_tier })
    }

    /// What WebM says of a track (`CodecPrivate`): eight bits a sample, and one of each colour for four of brightness.
    fn configuration(self) -> [u8; 4] {
        [0x81, self.level, u8::from(self.high_tier) << 7 | 0x0C, 0]
    }
}

/// Level and tier of the first operating point; over times, and over what decoders have to do, it is passed.
fn operating_points(bits: &mut Bits<'_>) -> Option<(u32, bool)> {
    let mut first = None;
    let mut delay_length = None;
    if bits.flag()? {
        bits.number(32)?;
        bits.number(32)?;
        if bits.flag()? {
            skip_uvlc(bits)?;
        }
        if bits.flag()? {
            delay_length = Some(bits.number(5)? + 1);
            bits.number(32)?;
            bits.number(10)?;
        }
    }
    let has_display_delays = bits.flag()?;
    for _ in 0..=bits.number(5)? {
        bits.number(12)?;
        let level = bits.number(5)?;
        let high_tier = level > 7 && bits.flag()?;
        first.get_or_insert((level, high_tier));
        if let Some(length) = delay_length
            && bits.flag()?
        {
            bits.number(length)?;
            bits.number(length)?;
            bits.flag()?;
        }
        if has_display_delays && bits.flag()? {
            bits.number(4)?;
        }
    }
    first
}

/// Passes over a number that says by zeros how long it is (section 4.10.3).
fn skip_uvlc(bits: &mut Bits<'_>) -> Option<()> {
    let mut zeros = 0;
    while !bits.flag()? {
        zeros += 1;
    }
    if zeros < 32 { bits.number(zeros).map(drop) } else { Some(()) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// These numbers, each of so many bits.
    fn bits(numbers: &[(u32, u32)]) -> Vec<u8> {
        let all: Vec<bool> =
            numbers.iter().flat_map(|(bits, number)| (0..*bits).rev().map(move |bit| number >> bit & 1 == 1)).collect();
        let byte = |bits: &[bool]| bits.iter().zip(0u8..).map(|(bit, at)| u8::from(*bit) << (7 - at)).sum();
        all.chunks(8).map(byte).collect()
    }

    /// A sequence header that says these sides, with its length.
    pub(crate) fn sequence_of(profile: u32, [width, height]: [u32; 2]) -> Vec<u8> {
        let simple = [(3, profile), (1, 0), (1, 0), (1, 0), (1, 0), (5, 0), (12, 0), (5, 5)];
        let sides = [(4, 15), (4, 15), (16, width - 1), (16, height - 1)];
        let body = bits(&[&simple[..], &sides].concat());
        [&[SEQUENCE_HEADER << 3 | HAS_LENGTH, body.len() as u8], &body[..]].concat()
    }

    fn read(frame: &[u8]) -> Option<Result<[usize; 2], VideoFault>> {
        Obu::first(frame)?.0.sequence().map(|read| read.map(|sequence| sequence.sides))
    }

    #[test]
    fn a_sequence_header_says_the_largest_sides_whatever_else_it_says() {
        assert_eq!(read(&sequence_of(0, [640, 360])), Some(Ok([640, 360])));
        assert_eq!(read(&sequence_of(0, [65_536, 65_536])), Some(Ok([65_536, 65_536])));
        assert_eq!(read(&sequence_of(1, [640, 360])), Some(Err(VideoFault::Profile(1))));
        let sides = [(4, 9), (4, 8), (10, 639), (9, 359)];
        let still = [&[(3, 0), (1, 1), (1, 1), (5, 4)], &sides[..]].concat();
        // Times, a model of decoders, and two operating points that say everything.
        let point = [(12, 1), (5, 9), (1, 1), (1, 1), (20, 7), (20, 7), (1, 0), (1, 1), (4, 3)];
        let times = [(5, 0), (1, 1), (32, 1), (32, 30), (1, 1), (3, 1), (2, 2), (1, 1), (5, 19), (32, 1), (10, 0)];
        let full = [&times[..], &[(1, 1), (5, 1)], &point, &point, &sides].concat();
        for header in [still, full] {
            let bytes = bits(&header);
            let framed = [&[SEQUENCE_HEADER << 3 | HAS_LENGTH, bytes.len() as u8], &bytes[..]].concat();
            assert_eq!(read(&framed), Some(Ok([640, 360])), "{header:?}");
            for length in 0..bytes.len() {
                let cut = [&[SEQUENCE_HEADER << 3], &bytes[..length]].concat();
                assert!(read(&cut).is_some_and(|read| read.is_err()), "{length} bytes");
            }
        }
    }

    #[test]
    fn a_key_frame_has_a_sequence_and_no_other_frame_before() {
        let sequence = sequence_of(0, [640, 360]);
        let [key, inter] = [[FRAME << 3 | HAS_LENGTH, 1, 0x10], [FRAME << 3 | HAS_LENGTH, 1, 0x30]];
        let frame = [&sequence[..], &key].concat();
        assert_eq!((size(&frame), configuration(&frame)), (Some([640, 360]), Some([0x81, 5, 0x0C, 0])));
        assert_eq!((size(&[&sequence[..], &inter].concat()), size(&key), size(&inter)), (None, None, None));
    }

    #[test]
    fn units_are_told_apart_by_their_lengths_and_none_is_longer_than_its_frame() {
        let long = vec![7; 300];
        let obu = Obu { first: FRAME << 3 | EXTENSION, extension: Some(0x20), body: &long };
        let mut frame = vec![TEMPORAL_DELIMITER << 3 | HAS_LENGTH, 0];
        obu.append_to(&mut frame);
        let read = obus(&frame).unwrap();
        assert_eq!((read[0].is_dispensable(), read[1].body, read[1].extension), (true, &long[..], Some(0x20)));
        assert_eq!(read[1].without_length(), [&[FRAME << 3 | EXTENSION, 0x20][..], &long].concat().as_slice());
        let why = Err(VideoFault::Stream("a unit is longer than its frame"));
        for length in [1, 3, 4, 5, 6, 300] {
            assert_eq!(obus(&frame[2..][..length]), why, "{length} bytes");
        }
        for overrun in [&[0x32, 2, 1][..], &[0x32, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], &[0x32; 1], &[0x80], &[0x36]] {
            assert_eq!(obus(overrun), why, "{overrun:02x?}");
        }
        assert_eq!(obus(&[&[0x32][..], &[0x80; 9]].concat()), why, "a length without end");
    }

    #[test]
    fn lengths_come_out_as_they_went_in() {
        for number in [0, 1, 127, 128, 300, 16_383, 16_384, 0xFFFF_FFFF] {
            let mut bytes = Vec::new();
            append_leb128(&mut bytes, number);
            assert_eq!(leb128(&mut bytes.as_slice()), Some(number));
        }
    }
}
