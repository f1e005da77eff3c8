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

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> BareJid {
        "balcony@conference.example.org".parse().expect("a JID")
    }

    #[test]
    fn every_word_about_an_invitation_is_read_in_either_form_as_it_was_written() {
        let came = |audio, video| InviteKind::Invite { audio, video };
        let words = [InviteKind::Accept, InviteKind::Reject, InviteKind::Retract, InviteKind::Left];
        for kind in [came(true, false), came(true, true), came(false, true)].into_iter().chain(words) {
            let invite = CallInvite::new("i", kind, Some(&room()));
            let written = invite.write();
            assert_eq!(CallInvite::find(&written, None).as_ref(), Some(&invite), "{kind:?}");
            assert_eq!(CallInvite::find(&written[1..], None).as_ref(), Some(&invite), "{kind:?}, as Dino 0.4 has it");
            assert_eq!(CallInvite::find(&written[2..], None), None);
        }
    }

    #[test]
    fn an_invitation_without_an_id_has_that_of_its_message_and_is_with_sound_alone_if_it_does_not_say() {
        let bare: Element = "<invite xmlns='urn:xmpp:call-invites:0'/>".parse().expect("it is well-formed");
        let alone = InviteKind::Invite { audio: true, video: false };
        let read = CallInvite::find(std::slice::from_ref(&bare), Some("m".to_owned()));
        assert_eq!(read, Some(CallInvite::new("m", alone, None)));
        assert_eq!(CallInvite::find(&[bare], None), None, "nobody could answer it");
    }

    #[test]
    fn a_message_is_referred_to_by_the_id_that_its_chat_room_gave_it_and_elsewhere_by_that_of_its_sender() {
        let id = |name: &'static str, by: &str, id: &str| {
            Element::bare(name, ns::STANZA_ID).with_opt("by", Some(by).filter(|by| !by.is_empty())).with("id", id)
        };
        let ids = [
            id("stanza-id", "forger@example.org", "forged"),
            id("stanza-id", room().as_str(), "of-the-room"),
            id("origin-id", "", "of-the-sender"),
        ];
        assert_eq!(reference(&ids, Some("m"), Some(&room())).as_deref(), Some("of-the-room"));
        assert_eq!(reference(&ids[..1], Some("m"), Some(&room())), None);
        assert_eq!(reference(&ids, Some("m"), None).as_deref(), Some("of-the-sender"));
        assert_eq!(reference(&ids[..2], Some("m"), None).as_deref(), Some("m"));
    }
}
