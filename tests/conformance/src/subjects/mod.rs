//! The clients that can be judged, each in its testbed: a server with rooms, the client, and others who log in too.

pub(crate) mod client;
mod devices;
pub(crate) mod dino;
pub(crate) mod engine;
pub(crate) mod person;
pub(crate) mod real_server;
mod reconstruction;
pub(crate) mod server;
pub(crate) mod watched_room;

use std::time::Duration;

use jid::{BareJid, FullJid};
use muji_harness::simulated_server::SimulatedServer;
use muji_trace::Line;
use muji_xep::Element;
use muji_xep::invite::{CallInvite, InviteKind};
use xmpp_parsers::message::{Id, Message};

/// What the client that is judged is told to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Be there to be called and invited.
    Wait,
    /// Join the call of a room, entered for it, with sound; and invite somebody to it, if so.
    Join(BareJid, Option<BareJid>),
    /// Leave the call, or hang up, or give it up.
    Leave,
    /// Call somebody on all devices, with sound.
    Call(BareJid),
    /// Take what rings, call or invitation.
    Accept,
    /// Do not take it.
    Decline,
    /// Send no sound for a while.
    Mute,
    /// Send it again.
    Unmute,
    /// Send pictures too.
    AddPictures,
    /// Send them no more, and have nothing to do with them.
    RemovePictures,
}

/// Invites a client that joins by invitation only.
const HOST: &str = "host";

/// The longest that a client may take to log in.
const LOGIN: Duration = Duration::from_secs(20);

/// The longest that a client, or the person who moves it, may take to do what it is told.
const ORDER: Duration = Duration::from_secs(60);

const NOT_DONE: Cannot = Cannot::Here("it was not done within a minute");

/// An invitation of such a client to the call of a room.
fn invitation(subject: BareJid, room: &BareJid) -> Message {
    let id = format!("invite-to-{room}");
    let mut message = Message::chat(Some(subject.into()));
    message.payloads = CallInvite::new(&id, InviteKind::Invite { audio: true, video: false }, Some(room)).write();
    message.id = Some(Id(id));
    message
}

/// What takes too long in real time.
const TOO_LONG: [(&str, &str); 2] = [("ping-01", QUARTER), ("ping-05", QUARTER)];

const QUARTER: &str = "this may take a quarter of an hour";

/// Why something cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cannot {
    /// The client does not know such an order.
    NotImplemented,
    /// Not here, for this reason.
    Here(&'static str),
    /// The client is gone, for this reason.
    Gone(String),
}

/// Where one case is played.
pub(crate) trait Testbed {
    /// Requirements that the client cannot be judged by, with the reason.
    fn lacks(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Who is judged.
    fn subject(&self) -> BareJid;

    /// True as long as the client is logged in.
    fn is_there(&self) -> bool {
        true
    }

    /// A room of this name, which is not there yet.
    fn room(&self, name: &str) -> BareJid;

    /// The time since the beginning.
    fn now(&self) -> Duration;

    /// Somebody else logs in, and says what the case says.
    fn log_in(&mut self, name: &str) -> Result<FullJid, Cannot>;

    /// These are contacts of everybody, the client's too, before it is told to begin.
    fn befriend(&mut self, people: &[BareJid]) -> Result<(), Cannot>;

    /// People who log in from now on are not in the client's contact list.
    fn treat_newcomers_as_strangers(&mut self) -> Result<(), Cannot> {
        Ok(())
    }

    /// Calls to the client's account reach it.
    fn is_called(&mut self) -> Result<(), Cannot> {
        Ok(())
    }

    /// The client makes the rooms in which nobody is yet.
    fn makes_rooms(&self) -> Result<(), Cannot> {
        Ok(())
    }

    /// Somebody who logged in says something.
    fn say(&mut self, who: &FullJid, stanza: Element);

    /// Tells the client what to do.
    fn order(&mut self, order: &Order) -> Result<(), Cannot>;

    /// Lets time pass: until something is said or heard, or until the limit.
    fn wait(&mut self, limit: Duration) -> Result<(), Cannot>;

    /// What was said and heard since the last look.
    fn heard(&mut self) -> Vec<Line>;

    /// Changes something in the rooms.
    fn rooms(&mut self, act: &mut dyn FnMut(&mut SimulatedServer)) -> Result<(), Cannot>;

    /// A room puts somebody out with these status codes.
    fn put_out(&mut self, room: &BareJid, who: &FullJid, codes: &[u16]) -> Result<(), Cannot>;
}
