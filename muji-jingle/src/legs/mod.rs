//! The contents of a session and the transports they travel by: what we offer, what we take of an offer or an answer.

mod fitting;
mod growth;
mod path;
mod restart;

use std::time::Instant;

use muji_xep::dtls::Setup;
use muji_xep::ice::{Candidate, Transport};
use muji_xep::jingle::{Content, Group, Jingle, MAX_CONTENTS, Senders, Side};
use muji_xep::rtp::{Description, Extension, Media, Parameter, PayloadType, Source};

use crate::fault::Unusable;
use crate::ids::{SessionId, TransportId};
use crate::media::{DtlsRole, IceRole, LocalTransport, MediaCommand, OpenContent, RemoteTransport, Sending};
use crate::session::{ContentSpec, Parties};

use fitting::{bind, choose, same_id, shared};
pub(crate) use growth::Removal;
use path::{Path, add_candidates, local_end, remote_end, with_early};

/// What a group means whose contents share one transport (RFC 9143).
const BUNDLE: &str = "BUNDLE";

/// Fingerprints kept of a peer that has not answered yet; two can only disagree.
const MAX_EARLY: usize = 2;

/// A content with one peer.
#[derive(Debug, Clone)]
struct Leg {
    wanted: ContentSpec,
    /// Its name in this session, which need not be that of what we publish. Each side names what it adds, so two contents
    /// can have one name (XEP-0166 section 7.3).
    name: String,
    /// Who added it.
    creator: Side,
    /// What the media layer and the user know it by: its name, if no other has it.
    label: String,
    transport: TransportId,
    /// What we may receive, with this session's ids: our offer, or the answer we give.
    payload_types: Vec<PayloadType>,
    /// The same of header extensions; once it is agreed, those that both know.
    extensions: Vec<Extension>,
    /// Who may send it, as last offered or agreed.
    senders: Senders,
    /// What the peer agreed to.
    agreed: Option<Agreed>,
    /// The media layer knows what was agreed.
    started: bool,
    /// How far it has come, if it was added to a running session or is being removed; `None` if it simply is there.
    growth: Option<Growth>,
    /// When that is given up.
    until: Option<Instant>,
}

impl Leg {
    fn is(&self, creator: Side, name: &str) -> bool {
        self.creator == creator && self.name == name
    }

    fn grows(&mut self, growth: Growth, until: Instant) {
        (self.growth, self.until) = (Some(growth), Some(until));
    }
}

/// How far a content has come that is not simply there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Ours: the content-add goes out once our end is made.
    Adding,
    /// Our content-add is out.
    Offered,
    /// The peer's: taken once the session is accepted.
    Waiting,
    /// The peer's: taken once our end is made.
    Accepting,
    /// Agreed; its transport connects.
    Connecting,
    /// Our content-remove is out.
    Removing,
}

#[derive(Debug, Clone)]
struct Agreed {
    send: PayloadType,
    ssrcs: Vec<u32>,
}

/// Contents that share one transport, since the peer's offer said so (XEP-0338).
#[derive(Debug, Clone, Default)]
struct Bundle {
    names: Vec<String>,
    /// The transport of the first of them.
    transport: Option<TransportId>,
}

impl Bundle {
    fn of(group: Option<&Group>) -> Self {
        let names = group.filter(|group| group.semantics == BUNDLE).map(|group| group.contents.clone());
        Self { names: names.unwrap_or_default(), transport: None }
    }
}

/// All contents and transports of a session.
#[derive(Debug, Clone)]
pub(crate) struct Legs {
    side: Side,
    legs: Vec<Leg>,
    paths: Vec<Path>,
    /// Transports made so far.
    made: u8,
    bundle: Bundle,
    /// Says that all we send belongs together, so that it is played together (RFC 3550 section 6.5.1); the first SSRC.
    cname: Option<u32>,
    /// The peer does not listen for now.
    held: bool,
    /// We do not.
    holding: bool,
    asks: Asks,
}

/// What the peer's certificate has to be.
#[derive(Debug, Clone)]
struct Asks {
    /// One of these; any if empty.
    certificates: Vec<[u8; 32]>,
    /// Tied to a device of the peer's.
    bound: bool,
}

impl Asks {
    fn may_show(&self, content: &Content, remote: &RemoteTransport) -> Result<(), Unusable> {
        let known = self.certificates.is_empty() || self.certificates.iter().any(|it| it[..] == remote.fingerprint[..]);
        match content.transport.as_ref().is_some_and(|transport| self.admits(transport)) {
            false => Err(Unusable::Unbound(content.name.clone())),
            true if !known => Err(Unusable::Certificate(content.name.clone())),
            true => Ok(()),
        }
    }

    /// Whoever opens what is sealed puts the plain fingerprint beside it, and takes away any other.
    fn admits(&self, transport: &Transport) -> bool {
        !self.bound || !transport.sealed.is_empty()
    }
}

impl Legs {
    /// What we offer: a transport of its own for each content, which every known client takes.
    pub(crate) fn offering(parties: &Parties, wanted: Vec<ContentSpec>) -> Self {
        let mut this = Self::new(parties, Side::Initiator, Bundle::default());
        for wanted in wanted.into_iter().take(MAX_CONTENTS) {
            let name = wanted.publication.clone();
            let transport =
                this.transport(parties.session, &name, &wanted.payload_types).expect("a session may have so many");
            this.add_leg(wanted, Side::Initiator, name, transport);
        }
        this
    }

    fn new(parties: &Parties, side: Side, bundle: Bundle) -> Self {
        let asks = Asks { certificates: parties.certificates.clone(), bound: parties.bound_only };
        Self {
            side,
            legs: Vec::new(),
            paths: Vec::new(),
            made: 0,
            bundle,
            cname: None,
            held: false,
            holding: false,
            asks,
        }
    }

    /// What we take of an offer, and why not the rest.
    ///
    /// # Errors
    /// The first reason, if nothing of the offer can be taken.
    pub(crate) fn answering(
        parties: &Parties,
        wanted: &[ContentSpec],
        offer: &Jingle,
    ) -> Result<(Self, Vec<(String, Unusable)>), Unusable> {
        let mut this = Self::new(parties, Side::Responder, Bundle::of(offer.group.as_ref()));
        let mut refused = Vec::new();
        for content in &offer.contents {
            if let Err(why) = this.take(parties.session, wanted, content) {
                refused.push((content.name.clone(), why));
            }
        }
        match (this.legs.is_empty(), refused.first()) {
            (false, _) => Ok((this, refused)),
            (true, Some((_, why))) => Err(why.clone()),
            (true, None) => Err(Unusable::Contents),
        }
    }

    /// Takes a content that the peer offers.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub(crate) fn take(
        &mut self,
        session: SessionId,
        wanted: &[ContentSpec],
        content: &Content,
    ) -> Result<(), Unusable> {
        let description = description(content)?;
        let free = wanted.iter().filter(|wanted| !wanted.sends || !self.carries(&wanted.publication));
        let wanted =
            bind(free, &content.name, &description.media).ok_or_else(|| Unusable::Application(content.name.clone()))?;
        let chosen = choose(&description.payload_types, &wanted.payload_types)
            .ok_or_else(|| Unusable::Codec(content.name.clone()))?;
        let remote = remote_end(content, |setup| match setup.unwrap_or(Setup::ActPass) {
            // The offerer waits for our handshake, so the one who knows both ends begins.
            Setup::ActPass | Setup::Passive => Some(DtlsRole::Client),
            Setup::Active => Some(DtlsRole::Server),
            Setup::HoldConn => None,
        })?;
        self.asks.may_show(content, &remote)?;
        let transport = self.transport(session, &content.name, std::slice::from_ref(&chosen))?;
        let path = self.path(transport).expect("the path was just found or added");
        if path.remote.get_or_insert_with(|| remote.clone()).fingerprint != remote.fingerprint {
            return Err(Unusable::Handshake(content.name.clone())); // A bundle has one certificate.
        }
        add_candidates(path, content);
        let agreed = Agreed { send: chosen.clone(), ssrcs: description.ssrcs() };
        let side = self.side;
        let leg = self.add_leg(wanted.clone(), content.creator, content.name.clone(), transport);
        leg.payload_types = vec![chosen];
        leg.extensions = shared(&leg.wanted.extensions, &description.extensions);
        leg.senders = content.senders.with(side, leg.wanted.sends && content.senders.include(side));
        leg.agreed = Some(agreed);
        Ok(())
    }

    /// The user sends these media only.
    pub(crate) fn send_only(&mut self, media: &[Media]) {
        let side = self.side;
        for leg in self.legs.iter_mut().filter(|leg| !media.contains(&leg.wanted.media)) {
            leg.wanted.sends = false;
            leg.senders = leg.senders.with(side, false);
        }
    }

    /// What we send of a medium has another name. True if that changes anything; [`Self::start`] tells the media layer.
    pub(crate) fn publish_as(&mut self, media: &Media, name: &str) -> bool {
        let mut changed = false;
        let others = |leg: &&mut Leg| leg.wanted.media == *media && leg.wanted.sends && leg.wanted.publication != name;
        for leg in self.legs.iter_mut().filter(others) {
            name.clone_into(&mut leg.wanted.publication);
            (leg.started, changed) = (false, true);
        }
        changed
    }

    /// The certificates of both sides, ours first.
    pub(crate) fn fingerprints(&self) -> [Vec<&[u8]>; 2] {
        let ours = self.paths.iter().filter_map(|path| Some(path.local.as_ref()?.fingerprint.as_slice()));
        let theirs = self.paths.iter().filter_map(|path| Some(path.remote.as_ref()?.fingerprint.as_slice()));
        [ours.collect(), theirs.collect()]
    }

    /// What the peer sends, as agreed.
    pub(crate) fn received(&self) -> Vec<(String, Media)> {
        let sent = self.legs.iter().filter(|leg| leg.agreed.is_some() && leg.senders.include(self.side.other()));
        sent.map(|leg| (leg.label.clone(), leg.wanted.media.clone())).collect()
    }

    /// The transport for one more content: that of the bundle, if it belongs there and its payload types mean there what
    /// they mean to the others; else another one.
    fn transport(
        &mut self,
        session: SessionId,
        name: &str,
        payload_types: &[PayloadType],
    ) -> Result<TransportId, Unusable> {
        if self.legs.len() >= MAX_CONTENTS {
            return Err(Unusable::TooMany);
        }
        let bundled = self.bundle.names.iter().any(|bundled| bundled == name);
        let shared = self.bundle.transport.filter(|shared| self.paths.iter().any(|path| path.id == *shared));
        if let Some(shared) = shared.filter(|_| bundled) {
            let used = self.legs.iter().filter(|leg| leg.transport == shared).flat_map(|leg| &leg.payload_types);
            let clashes = |used: &PayloadType| payload_types.iter().any(|it| it.id == used.id && !it.same_codec(used));
            if !used.into_iter().any(clashes) {
                return Ok(shared);
            }
        }
        let id = TransportId { session, index: self.made };
        if bundled && shared.is_none() {
            self.bundle.transport = Some(id);
        }
        // An index is never used again: reports about it may be under way.
        self.made = self.made.checked_add(1).ok_or(Unusable::TooMany)?;
        self.paths.push(Path::new(id));
        Ok(id)
    }

    /// Adds a content about which nothing is agreed.
    fn add_leg(&mut self, wanted: ContentSpec, creator: Side, name: String, transport: TransportId) -> &mut Leg {
        self.cname.get_or_insert(wanted.ssrc);
        let leg = Leg {
            label: free(&name, |label| self.legs.iter().all(|leg| leg.label != *label)),
            name,
            creator,
            transport,
            payload_types: wanted.payload_types.clone(),
            extensions: wanted.extensions.clone(),
            senders: Senders::Both,
            agreed: None,
            started: false,
            growth: None,
            until: None,
            wanted,
        };
        self.legs.push(leg);
        self.legs.last_mut().expect("it was just added")
    }

    /// The command that makes our ends of all contents which came with the session itself.
    pub(crate) fn open(&self, parties: &Parties) -> MediaCommand {
        self.open_those(parties, |leg| leg.growth.is_none())
    }

    fn open_those(&self, parties: &Parties, which: impl Fn(&Leg) -> bool) -> MediaCommand {
        let role = match self.side {
            Side::Initiator => IceRole::Controlling,
            Side::Responder => IceRole::Controlled,
        };
        let contents = self.legs.iter().filter(|leg| which(leg)).map(|leg| OpenContent {
            name: leg.label.clone(),
            media: leg.wanted.media.clone(),
            ssrc: leg.wanted.ssrc,
            transport: leg.transport,
            payload_types: leg.payload_types.clone(),
            extensions: leg.extensions.clone(),
        });
        let Parties { call, session, name, peer, .. } = parties.clone();
        MediaCommand::Open { call, session, peer: peer.to_bare(), name, role, contents: contents.collect() }
    }

    /// One of our ends exists, or is another after a restart: what the peer is told of it then.
    pub(crate) fn described(&mut self, transport: TransportId, local: LocalTransport) -> Option<Content> {
        let path = self.path(transport)?;
        if path.local.is_some() {
            return self.renewed(transport, local);
        }
        path.local = Some(local);
        None
    }

    /// True once all our ends exist that came with the session itself.
    pub(crate) fn all_described(&self) -> bool {
        self.settled().all(|leg| self.path_of(leg).local.is_some())
    }

    /// One of the transports works. True if that completes a content which was added.
    pub(crate) fn connected(&mut self, transport: TransportId) -> bool {
        if let Some(path) = self.path(transport) {
            path.works();
        }
        let mut grew = false;
        let by_it = self.legs.iter_mut().filter(|leg| leg.transport == transport);
        for leg in by_it.filter(|leg| leg.growth == Some(Growth::Connecting)) {
            (leg.growth, leg.until, grew) = (None, None, true);
        }
        grew
    }

    /// True once every transport works that came with the session itself.
    pub(crate) fn all_connected(&self) -> bool {
        self.settled().all(|leg| self.path_of(leg).connected)
    }

    fn settled(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|leg| leg.growth.is_none())
    }

    /// The contents for a session-initiate or a session-accept.
    pub(crate) fn write(&self) -> Vec<Content> {
        let mut written: Vec<TransportId> = Vec::new();
        let there = |leg: &&Leg| matches!(leg.growth, None | Some(Growth::Accepting | Growth::Connecting));
        let legs = self.legs.iter().filter(there).filter(|leg| self.path_of(leg).local.is_some());
        let contents = legs.map(|leg| {
            let mut content = self.write_leg(leg);
            if let Some(transport) = content.transport.as_mut().filter(|_| written.contains(&leg.transport)) {
                transport.candidates.clear(); // In a bundle once is enough.
            }
            written.push(leg.transport);
            content
        });
        contents.collect()
    }

    fn write_leg(&self, leg: &Leg) -> Content {
        let cname = Parameter { name: "cname".to_owned(), value: self.cname.map(|cname| format!("{cname:08x}")) };
        let description = Description {
            sources: vec![Source { ssrc: leg.wanted.ssrc, parameters: vec![cname] }],
            rtcp_mux: true,
            extensions: leg.extensions.clone(),
            ..Description::new(leg.wanted.media.clone(), leg.payload_types.clone())
        };
        Content {
            senders: leg.senders,
            description: Some(description),
            transport: Some(local_end(self.path_of(leg), leg.growth == Some(Growth::Adding))),
            ..named(leg)
        }
    }

    /// The group of an answer to a bundled offer, and of what is added to it.
    pub(crate) fn group(&self) -> Option<Group> {
        let shared = self.bundle.transport?;
        let contents: Vec<String> =
            self.legs.iter().filter(|leg| leg.transport == shared).map(|leg| leg.name.clone()).collect();
        (!contents.is_empty()).then(|| Group { semantics: BUNDLE.to_owned(), contents })
    }

    /// One more address of ours: the content with which it is told, if the peer knows that transport.
    pub(crate) fn found_candidate(&mut self, transport: TransportId, candidate: Candidate) -> Option<Content> {
        let local = self.path(transport)?.local.as_mut()?;
        local.candidates.push(candidate.clone()); // If the end is not told yet, it goes with it.
        let leg = self.legs.iter().find(|leg| leg.transport == transport)?;
        if matches!(leg.growth, Some(Growth::Adding | Growth::Waiting | Growth::Accepting)) {
            return None;
        }
        let path = self.path_of(leg);
        let local = path.local.as_ref()?;
        let transport = Transport {
            ufrag: Some(local.ufrag.clone()),
            pwd: Some(local.pwd.clone()),
            candidates: path.dated(&[candidate]),
            ..Transport::default()
        };
        Some(Content { transport: Some(transport), ..named(leg) })
    }

    /// The peer's answer to our offer. Contents it leaves out are gone, for the media layer too: it would take one that is added later
    /// under the same name for the one that was refused.
    ///
    /// # Errors
    /// What makes the whole answer unusable.
    pub(crate) fn answered(&mut self, session: SessionId, answer: &Jingle) -> Result<Vec<MediaCommand>, Unusable> {
        let answered = |leg: &Leg| answer.contents.iter().any(|content| content.name == leg.name);
        let left_out = self.legs.extract_if(.., |leg| leg.growth.is_none() && !answered(leg));
        let dropped = left_out.map(|leg| MediaCommand::Drop { session, content: leg.label }).collect();
        self.forget_unused_paths();
        if self.settled().next().is_none() {
            return Err(Unusable::Contents);
        }
        let settled: Vec<(Side, String)> = self.settled().map(|leg| (leg.creator, leg.name.clone())).collect();
        for (creator, name) in settled {
            let content = answer.contents.iter().find(|content| content.name == name).expect("retained above");
            self.leg_answered(creator, content)?;
        }
        Ok(dropped)
    }

    /// The peer's answer to one of our contents.
    fn leg_answered(&mut self, creator: Side, content: &Content) -> Result<(), Unusable> {
        let description = description(content)?;
        let Some(leg) = self.legs.iter_mut().find(|leg| leg.is(creator, &content.name)) else {
            return Err(Unusable::Contents);
        };
        let send = same_id(&leg.payload_types, &description.payload_types)
            .ok_or_else(|| Unusable::Codec(content.name.clone()))?;
        let transport = leg.transport;
        let early = self.paths.iter().find(|path| path.id == transport).map_or(&[][..], |path| &path.early);
        let remote = remote_end(&with_early(content, early), |setup| match setup.unwrap_or(Setup::Active) {
            Setup::Active => Some(DtlsRole::Server),
            Setup::Passive => Some(DtlsRole::Client),
            Setup::ActPass | Setup::HoldConn => None,
        })?;
        self.asks.may_show(content, &remote)?;
        leg.agreed = Some(Agreed { send, ssrcs: description.ssrcs() });
        leg.extensions = shared(&leg.extensions, &description.extensions);
        // It may narrow who sends, never widen it.
        let narrowed = [Side::Initiator, Side::Responder].into_iter().filter(|side| !content.senders.include(*side));
        leg.senders = narrowed.fold(leg.senders, |senders, side| senders.with(side, false));
        let path = self.path(transport).expect("every leg has its path");
        if path.remote.get_or_insert_with(|| remote.clone()).fingerprint != remote.fingerprint {
            return Err(Unusable::Handshake(content.name.clone()));
        }
        add_candidates(path, content);
        Ok(())
    }

    /// The commands that set in motion what is agreed and not in motion yet.
    pub(crate) fn start(&mut self, session: SessionId) -> Vec<MediaCommand> {
        let ready = |leg: &&Leg| !matches!(leg.growth, Some(Growth::Waiting));
        let transports: Vec<TransportId> = self.legs.iter().filter(ready).map(|leg| leg.transport).collect();
        let mut commands = Vec::new();
        for path in self.paths.iter_mut().filter(|path| transports.contains(&path.id) && !path.started) {
            let Some(mut remote) = path.remote.clone() else { continue };
            path.started = true;
            let by_it = self.legs.iter().filter(|leg| leg.transport == path.id && leg.agreed.is_some());
            remote.extensions = Extension::unite(by_it.flat_map(|leg| leg.extensions.clone()));
            // Candidates first: the checks that begin with the credentials then have whom to ask.
            let candidates = path.candidates.iter().cloned();
            commands.extend(candidates.map(|candidate| MediaCommand::Candidate { transport: path.id, candidate }));
            commands.push(MediaCommand::Remote { transport: path.id, remote });
        }
        let (side, held, holding) = (self.side, self.held, self.holding);
        let waiting = |leg: &&mut Leg| !leg.started && leg.growth != Some(Growth::Waiting);
        for leg in self.legs.iter_mut().filter(waiting) {
            let Some(agreed) = leg.agreed.clone() else { continue };
            leg.started = true;
            let flows = leg.growth != Some(Growth::Removing) && !holding;
            let sends = flows && !held && leg.wanted.sends && leg.senders.include(side);
            let publication = leg.wanted.publication.clone();
            commands.push(MediaCommand::Content {
                session,
                content: leg.label.clone(),
                send: sends.then_some(Sending { publication, payload_type: agreed.send }),
                receive: flows && leg.senders.include(side.other()),
                ssrcs: agreed.ssrcs,
            });
        }
        commands
    }

    /// The peer listens, or does not. True if that is news; [`Self::start`] tells the media layer.
    pub(crate) fn peer_holds(&mut self, held: bool) -> bool {
        let news = self.held != held;
        self.held = held;
        self.restart(news);
        news
    }

    /// We listen, or do not: nothing flows either way meanwhile. True if that is news; [`Self::start`] tells the media layer.
    pub(crate) fn hold(&mut self, holding: bool) -> bool {
        let news = self.holding != holding;
        self.holding = holding;
        self.restart(news);
        news
    }

    /// True while we do not listen.
    pub(crate) fn holds(&self) -> bool {
        self.holding
    }

    fn restart(&mut self, news: bool) {
        self.legs.iter_mut().filter(|leg| news && leg.agreed.is_some()).for_each(|leg| leg.started = false);
    }

    /// More candidates of the peer, kept within the bound, or other credentials; what the media layer must be told.
    ///
    /// # Errors
    /// A fingerprint other than the one promised.
    pub(crate) fn trickled(&mut self, news: &Jingle) -> Result<Vec<MediaCommand>, Unusable> {
        let mut new = Vec::new();
        for content in &news.contents {
            let Some(transport) = self.named(content).map(|leg| leg.transport) else { continue };
            let admitted = content.transport.as_ref().is_some_and(|transport| self.asks.admits(transport));
            let path = self.path(transport).expect("every leg has its path");
            let named = || content.transport.iter().flat_map(|transport| &transport.fingerprints);
            match path.remote.as_ref().map(|remote| &remote.fingerprint) {
                Some(promised) if named().any(|named| named.value != *promised) => {
                    return Err(Unusable::Handshake(content.name.clone()));
                }
                Some(_) => {}
                None if admitted && path.early.len() < MAX_EARLY => path.early.extend(named().take(MAX_EARLY).cloned()),
                None => {}
            }
            new.extend(path.heard(content));
        }
        Ok(new)
    }

    /// The content that a peer's stanza names: by creator and name, else by name alone (Dino and Movim always say that the
    /// initiator created it).
    fn named(&self, content: &Content) -> Option<&Leg> {
        let exactly = self.legs.iter().find(|leg| leg.is(content.creator, &content.name));
        exactly.or_else(|| self.legs.iter().find(|leg| leg.name == content.name))
    }

    fn named_mut(&mut self, content: &Content) -> Option<&mut Leg> {
        let (creator, name) = self.named(content).map(|leg| (leg.creator, leg.name.clone()))?;
        self.legs.iter_mut().find(|leg| leg.is(creator, &name))
    }

    fn path(&mut self, transport: TransportId) -> Option<&mut Path> {
        self.paths.iter_mut().find(|path| path.id == transport)
    }

    fn path_of(&self, leg: &Leg) -> &Path {
        self.paths.iter().find(|path| path.id == leg.transport).expect("every leg has its path")
    }

    fn forget_unused_paths(&mut self) {
        let used: Vec<TransportId> = self.legs.iter().map(|leg| leg.transport).collect();
        self.paths.retain(|path| used.contains(&path.id));
    }
}

fn description(content: &Content) -> Result<&Description, Unusable> {
    content.description.as_ref().ok_or_else(|| Unusable::Application(content.name.clone()))
}

/// A content as a stanza names it that says no more of it.
fn named(leg: &Leg) -> Content {
    Content { creator: leg.creator, senders: leg.senders, ..Content::new(&leg.name) }
}

/// The first of `name`, `name-2`, … that is free.
fn free(name: &str, is_free: impl Fn(&String) -> bool) -> String {
    let others = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.to_owned()).chain(others).find(is_free).expect("a session has few contents")
}
