//! Why the server ended the stream.
//!
//! tokio-xmpp 6.0 reports that a stream is gone but not why, and a program that logs in again after a conflict fights with the
//! user's other program for ever. So the end of what was read is remembered, and searched once the stream is gone.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stream_error::StreamError;

use super::local_address::LocalAddress;

/// Bytes remembered: a stream error with a long text and an element of its own.
const REMEMBERED: usize = 2_048;

/// The end of what a stream read; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct ReadTail(Arc<Mutex<Vec<u8>>>);

impl ReadTail {
    fn add(&self, bytes: &[u8]) {
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(&bytes[bytes.len().saturating_sub(REMEMBERED)..]);
        let excess = tail.len().saturating_sub(REMEMBERED);
        tail.drain(..excess);
    }

    /// A new stream begins.
    pub(super) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The error that ended the stream, if the server sent one.
    pub(super) fn error(&self) -> Option<StreamError> {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tail = String::from_utf8_lossy(&tail);
        // The prefix is the one that RFC 6120 section 4.8.5 asks for.
        let error = &tail[tail.rfind("<stream:error")?..];
        let error = &error[..error.find(END)? + END.len()];
        let around = format!("<around xmlns='' xmlns:stream='http://etherx.jabber.org/streams'>{error}</around>");
        let around: Element = around.parse().ok()?;
        StreamError::try_from(around.children().next()?.clone()).ok()
    }
}

const END: &str = "</stream:error>";

/// A connection that remembers the end of what was read, and that fails when its local address is gone.
pub(super) struct Monitored<S> {
    pub(super) inner: S,
    pub(super) tail: ReadTail,
    pub(super) address: LocalAddress,
}

impl<S: AsyncRead + Unpin> AsyncRead for Monitored<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.tail.add(&buffer.filled()[before..]);
        match read {
            Poll::Pending => self.address.poll_gone(cx).map_or(Poll::Pending, |why| Poll::Ready(Err(why))),
            Poll::Ready(read) => Poll::Ready(read),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Monitored<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use xmpp_parsers::stream_error::DefinedCondition;

    use super::*;

    #[test]
    fn an_error_at_the_end_is_found_even_in_pieces() {
        let tail = ReadTail::default();
        tail.add(&[b'x'; 5_000]);
        tail.add(b"<presence/><stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>");
        tail.add(b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced</text></stream:error></stream:stream>");
        assert_eq!(tail.error().map(|error| error.condition), Some(DefinedCondition::Conflict));
        tail.forget();
        assert!(tail.error().is_none());
    }

    #[test]
    fn no_error_half_an_error_and_nonsense_are_none() {
        for text in [
            "",
            "</stream:stream>",
            "<stream:error><conf",
            "<stream:error></stream:error>",
            "<stream:error>&</stream:error>",
        ] {
            let tail = ReadTail::default();
            tail.add(text.as_bytes());
            assert!(tail.error().is_none(), "{text}");
        }
    }
}
