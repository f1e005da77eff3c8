//! How str0m is told of a content.

use muji_core::media::OpenContent;
use muji_xep::rtp::Media;
use str0m::Rtc;
use str0m::media::{MediaKind, Mid};

use super::pacing::Pacing;
use crate::transport::content_stream::ContentStream;
use crate::transport::mid::MAX_NAME;

/// A content, and how str0m knows it.
pub(super) struct Stream {
    pub(super) mid: Mid,
    pub(super) content: ContentStream,
    /// Of video: str0m paces nothing else.
    pub(super) pacing: Option<Pacing>,
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
    let mid = mid_of(&content.name, index);
    let kind = match content.media {
        Media::Video | Media::Slides => MediaKind::Video,
        Media::Audio | Media::Other(_) => MediaKind::Audio,
    };
    let mut api = rtc.direct_api();
    api.declare_media(mid, kind);
    api.declare_stream_tx(content.ssrc.into(), None, mid, None);
    let pacing = (kind == MediaKind::Video).then(Pacing::default);
    Stream { mid, content: ContentStream::new(content, counted), pacing }
}
