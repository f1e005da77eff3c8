//! Answers to requests that nobody handles (RFC 6120 section 8.2.3). They are made of elements: also who has a JID that we cannot read, or
//! says something that we cannot read, is answered.

use muji_xep::{Element, ns};
use xmpp_parsers::minidom::rxml::{Namespace, NcName};

use crate::stanza::{self, StanzaFault};

/// The answer to a stanza, if it wants one.
pub(super) fn answer(stanza: &Element) -> Option<Element> {
    if !stanza.is("iq", ns::CLIENT) || matches!(stanza.attr("type"), Some("result" | "error")) {
        return None;
    }
    let condition = match stanza::read(stanza).map_err(|unreadable| unreadable.fault) {
        Err(StanzaFault::Sender(_)) | Ok(_) => "service-unavailable",
        Err(_) => "bad-request",
    };
    let asks = stanza.attr("type") == Some("get");
    let pings = asks && stanza.children().next().is_some_and(|payload| payload.is("ping", ns::PING));
    let mut answer = Element::bare("iq", ns::CLIENT);
    set(&mut answer, "type", if pings { "result" } else { "error" });
    for (theirs, ours) in [("id", "id"), ("from", "to")] {
        if let Some(value) = stanza.attr(theirs) {
            set(&mut answer, ours, value);
        }
    }
    if !pings {
        answer.append_child(error(condition));
    }
    Some(answer)
}

fn error(condition: &str) -> Element {
    let mut error = Element::bare("error", ns::CLIENT);
    set(&mut error, "type", if condition == "bad-request" { "modify" } else { "cancel" });
    error.append_child(Element::bare(condition, ns::STANZAS));
    error
}

fn set(element: &mut Element, name: &'static str, value: &str) {
    let name = NcName::try_from(name).expect("the names in this file are names of attributes");
    element.set_attr(Namespace::NONE, name, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(iq: &str) -> Option<String> {
        answer(&iq.parse().expect("it is well-formed")).map(|answer| String::from(&answer))
    }

    fn error_to(attributes: &str, type_: &str, condition: &str) -> Option<String> {
        let error = format!("<error type='{type_}'><{condition} xmlns='{}'/></error>", ns::STANZAS);
        let iq: Element = format!("<iq xmlns='jabber:client' type='error' {attributes}>{error}</iq>").parse().unwrap();
        Some(String::from(&iq))
    }

    #[test]
    fn a_ping_is_answered_and_other_requests_are_refused() {
        let ping = "<iq xmlns='jabber:client' type='get' id='1' from='juliet@capulet.lit/a'><ping xmlns='urn:xmpp:ping'/></iq>";
        let pong: Element =
            "<iq xmlns='jabber:client' type='result' id='1' to='juliet@capulet.lit/a'/>".parse().unwrap();
        assert_eq!(answered(ping), Some(String::from(&pong)));
        let query = "<iq xmlns='jabber:client' type='set' id='1' from='juliet@capulet.lit/a'><x xmlns='urn:x'/></iq>";
        assert_eq!(answered(query), error_to("id='1' to='juliet@capulet.lit/a'", "cancel", "service-unavailable"));
    }

    #[test]
    fn who_cannot_be_read_is_answered_under_the_name_as_it_is_written() {
        let emoji = "<iq xmlns='jabber:client' type='set' id='1' from='juliet@capulet.lit/📱'><x xmlns='urn:x'/></iq>";
        assert_eq!(answered(emoji), error_to("id='1' to='juliet@capulet.lit/📱'", "cancel", "service-unavailable"));
    }

    #[test]
    fn what_cannot_be_read_is_a_bad_request() {
        for iq in [
            "<iq xmlns='jabber:client' type='get' id='1'/>",
            "<iq xmlns='jabber:client' type='set' id='1'/>",
            "<iq xmlns='jabber:client' type='want' id='1'><x xmlns='urn:x'/></iq>",
            "<iq xmlns='jabber:client' id='1'><x xmlns='urn:x'/></iq>",
        ] {
            assert_eq!(answered(iq), error_to("id='1'", "modify", "bad-request"), "{iq}");
        }
        let nameless = "<iq xmlns='jabber:client' type='get'><x xmlns='urn:x'/></iq>";
        assert_eq!(answered(nameless), error_to("", "modify", "bad-request"));
    }

    #[test]
    fn answers_and_other_stanzas_are_not_answered() {
        for stanza in [
            "<iq xmlns='jabber:client' type='result' id='1'/>",
            "<iq xmlns='jabber:client' type='error' id='1'/>",
            "<message xmlns='jabber:client' type='get'/>",
            "<presence xmlns='jabber:client'/>",
            "<iq xmlns='urn:other' type='get' id='1'/>",
        ] {
            assert_eq!(answered(stanza), None, "{stanza}");
        }
    }
}
