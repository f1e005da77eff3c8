//! Who somebody is: certificates that the user or the client has tied to people. Without that the servers are trusted, since
//! the fingerprints travel through them (XEP-0320 section 5).

use std::collections::BTreeMap;

use jid::BareJid;
use muji_jingle::Session;

/// What is known of the certificate that somebody shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Verification {
    /// Nothing: the servers say whose it is.
    #[default]
    Unverified,
    /// It is one of those that are tied to the person.
    Pinned,
    /// Others are tied to the person.
    Changed,
}

/// SHA-256 of a certificate.
pub type Fingerprint = [u8; 32];

/// The certificate that the other end of a session shows, if it shows one.
pub(crate) fn certificate(session: &Session) -> Option<Fingerprint> {
    let [_, theirs] = session.fingerprints();
    theirs.first().and_then(|shown| Fingerprint::try_from(*shown).ok())
}

/// Certificates tied to people.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust(BTreeMap<BareJid, Vec<Fingerprint>>);

impl Trust {
    pub(crate) fn pin(&mut self, who: BareJid, fingerprints: Vec<Fingerprint>) {
        if fingerprints.is_empty() {
            self.0.remove(&who);
        } else {
            self.0.insert(who, fingerprints);
        }
    }

    /// The certificates tied to somebody.
    pub(crate) fn pinned(&self, who: &BareJid) -> Vec<Fingerprint> {
        self.0.get(who).cloned().unwrap_or_default()
    }

    /// What is known of the other end of a session. All its certificates count, as each could be somebody's between.
    pub(crate) fn judge(&self, session: &Session) -> Verification {
        let [_, theirs] = session.fingerprints();
        match self.0.get(&session.parties().peer.to_bare()) {
            Some(_) if theirs.is_empty() => Verification::Unverified,
            Some(pinned) if theirs.iter().all(|shown| pinned.iter().any(|pin| pin[..] == **shown)) => {
                Verification::Pinned
            }
            Some(_) => Verification::Changed,
            None => Verification::Unverified,
        }
    }
}
