//! One content as str0m knows it.

use std::sync::Arc;

use muji_core::media::OpenContent;
use muji_xep::rtp::{Media, PayloadType};
use str0m::Rtc;
use str0m::media::{MediaKind, Mid};

use crate::transport::interface::{NegotiatedContent, uses_nack};
use crate::transport::loss_reports::LossReports;
use crate::transport::mid::MAX_NAME;
use crate::transport::receive_rate_limit::ReceiveRateLimit;
use crate::transport::resend::SentPackets;
use crate::transport::sources::Receivable;

/// One content as str0m knows it.
pub(super) struct Stream {
    pub(super) content: Arc<str>,
    pub(super) mid: Mid,
    pub(super) ssrc: u32,
    pub(super) sequence: u64,
    pub(super) negotiated: Option<NegotiatedContent>,
    /// What the peer may send.
    pub(super) payload_types: Vec<PayloadType>,
    /// Lost packets are asked for, and sent again.
    pub(super) nack: bool,
    pub(super) sent: SentPackets,
    pub(super) losses: LossReports,
    /// Makes REMB for the peer, unless it has transport-wide feedback.
    pub(super) receive_rate_limit: Option<ReceiveRateLimit>,
}

impl Stream {
    pub(super) fn receivable(&self) -> Receivable<'_> {
        let (name, negotiated) = (&*self.content, self.negotiated.as_ref());
        Receivable { name, negotiated, payload_types: &self.payload_types }
    }
}

/// The MID that our packets of a content have: its name, byte by byte, since str0m's own conversion replaces some. A name that is too long
/// for the header extension, which is then not used, has one that is no name.
fn mid_of(name: &str, index: u8) -> Mid {
    let mut mid = [b' '; MAX_NAME];
    match mid.get_mut(..name.len()) {
        Some(room) => room.copy_from_slice(name.as_bytes()),
        None => mid[..2].copy_from_slice(&[0x1F, b'0' + index]),
    }
    Mid::from_array(mid)
}

pub(super) fn declare(rtc: &mut Rtc, index: u8, content: &OpenContent, counted: bool) -> Stream {
    let receive_rate_limit = (content.media != Media::Audio && !counted).then(ReceiveRateLimit::default);
    let mid = mid_of(&content.name, index);
    let kind = match content.media {
        Media::Video | Media::Slides => MediaKind::Video,
        Media::Audio | Media::Other(_) => MediaKind::Audio,
    };
    let mut api = rtc.direct_api();
    api.declare_media(mid, kind);
    api.declare_stream_tx(content.ssrc.into(), None, mid, None);
    // Our sequence numbers start low, far from a wrap, whatever the peer's do.
    Stream {
        content: content.name.as_str().into(),
        mid,
        ssrc: content.ssrc,
        sequence: 0,
        negotiated: None,
        payload_types: content.payload_types.clone(),
        nack: uses_nack(content),
        sent: SentPackets::default(),
        losses: LossReports::default(),
        receive_rate_limit,
    }
}
