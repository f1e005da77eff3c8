//! Scripted clients that signal like other implementations: what they publish, whom they wait for and call, which offers they
//! drop. Each is a [`ClientProfile`]: data, without code of its own.

use std::collections::{BTreeMap, BTreeSet};

use jid::{BareJid, FullJid, Jid};
use muji_xep::dtls::{Fingerprint, Setup};
use muji_xep::ice::Transport;
use muji_xep::jingle::{Action, Condition, Content, Jingle, Reason};
use muji_xep::muc::{self, MucUser, code};
use muji_xep::muji::MujiElement;
use muji_xep::rtp::{Description, Media, PayloadType};
use muji_xep::{Element, Secret, Skipped, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::DefinedCondition;

use muji_simulation::room::{builder, error};

/// When a client announces that it is preparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// In the presence with which it enters the room.
    InJoin,
    /// In a second presence, once it is in the room.
    AfterJoin,
}

/// For whom a client waits before it publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// For those who were preparing when the room echoed its own announcement.
    Snapshot,
    /// For nobody.
    Never,
    /// For ever: it never publishes.
    ForEver,
}

/// Whom a client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Those who had published before it did.
    Earlier,
    /// Everybody in the call, also those who are preparing, once the room echoed its own contents.
    Everybody,
    /// Those whose JID is smaller.
    Smaller,
    /// Everybody, at once, with an offer that nobody can accept.
    Nonsense,
}

/// What a client does with an offer from somebody whose presence it has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Early {
    /// Confirms it, and accepts it when the presence arrives.
    Parks,
    /// Confirms it and drops it.
    Drops,
    /// Refuses it.
    Refuses,
}

/// What a client makes of a group in an offer (XEP-0338).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bundles {
    /// It ignores it: each content has a transport of its own.
    Never,
    /// It answers with the group if there is one, as browsers do by default ("balanced").
    IfOffered,
    /// It also refuses an offer without one ("max-bundle").
    Always,
}

/// How a client behaves.
#[derive(Debug, Clone, Copy)]
pub struct ClientProfile {
    /// Its name.
    pub name: &'static str,
    /// The node of its capabilities.
    pub node: &'static str,
    /// When it announces that it is preparing.
    pub entry: Entry,
    /// For whom it waits.
    pub waits: Waits,
    /// Whom it calls.
    pub calls: Calls,
    /// What it does with early offers.
    pub early: Early,
    /// The namespace of what it publishes.
    pub contents: &'static str,
    /// The name of its audio content.
    pub audio: &'static str,
    /// It publishes only payload types that the others publish with exactly the same parameters.
    pub exact: bool,
    /// It queries the capabilities of others before it calls.
    pub asks: bool,
    /// It accepts another offer from somebody with whom it has a session.
    pub again: bool,
    /// The lower of two crossing offers wins.
    pub breaks_ties: bool,
    /// What it makes of a group in an offer.
    pub bundles: Bundles,
}

/// Dino 0.4, of Debian 12. The 0.5 series differs in invitations only.
pub const DINO_0_4: ClientProfile = ClientProfile {
    name: "dino-0.4",
    node: "https://dino.im",
    entry: Entry::InJoin,
    waits: Waits::Snapshot,
    calls: Calls::Earlier,
    early: Early::Parks,
    contents: ns::JINGLE,
    audio: "audio",
    exact: true,
    asks: true,
    again: false,
    breaks_ties: false,
    bundles: Bundles::Never,
};

/// Dino 0.5.
pub const DINO_0_5: ClientProfile = ClientProfile { name: "dino-0.5", ..DINO_0_4 };

/// Movim 0.34: calls also those who are preparing, and drops what comes before its presence.
pub const MOVIM: ClientProfile = ClientProfile {
    name: "movim",
    node: "https://movim.eu/",
    entry: Entry::AfterJoin,
    waits: Waits::Never,
    calls: Calls::Everybody,
    early: Early::Drops,
    contents: ns::JINGLE,
    audio: "0",
    exact: false,
    asks: false,
    again: true,
    breaks_ties: false,
    bundles: Bundles::Always,
};

/// The fork of Conversations that speaks Muji.
pub const MONOCLES: ClientProfile = ClientProfile {
    name: "monocles",
    node: "https://monocles.chat",
    entry: Entry::InJoin,
    waits: Waits::Never,
    calls: Calls::Smaller,
    early: Early::Parks,
    contents: ns::MUJI,
    audio: "voice",
    exact: false,
    asks: false,
    again: true,
    breaks_ties: true,
    bundles: Bundles::Always,
};

/// A client that follows XEP-0272 and its examples literally.
pub const LITERAL: ClientProfile = ClientProfile {
    name: "literal",
    node: "https://example.org/literal",
    entry: Entry::AfterJoin,
    waits: Waits::Snapshot,
    calls: Calls::Earlier,
    early: Early::Refuses,
    contents: ns::MUJI,
    audio: "audio",
    exact: false,
    asks: false,
    again: true,
    breaks_ties: true,
    bundles: Bundles::IfOffered,
};

/// A client that tries to prevent the call.
pub const HOSTILE: ClientProfile = ClientProfile {
    name: "hostile",
    node: "https://example.org/hostile",
    entry: Entry::InJoin,
    waits: Waits::ForEver,
    calls: Calls::Nonsense,
    early: Early::Refuses,
    contents: ns::JINGLE,
    audio: "audio",
    exact: false,
    asks: false,
    again: false,
    breaks_ties: false,
    bundles: Bundles::Never,
};

/// All of them.
pub const ALL: [ClientProfile; 6] = [DINO_0_4, DINO_0_5, MOVIM, MONOCLES, LITERAL, HOSTILE];

/// An occupant, as such a client knows it.
#[derive(Debug, Clone)]
struct Other {
    jid: FullJid,
    preparing: bool,
    contents: Vec<Content>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Offered,
    Up,
}

/// A client that behaves as its profile says.
#[derive(Debug)]
pub struct Scripted {
    profile: ClientProfile,
    us: FullJid,
    room: BareJid,
    nick: String,
    announced: bool,
    waiting: Option<BTreeSet<String>>,
    published: bool,
    repeated: bool,
    others: BTreeMap<String, Other>,
    sessions: BTreeMap<FullJid, (String, State)>,
    parked: Vec<(FullJid, Jingle)>,
    called: BTreeSet<FullJid>,
    ids: u64,
    out: Vec<Stanza>,
}

impl Scripted {
    /// A client outside of the room.
    #[must_use]
    pub fn new(profile: ClientProfile, us: FullJid, room: BareJid, nick: &str) -> Self {
        Self {
            profile,
            us,
            room,
            nick: nick.to_owned(),
            announced: false,
            waiting: None,
            published: false,
            repeated: false,
            others: BTreeMap::new(),
            sessions: BTreeMap::new(),
            parked: Vec::new(),
            called: BTreeSet::new(),
            ids: 0,
            out: Vec::new(),
        }
    }

    /// Enters the room.
    pub fn enter(&mut self) {
        let preparing = (self.profile.entry == Entry::InJoin).then(MujiElement::preparing);
        self.announced = preparing.is_some();
        self.say(Some(muc::enter(None)), preparing.as_ref().map(MujiElement::write));
    }

    /// True if its contents are public.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.repeated
    }

    /// The session with somebody, if it is up.
    #[must_use]
    pub fn session(&self, with: &FullJid) -> Option<&str> {
        self.sessions.get(with).filter(|(_, state)| *state == State::Up).map(|(sid, _)| sid.as_str())
    }

    /// What it sends now.
    pub fn drain(&mut self) -> Vec<Stanza> {
        std::mem::take(&mut self.out)
    }

    /// A stanza arrived.
    pub fn handle(&mut self, stanza: &Stanza) {
        match stanza {
            Stanza::Presence(presence) => self.presence(presence),
            Stanza::Iq(Iq::Set { from: Some(from), id, payload, .. }) => {
                let jingle = Jingle::read(payload, &mut Skipped::default());
                if let (Ok(from), Some(jingle)) = (from.clone().try_into_full(), jingle) {
                    self.jingle(&from, id, jingle);
                }
            }
            Stanza::Iq(Iq::Result { from: Some(from), payload: Some(info), .. })
                if info.is("query", ns::DISCO_INFO) =>
            {
                let able = [ns::JINGLE, ns::ICE_UDP]
                    .iter()
                    .all(|wanted| info.children().any(|feature| feature.attr("var") == Some(wanted)));
                if let Some(jid) = from.clone().try_into_full().ok().filter(|_| able) {
                    self.offer(&jid);
                }
            }
            Stanza::Iq(Iq::Error { from: Some(from), error, .. }) => {
                let lost = error.other.as_ref().and_then(Condition::read) == Some(Condition::TieBreak);
                if let Some(jid) = from.clone().try_into_full().ok().filter(|_| !lost) {
                    self.sessions.remove(&jid);
                }
            }
            Stanza::Iq(_) | Stanza::Message(_) => {}
        }
    }

    fn say(&mut self, enter: Option<Element>, muji: Option<Element>) {
        let to = self.room.with_resource_str(&self.nick).expect("names are plain");
        let caps = [("hash", "sha-1"), ("node", self.profile.node), ("ver", "x")];
        let caps = builder("c", ns::CAPS, &caps);
        let payloads = enter.into_iter().chain(muji).chain([caps]).collect();
        self.out.push(Presence::new(Type::None).with_to(to).with_payloads(payloads).into());
    }

    fn presence(&mut self, presence: &Presence) {
        let nick = presence.from.as_ref().and_then(|from| from.resource()).map(|nick| nick.as_str().to_owned());
        let (Some(nick), Some(user)) = (nick, MucUser::find(&presence.payloads)) else { return };
        let muji = MujiElement::find(&presence.payloads).map(|muji| MujiElement::read(muji, &mut Skipped::default()));
        match (&presence.type_, user.has(code::SELF)) {
            (Type::None, true) => self.echoed(muji),
            (Type::None, false) => self.other(nick, user.real(None), muji),
            (Type::Unavailable, false) => self.gone(&nick),
            _ => {}
        }
    }

    fn echoed(&mut self, muji: Option<MujiElement>) {
        match muji {
            None if !self.announced => {
                self.announced = true;
                self.say(None, Some(MujiElement::preparing().write()));
            }
            Some(muji) if muji.preparing && self.waiting.is_none() => {
                let preparing = self.others.iter().filter(|(_, other)| other.preparing);
                let ahead = preparing.map(|(nick, _)| nick.clone());
                self.waiting = Some(match self.profile.waits {
                    Waits::Snapshot => ahead.collect(),
                    Waits::Never => BTreeSet::new(),
                    Waits::ForEver => [self.nick.clone()].into(),
                });
                self.publish_in_turn();
                self.call_around();
            }
            Some(muji) if !muji.contents.is_empty() => {
                self.repeated = true;
                self.call_around();
            }
            None | Some(_) => {}
        }
    }

    fn other(&mut self, nick: String, real: Option<FullJid>, muji: Option<MujiElement>) {
        let (Some(jid), Some(muji)) = (real, muji) else {
            // Dino does not notice; the others see that it is no participant any more.
            if self.profile.node != DINO_0_4.node {
                self.gone(&nick);
            }
            return;
        };
        let other = Other { jid, preparing: muji.preparing, contents: muji.contents };
        if !other.preparing
            && let Some(waiting) = &mut self.waiting
        {
            waiting.remove(&nick);
        }
        self.others.insert(nick, other);
        self.publish_in_turn();
        self.call_around();
        let known = |jid: &FullJid, others: &BTreeMap<String, Other>| others.values().any(|other| other.jid == *jid);
        let (ready, rest) = std::mem::take(&mut self.parked).into_iter().partition(|(jid, _)| known(jid, &self.others));
        self.parked = rest;
        for (jid, offer) in ready {
            self.accept(&jid, &offer);
        }
    }

    fn gone(&mut self, nick: &str) {
        if let Some(waiting) = &mut self.waiting {
            waiting.remove(nick);
        }
        if let Some(other) = self.others.remove(nick) {
            self.sessions.remove(&other.jid);
            self.called.remove(&other.jid);
        }
        self.publish_in_turn();
    }

    fn publish_in_turn(&mut self) {
        if self.published || self.waiting.as_ref().is_none_or(|waiting| !waiting.is_empty()) {
            return;
        }
        self.published = true;
        let content = Content { name: self.profile.audio.to_owned(), ..audio(self.encodings()) };
        let muji = MujiElement::with(vec![content]).write();
        let muji = if self.profile.contents == ns::MUJI { in_mujis_namespace(&muji) } else { muji };
        self.say(None, Some(muji));
        if self.profile.calls == Calls::Earlier {
            let earlier = self.others.values().filter(|other| !other.preparing && !other.contents.is_empty());
            let earlier: Vec<FullJid> = earlier.map(|other| other.jid.clone()).collect();
            earlier.iter().for_each(|jid| self.call(jid));
        }
    }

    /// What it publishes. Dino compares everything, and most lists of others differ in something.
    fn encodings(&self) -> Vec<PayloadType> {
        let own = opus();
        let theirs = self.others.values().flat_map(|other| &other.contents).filter_map(|it| it.description.as_ref());
        let mut theirs = theirs.map(|description| &description.payload_types).peekable();
        let none_yet = theirs.peek().is_none();
        let shared = none_yet || !self.profile.exact || theirs.all(|list| list.contains(&own));
        if shared { vec![own] } else { Vec::new() }
    }

    fn call_around(&mut self) {
        let callees: Vec<FullJid> = match self.profile.calls {
            Calls::Everybody if self.repeated => self.others.values().map(|other| other.jid.clone()).collect(),
            Calls::Smaller if self.repeated => {
                let with = self.others.values().filter(|other| !other.contents.is_empty());
                with.map(|other| other.jid.clone()).filter(|jid| jid.as_str() < self.us.as_str()).collect()
            }
            Calls::Nonsense if self.waiting.is_some() => self.others.values().map(|other| other.jid.clone()).collect(),
            Calls::Earlier | Calls::Everybody | Calls::Smaller | Calls::Nonsense => Vec::new(),
        };
        callees.iter().for_each(|jid| self.call(jid));
    }

    fn call(&mut self, jid: &FullJid) {
        if self.sessions.contains_key(jid) || !self.called.insert(jid.clone()) {
            return;
        }
        if !self.profile.asks {
            return self.offer(jid);
        }
        let (to, id) = (Some(Jid::from(jid.clone())), self.id());
        self.out.push(Iq::Get { from: None, to, id, payload: Element::bare("query", ns::DISCO_INFO) }.into());
    }

    fn offer(&mut self, jid: &FullJid) {
        if self.sessions.contains_key(jid) {
            return;
        }
        let id = self.id();
        let sid = format!("{}-{id}", self.nick);
        let mut offer = Jingle::new(Action::SessionInitiate, &sid);
        offer.room = Some(self.room.clone());
        let hash = if self.profile.calls == Calls::Nonsense { "sha-1" } else { "sha-256" };
        offer.contents = vec![self.content(vec![opus()], hash, Setup::ActPass)];
        self.sessions.insert(jid.clone(), (sid, State::Offered));
        self.ask(jid, &offer);
    }

    fn content(&self, payload_types: Vec<PayloadType>, hash: &str, setup: Setup) -> Content {
        let fingerprint = Fingerprint { hash: hash.to_owned(), setup: Some(setup), value: vec![7; 32] };
        let transport = Transport {
            ufrag: Some("ufrag".to_owned()),
            pwd: Some(Secret::new("a password of 22 letters")),
            fingerprints: vec![fingerprint],
            ..Transport::default()
        };
        Content { name: self.profile.audio.to_owned(), transport: Some(transport), ..audio(payload_types) }
    }

    fn jingle(&mut self, from: &FullJid, id: &str, jingle: Jingle) {
        match jingle.action {
            Action::SessionInitiate => self.offered(from, id, jingle),
            Action::SessionAccept => {
                self.confirm(from, id);
                if let Some((sid, state)) = self.sessions.get_mut(from)
                    && *sid == jingle.sid
                {
                    *state = State::Up;
                }
            }
            Action::SessionTerminate => {
                self.confirm(from, id);
                if self.sessions.get(from).is_some_and(|(sid, _)| *sid == jingle.sid) {
                    self.sessions.remove(from);
                }
                self.parked.retain(|(jid, offer)| jid != from || offer.sid != jingle.sid);
            }
            _ => self.confirm(from, id),
        }
    }

    fn offered(&mut self, from: &FullJid, id: &str, offer: Jingle) {
        let known = self.others.values().any(|other| other.jid == *from);
        if let Some((ours, state)) = self.sessions.get(from) {
            if self.profile.breaks_ties && *state == State::Offered && *ours < offer.sid {
                return self.refuse(from, id, DefinedCondition::Conflict, Some(Condition::TieBreak));
            }
            if !self.profile.again {
                return self.confirm(from, id); // And that is all.
            }
        }
        if self.profile.waits == Waits::ForEver || (!known && self.profile.early == Early::Refuses) {
            return self.refuse(from, id, DefinedCondition::ItemNotFound, None);
        }
        self.confirm(from, id);
        match (known, self.profile.early) {
            (true, _) => self.accept(from, &offer),
            (false, Early::Parks) => self.parked.push((from.clone(), offer)),
            (false, Early::Drops | Early::Refuses) => {}
        }
    }

    fn accept(&mut self, from: &FullJid, offer: &Jingle) {
        if offer.group.is_none() && self.profile.bundles == Bundles::Always {
            let mut end = Jingle::new(Action::SessionTerminate, &offer.sid);
            end.why = Some(Reason::FailedApplication.into());
            return self.ask(from, &end);
        }
        let mut answer = Jingle::new(Action::SessionAccept, &offer.sid);
        answer.contents = offer.contents.iter().map(|content| self.answer(content)).collect();
        answer.group = offer.group.clone().filter(|_| self.profile.bundles != Bundles::Never);
        self.sessions.insert(from.clone(), (offer.sid.clone(), State::Up));
        self.ask(from, &answer);
    }

    /// The answer to a content: its first encoding.
    fn answer(&self, offered: &Content) -> Content {
        let mut description = offered.description.clone();
        if let Some(description) = &mut description {
            description.payload_types.truncate(1);
            description.extensions.clear();
            description.sources.clear();
        }
        Content { name: offered.name.clone(), description, ..self.content(Vec::new(), "sha-256", Setup::Active) }
    }

    fn ask(&mut self, to: &FullJid, jingle: &Jingle) {
        let (to, id) = (Some(Jid::from(to.clone())), self.id());
        self.out.push(Iq::Set { from: None, to, id, payload: jingle.write() }.into());
    }

    fn confirm(&mut self, to: &FullJid, id: &str) {
        let to = Some(Jid::from(to.clone()));
        self.out.push(Iq::Result { from: None, to, id: id.to_owned(), payload: None }.into());
    }

    fn refuse(&mut self, to: &FullJid, id: &str, condition: DefinedCondition, jingle: Option<Condition>) {
        let mut error = error(condition);
        error.other = jingle.map(|condition| condition.write());
        let to = Some(Jid::from(to.clone()));
        self.out.push(Iq::Error { from: None, to, id: id.to_owned(), error, payload: None }.into());
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("{}{}", self.profile.name, self.ids)
    }
}

fn opus() -> PayloadType {
    PayloadType::new(111, "opus", 48_000, 2).with_parameter("useinbandfec", "1")
}

fn audio(payload_types: Vec<PayloadType>) -> Content {
    Content { description: Some(Description::new(Media::Audio, payload_types)), ..Content::new("audio") }
}

/// The contents as the XEP's examples have them: in the namespace of what surrounds them.
fn in_mujis_namespace(muji: &Element) -> Element {
    let text = String::from(muji)
        .replace(&format!("xmlns='{}'", ns::JINGLE), "")
        .replace(&format!("xmlns=\"{}\"", ns::JINGLE), "");
    text.parse().expect("it was well-formed and still is")
}
