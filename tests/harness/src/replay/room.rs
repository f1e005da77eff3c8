//! What a client sends in rooms, and what it knows of their occupants.

use std::collections::BTreeMap;
use std::time::Duration;

use jid::{BareJid, FullJid};
use muji_xep::muc::{MucUser, code};
use muji_xep::{Element, ns};

use super::Note;
use muji_trace::{Line, prepares, publishes};

/// After this time a client may stop waiting for one that hangs; our own rule is twenty seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// Somebody in a room.
#[derive(Debug, Clone)]
pub(super) struct Occupant {
    pub(super) real: Option<FullJid>,
    /// It has published.
    pub(super) publishes: bool,
    /// It prepares, without contents yet.
    prepares: bool,
    /// It was part of the call before the client was.
    pub(super) ahead: bool,
    /// When it published first.
    pub(super) since: Option<Duration>,
}

/// A room in which the client is.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) occupants: BTreeMap<String, Occupant>,
    /// When the room repeated that the client prepares.
    echoed: Option<Duration>,
    /// The client has said its contents.
    pub(super) published: bool,
    /// When it took back what it said of the call.
    pub(super) withdrawn: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Rooms(BTreeMap<BareJid, Room>);

impl Rooms {
    pub(super) fn said(&mut self, line: &Line, breach: &mut Note<'_>) {
        let to = line.stanza.attr("to").and_then(|to| to.parse::<FullJid>().ok());
        let Some(to) = to.filter(|_| line.stanza.name() == "presence") else { return };
        let room = to.to_bare();
        if let Some(x) = line.stanza.get_child("x", ns::MUC) {
            enters(line, x, breach);
            self.0.insert(room.clone(), Room::default());
        }
        let Some(known) = self.0.get_mut(&room) else { return };
        if line.stanza.has_child("x", ns::MUC_USER) {
            breach("muc-pres-06", "a client says what only the room says (muc#user)".to_owned());
        }
        if line.stanza.attr("type") == Some("unavailable") {
            known.withdrawn = true;
            return;
        }
        match line.muji() {
            Some(muji) => known.says(line, muji, breach),
            None => known.withdrawn = known.published,
        }
    }

    /// Who left with it.
    pub(super) fn heard(&mut self, line: &Line) -> Option<FullJid> {
        let from = line.stanza.attr("from").and_then(|from| from.parse::<FullJid>().ok());
        let from = from.filter(|_| line.stanza.name() == "presence")?;
        let room = self.0.get_mut(&from.to_bare())?;
        let payloads: Vec<Element> = line.stanza.children().cloned().collect();
        let user = MucUser::find(&payloads)?;
        let nick = from.resource().as_str();
        let gone = line.stanza.attr("type") == Some("unavailable");
        if user.has(code::SELF) {
            if line.muji().is_some_and(prepares) && room.echoed.is_none() {
                room.echoed = Some(line.at);
                // Everyone who is in the call by now is ahead.
                room.occupants.values_mut().for_each(|other| other.ahead = other.prepares || other.publishes);
            }
            return None;
        }
        if gone {
            return room.occupants.remove(nick)?.real;
        }
        let known = room.occupants.get(nick);
        let ahead = known.is_some_and(|known| known.ahead);
        let since = known.and_then(|known| known.since);
        let publishes = line.muji().is_some_and(publishes);
        let prepares = !publishes && line.muji().is_some_and(prepares);
        let since = since.or_else(|| publishes.then_some(line.at));
        room.occupants.insert(nick.to_owned(), Occupant { real: user.real(None), publishes, prepares, ahead, since });
        None
    }

    /// The room in which somebody with this address is, apart from the client.
    pub(super) fn with(&self, real: &FullJid) -> Option<(&BareJid, &Room, &Occupant)> {
        self.0.iter().find_map(|(name, room)| {
            let occupant = room.occupants.values().find(|other| other.real.as_ref() == Some(real))?;
            Some((name, room, occupant))
        })
    }

    pub(super) fn get(&self, name: &BareJid) -> Option<&Room> {
        self.0.get(name)
    }
}

impl Room {
    fn says(&mut self, line: &Line, muji: &Element, breach: &mut Note<'_>) {
        if !line.stanza.has_child("c", ns::CAPS) {
            breach("muji-join-05", "a presence of the call has no capabilities".to_owned());
        }
        if let Some(other) = muji.children().find(|child| child.name() == "content" && !child.is("content", ns::JINGLE))
        {
            breach("muji-xml-01", format!("a content stands in the namespace {}", other.ns()));
        }
        let mut names: Vec<&str> = muji.children().filter_map(|content| content.attr("name")).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            breach("muji-model-01", "two contents have one name".to_owned());
        }
        if publishes(muji) && !self.published && !prepares(muji) {
            match self.echoed {
                None => breach("muji-join-02", "it publishes before the room has repeated that it prepares".to_owned()),
                Some(since) => {
                    let waiting = self.occupants.iter().find(|(_, other)| other.ahead && other.prepares);
                    if let Some((nick, _)) = waiting.filter(|_| line.at.saturating_sub(since) < PATIENCE) {
                        breach("muji-join-03", format!("it publishes while {nick}, who was there before, prepares"));
                    }
                }
            }
        }
        if publishes(muji) {
            (self.published, self.withdrawn) = (true, false);
        }
    }
}

fn enters(line: &Line, x: &Element, breach: &mut Note<'_>) {
    if line.stanza.attr("type").is_some() {
        breach("muc-join-02", "the presence that enters has a type".to_owned());
    }
    let history = x.get_child("history", ns::MUC).and_then(|history| history.attr("maxchars"));
    if line.muji().is_some() && history != Some("0") {
        breach("muc-join-03", "it enters a room for a call and does not say that it wants no history".to_owned());
    }
    if line.muji().is_some_and(publishes) {
        breach("muji-join-01", "it publishes with the presence that enters, without preparing".to_owned());
    }
}
