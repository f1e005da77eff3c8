//! One content as str0m knows it.

use std::sync::Arc;

use muji_core::media::OpenContent;
use muji_xep::rtp::Media;
use str0m::Rtc;
use str0m::media::{MediaKind, Mid};

use crate::transport::interface::{NegotiatedContent, uses_nack};
use crate::transport::receive_rate_limit::ReceiveRateLimit;
use crate::transport::resend::SentPackets;

/// One content as str0m knows it.
pub(super) struct Stream {
    pub(super) content: Arc<str>,
    pub(super) mid: Mid,
    pub(super) ssrc: u32,
    pub(super) sequence: u64,
    pub(super) negotiated: Option<NegotiatedContent>,
    /// Lost packets are asked for, and sent again.
    pub(super) nack: bool,
    pub(super) sent: SentPackets,
    /// Makes REMB for the peer, unless it has transport-wide feedback.
    pub(super) receive_rate_limit: Option<ReceiveRateLimit>,
}

pub(super) fn declare(rtc: &mut Rtc, index: u8, content: &OpenContent, counted: bool) -> Stream {
    let receive_rate_limit = (content.media != Media::Audio && !counted).then(ReceiveRateLimit::default);
    let mid = Mid::from(format!("c{index}").as_str());
    let kind = match content.media {
        Media::Video | Media::Slides => MediaKind::Video,
        Media::Audio | Media::Other(_) => MediaKind::Audio,
    };
    let mut api = rtc.direct_api();
    api.declare_media(mid, kind);
    api.declare_stream_tx(content.ssrc.into(), None, mid, None);
    // Our sequence numbers start low, far from a wrap, whatever the peer's do.
    let (content, ssrc, nack) = (content.name.as_str().into(), content.ssrc, uses_nack(content));
    Stream { content, mid, ssrc, sequence: 0, negotiated: None, nack, sent: SentPackets::default(), receive_rate_limit }
}
