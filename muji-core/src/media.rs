//! The media layer as the core sees it.

use std::task::{Context, Poll};

pub use muji_jingle::media::{
    DtlsRole, IceRole, LocalTransport, MediaCommand, MediaReport, OpenContent, RemoteTransport, Sending,
};
use muji_xep::rtp::{Media, PayloadType};

/// What a media layer can encode and decode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Encodings of sound, best first, with the ids we propose.
    pub audio: Vec<PayloadType>,
    /// Encodings of pictures, best first, with the ids we propose.
    pub video: Vec<PayloadType>,
}

impl Capabilities {
    /// Encodings of a medium.
    #[must_use]
    pub fn of(&self, media: &Media) -> &[PayloadType] {
        match media {
            Media::Audio => &self.audio,
            Media::Video => &self.video,
            Media::Other(_) => &[],
        }
    }
}

/// All that a client with a media stack of its own writes. `examples/own_media.rs` is one.
pub trait MediaBackend: Send {
    /// What it can do; asked once.
    fn capabilities(&self) -> Capabilities;

    /// Begins to do what is asked and returns at once.
    fn execute(&mut self, command: MediaCommand);

    /// The next report; `None` when the backend is gone.
    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<MediaReport>>;
}
