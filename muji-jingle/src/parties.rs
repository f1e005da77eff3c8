//! Who talks in a session, and what may be sent in it.

use jid::{BareJid, FullJid};
use muji_xep::rtp::{Extension, Media, PayloadType};

use crate::ids::{CallId, SessionId};

/// Who talks, and about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// The call whose publications are sent.
    pub call: CallId,
    /// The session.
    pub session: SessionId,
    /// Our full JID.
    pub us: FullJid,
    /// The peer's real full JID: the only sender whose stanzas count.
    pub peer: FullJid,
    /// What people call the peer here, such as its nick; for files and tiles.
    pub name: String,
    /// The label: for Muji the room.
    pub room: Option<BareJid>,
    /// What the peer's client does in its own way.
    pub habits: SessionQuirks,
    /// The certificates that the peer may show, as SHA-256; any if empty.
    pub certificates: Vec<[u8; 32]>,
    /// Only a certificate counts that came inside an end-to-end encryption ([`muji_xep::dtls::Sealed`]) and was opened.
    pub bound_only: bool,
}

/// What a client does in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionQuirks {
    /// It wants all contents said anew in a session-accept where others want a content-accept, or nothing (Movim).
    pub restates: bool,
    /// It knows ICE restarts (XEP-0176 section 5.9); Dino does not.
    pub restarts: bool,
}

impl Default for SessionQuirks {
    fn default() -> Self {
        Self { restates: false, restarts: true }
    }
}

/// Something of ours that may be sent as a content, or a medium that may be received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentSpec {
    /// The name we publish it under; for what is only received it means nothing.
    pub publication: String,
    /// True if we send it; false if the peer may only send it to us.
    pub sends: bool,
    /// Sound or pictures.
    pub media: Media,
    /// The SSRC to send it with in this session.
    pub ssrc: u32,
    /// How it may be encoded, best first.
    pub payload_types: Vec<PayloadType>,
    /// Header extensions that its packets may have.
    pub extensions: Vec<Extension>,
}
