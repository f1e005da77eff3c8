//! From the packets of a stream of video to its frames, whatever their encoding.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use super::encoding::VideoEncoding;
use super::video::{Layer, Piece, PieceKey, VideoFault};
use crate::rtp::{ReceivedRtp, RtpPacket};

/// Packets kept of one stream: at 30 frames a second of 10 packets, a second and a half.
const MAX_PACKETS: usize = 512;

/// A larger packet is no video: none of a sender of RTP is larger than what an Ethernet carries, and what is kept must have a bound in bytes.
const MAX_RECEIVED: usize = 1_500;

/// How long a missing packet is waited for. It is asked for each round trip: on all but the worst paths it comes within three. The key frame
/// that is asked for after that takes a round trip too, is the size of several other frames, and every viewer gets it.
const PATIENCE: Duration = Duration::from_millis(800);

/// How much longer than frames are held a missing packet is waited for if what follows can be shown without it: then it was a frame that
/// nothing needs.
const SKIPPED: Duration = Duration::from_millis(100);

/// How long a receiver that has shown nothing yet waits for the first packet of a key frame: packets overtake each other by less.
const BEGINNING: Duration = Duration::from_millis(40);

/// Between two requests for a key frame: one that is under way arrives within this on all but the worst paths.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A packet that waits for others.
struct Waiting {
    timestamp: u32,
    marker: bool,
    arrived: Instant,
    captured: Option<SystemTime>,
    turns: Option<u8>,
    piece: Piece,
}

impl Waiting {
    /// It begins a frame that can be shown if the last that was shown of layer 0 has this number, whatever was between.
    fn follows(&self, base: u8) -> bool {
        let Piece { starts, layer, .. } = self.piece;
        starts
            && layer.is_some_and(|(layer, number)| match layer.number {
                0 => number == base.wrapping_add(1),
                _ => layer.sync && number == base,
            })
    }
}

/// A whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssembledFrame {
    /// How it is encoded.
    pub encoding: VideoEncoding,
    /// What the encoder made.
    pub bytes: Vec<u8>,
    /// In ticks of [`CLOCK_RATE`](super::video::CLOCK_RATE).
    pub timestamp: u32,
    /// When it was captured, by the sender's clock.
    pub captured: Option<SystemTime>,
    /// By how many quarter turns it is to be rotated, if the packet says so.
    pub turns: Option<u8>,
    /// Who can do without it.
    pub layer: Layer,
}

/// What an [`Assembler`] has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Assembled {
    /// A frame.
    Frame(AssembledFrame),
    /// Nothing can be shown before a key frame comes: the sender should be asked for one.
    Broken,
    /// The packets of a frame contradict each other.
    Faulty(VideoFault),
}

/// Puts the frames of one stream together again.
pub struct Assembler {
    encoding: VideoEncoding,
    packets: BTreeMap<u64, Waiting>,
    /// The packet that comes next; `None` before a key frame has begun.
    next: Option<u64>,
    /// The number of the last frame of layer 0, if the sender has layers.
    base: Option<u8>,
    /// A key frame came with its parameters: others may come without.
    has_parameters: bool,
    asked: Option<Instant>,
}

impl Assembler {
    /// A stream that has not begun.
    #[must_use]
    pub fn new(encoding: VideoEncoding) -> Self {
        Self { encoding, packets: BTreeMap::new(), next: None, base: None, has_parameters: false, asked: None }
    }

    /// How its frames are encoded.
    #[must_use]
    pub fn encoding(&self) -> VideoEncoding {
        self.encoding
    }

    /// A packet came. False if it is none, too late or one too many.
    pub fn insert(&mut self, received: &ReceivedRtp) -> bool {
        let payload = &received.packet.payload;
        if payload.len() > MAX_RECEIVED {
            return false;
        }
        let Some(piece) = self.encoding.read(payload) else { return false };
        let late = self.next.is_some_and(|next| received.sequence < next);
        if late || self.packets.len() >= MAX_PACKETS || self.packets.contains_key(&received.sequence) {
            return false;
        }
        let RtpPacket { timestamp, marker, .. } = received.packet;
        let waiting = Waiting {
            timestamp,
            marker,
            arrived: received.arrived,
            captured: received.captured,
            turns: received.turns,
            piece,
        };
        self.packets.insert(received.sequence, waiting);
        true
    }

    /// A key frame begins with it, and all that it needs is there.
    fn is_key(&self, waiting: &Waiting) -> bool {
        match waiting.piece.key {
            PieceKey::No => false,
            PieceKey::Whole => true,
            PieceKey::WithoutParameters => self.has_parameters,
        }
    }

    /// The decoder could not use a frame: the next must be a key frame.
    pub fn broke(&mut self) {
        self.next = None;
    }

    /// What there is now. A frame is `held` for so long before it is shown.
    pub fn poll(&mut self, now: Instant, held: Duration) -> Option<Assembled> {
        if let Some(frame) = self.frame().or_else(|| self.skip(now, held)) {
            return Some(frame);
        }
        let waits = self.next.is_some() || self.packets.values().any(|packet| self.is_key(packet));
        let patience = if waits { PATIENCE } else { BEGINNING };
        let stale = |packet: &Waiting| now.saturating_duration_since(packet.arrived) >= patience;
        let full = self.packets.len() >= MAX_PACKETS;
        if !full && !self.packets.values().next().is_some_and(stale) {
            return None;
        }
        // What is missing does not come any more, but something whole may be there that needs nothing before it.
        let keys = self.packets.iter().filter(|(_, packet)| self.is_key(packet)).map(|(number, _)| *number);
        if let Some(whole) = keys.into_iter().find(|number| self.end(*number).is_some()) {
            self.next = Some(whole);
            return self.frame();
        }
        self.next = None;
        self.packets.retain(|_, packet| !full && !stale(packet));
        // A key frame of which a piece is still missing may need no other.
        if self.packets.values().any(|packet| self.is_key(packet))
            || self.asked.is_some_and(|asked| now.saturating_duration_since(asked) < ASK_AGAIN)
        {
            return None;
        }
        self.asked = Some(now);
        Some(Assembled::Broken)
    }

    /// The next frame that can be shown though one before it is missing.
    fn skip(&mut self, now: Instant, held: Duration) -> Option<Assembled> {
        let (_, base) = (self.next?, self.base?);
        let late = |packet: &Waiting| now.saturating_duration_since(packet.arrived) >= held + SKIPPED;
        self.packets.values().next().filter(|first| late(first))?;
        let follow = self.packets.iter().filter(|(_, packet)| packet.follows(base)).map(|(number, _)| *number);
        let whole = follow.into_iter().find(|number| self.end(*number).is_some())?;
        self.next = Some(whole);
        self.frame()
    }

    /// The last packet of the frame that begins with this one, if all of it is there, and its timestamp.
    fn end(&self, first: u64) -> Option<(u64, u32)> {
        let timestamp = self.packets.get(&first).filter(|first| first.piece.starts)?.timestamp;
        let mut end = first;
        loop {
            let packet = self.packets.get(&end).filter(|packet| packet.timestamp == timestamp)?;
            if packet.marker {
                return Some((end, timestamp));
            }
            end += 1;
        }
    }

    /// The next frame, if all of it is there.
    fn frame(&mut self) -> Option<Assembled> {
        let next =
            self.next.or_else(|| self.packets.iter().find(|(_, packet)| self.is_key(packet)).map(|(at, _)| *at))?;
        let (end, timestamp) = self.end(next)?;
        self.packets = self.packets.split_off(&next); // What came before a key frame is no use.
        let rest = self.packets.split_off(&(end + 1));
        let frame = std::mem::replace(&mut self.packets, rest);
        self.next = Some(end + 1);
        self.asked = None;
        let layer = frame.values().find_map(|packet| packet.piece.layer);
        if let Some((Layer { number: 0, .. }, base)) = layer {
            self.base = Some(base);
        }
        let layer = layer.map_or_else(Layer::default, |(layer, _)| layer);
        let captured = frame.values().find_map(|packet| packet.captured);
        let turns = frame.values().find_map(|packet| packet.turns);
        self.has_parameters |= frame.values().any(|packet| packet.piece.key == PieceKey::Whole);
        let encoding = self.encoding;
        match encoding.join(frame.into_values().map(|packet| packet.piece.bytes)) {
            Ok(bytes) => Some(Assembled::Frame(AssembledFrame { encoding, bytes, timestamp, captured, turns, layer })),
            Err(why) => {
                self.next = None;
                Some(Assembled::Faulty(why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::video::{Encoded, MAX_PAYLOAD};

    const KEY: u8 = 0x10;
    const OTHER: u8 = 0x11;

    /// Frames of so many bytes, as packets from sequence number 1 on, 33 ms apart.
    fn sent(start: Instant, frames: &[(u8, usize)]) -> Vec<ReceivedRtp> {
        let mut payloader = VideoEncoding::Vp8.payloader();
        let mut packets = Vec::new();
        for (number, (first, length)) in (0u32..).zip(frames) {
            let mut frame = vec![u8::try_from(number).unwrap(); *length];
            frame[0] = *first;
            let arrived = start + Duration::from_millis(33) * number;
            let frame = Encoded { key: *first == KEY, bytes: frame, layer: Layer::default() };
            packets.extend(payloader.packets(&frame, number * 3_000).into_iter().map(|packet| (arrived, packet)));
        }
        let received = |(sequence, (arrived, packet)): (u64, (Instant, RtpPacket))| ReceivedRtp {
            ssrc: 1,
            payload_type: 98,
            sequence,
            arrived,
            captured: None,
            turns: None,
            packet,
        };
        (1u64..).zip(packets).map(received).collect()
    }

    /// What comes out, by the length of frames; zero for a request.
    fn played(packets: &[ReceivedRtp]) -> Vec<usize> {
        let (mut assembler, mut out) = (Assembler::new(VideoEncoding::Vp8), Vec::new());
        for packet in packets {
            assembler.insert(packet);
            while let Some(assembled) = assembler.poll(packet.arrived, Duration::ZERO) {
                out.push(match assembled {
                    Assembled::Frame(frame) => frame.bytes.len(),
                    Assembled::Broken => 0,
                    Assembled::Faulty(why) => panic!("{why}"),
                });
            }
        }
        out
    }

    #[test]
    fn frames_come_out_as_they_went_in_whatever_order_their_packets_take() {
        let frames = [(KEY, 5_000), (OTHER, 1), (OTHER, 1_144), (OTHER, 1_145), (OTHER, 3_000)];
        let mut packets = sent(Instant::now(), &frames);
        assert!(packets.iter().all(|packet| packet.packet.payload.len() <= MAX_PAYLOAD));
        assert_eq!(played(&packets), [5_000, 1, 1_144, 1_145, 3_000]);
        packets[..5].reverse();
        assert_eq!(played(&packets), [5_000, 1, 1_144, 1_145, 3_000]);
    }

    #[test]
    fn behind_a_packet_that_never_comes_a_key_frame_is_asked_for_once_and_nothing_else_is_shown() {
        let mut frames = vec![(KEY, 3_000), (OTHER, 2_000)];
        frames.extend([(OTHER, 500); 26]);
        frames.push((KEY, 2_500));
        frames.push((OTHER, 600));
        let mut packets = sent(Instant::now(), &frames);
        packets.remove(3);
        assert_eq!(played(&packets), [3_000, 0, 2_500, 600]);
    }

    #[test]
    fn a_key_frame_that_is_there_is_not_asked_for_again() {
        let mut frames = vec![(KEY, 3_000), (OTHER, 2_000), (KEY, 2_500)];
        frames.extend([(OTHER, 500); 26]);
        let mut packets = sent(Instant::now(), &frames);
        packets.remove(3);
        // After 800 ms without the packet.
        assert_eq!(played(&packets), [&[3_000, 2_500][..], &[500; 26]].concat());
    }

    #[test]
    fn a_receiver_that_joins_a_running_stream_asks_for_a_key_frame_and_waits_for_it() {
        let frames = [[(OTHER, 500); 5].as_slice(), &[(KEY, 2_500), (OTHER, 600)]].concat();
        assert_eq!(played(&sent(Instant::now(), &frames)), [0, 2_500, 600]);
    }

    #[test]
    fn as_long_as_no_key_frame_comes_it_is_asked_again() {
        let frames = [(OTHER, 500); 60];
        assert_eq!(played(&sent(Instant::now(), &frames)), [0; 4], "two seconds");
    }

    #[test]
    fn a_lost_frame_that_nothing_needs_is_left_out_without_asking() {
        let mut payloader = VideoEncoding::Vp8.payloader();
        let pattern = [(0, false), (2, true), (1, true), (2, false)];
        let (mut packets, start) = (Vec::new(), Instant::now());
        for (number, (layer, sync)) in (0u32..).zip(pattern.into_iter().cycle().take(40)) {
            let mut bytes = vec![7; 1_000 + number as usize];
            bytes[0] = if number == 0 { KEY } else { OTHER };
            let frame = Encoded { key: number == 0, bytes, layer: Layer { number: layer, sync } };
            let packet = payloader.packets(&frame, number * 3_000).remove(0);
            let (payload_type, sequence, captured) = (98, u64::from(number), None);
            let arrived = start + Duration::from_millis(33) * number;
            packets.push(ReceivedRtp { ssrc: 1, payload_type, sequence, arrived, captured, turns: None, packet });
        }
        let without = |lost: &[usize]| {
            let came = packets.iter().filter(|packet| !lost.contains(&(packet.sequence as usize)));
            played(&came.cloned().collect::<Vec<_>>())
                .into_iter()
                .map(|length| length.saturating_sub(1_000))
                .collect::<Vec<_>>()
        };
        let all_but = |lost: &[usize]| (0..40).filter(|number| !lost.contains(number)).collect::<Vec<_>>();
        assert_eq!(without(&[5]), all_but(&[5]), "of layer 2");
        assert_eq!(without(&[6]), all_but(&[6, 7]), "of layer 1, which one of layer 2 needs");
        assert_eq!(without(&[5, 6, 7]), all_but(&[5, 6, 7]));
        assert_eq!(without(&[8])[8], 0, "of layer 0, which all need: it is asked for a key frame");
        assert_eq!(without(&[8]).len(), 9);
    }

    #[test]
    fn a_flood_is_kept_to_the_bound() {
        let (mut assembler, now) = (Assembler::new(VideoEncoding::Vp8), Instant::now());
        for packet in sent(now, &[(OTHER, 900_000)]) {
            assembler.insert(&packet);
        }
        assert!(assembler.packets.len() <= MAX_PACKETS);
    }
}
