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
use muji_core::media::{Capabilities, LocalTransport, MediaBackend, MediaCommand, MediaReport};
use muji_core::xmpp::{Account, Connection, Incoming, Server};
use muji_core::{Event, Handled, Join, Muji, Notice, SessionId};
use muji_xep::Secret;
use muji_xep::ice::{Candidate, CandidateKind};
use muji_xep::rtp::PayloadType;
use tokio::time::{Interval, interval};

/// How often something is said.
const PACE: Duration = Duration::from_millis(20);

/// The media layer: one socket, and for each session the content and where its peer is.
struct Words {
    word: String,
    socket: UdpSocket,
    pace: Interval,
    sessions: BTreeMap<SessionId, (String, Option<SocketAddr>)>,
    speaking: bool,
    heard: Vec<SessionId>,
    reports: VecDeque<MediaReport>,
}

impl Words {
    fn new(word: &str) -> std::io::Result<Self> {
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
    fn capabilities(&self) -> Capabilities {
        Capabilities { audio: vec![PayloadType::new(96, "x-words", 48_000, 1)], ..Capabilities::default() }
    }

    fn execute(&mut self, command: MediaCommand) {
        match command {
            MediaCommand::Publish { .. } => self.speaking = true,
            MediaCommand::Unpublish { .. } => self.speaking = false,
            MediaCommand::Open { session, contents, .. } => {
                for content in contents {
                    self.sessions.insert(session, (content.name, None));
                    let report = MediaReport::Described { transport: content.transport, local: self.end() };
                    self.reports.push_back(report);
                }
            }
            MediaCommand::Candidate { transport, candidate } => {
                if let Some((_, peer)) = self.sessions.get_mut(&transport.session) {
                    *peer = Some(candidate.address); // Without ICE the first that is named has to work.
                    self.reports.push_back(MediaReport::Connected { transport });
                }
            }
            MediaCommand::Close { session } => drop(self.sessions.remove(&session)),
            // Words know no servers, credentials, restarts and payload types.
            MediaCommand::Servers { .. }
            | MediaCommand::Remote { .. }
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
    let mut client = Connection::open(account).await?;
    let mut muji = Muji::new(Words::new(word)?);
    let mut wish = Some((room, Join::call_room().nick(word)));
    loop {
        tokio::select! {
            incoming = client.next() => match incoming {
                Incoming::Bound(jid) => {
                    muji.connected(jid);
                    if let Some((room, how)) = wish.take() {
                        muji.join(room, how)?;
                    }
                }
                Incoming::Stanza(stanza) => match muji.handle_element(&stanza) {
                    Handled::Taken => {}
                    Handled::Shared | Handled::NotOurs => client.answer(&stanza).await,
                },
                Incoming::Over(why) => return Err(why.into()),
                Incoming::Lost(_) | Incoming::Resumed | Incoming::Unsent(_) => {} // As in `minimal.rs`.
            },
            Some(notice) = muji.next() => match notice {
                Notice::Send(stanza) => client.send(stanza).await,
                Notice::Event(_, Event::PeerFlowing(..)) => println!("{word} and a participant receive each other"),
                Notice::Event(_, Event::Ended(why)) => return Err(why.into()),
                Notice::Event(..) => {}
            },
        }
    }
}
