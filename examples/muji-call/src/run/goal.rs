//! Whom a call is with, and how it comes to it.

use std::pin::Pin;
use std::time::Duration;

use jid::{BareJid, FullJid, Jid};
use muji_core::error::Refused;
use muji_core::xmpp::Account;
use muji_core::{CallId, Join, Secret};
use muji_xep::{Element, ns};
use tokio::time::{Instant, Sleep};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::presence::Type;
use xmpp_parsers::stanza::Stanza;

use super::Program;
use crate::args::Args;
use crate::chat::Chat;
use crate::exit::Failure;

/// How long a server may take to say what a name stands for; one that has to be reached first takes seconds.
const DECIDING: Duration = Duration::from_secs(10);

/// The id of that question.
const QUESTION: &str = "what-is-it";

/// What the program is for.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    /// The call in this room, or in one made at its service.
    Room(BareJid),
    /// Somebody, on all devices or on one.
    Person(Jid),
    /// A room or a person: the server of the name is asked which.
    Either(BareJid),
    /// Wait for calls.
    Wait,
}

/// Names on one's own server are persons, and only persons have devices.
pub(super) fn goal(args: &Args, account: &Account) -> Result<Goal, Failure> {
    let Some(whom) = args.whom.clone() else { return Ok(Goal::Wait) };
    let room = args.new || args.in_chat || args.bridge.bridge;
    Ok(match whom.try_into_full() {
        Ok(device) if room => return Err(Failure::Usage(format!("{device} is not a room"))),
        Ok(device) => Goal::Person(device.into()),
        Err(bare) if room => Goal::Room(bare),
        Err(bare) if bare.domain() == account.jid.domain() => Goal::Person(bare.into()),
        Err(bare) => Goal::Either(bare),
    })
}

impl Program {
    /// What the chat rooms say: that around the call, or those in which we wait.
    pub(super) fn chat_presence_received(&mut self, stanza: &Stanza) -> Result<(), Failure> {
        let refused = self.chats.iter().find_map(|chat| Some((chat.room(), chat.refusal(stanza)?)));
        let entered = self.chats.iter().find(|chat| chat.is_entered(stanza)).map(Chat::room);
        match (refused, entered) {
            (Some((room, why)), _) if self.args.wait => {
                self.report.warning(&format!("cannot enter the chat room {room}: {why}"));
            }
            (Some((_, why)), _) if self.call.is_none() => return Err(why.into()),
            (None, Some(room)) if self.args.wait => self.report.chat_room_entered(&room),
            (None, Some(_)) if self.call.is_none() => self.join(Join::chat_room())?,
            _ => {}
        }
        Ok(())
    }

    /// Does what the program is for.
    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        match self.goal.clone() {
            Goal::Room(_) => self.join(Join::call_room())?,
            Goal::Person(whom) => self.dial(whom)?,
            Goal::Either(name) => {
                self.undecided = Some(Instant::now() + DECIDING);
                let domain = Jid::from(BareJid::from_parts(None, name.domain()));
                let query = Element::bare("query", ns::DISCO_INFO);
                let ask = Iq::Get { from: None, to: Some(domain), id: QUESTION.to_owned(), payload: query };
                self.send(ask).await;
            }
            Goal::Wait => {} // Until others see that we are there.
        }
        Ok(())
    }

    /// The server shows our presence to us as to others (RFC 6121 section 4.2.2): from now on calls reach us.
    pub(super) fn own_presence_received(&mut self, stanza: &Stanza) {
        let Stanza::Presence(presence) = stanza else { return };
        let ours = |us: &mut FullJid| presence.from.as_ref().is_some_and(|from| *from == *us);
        if presence.type_ == Type::None && self.unseen.take_if(ours).is_some() {
            self.report.waiting();
        }
    }

    /// The server of a name says what it is: rooms live on services of their own.
    pub(super) fn identity_received(&mut self, stanza: &Stanza) -> Result<(), Failure> {
        let (Stanza::Iq(iq), Goal::Either(name)) = (stanza, self.goal.clone()) else { return Ok(()) };
        let from = iq.from().is_some_and(|from| from.as_str() == name.domain().as_str());
        if !from || iq.id() != QUESTION || self.undecided.take().is_none() {
            return Ok(());
        }
        let info = if let Iq::Result { payload, .. } = iq { payload.as_ref() } else { None };
        let identities = info.into_iter().flat_map(Element::children).filter(|child| child.name() == "identity");
        let categories: Vec<&str> = identities.filter_map(|identity| identity.attr("category")).collect();
        // Who does not say what it is may still have the room: then that is the better error.
        if categories.contains(&"conference") || !categories.contains(&"server") {
            return self.treat_as_room(name);
        }
        self.dial(name.into())
    }

    fn treat_as_room(&mut self, name: BareJid) -> Result<(), Failure> {
        self.goal = Goal::Room(name);
        self.join(Join::call_room())
    }

    /// Nobody says what a name stands for: entering a room has its own deadlines and errors.
    pub(super) fn decide(&mut self) -> Result<(), Failure> {
        match (&self.goal, self.undecided.take_if(|until| *until <= Instant::now())) {
            (Goal::Either(name), Some(_)) => self.treat_as_room(name.clone()),
            _ => Ok(()),
        }
    }

    fn dial(&mut self, whom: Jid) -> Result<(), Failure> {
        self.report.joining();
        let refused = |why: Refused| Failure::Usage(why.to_string());
        let call = self.muji.call(whom, self.contents.clone()).map_err(refused)?;
        self.call_started(call);
        Ok(())
    }

    /// Makes this the program's call. What is muted is announced from the start.
    pub(super) fn call_started(&mut self, call: CallId) {
        (self.call, self.screens_refused) = (Some(call), false);
        for media in &self.muted {
            let _over_already = self.muji.in_call(call).mute(media.clone()).is_err();
        }
    }

    pub(super) fn how(&self, how: Join) -> Join {
        let mut how = how.media(self.contents.clone());
        if let Some(nick) = &self.args.nick {
            how = how.nick(nick);
        }
        if let Some(password) = room_password() {
            how = how.password(Secret::new(password));
        }
        how
    }

    fn join(&mut self, how: Join) -> Result<(), Failure> {
        let Goal::Room(room) = self.goal.clone() else { return Ok(()) };
        let how = self.how(how);
        self.report.joining();
        let refused = |why: Refused| Failure::Usage(why.to_string());
        let call = if self.args.new {
            let (room, call) = self.muji.open(room.domain(), how).map_err(refused)?;
            self.report.room_made(&room);
            call
        } else {
            self.muji.join(room, how).map_err(refused)?
        };
        self.call_started(call);
        self.begin_bridge(call)
    }

    /// We are in, for the first time or again.
    pub(super) fn joined(&mut self, time_up: Pin<&mut Sleep>) {
        if let Some(seconds) = self.args.seconds.filter(|_| !self.timed) {
            self.timed = true;
            time_up.reset(Instant::now() + Duration::from_secs(seconds));
        }
        let Some(call) = self.call else { return };
        let members = if self.args.new { self.args.admit.clone() } else { Vec::new() };
        for guest in members {
            let _not_ours = self.muji.in_call(call).admit(guest).is_err(); // It is: --admit needs --new.
        }
        std::mem::take(&mut self.args.invite).into_iter().for_each(|guest| self.invite(guest));
    }
}

pub(super) fn room_password() -> Option<String> {
    std::env::var("XMPP_ROOM_PASSWORD").ok()
}
