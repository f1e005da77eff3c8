//! Logging in, and logging in again.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncBufRead, AsyncWrite, BufStream};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_xmpp::xmlstream::{
    FallibleStreamElement, PendingFeaturesRecv, RecvFeaturesError, StreamHeader, Timeouts, XmlStream,
    XmppStreamElement, initiate_stream,
};
use xmpp_parsers::ns::JABBER_CLIENT;
use xmpp_parsers::starttls;
use xmpp_parsers::stream_features::StreamFeatures;
use xso::FromXml;

use super::account::{Account, Server};
use super::acknowledgements::Resumption;
use super::binding::{self, OpenStream};
use super::connect::{self, ServerSocket};
use super::error::LoginError;
use super::local_address::LocalAddress;
use super::sasl::{self, Channel, Mechanism};
use super::wire::{Io, Monitored, Wire};
use crate::tls;

/// What direct TLS announces, so that a server can tell clients from other servers (XEP-0368 section 3).
const ALPN: &[u8] = b"xmpp-client";

/// From the connection to the bound resource.
const LOGIN: Duration = Duration::from_secs(15);

/// Pauses between attempts to reconnect, each longer by a random part of up to a half: thousands of clients of a restarted server should
/// not come in one second. Calls are given up after a minute, so longer pauses would help nobody.
const PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
    Duration::from_secs(30),
];

/// Silence after which the server is asked whether it is still there, and how long it may take to answer. Together much less than the
/// minute after which calls end without it.
const TIMEOUTS: Timeouts =
    Timeouts { read_timeout: Duration::from_secs(15), response_timeout: Duration::from_secs(10) };

/// How a login went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The server, by the name and address it was reached at.
    pub server: String,
    /// True if there is TLS.
    pub encrypted: bool,
    /// How we proved who we are.
    pub mechanism: Mechanism,
}

/// Logs in and opens a stream of stanzas; one that goes on with the stream before, if there is one and the server remembers it.
pub(super) async fn login(
    account: &Account,
    before: Option<&Resumption>,
) -> Result<(OpenStream, LoggedIn), LoginError> {
    let Some(user) = account.jid.node().map(ToString::to_string) else {
        return Err(LoginError::NoAccount(account.jid.clone()));
    };
    if let Server::Plaintext(address) = account.server
        && !address.ip().is_loopback()
    {
        return Err(LoginError::Plaintext(address));
    }
    let domain = account.jid.domain().as_str();
    let ascii = idna::domain_to_ascii(domain).map_err(|_| LoginError::NoDomain(domain.to_owned()))?;
    let socket = connect::connect(&ascii, &account.server).await?;
    let name = socket.name.clone();
    let attempt = timeout(LOGIN, negotiate(account, &user, &ascii, socket, before)).await;
    attempt.unwrap_or(Err(LoginError::Silent(name)))
}

async fn negotiate(
    account: &Account,
    user: &str,
    ascii: &str,
    socket: ServerSocket,
    before: Option<&Resumption>,
) -> Result<(OpenStream, LoggedIn), LoginError> {
    let server = socket.name.clone();
    let local = socket.socket.local_addr().map_err(|why| LoginError::Protocol(why.to_string()))?;
    let header = || StreamHeader { to: Some(Cow::Borrowed(account.jid.domain().as_str())), from: None, id: None };
    let (wire, channel) = secured(account, ascii, socket, header()).await?;
    let wire: Wire = BufStream::new(Monitored { inner: wire, address: LocalAddress::new(local) });
    let stream = initiate_stream(wire, JABBER_CLIENT, header(), TIMEOUTS).await;
    let (features, stream) = receive_features(stream).await?;
    let encrypted = channel.secure;
    let (stream, mechanism) = sasl::authenticate(stream, &features, channel, user, &account.password).await?;
    let (features, stream) = receive_features(stream.send_header(header()).await).await?;
    let stream = binding::begin(stream, &features, &account.jid, before).await?;
    Ok((stream, LoggedIn { server, encrypted, mechanism }))
}

/// Everything up to TLS, or to none where the account says so.
async fn secured(
    account: &Account,
    ascii: &str,
    socket: ServerSocket,
    header: StreamHeader<'_>,
) -> Result<(Box<dyn Io>, Channel), LoginError> {
    let ServerSocket { socket, direct, name } = socket;
    if let Server::Plaintext(_) = account.server {
        return Ok((Box::new(socket), Channel::default()));
    }
    let socket = if direct { socket } else { start_tls(socket, header, &name).await? };
    let stream = tls::connect(socket, ascii, direct.then_some(ALPN), &account.trust).await;
    let stream = stream.map_err(|fault| LoginError::of_tls(name, fault))?;
    let channel = Channel { secure: true, exporter: tls::channel_binding(&stream) };
    Ok((Box::new(stream), channel))
}

/// Asks for TLS (RFC 6120 section 5). What came before it is dropped, so that nobody can inject stanzas.
async fn start_tls(socket: TcpStream, header: StreamHeader<'_>, name: &str) -> Result<TcpStream, LoginError> {
    let stream = initiate_stream(BufStream::new(socket), JABBER_CLIENT, header, TIMEOUTS).await;
    let (features, mut stream) = receive_features::<_, FallibleStreamElement>(stream).await?;
    if !features.can_starttls() {
        return Err(LoginError::NoTls(name.to_owned()));
    }
    let request = XmppStreamElement::Starttls(starttls::Nonza::Request(starttls::Request));
    stream.send(&request).await.map_err(|why| LoginError::Protocol(why.to_string()))?;
    match stream.next().await {
        Some(Ok(FallibleStreamElement::Ok(XmppStreamElement::Starttls(starttls::Nonza::Proceed(_))))) => {
            Ok(stream.into_inner().into_inner())
        }
        Some(Ok(FallibleStreamElement::Ok(XmppStreamElement::StreamError(error)))) => Err(LoginError::ended(&error.0)),
        _ => Err(LoginError::Tls { server: name.to_owned(), why: "it offers TLS but does not begin it".to_owned() }),
    }
}

/// What the server offers on a stream that was just opened.
async fn receive_features<S: AsyncBufRead + AsyncWrite + Unpin, T: FromXml>(
    stream: io::Result<PendingFeaturesRecv<S>>,
) -> Result<(StreamFeatures, XmlStream<S, T>), LoginError> {
    let stream = stream.map_err(|why| LoginError::Protocol(why.to_string()))?;
    match stream.recv_features().await {
        Ok(features) => Ok(features),
        Err(RecvFeaturesError::StreamError(error)) => Err(LoginError::ended(&error.0)),
        Err(RecvFeaturesError::Io(why)) => Err(LoginError::Protocol(why.to_string())),
    }
}

/// From 0 to 1.
fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

/// Logs in again after the connection broke.
pub(super) async fn renew(account: Account, before: Option<Resumption>) -> Result<OpenStream, LoginError> {
    let mut last = LoginError::Busy;
    for pause in PAUSES {
        sleep(pause.mul_f64(1.0 + random() / 2.0)).await;
        match login(&account, before.as_ref()).await {
            Ok((stream, _)) => return Ok(stream),
            Err(why) if why.is_final() => return Err(why),
            Err(why) => last = why,
        }
    }
    Err(last)
}
