//! A proxy between a client and its server, without TLS: it counts stanzas, stalls the connection after a given one, and cuts it or lets it go
//! on.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes read at once.
const ROOM: usize = 4_096;

/// What passes, and what is let pass.
#[derive(Debug)]
struct State {
    /// Stanzas of both directions so far.
    stanzas: usize,
    /// Behind this many nothing passes any more.
    until: usize,
}

/// A wire to a server.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    passed: watch::Receiver<usize>,
    /// Each cut raises it.
    cuts: watch::Sender<usize>,
    /// Whether what was stalled goes on.
    released: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A wire to this server, on which nothing passes behind the stanza of this number.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn before(server: SocketAddr, until: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State { stanzas: 0, until }));
        let (tell, passed) = watch::channel(0);
        let (cuts, cut) = watch::channel(0);
        let (released, release) = watch::channel(false);
        let (shared, tell) = (state.clone(), Arc::new(tell));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(server).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                for (from, to) in [(from_client, to_server), (from_server, to_client)] {
                    let (shared, tell, mut cut, release) = (shared.clone(), tell.clone(), cut.clone(), release.clone());
                    cut.mark_unchanged();
                    tokio::spawn(async move {
                        tokio::select! {
                            _ = carry(from, to, &shared, &tell, release) => {}
                            _ = cut.changed() => {}
                        }
                    });
                }
            }
        });
        Ok(Self { address, state, passed, cuts, released, accepting })
    }

    /// Where clients reach the server through it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the last stanza that may pass has passed.
    pub async fn frozen(&mut self) {
        let until = self.state.lock().unwrap_or_else(PoisonError::into_inner).until;
        let _ended = self.passed.wait_for(|passed| *passed >= until).await.is_err();
    }

    /// Cuts the connections that there are; new ones can be made, and everything passes from now on.
    pub fn cut(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).until = usize::MAX;
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// What was stalled passes now, and everything behind it.
    pub fn release(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).until = usize::MAX;
        self.released.send_replace(true);
    }

    /// How many have passed.
    #[must_use]
    pub fn stanzas(&self) -> usize {
        *self.passed.borrow()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &Mutex<State>,
    tell: &watch::Sender<usize>,
    mut release: watch::Receiver<bool>,
) -> io::Result<()> {
    let (mut room, mut scanner) = (vec![0; ROOM], Scanner::default());
    loop {
        let count = from.read(&mut room).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        let mut rest = &room[..count];
        while !rest.is_empty() {
            let passes = passing(rest, &mut scanner, state, tell);
            to.write_all(&rest[..passes]).await?;
            rest = &rest[passes..];
            if !rest.is_empty() || is_stalled(state) {
                // The connection stays, and nothing comes by it.
                release.wait_for(|released| *released).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
            }
        }
    }
}

fn is_stalled(state: &Mutex<State>) -> bool {
    let state = state.lock().unwrap_or_else(PoisonError::into_inner);
    state.stanzas >= state.until
}

/// How many of these bytes may pass.
fn passing(bytes: &[u8], scanner: &mut Scanner, state: &Mutex<State>, tell: &watch::Sender<usize>) -> usize {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    if state.stanzas >= state.until {
        return 0;
    }
    for (index, byte) in bytes.iter().enumerate() {
        if scanner.ends_stanza(*byte) {
            state.stanzas += 1;
            tell.send_replace(state.stanzas);
            if state.stanzas == state.until {
                return index + 1;
            }
        }
    }
    bytes.len()
}

/// Finds the ends of stanzas in a stream, however it is cut.
#[derive(Debug, Default)]
struct Scanner {
    /// The tag that is being read, without its brackets.
    tag: Option<Vec<u8>>,
    quote: Option<u8>,
    depth: usize,
    /// Whether the child of the stream that is being read is a stanza.
    stanza: bool,
}

impl Scanner {
    fn ends_stanza(&mut self, byte: u8) -> bool {
        let Some(tag) = &mut self.tag else {
            if byte == b'<' {
                self.tag = Some(Vec::new());
            }
            return false;
        };
        match (byte, self.quote) {
            (b'>', None) => {
                let tag = std::mem::take(tag);
                self.tag = None;
                self.ends(&tag)
            }
            (quote, Some(open)) if quote == open => {
                self.quote = None;
                tag.push(byte);
                false
            }
            (b'"' | b'\'', None) => {
                self.quote = Some(byte);
                tag.push(byte);
                false
            }
            _ => {
                tag.push(byte);
                false
            }
        }
    }

    fn ends(&mut self, tag: &[u8]) -> bool {
        match tag.first() {
            Some(b'?' | b'!') | None => false,
            Some(b'/') => {
                self.depth = self.depth.saturating_sub(1);
                self.depth == 1 && self.stanza
            }
            // After the login the stream restarts.
            Some(_) if tag.starts_with(b"stream:stream") => {
                self.depth = 1;
                false
            }
            Some(_) => {
                let whole = tag.last() == Some(&b'/');
                if self.depth == 1 {
                    self.stanza = ["iq", "message", "presence"].iter().any(|name| {
                        tag.strip_prefix(name.as_bytes())
                            .is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'/')))
                    });
                }
                self.depth += usize::from(!whole);
                whole && self.depth == 1 && self.stanza
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stanzas_count_and_each_once() {
        let stream = "<?xml version='1.0'?><stream:stream to='x'><auth>a&gt;</auth><success/>\
            <stream:stream to='x'><iq id='a>b' type=\"get\"><query><iq/></query></iq><presence/><r/><message><body>1</body></message>\
            <iq-like/>";
        let mut scanner = Scanner::default();
        assert_eq!(stream.bytes().filter(|byte| scanner.ends_stanza(*byte)).count(), 3);
    }
}
