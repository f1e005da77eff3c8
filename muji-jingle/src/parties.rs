//! Who talks in a session, and what may be sent in it.

use jid::{BareJid, FullJid};
use muji_xep::rtp::{HeaderExtension, Media, PayloadType};

use crate::ids::{CallId, SessionId};

/// Who talks, and about what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionParams {
    /// The call whose publications are sent.
    pub call: CallId,
    /// The session.
    pub session: SessionId,
    /// Our full JID.
    pub us: FullJid,
    /// The peer's real full JID: the only sender whose stanzas count.
    pub peer: FullJid,
    /// How people call the peer here, such as its nick; for files and tiles.
    pub name: String,
    /// The room that a session of a Muji call names (XEP-0272 section 5).
    pub room: Option<BareJid>,
    /// How the peer's client differs from the specifications.
    pub quirks: SessionQuirks,
    /// What our media layer can do with transports.
    pub able: TransportAbilities,
    /// The certificates that the peer may show, as SHA-256; any if empty.
    pub certificates: Vec<[u8; 32]>,
    /// Only a certificate counts that came inside an end-to-end encryption ([`muji_xep::dtls::EncryptedFingerprint`]) and was opened.
    pub bound_only: bool,
}

/// How the peer's client differs from the specifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionQuirks {
    /// It wants a session-accept with all contents where others want a content-accept, or nothing (Movim).
    pub wants_full_accept: bool,
    /// It supports ICE restarts (XEP-0176 section 5.9); Dino does not.
    pub restarts_ice: bool,
}

impl Default for SessionQuirks {
    fn default() -> Self {
        Self { wants_full_accept: false, restarts_ice: true }
    }
}

/// What a media layer can do with transports beyond making and connecting them. By default nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransportAbilities {
    /// It makes other credentials for a transport that is in use ([`crate::media::MediaCommand::Restart`]). Without it a path that fails is
    /// made again with its session, and a peer that restarts ICE gets no answer and goes on with the credentials of before.
    pub ice_restart: bool,
    /// Several contents may travel by one transport, those too that come later or had a transport of their own in our offer (BUNDLE,
    /// XEP-0338). Without it each content has its own, as with Dino.
    pub bundling: bool,
}

/// A content that we can send, or a medium that we can receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentSpec {
    /// The name under which we publish it; unused if we only receive.
    pub publication: String,
    /// True if we send it; false if the peer may only send it to us.
    pub sends: bool,
    /// Audio, video or slides.
    pub media: Media,
    /// The SSRC to send it with in this session.
    pub ssrc: u32,
    /// The SSRC to send lost packets of it again with (RTX, RFC 4588); `None` if the media layer sends them as they were.
    pub rtx_ssrc: Option<u32>,
    /// How it may be encoded, best first.
    pub payload_types: Vec<PayloadType>,
    /// Header extensions that its packets may have.
    pub extensions: Vec<HeaderExtension>,
}
