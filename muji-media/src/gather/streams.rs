//! Streams to TURN servers, by TCP and within TLS, and the addresses of servers by their names: each in a task of its own, with a
//! deadline and bounded queues.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use muji_core::media::{IceServer, ServerKind};
use muji_core::tls::{self, Trust};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::output::StreamNumber;

/// From asking for a stream to its being there, with TLS.
const CONNECT: Duration = Duration::from_secs(8);

/// The system's resolver asks several servers several times; a call cannot wait for all of that.
const RESOLVE: Duration = Duration::from_secs(5);

/// Packets that wait to be written: a second of pictures. A stream that is slower loses them, as a network would.
const TO_WRITE: usize = 256;

/// News that wait to be read.
const NEWS: usize = 256;

/// One read of a stream at most.
const ROOM: usize = 16_384;

/// What tasks tell.
#[derive(Debug)]
pub(crate) enum News {
    /// The addresses of servers, of those that have any.
    Servers(Vec<(IceServer, Vec<SocketAddr>)>),
    Opened(StreamNumber, SocketAddr),
    Read(StreamNumber, Vec<u8>),
    Closed(StreamNumber, String),
}

/// All streams to servers.
pub(crate) struct Streams {
    trust: Trust,
    writers: BTreeMap<StreamNumber, mpsc::Sender<Vec<u8>>>,
    tell: mpsc::Sender<News>,
    pub(crate) news: mpsc::Receiver<News>,
    /// Names are being resolved.
    resolving: bool,
}

impl Streams {
    pub(crate) fn new(trust: Trust) -> Self {
        let (tell, news) = mpsc::channel(NEWS);
        Self { trust, writers: BTreeMap::new(), tell, news, resolving: false }
    }

    /// True if tasks need the runtime.
    pub(crate) fn are_busy(&self) -> bool {
        self.resolving || !self.writers.is_empty()
    }

    /// Looks up the addresses of servers; the answer is [`News::Servers`].
    pub(crate) fn resolve(&mut self, servers: Vec<IceServer>) {
        self.resolving = true;
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let mut resolved = Vec::new();
            for server in servers {
                let host = server.host.trim_matches(['[', ']']).to_owned();
                let found = timeout(RESOLVE, tokio::net::lookup_host((host, server.port))).await;
                let addresses: Vec<SocketAddr> = found.map(|it| it.into_iter().flatten().collect()).unwrap_or_default();
                resolved.push((server, addresses));
            }
            let _ended = tell.send(News::Servers(resolved)).await.is_err();
        });
    }

    /// They are told.
    pub(crate) fn resolved(&mut self) {
        self.resolving = false;
    }

    /// Opens a stream, within TLS if a name is given.
    pub(crate) fn connect(&mut self, stream: StreamNumber, to: SocketAddr, secure: Option<String>) {
        let (writer, to_write) = mpsc::channel(TO_WRITE);
        self.writers.insert(stream, writer);
        let (tell, trust) = (self.tell.clone(), self.trust.clone());
        tokio::spawn(async move {
            let why = match timeout(CONNECT, open(to, secure, &trust)).await {
                Ok(Ok((io, local))) => {
                    let _ended = tell.send(News::Opened(stream, local)).await.is_err();
                    carry(stream, io, to_write, &tell).await
                }
                Ok(Err(why)) => why,
                Err(_) => "no answer".to_owned(),
            };
            let _ended = tell.send(News::Closed(stream, why)).await.is_err();
        });
    }

    /// Writes to a stream; what it does not take in time is lost.
    pub(crate) fn write(&self, stream: StreamNumber, bytes: Vec<u8>) {
        let _lost = self.writers.get(&stream).is_none_or(|writer| writer.try_send(bytes).is_err());
    }

    /// Closes a stream, after what was written before.
    pub(crate) fn close(&mut self, stream: StreamNumber) {
        self.writers.remove(&stream);
    }
}

/// A stream of either kind.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

async fn open(to: SocketAddr, secure: Option<String>, trust: &Trust) -> Result<(Box<dyn Io>, SocketAddr), String> {
    let told = |why: io::Error| why.to_string();
    let stream = TcpStream::connect(to).await.map_err(told)?;
    stream.set_nodelay(true).map_err(told)?; // A packet that waits for the next one is a packet too late.
    let local = stream.local_addr().map_err(told)?;
    Ok(match secure {
        Some(name) => (Box::new(tls::connect(stream, &name, None, trust).await.map_err(|why| why.to_string())?), local),
        None => (Box::new(stream), local),
    })
}

/// Reads and writes until either end closes; why it ended.
async fn carry(
    stream: StreamNumber,
    io: Box<dyn Io>,
    mut to_write: mpsc::Receiver<Vec<u8>>,
    tell: &mpsc::Sender<News>,
) -> String {
    let (mut reader, mut writer) = tokio::io::split(io);
    let read = async {
        let mut room = vec![0; ROOM];
        loop {
            match reader.read(&mut room).await {
                Ok(0) => return "the server closed the connection".to_owned(),
                Ok(count) if tell.send(News::Read(stream, room[..count].to_vec())).await.is_ok() => {}
                Ok(_) => return String::new(), // Nobody listens any more.
                Err(why) => return why.to_string(),
            }
        }
    };
    let write = async {
        while let Some(bytes) = to_write.recv().await {
            if let Err(why) = writer.write_all(&bytes).await {
                return why.to_string();
            }
        }
        let _closed = writer.shutdown().await.is_err();
        "it is not needed any more".to_owned()
    };
    tokio::select! {
        why = read => why,
        why = write => why,
    }
}

/// Servers that are of use: those beyond the limit would only be asked in vain.
pub(crate) fn usable(by_hand: &[IceServer], told: &[IceServer]) -> Vec<IceServer> {
    let mut servers: Vec<IceServer> = by_hand.to_vec();
    servers.extend(told.iter().filter(|server| !by_hand.contains(server)).cloned());
    servers.sort_by_key(|server| server.kind != ServerKind::Stun);
    servers.truncate(muji_core::config::MAX_ICE_SERVERS);
    servers
}
