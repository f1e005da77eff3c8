//! What a room says about its occupants (XEP-0045), and how to enter one.
//!
//! Only the room's own `<x/>` is read: whoever calls must have checked that the stanza came from the room.

use std::collections::BTreeSet;

use jid::{FullJid, Jid};
use minidom::Element;

use crate::element::{Build, parsed};
use crate::ns;

/// Status codes read of one presence.
const MAX_CODES: usize = 16;

/// Status codes that mean something to a call.
pub mod code {
    /// The room shows real JIDs to everyone.
    pub const NON_ANONYMOUS: u16 = 100;
    /// This presence is about ourselves.
    pub const SELF: u16 = 110;
    /// The room is new and ours to configure.
    pub const CREATED: u16 = 201;
    /// Banned.
    pub const BANNED: u16 = 301;
    /// Renamed.
    pub const RENAMED: u16 = 303;
    /// Kicked.
    pub const KICKED: u16 = 307;
    /// Removed since the affiliation changed.
    pub const AFFILIATION: u16 = 321;
    /// Removed since the room became members-only.
    pub const MEMBERS_ONLY: u16 = 322;
    /// Removed since the service shuts down.
    pub const SHUTDOWN: u16 = 332;
}

/// The `<x/>` with which a room annotates a presence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MucUser {
    /// The occupant's real JID, if we may know it and it is a full one.
    pub real: Option<FullJid>,
    /// The nick it changes to, with [`code::RENAMED`].
    pub new_nick: Option<String>,
    /// Status codes, unknown ones included.
    pub codes: BTreeSet<u16>,
    /// The room was destroyed.
    pub destroyed: bool,
}

impl MucUser {
    /// Reads the one `<x/>` among the children of a presence. A second one is a forgery and makes none count.
    #[must_use]
    pub fn find(payloads: &[Element]) -> Option<Self> {
        let mut found = payloads.iter().filter(|payload| payload.is("x", ns::MUC_USER));
        let only = found.next()?;
        found.next().is_none().then(|| Self::read(only))
    }

    fn read(element: &Element) -> Self {
        let mut this = Self::default();
        for child in element.children().filter(|child| child.ns() == ns::MUC_USER) {
            match child.name() {
                "item" => {
                    this.real = parsed(child, "jid").and_then(|jid: Jid| jid.try_into_full().ok());
                    this.new_nick = child.attr("nick").map(str::to_owned);
                }
                "status" if this.codes.len() < MAX_CODES => this.codes.extend(parsed::<u16>(child, "code")),
                "destroy" => this.destroyed = true,
                _ => {}
            }
        }
        this
    }
}

/// The `<x/>` that enters a room, without its history.
#[must_use]
pub fn enter(password: Option<&str>) -> Element {
    let password = password.map(|password| {
        let mut element = Element::bare("password", ns::MUC);
        element.append_text(password);
        element
    });
    Element::bare("x", ns::MUC).child(Element::bare("history", ns::MUC).with("maxchars", 0)).children_from(password)
}

/// The form that opens a room of our own: real JIDs for everyone, gone when empty.
#[must_use]
pub fn configure() -> Element {
    let field = |var: &str, value: &str| {
        let mut text = Element::bare("value", ns::DATA_FORMS);
        text.append_text(value);
        Element::bare("field", ns::DATA_FORMS).with("var", var).child(text)
    };
    let form = Element::bare("x", ns::DATA_FORMS)
        .with("type", "submit")
        .child(field("FORM_TYPE", "http://jabber.org/protocol/muc#roomconfig"))
        .child(field("muc#roomconfig_whois", "anyone"))
        .child(field("muc#roomconfig_persistentroom", "0"))
        .child(field("muc#roomconfig_publicroom", "0"));
    Element::bare("query", ns::MUC_OWNER).child(form)
}
