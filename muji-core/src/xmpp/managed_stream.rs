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
use super::incoming_element::IncomingElement;

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
        let pong = element.is("iq", ns::CLIENT) && element.attr("id") == Some(PING);
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
