//! Redundant audio data (RFC 2198): a packet with copies of earlier frames, so that what is lost comes again with the packets behind it.
//!
//! ```text
//!   1│payload type│timestamp offset, 14 bits│length, 10 bits    for each copy, the earliest first
//!   0│payload type                                              of the frame that is new
//!   the copies, then the new frame
//! ```

use std::sync::Arc;

use muji_xep::rtp::PayloadType;

use crate::audio::frame::SAMPLE_RATE;

/// The bit that says that another header follows.
const MORE: u8 = 0x80;

/// Copies in a packet that are read. Each repeats 20 ms; no sender repeats more than 160.
const MAX_COPIES: usize = 8;

/// The largest offset and the largest length that a header can say.
const MAX_OFFSET: u32 = (1 << 14) - 1;
const MAX_LENGTH: usize = (1 << 10) - 1;

/// How it is announced for Opus with this number: as Chromium does.
#[must_use]
pub fn payload_type(opus: u8) -> PayloadType {
    PayloadType::new(63, "red", SAMPLE_RATE, 2).repeating(opus)
}

/// A frame in a packet: what came before, or what is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// Its payload type.
    pub(crate) payload_type: u8,
    /// So many ticks before the timestamp of the packet.
    pub(crate) offset: u32,
    /// What the codec made.
    pub(crate) payload: &'a [u8],
}

/// A frame that was sent before, to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlierFrame {
    /// So many ticks before the new one.
    pub offset: u32,
    /// What the codec made.
    pub payload: Arc<[u8]>,
}

/// What a peer did wrong in a packet of redundant audio. The packet, or if only a copy in it is wrong, the copy, counts as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedFault {
    /// The headers go on to the end of the packet.
    #[error("a packet of redundant audio ends before its headers do")]
    NoFrame,
    /// The copies are longer than the packet.
    #[error("a packet of redundant audio has {there} bytes where its headers name {named}")]
    Overrun {
        /// Bytes that the headers name.
        named: usize,
        /// Bytes behind the headers.
        there: usize,
    },
    /// A frame in it has no bytes.
    #[error("a packet of redundant audio has a frame without bytes")]
    Empty,
    /// More copies than anybody needs.
    #[error("a packet of redundant audio has more than {MAX_COPIES} copies of earlier frames")]
    TooMany,
    /// A frame in it is no frame of a codec.
    #[error("a packet of redundant audio has a frame of payload type {0}, which is no codec of this content")]
    NoCodec(u8),
    /// A copy is of no frame that there can be.
    #[error("a packet of redundant audio has a copy of what was sent {0} samples before, where no packet began")]
    NoPacket(u32),
}

/// The copies in a packet, the earliest first, and the frame that is new.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(packet: &[u8]) -> Result<(Vec<Block<'_>>, Block<'_>), RedFault> {
    let (mut copies, mut rest, mut named) = (Vec::new(), packet, 0);
    let last = loop {
        match *rest {
            [last, ref frames @ ..] if last & MORE == 0 => {
                rest = frames;
                break last;
            }
            [kind, high, middle, low, ref others @ ..] => {
                if copies.len() == MAX_COPIES {
                    return Err(RedFault::TooMany);
                }
                let length = usize::from(middle & 0b11) << 8 | usize::from(low);
                copies.push((kind & !MORE, u32::from(high) << 6 | u32::from(middle >> 2), length));
                named += length;
                rest = others;
            }
            _ => return Err(RedFault::NoFrame),
        }
    };
    let there = rest.len();
    let (mut frames, new) = rest.split_at_checked(named).ok_or(RedFault::Overrun { named, there })?;
    if new.is_empty() {
        return Err(RedFault::Empty);
    }
    let copies = copies.into_iter().map(|(payload_type, offset, length)| {
        let (payload, others) = frames.split_at(length);
        frames = others;
        Block { payload_type, offset, payload }
    });
    Ok((copies.collect(), Block { payload_type: last, offset: 0, payload: new }))
}

/// A packet with copies of earlier frames, the earliest first, and a frame that is new, all of one payload type. A copy that no header can
/// describe is left out.
#[must_use]
pub fn write(payload_type: u8, earlier: &[EarlierFrame], new: &[u8]) -> Arc<[u8]> {
    let fits = |frame: &&EarlierFrame| frame.offset <= MAX_OFFSET && (1..=MAX_LENGTH).contains(&frame.payload.len());
    let copies: Vec<&EarlierFrame> = earlier.iter().filter(fits).collect();
    let mut packet =
        Vec::with_capacity(1 + new.len() + copies.iter().map(|copy| 4 + copy.payload.len()).sum::<usize>());
    for copy in &copies {
        packet.push(MORE | payload_type);
        let [_, bytes @ ..] = (copy.offset << 10 | copy.payload.len() as u32).to_be_bytes();
        packet.extend(bytes);
    }
    packet.push(payload_type);
    copies.iter().for_each(|copy| packet.extend_from_slice(&copy.payload));
    packet.extend_from_slice(new);
    packet.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earlier(offset: u32, payload: &[u8]) -> EarlierFrame {
        EarlierFrame { offset, payload: payload.into() }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let packet = write(111, &[earlier(1_920, b"first"), earlier(960, &[7; 1_023])], b"third");
        let (copies, new) = read(&packet).unwrap();
        let block = |offset, payload| Block { payload_type: 111, offset, payload };
        assert_eq!(copies, [block(1_920, &b"first"[..]), block(960, &[7; 1_023])]);
        assert_eq!(new, block(0, b"third"));
        assert_eq!(&packet[..4], [0x80 | 111, 1_920u32.to_be_bytes()[2] << 2 | 1_920u32.to_be_bytes()[3] >> 6, 0, 5]);
    }

    #[test]
    fn a_copy_that_no_header_can_describe_is_left_out() {
        let packet = write(111, &[earlier(16_384, b"early"), earlier(960, &[0; 1_024]), earlier(960, b"")], b"new");
        assert_eq!(&*packet, b"\x6fnew");
    }

    #[test]
    fn a_packet_that_is_none_is_refused_with_what_is_wrong_with_it() {
        let header = |length: u8| [0x80 | 111, 15, 0, length];
        let many = [[&header(0)[..]; 9].concat(), vec![111, 1]].concat();
        let cases: [(&[u8], RedFault); 7] = [
            (&[], RedFault::NoFrame),
            (&header(0), RedFault::NoFrame),
            (&header(0)[..3], RedFault::NoFrame),
            (&[111], RedFault::Empty),
            (&[&header(2)[..], &[111, 1, 2]].concat(), RedFault::Empty),
            (&[&header(3)[..], &[111, 1, 2]].concat(), RedFault::Overrun { named: 3, there: 2 }),
            (&many, RedFault::TooMany),
        ];
        for (packet, fault) in cases {
            assert_eq!(read(packet), Err(fault), "{packet:?}");
        }
        assert_eq!(
            RedFault::Overrun { named: 3, there: 2 }.to_string(),
            "a packet of redundant audio has 2 bytes where its headers name 3"
        );
    }

    #[test]
    fn no_packet_of_random_bytes_is_more_than_its_bytes() {
        let mut random = 1u32;
        for length in 0..2_000 {
            let packet: Vec<u8> = (0..length % 97)
                .map(|_| {
                    random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (random >> 24) as u8
                })
                .collect();
            if let Ok((copies, new)) = read(&packet) {
                let bytes: usize = copies.iter().map(|copy| 4 + copy.payload.len()).sum();
                assert_eq!(1 + bytes + new.payload.len(), packet.len());
            }
        }
    }
}
