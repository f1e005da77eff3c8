//! The transports that contents travel by: our end as it is told, and what we take of the peer's.

use muji_xep::dtls::{Fingerprint, Setup};
use muji_xep::ice::{Candidate, Transport};
use muji_xep::jingle::Content;

use super::restart::Restart;
use crate::fault::Unusable;
use crate::ids::TransportId;
use crate::media::{DtlsRole, LocalTransport, RemoteTransport};

/// Candidates taken of a peer for one transport.
const MAX_CANDIDATES: usize = 32;

/// The only hash function taken: weaker ones are broken, others are not supported by the default transport.
const HASH: &str = "sha-256";

/// One transport with both its ends.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) id: TransportId,
    pub(super) local: Option<LocalTransport>,
    pub(super) remote: Option<RemoteTransport>,
    pub(super) candidates: Vec<Candidate>,
    /// Fingerprints that came before the peer's end did (XEP-0320 section 3).
    pub(super) early: Vec<Fingerprint>,
    /// The media layer knows the peer's end.
    pub(super) started: bool,
    pub(super) connected: bool,
    pub(super) restart: Restart,
}

impl Path {
    /// Nothing is known of either end.
    pub(super) fn new(id: TransportId) -> Self {
        Self {
            id,
            local: None,
            remote: None,
            candidates: Vec::new(),
            early: Vec::new(),
            started: false,
            connected: false,
            restart: Restart::default(),
        }
    }

    /// Addresses of ours as they are told: with the number of the restart they belong to.
    pub(super) fn dated(&self, candidates: &[Candidate]) -> Vec<Candidate> {
        let generation = self.restart.generation;
        candidates.iter().map(|candidate| Candidate { generation, ..candidate.clone() }).collect()
    }
}

/// A peer's content with the fingerprints that came before it.
pub(super) fn with_early(content: &Content, early: &[Fingerprint]) -> Content {
    let mut content = content.clone();
    if let Some(transport) = &mut content.transport {
        transport.fingerprints.extend_from_slice(early);
    }
    content
}

/// Our end of a transport as it is told.
pub(super) fn local_end(path: &Path, offering: bool) -> Transport {
    let local = path.local.as_ref().expect("contents are written once their ends are described");
    let setup = match path.remote.as_ref().map(|remote| remote.dtls).filter(|_| !offering) {
        None => Setup::ActPass,
        Some(DtlsRole::Server) => Setup::Passive,
        Some(DtlsRole::Client) => Setup::Active,
    };
    let fingerprint = Fingerprint { hash: HASH.to_owned(), setup: Some(setup), value: local.fingerprint.clone() };
    Transport {
        ufrag: Some(local.ufrag.clone()),
        pwd: Some(local.pwd.clone()),
        fingerprints: vec![fingerprint],
        candidates: path.dated(&local.candidates),
        ..Transport::default()
    }
}

/// Keeps more candidates of the peer, within the bound; those new are returned.
pub(super) fn add_candidates(path: &mut Path, content: &Content) -> Vec<Candidate> {
    let mut new = Vec::new();
    for candidate in usable(content) {
        if path.candidates.len() < MAX_CANDIDATES && !path.candidates.contains(&candidate) {
            path.candidates.push(candidate.clone());
            new.push(candidate);
        }
    }
    new
}

pub(super) fn remote_end(
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
    let fingerprint = fingerprint.ok_or_else(|| match transport.sealed.is_empty() {
        true => Unusable::Fingerprint(name()),
        false => Unusable::Sealed(name()),
    })?;
    if usable.any(|other| other.value != fingerprint.value) {
        return Err(Unusable::Handshake(name()));
    }
    let dtls = dtls(fingerprint.setup).ok_or_else(|| Unusable::Handshake(name()))?;
    Ok(RemoteTransport { ufrag, pwd, fingerprint: fingerprint.value.clone(), dtls, extensions: Vec::new() })
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
