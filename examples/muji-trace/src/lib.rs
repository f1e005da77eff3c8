//! Traces of XMPP calls: who sent and received which stanza when. They are read from files, told in a few words, and drawn as diagrams.

pub mod diagram;
mod read;

pub use read::{Unreadable, read};

use std::time::Duration;

use jid::FullJid;
use muji_xep::{Element, ns};

/// A stanza that a client said or heard.
#[derive(Debug, Clone)]
pub struct Line {
    /// When, from the start.
    pub at: Duration,
    /// Whose connection it went over.
    pub client: FullJid,
    /// Said by the client, or heard.
    pub said: bool,
    /// What.
    pub stanza: Element,
}

impl Line {
    /// The Jingle request in it, if it is one.
    #[must_use]
    pub fn jingle(&self) -> Option<&Element> {
        let request = self.stanza.name() == "iq" && self.stanza.attr("type") == Some("set");
        self.stanza.children().find(|child| request && child.is("jingle", ns::JINGLE))
    }

    /// The request, if it has this action.
    #[must_use]
    pub fn action(&self, action: &str) -> Option<&Element> {
        self.jingle().filter(|jingle| jingle.attr("action") == Some(action))
    }

    /// What a presence that is no goodbye says of a call.
    #[must_use]
    pub fn muji(&self) -> Option<&Element> {
        let present = self.stanza.name() == "presence" && self.stanza.attr("type").is_none();
        self.stanza.children().find(|child| present && child.is("muji", ns::MUJI))
    }

    /// True for the answer to a request.
    #[must_use]
    pub fn answers(&self, id: &str) -> bool {
        let answer = matches!(self.stanza.attr("type"), Some("result" | "error"));
        answer && self.stanza.name() == "iq" && self.stanza.attr("id") == Some(id)
    }

    /// The names of an error's conditions, the general one first.
    #[must_use]
    pub fn conditions(&self) -> Vec<&str> {
        let error = self.stanza.children().find(|child| child.name() == "error");
        error.into_iter().flat_map(Element::children).map(Element::name).filter(|name| *name != "text").collect()
    }

    /// In a few words: when, who, what.
    #[must_use]
    pub fn words(&self) -> String {
        let (way, other) = if self.said { ("->", "to") } else { ("<-", "from") };
        let other = self.stanza.attr(other).unwrap_or("the server");
        format!("{:8.3} s  {} {way} {other}: {}", self.at.as_secs_f64(), self.client, words(&self.stanza))
    }
}

/// True if it publishes contents.
#[must_use]
pub fn publishes(muji: &Element) -> bool {
    muji.children().any(|child| child.name() == "content")
}

/// True if it says that it prepares.
#[must_use]
pub fn prepares(muji: &Element) -> bool {
    muji.has_child("preparing", ns::MUJI)
}

/// What a stanza says, in a few words.
#[must_use]
pub fn words(stanza: &Element) -> String {
    let kind = stanza.attr("type").map(|kind| format!(" {kind}")).unwrap_or_default();
    let error = stanza.children().find(|child| child.name() == "error");
    let detail = match error {
        Some(error) => error.children().map(Element::name).collect::<Vec<_>>().join(" "),
        None => stanza.children().filter(|child| child.ns() != ns::CAPS).map(child).collect::<Vec<_>>().join(", "),
    };
    format!("{}{kind}{}{detail}", stanza.name(), if detail.is_empty() { "" } else { ": " })
}

fn child(child: &Element) -> String {
    if child.is("jingle", ns::JINGLE) {
        let sid: String = child.attr("sid").unwrap_or_default().chars().take(8).collect();
        let reason = child.get_child("reason", ns::JINGLE).and_then(|reason| reason.children().next());
        let reason = reason.map(|reason| format!(" ({})", reason.name())).unwrap_or_default();
        return format!("{} {sid}{reason}", child.attr("action").unwrap_or("without an action"));
    }
    if child.is("muji", ns::MUJI) {
        let mut says: Vec<&str> = child.children().map(Element::name).collect();
        says.dedup();
        return format!("muji {}", says.join(" and "));
    }
    let codes = child.children().filter_map(|child| child.attr("code")).collect::<Vec<_>>().join(" ");
    let id = child.attr("id").map(|id| format!(" {id}")).unwrap_or_default();
    format!("{}{id}{}{codes}", child.name(), if codes.is_empty() { "" } else { " " })
}
