//! What goes down to a media layer.

use std::collections::BTreeMap;

use jid::BareJid;
use muji_xep::dtmf::Digit;
use muji_xep::ice::Candidate;
use muji_xep::rtp::{AnnouncedStream, HeaderExtension, Media, PayloadType};

use super::bridge::{Audibility, Prompt};
#[cfg(doc)]
use super::report::MediaReport;
use super::server::IceServer;
use super::transport::{IceRole, RemoteTransport};
use crate::ids::{CallId, SessionId, TransportId};

/// A content to open towards one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenContent {
    /// Its label, unique in the session: usually its name, but each side names what it adds.
    pub name: String,
    /// Audio, video or slides.
    pub media: Media,
    /// The SSRC we send with.
    pub ssrc: u32,
    /// The SSRC by which we send again what the peer misses (RTX, RFC 4588), if it takes that.
    pub rtx_ssrc: Option<u32>,
    /// The transport it travels by.
    pub transport: TransportId,
    /// The encodings that may be used, with this session's ids.
    pub payload_types: Vec<PayloadType>,
    /// The header extensions that may be.
    pub extensions: Vec<HeaderExtension>,
}

/// What we send as a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// The name of what we publish.
    pub publication: String,
    /// How it is encoded, with this session's id.
    pub payload_type: PayloadType,
    /// The id under which the peer also takes it with copies of earlier frames (RED, RFC 2198).
    pub red: Option<u8>,
    /// The id under which the peer takes what it missed, by the SSRC of its own (RTX, RFC 4588).
    pub rtx: Option<u8>,
}

/// A command to the media layer. It has no result; reports answer it if there is something to report.
///
/// The enum is exhaustive on purpose: a media layer that does not handle a new command must not compile, for it would lose it silently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaCommand {
    /// From now on these servers are used, and no earlier ones. They are not contacted before a session opens.
    Servers {
        /// The servers, best first.
        servers: Vec<IceServer>,
    },
    /// Starts capturing and encoding `publication`; it is sent wherever a content of that call carries it.
    Publish {
        /// The call.
        call: CallId,
        /// What the room knows it as.
        publication: String,
        /// Audio, video or slides.
        media: Media,
    },
    /// Stops capturing: muted, or the call is over.
    Unpublish {
        /// The call.
        call: CallId,
        /// As in `Publish`.
        publication: String,
    },
    /// Makes the transports that `contents` name, and answers each with [`MediaReport::Described`]. Later contents of a
    /// session may name a transport that exists already: they travel by it, and nothing is answered. So does a content that the peer's
    /// answer bundles with others: it is removed, and opened again by their transport before `Remote` comes for that.
    Open {
        /// The call whose publications are sent.
        call: CallId,
        /// The session.
        session: SessionId,
        /// The account at the other end. Sessions with one account may run to the same addresses.
        peer: BareJid,
        /// What people call the peer, such as its nick. Chosen by the peer: no file name as it is.
        name: String,
        /// ICE's role for all its transports.
        role: IceRole,
        /// What will travel.
        contents: Vec<OpenContent>,
    },
    /// Gives a transport the peer's end to connect to. If it comes again with other credentials, the peer has restarted ICE; `Restart` came
    /// before.
    Remote {
        /// The transport.
        transport: TransportId,
        /// The other end.
        remote: RemoteTransport,
    },
    /// One more address of the peer.
    Candidate {
        /// The transport.
        transport: TransportId,
        /// The address.
        candidate: Candidate,
    },
    /// Makes other credentials for a transport (ICE restart, RFC 8445 section 2.4), and answers with [`MediaReport::Described`]: its
    /// certificate is the same. They take effect with the peer's next `Remote`; until then the transport goes on as before.
    Restart {
        /// The transport.
        transport: TransportId,
    },
    /// The peers agreed on a content, or changed what they agreed: it may flow like this once the transport is connected.
    Content {
        /// The session.
        session: SessionId,
        /// The content's label, as in [`OpenContent::name`].
        content: String,
        /// What we send; `None` if nothing.
        send: Option<Sending>,
        /// True if the peer sends.
        receive: bool,
        /// What the peer announced to send it by; may be none.
        streams: Vec<AnnouncedStream>,
    },
    /// Presses keys of a telephone, one after the other, as events of RTP (RFC 4733).
    SendDigits {
        /// The session.
        session: SessionId,
        /// The content's name in the session.
        content: String,
        /// How they are sent, with this session's id.
        payload_type: PayloadType,
        /// Which keys.
        digits: Vec<Digit>,
    },
    /// From now on these calls are joined, and no others: what each of them publishes as sound is what comes in the others, with what we
    /// capture. What comes in a call is never sent in that call, so nobody hears themselves, and any number of bridges in one room make no
    /// loop.
    Bridge {
        /// The calls.
        calls: BTreeMap<CallId, Audibility>,
    },
    /// Plays a tone for the people in one call, as far as it publishes sound. Another one in the same call waits for its end.
    Prompt {
        /// The call.
        call: CallId,
        /// Which tone.
        prompt: Prompt,
    },
    /// Forgets a content, and its transport if nothing else travels by it.
    RemoveContent {
        /// The session.
        session: SessionId,
        /// The content's label, as in [`OpenContent::name`].
        content: String,
    },
    /// Forgets a session at once: nothing is sent to that peer any more.
    Close {
        /// The session.
        session: SessionId,
    },
}
