//! Logging in, and logging in again.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jid::Jid;
use sasl::common::{ChannelBinding, Credentials};
use tokio::io::BufStream;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_xmpp::error::{AuthError, Error};
use tokio_xmpp::stanzastream;
use tokio_xmpp::xmlstream::{FallibleStreamElement, StreamHeader, Timeouts, initiate_stream};
use xmpp_parsers::ns::JABBER_CLIENT;
use xmpp_parsers::stream_features::StreamFeatures;

/// From the first packet to the end of the login.
const LOGIN: Duration = Duration::from_secs(15);

/// Pauses between attempts to come back. Calls are given up after a minute, so longer would help nobody.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];

/// Silence after which the server is asked whether it is still there, and how long it may take to answer.
const TIMEOUTS: Timeouts =
    Timeouts { read_timeout: Duration::from_secs(30), response_timeout: Duration::from_secs(20) };

/// A password. It never reaches a log.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// From what the user typed.
    #[must_use]
    pub fn new(password: impl Into<String>) -> Self {
        Self(password.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who logs in, and where.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account; with a resource if a certain one is wished for.
    pub jid: Jid,
    /// Its password.
    pub password: Password,
    /// The server's address.
    pub server: SocketAddr,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// A JID such as `example.org`.
    #[error("{0} names no account; it must look like name@server")]
    NoAccount(Jid),
    /// Plaintext beyond this machine.
    #[error("{0} is not on this machine, and this version speaks without TLS; use a server on 127.0.0.1 or ::1")]
    Plaintext(SocketAddr),
    /// Refused, or no route.
    #[error("the server at {server} is not reached: {why}; is it running, and is the port right?")]
    Unreachable {
        /// Its address.
        server: SocketAddr,
        /// What the system says.
        why: String,
    },
    /// Too slow.
    #[error("the server at {0} did not finish the login in time; it is overloaded, or no XMPP server")]
    Silent(SocketAddr),
    /// Wrong account or password.
    #[error("the server does not accept the password for {0}; check the name and the password")]
    Rejected(Jid),
    /// Nothing of what the server offers is ours.
    #[error("the server offers no way to log in with a password")]
    NoMechanism,
    /// The server speaks otherwise than RFC 6120 has it.
    #[error("the server is not understood: {0}")]
    Protocol(String),
}

/// Logs in as far as the binding of a resource, which the stream does itself.
pub(super) async fn login(account: &Account) -> Result<stanzastream::Connection, LoginError> {
    let Some(user) = account.jid.node().map(ToString::to_string) else {
        return Err(LoginError::NoAccount(account.jid.clone()));
    };
    if !account.server.ip().is_loopback() {
        return Err(LoginError::Plaintext(account.server));
    }
    let attempt = timeout(LOGIN, negotiate(account, user)).await;
    attempt.unwrap_or(Err(LoginError::Silent(account.server)))
}

async fn negotiate(account: &Account, user: String) -> Result<stanzastream::Connection, LoginError> {
    let unreachable = |why: std::io::Error| LoginError::Unreachable { server: account.server, why: why.to_string() };
    let understood = |error| describe(account, error);
    let socket = TcpStream::connect(account.server).await.map_err(unreachable)?;
    socket.set_nodelay(true).map_err(unreachable)?;
    let domain = account.jid.domain().to_string();
    let header = || StreamHeader { to: Some(Cow::Owned(domain.clone())), from: None, id: None };
    let stream = initiate_stream(BufStream::new(socket), JABBER_CLIENT, header(), TIMEOUTS);
    let stream = stream.await.map_err(|why| understood(why.into()))?;
    let features = stream.recv_features::<FallibleStreamElement>().await;
    let (features, stream) = features.map_err(|why| understood(why.into()))?;
    let credentials = Credentials::default()
        .with_username(user)
        .with_password(account.password.0.clone())
        .with_channel_binding(ChannelBinding::None);
    let stream = tokio_xmpp::client_login(stream, features.sasl_mechanisms, credentials).await.map_err(understood)?;
    let stream = stream.send_header(header()).await.map_err(|why| understood(why.into()))?;
    let features = stream.recv_features::<FallibleStreamElement>().await;
    let (features, stream): (StreamFeatures, _) = features.map_err(|why| understood(why.into()))?;
    if !features.can_bind() {
        return Err(LoginError::Protocol("it binds no resource".to_owned())); // The stream would panic.
    }
    Ok(stanzastream::Connection { stream: stream.box_stream(), features, identity: account.jid.clone() })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the errors are another crate's, and most mean the same to a user")]
fn describe(account: &Account, error: Error) -> LoginError {
    match error {
        Error::Auth(AuthError::Fail(_) | AuthError::Sasl(_)) => LoginError::Rejected(account.jid.clone()),
        Error::Auth(AuthError::NoMechanism) => LoginError::NoMechanism,
        other => LoginError::Protocol(other.to_string()),
    }
}

/// Comes back after the connection broke.
#[derive(Debug, Clone)]
pub(super) struct Renewal {
    pub(super) account: Account,
    /// False if the login before led to nothing: then the server has forgotten the stream that we tried to resume, which
    /// tokio-xmpp 6.0 does not understand (Prosody's `<failed/>` has no `h`). Without resumption it works.
    pub(super) fruitful: Arc<AtomicBool>,
    pub(super) failed: mpsc::Sender<LoginError>,
}

impl Renewal {
    #[expect(
        clippy::disallowed_methods,
        reason = "the stream asks for a connection by a call that must return at once"
    )]
    pub(super) fn start(self, slot: oneshot::Sender<stanzastream::Connection>) {
        tokio::spawn(async move {
            match self.renew().await {
                Ok(connection) => drop(slot.send(connection)), // Whoever asked may be gone by now.
                Err(why) => {
                    let mut slot = slot;
                    drop(self.failed.send(why).await);
                    slot.closed().await; // Dropped earlier it would be an accident, and a panic, to the stream.
                }
            }
        });
    }

    async fn renew(&self) -> Result<stanzastream::Connection, LoginError> {
        let mut last = LoginError::Silent(self.account.server);
        for pause in PAUSES {
            sleep(pause).await;
            match login(&self.account).await {
                Ok(mut connection) => {
                    if !self.fruitful.swap(false, Ordering::Relaxed) {
                        connection.features.stream_management = None;
                    }
                    return Ok(connection);
                }
                Err(wrong @ (LoginError::Rejected(_) | LoginError::NoMechanism)) => return Err(wrong),
                Err(why) => last = why,
            }
        }
        Err(last)
    }
}
