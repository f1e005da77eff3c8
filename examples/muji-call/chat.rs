//! The chat room around a call inside it, for those who have no chat client.

use jid::{BareJid, FullJid};
use muji_core::Disco;
use muji_xep::muc::{self, MucUser, code};
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;

/// Our place in the room.
pub(crate) struct Chat {
    occupant: FullJid,
}

impl Chat {
    /// The place under this nick; `None` if it cannot be a nick.
    pub(crate) fn new(room: &BareJid, nick: &str) -> Option<Self> {
        Some(Self { occupant: room.with_resource_str(nick).ok()? })
    }

    /// Enters the room.
    pub(crate) fn enter(&self, password: Option<&str>, disco: &Disco) -> Box<Stanza> {
        let payloads = vec![muc::enter(password), disco.caps()];
        Box::new(Presence::new(Type::None).with_to(self.occupant.clone()).with_payloads(payloads).into())
    }

    /// Leaves it.
    pub(crate) fn leave(&self) -> Box<Stanza> {
        Box::new(Presence::new(Type::Unavailable).with_to(self.occupant.clone()).into())
    }

    /// True if this says that we are in.
    pub(crate) fn is_entered(&self, stanza: &Stanza) -> bool {
        let Stanza::Presence(presence) = stanza else { return false };
        let of_room = presence.from.as_ref().is_some_and(|from| from.to_bare() == self.occupant.to_bare());
        let ours = MucUser::find(&presence.payloads).is_some_and(|user| user.has(code::SELF));
        of_room && ours && presence.type_ == Type::None
    }

    /// Why the room does not let us in, if this says so.
    pub(crate) fn refusal(&self, stanza: &Stanza) -> Option<String> {
        let Stanza::Presence(presence) = stanza else { return None };
        let of_room = presence.from.as_ref().is_some_and(|from| from.to_bare() == self.occupant.to_bare());
        if !of_room || presence.type_ != Type::Error {
            return None;
        }
        let error = presence.payloads.iter().find(|payload| payload.name() == "error")?;
        let condition = error.children().next().map_or("no reason", |condition| condition.name());
        Some(format!("the chat room does not let you in ({condition})"))
    }
}
