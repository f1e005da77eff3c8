//! Ringing all devices of a person before there is a session (XEP-0353).

use minidom::Element;

use crate::element::{Build, text};
use crate::jingle::{Reason, ReasonElement};
use crate::rtp::Media;
use crate::{dtls, ns};

/// Media read of one proposal; there are two kinds.
const MAX_MEDIA: usize = 4;

/// What a message does with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageKind {
    /// The caller wants to talk, with these media.
    Propose(Vec<Media>),
    /// A device is asking its user.
    Ringing,
    /// The callee takes the call on this device.
    Proceed,
    /// The same, to the user's own devices, before version 0.5; Dino and stanza.js still send it beside `proceed`.
    Accept,
    /// The callee declines.
    Reject(MessageReason),
    /// The caller takes the proposal back.
    Retract(MessageReason),
    /// The call is over.
    Finish(MessageReason),
}

/// The reason of a reject, retract or finish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageReason {
    /// The reason, if there is one.
    pub why: Option<ReasonElement>,
    /// Both proposed at once, and the other proposal goes on.
    pub tie_break: bool,
    /// The call goes on under this id, with `finish`.
    pub migrated: Option<String>,
}

impl From<Reason> for MessageReason {
    fn from(reason: Reason) -> Self {
        Self { why: Some(reason.into()), ..Self::default() }
    }
}

impl MessageReason {
    /// Both proposed at once, and this proposal ends.
    #[must_use]
    pub fn tie_break() -> Self {
        Self { tie_break: true, ..Reason::Expired.into() }
    }

    /// The call goes on under another id.
    #[must_use]
    pub fn migrated(to: &str) -> Self {
        Self { migrated: Some(to.to_owned()), ..Reason::Expired.into() }
    }

    fn read(element: &Element) -> Self {
        let migrated = element.get_child("migrated", ns::JINGLE_MESSAGE);
        Self {
            why: element.get_child("reason", ns::JINGLE).map(ReasonElement::read),
            tie_break: element.has_child("tie-break", ns::JINGLE_MESSAGE),
            migrated: migrated.and_then(|migrated| text(migrated, "to")),
        }
    }

    fn write(&self) -> impl Iterator<Item = Element> {
        let tie_break = self.tie_break.then(|| Element::bare("tie-break", ns::JINGLE_MESSAGE));
        let migrated = self.migrated.as_ref().map(|to| Element::bare("migrated", ns::JINGLE_MESSAGE).with("to", to));
        self.why.as_ref().map(ReasonElement::write).into_iter().chain(tie_break).chain(migrated)
    }
}

/// A message about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JingleMessage {
    /// The call; its Jingle session has the same id.
    pub id: String,
    /// What it does.
    pub kind: MessageKind,
    /// With [`MessageKind::Proceed`]: the sender's device for the encryption to which its certificate can be tied.
    pub device: Option<u32>,
}

impl JingleMessage {
    /// A message about the call of this id.
    #[must_use]
    pub fn new(id: &str, kind: MessageKind) -> Self {
        Self { id: id.to_owned(), kind, device: None }
    }

    /// The Jingle message among the children of a message. A proposal without a medium is none.
    #[must_use]
    pub fn find(payloads: &[Element]) -> Option<Self> {
        let element = payloads.iter().find(|payload| payload.ns() == ns::JINGLE_MESSAGE)?;
        let kind = match element.name() {
            "propose" => {
                let described = element.children().filter(|child| child.is("description", ns::RTP));
                let mut media: Vec<Media> = Vec::new();
                for medium in described.filter_map(Media::read).take(MAX_MEDIA) {
                    media.extend((!media.contains(&medium)).then_some(medium));
                }
                MessageKind::Propose(Some(media).filter(|media| !media.is_empty())?)
            }
            "ringing" => MessageKind::Ringing,
            "proceed" => MessageKind::Proceed,
            "accept" => MessageKind::Accept,
            "reject" => MessageKind::Reject(MessageReason::read(element)),
            "retract" => MessageKind::Retract(MessageReason::read(element)),
            "finish" => MessageKind::Finish(MessageReason::read(element)),
            _ => return None,
        };
        let id = text(element, "id").filter(|id| !id.is_empty())?;
        let device = dtls::device_id(element).filter(|_| kind == MessageKind::Proceed);
        Some(Self { id, kind, device })
    }

    /// The elements of a message of type chat: the Jingle message, and the hint that archives store it, as it has no body (XEP-0334).
    #[must_use]
    pub fn write(&self) -> Vec<Element> {
        let element = |name| Element::bare(name, ns::JINGLE_MESSAGE).with("id", &self.id);
        let element = match &self.kind {
            MessageKind::Propose(media) => {
                let described = media.iter().map(Media::describe);
                element("propose").children_from(described)
            }
            MessageKind::Ringing => element("ringing"),
            MessageKind::Proceed => element("proceed").children_from(self.device.map(dtls::write_device_id)),
            MessageKind::Accept => element("accept"),
            MessageKind::Reject(because) => element("reject").children_from(because.write()),
            MessageKind::Retract(because) => element("retract").children_from(because.write()),
            MessageKind::Finish(because) => element("finish").children_from(because.write()),
        };
        vec![element, Element::bare("store", ns::HINTS)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_about_a_call_without_an_id_is_none() {
        let read = |text: &str| JingleMessage::find(&[text.parse().expect("it is well-formed")]);
        assert_eq!(
            read("<ringing xmlns='urn:xmpp:jingle-message:0' id='a'/>"),
            Some(JingleMessage::new("a", MessageKind::Ringing))
        );
        assert_eq!(read("<ringing xmlns='urn:xmpp:jingle-message:0' id=''/>"), None);
        assert_eq!(read("<ringing xmlns='urn:xmpp:jingle-message:0'/>"), None);
    }
}
