//! Reading the stanzas of any client.
//!
//! Each form that RFC 6120 and RFC 6121, or common sense, give a meaning has that meaning. xmpp-parsers refuses a whole stanza for one
//! word in it, and then a participant is invisible or an answer never comes: its types are filled in here, and not by its own readers.

use std::collections::BTreeMap;

use jid::{BareJid, Jid};
use muji_xep::{Element, guard, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::{Id, Lang, Message, MessageType, Thread};
use xmpp_parsers::minidom::rxml::Namespace;
use xmpp_parsers::presence::{Presence, Priority, Show, Type};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

/// Characters of a word from the network that are repeated in a sentence. A JID has up to 3,071 bytes.
const MAX_WORD: usize = 256;

/// A stanza that nothing can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a stanza ({kind}) that cannot be read: {fault}")]
pub struct Unreadable {
    /// Who sent it, as it is written there; `None` if the server did not say.
    pub from: Option<String>,
    /// The name of its element: `presence`, `message`, `iq`, or something else.
    pub kind: String,
    /// What is wrong with it.
    pub fault: StanzaFault,
}

/// What is wrong with a stanza.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StanzaFault {
    /// It is none.
    #[error("only presence, message and iq are stanzas")]
    NoStanza,
    /// Its sender cannot be addressed. Emoji in a resource are among what stringprep does not know.
    #[error("the JID of its sender is not one of RFC 6122: {0}")]
    Sender(String),
    /// A presence that says neither that somebody is there nor that it is not.
    #[error("there is no presence of type {0:?}")]
    PresenceType(String),
    /// RFC 6120 section 8.2.3 wants it answered with an error.
    #[error("there is no iq of type {0:?}")]
    IqType(String),
    /// Nobody can answer it, and it is no answer.
    #[error("an iq must have an id")]
    NoId,
    /// A question without content.
    #[error("an iq of type get or set must have a payload")]
    NoPayload,
}

/// Reads a stanza of any client.
///
/// # Errors
/// If nothing can be made of it.
pub fn read(element: &Element) -> Result<Stanza, Unreadable> {
    let stanza = if element.ns() == ns::CLIENT { sender(element) } else { Err(StanzaFault::NoStanza) };
    let stanza = stanza.and_then(|from| match element.name() {
        "presence" => Ok(Presence { from, ..presence(element)? }.into()),
        "message" => Ok(Message { from, ..message(element) }.into()),
        "iq" => Ok(iq(element, from)?.into()),
        _ => Err(StanzaFault::NoStanza),
    });
    stanza.map_err(|fault| Unreadable { from: element.attr("from").map(word), kind: word(element.name()), fault })
}

fn word(text: &str) -> String {
    text.chars().take(MAX_WORD).collect()
}

fn sender(element: &Element) -> Result<Option<Jid>, StanzaFault> {
    element.attr("from").map(Jid::new).transpose().map_err(|why| StanzaFault::Sender(why.to_string()))
}

/// It came to us, so a receiver that cannot be read does not matter.
fn receiver(element: &Element) -> Option<Jid> {
    element.attr("to").and_then(|to| Jid::new(to).ok())
}

/// The presence of an occupant whose nick cannot be the resource of a [`Jid`], such as one with emoji; rooms let them in. The nick is as
/// it is written, and the presence has no sender.
pub(crate) fn presence_of_odd_nick(element: &Element) -> Option<(BareJid, String, Presence)> {
    let (room, nick) = element.attr("from")?.split_once('/')?;
    if !element.is("presence", ns::CLIENT) || nick.len() > MAX_WORD {
        return None;
    }
    Some((BareJid::new(room).ok()?, nick.to_owned(), presence(element).ok()?))
}

// ---- presence --------------------------------------------------------------------------------------------------------

fn presence(element: &Element) -> Result<Presence, StanzaFault> {
    Ok(Presence {
        from: None,
        to: receiver(element),
        id: element.attr("id").map(str::to_owned),
        type_: presence_type(element)?,
        show: own(element, "show").find_map(show),
        statuses: texts(element, "status"),
        priority: Priority(own(element, "priority").next().map_or(0, priority)),
        payloads: payloads(element, &["show", "status", "priority"]),
    })
}

/// A presence that says that we are there, with these elements. RFC 6121 section 4.7.2.3 allows one priority, and xmpp-parsers writes one
/// anyway.
pub(crate) fn available(elements: impl IntoIterator<Item = Element>) -> Presence {
    let mut presence = Presence::new(Type::None);
    for element in elements {
        if element.is("priority", ns::CLIENT) {
            presence.priority = Priority(priority(&element));
        } else {
            presence.payloads.push(element);
        }
    }
    presence
}

/// RFC 6121 section 4.7.1. To be available is to have no type, but some write it out.
fn presence_type(element: &Element) -> Result<Type, StanzaFault> {
    let Some(type_) = element.attr("type") else { return Ok(Type::None) };
    Ok(match type_.trim().to_ascii_lowercase().as_str() {
        "" | "available" => Type::None,
        "unavailable" => Type::Unavailable,
        "error" => Type::Error,
        "probe" => Type::Probe,
        "subscribe" => Type::Subscribe,
        "subscribed" => Type::Subscribed,
        "unsubscribe" => Type::Unsubscribe,
        "unsubscribed" => Type::Unsubscribed,
        _ => return Err(StanzaFault::PresenceType(word(type_))),
    })
}

/// RFC 6121 section 4.7.2.1. Who writes `online` or something else is there.
fn show(element: &Element) -> Option<Show> {
    match element.text().trim().to_ascii_lowercase().as_str() {
        "away" => Some(Show::Away),
        "chat" => Some(Show::Chat),
        "dnd" => Some(Show::Dnd),
        "xa" => Some(Show::Xa),
        _ => None,
    }
}

/// RFC 6121 section 4.7.2.3: from -128 to 127. Some clients count beyond.
fn priority(element: &Element) -> i8 {
    let wide: i64 = element.text().trim().parse().unwrap_or(0);
    i8::try_from(wide.clamp(i8::MIN.into(), i8::MAX.into())).expect("it is within the bounds of the type")
}

// ---- messages --------------------------------------------------------------------------------------------------------

fn message(element: &Element) -> Message {
    // A type that is not known is normal (RFC 6121 section 5.2.2).
    let type_ = element.attr("type").and_then(|type_| type_.parse().ok()).unwrap_or(MessageType::Normal);
    let mut message = Message::new_with_type(type_, receiver(element));
    message.id = element.attr("id").map(|id| Id(id.to_owned()));
    message.bodies = texts(element, "body");
    message.subjects = texts(element, "subject");
    message.thread = own(element, "thread")
        .map(|thread| Thread { parent: thread.attr("parent").map(str::to_owned), id: thread.text() })
        .find(|thread| !thread.id.is_empty());
    message.payloads = payloads(element, &["body", "subject", "thread"]);
    message
}

// ---- iq --------------------------------------------------------------------------------------------------------------

fn iq(element: &Element, from: Option<Jid>) -> Result<Iq, StanzaFault> {
    let (to, type_) = (receiver(element), element.attr("type").unwrap_or_default());
    let error = || own(element, "error").next();
    // RFC 6120 section 8.2.3 wants one payload; of two the first is the one that is meant.
    let payload = payloads(element, &["error"]).into_iter().next();
    let asked = || payload.clone().ok_or(StanzaFault::NoPayload);
    if !["get", "set", "result", "error"].contains(&type_) {
        return Err(StanzaFault::IqType(word(type_)));
    }
    let id = element.attr("id").ok_or(StanzaFault::NoId)?.to_owned();
    Ok(match type_ {
        "get" => Iq::Get { from, to, id, payload: asked()? },
        "set" => Iq::Set { from, to, id, payload: asked()? },
        "result" => Iq::Result { from, to, id, payload },
        _ => Iq::Error { from, to, id, error: error().map_or_else(unexplained, read_error), payload },
    })
}

// ---- errors ----------------------------------------------------------------------------------------------------------

/// The error among the children of a stanza that says it is one.
#[must_use]
pub fn error(payloads: &[Element]) -> Option<StanzaError> {
    payloads.iter().find(|payload| payload.is("error", ns::CLIENT)).map(read_error)
}

/// RFC 6120 section 8.3. stanza.js sends errors without a condition.
fn read_error(element: &Element) -> StanzaError {
    let of_rfc = element.children().filter(|child| child.ns() == ns::STANZAS).find_map(condition);
    let defined_condition = of_rfc.or_else(|| element.children().find_map(condition));
    let type_ = element.attr("type").and_then(|type_| type_.parse().ok());
    let mut texts = BTreeMap::new();
    for text in element.children().filter(|child| child.is("text", ns::STANZAS)) {
        texts.entry(lang(text).unwrap_or_default()).or_insert_with(|| text.text());
    }
    StanzaError {
        type_: type_.unwrap_or(ErrorType::Cancel),
        by: element.attr("by").and_then(|by| Jid::new(by).ok()),
        defined_condition: defined_condition.unwrap_or(DefinedCondition::UndefinedCondition),
        texts,
        other: element
            .children()
            .find(|child| child.ns() != ns::STANZAS && condition(child).is_none())
            .map(guard::copy),
    }
}

/// A condition by its name, also where its namespace is forgotten.
fn condition(element: &Element) -> Option<DefinedCondition> {
    let mut condition = Element::bare(element.name(), ns::STANZAS);
    condition.append_text(element.text());
    DefinedCondition::try_from(condition).ok()
}

/// An error that says nothing about itself.
fn unexplained() -> StanzaError {
    read_error(&Element::bare("error", ns::CLIENT))
}

// ---- what all have ---------------------------------------------------------------------------------------------------

/// Children in the stanza's own namespace.
fn own<'a>(element: &'a Element, name: &'a str) -> impl Iterator<Item = &'a Element> {
    element.children().filter(move |child| child.is(name, ns::CLIENT))
}

/// Texts by language; of two in one language the first.
fn texts(element: &Element, name: &str) -> BTreeMap<Lang, String> {
    let mut texts = BTreeMap::new();
    for child in own(element, name) {
        let lang = lang(child).or_else(|| lang(element)).unwrap_or_default();
        texts.entry(Lang(lang)).or_insert_with(|| child.text());
    }
    texts
}

fn lang(element: &Element) -> Option<String> {
    element.attr_ns(Namespace::xml(), "lang").map(str::to_owned)
}

fn payloads(element: &Element, others: &[&str]) -> Vec<Element> {
    let theirs = |child: &&Element| child.ns() != ns::CLIENT || !others.contains(&child.name());
    element.children().filter(theirs).map(guard::copy).collect()
}
