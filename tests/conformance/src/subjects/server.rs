//! A program over the server on loopback, in real time.

use std::io;
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid};
use muji_harness::room::Rules;
use muji_harness::server::{LoggedStanza, LoginOptions, MAX_LOGGED, Server};
use muji_harness::simulated_server::SimulatedServer;
use muji_trace::Line;
use muji_xep::Element;
use tokio::runtime::{Builder, Runtime};
use xmpp_parsers::stanza::Stanza;

use super::client::{Account, Client};
use super::{Cannot, HOST, LOGIN, NOT_DONE, ORDER, Order, TOO_LONG, Testbed, invitation};

/// Of all who log in.
pub(super) const DOMAIN: &str = "localhost";
const PASSWORD: &str = "a password for one case";

/// Cases look at what was said at least this often.
const STEP: Duration = Duration::from_millis(20);

/// The server of one case, and the client that is judged.
pub(crate) struct Loopback {
    // In this order: the client ends before its server.
    client: Box<dyn Client>,
    server: Server,
    runtime: Runtime,
    start: Instant,
    seen: usize,
}

impl Loopback {
    /// A server, and a client that has not logged in yet.
    pub(crate) fn new(client: impl FnOnce(Account) -> io::Result<Box<dyn Client>>) -> io::Result<Self> {
        Self::with_login(LoginOptions::default(), 0, client)
    }

    /// The same with another way in; port 0 is any that is free.
    pub(super) fn with_login(
        login: LoginOptions,
        port: u16,
        client: impl FnOnce(Account) -> io::Result<Box<dyn Client>>,
    ) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let server = runtime.block_on(Server::at(port, login, DOMAIN, PASSWORD, Rules::default()))?;
        server.stanza_log(0);
        let account =
            Account { jid: format!("subject@{DOMAIN}"), password: PASSWORD.to_owned(), server: server.address() };
        Ok(Self { client: client(account)?, server, runtime, start: Instant::now(), seen: 0 })
    }

    /// Waits until the client has logged in and said that it is there.
    fn client_is_there(&self) -> Result<(), Cannot> {
        let subject = self.subject();
        let is_there =
            |heard: LoggedStanza| heard.said && heard.who.to_bare() == subject && heard.stanza.name() == "presence";
        let until = Instant::now() + LOGIN;
        while !self.server.stanza_log(0).into_iter().any(is_there) {
            if Instant::now() > until {
                return Err(Cannot::Gone("it does not log in".to_owned()));
            }
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Somebody whom the client knows invites it to a room.
    fn invite(&self, room: &BareJid) {
        let host = self.server.puppet(HOST);
        let _guard = self.runtime.enter();
        self.server.say(&host, invitation(self.subject(), room).into());
    }

    /// Where the client is logged in.
    fn device(&self) -> Option<FullJid> {
        let subject = self.subject();
        self.server.stanza_log(0).into_iter().rev().map(|heard| heard.who).find(|who| who.to_bare() == subject)
    }
}

impl Testbed for Loopback {
    fn subject(&self) -> BareJid {
        format!("subject@{DOMAIN}").parse().expect("it is a JID")
    }

    fn is_there(&self) -> bool {
        let device = self.device();
        device.is_some_and(|device| self.server.with_service(|service| service.is_connected(&device)))
    }

    fn room(&self, name: &str) -> BareJid {
        self.server.with_service(|service| service.room(name))
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn log_in(&mut self, name: &str) -> Result<FullJid, Cannot> {
        Ok(self.server.puppet(name))
    }

    fn lacks(&self) -> &'static [(&'static str, &'static str)] {
        &TOO_LONG
    }

    fn befriend(&mut self, people: &[BareJid]) -> Result<(), Cannot> {
        self.server.with_service(|service| service.contacts.extend(people.iter().cloned()));
        Ok(())
    }

    fn makes_rooms(&self) -> Result<(), Cannot> {
        match self.client.comes_by_invitation() {
            true => Err(Cannot::Here("it enters only rooms to which it is invited")),
            false => Ok(()),
        }
    }

    fn say(&mut self, who: &FullJid, stanza: Element) {
        let _guard = self.runtime.enter();
        self.server.say(who, Stanza::try_from(stanza).expect("cases say stanzas"));
    }

    fn order(&mut self, order: &Order) -> Result<(), Cannot> {
        match order {
            Order::Join(room, None) if self.client.comes_by_invitation() => {
                self.client_is_there()?;
                self.invite(room);
                self.client.order(&Order::Accept)
            }
            order => {
                self.client.order(order)?;
                let until = Instant::now() + ORDER;
                while Instant::now() < until {
                    if let Some(done) = self.client.done() {
                        return done;
                    }
                    std::thread::sleep(STEP);
                }
                Err(NOT_DONE)
            }
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<(), Cannot> {
        let until = Instant::now() + limit;
        while self.server.stanza_log(self.seen).is_empty() {
            if let Some(why) = self.client.gone() {
                return Err(why);
            }
            if self.server.connections(&self.subject()) > 1 {
                return Err(Cannot::Gone("it is logged in twice, and of two none can be judged".to_owned()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(STEP.min(left));
        }
        if self.seen >= MAX_LOGGED {
            return Err(Cannot::Gone(format!("{MAX_LOGGED} stanzas are too many for a case")));
        }
        Ok(())
    }

    fn heard(&mut self) -> Vec<Line> {
        let stanza_log = self.server.stanza_log(self.seen);
        self.seen += stanza_log.len();
        let line = |LoggedStanza { at, who, said, stanza }: LoggedStanza| {
            let at = at.saturating_duration_since(self.start);
            Line { at, client: who, said, stanza }
        };
        stanza_log.into_iter().map(line).collect()
    }

    fn rooms(&mut self, act: &mut dyn FnMut(&mut SimulatedServer)) -> Result<(), Cannot> {
        self.server.with_service(act);
        Ok(())
    }

    fn put_out(&mut self, room: &BareJid, who: &FullJid, codes: &[u16]) -> Result<(), Cannot> {
        self.server.put_out(room, who, codes);
        Ok(())
    }
}
