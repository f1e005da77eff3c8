//! Short words for reading and building elements.

use std::fmt::Display;
use std::str::FromStr;

use jid::{BareJid, Jid};
use minidom::Element;
use minidom::rxml::{Namespace, NcName};

/// Longest sid, content name or other identifier that is kept.
pub(crate) const MAX_NAME: usize = 256;

/// Building, in writing order.
pub(crate) trait Build: Sized {
    /// Adds an attribute.
    fn with(self, name: &'static str, value: impl Display) -> Self;
    /// Adds an attribute if there is a value.
    fn with_opt(self, name: &'static str, value: Option<impl Display>) -> Self;
    /// Adds a child.
    fn child(self, child: Element) -> Self;
    /// Adds children.
    fn children_from(self, children: impl IntoIterator<Item = Element>) -> Self;
}

impl Build for Element {
    fn with(mut self, name: &'static str, value: impl Display) -> Self {
        let name = NcName::try_from(name).expect("the attribute names of this crate are NCNames");
        self.set_attr(Namespace::NONE, name, value.to_string());
        self
    }

    fn with_opt(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    fn child(mut self, child: Element) -> Self {
        self.append_child(child);
        self
    }

    fn children_from(self, children: impl IntoIterator<Item = Self>) -> Self {
        children.into_iter().fold(self, Build::child)
    }
}

/// An attribute as a value; `None` if absent or of another form.
pub(crate) fn parsed<T: FromStr>(element: &Element, name: &str) -> Option<T> {
    element.attr(name)?.trim().parse().ok()
}

/// The JID of a person. One whose resource is not one of RFC 6122 counts without it: who it is remains clear.
pub(crate) fn person(element: &Element, name: &str) -> Option<Jid> {
    let written = element.attr(name)?.trim();
    let bare = || written.split_once('/').and_then(|(bare, _)| BareJid::new(bare).ok());
    Jid::new(written).ok().or_else(|| bare().map(Jid::from))
}

/// An attribute as text of bounded length; `None` if absent or longer.
pub(crate) fn text(element: &Element, name: &str) -> Option<String> {
    element.attr(name).filter(|value| value.len() <= MAX_NAME).map(str::to_owned)
}
