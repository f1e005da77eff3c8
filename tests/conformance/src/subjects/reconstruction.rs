//! What a client sent, reconstructed from what those around it received, where nobody sees its connection.
//!
//! Each of us hears the same presences of a room in the same order, so the first copy of each counts, whoever gets it, and later copies are
//! known by their place in that order.

use std::collections::{BTreeMap, BTreeSet};

use jid::{BareJid, FullJid, Jid};
use muji_xep::{Element, ns};
use xmpp_parsers::minidom::rxml::Namespace;
use xmpp_parsers::presence::Presence;

/// The room says with these that an occupant did not leave by itself: it has another nick, or was put out.
const NOT_BY_ITSELF: [&str; 6] = ["301", "303", "307", "321", "322", "332"];

/// The room says with it that a presence is one's own.
const OWN: &str = "110";

/// What is known of a client.
pub(super) struct Reconstruction {
    room: BareJid,
    subject: BareJid,
    /// Who is who, of the client's own.
    nicks: BTreeMap<String, FullJid>,
    /// Its presences in the room, in order, without what the room adds.
    presences: Vec<Element>,
    /// How many of them each of us has heard, or knew on entering.
    heard: BTreeMap<FullJid, usize>,
    /// Those of us who are inside.
    here: BTreeSet<FullJid>,
    /// Messages to all of our devices, each of which hears them.
    messages: BTreeSet<String>,
    /// Its last presence to its contacts.
    availability: Option<Element>,
    /// Its nick in the room, while it is there.
    nick: Option<String>,
}

impl Reconstruction {
    pub(super) fn new(room: BareJid, subject: BareJid) -> Self {
        Self {
            room,
            subject,
            nicks: BTreeMap::new(),
            presences: Vec::new(),
            heard: BTreeMap::new(),
            here: BTreeSet::new(),
            messages: BTreeSet::new(),
            availability: None,
            nick: None,
        }
    }

    /// True while it is in the room.
    pub(super) fn is_inside(&self) -> bool {
        self.nick.is_some()
    }

    /// By what name it is there.
    pub(super) fn nick(&self) -> Option<&str> {
        self.nick.as_deref()
    }

    /// It is there for its contacts, of whom we are.
    pub(super) fn is_available(&self) -> bool {
        self.availability.as_ref().is_some_and(|presence| !has_left(presence))
    }

    /// One of us hears something: what the client said by it, and where from, unless that is known already.
    pub(super) fn hears(&mut self, device: &FullJid, stanza: &Element) -> Option<(FullJid, Element)> {
        let from: Jid = stanza.attr("from")?.parse().ok()?;
        if from.to_bare() == self.room {
            let nick = from.resource()?.to_string();
            return if stanza.name() == "presence" {
                self.in_room(device, &nick, stanza)
            } else {
                self.through_room(device, &nick, stanza)
            };
        }
        let client = from.try_into_full().ok().filter(|from| from.to_bare() == self.subject)?;
        match stanza.name() {
            "presence" => {
                let said = bare(stanza, stanza.attr("to").map(str::to_owned))?;
                if self.availability.as_ref() == Some(&said) {
                    return None;
                }
                self.availability = Some(said.clone());
                Some((client, said))
            }
            // Its server answers for who is not there any more.
            "iq" if stanza.attr("type") == Some("error") && !self.is_inside() && !self.is_available() => None,
            "message" if stanza.attr("to") == Some(device.to_bare().as_str()) => {
                let new = self.messages.insert(String::from(stanza));
                new.then(|| (client, stanza.clone()))
            }
            _ => Some((client, stanza.clone())),
        }
    }

    fn in_room(&mut self, device: &FullJid, nick: &str, stanza: &Element) -> Option<(FullJid, Element)> {
        let x = stanza.get_child("x", ns::MUC_USER)?;
        let has = |codes: &[&str]| {
            let codes_of = |child: &Element| child.attr("code").is_some_and(|code| codes.contains(&code));
            x.children().any(codes_of)
        };
        let leaves = match stanza.attr("type") {
            None => false,
            Some("unavailable") => true,
            Some(_) => return None,
        };
        if has(&[OWN]) {
            if leaves {
                self.heard.remove(device);
                self.here.remove(device);
            } else if self.here.insert(device.clone()) {
                // Who saw nothing of the client on entering was there before it.
                let before = self.presences.iter().rposition(has_left).map_or(0, |last| last + 1);
                self.heard.entry(device.clone()).or_insert(before);
            }
            return None;
        }
        let real = x.get_child("item", ns::MUC_USER).and_then(|item| item.attr("jid")?.parse::<FullJid>().ok());
        if let Some(real) = real {
            if real.to_bare() == self.subject {
                self.nicks.insert(nick.to_owned(), real);
            } else {
                self.nicks.remove(nick);
            }
        }
        let client = self.nicks.get(nick)?.clone();
        if leaves && has(&NOT_BY_ITSELF) {
            self.nick = None; // Or it is there by another in a moment.
            return None;
        }
        let said = bare(stanza, Some(format!("{}/{nick}", self.room)))?;
        let heard = match self.heard.get(device) {
            Some(heard) => heard + 1,
            // On entering one hears what was said last.
            None => self.presences.iter().rposition(|known| *known == said).unwrap_or(self.presences.len()) + 1,
        };
        self.heard.insert(device.clone(), heard);
        if heard <= self.presences.len() {
            return None;
        }
        self.nick = (!leaves).then(|| nick.to_owned());
        self.presences.push(said.clone());
        Some((client, said))
    }

    /// A private message, or a request to an occupant.
    fn through_room(&self, device: &FullJid, nick: &str, stanza: &Element) -> Option<(FullJid, Element)> {
        let client = self.nicks.get(nick)?.clone();
        // It stands in what we heard that it came through the room, but not to which nick.
        let mut said = stanza.clone();
        let name = "to".try_into().expect("it is a name");
        said.set_attr(Namespace::NONE, name, format!("{}/{}", self.room, device.resource()));
        Some((client, said))
    }
}

fn has_left(presence: &Element) -> bool {
    presence.attr("type").is_some()
}

/// A presence as it was said: without what a room adds, and its id.
fn bare(presence: &Element, to: Option<String>) -> Option<Element> {
    let mut said = Presence::try_from(presence.clone()).ok()?;
    (said.from, said.id) = (None, None);
    said.to = to.and_then(|to| to.parse().ok());
    said.payloads.retain(|payload| !payload.is("x", ns::MUC_USER));
    Some(said.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: &str = "balcony@rooms.example.org";

    fn device(name: &str) -> FullJid {
        format!("juliet@example.org/{name}").parse().expect("a JID")
    }

    fn observed() -> Reconstruction {
        let (room, subject) = (ROOM.parse().expect("a room"), "romeo@example.org".parse().expect("a JID"));
        Reconstruction::new(room, subject)
    }

    /// A presence of the client, or one's own.
    fn presence(nick: &str, more: &str, says: &str) -> Element {
        let item = if nick == "R" { "<item jid='romeo@example.org/home'/>" } else { "<status code='110'/>" };
        let text = format!(
            "<presence xmlns='jabber:client' from='{ROOM}/{nick}' {more}>{says}<x xmlns='{}'>{item}</x></presence>",
            ns::MUC_USER
        );
        text.parse().expect("it is well-formed")
    }

    fn one(says: &str) -> Element {
        presence("R", "", &format!("<show>{says}</show>"))
    }

    #[test]
    fn the_first_copy_of_each_presence_counts_no_matter_who_gets_it() {
        let (mut observed, [witness, tybalt]) = (observed(), ["witness", "tybalt"].map(device));
        for (device, nick) in [(&witness, "W"), (&tybalt, "T")] {
            assert_eq!(observed.hears(device, &presence(nick, "", "")), None);
        }
        let said = observed.hears(&witness, &one("away"));
        let (client, said) = said.expect("it is new");
        assert_eq!((client.as_str(), said.attr("to")), ("romeo@example.org/home", Some(&*format!("{ROOM}/R"))));
        assert!(!said.has_child("x", ns::MUC_USER), "that is the room's");
        assert!(observed.hears(&tybalt, &one("away")).is_none(), "the witness heard it");
        assert!(observed.hears(&tybalt, &one("dnd")).is_some());
        assert!(observed.hears(&witness, &one("dnd")).is_none(), "tybalt heard it");
        assert!(observed.hears(&tybalt, &one("away")).is_some(), "this time it is said again");
        assert!(observed.hears(&tybalt, &presence("R", "type='unavailable'", "")).is_some());
        assert!(!observed.is_inside());
    }

    #[test]
    fn what_somebody_hears_who_enters_was_said_before() {
        let (mut observed, [witness, tybalt]) = (observed(), ["witness", "tybalt"].map(device));
        observed.hears(&witness, &presence("W", "", ""));
        for says in ["away", "dnd", "xa"] {
            assert!(observed.hears(&witness, &one(says)).is_some());
        }
        // What it says last comes to who enters a little later than to the witness.
        assert!(observed.hears(&tybalt, &one("dnd")).is_none());
        observed.hears(&tybalt, &presence("T", "", ""));
        assert!(observed.hears(&tybalt, &one("xa")).is_none());
        assert!(observed.hears(&tybalt, &one("chat")).is_some());
    }

    #[test]
    fn one_who_was_there_before_the_client_heard_all_of_it() {
        let (mut observed, [witness, tybalt]) = (observed(), ["witness", "tybalt"].map(device));
        observed.hears(&witness, &presence("W", "", ""));
        assert!(observed.hears(&witness, &one("away")).is_some());
        assert!(observed.hears(&witness, &presence("R", "type='unavailable'", "")).is_some());
        assert!(observed.hears(&witness, &one("xa")).is_some());
        // By its own order of things nobody was there when it entered.
        observed.hears(&tybalt, &presence("T", "", ""));
        assert!(observed.hears(&tybalt, &one("xa")).is_none());
    }

    #[test]
    fn what_a_server_answers_for_who_is_gone_is_not_its_word() {
        let (mut observed, witness) = (observed(), device("witness"));
        let error: Element = "<iq xmlns='jabber:client' from='romeo@example.org/home' id='1' type='error'/>"
            .parse()
            .expect("it is well-formed");
        assert_eq!(observed.hears(&witness, &error), None);
        observed.hears(&witness, &presence("W", "", ""));
        observed.hears(&witness, &one("away"));
        assert!(observed.hears(&witness, &error).is_some(), "it is there");
    }
}
