//! The invariants: what must hold in every state, and what must hold when nothing is in flight.

use muji_core::{Media, Pair, PairState};
use muji_xep::jingle::Content;
use muji_xep::muji::MujiElement;
use muji_xep::rtp::PayloadType;
use muji_xep::{Element, Skipped};

use crate::digest::{self, Digest};
use crate::model::State;
use crate::person::{Person, jid, room};
use crate::row::NAMES;

/// What should not be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("I1: {0} has a session without having joined")]
    Consent(String),
    #[error("I2: {0} captures sound outside of a call")]
    Capture(String),
    #[error("I12: {0} has more than one session with {1}")]
    Twice(String, String),
    #[error("I17: {0} and {1} are in the call and {2}")]
    Pair(String, String, String),
    #[error("I18: {0} is alive, has joined and its contents are not public")]
    Stuck(String),
    #[error("I19: {0} and {1} publish different payload maps")]
    Map(String, String),
    #[error("I19: {0} published twice, though nobody's patience ran out")]
    Republished(String),
    #[error("I20: {0} has a session with {1}, who is gone")]
    Ghost(String, String),
    #[error("I9, I10, I11, I13: {0}'s state changed by {1} of a stranger")]
    Stranger(String, &'static str),
    #[error("J1: {0} and {1} offered each other more than one session, though nothing made a repair necessary")]
    Rivals(String, String),
    #[error("R-ADD-2: {0} and {1} added pictures to their session more than once")]
    AddedTwice(String, String),
    #[error("muji-add: {0} was told to show pictures, and does not")]
    NotAdded(String),
    #[error("I19: two publish different payload maps, though nobody's patience ran out")]
    MapsDiffer,
    #[error("a fault of the explorer: a move touched somebody whom it should not touch")]
    Strayed,
    #[error("a fault of the explorer: the set of these moves: {0}; {2}: {1}")]
    NotAmple(String, String, &'static str),
    #[error("fork: {0}")]
    DirectCall(String),
    #[error("bridge: {0}")]
    Bridge(String),
    #[error("4.5: {0} offers were made out of turn, though nothing made a repair necessary")]
    Repairs(usize),
}

impl State {
    /// What should not be though nothing is under way.
    pub(crate) fn holds(&self) -> Result<(), Violation> {
        for index in 0..self.people.len() {
            self.check_person(index)?;
            for other in index + 1..self.people.len() {
                self.check_pair(index, other)?;
            }
        }
        self.check_maps(|index| self.people[index].is_in())
    }

    /// What should never be.
    pub(crate) fn holds_always(&self) -> Result<(), Violation> {
        if self.maps_differ {
            return Err(Violation::MapsDiffer);
        }
        if self.strayed {
            return Err(Violation::Strayed);
        }
        if self.row.needs_no_repair() && self.repairs > 0 {
            return Err(Violation::Repairs(self.repairs));
        }
        if let Some((a, b)) = self.rivals.filter(|_| self.row.needs_no_repair()) {
            return Err(Violation::Rivals(NAMES[a].to_owned(), NAMES[b].to_owned()));
        }
        if let Some((a, b)) = self.added_twice.filter(|_| self.row.adds_once()) {
            return Err(Violation::AddedTwice(NAMES[a].to_owned(), NAMES[b].to_owned()));
        }
        let once = self.row.timeouts + self.row.refusals + self.row.adds == 0;
        if let Some(who) = self.people().position(|person| person.published > 1).filter(|_| once) {
            return Err(Violation::Republished(NAMES[who].to_owned()));
        }
        for (index, person) in self.people().enumerate().filter(|(_, person)| person.call.is_none()) {
            if !person.sessions.is_empty() {
                return Err(Violation::Consent(NAMES[index].to_owned()));
            }
            if !person.captures.is_empty() {
                return Err(Violation::Capture(NAMES[index].to_owned()));
            }
        }
        Ok(())
    }

    fn check_person(&self, index: usize) -> Result<(), Violation> {
        let person = &self.people[index];
        let name = || NAMES[index].to_owned();
        if !person.alive {
            return Ok(());
        }
        if person.call.is_some() && !person.active {
            return Err(Violation::Stuck(name()));
        }
        let refused = self.row.refusals > 0; // Then it is told so, and all is as before.
        if person.is_in() && person.shows && !refused && !self.shows(index) {
            return Err(Violation::NotAdded(name()));
        }
        for (other, name_of) in NAMES.iter().enumerate().take(self.people.len()) {
            let sessions = person.sessions.values().filter(|(peer, _)| *peer == other).count();
            if sessions > 1 {
                return Err(Violation::Twice(name(), (*name_of).to_owned()));
            }
            if sessions > 0 && !self.people[other].is_in() {
                return Err(Violation::Ghost(name(), (*name_of).to_owned()));
            }
        }
        self.check_stranger(index)
    }

    /// Nothing that a stranger says changes anything.
    fn check_stranger(&self, index: usize) -> Result<(), Violation> {
        let known = &*self.people[index];
        let before = self.people[index].digest(Person::digest);
        let sid = known.sessions.values().next().map_or("none", |(_, sid)| sid.as_str());
        for action in ["session-accept", "session-terminate", "transport-info", "content-add", "session-info"] {
            let mut person = known.clone();
            let forged = format!(
                "<iq xmlns='jabber:client' type='set' id='f' from='mal@x/1'><jingle xmlns='urn:xmpp:jingle:1' \
                 action='{action}' sid='{sid}'/></iq>"
            );
            let forged: Element = forged.parse().expect("the text is well-formed");
            let _whose = person.engine.handle_element(person.now, &forged);
            while person.engine.poll_output().is_some() {}
            let after = Digest::of(&person, person.now);
            if digest::together([before].into_iter()) != digest::together([&after].into_iter()) {
                return Err(Violation::Stranger(NAMES[index].to_owned(), action));
            }
        }
        Ok(())
    }

    fn check_pair(&self, a: usize, b: usize) -> Result<(), Violation> {
        let (one, other) = (&*self.people[a], &*self.people[b]);
        if !one.is_in() || !other.is_in() {
            return Ok(());
        }
        let violation = |what: &str| Err(Violation::Pair(NAMES[a].to_owned(), NAMES[b].to_owned(), what.to_owned()));
        let of = |person: &Person, peer: usize| {
            person.sessions.values().find(|(other, _)| *other == peer).map(|(_, sid)| sid.clone())
        };
        match (of(one, b), of(other, a)) {
            (Some(ours), Some(theirs)) if ours == theirs => {}
            (Some(_), Some(_)) => return violation("think of different sessions"),
            (None, None) => return violation("have no session"),
            _ => return violation("only one of them has a session"),
        }
        let up = |person: &Person, peer: usize| {
            let pairs: Vec<Pair> = person.call.map_or_else(Vec::new, |call| person.engine.pairs(call));
            let found = pairs.iter().find(|pair| pair.peer.jid == jid(peer));
            found.is_some_and(|pair| pair.state == PairState::Connected)
        };
        if !up(one, b) || !up(other, a) {
            return violation("their session is not up");
        }
        let both = self.shows(a) && self.shows(b);
        let pictures = |person: &Person, peer: usize| {
            let session = person.sessions.iter().find(|(_, (other, _))| *other == peer).map(|(id, _)| *id);
            session.and_then(|id| person.pictures.get(&id).copied()).unwrap_or_default()
        };
        if pictures(one, b) != (both, both) || pictures(other, a) != (both, both) {
            return violation("do not see each other as they published");
        }
        Ok(())
    }

    /// True if the room knows that somebody shows pictures.
    fn shows(&self, index: usize) -> bool {
        self.said(index).iter().any(|content| content.media() == Some(&Media::Video))
    }

    pub(crate) fn said(&self, index: usize) -> Vec<Content> {
        let muji = self.service.rooms.said(&room(), &jid(index)).and_then(|payloads| MujiElement::find(payloads));
        muji.map_or_else(Vec::new, |muji| MujiElement::read(muji, &mut Skipped::default()).contents)
    }

    /// The payload types of those who are asked mean the same, and all have one in common.
    pub(crate) fn check_maps(&self, asked: impl Fn(usize) -> bool) -> Result<(), Violation> {
        self.check_map_of(&Media::Audio, &asked)?;
        self.check_map_of(&Media::Video, &asked)
    }

    fn check_map_of(&self, media: &Media, asked: impl Fn(usize) -> bool) -> Result<(), Violation> {
        let published: Vec<(usize, Vec<PayloadType>)> = self.published(media, asked);
        for (a, ours) in &published {
            for (b, theirs) in &published {
                let clash = ours.iter().any(|one| theirs.iter().any(|it| it.id == one.id && !it.same_codec(one)));
                let common = ours.iter().any(|one| theirs.iter().any(|it| it.id == one.id));
                if clash || !common {
                    return Err(Violation::Map(NAMES[*a].to_owned(), NAMES[*b].to_owned()));
                }
            }
        }
        Ok(())
    }

    fn published(&self, media: &Media, asked: impl Fn(usize) -> bool) -> Vec<(usize, Vec<PayloadType>)> {
        let described = |index: usize| {
            let content = self.said(index).into_iter().find(|content| content.media() == Some(media))?;
            Some((index, content.description?.payload_types))
        };
        (0..self.people.len()).filter(|index| asked(*index)).filter_map(described).collect()
    }
}
