//! A stanza in flight, what kind of stanza it is, and the ways between clients and a server.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

use jid::FullJid;
use muji_simulation::stanza::element;
use muji_xep::Skipped;
use muji_xep::jingle::{Action, Jingle};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

use crate::digest::Digest;
use crate::person::index;

/// A stanza that was sent and has not arrived.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) stanza: Stanza,
    digest: OnceLock<Digest>,
}

impl InFlight {
    pub(crate) fn new(stanza: Stanza) -> Arc<Self> {
        Arc::new(Self { stanza, digest: OnceLock::new() })
    }

    pub(crate) fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| Digest::of_text(&String::from(&element(&self.stanza))))
    }
}

/// What is under way between each client and the server, in one direction: it keeps its order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Channels(BTreeMap<usize, VecDeque<Arc<InFlight>>>);

impl Channels {
    pub(crate) fn push(&mut self, who: usize, stanza: Stanza) {
        self.0.entry(who).or_default().push_back(InFlight::new(stanza));
    }

    /// Takes the oldest.
    pub(crate) fn next(&mut self, who: usize) -> Arc<InFlight> {
        let in_flight = self.0.get_mut(&who).expect("a move takes a stanza that is in flight");
        let letter = in_flight.pop_front().expect("empty channels are removed");
        if in_flight.is_empty() {
            self.0.remove(&who);
        }
        letter
    }

    /// The oldest.
    pub(crate) fn front(&self, who: usize) -> Option<&Stanza> {
        Some(&self.0.get(&who)?.front()?.stanza)
    }

    /// Whose request is the oldest, if it is one: it is confirmed at once.
    pub(crate) fn request(&self, who: usize) -> Option<FullJid> {
        let Stanza::Iq(Iq::Set { from, .. }) = self.front(who)? else { return None };
        from.clone()?.try_into_full().ok()
    }

    pub(crate) fn of(&self, who: usize) -> impl Iterator<Item = &InFlight> {
        self.0.get(&who).into_iter().flatten().map(|letter| &**letter)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &InFlight> {
        self.0.values().flatten().map(|letter| &**letter)
    }

    /// Whose channels have something in flight.
    pub(crate) fn clients(&self) -> impl Iterator<Item = usize> {
        self.0.keys().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whom a request of a session is for, and what it says.
pub(crate) fn jingle(stanza: &Stanza) -> Option<(usize, Jingle)> {
    let Stanza::Iq(Iq::Set { to: Some(to), payload, .. }) = stanza else { return None };
    let to = to.clone().try_into_full().ok()?;
    Some((index(&to), Jingle::read(payload, &mut Skipped::default())?))
}

/// Whom a session is offered to or accepted from, and its id.
pub(crate) fn offer_or_answer(stanza: &Stanza) -> Option<(usize, String)> {
    let (to, jingle) = jingle(stanza)?;
    matches!(jingle.action, Action::SessionInitiate | Action::SessionAccept).then_some((to, jingle.sid))
}

/// True if it ends a session.
pub(crate) fn is_end(stanza: &Stanza) -> bool {
    jingle(stanza).is_some_and(|(_, jingle)| jingle.action == Action::SessionTerminate)
}

/// The id by which a request is answered.
pub(crate) fn id(stanza: &Stanza) -> Option<&str> {
    match stanza {
        Stanza::Iq(iq) => Some(iq.id()),
        Stanza::Presence(_) | Stanza::Message(_) => None,
    }
}

/// The id of the session that is offered.
pub(crate) fn offer(stanza: &Stanza) -> Option<String> {
    let (_, jingle) = jingle(stanza)?;
    (jingle.action == Action::SessionInitiate).then_some(jingle.sid)
}

/// True if it adds a content to a session.
pub(crate) fn adds(stanza: &Stanza) -> bool {
    jingle(stanza).is_some_and(|(_, jingle)| jingle.action == Action::ContentAdd)
}
