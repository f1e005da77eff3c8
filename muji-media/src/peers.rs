//! Every transport to every peer: what the core commands, what the network brings, what is sent to all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muji_core::CallId;
use muji_core::media::{IceRole, MediaCommand, MediaReport, OpenContent};
use muji_jingle::{SessionId, TransportId};

use crate::transport::{Agreed, MakeTransport, Opening, ReceivedRtp, RtpPacket, Transport, TransportOutput};

/// What comes out, in order.
#[derive(Debug)]
pub enum PeersOutput {
    /// To the network.
    Datagram {
        /// The local address to send from.
        from: SocketAddr,
        /// The peer's address.
        to: SocketAddr,
        /// What to send.
        bytes: Vec<u8>,
    },
    /// To the core.
    Report(MediaReport),
    /// To whoever decodes.
    Rtp {
        /// The session.
        session: SessionId,
        /// The content's name in the session.
        content: Arc<str>,
        /// The packet.
        received: ReceivedRtp,
    },
}

struct Session {
    call: CallId,
    contents: Vec<OpenContent>,
}

/// All transports of a media layer.
pub struct Peers {
    make: MakeTransport,
    addresses: Vec<SocketAddr>,
    sessions: BTreeMap<SessionId, Session>,
    transports: BTreeMap<TransportId, Box<dyn Transport>>,
    /// The transport that last took a datagram by this pair of addresses: spares the search.
    routes: BTreeMap<(SocketAddr, SocketAddr), TransportId>,
    /// Where a search probably ends, after addresses alone.
    hints: BTreeMap<(SocketAddr, SocketAddr), TransportId>,
    told: Told,
}

/// What transports told, and what comes of it.
#[derive(Default)]
struct Told {
    connected: BTreeSet<TransportId>,
    /// Contents of which something came.
    flowing: BTreeSet<(SessionId, Arc<str>)>,
    out: VecDeque<PeersOutput>,
}

/// Pairs of addresses remembered to shorten a search; a stranger can make us forget them, which costs time only.
const MAX_HINTS: usize = 1_024;

/// STUN begins with two zero bits; it alone says by its user name whose it is, whatever the address.
fn is_stun(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4)
}

impl Peers {
    /// No transports yet; those to come receive by `addresses`.
    #[must_use]
    pub fn new(make: MakeTransport, addresses: Vec<SocketAddr>) -> Self {
        Self {
            make,
            addresses,
            transports: BTreeMap::new(),
            routes: BTreeMap::new(),
            hints: BTreeMap::new(),
            sessions: BTreeMap::new(),
            told: Told::default(),
        }
    }

    /// Does what the core commands; capturing is not its business.
    pub fn execute(&mut self, now: Instant, command: &MediaCommand) {
        match command {
            MediaCommand::Open { call, session, role, contents, .. } => {
                self.open(now, *call, *session, *role, contents);
            }
            MediaCommand::Remote { transport, remote } => {
                self.with(*transport, |transport| transport.remote(now, remote));
            }
            MediaCommand::Candidate { transport, candidate } => {
                self.with(*transport, |transport| transport.candidate(now, candidate));
            }
            MediaCommand::Content { session, content, send, receive, ssrcs } => {
                let agreed =
                    Agreed { content: content.clone(), send: send.clone(), receive: *receive, ssrcs: ssrcs.clone() };
                if let Some(transport) = self.transport_of(*session, content) {
                    self.with(transport, |transport| transport.agreed(&agreed));
                }
            }
            MediaCommand::Close { session } => self.close(*session),
            _ => {}
        }
    }

    fn open(&mut self, now: Instant, call: CallId, session: SessionId, role: IceRole, contents: &[OpenContent]) {
        let mut ids: Vec<TransportId> = contents.iter().map(|content| content.transport).collect();
        ids.dedup();
        for id in ids {
            let contents = contents.iter().filter(|content| content.transport == id).cloned().collect();
            let transport = (self.make)(now, Opening { call, id, role, contents, addresses: self.addresses.clone() });
            let local = transport.local();
            self.transports.insert(id, transport);
            self.told.out.push_back(PeersOutput::Report(MediaReport::Described { transport: id, local }));
        }
        self.sessions.insert(session, Session { call, contents: contents.to_vec() });
    }

    fn close(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        self.transports.retain(|id, _| id.session != session);
        self.routes.retain(|_, id| id.session != session);
        self.told.connected.retain(|id| id.session != session);
        self.told.flowing.retain(|(of, _)| *of != session);
        self.hints.retain(|_, id| id.session != session);
    }

    fn transport_of(&self, session: SessionId, content: &str) -> Option<TransportId> {
        let contents = &self.sessions.get(&session)?.contents;
        contents.iter().find(|known| known.name == content).map(|known| known.transport)
    }

    /// A datagram from the network. What belongs to nobody is dropped unread.
    pub fn datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        // Anybody may send STUN from anywhere; everything else comes from addresses that the peer has proven.
        let (stun, path) = (is_stun(bytes), (local, from));
        let known = self.routes.get(&path).copied().filter(|_| !stun);
        let accepts = |transport: &dyn Transport| transport.accepts(now, local, from, bytes);
        let likely =
            || self.hints.get(&path).copied().filter(|id| self.transports.get(id).is_some_and(|it| accepts(&**it)));
        let any = || self.transports.iter().find(|(_, transport)| accepts(&***transport)).map(|(id, _)| *id);
        let Some(id) = known.or_else(likely).or_else(any) else { return };
        if known.is_none() {
            if stun && self.hints.len() == MAX_HINTS {
                self.hints.clear();
            }
            let proven = if stun { &mut self.hints } else { &mut self.routes };
            proven.insert(path, id);
        }
        self.with(id, |transport| transport.datagram(now, local, from, bytes));
    }

    /// Sends a packet to every peer that gets this publication.
    pub fn publish(&mut self, now: Instant, call: CallId, publication: &str, packet: &RtpPacket) {
        let of_call = self.sessions.values().filter(|session| session.call == call);
        let contents = of_call.flat_map(|session| &session.contents);
        for content in contents.filter(|content| content.publication == publication) {
            let id = content.transport;
            if let Some(transport) = self.transports.get_mut(&id) {
                transport.send(now, &content.name, packet);
                self.told.listen(id, &mut **transport);
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = self.transports.iter().filter(|(_, transport)| transport.poll_timeout().is_some_and(|at| at <= now));
        for id in due.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.with(id, |transport| transport.handle_timeout(now));
        }
    }

    /// True if there are connections and none is being made.
    #[must_use]
    pub fn are_settled(&self) -> bool {
        !self.transports.is_empty() && self.transports.keys().all(|id| self.told.connected.contains(id))
    }

    /// There and back to the peer of a session, as last measured.
    #[must_use]
    pub fn round_trip(&self, session: SessionId) -> Option<Duration> {
        let of_session = TransportId { session, index: 0 }..=TransportId { session, index: u8::MAX };
        self.transports.range(of_session).find_map(|(_, transport)| transport.round_trip())
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.transports.values().filter_map(|transport| transport.poll_timeout()).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<PeersOutput> {
        self.told.out.pop_front()
    }

    fn with(&mut self, id: TransportId, act: impl FnOnce(&mut dyn Transport)) {
        let Some(transport) = self.transports.get_mut(&id) else { return };
        act(&mut **transport);
        self.told.listen(id, &mut **transport);
    }
}

impl Told {
    /// Takes what a transport has to say.
    fn listen(&mut self, id: TransportId, transport: &mut dyn Transport) {
        while let Some(output) = transport.poll_output() {
            self.says(id, output);
        }
    }

    fn says(&mut self, id: TransportId, output: TransportOutput) {
        match output {
            TransportOutput::Datagram { from, to, bytes } => {
                self.out.push_back(PeersOutput::Datagram { from, to, bytes });
            }
            TransportOutput::Connected => {
                self.connected.insert(id);
                self.report(MediaReport::Connected { transport: id });
            }
            TransportOutput::Interrupted => {
                self.flowing.retain(|(session, _)| *session != id.session); // What comes again is told again.
                self.report(MediaReport::Interrupted { transport: id });
            }
            TransportOutput::Failed(why) => {
                self.connected.remove(&id);
                self.report(MediaReport::Failed { transport: id, why });
            }
            TransportOutput::Rtp { content, received } => self.received(id.session, content, received),
        }
    }

    fn received(&mut self, session: SessionId, content: Arc<str>, received: ReceivedRtp) {
        let stream = (session, content.clone());
        if !self.flowing.contains(&stream) {
            self.flowing.insert(stream);
            self.report(MediaReport::Flowing { session, content: content.to_string() });
        }
        self.out.push_back(PeersOutput::Rtp { session, content, received });
    }

    fn report(&mut self, report: MediaReport) {
        self.out.push_back(PeersOutput::Report(report));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use muji_core::media::{DtlsRole, RemoteTransport};
    use muji_xep::rtp::{Media, PayloadType};

    use super::*;
    use crate::transport::loopback;

    const CONTENT: &str = "audio";

    fn address(number: u8) -> SocketAddr {
        ([10, 0, 0, number], 5000).into()
    }

    /// Opens a session and gives its end.
    fn open(peers: &mut Peers, now: Instant, session: SessionId) -> muji_core::media::LocalTransport {
        let transport = TransportId { session, index: 0 };
        let content = OpenContent {
            name: CONTENT.to_owned(),
            publication: "what the room calls it".to_owned(),
            media: Media::Audio,
            ssrc: 1,
            transport,
            payload_types: Vec::new(),
        };
        let (call, name, role) = (CallId(1), "somebody".to_owned(), IceRole::Controlling);
        peers.execute(now, &MediaCommand::Open { call, session, name, role, contents: vec![content] });
        let Some(PeersOutput::Report(MediaReport::Described { local, .. })) = peers.poll_output() else {
            panic!("an end is described at once");
        };
        local
    }

    /// Agrees on a payload type and tells whom to connect to.
    fn agree(peers: &mut Peers, now: Instant, session: SessionId, id: u8, remote: muji_core::media::LocalTransport) {
        let transport = TransportId { session, index: 0 };
        let send = Some(PayloadType::new(id, "opus", 48_000, 2));
        let content = CONTENT.to_owned();
        peers.execute(now, &MediaCommand::Content { session, content, send, receive: true, ssrcs: Vec::new() });
        for candidate in remote.candidates {
            peers.execute(now, &MediaCommand::Candidate { transport, candidate });
        }
        let (ufrag, pwd, fingerprint) = (remote.ufrag, remote.pwd, remote.fingerprint);
        let remote = RemoteTransport { ufrag, pwd, fingerprint, dtls: DtlsRole::Client };
        peers.execute(now, &MediaCommand::Remote { transport, remote });
    }

    /// Carries datagrams until there are none; what was received, by the number of who received it.
    fn carry(all: &mut [Peers; 3], now: Instant) -> Vec<(usize, u8, RtpPacket)> {
        let mut received = Vec::new();
        while let Some((index, output)) = (0..3).find_map(|index| all[index].poll_output().map(|out| (index, out))) {
            match output {
                PeersOutput::Datagram { from, to, bytes } => {
                    let to_whom = (0..3).find(|index| address(*index) == to).expect("one of the three");
                    all[usize::from(to_whom)].datagram(now, to, from, &bytes);
                }
                PeersOutput::Rtp { received: packet, .. } => received.push((index, packet.payload_type, packet.packet)),
                PeersOutput::Report(_) => {}
            }
        }
        received
    }

    #[test]
    fn one_packet_goes_to_all_each_with_its_own_payload_type_and_no_further_after_the_close() {
        let now = Instant::now();
        let mut all = [0, 1, 2].map(|number| Peers::new(loopback::maker(), vec![address(number)]));
        for (number, id) in [(1, 111), (2, 100)] {
            let session = SessionId(number);
            let index = usize::try_from(number).expect("small");
            let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[index], now, session));
            agree(&mut all[0], now, session, id, theirs);
            agree(&mut all[index], now, session, id, ours);
            assert_eq!(carry(&mut all, now), [], "only greetings");
        }
        let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"sound"[..]) };
        all[0].publish(now, CallId(1), "what the room calls it", &packet);
        assert_eq!(carry(&mut all, now), [(1, 111, packet.clone()), (2, 100, packet.clone())]);
        all[0].publish(now, CallId(2), "what the room calls it", &packet);
        assert_eq!(carry(&mut all, now), [], "another call is not ours");
        all[0].execute(now, &MediaCommand::Close { session: SessionId(1) });
        all[0].publish(now, CallId(1), "what the room calls it", &packet);
        assert_eq!(carry(&mut all, now), [(2, 100, packet)]);
    }

    #[test]
    fn a_datagram_of_nobody_is_dropped() {
        let mut peers = Peers::new(loopback::maker(), vec![address(0)]);
        for bytes in [&b""[..], &[0; 20], &[0x80; 1_500]] {
            peers.datagram(Instant::now(), address(0), address(9), bytes);
        }
        assert!(peers.poll_output().is_none());
    }
}
