//! A session with one device of a peer, and what is sent in it.

use std::time::Instant;

use jid::BareJid;
use muji_core::media::OpenContent;
use muji_core::{CallId, Media};
use muji_jingle::TransportId;

use super::digits::DigitSender;
use crate::codec::decoder_limit::DecoderLimit;
use crate::codec::encoding::{AudioEncoding, VideoEncoding};
use crate::codec::h264::UnknownLevel;
use crate::rtp::RtpPacket;
use crate::video::layers::LayerFilter;
use crate::video::packetized::VideoKind;

/// One session.
pub(super) struct PeerSession {
    pub(super) call: CallId,
    pub(super) peer: BareJid,
    pub(super) contents: Vec<SentContent>,
}

impl PeerSession {
    /// A content by its name.
    pub(super) fn content(&mut self, name: &str) -> Option<&mut SentContent> {
        self.contents.iter_mut().find(|content| content.name == name)
    }
}

/// One content: its transport, and which publication is sent as it.
pub(super) struct SentContent {
    pub(super) name: String,
    pub(super) media: Media,
    pub(super) transport: TransportId,
    pub(super) publication: Option<String>,
    /// How it is encoded, if it is audio.
    pub(super) encoding: Option<AudioEncoding>,
    /// And if it is video.
    pub(super) video_encoding: Option<VideoEncoding>,
    /// What the peer's decoder of it can do.
    pub(super) decoder_limit: DecoderLimit,
    /// What was told of it last that makes no sense.
    pub(super) unknown_level: Option<UnknownLevel>,
    /// The payload type under which it is sent with copies of earlier frames, and that of the frames.
    pub(super) red: Option<Red>,
    /// The timestamp of the last packet of audio, and when it was captured.
    pub(super) last: Option<(u32, Instant)>,
    /// Keys of telephones on their way.
    pub(super) digits: DigitSender,
    /// Leaves out layers of video that the path is too narrow for.
    pub(super) filter: LayerFilter,
}

/// How copies of earlier frames are sent (RFC 2198).
#[derive(Debug, Clone, Copy)]
pub(super) struct Red {
    pub(super) payload_type: u8,
    pub(super) of_frames: u8,
}

impl SentContent {
    /// The packet of a key that is due, and its payload type.
    pub(super) fn due_digit(&mut self, now: Instant) -> Option<(u8, RtpPacket)> {
        let clock_rate = self.encoding.unwrap_or(AudioEncoding::Opus).clock_rate();
        let timestamp = self.last.map_or(0, |(timestamp, captured)| {
            let since = now.saturating_duration_since(captured).as_secs_f64() * f64::from(clock_rate);
            timestamp.wrapping_add(since as u64 as u32)
        });
        self.digits.take(now, timestamp, clock_rate)
    }

    /// Which of our video is sent as it, and how it is encoded.
    pub(super) fn video(&self) -> Option<VideoKind> {
        self.publication.as_ref()?;
        Some((self.media.clone(), self.video_encoding?))
    }

    pub(super) fn new(content: &OpenContent) -> Self {
        Self {
            name: content.name.clone(),
            media: content.media.clone(),
            transport: content.transport,
            publication: None,
            encoding: None,
            video_encoding: None,
            decoder_limit: DecoderLimit::NONE,
            unknown_level: None,
            red: None,
            last: None,
            digits: DigitSender::default(),
            filter: LayerFilter::default(),
        }
    }
}
