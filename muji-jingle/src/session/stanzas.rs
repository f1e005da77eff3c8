//! Answers to requests, and the text of an error.

use jid::FullJid;
use muji_xep::Element;
use muji_xep::jingle::{Action, Jingle, ReasonElement};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::StanzaError;

use crate::fault::PeerFault;
use crate::ids::Ids;

/// The result of a peer's request.
#[must_use]
pub fn acknowledge(peer: &FullJid, id: &str) -> Iq {
    Iq::Result { from: None, to: Some(peer.clone().into()), id: id.to_owned(), payload: None }
}

/// The error for a peer's request.
#[must_use]
pub fn refuse(peer: &FullJid, id: &str, fault: &PeerFault) -> Iq {
    Iq::Error { from: None, to: Some(peer.clone().into()), id: id.to_owned(), error: fault.answer(), payload: None }
}

/// The session-terminate for a session that was acknowledged and then not taken. Nobody waits for its answer.
#[must_use]
pub fn dismiss(peer: &FullJid, sid: &str, why: ReasonElement, ids: &mut Ids) -> Iq {
    let mut jingle = Jingle::new(Action::SessionTerminate, sid);
    jingle.why = Some(why);
    Iq::Set { from: None, to: Some(peer.clone().into()), id: ids.token(), payload: jingle.write() }
}

pub(super) fn describe(error: &StanzaError) -> String {
    let text = error.texts.values().next().filter(|text| !text.is_empty());
    text.map_or_else(|| condition(error), |text| text.chars().take(128).collect())
}

/// The name of the condition, as RFC 6120 writes it.
fn condition(error: &StanzaError) -> String {
    Element::from(error.defined_condition.clone()).name().to_owned()
}
