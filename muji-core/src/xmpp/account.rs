//! Who logs in, and where the server is.

use std::net::SocketAddr;

use jid::Jid;
use muji_xep::Secret;

use crate::tls::TlsRoots;

/// Who logs in, and where.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account, with a resource if a certain one is wanted.
    pub jid: Jid,
    /// Its password.
    pub password: Secret,
    /// Where the server is.
    pub server: Server,
    /// Whose signatures of its certificate are trusted.
    pub trust: TlsRoots,
}

impl Account {
    /// An account whose server is found by its domain and vouched for by the system's authorities.
    #[must_use]
    pub fn new(jid: Jid, password: Secret) -> Self {
        Self { jid, password, server: Server::Discovered, trust: TlsRoots::System }
    }
}

/// Where a server is. Its certificate must be for the domain of the JID in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Server {
    /// By the SRV records of the JID's domain, else at the domain itself, port 5222.
    #[default]
    Discovered,
    /// Here, with STARTTLS (usually port 5222).
    StartTls {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// Here, with TLS from the first byte (XEP-0368; usually port 5223 or 443).
    DirectTls {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// On this machine, without TLS: for tests and demonstrations.
    Plaintext(SocketAddr),
}
