//! Inviting to a call in a room (XEP-0482, and the form it had before, which is the only one that Dino 0.4 knows).

use jid::BareJid;
use minidom::Element;

use crate::element::{Build, parsed, text};
use crate::ns;

/// What a message does with an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteKind {
    /// Come to a call.
    Invite {
        /// With sound, as nearly always.
        audio: bool,
        /// With pictures.
        video: bool,
    },
    /// I come.
    Accept,
    /// I do not come.
    Reject,
    /// Nobody should come any more.
    Retract,
    /// I was there and am no more.
    Left,
}

/// A message about an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallInvite {
    /// Which invitation; the id of its message too, since others refer to either.
    pub id: String,
    /// What it does.
    pub kind: InviteKind,
    /// The room of the call, if it is named.
    pub room: Option<BareJid>,
    /// Another way to join, by a URI for people.
    pub external: Option<String>,
}

impl CallInvite {
    /// A message about the invitation of this id, with its room or without.
    #[must_use]
    pub fn new(id: &str, kind: InviteKind, room: Option<&BareJid>) -> Self {
        Self { id: id.to_owned(), kind, room: room.cloned(), external: None }
    }

    /// The invitation message among the children of a message: the new form if it has both, so that nothing rings twice. A client
    /// that follows the XEP exactly gives the element no id; then the message's [`reference()`] is the id.
    #[must_use]
    pub fn find(payloads: &[Element], reference: Option<String>) -> Option<Self> {
        let of = |ns: &str| payloads.iter().find(|payload| payload.ns() == ns);
        let element = of(ns::CALL_INVITES).or_else(|| of(ns::CALL_MESSAGE))?;
        let kind = match element.name() {
            "invite" | "propose" => InviteKind::Invite {
                audio: !matches!(element.attr("audio"), Some("false" | "0")),
                video: matches!(element.attr("video"), Some("true" | "1")),
            },
            "accept" => InviteKind::Accept,
            "reject" => InviteKind::Reject,
            "retract" => InviteKind::Retract,
            "left" | "finish" => InviteKind::Left,
            _ => return None,
        };
        let id = text(element, "id").or(reference)?;
        let room = element.get_child("muji", ns::MUJI).and_then(|muji| parsed(muji, "room"));
        let external = element.get_child("external", ns::CALL_INVITES).and_then(|external| text(external, "uri"));
        Some(Self { id, kind, room, external })
    }

    /// The elements of the message: both forms, and the hint that archives store it, as it has no body (XEP-0334).
    #[must_use]
    pub fn write(&self) -> Vec<Element> {
        let (new, old) = match self.kind {
            InviteKind::Invite { .. } => ("invite", "propose"),
            InviteKind::Accept => ("accept", "accept"),
            InviteKind::Reject => ("reject", "reject"),
            InviteKind::Retract => ("retract", "retract"),
            InviteKind::Left => ("left", "finish"),
        };
        let mut payloads = vec![self.form(new, ns::CALL_INVITES), self.form(old, ns::CALL_MESSAGE)];
        if matches!(self.kind, InviteKind::Invite { .. }) {
            payloads.push(Element::bare("origin-id", ns::STANZA_ID).with("id", &self.id));
        }
        payloads.push(Element::bare("store", ns::HINTS));
        payloads
    }

    fn form(&self, name: &'static str, ns: &'static str) -> Element {
        let element = Element::bare(name, ns).with("id", &self.id);
        let element = match self.kind {
            InviteKind::Invite { audio, video } => {
                let element = element.with_opt("audio", (!audio).then_some(false));
                element.with("video", video).with("multi", true)
            }
            InviteKind::Accept | InviteKind::Reject | InviteKind::Retract | InviteKind::Left => element,
        };
        element.children_from(self.room.as_ref().map(crate::muji::marker))
    }
}

/// By what a message is referred to (XEP-0482 section 3.1): in a chat room the id that the room itself gave it, else the one
/// that its sender gave it.
#[must_use]
pub fn reference(payloads: &[Element], message_id: Option<&str>, chat: Option<&BareJid>) -> Option<String> {
    let of = |name: &str| payloads.iter().filter(move |payload| payload.is(name, ns::STANZA_ID)).collect::<Vec<_>>();
    match chat {
        Some(room) => {
            let own = of("stanza-id").into_iter().find(|id| id.attr("by") == Some(room.as_str()));
            own.and_then(|id| text(id, "id"))
        }
        None => {
            let origin = of("origin-id").into_iter().find_map(|id| text(id, "id"));
            origin.or_else(|| message_id.map(|id| id.to_owned()))
        }
    }
}
