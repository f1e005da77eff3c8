//! An open stream: stanzas go both ways, and both sides count what has arrived where the server can (XEP-0198).

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::{Sink, StreamExt};
use muji_xep::{Element, ns};
use tokio_xmpp::xmlstream::ReadError;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::ping::Ping;
use xmpp_parsers::sm::{A, R};
use xmpp_parsers::stream_error::StreamError;

use super::acknowledgements::Acknowledgements;
use super::binding::{Stream, count, stream_error};
use crate::incoming_element::IncomingElement;

/// The id of our pings, whose answers are nobody's matter.
const PING: &str = "muji-stream-ping";

/// An open stream, and what is to be sent by it.
pub(super) struct ManagedStream {
    stream: Stream,
    acknowledgements: Option<Acknowledgements>,
    /// Not sent yet.
    outbox: VecDeque<Element>,
    /// The server is to say how many of our stanzas it has taken.
    asks: bool,
    /// The server wants to know how many of its stanzas we have taken.
    owes: bool,
}

/// What happens on a stream.
pub(super) enum StreamEvent {
    /// A child of the stream that is not about the stream itself.
    Stanza(Element),
    /// A stanza that cannot be written as XML.
    Unsendable(Element),
    /// Nothing comes any more, perhaps for a reason that the server gave.
    Ended(Option<StreamError>),
}

impl ManagedStream {
    pub(super) fn new(stream: Stream, acknowledgements: Option<Acknowledgements>, outbox: VecDeque<Element>) -> Self {
        Self { stream, acknowledgements, outbox, asks: false, owes: false }
    }

    /// How many stanzas wait to be sent.
    pub(super) fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// Sends it when its turn comes.
    pub(super) fn push(&mut self, stanza: Element) {
        self.outbox.push_back(stanza);
    }

    /// What is left when the stream is gone: the counts, and what was not sent.
    pub(super) fn into_rest(self) -> (Option<Acknowledgements>, VecDeque<Element>) {
        (self.acknowledgements, self.outbox)
    }

    /// Sends what can be sent, and takes what has come.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<StreamEvent> {
        loop {
            if let Poll::Ready(Err(why)) = self.poll_write(cx) {
                return Poll::Ready(why.map_or(StreamEvent::Ended(None), StreamEvent::Unsendable));
            }
            match ready!(self.stream.poll_next_unpin(cx)) {
                Some(Ok(IncomingElement(element))) => {
                    if let Some(event) = self.received(element) {
                        return Poll::Ready(event);
                    }
                }
                Some(Err(ReadError::SoftTimeout)) => self.probe(),
                Some(Err(ReadError::HardError(_) | ReadError::ParseError(_) | ReadError::StreamFooterReceived))
                | None => return Poll::Ready(StreamEvent::Ended(None)),
            }
        }
    }

    /// Writes all that is to be sent. Ready when it is done; an error is a stanza that cannot be written, or none if the stream is broken.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Option<Element>>> {
        let broken = |_: io::Error| None;
        loop {
            ready!(Sink::<&Element>::poll_ready(Pin::new(&mut self.stream), cx)).map_err(broken)?;
            if let Some(counts) = self.acknowledgements.as_ref().filter(|_| self.owes) {
                self.owes = false;
                Pin::new(&mut self.stream).start_send(&A { h: counts.count() }).map_err(broken)?;
            } else if let Some(stanza) = self.next_stanza() {
                if Pin::new(&mut self.stream).start_send(&stanza).is_err() {
                    return Poll::Ready(Err(Some(stanza)));
                }
                if let Some(counts) = &mut self.acknowledgements {
                    counts.sent(stanza);
                    self.asks = true;
                }
            } else if self.asks {
                self.asks = false;
                Pin::new(&mut self.stream).start_send(&R).map_err(broken)?;
            } else {
                return Sink::<&Element>::poll_flush(Pin::new(&mut self.stream), cx).map_err(broken);
            }
        }
    }

    fn next_stanza(&mut self) -> Option<Element> {
        let may_send = self.acknowledgements.as_ref().is_none_or(Acknowledgements::may_send);
        may_send.then(|| self.outbox.pop_front()).flatten()
    }

    /// A child of the stream; `None` if it was about the stream itself.
    fn received(&mut self, element: Element) -> Option<StreamEvent> {
        if let Some(error) = stream_error(&element) {
            if let Some(counts) = &mut self.acknowledgements {
                counts.forget_stream();
            }
            return Some(StreamEvent::Ended(Some(error)));
        }
        if element.ns() == ns::STREAM_MANAGEMENT {
            return self.counted(&element);
        }
        if let Some(counts) = self.acknowledgements.as_mut().filter(|_| is_stanza(&element)) {
            counts.received();
        }
        let answers = element.is("iq", ns::CLIENT) && matches!(element.attr("type"), Some("result" | "error"));
        let pong = answers && element.attr("id") == Some(PING);
        (!pong).then_some(StreamEvent::Stanza(element))
    }

    fn counted(&mut self, element: &Element) -> Option<StreamEvent> {
        let counts = self.acknowledgements.as_mut()?;
        match element.name() {
            "r" => self.owes = true,
            "a" if count(element).is_some_and(|taken| !counts.acknowledge(taken)) => {
                // The two sides do not mean the same stream.
                counts.forget_stream();
                return Some(StreamEvent::Ended(None));
            }
            _ => {}
        }
        None
    }

    /// Nothing has come for a while: makes the server say something.
    fn probe(&mut self) {
        match self.acknowledgements {
            Some(_) => self.asks = true,
            None => self.outbox.push_front(Iq::from_get(PING, Ping).into()),
        }
    }

    /// Sends what is left, and ends the stream on both sides.
    pub(super) async fn close(mut self) {
        let written = std::future::poll_fn(|cx| self.poll_write(cx)).await.is_ok();
        if written && self.stream.shutdown().await.is_ok() {
            while let Some(Ok(_) | Err(ReadError::SoftTimeout)) = self.stream.next().await {}
        }
    }
}

/// What XEP-0198 section 4 counts.
fn is_stanza(element: &Element) -> bool {
    element.ns() == ns::CLIENT && matches!(element.name(), "iq" | "message" | "presence")
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, DuplexStream};

    use super::super::binding::tests::stream;
    use super::*;

    async fn managed(said: &str) -> (ManagedStream, DuplexStream) {
        let (stream, _, servers) = stream(said).await;
        let counts = Acknowledgements::new(Some("id".to_owned()));
        (ManagedStream::new(stream, Some(counts), VecDeque::new()), servers)
    }

    /// What the server has heard so far.
    async fn heard(servers: &mut DuplexStream) -> String {
        let mut room = vec![0; 4_096];
        let count = servers.read(&mut room).await.expect("the stream is open");
        String::from_utf8_lossy(&room[..count]).into_owned()
    }

    async fn next(stream: &mut ManagedStream) -> StreamEvent {
        poll_fn(|cx| stream.poll(cx)).await
    }

    #[tokio::test]
    async fn whatever_comes_is_handed_on_in_order_and_counted() {
        let said = [
            "<presence xmlns='jabber:client'><show>online</show><priority>5225</priority></presence>",
            "<message xmlns='jabber:client' type='odd'><thread>a</thread><thread>b</thread></message>",
            "<iq xmlns='jabber:client' type='error' id='1' from='juliet@capulet.lit/📱'><error type='cancel'/></iq>",
            "<letter xmlns='urn:unknown'/>",
        ];
        let (mut stream, mut servers) = managed(&format!("{}<r xmlns='urn:xmpp:sm:3'/>", said.concat())).await;
        heard(&mut servers).await;
        for stanza in said {
            let StreamEvent::Stanza(came) = next(&mut stream).await else { panic!("{stanza} does not come") };
            assert_eq!(came, stanza.parse().expect("it is well-formed"));
        }
        assert!(poll_fn(|cx| Poll::Ready(stream.poll(cx).is_pending())).await);
        assert_eq!(heard(&mut servers).await, "<a xmlns='urn:xmpp:sm:3' h='3'></a>", "the letter is no stanza");
    }

    #[tokio::test]
    async fn the_servers_reason_is_known_and_its_stream_not_resumed() {
        let error =
            "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>";
        let (mut stream, _servers) = managed(error).await;
        let StreamEvent::Ended(Some(why)) = next(&mut stream).await else { panic!("it ends with a reason") };
        assert_eq!(why.condition, xmpp_parsers::stream_error::DefinedCondition::Conflict);
        let (counts, _) = stream.into_rest();
        assert!(counts.is_some_and(|counts| counts.resumption().is_none()));
    }

    #[tokio::test]
    async fn what_was_sent_waits_until_the_server_says_that_it_took_it() {
        let (mut stream, mut servers) = managed("<a xmlns='urn:xmpp:sm:3' h='0'/></stream:stream>").await;
        heard(&mut servers).await;
        let stanza: Element = "<message xmlns='jabber:client' id='1'/>".parse().expect("it is well-formed");
        stream.push(stanza.clone());
        assert!(matches!(next(&mut stream).await, StreamEvent::Ended(None)));
        assert_eq!(heard(&mut servers).await, "<message id='1'></message><r xmlns='urn:xmpp:sm:3'></r>");
        let (counts, outbox) = stream.into_rest();
        assert_eq!(counts.map(|mut counts| counts.take_waiting()), Some(VecDeque::from([stanza])));
        assert_eq!(outbox, []);
    }

    #[tokio::test]
    async fn a_count_of_what_was_never_sent_ends_the_stream() {
        let (mut stream, _servers) = managed("<a xmlns='urn:xmpp:sm:3' h='5'/>").await;
        assert!(matches!(next(&mut stream).await, StreamEvent::Ended(None)));
    }
}
