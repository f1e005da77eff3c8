//! A call as a sequence diagram (SVG): a lifeline for the room and for each participant, an arrow for each stanza, time runs downwards.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use jid::{BareJid, FullJid, Jid};
use muji_xep::muc::MucUser;
use muji_xep::{Element, ns};

use super::{Line, words};

/// The most arrows: a picture of more is no picture.
const MAX_ARROWS: usize = 400;

/// The most lines down.
const MAX_PEOPLE: usize = 12;

const COLUMN: usize = 210;
const LEFT: usize = 90;
const ROW: usize = 26;
const TOP: usize = 60;

/// An arrow.
struct Arrow {
    at: Duration,
    from: usize,
    to: usize,
    text: String,
    kind: &'static str,
}

/// The longest name.
const NAME: usize = 16;

/// The picture while it is drawn.
#[derive(Default)]
struct Drawing {
    /// Whose connections are traced.
    traced: BTreeSet<FullJid>,
    /// Rooms and people, from left to right.
    people: Vec<Jid>,
    /// Who is behind each nick.
    nicks: Vec<(FullJid, FullJid)>,
    rooms: Vec<BareJid>,
    arrows: Vec<Arrow>,
    left_out: usize,
}

/// Draws what was said.
#[must_use]
pub fn draw<'a>(title: &str, lines: impl IntoIterator<Item = &'a Line> + Clone) -> String {
    let traced = lines.clone().into_iter().map(|line| line.client.clone()).collect();
    let mut drawing = Drawing { traced, ..Drawing::default() };
    for line in lines {
        drawing.learn(line);
        drawing.line(line);
    }
    drawing.svg(title)
}

impl Drawing {
    /// Which addresses are rooms, and who is behind a nick.
    fn learn(&mut self, line: &Line) {
        if line.stanza.name() != "presence" {
            return;
        }
        let enters = line.said && line.stanza.has_child("x", ns::MUC);
        let address =
            line.stanza.attr(if line.said { "to" } else { "from" }).and_then(|jid| jid.parse::<FullJid>().ok());
        let payloads: Vec<Element> = line.stanza.children().cloned().collect();
        let user = if line.said { None } else { MucUser::find(&payloads) };
        let Some(address) = address.filter(|_| enters || user.is_some()) else { return };
        let room = address.to_bare();
        if !self.rooms.contains(&room) {
            self.rooms.push(room);
        }
        if let Some(real) = user.and_then(|user| user.real(None)) {
            self.nicks.retain(|(nick, _)| *nick != address);
            self.nicks.push((address, real));
        }
    }

    /// What a line adds. What one client says and another hears is drawn once.
    fn line(&mut self, line: &Line) {
        let Some((text, kind)) = told(&line.stanza) else { return };
        let other = line.stanza.attr(if line.said { "to" } else { "from" }).and_then(|jid| jid.parse::<Jid>().ok());
        let Some(other) = other else { return };
        let in_room = self.rooms.contains(&other.to_bare());
        if line.stanza.name() == "presence" && !in_room {
            return;
        }
        let behind = other.clone().try_into_full().ok().and_then(|nick| self.behind(&nick));
        let (from, to) = match (line.said, in_room) {
            (true, true) => (line.client.clone().into(), other.to_bare().into()),
            (true, false) => (line.client.clone().into(), other),
            // The room repeats what somebody said: that arrow is its own, if nobody else has drawn it.
            (false, true) => {
                let Some(who) = behind else { return };
                if self.traced.contains(&who) {
                    return;
                }
                (Jid::from(who), other.to_bare().into())
            }
            (false, false) => {
                if other.clone().try_into_full().is_ok_and(|other| self.traced.contains(&other)) {
                    return;
                }
                (other, line.client.clone().into())
            }
        };
        let (Some(from), Some(to)) = (self.place(from), self.place(to)) else {
            self.left_out += 1;
            return;
        };
        if from == to || self.arrows.len() == MAX_ARROWS {
            self.left_out += 1;
            return;
        }
        self.arrows.push(Arrow { at: line.at, from, to, text, kind });
    }

    fn behind(&self, nick: &FullJid) -> Option<FullJid> {
        self.nicks.iter().find(|(known, _)| known == nick).map(|(_, real)| real.clone())
    }

    /// What is said to an account is said to its device, if it has one.
    fn place(&mut self, who: Jid) -> Option<usize> {
        let mut devices = self.traced.iter().filter(|device| who.is_bare() && device.to_bare() == who.to_bare());
        let who = match (devices.next(), devices.next()) {
            (Some(device), None) => device.clone().into(),
            _ => who,
        };
        if let Some(place) = self.people.iter().position(|known| *known == who) {
            return Some(place);
        }
        if self.people.len() == MAX_PEOPLE {
            return None;
        }
        self.people.push(who);
        Some(self.people.len() - 1)
    }

    fn svg(&self, title: &str) -> String {
        let width = LEFT + self.people.len().max(2) * COLUMN;
        let height = TOP + (self.arrows.len() + 2) * ROW;
        let mut svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' viewBox='0 0 {width} {height}' \
             font-family='sans-serif' font-size='11'>\n<title>{}</title>\n<style>\
             .life{{stroke:#999;stroke-dasharray:3 3}} .presence{{stroke:#2a6fb0;fill:#2a6fb0}} .jingle{{stroke:#2c8a4b;fill:#2c8a4b}} \
             .end{{stroke:#c0392b;fill:#c0392b}} .message{{stroke:#7d4ba0;fill:#7d4ba0}} text{{stroke:none}} .time{{fill:#777}}\
             </style>\n<rect width='{width}' height='{height}' fill='white'/>\n",
            escaped(title)
        );
        let x = |place: usize| LEFT + place * COLUMN + COLUMN / 2;
        for (place, who) in self.people.iter().enumerate() {
            let _infallible = writeln!(
                svg,
                "<text x='{0}' y='24' text-anchor='middle' font-weight='bold'>{1}</text>\n<line class='life' x1='{0}' y1='34' x2='{0}' y2='{2}'/>",
                x(place),
                escaped(&self.name(who)),
                height - ROW
            );
        }
        for (row, arrow) in self.arrows.iter().enumerate() {
            let y = TOP + (row + 1) * ROW;
            let (from, to) = (x(arrow.from), x(arrow.to));
            let back = if from < to { to - 7 } else { to + 7 };
            let _infallible = writeln!(
                svg,
                "<text class='time' x='8' y='{y}'>{:.3} s</text>\n<g class='{}'><line x1='{from}' y1='{y}' x2='{to}' y2='{y}'/>\
                 <path d='M{to} {y} L{back} {} L{back} {} Z'/><text x='{}' y='{}' text-anchor='middle'>{}</text></g>",
                arrow.at.as_secs_f64(),
                arrow.kind,
                y - 4,
                y + 4,
                usize::midpoint(from, to),
                y - 5,
                escaped(&arrow.text)
            );
        }
        if self.left_out > 0 {
            let _infallible =
                writeln!(svg, "<text x='8' y='{}'>{} more are left out</text>", height - 8, self.left_out);
        }
        svg + "</svg>\n"
    }

    /// As short as it can be: a person's localpart, with the device where an account has several.
    fn name(&self, who: &Jid) -> String {
        let name = who.node().map_or_else(|| who.domain().to_string(), |node| node.to_string());
        let name = match name.char_indices().nth(NAME) {
            Some((end, _)) => format!("{}…", &name[..end]),
            None => name,
        };
        let devices = self.people.iter().filter(|other| other.to_bare() == who.to_bare()).count();
        match who.resource() {
            Some(device) if devices > 1 => format!("{name}/{device}"),
            _ => name,
        }
    }
}

/// What an arrow says, and of what kind it is; `None` for what is not of the call.
fn told(stanza: &Element) -> Option<(String, &'static str)> {
    let of_call = |child: &&Element| {
        matches!(child.ns().as_str(), ns::JINGLE | ns::JINGLE_MESSAGE | ns::CALL_INVITES | ns::CALL_MESSAGE | ns::MUJI)
    };
    let spoken = stanza.children().find(of_call);
    match stanza.name() {
        "presence" if stanza.attr("type") == Some("unavailable") => Some(("unavailable".to_owned(), "end")),
        "presence" => {
            let enters = if stanza.has_child("x", ns::MUC) { "enters, " } else { "" };
            let says = spoken.map(|muji| {
                let mut says: Vec<&str> = muji.children().map(Element::name).filter(|name| *name != "device").collect();
                says.dedup();
                says.join(" and ")
            });
            says.map(|says| (format!("{enters}{says}"), "presence"))
        }
        "iq" if stanza.attr("type") == Some("set") => {
            let jingle = spoken?;
            let ends = jingle.attr("action") == Some("session-terminate");
            Some((words(stanza).trim_start_matches("iq set: ").to_owned(), if ends { "end" } else { "jingle" }))
        }
        "message" => {
            let word = spoken?;
            let id: String = word.attr("id").unwrap_or_default().chars().take(8).collect();
            Some((format!("{} {id}", word.name()), "message"))
        }
        _ => None,
    }
}

fn escaped(text: &str) -> String {
    // What no XML may hold is nothing that anybody should see.
    let plain = text.chars().map(|sign| if sign.is_control() { '?' } else { sign });
    plain.collect::<String>().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    const TEXT: &str = "<trace>
<stanza t='0.1' dir='C&gt;S' client='a@b/c'><presence to='r@conf/n'><x xmlns='http://jabber.org/protocol/muc'/><muji \
        xmlns='urn:xmpp:jingle:muji:0'><preparing/></muji></presence></stanza>
<stanza t='0.2' dir='C&gt;S' client='a@b/c'><iq type='set' id='1' to='d@b/e'><jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' \
        sid='&lt;s&gt;'/></iq></stanza>
<stanza t='0.3' dir='S&gt;C' client='d@b/e'><iq type='set' id='1' from='a@b/c'><jingle xmlns='urn:xmpp:jingle:1' \
        action='session-initiate' sid='&lt;s&gt;'/></iq></stanza>";

    #[test]
    fn what_two_traces_hold_of_one_offer_is_one_arrow_and_no_name_breaks_the_picture() {
        let lines = read(TEXT).expect("it is a trace");
        let svg = draw("a & b", lines.iter().map(|(_, line)| line));
        assert_eq!(svg.matches("<path").count(), 2, "{svg}");
        assert!(svg.contains("session-initiate &lt;s&gt;") && svg.contains("enters, preparing"), "{svg}");
        let _readable: Element = svg.parse().expect("it is well-formed");
    }
}
