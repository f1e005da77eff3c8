//! One content of a session or of a Muji presence: what it is and how it travels (XEP-0166 section 7.3).

use minidom::{Element, NSChoice};

use crate::element::{Build, text};
use crate::ice::Transport;
use crate::rtp::{Description, Media};
use crate::side::{Senders, Side};
use crate::{Skipped, ns};

/// Contents read of one stanza.
pub const MAX_CONTENTS: usize = 16;

/// One content of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Who added it; Dino omits it in presence, many in transport-info. Absent means the initiator.
    pub creator: Side,
    /// Its name, the key within the session.
    pub name: String,
    /// Who sends it.
    pub senders: Senders,
    /// What it is; absent in transport-info and the like.
    pub description: Option<Description>,
    /// How it travels.
    pub transport: Option<Transport>,
}

impl Content {
    /// A content with nothing in it yet: created by the initiator, sent by both.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            creator: Side::Initiator,
            name: name.to_owned(),
            senders: Senders::Both,
            description: None,
            transport: None,
        }
    }

    /// Its medium, if it has a description.
    #[must_use]
    pub fn media(&self) -> Option<&Media> {
        self.description.as_ref().map(|description| &description.media)
    }

    /// Reads a `<content/>`, also one in Muji's namespace; `None` without a name.
    #[must_use]
    pub fn read(element: &Element, skipped: &mut Skipped) -> Option<Self> {
        let Some(name) = text(element, "name") else {
            skipped.note("content", "no name, or one of more than 256 bytes");
            return None;
        };
        let mut this = Self::new(&name);
        if element.attr("creator") == Some("responder") {
            this.creator = Side::Responder;
        }
        if let Some(word) = element.attr("senders") {
            match Senders::from_word(word) {
                Some(senders) => this.senders = senders,
                None => skipped.note("content senders", word),
            }
        }
        for child in element.children() {
            if Description::matches(child) && this.description.is_none() {
                this.description = Description::read(child, skipped);
            } else if Transport::matches(child) && this.transport.is_none() {
                this.transport = Some(Transport::read(child, skipped));
            } else {
                skipped.note("content", child.name());
            }
        }
        Some(this)
    }

    /// Writes the element; `senders` only where it is not the default.
    #[must_use]
    pub fn write(&self) -> Element {
        self.write_with(Some(self.senders).filter(|senders| *senders != Senders::Both))
    }

    /// Writes the element with `senders` as given.
    pub(crate) fn write_with(&self, senders: Option<Senders>) -> Element {
        Element::bare("content", ns::JINGLE)
            .with("creator", self.creator)
            .with("name", &self.name)
            .with_opt("senders", senders)
            .children_from(self.description.as_ref().map(Description::write))
            .children_from(self.transport.as_ref().map(Transport::write))
    }
}

/// True for a Jingle content or one that inherited Muji's namespace, as XEP-0272's own examples do.
pub(crate) fn is_content(element: &Element) -> bool {
    element.is("content", NSChoice::AnyOf(&[ns::JINGLE, ns::MUJI]))
}
