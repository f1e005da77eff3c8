//! The contents of a session and the transports they travel by: what we offer, what we take of an offer or an answer.

mod bundle;
mod certificates;
mod content;
mod list;
mod matching;
mod restart;
mod transport;
mod transports;

pub(crate) use content::ContentState;
pub(crate) use matching::alternative;

use std::time::Instant;

use muji_xep::dtls::Setup;
use muji_xep::ice::{Candidate, Transport};
use muji_xep::jingle::{Content, Group, Jingle, MAX_CONTENTS, Senders, Side};
use muji_xep::rtp::{Description, HeaderExtension, Media, PayloadType};

use crate::fault::NegotiationError;
use crate::ids::{SessionId, TransportId};
use crate::media::{DtlsRole, IceRole, LocalTransport, MediaCommand};
use crate::parties::{ContentSpec, SessionParams};
use crate::timers;

use bundle::Bundle;
use certificates::CertificateRules;
use content::{Holding, NegotiatedContent, SessionContent};
use list::ContentList;
use matching::{answered_codec, choose_codec, match_content, shared_extensions};
use transport::read_remote;
use transports::SessionTransports;

/// What follows when one of our contents should not be sent any more.
pub(crate) enum Withdrawal {
    /// It is gone; the peer did not know it.
    Unsent(MediaCommand),
    /// A content-remove with this has to go out.
    Announce(Content),
    /// It was the last one: the session is over.
    Last,
}

/// All contents and transports of a session.
#[derive(Debug, Clone)]
pub(crate) struct SessionContents {
    pub(crate) list: ContentList,
    pub(crate) transports: SessionTransports,
    side: Side,
    bundle: Bundle,
    /// Says that all we send belongs together, so that it is played together (RFC 3550 section 6.5.1); the first SSRC.
    cname: Option<u32>,
    holding: Holding,
    certificates: CertificateRules,
}

impl SessionContents {
    fn new(parties: &SessionParams, side: Side, bundle: Bundle) -> Self {
        Self {
            list: ContentList::default(),
            transports: SessionTransports::default(),
            side,
            bundle,
            cname: None,
            holding: Holding::default(),
            certificates: CertificateRules::of(parties),
        }
    }

    /// What we offer: a transport of its own for each content, which every known client takes.
    pub(crate) fn offering(parties: &SessionParams, specs: Vec<ContentSpec>) -> Self {
        let mut this = Self::new(parties, Side::Initiator, Bundle::default());
        for spec in specs.into_iter().take(MAX_CONTENTS) {
            let name = spec.publication.clone();
            let transport =
                this.transport(parties.session, &name, &spec.payload_types).expect("a session may have so many");
            this.push(spec, Side::Initiator, name, transport);
        }
        this
    }

    /// What we take of an offer, and why not the rest.
    ///
    /// # Errors
    /// The first reason, if nothing of the offer can be taken.
    pub(crate) fn answering(
        parties: &SessionParams,
        specs: &[ContentSpec],
        offer: &Jingle,
    ) -> Result<(Self, Vec<NegotiationError>), NegotiationError> {
        let mut this = Self::new(parties, Side::Responder, Bundle::of(offer.group.as_ref()));
        let taken = offer.contents.iter().map(|content| this.take(parties.session, specs, content));
        let refused: Vec<NegotiationError> = taken.filter_map(Result::err).collect();
        if !this.list.is_empty() {
            return Ok((this, refused));
        }
        Err(refused.into_iter().next().unwrap_or(NegotiationError::Contents))
    }

    /// Takes a content that the peer offers.
    ///
    /// # Errors
    /// Why it cannot be taken.
    fn take(&mut self, session: SessionId, specs: &[ContentSpec], content: &Content) -> Result<(), NegotiationError> {
        let description = description(content)?;
        let free = specs.iter().filter(|spec| !spec.sends || !self.list.carries(&spec.publication));
        let spec = match_content(free, &content.name, &description.media)
            .ok_or_else(|| NegotiationError::Application(content.name.clone()))?;
        let codec = choose_codec(&description.payload_types, &spec.payload_types)
            .ok_or_else(|| NegotiationError::Codec(content.name.clone()))?;
        let remote = read_remote(content, answer_role)?;
        self.certificates.check(content, &remote)?;
        let transport = self.transport(session, &content.name, std::slice::from_ref(&codec))?;
        self.transports.of_mut(transport).take_remote(content, &remote)?;
        let side = self.side;
        let ours = self.push(spec.clone(), content.creator, content.name.clone(), transport);
        ours.extensions = shared_extensions(&spec.extensions, &description.extensions);
        ours.senders = content.senders.with(side, spec.sends && content.senders.include(side));
        ours.negotiated = Some(NegotiatedContent { send: codec.clone(), ssrcs: description.ssrcs() });
        ours.payload_types = vec![codec];
        Ok(())
    }

    /// The transport for one more content: that of the bundle, if it belongs there and its payload types mean there what
    /// they mean to the others; else another one.
    fn transport(
        &mut self,
        session: SessionId,
        name: &str,
        payload_types: &[PayloadType],
    ) -> Result<TransportId, NegotiationError> {
        if self.list.len() >= MAX_CONTENTS {
            return Err(NegotiationError::TooMany);
        }
        let bundled = self.bundle.includes(name);
        let shared = self.bundle.transport.filter(|shared| self.transports.has(*shared));
        if let Some(shared) = shared.filter(|_| bundled) {
            let used = self.list.iter().filter(|content| content.transport == shared);
            let mut used = used.flat_map(|content| &content.payload_types);
            let clashes = |used: &PayloadType| payload_types.iter().any(|it| it.id == used.id && !it.same_codec(used));
            if !used.any(clashes) {
                return Ok(shared);
            }
        }
        let id = self.transports.add(session)?;
        if bundled && shared.is_none() {
            self.bundle.transport = Some(id);
        }
        Ok(id)
    }

    /// Adds a content about which nothing is agreed.
    fn push(&mut self, spec: ContentSpec, creator: Side, name: String, transport: TransportId) -> &mut SessionContent {
        self.cname.get_or_insert(spec.ssrc);
        self.list.push(SessionContent {
            label: free(&name, |label| self.list.iter().all(|content| content.label != *label)),
            name,
            creator,
            transport,
            payload_types: spec.payload_types.clone(),
            extensions: spec.extensions.clone(),
            senders: Senders::Both,
            negotiated: None,
            started: false,
            state: ContentState::Settled,
            until: None,
            spec,
        })
    }

    /// Which side of the session we are.
    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// The user sends these media only.
    pub(crate) fn send_only(&mut self, media: &[Media]) {
        self.list.send_only(self.side, media);
    }

    /// What the peer sends, as agreed.
    pub(crate) fn received(&self) -> Vec<(String, Media)> {
        let other = self.side.other();
        let sent = self.list.iter().filter(|content| content.negotiated.is_some() && content.senders.include(other));
        sent.map(|content| (content.label.clone(), content.spec.media.clone())).collect()
    }

    /// The command that makes our ends of all contents which came with the session itself.
    pub(crate) fn open(&self, parties: &SessionParams) -> MediaCommand {
        self.open_those(parties, |content| content.state == ContentState::Settled)
    }

    fn open_those(&self, parties: &SessionParams, which: impl Fn(&SessionContent) -> bool) -> MediaCommand {
        let role = match self.side {
            Side::Initiator => IceRole::Controlling,
            Side::Responder => IceRole::Controlled,
        };
        let contents = self.list.iter().filter(|content| which(content)).map(SessionContent::open);
        let SessionParams { call, session, name, peer, .. } = parties.clone();
        MediaCommand::Open { call, session, peer: peer.to_bare(), name, role, contents: contents.collect() }
    }

    /// One of our ends exists, or is another after a restart: what the peer has to learn then.
    pub(crate) fn described(&mut self, id: TransportId, local: LocalTransport) -> Option<Content> {
        let transport = self.transports.find(id)?.described(local)?;
        self.reference_by(id, transport)
    }

    /// One more local address: the content of the transport-info for it, if the peer knows that transport.
    pub(crate) fn found_candidate(&mut self, id: TransportId, candidate: Candidate) -> Option<Content> {
        let transport = self.transports.find(id)?.found_candidate(candidate)?;
        let content = self.list.iter().find(|content| content.transport == id)?;
        let unknown = matches!(content.state, ContentState::Adding | ContentState::Waiting | ContentState::Accepting);
        if unknown { None } else { self.reference_by(id, transport) }
    }

    /// The first content of a transport, with `transport` as what it says of it.
    fn reference_by(&self, id: TransportId, transport: Transport) -> Option<Content> {
        let content = self.list.iter().find(|content| content.transport == id)?;
        Some(Content { transport: Some(transport), ..content.reference() })
    }

    /// True once all our ends exist that came with the session itself.
    pub(crate) fn all_described(&self) -> bool {
        self.list.settled().all(|content| self.transports.of(content.transport).local.is_some())
    }

    /// One of the transports works. True if that completes a content which was added.
    pub(crate) fn connected(&mut self, id: TransportId) -> bool {
        if let Some(transport) = self.transports.find(id) {
            transport.connected();
        }
        let mut completed = false;
        for content in self.list.iter_mut().filter(|content| content.transport == id) {
            if content.state == ContentState::Connecting {
                content.set_state(ContentState::Settled, None);
                completed = true;
            }
        }
        completed
    }

    /// True once every transport works that came with the session itself.
    pub(crate) fn all_connected(&self) -> bool {
        self.list.settled().all(|content| self.transports.of(content.transport).connected)
    }

    /// The contents for a session-initiate or a session-accept.
    pub(crate) fn write(&self) -> Vec<Content> {
        let mut written: Vec<TransportId> = Vec::new();
        let mut contents = Vec::new();
        for content in self.list.iter() {
            let agreed = [ContentState::Settled, ContentState::Accepting, ContentState::Connecting];
            let ours = self.transports.of(content.transport);
            if !agreed.contains(&content.state) || ours.local.is_none() {
                continue;
            }
            let mut text = content.write(ours, self.cname);
            if let Some(transport) = text.transport.as_mut().filter(|_| written.contains(&ours.id)) {
                transport.candidates.clear(); // In a bundle once is enough.
            }
            written.push(ours.id);
            contents.push(text);
        }
        contents
    }

    /// The group of an answer to a bundled offer, and of what is added to it.
    pub(crate) fn group(&self) -> Option<Group> {
        let shared = self.bundle.transport?;
        let bundled = self.list.iter().filter(|content| content.transport == shared);
        Bundle::group(bundled.map(|content| content.name.clone()).collect())
    }

    /// The peer's answer to our offer. Contents it leaves out are gone, for the media layer too: it would take one that is added later
    /// under the same name for the one that was refused.
    ///
    /// # Errors
    /// What makes the whole answer unusable.
    pub(crate) fn answered(
        &mut self,
        session: SessionId,
        answer: &Jingle,
    ) -> Result<Vec<MediaCommand>, NegotiationError> {
        let named = |name: &str| answer.contents.iter().find(|content| content.name == name);
        let left_out =
            self.list.take_out(|content| content.state == ContentState::Settled && named(&content.name).is_none());
        let dropped =
            left_out.into_iter().map(|content| MediaCommand::RemoveContent { session, content: content.label });
        let dropped = dropped.collect();
        self.forget_unused_transports();
        let settled: Vec<(Side, String)> =
            self.list.settled().map(|content| (content.creator, content.name.clone())).collect();
        if settled.is_empty() {
            return Err(NegotiationError::Contents);
        }
        for (creator, name) in settled {
            self.content_answered(creator, named(&name).expect("those left out are gone"))?;
        }
        Ok(dropped)
    }

    /// The peer's answer to one of our contents.
    fn content_answered(&mut self, creator: Side, content: &Content) -> Result<(), NegotiationError> {
        let description = description(content)?;
        let Some(ours) = self.list.iter_mut().find(|ours| ours.is(creator, &content.name)) else {
            return Err(NegotiationError::Contents);
        };
        let send = answered_codec(&ours.payload_types, &description.payload_types)
            .ok_or_else(|| NegotiationError::Codec(content.name.clone()))?;
        let transport = self.transports.of_mut(ours.transport);
        let remote = read_remote(&transport.with_early_fingerprints(content), offer_role)?;
        self.certificates.check(content, &remote)?;
        ours.negotiated = Some(NegotiatedContent { send, ssrcs: description.ssrcs() });
        ours.extensions = shared_extensions(&ours.extensions, &description.extensions);
        // It may narrow who sends, never widen it.
        let narrowed = [Side::Initiator, Side::Responder].into_iter().filter(|side| !content.senders.include(*side));
        ours.senders = narrowed.fold(ours.senders, |senders, side| senders.with(side, false));
        transport.take_remote(content, &remote)
    }

    /// The commands that start what is agreed and not started yet.
    pub(crate) fn start(&mut self, session: SessionId) -> Vec<MediaCommand> {
        let mut commands = Vec::new();
        for transport in self.transports.iter_mut().filter(|transport| !transport.started) {
            let contents = self.list.iter().filter(|content| content.transport == transport.id);
            if contents.clone().all(|content| content.state == ContentState::Waiting) {
                continue;
            }
            let agreed = contents.filter(|content| content.negotiated.is_some());
            let extensions = HeaderExtension::unite(agreed.flat_map(|content| content.extensions.clone()));
            commands.extend(transport.start(extensions));
        }
        let (side, holding) = (self.side, self.holding);
        commands.extend(self.list.iter_mut().filter_map(|content| content.start(session, side, holding)));
        commands
    }

    /// The peer listens, or does not. True if that is a change; [`Self::start`] tells the media layer.
    pub(crate) fn set_peer_holds(&mut self, holds: bool) -> bool {
        self.set_holding(Holding { peer: holds, ..self.holding })
    }

    /// We listen, or do not: nothing flows either way meanwhile. True if that is a change; [`Self::start`] tells the media layer.
    pub(crate) fn set_holds(&mut self, holds: bool) -> bool {
        self.set_holding(Holding { us: holds, ..self.holding })
    }

    fn set_holding(&mut self, holding: Holding) -> bool {
        if self.holding == holding {
            return false;
        }
        self.holding = holding;
        self.list.start_again();
        true
    }

    /// True while we do not listen.
    pub(crate) fn holds(&self) -> bool {
        self.holding.us
    }

    /// More candidates of the peer, kept within the bound, or other credentials; the commands that follow.
    ///
    /// # Errors
    /// A fingerprint other than the one promised.
    pub(crate) fn trickled(&mut self, jingle: &Jingle) -> Result<Vec<MediaCommand>, NegotiationError> {
        let mut commands = Vec::new();
        for content in &jingle.contents {
            let Some(id) = self.list.named(content).map(|ours| ours.transport) else { continue };
            let admitted = content.transport.as_ref().is_some_and(|transport| self.certificates.admits(transport));
            let transport = self.transports.of_mut(id);
            transport.check_fingerprints(content, admitted)?;
            commands.extend(transport.trickled(content));
        }
        Ok(commands)
    }

    /// Begins a content that we add: our end is to be made.
    ///
    /// # Errors
    /// If the session has too many already.
    pub(crate) fn add(
        &mut self,
        parties: &SessionParams,
        spec: ContentSpec,
        until: Instant,
    ) -> Result<MediaCommand, NegotiationError> {
        // A peer may have added something of its own under our name, and many look at the name alone.
        let name = free(&spec.publication, |name| self.list.iter().all(|content| content.name != *name));
        if self.bundle.transport.is_some() {
            self.bundle.names.push(name.clone());
        }
        let transport = self.transport(parties.session, &name, &spec.payload_types)?;
        let content = self.push(spec, self.side, name, transport);
        content.set_state(ContentState::Adding, Some(until));
        let label = content.label.clone();
        Ok(self.open_those(parties, |content| content.label == label))
    }

    /// What the peer adds may belong to the bundle that there is.
    pub(crate) fn regroup(&mut self, group: Option<&Group>) {
        let names = Bundle::of(group).names;
        if self.bundle.transport.is_some() && !names.is_empty() {
            self.bundle.names = names;
        }
    }

    /// Takes a content that the peer adds; nothing is made before [`Self::open_waiting`].
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub(crate) fn take_added(
        &mut self,
        session: SessionId,
        specs: &[ContentSpec],
        content: &Content,
    ) -> Result<(), NegotiationError> {
        let taken = self.take(session, specs, content);
        self.forget_unused_transports();
        taken?;
        let added = self.list.iter_mut().last().expect("it was just taken");
        added.set_state(ContentState::Waiting, None);
        Ok(())
    }

    /// Begins with what the peer has added: our ends are to be made.
    pub(crate) fn open_waiting(&mut self, parties: &SessionParams, until: Instant) -> Option<MediaCommand> {
        let waits = |content: &SessionContent| content.state == ContentState::Waiting;
        if !self.list.iter().any(waits) {
            return None;
        }
        let open = self.open_those(parties, waits);
        for content in self.list.iter_mut().filter(|content| waits(content)) {
            content.set_state(ContentState::Accepting, Some(until));
        }
        Some(open)
    }

    /// The next content that has been waiting for our end alone, to be offered or accepted now; with the state it was in.
    pub(crate) fn next_ready(&mut self, now: Instant) -> Option<(ContentState, Content)> {
        let ready = |content: &&mut SessionContent| {
            let waits = matches!(content.state, ContentState::Adding | ContentState::Accepting);
            waits && self.transports.of(content.transport).local.is_some()
        };
        let ours = self.list.iter_mut().find(ready)?;
        let transport = self.transports.of(ours.transport);
        let state = ours.state;
        let content = ours.write(transport, self.cname);
        if state == ContentState::Adding {
            ours.set_state(ContentState::Offered, Some(now + timers::ACCEPT));
        } else {
            ours.agree(now, transport.connected);
        }
        Some((state, content))
    }

    /// The peer accepts one of our contents.
    ///
    /// # Errors
    /// What makes its answer unusable.
    pub(crate) fn accepted(&mut self, now: Instant, content: &Content) -> Result<(), NegotiationError> {
        let creator = self.list.named(content).map_or(Side::Initiator, |ours| ours.creator);
        self.content_answered(creator, content)?;
        if let Some(ours) = self.list.named_mut(content) {
            let connected = self.transports.of(ours.transport).connected;
            ours.agree(now, connected);
        }
        Ok(())
    }

    /// Stops sending a publication; `None` if no content carries it.
    pub(crate) fn withdraw(&mut self, session: SessionId, publication: &str) -> Option<Withdrawal> {
        let ours = self.list.iter().find(|content| content.sends(publication) && !content.is_removing())?;
        let content = ours.reference();
        if ours.state == ContentState::Adding {
            return Some(Withdrawal::Unsent(self.forget(session, &content)?));
        }
        let is_it = |other: &SessionContent| other.is(content.creator, &content.name);
        if self.list.iter().all(|other| is_it(other) || other.is_removing()) {
            return Some(Withdrawal::Last);
        }
        let ours = self.list.named_mut(&content)?;
        ours.set_state(ContentState::Removing, None);
        ours.started = false;
        Some(Withdrawal::Announce(content))
    }

    /// Takes a content out; the transport that nothing travels by any more is closed with it.
    pub(crate) fn forget(&mut self, session: SessionId, content: &Content) -> Option<MediaCommand> {
        let label = self.list.label(content)?;
        self.list.take_out(|content| content.label == label);
        self.forget_unused_transports();
        Some(MediaCommand::RemoveContent { session, content: label })
    }

    /// The contents that a lost transport takes with it, if others remain; `None` if they do not.
    pub(crate) fn lost_with(&self, id: TransportId) -> Option<Vec<Content>> {
        let settled = |content: &SessionContent| content.state == ContentState::Settled;
        let (lost, left): (Vec<_>, Vec<_>) = self.list.iter().partition(|content| content.transport == id);
        let added = !lost.is_empty() && !lost.iter().any(|content| settled(content));
        let others = left.into_iter().any(settled);
        (added && others).then(|| lost.into_iter().map(SessionContent::reference).collect())
    }

    fn forget_unused_transports(&mut self) {
        let used: Vec<TransportId> = self.list.iter().map(|content| content.transport).collect();
        self.transports.retain(&used);
    }
}

/// Our role in the handshake after a peer's offer: it waits for our handshake, so the side that knows both ends begins.
fn answer_role(setup: Option<Setup>) -> Option<DtlsRole> {
    match setup.unwrap_or(Setup::ActPass) {
        Setup::ActPass | Setup::Passive => Some(DtlsRole::Client),
        Setup::Active => Some(DtlsRole::Server),
        Setup::HoldConn => None,
    }
}

/// Our role in the handshake after a peer's answer.
fn offer_role(setup: Option<Setup>) -> Option<DtlsRole> {
    match setup.unwrap_or(Setup::Active) {
        Setup::Active => Some(DtlsRole::Server),
        Setup::Passive => Some(DtlsRole::Client),
        Setup::ActPass | Setup::HoldConn => None,
    }
}

fn description(content: &Content) -> Result<&Description, NegotiationError> {
    content.description.as_ref().ok_or_else(|| NegotiationError::Application(content.name.clone()))
}

/// The first of `name`, `name-2`, … that is free.
fn free(name: &str, is_free: impl Fn(&String) -> bool) -> String {
    let others = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(others).find(is_free).expect("a session has few contents")
}
