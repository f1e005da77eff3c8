//! TCP and TLS connections to TURN servers, and the addresses of servers by their names. Each is a task of its own, with a deadline and
//! bounded queues.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use muji_core::media::{IceServer, ServerKind};
use muji_core::tls::{self, TlsRoots};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::output::ConnectionId;

/// The longest time until a connection is there, with TLS.
const CONNECT: Duration = Duration::from_secs(8);

/// The system's resolver asks several servers several times; a call cannot wait for all of that.
const RESOLVE: Duration = Duration::from_secs(5);

/// Packets that wait to be written: a second of video. A connection that is slower loses them, as a network would.
const TO_WRITE: usize = 256;

/// Events that wait to be read.
const MAX_EVENTS: usize = 256;

/// The size of one read.
const ROOM: usize = 16_384;

/// What tasks report.
#[derive(Debug)]
pub(crate) enum ConnectionEvent {
    /// The addresses of servers; a server without any is not there.
    Resolved(Vec<(IceServer, Vec<SocketAddr>)>),
    Opened(ConnectionId, SocketAddr),
    Received(ConnectionId, Vec<u8>),
    Closed(ConnectionId, String),
}

/// All connections to TURN servers.
pub(crate) struct Connections {
    trust: TlsRoots,
    writers: BTreeMap<ConnectionId, mpsc::Sender<Vec<u8>>>,
    report: mpsc::Sender<ConnectionEvent>,
    events: mpsc::Receiver<ConnectionEvent>,
    /// Names are being resolved.
    resolving: bool,
}

impl Connections {
    pub(crate) fn new(trust: TlsRoots) -> Self {
        let (report, events) = mpsc::channel(MAX_EVENTS);
        Self { trust, writers: BTreeMap::new(), report, events, resolving: false }
    }

    /// The next event; it wakes the task of `cx`.
    pub(crate) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<ConnectionEvent>> {
        self.events.poll_recv(cx)
    }

    /// True if tasks need the event loop.
    pub(crate) fn are_busy(&self) -> bool {
        self.resolving || !self.writers.is_empty()
    }

    /// Looks up the addresses of servers; the answer is [`ConnectionEvent::Resolved`].
    pub(crate) fn resolve(&mut self, servers: Vec<IceServer>) {
        self.resolving = true;
        let report = self.report.clone();
        tokio::spawn(async move {
            let mut resolved = Vec::new();
            for server in servers {
                let host = server.host.trim_matches(['[', ']']).to_owned();
                let found = timeout(RESOLVE, tokio::net::lookup_host((host, server.port))).await;
                let addresses: Vec<SocketAddr> = found.map(|it| it.into_iter().flatten().collect()).unwrap_or_default();
                resolved.push((server, addresses));
            }
            let _ended = report.send(ConnectionEvent::Resolved(resolved)).await.is_err();
        });
    }

    /// The answer was taken.
    pub(crate) fn resolved(&mut self) {
        self.resolving = false;
    }

    /// Opens a connection, with TLS if a name is given.
    pub(crate) fn open(&mut self, connection: ConnectionId, to: SocketAddr, tls_name: Option<String>) {
        let (writer, to_write) = mpsc::channel(TO_WRITE);
        self.writers.insert(connection, writer);
        let (report, trust) = (self.report.clone(), self.trust.clone());
        tokio::spawn(async move {
            let why = match timeout(CONNECT, connect(to, tls_name, &trust)).await {
                Ok(Ok((io, local))) => {
                    let _ended = report.send(ConnectionEvent::Opened(connection, local)).await.is_err();
                    carry(connection, io, to_write, &report).await
                }
                Ok(Err(why)) => why,
                Err(_) => "no answer".to_owned(),
            };
            let _ended = report.send(ConnectionEvent::Closed(connection, why)).await.is_err();
        });
    }

    /// Writes to a connection; what it does not take in time is lost.
    pub(crate) fn write(&self, connection: ConnectionId, bytes: Vec<u8>) {
        let _lost = self.writers.get(&connection).is_none_or(|writer| writer.try_send(bytes).is_err());
    }

    /// Closes a connection, after what was written before.
    pub(crate) fn close(&mut self, connection: ConnectionId) {
        self.writers.remove(&connection);
    }
}

/// A TCP or TLS connection.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

async fn connect(
    to: SocketAddr,
    tls_name: Option<String>,
    trust: &TlsRoots,
) -> Result<(Box<dyn Io>, SocketAddr), String> {
    let sentence = |why: io::Error| why.to_string();
    let stream = TcpStream::connect(to).await.map_err(sentence)?;
    stream.set_nodelay(true).map_err(sentence)?; // Media must not wait for further packets (Nagle's algorithm).
    let local = stream.local_addr().map_err(sentence)?;
    Ok(match tls_name {
        Some(name) => (Box::new(tls::connect(stream, &name, None, trust).await.map_err(|why| why.to_string())?), local),
        None => (Box::new(stream), local),
    })
}

/// Reads and writes until either end closes; gives why it ended.
async fn carry(
    connection: ConnectionId,
    io: Box<dyn Io>,
    mut to_write: mpsc::Receiver<Vec<u8>>,
    report: &mpsc::Sender<ConnectionEvent>,
) -> String {
    let (mut reader, mut writer) = tokio::io::split(io);
    let read = async {
        let mut room = vec![0; ROOM];
        loop {
            match reader.read(&mut room).await {
                Ok(0) => return "the server closed the connection".to_owned(),
                Ok(count)
                    if report.send(ConnectionEvent::Received(connection, room[..count].to_vec())).await.is_ok() => {}
                Ok(_) => return String::new(), // The media layer is gone.
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

/// The servers to ask: further ones would only add waiting.
pub(crate) fn usable(by_hand: &[IceServer], known: &[IceServer]) -> Vec<IceServer> {
    let mut servers: Vec<IceServer> = by_hand.to_vec();
    servers.extend(known.iter().filter(|server| !by_hand.contains(server)).cloned());
    servers.sort_by_key(|server| server.kind != ServerKind::Stun);
    servers.truncate(muji_core::config::MAX_ICE_SERVERS);
    servers
}
