//! Stanzas: how those of any client are read, and small things that xmpp-parsers does not have.

mod reading;

pub use reading::{StanzaFault, Unreadable, error, read};
pub(crate) use reading::{available, presence_of_odd_nick};

use jid::Jid;
use muji_xep::Element;
use xmpp_parsers::message::{Id, Message};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::StanzaError;

/// A message of type chat: it reaches every device of its reader, and nothing forbids copies.
pub(crate) fn chat(to: Jid, id: String, payloads: Vec<Element>) -> Message {
    let mut message = Message::chat(to);
    message.id = Some(Id(id));
    message.payloads = payloads;
    message
}

/// `Stanza` cannot be cloned, what it holds can.
pub(crate) fn copy(stanza: &Stanza) -> Stanza {
    match stanza {
        Stanza::Iq(iq) => iq.clone().into(),
        Stanza::Message(message) => message.clone().into(),
        Stanza::Presence(presence) => presence.clone().into(),
    }
}

/// The condition of an error, as RFC 6120 section 8.3.3 writes it.
#[must_use]
pub fn condition_name(error: &StanzaError) -> String {
    Element::from(error.defined_condition.clone()).name().to_owned()
}

/// The condition of the error among the children of a stanza that was returned.
pub(crate) fn returned_condition(payloads: &[Element]) -> String {
    error(payloads).map_or_else(|| "no reason".to_owned(), |error| condition_name(&error))
}

#[cfg(test)]
mod tests {
    use muji_xep::ns;

    use super::*;

    #[test]
    fn an_error_of_any_client_says_why_a_message_was_returned() {
        let condition = |error: &str| {
            let error = format!("<error xmlns='jabber:client' type='cancel'>{error}</error>");
            returned_condition(&[error.parse().expect("it is XML")])
        };
        let stanzas = ns::STANZAS;
        assert_eq!(condition(&format!("<text xmlns='{stanzas}'>x</text><gone xmlns='{stanzas}'/>")), "gone");
        assert_eq!(condition("<forbidden/>"), "forbidden", "it forgot the namespace");
        assert_eq!(condition(""), "undefined-condition");
        assert_eq!(returned_condition(&[]), "no reason");
    }
}
