//! The contents of a session and the transports they travel by: what we offer, what we take of an offer or an answer.

use muji_xep::dtls::{Fingerprint, Setup};
use muji_xep::ice::{Candidate, Transport};
use muji_xep::jingle::{Content, Group, Jingle, Side};
use muji_xep::rtp::{Description, Media, Parameter, PayloadType, Source};

use crate::fault::Unusable;
use crate::ids::{SessionId, TransportId};
use crate::media::{DtlsRole, IceRole, LocalTransport, MediaCommand, OpenContent, RemoteTransport};
use crate::session::{Parties, Wanted};

/// Candidates taken of a peer for one transport.
const MAX_CANDIDATES: usize = 32;

/// The only hash function taken: weaker ones are broken, others are not supported by the default transport.
const HASH: &str = "sha-256";

/// A content with one peer.
#[derive(Debug, Clone)]
struct Leg {
    wanted: Wanted,
    /// Its name in this session, which need not be that of what we publish.
    name: String,
    /// Who added it.
    creator: Side,
    transport: TransportId,
    /// What we may receive, with this session's ids: our offer, or the answer we give.
    payload_types: Vec<PayloadType>,
    /// What the peer agreed to.
    agreed: Option<Agreed>,
}

#[derive(Debug, Clone)]
struct Agreed {
    send: Option<PayloadType>,
    receive: bool,
    ssrcs: Vec<u32>,
}

/// One transport with both its ends.
#[derive(Debug, Clone)]
struct Path {
    id: TransportId,
    local: Option<LocalTransport>,
    remote: Option<RemoteTransport>,
    candidates: Vec<Candidate>,
    connected: bool,
}

/// All contents and transports of a session.
#[derive(Debug, Clone)]
pub(crate) struct Legs {
    side: Side,
    legs: Vec<Leg>,
    paths: Vec<Path>,
    bundled: bool,
}

impl Legs {
    /// What we offer: a transport of its own for each content, which every known client takes.
    pub(crate) fn offering(session: SessionId, wanted: Vec<Wanted>) -> Self {
        let mut this = Self { side: Side::Initiator, legs: Vec::new(), paths: Vec::new(), bundled: false };
        for wanted in wanted {
            let transport = this.add_path(session);
            this.legs.push(Leg {
                name: wanted.publication.clone(),
                creator: Side::Initiator,
                transport,
                payload_types: wanted.payload_types.clone(),
                agreed: None,
                wanted,
            });
        }
        this
    }

    /// What we take of an offer, and why not the rest.
    ///
    /// # Errors
    /// The first reason, if nothing of the offer can be taken.
    pub(crate) fn answering(
        session: SessionId,
        wanted: &[Wanted],
        offer: &Jingle,
    ) -> Result<(Self, Vec<(String, Unusable)>), Unusable> {
        let mut this = Self { side: Side::Responder, legs: Vec::new(), paths: Vec::new(), bundled: false };
        this.bundled = offer.group.as_ref().is_some_and(|group| group.semantics == "BUNDLE");
        let mut refused = Vec::new();
        for content in &offer.contents {
            if let Err(why) = this.take(session, wanted, content) {
                refused.push((content.name.clone(), why));
            }
        }
        match (this.legs.is_empty(), refused.first()) {
            (false, _) => Ok((this, refused)),
            (true, Some((_, why))) => Err(why.clone()),
            (true, None) => Err(Unusable::Contents),
        }
    }

    fn take(&mut self, session: SessionId, wanted: &[Wanted], content: &Content) -> Result<(), Unusable> {
        let description = description(content)?;
        let wanted = bind(wanted, &content.name, &description.media)
            .filter(|wanted| self.legs.iter().all(|leg| leg.wanted.publication != wanted.publication))
            .ok_or_else(|| Unusable::Application(content.name.clone()))?;
        let chosen = choose(&description.payload_types, &wanted.payload_types)
            .ok_or_else(|| Unusable::Codec(content.name.clone()))?;
        let remote = remote_end(content, |setup| match setup.unwrap_or(Setup::ActPass) {
            // The initiator waits for our handshake, so the one who knows both ends begins.
            Setup::ActPass | Setup::Passive => Some(DtlsRole::Client),
            Setup::Active => Some(DtlsRole::Server),
            Setup::HoldConn => None,
        })?;
        let transport = match self.paths.first() {
            Some(path) if self.bundled => path.id,
            _ => self.add_path(session),
        };
        let path = self.paths.iter_mut().find(|path| path.id == transport).expect("the path was just found or added");
        if path.remote.get_or_insert_with(|| remote.clone()).fingerprint != remote.fingerprint {
            return Err(Unusable::Handshake(content.name.clone())); // A bundle has one certificate.
        }
        path.candidates.extend(usable(content).take(MAX_CANDIDATES));
        self.legs.push(Leg {
            wanted: wanted.clone(),
            name: content.name.clone(),
            creator: content.creator,
            transport,
            agreed: Some(agreed(content, description, Some(chosen.clone()), self.side)),
            payload_types: vec![chosen],
        });
        Ok(())
    }

    fn add_path(&mut self, session: SessionId) -> TransportId {
        let index = u8::try_from(self.paths.len()).expect("a session has at most 16 contents");
        let id = TransportId { session, index };
        self.paths.push(Path { id, local: None, remote: None, candidates: Vec::new(), connected: false });
        id
    }

    /// The command that makes our ends.
    pub(crate) fn open(&self, parties: &Parties) -> MediaCommand {
        let role = match self.side {
            Side::Initiator => IceRole::Controlling,
            Side::Responder => IceRole::Controlled,
        };
        let contents = self.legs.iter().map(|leg| OpenContent {
            name: leg.name.clone(),
            publication: leg.wanted.publication.clone(),
            media: leg.wanted.media.clone(),
            ssrc: leg.wanted.ssrc,
            transport: leg.transport,
            payload_types: leg.payload_types.clone(),
        });
        let Parties { call, session, name, .. } = parties.clone();
        MediaCommand::Open { call, session, name, role, contents: contents.collect() }
    }

    /// One of our ends exists.
    pub(crate) fn described(&mut self, transport: TransportId, local: LocalTransport) {
        if let Some(path) = self.path(transport) {
            path.local = Some(local);
        }
    }

    /// True once all our ends exist.
    pub(crate) fn all_described(&self) -> bool {
        self.paths.iter().all(|path| path.local.is_some())
    }

    /// One of the transports works.
    pub(crate) fn connected(&mut self, transport: TransportId) {
        if let Some(path) = self.path(transport) {
            path.connected = true;
        }
    }

    /// True once every transport works.
    pub(crate) fn all_connected(&self) -> bool {
        self.paths.iter().all(|path| path.connected)
    }

    /// The contents for a session-initiate or a session-accept.
    pub(crate) fn write(&self) -> Vec<Content> {
        let mut written: Vec<TransportId> = Vec::new();
        let contents = self.legs.iter().map(|leg| {
            let path = self.paths.iter().find(|path| path.id == leg.transport).expect("every leg has its path");
            let mut transport = self.local_end(path);
            if written.contains(&path.id) {
                transport.candidates.clear(); // In a bundle once is enough.
            }
            written.push(path.id);
            let cname = Parameter { name: "cname".to_owned(), value: Some(format!("{:08x}", leg.wanted.ssrc)) };
            let description = Description {
                sources: vec![Source { ssrc: leg.wanted.ssrc, parameters: vec![cname] }],
                rtcp_mux: true,
                ..Description::new(leg.wanted.media.clone(), leg.payload_types.clone())
            };
            Content {
                creator: leg.creator,
                description: Some(description),
                transport: Some(transport),
                ..Content::new(&leg.name)
            }
        });
        contents.collect()
    }

    /// The group of an answer to a bundled offer.
    pub(crate) fn group(&self) -> Option<Group> {
        let contents = self.legs.iter().map(|leg| leg.name.clone()).collect();
        self.bundled.then(|| Group { semantics: "BUNDLE".to_owned(), contents })
    }

    fn local_end(&self, path: &Path) -> Transport {
        let local = path.local.as_ref().expect("contents are written once all ends are described");
        let setup = match (self.side, path.remote.as_ref().map(|remote| remote.dtls)) {
            (Side::Initiator, _) => Setup::ActPass,
            (Side::Responder, Some(DtlsRole::Server)) => Setup::Passive,
            (Side::Responder, _) => Setup::Active,
        };
        let fingerprint = Fingerprint { hash: HASH.to_owned(), setup: Some(setup), value: local.fingerprint.clone() };
        Transport {
            ufrag: Some(local.ufrag.clone()),
            pwd: Some(local.pwd.clone()),
            fingerprints: vec![fingerprint],
            candidates: local.candidates.clone(),
        }
    }

    /// The content with which a later candidate of ours is told.
    pub(crate) fn write_candidate(&self, transport: TransportId, candidate: Candidate) -> Option<Content> {
        let path = self.paths.iter().find(|path| path.id == transport)?;
        let leg = self.legs.iter().find(|leg| leg.transport == transport)?;
        let local = path.local.as_ref()?;
        let transport = Transport {
            ufrag: Some(local.ufrag.clone()),
            pwd: Some(local.pwd.clone()),
            candidates: vec![candidate],
            ..Transport::default()
        };
        Some(Content { creator: leg.creator, transport: Some(transport), ..Content::new(&leg.name) })
    }

    /// The peer's answer to our offer. Contents it leaves out are gone; its reasons come with the error.
    ///
    /// # Errors
    /// What makes the whole answer unusable.
    pub(crate) fn answered(&mut self, answer: &Jingle) -> Result<(), Unusable> {
        let side = self.side;
        self.legs.retain(|leg| answer.contents.iter().any(|content| content.name == leg.name));
        let transports: Vec<TransportId> = self.legs.iter().map(|leg| leg.transport).collect();
        self.paths.retain(|path| transports.contains(&path.id));
        if self.legs.is_empty() {
            return Err(Unusable::Contents);
        }
        for leg in &mut self.legs {
            let content = answer.contents.iter().find(|content| content.name == leg.name).expect("retained above");
            let description = description(content)?;
            let send = same_id(&leg.payload_types, &description.payload_types)
                .ok_or_else(|| Unusable::Codec(content.name.clone()))?;
            let remote = remote_end(content, |setup| match setup.unwrap_or(Setup::Active) {
                Setup::Active => Some(DtlsRole::Server),
                Setup::Passive => Some(DtlsRole::Client),
                Setup::ActPass | Setup::HoldConn => None,
            })?;
            leg.agreed = Some(agreed(content, description, Some(send), side));
            let path = self.paths.iter_mut().find(|path| path.id == leg.transport).expect("every leg has its path");
            path.remote = Some(remote);
            path.candidates.extend(usable(content).take(MAX_CANDIDATES));
        }
        Ok(())
    }

    /// The commands that set everything agreed in motion.
    pub(crate) fn start(&mut self, session: SessionId) -> Vec<MediaCommand> {
        let mut commands = Vec::new();
        for path in &mut self.paths {
            let Some(remote) = path.remote.clone() else { continue };
            // Candidates first: the checks that begin with the credentials then have whom to ask.
            let candidates = path.candidates.iter().cloned();
            commands.extend(candidates.map(|candidate| MediaCommand::Candidate { transport: path.id, candidate }));
            commands.push(MediaCommand::Remote { transport: path.id, remote });
        }
        for leg in &self.legs {
            let Some(agreed) = leg.agreed.clone() else { continue };
            commands.push(MediaCommand::Content {
                session,
                content: leg.name.clone(),
                send: agreed.send,
                receive: agreed.receive,
                ssrcs: agreed.ssrcs,
            });
        }
        commands
    }

    /// More candidates of the peer, kept within the bound; those new are returned.
    ///
    /// # Errors
    /// A fingerprint other than the one promised.
    pub(crate) fn trickled(&mut self, news: &Jingle) -> Result<Vec<(TransportId, Candidate)>, Unusable> {
        let mut new = Vec::new();
        for content in &news.contents {
            let Some(leg) = self.legs.iter().find(|leg| leg.name == content.name) else { continue };
            let path = self.paths.iter_mut().find(|path| path.id == leg.transport).expect("every leg has its path");
            let promised = path.remote.as_ref().map(|remote| &remote.fingerprint);
            let named = content.transport.iter().flat_map(|transport| &transport.fingerprints);
            if named.filter(|_| promised.is_some()).any(|named| Some(&named.value) != promised) {
                return Err(Unusable::Handshake(content.name.clone()));
            }
            for candidate in usable(content) {
                if path.candidates.len() < MAX_CANDIDATES && !path.candidates.contains(&candidate) {
                    path.candidates.push(candidate.clone());
                    new.push((path.id, candidate));
                }
            }
        }
        Ok(new)
    }

    fn path(&mut self, transport: TransportId) -> Option<&mut Path> {
        self.paths.iter_mut().find(|path| path.id == transport)
    }
}

fn description(content: &Content) -> Result<&Description, Unusable> {
    content.description.as_ref().ok_or_else(|| Unusable::Application(content.name.clone()))
}

/// What of ours a peer's content stands for: by name, else by media if only one fits (Movim's names are `0`, `1`).
fn bind<'a>(wanted: &'a [Wanted], name: &str, media: &Media) -> Option<&'a Wanted> {
    let mut of_media = wanted.iter().filter(|wanted| wanted.media == *media);
    let by_name = of_media.clone().find(|wanted| wanted.publication == name);
    by_name.or_else(|| of_media.next().filter(|_| of_media.next().is_none()))
}

/// The peer's best encoding that we can do, with its id and our parameters. One only: Dino uses the first.
fn choose(offered: &[PayloadType], ours: &[PayloadType]) -> Option<PayloadType> {
    offered.iter().find_map(|offered| {
        let own = ours.iter().find(|own| own.same_codec(offered))?;
        Some(PayloadType { id: offered.id, ..own.clone() })
    })
}

/// The first encoding of an answer that is one of ours.
fn same_id(ours: &[PayloadType], answered: &[PayloadType]) -> Option<PayloadType> {
    answered.iter().find(|answered| ours.iter().any(|own| own.id == answered.id && own.same_codec(answered))).cloned()
}

fn agreed(content: &Content, description: &Description, send: Option<PayloadType>, side: Side) -> Agreed {
    let other = match side {
        Side::Initiator => Side::Responder,
        Side::Responder => Side::Initiator,
    };
    Agreed {
        send: send.filter(|_| content.senders.include(side)),
        receive: content.senders.include(other),
        ssrcs: description.sources.iter().map(|source| source.ssrc).collect(),
    }
}

fn remote_end(
    content: &Content,
    dtls: impl FnOnce(Option<Setup>) -> Option<DtlsRole>,
) -> Result<RemoteTransport, Unusable> {
    let name = || content.name.clone();
    let transport = content.transport.as_ref().ok_or_else(|| Unusable::Transport(name()))?;
    let (Some(ufrag), Some(pwd)) = (transport.ufrag.clone(), transport.pwd.clone()) else {
        return Err(Unusable::Transport(name()));
    };
    let mut usable = transport.fingerprints.iter().filter(|fingerprint| fingerprint.hash == HASH);
    let fingerprint = usable.next().filter(|fingerprint| fingerprint.value.len() == 32);
    let fingerprint = fingerprint.ok_or_else(|| Unusable::Fingerprint(name()))?;
    if usable.any(|other| other.value != fingerprint.value) {
        return Err(Unusable::Handshake(name()));
    }
    let dtls = dtls(fingerprint.setup).ok_or_else(|| Unusable::Handshake(name()))?;
    Ok(RemoteTransport { ufrag, pwd, fingerprint: fingerprint.value.clone(), dtls })
}

/// The candidates we may send to: RTCP always shares the first component, and nothing goes to many at once.
fn usable(content: &Content) -> impl Iterator<Item = Candidate> + '_ {
    let candidates = content.transport.iter().flat_map(|transport| &transport.candidates);
    let usable = candidates.filter(|candidate| {
        let ip = candidate.address.ip();
        candidate.component == 1 && candidate.address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast()
    });
    usable.cloned()
}
