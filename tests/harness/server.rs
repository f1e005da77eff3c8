//! An XMPP server on loopback TCP: logins, resources, and the [`Service`] behind them. For demonstrations and tests only.
//!
//! It speaks plaintext, knows one password for everybody, forgets who disconnects, and has no stream resumption.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use jid::FullJid;
use tokio::io::BufStream;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_xmpp::xmlstream::{
    AcceptedStream, FallibleStreamElement, StreamHeader, Timeouts, XmppStream, XmppStreamElement, accept_stream,
};
use xmpp_parsers::bind::{BindFeature, BindQuery, BindResponse};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::ns::JABBER_CLIENT;
use xmpp_parsers::sasl::{DefinedCondition, Failure, Mechanism, Nonza, Success};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stream_features::StreamFeatures;

use super::room::{Delivery, Rules};
use super::service::Service;

/// Stanzas that wait for a client that reads slowly; one that lets more wait is cut off.
const QUEUE: usize = 1_024;

/// From the connection to the bound resource.
const LOGIN: Duration = Duration::from_secs(10);

/// Silence after which a connection counts as dead.
const TIMEOUTS: Timeouts =
    Timeouts { read_timeout: Duration::from_secs(300), response_timeout: Duration::from_secs(300) };

/// A running server. Dropped, it ends with all its connections.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

struct Shared {
    domain: String,
    password: String,
    state: Mutex<State>,
}

struct State {
    service: Service,
    /// Those logged in: where their stanzas go, and what ends their connection when it is dropped.
    clients: BTreeMap<FullJid, Client>,
    resources: u32,
}

struct Client {
    stanzas: mpsc::Sender<Stanza>,
    _ends: oneshot::Sender<()>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here leaves it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Listens on a free port of 127.0.0.1 for users of `domain`, all with this password.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn start(domain: &str, password: &str, rules: Rules) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = State { service: Service::new(domain, rules), clients: BTreeMap::new(), resources: 0 };
        let shared =
            Arc::new(Shared { domain: domain.to_owned(), password: password.to_owned(), state: Mutex::new(state) });
        let listening = tokio::spawn(listen(listener, shared.clone()));
        Ok(Self { address, shared, listening })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Looks at or changes its rooms.
    pub fn with_service<T>(&self, act: impl FnOnce(&mut Service) -> T) -> T {
        act(&mut self.shared.state().service)
    }

    /// Cuts every connection, as a server that is killed does.
    pub fn cut(&self) {
        self.shared.state().clients.clear();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            // A connection that fails is the business of whoever made it.
            if let Ok(Ok((stream, jid))) = timeout(LOGIN, log_in(socket, &shared)).await {
                serve(stream, jid, &shared).await;
            }
        });
    }
}

type Stream = XmppStream<BufStream<TcpStream>>;

async fn log_in(socket: TcpStream, shared: &Shared) -> io::Result<(Stream, FullJid)> {
    socket.set_nodelay(true)?;
    let stream = accept_stream(BufStream::new(socket), JABBER_CLIENT, TIMEOUTS).await?;
    let features = StreamFeatures { sasl_mechanisms: ["PLAIN".to_owned()].into(), ..StreamFeatures::default() };
    let mut stream = greet(stream, shared, &features).await?;
    let user = loop {
        let XmppStreamElement::Sasl(Nonza::Auth(auth)) = next(&mut stream).await? else { return Err(unexpected()) };
        let plain = auth.mechanism == Mechanism::Plain;
        if let Some(user) = user_of(&auth.data, &shared.password).filter(|_| plain) {
            break user;
        }
        let failure = Failure { defined_condition: DefinedCondition::NotAuthorized, texts: BTreeMap::new() };
        stream.send(&XmppStreamElement::Sasl(Nonza::Failure(failure))).await?;
    };
    let success = XmppStreamElement::Sasl(Nonza::Success(Success { data: Vec::new() }));
    let stream = stream.accept_reset(&success).await?;
    let features = StreamFeatures { bind: Some(BindFeature { required: false }), ..StreamFeatures::default() };
    let mut stream = greet(stream, shared, &features).await?;
    let jid = bind(&mut stream, shared, &user).await?;
    Ok((stream, jid))
}

async fn greet(
    stream: AcceptedStream<BufStream<TcpStream>>,
    shared: &Shared,
    features: &StreamFeatures,
) -> io::Result<Stream> {
    let header = StreamHeader { from: Some(shared.domain.as_str().into()), to: None, id: Some("1".into()) };
    stream.send_header(header).await?.send_features::<FallibleStreamElement>(features).await
}

async fn next(stream: &mut Stream) -> io::Result<XmppStreamElement> {
    match stream.next().await {
        Some(Ok(FallibleStreamElement::Ok(element))) => Ok(element),
        _ => Err(unexpected()),
    }
}

fn unexpected() -> io::Error {
    io::Error::other("the client said something else than it should")
}

/// RFC 4616: authorisation, user and password with zero bytes between.
fn user_of(plain: &[u8], password: &str) -> Option<String> {
    let mut words = plain.split(|byte| *byte == 0).skip(1);
    let (user, given) = (words.next()?, words.next()?);
    let user = String::from_utf8(user.to_vec()).ok()?;
    (given == password.as_bytes() && !user.is_empty()).then_some(user)
}

async fn bind(stream: &mut Stream, shared: &Shared, user: &str) -> io::Result<FullJid> {
    let XmppStreamElement::Stanza(Stanza::Iq(Iq::Set { id, payload, .. })) = next(stream).await? else {
        return Err(unexpected());
    };
    let wish = BindQuery::try_from(payload).map_err(|_| unexpected())?.resource;
    let resource = wish.unwrap_or_else(|| {
        let mut state = shared.state();
        state.resources += 1;
        state.resources.to_string()
    });
    let jid: FullJid = format!("{user}@{}/{resource}", shared.domain).parse().map_err(|_| unexpected())?;
    let result = Iq::from_result(id, Some(BindResponse { jid: jid.clone() }));
    stream.send(&XmppStreamElement::Stanza(result.into())).await?;
    Ok(jid)
}

async fn serve(mut stream: Stream, jid: FullJid, shared: &Shared) {
    let (stanzas, mut to_send) = mpsc::channel(QUEUE);
    let (ends, mut ended) = oneshot::channel::<()>();
    {
        let mut state = shared.state();
        state.service.connected(jid.clone());
        state.clients.insert(jid.clone(), Client { stanzas, _ends: ends }); // An older one of this name ends.
    }
    loop {
        tokio::select! {
            _ = &mut ended => return, // Cut, or replaced: not ours to sign off.
            stanza = to_send.recv() => {
                let Some(stanza) = stanza else { break };
                if stream.send(&XmppStreamElement::Stanza(stanza)).await.is_err() {
                    break;
                }
            }
            element = stream.next() => match element {
                Some(Ok(FallibleStreamElement::Ok(XmppStreamElement::Stanza(stanza)))) => {
                    let mut state = shared.state();
                    let deliveries = state.service.handle(&jid, stanza);
                    state.deliver(deliveries);
                }
                Some(Ok(_)) => {} // Nothing else has a meaning here.
                Some(Err(_)) | None => break,
            },
        }
    }
    let mut state = shared.state();
    state.clients.remove(&jid);
    let deliveries = state.service.disconnected(&jid);
    state.deliver(deliveries);
}

impl State {
    fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for (to, stanza) in deliveries {
            let full = self.clients.get(&to).is_some_and(|client| client.stanzas.try_send(stanza).is_err());
            if full {
                self.clients.remove(&to);
            }
        }
    }
}
