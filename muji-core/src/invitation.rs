//! An invitation to a call in a room (XEP-0482).

use jid::{BareJid, Jid};
use muji_xep::invite::{CallInvite, InviteKind};
use xmpp_parsers::message::{Message, MessageType};

use crate::stanza::chat;

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
    /// Our answer to it, to those who were told of it: one person, or all of a chat room.
    pub(crate) fn answer(&self, id: String, kind: InviteKind) -> Message {
        let room = (kind == InviteKind::Accept).then_some(&self.room);
        let payloads = CallInvite::new(&self.id, kind, room).write();
        match &self.within {
            Some(within) => Message { type_: MessageType::Groupchat, ..chat(within.clone().into(), id, payloads) },
            None => chat(self.from.to_bare().into(), id, payloads),
        }
    }
}
