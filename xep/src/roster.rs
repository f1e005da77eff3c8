//! Who the contacts of an account are (RFC 6121 section 2).

use jid::{BareJid, Jid};
use minidom::Element;

use crate::Skipped;
use crate::ns;

/// Contacts that are read. Servers limit them to some thousands.
const MAX_CONTACTS: usize = 10_000;

/// Somebody on the list of contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub jid: BareJid,
    /// True if it sees our presence.
    pub sees_us: bool,
}

/// Asks for the contacts.
#[must_use]
pub fn ask() -> Element {
    Element::bare("query", ns::ROSTER)
}

/// Reads a list of contacts, whole or what changed of it. One that cannot be read does not hide the others.
#[must_use]
pub fn read(query: &Element, skipped: &mut Skipped) -> Vec<Contact> {
    let mut contacts = Vec::new();
    for item in query.children().filter(|child| child.is("item", ns::ROSTER)) {
        let written = item.attr("jid").unwrap_or_default();
        match Jid::new(written) {
            Ok(jid) if contacts.len() < MAX_CONTACTS => {
                let sees_us = matches!(item.attr("subscription"), Some("from" | "both"));
                contacts.push(Contact { jid: jid.to_bare(), sees_us });
            }
            Ok(_) => skipped.note("contacts", "more than are read"),
            Err(why) => skipped.note("contact", format_args!("{written}: {why}")),
        }
    }
    contacts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_that_cannot_be_read_does_not_hide_the_others() {
        let query = "<query xmlns='jabber:iq:roster' ver='1'><item jid='juliet@capulet.lit' subscription='both' ask='x'/>\
            <item jid='📱@capulet.lit' subscription='both'/><item/><item jid='nurse@capulet.lit' subscription='odd'/></query>";
        let mut skipped = Skipped::default();
        let contact = |jid: &str, sees_us| Contact { jid: jid.parse().expect("a JID"), sees_us };
        let read = read(&query.parse().expect("it is well-formed"), &mut skipped);
        assert_eq!(read, [contact("juliet@capulet.lit", true), contact("nurse@capulet.lit", false)]);
        assert!(skipped.to_string().starts_with("contact: 📱@capulet.lit: "), "{skipped}");
    }
}
