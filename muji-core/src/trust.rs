//! Who somebody is: certificates that the user or the client has tied to people, or that their own devices have tied to
//! themselves by an encryption of the client's. Without that the servers are trusted, since the fingerprints travel through
//! them (XEP-0320 section 5).

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use jid::{BareJid, FullJid};
use muji_jingle::Session;
use muji_xep::Skipped;
use muji_xep::dtls::EncryptedFingerprint;
use muji_xep::jingle::{Content, Jingle};
use xmpp_parsers::iq::Iq;

use crate::config;
use crate::xml;

/// What is known of the certificate that somebody shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Verification {
    /// Nothing: the servers say whose it is.
    #[default]
    Unverified,
    /// Nothing, though it named a device of its to which the certificate could have been tied: its client did not do it, or
    /// somebody between took that away.
    Downgraded,
    /// It is one of those that are tied to the person.
    Pinned,
    /// A device of the person that the client knows says that it is its own.
    Bound,
    /// Others are tied to the person.
    Changed,
}

impl Verification {
    /// Takes what is known now. Returns it if it is something else than before.
    pub(crate) fn becomes(&mut self, now: Self) -> Option<Self> {
        (std::mem::replace(self, now) != now).then_some(now)
    }
}

/// SHA-256 of a certificate.
pub type CertificateHash = [u8; 32];

/// An end-to-end encryption that the client has, such as OMEMO: it ties certificates to devices, in the form that Dino and
/// Conversations know (`http://gultsch.de/xmpp/drafts/omemo/dlts-srtp-verification`).
///
/// It is asked while a stanza is handled and must answer from what it has: no network, no user. A client makes the encrypted
/// sessions it needs beforehand, such as when it rings.
pub trait FingerprintVerifier: fmt::Debug + Send + Sync {
    /// The id of our own device, which others are told.
    fn device(&self) -> u32;

    /// Encrypts digits for one device of somebody, as an element of XML that names its namespaces. `None` if that cannot be done, or the
    /// user does not trust that device: then they are sent as they are, and the call has a warning.
    fn seal(&self, to: &BareJid, device: u32, digits: &str) -> Option<String>;

    /// Decrypts what somebody has sent, such an element. `None` if it is not for us, or not by a device that the user trusts.
    fn open(&self, from: &BareJid, payload: &str) -> Option<Opened>;
}

/// What was in an encrypted fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The device that has encrypted it.
    pub device: u32,
    /// The fingerprint's digits.
    pub digits: String,
}

/// The certificate that the other end of a session shows, if it shows one.
pub(crate) fn certificate(session: &Session) -> Option<CertificateHash> {
    let [_, theirs] = session.fingerprints();
    theirs.first().and_then(|shown| CertificateHash::try_from(*shown).ok())
}

/// A device that somebody has named.
#[derive(Debug, Clone)]
struct Device {
    owner: FullJid,
    id: u32,
    /// It sent us a fingerprint unencrypted. A client that cannot encrypt for us cannot read what we encrypt either, so we do the same.
    plain: bool,
}

/// What is tied to whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    pinned: BTreeMap<BareJid, Vec<CertificateHash>>,
    verifier: Option<Arc<dyn FingerprintVerifier>>,
    /// The devices of those we talk with, oldest first.
    devices: VecDeque<Device>,
    /// Certificates that such a device has called its own, oldest first.
    bound: VecDeque<(FullJid, Vec<u8>)>,
}

impl Trust {
    pub(crate) fn pin(&mut self, who: BareJid, fingerprints: Vec<CertificateHash>) {
        if fingerprints.is_empty() {
            self.pinned.remove(&who);
        } else {
            self.pinned.insert(who, fingerprints);
        }
    }

    pub(crate) fn set_verifier(&mut self, verifier: Arc<dyn FingerprintVerifier>) {
        self.verifier = Some(verifier);
    }

    /// Our own device, if others are to know it.
    pub(crate) fn own_device(&self) -> Option<u32> {
        self.verifier.as_ref().map(|verifier| verifier.device())
    }

    /// Somebody with whom we talk, or will, names its device.
    pub(crate) fn names_device(&mut self, who: &FullJid, device: u32) {
        if self.verifier.is_some() {
            self.devices.retain(|known| known.owner != *who);
            push(&mut self.devices, Device { owner: who.clone(), id: device, plain: false });
        }
    }

    /// The certificates tied to somebody.
    pub(crate) fn pinned(&self, who: &BareJid) -> Vec<CertificateHash> {
        self.pinned.get(who).cloned().unwrap_or_default()
    }

    /// Encrypts the fingerprints of one of our requests, as far as that can be done. True if all are encrypted that should be.
    pub(crate) fn seal(&self, iq: &mut Iq) -> bool {
        let (Some(verifier), Iq::Set { to: Some(to), payload, .. }) = (&self.verifier, iq) else { return true };
        let device = self.devices.iter().find(|device| !device.plain && *to == device.owner);
        let (Some(device), Some(mut jingle)) = (device, Jingle::read(payload, &mut Skipped::default())) else {
            return true;
        };
        let plain = |content: &Content| content.transport.as_ref().is_some_and(|it| !it.fingerprints.is_empty());
        if !jingle.contents.iter().any(plain) {
            return true;
        }
        let to = to.to_bare();
        let mut complete = true;
        for transport in jingle.contents.iter_mut().filter_map(|content| content.transport.as_mut()) {
            for fingerprint in std::mem::take(&mut transport.fingerprints) {
                let sealed = verifier.seal(&to, device.id, &fingerprint.digits());
                match sealed.and_then(|sealed| xml::element(&sealed).ok()) {
                    Some(payload) => {
                        transport.encrypted_fingerprints.push(EncryptedFingerprint::new(&fingerprint, payload))
                    }
                    None => {
                        complete = false;
                        transport.fingerprints.push(fingerprint);
                    }
                }
            }
        }
        *payload = jingle.write();
        complete
    }

    /// Puts the plain fingerprints beside the encrypted ones of a peer's request, and takes those away that came plain beside
    /// encrypted ones.
    pub(crate) fn open(&mut self, from: &FullJid, jingle: &mut Jingle) {
        for transport in jingle.contents.iter_mut().filter_map(|content| content.transport.as_mut()) {
            if transport.encrypted_fingerprints.is_empty() {
                if !transport.fingerprints.is_empty() {
                    self.devices
                        .iter_mut()
                        .filter(|device| device.owner == *from)
                        .for_each(|device| device.plain = true);
                }
                continue;
            }
            let Some(verifier) = self.verifier.clone() else {
                if !transport.fingerprints.is_empty() {
                    transport.encrypted_fingerprints.clear(); // It is nothing to us, and must not pass for opened.
                }
                continue;
            };
            transport.fingerprints.clear();
            for sealed in &transport.encrypted_fingerprints {
                let Some(opened) = verifier.open(&from.to_bare(), &String::from(&sealed.payload)) else { continue };
                let Some(fingerprint) = sealed.opened(&opened.digits) else { continue };
                self.names_device(from, opened.device);
                push(&mut self.bound, (from.clone(), fingerprint.value.clone()));
                transport.fingerprints.push(fingerprint);
            }
        }
    }

    /// What is known of the other end of a session. All its certificates count, as each could be somebody's between.
    pub(crate) fn judge(&self, session: &Session) -> Verification {
        let [_, theirs] = session.fingerprints();
        let who = &session.parties().peer;
        let all = |known: &dyn Fn(&[u8]) -> bool| !theirs.is_empty() && theirs.iter().all(|shown| known(shown));
        let pinned = self.pinned.get(&who.to_bare()).filter(|_| !theirs.is_empty());
        if let Some(pinned) = pinned
            && !all(&|shown| pinned.iter().any(|pin| pin[..] == *shown))
        {
            return Verification::Changed;
        }
        match pinned {
            _ if all(&|shown| self.bound.iter().any(|(known, bound)| known == who && bound == shown)) => {
                Verification::Bound
            }
            Some(_) => Verification::Pinned,
            None if self.devices.iter().any(|device| device.owner == *who) => Verification::Downgraded,
            None => Verification::Unverified,
        }
    }
}

fn push<T>(list: &mut VecDeque<T>, item: T) {
    if list.len() == config::MAX_BOUND {
        list.pop_front();
    }
    list.push_back(item);
}
