//! A session with one device of a peer, and what is sent in it.

use jid::BareJid;
use muji_core::media::OpenContent;
use muji_core::{CallId, Media};
use muji_jingle::TransportId;

use crate::codec::encoding::AudioEncoding;
use crate::video::layers::LayerFilter;

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
    /// Leaves out layers of video that the path is too narrow for.
    pub(super) filter: LayerFilter,
}

impl SentContent {
    pub(super) fn new(content: &OpenContent) -> Self {
        Self {
            name: content.name.clone(),
            media: content.media.clone(),
            transport: content.transport,
            publication: None,
            encoding: None,
            filter: LayerFilter::default(),
        }
    }
}
