//! Traces out of files: what `muji-call --trace` writes, what a server's log of its clients says, and the recordings of other clients in
//! this repository.
//!
//! Each stanza stands in an element that says when it was: `<sent at='…'>` and `<received at='…'>` of one client, or `<stanza t='…' dir='C>S'
//! client='…'>` of one of several. A file may end in the middle, as one does that is still written.

use std::time::Duration;

use jid::FullJid;
use muji_xep::{Element, guard};
use thiserror::Error;

use super::Line;

/// The longest that a stanza may be.
const MAX_STANZA: usize = 1 << 20;

/// The most stanzas that are read.
const MAX_LINES: usize = 1 << 18;

/// What begins the element around a stanza.
const BEGINNINGS: [(&str, &str); 3] = [("<stanza ", "</stanza>"), ("<sent ", "</sent>"), ("<received ", "</received>")];

/// Why a file is no trace.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// There is no stanza in it.
    #[error(
        "there is no stanza in it; a trace is what muji-call --trace writes, or the log of a server as its documentation says"
    )]
    Empty,
    /// A stanza that cannot be read.
    #[error("line {0} holds a stanza that cannot be read: {1}")]
    Stanza(usize, String),
    /// It does not say whose it is.
    #[error(
        "it does not say whose connection it is: there is no client='…', and no stanza that was sent to a full JID"
    )]
    WhoseIsIt,
    /// It is longer than anybody would read.
    #[error("it holds more than {MAX_LINES} stanzas")]
    TooLong,
}

/// Reads one: each stanza with the number of the line on which it begins.
///
/// # Errors
/// If it is none.
pub fn read(text: &str) -> Result<Vec<(usize, Line)>, Unreadable> {
    let mut entries = Vec::new();
    let mut rest = text;
    let mut number = 1;
    while let Some((start, end)) = next(rest) {
        number += rest[..start].matches('\n').count();
        let Some(length) = rest[start..].find(end).map(|at| at + end.len()) else { break };
        let entry = entry(&rest[start..start + length]).map_err(|why| Unreadable::Stanza(number, why))?;
        entries.extend(entry.map(|entry| (number, entry)));
        if entries.len() > MAX_LINES {
            return Err(Unreadable::TooLong);
        }
        number += rest[start..start + length].matches('\n').count();
        rest = &rest[start + length..];
    }
    if entries.is_empty() {
        return Err(Unreadable::Empty);
    }
    let known = entries.iter().find_map(|(_, entry)| entry.whose());
    let line = |(number, entry): (usize, Entry)| {
        let client = entry.client.or_else(|| known.clone()).ok_or(Unreadable::WhoseIsIt)?;
        Ok((number, Line { at: entry.at, client, said: entry.said, stanza: entry.stanza }))
    };
    entries.into_iter().map(line).collect()
}

/// Where the next entry begins, and what ends it.
fn next(text: &str) -> Option<(usize, &'static str)> {
    BEGINNINGS.iter().filter_map(|(begin, end)| Some((text.find(begin)?, *end))).min()
}

struct Entry {
    at: Duration,
    client: Option<FullJid>,
    said: bool,
    stanza: Element,
}

impl Entry {
    /// Whose connection it is: who bound a resource, or to whom somebody spoke.
    fn whose(&self) -> Option<FullJid> {
        if let Some(client) = &self.client {
            return Some(client.clone());
        }
        let bound = self.stanza.get_child("bind", "urn:ietf:params:xml:ns:xmpp-bind");
        let bound = bound.and_then(|bind| bind.children().find(|child| child.name() == "jid"));
        let spoken = (!self.said).then(|| self.stanza.attr("to").map(str::to_owned)).flatten();
        bound.map(Element::text).or(spoken)?.parse().ok()
    }
}

/// `None` for what is no stanza, such as what belongs to the stream.
fn entry(text: &str) -> Result<Option<Entry>, String> {
    if text.len() > MAX_STANZA {
        return Err(format!("it has more than {MAX_STANZA} bytes"));
    }
    // The element around it need not say in which namespace it is.
    let inside = text.find('>').ok_or("an element without an end")?;
    let head = &text[..inside];
    let named =
        if head.contains("xmlns=") { text.to_owned() } else { text.replacen(' ', " xmlns='jabber:client' ", 1) };
    if depth(&named) > guard::MAX_DEPTH {
        return Err("it is too deep".to_owned());
    }
    let around: Element = named.parse().map_err(|why| format!("{why}"))?;
    let at = around.attr("t").or_else(|| around.attr("at")).and_then(|at| at.parse::<f64>().ok());
    let at = at.filter(|at| at.is_finite() && (0.0..1e9).contains(at)).ok_or("it does not say when it was")?;
    let said = around.name() == "sent" || around.attr("dir").is_some_and(|dir| dir.starts_with('C'));
    let client = around.attr("client").and_then(|client| client.parse().ok());
    let stanza = around.children().find(|child| matches!(child.name(), "iq" | "presence" | "message"));
    Ok(stanza.filter(|stanza| stanza.ns() == "jabber:client").map(|stanza| Entry {
        at: Duration::from_secs_f64(at),
        client,
        said,
        stanza: stanza.clone(),
    }))
}

/// How deep its elements stand in each other, or more. It is looked at before it is parsed: dropping a tree that is too deep
/// exhausts the stack.
fn depth(text: &str) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for tag in text.split('<').skip(1) {
        if tag.starts_with('/') {
            now = now.saturating_sub(1);
        } else if !tag.split('>').next().unwrap_or_default().ends_with('/') {
            now += 1;
            most = most.max(now);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_muji_call_writes_is_read_even_if_it_ends_in_the_middle() {
        let text = "<trace xmlns='urn:muji:trace'>\n<sent at='0.5'><presence xmlns='jabber:client'/></sent>\n\
                    <received at='0.7'><iq xmlns='jabber:client' to='a@b/c' type='result'/></received>\n<sent at='0.9'><iq xm";
        let lines = read(text).expect("it is a trace");
        let seen: Vec<_> = lines.iter().map(|(number, line)| (*number, line.said, line.client.as_str())).collect();
        assert_eq!(seen, [(2, true, "a@b/c"), (3, false, "a@b/c")]);
    }

    #[test]
    fn the_log_of_a_server_is_read_with_whose_connection_it_is() {
        let text = "<trace>\n<stanza t='1.0' dir='C&gt;S' client='a@b/c'><iq type='get' id='1'/></stanza>";
        let lines = read(text).expect("it is a trace");
        assert!(lines[0].1.said && lines[0].1.client.as_str() == "a@b/c");
    }

    #[test]
    fn what_is_no_trace_is_refused_with_the_line() {
        assert_eq!(read("nothing").err(), Some(Unreadable::Empty));
        let broken = "\n<sent at='1'><presence xmlns='jabber:client'></sent>";
        assert!(matches!(read(broken), Err(Unreadable::Stanza(2, _))));
        let deep = format!("<sent at='1'>{}{}</sent>", "<a xmlns='a'>".repeat(50_000), "</a>".repeat(50_000));
        assert!(matches!(read(&deep), Err(Unreadable::Stanza(1, _))));
        assert_eq!(read("<sent at='1'><presence xmlns='jabber:client'/></sent>").err(), Some(Unreadable::WhoseIsIt));
    }
}
