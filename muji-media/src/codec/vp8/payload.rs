//! VP8 in packets (RFC 7741).
//!
//! Our own reader and writer, where the `rtp` crate has some: its writer knows no temporal layers, and it brings an async
//! runtime's network layer with it.

use std::sync::Arc;

use super::header::is_key;
use crate::codec::video::{Encoded, Layer, MAX_PAYLOAD, Payloader, Piece, PieceKey, cut};
use crate::rtp::RtpPacket;

/// Bits of the descriptor's first byte.
const EXTENDED: u8 = 0x80;
const START: u8 = 0x10;
const PARTITION: u8 = 0x0F;
/// Bits of the second: the frame's id follows, the index of its base layer, and one byte for the layer or the key frame's.
const PICTURE_ID: u8 = 0x80;
const TL0PICIDX: u8 = 0x40;
const LAYER: u8 = 0x20;
const KEY_INDEX: u8 = 0x10;
/// Bits of the byte with the layer: its number, and that it needs nothing but the frame of layer 0 before.
const LAYER_SHIFT: u8 = 6;
const SYNC: u8 = 0x20;

/// Bytes of our descriptor, and where in it the frame's id is.
const DESCRIPTOR: usize = 6;
const PICTURE_ID_AT: std::ops::Range<usize> = 2..4;

/// Cuts frames into packets.
#[derive(Debug, Default)]
pub(crate) struct Vp8Payloader {
    frame_id: u16,
    /// Counts the frames of layer 0.
    base: u8,
}

impl Payloader for Vp8Payloader {
    /// They always name its layer: libwebrtc restarts a stream that changes between with and without.
    fn packets(&mut self, frame: &Encoded, timestamp: u32) -> Vec<RtpPacket> {
        let (Layer { number, sync }, frame) = (frame.layer, &frame.bytes);
        self.frame_id = self.frame_id.wrapping_add(1) & 0x7FFF;
        self.base = self.base.wrapping_add(u8::from(number == 0));
        let [high, low] = (self.frame_id | 0x8000).to_be_bytes();
        let layer = number << LAYER_SHIFT | if sync { SYNC } else { 0 };
        let rest = [PICTURE_ID | TL0PICIDX | LAYER, high, low, self.base, layer];
        let pieces: Vec<&[u8]> = cut(frame, MAX_PAYLOAD - DESCRIPTOR).collect();
        let last = pieces.len().saturating_sub(1);
        let packet = |(index, piece): (usize, &&[u8])| {
            let first = if index == 0 { EXTENDED | START } else { EXTENDED };
            let payload: Vec<u8> = [&[first], &rest[..], *piece].concat();
            RtpPacket { timestamp, marker: index == last, payload: Arc::from(payload) }
        };
        pieces.iter().enumerate().map(packet).collect()
    }
}

/// A packet for a peer that was not sent so many frames: its frame ids have no gaps, which libwebrtc would take for losses.
pub(crate) fn renumbered(packet: &RtpPacket, kept_back: u16) -> RtpPacket {
    let mut payload = packet.payload.to_vec();
    if let Some(id) = payload.get_mut(PICTURE_ID_AT) {
        let number = u16::from_be_bytes([id[0], id[1]]).wrapping_sub(kept_back);
        id.copy_from_slice(&(number | 0x8000).to_be_bytes());
    }
    RtpPacket { payload: payload.into(), ..packet.clone() }
}

/// What a packet says of its frame, and what of it is the frame's. `None` if it is no such packet.
pub(crate) fn read(payload: &[u8]) -> Option<Piece> {
    let (first, mut rest) = payload.split_first()?;
    let mut layer = None;
    if first & EXTENDED != 0 {
        let (second, behind) = rest.split_first()?;
        let long_id = second & PICTURE_ID != 0 && behind.first()? & 0x80 != 0;
        let id = usize::from(second & PICTURE_ID != 0) + usize::from(long_id);
        let index = usize::from(second & TL0PICIDX != 0);
        let key_index = usize::from(second & (LAYER | KEY_INDEX) != 0);
        if second & TL0PICIDX != 0 && second & LAYER != 0 {
            let [base, of, ..] = *behind.get(id..)? else { return None };
            layer = Some((Layer { number: of >> LAYER_SHIFT, sync: of & SYNC != 0 }, base));
        }
        rest = behind.get(id + index + key_index..)?;
    }
    let starts = first & START != 0 && first & PARTITION == 0;
    let key = if starts && is_key(rest) { PieceKey::Whole } else { PieceKey::No };
    (!rest.is_empty()).then(|| Piece { starts, key, layer, bytes: rest.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(starts: bool, layer: Layer, number: u8) -> Piece {
        Piece { starts, key: PieceKey::No, layer: Some((layer, number)), bytes: vec![9] }
    }

    #[test]
    fn nonsense_is_no_packet() {
        let layered = [0x90, 0xE0, 0x81, 2, 77, 0x60, 9];
        for length in 0..6 {
            assert_eq!(read(&layered[..length]), None, "{length} bytes");
        }
        assert_eq!(read(&layered), Some(piece(true, Layer { number: 1, sync: true }, 77)));
        for payload in [&[][..], &[0x80], &[0x80, 0x80], &[0x80, 0x80, 0x80], &[0x90, 0xF0, 1, 2, 3], &[0x10]] {
            assert_eq!(read(payload), None, "{payload:02x?}");
        }
        assert_eq!(read(&[0x90, 0xF0, 0x81, 2, 3, 4, 9]), Some(piece(true, Layer { number: 0, sync: false }, 3)));
    }
}
