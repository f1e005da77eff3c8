//! What goes down to a media layer and what comes up from it.

use jid::BareJid;
use muji_xep::Secret;
use muji_xep::ice::Candidate;
use muji_xep::rtp::{Extension, Media, PayloadType};

use crate::ids::{CallId, SessionId, TransportId};

/// Who decides which pair of addresses is used (RFC 8445 6.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceRole {
    /// We nominate.
    Controlling,
    /// The peer nominates.
    Controlled,
}

/// Who opens the DTLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtlsRole {
    /// We do.
    Client,
    /// The peer does.
    Server,
}

/// A content to open towards one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenContent {
    /// Its name in the session.
    pub name: String,
    /// Sound or pictures.
    pub media: Media,
    /// The SSRC we send with.
    pub ssrc: u32,
    /// The transport it travels by.
    pub transport: TransportId,
    /// The encodings that may be used, with this session's ids.
    pub payload_types: Vec<PayloadType>,
    /// The header extensions that may be.
    pub extensions: Vec<Extension>,
}

/// Our end of a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTransport {
    /// ICE user name.
    pub ufrag: String,
    /// ICE password.
    pub pwd: Secret,
    /// SHA-256 of our certificate.
    pub fingerprint: Vec<u8>,
    /// Addresses known by now.
    pub candidates: Vec<Candidate>,
}

/// The peer's end of a transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTransport {
    /// ICE user name.
    pub ufrag: String,
    /// ICE password.
    pub pwd: Secret,
    /// SHA-256 of the certificate the peer must show.
    pub fingerprint: Vec<u8>,
    /// Who opens the handshake, seen from us.
    pub dtls: DtlsRole,
    /// Header extensions that both ends know, with the ids that they have here.
    pub extensions: Vec<Extension>,
}

/// What we send as a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sending {
    /// The name of what we publish.
    pub publication: String,
    /// How it is encoded, with this session's id.
    pub payload_type: PayloadType,
}

/// A server that helps with finding a path to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// What it does.
    pub kind: ServerKind,
    /// How it is spoken with.
    pub by: ServerTransport,
    /// Its name or address. It is ours or our server's, so a name may be resolved.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What a server does for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerKind {
    /// It says by which address we are seen (RFC 8489).
    Stun,
    /// It lends us an address, and sends on what comes there (RFC 8656).
    Turn {
        /// Who we are there.
        username: String,
        /// What proves it.
        password: Secret,
    },
}

/// What a server is spoken with by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServerTransport {
    /// Datagrams.
    Udp,
    /// A stream, for networks that let no datagrams through.
    Tcp,
    /// The same within TLS, for networks that let nothing else through.
    Tls,
}

impl ServerTransport {
    /// Where STUN and TURN servers are if nothing else is said (RFC 8489 section 18.6).
    #[must_use]
    pub fn usual_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 3_478,
            Self::Tls => 5_349,
        }
    }
}

impl std::fmt::Display for ServerTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        })
    }
}

/// An order to the media layer: fire and forget, answered by reports where there is something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaCommand {
    /// From now on these servers help, and no others that were told before. Nothing is asked of them before a session opens.
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
        /// Sound or pictures.
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
    /// session may name a transport that exists already: they travel by it, and nothing is answered.
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
    /// Tells a transport whom to connect to. Told again with other credentials, the peer has restarted ICE; `Restart` came before.
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
    /// certificate is the same. They count from the peer's next `Remote` on; until then all goes on as before.
    Restart {
        /// The transport.
        transport: TransportId,
    },
    /// The peers agreed on a content, or agreed anew: it may flow so once the transport is connected.
    Content {
        /// The session.
        session: SessionId,
        /// The content's name in the session.
        content: String,
        /// What we send; `None` if nothing.
        send: Option<Sending>,
        /// True if the peer sends.
        receive: bool,
        /// SSRCs the peer announced; may be none.
        ssrcs: Vec<u32>,
    },
    /// Forgets a content, and its transport if nothing else travels by it.
    Drop {
        /// The session.
        session: SessionId,
        /// The content's name in the session.
        content: String,
    },
    /// Forgets a session at once: nothing is sent to that peer any more.
    Close {
        /// The session.
        session: SessionId,
    },
}

/// News from the media layer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaReport {
    /// A transport exists; its end may be told to the peer.
    Described {
        /// The transport.
        transport: TransportId,
        /// Its end.
        local: LocalTransport,
    },
    /// One more address of ours.
    Candidate {
        /// The transport.
        transport: TransportId,
        /// The address.
        candidate: Candidate,
    },
    /// ICE and DTLS are done and the fingerprint is the promised one; or, after `Interrupted`, it works again.
    Connected {
        /// The transport.
        transport: TransportId,
    },
    /// Nothing comes from the other end for now.
    Interrupted {
        /// The transport.
        transport: TransportId,
    },
    /// The address of ours that a transport used is gone; others are told as candidates.
    Moved {
        /// The transport.
        transport: TransportId,
    },
    /// A transport is lost for good.
    Failed {
        /// The transport.
        transport: TransportId,
        /// Why, as a sentence.
        why: String,
    },
    /// The other end of a transport shows another certificate than the promised one: nothing flows by it.
    Impostor {
        /// The transport.
        transport: TransportId,
    },
    /// The first packet of a content was accepted.
    Flowing {
        /// The session.
        session: SessionId,
        /// The content's name in the session.
        content: String,
    },
    /// A source, a device or a file does not do what it should; the call goes on.
    Trouble {
        /// Why, as a sentence.
        why: String,
    },
}

impl MediaReport {
    /// The session it speaks of.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Described { transport, .. }
            | Self::Candidate { transport, .. }
            | Self::Connected { transport }
            | Self::Interrupted { transport }
            | Self::Moved { transport }
            | Self::Impostor { transport }
            | Self::Failed { transport, .. } => Some(transport.session),
            Self::Flowing { session, .. } => Some(*session),
            Self::Trouble { .. } => None,
        }
    }
}
