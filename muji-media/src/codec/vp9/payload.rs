//! VP9 in packets (RFC 9628).
//!
//! Written without flexible mode, as browsers write it for one layer: what refers to what is said once, with each key frame. Read in both.

use std::sync::Arc;

use super::header;
use super::superframe::{MAX_FRAMES, together};
use crate::codec::video::{Encoded, Layer, MAX_PAYLOAD, Payloader, Piece, PieceKey, VideoFault, cut};
use crate::rtp::RtpPacket;

/// Bits of the descriptor's first byte: a picture id follows; the frame refers to others before it; the layer follows; it is said in each
/// packet what the frame refers to (flexible mode); the frame begins, or ends, with the packet; the structure of the layers follows.
const PICTURE_ID: u8 = 0x80;
const INTER: u8 = 0x40;
const LAYER: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const BEGINS: u8 = 0x08;
const ENDS: u8 = 0x04;
const STRUCTURE: u8 = 0x02;

/// The bit of a picture id that has 15 bits.
const LONG: u8 = 0x80;

/// Where the numbers of the layer are in its byte: in time, and in space, which has three bits.
const TEMPORAL_SHIFT: u8 = 5;
const SPATIAL_SHIFT: u8 = 1;
const SPATIAL: u8 = 0x07;

/// Frames that one may refer to in flexible mode (section 4.2), and the bit that says that another follows.
const MAX_REFERENCES: usize = 3;
const MORE: u8 = 0x01;

/// Bits of the first byte of the structure: sizes follow, and a pattern of pictures.
const SIZES: u8 = 0x10;
const PATTERN: u8 = 0x08;

/// A pattern of one picture, which is of layer 0 and refers to the one before it.
const EACH_TO_THE_ONE_BEFORE: [u8; 3] = [1, 1 << 2, 1];

/// Bytes of our descriptor, those of the structure, and where in it the picture's id is.
const DESCRIPTOR: usize = 5;
const OUR_STRUCTURE: usize = 8;
const PICTURE_ID_AT: std::ops::Range<usize> = 1..3;

/// Cuts frames into packets.
#[derive(Debug, Default)]
pub(crate) struct Vp9Payloader {
    picture_id: u16,
    /// Counts the frames of layer 0, which all are.
    base: u8,
}

impl Payloader for Vp9Payloader {
    fn packets(&mut self, frame: &Encoded, timestamp: u32) -> Vec<RtpPacket> {
        self.picture_id = self.picture_id.wrapping_add(1) & 0x7FFF;
        self.base = self.base.wrapping_add(1);
        let [high, low] = self.picture_id.to_be_bytes();
        let rest = [LONG | high, low, 0, self.base];
        let structure = if frame.key { structure(header::size(&frame.bytes)) } else { Vec::new() };
        let pieces: Vec<&[u8]> = cut(&frame.bytes, MAX_PAYLOAD - DESCRIPTOR - OUR_STRUCTURE).collect();
        let last = pieces.len().saturating_sub(1);
        let inter = if frame.key { 0 } else { INTER };
        let packet = |(index, piece): (usize, &&[u8])| {
            let begins = if index == 0 { BEGINS } else { 0 };
            let ends = if index == last { ENDS } else { 0 };
            let structure = if index == 0 { structure.as_slice() } else { &[] };
            let follows = if structure.is_empty() { 0 } else { STRUCTURE };
            let first = PICTURE_ID | inter | LAYER | begins | ends | follows;
            let payload = [&[first], &rest[..], structure, *piece].concat();
            RtpPacket { timestamp, marker: index == last, payload: Arc::from(payload) }
        };
        pieces.iter().enumerate().map(packet).collect()
    }
}

/// One layer, and which frame refers to which: without it libwebrtc drops a key frame.
fn structure(size: Option<[usize; 2]>) -> Vec<u8> {
    let size = size.and_then(|[width, height]| Some([u16::try_from(width).ok()?, u16::try_from(height).ok()?]));
    let sizes = size.map(|sides| sides.map(u16::to_be_bytes).concat());
    let first = PATTERN | if sizes.is_some() { SIZES } else { 0 };
    [&[first], sizes.unwrap_or_default().as_slice(), &EACH_TO_THE_ONE_BEFORE].concat()
}

/// A packet for a peer that was not sent so many frames: its picture ids have no gaps, which libwebrtc would take for losses.
pub(crate) fn renumbered(packet: &RtpPacket, kept_back: u16) -> RtpPacket {
    let mut payload = packet.payload.to_vec();
    if let Some(id) = payload.get_mut(PICTURE_ID_AT) {
        let number = u16::from_be_bytes([id[0], id[1]]).wrapping_sub(kept_back);
        id.copy_from_slice(&(number | 0x8000).to_be_bytes());
    }
    RtpPacket { payload: payload.into(), ..packet.clone() }
}

/// A packet, without its descriptor.
struct Read<'a> {
    begins: bool,
    /// Its layer in space: a picture is several frames then, of which this is one.
    spatial: u8,
    /// Its layer in time, and the number of the last picture of layer 0, if it is said.
    layer: Option<(Layer, u8)>,
    frame: &'a [u8],
}

impl<'a> Read<'a> {
    /// `None` if it is no such packet.
    fn new(payload: &'a [u8]) -> Option<Self> {
        let rest = &mut &*payload;
        let first = byte(rest)?;
        if first & PICTURE_ID != 0 && byte(rest)? & LONG != 0 {
            byte(rest)?;
        }
        let (mut spatial, mut layer) = (0, None);
        if first & LAYER != 0 {
            let of = byte(rest)?;
            spatial = of >> SPATIAL_SHIFT & SPATIAL;
            if first & FLEXIBLE == 0 {
                // Whether a frame needs only those of layer 0, as in VP8, it does not say.
                layer = Some((Layer { number: of >> TEMPORAL_SHIFT, sync: false }, byte(rest)?));
            }
        }
        if first & FLEXIBLE != 0 && first & INTER != 0 {
            skip_references(rest)?;
        }
        if first & STRUCTURE != 0 {
            skip_structure(rest)?;
        }
        let frame = *rest;
        (!frame.is_empty()).then_some(Self { begins: first & BEGINS != 0, spatial, layer, frame })
    }
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}

fn skip(rest: &mut &[u8], bytes: usize) -> Option<()> {
    *rest = rest.get(bytes..)?;
    Some(())
}

fn skip_references(rest: &mut &[u8]) -> Option<()> {
    for _ in 0..MAX_REFERENCES {
        if byte(rest)? & MORE == 0 {
            return Some(());
        }
    }
    None
}

fn skip_structure(rest: &mut &[u8]) -> Option<()> {
    let first = byte(rest)?;
    if first & SIZES != 0 {
        skip(rest, 4 * (usize::from(first >> 5) + 1))?;
    }
    if first & PATTERN != 0 {
        for _ in 0..byte(rest)? {
            let references = byte(rest)? >> 2 & 3;
            skip(rest, references.into())?;
        }
    }
    Some(())
}

/// What a packet says of its picture; `None` if it is no such packet. Its frame is read in [`join`].
pub(crate) fn read(payload: &[u8]) -> Option<Piece> {
    let Read { begins, spatial, layer, frame } = Read::new(payload)?;
    let starts = begins && spatial == 0;
    let key = if starts && header::is_key(frame) { PieceKey::Whole } else { PieceKey::No };
    Some(Piece { starts, key, layer, bytes: payload.to_vec() })
}

/// The picture whose packets these are: a frame, or one of each layer in space.
///
/// # Errors
/// If they contradict each other.
pub(crate) fn join(packets: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, VideoFault> {
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for payload in packets {
        let Some(Read { begins, frame, .. }) = Read::new(&payload) else { continue };
        if !begins {
            frames.last_mut().ok_or(VideoFault::Stream("a frame has no beginning"))?.extend(frame);
        } else if frames.len() < MAX_FRAMES {
            frames.push(frame.to_vec());
        } else {
            return Err(VideoFault::Stream("a picture has too many layers"));
        }
    }
    if frames.len() == 1 {
        return Ok(frames.swap_remove(0));
    }
    Ok(together(&frames.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key frame of 160 x 96 that is longer than a packet.
    fn key_frame() -> Encoded {
        let begin = [0x82, 0x49, 0x83, 0x42, 0x00, 0x09, 0xF0, 0x05, 0xF0];
        let bytes = begin.into_iter().chain((0..3_000u32).map(|at| (at % 251) as u8)).collect();
        Encoded { bytes, key: true, layer: Layer::default() }
    }

    fn payloads(payloader: &mut Vp9Payloader, frame: &Encoded) -> Vec<Vec<u8>> {
        let packets = payloader.packets(frame, 90);
        let markers: Vec<bool> = packets.iter().map(|packet| packet.marker).collect();
        assert!(markers.split_last().is_some_and(|(last, others)| *last && !others.contains(&true)));
        packets.into_iter().map(|packet| packet.payload.to_vec()).collect()
    }

    #[test]
    fn a_frame_comes_out_of_its_packets_as_it_went_in_and_a_key_frame_says_its_structure() {
        let (mut payloader, frame) = (Vp9Payloader::default(), key_frame());
        let packets = payloads(&mut payloader, &frame);
        assert_eq!(packets[0][..13], [0xAA, 0x80, 1, 0, 1, 0x18, 0, 160, 0, 96, 1, 4, 1]);
        assert_eq!((packets[1][0], packets[2][0], packets.len()), (0xA0, 0xA4, 3));
        assert!(packets.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        let keys: Vec<_> = packets.iter().map(|it| read(it).map(|piece| (piece.starts, piece.key))).collect();
        let other = Some((false, PieceKey::No));
        assert_eq!(keys, [Some((true, PieceKey::Whole)), other, other]);
        assert_eq!(join(packets.into_iter()), Ok(frame.bytes));
        let small = Encoded { bytes: vec![0x86, 1, 2], key: false, layer: Layer::default() };
        assert_eq!(payloads(&mut payloader, &small), [[0xEC, 0x80, 2, 0, 2, 0x86, 1, 2]]);
    }

    #[test]
    fn a_frame_of_any_length_comes_out_as_it_went_in() {
        for length in (1..2_400).step_by(7) {
            let bytes = vec![0x86; length];
            let packets =
                payloads(&mut Vp9Payloader::default(), &Encoded { bytes, key: false, layer: Layer::default() });
            assert_eq!(join(packets.into_iter()).map(|frame| frame.len()), Ok(length));
        }
    }

    #[test]
    fn who_was_not_sent_some_frames_sees_no_gap_in_the_numbers() {
        let mut payloader = Vp9Payloader { picture_id: 1, base: 0 };
        let packet = payloader.packets(&key_frame(), 0).remove(0);
        let id = |packet: &RtpPacket| u16::from_be_bytes([packet.payload[1], packet.payload[2]]);
        assert_eq!((id(&packet), id(&renumbered(&packet, 1)), id(&renumbered(&packet, 3))), (0x8002, 0x8001, 0xFFFF));
        assert_eq!(renumbered(&packet, 1).payload[3..], packet.payload[3..]);
    }

    #[test]
    fn what_others_write_is_read_in_flexible_mode_and_without() {
        let number = |number, base| Some((Layer { number, sync: false }, base));
        for (descriptor, starts, layer) in [
            (&[0x08][..], true, None),
            (&[0x88, 0x05], true, None),
            (&[0xA8, 0x81, 0x02, 0x40, 77], true, number(2, 77)),
            // Flexible: of a layer, with one and with three references.
            (&[0xF8, 0x81, 0x02, 0x20, 0x02], true, None),
            (&[0xD0, 0x81, 0x02, 0x03, 0x05, 0x06], false, None),
            // The second layer in space, which begins no picture.
            (&[0xA8, 0x05, 0x03, 77], false, number(0, 77)),
            // Three layers with their sizes, and a pattern of two pictures, of which the second refers to two.
            (&[0x0A, 0x58, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 2, 0x00, 0x28, 1, 2], true, None),
        ] {
            let packet = [descriptor, &[0x86, 9]].concat();
            let bytes = packet.clone();
            assert_eq!(read(&packet), Some(Piece { starts, key: PieceKey::No, layer, bytes }), "{descriptor:02x?}");
            for length in 0..=descriptor.len() {
                assert_eq!(read(&packet[..length]), None, "{descriptor:02x?} of {length} bytes");
            }
        }
    }

    #[test]
    fn references_without_end_and_structures_that_overrun_are_no_packets() {
        let endless = [&[0xD8, 0x05][..], &[0x03; 60]].concat();
        assert_eq!(read(&endless), None);
        for overrun in [&[0x0A, 0xF8, 1, 2, 3, 4][..], &[0x0A, 0x08, 255, 0, 0, 0], &[0x0A, 0x08, 2, 0x0C, 1, 2]] {
            assert_eq!(read(overrun), None, "{overrun:02x?}");
        }
    }

    #[test]
    fn layers_in_space_are_one_picture_and_packets_that_contradict_each_other_are_refused() {
        let layers = [vec![0xA8, 1, 0x00, 7, 0x82, 1], vec![0xA4, 1, 0x00, 7, 2], vec![0xAC, 1, 0x03, 7, 0x86, 3]];
        assert_eq!(join(layers.into_iter()), Ok(together(&[&[0x82, 1, 2], &[0x86, 3]])));
        let why = |payloads: Vec<Vec<u8>>| join(payloads.into_iter()).expect_err("it is refused").to_string();
        assert_eq!(why(vec![vec![0x04, 1]]), "the stream makes no sense: a frame has no beginning");
        assert_eq!(why(vec![vec![0x08, 1]; 9]), "the stream makes no sense: a picture has too many layers");
    }
}
