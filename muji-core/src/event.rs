//! What an application is told, and what it may ask.

use jid::{BareJid, FullJid, Jid};
use muji_jingle::{CallId, Hold, Mute, RingStopped, SessionId};
use muji_xep::Secret;
use muji_xep::invite::{CallInvite, InviteKind};
use muji_xep::room_invite::{RoomInvite, Via};
use muji_xep::rtp::Media;
use xmpp_parsers::message::{Message, MessageType};

use crate::context::chat as chat_message;
use crate::error::{EndReason, PeerFailure, RoomFault};

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The account as a whole.
    Account,
    /// A room whose call we are not in.
    Room(BareJid),
    /// One call.
    Call(CallId),
}

/// A participant other than us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its nick in the room, chosen by it.
    pub nick: String,
    /// Who it is.
    pub jid: FullJid,
}

/// What happened. Those about a peer come in order: joined, connecting, connected, flowing, and left or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Somebody invites us to a call. About the account; [`crate::Engine::accept`] or [`crate::Engine::decline`] it.
    Invited(Box<Invitation>),
    /// An invitation needs no answer any more: another device of ours answered it, or it was taken back. About the account.
    InvitationOver(Box<Invitation>, RingStopped),
    /// Somebody calls us. [`Command::Accept`] or [`Command::Decline`] it; [`Event::Ended`] if another device did, or the
    /// caller gave up.
    Ringing {
        /// The device that calls.
        from: FullJid,
        /// What it wants to send.
        media: Vec<Media>,
    },
    /// Somebody who is no contact calls us: the same, but it does not learn that we are there before we accept or decline. Do
    /// not let it ring; show it, or nothing.
    Stranger {
        /// The device that calls.
        from: FullJid,
        /// What it wants to send.
        media: Vec<Media>,
    },
    /// Somebody called while we were not there, and may have given up long since. About the account.
    Missed {
        /// The device that called.
        from: FullJid,
        /// What it wanted to send.
        media: Vec<Media>,
    },
    /// A device of the person we call rings.
    DeviceRings(FullJid),
    /// This device of the other takes the call.
    PickedUp(FullJid),
    /// The other goes on with the call on this device.
    PeerMoved(Peer),
    /// A call with one person goes on in this room, so that others can come; sound does not stop. What becomes of entering it
    /// comes as for any room.
    GoesOnInRoom(BareJid),
    /// A call with one person could not go on in a room; it goes on without.
    NotInRoom(RoomFault),
    /// Somebody invites us to a room, with no word of a call. About the account; [`crate::Engine::join`] it as
    /// [`Join::invited`], or [`crate::Engine::decline_room`] it.
    RoomInvited(RoomInvite),
    /// Somebody whom we invited through the room does not come, and why, if it said so.
    Declined(Jid, Option<String>),
    /// In a room whose call we are not in: these people are in a call; nobody any more if empty.
    CallRunning {
        /// Who has contents there.
        people: Vec<Peer>,
    },
    /// Our contents are public, for the first time or after the room was lost: whoever comes now calls us.
    Joined {
        /// The names of our contents in this room.
        contents: Vec<String>,
    },
    /// These are our public contents now: one was added or taken out.
    ContentsChanged {
        /// Their names in this room.
        contents: Vec<String>,
    },
    /// A content could not be added; all is as before.
    NotAdded {
        /// What was to be sent.
        media: Media,
        /// Why it is not.
        why: RoomFault,
    },
    /// The room is lost, or the connection to it. Sound goes on while we come back; then [`Event::Joined`].
    RoomLost(EndReason),
    /// Somebody is about to take part.
    PeerPreparing(Peer),
    /// A participant has contents.
    PeerJoined(Peer),
    /// A participant has other contents than before: their names and media.
    PeerContents(Peer, Vec<(String, Media)>),
    /// We called it.
    PeerOffered(Peer),
    /// Both sides agreed; the transports connect.
    PeerConnecting(Peer, SessionId),
    /// Every transport to it works.
    PeerConnected(Peer, SessionId),
    /// Its sound or picture arrives.
    PeerFlowing(Peer, SessionId),
    /// It shows another certificate than those that are tied to it: another device of its, or somebody between.
    CertificateChanged(Peer),
    /// It named a device of its to which its certificate could have been tied, and shows it plainly: its client did not do
    /// it, or somebody between took that away.
    CertificateUnbound(Peer),
    /// Nothing arrives from it for now.
    PeerInterrupted(Peer),
    /// A content was added to the session with it.
    PeerContentAdded {
        /// With whom.
        peer: Peer,
        /// The session.
        session: SessionId,
        /// Its name there.
        content: String,
        /// Sound or pictures.
        media: Media,
    },
    /// The content of this name was taken out of the session with it.
    PeerContentRemoved(Peer, SessionId, String),
    /// It stopped sending a content, or all (`None`).
    PeerMuted(Peer, Option<String>),
    /// It sends a content again, or all (`None`).
    PeerUnmuted(Peer, Option<String>),
    /// It does not listen for now: nothing is sent to it.
    PeerHeld(Peer),
    /// It listens again.
    PeerUnheld(Peer),
    /// There is no session with it.
    PeerFailed(Peer, PeerFailure),
    /// It left the call or the room.
    PeerLeft(Peer),
    /// Something was left out or went wrong; the rest works on.
    Warning(String),
    /// Words of a stanza that are not known, and had no effect. Dino's SDES keys are among them; for logs.
    Skipped {
        /// The nick or JID of whoever sent it.
        from: String,
        /// What was left out.
        what: String,
    },
    /// The call is over.
    Ended(EndReason),
}

/// Somebody's invitation to a call in a room (XEP-0482).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Who invites.
    pub from: Jid,
    /// Where the call is.
    pub room: BareJid,
    /// The invitation's id.
    pub id: String,
    /// True if it is a call with sound, as nearly always.
    pub audio: bool,
    /// True if it is a call with pictures.
    pub video: bool,
    /// Another way to join, by a URI for people. It is not opened here.
    pub external: Option<String>,
    /// The chat room in which all were invited.
    pub within: Option<BareJid>,
}

impl Invitation {
    /// The message that says something of ours about it, to whoever was told of it: one person, or all of a chat room.
    pub(crate) fn answer(&self, id: String, word: InviteKind) -> Message {
        let room = (word == InviteKind::Accept).then_some(&self.room);
        let payloads = CallInvite::new(&self.id, word, room).write();
        match &self.within {
            Some(chat) => Message { type_: MessageType::Groupchat, ..chat_message(chat.clone().into(), id, payloads) },
            None => chat_message(self.from.to_bare().into(), id, payloads),
        }
    }
}

/// A wish about a running call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Take a call that rings, sending these media; what else the caller sends is received.
    Accept(Vec<Media>),
    /// Do not take a call that rings: on no device of ours.
    Decline,
    /// End it, or give it up, or decline it.
    Leave,
    /// Stop listening and sending for a while, or go on; the others are told.
    Hold(Hold),
    /// Destroy the room, and with it the call for everybody. Only for a room that we made.
    EndForAll,
    /// Stop or resume sending all contents of a medium.
    Mute(Media, Mute),
    /// Send this medium too. Others see it once [`Event::ContentsChanged`] says so.
    Add(Media),
    /// Send this medium no more. Unlike muting, nobody expects it any more, and what others send of it ends too.
    Remove(Media),
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
pub(crate) enum Style {
    /// In a room for the call, entered and left with it (Dino's way).
    Own,
    /// Inside a chat room in which the client sits (Movim's way).
    InChat,
}

/// How to join a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    pub(crate) style: Style,
    pub(crate) nick: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) media: Vec<Media>,
    pub(crate) invited: bool,
}

impl Join {
    /// Enters a room for the call and leaves it with the call (Dino's way), with sound, under a nick of chance.
    #[must_use]
    pub fn own() -> Self {
        Self { style: Style::Own, nick: None, password: None, media: vec![Media::Audio], invited: false }
    }

    /// Takes part in the call inside a chat room that the client has entered (Movim's way), with sound. The client must
    /// say what else it says there through [`crate::Engine::set_presence_extras`], or it would take back the call's part.
    #[must_use]
    pub fn in_chat() -> Self {
        Self { style: Style::InChat, ..Self::own() }
    }

    /// Under this nick. Inside a chat room the client's own counts.
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

/// What happened to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It is gone for now.
    Lost,
    /// The same stream goes on (XEP-0198): nothing was lost.
    Resumed,
    /// A new stream: whatever the server knew of us is gone.
    Bound {
        /// Our full JID.
        jid: FullJid,
    },
}

/// Whether a stanza was for us.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// It was ours alone.
    Taken,
    /// We used it, and the client needs it too, such as presence in a room.
    Shared,
    /// It is the client's.
    NotOurs,
}

/// The room of a call with its nick.
pub(crate) fn occupant(room: &BareJid, nick: &str) -> Option<FullJid> {
    room.with_resource_str(nick).ok()
}
