//! A room on a real server, watched by a device that is in it from the beginning.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid, Jid};
use muji_core::xmpp::Account;
use muji_xep::muc::{self, Privacy};
use muji_xep::{Element, ns};
use xmpp_parsers::presence::{Presence, Type};

use super::devices::{Devices, Request};
use super::person::{Desk, HELP};

/// The nick and the resource of who is there from the beginning.
const WITNESS: &str = "witness";

/// A person may take so long to come to the room for the first time.
const FIRST: Duration = Duration::from_secs(300);

/// Who waits looks at what was said at least this often.
const STEP: Duration = Duration::from_millis(20);

/// The room, with the witness in it. A room that was made for a case is destroyed with the value.
pub(super) struct WatchedRoom {
    pub(super) devices: Devices,
    pub(super) witness: FullJid,
    pub(super) room: BareJid,
    made: bool,
}

impl WatchedRoom {
    pub(super) fn enter(account: &Account, room: &BareJid) -> io::Result<Self> {
        let mut devices = Devices::new()?;
        let witness = devices.log_in(account, WITNESS)?;
        let to = room.with_resource_str(WITNESS).map_err(io::Error::other)?;
        devices.say(&witness, Presence::new(Type::None).with_to(to).with_payloads(vec![muc::enter(None)]).into());
        let entered = |stanza: &Element| {
            let address = stanza.attr("from").unwrap_or_default();
            let answer = stanza.attr("type") == Some("error") || codes(stanza).any(|code| code == "110");
            stanza.name() == "presence" && answer && address.starts_with(room.as_str())
        };
        let echo = devices.wait_for(&witness, entered).map_err(io::Error::other)?;
        let made = codes(&echo).any(|code| code == "201");
        let mut this = Self { devices, witness, room: room.clone(), made };
        if echo.attr("type") == Some("error") {
            let error = echo.children().find(|child| child.name() == "error");
            let condition = error.and_then(|error| error.children().next()).map_or("without a reason", Element::name);
            return Err(io::Error::other(format!("{room} refuses to let the suite in: {condition}")));
        }
        if made {
            let form = this.ask(Request::Get(muc::ask_form()))?;
            let filled = form.and_then(|form| muc::fill_in(&form, Privacy::Open)).unwrap_or_else(muc::instant);
            this.ask(Request::Set(filled))?;
        }
        let info = this.ask(Request::Get(Element::bare("query", ns::DISCO_INFO)))?;
        let shows = |info: Element| info.children().any(|child| child.attr("var") == Some("muc_nonanonymous"));
        if info.is_some_and(shows) {
            return Ok(this);
        }
        Err(io::Error::other(format!("{room} hides real JIDs, so calls are impossible in it")))
    }

    /// Asks the room.
    pub(super) fn ask(&mut self, request: Request) -> io::Result<Option<Element>> {
        let room = Some(Jid::from(self.room.clone()));
        self.devices.ask(&self.witness, room, request).map_err(io::Error::other)
    }
}

impl Drop for WatchedRoom {
    fn drop(&mut self) {
        if self.made {
            // Otherwise it goes with the last who leaves it.
            let _left = self.ask(Request::Set(muc::destroy())).is_err();
        }
    }
}

/// Status codes of a room's presence.
fn codes(presence: &Element) -> impl Iterator<Item = &str> {
    let x = presence.get_child("x", ns::MUC_USER);
    x.into_iter().flat_map(Element::children).filter_map(|child| child.attr("code"))
}

/// A run with a client that a person operates, on a real server.
pub(crate) struct Visit {
    pub(super) account: Account,
    pub(super) room: BareJid,
    pub(super) subject: BareJid,
    pub(super) desk: Arc<Desk>,
}

impl Visit {
    /// Enters the room and waits until somebody is in it whose client is to be judged.
    pub(crate) fn begin(account: Account, room: BareJid, desk: Arc<Desk>) -> io::Result<Self> {
        let own = account.jid.to_bare();
        let mut watched = WatchedRoom::enter(&account, &room)?;
        desk.ask(HELP);
        desk.ask(&format!(
            "Join the call in {room} with the client to be judged, logged in with another account than {own}."
        ));
        let until = Instant::now() + FIRST;
        while Instant::now() < until {
            let Some(heard) = watched.devices.hear(STEP).map_err(io::Error::other)? else { continue };
            let item = heard.stanza.get_child("x", ns::MUC_USER).and_then(|x| x.get_child("item", ns::MUC_USER));
            let jid = item.and_then(|item| item.attr("jid")?.parse::<Jid>().ok()).map(|jid| jid.to_bare());
            if let Some(subject) = jid.filter(|jid| *jid != own && heard.stanza.attr("type").is_none()) {
                return Ok(Self { account, room, subject, desk });
            }
        }
        Err(io::Error::other(format!("nobody came to {room} within {} s", FIRST.as_secs())))
    }

    pub(crate) fn subject(&self) -> &BareJid {
        &self.subject
    }

    /// The person stopped the run.
    pub(crate) fn is_over(&self) -> bool {
        self.desk.has_stopped()
    }
}
