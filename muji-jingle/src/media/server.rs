//! STUN and TURN servers.

use muji_xep::Secret;

/// A server that helps ICE to find a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// What it does.
    pub kind: ServerKind,
    /// The transport protocol to use.
    pub by: ServerTransport,
    /// Its name or address. It is ours or our server's, so a name may be resolved.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What a server does for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerKind {
    /// It reports the address that our packets come from (RFC 8489).
    Stun,
    /// It relays packets between an address of its own and us (RFC 8656).
    Turn {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
}

/// The transport protocol between us and the server.
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
    /// The default port of STUN and TURN servers (RFC 8489 section 18.6).
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
