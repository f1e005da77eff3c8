//! A media backend of your own, and all that it takes: it sends words instead of sound, over UDP on this machine, without encryption.
//!
//! Run it twice, with two accounts and the same room; each prints the word that it receives from the other:
//!
//! ```text
//! MUJI_JID=romeo@example.org MUJI_PASSWORD=… cargo run --example own_media words@conference.example.org
//! ```
//!
//! `MUJI_SERVER=127.0.0.1:5222` names a server on this machine without TLS; without it the server is found by its domain.
//! A client with GStreamer or libwebrtc puts its pipeline where this has a socket.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use muji_core::jid::BareJid;
use muji_core::media::{
    Candidate, CandidateKind, Capabilities, LocalTransport, MediaBackend, MediaCommand, MediaReport, PayloadType,
};
use muji_core::xmpp::{Account, Connection, Incoming, Server};
use muji_core::{ConnectionChange, Disco, Event, Handled, Join, Muji, Notice, Secret, SessionId};
use tokio::time::{Interval, interval};

/// How often something is said.
const PACE: Duration = Duration::from_millis(20);

/// The media layer: one socket, and for each session the content and where its peer is.
pub(crate) struct Words {
    word: String,
    socket: UdpSocket,
    pace: Interval,
    sessions: BTreeMap<SessionId, (String, Option<SocketAddr>)>,
    speaking: bool,
    heard: Vec<SessionId>,
    reports: VecDeque<MediaReport>,
}

impl Words {
    pub(crate) fn new(word: &str) -> std::io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let (word, pace) = (word.to_owned(), interval(PACE));
        let (sessions, reports) = (BTreeMap::new(), VecDeque::new());
        Ok(Self { word, socket, pace, sessions, speaking: false, heard: Vec::new(), reports })
    }

    /// Our end. A real one has secrets here, and the hash of a certificate.
    fn end(&self) -> LocalTransport {
        let candidate = Candidate {
            component: 1,
            foundation: "1".to_owned(),
            generation: 0,
            id: None,
            address: self.socket.local_addr().expect("it is bound"),
            priority: 1,
            kind: CandidateKind::Host,
            related: None,
        };
        let (ufrag, pwd) = ("words".to_owned(), Secret::new("no secret at all"));
        LocalTransport { ufrag, pwd, fingerprint: vec![0; 32], candidates: vec![candidate] }
    }

    /// Hears what has come, says what is to say.
    fn turn(&mut self) {
        let mut bytes = [0; 64];
        while let Ok((length, from)) = self.socket.recv_from(&mut bytes) {
            let speaker = self.sessions.iter().find(|(_, (_, peer))| *peer == Some(from)).map(|(id, _)| *id);
            let Some(session) = speaker.filter(|session| !self.heard.contains(session)) else { continue };
            println!("{} hears {:?}", self.word, String::from_utf8_lossy(&bytes[..length]));
            self.heard.push(session);
            let content = self.sessions[&session].0.clone();
            self.reports.push_back(MediaReport::Flowing { session, content });
        }
        for (_, peer) in self.sessions.values().filter(|_| self.speaking) {
            let _lost = peer.is_some_and(|peer| self.socket.send_to(self.word.as_bytes(), peer).is_err());
        }
    }
}

impl MediaBackend for Words {
    /// One content, so nothing to bundle; without ICE, so nothing to restart.
    fn capabilities(&self) -> Capabilities {
        Capabilities { audio: vec![PayloadType::new(96, "x-words", 48_000, 1)], ..Capabilities::default() }
    }

    fn execute(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Publish { .. } => self.speaking = true,
            MediaCommand::Unpublish { .. } => self.speaking = false,
            // Our end, for the offer; or for the answer, and then the peer's end comes with the next commands, before the report is taken.
            MediaCommand::Open { session, contents, .. } => {
                for content in contents {
                    self.sessions.insert(session, (content.name, None));
                    let report = MediaReport::Described { transport: content.transport, local: self.end() };
                    self.reports.push_back(report);
                }
            }
            MediaCommand::Candidate { transport, candidate } => {
                if let Some((_, peer)) = self.sessions.get_mut(&transport.session) {
                    *peer = Some(candidate.address); // Without ICE any that is named has to work.
                }
            }
            // With ICE and DTLS this would be their beginning. It comes behind the candidates that are known by then.
            MediaCommand::Remote { transport, .. } => self.reports.push_back(MediaReport::Connected { transport }),
            MediaCommand::Close { session } => drop(self.sessions.remove(&session)),
            // Words know no servers and no payload types, and the capabilities have no restarts and no bridges.
            MediaCommand::Servers { .. }
            | MediaCommand::Bridge { .. }
            | MediaCommand::Prompt { .. }
            | MediaCommand::Restart { .. }
            | MediaCommand::Content { .. }
            | MediaCommand::SendDigits { .. }
            | MediaCommand::RemoveContent { .. } => {}
        }
    }

    fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<Option<MediaReport>> {
        while self.pace.poll_tick(cx).is_ready() {
            self.turn();
        }
        self.reports.pop_front().map_or(Poll::Pending, |report| Poll::Ready(Some(report)))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let room = std::env::args().nth(1).ok_or("usage: own_media room@conference.example.org")?.parse()?;
    let jid = std::env::var("MUJI_JID")?;
    let word = jid.split('@').next().unwrap_or(&jid); // What is sent: the name of the account.
    let mut account = Account::new(jid.parse()?, Secret::new(std::env::var("MUJI_PASSWORD")?));
    if let Ok(address) = std::env::var("MUJI_SERVER") {
        account.server = Server::Plaintext(address.parse()?);
    }
    talk(account, room, Words::new(word)?, |event| println!("{word}: {event:?}")).await
}

/// Takes part in the call of a room until it is over.
pub(crate) async fn talk(
    account: Account,
    room: BareJid,
    words: Words,
    show: impl Fn(&Event),
) -> Result<(), Box<dyn std::error::Error>> {
    let mut client = Connection::open(account).await?;
    let mut wish = Some((room, Join::call_room().nick(&words.word)));
    let mut muji = Muji::new(words);
    muji.answer_disco(Disco::new("https://example.org/own_media", "own_media", &muji.features()));
    loop {
        tokio::select! {
            incoming = client.next() => match incoming {
                Incoming::Bound(jid) => {
                    muji.handle_connection(ConnectionChange::Bound { jid });
                    if let Some((room, how)) = wish.take() {
                        muji.join(room, how)?;
                    }
                }
                Incoming::Stanza(stanza) => match muji.handle_element(&stanza) {
                    Handled::Taken => {}
                    Handled::Shared | Handled::NotOurs => client.answer(&stanza).await,
                },
                Incoming::Over(why) => return Err(why.into()),
                Incoming::Lost(_) => muji.handle_connection(ConnectionChange::Lost),
                Incoming::Resumed => muji.handle_connection(ConnectionChange::Resumed),
                Incoming::Unsent(_) => {} // Here a client says that a message is lost.
            },
            Some(notice) = muji.next() => match notice {
                Notice::Send(stanza) => client.send(stanza).await,
                Notice::Event(_, Event::Ended(_)) => return Ok(()),
                Notice::Event(_, event) => show(&event),
            },
        }
    }
}
