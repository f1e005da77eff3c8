//! Playing a case: what the others do, what the client is told to do, and what is expected of it.

use std::time::Duration;

use jid::{BareJid, FullJid, Jid};
use muji_core::Disco;
use muji_harness::puppet;
use muji_harness::simulated_server::SimulatedServer;
use muji_trace::{Line, publishes};
use muji_xep::jingle::{Action, Content, Jingle};
use muji_xep::muji::MujiElement;
use muji_xep::{Element, Skipped, muc, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::subjects::{Cannot, Order, Testbed};

/// What a client does without delay, it does within this time.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// Why a case did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The client does what it must not, or not what it must.
    Wrong(String),
    /// The case could not be played.
    Cannot(Cannot),
}

impl From<Cannot> for Fault {
    fn from(cannot: Cannot) -> Self {
        Self::Cannot(cannot)
    }
}

/// The client does what it must not, or not what it must.
pub(crate) fn wrong<T>(why: impl Into<String>) -> Result<T> {
    Err(Fault::Wrong(why.into()))
}

/// The result of a step of a case.
pub(crate) type Result<T = ()> = std::result::Result<T, Fault>;

/// Another participant, controlled by the case.
#[derive(Debug, Clone)]
pub(crate) struct Other {
    pub(crate) jid: FullJid,
    nick: String,
}

/// How the others answer requests automatically.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AutoReply {
    /// They confirm requests and answer disco queries.
    Confirms,
    /// They also accept sessions.
    Accepts,
    /// They answer disco queries, and leave requests unanswered.
    Silent,
}

/// A case that is being played.
pub(crate) struct Play {
    testbed: Box<dyn Testbed>,
    pub(crate) room: BareJid,
    pub(crate) subject: BareJid,
    /// Everything that was sent and received.
    lines: Vec<Line>,
    /// Lines before this one have been examined.
    mark: usize,
    others: Vec<Other>,
    auto_reply: AutoReply,
    ids: usize,
    /// The client was told to leave: it may log off then.
    left: bool,
}

impl Play {
    pub(crate) fn new(testbed: Box<dyn Testbed>) -> Self {
        let (room, subject) = (testbed.room("balcony"), testbed.subject());
        Self {
            testbed,
            room,
            subject,
            lines: Vec::new(),
            mark: 0,
            others: Vec::new(),
            auto_reply: AutoReply::Confirms,
            ids: 0,
            left: false,
        }
    }

    // ---- what the others do ----------------------------------------------------------------------------------------------

    /// Somebody logs in.
    pub(crate) fn other(&mut self, name: &str) -> Result<Other> {
        let jid = self.testbed.log_in(name)?;
        let other = Other { jid, nick: name.to_owned() };
        self.others.push(other.clone());
        Ok(other)
    }

    /// From now on the others accept sessions.
    pub(crate) fn accept_sessions(&mut self) {
        self.auto_reply = AutoReply::Accepts;
    }

    /// From now on they leave requests unanswered, but still answer disco queries, which some clients send first.
    pub(crate) fn fall_silent(&mut self) {
        self.auto_reply = AutoReply::Silent;
    }

    /// All are contacts of each other.
    pub(crate) fn befriend(&mut self) -> Result {
        let others = self.others.iter().map(|other| other.jid.to_bare());
        let people: Vec<BareJid> = others.chain([self.subject.clone()]).collect();
        Ok(self.testbed.befriend(&people)?)
    }

    /// People who log in from now on are not in the client's contact list.
    pub(crate) fn treat_newcomers_as_strangers(&mut self) -> Result {
        Ok(self.testbed.treat_newcomers_as_strangers()?)
    }

    /// Calls to the client's account reach it.
    pub(crate) fn is_called(&mut self) -> Result {
        Ok(self.testbed.is_called()?)
    }

    /// The client makes the rooms in which nobody is yet.
    pub(crate) fn makes_rooms(&self) -> Result {
        Ok(self.testbed.makes_rooms()?)
    }

    /// Somebody says something. What comes is looked for from here on.
    pub(crate) fn say(&mut self, other: &Other, stanza: impl Into<Element>) {
        self.mark = self.lines.len();
        self.testbed.say(&other.jid, stanza.into());
    }

    /// Somebody enters the room, saying this of the call, if anything.
    pub(crate) fn enter(&mut self, other: &Other, says: Option<&MujiElement>) -> Result {
        let payloads = [Some(muc::enter(None)), says.map(MujiElement::write)].into_iter().flatten().collect();
        self.appear(other, Type::None, payloads);
        self.pause(Duration::from_millis(500))
    }

    /// Somebody in the room says something else of the call.
    pub(crate) fn update(&mut self, other: &Other, says: Option<&MujiElement>) {
        self.appear(other, Type::None, says.map(MujiElement::write).into_iter().collect());
    }

    /// Somebody takes another nick.
    pub(crate) fn rename(&mut self, other: &mut Other, nick: &str, says: Option<&MujiElement>) {
        nick.clone_into(&mut other.nick);
        self.update(other, says);
    }

    /// Somebody leaves the room.
    pub(crate) fn leave(&mut self, other: &Other) {
        self.appear(other, Type::Unavailable, Vec::new());
    }

    /// The same with whatever stands in the presence.
    pub(crate) fn update_raw(&mut self, other: &Other, payloads: Vec<Element>) {
        self.appear(other, Type::None, payloads);
    }

    fn appear(&mut self, other: &Other, kind: Type, payloads: Vec<Element>) {
        let to = self.room.with_resource_str(&other.nick).expect("names are plain");
        self.say(other, Presence::new(kind).with_to(to).with_payloads(payloads));
    }

    /// Somebody asks the client something of a session; the id of the request.
    pub(crate) fn ask(&mut self, other: &Other, jingle: &Jingle) -> Result<String> {
        self.ask_raw(other, jingle.write())
    }

    /// The same with whatever stands in the request.
    pub(crate) fn ask_raw(&mut self, other: &Other, payload: Element) -> Result<String> {
        let (to, id) = (Some(Jid::from(self.client()?)), self.id());
        self.say(other, Iq::Set { from: None, to, id: id.clone(), payload });
        Ok(id)
    }

    /// Somebody asks the room to do something.
    pub(crate) fn ask_room(&mut self, other: &Other, payload: Element) {
        let (to, id) = (Some(Jid::from(self.room.clone())), self.id());
        self.say(other, Iq::Set { from: None, to, id, payload });
    }

    /// Somebody asks what the client is; the id of the request.
    pub(crate) fn query(&mut self, other: &Other, query: Element) -> Result<String> {
        let (to, id) = (Some(Jid::from(self.client()?)), self.id());
        self.say(other, Iq::Get { from: None, to, id: id.clone(), payload: query });
        Ok(id)
    }

    /// An offer in the call.
    pub(crate) fn offer(&self, sid: &str, contents: Vec<Content>) -> Jingle {
        let mut offer = Jingle::new(Action::SessionInitiate, sid);
        (offer.room, offer.contents) = (Some(self.room.clone()), contents);
        offer
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("case{}", self.ids)
    }

    // ---- what the client does --------------------------------------------------------------------------------------------

    /// Tells the client what to do. What comes is looked for from here on.
    pub(crate) fn order(&mut self, order: &Order) -> Result {
        self.mark = self.lines.len();
        self.left |= *order == Order::Leave;
        Ok(self.testbed.order(order)?)
    }

    /// Tells it to join the call in the room.
    pub(crate) fn join(&mut self) -> Result {
        self.order(&Order::Join(self.room.clone(), None))
    }

    /// It waits, and its server knows it.
    pub(crate) fn present(&mut self) -> Result {
        self.order(&Order::Wait)?;
        self.says("that it is there", SOON, |line| (line.stanza.name() == "presence").then_some(()))?;
        self.pause(Duration::from_secs(1))
    }

    /// It joins, and its contents are out.
    pub(crate) fn joined(&mut self) -> Result {
        self.join()?;
        self.published().map(drop)
    }

    /// Waits until it publishes; what it says.
    pub(crate) fn published(&mut self) -> Result<Element> {
        self.says("its contents", SOON, |line| line.muji().filter(|muji| publishes(muji)).cloned())
    }

    /// Waits until it calls somebody; its offer.
    pub(crate) fn calls(&mut self, other: &Other) -> Result<Element> {
        let to = other.jid.to_string();
        self.says(&format!("an offer to {}", other.nick), SOON, |line| {
            line.action("session-initiate").filter(|_| line.stanza.attr("to") == Some(&to)).cloned()
        })
    }

    /// The full JID of the client: where it spoke last.
    pub(crate) fn client(&self) -> Result<FullJid> {
        let spoke = self.lines.iter().rev().find(|line| line.said && line.client.to_bare() == self.subject);
        let known = spoke.map(|line| line.client.clone());
        known.ok_or_else(|| Fault::Wrong("the client has said nothing yet".to_owned()))
    }

    // ---- what is expected ------------------------------------------------------------------------------------------------

    /// Waits until the client says this.
    pub(crate) fn says<T>(&mut self, what: &str, limit: Duration, find: impl Fn(&Line) -> Option<T>) -> Result<T> {
        let subject = self.subject.clone();
        let found =
            self.find(limit, |line| if line.said && line.client.to_bare() == subject { find(line) } else { None });
        found?.ok_or_else(|| Fault::Wrong(format!("it does not say {what} within {} s", limit.as_secs())))
    }

    /// Waits as long as it would need to say it, and it does not.
    pub(crate) fn does_not_say(&mut self, what: &str, limit: Duration, is: impl Fn(&Line) -> bool) -> Result {
        match self.says(what, limit, |line| is(line).then_some(line.at)) {
            Ok(at) => wrong(format!("it says {what} after {:.3} s", at.as_secs_f64())),
            Err(Fault::Wrong(_)) => Ok(()),
            Err(fault @ Fault::Cannot(_)) => Err(fault),
        }
    }

    /// Waits for the answer to a request: `None` for a result, or the conditions of the error.
    pub(crate) fn answered(&mut self, id: &str) -> Result<Option<Vec<String>>> {
        let answer = self.says("an answer", SOON, |line| {
            let conditions = line.conditions().into_iter().map(str::to_owned).collect();
            line.answers(id).then_some((line.stanza.attr("type") == Some("error")).then_some(conditions))
        });
        match answer {
            Err(Fault::Wrong(_)) if !self.testbed.is_there() && self.left => {
                Err(Cannot::Here("the client logs off when it leaves").into())
            }
            Err(Fault::Wrong(_)) if !self.testbed.is_there() => wrong("it logs off instead of answering"),
            answer => answer,
        }
    }

    /// The request is confirmed.
    pub(crate) fn confirmed(&mut self, id: &str) -> Result {
        match self.answered(id)? {
            None => Ok(()),
            Some(conditions) => wrong(format!("it refuses with {}", conditions.join(" and "))),
        }
    }

    /// The request is refused with these conditions.
    pub(crate) fn refused(&mut self, id: &str, conditions: &[&str]) -> Result {
        match self.answered(id)? {
            Some(given) if conditions.iter().all(|wanted| given.iter().any(|given| given == wanted)) => Ok(()),
            Some(given) => {
                wrong(format!("it refuses with {}, not with {}", given.join(" and "), conditions.join(" and ")))
            }
            None => wrong(format!("it confirms what it must refuse with {}", conditions.join(" and "))),
        }
    }

    /// Lets time pass.
    pub(crate) fn pause(&mut self, time: Duration) -> Result {
        let mark = self.mark;
        self.find(time, |_| None::<()>)?;
        self.mark = mark;
        Ok(())
    }

    /// All that the client said and heard so far.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.client.to_bare() == self.subject)
    }

    /// All that the client said so far.
    pub(crate) fn said(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter().filter(|line| line.said && line.client.to_bare() == self.subject)
    }

    /// How long it has been played.
    pub(crate) fn age(&self) -> Duration {
        self.testbed.now()
    }

    /// What the client said and heard, a line each, without what it asks its server and itself.
    pub(crate) fn ladder(&self) -> Vec<String> {
        let with_others = |line: &&Line| {
            let other = line.stanza.attr(if line.said { "to" } else { "from" }).and_then(|jid| jid.parse::<Jid>().ok());
            let other = other.filter(|jid| jid.node().is_some() && jid.to_bare() != self.subject);
            line.stanza.name() != "iq" || other.is_some()
        };
        self.lines().filter(with_others).map(Line::words).collect()
    }

    /// The next line with this, and everything before it counts as looked at.
    fn find<T>(&mut self, limit: Duration, find: impl Fn(&Line) -> Option<T>) -> Result<Option<T>> {
        let until = self.testbed.now() + limit;
        loop {
            while let Some(line) = self.lines.get(self.mark) {
                self.mark += 1;
                if let Some(found) = find(line) {
                    return Ok(Some(found));
                }
            }
            let left = until.saturating_sub(self.testbed.now());
            if left.is_zero() {
                return Ok(None);
            }
            self.testbed.wait(left)?;
            self.listen();
        }
    }

    /// What came is written down, and the others do what they do by themselves.
    fn listen(&mut self) {
        for line in self.testbed.heard() {
            self.react(&line);
            self.lines.push(line);
        }
    }

    fn react(&mut self, line: &Line) {
        let Some(other) = self.others.iter().find(|other| !line.said && other.jid == line.client).cloned() else {
            return;
        };
        let (from, id) = (line.stanza.attr("from"), line.stanza.attr("id"));
        let (Some(from), Some(id)) = (from.and_then(|from| from.parse::<Jid>().ok()), id) else { return };
        let (to, id) = (Some(from.clone()), id.to_owned());
        if line.stanza.name() != "iq" {
            return;
        }
        if line.stanza.attr("type") == Some("get") {
            let answer = match line.stanza.get_child("query", ns::DISCO_INFO) {
                Some(query) => what_others_can(to, id, query),
                None => {
                    let error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", "");
                    Iq::Error { from: None, to, id, error, payload: None }
                }
            };
            return self.testbed.say(&other.jid, answer.into());
        }
        if line.stanza.attr("type") != Some("set") || self.auto_reply == AutoReply::Silent {
            return;
        }
        self.testbed.say(&other.jid, Iq::Result { from: None, to, id, payload: None }.into());
        let offer = line.action("session-initiate").and_then(|jingle| Jingle::read(jingle, &mut Skipped::default()));
        if let Some(offer) = offer.filter(|_| self.auto_reply == AutoReply::Accepts) {
            let answer = puppet::acceptance(&offer);
            let id = self.id();
            self.testbed.say(&other.jid, Iq::Set { from: None, to: Some(from), id, payload: answer.write() }.into());
        }
    }

    // ---- the rooms -------------------------------------------------------------------------------------------------------

    /// Changes something in the rooms.
    pub(crate) fn rooms(&mut self, mut act: impl FnMut(&mut SimulatedServer)) -> Result {
        Ok(self.testbed.rooms(&mut act)?)
    }

    /// The room puts the client out.
    pub(crate) fn put_out(&mut self, codes: &[u16]) -> Result {
        let client = self.client()?;
        self.put_out_other(&client, codes)
    }

    /// The room puts somebody out.
    pub(crate) fn put_out_other(&mut self, who: &FullJid, codes: &[u16]) -> Result {
        self.mark = self.lines.len();
        Ok(self.testbed.put_out(&self.room.clone(), who, codes)?)
    }
}

/// The answer to a disco query to one of the others.
pub(crate) fn what_others_can(to: Option<Jid>, id: String, query: &Element) -> Iq {
    match able().answer(query.attr("node")) {
        Ok(info) => Iq::Result { from: None, to, id, payload: Some(info) },
        Err(error) => Iq::Error { from: None, to, id, error: *error, payload: None },
    }
}

/// The capabilities of the others.
pub(crate) fn able() -> Disco {
    let features = [ns::DISCO_INFO, ns::CAPS, ns::JINGLE, ns::RTP, ns::ICE_UDP, ns::DTLS, ns::MUJI, ns::JINGLE_MESSAGE];
    let media = ["urn:xmpp:jingle:apps:rtp:audio", "urn:xmpp:jingle:apps:rtp:video"];
    Disco::new("https://example.org/suite", "suite", &[&features[..], &media].concat())
}
