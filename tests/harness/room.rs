//! A room service (XEP-0045) as values: presences in, presences out, every room with one total order.

use std::collections::{BTreeMap, BTreeSet};

use jid::{BareJid, FullJid, Jid};
use muji_xep::Element;
use muji_xep::muc::code;
use muji_xep::ns;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

/// A stanza on its way to somebody.
pub type Delivery = (FullJid, Stanza);

/// How a room treats people.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Most occupants.
    pub capacity: Option<usize>,
    /// Who may enter, if not everybody.
    pub members: Option<BTreeSet<BareJid>>,
    /// Who may not.
    pub banned: BTreeSet<BareJid>,
    /// What to say at the door.
    pub password: Option<String>,
    /// Real JIDs are hidden.
    pub hides_jids: bool,
    /// `<muji/>` is taken out of presences.
    pub strips_muji: bool,
    /// A new room lets nobody else in until its creator has configured it, as at Prosody.
    pub locks: bool,
}

#[derive(Debug, Clone)]
struct Occupant {
    nick: String,
    real: FullJid,
    payloads: Vec<Element>,
}

#[derive(Debug, Clone, Default)]
struct Room {
    rules: Rules,
    locked: bool,
    occupants: Vec<Occupant>,
}

/// All rooms of a domain.
#[derive(Debug, Clone, Default)]
pub struct Rooms {
    rooms: BTreeMap<BareJid, Room>,
    /// The rules of rooms that people make.
    rules: Rules,
}

impl Rooms {
    /// A service whose new rooms have these rules.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rooms: BTreeMap::new(), rules }
    }

    /// Makes a room, or changes the rules of one.
    pub fn set(&mut self, room: &BareJid, rules: Rules) {
        self.rooms.entry(room.clone()).or_default().rules = rules;
    }

    /// A presence to an occupant JID of this service.
    pub fn presence(&mut self, from: &FullJid, mut presence: Presence) -> Vec<Delivery> {
        let Some(to) = presence.to.take().and_then(|to| to.try_into_full().ok()) else { return Vec::new() };
        let (address, nick) = (to.to_bare(), to.resource().as_str().to_owned());
        let inside = self.rooms.get(&address).and_then(|room| room.find(from)).is_some();
        match (&presence.type_, inside) {
            (Type::Unavailable, true) => self.leave(&address, from, &[]),
            (Type::None, true) => self.update(&address, from, presence),
            (Type::None, false) => self.enter(&address, from, nick, presence),
            _ => Vec::new(),
        }
    }

    fn enter(&mut self, address: &BareJid, from: &FullJid, nick: String, presence: Presence) -> Vec<Delivery> {
        let created = !self.rooms.contains_key(address);
        let room = self.rooms.entry(address.clone()).or_insert_with(|| Room {
            locked: self.rules.locks,
            rules: self.rules.clone(),
            occupants: Vec::new(),
        });
        let enter = presence.payloads.iter().find(|payload| payload.is("x", ns::MUC));
        let password = enter.and_then(|x| x.get_child("password", ns::MUC)).map(Element::text);
        if let Some(condition) = room.refuses(from, &nick, password.as_deref(), created) {
            return vec![refusal(address, from, &nick, &presence, condition)];
        }
        let mut out: Vec<Delivery> =
            room.occupants.iter().map(|other| (from.clone(), other.presence(address, room, Type::None, &[]))).collect();
        let payloads = room.passed_on(presence.payloads);
        room.occupants.push(Occupant { nick, real: from.clone(), payloads });
        let mut codes = vec![code::SELF];
        codes.extend((!room.rules.hides_jids).then_some(code::NON_ANONYMOUS));
        codes.extend(created.then_some(code::CREATED));
        out.extend(room.repeat(address, from, presence.id, &codes));
        out
    }

    fn update(&mut self, address: &BareJid, from: &FullJid, presence: Presence) -> Vec<Delivery> {
        let room = self.rooms.get_mut(address).expect("the caller found somebody in it");
        let payloads = room.passed_on(presence.payloads);
        let own = room.occupants.iter_mut().find(|occupant| occupant.real == *from).expect("the caller found it");
        own.payloads = payloads;
        room.repeat(address, from, presence.id, &[code::SELF])
    }

    /// Lets an occupant go; with `codes`, put out.
    pub fn leave(&mut self, address: &BareJid, who: &FullJid, codes: &[u16]) -> Vec<Delivery> {
        let Some(room) = self.rooms.get_mut(address) else { return Vec::new() };
        let Some(index) = room.occupants.iter().position(|occupant| occupant.real == *who) else { return Vec::new() };
        let gone = room.occupants[index].clone();
        let mut out = Vec::new();
        for other in &room.occupants {
            let own = (other.real == *who).then_some(code::SELF);
            let codes: Vec<u16> = codes.iter().copied().chain(own).collect();
            out.push((other.real.clone(), gone.presence(address, room, Type::Unavailable, &codes)));
        }
        room.occupants.remove(index);
        out
    }

    /// Somebody's connection is gone.
    pub fn disconnected(&mut self, who: &FullJid) -> Vec<Delivery> {
        let rooms: Vec<BareJid> = self.rooms.keys().cloned().collect();
        let out: Vec<Delivery> = rooms.iter().flat_map(|room| self.leave(room, who, &[])).collect();
        out.into_iter().filter(|(to, _)| to != who).collect()
    }

    /// A request to the room itself: configuration by its owner, disco#info by anybody.
    pub fn request(&mut self, address: &BareJid, from: &FullJid, iq: &Iq) -> Vec<Delivery> {
        let answer = match (self.rooms.get_mut(address), iq) {
            (Some(room), Iq::Set { payload, .. }) if payload.is("query", ns::MUC_OWNER) => {
                room.locked = false;
                Ok(None)
            }
            (Some(room), Iq::Get { payload, .. }) if payload.is("query", ns::DISCO_INFO) => Ok(Some(room.info())),
            (Some(_), _) => Err(DefinedCondition::ServiceUnavailable),
            (None, _) => Err(DefinedCondition::ItemNotFound),
        };
        let (from_room, to) = (Some(Jid::from(address.clone())), Some(Jid::from(from.clone())));
        let id = iq.id().to_owned();
        let iq = match answer {
            Ok(payload) => Iq::Result { from: from_room, to, id, payload },
            Err(condition) => Iq::Error { from: from_room, to, id, error: error(condition), payload: None },
        };
        vec![(from.clone(), iq.into())]
    }

    /// Who is in a room, in the order of entering.
    #[must_use]
    pub fn occupants(&self, room: &BareJid) -> Vec<FullJid> {
        self.rooms.get(room).map_or_else(Vec::new, |room| room.occupants.iter().map(|who| who.real.clone()).collect())
    }
}

impl Room {
    fn find(&self, who: &FullJid) -> Option<&Occupant> {
        self.occupants.iter().find(|occupant| occupant.real == *who)
    }

    fn refuses(&self, who: &FullJid, nick: &str, password: Option<&str>, created: bool) -> Option<DefinedCondition> {
        let bare = who.to_bare();
        if self.locked && !created {
            return Some(DefinedCondition::ItemNotFound);
        }
        if self.rules.banned.contains(&bare) {
            return Some(DefinedCondition::Forbidden);
        }
        if self.rules.members.as_ref().is_some_and(|members| !members.contains(&bare)) {
            return Some(DefinedCondition::RegistrationRequired);
        }
        if self.rules.password.as_deref().is_some_and(|wanted| password != Some(wanted)) {
            return Some(DefinedCondition::NotAuthorized);
        }
        if self.occupants.iter().any(|occupant| occupant.nick == nick) {
            return Some(DefinedCondition::Conflict);
        }
        (self.rules.capacity.is_some_and(|capacity| self.occupants.len() >= capacity))
            .then_some(DefinedCondition::ServiceUnavailable)
    }

    /// What of a presence the room repeats.
    fn passed_on(&self, payloads: Vec<Element>) -> Vec<Element> {
        let keep = |payload: &Element| {
            let forged = payload.is("x", ns::MUC) || payload.is("x", ns::MUC_USER);
            !(forged || self.rules.strips_muji && payload.is("muji", ns::MUJI))
        };
        payloads.into_iter().filter(keep).collect()
    }

    /// An occupant's presence to everybody, itself last (XEP-0045 section 7.2.2).
    fn repeat(&self, address: &BareJid, who: &FullJid, id: Option<String>, own_codes: &[u16]) -> Vec<Delivery> {
        let Some(own) = self.find(who) else { return Vec::new() };
        let others = self.occupants.iter().filter(|other| other.real != *who);
        let mut out: Vec<Delivery> =
            others.map(|other| (other.real.clone(), own.presence(address, self, Type::None, &[]))).collect();
        let mut echo = own.presence(address, self, Type::None, own_codes);
        if let Stanza::Presence(echo) = &mut echo {
            echo.id = id;
        }
        out.push((who.clone(), echo));
        out
    }

    fn info(&self) -> Element {
        let identity = builder("identity", ns::DISCO_INFO, &[("category", "conference"), ("type", "text")]);
        let anonymity = if self.rules.hides_jids { "muc_semianonymous" } else { "muc_nonanonymous" };
        let mut query = Element::bare("query", ns::DISCO_INFO);
        query.append_child(identity);
        for feature in [ns::MUC, anonymity] {
            query.append_child(builder("feature", ns::DISCO_INFO, &[("var", feature)]));
        }
        query
    }
}

impl Occupant {
    fn presence(&self, address: &BareJid, room: &Room, kind: Type, codes: &[u16]) -> Stanza {
        let jid = self.real.to_string();
        let role = if kind == Type::Unavailable { "none" } else { "participant" };
        let mut attributes = vec![("affiliation", "none"), ("role", role)];
        attributes.extend((!room.rules.hides_jids).then_some(("jid", jid.as_str())));
        let mut x = Element::bare("x", ns::MUC_USER);
        x.append_child(builder("item", ns::MUC_USER, &attributes));
        for code in codes {
            x.append_child(builder("status", ns::MUC_USER, &[("code", &code.to_string())]));
        }
        let mut payloads = if kind == Type::Unavailable { Vec::new() } else { self.payloads.clone() };
        payloads.push(x);
        let from = address.with_resource_str(&self.nick).expect("the nick came as a resource");
        Presence::new(kind).with_from(from).with_payloads(payloads).into()
    }
}

fn refusal(address: &BareJid, to: &FullJid, nick: &str, presence: &Presence, condition: DefinedCondition) -> Delivery {
    let from = address.with_resource_str(nick).expect("the nick came as a resource");
    let mut answer = Presence::new(Type::Error).with_from(from).with_payloads(vec![error(condition).into()]);
    answer.id.clone_from(&presence.id);
    (to.clone(), answer.into())
}

/// A stanza error with this condition.
#[must_use]
pub fn error(condition: DefinedCondition) -> StanzaError {
    let mut error = StanzaError::new(ErrorType::Cancel, condition, "en", "");
    error.texts.clear();
    error
}

/// An element with attributes.
pub(crate) fn builder(name: &str, ns: &str, attributes: &[(&str, &str)]) -> Element {
    let builder = Element::builder(name, ns);
    let named = attributes.iter().fold(builder, |builder, (name, value)| {
        builder.attr((*name).try_into().expect("the harness names attributes properly"), *value)
    });
    named.build()
}
