//! What a room sends about its occupants (XEP-0045), and how to enter, configure and destroy one.
//!
//! Only the room's own `<x/>` is read: the caller must have checked that the stanza came from the room.

use std::collections::BTreeSet;

use jid::{BareJid, FullJid, Jid, ResourcePart};
use minidom::Element;

use crate::element::{Build, MAX_NAME, parsed, text};
use crate::ns;

/// Status codes read of one presence.
const MAX_CODES: usize = 16;

/// Devices read of one nick: each session of an account may have it (Prosody, ejabberd).
const MAX_DEVICES: usize = 16;

/// The affiliation of who is banned.
const OUTCAST: &str = "outcast";

/// Fields copied of a room's form, and values of each; Prosody's has about 20.
const MAX_FIELDS: usize = 128;

/// Status codes that mean something to a call.
pub mod code {
    /// The room shows real JIDs to everyone.
    pub const NON_ANONYMOUS: u16 = 100;
    /// This presence is about ourselves.
    pub const SELF: u16 = 110;
    /// Something of the room's configuration changed.
    pub const CONFIGURED: u16 = 104;
    /// The room shows real JIDs from now on.
    pub const NOW_NON_ANONYMOUS: u16 = 172;
    /// The room shows real JIDs to moderators only from now on.
    pub const NOW_SEMI_ANONYMOUS: u16 = 173;
    /// The room is new and ours to configure.
    pub const CREATED: u16 = 201;
    /// The room has given somebody another nick than it asked for.
    pub const NICK_GIVEN: u16 = 210;
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
    /// Removed for a technical reason; a [`KICKED`] beside it means nothing.
    pub const TECHNICAL: u16 = 333;
}

/// The `<x/>` with which a room annotates a presence or a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MucUser {
    /// The occupant's real JIDs, those that we may know and that are full ones. They are several if other sessions of the account share
    /// the nick: an item is for each of them, in any order (Prosody).
    pub devices: Vec<FullJid>,
    /// The real JID as it is written, if it is not one of RFC 6122: its resource may hold emoji.
    pub unreadable: Option<String>,
    /// Accounts by their bare JIDs, as far as the room shows them, and whether they are banned (the affiliation `outcast`).
    pub affiliations: Vec<(BareJid, bool)>,
    /// The nick it changes to, with [`code::RENAMED`].
    pub new_nick: Option<String>,
    /// The nick of the moderator who removed the occupant.
    pub actor: Option<String>,
    /// The text for people.
    pub reason: Option<String>,
    /// Status codes, unknown ones included.
    pub codes: BTreeSet<u16>,
    /// The room was destroyed.
    pub destroyed: Option<Destroyed>,
}

/// The end of a room (XEP-0045 section 10.9).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destroyed {
    /// Where to go instead.
    pub alternate: Option<BareJid>,
    /// The text for people.
    pub reason: Option<String>,
}

impl MucUser {
    /// Reads the one `<x/>` among the children of a stanza. A second one is a forgery and makes none count.
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
                    match child.attr("jid").map(|jid| jid.trim().parse::<Jid>()) {
                        Some(Ok(jid)) => {
                            let known = child.attr("affiliation").filter(|_| this.affiliations.len() < MAX_DEVICES);
                            this.affiliations.extend(known.map(|word| (jid.to_bare(), word == OUTCAST)));
                            let device = jid.try_into_full().ok();
                            this.devices.extend(device.filter(|_| this.devices.len() < MAX_DEVICES));
                        }
                        Some(Err(_)) => this.unreadable = child.attr("jid").map(shortened),
                        None => {}
                    }
                    this.new_nick = text(child, "nick").filter(|nick| !nick.is_empty()).map(prepared);
                    this.actor = child.get_child("actor", ns::MUC_USER).and_then(|actor| text(actor, "nick"));
                    this.reason = reason(child);
                }
                "status" if this.codes.len() < MAX_CODES => this.codes.extend(parsed::<u16>(child, "code")),
                "destroy" => {
                    this.destroyed = Some(Destroyed { alternate: parsed(child, "jid"), reason: reason(child) });
                }
                _ => {}
            }
        }
        this
    }

    /// The real JID with which a call goes on: the `known` one as long as it has the nick.
    #[must_use]
    pub fn real(&self, known: Option<&FullJid>) -> Option<FullJid> {
        let stays = known.filter(|known| self.devices.contains(known));
        stays.or_else(|| self.devices.first()).cloned()
    }

    /// True if the room gave this status.
    #[must_use]
    pub fn has(&self, code: u16) -> bool {
        self.codes.contains(&code)
    }
}

/// A nick in the form that it has in JIDs, so that both are the same; as it is written if it cannot be part of one.
fn prepared(nick: String) -> String {
    ResourcePart::new(&nick).map(|nick| nick.as_str().to_owned()).unwrap_or(nick)
}

fn shortened(text: &str) -> String {
    text.trim().chars().take(MAX_NAME).collect()
}

fn reason(element: &Element) -> Option<String> {
    let text = shortened(&element.get_child("reason", ns::MUC_USER)?.text());
    (!text.is_empty()).then_some(text)
}

/// The `<x/>` that enters a room, without its history.
#[must_use]
pub fn enter(password: Option<&str>) -> Element {
    let password = password.map(|password| with_text("password", ns::MUC, password));
    Element::bare("x", ns::MUC).child(Element::bare("history", ns::MUC).with("maxchars", 0)).children_from(password)
}

/// What a room of a call should be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// For members, who may invite.
    Members,
    /// For everybody who knows its name.
    Open,
}

/// Fields of the room's form that we set (XEP-0045 section 16.5.3).
fn settings(privacy: Privacy) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        ("muc#roomconfig_whois", "anyone"),
        ("muc#roomconfig_persistentroom", "0"),
        ("muc#roomconfig_publicroom", "0"),
    ];
    if privacy == Privacy::Members {
        settings.extend([("muc#roomconfig_membersonly", "1"), ("muc#roomconfig_allowinvites", "1")]);
    }
    settings
}

/// Fills in the form of a new room: our settings where it has the field, its own defaults elsewhere.
///
/// `None` if `form` is no such form.
#[must_use]
pub fn fill_in(form: &Element, privacy: Privacy) -> Option<Element> {
    let form = form.get_child("x", ns::DATA_FORMS).filter(|form| form.attr("type") == Some("form"))?;
    let settings = settings(privacy);
    let fields = form.children().filter(|field| field.is("field", ns::DATA_FORMS)).take(MAX_FIELDS);
    let filled = fields.filter_map(|field| {
        let var = text(field, "var")?;
        let ours = settings.iter().find(|(name, _)| *name == var).map(|(_, value)| vec![(*value).to_owned()]);
        Some(write_field(&var, ours.unwrap_or_else(|| defaults(field))))
    });
    Some(submit(filled))
}

fn defaults(field: &Element) -> Vec<String> {
    let values = field.children().filter(|value| value.is("value", ns::DATA_FORMS)).take(MAX_FIELDS);
    values.map(Element::text).collect()
}

/// Accepts a new room with the service's defaults.
#[must_use]
pub fn instant() -> Element {
    submit([])
}

/// The least we need of a room whose owner's form was refused: everybody sees real JIDs.
#[must_use]
pub fn only_real_jids() -> Element {
    let fields = [("FORM_TYPE", "http://jabber.org/protocol/muc#roomconfig"), ("muc#roomconfig_whois", "anyone")];
    submit(fields.map(|(var, value)| write_field(var, vec![value.to_owned()])))
}

fn submit(fields: impl IntoIterator<Item = Element>) -> Element {
    let form = Element::bare("x", ns::DATA_FORMS).with("type", "submit").children_from(fields);
    Element::bare("query", ns::MUC_OWNER).child(form)
}

fn write_field(var: &str, values: Vec<String>) -> Element {
    let values = values.into_iter().map(|value| with_text("value", ns::DATA_FORMS, &value));
    Element::bare("field", ns::DATA_FORMS).with("var", var).children_from(values)
}

/// Asks for the form of a new room.
#[must_use]
pub fn ask_form() -> Element {
    Element::bare("query", ns::MUC_OWNER)
}

/// Cancels the configuration of a new room, which destroys it.
#[must_use]
pub fn cancel() -> Element {
    Element::bare("query", ns::MUC_OWNER).child(Element::bare("x", ns::DATA_FORMS).with("type", "cancel"))
}

/// Destroys a room.
#[must_use]
pub fn destroy() -> Element {
    Element::bare("query", ns::MUC_OWNER).child(Element::bare("destroy", ns::MUC_OWNER))
}

/// Makes a guest a member, who may then enter a members-only room.
#[must_use]
pub fn admit(guest: &BareJid) -> Element {
    let item = Element::bare("item", ns::MUC_ADMIN).with("affiliation", "member").with("jid", guest);
    Element::bare("query", ns::MUC_ADMIN).child(item)
}

fn with_text(name: &str, ns: &str, text: &str) -> Element {
    let mut element = Element::bare(name, ns);
    element.append_text(text);
    element
}
