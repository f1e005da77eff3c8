//! Who gets which of our pictures: those on slow paths do without the higher temporal layers.

use std::borrow::Cow;

use crate::codec::vp8::renumbered;
use crate::transport::RtpPacket;

/// Keeps pictures back from one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerFilter {
    /// The highest layer that is to be sent, and that is sent now.
    most: u8,
    sent: u8,
    /// Pictures kept back so far.
    kept_back: u16,
}

impl Default for LayerFilter {
    /// Everything is sent.
    fn default() -> Self {
        Self { most: u8::MAX, sent: u8::MAX, kept_back: 0 }
    }
}

impl LayerFilter {
    /// From now on not more than the layers up to this one. It is less at once, and more from the next picture on that needs none of those
    /// kept back.
    pub fn limit(&mut self, most: u8) {
        self.most = most;
    }

    /// The packets of a picture of this layer as this peer gets them; `None` if it does without. Sound has layer 0.
    pub fn take<'a>(&mut self, layer: u8, packets: &'a [RtpPacket]) -> Option<Cow<'a, [RtpPacket]>> {
        self.sent = if layer == 0 { self.most } else { self.sent.min(self.most) };
        if layer > self.sent {
            self.kept_back = self.kept_back.wrapping_add(1);
            return None;
        }
        Some(match self.kept_back {
            0 => Cow::Borrowed(packets),
            kept_back => packets.iter().map(|packet| renumbered(packet, kept_back)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::vp8::{Encoded, Layer, Payloader};

    /// The numbers of pictures as they are counted on the wire, of those that pass; `None` for those kept back.
    fn passes(filter: &mut LayerFilter, payloader: &mut Payloader, layers: &[u8]) -> Vec<Option<u16>> {
        let pass = |number: &u8| {
            let layer = Layer { number: *number, sync: false };
            let packets = payloader.packets(&Encoded { bytes: vec![1; 3_000], key: false, layer }, 0);
            let taken = filter.take(*number, &packets)?;
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
    fn who_gets_fewer_layers_sees_no_gap_in_the_numbers_of_pictures() {
        let (mut filter, mut payloader) = (LayerFilter::default(), Payloader::default());
        let all = passes(&mut filter, &mut payloader, &[0, 2, 1, 2]);
        assert_eq!(all, [Some(1), Some(2), Some(3), Some(4)]);
        filter.limit(1);
        assert_eq!(passes(&mut filter, &mut payloader, &[0, 2, 1, 2]), [Some(5), None, Some(6), None]);
        filter.limit(0);
        assert_eq!(passes(&mut filter, &mut payloader, &[0, 2, 1, 2]), [Some(7), None, None, None]);
    }

    #[test]
    fn less_is_sent_at_once_and_more_from_a_picture_of_the_lowest_layer_on() {
        let (mut filter, mut payloader) = (LayerFilter::default(), Payloader::default());
        passes(&mut filter, &mut payloader, &[0, 2]);
        filter.limit(0);
        assert_eq!(passes(&mut filter, &mut payloader, &[1, 2, 0]), [None, None, Some(3)]);
        filter.limit(2);
        assert_eq!(passes(&mut filter, &mut payloader, &[2, 1, 2, 0, 2]), [None, None, None, Some(4), Some(5)]);
    }
}
