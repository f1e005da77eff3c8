//! Inviting to a room without mentioning a call: directly (XEP-0249), or through the room (XEP-0045 section 7.8.2).

use jid::{BareJid, Jid};
use minidom::Element;

use crate::element::{Build, MAX_NAME, parsed, person, text};
use crate::{Secret, ns};

/// How an invitation is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A message to the guest.
    Message,
    /// A message to the room, which passes it on and may make the guest a member.
    Room,
}

/// An invitation to a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomInvite {
    /// Who invites.
    pub from: Jid,
    /// The room.
    pub room: BareJid,
    /// Its password, if it has one.
    pub password: Option<Secret>,
    /// The inviter's text.
    pub reason: Option<String>,
    /// How it was sent.
    pub via: Via,
}

impl RoomInvite {
    /// The invitation among the children of a message from `sender`.
    #[must_use]
    pub fn find(sender: &Jid, payloads: &[Element]) -> Option<Self> {
        Self::mediated(sender, payloads).or_else(|| Self::direct(sender, payloads))
    }

    fn direct(sender: &Jid, payloads: &[Element]) -> Option<Self> {
        let x = payloads.iter().find(|payload| payload.is("x", ns::CONFERENCE))?;
        Some(Self {
            from: sender.clone(),
            room: parsed(x, "jid")?,
            password: text(x, "password").map(Secret::new),
            reason: text(x, "reason"),
            via: Via::Message,
        })
    }

    /// Only the room itself passes invitations on.
    fn mediated(sender: &Jid, payloads: &[Element]) -> Option<Self> {
        let x = payloads.iter().find(|payload| payload.is("x", ns::MUC_USER)).filter(|_| sender.is_bare())?;
        let invite = x.get_child("invite", ns::MUC_USER)?;
        Some(Self {
            from: person(invite, "from")?,
            room: sender.to_bare(),
            password: child_text(x, "password").map(Secret::new),
            reason: child_text(invite, "reason"),
            via: Via::Room,
        })
    }
}

/// The element of a direct invitation.
#[must_use]
pub fn direct(room: &BareJid, password: Option<&Secret>) -> Element {
    Element::bare("x", ns::CONFERENCE).with("jid", room).with_opt("password", password.map(Secret::expose))
}

/// The element of an invitation through the room.
#[must_use]
pub fn mediated(guest: &BareJid) -> Element {
    Element::bare("x", ns::MUC_USER).child(Element::bare("invite", ns::MUC_USER).with("to", guest))
}

/// The element that declines an invitation which came through the room. A direct one is declined by silence.
#[must_use]
pub fn decline(inviter: &BareJid) -> Element {
    Element::bare("x", ns::MUC_USER).child(Element::bare("decline", ns::MUC_USER).with("to", inviter))
}

/// Who declined our invitation, as the room reports it, and the text.
#[must_use]
pub fn declined(payloads: &[Element]) -> Option<(Jid, Option<String>)> {
    let x = payloads.iter().find(|payload| payload.is("x", ns::MUC_USER))?;
    let decline = x.get_child("decline", ns::MUC_USER)?;
    Some((person(decline, "from")?, child_text(decline, "reason")))
}

fn child_text(element: &Element, name: &str) -> Option<String> {
    let text = element.get_child(name, ns::MUC_USER)?.text();
    let text: String = text.trim().chars().take(MAX_NAME).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sender: &str, xml: &str) -> Option<RoomInvite> {
        let sender = sender.parse().expect("a JID");
        RoomInvite::find(&sender, &[xml.parse().expect("the text is well-formed")])
    }

    #[test]
    fn a_direct_invitation_is_from_its_sender() {
        let invite =
            read("romeo@x/1", "<x xmlns='jabber:x:conference' jid='r@conf.x' password='cauldron' reason='Hey'/>");
        let invite = invite.expect("it is one");
        assert_eq!((invite.from.as_str(), invite.room.as_str(), invite.via), ("romeo@x/1", "r@conf.x", Via::Message));
        assert_eq!(
            (invite.password.map(|it| it.expose().to_owned()), invite.reason),
            (Some("cauldron".to_owned()), Some("Hey".to_owned()))
        );
        assert_eq!(read("romeo@x/1", "<x xmlns='jabber:x:conference'/>"), None, "to no room");
    }

    #[test]
    fn only_the_room_itself_passes_an_invitation_on() {
        let xml = "<x xmlns='http://jabber.org/protocol/muc#user'><invite from='romeo@x/1'><reason> Hey \n</reason></invite>\
                   <password>cauldron</password></x>";
        let invite = read("r@conf.x", xml).expect("it is one");
        assert_eq!((invite.from.as_str(), invite.room.as_str(), invite.via), ("romeo@x/1", "r@conf.x", Via::Room));
        assert_eq!(
            (invite.password.map(|it| it.expose().to_owned()), invite.reason),
            (Some("cauldron".to_owned()), Some("Hey".to_owned()))
        );
        assert_eq!(read("r@conf.x/nick", xml), None, "an occupant pretends");
    }
}
