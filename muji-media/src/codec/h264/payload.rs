//! H.264 in packets (RFC 6184): single units, several in one packet (STAP-A), and one in several (FU-A).

use std::sync::Arc;

use super::nal::{NalKind, append, units};
use crate::codec::video::{Encoded, MAX_PAYLOAD, Payloader, Piece, PieceKey, VideoFault, cut};
use crate::rtp::RtpPacket;

/// Kinds of packets that are no units themselves.
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Bits of the first byte of a unit: its importance, and its kind.
const IMPORTANCE: u8 = 0xE0;
const KIND: u8 = 0x1F;

/// Bits of the second byte of an FU-A: the unit begins, or ends, with it.
const BEGINS: u8 = 0x80;
const ENDS: u8 = 0x40;

/// The first bytes of an FU-A, and the length before each unit of a STAP-A.
const FU_A_HEAD: usize = 2;
const LENGTH: usize = 2;

/// Which packets the peer takes (`packetization-mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packetization {
    /// 0: a unit is a packet. The encoder makes units that fit.
    Single,
    /// 1: units are cut, and small ones are put together.
    NonInterleaved,
}

/// Cuts frames into packets.
pub(crate) struct H264Payloader(pub(crate) Packetization);

impl Payloader for H264Payloader {
    fn packets(&mut self, frame: &Encoded, timestamp: u32) -> Vec<RtpPacket> {
        let payloads = match self.0 {
            Packetization::Single => units(&frame.bytes).map(<[u8]>::to_vec).collect(),
            Packetization::NonInterleaved => non_interleaved(&frame.bytes),
        };
        let last = payloads.len().saturating_sub(1);
        let packet = |(index, payload): (usize, Vec<u8>)| RtpPacket {
            timestamp,
            marker: index == last,
            payload: Arc::from(payload),
        };
        payloads.into_iter().enumerate().map(packet).collect()
    }
}

fn non_interleaved(frame: &[u8]) -> Vec<Vec<u8>> {
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    let mut small: Vec<&[u8]> = Vec::new();
    for unit in units(frame) {
        let waiting: usize = small.iter().map(|unit| unit.len() + LENGTH).sum();
        if 1 + waiting + LENGTH + unit.len() > MAX_PAYLOAD {
            payloads.extend(together(&std::mem::take(&mut small)));
        }
        if unit.len() > MAX_PAYLOAD {
            payloads.extend(fragments(unit));
        } else {
            small.push(unit);
        }
    }
    payloads.extend(together(&small));
    payloads
}

/// Units in one packet: parameters travel with what needs them.
fn together(units: &[&[u8]]) -> Option<Vec<u8>> {
    match units {
        [] => None,
        [single] => Some(single.to_vec()),
        several => {
            let importance = several.iter().map(|unit| unit[0] & 0x60).max().unwrap_or_default();
            let mut payload = vec![importance | STAP_A];
            for unit in several {
                payload.extend(u16::try_from(unit.len()).unwrap_or(u16::MAX).to_be_bytes()); // None is longer than a packet.
                payload.extend(*unit);
            }
            Some(payload)
        }
    }
}

fn fragments(unit: &[u8]) -> Vec<Vec<u8>> {
    let (first, body) = (unit[0], &unit[1..]);
    let pieces: Vec<&[u8]> = cut(body, MAX_PAYLOAD - FU_A_HEAD).collect();
    let last = pieces.len() - 1;
    let fragment = |(index, piece): (usize, &&[u8])| {
        let begins = if index == 0 { BEGINS } else { 0 };
        let ends = if index == last { ENDS } else { 0 };
        [&[first & IMPORTANCE | FU_A, begins | ends | first & KIND], *piece].concat()
    };
    pieces.iter().enumerate().map(fragment).collect()
}

/// What a packet says of its frame; `None` if it is none that was agreed on. Its units are read in [`join`].
pub(crate) fn read(payload: &[u8]) -> Option<Piece> {
    let [first, rest @ ..] = payload else { return None };
    let (starts, key) = match first & KIND {
        STAP_A => (true, key_of_several(rest)?),
        FU_A => {
            let (flags, body) = rest.split_first()?;
            let (starts, key) = (flags & BEGINS != 0, key_of(*flags, body)?);
            (starts, if starts { key } else { PieceKey::No })
        }
        _ => (true, key_of(*first, rest)?),
    };
    Some(Piece { starts, key, layer: None, bytes: payload.to_vec() })
}

/// Whether a unit with this first byte begins a key frame; `None` if it is none.
fn key_of(first: u8, body: &[u8]) -> Option<PieceKey> {
    // The first slice of a picture begins with its first macroblock: number 0 is a single bit, a one.
    let first_slice = body.first().is_some_and(|byte| byte & 0x80 != 0);
    Some(match NalKind::of(first)? {
        NalKind::SequenceParameters => PieceKey::Whole,
        NalKind::KeySlice if first_slice => PieceKey::WithoutParameters,
        _ => PieceKey::No,
    })
}

/// Whether one of the units of a STAP-A does: before it may be a delimiter, or what describes the picture.
fn key_of_several(mut rest: &[u8]) -> Option<PieceKey> {
    let mut found = None;
    while let [high, low, first, body @ ..] = rest {
        match key_of(*first, body)? {
            PieceKey::Whole => return Some(PieceKey::Whole),
            PieceKey::WithoutParameters => found = Some(PieceKey::WithoutParameters),
            PieceKey::No => found = found.or(Some(PieceKey::No)),
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        rest = rest.get(LENGTH + length..).unwrap_or_default();
    }
    found
}

/// The frame whose packets these are.
///
/// # Errors
/// If a packet contradicts another or itself.
pub(crate) fn join(packets: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, VideoFault> {
    let mut frame = Vec::new();
    let mut open = false;
    for payload in packets {
        let kind = payload[0] & KIND;
        if open && kind != FU_A {
            return Err(VideoFault::Stream("a unit has no end"));
        }
        match kind {
            FU_A => open = continued(&mut frame, &payload, open)?,
            STAP_A => separated(&mut frame, &payload[1..])?,
            _ => append(&mut frame, &payload),
        }
    }
    if open { Err(VideoFault::Stream("a unit has no end")) } else { Ok(frame) }
}

/// One more piece of a unit, and whether others follow.
fn continued(frame: &mut Vec<u8>, payload: &[u8], open: bool) -> Result<bool, VideoFault> {
    let [first, flags, piece @ ..] = payload else { return Err(VideoFault::Stream("a piece of a unit is too short")) };
    match (open, flags & BEGINS != 0) {
        (false, true) => append(frame, &[first & IMPORTANCE | flags & KIND]),
        (true, false) => {}
        (false, false) => return Err(VideoFault::Stream("a unit has no beginning")),
        (true, true) => return Err(VideoFault::Stream("a unit begins twice")),
    }
    frame.extend(piece);
    Ok(flags & ENDS == 0)
}

/// The units of a STAP-A.
fn separated(frame: &mut Vec<u8>, mut rest: &[u8]) -> Result<(), VideoFault> {
    while let [high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((unit, others)) = behind.split_at_checked(length).filter(|(unit, _)| !unit.is_empty()) else {
            return Err(VideoFault::Stream("a unit is longer than its packet, or empty"));
        };
        append(frame, unit);
        rest = others;
    }
    if rest.is_empty() { Ok(()) } else { Err(VideoFault::Stream("a unit is longer than its packet, or empty")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::video::Layer;

    fn frame(units: &[&[u8]]) -> Vec<u8> {
        let mut frame = Vec::new();
        units.iter().for_each(|unit| append(&mut frame, unit));
        frame
    }

    fn payloads(packetization: Packetization, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let encoded = Encoded { bytes: frame, key: true, layer: Layer::default() };
        let packets = H264Payloader(packetization).packets(&encoded, 90);
        let markers: Vec<bool> = packets.iter().map(|packet| packet.marker).collect();
        assert!(markers.split_last().is_some_and(|(last, others)| *last && !others.contains(&true)));
        packets.into_iter().map(|packet| packet.payload.to_vec()).collect()
    }

    #[test]
    fn a_frame_comes_out_of_its_packets_as_it_went_in() {
        let slice: Vec<u8> = std::iter::once(0x65).chain((0..9_000u32).map(|at| (at % 251 + 2) as u8)).collect();
        let frame = frame(&[&[0x67, 66, 1, 31], &[0x68, 1], &slice, &[0x65, 7]]);
        let packets = payloads(Packetization::NonInterleaved, frame.clone());
        assert!(packets.iter().all(|payload| payload.len() <= MAX_PAYLOAD));
        assert_eq!(packets[0][..6], [0x78, 0, 4, 0x67, 66, 1], "parameters share a packet");
        assert_eq!((packets[1][0] & KIND, packets[1][1]), (FU_A, BEGINS | 5));
        assert_eq!(join(packets.into_iter()), Ok(frame));
        let small = self::frame(&[&[0x67, 66, 1, 31], &[0x68, 1], &[0x65, 7]]);
        let single = payloads(Packetization::Single, small.clone());
        assert_eq!(single, [&[0x67, 66, 1, 31][..], &[0x68, 1], &[0x65, 7]]);
        assert_eq!(join(single.into_iter()), Ok(small));
    }

    #[test]
    fn packets_that_contradict_each_other_are_refused_in_words() {
        let joined =
            |payloads: &[&[u8]]| join(payloads.iter().map(|payload| payload.to_vec())).map_err(|why| why.to_string());
        let wrong = |why: &str| Err(format!("the stream makes no sense: {why}"));
        assert_eq!(joined(&[&[0x7C, 5, 9]]), wrong("a unit has no beginning"));
        assert_eq!(joined(&[&[0x7C, 0x85, 9]]), wrong("a unit has no end"));
        assert_eq!(joined(&[&[0x7C, 0x85, 9], &[0x65, 1]]), wrong("a unit has no end"));
        assert_eq!(joined(&[&[0x7C, 0x85, 9], &[0x7C, 0x85, 9]]), wrong("a unit begins twice"));
        assert_eq!(joined(&[&[0x7C]]), wrong("a piece of a unit is too short"));
        for overrun in [&[0x78, 0, 4, 1, 2][..], &[0x78, 0xFF, 0xFF, 1], &[0x78, 0, 1, 0x67, 0], &[0x78, 0, 0]] {
            assert_eq!(joined(&[overrun]), wrong("a unit is longer than its packet, or empty"), "{overrun:02x?}");
        }
    }

    #[test]
    fn a_packet_tells_where_a_key_frame_begins() {
        let key = |payload: &[u8]| read(payload).map(|piece| (piece.starts, piece.key));
        assert_eq!(key(&[0x78, 0, 4, 0x67, 66]), Some((true, PieceKey::Whole)));
        assert_eq!(
            key(&[0x78, 0, 2, 9, 0xF0, 0, 4, 0x67, 66, 1, 31]),
            Some((true, PieceKey::Whole)),
            "a delimiter first"
        );
        assert_eq!(key(&[0x78, 0, 2, 6, 1, 0, 2, 0x65, 0x89]), Some((true, PieceKey::WithoutParameters)));
        assert_eq!(key(&[0x78, 0, 2, 6, 1, 0, 2, 0x41, 9]), Some((true, PieceKey::No)));
        assert_eq!(key(&[0x67, 66]), Some((true, PieceKey::Whole)));
        assert_eq!(key(&[0x7C, 0x85, 0x89]), Some((true, PieceKey::WithoutParameters)));
        assert_eq!(key(&[0x7C, 0x85, 9]), Some((true, PieceKey::No)), "another slice of it");
        assert_eq!(key(&[0x7C, 0x05, 9]), Some((false, PieceKey::No)));
        assert_eq!(key(&[0x41, 9]), Some((true, PieceKey::No)));
        for nonsense in [&[][..], &[0x78], &[0x7C], &[0x78, 0, 1], &[25], &[0], &[31, 1], &[0x7C, 0x9F]] {
            assert_eq!(read(nonsense), None, "{nonsense:02x?}");
        }
    }
}
