//! A stanza under way, and what it is.

use std::sync::Arc;

use jid::Jid;
use muji_xep::jingle::{Action, Jingle};
use muji_xep::{Element, Skipped};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

use crate::digest::Digest;
use crate::person::index;

/// A stanza under way.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) stanza: Stanza,
    pub(crate) digest: Digest,
}

impl Letter {
    pub(crate) fn new(stanza: Stanza) -> Arc<Self> {
        let digest = Digest::of_text(&String::from(&element(&stanza)));
        Arc::new(Self { stanza, digest })
    }
}

pub(crate) fn address(stanza: &Stanza) -> Option<Jid> {
    match stanza {
        Stanza::Presence(presence) => presence.to.clone(),
        Stanza::Iq(iq) => iq.to().cloned(),
        Stanza::Message(message) => message.to.clone(),
    }
}

/// `Stanza` cannot be cloned, what it holds can.
pub(crate) fn copy(stanza: &Stanza) -> Stanza {
    match stanza {
        Stanza::Presence(presence) => presence.clone().into(),
        Stanza::Iq(iq) => iq.clone().into(),
        Stanza::Message(message) => message.clone().into(),
    }
}

pub(crate) fn element(stanza: &Stanza) -> Element {
    match stanza {
        Stanza::Presence(presence) => presence.clone().into(),
        Stanza::Iq(iq) => iq.clone().into(),
        Stanza::Message(message) => message.clone().into(),
    }
}

pub(crate) fn has_contents(stanza: &Element) -> bool {
    let muji = stanza.children().find(|child| child.name() == "muji");
    muji.is_some_and(|muji| muji.children().any(|child| child.name() == "content"))
}

pub(crate) fn jingle(stanza: &Stanza) -> Option<(usize, Jingle)> {
    let Stanza::Iq(Iq::Set { to: Some(to), payload, .. }) = stanza else { return None };
    let to = to.clone().try_into_full().ok()?;
    Some((index(&to), Jingle::read(payload, &mut Skipped::default())?))
}

pub(crate) fn offer_or_answer(stanza: &Stanza) -> Option<(usize, String)> {
    let (to, jingle) = jingle(stanza)?;
    matches!(jingle.action, Action::SessionInitiate | Action::SessionAccept).then_some((to, jingle.sid))
}

pub(crate) fn is_end(stanza: &Stanza) -> bool {
    jingle(stanza).is_some_and(|(_, jingle)| jingle.action == Action::SessionTerminate)
}

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
