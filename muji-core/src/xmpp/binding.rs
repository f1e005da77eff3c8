//! From a login to a stream of stanzas: by going on with the stream before (XEP-0198 section 5), or by binding a resource (RFC 6120
//! section 7).

use futures::{SinkExt, StreamExt};
use jid::{FullJid, Jid};
use muji_xep::{Element, ns};
use tokio_xmpp::xmlstream::{ReadError, XmlStream};
use xmpp_parsers::bind::{BindQuery, BindResponse};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::sm::{Enable, Resume, StreamId};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::{DefinedCondition, StanzaError};
use xmpp_parsers::stream_error::StreamError;
use xmpp_parsers::stream_features::StreamFeatures;
use xso::AsXml;

use super::acknowledgements::{Acknowledgements, Resumption};
use super::error::LoginError;
use super::incoming_element::IncomingElement;
use super::wire::Wire;
use crate::stanza;

/// A stream after its login.
pub(super) type Stream = XmlStream<Wire, IncomingElement>;

/// Stanzas kept that come before the stream is ready. Servers send none but what waited for the account.
const MAX_EARLY: usize = 1_024;

/// The id of the one question.
const BIND: &str = "bind";

/// A stream by which stanzas go.
pub(super) struct OpenStream {
    pub(super) stream: Stream,
    pub(super) beginning: Beginning,
}

/// How it begins.
pub(super) enum Beginning {
    /// It goes on with the one before, by which the server took so many stanzas of ours.
    Resumed { taken: u32 },
    /// The server knows nothing of what was before.
    Bound {
        jid: FullJid,
        /// If the server counts stanzas.
        acknowledgements: Option<Acknowledgements>,
        /// How many stanzas of ours it took by the stream before, if it knows.
        taken: Option<u32>,
        /// What came before the stream was ready.
        early: Vec<Element>,
    },
}

/// Goes on with the stream before, or begins with a resource: the one that is wished for, or the server's choice.
pub(super) async fn begin(
    mut stream: Stream,
    features: &StreamFeatures,
    wish: &Jid,
    before: Option<&Resumption>,
) -> Result<OpenStream, LoginError> {
    let manages = features.stream_management.is_some();
    let (mut taken, mut early) = (None, Vec::new());
    if let Some(before) = before.filter(|_| manages) {
        send(&mut stream, &Resume { h: before.received, previd: StreamId(before.previous.clone()) }).await?;
        let answer = receive(&mut stream, &mut early, |answer| answer.ns() == ns::STREAM_MANAGEMENT).await?;
        taken = count(&answer); // After a restart Prosody knows none.
        if let (true, Some(taken)) = (answer.name() == "resumed", taken) {
            return Ok(OpenStream { stream, beginning: Beginning::Resumed { taken } });
        }
    }
    let jid = bind(&mut stream, features, wish, &mut early).await?;
    let acknowledgements = if manages { enable(&mut stream, &mut early).await? } else { None };
    Ok(OpenStream { stream, beginning: Beginning::Bound { jid, acknowledgements, taken, early } })
}

async fn bind(
    stream: &mut Stream,
    features: &StreamFeatures,
    wish: &Jid,
    early: &mut Vec<Element>,
) -> Result<FullJid, LoginError> {
    if !features.can_bind() {
        return Err(LoginError::Protocol("it binds no resource".to_owned()));
    }
    let resource = wish.resource().map(ToString::to_string);
    send(stream, &Iq::from_set(BIND, BindQuery::new(resource))).await?;
    let answer = receive(stream, early, |answer| answer.name() == "iq" && answer.attr("id") == Some(BIND)).await?;
    match stanza::read(&answer) {
        Ok(Stanza::Iq(Iq::Result { payload: Some(bound), .. })) => {
            let bound = BindResponse::try_from(bound).map_err(|why| LoginError::Protocol(why.to_string()))?;
            Ok(bound.jid)
        }
        Ok(Stanza::Iq(Iq::Error { error, .. })) => Err(refused(&error)),
        _ => Err(LoginError::Protocol("it does not say which resource it binds".to_owned())),
    }
}

fn refused(error: &StanzaError) -> LoginError {
    if error.defined_condition == DefinedCondition::Conflict {
        return LoginError::Elsewhere;
    }
    LoginError::Protocol(format!("it binds no resource: {}", stanza::condition_name(error)))
}

/// Asks that stanzas are counted, and that the stream can be resumed. `None` if the server does neither.
async fn enable(stream: &mut Stream, early: &mut Vec<Element>) -> Result<Option<Acknowledgements>, LoginError> {
    send(stream, &Enable { max: None, resume: true }).await?;
    let answer = receive(stream, early, |answer| answer.ns() == ns::STREAM_MANAGEMENT).await?;
    let resumable = matches!(answer.attr("resume"), Some("true" | "1"));
    let id = answer.attr("id").filter(|_| resumable).map(str::to_owned);
    Ok((answer.name() == "enabled").then(|| Acknowledgements::new(id)))
}

/// How many stanzas the server says it has taken.
pub(super) fn count(element: &Element) -> Option<u32> {
    element.attr("h")?.parse().ok()
}

/// The error with which the server ends a stream, if this is one.
pub(super) fn stream_error(element: &Element) -> Option<StreamError> {
    if !element.is("error", ns::STREAMS) {
        return None;
    }
    let unexplained = || StreamError::new(xmpp_parsers::stream_error::DefinedCondition::UndefinedCondition, "en", "");
    Some(StreamError::try_from(muji_xep::guard::copy(element)).unwrap_or_else(|_| unexplained()))
}

async fn send(stream: &mut Stream, element: &impl AsXml) -> Result<(), LoginError> {
    stream.send(element).await.map_err(|why| LoginError::Protocol(why.to_string()))
}

/// The next element of a kind. What comes before it is kept.
async fn receive(
    stream: &mut Stream,
    early: &mut Vec<Element>,
    is: impl Fn(&Element) -> bool,
) -> Result<Element, LoginError> {
    loop {
        let element = match stream.next().await {
            Some(Ok(IncomingElement(element))) => element,
            Some(Err(ReadError::SoftTimeout)) => continue, // The login has a deadline of its own.
            Some(Err(why)) => return Err(LoginError::Protocol(why.to_string())),
            None => return Err(LoginError::Protocol("it broke off the login".to_owned())),
        };
        if let Some(error) = stream_error(&element) {
            return Err(LoginError::ended(&error));
        }
        if is(&element) {
            return Ok(element);
        }
        if early.len() < MAX_EARLY {
            early.push(element);
        }
    }
}
