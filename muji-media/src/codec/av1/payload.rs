//! AV1 in packets (AOMedia, RTP Payload Format For AV1, version 1.0): OBUs without temporal delimiters, cut where a packet is full.
//!
//! The dependency descriptor, which tells servers in the middle what refers to what, is not sent: nobody is in the middle.

use std::sync::Arc;

use super::obu::{Obu, append_leb128, leb128, obus};
use crate::codec::video::{Encoded, MAX_PAYLOAD, Payloader, Piece, PieceKey, VideoFault};
use crate::rtp::RtpPacket;

/// Bits of the aggregation header: the first element began in the packet before; the last goes on in the next one; how many elements there
/// are, of which the last does not say its length, or 0 if each says it; a key frame begins.
const CONTINUES: u8 = 0x80;
const GOES_ON: u8 = 0x40;
const COUNT_SHIFT: u8 = 4;
const COUNT: u8 = 0x03;
const BEGINS: u8 = 0x08;

/// Bytes of the length of an element that fits a packet.
const LENGTH: usize = 2;

/// Cuts frames into packets.
pub(crate) struct Av1Payloader;

impl Payloader for Av1Payloader {
    fn packets(&mut self, frame: &Encoded, timestamp: u32) -> Vec<RtpPacket> {
        let obus = obus(&frame.bytes).unwrap_or_default();
        let elements: Vec<Vec<u8>> =
            obus.into_iter().filter(|obu| !obu.is_dispensable()).map(Obu::without_length).collect();
        let mut payloads = payloads(&elements);
        if let Some(header) = payloads.first_mut().filter(|_| frame.key).and_then(|first| first.first_mut()) {
            *header |= BEGINS;
        }
        let last = payloads.len().saturating_sub(1);
        let packet = |(index, payload): (usize, Vec<u8>)| RtpPacket {
            timestamp,
            marker: index == last,
            payload: Arc::from(payload),
        };
        payloads.into_iter().enumerate().map(packet).collect()
    }
}

/// Packets of about one size, each with its header.
fn payloads(elements: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let whole: usize = elements.iter().map(|element| element.len() + LENGTH).sum();
    let count = whole.div_ceil(MAX_PAYLOAD - 1 - LENGTH).max(1);
    let most = whole.div_ceil(count) + 1 + LENGTH;
    let mut payloads: Vec<Vec<u8>> = Vec::new();
    for element in elements {
        let mut rest = element.as_slice();
        let mut continues = false;
        while !rest.is_empty() {
            let room = payloads.last().map_or(0, |last| most.saturating_sub(last.len() + LENGTH));
            if room == 0 {
                payloads.push(vec![if continues { CONTINUES } else { 0 }]);
                continue;
            }
            let Some(last) = payloads.last_mut() else { break };
            let (now, later) = rest.split_at(rest.len().min(room));
            append_leb128(last, now.len());
            last.extend(now);
            rest = later;
            continues = true;
            if !rest.is_empty() {
                last[0] |= GOES_ON;
            }
        }
    }
    payloads
}

/// What a packet says of its frame; `None` if it is none. Its units are read in [`join`].
pub(crate) fn read(payload: &[u8]) -> Option<Piece> {
    let [header, _, ..] = payload else { return None };
    let starts = header & CONTINUES == 0;
    let key = if starts && header & BEGINS != 0 { PieceKey::Whole } else { PieceKey::No };
    Some(Piece { starts, key, layer: None, bytes: payload.to_vec() })
}

/// The frame whose packets these are.
///
/// # Errors
/// If a packet contradicts another or itself.
pub(crate) fn join(packets: impl Iterator<Item = Vec<u8>>) -> Result<Vec<u8>, VideoFault> {
    let mut frame = Vec::new();
    // A unit that goes on in the next packet.
    let mut open: Option<Vec<u8>> = None;
    for payload in packets {
        let Some((header, rest)) = payload.split_first() else { continue };
        if open.is_some() != (header & CONTINUES != 0) {
            return Err(VideoFault::Stream(if open.is_some() {
                "a unit has no end"
            } else {
                "a unit has no beginning"
            }));
        }
        let elements = elements(header >> COUNT_SHIFT & COUNT, rest)?;
        let last = elements.len().saturating_sub(1);
        for (index, element) in elements.into_iter().enumerate() {
            let mut unit = open.take().unwrap_or_default();
            unit.extend(element);
            if index == last && header & GOES_ON != 0 {
                open = Some(unit);
            } else {
                append(&mut frame, &unit)?;
            }
        }
    }
    if open.is_some() { Err(VideoFault::Stream("a unit has no end")) } else { Ok(frame) }
}

/// The elements of a packet: so many, or with 0 all.
fn elements(count: u8, mut rest: &[u8]) -> Result<Vec<&[u8]>, VideoFault> {
    let overruns = VideoFault::Stream("a unit is longer than its packet");
    let mut elements = Vec::new();
    while !rest.is_empty() {
        if elements.len() + 1 == usize::from(count) {
            elements.push(rest);
            return Ok(elements);
        }
        let length = leb128(&mut rest).ok_or(overruns)?;
        let (element, others) = rest.split_at_checked(length).ok_or(overruns)?;
        elements.push(element);
        rest = others;
    }
    if count == 0 { Ok(elements) } else { Err(VideoFault::Stream("a packet has fewer units than it says")) }
}

/// Appends a unit from a packet to a frame.
fn append(frame: &mut Vec<u8>, unit: &[u8]) -> Result<(), VideoFault> {
    if unit.is_empty() {
        return Ok(()); // Nothing is said about them, and senders make some.
    }
    let (obu, _) = Obu::first(unit).ok_or(VideoFault::Stream("a unit cannot be read"))?;
    if !obu.is_dispensable() {
        obu.append_to(frame);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::av1::obu::tests::sequence_of;
    use crate::codec::video::Layer;

    /// A frame of a unit of so many bytes, behind a sequence header and a delimiter if it is a key frame.
    fn frame(key: bool, length: usize) -> Encoded {
        let mut bytes = vec![0x12, 0];
        if key {
            bytes.extend(sequence_of(0, [160, 96]));
        }
        bytes.push(0x32);
        append_leb128(&mut bytes, length);
        bytes.extend((0..length).map(|at| (at % 251) as u8));
        Encoded { bytes, key, layer: Layer::default() }
    }

    fn packets(frame: &Encoded) -> Vec<Vec<u8>> {
        let packets = Av1Payloader.packets(frame, 90);
        let markers: Vec<bool> = packets.iter().map(|packet| packet.marker).collect();
        assert!(markers.split_last().is_some_and(|(last, others)| *last && !others.contains(&true)));
        packets.into_iter().map(|packet| packet.payload.to_vec()).collect()
    }

    #[test]
    fn a_frame_of_any_length_comes_out_of_its_packets_as_it_went_in_but_for_the_delimiter() {
        for (key, length) in (1..4_000).flat_map(|length| [true, false].map(|key| (key, length))) {
            let frame = frame(key, length);
            let packets = packets(&frame);
            assert!(packets.iter().all(|payload| payload.len() <= MAX_PAYLOAD), "{length}");
            let starts: Vec<_> = packets.iter().map(|it| read(it).map(|piece| (piece.starts, piece.key))).collect();
            let first = Some((true, if key { PieceKey::Whole } else { PieceKey::No }));
            assert_eq!(starts[0], first);
            assert!(starts[1..].iter().all(|later| *later == Some((false, PieceKey::No))), "{length}: {starts:?}");
            assert_eq!(join(packets.into_iter()), Ok(frame.bytes[2..].to_vec()), "{length}");
        }
    }

    #[test]
    fn what_others_write_is_read_with_counts_and_without() {
        let whole = [0x32, 2, 7, 8, 0x32, 1, 9];
        for packets in [
            vec![vec![0x20, 3, 0x30, 7, 8, 0x30, 9]],
            vec![vec![0x00, 3, 0x30, 7, 8, 2, 0x30, 9]],
            // Units that say their length again, a delimiter, and one that is empty.
            vec![vec![0x00, 2, 0x12, 0, 4, 0x32, 2, 7, 8, 0, 3, 0x32, 1, 9]],
            vec![vec![0x50, 0x30, 7], vec![0xA0, 1, 8, 0x30, 9]],
            vec![vec![0x50, 0x30], vec![0xD0, 7], vec![0x90, 8], vec![0x10, 0x30, 9]],
        ] {
            assert_eq!(join(packets.clone().into_iter()).as_deref(), Ok(&whole[..]), "{packets:02x?}");
        }
    }

    #[test]
    fn packets_that_contradict_each_other_are_refused_in_words() {
        let joined = |packets: &[&[u8]]| join(packets.iter().map(|it| it.to_vec())).map_err(|why| why.to_string());
        let wrong = |why: &str| Err(format!("the stream makes no sense: {why}"));
        assert_eq!(joined(&[&[0x90, 1, 2]]), wrong("a unit has no beginning"));
        assert_eq!(joined(&[&[0x50, 0x30, 2]]), wrong("a unit has no end"));
        assert_eq!(joined(&[&[0x50, 0x30, 2], &[0x10, 0x30, 9]]), wrong("a unit has no end"));
        assert_eq!(joined(&[&[0x00, 9, 0x30]]), wrong("a unit is longer than its packet"));
        assert_eq!(
            joined(&[&[0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1]]),
            wrong("a unit is longer than its packet")
        );
        assert_eq!(joined(&[&[0x30, 1, 0x30, 1]]), wrong("a unit is longer than its packet"));
        assert_eq!(joined(&[&[0x30, 1, 0x30, 1, 0x30]]), wrong("a packet has fewer units than it says"));
        assert_eq!(joined(&[&[0x10, 0x80, 1]]), wrong("a unit cannot be read"));
        assert_eq!((read(&[]), read(&[0x10])), (None, None));
    }
}
