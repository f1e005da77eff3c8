//! One transport of a session: our end as the peer learns it, and the peer's end as far as we accept it.

use muji_xep::dtls::{Fingerprint, Setup};
use muji_xep::ice::{Candidate, Transport};
use muji_xep::jingle::Content;
use muji_xep::rtp::HeaderExtension;

use super::restart::IceRestart;
use crate::fault::{NegotiationError, spoken};
use crate::ids::TransportId;
use crate::media::{DtlsRole, LocalTransport, MediaCommand, RemoteTransport};

/// Candidates taken of a peer for one transport.
const MAX_CANDIDATES: usize = 32;

/// Fingerprints kept of a peer that has not answered yet; two can only disagree.
const MAX_EARLY: usize = 2;

/// The only hash function taken: weaker ones are broken, others are not supported by the default transport.
const HASH: &str = "sha-256";

/// One transport with both its ends.
#[derive(Debug, Clone)]
pub(super) struct SessionTransport {
    pub(super) id: TransportId,
    pub(super) local: Option<LocalTransport>,
    pub(super) remote: Option<RemoteTransport>,
    candidates: Vec<Candidate>,
    /// Fingerprints that came before the peer's end did (XEP-0320 section 3).
    early: Vec<Fingerprint>,
    /// The media layer knows the peer's end.
    pub(super) started: bool,
    pub(super) connected: bool,
    pub(super) restart: IceRestart,
}

impl SessionTransport {
    /// Nothing is known of either end.
    pub(super) fn new(id: TransportId, restart: IceRestart) -> Self {
        Self {
            id,
            local: None,
            remote: None,
            candidates: Vec::new(),
            early: Vec::new(),
            started: false,
            connected: false,
            restart,
        }
    }

    /// Our end with all its candidates and its fingerprint, for an offer or an answer.
    pub(super) fn write(&self, offering: bool) -> Transport {
        let local = self.local.as_ref().expect("contents are written once their ends are described");
        let setup = match self.remote.as_ref().map(|remote| remote.dtls).filter(|_| !offering) {
            None => Setup::ActPass,
            Some(DtlsRole::Server) => Setup::Passive,
            Some(DtlsRole::Client) => Setup::Active,
        };
        let fingerprint = Fingerprint { hash: HASH.to_owned(), setup: Some(setup), value: local.fingerprint.clone() };
        Transport { fingerprints: vec![fingerprint], ..self.write_candidates(local, &local.candidates) }
    }

    /// Our credentials with these candidates, for a transport-info.
    fn write_candidates(&self, local: &LocalTransport, candidates: &[Candidate]) -> Transport {
        let generation = self.restart.generation();
        let candidates = candidates.iter().map(|candidate| Candidate { generation, ..candidate.clone() });
        Transport {
            ufrag: Some(local.ufrag.clone()),
            pwd: Some(local.pwd.clone()),
            candidates: candidates.collect(),
            ..Transport::default()
        }
    }

    /// Our end exists, or is another after a restart: what the peer has to learn then.
    pub(super) fn described(&mut self, local: LocalTransport) -> Option<Transport> {
        if self.local.is_some() && !self.restart.made() {
            return None; // Nobody asked for it.
        }
        let restarted = self.local.is_some();
        let local = self.local.insert(local).clone();
        restarted.then(|| self.write_candidates(&local, &local.candidates))
    }

    /// One more local address, which the peer learns by this transport-info; `None` if our end does not exist yet.
    pub(super) fn found_candidate(&mut self, candidate: Candidate) -> Option<Transport> {
        let local = self.local.as_mut()?;
        local.candidates.push(candidate.clone()); // If the peer does not know our end yet, it goes with it.
        let local = self.local.as_ref()?;
        Some(self.write_candidates(local, &[candidate]))
    }

    pub(super) fn connected(&mut self) {
        self.connected = true;
        self.restart.connected();
    }

    /// Takes the peer's end from its offer or answer. In a bundle the first content names it; others may have credentials of their own,
    /// for a transport that is not used (RFC 9143 section 7.2).
    ///
    /// # Errors
    /// If another content has brought another certificate: a transport has one.
    pub(super) fn take_remote(&mut self, content: &Content, remote: &RemoteTransport) -> Result<(), NegotiationError> {
        let ours = self.remote.get_or_insert_with(|| remote.clone());
        if ours.fingerprint != remote.fingerprint {
            return Err(NegotiationError::Handshake(spoken(content)));
        }
        if ours.ufrag == remote.ufrag {
            self.add_candidates(content);
        } else {
            self.restart.disregard(remote.ufrag.clone());
        }
        Ok(())
    }

    /// True if a content names the end of the peer's that this transport has, now or before a restart.
    pub(super) fn ends_at(&self, content: &Content) -> bool {
        let ufrag = content.transport.as_ref().and_then(|transport| transport.ufrag.as_ref());
        let known = |ufrag: &String| {
            self.remote.as_ref().is_some_and(|remote| remote.ufrag == *ufrag) || self.restart.is_former(ufrag)
        };
        ufrag.is_some_and(known)
    }

    /// A peer's content with the fingerprints that came before it.
    pub(super) fn with_early_fingerprints(&self, content: &Content) -> Content {
        let mut content = content.clone();
        if let Some(transport) = &mut content.transport {
            transport.fingerprints.extend_from_slice(&self.early);
        }
        content
    }

    /// What the peer's transport-info says of its certificate. Before its answer it is kept, if it is `admitted`.
    ///
    /// # Errors
    /// If it is another than the promised one.
    pub(super) fn check_fingerprints(
        &mut self,
        content: &Content,
        admitted: bool,
        name: String,
    ) -> Result<(), NegotiationError> {
        let named = content.transport.iter().flat_map(|transport| &transport.fingerprints);
        match &self.remote {
            Some(remote) => {
                let mut named = named;
                if named.any(|named| named.value != remote.fingerprint) {
                    return Err(NegotiationError::Handshake(name));
                }
            }
            None if admitted => {
                let room = MAX_EARLY.saturating_sub(self.early.len());
                self.early.extend(named.take(room).cloned());
            }
            None => {}
        }
        Ok(())
    }

    /// Takes the candidates and credentials of the peer's transport-info. Candidates may come before the answer does: until its end is in
    /// use, they are kept.
    pub(super) fn trickled(&mut self, content: &Content) -> Vec<MediaCommand> {
        let mut commands = self.take_credentials(content);
        let ufrag = content.transport.as_ref().and_then(|transport| transport.ufrag.as_ref());
        if ufrag.is_some_and(|ufrag| self.restart.is_former(ufrag)) {
            return commands;
        }
        let new = self.add_candidates(content);
        if self.started {
            let transport = self.id;
            commands.extend(new.into_iter().map(|candidate| MediaCommand::Candidate { transport, candidate }));
        }
        commands
    }

    /// Takes other credentials of the peer, if they are: its restart, or its answer to ours.
    fn take_credentials(&mut self, content: &Content) -> Vec<MediaCommand> {
        let (Some(transport), Some(remote)) = (&content.transport, &mut self.remote) else { return Vec::new() };
        let (Some(ufrag), Some(pwd)) = (&transport.ufrag, &transport.pwd) else { return Vec::new() };
        if !self.started || *ufrag == remote.ufrag || self.restart.is_former(ufrag) {
            return Vec::new();
        }
        if !self.restart.is_able() {
            self.restart.disregard(ufrag.clone()); // Without our answer the peer goes on with the credentials of before.
            return Vec::new();
        }
        let former = std::mem::replace(&mut remote.ufrag, ufrag.clone());
        remote.pwd = pwd.clone();
        let remote = MediaCommand::Remote { transport: self.id, remote: remote.clone() };
        self.candidates.clear();
        let answers = self.restart.peer_restarted(former);
        let ours = answers.then_some(MediaCommand::Restart { transport: self.id });
        ours.into_iter().chain([remote]).collect()
    }

    /// Keeps more candidates of the peer, within the bound; those new are returned.
    fn add_candidates(&mut self, content: &Content) -> Vec<Candidate> {
        let mut new = Vec::new();
        for candidate in usable(content) {
            if self.candidates.len() < MAX_CANDIDATES && !self.candidates.contains(&candidate) {
                self.candidates.push(candidate.clone());
                new.push(candidate);
            }
        }
        new
    }

    /// Of these header extensions those that packets by this transport may have: a media layer learns none once it has begun.
    pub(super) fn known(&self, mut extensions: Vec<HeaderExtension>) -> Vec<HeaderExtension> {
        if let Some(remote) = self.remote.as_ref().filter(|_| self.started) {
            let knows = |extension: &HeaderExtension| {
                remote.extensions.iter().any(|known| (known.id, &known.uri) == (extension.id, &extension.uri))
            };
            extensions.retain(knows);
        }
        extensions
    }

    /// Lets the media layer connect, with these header extensions; nothing before the peer's end is known.
    pub(super) fn start(&mut self, extensions: Vec<HeaderExtension>) -> Vec<MediaCommand> {
        let Some(remote) = &mut self.remote else { return Vec::new() };
        remote.extensions = extensions;
        let remote = remote.clone();
        self.started = true;
        let transport = self.id;
        // Candidates first: the checks that begin with the credentials then have whom to ask.
        let candidates = self.candidates.iter().cloned();
        let candidates = candidates.map(|candidate| MediaCommand::Candidate { transport, candidate });
        candidates.chain([MediaCommand::Remote { transport, remote }]).collect()
    }
}

/// True if a content says by which end of the peer's it travels.
pub(super) fn names_end(content: &Content) -> bool {
    content.transport.as_ref().is_some_and(|transport| {
        let fingerprint = !transport.fingerprints.is_empty() || !transport.encrypted_fingerprints.is_empty();
        transport.ufrag.is_some() && transport.pwd.is_some() && fingerprint
    })
}

/// The peer's end as its content says it; `dtls` gives our role in the handshake.
///
/// # Errors
/// What is missing or contradicts itself.
pub(super) fn read_remote(
    content: &Content,
    dtls: impl FnOnce(Option<Setup>) -> Option<DtlsRole>,
) -> Result<RemoteTransport, NegotiationError> {
    let name = || spoken(content);
    let transport = content.transport.as_ref().ok_or_else(|| NegotiationError::Transport(name()))?;
    let (Some(ufrag), Some(pwd)) = (transport.ufrag.clone(), transport.pwd.clone()) else {
        return Err(NegotiationError::Transport(name()));
    };
    let mut usable = transport.fingerprints.iter().filter(|fingerprint| fingerprint.hash == HASH);
    let fingerprint = usable.next().filter(|fingerprint| fingerprint.value.len() == 32);
    let Some(fingerprint) = fingerprint else {
        let sealed = !transport.encrypted_fingerprints.is_empty();
        return Err(if sealed { NegotiationError::Encrypted(name()) } else { NegotiationError::Fingerprint(name()) });
    };
    if usable.any(|other| other.value != fingerprint.value) {
        return Err(NegotiationError::Handshake(name()));
    }
    let dtls = dtls(fingerprint.setup).ok_or_else(|| NegotiationError::Handshake(name()))?;
    Ok(RemoteTransport { ufrag, pwd, fingerprint: fingerprint.value.clone(), dtls, extensions: Vec::new() })
}

/// Our role in the handshake after a peer's offer: it waits for our handshake, so the side that knows both ends begins.
pub(super) fn answer_role(setup: Option<Setup>) -> Option<DtlsRole> {
    match setup.unwrap_or(Setup::ActPass) {
        Setup::ActPass | Setup::Passive => Some(DtlsRole::Client),
        Setup::Active => Some(DtlsRole::Server),
        Setup::HoldConn => None,
    }
}

/// Our role in the handshake after a peer's answer. One that leaves open what it has to choose is taken for the usual choice (RFC 5763
/// section 5): Dino has answered so.
pub(super) fn offer_role(setup: Option<Setup>) -> Option<DtlsRole> {
    match setup.unwrap_or(Setup::Active) {
        Setup::Active | Setup::ActPass => Some(DtlsRole::Server),
        Setup::Passive => Some(DtlsRole::Client),
        Setup::HoldConn => None,
    }
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
