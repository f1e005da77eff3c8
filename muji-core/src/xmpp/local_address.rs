//! Whether the machine still has the address that a connection was made from. When it moves to another network nothing more
//! comes by the old connection, and without this that is noticed only when the server does not answer.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// Where a connection was made from.
pub(super) struct LocalAddress {
    local: IpAddr,
    look: Pin<Box<Sleep>>,
}

impl LocalAddress {
    pub(super) fn new(local: SocketAddr) -> Self {
        Self { local: local.ip(), look: Box::pin(sleep(LOOK)) }
    }

    /// Why nothing comes any more, if the address is gone; else it is looked at again later.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Option<io::Error> {
        while self.look.as_mut().poll(cx).is_ready() {
            if !is_ours(self.local) {
                let why = format!("this machine does not have the address {} any more", self.local);
                return Some(io::Error::new(io::ErrorKind::ConnectionAborted, why));
            }
            self.look.set(sleep(LOOK));
        }
        None
    }
}

/// What cannot be bound to is not ours.
fn is_ours(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).map_or_else(|why| why.kind() != io::ErrorKind::AddrNotAvailable, |_| true)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn an_address_that_is_gone_is_noticed_though_nothing_comes() {
        // An address that no machine has (RFC 5737).
        let mut place = LocalAddress::new(SocketAddr::from(([192, 0, 2, 77], 40_000)));
        let gone = poll_fn(|cx| place.poll_gone(cx).map_or(Poll::Pending, Poll::Ready));
        let why = tokio::time::timeout(Duration::from_secs(10), gone).await.expect("it is noticed");
        assert_eq!(why.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[test]
    fn the_loopback_is_never_gone() {
        assert!(is_ours(IpAddr::from([127, 0, 0, 1])));
    }
}
