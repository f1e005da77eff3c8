//! Helpers for stanzas of every kind.

use jid::Jid;
use muji_xep::dtls::{Fingerprint, Setup};
use muji_xep::{Element, ns};
use xmpp_parsers::stanza::Stanza;

/// Whom it is from.
#[must_use]
pub fn from(stanza: &Stanza) -> Option<Jid> {
    match stanza {
        Stanza::Presence(presence) => presence.from.clone(),
        Stanza::Iq(iq) => iq.from().cloned(),
        Stanza::Message(message) => message.from.clone(),
    }
}

/// Whom it is to.
#[must_use]
pub fn to(stanza: &Stanza) -> Option<Jid> {
    match stanza {
        Stanza::Presence(presence) => presence.to.clone(),
        Stanza::Iq(iq) => iq.to().cloned(),
        Stanza::Message(message) => message.to.clone(),
    }
}

/// Another like it: `Stanza` cannot be cloned, what it holds can.
#[must_use]
pub fn copy(stanza: &Stanza) -> Stanza {
    match stanza {
        Stanza::Presence(presence) => presence.clone().into(),
        Stanza::Iq(iq) => iq.clone().into(),
        Stanza::Message(message) => message.clone().into(),
    }
}

/// As it is written.
#[must_use]
pub fn element(stanza: &Stanza) -> Element {
    match stanza {
        Stanza::Presence(presence) => presence.clone().into(),
        Stanza::Iq(iq) => iq.clone().into(),
        Stanza::Message(message) => message.clone().into(),
    }
}

/// True if the children of a presence publish contents of a call.
#[must_use]
pub fn has_contents<'a>(children: impl IntoIterator<Item = &'a Element>) -> bool {
    let muji = children.into_iter().find(|child| child.is("muji", ns::MUJI));
    muji.is_some_and(|muji| muji.children().any(|child| child.name() == "content"))
}

/// The action of a written stanza that carries a Jingle request.
#[must_use]
pub fn jingle_action(stanza: &Element) -> Option<&str> {
    stanza.children().find(|child| child.is("jingle", ns::JINGLE))?.attr("action")
}

/// The same stanza without the groups of contents in it.
#[must_use]
pub fn without_groups(stanza: Box<Stanza>) -> Box<Stanza> {
    let mut copy = element(&stanza);
    for jingle in copy.children_mut().filter(|child| child.is("jingle", ns::JINGLE)) {
        jingle.remove_child("group", ns::GROUPING);
    }
    Stanza::try_from(copy).map_or(stanza, Box::new)
}

/// The same stanza with another certificate wherever one is named, and beside each that cannot be read.
#[must_use]
pub fn with_other_certificates(stanza: Box<Stanza>) -> Box<Stanza> {
    fn swapped(element: &Element) -> Element {
        let mut copy = element.clone();
        if element.is("fingerprint", ns::DTLS) {
            copy.take_nodes();
            copy.append_text(["AB"; 32].join(":"));
            return copy;
        }
        for child in copy.children_mut() {
            *child = swapped(child);
        }
        if copy.has_child("fingerprint", ns::DTLS_OMEMO) {
            let other = Fingerprint { hash: "sha-256".to_owned(), setup: Some(Setup::Active), value: vec![0xab; 32] };
            copy.append_child(other.write());
        }
        copy
    }
    let Ok(stanza) = Stanza::try_from(swapped(&element(&stanza))) else { return stanza };
    Box::new(stanza)
}
