//! The contents of a session and the transports they travel by: what we offer, what we take of an offer or an answer.

mod adding;
mod bundle;
mod certificates;
mod content;
mod hearing;
mod list;
mod matching;
mod restart;
mod silence;
mod transport;
mod transports;

pub(crate) use adding::Withdrawal;
pub(crate) use content::ContentState;
pub use hearing::Silence;
pub(crate) use matching::alternative;

use std::collections::BTreeSet;

use muji_xep::dtls::Setup;
use muji_xep::dtmf::Digit;
use muji_xep::ice::{Candidate, Transport};
use muji_xep::jingle::{Content, Group, Jingle, MAX_CONTENTS, Senders, Side};
use muji_xep::rtp::{Description, HeaderExtension, Media, PayloadType};

use crate::fault::{NegotiationError, spoken, spoken_as};
use crate::ids::{SessionId, TransportId};
use crate::media::{DtlsRole, IceRole, LocalTransport, MediaCommand, RemoteTransport};
use crate::parties::{ContentSpec, SessionParams};

use bundle::Bundle;
use certificates::CertificateRules;
use content::{Flow, Holding, NegotiatedContent, SessionContent};
use hearing::Hearing;
use list::{ContentList, free};
use matching::{
    ChosenCodec, answered_codec, choose_codec, match_content, red, rtx, shared_extensions, telephone_event, with_rtx,
};
use transport::{answer_role, names_end, offer_role, read_remote};
use transports::SessionTransports;

/// Streams of one content that are remembered: a peer may name others again and again.
const MAX_SOURCES: usize = 16;

/// What follows from the peer's answer.
pub(crate) struct Answered {
    /// For the media layer.
    pub(crate) commands: Vec<MediaCommand>,
    /// Contents that it answers as nobody can use them, and why; they have to be taken out.
    pub(crate) unusable: Vec<(Content, NegotiationError)>,
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
    /// Names under which an answer may still come: of contents that we have taken out before the peer answered the offer. What is offered
    /// later has another, so that each answer belongs to one offer.
    unanswered: BTreeSet<String>,
}

impl SessionContents {
    fn new(parties: &SessionParams, side: Side, bundle: Bundle) -> Self {
        Self {
            list: ContentList::default(),
            transports: SessionTransports::new(parties.able.ice_restart),
            side,
            bundle,
            cname: None,
            holding: Holding::default(),
            certificates: CertificateRules::of(parties),
            unanswered: BTreeSet::new(),
        }
    }

    /// What we offer: a transport of its own for each content, which every known client takes, and a group of those that may share one.
    pub(crate) fn offering(parties: &SessionParams, specs: Vec<ContentSpec>) -> Self {
        let mut this = Self::new(parties, Side::Initiator, Bundle::default());
        for spec in specs.into_iter().take(MAX_CONTENTS) {
            let name = spec.publication.clone();
            if parties.able.bundling && this.list.is_distinct(&name, &spec.payload_types, |_| true) {
                this.bundle.add([name.clone()]);
            }
            let transport = this.transports.add(parties.session).expect("a session may have so many");
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
        let bundle = Bundle::of(offer.group.as_ref().filter(|_| parties.able.bundling));
        let mut this = Self::new(parties, Side::Responder, bundle);
        let taken = offer.contents.iter().map(|content| this.take(parties.session, specs, content));
        let refused: Vec<NegotiationError> = taken.filter_map(Result::err).collect();
        if this.bundle.transport.is_none() {
            this.bundle = Bundle::default();
        }
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
            .ok_or_else(|| NegotiationError::Application(spoken(content)))?;
        let ChosenCodec { receive: codec, send } = choose_codec(&description.payload_types, &spec.payload_types)
            .ok_or_else(|| NegotiationError::Codec(spoken(content)))?;
        let red = red(&codec, &spec.payload_types, &description.payload_types);
        let rtx = spec.rtx_ssrc.and_then(|_| rtx(&codec, &description.payload_types));
        let telephone_event = telephone_event(&codec, &spec.payload_types, &description.payload_types);
        let shared = self.shared_transport(&content.name, std::slice::from_ref(&codec));
        let remote = self.remote_end(shared, content, answer_role)?;
        let transport = self.transport(session, &content.name, shared)?;
        self.transports.of_mut(transport).take_remote(content, &remote)?;
        let extensions =
            self.transports.of(transport).known(shared_extensions(&spec.extensions, &description.extensions));
        let side = self.side;
        let ours = self.push(spec.clone(), content.creator, content.name.clone(), transport);
        ours.extensions = extensions;
        ours.rtcp_mux = description.rtcp_mux; // Answered only where it is offered (RFC 5761 section 5.1.1).
        ours.rtcp_reduced_size = description.rtcp_reduced_size;
        ours.senders = content.senders.with(side, spec.sends && content.senders.include(side));
        ours.negotiated = Some(NegotiatedContent {
            send,
            red: red.clone(),
            rtx: rtx.clone(),
            telephone_event: telephone_event.clone(),
            streams: description.streams(),
        });
        ours.payload_types = std::iter::once(codec).chain(rtx).chain(red).chain(telephone_event).collect();
        Ok(())
    }

    /// The transport of the bundle, if a content belongs there.
    fn shared_transport(&self, name: &str, payload_types: &[PayloadType]) -> Option<TransportId> {
        let shared =
            self.bundle.transport.filter(|shared| self.bundle.includes(name) && self.transports.has(*shared))?;
        self.list.is_distinct(name, payload_types, |content| content.transport == shared).then_some(shared)
    }

    /// The transport for one more content: `shared`, or else another one.
    fn transport(
        &mut self,
        session: SessionId,
        name: &str,
        shared: Option<TransportId>,
    ) -> Result<TransportId, NegotiationError> {
        if self.list.len() >= MAX_CONTENTS {
            return Err(NegotiationError::TooMany);
        }
        if let Some(shared) = shared {
            return Ok(shared);
        }
        let id = self.transports.add(session)?;
        if self.bundle.includes(name) && self.bundle.transport.is_none_or(|shared| !self.transports.has(shared)) {
            self.bundle.transport = Some(id);
        }
        Ok(id)
    }

    /// The peer's end of the transport by which a content travels. In a bundle one content has to name it (RFC 9143 section 7.3.3), and
    /// Conversations leaves it out of the others that it adds.
    fn remote_end(
        &self,
        transport: Option<TransportId>,
        content: &Content,
        role: fn(Option<Setup>) -> Option<DtlsRole>,
    ) -> Result<RemoteTransport, NegotiationError> {
        let transport = transport.map(|id| self.transports.of(id));
        let known = transport.and_then(|transport| transport.remote.clone());
        if let Some(known) = known.filter(|_| !names_end(content)) {
            return Ok(known);
        }
        let content = transport.map_or_else(|| content.clone(), |transport| transport.with_early_fingerprints(content));
        let remote = read_remote(&content, role)?;
        self.certificates.check(&content, &remote)?;
        Ok(remote)
    }

    /// Adds a content about which nothing is agreed. What sends its packets again is numbered within the session: a room's payload map need
    /// not know it.
    fn push(&mut self, spec: ContentSpec, creator: Side, name: String, transport: TransportId) -> &mut SessionContent {
        self.cname.get_or_insert(spec.ssrc);
        let payload_types = with_rtx(&spec, self.list.iter().flat_map(|content| &content.payload_types));
        self.list.push(SessionContent {
            label: free(&name, |label| self.list.iter().all(|content| content.label != *label)),
            name,
            creator,
            transport,
            payload_types,
            extensions: spec.extensions.clone(),
            rtcp_reduced_size: true,
            senders: Senders::Both,
            answered_silent: false,
            rtcp_mux: true,
            flow: Flow::Nothing,
            negotiated: None,
            started: false,
            state: ContentState::Settled,
            until: None,
            hearing: Hearing::default(),
            spec,
        })
    }

    /// The peer sends by other sources too, of which it had not told (XEP-0167 section 9).
    pub(crate) fn add_sources(&mut self, content: &Content) {
        let Some(description) = &content.description else { return };
        let Some(ours) = self.list.named_mut(content) else { return };
        let Some(negotiated) = &mut ours.negotiated else { return };
        let mut new = description.streams();
        new.retain(|stream| !negotiated.streams.contains(stream));
        if !new.is_empty() {
            // The last ones count: those before may be gone.
            let before = negotiated.streams.iter().filter(|known| new.iter().all(|stream| stream.ssrc != known.ssrc));
            negotiated.streams = new.iter().chain(before).take(MAX_SOURCES).copied().collect();
            ours.started = false;
        }
    }

    /// Sends keys of telephones by each content that can.
    pub(crate) fn send_digits(&self, session: SessionId, digits: &[Digit]) -> Vec<MediaCommand> {
        if self.holding.peer || self.holding.us {
            return Vec::new();
        }
        self.list.iter().filter_map(|content| content.send_digits(session, self.side, digits)).collect()
    }

    /// Which side of the session we are.
    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// The user sends these media only.
    pub(crate) fn send_only(&mut self, media: &[Media]) {
        self.list.send_only(self.side, media);
    }

    /// What the peer sends.
    pub(crate) fn received(&self) -> Vec<(String, Media)> {
        let sent = self.list.iter().filter(|content| content.is_received(self.side));
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

    /// The group of our offer, of an answer to a bundled offer, and of what is added to it.
    pub(crate) fn group(&self) -> Option<Group> {
        let shares = |content: &&SessionContent| {
            self.bundle.includes(&content.name)
                && self.bundle.transport.is_none_or(|shared| content.transport == shared)
        };
        Bundle::group(self.list.iter().filter(shares).map(|content| content.name.clone()).collect())
    }

    /// The peer's answer to our offer. Contents it leaves out are gone, for the media layer too: it would take one that is added later
    /// under the same name for the one that was refused.
    ///
    /// # Errors
    /// What makes the whole answer unusable: a peer that cannot prove who it is, or no content that both can use.
    pub(crate) fn answered(&mut self, parties: &SessionParams, answer: &Jingle) -> Result<Answered, NegotiationError> {
        let session = parties.session;
        let named = |name: &str| answer.contents.iter().find(|content| content.name == name);
        let left_out =
            self.list.take_out(|content| content.state == ContentState::Settled && named(&content.name).is_none());
        let dropped =
            left_out.into_iter().map(|content| MediaCommand::RemoveContent { session, content: content.label });
        let mut commands: Vec<MediaCommand> = dropped.collect();
        let bundle = Bundle::of(answer.group.as_ref());
        commands.extend(self.share_transport(parties, &bundle));
        self.forget_unused_transports();
        let mut settled: Vec<String> = self.list.settled().map(|content| content.name.clone()).collect();
        if settled.is_empty() {
            return Err(NegotiationError::Contents);
        }
        // The first of the peer's group names its end (RFC 9143 section 7.3.3).
        settled.sort_by_key(|name| bundle.position(name));
        let (all, mut unusable) = (settled.len(), Vec::new());
        for name in settled {
            let content = named(&name).expect("those left out are gone");
            match self.content_answered(Side::Initiator, content) {
                Ok(()) => {}
                Err(why) if why.concerns_one_content() => unusable.push((Content::new(&name), why)),
                Err(why) => return Err(why),
            }
        }
        if unusable.len() == all {
            return Err(unusable.swap_remove(0).1);
        }
        Ok(Answered { commands, unusable })
    }

    /// What the peer bundles travels by the transport of the first that we offered of it; the media layer opens it there again.
    fn share_transport(&mut self, parties: &SessionParams, answered: &Bundle) -> Vec<MediaCommand> {
        let both = |content: &&SessionContent| self.bundle.includes(&content.name) && answered.includes(&content.name);
        let shares: Vec<(TransportId, String)> =
            self.list.settled().filter(both).map(|content| (content.transport, content.name.clone())).collect();
        let shared = shares.first().map(|(transport, _)| *transport);
        self.bundle = Bundle { names: shares.into_iter().map(|(_, name)| name).collect(), transport: shared };
        let Some(shared) = shared else { return Vec::new() };
        let mut commands = Vec::new();
        let mut moved: Vec<String> = Vec::new();
        for content in
            self.list.iter_mut().filter(|content| self.bundle.includes(&content.name) && content.transport != shared)
        {
            content.transport = shared;
            moved.push(content.label.clone());
            commands.push(MediaCommand::RemoveContent { session: parties.session, content: content.label.clone() });
        }
        if !moved.is_empty() {
            commands.push(self.open_those(parties, |content| moved.contains(&content.label)));
        }
        commands
    }

    /// The peer's answer to one of our contents.
    fn content_answered(&mut self, creator: Side, content: &Content) -> Result<(), NegotiationError> {
        let description = description(content)?;
        let Some(ours) = self.list.iter().find(|ours| ours.is(creator, &content.name)) else {
            return Err(NegotiationError::Contents);
        };
        let send = answered_codec(&ours.payload_types, &description.payload_types)
            .ok_or_else(|| NegotiationError::Codec(spoken(content)))?;
        let red = red(&send, &ours.payload_types, &description.payload_types);
        let rtx = ours.spec.rtx_ssrc.and_then(|_| rtx(&send, &description.payload_types));
        let telephone_event = telephone_event(&send, &ours.payload_types, &description.payload_types);
        let transport = ours.transport;
        let remote = self.remote_end(Some(transport), content, offer_role)?;
        let side = self.side;
        let ours = self.list.iter_mut().find(|ours| ours.is(creator, &content.name)).expect("it was found above");
        ours.negotiated = Some(NegotiatedContent { send, red, rtx, telephone_event, streams: description.streams() });
        ours.extensions = shared_extensions(&ours.extensions, &description.extensions);
        ours.answer_senders(side, content.senders);
        self.transports.of_mut(transport).take_remote(content, &remote)
    }

    /// The commands that start what is agreed and not started yet.
    pub(crate) fn start(&mut self, session: SessionId) -> Vec<MediaCommand> {
        let (side, holding) = (self.side, self.holding);
        // Before the transports begin: some can learn payload types only until then.
        let mut commands: Vec<MediaCommand> =
            self.list.iter_mut().filter_map(|content| content.start(session, side, holding)).collect();
        for transport in self.transports.iter_mut().filter(|transport| !transport.started) {
            let contents = self.list.iter().filter(|content| content.transport == transport.id);
            if contents.clone().all(|content| content.state == ContentState::Waiting) {
                continue;
            }
            let agreed = contents.filter(|content| content.negotiated.is_some());
            let extensions = HeaderExtension::unite(agreed.flat_map(|content| content.extensions.clone()));
            commands.extend(transport.start(extensions));
        }
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
            let Some(ours) = self.list.named(content) else { continue };
            let (id, name) = (ours.transport, spoken_as(Some(&ours.spec.media), &ours.name));
            let admitted = content.transport.as_ref().is_some_and(|transport| self.certificates.admits(transport));
            let transport = self.transports.of_mut(id);
            transport.check_fingerprints(content, admitted, name)?;
            commands.extend(transport.trickled(content));
        }
        Ok(commands)
    }

    /// Takes a content out; the transport that nothing travels by any more is closed with it.
    pub(crate) fn forget(&mut self, session: SessionId, content: &Content) -> Option<MediaCommand> {
        let label = self.list.label(content)?;
        self.list.take_out(|content| content.label == label);
        self.forget_unused_transports();
        Some(MediaCommand::RemoveContent { session, content: label })
    }

    /// The peer said nothing about our removal of a content, nor perhaps about its offer.
    pub(crate) fn unanswered(&mut self, content: &Content) {
        if content.creator == self.side {
            self.unanswered.insert(content.name.clone());
        }
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

fn description(content: &Content) -> Result<&Description, NegotiationError> {
    content.description.as_ref().ok_or_else(|| NegotiationError::Application(spoken(content)))
}
