//! An XMPP server with a room service, as values.

use std::collections::BTreeSet;

use jid::{BareJid, FullJid, Jid};
use muji_xep::{Element, ns};
use xmpp_parsers::carbons::{Received, Sent};
use xmpp_parsers::forwarding::Forwarded;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::{Message, MessageType};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::DefinedCondition;

use super::room::{Delivery, Rooms, Rules, builder, error};

/// Where the rooms live: `conference.` and the server's own domain.
pub const ROOMS: &str = "conference.";

/// A server for one domain.
#[derive(Debug, Clone)]
pub struct SimulatedServer {
    domain: String,
    users: BTreeSet<FullJid>,
    /// Who is sent copies of what their other devices hear and say (XEP-0280).
    copying: BTreeSet<FullJid>,
    /// Whether it can make copies.
    pub makes_copies: bool,
    /// Whether its rooms are named among its services.
    pub has_rooms: bool,
    /// Whom everybody has among the contacts, both seeing the other's presence.
    pub contacts: BTreeSet<BareJid>,
    /// What it says of STUN and TURN servers (XEP-0215), each a `<service/>`; `None` if it knows nothing of that.
    pub external: Option<Vec<Element>>,
    /// What it answers to who asks for the credentials of one.
    pub credentials: Option<Element>,
    /// Its room service.
    pub rooms: Rooms,
}

impl SimulatedServer {
    /// A server whose new rooms have these rules.
    #[must_use]
    pub fn new(domain: &str, rules: Rules) -> Self {
        Self {
            domain: domain.to_owned(),
            makes_copies: true,
            has_rooms: true,
            users: BTreeSet::new(),
            copying: BTreeSet::new(),
            contacts: BTreeSet::new(),
            external: None,
            credentials: None,
            rooms: Rooms::new(rules),
        }
    }

    /// The room of this name.
    ///
    /// # Panics
    /// If the name is none for a room.
    #[must_use]
    pub fn room(&self, name: &str) -> BareJid {
        format!("{name}@{ROOMS}{}", self.domain).parse().expect("a room's name")
    }

    /// Somebody logged in.
    pub fn connected(&mut self, who: FullJid) {
        self.users.insert(who);
    }

    /// True if somebody is logged in.
    #[must_use]
    pub fn is_connected(&self, who: &FullJid) -> bool {
        self.users.contains(who)
    }

    /// Somebody wants copies.
    pub fn copy_to(&mut self, who: FullJid) {
        self.copying.insert(who);
    }

    /// How many who are there want copies.
    #[must_use]
    pub fn copying(&self) -> usize {
        self.copying.intersection(&self.users).count()
    }

    /// Somebody's connection is broken, and the server has not noticed.
    pub fn cut(&mut self, who: &FullJid) {
        self.users.remove(who);
    }

    /// Somebody's connection is gone.
    pub fn disconnected(&mut self, who: &FullJid) -> Vec<Delivery> {
        self.users.remove(who);
        self.copying.remove(who); // A new stream has to ask again (XEP-0280 section 4).
        self.rooms.disconnected(who)
    }

    /// True if a stanza goes to or comes from the room service.
    #[must_use]
    pub fn is_of_rooms(&self, address: Option<&Jid>) -> bool {
        address.is_some_and(|address| address.domain().as_str().strip_prefix(ROOMS) == Some(self.domain.as_str()))
    }

    /// A stanza from somebody logged in.
    pub fn handle(&mut self, from: &FullJid, stanza: Stanza) -> Vec<Delivery> {
        match stanza {
            Stanza::Presence(presence) if self.is_of_rooms(presence.to.as_ref()) => self.rooms.presence(from, presence),
            Stanza::Presence(mut presence) if presence.to.is_none() => {
                // Nobody has contacts here, and everybody sees himself (RFC 6121 section 4.2.2).
                presence.from = Some(from.clone().into());
                vec![(from.clone(), presence.into())]
            }
            Stanza::Presence(_) => Vec::new(),
            Stanza::Iq(iq) => self.iq(from, iq),
            Stanza::Message(mut message) => {
                message.from = Some(from.clone().into());
                if self.is_of_rooms(message.to.as_ref())
                    && let Some(passed) = self.rooms.pass_on(from, &message)
                {
                    message = passed;
                }
                self.message(from, &message)
            }
        }
    }

    /// A message to a person reaches every device, and of chats the others hear by copies.
    fn message(&self, from: &FullJid, message: &Message) -> Vec<Delivery> {
        let Some(to) = message.to.clone() else { return Vec::new() };
        let reached = |user: &FullJid| match to.resource() {
            Some(_) => *user == to,
            None => user.to_bare() == to,
        };
        let direct = self.users.iter().filter(|user| reached(user)).map(|user| (user.clone(), message.clone().into()));
        let chat = message.type_ == MessageType::Chat;
        let others = self
            .copying
            .iter()
            .filter(|user| self.makes_copies && chat && self.users.contains(*user) && !reached(user));
        let copies = others.filter(|user| *user != from).filter_map(|user| {
            let forwarded = Forwarded { delay: None, message: message.clone() };
            let copy: Element = match user.to_bare() {
                own if own == from.to_bare() => Sent { forwarded }.into(),
                own if own == to.to_bare() => Received { forwarded }.into(),
                _ => return None,
            };
            let mut wrapper = Message::chat(Jid::from(user.clone()));
            (wrapper.from, wrapper.payloads) = (Some(user.to_bare().into()), vec![copy]);
            Some((user.clone(), wrapper.into()))
        });
        direct.chain(copies).collect()
    }

    fn iq(&mut self, from: &FullJid, mut iq: Iq) -> Vec<Delivery> {
        let to = iq.to().cloned();
        if let Some(room) = to.as_ref().filter(|to| self.is_of_rooms(Some(to)) && to.node().is_some()) {
            return self.rooms.request(&room.to_bare(), room.resource().map(|nick| nick.as_str()), from, &iq);
        }
        let user = to.as_ref().and_then(|to| to.clone().try_into_full().ok()).filter(|to| self.users.contains(to));
        if let Some(user) = user {
            *iq.from_mut() = Some(from.clone().into());
            return vec![(user, iq.into())];
        }
        if matches!(&iq, Iq::Set { payload, .. } if payload.is("enable", ns::CARBONS)) {
            self.copy_to(from.clone());
        }
        let own = to.as_ref().is_none_or(|to| to.as_str() == self.domain || *to == from.to_bare());
        self.answer(from, to, &iq, own).map(|answer| (from.clone(), answer.into())).into_iter().collect()
    }

    fn answer(&self, asker: &FullJid, asked: Option<Jid>, iq: &Iq, own: bool) -> Option<Iq> {
        let payload = match iq {
            Iq::Get { payload, .. } if own && payload.is("ping", ns::PING) => Ok(None),
            Iq::Get { payload, .. } if own && payload.is("query", ns::DISCO_INFO) => Ok(Some(self.own_info())),
            Iq::Get { payload, .. } if own && payload.is("services", ns::EXTDISCO) => self.services(),
            Iq::Get { payload, .. } if own && payload.is("credentials", ns::EXTDISCO) => {
                self.credentials.clone().map(Some).ok_or(DefinedCondition::Forbidden)
            }
            Iq::Get { payload, .. } if self.is_of_rooms(asked.as_ref()) && payload.is("query", ns::DISCO_INFO) => {
                Ok(Some(info("conference", "text")))
            }
            Iq::Get { payload, .. } if own && payload.is("query", ns::DISCO_ITEMS) => Ok(Some(self.items())),
            Iq::Get { payload, .. } if own && payload.is("query", ns::ROSTER) => Ok(Some(self.roster())),
            Iq::Set { payload, .. } if own && self.makes_copies && payload.is("enable", ns::CARBONS) => Ok(None),
            Iq::Get { .. } | Iq::Set { .. } => Err(DefinedCondition::ServiceUnavailable),
            Iq::Result { .. } | Iq::Error { .. } => return None,
        };
        let (from, to, id) = (asked, Some(asker.clone().into()), iq.id().to_owned());
        Some(match payload {
            Ok(payload) => Iq::Result { from, to, id, payload },
            Err(condition) => Iq::Error { from, to, id, error: error(condition), payload: None },
        })
    }
}

impl SimulatedServer {
    /// The services of the server, and among them that of the rooms.
    fn items(&self) -> Element {
        let mut query = Element::bare("query", ns::DISCO_ITEMS);
        for service in ["pubsub.", ROOMS].into_iter().filter(|service| self.has_rooms || *service != ROOMS) {
            let jid = format!("{service}{}", self.domain);
            query.append_child(builder("item", ns::DISCO_ITEMS, &[("jid", jid.as_str())]));
        }
        query
    }

    fn own_info(&self) -> Element {
        let mut info = info("server", "im");
        if self.external.is_some() {
            info.append_child(builder("feature", ns::DISCO_INFO, &[("var", ns::EXTDISCO)]));
        }
        info
    }

    fn services(&self) -> Result<Option<Element>, DefinedCondition> {
        let external = self.external.as_ref().filter(|external| !external.is_empty());
        let external = external.ok_or(DefinedCondition::ServiceUnavailable)?;
        let mut services = Element::bare("services", ns::EXTDISCO);
        for service in external {
            services.append_child(service.clone());
        }
        Ok(Some(services))
    }

    fn roster(&self) -> Element {
        let mut query = Element::bare("query", ns::ROSTER);
        for contact in &self.contacts {
            let item = builder("item", ns::ROSTER, &[("jid", contact.as_str()), ("subscription", "both")]);
            query.append_child(item);
        }
        query
    }
}

fn info(category: &str, kind: &str) -> Element {
    let mut query = Element::bare("query", ns::DISCO_INFO);
    query.append_child(builder("identity", ns::DISCO_INFO, &[("category", category), ("type", kind)]));
    query.append_child(builder("feature", ns::DISCO_INFO, &[("var", ns::DISCO_INFO)]));
    if category == "conference" {
        query.append_child(builder("feature", ns::DISCO_INFO, &[("var", ns::MUC)]));
    }
    query
}
