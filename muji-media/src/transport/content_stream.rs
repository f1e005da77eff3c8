//! One content that flows over a transport: what was negotiated for it, the numbers of its packets, and what the peer misses of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_core::media::OpenContent;
use muji_xep::rtp::{Media, PayloadType};

use super::interface::{NegotiatedContent, TransportOutput, is_nacked, uses_nack};
use super::loss_reports::LossReports;
use super::receive_rate_limit::ReceiveRateLimit;
use super::resend::{SentPackets, SequencedPacket};
use super::sources::Receivable;
use crate::rtp::RtpPacket;

/// One content.
pub(super) struct ContentStream {
    pub(super) name: Arc<str>,
    pub(super) ssrc: u32,
    /// What the peer may send.
    pub(super) payload_types: Vec<PayloadType>,
    pub(super) negotiated: Option<NegotiatedContent>,
    /// Lost packets are asked for, and sent again.
    pub(super) nack: bool,
    is_audio: bool,
    /// Makes REMB for the peer, unless it has transport-wide feedback.
    pub(super) receive_rate_limit: Option<ReceiveRateLimit>,
    sequence: u64,
    sent: SentPackets,
    losses: LossReports,
}

impl ContentStream {
    /// A content that is opened; `counted` if both ends use transport-wide congestion control.
    pub(super) fn new(content: &OpenContent, counted: bool) -> Self {
        Self {
            name: content.name.as_str().into(),
            ssrc: content.ssrc,
            payload_types: content.payload_types.clone(),
            negotiated: None,
            nack: uses_nack(content),
            is_audio: matches!(content.media, Media::Audio | Media::Other(_)),
            receive_rate_limit: (content.media != Media::Audio && !counted).then(ReceiveRateLimit::default),
            // Our sequence numbers start low, far from a wrap, whatever the peer's do.
            sequence: 0,
            sent: SentPackets::default(),
            losses: LossReports::default(),
        }
    }

    pub(super) fn set_negotiated(&mut self, negotiated: &NegotiatedContent) {
        if let Some(send) = &negotiated.send {
            self.nack = is_nacked(send);
        }
        self.negotiated = Some(negotiated.clone());
    }

    /// The payload type that we send.
    pub(super) fn payload_type(&self) -> Option<u8> {
        Some(self.negotiated.as_ref()?.send.as_ref()?.id)
    }

    pub(super) fn receivable(&self) -> Receivable<'_> {
        let negotiated = self.negotiated.as_ref();
        Receivable { name: &self.name, negotiated, payload_types: &self.payload_types }
    }

    /// Packets that leave with this payload type, as the peer gets them, and before them copies of what was sent again.
    pub(super) fn number(
        &mut self,
        now: Instant,
        captured: Instant,
        payload_type: u8,
        packets: &[RtpPacket],
    ) -> impl Iterator<Item = SequencedPacket> {
        let copies = self.sent.copies();
        let numbered = packets.iter().map(move |packet| {
            self.sequence += 1;
            let numbered = SequencedPacket { sequence: self.sequence, payload_type, captured, packet: packet.clone() };
            if self.nack {
                self.sent.sent(now, numbered.clone());
            }
            numbered
        });
        copies.into_iter().chain(numbered)
    }

    /// The peer misses packets, given by the lower halves of their numbers. The share of what it misses, if that is congestion.
    pub(super) fn nacked(
        &mut self,
        now: Instant,
        numbers: impl IntoIterator<Item = u16>,
        round_trip: Option<Duration>,
    ) -> Option<f32> {
        numbers.into_iter().filter_map(|number| self.sent.nacked(now, number, round_trip)).last()
    }

    /// The packet to send again to a peer that misses it.
    pub(super) fn resend(&mut self, now: Instant, number: u16) -> Option<SequencedPacket> {
        self.sent.resend(now, number)
    }

    /// Of so many bits a second that the path carries these are left for packets that are new.
    pub(super) fn left_of(&self, bits: u32) -> u32 {
        self.sent.left_of(bits)
    }

    /// The peer reports what it received (RFC 3550 section 6.4.1). What was lost lately, if that is known and was not told as congestion.
    pub(super) fn reported(&mut self, now: Instant, highest: u32, lost: u32) -> Option<TransportOutput> {
        if !self.is_audio && !self.nack {
            return None;
        }
        let share = self.losses.reported(now, highest, lost)?;
        if self.is_audio {
            return Some(TransportOutput::AudioLoss(share));
        }
        (!self.sent.reported_congestion_lately(now)).then_some(TransportOutput::Loss(share))
    }
}
