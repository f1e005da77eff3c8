//! A connection to an XMPP server, for programs that have none of their own.
//!
//! It finds the server by DNS, speaks TLS, logs in by SCRAM where the server can, comes back by itself when the
//! connection breaks, and answers what nobody else answers. A wrong password is an error at once and is not tried again,
//! and neither is a resource that another program of the user has taken.

mod account;
mod connect;
mod error;
mod local_address;
mod login;
mod read_tail;
mod sasl;

pub use crate::tls::{CertificateFault, TlsRoots};
pub use account::{Account, Server};
pub use error::LoginError;
pub use login::LoggedIn;
pub use sasl::Mechanism;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use futures::StreamExt;
use jid::FullJid;
use muji_xep::ns;
use tokio::sync::{mpsc, oneshot};
use tokio_xmpp::stanzastream::{self, Event as StreamNews, StanzaStream, StreamEvent};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

/// Stanzas under way in each direction.
const QUEUE: usize = 1_024;

/// Stanzas held while the connection is gone. A call sends little then; more is a fault of the program.
const MAX_HELD: usize = 256;

/// What comes from the server.
#[derive(Debug)]
pub enum Incoming {
    /// A stanza.
    Stanza(Box<Stanza>),
    /// The server bound this JID to a new stream: all it knew of us before is gone.
    Bound(FullJid),
    /// The connection broke, perhaps with the server's reason; it is being made again.
    Lost(Option<String>),
    /// A stanza that was to be sent while the connection was gone cannot be: too many wait, or the new stream knows nothing of what
    /// it was meant for.
    Unsent(Box<Stanza>),
    /// The same stream goes on: nothing was lost.
    Resumed,
    /// It cannot be made again.
    Over(LoginError),
}

/// A logged-in connection.
#[derive(Debug)]
pub struct Connection {
    stream: StanzaStream,
    login: LoggedIn,
    /// The end of what was read, which tells why the connection broke if the server sent an error.
    tail: read_tail::ReadTail,
    /// Why the connection is not made again.
    failures: mpsc::Receiver<LoginError>,
    /// Sends wait here while the connection is gone.
    held: Option<VecDeque<Box<Stanza>>>,
    /// What will not be sent.
    unsent: VecDeque<Box<Stanza>>,
    /// The last login led to a usable stream. Otherwise the next is made without resumption (see `login::Reconnector`).
    usable: Arc<AtomicBool>,
    /// What was bound first: the next streams ask for the same.
    bound: Arc<OnceLock<FullJid>>,
}

impl Connection {
    /// Logs in.
    ///
    /// # Errors
    /// If the server is not reached, is not what it should be, or does not know the account.
    pub async fn open(account: Account) -> Result<Self, LoginError> {
        let tail = read_tail::ReadTail::default();
        let (first, login) = login::login(&account, &tail).await?;
        let mut first = Some(first);
        let usable = Arc::new(AtomicBool::new(true));
        let (failed, failures) = mpsc::channel(1);
        let bound = Arc::new(OnceLock::new());
        let (kept, read) = (usable.clone(), tail.clone());
        let renewal = login::Reconnector { account, usable: kept, tail: read, failed, bound: bound.clone() };
        let connector = move |_, slot: oneshot::Sender<stanzastream::Connection>| match first.take() {
            Some(connection) => drop(slot.send(connection)), // The stream that asks is there to take it.
            None => renewal.clone().start(slot),
        };
        let stream = StanzaStream::new(Box::new(connector), QUEUE);
        Ok(Self { stream, login, tail, failures, held: None, unsent: VecDeque::new(), usable, bound })
    }

    /// How the first login went.
    #[must_use]
    pub fn login(&self) -> &LoggedIn {
        &self.login
    }

    /// What comes next. Cancel-safe; after [`Incoming::Over`] nothing comes any more.
    pub async fn next(&mut self) -> Incoming {
        if let Some(unsent) = self.unsent.pop_front() {
            return Incoming::Unsent(unsent);
        }
        let event = tokio::select! {
            event = self.stream.next() => event,
            Some(why) = self.failures.recv() => return Incoming::Over(why),
        };
        match event {
            Some(StreamNews::Stanza(stanza)) => Incoming::Stanza(Box::new(stanza)),
            Some(StreamNews::Stream(StreamEvent::Suspended)) => {
                self.held = Some(VecDeque::new());
                Incoming::Lost(self.tail.error().map(|error| error::describe(&error)))
            }
            Some(StreamNews::Stream(StreamEvent::Resumed)) => {
                self.usable.store(true, Ordering::Relaxed);
                // Far fewer than the queue takes, so this does not wait and cannot be cancelled half-way.
                for stanza in self.held.take().unwrap_or_default() {
                    self.send(stanza).await;
                }
                Incoming::Resumed
            }
            Some(StreamNews::Stream(StreamEvent::Reset { bound_jid, .. })) => {
                self.usable.store(true, Ordering::Relaxed);
                self.unsent.extend(self.held.take().into_iter().flatten());
                match bound_jid.try_into_full() {
                    Ok(jid) => {
                        self.bound.get_or_init(|| jid.clone());
                        Incoming::Bound(jid)
                    }
                    Err(jid) => Incoming::Over(LoginError::Protocol(format!("it bound {jid}, which has no resource"))),
                }
            }
            None => Incoming::Over(LoginError::Protocol("the stream ended".to_owned())),
        }
    }

    /// Sends a stanza, or holds it while the connection is gone.
    pub async fn send(&mut self, stanza: Box<Stanza>) {
        match &mut self.held {
            Some(held) if held.len() < MAX_HELD => held.push_back(stanza),
            Some(_) if self.unsent.len() < QUEUE => self.unsent.push_back(stanza),
            Some(_) => {} // The program does not listen.
            None => drop(self.stream.send(stanza).await),
        }
    }

    /// Answers a request that nothing else has handled: a ping with a result, others with an error. Without an answer the sender would
    /// wait for its time-out.
    pub async fn answer(&mut self, stanza: &Stanza) {
        if let Some(answer) = answer(stanza) {
            self.send(Box::new(answer.into())).await;
        }
    }

    /// Ends the stream as it should be.
    pub async fn close(self) {
        self.stream.close().await;
    }
}

fn answer(stanza: &Stanza) -> Option<Iq> {
    let (from, id, pings) = match stanza {
        Stanza::Iq(Iq::Get { from, id, payload, .. }) => (from, id, payload.is("ping", ns::PING)),
        Stanza::Iq(Iq::Set { from, id, .. }) => (from, id, false),
        Stanza::Iq(_) | Stanza::Presence(_) | Stanza::Message(_) => return None,
    };
    let (to, id) = (from.clone(), id.clone());
    Some(match pings {
        true => Iq::Result { from: None, to, id, payload: None },
        false => Iq::Error { from: None, to, id, error: unavailable(), payload: None },
    })
}

fn unavailable() -> StanzaError {
    let mut error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", "");
    error.texts.clear();
    error
}
