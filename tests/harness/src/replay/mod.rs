//! What a trace shows: who did what, and which requirements that breaks. Only stanzas that were sent are judged: what a client should have sent
//! and did not is for the conformance cases.

mod room;
mod session;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::register::Register;
use jid::FullJid;
use muji_trace::Line;
use muji_xep::{Element, ns};

use room::Rooms;
use session::Sessions;

/// A requirement that a line breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The line of the file.
    pub line: usize,
    /// Who breaks it.
    pub client: FullJid,
    /// Which requirement.
    pub id: &'static str,
    /// How.
    pub how: String,
}

/// What is known of one client at a point of the trace.
#[derive(Debug, Default)]
struct Known {
    rooms: Rooms,
    sessions: Sessions,
}

/// Every requirement that is broken by those whose connections are traced, in order.
#[must_use]
pub fn breaches(lines: &[(usize, Line)]) -> Vec<Breach> {
    let mut clients: BTreeMap<FullJid, Known> = BTreeMap::new();
    let mut found = Vec::new();
    for (number, line) in lines {
        let known = clients.entry(line.client.clone()).or_default();
        let mut breach = |id: &'static str, how: String| {
            found.push(Breach { line: *number, client: line.client.clone(), id, how });
        };
        if line.said {
            messages(line, &mut breach);
            known.rooms.said(line, &mut breach);
            known.sessions.said(line, &known.rooms, &mut breach);
        } else {
            let gone = known.rooms.heard(line);
            known.sessions.heard(line);
            gone.iter().for_each(|gone| known.sessions.end_with(gone));
        }
    }
    found
}

/// How a breach is noted.
type Note<'a> = dyn FnMut(&'static str, String) + 'a;

/// Words about calls outside of sessions.
fn messages(line: &Line, breach: &mut Note<'_>) {
    if line.stanza.name() != "message" {
        return;
    }
    let has = |ns: &str| line.stanza.children().any(|child| child.ns() == ns);
    let kept = line.stanza.children().any(|child| child.is("store", ns::HINTS));
    if has(ns::JINGLE_MESSAGE) && line.stanza.attr("type") != Some("chat") {
        breach("jmi-gen-01", format!("a word about a call is a message of type {}", kind(&line.stanza)));
    }
    if has(ns::JINGLE_MESSAGE) && !kept {
        breach("jmi-gen-01", "a word about a call does not ask archives to keep it".to_owned());
    }
    if has(ns::CALL_MESSAGE) && !has(ns::CALL_INVITES) {
        breach("cinv-invite-01", "an invitation is spoken of in the namespace before XEP-0482 alone".to_owned());
    }
    if (has(ns::CALL_INVITES) || has(ns::CALL_MESSAGE)) && !kept {
        breach("hint-01", "a word about an invitation does not ask archives to keep it".to_owned());
    }
}

fn kind(stanza: &Element) -> &str {
    stanza.attr("type").unwrap_or("normal")
}

/// What is found, for people: each breach with its line, and how often each requirement is broken by whom.
#[must_use]
pub fn report(register: &Register, lines: &[(usize, Line)], breaches: &[Breach]) -> String {
    let mut text = String::new();
    for Breach { line, client, id, how } in breaches {
        let _infallible = writeln!(text, "line {line}: {client}: {how}\n    {} ({id})", register.section(id));
    }
    let mut clients: BTreeMap<&FullJid, (usize, usize)> = BTreeMap::new();
    for (_, line) in lines {
        clients.entry(&line.client).or_default().0 += usize::from(line.said);
    }
    for breach in breaches {
        clients.entry(&breach.client).or_default().1 += 1;
    }
    for (client, (said, broken)) in clients {
        let _infallible = writeln!(text, "{client}: {said} stanzas said, {broken} breaches");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use muji_trace::read;

    use super::*;

    fn broken(folder: &str, file: &str) -> BTreeSet<&'static str> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xep/fixtures").join(folder).join(file);
        let text = std::fs::read_to_string(path).expect("the fixture is there");
        breaches(&read(&text).expect("it is a trace")).iter().map(|breach| breach.id).collect()
    }

    #[test]
    fn calls_of_real_clients_break_what_those_are_known_to_break_and_nothing_else() {
        let known: [(&str, &str, &[&str]); 5] = [
            ("dino-0.4.2", "muji-2party.xml", &["cinv-invite-01", "jingle-accept-03", "jingle-init-03"]),
            ("dino-0.4.2", "muji-late-join.xml", &["cinv-invite-01", "jingle-accept-03", "jingle-init-03"]),
            ("dino-0.5.1", "muji-3party.xml", &["jingle-accept-03", "jingle-init-03"]),
            ("chromium", "race3-n1.xml", &["muc-join-03", "muji-join-05"]),
            ("chromium", "1to1-caller.xml", &[]),
        ];
        for (folder, file, ids) in known {
            assert_eq!(broken(folder, file), ids.iter().copied().collect(), "{folder}/{file}");
        }
    }

    #[test]
    fn each_breach_is_found_on_its_line() {
        let register = Register::of_this_repository().expect("it can be read");
        for (stanza, id) in BROKEN {
            let text = format!("<trace>{BEFORE}\n<stanza t='9' dir='C>S' client='a@b/c'>{stanza}</stanza>");
            let found = breaches(&read(&text).expect("it is a trace"));
            let found: Vec<_> = found.iter().map(|breach| (breach.line, breach.id)).collect();
            assert!(found.contains(&(BEFORE.lines().count() + 1, id)), "{stanza}: {found:?}");
            assert!(register.contains(id), "{id}");
        }
    }

    #[test]
    fn one_who_comes_later_and_does_not_call_may_be_called_after_a_while_and_one_who_comes_back_again() {
        let late = "<presence from='r@conf/late'><muji xmlns='urn:xmpp:jingle:muji:0'><content xmlns='urn:xmpp:jingle:1' name='audio'/>\
                    </muji><x xmlns='http://jabber.org/protocol/muc#user'><item jid='late@b/1'/></x></presence>";
        let gone = "<presence type='unavailable' from='r@conf/late'><x xmlns='http://jabber.org/protocol/muc#user'><item/></x></presence>";
        let offer = "<iq type='set' id='1' to='late@b/1'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='1' \
                     initiator='a@b/c'><muji xmlns='urn:xmpp:jingle:muji:0' room='r@conf'/></jingle></iq>";
        let publishes = "<presence to='r@conf/a'><muji xmlns='urn:xmpp:jingle:muji:0'><content xmlns='urn:xmpp:jingle:1' name='audio'/>\
                         </muji></presence>";
        let line = |(at, way, stanza): &(u8, &str, &str)| {
            format!("<stanza t='{at}' dir='{way}' client='a@b/c'>{stanza}</stanza>\n")
        };
        let who_is_called = |lines: &[(u8, &str, &str)]| {
            let text = format!("<trace>{BEFORE}\n{}", lines.iter().map(line).collect::<String>());
            let found = breaches(&read(&text).expect("it is a trace"));
            let of_calls = found.iter().map(|breach| breach.id).filter(|id| id.starts_with("muji-sess-"));
            of_calls.collect::<Vec<_>>()
        };
        let there = [(25, "C>S", publishes), (30, "S>C", late)];
        assert_eq!(who_is_called(&[&there[..], &[(31, "C>S", offer)]].concat()), ["muji-sess-02"]);
        let called = [&there[..], &[(40, "C>S", offer)]].concat();
        assert_eq!(who_is_called(&called), [""; 0]);
        assert_eq!(who_is_called(&[&called[..], &[(41, "C>S", offer)]].concat()), ["muji-sess-01"]);
        let back = [(42, "S>C", gone), (43, "S>C", late), (60, "C>S", offer)];
        assert_eq!(who_is_called(&[&called[..], &back].concat()), [""; 0]);
        let refused = [(41, "S>C", "<iq type='error' id='1' from='late@b/1'/>"), (42, "C>S", offer)];
        assert_eq!(who_is_called(&[&called[..], &refused].concat()), [""; 0]);
    }

    /// A client is in a room with two who publish: one came before it, one later.
    const BEFORE: &str = "
<stanza t='1' dir='C>S' client='a@b/c'><presence to='r@conf/a'><x xmlns='http://jabber.org/protocol/muc'><history maxchars='0'/></x>\
<muji xmlns='urn:xmpp:jingle:muji:0'><preparing/></muji><c xmlns='http://jabber.org/protocol/caps'/></presence></stanza>
<stanza t='2' dir='S>C' client='a@b/c'><presence from='r@conf/first'><muji xmlns='urn:xmpp:jingle:muji:0'>\
<content xmlns='urn:xmpp:jingle:1' name='audio'/></muji><x xmlns='http://jabber.org/protocol/muc#user'><item jid='first@b/1'/></x></presence></stanza>
<stanza t='2' dir='S>C' client='a@b/c'><presence from='r@conf/waiting'><muji xmlns='urn:xmpp:jingle:muji:0'><preparing/></muji>\
<x xmlns='http://jabber.org/protocol/muc#user'><item jid='waiting@b/1'/></x></presence></stanza>
<stanza t='2' dir='S>C' client='a@b/c'><presence from='r@conf/a'><muji xmlns='urn:xmpp:jingle:muji:0'><preparing/></muji>\
<x xmlns='http://jabber.org/protocol/muc#user'><item jid='a@b/c'/><status code='110'/></x></presence></stanza>";

    const BROKEN: [(&str, &str); 9] = [
        ("<presence to='r@conf/a'><muji xmlns='urn:xmpp:jingle:muji:0'><preparing/></muji></presence>", "muji-join-05"),
        (
            "<presence to='r@conf/a'><muji xmlns='urn:xmpp:jingle:muji:0'><content name='audio'/></muji></presence>",
            "muji-xml-01",
        ),
        (
            "<presence to='r@conf/a'><muji xmlns='urn:xmpp:jingle:muji:0'><content xmlns='urn:xmpp:jingle:1' name='audio'/></muji></presence>",
            "muji-join-03",
        ),
        (
            "<iq type='set' to='first@b/1'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='1' initiator='a@b/c'>\
             <muji xmlns='urn:xmpp:jingle:muji:0' room='r@conf'/></jingle></iq>",
            "muji-sess-03",
        ),
        (
            "<iq type='set' to='waiting@b/1'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='1' initiator='a@b/c'>\
             <muji xmlns='urn:xmpp:jingle:muji:0' room='r@conf'/></jingle></iq>",
            "muji-leave-03",
        ),
        (
            "<iq type='set' to='r@conf/first'><jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='1'/></iq>",
            "muji-sess-04",
        ),
        (
            "<iq type='set' to='x@b/1'><jingle xmlns='urn:xmpp:jingle:1' action='session-terminate' sid='1'/></iq>",
            "jingle-term-02",
        ),
        ("<message to='x@b'><propose xmlns='urn:xmpp:jingle-message:0' id='1'/></message>", "jmi-gen-01"),
        ("<presence to='r@conf/a'><x xmlns='http://jabber.org/protocol/muc#user'/></presence>", "muc-pres-06"),
    ];
}
