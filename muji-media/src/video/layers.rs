//! Which of our frames a peer gets: one on a slow path gets fewer temporal layers, one whose path is congested gets none until the queue
//! before it has drained, and one that rests gets none until it goes on.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use crate::rtp::RtpPacket;
use crate::video::packetized::PacketizedFrame;

/// How long the queue before a congested path takes to drain: home routers hold some 300 ms.
const DRAINS: Duration = Duration::from_millis(500);

/// Leaves out frames for one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerFilter {
    /// The highest layer that is to be sent, and the one that is sent now.
    most: u8,
    sent: u8,
    /// Frames left out so far.
    kept_back: u16,
    pause: Pause,
    /// When the last key frame was sent.
    key_frame_at: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// Frames are sent.
    None,
    /// Nothing is sent until then.
    Until(Instant),
    /// Nothing is sent before the next key frame, which is asked for.
    KeyFrame,
    /// Nothing is sent, however long that takes.
    Rest,
}

/// What a peer gets of a frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Share<'a> {
    /// All of it.
    All(Cow<'a, [RtpPacket]>),
    /// Nothing.
    Nothing,
    /// Nothing; and the next frame for it must be a key frame.
    WantsKeyFrame,
}

impl Default for LayerFilter {
    /// All layers are sent.
    fn default() -> Self {
        Self { most: u8::MAX, sent: u8::MAX, kept_back: 0, pause: Pause::None, key_frame_at: None }
    }
}

impl LayerFilter {
    /// From now on only the layers up to this one are sent. Fewer at once; more from the next frame of the lowest layer on, which needs none of
    /// the frames that were left out.
    pub fn limit(&mut self, most: u8) {
        self.most = most;
    }

    /// The path is congested: nothing is sent until its queue has drained.
    pub fn pause(&mut self, now: Instant) {
        if self.pause != Pause::Rest {
            self.pause = Pause::Until(now + DRAINS);
        }
        self.key_frame_at = None;
    }

    /// Nothing is sent from now on.
    pub(crate) fn rest(&mut self) {
        self.pause = Pause::Rest;
        self.key_frame_at = None;
    }

    /// After a rest frames are sent again, from a key frame on.
    pub(crate) fn go_on(&mut self, now: Instant) {
        if self.pause == Pause::Rest {
            self.pause = Pause::Until(now);
        }
    }

    /// When the last key frame was sent to this peer, if nothing was kept from it since.
    #[must_use]
    pub fn key_frame_at(&self) -> Option<Instant> {
        self.key_frame_at
    }

    /// What this peer gets of a frame.
    pub fn take<'a>(&mut self, now: Instant, coded: &'a PacketizedFrame) -> Share<'a> {
        let PacketizedFrame { encoding, layer, key, packets } = coded;
        // A frame of layer 1 may refer to one of layer 1 that was left out; one of layer 0 refers only to others of layer 0.
        self.sent = if *layer == 0 { self.most } else { self.sent.min(self.most) };
        // Asked for only now: a key frame made earlier would have met the full queue, and it is as large as several other frames.
        let wants_key_frame = match self.pause {
            Pause::Until(until) => until <= now,
            Pause::None | Pause::KeyFrame | Pause::Rest => false,
        };
        if wants_key_frame || self.pause == Pause::KeyFrame && *key {
            self.pause = if *key { Pause::None } else { Pause::KeyFrame };
        }
        if *layer > self.sent || self.pause != Pause::None {
            // The picture ID has 15 bits and wraps, and so does this.
            self.kept_back = self.kept_back.wrapping_add(1);
            return if wants_key_frame { Share::WantsKeyFrame } else { Share::Nothing };
        }
        self.key_frame_at = key.then_some(now).or(self.key_frame_at);
        // A gap in the picture IDs looks like a lost frame: the peer would wait for it, and then ask for a key frame.
        Share::All(match self.kept_back {
            0 => Cow::Borrowed(packets),
            kept_back => packets.iter().map(|packet| encoding.renumbered(packet, kept_back)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encoding::VideoEncoding;
    use crate::codec::video::{Encoded, Layer, Payloader};

    fn coded(payloader: &mut dyn Payloader, number: u8, key: bool) -> PacketizedFrame {
        let layer = Layer { number, sync: false };
        let packets = payloader.packets(&Encoded { bytes: vec![1; 3_000], key, layer }, 0);
        PacketizedFrame { encoding: VideoEncoding::Vp8, layer: number, key, packets }
    }

    /// The numbers of frames as they are counted on the wire, of those that pass; `None` for those kept back.
    fn passes(filter: &mut LayerFilter, payloader: &mut dyn Payloader, layers: &[u8]) -> Vec<Option<u16>> {
        let pass = |number: &u8| {
            let coded = coded(payloader, *number, false);
            let Share::All(taken) = filter.take(Instant::now(), &coded) else { return None };
            let packets = &coded.packets;
            assert_eq!(taken.len(), packets.len());
            let ids = taken.iter().map(|packet| u16::from_be_bytes([packet.payload[2], packet.payload[3]]) & 0x7FFF);
            let (ids, ends): (Vec<u16>, Vec<_>) = ids.zip(taken.iter().map(|packet| &packet.payload[4..])).unzip();
            assert!(ends.into_iter().eq(packets.iter().map(|packet| &packet.payload[4..])), "nothing else is changed");
            assert!(ids.iter().all(|id| *id == ids[0]));
            Some(ids[0])
        };
        layers.iter().map(pass).collect()
    }

    #[test]
    fn who_gets_fewer_layers_sees_no_gap_in_the_numbers_of_frames() {
        let (mut filter, mut payloader) = (LayerFilter::default(), VideoEncoding::Vp8.payloader());
        let all = passes(&mut filter, &mut *payloader, &[0, 2, 1, 2]);
        assert_eq!(all, [Some(1), Some(2), Some(3), Some(4)]);
        filter.limit(1);
        assert_eq!(passes(&mut filter, &mut *payloader, &[0, 2, 1, 2]), [Some(5), None, Some(6), None]);
        filter.limit(0);
        assert_eq!(passes(&mut filter, &mut *payloader, &[0, 2, 1, 2]), [Some(7), None, None, None]);
    }

    #[test]
    fn whose_path_became_narrower_gets_nothing_for_a_while_and_then_a_key_frame_first() {
        let (mut filter, mut payloader, begun) =
            (LayerFilter::default(), VideoEncoding::Vp8.payloader(), Instant::now());
        let mut shown = |filter: &mut LayerFilter, ms, key| {
            let coded = coded(&mut *payloader, 0, key);
            match filter.take(begun + Duration::from_millis(ms), &coded) {
                Share::All(_) => "all",
                Share::Nothing => "nothing",
                Share::WantsKeyFrame => "wants a key frame",
            }
        };
        filter.pause(begun);
        let frames = [(0, false), (33, true), (499, false), (500, false), (533, false), (566, true), (600, false)];
        assert_eq!(
            frames.map(|(ms, key)| shown(&mut filter, ms, key)),
            ["nothing", "nothing", "nothing", "wants a key frame", "nothing", "all", "all"]
        );
        filter.pause(begun);
        assert_eq!(shown(&mut filter, 600, true), "all", "it comes in time");
    }

    #[test]
    fn who_rests_gets_nothing_whatever_happens_to_its_path_and_goes_on_with_a_key_frame() {
        let (mut filter, mut payloader, now) = (LayerFilter::default(), VideoEncoding::Vp8.payloader(), Instant::now());
        let mut takes = |filter: &mut LayerFilter, key| match filter.take(now, &coded(&mut *payloader, 0, key)) {
            Share::All(packets) => Some(u16::from_be_bytes([packets[0].payload[2], packets[0].payload[3]]) & 0x7FFF),
            Share::Nothing | Share::WantsKeyFrame => None,
        };
        assert_eq!(takes(&mut filter, true), Some(1));
        filter.rest();
        filter.pause(now - DRAINS);
        assert_eq!([true, false].map(|key| takes(&mut filter, key)), [None, None]);
        filter.go_on(now);
        assert_eq!([false, true, false].map(|key| takes(&mut filter, key)), [None, Some(2), Some(3)]);
        filter.go_on(now);
        assert_eq!(takes(&mut filter, false), Some(4), "it did not rest");
    }

    #[test]
    fn less_is_sent_at_once_and_more_from_a_frame_of_the_lowest_layer_on() {
        let (mut filter, mut payloader) = (LayerFilter::default(), VideoEncoding::Vp8.payloader());
        passes(&mut filter, &mut *payloader, &[0, 2]);
        filter.limit(0);
        assert_eq!(passes(&mut filter, &mut *payloader, &[1, 2, 0]), [None, None, Some(3)]);
        filter.limit(2);
        assert_eq!(passes(&mut filter, &mut *payloader, &[2, 1, 2, 0, 2]), [None, None, None, Some(4), Some(5)]);
    }
}
