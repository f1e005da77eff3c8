//! How str0m is told of a content.

use std::time::{Duration, Instant};

use muji_core::media::OpenContent;
use muji_xep::rtp::Media;
use str0m::Rtc;
use str0m::change::DirectApi;
use str0m::media::{MediaKind, Mid, Rid};

use super::pacing::Pacing;
use crate::transport::content_stream::ContentStream;
use crate::transport::contributors::Contributor;
use crate::transport::mid::MAX_NAME;
use crate::transport::rtp_head::RtpHead;

/// A content, and how str0m knows it.
pub(super) struct Stream {
    pub(super) mid: Mid,
    pub(super) content: ContentStream,
    /// Who is heard in it, if we are a mixer.
    pub(super) contributors: Vec<Contributor>,
    /// Of video: str0m paces nothing else.
    pub(super) pacing: Option<Pacing>,
}

/// The contents of a transport, each in its place. One that was removed leaves its place to the next that comes.
pub(super) struct Streams(Vec<Stream>);

impl Streams {
    pub(super) fn new(streams: impl Iterator<Item = Stream>) -> Self {
        Self(streams.collect())
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Stream> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Stream> {
        self.0.iter_mut()
    }

    pub(super) fn get(&self, place: usize) -> Option<&Stream> {
        self.0.get(place)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Stream> {
        self.0.get_mut(place)
    }

    /// The place of a content.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.iter().position(|stream| stream.content.is_named(name))
    }

    /// Where a content goes that is added.
    pub(super) fn place_for(&self, name: &str) -> usize {
        let removed = || self.iter().position(|stream| stream.content.is_removed);
        self.place(name).or_else(removed).unwrap_or(self.0.len())
    }

    pub(super) fn put(&mut self, place: usize, stream: Stream) {
        match self.0.get_mut(place) {
            Some(known) => *known = stream,
            None => self.0.push(stream),
        }
    }

    pub(super) fn named(&mut self, name: &str) -> Option<&mut Stream> {
        self.iter_mut().find(|stream| stream.content.is_named(name))
    }

    /// That whose new packets have this SSRC.
    pub(super) fn sent_by(&mut self, ssrc: u32) -> Option<&mut Stream> {
        self.iter_mut().find(|stream| stream.content.ssrc == ssrc)
    }

    /// A packet left str0m's pacer.
    pub(super) fn left(&mut self, bytes: &[u8]) {
        let Some(ssrc) = RtpHead::ssrc(bytes) else { return };
        let sent = self.iter_mut().filter(|stream| stream.sends_by(ssrc));
        sent.filter_map(|stream| stream.pacing.as_mut()).for_each(Pacing::left);
    }

    /// str0m's timer ran late.
    pub(super) fn timer_ran(&mut self, now: Instant, due: Instant) {
        self.iter_mut().filter_map(|stream| stream.pacing.as_mut()).for_each(|pacing| pacing.timer_ran(now, due));
    }

    /// Of so many bits a second that the path carries these are left for packets that are new.
    pub(super) fn left_of(&self, bits: u32) -> u32 {
        self.iter().map(|stream| stream.content.left_of(bits)).min().unwrap_or(bits)
    }

    /// When REMB is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.iter().filter_map(|stream| stream.content.receive_rate_limit.as_ref()?.due()).min()
    }
}

/// A packet of an SSRC that is not known.
pub(super) struct Unproven {
    pub(super) ssrc: u32,
    /// Its content, by its place.
    pub(super) place: usize,
    /// It is one of this SSRC that is sent again.
    pub(super) sends_again: Option<u32>,
}

/// str0m finds the queue of a stream by its MID and RID, and without a RID by the MID alone: what is sent, and what is sent again, need
/// one each. They are not negotiated, and so in no packet.
const NEW: &str = "new";
const AGAIN: &str = "again";

impl Stream {
    /// Makes the stream by which packets are sent again, with the first of them: str0m would send reports about an empty one.
    pub(super) fn declare(&self, rtc: &mut Rtc, ssrc: u32) {
        let mut api = rtc.direct_api();
        if api.stream_tx(&ssrc.into()).is_none() {
            declare_sender(&mut api, ssrc, self.mid, AGAIN);
        }
    }

    /// What waits for too long leaves at once.
    pub(super) fn pace(&self, rtc: &mut Rtc, now: Instant) {
        let Some(pacing) = &self.pacing else { return };
        let mut api = rtc.direct_api();
        for ssrc in std::iter::once(self.content.ssrc).chain(self.content.rtx_ssrc) {
            if let Some(sender) = api.stream_tx(&ssrc.into()) {
                sender.set_unpaced(pacing.is_too_slow(now));
            }
        }
    }

    /// It sends by this SSRC, new packets or some again.
    fn sends_by(&self, ssrc: u32) -> bool {
        self.content.ssrc == ssrc || self.content.rtx_ssrc == Some(ssrc)
    }
}

/// The MID that our packets of a content have: its name, byte by byte, since str0m's own conversion replaces some. A name that is too long
/// for the header extension, which is then not used, has one that is no name.
fn mid_of(name: &str, index: u8) -> Mid {
    let mut mid = [b' '; MAX_NAME];
    match mid.get_mut(..name.len()) {
        Some(room) => room.copy_from_slice(name.as_bytes()),
        None => mid[..2].copy_from_slice(&[0x1F, index]),
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
    declare_sender(&mut api, content.ssrc, mid, NEW);
    let pacing = (kind == MediaKind::Video).then(Pacing::default);
    Stream { mid, content: ContentStream::new(content, counted), contributors: Vec::new(), pacing }
}

fn declare_sender(api: &mut DirectApi<'_>, ssrc: u32, mid: Mid, rid: &str) {
    let sender = api.declare_stream_tx(ssrc.into(), None, mid, Some(Rid::from(rid)));
    // What is sent again is kept by the content: str0m need not count what it could send again.
    sender.set_rtx_cache(0, Duration::ZERO, None);
}
