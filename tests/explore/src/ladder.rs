//! The path to a violation as a ladder diagram in text.

use muji_xep::Element;

use crate::search::World;

/// A line for each step: what happens and what it carries.
pub(crate) fn draw<W: World>(first: &W, steps: &[W::Move]) -> Vec<String> {
    let mut state = first.clone();
    let mut lines = Vec::new();
    for (index, happens) in steps.iter().enumerate() {
        lines.push(format!("{:>4}  {}", index + 1, state.line(*happens)));
        state.act(*happens);
    }
    lines
}

/// What happens, and what it carries.
pub(crate) fn line(happens: &impl ToString, carries: Option<&Element>) -> String {
    format!("{:<44} {}", happens.to_string(), carries.map(words).unwrap_or_default())
}

/// A stanza in a few words.
fn words(stanza: &Element) -> String {
    let kind = stanza.attr("type").unwrap_or_default();
    let from = stanza.attr("from").map(|from| format!(" of {from}")).unwrap_or_default();
    if let Some(jingle) = stanza.children().find(|child| child.name() == "jingle") {
        let sid: String = jingle.attr("sid").unwrap_or_default().chars().take(8).collect();
        let reason = jingle.get_child("reason", muji_xep::ns::JINGLE).and_then(|reason| reason.children().next());
        let reason = reason.map(|reason| format!(" ({})", reason.name())).unwrap_or_default();
        return format!("{} {sid}{reason}", jingle.attr("action").unwrap_or_default());
    }
    let copied = stanza.children().find(|child| child.ns() == muji_xep::ns::CARBONS);
    if let Some(copy) = copied {
        let forwarded = copy.children().flat_map(Element::children).find(|child| child.name() == "message");
        return format!("a copy of what was {}:{}", copy.name(), forwarded.map(words).unwrap_or_default());
    }
    if let Some(word) = stanza.children().find(|child| child.ns() == muji_xep::ns::JINGLE_MESSAGE) {
        let id: String = word.attr("id").unwrap_or_default().chars().take(8).collect();
        return format!("{} {id}{from}", word.name());
    }
    if stanza.name() != "presence" {
        return format!("{} {kind}{from}", stanza.name());
    }
    let muji = stanza.children().find(|child| child.name() == "muji");
    let says = match muji {
        Some(muji) => {
            let mut parts: Vec<&str> = muji.children().map(Element::name).collect();
            parts.dedup();
            parts.join(" and ")
        }
        None => "nothing of a call".to_owned(),
    };
    let own = stanza.children().any(|child| child.children().any(|code| code.attr("code") == Some("110")));
    format!("presence{from}{}: {}", if own { " (its own)" } else { "" }, if kind.is_empty() { &says } else { kind })
}
