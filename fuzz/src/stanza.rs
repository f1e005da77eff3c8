//! Stanzas of real clients, and changes to them.

use std::sync::LazyLock;

use minidom::rxml::{Namespace, NcName};
use muji_xep::{Element, ns};

use crate::choices::Choices;

/// Stanzas from `xep/fixtures`, one of each form. In attributes `SID`, `PEER` and `ROOM` stand for what the target has there.
static STANZAS: LazyLock<Vec<Element>> = LazyLock::new(|| {
    let all: Element = include_str!("../stanzas.xml").parse().expect("the file is well-formed");
    all.children().cloned().collect()
});

/// Their Jingle elements.
static REQUESTS: LazyLock<Vec<Element>> = LazyLock::new(|| {
    let requests = STANZAS.iter().filter_map(|stanza| stanza.get_child("jingle", ns::JINGLE));
    requests.cloned().collect()
});

/// What attributes and texts are set to: words that mean something somewhere, and numbers at the edge of their types.
const VALUES: [&str; 62] = [
    "",
    "0",
    "1",
    "-1",
    "+1",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999999",
    "1e9",
    " 7 ",
    "true",
    "both",
    "none",
    "initiator",
    "responder",
    "audio",
    "video",
    "slides",
    "message",
    "set",
    "get",
    "result",
    "error",
    "unavailable",
    "groupchat",
    "session-initiate",
    "session-accept",
    "session-terminate",
    "session-info",
    "content-add",
    "content-accept",
    "content-reject",
    "content-remove",
    "content-modify",
    "transport-info",
    "transport-replace",
    "transport-accept",
    "transport-reject",
    "description-info",
    "actpass",
    "active",
    "passive",
    "holdconn",
    "sha-256",
    "opus",
    "VP8",
    "rtx",
    "apt",
    "udp",
    "host",
    "127.0.0.1",
    "::1",
    "SID",
    "PEER",
    "ROOM",
    "\u{1F4F1}\u{202E}\u{300}",
];

const ELEMENTS: [&str; 30] = [
    "jingle",
    "content",
    "description",
    "payload-type",
    "parameter",
    "transport",
    "candidate",
    "fingerprint",
    "reason",
    "success",
    "muji",
    "preparing",
    "x",
    "item",
    "status",
    "field",
    "value",
    "error",
    "query",
    "service",
    "propose",
    "proceed",
    "ringing",
    "mute",
    "hold",
    "ssrc-group",
    "source",
    "group",
    "dtmf",
    "sent",
];

const NAMESPACES: [&str; 16] = [
    ns::JINGLE,
    ns::RTP,
    ns::ICE_UDP,
    ns::DTLS,
    ns::MUJI,
    ns::MUC_USER,
    ns::DATA_FORMS,
    ns::JINGLE_MESSAGE,
    ns::RTP_INFO,
    ns::CARBONS,
    ns::FORWARD,
    ns::EXTDISCO,
    ns::CALL_INVITES,
    ns::STANZAS,
    ns::CLIENT,
    "",
];

const ATTRIBUTES: [&str; 20] = [
    "id",
    "type",
    "sid",
    "action",
    "name",
    "creator",
    "senders",
    "media",
    "ssrc",
    "jid",
    "nick",
    "code",
    "priority",
    "port",
    "ip",
    "hash",
    "setup",
    "semantics",
    "from",
    "to",
];

/// Most letters that a repetition adds: more than servers let through.
const LARGEST: usize = 1 << 20;

/// Attributes have fewer letters than two to this power: the reader of streams takes no longer ones.
const LONGEST: usize = 13;

/// Deepest that an element is wrapped: beyond what readers take.
const DEEPEST: usize = 100;

/// What the names in a target's stanzas stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names<'a> {
    pub(crate) sid: &'a str,
    pub(crate) peer: &'a str,
    pub(crate) room: &'a str,
}

/// Those of targets with one peer and one room.
pub(crate) const NAMES: Names<'static> =
    Names { sid: "s1", peer: "juliet@capulet.example/1", room: "balcony@conference.capulet.example" };

/// A stanza of a real client, changed.
pub(crate) fn stanza(choices: &mut Choices<'_>, names: Names<'_>) -> Element {
    made(choices, &STANZAS, names)
}

/// A Jingle element of a real client, changed.
pub(crate) fn request(choices: &mut Choices<'_>, names: Names<'_>) -> Element {
    made(choices, &REQUESTS, names)
}

fn made(choices: &mut Choices<'_>, all: &[Element], names: Names<'_>) -> Element {
    let mut element = choices.one_of(all).clone();
    change(choices, &mut element, names);
    element
}

/// Changes a stanza, up to seven times.
pub(crate) fn change(choices: &mut Choices<'_>, element: &mut Element, names: Names<'_>) {
    for _ in 0..choices.below(8) {
        let at = choices.below(count(element));
        change_once(choices, nth(element, at).expect("it is below their number"));
    }
    fill(element, names);
}

/// How many elements it is, itself among them.
fn count(element: &Element) -> usize {
    1 + element.children().map(count).sum::<usize>()
}

fn nth(element: &mut Element, at: usize) -> Option<&mut Element> {
    if at == 0 {
        return Some(element);
    }
    let mut before = 1;
    for child in element.children_mut() {
        let size = count(child);
        if at < before + size {
            return nth(child, at - before);
        }
        before += size;
    }
    None
}

/// Sets an attribute of a name that XML allows.
pub(crate) fn set(element: &mut Element, name: &str, value: &str) {
    let name = NcName::try_from(name).expect("the names of attributes are");
    element.set_attr(Namespace::NONE, name, value);
}

/// A name of one of its attributes, or another.
fn attribute(choices: &mut Choices<'_>, element: &Element) -> String {
    let there: Vec<&NcName> = element.attrs().iter().map(|((_, name), _)| name).collect();
    match choices.below(there.len() + 1) {
        0 => (*choices.one_of(&ATTRIBUTES)).to_owned(),
        at => there[at - 1].to_string(),
    }
}

/// Text of an input: what XML cannot carry is left out.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|letter| !letter.is_control()).collect()
}

fn change_once(choices: &mut Choices<'_>, element: &mut Element) {
    match choices.below(12) {
        0 => {
            let gone = choices.below(element.nodes().count());
            let nodes = element.take_nodes().into_iter().enumerate().filter(|(at, _)| *at != gone);
            nodes.for_each(|(_, node)| element.append_node(node));
        }
        1 => {
            let at = choices.below(element.children().count());
            let times = 1 << choices.below(8);
            let Some(child) = element.children().nth(at).cloned() else { return };
            if String::from(&child).len() * times > LARGEST {
                return;
            }
            for _ in 0..times {
                element.append_child(child.clone());
            }
        }
        2 => {
            let mut from = choices.one_of(&STANZAS).clone();
            let at = choices.below(count(&from));
            element.append_child(nth(&mut from, at).expect("it is below their number").clone());
        }
        3 => {
            let name = attribute(choices, element);
            let value = *choices.one_of(&VALUES);
            set(element, &name, value);
        }
        4 => {
            let name = attribute(choices, element);
            let name = NcName::try_from(name).expect("it is one of those");
            element.attrs_mut().remove(&Namespace::NONE, &name);
        }
        5 => {
            let name = attribute(choices, element);
            set(element, &name, &text(choices.bytes()));
        }
        6 => element.append_text(*choices.one_of(&VALUES)),
        7 => element.append_text(text(choices.bytes())),
        8 => {
            let (name, ns) = (choices.one_of(&ELEMENTS), element.ns());
            rename(element, name, &ns);
        }
        9 => {
            let (name, ns) = (element.name().to_owned(), choices.one_of(&NAMESPACES));
            rename(element, &name, ns);
        }
        10 => {
            for _ in 0..choices.below(DEEPEST) {
                let mut outer = Element::bare(element.name(), element.ns());
                outer.append_child(std::mem::replace(element, Element::bare("x", ns::CLIENT)));
                *element = outer;
            }
        }
        _ => {
            let name = attribute(choices, element);
            set(element, &name, &"x".repeat(1 << choices.below(LONGEST)));
        }
    }
}

/// The same under another name.
fn rename(element: &mut Element, name: &str, ns: &str) {
    let mut renamed = Element::bare(name, ns);
    for ((space, name), value) in element.attrs() {
        renamed.set_attr(space.clone(), name.clone(), value.as_str());
    }
    element.take_nodes().into_iter().for_each(|node| renamed.append_node(node));
    *element = renamed;
}

fn fill(element: &mut Element, names: Names<'_>) {
    for (_, value) in element.attrs_mut().iter_mut() {
        match value.as_str() {
            "SID" => *value = names.sid.to_owned(),
            "PEER" => *value = names.peer.to_owned(),
            "ROOM" => *value = names.room.to_owned(),
            _ => {}
        }
    }
    element.children_mut().for_each(|child| fill(child, names));
}
