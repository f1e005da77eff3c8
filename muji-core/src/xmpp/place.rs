//! Whether the machine still has the address that a connection was made from. When it moves to another network nothing more
//! comes by the old connection, and without this that is noticed only when the server does not answer.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// A connection that fails when its address is gone.
pub(super) struct Placed<S> {
    inner: S,
    local: IpAddr,
    look: Pin<Box<Sleep>>,
}

impl<S> Placed<S> {
    pub(super) fn new(inner: S, local: SocketAddr) -> Self {
        Self { inner, local: local.ip(), look: Box::pin(sleep(LOOK)) }
    }
}

/// What cannot be bound to is not ours.
fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).map_or_else(|why| why.kind() != io::ErrorKind::AddrNotAvailable, |_| true)
}

impl<S: AsyncRead + Unpin> AsyncRead for Placed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        while read.is_pending() && self.look.as_mut().poll(cx).is_ready() {
            if !is_ours(self.local) {
                let why = format!("this machine does not have the address {} any more", self.local);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, why)));
            }
            self.look.set(sleep(LOOK));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Placed<S> {
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
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_connection_from_an_address_that_is_gone_fails_though_nothing_came_by_it() {
        let (ours, _theirs) = tokio::io::duplex(64);
        // An address that no machine has (RFC 5737).
        let mut placed = Placed::new(ours, SocketAddr::from(([192, 0, 2, 77], 40_000)));
        let limit = tokio::time::timeout(Duration::from_secs(10), placed.read_u8());
        let why = limit.await.expect("it is noticed").expect_err("nothing can come");
        assert_eq!(why.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[test]
    fn the_loopback_is_never_gone() {
        assert!(is_ours(IpAddr::from([127, 0, 0, 1])));
    }
}
