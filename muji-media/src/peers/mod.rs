//! Every transport to every peer: what the core commands, what the network brings, what is sent to all.

mod digits;
mod entry;
mod flow;
mod output;
mod routes;
#[cfg(test)]
mod scripted;
mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jid::BareJid;
use muji_core::media::{IceRole, MediaCommand, MediaReport, MediaTrouble, OpenContent, Sending, TransportFailure};
use muji_core::{CallId, Media};
use muji_jingle::{SessionId, TransportId};
use muji_xep::rtp::AnnouncedStream;

use crate::audio::packet::AudioPacket;
use crate::codec::decoder_limit::DecoderLimit;
use crate::codec::encoding::{AudioEncoding, RedTakers, VideoEncoding, WantedAudio};
use crate::codec::h264::UnknownLevel;
use crate::codec::red;
use crate::gather::candidate::LocalCandidate;
use crate::rtp::{RtpPacket, is_stun};
use crate::stats::Path;
use crate::transport::{MakeTransport, NegotiatedContent, Transport, TransportOutput, TransportParams};
use crate::video::layers::Share;
use crate::video::packetized::PacketizedFrame;
use crate::video::packetized::VideoKind;
use entry::{Collected, TransportEntry};
pub use output::PeersOutput;
use routes::Routes;
use session::{PeerSession, Red, SentContent};

/// Sets of sockets. A person with three devices that send three contents each needs nine; an account with many more devices must not use
/// up the sockets of the process.
const MAX_SOCKET_SETS: usize = 16;

/// Accounts with RSA certificates that are remembered: each costs memory, and a forgotten one is found again at its next call.
const MAX_RSA: usize = 64;

/// All transports of a media layer.
pub struct Peers {
    make: MakeTransport,
    /// Accounts that show RSA certificates.
    rsa: BTreeSet<BareJid>,
    /// The addresses of each set of sockets.
    socket_sets: Vec<Vec<LocalCandidate>>,
    sessions: BTreeMap<SessionId, PeerSession>,
    transports: BTreeMap<TransportId, TransportEntry>,
    routes: Routes,
    /// As many bits a second of video are of use; `None` before that is known.
    desired: Option<u32>,
    out: VecDeque<PeersOutput>,
}

impl Peers {
    /// No transports and no sockets yet.
    #[must_use]
    pub fn new(make: MakeTransport) -> Self {
        Self {
            make,
            rsa: BTreeSet::new(),
            socket_sets: Vec::new(),
            sessions: BTreeMap::new(),
            transports: BTreeMap::new(),
            routes: Routes::default(),
            desired: None,
            out: VecDeque::new(),
        }
    }

    // ---- sets of sockets -------------------------------------------------------------------------------------------

    /// How many sets of sockets must be there before a command is executed. Transports to one account cannot share a port: nothing but
    /// the addresses says to which of them a packet belongs.
    #[must_use]
    pub fn socket_sets_needed(&self, command: &MediaCommand) -> usize {
        let MediaCommand::Open { peer, contents, .. } = command else { return 0 };
        let taken = self.taken_socket_sets(peer);
        let ids: BTreeSet<TransportId> = contents.iter().map(|content| content.transport).collect();
        let new = ids.iter().filter(|id| !self.transports.contains_key(id)).count();
        let highest = (0..).filter(|number| !taken.contains(number)).take(new).last();
        highest.map_or(0, |number| number + 1).min(MAX_SOCKET_SETS)
    }

    /// The sets by which an account is talked to already, in any session.
    fn taken_socket_sets(&self, peer: &BareJid) -> BTreeSet<usize> {
        let with_peer = |id: &TransportId| self.sessions.get(&id.session).is_some_and(|session| session.peer == *peer);
        self.transports.iter().filter(|(id, _)| with_peer(id)).map(|(_, entry)| entry.socket_set).collect()
    }

    /// How many sets of sockets there are.
    #[must_use]
    pub fn socket_sets(&self) -> usize {
        self.socket_sets.len()
    }

    /// One more set of sockets, with the addresses known by now: for one more transport to each account.
    pub fn add_socket_set(&mut self, candidates: Vec<LocalCandidate>) {
        self.socket_sets.push(candidates);
    }

    /// Forgets the sets behind the last that a transport uses, except the first, which the next call needs. How many are left.
    pub fn release_socket_sets(&mut self) -> usize {
        let used = self.transports.values().map(|entry| entry.socket_set + 1).max();
        self.socket_sets.truncate(used.unwrap_or(1));
        self.socket_sets.len()
    }

    /// One more address of a socket set: all transports that use it learn of it, and tell their peers.
    pub fn add_local_candidate(&mut self, now: Instant, socket_set: usize, candidate: &LocalCandidate) {
        let Some(candidates) = self.socket_sets.get_mut(socket_set) else { return };
        candidates.push(candidate.clone());
        for id in self.users(socket_set) {
            self.with(now, id, |transport| transport.add_local_candidate(now, candidate));
            self.report(MediaReport::Candidate { transport: id, candidate: candidate.advertised.clone() });
        }
    }

    /// A socket set has lost an address. Transports whose packets were sent from it have to find another path.
    pub fn remove_local_candidate(&mut self, now: Instant, socket_set: usize, candidate: &LocalCandidate) {
        let Some(candidates) = self.socket_sets.get_mut(socket_set) else { return };
        candidates.retain(|known| known != candidate);
        // Several candidates may share one socket, and the socket may still be there.
        let base_is_gone = candidates.iter().all(|other| other.base != candidate.base);
        if base_is_gone {
            self.routes.forget_address(candidate.base);
        }
        for id in self.users(socket_set) {
            self.with(now, id, |transport| transport.remove_local_candidate(now, candidate));
            let Some(entry) = self.transports.get_mut(&id) else { continue };
            if base_is_gone && entry.path.take_if(|[local, _]| *local == candidate.base).is_some() {
                self.report(MediaReport::Moved { transport: id });
            }
        }
    }

    fn users(&self, socket_set: usize) -> Vec<TransportId> {
        self.transports.iter().filter(|(_, entry)| entry.socket_set == socket_set).map(|(id, _)| *id).collect()
    }

    // ---- what the core commands ------------------------------------------------------------------------------------

    /// Does what the core commands, as far as it concerns transports.
    pub fn execute(&mut self, now: Instant, command: &MediaCommand) {
        match command {
            MediaCommand::Open { call, session, peer, role, contents, .. } => {
                let new = || PeerSession { call: *call, peer: peer.clone(), contents: Vec::new() };
                self.sessions.entry(*session).or_insert_with(new);
                self.open(now, *session, *role, contents);
            }
            MediaCommand::Remote { transport, remote } => {
                self.with(now, *transport, |transport| transport.set_remote(now, remote));
            }
            MediaCommand::Restart { transport } => self.restart(*transport),
            MediaCommand::Candidate { transport, candidate } => {
                self.with(now, *transport, |transport| transport.add_remote_candidate(now, candidate));
            }
            MediaCommand::Content { session, content, send, receive, streams } => {
                self.negotiated(now, *session, content, send.as_ref(), *receive, streams);
            }
            MediaCommand::SendDigits { session, content, payload_type, digits } => {
                let sent = self.sessions.get_mut(session).and_then(|session| session.content(content));
                if let Some(sent) = sent {
                    sent.digits.press(now, payload_type, digits);
                }
            }
            MediaCommand::RemoveContent { session, content } => self.drop_content(now, *session, content),
            MediaCommand::Close { session } => self.close(*session),
            // Whom to ask for addresses, and what to capture, is decided above transports.
            MediaCommand::Servers { .. }
            | MediaCommand::Publish { .. }
            | MediaCommand::Unpublish { .. }
            | MediaCommand::Bridge { .. }
            | MediaCommand::Prompt { .. } => {}
        }
    }

    fn open(&mut self, now: Instant, session: SessionId, role: IceRole, contents: &[OpenContent]) {
        let ids: BTreeSet<TransportId> = contents.iter().map(|content| content.transport).collect();
        for id in ids {
            let of_transport: Vec<OpenContent> = contents.iter().filter(|it| it.transport == id).cloned().collect();
            match self.transports.get_mut(&id) {
                Some(entry) => of_transport.iter().for_each(|content| entry.transport.add_content(content)),
                None => self.open_transport(now, id, role, of_transport),
            }
        }
        if let Some(session) = self.sessions.get_mut(&session) {
            session.contents.reserve_exact(contents.len()); // Seldom more than one or two follow, and four would take a kilobyte.
            session.contents.extend(contents.iter().map(SentContent::new));
        }
    }

    fn open_transport(&mut self, now: Instant, id: TransportId, role: IceRole, contents: Vec<OpenContent>) {
        let Some(PeerSession { call, peer, .. }) = self.sessions.get(&id.session) else { return };
        let (call, taken, rsa) = (*call, self.taken_socket_sets(peer), self.rsa.contains(peer));
        let free = self.socket_sets.iter().enumerate().find(|(number, _)| !taken.contains(number));
        let Some((socket_set, candidates)) = free else {
            let failure = TransportFailure::NoPort.into();
            return self.report(MediaReport::Failed { transport: id, failure });
        };
        let params = TransportParams { call, id, role, contents, candidates: candidates.clone() };
        let mut transport = match self.make.for_rsa.as_mut().filter(|_| rsa) {
            Some(for_rsa) => for_rsa.open(now, params),
            None => self.make.open(now, params),
        };
        if let Some(bits) = self.desired {
            transport.set_desired_bit_rate(bits);
        }
        let local = transport.local();
        self.transports.insert(id, TransportEntry::new(transport, socket_set));
        self.report(MediaReport::Described { transport: id, local });
    }

    fn restart(&mut self, id: TransportId) {
        let Some(entry) = self.transports.get_mut(&id) else { return };
        entry.transport.restart();
        let local = entry.transport.local();
        self.report(MediaReport::Described { transport: id, local });
    }

    fn negotiated(
        &mut self,
        now: Instant,
        session: SessionId,
        content: &str,
        send: Option<&Sending>,
        receive: bool,
        streams: &[AnnouncedStream],
    ) {
        let Some(sent) = self.sessions.get_mut(&session).and_then(|session| session.content(content)) else { return };
        let mut unknown_level = None;
        sent.publication = send.map(|send| send.publication.clone());
        let payload_type = send.map(|send| &send.payload_type);
        match sent.media {
            Media::Video | Media::Slides => {
                sent.video_encoding = payload_type.and_then(VideoEncoding::of);
                let limit = sent.video_encoding.zip(payload_type).map(|(encoding, it)| encoding.decoder_limit(it));
                let limit = limit.unwrap_or(Ok(DecoderLimit::NONE));
                let said = limit.as_ref().err().cloned();
                if said.is_some() && said != sent.unknown_level {
                    sent.unknown_level.clone_from(&said);
                    unknown_level = said; // Once, though a content is agreed on again with each hold.
                }
                sent.decoder_limit = limit.unwrap_or(DecoderLimit::USUAL);
            }
            Media::Audio | Media::Other(_) => sent.encoding = payload_type.and_then(AudioEncoding::of),
        }
        sent.red = send.and_then(|send| {
            let payload_type = send.red.filter(|_| sent.encoding == Some(AudioEncoding::Opus))?;
            Some(Red { payload_type, of_frames: send.payload_type.id })
        });
        let transport = sent.transport;
        let negotiated = NegotiatedContent {
            content: content.to_owned(),
            send: send.map(|send| send.payload_type.clone()),
            rtx: send.and_then(|send| send.rtx),
            receive,
            streams: streams.to_vec(),
        };
        if let Some(UnknownLevel(profile_level_id)) = unknown_level {
            self.report(MediaReport::Trouble(MediaTrouble::UnknownLevel { session, profile_level_id }));
        }
        if let Some(entry) = self.transports.get_mut(&transport) {
            entry.flows.expect(now, content, receive);
        }
        self.with(now, transport, |transport| transport.set_negotiated(&negotiated));
    }

    /// Forgets a content. Others may use its transport; then only the packets of this one stop.
    fn drop_content(&mut self, now: Instant, session: SessionId, content: &str) {
        let Some(of_session) = self.sessions.get_mut(&session) else { return };
        let Some(index) = of_session.contents.iter().position(|sent| sent.name == content) else { return };
        let dropped = of_session.contents.remove(index).transport;
        if let Some(entry) = self.transports.get_mut(&dropped) {
            entry.flows.forget(content);
        }
        if of_session.contents.iter().all(|other| other.transport != dropped) {
            self.forget(|id| *id == dropped);
        } else {
            self.with(now, dropped, |transport| transport.remove_content(content));
        }
    }

    fn close(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        self.forget(|id| id.session == session);
    }

    fn forget(&mut self, gone: impl Fn(&TransportId) -> bool) {
        self.transports.retain(|id, _| !gone(id));
        self.routes.forget(gone);
    }

    // ---- what the network brings -----------------------------------------------------------------------------------

    /// A datagram from the network. One that belongs to no transport is dropped unread.
    pub fn handle_datagram(&mut self, now: Instant, local: SocketAddr, from: SocketAddr, bytes: &[u8]) {
        let Self { socket_sets, transports, routes, .. } = self;
        // str0m takes everything from its peer's address, also what is for another transport to it: only those of the socket are asked.
        let has_socket = |entry: &TransportEntry| {
            socket_sets.get(entry.socket_set).is_some_and(|set| set.iter().any(|candidate| candidate.base == local))
        };
        let accepts = |id: &TransportId| {
            let with_socket = transports.get(id).filter(|entry| has_socket(entry));
            with_socket.is_some_and(|entry| entry.transport.accepts(now, local, from, bytes))
        };
        let Some(id) = routes.find((local, from), is_stun(bytes), accepts, transports.keys().copied()) else { return };
        let Some(entry) = self.transports.get_mut(&id) else { return };
        entry.received.count(bytes);
        entry.transport.handle_datagram(now, local, from, bytes);
        if entry.collect(now, id, &mut self.out) == Collected::Connected {
            forget_what_flows(&mut self.transports, id);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let is_due = |entry: &TransportEntry| entry.transport.poll_timeout().is_some_and(|at| at <= now);
        let due: Vec<TransportId> = self.transports.iter().filter(|(_, it)| is_due(it)).map(|(id, _)| *id).collect();
        for id in due {
            self.with(now, id, |transport| transport.handle_timeout(now));
        }
        self.send_digits(now);
        for (id, entry) in &mut self.transports {
            let silent = entry.flows.silent(now).into_iter();
            let reports = silent.map(|content| MediaReport::Silent { session: id.session, content });
            self.out.extend(reports.map(PeersOutput::Report));
        }
    }

    /// Sends the keys of telephones that are due.
    fn send_digits(&mut self, now: Instant) {
        let contents = self.sessions.values_mut().flat_map(|session| &mut session.contents);
        let due = contents.filter_map(|sent| Some((sent.transport, sent.name.clone(), sent.due_digit(now)?)));
        for (id, name, (payload_type, packet)) in due.collect::<Vec<_>>() {
            self.with(now, id, |transport| transport.send_as(now, None, &name, payload_type, &packet));
        }
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = |entry: &TransportEntry| [entry.transport.poll_timeout(), entry.flows.poll_timeout()];
        let contents = self.sessions.values().flat_map(|session| &session.contents);
        let digits = contents.filter_map(|sent| sent.digits.poll_timeout());
        self.transports.values().flat_map(due).flatten().chain(digits).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<PeersOutput> {
        // In its place: what comes for each packet is moved once less.
        if let Some(PeersOutput::Transport { id, output: TransportOutput::Failed(why) }) = self.out.front()
            && *why == TransportFailure::RsaCertificate
        {
            let id = *id;
            if self.remember_rsa(id) {
                self.out.pop_front();
                let output = TransportOutput::Failed(TransportFailure::OtherTransport);
                return Some(PeersOutput::Transport { id, output });
            }
        }
        self.out.pop_front()
    }

    /// The certificate of a peer is RSA. True if its next session has a transport that can do that.
    fn remember_rsa(&mut self, id: TransportId) -> bool {
        let Some(session) = self.sessions.get(&id.session).filter(|_| self.make.for_rsa.is_some()) else {
            return false;
        };
        if self.rsa.len() == MAX_RSA {
            self.rsa.pop_first();
        }
        self.rsa.insert(session.peer.clone())
    }

    // ---- what is sent ----------------------------------------------------------------------------------------------

    /// Sends a packet of audio to each peer that gets this publication in its encoding; `captured` is the time of its timestamp.
    pub fn publish(&mut self, now: Instant, captured: Instant, call: CallId, publication: &str, audio: &AudioPacket) {
        let AudioPacket { encoding, packet, earlier, contributors } = audio;
        self.each(now, call, publication, |sent, transport| {
            if sent.encoding != Some(*encoding) {
                return;
            }
            sent.last = Some((packet.timestamp, captured));
            if sent.digits.is_sounding() {
                return;
            }
            transport.set_contributors(&sent.name, contributors);
            let Some(red) = sent.red.filter(|_| !earlier.is_empty()) else {
                return transport.send(now, captured, &sent.name, std::slice::from_ref(packet));
            };
            let packet = RtpPacket { payload: red::write(red.of_frames, earlier, &packet.payload), ..*packet };
            transport.send_as(now, Some(captured), &sent.name, red.payload_type, &packet);
        });
    }

    /// How audio is to be encoded for those who get it in these calls.
    #[must_use]
    pub fn wanted_audio(&self, of: impl Fn(CallId) -> bool) -> WantedAudio {
        let sessions = self.sessions.values().filter(|session| of(session.call));
        let contents = sessions.flat_map(|session| &session.contents);
        let published = contents.filter(|sent| sent.publication.is_some());
        let encodings = published.clone().filter_map(|sent| sent.encoding).collect();
        let mut of_opus = published.filter(|sent| sent.encoding == Some(AudioEncoding::Opus));
        let red = match (of_opus.clone().any(|sent| sent.red.is_some()), of_opus.all(|sent| sent.red.is_some())) {
            (false, _) => RedTakers::Nobody,
            (true, false) => RedTakers::Some,
            (true, true) => RedTakers::All,
        };
        WantedAudio { encodings, red }
    }

    /// The streams of our video that some peer gets.
    #[must_use]
    pub fn video_kinds(&self) -> BTreeSet<VideoKind> {
        let contents = self.sessions.values().flat_map(|session| &session.contents);
        contents.filter_map(SentContent::video).collect()
    }

    /// The same with what the decoders of all can do that get each of them.
    pub(crate) fn decoder_limits(&self) -> BTreeMap<VideoKind, DecoderLimit> {
        let mut kinds: BTreeMap<VideoKind, DecoderLimit> = BTreeMap::new();
        for sent in self.sessions.values().flat_map(|session| &session.contents) {
            let Some(kind) = sent.video() else { continue };
            let limit = kinds.entry(kind).or_insert(DecoderLimit::NONE);
            *limit = limit.and(sent.decoder_limit);
        }
        kinds
    }

    /// Which stream of our video is sent as a content.
    pub(crate) fn video_kind(&self, session: SessionId, content: &str) -> Option<VideoKind> {
        let mut contents = self.sessions.get(&session)?.contents.iter();
        contents.find(|sent| sent.name == content)?.video()
    }

    /// The same with a video frame: peers that get fewer layers do without some frames.
    pub fn publish_video(
        &mut self,
        now: Instant,
        captured: Instant,
        call: CallId,
        publication: &str,
        frame: &PacketizedFrame,
    ) {
        let mut wants_key_frame = None;
        self.each(now, call, publication, |sent, transport| {
            if sent.video_encoding != Some(frame.encoding) {
                return;
            }
            match sent.filter.take(now, frame) {
                Share::All(packets) => transport.send(now, captured, &sent.name, &packets),
                Share::WantsKeyFrame => wants_key_frame = Some(sent.transport),
                Share::Nothing => {}
            }
        });
        // As if the peer had asked: its path was too narrow, and can carry video again.
        let request =
            wants_key_frame.map(|id| PeersOutput::Transport { id, output: TransportOutput::KeyFrameRequested });
        self.out.extend(request);
    }

    fn each(
        &mut self,
        now: Instant,
        call: CallId,
        publication: &str,
        mut send: impl FnMut(&mut SentContent, &mut dyn Transport),
    ) {
        let Self { sessions, transports, out, .. } = self;
        let of_call = sessions.values_mut().filter(|session| session.call == call);
        let contents = of_call.flat_map(|session| &mut session.contents);
        for sent in contents.filter(|sent| sent.publication.as_deref() == Some(publication)) {
            let id = sent.transport;
            let Some(entry) = transports.get_mut(&id) else { continue };
            send(sent, &mut *entry.transport);
            if entry.collect(now, id, out) == Collected::Connected {
                forget_what_flows(transports, id);
            }
        }
    }

    /// From now on only the temporal layers up to `highest` of this video are sent by a transport.
    pub fn limit_layers(&mut self, transport: TransportId, media: &Media, highest: u8) {
        let of_media = self.contents_on(transport).filter(|sent| sent.media == *media);
        of_media.for_each(|sent| sent.filter.limit(highest));
    }

    /// So many bits a second of our video are of use at most: paths are not probed for more.
    pub fn set_desired_bit_rate(&mut self, bits: u32) {
        if self.desired.replace(bits) == Some(bits) {
            return;
        }
        self.transports.values_mut().for_each(|entry| entry.transport.set_desired_bit_rate(bits));
    }

    /// A path has become narrower: no video is sent by it until the queue before it is gone.
    pub fn pause_video(&mut self, now: Instant, transport: TransportId) {
        self.contents_on(transport).for_each(|sent| sent.filter.pause(now));
    }

    /// The pictures of the camera are not sent by a transport from now on: its path is far slower than those of others.
    pub(crate) fn rest_video(&mut self, transport: TransportId) {
        let of_camera = self.contents_on(transport).filter(|sent| sent.media == Media::Video);
        of_camera.for_each(|sent| sent.filter.rest());
    }

    /// They are again.
    pub(crate) fn go_on_with_video(&mut self, now: Instant, transport: TransportId) {
        let of_camera = self.contents_on(transport).filter(|sent| sent.media == Media::Video);
        of_camera.for_each(|sent| sent.filter.go_on(now));
    }

    /// True if a peer that asks for a key frame will have one in a moment: one left so lately that it cannot have come before the peer asked.
    /// Viewers that lose the same moment ask one after another, and one key frame answers all.
    pub fn key_frame_is_under_way(&mut self, now: Instant, transport: TransportId) -> bool {
        let round_trip = self.transports.get(&transport).and_then(|entry| entry.transport.round_trip());
        let Some(round_trip) = round_trip else { return false };
        let under_way = |sent: &SentContent| sent.filter.key_frame_at().is_some_and(|at| now < at + round_trip);
        let mut sent =
            self.contents_on(transport).filter(|sent| sent.publication.is_some() && sent.media != Media::Audio);
        sent.next().is_some_and(|first| under_way(first)) && sent.all(|sent| under_way(sent))
    }

    /// Which streams of our video are sent by a transport.
    #[must_use]
    pub fn video_sent_by(&self, transport: TransportId) -> Vec<VideoKind> {
        let contents = self.sessions.get(&transport.session).into_iter().flat_map(|session| &session.contents);
        contents.filter(|sent| sent.transport == transport).filter_map(SentContent::video).collect()
    }

    fn contents_on(&mut self, transport: TransportId) -> impl Iterator<Item = &mut SentContent> {
        let session = self.sessions.get_mut(&transport.session);
        session.into_iter().flat_map(|it| &mut it.contents).filter(move |sent| sent.transport == transport)
    }

    /// Asks a peer for a key frame of a content.
    pub fn request_key_frame(&mut self, now: Instant, session: SessionId, content: &str) {
        let sent = self.sessions.get_mut(&session).and_then(|session| session.content(content));
        if let Some(id) = sent.map(|sent| sent.transport) {
            self.with(now, id, |transport| transport.request_key_frame(now, content));
        }
    }

    /// Those who get what a peer sends as a content cannot take more than so many bits a second; `None` if nobody needs less than its path
    /// carries.
    pub fn limit_received(&mut self, session: SessionId, content: &str, most: Option<u32>) {
        let sent = self.sessions.get_mut(&session).and_then(|session| session.content(content));
        let entry = sent.and_then(|sent| self.transports.get_mut(&sent.transport));
        if let Some(entry) = entry {
            entry.transport.limit_received(content, most);
        }
    }

    // ---- what is known ---------------------------------------------------------------------------------------------

    /// True if there is nobody to connect with.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.transports.is_empty()
    }

    /// True if there are connections and none is being made.
    #[must_use]
    pub fn are_settled(&self) -> bool {
        !self.transports.is_empty() && self.transports.values().all(|entry| entry.connected)
    }

    /// There and back to the peer of a session, as last measured.
    #[must_use]
    pub fn round_trip(&self, session: SessionId) -> Option<Duration> {
        let (first, last) = (TransportId { session, index: 0 }, TransportId { session, index: u32::MAX });
        self.transports.range(first..=last).find_map(|(_, entry)| entry.transport.round_trip())
    }

    /// The paths in use, by session.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<SessionId, Vec<Path>> {
        let mut paths: BTreeMap<SessionId, Vec<Path>> = BTreeMap::new();
        for (id, entry) in &self.transports {
            if let Some(path) = entry.measured_path() {
                paths.entry(id.session).or_default().push(path);
            }
        }
        paths
    }

    // ---- what transports say ---------------------------------------------------------------------------------------

    /// Lets a transport act, and takes what it has to say.
    fn with(&mut self, now: Instant, id: TransportId, act: impl FnOnce(&mut dyn Transport)) {
        let Some(entry) = self.transports.get_mut(&id) else { return };
        act(&mut *entry.transport);
        if entry.collect(now, id, &mut self.out) == Collected::Connected {
            forget_what_flows(&mut self.transports, id);
        }
    }

    fn report(&mut self, report: MediaReport) {
        self.out.push_back(PeersOutput::Report(report));
    }
}

/// A transport is connected: what flows by the others of its session is to be reported again.
fn forget_what_flows(transports: &mut BTreeMap<TransportId, TransportEntry>, connected: TransportId) {
    let (first, last) = (TransportId { index: 0, ..connected }, TransportId { index: u32::MAX, ..connected });
    let others = transports.range_mut(first..=last).filter(|(id, _)| **id != connected);
    others.for_each(|(_, entry)| entry.flows.tell_again());
}
