//! What tests assert on: the state of a world, as its people and its wire show it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jid::FullJid;
use muji_core::bridge::{Bridge, Caller};
use muji_core::media::Audibility;
use muji_core::media::IceServer;
use muji_core::{CallId, Event, Pair, PairState};
use muji_media::parts::VideoKind;
use muji_media::stats::AudioStats;
use muji_xep::Element;

use super::{Body, Client, Person, PersonId, World};
use muji_simulation::stanza::jingle_action;

impl World {
    /// How many calls are joined by the bridge of somebody, the room's among them.
    #[must_use]
    pub fn joined_calls(&self, who: PersonId) -> usize {
        self.client_ref(who).joined.values().filter(|how| **how != Audibility::Apart).count()
    }

    /// Those who are in calls of the bridge of somebody, the room's apart, and how far they are.
    #[must_use]
    pub fn callers(&self, who: PersonId) -> Vec<Caller> {
        self.client_ref(who).bridge.iter().flat_map(Bridge::callers).cloned().collect()
    }

    /// Those whose calls with the bridge of somebody are over, in that order.
    #[must_use]
    pub fn gone_callers(&self, who: PersonId) -> &[Caller] {
        &self.client_ref(who).gone_callers
    }

    /// Somebody's JID.
    #[must_use]
    pub fn jid(&self, who: PersonId) -> FullJid {
        self.people[who.0].jid.clone()
    }

    /// True if packets of `speaker` reach `listener` now.
    #[must_use]
    pub fn hears(&self, listener: PersonId, speaker: PersonId) -> bool {
        !self.receives(listener, speaker).is_empty()
    }

    /// The contents of `speaker` whose packets reach `listener` now.
    #[must_use]
    pub fn receives(&self, listener: PersonId, speaker: PersonId) -> BTreeSet<String> {
        self.client_ref(listener).receives(self.now, &self.people[speaker.0].jid)
    }

    /// The streams of video that somebody sends, each by an encoder of its own.
    #[must_use]
    pub fn video_kinds(&self, who: PersonId) -> BTreeSet<VideoKind> {
        self.client_ref(who).video_kinds()
    }

    /// The pairs of listener and speaker without sound, to compare with an empty list.
    #[must_use]
    pub fn deaf(&self, people: &[PersonId]) -> Vec<(String, String)> {
        let pairs = people.iter().flat_map(|a| people.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
        let deaf = pairs.filter(|(listener, speaker)| !self.hears(*listener, *speaker));
        deaf.map(|(a, b)| (self.people[a.0].name.clone(), self.people[b.0].name.clone())).collect()
    }

    /// Whether somebody sends and receives a content in the session with another.
    #[must_use]
    pub fn flows(&self, who: PersonId, with: PersonId, content: &str) -> (bool, bool) {
        self.client_ref(who).flows(&self.people[with.0].jid, content)
    }

    /// Transports of somebody to another whose other end is known, and how many addresses of it are.
    #[must_use]
    pub fn transports(&self, who: PersonId, with: PersonId) -> (usize, usize) {
        self.client_ref(who).transports(&self.people[with.0].jid)
    }

    /// The contents this person has published, as its application was told last.
    #[must_use]
    pub fn public(&self, who: PersonId) -> &[String] {
        let told = self.events(who).iter().rev().find_map(|event| match event {
            Event::Joined { contents } | Event::ContentsChanged { contents } => Some(contents.as_slice()),
            _ => None,
        });
        told.unwrap_or_default()
    }

    /// When the first packet of `speaker` reached `listener`, from the start.
    #[must_use]
    pub fn first_heard(&self, listener: PersonId, speaker: PersonId) -> Option<Duration> {
        self.client_ref(listener).first_heard(&self.people[speaker.0].jid).map(|at| at - self.start)
    }

    /// The state of each pair of this person.
    #[must_use]
    pub fn pairs(&self, who: PersonId) -> Vec<Pair> {
        let client = self.client_ref(who);
        client.call.map_or_else(Vec::new, |call| client.engine.pairs(call))
    }

    /// The call that somebody is in, as its client knows it.
    #[must_use]
    pub fn client_call(&self, who: PersonId) -> Option<CallId> {
        self.client_ref(who).call
    }

    /// Who is in a call in a chat room, as somebody in it sees.
    #[must_use]
    pub fn people_in_call(&self, who: PersonId, room: &str) -> Vec<String> {
        let people = self.client_ref(who).engine.people_in_call(&self.service.room(room));
        people.into_iter().map(|peer| peer.nick).collect()
    }

    /// The presences somebody sent, in order.
    #[must_use]
    pub fn presences(&self, who: PersonId) -> Vec<Element> {
        let of = self.wire.iter().filter(|sent| sent.from == who && sent.stanza.name() == "presence");
        of.map(|sent| sent.stanza.clone()).collect()
    }

    /// With how many others somebody's session is up.
    #[must_use]
    pub fn connected(&self, who: PersonId) -> usize {
        let up = |pair: &Pair| matches!(pair.state, PairState::Connected | PairState::Flowing);
        self.pairs(who).iter().filter(|pair| up(pair)).count()
    }

    /// Sessions whose media are open at somebody's.
    #[must_use]
    pub fn sessions(&self, who: PersonId) -> usize {
        self.client_ref(who).open.len()
    }

    /// What somebody captures, by name.
    #[must_use]
    pub fn published(&self, who: PersonId) -> Vec<String> {
        self.client_ref(who).publications()
    }

    /// Packets that were sent to somebody so far.
    #[must_use]
    pub fn datagrams_to(&self, who: PersonId) -> usize {
        let of = self.datagrams.iter().filter(|((_, to), _)| *to == self.people[who.0].address);
        of.map(|(_, count)| count).sum()
    }

    /// Those of them that somebody sent.
    #[must_use]
    pub fn datagrams_to_from(&self, who: PersonId, from: PersonId) -> usize {
        let way = (self.people[from.0].address, self.people[who.0].address);
        self.datagrams.get(&way).copied().unwrap_or_default()
    }

    /// The security code that this person sees.
    #[must_use]
    pub fn authentication(&self, who: PersonId) -> Option<String> {
        let client = self.client_ref(who);
        client.call.and_then(|call| client.engine.authentication(call))
    }

    /// About how much memory an Engine keeps: the length of its Debug text.
    #[must_use]
    pub fn kept(&self, who: PersonId) -> usize {
        format!("{:?}", self.client_ref(who).engine).len()
    }

    /// True if somebody has joined a call that is not over.
    #[must_use]
    pub fn is_in_call(&self, who: PersonId) -> bool {
        let ended = self.events(who).iter().rev().find_map(|event| match event {
            Event::Ended(_) => Some(true),
            Event::Joined { .. } => Some(false),
            _ => None,
        });
        ended == Some(false)
    }

    /// What somebody's application was told.
    #[must_use]
    pub fn events(&self, who: PersonId) -> &[Event] {
        &self.client_ref(who).events
    }

    /// Jingle requests somebody sent, by action.
    #[must_use]
    pub fn asked(&self, who: PersonId, action: &str) -> usize {
        let of = self.wire.iter().filter(|sent| sent.from == who);
        of.filter(|sent| jingle_action(&sent.stanza) == Some(action)).count()
    }

    /// Statistics of `speaker`'s audio at a listener ([`World::listen`]), of all contents together.
    ///
    /// # Panics
    /// If it heard nothing, or does not listen.
    #[must_use]
    pub fn sound(&self, listener: PersonId, speaker: PersonId) -> AudioStats {
        self.client_ref(listener).sound(&self.jid(speaker)).expect("it listens")
    }

    /// The STUN and TURN servers that the media layer of somebody was told, each time.
    #[must_use]
    pub fn servers(&self, who: PersonId) -> &[Vec<IceServer>] {
        &self.client_ref(who).servers
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// How long the world has been going.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.now - self.start
    }

    pub(super) fn client_ref(&self, who: PersonId) -> &Client {
        match &self.people[who.0].body {
            Body::Client(client) => client,
            Body::Puppet(_) | Body::Scripted(_) => {
                panic!("{} is not a client with our Engine", self.people[who.0].name)
            }
        }
    }

    pub(super) fn client_mut(&mut self, who: PersonId) -> &mut Client {
        let Person { name, body, .. } = &mut self.people[who.0];
        match body {
            Body::Client(client) => client,
            Body::Puppet(_) | Body::Scripted(_) => panic!("{name} is not a client with our Engine"),
        }
    }
}
