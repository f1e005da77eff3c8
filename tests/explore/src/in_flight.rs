//! A stanza in flight, and what kind of stanza it is.

use std::sync::{Arc, OnceLock};

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
