//! Every transport to every peer: what the core commands, what the network brings, what is sent to all.

mod entry;
mod output;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jid::BareJid;
use muji_core::media::{IceRole, MediaCommand, MediaReport, OpenContent, TransportFailure};
use muji_core::{CallId, Media};
use muji_jingle::{SessionId, TransportId};

use crate::gather::LocalCandidate;
use crate::rtp::{Coded, RtpPacket, is_stun};
pub use crate::stats::{Path, Traffic};
use crate::transport::{MakeTransport, NegotiatedContent, Transport, TransportParams};
use crate::video::layers::{LayerFilter, Share};
use entry::TransportEntry;
pub use output::PeersOutput;
use told::Told;

/// Addresses that transports share.
struct SocketSet {
    candidates: Vec<LocalCandidate>,
}

impl SocketSet {
    fn has(&self, base: SocketAddr) -> bool {
        self.candidates.iter().any(|candidate| candidate.base == base)
    }
}

struct Session {
    call: CallId,
    peer: BareJid,
    contents: Vec<SentContent>,
}

/// Where a content travels, and what of ours is sent as it.
struct SentContent {
    name: String,
    media: Media,
    transport: TransportId,
    publication: Option<String>,
    /// Of pictures.
    filter: LayerFilter,
}

/// All transports of a media layer.
pub struct Peers {
    make: MakeTransport,
    lanes: Vec<SocketSet>,
    sessions: BTreeMap<SessionId, Session>,
    transports: BTreeMap<TransportId, TransportEntry>,
    /// Which lane each transport uses.
    used: BTreeMap<TransportId, usize>,
    /// The transport that last took a datagram by this pair of addresses: spares the search.
    routes: BTreeMap<(SocketAddr, SocketAddr), TransportId>,
    /// Where a search probably ends, after addresses alone.
    hints: BTreeMap<(SocketAddr, SocketAddr), TransportId>,
    told: Told,
}

/// Sets of sockets. A person with three devices that send three contents each needs nine; an account with a crowd of devices
/// must not use up the sockets of the process.
const MAX_LANES: usize = 16;

/// Pairs of addresses remembered to shorten a search; a stranger can make us forget them, which costs time only.
const MAX_HINTS: usize = 1_024;

impl Peers {
    /// No transports yet; those to come receive by these addresses, one of each session.
    #[must_use]
    pub fn new(make: MakeTransport, candidates: Vec<LocalCandidate>) -> Self {
        Self {
            make,
            lanes: vec![SocketSet { candidates }],
            transports: BTreeMap::new(),
            used: BTreeMap::new(),
            routes: BTreeMap::new(),
            hints: BTreeMap::new(),
            sessions: BTreeMap::new(),
            told: Told::default(),
        }
    }

    /// How many lanes must be there before a command is executed. Transports to one peer cannot share a port: nothing but
    /// the addresses says to which of them a packet belongs.
    #[must_use]
    pub fn lanes_wanted(&self, command: &MediaCommand) -> usize {
        let MediaCommand::Open { peer, contents, .. } = command else { return 0 };
        let taken = self.taken_lanes(peer);
        let new: BTreeSet<TransportId> = contents.iter().map(|content| content.transport).collect();
        let new = new.into_iter().filter(|id| !self.transports.contains_key(id)).count();
        (0..).filter(|lane| !taken.contains(lane)).take(new).last().map_or(0, |lane| lane + 1).min(MAX_LANES)
    }

    /// The lanes by which an account is talked to already, in whatever session.
    fn taken_lanes(&self, peer: &BareJid) -> BTreeSet<usize> {
        let sessions: BTreeSet<SessionId> =
            self.sessions.iter().filter(|(_, session)| session.peer == *peer).map(|(id, _)| *id).collect();
        self.used.iter().filter(|(id, _)| sessions.contains(&id.session)).map(|(_, lane)| *lane).collect()
    }

    /// How many are.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Other sockets for a further transport of each session.
    pub fn add_lane(&mut self, candidates: Vec<LocalCandidate>) {
        self.lanes.push(SocketSet { candidates });
    }

    /// One more address of a lane: all that use it learn of it, and tell their peers.
    pub fn found(&mut self, now: Instant, lane: usize, candidate: &LocalCandidate) {
        let Some(of_lane) = self.lanes.get_mut(lane) else { return };
        of_lane.candidates.push(candidate.clone());
        for id in self.users(lane) {
            self.with(id, |transport| transport.found(now, candidate));
            self.told.report(MediaReport::Candidate { transport: id, candidate: candidate.told.clone() });
        }
    }

    /// An address is not the lane's any more. Those whose packets were sent from where it was have to begin anew.
    pub fn lost(&mut self, now: Instant, lane: usize, candidate: &LocalCandidate) {
        let Some(of_lane) = self.lanes.get_mut(lane) else { return };
        of_lane.candidates.retain(|known| known != candidate);
        let gone = !of_lane.has(candidate.base);
        self.routes.retain(|(local, _), _| !gone || *local != candidate.base);
        for id in self.users(lane) {
            self.with(id, |transport| transport.lost(now, candidate));
            let Some(line) = self.transports.get_mut(&id) else { continue };
            if gone && line.between.take_if(|[local, _]| *local == candidate.base).is_some() {
                self.told.report(MediaReport::Moved { transport: id });
            }
        }
    }

    /// The transports that use a lane.
    fn users(&self, lane: usize) -> Vec<TransportId> {
        self.used.iter().filter(|(_, used)| **used == lane).map(|(id, _)| *id).collect()
    }

    /// True if there is nobody to connect with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transports.is_empty()
    }

    fn of_session(&self, session: SessionId) -> impl Iterator<Item = &TransportEntry> {
        self.transports
            .range(TransportId { session, index: 0 }..=TransportId { session, index: u8::MAX })
            .map(|(_, line)| line)
    }

    /// Does what the core commands; capturing is not its business.
    pub fn execute(&mut self, now: Instant, command: &MediaCommand) {
        match command {
            MediaCommand::Open { call, session, peer, role, contents, .. } => {
                let of_session = Session { call: *call, peer: peer.clone(), contents: Vec::new() };
                self.sessions.entry(*session).or_insert(of_session);
                self.open(now, *session, *role, contents);
            }
            MediaCommand::Remote { transport, remote } => {
                self.with(*transport, |transport| transport.remote(now, remote));
            }
            MediaCommand::Restart { transport } => {
                let Some(line) = self.transports.get_mut(transport) else { return };
                line.transport.restart();
                let local = line.transport.local();
                self.told.report(MediaReport::Described { transport: *transport, local });
            }
            MediaCommand::Candidate { transport, candidate } => {
                self.with(*transport, |transport| transport.candidate(now, candidate));
            }
            MediaCommand::Content { session, content, send, receive, ssrcs } => {
                let mut contents = self.sessions.get_mut(session).into_iter().flat_map(|it| &mut it.contents);
                let Some(carried) = contents.find(|carried| carried.name == *content) else { return };
                carried.publication = send.as_ref().map(|send| send.publication.clone());
                let (send, ssrcs) = (send.as_ref().map(|send| send.payload_type.clone()), ssrcs.clone());
                let agreed = NegotiatedContent { content: content.clone(), send, receive: *receive, ssrcs };
                let transport = carried.transport;
                self.with(transport, |transport| transport.agreed(&agreed));
            }
            MediaCommand::Drop { session, content } => self.drop_content(*session, content),
            MediaCommand::Close { session } => self.close(*session),
            _ => {}
        }
    }

    fn open(&mut self, now: Instant, session: SessionId, role: IceRole, contents: &[OpenContent]) {
        let Some(Session { call, peer, .. }) = self.sessions.get(&session) else { return };
        let (call, peer) = (*call, peer.clone());
        let mut ids: Vec<TransportId> = contents.iter().map(|content| content.transport).collect();
        ids.dedup();
        for id in ids {
            let contents: Vec<OpenContent> = contents.iter().filter(|it| it.transport == id).cloned().collect();
            if let Some(line) = self.transports.get_mut(&id) {
                contents.iter().for_each(|content| line.transport.add(content));
                continue;
            }
            let taken = self.taken_lanes(&peer);
            let free = self.lanes.iter().enumerate().find(|(lane, _)| !taken.contains(lane));
            let Some((lane, candidates)) = free.map(|(lane, it)| (lane, it.candidates.clone())) else {
                let failure = TransportFailure::NoPort.into();
                self.told.report(MediaReport::Failed { transport: id, failure });
                continue;
            };
            let transport = self.make.open(now, TransportParams { call, id, role, contents, candidates });
            let local = transport.local();
            let (sent, received) = (Traffic::default(), Traffic::default());
            self.transports.insert(id, TransportEntry { transport, between: None, sent, received });
            self.used.insert(id, lane);
            self.told.out.push_back(PeersOutput::Report(MediaReport::Described { transport: id, local }));
        }
        let Some(session) = self.sessions.get_mut(&session) else { return };
        session.contents.extend(contents.iter().map(|content| SentContent {
            name: content.name.clone(),
            media: content.media.clone(),
            transport: content.transport,
            publication: None,
            filter: LayerFilter::default(),
        }));
    }

    /// Forgets a content. Others may travel by its transport; then only its packets stop.
    fn drop_content(&mut self, session: SessionId, content: &str) {
        let Some(of_session) = self.sessions.get_mut(&session) else { return };
        let Some(index) = of_session.contents.iter().position(|carried| carried.name == content) else { return };
        let dropped = of_session.contents.remove(index);
        self.told.flowing.retain(|(of, name)| *of != session || **name != *content);
        if of_session.contents.iter().all(|other| other.transport != dropped.transport) {
            self.forget(|id| *id == dropped.transport);
        } else {
            let silent =
                NegotiatedContent { content: content.to_owned(), send: None, receive: false, ssrcs: Vec::new() };
            self.with(dropped.transport, |transport| transport.agreed(&silent));
        }
    }

    fn close(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        self.told.flowing.retain(|(of, _)| *of != session);
        self.forget(|id| id.session == session);
    }

    fn forget(&mut self, gone: impl Fn(&TransportId) -> bool) {
        self.transports.retain(|id, _| !gone(id));
        self.used.retain(|id, _| !gone(id));
        self.routes.retain(|_, id| !gone(id));
        self.hints.retain(|_, id| !gone(id));
        self.told.connected.retain(|id| !gone(id));
    }

    /// A datagram from the network. What belongs to nobody is dropped unread.
    pub fn datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        // Anybody may send STUN from anywhere; everything else comes from addresses that the peer has proven.
        let (stun, path) = (is_stun(bytes), (local, from));
        let known = self.routes.get(&path).copied().filter(|_| !stun);
        // str0m takes whatever comes from its peer's address, also what is for another transport to it.
        let lane = self.lanes.iter().position(|lane| lane.has(local));
        let accepts = |id: &TransportId| {
            self.used.get(id).copied() == lane
                && self.transports.get(id).is_some_and(|line| line.transport.accepts(now, local, from, bytes))
        };
        let likely = || self.hints.get(&path).copied().filter(|id| accepts(id));
        let any = || self.transports.keys().find(|id| accepts(id)).copied();
        let Some(id) = known.or_else(likely).or_else(any) else { return };
        if known.is_none() {
            if stun && self.hints.len() == MAX_HINTS {
                self.hints.clear();
            }
            let proven = if stun { &mut self.hints } else { &mut self.routes };
            proven.insert(path, id);
        }
        let Some(line) = self.transports.get_mut(&id) else { return };
        line.received.count(bytes);
        line.transport.datagram(now, local, from, bytes);
        self.told.listen(id, line);
    }

    /// Sends packets to every peer that gets this publication, all to one before any to the next; `captured` is when their timestamp was.
    pub fn publish(&mut self, now: Instant, captured: Instant, call: CallId, publication: &str, packets: &[RtpPacket]) {
        self.each(call, publication, |carried, transport| transport.send(now, captured, &carried.name, packets));
    }

    /// The same with a picture: peers that get fewer layers do without some.
    pub fn show(&mut self, now: Instant, captured: Instant, call: CallId, publication: &str, coded: &Coded) {
        let mut wants_key_frame = false;
        self.each(call, publication, |carried, transport| match carried.filter.take(now, coded) {
            Share::All(packets) => transport.send(now, captured, &carried.name, &packets),
            Share::WantsKeyFrame => wants_key_frame = true,
            Share::Nothing => {}
        });
        if wants_key_frame {
            self.told.out.push_back(PeersOutput::KeyFrameAsked);
        }
    }

    fn each(&mut self, call: CallId, publication: &str, mut send: impl FnMut(&mut SentContent, &mut dyn Transport)) {
        let of_call = self.sessions.values_mut().filter(|session| session.call == call);
        let contents = of_call.flat_map(|session| &mut session.contents);
        for carried in contents.filter(|carried| carried.publication.as_deref() == Some(publication)) {
            let id = carried.transport;
            if let Some(line) = self.transports.get_mut(&id) {
                send(carried, &mut *line.transport);
                self.told.listen(id, line);
            }
        }
    }

    /// From now on not more than the temporal layers up to this one of these pictures go by a transport.
    pub fn limit(&mut self, transport: TransportId, media: &Media, most: u8) {
        let of_media = self.by(transport).filter(|carried| carried.media == *media);
        of_media.for_each(|carried| carried.filter.limit(most));
    }

    /// Which pictures of ours go by a transport.
    pub fn shown_by(&self, transport: TransportId) -> Vec<Media> {
        let contents = self.sessions.get(&transport.session).into_iter().flat_map(|session| &session.contents);
        let published = contents.filter(|it| it.transport == transport && it.publication.is_some());
        published.map(|carried| carried.media.clone()).filter(|media| *media != Media::Audio).collect()
    }

    /// A path has become narrower: no pictures go by it until the queue before it is gone.
    pub fn pause(&mut self, now: Instant, transport: TransportId) {
        self.by(transport).for_each(|carried| carried.filter.pause(now));
    }

    fn by(&mut self, transport: TransportId) -> impl Iterator<Item = &mut SentContent> {
        let contents = self.sessions.get_mut(&transport.session).into_iter().flat_map(|session| &mut session.contents);
        contents.filter(move |carried| carried.transport == transport)
    }

    /// Asks a peer for a key frame of a content.
    pub fn ask_key_frame(&mut self, now: Instant, session: SessionId, content: &str) {
        let contents = self.sessions.get(&session).into_iter().flat_map(|session| &session.contents);
        let by = contents.filter(|carried| carried.name == *content).map(|carried| carried.transport).next();
        if let Some(by) = by {
            self.with(by, |transport| transport.ask_key_frame(now, content));
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = self.transports.iter().filter(|(_, line)| line.transport.poll_timeout().is_some_and(|at| at <= now));
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
        self.of_session(session).find_map(|line| line.transport.round_trip())
    }

    /// The paths of each session over which something goes.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<SessionId, Vec<Path>> {
        let mut paths: BTreeMap<SessionId, Vec<Path>> = BTreeMap::new();
        for (id, TransportEntry { transport, between, sent, received }) in &self.transports {
            let Some([local, remote]) = *between else { continue };
            let path = Path { local, remote, sent: *sent, received: *received, round_trip: transport.round_trip() };
            paths.entry(id.session).or_default().push(path);
        }
        paths
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.transports.values().filter_map(|line| line.transport.poll_timeout()).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<PeersOutput> {
        self.told.out.pop_front()
    }

    fn with(&mut self, id: TransportId, act: impl FnOnce(&mut dyn Transport)) {
        let Some(line) = self.transports.get_mut(&id) else { return };
        act(&mut *line.transport);
        self.told.listen(id, line);
    }
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;
    use std::sync::Arc;

    use muji_core::media::{DtlsRole, RemoteTransport, Sending};
    use muji_xep::rtp::PayloadType;

    use super::*;
    use crate::gather::hosts;
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
            media: Media::Audio,
            ssrc: 1,
            transport,
            payload_types: Vec::new(),
            extensions: Vec::new(),
        };
        let (call, name, role) = (CallId(1), "somebody".to_owned(), IceRole::Controlling);
        let peer = format!("{}@x.example", session.0).parse().expect("a bare JID");
        peers.execute(now, &MediaCommand::Open { call, session, peer, name, role, contents: vec![content] });
        let Some(PeersOutput::Report(MediaReport::Described { local, .. })) = peers.poll_output() else {
            panic!("an end is described at once");
        };
        local
    }

    /// Agrees on a payload type and tells whom to connect to.
    fn agree(peers: &mut Peers, now: Instant, session: SessionId, id: u8, remote: muji_core::media::LocalTransport) {
        let transport = TransportId { session, index: 0 };
        let publication = "what the room calls it".to_owned();
        let send = Some(Sending { publication, payload_type: PayloadType::new(id, "opus", 48_000, 2) });
        let content = CONTENT.to_owned();
        peers.execute(now, &MediaCommand::Content { session, content, send, receive: true, ssrcs: Vec::new() });
        for candidate in remote.candidates {
            peers.execute(now, &MediaCommand::Candidate { transport, candidate });
        }
        let (ufrag, pwd, fingerprint) = (remote.ufrag, remote.pwd, remote.fingerprint);
        let remote = RemoteTransport { ufrag, pwd, fingerprint, dtls: DtlsRole::Client, extensions: Vec::new() };
        peers.execute(now, &MediaCommand::Remote { transport, remote });
    }

    /// Carries datagrams until there are none; what was received, by the number of who received it.
    fn carry(all: &mut [Peers], now: Instant) -> Vec<(usize, u8, RtpPacket)> {
        let mut received = Vec::new();
        let next = |all: &mut [Peers]| all.iter_mut().enumerate().find_map(|(who, it)| Some((who, it.poll_output()?)));
        while let Some((index, output)) = next(all) {
            match output {
                PeersOutput::Datagram { from, to, bytes } => {
                    let to_whom = (0u8..).zip(&mut *all).find(|(number, _)| address(*number) == to);
                    to_whom.expect("one of them").1.datagram(now, to, from, &bytes);
                }
                PeersOutput::Rtp { received: packet, .. } => received.push((index, packet.payload_type, packet.packet)),
                _ => {}
            }
        }
        received
    }

    #[test]
    fn one_packet_goes_to_all_each_with_its_own_payload_type_and_no_further_after_the_close() {
        let now = Instant::now();
        let mut all = [0, 1, 2].map(|number| Peers::new(loopback::maker(), hosts(&[address(number)])));
        for (number, id) in [(1, 111), (2, 100)] {
            let session = SessionId(number);
            let index = usize::try_from(number).expect("small");
            let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[index], now, session));
            agree(&mut all[0], now, session, id, theirs);
            agree(&mut all[index], now, session, id, ours);
            assert_eq!(carry(&mut all, now), [], "only greetings");
        }
        let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"sound"[..]) };
        all[0].publish(now, now, CallId(1), "what the room calls it", from_ref(&packet));
        assert_eq!(carry(&mut all, now), [(1, 111, packet.clone()), (2, 100, packet.clone())]);
        all[0].publish(now, now, CallId(2), "what the room calls it", from_ref(&packet));
        assert_eq!(carry(&mut all, now), [], "another call is not ours");
        all[0].execute(now, &MediaCommand::Close { session: SessionId(1) });
        all[0].publish(now, now, CallId(1), "what the room calls it", from_ref(&packet));
        assert_eq!(carry(&mut all, now), [(2, 100, packet)]);
    }

    #[test]
    fn peers_on_slow_paths_do_without_the_higher_layers() {
        let now = Instant::now();
        let mut all = [0, 1, 2].map(|number| Peers::new(loopback::maker(), hosts(&[address(number)])));
        for number in 1..3 {
            let session = SessionId(number);
            let index = usize::try_from(number).expect("small");
            let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[index], now, session));
            agree(&mut all[0], now, session, 98, theirs);
            agree(&mut all[index], now, session, 98, ours);
            carry(&mut all, now);
        }
        let packet =
            RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&[0x90, 0xE0, 0x80, 9, 1, 0, 7][..]) };
        all[0].limit(TransportId { session: SessionId(1), index: 0 }, &Media::Audio, 1);
        let mut got = |layer| {
            let packets = vec![packet.clone()];
            all[0].show(now, now, CallId(1), "what the room calls it", &Coded { layer, key: false, packets });
            let got = carry(&mut all, now).into_iter();
            got.map(|(who, _, packet)| (who, packet.payload[3])).collect::<Vec<_>>()
        };
        assert_eq!([0, 2, 1].map(&mut got), [vec![(1, 9), (2, 9)], vec![(2, 9)], vec![(1, 8), (2, 9)]]);
    }

    // Shows muji-model-03.
    #[test]
    fn with_one_map_for_all_the_same_packet_goes_to_everybody() {
        let now = Instant::now();
        let mut all = [0, 1, 2, 3].map(|number| Peers::new(loopback::maker(), hosts(&[address(number)])));
        for number in 1..4 {
            let session = SessionId(number);
            let index = usize::try_from(number).expect("small");
            let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[index], now, session));
            agree(&mut all[0], now, session, 111, theirs);
            agree(&mut all[index], now, session, 111, ours);
            carry(&mut all, now);
        }
        let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"sound"[..]) };
        all[0].publish(now, now, CallId(1), "what the room calls it", from_ref(&packet));
        let same = |index: usize| (index, 111, packet.clone());
        assert_eq!(carry(&mut all, now), [same(1), same(2), same(3)]);
    }

    #[test]
    fn another_transport_to_the_same_account_needs_another_lane_and_gives_it_back() {
        let now = Instant::now();
        let mut peers = Peers::new(loopback::maker(), hosts(&[address(0)]));
        let open_one = |peers: &mut Peers, session: u64, index: u8| {
            let session = SessionId(session);
            let content = OpenContent {
                name: format!("{CONTENT}{index}"),
                media: Media::Audio,
                ssrc: 1,
                transport: TransportId { session, index },
                payload_types: Vec::new(),
                extensions: Vec::new(),
            };
            let peer = "juliet@x.example".parse().expect("a bare JID");
            let (call, name, role) = (CallId(1), "juliet".to_owned(), IceRole::Controlling);
            let command = MediaCommand::Open { call, session, peer, name, role, contents: vec![content] };
            let wanted = peers.lanes_wanted(&command);
            peers.execute(now, &command);
            (wanted, peers.poll_output())
        };
        let port = |output: Option<PeersOutput>| match output {
            Some(PeersOutput::Report(MediaReport::Described { local, .. })) => local.candidates[0].address,
            other => panic!("{other:?}"),
        };
        let (wanted, first) = open_one(&mut peers, 1, 0);
        assert_eq!((wanted, port(first)), (1, address(0)));
        let (wanted, none) = open_one(&mut peers, 1, 1);
        assert!(wanted == 2 && matches!(none, Some(PeersOutput::Report(MediaReport::Failed { .. }))));
        peers.add_lane(hosts(&[address(9)]));
        let (wanted, second) = open_one(&mut peers, 2, 0);
        assert_eq!((wanted, port(second)), (2, address(9)), "also in another session");
        let content = format!("{CONTENT}0");
        peers.execute(now, &MediaCommand::Drop { session: SessionId(1), content });
        let (wanted, third) = open_one(&mut peers, 1, 2);
        assert_eq!((wanted, port(third)), (1, address(0)));
        for session in 3..3 + MAX_LANES as u64 {
            let (wanted, _) = open_one(&mut peers, session, 0);
            (peers.lanes()..wanted).for_each(|_| peers.add_lane(hosts(&[address(100)])));
            open_one(&mut peers, session, 1);
        }
        assert_eq!(peers.lanes(), MAX_LANES, "a crowd of devices gets no more");
    }

    #[test]
    fn of_contents_that_share_a_transport_one_can_come_and_go_alone() {
        let now = Instant::now();
        let mut all = [0, 1, 2].map(|number| Peers::new(loopback::maker(), hosts(&[address(number)])));
        let session = SessionId(1);
        let (ours, theirs) = (open(&mut all[0], now, session), open(&mut all[1], now, session));
        agree(&mut all[0], now, session, 111, theirs);
        agree(&mut all[1], now, session, 111, ours);
        carry(&mut all, now);
        let packet = RtpPacket { timestamp: 960, marker: true, payload: Arc::from(&b"noise"[..]) };
        for peers in &mut all[..2] {
            let content = OpenContent {
                name: "second".to_owned(),
                media: Media::Audio,
                ssrc: 2,
                transport: TransportId { session, index: 0 },
                payload_types: Vec::new(),
                extensions: Vec::new(),
            };
            let peer = format!("{}@x.example", session.0).parse().expect("a bare JID");
            let (call, name, role) = (CallId(1), "somebody".to_owned(), IceRole::Controlling);
            let open = MediaCommand::Open { call, session, peer, name, role, contents: vec![content] };
            assert_eq!(peers.lanes_wanted(&open), 0);
            peers.execute(now, &open);
            assert!(peers.poll_output().is_none(), "the end is known");
            let payload_type = PayloadType::new(112, "opus", 48_000, 2);
            let send = Some(Sending { publication: "noise".to_owned(), payload_type });
            let content = "second".to_owned();
            peers.execute(now, &MediaCommand::Content { session, content, send, receive: true, ssrcs: Vec::new() });
        }
        all[0].publish(now, now, CallId(1), "noise", from_ref(&packet));
        assert_eq!(carry(&mut all, now), [(1, 112, packet.clone())]);
        all[0].execute(now, &MediaCommand::Drop { session, content: "second".to_owned() });
        all[0].publish(now, now, CallId(1), "noise", from_ref(&packet));
        assert_eq!(carry(&mut all, now), []);
        all[0].publish(now, now, CallId(1), "what the room calls it", from_ref(&packet));
        assert_eq!(carry(&mut all, now), [(1, 111, packet)]);
    }

    #[test]
    fn a_datagram_of_nobody_is_dropped() {
        let mut peers = Peers::new(loopback::maker(), hosts(&[address(0)]));
        for bytes in [&b""[..], &[0; 20], &[0x80; 1_500]] {
            peers.datagram(Instant::now(), address(0), address(9), bytes);
        }
        assert!(peers.poll_output().is_none());
    }
}
