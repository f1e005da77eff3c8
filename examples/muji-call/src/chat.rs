//! Chat rooms, for those who have no chat client: the one around a call inside it, and those in which calls are announced.

use jid::{BareJid, FullJid};
use muji_core::Disco;
use muji_core::error::RoomFault;
use muji_core::stanza;
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

    /// Which room it is.
    pub(crate) fn room(&self) -> BareJid {
        self.occupant.to_bare()
    }

    /// Enters the room.
    pub(crate) fn enter(&self, password: Option<&str>, disco: &Disco) -> Stanza {
        let payloads = vec![muc::enter(password), disco.caps()];
        Presence::new(Type::None).with_to(self.occupant.clone()).with_payloads(payloads).into()
    }

    /// Leaves it.
    pub(crate) fn leave(&self) -> Stanza {
        Presence::new(Type::Unavailable).with_to(self.occupant.clone()).into()
    }

    /// True if this says that we are in.
    pub(crate) fn is_entered(&self, stanza: &Stanza) -> bool {
        let Stanza::Presence(presence) = stanza else { return false };
        let ours = MucUser::find(&presence.payloads).is_some_and(|user| user.has(code::SELF));
        self.is_of_room(presence) && ours && presence.type_ == Type::None
    }

    /// Why the room does not let us in, if this says so.
    pub(crate) fn refusal(&self, stanza: &Stanza) -> Option<RoomFault> {
        let Stanza::Presence(presence) = stanza else { return None };
        if !self.is_of_room(presence) || presence.type_ != Type::Error {
            return None;
        }
        Some(RoomFault::from_condition(&stanza::condition_name(&stanza::error(&presence.payloads)?)))
    }

    fn is_of_room(&self, presence: &Presence) -> bool {
        presence.from.as_ref().is_some_and(|from| from.to_bare() == self.occupant.to_bare())
    }
}
