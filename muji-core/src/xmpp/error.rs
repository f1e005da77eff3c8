//! Why there is no connection to the server: whose fault it is and what to do.

use std::net::SocketAddr;

use jid::Jid;
use xmpp_parsers::stream_error::{DefinedCondition, StreamError};

use crate::tls::{CertificateFault, TlsFault};

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// A JID such as `example.org`.
    #[error("{0} names no account; it must look like name@server")]
    NoAccount(Jid),
    /// A domain that is no name in DNS.
    #[error("{0} cannot be a server's name")]
    NoDomain(String),
    /// Plaintext beyond this machine.
    #[error("{0} is not on this machine, and beyond it nothing is sent without TLS")]
    Plaintext(SocketAddr),
    /// The system's resolver does not know it.
    #[error("there is no host {host} ({why}); check the part of the address after the @, or give the server to use")]
    UnknownHost {
        /// The host.
        host: String,
        /// What the system says.
        why: String,
    },
    /// An SRV record whose target is `.`.
    #[error("{0} says that it has no XMPP server; check the part of the address after the @")]
    NoService(String),
    /// Refused, or no route.
    #[error("the server at {server} is not reached: {why}; is it running, and is the port right?")]
    Unreachable {
        /// Its address.
        server: String,
        /// What the system says.
        why: String,
    },
    /// Too slow.
    #[error("the server at {0} did not finish the login in time; it is overloaded, or no XMPP server")]
    Silent(String),
    /// No STARTTLS.
    #[error("the server at {0} offers no encryption (STARTTLS); without it no password is sent")]
    NoTls(String),
    /// The handshake failed.
    #[error("no encrypted connection with the server at {server}: {why}")]
    Tls {
        /// Its address.
        server: String,
        /// What the TLS library says.
        why: String,
    },
    /// The server may not be the one it claims to be.
    #[error("the certificate of the server at {server} is refused: {fault}")]
    Certificate {
        /// Its address.
        server: String,
        /// What is wrong.
        fault: CertificateFault,
    },
    /// There are no authorities to check certificates by.
    #[error("no authorities to check the server's certificate by: {0}")]
    Authorities(String),
    /// Wrong account or password.
    #[error("the server does not accept this name and password; check both")]
    Rejected,
    /// Closed by its administrator.
    #[error("the server says that this account is disabled or its password expired; ask its administrator")]
    AccountDisabled,
    /// `temporary-auth-failure`.
    #[error("the server cannot check passwords now; try again later")]
    Busy,
    /// Nothing of what the server offers is ours.
    #[error("the server offers no way to log in with a password that this program knows (SCRAM, PLAIN)")]
    NoMechanism,
    /// The only way offered would send the password in plain text.
    #[error("the server wants the password in plain text, which is not sent without TLS")]
    PlainWithoutTls,
    /// It accepted the login without proof that it knows the password.
    #[error("the server could not prove that it knows the password; an attacker may answer in its place")]
    ServerNotProven,
    /// Another program logged in with our resource.
    #[error(
        "the account is in use elsewhere under the same resource; leave the resource out of the JID, or choose another"
    )]
    Elsewhere,
    /// A stream error.
    #[error("the server ended the connection: {0}")]
    Ended(String),
    /// The server does not follow RFC 6120.
    #[error("the server is not understood: {0}")]
    Protocol(String),
}

impl LoginError {
    /// There is no TLS with the server at this address.
    pub(super) fn of_tls(server: String, fault: TlsFault) -> Self {
        match fault {
            TlsFault::Certificate(fault) => Self::Certificate { server, fault },
            TlsFault::Authorities(why) => Self::Authorities(why),
            TlsFault::Handshake(why) => Self::Tls { server, why },
        }
    }

    /// What a stream error means.
    pub(super) fn ended(error: &StreamError) -> Self {
        if error.condition == DefinedCondition::Conflict { Self::Elsewhere } else { Self::Ended(describe(error)) }
    }

    /// True if trying again would end the same way, or do harm.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Rejected
                | Self::AccountDisabled
                | Self::NoMechanism
                | Self::PlainWithoutTls
                | Self::ServerNotProven
                | Self::Elsewhere
        )
    }
}

/// A stream error as a person reads it.
pub(super) fn describe(error: &StreamError) -> String {
    let text = error.texts.values().find(|text| !text.is_empty());
    let text = text.map(|text| format!(" ({text})")).unwrap_or_default();
    format!("{}{text}", error.condition)
}
