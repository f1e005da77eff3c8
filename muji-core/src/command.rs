//! What a client may ask of a call: how to join one, and what to do in it.

use jid::BareJid;
use muji_jingle::{Hold, Mute};
use muji_xep::Secret;
use muji_xep::bridge::BridgeMark;
use muji_xep::dtmf::Digit;
use muji_xep::room_invite::Via;
use muji_xep::rtp::Media;

use crate::error::BridgeConflict;
use crate::guest::Guest;

/// What the user wants of a running call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Take a call that rings, sending these media; what else the caller sends is received.
    Accept(Vec<Media>),
    /// Decline a call that rings, for all our devices.
    Decline,
    /// End it, or give it up, or decline it.
    Leave,
    /// Stop listening and sending for a while, or go on; the others are told.
    Hold(Hold),
    /// Destroy the room, and with it the call for everybody. Only for a room that we made.
    EndForAll,
    /// Stop or resume sending all contents of a medium.
    Mute(Media, Mute),
    /// Send this medium too. Others see it once [`crate::Event::ContentsChanged`] says so.
    Add(Media),
    /// Send this medium no more. Unlike muting, nobody expects it any more, and what others send of it ends too.
    Remove(Media),
    /// Press keys of a telephone, for everybody who takes them.
    SendDigits(Vec<Digit>),
    /// These people take part through us: the room is told with each of our presences (RFC 4575). In a call with one person: they take part
    /// besides it, and its client is told if it reads that (XEP-0298). [`crate::bridge::Bridge`] says both.
    SetGuests(Vec<Guest>),
    /// We are this bridge: presences in the room say so, and what is offered or answered from now on in a call with one person, which then
    /// has a conference at one end (XEP-0298). [`crate::bridge::Bridge`] says it.
    SetBridge(BridgeMark),
    /// End a call, as the other is a conference too and both would not go together; it is told why.
    Refuse(BridgeConflict),
    /// Let somebody into a room that we made.
    Admit(BareJid),
    /// Invite somebody to the call, after letting it in where that is ours to do. A call with one person first goes on in a
    /// room of its own.
    Invite(BareJid),
    /// Invite somebody to the room as such, whose client may know nothing of calls.
    InviteToRoom(BareJid, Via),
}

/// In what room a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoomKind {
    /// In a room for the call, entered and left with it (Dino's way).
    CallRoom,
    /// Inside a chat room in which the client sits (Movim's way).
    ChatRoom,
}

/// How to join a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    pub(crate) room_kind: RoomKind,
    pub(crate) nick: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) media: Vec<Media>,
    pub(crate) invited: bool,
}

impl Join {
    /// Enters a room for the call and leaves it with the call (Dino's way), with sound, under [`crate::config::Config::nick`] or a random
    /// nick.
    #[must_use]
    pub fn call_room() -> Self {
        Self { room_kind: RoomKind::CallRoom, nick: None, password: None, media: vec![Media::Audio], invited: false }
    }

    /// Takes part in the call inside a chat room that the client has entered (Movim's way), with sound. The client must
    /// say what else it says there through [`crate::Engine::set_presence_extras`], or it would take back the call's part. Where another
    /// session of the account was there first under the same nick, rooms show others that one alone: the client is given another nick
    /// then ([`crate::Warning::NickShared`]).
    #[must_use]
    pub fn chat_room() -> Self {
        Self { room_kind: RoomKind::ChatRoom, ..Self::call_room() }
    }

    /// Under this nick, and no other if it is taken. Inside a chat room the client's own counts.
    #[must_use]
    pub fn nick(mut self, nick: impl Into<String>) -> Self {
        self.nick = Some(nick.into());
        self
    }

    /// With the room's password.
    #[must_use]
    pub fn password(mut self, password: Secret) -> Self {
        self.password = Some(password);
        self
    }

    /// With these media instead of sound.
    #[must_use]
    pub fn media(mut self, media: impl IntoIterator<Item = Media>) -> Self {
        self.media = media.into_iter().collect();
        self
    }

    /// Somebody invited us: if the room is not there any more, the call is over, and none is made.
    #[must_use]
    pub fn invited(mut self) -> Self {
        self.invited = true;
        self
    }
}
