//! What is known of a chat room in which the client sits: its nick there, and who is in a call.

use std::time::Instant;

use muji_xep::muc::{MucUser, code};
use muji_xep::muji::Muji;
use muji_xep::{Skipped, guard};
use xmpp_parsers::presence::{Presence, Type};

use crate::client_quirks::ClientQuirks;
use crate::occupants::Occupants;

/// The client's place in a room. Of the others only those with Muji are kept.
#[derive(Debug, Clone, Default)]
pub(crate) struct ChatRoom {
    pub(crate) nick: Option<String>,
    pub(crate) occupants: Occupants,
    pub(crate) shows_jids: bool,
}

impl ChatRoom {
    /// A presence from the room, if it is one.
    pub(crate) fn heard(&mut self, now: Instant, presence: &Presence) {
        let Some(nick) = presence.from.as_ref().and_then(|from| from.resource()) else { return };
        let (nick, Some(user)) = (nick.as_str(), MucUser::find(&presence.payloads)) else { return };
        let ours = user.has(code::SELF);
        match (&presence.type_, user.new_nick.as_ref().filter(|_| user.has(code::RENAMED))) {
            (Type::None, _) if ours => {
                self.nick = Some(nick.to_owned());
                self.shows_jids |= user.has(code::NON_ANONYMOUS);
            }
            (Type::None, _) => self.occupant_says(now, nick, &user, presence),
            (Type::Unavailable, Some(new)) if ours => self.nick = Some(new.clone()),
            (Type::Unavailable, Some(new)) => drop(self.occupants.rename(nick, new)),
            (Type::Unavailable, None) if ours => *self = Self::default(),
            (Type::Unavailable, None) => drop(self.occupants.remove(nick)),
            _ => {}
        }
    }

    fn occupant_says(&mut self, now: Instant, nick: &str, user: &MucUser, presence: &Presence) {
        let muji = Muji::find(&presence.payloads).filter(|muji| guard::check(muji).is_ok());
        let muji = muji.map(|muji| Muji::read(muji, &mut Skipped::default())).filter(|muji| *muji != Muji::default());
        let real = user.real.clone().or_else(|| self.occupants.get(nick).map(|known| known.real.clone()));
        match (muji, real) {
            // Who is over a bound is not told of; who joins the call hears why.
            (Some(muji), Some(real)) => {
                let _over_a_bound =
                    self.occupants.update(now, nick, real, muji, ClientQuirks::find(&presence.payloads)).is_err();
            }
            _ => drop(self.occupants.remove(nick)),
        }
    }

    /// True if nothing is known: the client is not in the room, and neither is a call.
    pub(crate) fn is_empty(&self) -> bool {
        self.nick.is_none() && self.occupants.iter().next().is_none()
    }
}
