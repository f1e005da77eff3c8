//! A room on a real server, where a client is judged by what others hear of it: those are devices of the suite's account. A witness is in the
//! room from the beginning. What none of them hears is not judged here.

use std::io;
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid, Jid};
use muji_core::xmpp::{Account, Server};
use muji_harness::real_server;
use muji_harness::server::MAX_LOGGED;
use muji_harness::simulated_server::SimulatedServer;
use muji_trace::Line;
use muji_xep::{Element, Secret, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::rxml::Namespace;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use super::client::{Account as Credentials, Client};
use super::devices::{ReceivedStanza, Request};
use super::person::{Desk, Person};
use super::reconstruction::Reconstruction;
use crate::play::{able, what_others_can};

use super::watched_room::{Visit, WatchedRoom};
use super::{Cannot, HOST, LOGIN, NOT_DONE, ORDER, Order, Testbed, invitation};

/// The resource of a contact who looks whether the client is there.
const SCOUT: &str = "scout";

/// Within this a server tells a contact that comes who is there.
const TOLD: Duration = Duration::from_secs(1);

/// The status code for an occupant whom a moderator removes.
const KICKED: u16 = 307;

/// Cases look at what was said at least this often.
const STEP: Duration = Duration::from_millis(20);

/// Of everybody on a server that is started for a case.
pub(super) const PASSWORD: &str = "a password for one case";

/// Who is judged there, and whose devices judge.
const SUBJECT: &str = "romeo";
const SUITE: &str = "juliet";

/// What a server is told of the way in, and what rooms say to one alone, nobody else hears.
const UNHEARD: &str = "only its server hears it";

const MADE: &str = "the suite enters the room first and so creates it";

/// A server that is there for the suite alone, with accounts that it has nowhere else.
struct Own {
    _server: real_server::RealServer,
    /// The client's own.
    subject: Account,
    /// Of nobody's contacts.
    stranger: Account,
}

/// The room, and who is judged in it.
pub(crate) struct OnRealServer {
    // In this order: the client ends before who watches it, and the server last.
    client: Box<dyn Client>,
    watched: WatchedRoom,
    account: Account,
    own: Option<Own>,
    subject: BareJid,
    observed: Reconstruction,
    lines: Vec<Line>,
    heard: usize,
    /// From where the client spoke last.
    device: Option<FullJid>,
    start: Instant,
}

impl OnRealServer {
    /// With whatever client a person moves.
    pub(crate) fn with_person(visit: &Visit) -> io::Result<Self> {
        let Visit { account, room, subject, desk } = visit;
        let watched = WatchedRoom::enter(account, room)?;
        let client = Box::new(Person(desk.clone()));
        let mut this = Self::new(watched, account.clone(), None, subject.clone(), client);
        this.empty_room(desk)?;
        Ok(this)
    }

    /// With a client that is moved, on a Prosody that is started for it.
    pub(crate) fn over_prosody(client: impl FnOnce(Credentials) -> io::Result<Box<dyn Client>>) -> io::Result<Self> {
        Self::over(real_server::RealServer::prosody_of_friends(PASSWORD)?, |account, _| client(account))
    }

    /// The same on this one, whose password is [`PASSWORD`].
    pub(super) fn over(
        server: Option<real_server::RealServer>,
        client: impl FnOnce(Credentials, &real_server::RealServer) -> io::Result<Box<dyn Client>>,
    ) -> io::Result<Self> {
        let server = server.ok_or_else(|| io::Error::other("Prosody is not installed"))?;
        let address = server.address().parse().map_err(io::Error::other)?;
        let account = |name: &str| {
            let jid: Jid = format!("{name}@{}", server.domain).parse().map_err(io::Error::other)?;
            Ok::<_, io::Error>(Account {
                server: Server::Plaintext(address),
                ..Account::new(jid, Secret::new(PASSWORD))
            })
        };
        let (subject, suite, stranger) = (account(SUBJECT)?, account(SUITE)?, account(real_server::STRANGER)?);
        let room = format!("balcony@conference.{}", server.domain).parse().map_err(io::Error::other)?;
        let watched = WatchedRoom::enter(&suite, &room)?;
        let jid = subject.jid.to_bare();
        let credentials = Credentials { jid: jid.to_string(), password: PASSWORD.to_owned(), server: address };
        let client = client(credentials, &server)?;
        Ok(Self::new(watched, suite, Some(Own { _server: server, subject, stranger }), jid, client))
    }

    fn new(
        watched: WatchedRoom,
        account: Account,
        own: Option<Own>,
        subject: BareJid,
        client: Box<dyn Client>,
    ) -> Self {
        Self {
            client,
            observed: Reconstruction::new(watched.room.clone(), subject.clone()),
            watched,
            account,
            own,
            subject,
            lines: Vec::new(),
            heard: 0,
            device: None,
            start: Instant::now(),
        }
    }

    /// Waits until the client has left the room of the case before.
    fn empty_room(&mut self, desk: &Desk) -> io::Result<()> {
        let cannot = |cannot: Cannot| match cannot {
            Cannot::Gone(why) => io::Error::other(why),
            Cannot::Here(why) => io::Error::other(why),
            Cannot::NotImplemented => io::Error::other("not implemented"),
        };
        self.listen(Duration::ZERO).map_err(cannot)?;
        if self.observed.is_inside() {
            desk.ask("Leave the call, and its room.");
        }
        let until = Instant::now() + ORDER;
        while self.observed.is_inside() {
            if Instant::now() > until {
                return Err(io::Error::other("the client does not leave the room of the case before"));
            }
            self.listen(STEP).map_err(cannot)?;
        }
        self.lines.clear();
        Ok(())
    }

    /// Somebody invites the client to a room, once it is there.
    fn invite(&mut self, room: &BareJid) -> Result<(), Cannot> {
        let host = self.log_in(HOST)?;
        let until = Instant::now() + LOGIN;
        while !self.observed.is_available() {
            if Instant::now() > until {
                return Err(Cannot::Gone("it does not log in".to_owned()));
            }
            self.listen(STEP)?;
        }
        self.watched.devices.say(&host, invitation(self.subject.clone(), room).into());
        Ok(())
    }

    /// Takes what was heard, waiting for something at most so long.
    fn listen(&mut self, limit: Duration) -> Result<(), Cannot> {
        let ours = |why: String| Cannot::Gone(format!("the connection of the suite itself: {why}"));
        let mut heard = self.watched.devices.hear(limit).map_err(ours)?;
        while let Some(one) = heard {
            self.take(one);
            heard = self.watched.devices.hear(Duration::ZERO).map_err(ours)?;
        }
        Ok(())
    }

    fn take(&mut self, ReceivedStanza { device, at, stanza }: ReceivedStanza) {
        self.heard += 1;
        let at = at.saturating_duration_since(self.start);
        let of_a_client = !self.watched.devices.are_at(stanza.attr("from"));
        if let Some((client, stanza)) = of_a_client.then(|| self.observed.hears(&device, &stanza)).flatten() {
            self.device = Some(client.clone());
            self.lines.push(Line { at, client, said: true, stanza });
        }
        match Stanza::try_from(stanza.clone()) {
            // Some ask what we can while they do what they are told: then no case is there to answer.
            Ok(Stanza::Iq(Iq::Get { from, id, payload, .. })) if payload.is("query", ns::DISCO_INFO) => {
                self.watched.devices.say(&device, what_others_can(from, id, &payload).into());
            }
            // The witness can nothing else, and says so.
            Ok(Stanza::Iq(Iq::Get { from, id, .. } | Iq::Set { from, id, .. })) if device == self.watched.witness => {
                let error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", "");
                let answer = Iq::Error { from: None, to: from, id, error, payload: None };
                self.watched.devices.say(&device, answer.into());
            }
            _ if device == self.watched.witness => {}
            _ => self.lines.push(Line { at, client: device, said: false, stanza }),
        }
    }

    /// What the client hears of what one of us says, if it does.
    fn stanza_log(&self, who: &FullJid, stanza: &Element) -> Option<Line> {
        let to: Jid = stanza.attr("to")?.parse().ok()?;
        let in_room = to.to_bare() == self.watched.room;
        let hears = match in_room {
            true if stanza.name() == "presence" => self.observed.is_inside(),
            true => self.observed.nick().is_some_and(|nick| to.resource().is_some_and(|to| to.as_str() == nick)),
            false => to.to_bare() == self.subject,
        };
        let client = self.device.clone().filter(|_| hears)?;
        let from = if in_room { to.to_string() } else { who.to_string() };
        let mut stanza = stanza.clone();
        stanza.set_attr(Namespace::NONE, "from".try_into().expect("it is a name"), from);
        Some(Line { at: self.now(), client, said: false, stanza })
    }
}

/// Of what shows that a client does what it was told: answers to requests, and what it does by itself, do not.
fn is_a_deed(line: &Line, subject: &BareJid) -> bool {
    let by_itself = ["session-initiate", "transport-info"].iter().any(|action| line.action(action).is_some());
    let answers = line.stanza.name() == "iq" && line.jingle().is_none();
    line.said && line.client.to_bare() == *subject && !by_itself && !answers
}

impl Testbed for OnRealServer {
    fn lacks(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("muc-join-01", UNHEARD),
            ("muc-join-03", UNHEARD),
            ("muc-pres-05", UNHEARD),
            ("muc-pres-06", UNHEARD),
            ("muji-join-02", UNHEARD),
            ("R-MUC-2", MADE),
            ("carb-01", UNHEARD),
            ("ping-01", UNHEARD),
        ]
    }

    fn subject(&self) -> BareJid {
        self.subject.clone()
    }

    fn is_there(&self) -> bool {
        self.observed.is_inside() || self.observed.is_available()
    }

    fn room(&self, _: &str) -> BareJid {
        self.watched.room.clone()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn log_in(&mut self, name: &str) -> Result<FullJid, Cannot> {
        let account = match &self.own {
            _ if self.subject.node().is_none_or(|node| node.as_str() != name) => &self.account,
            Some(own) => &own.subject,
            None => return Err(Cannot::Here("no other device of the client's account is ours")),
        };
        let gone = |why: String| Cannot::Gone(format!("nobody can log in beside it: {why}"));
        // Two of one name are two devices.
        let jid = |name: &str| format!("{}/{name}", account.jid.to_bare());
        let is_free = |name: &String| !self.watched.devices.are_at(Some(&jid(name)));
        let mut names = std::iter::once(name.to_owned()).chain((2..).map(|number| format!("{name}{number}")));
        let name = names.find(is_free).expect("there is no end of names");
        let jid = self.watched.devices.log_in(account, &name).map_err(|why| gone(why.to_string()))?;
        let presence = Presence::new(Type::None).with_payloads(vec![able().caps()]);
        self.watched.devices.say(&jid, presence.into());
        // A later answer proves that the device is there.
        let roster = Request::Get(Element::bare("query", ns::ROSTER));
        self.watched.devices.ask(&jid, None, roster).map_err(gone)?;
        Ok(jid)
    }

    fn befriend(&mut self, _: &[BareJid]) -> Result<(), Cannot> {
        let gone = |why: String| Cannot::Gone(format!("the suite's contacts are not to be had: {why}"));
        let (witness, roster) = (self.watched.witness.clone(), Request::Get(Element::bare("query", ns::ROSTER)));
        let roster = self.watched.devices.ask(&witness, None, roster).map_err(gone)?;
        let both = |item: &Element| {
            item.attr("jid") == Some(self.subject.as_str()) && item.attr("subscription") == Some("both")
        };
        match roster.is_some_and(|roster| roster.children().any(both)) {
            true => Ok(()),
            false => Err(Cannot::Here("the suite's account and the client's must be contacts, each of the other")),
        }
    }

    fn treat_newcomers_as_strangers(&mut self) -> Result<(), Cannot> {
        // Somebody must see that the client is there.
        self.log_in(SCOUT)?;
        let own = self.own.as_ref();
        let own = own.ok_or(Cannot::Here("all who are here are devices of one account, which is a contact"))?;
        self.account = own.stranger.clone();
        Ok(())
    }

    /// A server tells a contact that comes who is there for all, and not who is there for one alone.
    fn is_called(&mut self) -> Result<(), Cannot> {
        let scout = self.log_in(SCOUT)?;
        let until = Instant::now() + TOLD;
        while Instant::now() < until {
            let tells = |line: &Line| {
                let from = line.stanza.attr("from").and_then(|from| from.parse::<Jid>().ok());
                line.client == scout
                    && line.stanza.name() == "presence"
                    && line.stanza.attr("type").is_none()
                    && from.is_some_and(|from| from.to_bare() == self.subject)
            };
            if self.lines.iter().any(tells) {
                return Ok(());
            }
            self.listen(STEP)?;
        }
        Err(Cannot::Here("while it calls, calls to its account do not reach it"))
    }

    fn makes_rooms(&self) -> Result<(), Cannot> {
        Err(Cannot::Here(MADE))
    }

    fn say(&mut self, who: &FullJid, stanza: Element) {
        self.lines.extend(self.stanza_log(who, &stanza));
        self.watched.devices.say(who, Stanza::try_from(stanza).expect("cases say stanzas"));
    }

    fn order(&mut self, order: &Order) -> Result<(), Cannot> {
        self.listen(Duration::ZERO)?;
        if *order == Order::Wait && self.observed.is_available() {
            return Ok(());
        }
        if self.client.comes_by_invitation()
            && let Order::Join(room, None) = order
        {
            self.invite(room)?;
            return self.client.order(&Order::Accept);
        }
        self.client.order(order)?;
        let until = Instant::now() + ORDER;
        let seen = self.lines.len();
        loop {
            if let Some(done) = self.client.done() {
                return done;
            }
            if self.lines[seen..].iter().any(|line| is_a_deed(line, &self.subject)) {
                return Ok(());
            }
            if Instant::now() > until {
                return Err(NOT_DONE);
            }
            self.listen(STEP)?;
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<(), Cannot> {
        let until = Instant::now() + limit;
        while self.lines.is_empty() {
            if let Some(why) = self.client.gone() {
                return Err(why);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.listen(STEP.min(left))?;
        }
        if self.heard >= MAX_LOGGED {
            return Err(Cannot::Gone(format!("{MAX_LOGGED} stanzas are too many for a case")));
        }
        Ok(())
    }

    fn heard(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    fn rooms(&mut self, _: &mut dyn FnMut(&mut SimulatedServer)) -> Result<(), Cannot> {
        Err(Cannot::Here("what keeps it out of a room, nobody in the room sees"))
    }

    fn put_out(&mut self, _: &BareJid, who: &FullJid, codes: &[u16]) -> Result<(), Cannot> {
        const REFUSED: Cannot = Cannot::Here("the room does not let us put anybody out");
        if *codes != [KICKED] {
            return Err(Cannot::Here("a room puts nobody out like this because we want it"));
        }
        self.listen(Duration::ZERO)?;
        let nick = if who.to_bare() == self.subject { self.observed.nick() } else { Some(who.resource().as_str()) };
        let nick = nick.ok_or(Cannot::Here("the client is not there"))?;
        let kick = format!("<query xmlns='{}'><item nick='{nick}' role='none'/></query>", ns::MUC_ADMIN);
        let kick = kick.parse().map_err(|_| Cannot::Here("its nick is not plain"))?;
        match self.watched.ask(Request::Set(kick)) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(REFUSED),
            Err(why) => Err(Cannot::Gone(why.to_string())),
        }
    }
}
