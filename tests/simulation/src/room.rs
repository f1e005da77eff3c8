//! A room service (XEP-0045) as values: presences in, presences out, every room with one total order.

use std::collections::{BTreeMap, BTreeSet};

use jid::{BareJid, FullJid, Jid};
use muji_xep::Element;
use muji_xep::muc::code;
use muji_xep::ns;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::{Message, MessageType};
use xmpp_parsers::minidom::rxml::Namespace;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use super::stanza::has_contents;

/// Stands for the element `<destroy/>`, which has no status code.
const DESTROYED: u16 = 0;

/// The room has given somebody another nick than it asked for.
const NICK_GIVEN: u16 = 210;

/// What the form of a room says it is.
const ROOM_CONFIG: &str = "http://jabber.org/protocol/muc#roomconfig";

/// A field that only this service has and that must come back as it was.
const OWN_FIELD: &str = "example#taste";
const OWN_VALUE: &str = "sweet";

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
    /// It outlives its last occupant; those that people make do not.
    pub persistent: bool,
    /// The service does not take rooms for members only.
    pub no_members_only: bool,
    /// The service has no forms for its rooms.
    pub no_forms: bool,
    /// The service lets nothing be set but who sees real JIDs.
    pub strict: bool,
    /// Presences are repeated without the id they came with.
    pub drops_ids: bool,
    /// The next presences with contents, so many, are refused.
    pub refusals: usize,
    /// The next who enter, so many, are told that their nick is taken.
    pub conflicts: usize,
    /// Who enters next goes by this nick, whatever it asked for.
    pub nick: Option<String>,
    /// Sessions of one account may have one nick: others see the presence of the first alone, and each of them its own, with the JIDs of
    /// all (Prosody).
    pub shares_nicks: bool,
    /// It does not answer anybody, and says nothing.
    pub silent: bool,
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
    owner: Option<BareJid>,
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
        self.rooms.entry(room.clone()).or_default().rules = Rules { persistent: true, ..rules };
    }

    /// The rules of a room, if it is there.
    #[must_use]
    pub fn rules(&self, room: &BareJid) -> Option<&Rules> {
        self.rooms.get(room).map(|room| &room.rules)
    }

    /// The service restarts and has forgotten its rooms; their occupants are not told.
    pub fn forget_all(&mut self) {
        self.rooms.clear();
    }

    /// A room forgets an occupant without telling anybody.
    pub fn forget(&mut self, address: &BareJid, who: &FullJid) {
        if let Some(room) = self.rooms.get_mut(address) {
            room.occupants.retain(|occupant| occupant.real != *who);
        }
    }

    /// A presence to an occupant JID of this service.
    pub fn presence(&mut self, from: &FullJid, mut presence: Presence) -> Vec<Delivery> {
        let Some(to) = presence.to.take().and_then(|to| to.try_into_full().ok()) else { return Vec::new() };
        let (address, nick) = (to.to_bare(), to.resource().as_str().to_owned());
        let room = self.rooms.get(&address);
        if room.is_some_and(|room| room.rules.silent) {
            return Vec::new();
        }
        let inside = room.and_then(|room| room.find(from)).is_some();
        let enters = presence.payloads.iter().any(|payload| payload.is("x", ns::MUC));
        match (&presence.type_, inside) {
            (Type::None, true) if enters => self.enter_again(&address, from, presence),
            (Type::None, false) if !enters => vec![lost(&address, from, &nick)],
            (Type::Unavailable, true) => self.leave(&address, from, &[]),
            (Type::None, true) => self.update(&address, from, nick, presence),
            (Type::None, false) => self.enter(&address, from, nick, presence),
            _ => Vec::new(),
        }
    }

    fn enter(&mut self, address: &BareJid, from: &FullJid, nick: String, presence: Presence) -> Vec<Delivery> {
        let created = !self.rooms.contains_key(address);
        let room = self.rooms.entry(address.clone()).or_insert_with(|| Room {
            locked: self.rules.locks,
            rules: self.rules.clone(),
            owner: Some(from.to_bare()),
            occupants: Vec::new(),
        });
        let enter = presence.payloads.iter().find(|payload| payload.is("x", ns::MUC));
        let password = enter.and_then(|x| x.get_child("password", ns::MUC)).map(Element::text);
        if let Some(condition) = room.refuses(from, &nick, password.as_deref(), created) {
            room.rules.conflicts = room.rules.conflicts.saturating_sub(1);
            return vec![refusal(address, from, &nick, &presence, condition)];
        }
        let shown = room.shown().filter(|other| other.nick != nick);
        let mut out: Vec<Delivery> =
            shown.map(|other| (from.clone(), other.presence(address, room, Type::None, &[]))).collect();
        let payloads = room.passed_on(presence.payloads);
        let given = room.rules.nick.take();
        let mut codes = vec![code::SELF];
        codes.extend(given.is_some().then_some(NICK_GIVEN));
        room.occupants.push(Occupant { nick: given.unwrap_or(nick), real: from.clone(), payloads });
        codes.extend((!room.rules.hides_jids).then_some(code::NON_ANONYMOUS));
        codes.extend(created.then_some(code::CREATED));
        out.extend(room.repeat(address, from, presence.id, &codes));
        out
    }

    fn update(&mut self, address: &BareJid, from: &FullJid, nick: String, presence: Presence) -> Vec<Delivery> {
        let room = self.rooms.get_mut(address).expect("the caller found somebody in it");
        let before = room.find(from).expect("the caller found it").nick.clone();
        if room.rules.refusals > 0 && has_contents(&presence.payloads) {
            room.rules.refusals -= 1;
            return vec![refusal(address, from, &before, &presence, DefinedCondition::NotAcceptable)];
        }
        if nick != before && room.is_taken(from, &nick) {
            return vec![refusal(address, from, &before, &presence, DefinedCondition::Conflict)];
        }
        // One who takes another nick goes under the old one, with word of the new (XEP-0045 section 7.6).
        let mut out = if nick == before { Vec::new() } else { room.renamed(address, from, &nick) };
        let payloads = room.passed_on(presence.payloads);
        let own = room.occupants.iter_mut().find(|occupant| occupant.real == *from).expect("the caller found it");
        (own.nick, own.payloads) = (nick.clone(), payloads);
        if nick != before {
            out.extend(room.show(address, &before)); // A session that stays under it.
        }
        out.extend(room.repeat(address, from, presence.id, &[code::SELF]));
        out
    }

    /// An occupant enters again: it wants the whole state again (XEP-0045 section 17.3).
    fn enter_again(&mut self, address: &BareJid, from: &FullJid, presence: Presence) -> Vec<Delivery> {
        let room = &self.rooms[address];
        let own_nick = room.find(from).map(|own| own.nick.clone());
        let others = room.shown().filter(|other| own_nick.as_ref() != Some(&other.nick));
        let mut out: Vec<Delivery> =
            others.map(|other| (from.clone(), other.presence(address, room, Type::None, &[]))).collect();
        let codes = [code::SELF, code::NON_ANONYMOUS];
        let codes = &codes[..if room.rules.hides_jids { 1 } else { 2 }];
        let id = presence.id.clone();
        let payloads = room.passed_on(presence.payloads);
        let room = self.rooms.get_mut(address).expect("it was there just now");
        room.occupants.iter_mut().filter(|own| own.real == *from).for_each(|own| own.payloads.clone_from(&payloads));
        out.extend(room.repeat(address, from, id, codes));
        out
    }

    /// Lets an occupant go; with `codes`, put out.
    pub fn leave(&mut self, address: &BareJid, who: &FullJid, codes: &[u16]) -> Vec<Delivery> {
        let Some(room) = self.rooms.get_mut(address) else { return Vec::new() };
        let Some(index) = room.occupants.iter().position(|occupant| occupant.real == *who) else { return Vec::new() };
        let gone = room.occupants[index].clone();
        if room.occupants.iter().any(|other| other.nick == gone.nick && other.real != *who) {
            let codes: Vec<u16> = codes.iter().copied().chain([code::SELF]).collect();
            let mut out = vec![(who.clone(), gone.presence(address, room, Type::Unavailable, &codes))];
            room.occupants.remove(index);
            out.extend(room.show(address, &gone.nick));
            return out;
        }
        let mut out = Vec::new();
        for other in &room.occupants {
            let own = (other.real == *who).then_some(code::SELF);
            let codes: Vec<u16> = codes.iter().copied().chain(own).collect();
            out.push((other.real.clone(), gone.presence(address, room, Type::Unavailable, &codes)));
        }
        room.occupants.remove(index);
        if room.occupants.is_empty() && !room.rules.persistent {
            self.rooms.remove(address);
        }
        out
    }

    /// Everybody is put out of a room, and the room is no more.
    pub fn destroy(&mut self, address: &BareJid) -> Vec<Delivery> {
        let Some(room) = self.rooms.remove(address) else { return Vec::new() };
        let everybody = room.occupants.iter();
        everybody.map(|own| (own.real.clone(), own.presence(address, &room, Type::Unavailable, &[DESTROYED]))).collect()
    }

    /// The service shuts down: everybody is told of everybody, and knows nothing of its rooms when it comes back.
    pub fn shut_down(&mut self) -> Vec<Delivery> {
        let rooms: Vec<BareJid> = self.rooms.keys().cloned().collect();
        let mut out = Vec::new();
        for address in rooms {
            for who in self.occupants(&address) {
                out.extend(self.leave(&address, &who, &[code::SHUTDOWN]));
            }
        }
        out
    }

    /// A room tells its occupants of a change.
    #[must_use]
    pub fn announce(&self, address: &BareJid, code: u16) -> Vec<Delivery> {
        self.annotate(address, builder("status", ns::MUC_USER, &[("code", &code.to_string())]))
    }

    /// A room tells its occupants of the new affiliation of somebody who is not among them.
    #[must_use]
    pub fn announce_affiliation(&self, address: &BareJid, who: &BareJid, affiliation: &str) -> Vec<Delivery> {
        let attributes = [("jid", who.as_str()), ("affiliation", affiliation)];
        self.annotate(address, builder("item", ns::MUC_USER, &attributes))
    }

    fn annotate(&self, address: &BareJid, what: Element) -> Vec<Delivery> {
        let mut x = Element::bare("x", ns::MUC_USER);
        x.append_child(what);
        let everybody = self.occupants(address).into_iter();
        everybody
            .map(|who| {
                let mut message = Message::new(Some(Jid::from(who.clone())));
                (message.from, message.type_) = (Some(address.clone().into()), MessageType::Groupchat);
                message.payloads.push(x.clone());
                (who, message.into())
            })
            .collect()
    }

    /// An invitation or its decline goes through the room (XEP-0045 section 7.8.2). Only who is in may invite.
    #[must_use]
    pub fn pass_on(&self, from: &FullJid, message: &Message) -> Option<Message> {
        let address = message.to.as_ref()?.to_bare();
        let x = message.payloads.iter().find(|payload| payload.is("x", ns::MUC_USER))?;
        let (word, said) =
            ["invite", "decline"].into_iter().find_map(|word| Some((word, x.get_child(word, ns::MUC_USER)?)))?;
        let inside = self.rooms.get(&address)?.occupants.iter().any(|occupant| occupant.real == *from);
        if word == "invite" && !inside {
            return None;
        }
        let mut passed = Message::normal(Some(said.attr("to")?.parse().ok()?));
        passed.from = Some(address.into());
        let mut x = Element::bare("x", ns::MUC_USER);
        x.append_child(builder(word, ns::MUC_USER, &[("from", from.to_string().as_str())]));
        passed.payloads = vec![x];
        Some(passed)
    }

    /// Somebody's connection is gone.
    pub fn disconnected(&mut self, who: &FullJid) -> Vec<Delivery> {
        let rooms: Vec<BareJid> = self.rooms.keys().cloned().collect();
        let out: Vec<Delivery> = rooms.iter().flat_map(|room| self.leave(room, who, &[])).collect();
        out.into_iter().filter(|(to, _)| to != who).collect()
    }

    /// A request to the room or, with a nick, to one of its occupants.
    pub fn request(&mut self, address: &BareJid, nick: Option<&str>, from: &FullJid, iq: &Iq) -> Vec<Delivery> {
        if self.rules(address).is_some_and(|rules| rules.silent) {
            return Vec::new();
        }
        if let Some(nick) = nick {
            return vec![(from.clone(), reply(address, Some(nick), from, iq, self.ping(address, nick, from, iq)))];
        }
        let Some(room) = self.rooms.get_mut(address) else {
            return vec![(from.clone(), reply(address, None, from, iq, Err(DefinedCondition::ItemNotFound)))];
        };
        let owner = room.owner == Some(from.to_bare());
        let answer = match iq {
            Iq::Get { payload, .. } if payload.is("query", ns::DISCO_INFO) => Ok(Some(room.info())),
            Iq::Get { payload, .. } if payload.is("query", ns::MUC_OWNER) && owner && !room.rules.no_forms => {
                Ok(Some(room.form()))
            }
            Iq::Set { payload, .. } if payload.is("query", ns::MUC_OWNER) && owner => {
                if payload.has_child("destroy", ns::MUC_OWNER) || is_cancel(payload) {
                    let mut out = self.destroy(address);
                    out.push((from.clone(), reply(address, None, from, iq, Ok(None))));
                    return out;
                }
                room.configure(payload).map(|()| None)
            }
            Iq::Set { payload, .. } if payload.is("query", ns::MUC_ADMIN) && owner => {
                room.admit(payload).map(|()| None)
            }
            Iq::Get { .. } | Iq::Set { .. } => Err(DefinedCondition::Forbidden),
            Iq::Result { .. } | Iq::Error { .. } => return Vec::new(),
        };
        vec![(from.clone(), reply(address, None, from, iq, answer))]
    }

    /// A ping of oneself, which the service answers (XEP-0410 section 3.3).
    fn ping(
        &self,
        address: &BareJid,
        nick: &str,
        from: &FullJid,
        iq: &Iq,
    ) -> Result<Option<Element>, DefinedCondition> {
        let own = self.rooms.get(address).and_then(|room| room.find(from));
        let pings = matches!(iq, Iq::Get { payload, .. } if payload.is("ping", ns::PING));
        match own {
            None => Err(DefinedCondition::NotAcceptable),
            Some(own) if own.nick == nick && pings => Ok(None),
            Some(own) if own.nick == nick => Err(DefinedCondition::ServiceUnavailable),
            Some(_) => Err(DefinedCondition::ItemNotFound),
        }
    }

    /// What an occupant says in its presence.
    #[must_use]
    pub fn said(&self, room: &BareJid, who: &FullJid) -> Option<&[Element]> {
        Some(&self.rooms.get(room)?.find(who)?.payloads)
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

    /// The form of XEP-0045 section 10.1.3, with a field of this service's own.
    fn form(&self) -> Element {
        let yes = |yes: bool| if yes { "1" } else { "0" };
        let mut fields = vec![
            ("FORM_TYPE", ROOM_CONFIG),
            ("muc#roomconfig_whois", if self.rules.hides_jids { "moderators" } else { "anyone" }),
            ("muc#roomconfig_persistentroom", yes(self.rules.persistent)),
            ("muc#roomconfig_publicroom", "1"),
            ("muc#roomconfig_allowinvites", "0"),
            (OWN_FIELD, OWN_VALUE),
        ];
        if !self.rules.no_members_only {
            fields.push(("muc#roomconfig_membersonly", yes(self.rules.members.is_some())));
        }
        let mut form = builder("x", ns::DATA_FORMS, &[("type", "form")]);
        for (var, value) in fields {
            let mut field = builder("field", ns::DATA_FORMS, &[("var", var)]);
            let mut element = Element::bare("value", ns::DATA_FORMS);
            element.append_text(value);
            field.append_child(element);
            form.append_child(field);
        }
        let mut query = Element::bare("query", ns::MUC_OWNER);
        query.append_child(form);
        query
    }

    fn configure(&mut self, query: &Element) -> Result<(), DefinedCondition> {
        let form = query.get_child("x", ns::DATA_FORMS).ok_or(DefinedCondition::BadRequest)?;
        let value = |var: &str| {
            let field = form.children().find(|field| field.attr("var") == Some(var))?;
            Some(field.get_child("value", ns::DATA_FORMS)?.text())
        };
        let mentioned = form.children().next().is_some();
        let least = form.children().count() == 2; // FORM_TYPE and who sees real JIDs.
        if self.rules.strict && !least {
            return Err(DefinedCondition::NotAcceptable);
        }
        if mentioned && !least && value(OWN_FIELD).as_deref() != Some(OWN_VALUE) {
            return Err(DefinedCondition::NotAcceptable);
        }
        if let Some(whois) = value("muc#roomconfig_whois") {
            self.rules.hides_jids = whois != "anyone";
        }
        if let Some(members) = value("muc#roomconfig_membersonly") {
            self.rules.members = (members == "1").then(BTreeSet::new);
        }
        self.locked = false;
        Ok(())
    }

    fn admit(&mut self, query: &Element) -> Result<(), DefinedCondition> {
        let item = query.get_child("item", ns::MUC_ADMIN).ok_or(DefinedCondition::BadRequest)?;
        let guest = item.attr("jid").and_then(|jid| jid.parse().ok()).ok_or(DefinedCondition::JidMalformed)?;
        match (item.attr("affiliation"), &mut self.rules.members) {
            (Some("member"), Some(members)) => {
                members.insert(guest);
                Ok(())
            }
            (Some("member"), None) => Ok(()),
            _ => Err(DefinedCondition::NotAllowed),
        }
    }

    fn refuses(&self, who: &FullJid, nick: &str, password: Option<&str>, created: bool) -> Option<DefinedCondition> {
        let bare = who.to_bare();
        if self.locked && !created {
            return Some(DefinedCondition::ItemNotFound);
        }
        if self.rules.banned.contains(&bare) {
            return Some(DefinedCondition::Forbidden);
        }
        let member = |members: &BTreeSet<BareJid>| members.contains(&bare) || self.owner.as_ref() == Some(&bare);
        if self.rules.members.as_ref().is_some_and(|members| !member(members)) {
            return Some(DefinedCondition::RegistrationRequired);
        }
        if self.rules.password.as_deref().is_some_and(|wanted| password != Some(wanted)) {
            return Some(DefinedCondition::NotAuthorized);
        }
        if self.rules.conflicts > 0 || self.is_taken(who, nick) {
            return Some(DefinedCondition::Conflict);
        }
        (self.rules.capacity.is_some_and(|capacity| self.occupants.len() >= capacity))
            .then_some(DefinedCondition::ServiceUnavailable)
    }

    /// True if somebody else has the nick.
    fn is_taken(&self, who: &FullJid, nick: &str) -> bool {
        let shares = |other: &Occupant| self.rules.shares_nicks && other.real.to_bare() == who.to_bare();
        self.occupants.iter().any(|other| other.nick == nick && other.real != *who && !shares(other))
    }

    /// Of each nick the session that others see: the first.
    fn shown(&self) -> impl Iterator<Item = &Occupant> {
        let first = |own: &&Occupant| {
            self.occupants.iter().find(|other| other.nick == own.nick).is_some_and(|it| it.real == own.real)
        };
        self.occupants.iter().filter(first)
    }

    /// Tells everybody of a nick: the others the presence of its first session, and each of its sessions its own.
    fn show(&self, address: &BareJid, nick: &str) -> Vec<Delivery> {
        let Some(first) = self.shown().find(|own| own.nick == nick) else { return Vec::new() };
        let to = |other: &Occupant| {
            let presence = if other.nick == nick {
                other.presence(address, self, Type::None, &[code::SELF])
            } else {
                first.presence(address, self, Type::None, &[])
            };
            (other.real.clone(), presence)
        };
        self.occupants.iter().map(to).collect()
    }

    /// Somebody goes by another nick from now on.
    fn renamed(&self, address: &BareJid, who: &FullJid, nick: &str) -> Vec<Delivery> {
        let own = self.find(who).expect("the caller found it");
        let told = |other: &Occupant| {
            let codes = [code::RENAMED, code::SELF];
            let codes = &codes[..if other.real == *who { 2 } else { 1 }];
            let mut gone = own.presence(address, self, Type::Unavailable, codes);
            if let Stanza::Presence(gone) = &mut gone {
                let x = gone.payloads.iter_mut().find(|payload| payload.is("x", ns::MUC_USER));
                let item = x.and_then(|x| x.get_child_mut("item", ns::MUC_USER)).expect("it was written with one");
                item.set_attr(Namespace::NONE, "nick".try_into().expect("it is a name"), nick);
            }
            (other.real.clone(), gone)
        };
        // Others go on seeing the session that stays under the nick.
        let stays = self.occupants.iter().any(|other| other.nick == own.nick && other.real != *who);
        self.occupants.iter().filter(|other| !stays || other.real == *who).map(told).collect()
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
        let mut out = self.show(address, &own.nick);
        out.retain(|(to, _)| to != who);
        let mut echo = own.presence(address, self, Type::None, own_codes);
        if let Stanza::Presence(echo) = &mut echo {
            echo.id = id.filter(|_| !self.rules.drops_ids);
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
        let role = if kind == Type::Unavailable { "none" } else { "participant" };
        let owns = room.owner == Some(self.real.to_bare());
        let mut x = Element::bare("x", ns::MUC_USER);
        // Prosody gives them in any order, so the worst is shown here: the last session first.
        let others = room.occupants.iter().filter(|other| other.nick == self.nick && other.real != self.real);
        let others = others.filter(|_| kind == Type::None).map(|other| &other.real).rev();
        for jid in others.chain([&self.real]).map(ToString::to_string) {
            let mut attributes = vec![("affiliation", if owns { "owner" } else { "none" }), ("role", role)];
            attributes.extend((!room.rules.hides_jids).then_some(("jid", jid.as_str())));
            x.append_child(builder("item", ns::MUC_USER, &attributes));
        }
        if codes.contains(&DESTROYED) {
            x.append_child(Element::bare("destroy", ns::MUC_USER));
        }
        for code in codes.iter().filter(|code| **code != DESTROYED) {
            x.append_child(builder("status", ns::MUC_USER, &[("code", &code.to_string())]));
        }
        let mut payloads = if kind == Type::Unavailable { Vec::new() } else { self.payloads.clone() };
        payloads.push(x);
        let from = address.with_resource_str(&self.nick).expect("the nick came as a resource");
        Presence::new(kind).with_from(from).with_payloads(payloads).into()
    }
}

fn is_cancel(query: &Element) -> bool {
    query.get_child("x", ns::DATA_FORMS).is_some_and(|form| form.attr("type") == Some("cancel"))
}

/// To somebody who speaks as an occupant and is none (XEP-0045 section 7.2.18).
fn lost(address: &BareJid, to: &FullJid, nick: &str) -> Delivery {
    let nobody = Occupant { nick: nick.to_owned(), real: to.clone(), payloads: Vec::new() };
    let codes = [code::SELF, code::KICKED, code::TECHNICAL];
    (to.clone(), nobody.presence(address, &Room::default(), Type::Unavailable, &codes))
}

fn reply(
    address: &BareJid,
    nick: Option<&str>,
    to: &FullJid,
    iq: &Iq,
    answer: Result<Option<Element>, DefinedCondition>,
) -> Stanza {
    let occupant = nick.map(|nick| address.with_resource_str(nick).expect("the nick came as a resource"));
    let from = Some(occupant.map_or_else(|| Jid::from(address.clone()), Jid::from));
    let (to, id) = (Some(Jid::from(to.clone())), iq.id().to_owned());
    let iq = match answer {
        Ok(payload) => Iq::Result { from, to, id, payload },
        Err(condition) => Iq::Error { from, to, id, error: error(condition), payload: None },
    };
    iq.into()
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
pub fn builder(name: &str, ns: &str, attributes: &[(&str, &str)]) -> Element {
    let builder = Element::builder(name, ns);
    let named = attributes.iter().fold(builder, |builder, (name, value)| {
        builder.attr((*name).try_into().expect("the harness names attributes properly"), *value)
    });
    named.build()
}
