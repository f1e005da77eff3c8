//! A connection to an XMPP server, for programs that have none of their own.
//!
//! It finds the server by DNS, speaks TLS, logs in by SCRAM where the server can, comes back by itself when the
//! connection breaks, and answers what nobody else answers. A wrong password is an error at once and is not tried again,
//! and neither is a resource that another program of the user has taken.
//!
//! What comes is handed on as it was written: no reader stands between the wire and [`stanza::read`], which reads any client's stanzas.

mod account;
mod acknowledgements;
mod answer;
mod binding;
mod connect;
mod error;
mod local_address;
mod login;
mod managed_stream;
mod sasl;
mod wire;

pub use crate::tls::{CertificateFault, TlsRoots};
pub use account::{Account, Server};
pub use error::LoginError;
pub use login::LoggedIn;
pub use sasl::Mechanism;

use std::collections::VecDeque;
use std::fmt;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use jid::FullJid;
use muji_xep::Element;
use tokio::time::timeout;
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stream_error::StreamError;

use self::acknowledgements::Acknowledgements;
use self::binding::{Beginning, OpenStream};
use self::managed_stream::{ManagedStream, StreamEvent};
#[cfg(doc)]
use crate::{Engine, stanza};

/// Stanzas that wait for a server that reads slowly.
const QUEUE: usize = 1_024;

/// Stanzas held while the connection is gone. A call sends little then; more is a fault of the program.
const MAX_HELD: usize = 256;

/// For what is left to be sent at the end, and the server's end of the stream.
const CLOSING: Duration = Duration::from_secs(10);

/// What comes from the server.
#[derive(Debug)]
pub enum Incoming {
    /// A stanza, as it was written: for [`Engine::handle_element`] and [`stanza::read`]. One that is nested too deep or too large
    /// is cut.
    Stanza(Box<Element>),
    /// The server bound this JID to a new stream: all it knew of us before is gone.
    Bound(FullJid),
    /// The connection broke, perhaps with the server's reason; it is being made again.
    Lost(Option<String>),
    /// A stanza did not go out: too many wait, or it cannot be written as XML. Or a new stream knows nothing of what it was meant for, and
    /// the server has not said that it took it.
    Unsent(Box<Element>),
    /// The same stream goes on: nothing was lost.
    Resumed,
    /// It cannot be made again.
    Over(LoginError),
}

/// A logged-in connection. It does its work while [`Self::next`] is awaited.
pub struct Connection {
    /// With the JID that was bound first: under the same JID again, sessions of a call survive a server that was restarted.
    account: Account,
    login: LoggedIn,
    state: State,
    /// What has come and was not taken yet.
    coming: VecDeque<Incoming>,
}

enum State {
    Open(Box<ManagedStream>),
    Broken {
        acknowledgements: Option<Acknowledgements>,
        /// Sends wait here.
        held: VecDeque<Element>,
        renewal: Renewal,
    },
    Over,
}

type Renewal = Pin<Box<dyn Future<Output = Result<OpenStream, LoginError>> + Send>>;

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Connection {
    /// Logs in.
    ///
    /// # Errors
    /// If the server is not reached, is not what it should be, or does not know the account.
    pub async fn open(account: Account) -> Result<Self, LoginError> {
        let (opened, login) = login::login(&account, None).await?;
        let mut this = Self { account, login, state: State::Over, coming: VecDeque::new() };
        this.begin(opened, None, VecDeque::new());
        Ok(this)
    }

    /// How the first login went.
    #[must_use]
    pub fn login(&self) -> &LoggedIn {
        &self.login
    }

    /// What comes next. Cancel-safe; after [`Incoming::Over`] nothing comes any more.
    pub async fn next(&mut self) -> Incoming {
        loop {
            if let Some(incoming) = self.coming.pop_front() {
                return incoming;
            }
            match &mut self.state {
                State::Open(stream) => match poll_fn(|cx| stream.poll(cx)).await {
                    StreamEvent::Stanza(stanza) => return Incoming::Stanza(Box::new(stanza)),
                    StreamEvent::Unsendable(stanza) => return Incoming::Unsent(Box::new(stanza)),
                    StreamEvent::Ended(why) => self.ended(why),
                },
                State::Broken { renewal, .. } => {
                    let renewed = renewal.await;
                    self.renewed(renewed);
                }
                State::Over => pending().await,
            }
        }
    }

    /// Sends a stanza, or holds it while the connection is gone.
    pub async fn send(&mut self, stanza: impl Into<Stanza>) {
        self.send_element(stanza.into().into()).await;
    }

    /// The same for what [`Stanza`] cannot hold, such as a JID that the `jid` crate refuses.
    pub async fn send_element(&mut self, stanza: Element) {
        match &mut self.state {
            State::Open(stream) if stream.queued() < QUEUE => {
                stream.push(stanza);
                poll_fn(|cx| {
                    let _later_seen_by_next = stream.poll_write(cx).is_pending();
                    Poll::Ready(())
                })
                .await;
            }
            State::Broken { held, .. } if held.len() < MAX_HELD => held.push_back(stanza),
            State::Open(_) | State::Broken { .. } => self.unsent([stanza]),
            State::Over => {}
        }
    }

    /// Answers a request that nothing else has handled: a ping with a result, others with an error. Without an answer the sender would
    /// wait for its time-out.
    pub async fn answer(&mut self, stanza: &Element) {
        if let Some(answer) = answer::answer(stanza) {
            self.send_element(answer).await;
        }
    }

    /// Ends the stream as it should be.
    pub async fn close(self) {
        if let State::Open(stream) = self.state {
            let _cut_off = timeout(CLOSING, stream.close()).await.is_err();
        }
    }

    /// A stream begins; before it there were these counts and these stanzas that had not gone out.
    fn begin(&mut self, opened: OpenStream, before: Option<Acknowledgements>, held: VecDeque<Element>) {
        let taken = match &opened.beginning {
            Beginning::Resumed { taken } => Some(*taken),
            Beginning::Bound { taken, .. } => *taken,
        };
        let (acknowledgements, mut waiting) = left(before, taken, held);
        let acknowledgements = match opened.beginning {
            Beginning::Resumed { .. } => {
                self.coming.push_back(Incoming::Resumed);
                acknowledgements
            }
            Beginning::Bound { jid, acknowledgements, early, .. } => {
                self.account.jid = jid.clone().into();
                self.coming.push_back(Incoming::Bound(jid));
                self.unsent(waiting.drain(..));
                self.coming.extend(early.into_iter().map(|stanza| Incoming::Stanza(Box::new(stanza))));
                acknowledgements
            }
        };
        self.state = State::Open(Box::new(ManagedStream::new(opened.stream, acknowledgements, waiting)));
    }

    /// The stream is gone. After the server's own error it is not resumed, and after some not made again.
    fn ended(&mut self, why: Option<StreamError>) {
        let State::Open(stream) = std::mem::replace(&mut self.state, State::Over) else { return };
        self.coming.push_back(Incoming::Lost(why.as_ref().map(error::describe)));
        if let Some(fatal) = why.as_ref().map(LoginError::ended).filter(LoginError::is_final) {
            self.coming.push_back(Incoming::Over(fatal));
            return;
        }
        let (acknowledgements, held) = stream.into_rest();
        let before = acknowledgements.as_ref().and_then(Acknowledgements::resumption);
        let renewal = Box::pin(login::renew(self.account.clone(), before));
        self.state = State::Broken { acknowledgements, held, renewal };
    }

    fn renewed(&mut self, renewed: Result<OpenStream, LoginError>) {
        let State::Broken { acknowledgements, held, .. } = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        match renewed {
            Ok(opened) => self.begin(opened, acknowledgements, held),
            Err(why) => self.coming.push_back(Incoming::Over(why)),
        }
    }

    fn unsent(&mut self, stanzas: impl IntoIterator<Item = Element>) {
        let room = QUEUE.saturating_sub(self.coming.len()); // A program that does not listen is told no more.
        self.coming.extend(stanzas.into_iter().take(room).map(|stanza| Incoming::Unsent(Box::new(stanza))));
    }
}

/// What a stream that broke leaves, if the server took so many stanzas by it: its counts, and what is still to be sent.
fn left(
    before: Option<Acknowledgements>,
    taken: Option<u32>,
    held: VecDeque<Element>,
) -> (Option<Acknowledgements>, VecDeque<Element>) {
    let Some(mut counts) = before else { return (None, held) };
    // A count that cannot be is the server's fault; then everything is sent again.
    let _cannot_be = taken.is_some_and(|taken| !counts.acknowledge(taken));
    let mut waiting = counts.take_waiting();
    waiting.extend(held);
    (Some(counts), waiting)
}
