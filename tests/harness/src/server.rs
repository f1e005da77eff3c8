//! An XMPP server on loopback TCP: logins, resources, and the [`SimulatedServer`] behind them. For demonstrations and tests only.
//!
//! It knows one password for everybody, forgets who disconnects, and has no stream resumption. [`LoginOptions`] say whether it
//! speaks TLS, and what is wrong with its login.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use jid::{BareJid, FullJid};
use muji_xep::Element;
use tokio::io::{AsyncBufRead, AsyncWrite, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_xmpp::connect::AsyncReadAndWrite;
use tokio_xmpp::xmlstream::{
    AcceptedStream, FallibleStreamElement, StreamHeader, Timeouts, XmppStream, XmppStreamElement, accept_stream,
};
use xmpp_parsers::bind::{BindFeature, BindQuery, BindResponse};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::ns::JABBER_CLIENT;
use xmpp_parsers::sasl::{Challenge, DefinedCondition, Failure, Mechanism, Nonza, Success};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::starttls;
use xmpp_parsers::stream_error::{DefinedCondition as StreamCondition, ReceivedStreamError, StreamError};
use xmpp_parsers::stream_features::StreamFeatures;

use super::scram::Exchange;
use muji_simulation::room::{Delivery, Rules};
use muji_simulation::simulated_server::SimulatedServer;
use muji_simulation::stanza;

/// Stanzas that wait for a client that reads slowly; one that lets more wait is cut off.
const QUEUE: usize = 1_024;

/// Stanzas that are remembered for who wants to know: more are not looked at.
pub const MAX_LOGGED: usize = 4_096;

/// From the connection to the bound resource.
const LOGIN: Duration = Duration::from_secs(10);

/// Silence after which a connection counts as dead.
const TIMEOUTS: Timeouts =
    Timeouts { read_timeout: Duration::from_secs(300), response_timeout: Duration::from_secs(300) };

/// A stanza that somebody said or heard.
#[derive(Debug, Clone)]
pub struct LoggedStanza {
    /// When.
    pub at: Instant,
    /// Whose connection it went over.
    pub who: FullJid,
    /// Said, or heard.
    pub said: bool,
    /// What.
    pub stanza: Element,
}

/// How clients log in.
#[derive(Clone, Default)]
pub struct LoginOptions {
    /// TLS with this certificate; `None` is a server without TLS.
    pub tls: Option<Arc<ServerConfig>>,
    /// TLS from the first byte instead of STARTTLS.
    pub direct: bool,
    /// Offers only PLAIN.
    pub only_plain: bool,
    /// Accepts every password, without knowing one.
    pub knows_no_password: bool,
    /// Ends every stream at its start with this error.
    pub refuses: Option<StreamCondition>,
}

/// A running server. Dropped, it ends with all its connections.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

struct Shared {
    domain: String,
    password: String,
    login: LoginOptions,
    state: Mutex<State>,
}

struct State {
    service: SimulatedServer,
    /// Those logged in, and where what they are told goes. Dropped, it ends their connection.
    clients: BTreeMap<FullJid, mpsc::Sender<XmppStreamElement>>,
    resources: u32,
    /// What was said and heard, where somebody wants to know.
    stanza_log: Option<Vec<LoggedStanza>>,
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
        Self::with_login(LoginOptions::default(), domain, password, rules).await
    }

    /// The same with another way in.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn with_login(login: LoginOptions, domain: &str, password: &str, rules: Rules) -> io::Result<Self> {
        Self::at(0, login, domain, password, rules).await
    }

    /// The same at this port.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn at(port: u16, login: LoginOptions, domain: &str, password: &str, rules: Rules) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let state = State {
            service: SimulatedServer::new(domain, rules),
            clients: BTreeMap::new(),
            resources: 0,
            stanza_log: None,
        };
        let (domain, password) = (domain.to_owned(), password.to_owned());
        let shared = Arc::new(Shared { domain, password, login, state: Mutex::new(state) });
        let listening = tokio::spawn(listen(listener, shared.clone()));
        Ok(Self { address, shared, listening })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Looks at or changes its rooms.
    pub fn with_service<T>(&self, act: impl FnOnce(&mut SimulatedServer) -> T) -> T {
        act(&mut self.shared.state().service)
    }

    /// What was said and heard since the first of these questions, but for so much that was looked at.
    pub fn stanza_log(&self, seen: usize) -> Vec<LoggedStanza> {
        let mut state = self.shared.state();
        state.stanza_log.get_or_insert_default().iter().skip(seen).cloned().collect()
    }

    /// Somebody logs in without a connection, and is moved by a test.
    ///
    /// # Panics
    /// If that is no name.
    #[must_use]
    pub fn puppet(&self, name: &str) -> FullJid {
        let mut state = self.shared.state();
        state.resources += 1;
        let jid: FullJid =
            format!("{name}@{}/{}", self.shared.domain, state.resources).parse().expect("names are plain");
        state.service.connected(jid.clone());
        jid
    }

    /// How many connections somebody has. Puppets have none.
    #[must_use]
    pub fn connections(&self, of: &BareJid) -> usize {
        self.shared.state().clients.keys().filter(|client| client.to_bare() == *of).count()
    }

    /// A puppet says something.
    pub fn say(&self, puppet: &FullJid, stanza: Stanza) {
        self.shared.state().hear(puppet, stanza);
    }

    /// A room puts somebody out.
    pub fn put_out(&self, room: &BareJid, who: &FullJid, codes: &[u16]) {
        let mut state = self.shared.state();
        let deliveries = state.service.rooms.leave(room, who, codes);
        state.deliver(deliveries);
    }

    /// Cuts every connection, as a server that is killed does.
    pub fn cut(&self) {
        self.shared.state().clients.clear();
    }

    /// Ends every stream with an error, as a server that is stopped does.
    pub fn end(&self, condition: StreamCondition) {
        let mut state = self.shared.state();
        for (_, client) in std::mem::take(&mut state.clients) {
            tell_end(&client, condition.clone());
        }
    }
}

fn tell_end(client: &mpsc::Sender<XmppStreamElement>, condition: StreamCondition) {
    let error = ReceivedStreamError(StreamError::new(condition, "en", ""));
    // One that takes nothing any more ends without a word.
    let _full = client.try_send(XmppStreamElement::StreamError(error)).is_err();
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
            // A connection that fails concerns only its client.
            if let Ok(Ok((stream, jid))) = timeout(LOGIN, log_in(socket, &shared)).await {
                serve(stream, jid, &shared).await;
            }
        });
    }
}

type Wire = Box<dyn AsyncReadAndWrite>;
type Stream = XmppStream<Wire>;

async fn log_in(socket: TcpStream, shared: &Shared) -> io::Result<(Stream, FullJid)> {
    socket.set_nodelay(true)?;
    let stream = accept_stream(encrypted(socket, shared).await?, JABBER_CLIENT, TIMEOUTS).await?;
    let ways: &[&str] = if shared.login.only_plain { &["PLAIN"] } else { &["PLAIN", "SCRAM-SHA-256"] };
    let sasl_mechanisms = ways.iter().map(|way| (*way).to_owned()).collect();
    let mut stream = greet(stream, shared, &StreamFeatures { sasl_mechanisms, ..StreamFeatures::default() }).await?;
    if let Some(condition) = shared.login.refuses.clone() {
        stream.send(&ReceivedStreamError(StreamError::new(condition, "en", ""))).await?;
        return Err(unexpected());
    }
    let (user, proof) = loop {
        if let Some(proven) = prove(&mut stream, shared).await? {
            break proven;
        }
        let failure = Failure { defined_condition: DefinedCondition::NotAuthorized, texts: BTreeMap::new() };
        stream.send(&XmppStreamElement::Sasl(Nonza::Failure(failure))).await?;
    };
    let success = XmppStreamElement::Sasl(Nonza::Success(Success { data: proof }));
    let stream = stream.accept_reset(&success).await?;
    let features = StreamFeatures { bind: Some(BindFeature { required: false }), ..StreamFeatures::default() };
    let mut stream = greet(stream, shared, &features).await?;
    let jid = bind(&mut stream, shared, &user).await?;
    Ok((stream, jid))
}

/// TLS, where the login has it.
async fn encrypted(socket: TcpStream, shared: &Shared) -> io::Result<Wire> {
    let Some(config) = &shared.login.tls else { return Ok(Box::new(BufStream::new(socket))) };
    let mut socket = socket;
    if !shared.login.direct {
        let stream = accept_stream(BufStream::new(socket), JABBER_CLIENT, TIMEOUTS).await?;
        let starttls = Some(starttls::StartTls { required: true });
        let features = StreamFeatures { starttls, ..StreamFeatures::default() };
        let mut stream = greet(stream, shared, &features).await?;
        let XmppStreamElement::Starttls(starttls::Nonza::Request(_)) = next(&mut stream).await? else {
            return Err(unexpected());
        };
        stream.send(&XmppStreamElement::Starttls(starttls::Nonza::Proceed(starttls::Proceed))).await?;
        socket = stream.into_inner().into_inner();
    }
    Ok(Box::new(BufStream::new(TlsAcceptor::from(config.clone()).accept(socket).await?)))
}

/// One attempt: the user, and our own proof.
async fn prove(stream: &mut Stream, shared: &Shared) -> io::Result<Option<(String, Vec<u8>)>> {
    let XmppStreamElement::Sasl(Nonza::Auth(auth)) = next(stream).await? else { return Err(unexpected()) };
    if auth.mechanism == Mechanism::Plain {
        return Ok(user_of(&auth.data, &shared.password).map(|user| (user, Vec::new())));
    }
    let password = if shared.login.knows_no_password { "anything" } else { &shared.password };
    let Some(exchange) = Exchange::begin(&auth.data, password) else { return Ok(None) };
    stream.send(&XmppStreamElement::Sasl(Nonza::Challenge(Challenge { data: exchange.challenge() }))).await?;
    let XmppStreamElement::Sasl(Nonza::Response(response)) = next(stream).await? else { return Err(unexpected()) };
    if shared.login.knows_no_password {
        return Ok(Some(("romeo".to_owned(), b"v=bm8gcHJvb2Y=".to_vec())));
    }
    Ok(exchange.finish(&response.data))
}

async fn greet<S: AsyncBufRead + AsyncWrite + Unpin>(
    stream: AcceptedStream<S>,
    shared: &Shared,
    features: &StreamFeatures,
) -> io::Result<XmppStream<S>> {
    let header = StreamHeader { from: Some(shared.domain.as_str().into()), to: None, id: Some("1".into()) };
    stream.send_header(header).await?.send_features::<FallibleStreamElement>(features).await
}

async fn next<S: AsyncBufRead + AsyncWrite + Unpin>(stream: &mut XmppStream<S>) -> io::Result<XmppStreamElement> {
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
    let (told, mut to_tell) = mpsc::channel(QUEUE);
    {
        let mut state = shared.state();
        state.service.connected(jid.clone());
        if let Some(older) = state.clients.insert(jid.clone(), told) {
            tell_end(&older, StreamCondition::Conflict);
        }
    }
    loop {
        tokio::select! {
            told = to_tell.recv() => {
                let Some(told) = told else { return }; // Cut, or replaced: not ours to sign off.
                if stream.send(&told).await.is_err() {
                    break;
                }
            }
            element = stream.next() => match element {
                Some(Ok(FallibleStreamElement::Ok(XmppStreamElement::Stanza(stanza)))) => {
                    shared.state().hear(&jid, stanza);
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
    fn hear(&mut self, who: &FullJid, stanza: Stanza) {
        self.log_stanza(who, true, &stanza);
        let deliveries = self.service.handle(who, stanza);
        self.deliver(deliveries);
    }

    /// Remembers a stanza if that is wanted.
    fn log_stanza(&mut self, who: &FullJid, said: bool, stanza: &Stanza) {
        if let Some(stanza_log) = self.stanza_log.as_mut().filter(|stanza_log| stanza_log.len() < MAX_LOGGED) {
            let stanza = stanza::element(stanza);
            stanza_log.push(LoggedStanza { at: Instant::now(), who: who.clone(), said, stanza });
        }
    }

    fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for (to, stanza) in deliveries {
            self.log_stanza(&to, false, &stanza);
            let told = XmppStreamElement::Stanza(stanza);
            let full = self.clients.get(&to).is_some_and(|client| client.try_send(told).is_err());
            if full {
                self.clients.remove(&to);
            }
        }
    }
}
