//! Our Engine in virtual time.

use std::time::Duration;

use jid::{BareJid, FullJid};
use muji_core::config::Config;
use muji_core::{Command, Event, Invitation, Join, Media, Mute};
use muji_harness::person::usual;
use muji_harness::simulated_server::SimulatedServer;
use muji_harness::world::{Interceptor, LoggedStanza, PersonId, World};
use muji_media::transport::loopback;
use muji_trace::Line;
use muji_xep::Element;
use xmpp_parsers::stanza::Stanza;

use super::{Cannot, Order, Testbed};

/// What the capabilities of the Engine name.
const NODE: &str = "https://example.org/engine";

/// Cases look at what was said at least this often.
const STEP: Duration = Duration::from_millis(10);

const NOTHING_RINGS: Cannot = Cannot::Here("nothing rings");

/// The world of one case.
pub(crate) struct Virtual {
    world: World,
    subject: PersonId,
    others: Vec<PersonId>,
    seen: usize,
}

impl Virtual {
    /// With the Engine as it is, or with somebody who spoils what it says.
    pub(crate) fn new(seed: u64, interceptor: Option<Box<dyn Interceptor>>) -> Self {
        let mut world = World::new(seed);
        world.stanza_log = Some(Vec::new());
        let subject = world.configured("subject", usual(), loopback::maker(), Config::default());
        world.interceptor = interceptor.map(|interceptor| (subject, interceptor));
        world.answer_disco(subject, NODE);
        Self { world, subject, others: Vec::new(), seen: 0 }
    }

    fn who(&self, jid: &FullJid) -> PersonId {
        let known = self.others.iter().find(|who| self.world.jid(**who) == *jid);
        *known.expect("only those who logged in say something")
    }

    fn command(&mut self, command: Command) -> Result<(), Cannot> {
        // A call that is over already has nothing to be told.
        self.world.try_command(self.subject, command).map_err(|_| Cannot::Here("there is no such call"))
    }

    /// What rang last: an invitation, or a call.
    fn ringing(&self) -> Result<Option<Box<Invitation>>, Cannot> {
        let rang = self.world.events(self.subject).iter().rev().find_map(|event| match event {
            Event::Invited(invitation) => Some(Ok(Some(invitation.clone()))),
            Event::Ringing { .. } | Event::Stranger { .. } => Some(Ok(None)),
            Event::InvitationOver(..) => Some(Err(NOTHING_RINGS)),
            _ => None,
        });
        rang.unwrap_or(Err(NOTHING_RINGS))
    }

    fn accept(&mut self) -> Result<(), Cannot> {
        match self.ringing()? {
            Some(invitation) => self.world.accept(self.subject, &invitation),
            None => self.command(Command::Accept(vec![Media::Audio]))?,
        }
        Ok(())
    }

    fn decline(&mut self) -> Result<(), Cannot> {
        match self.ringing()? {
            Some(invitation) => self.world.decline(self.subject, &invitation),
            None => self.command(Command::Decline)?,
        }
        Ok(())
    }
}

impl Testbed for Virtual {
    fn lacks(&self) -> &'static [(&'static str, &'static str)] {
        &[("ping-08", "the program that owns the connection answers pings, and the Engine owns none")]
    }

    fn subject(&self) -> BareJid {
        self.world.jid(self.subject).to_bare()
    }

    fn room(&self, name: &str) -> BareJid {
        self.world.room(name)
    }

    fn now(&self) -> Duration {
        self.world.age()
    }

    fn log_in(&mut self, name: &str) -> Result<FullJid, Cannot> {
        let who = self.world.puppet(name);
        self.others.push(who);
        Ok(self.world.jid(who))
    }

    fn befriend(&mut self, people: &[BareJid]) -> Result<(), Cannot> {
        self.world.service.contacts.extend(people.iter().cloned());
        self.world.befriend_all();
        Ok(())
    }

    fn say(&mut self, who: &FullJid, stanza: Element) {
        let who = self.who(who);
        let stanza = Stanza::try_from(stanza).expect("cases say stanzas");
        self.world.send(who, stanza);
    }

    fn order(&mut self, order: &Order) -> Result<(), Cannot> {
        let subject = self.subject;
        match order {
            Order::Wait => {
                self.world.accept_calls(subject);
                Ok(())
            }
            Order::Join(room, guest) => {
                self.world.try_join(subject, room, Join::call_room()).map_err(|why| Cannot::Gone(why.to_string()))?;
                guest.clone().map_or(Ok(()), |guest| self.command(Command::Invite(guest)))
            }
            Order::Leave => self.command(Command::Leave),
            Order::Call(whom) => self
                .world
                .try_ring(subject, whom.clone(), vec![Media::Audio])
                .map_err(|why| Cannot::Gone(why.to_string())),
            Order::Accept => self.accept(),
            Order::Decline => self.decline(),
            Order::Mute => self.command(Command::Mute(Media::Audio, Mute::On)),
            Order::Unmute => self.command(Command::Mute(Media::Audio, Mute::Off)),
            Order::AddPictures => self.command(Command::Add(Media::Video)),
            Order::RemovePictures => self.command(Command::Remove(Media::Video)),
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<(), Cannot> {
        let until = self.world.age() + limit;
        while self.world.stanza_log.as_ref().is_some_and(|lines| lines.len() == self.seen) && self.world.age() < until {
            self.world.run_for(STEP.min(until - self.world.age()));
        }
        Ok(())
    }

    fn heard(&mut self) -> Vec<Line> {
        let stanza_log = self.world.stanza_log.as_deref().unwrap_or_default();
        let line = |LoggedStanza { at, who, said, stanza }: &LoggedStanza| Line {
            at: *at,
            client: self.world.jid(*who),
            said: *said,
            stanza: stanza.clone(),
        };
        let lines: Vec<Line> = stanza_log[self.seen..].iter().map(line).collect();
        self.seen += lines.len();
        lines
    }

    fn rooms(&mut self, act: &mut dyn FnMut(&mut SimulatedServer)) -> Result<(), Cannot> {
        act(&mut self.world.service);
        Ok(())
    }

    fn put_out(&mut self, room: &BareJid, who: &FullJid, codes: &[u16]) -> Result<(), Cannot> {
        let name = room.node().map(|node| node.as_str().to_owned()).unwrap_or_default();
        let other = self.others.iter().find(|other| self.world.jid(**other) == *who);
        self.world.put_out(other.copied().unwrap_or(self.subject), &name, codes);
        Ok(())
    }
}
