//! Who of a room's occupants takes part in the call, as the room tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jid::FullJid;
use muji_xep::bridge::BridgeMark;
use muji_xep::jingle::Content;
use muji_xep::muji::MujiElement;
use muji_xep::rtp::Media;

use crate::client_quirks::ClientQuirks;
use crate::config::MAX_PARTICIPANTS;
use crate::guest::ShownGuests;
use crate::warning::NotCalled;

/// An occupant with Muji information.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Occupant {
    pub(crate) real: FullJid,
    pub(crate) muji: MujiElement,
    /// Who takes part through it.
    pub(crate) guests: ShownGuests,
    /// It is this bridge.
    pub(crate) bridge: Option<BridgeMark>,
    /// What its client cannot do.
    pub(crate) quirks: ClientQuirks,
    /// Since when it has been preparing, or has not.
    pub(crate) since: Instant,
}

/// Occupants with Muji by nick; the others of the room are not kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct Occupants {
    occupants: BTreeMap<String, Occupant>,
    /// Nicks that several sessions of an account have, with the JIDs of all. Which of them is in the call the room does not say.
    shared: BTreeMap<String, Vec<FullJid>>,
}

/// The names and media of contents.
pub(crate) fn described(contents: &[Content]) -> impl Iterator<Item = (String, Media)> {
    contents.iter().filter_map(|content| Some((content.name.clone(), content.media()?.clone())))
}

impl Occupants {
    /// The room repeated an occupant's Muji information; `quirks` if it said what its client is, which it need not say
    /// each time (XEP-0115 section 8.4). What was known of it before is returned.
    pub(crate) fn update(
        &mut self,
        now: Instant,
        nick: &str,
        real: FullJid,
        muji: MujiElement,
        quirks: Option<ClientQuirks>,
    ) -> Result<Option<Occupant>, NotCalled> {
        if self.occupants.iter().any(|(other, occupant)| other != nick && occupant.real == real) {
            return Err(NotCalled::SharedJid);
        }
        if self.occupants.len() == MAX_PARTICIPANTS && !self.occupants.contains_key(nick) {
            return Err(NotCalled::CallFull);
        }
        let known = self.occupants.get(nick);
        let quirks = quirks.or_else(|| known.map(|known| known.quirks)).unwrap_or_default();
        let since = known.filter(|known| known.muji.preparing == muji.preparing).map_or(now, |known| known.since);
        let guests = known.map(|known| known.guests.clone()).unwrap_or_default();
        let bridge = known.and_then(|known| known.bridge.clone());
        Ok(self.occupants.insert(nick.to_owned(), Occupant { real, muji, guests, bridge, quirks, since }))
    }

    /// An occupant says who takes part through it. True if these are others than before.
    pub(crate) fn set_guests(&mut self, nick: &str, guests: &ShownGuests) -> bool {
        let Some(known) = self.occupants.get_mut(nick).filter(|known| known.guests != *guests) else { return false };
        known.guests.clone_from(guests);
        true
    }

    /// An occupant says which bridge it is. True if that is another than before.
    pub(crate) fn set_bridge(&mut self, nick: &str, bridge: Option<&BridgeMark>) -> bool {
        let Some(known) = self.occupants.get_mut(nick).filter(|known| known.bridge.as_ref() != bridge) else {
            return false;
        };
        known.bridge = bridge.cloned();
        true
    }

    /// Who takes part through somebody.
    pub(crate) fn guests(&self, jid: &FullJid) -> ShownGuests {
        let of = self.occupants.values().find(|occupant| occupant.real == *jid);
        of.map(|occupant| occupant.guests.clone()).unwrap_or_default()
    }

    /// The sessions that have this nick.
    pub(crate) fn share(&mut self, nick: &str, devices: &[FullJid]) {
        self.shared.remove(nick);
        if devices.len() > 1 && self.occupants.contains_key(nick) {
            self.shared.insert(nick.to_owned(), devices.to_vec());
        }
    }

    /// The sessions that share this nick; none if it is one's own.
    pub(crate) fn sharers(&self, nick: &str) -> &[FullJid] {
        self.shared.get(nick).map(Vec::as_slice).unwrap_or_default()
    }

    /// The nick that a session shares with the one that we take for the participant.
    pub(crate) fn shared_with(&self, device: &FullJid) -> Option<&str> {
        let of_device = |nick: &str| self.occupants.get(nick).is_some_and(|occupant| occupant.real != *device);
        let mut shared = self.shared.iter().filter(|(nick, devices)| devices.contains(device) && of_device(nick));
        shared.next().map(|(nick, _)| nick.as_str())
    }

    /// Whose nick it was.
    pub(crate) fn rename(&mut self, nick: &str, new: &str) -> Option<FullJid> {
        self.shared.remove(nick);
        let occupant = self.occupants.remove(nick)?;
        let real = occupant.real.clone();
        self.occupants.insert(new.to_owned(), occupant);
        Some(real)
    }

    pub(crate) fn remove(&mut self, nick: &str) -> Option<Occupant> {
        self.shared.remove(nick);
        self.occupants.remove(nick)
    }

    pub(crate) fn get(&self, nick: &str) -> Option<&Occupant> {
        self.occupants.get(nick)
    }

    /// The nick of a participant: somebody with contents, whether or not it is preparing more.
    pub(crate) fn participant(&self, jid: &FullJid) -> Option<&str> {
        self.participants().find(|(_, real, _)| *real == jid).map(|(nick, ..)| nick)
    }

    /// What somebody sends: names and media.
    pub(crate) fn contents(&self, jid: &FullJid) -> Vec<(String, Media)> {
        let of = self.participants().find(|(_, real, _)| *real == jid);
        of.map_or_else(Vec::new, |(.., contents)| described(contents).collect())
    }

    /// Everybody with contents.
    pub(crate) fn participants(&self) -> impl Iterator<Item = (&str, &FullJid, &[Content])> {
        let with = self.occupants.iter().filter(|(_, occupant)| !occupant.muji.contents.is_empty());
        with.map(|(nick, occupant)| (nick.as_str(), &occupant.real, occupant.muji.contents.as_slice()))
    }

    /// Everybody, with contents or preparing them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Occupant)> {
        self.occupants.iter().map(|(nick, occupant)| (nick.as_str(), occupant))
    }

    /// Forgets everybody.
    pub(crate) fn clear(&mut self) {
        self.occupants.clear();
        self.shared.clear();
    }

    /// Everybody preparing.
    pub(crate) fn preparing(&self) -> BTreeSet<String> {
        let preparing = self.occupants.iter().filter(|(_, occupant)| occupant.muji.preparing);
        preparing.map(|(nick, _)| nick.clone()).collect()
    }
}
