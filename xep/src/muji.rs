//! Muji information in a room presence (XEP-0272 sections 3 to 6).

use std::collections::BTreeSet;

use jid::BareJid;
use minidom::Element;

use crate::content::{Content, MAX_CONTENTS, is_content};
use crate::element::Build;
use crate::{Skipped, ns};

/// What a participant publishes in its presence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MujiElement {
    /// It is choosing its payload types; participants who prepare after it wait (XEP-0272 section 3).
    pub preparing: bool,
    /// What it sends and can receive, one entry a name.
    pub contents: Vec<Content>,
}

impl MujiElement {
    /// Only `<preparing/>`.
    #[must_use]
    pub fn preparing() -> Self {
        Self { preparing: true, contents: Vec::new() }
    }

    /// Only contents.
    #[must_use]
    pub fn with(contents: Vec<Content>) -> Self {
        Self { preparing: false, contents }
    }

    /// The Muji element among the children of a presence.
    #[must_use]
    pub fn find(payloads: &[Element]) -> Option<&Element> {
        payloads.iter().find(|payload| payload.is("muji", ns::MUJI))
    }

    /// Reads a `<muji/>`. Of two contents with one name the first counts.
    #[must_use]
    pub fn read(element: &Element, skipped: &mut Skipped) -> Self {
        let mut this = Self::default();
        let mut names = BTreeSet::new();
        for child in element.children() {
            if child.is("preparing", ns::MUJI) {
                this.preparing = true;
            } else if is_content(child) && this.contents.len() < MAX_CONTENTS {
                let Some(content) = Content::read(child, skipped) else { continue };
                if names.insert(content.name.clone()) {
                    this.contents.push(content);
                } else {
                    skipped.note("muji", format_args!("a second content named {}", content.name));
                }
            } else if !child.is("device", ns::DTLS_OMEMO) {
                skipped.note("muji", child.name());
            }
        }
        this
    }

    /// Writes the element, contents in Jingle's namespace: Dino and Movim see no others.
    #[must_use]
    pub fn write(&self) -> Element {
        Element::bare("muji", ns::MUJI)
            .children_from(self.preparing.then(|| Element::bare("preparing", ns::MUJI)))
            .children_from(self.contents.iter().map(Content::write))
    }
}

/// `<muji room=…/>`, which marks a session as part of a conference.
pub(crate) fn marker(room: &BareJid) -> Element {
    Element::bare("muji", ns::MUJI).with("room", room)
}
