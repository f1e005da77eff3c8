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
use super::wire::Wire;
use crate::incoming_element::IncomingElement;
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
    /// It goes on with the one before, by which the server took so many of our stanzas.
    Resumed { taken: u32 },
    /// The server knows nothing of what was before.
    Bound {
        jid: FullJid,
        /// If the server counts stanzas.
        acknowledgements: Option<Acknowledgements>,
        /// How many of our stanzas it took by the stream before, if it knows.
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

#[cfg(test)]
pub(super) mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncWriteExt, BufStream, DuplexStream, duplex};
    use tokio_xmpp::xmlstream::{StreamHeader, Timeouts, initiate_stream};

    use super::super::local_address::LocalAddress;
    use super::super::wire::Monitored;
    use super::*;

    const BOUND: &str = "<iq type='result' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
        <jid>romeo@montague.lit/a</jid></bind></iq>";

    /// A stream whose server has said all this, and the server's end.
    pub(in crate::xmpp) async fn stream(said: &str) -> (Stream, StreamFeatures, DuplexStream) {
        let (ours, mut servers) = duplex(64 * 1024);
        let greeting = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
            from='montague.lit' id='1' version='1.0'><stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
            <sm xmlns='urn:xmpp:sm:3'/></stream:features>";
        servers.write_all(format!("{greeting}{said}").as_bytes()).await.expect("there is room");
        let address = LocalAddress::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        let wire = BufStream::new(Monitored { inner: Box::new(ours) as _, address });
        let header = StreamHeader { to: None, from: None, id: None };
        let stream = initiate_stream(wire, "jabber:client", header, Timeouts::tight()).await.expect("it answers");
        let (features, stream) = stream.recv_features().await.expect("there are features");
        (stream, features, servers)
    }

    async fn begins(said: &str, before: Option<&Resumption>) -> Result<Beginning, LoginError> {
        let (stream, features, _servers) = stream(said).await;
        let wish: Jid = "romeo@montague.lit/a".parse().expect("a JID");
        begin(stream, &features, &wish, before).await.map(|opened| opened.beginning)
    }

    fn before() -> Resumption {
        Resumption { previous: "old".to_owned(), received: 7 }
    }

    #[tokio::test]
    async fn a_stream_that_the_server_remembers_goes_on() {
        let resumed = begins("<resumed xmlns='urn:xmpp:sm:3' previd='old' h='3'/>", Some(&before())).await;
        assert!(matches!(resumed, Ok(Beginning::Resumed { taken: 3 })));
    }

    #[tokio::test]
    async fn a_server_that_has_forgotten_the_stream_binds_a_new_one_in_the_same_login() {
        for (failed, known) in
            [("<failed xmlns='urn:xmpp:sm:3'/>", None), ("<failed xmlns='urn:xmpp:sm:3' h='3'/>", Some(3))]
        {
            let said = format!("{failed}{BOUND}<enabled xmlns='urn:xmpp:sm:3' id='new' resume='1'/>");
            let Ok(Beginning::Bound { jid, acknowledgements, taken, early }) = begins(&said, Some(&before())).await
            else {
                panic!("it is not bound");
            };
            let resumption = acknowledgements.and_then(|counts| counts.resumption()).expect("it can be resumed");
            assert_eq!((jid.as_str(), resumption.previous.as_str(), taken), ("romeo@montague.lit/a", "new", known));
            assert_eq!(early, []);
        }
    }

    #[tokio::test]
    async fn what_comes_before_the_counting_is_kept() {
        let said = format!("{BOUND}<message/><enabled xmlns='urn:xmpp:sm:3'/>");
        let Ok(Beginning::Bound { acknowledgements, early, .. }) = begins(&said, None).await else {
            panic!("it is not bound");
        };
        assert_eq!(early, [Element::bare("message", ns::CLIENT)]);
        assert!(acknowledgements.is_some_and(|counts| counts.resumption().is_none()), "it is counted, not resumed");
    }

    #[tokio::test]
    async fn a_resource_in_use_is_not_fought_for() {
        let conflict = "<iq type='error' id='bind'><error type='cancel'>\
            <conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
        assert_eq!(begins(conflict, None).await.err(), Some(LoginError::Elsewhere));
        let unexplained = begins("<iq type='error' id='bind'><error/></iq>", None).await.err();
        assert_eq!(
            unexplained.map(|why| why.to_string()).as_deref(),
            Some("the server is not understood: it binds no resource: undefined-condition")
        );
    }
}
