//! One content that flows over a transport: what was negotiated for it, the numbers of its packets, and what the peer misses of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_core::media::OpenContent;
use muji_xep::rtp::{Media, PayloadType};

use super::interface::{NegotiatedContent, TransportOutput, uses_nack};
use super::loss_reports::LossReports;
use super::receive_rate_limit::ReceiveRateLimit;
use super::resend::{SentPackets, SequencedPacket};
use super::sources::Receivable;
use crate::rtp::RtpPacket;

/// One content.
pub(super) struct ContentStream {
    pub(super) name: Arc<str>,
    pub(super) ssrc: u32,
    /// By which the peer gets again what it missed, if it takes that.
    pub(super) rtx_ssrc: Option<u32>,
    /// What the peer may send.
    pub(super) payload_types: Vec<PayloadType>,
    pub(super) negotiated: Option<NegotiatedContent>,
    /// The content was removed, and another may take its place: in a long call pictures come and go hundreds of times.
    pub(super) is_removed: bool,
    /// Lost packets are asked for, and sent again.
    pub(super) nack: bool,
    is_audio: bool,
    /// Makes REMB for the peer, unless it has transport-wide feedback and no bound of ours.
    pub(super) receive_rate_limit: Option<ReceiveRateLimit>,
    sequence: u64,
    rtx_sequence: u64,
    sent: SentPackets,
    losses: LossReports,
}

impl ContentStream {
    /// A content that is opened; `counted` if both ends use transport-wide congestion control.
    pub(super) fn new(content: &OpenContent, counted: bool) -> Self {
        Self {
            name: content.name.as_str().into(),
            ssrc: content.ssrc,
            rtx_ssrc: content.rtx_ssrc,
            payload_types: content.payload_types.clone(),
            negotiated: None,
            is_removed: false,
            nack: uses_nack(content),
            is_audio: matches!(content.media, Media::Audio | Media::Other(_)),
            receive_rate_limit: (content.media != Media::Audio && !counted).then(ReceiveRateLimit::default),
            // Our sequence numbers start low, far from a wrap, whatever the peer's do.
            sequence: 0,
            rtx_sequence: 0,
            sent: SentPackets::default(),
            losses: LossReports::default(),
        }
    }

    /// Those who get what the peer sends of it cannot take more than that, in bits a second.
    pub(super) fn limit_received(&mut self, most: Option<u32>) {
        if let Some(most) = most {
            self.receive_rate_limit.get_or_insert_with(ReceiveRateLimit::counted).set_most(Some(most));
        } else if let Some(limit) = &mut self.receive_rate_limit {
            limit.set_most(None);
        }
    }

    /// The content is no longer part of the transport.
    pub(super) fn remove(&mut self) {
        self.negotiated = None;
        self.is_removed = true;
    }

    /// It has this name, and was not removed.
    pub(super) fn is_named(&self, name: &str) -> bool {
        !self.is_removed && *self.name == *name
    }

    pub(super) fn set_negotiated(&mut self, negotiated: &NegotiatedContent) {
        if let Some(send) = &negotiated.send {
            self.nack = send.is_nacked();
        }
        self.negotiated = Some(negotiated.clone());
    }

    /// The payload type that we send.
    pub(super) fn payload_type(&self) -> Option<u8> {
        Some(self.negotiated.as_ref()?.send.as_ref()?.id)
    }

    /// The payload type whose packets come again by this one (RTX).
    pub(super) fn sent_again(&self, payload_type: u8) -> Option<u8> {
        self.payload_types.iter().find(|known| known.id == payload_type)?.sent_again()
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
        let copies: Vec<SequencedPacket> = self.sent.copies().into_iter().map(|copy| self.again(copy)).collect();
        let numbered = packets.iter().map(move |packet| {
            self.sequence += 1;
            let (ssrc, sequence, packet) = (self.ssrc, self.sequence, packet.clone());
            let numbered = SequencedPacket { ssrc, sequence, payload_type, captured, packet };
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
        self.sent.resend(now, number).map(|numbered| self.again(numbered))
    }

    /// The payload type and the SSRC by which the peer gets again what it missed, if it takes that.
    fn rtx(&self) -> Option<(u8, u32)> {
        self.negotiated.as_ref()?.rtx.zip(self.rtx_ssrc)
    }

    /// A packet as the peer gets it again: by an SSRC of its own, with its number in front (RFC 4588 section 4), or as it was.
    fn again(&mut self, numbered: SequencedPacket) -> SequencedPacket {
        // The payload type of RTX is that of the one codec which is sent now.
        let rtx = self.rtx().filter(|_| self.payload_type() == Some(numbered.payload_type));
        let Some((payload_type, ssrc)) = rtx else { return numbered };
        self.rtx_sequence += 1;
        let SequencedPacket { sequence, packet, .. } = numbered;
        let payload = [&(sequence as u16).to_be_bytes()[..], &packet.payload[..]].concat().into();
        let packet = RtpPacket { payload, ..packet };
        SequencedPacket { ssrc, sequence: self.rtx_sequence, payload_type, packet, ..numbered }
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
        let share = self.losses.reported(now, highest, lost, self.sent.repairs(), self.rtx().is_some())?;
        if self.is_audio {
            return Some(TransportOutput::AudioLoss(share));
        }
        (!self.sent.reported_congestion_lately(now)).then_some(TransportOutput::Loss(share))
    }
}
