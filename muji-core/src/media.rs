//! The media layer as the core sees it.

use std::task::{Context, Poll};

pub use muji_jingle::TransportId;
pub use muji_jingle::media::{
    CandidateCounts, DtlsRole, IceRole, IceServer, LocalTransport, MediaCommand, MediaReport, MediaTrouble,
    NetworkFailure, OpenContent, PathFailure, RemoteTransport, Sending, ServerKind, ServerTransport, TransportFailure,
};
pub use muji_xep::extdisco::ExternalService;
pub use muji_xep::ice::{Candidate, CandidateKind};
pub use muji_xep::jingle::Senders;
pub use muji_xep::rtp::{AnnouncedStream, Feedback, HeaderExtension, Parameter, PayloadType};

use muji_xep::rtp::Media;

pub use crate::ice_servers::ice_server;

/// What a media layer can encode and decode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Encodings of sound, best first, with the ids we propose.
    pub audio: Vec<PayloadType>,
    /// Encodings of pictures, a camera's or a screen's, best first, with the ids we propose.
    pub video: Vec<PayloadType>,
    /// Header extensions that packets of sound may have, with the ids we propose, 1 to 14 (XEP-0294, RFC 8285 section 4.2). Contents can
    /// share a transport, so one id means the same with sound and with pictures.
    pub audio_extensions: Vec<HeaderExtension>,
    /// The same of packets of pictures.
    pub video_extensions: Vec<HeaderExtension>,
    /// Lost packets of pictures can be sent again, and come again, by an SSRC of their own (RTX, RFC 4588).
    pub video_rtx: bool,
}

impl Capabilities {
    /// Encodings of a medium.
    #[must_use]
    pub fn of(&self, media: &Media) -> &[PayloadType] {
        match media {
            Media::Audio => &self.audio,
            Media::Video | Media::Slides => &self.video,
            Media::Other(_) => &[],
        }
    }

    /// Whether lost packets of a medium can be sent again by an SSRC of their own.
    pub(crate) fn rtx(&self, media: &Media) -> bool {
        match media {
            Media::Video | Media::Slides => self.video_rtx,
            Media::Audio | Media::Other(_) => false,
        }
    }

    /// Header extensions of a medium.
    #[must_use]
    pub fn extensions(&self, media: &Media) -> &[HeaderExtension] {
        match media {
            Media::Video | Media::Slides => &self.video_extensions,
            Media::Audio => &self.audio_extensions,
            Media::Other(_) => &[],
        }
    }
}

/// All that a client with its own media stack writes. `examples/own_media.rs` is one.
pub trait MediaBackend: Send {
    /// What it can do; asked once.
    fn capabilities(&self) -> Capabilities;

    /// Begins to do what is asked and returns at once.
    fn execute(&mut self, command: MediaCommand);

    /// The next report; `None` when the backend is gone.
    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<MediaReport>>;
}
