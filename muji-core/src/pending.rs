//! What waits for the user's answer, however somebody calls.

use muji_jingle::CallId;
use muji_xep::room_invite::RoomInvite;

use crate::event::{Event, EventScope};
use crate::invitation::Invitation;

/// What waits for the user's answer: what a ringing screen shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pending {
    /// A call that rings.
    Call(CallId),
    /// An invitation to a call in a room.
    Invitation(Box<Invitation>),
    /// An invitation to a room, without mentioning a call.
    Room(RoomInvite),
}

impl Pending {
    /// What waits for the user's answer since this event, which is about `about`; `None` if nothing does. [`Event::Ringing`] and
    /// [`Event::Invited`] ring; the others, [`Event::Stranger`] and [`Event::RoomInvited`], are only shown.
    #[must_use]
    pub fn of(about: &EventScope, event: &Event) -> Option<Self> {
        match (about, event) {
            (EventScope::Call(call), Event::Ringing { .. } | Event::Stranger { .. }) => Some(Self::Call(*call)),
            (_, Event::Invited(invitation)) => Some(Self::Invitation(invitation.clone())),
            (_, Event::RoomInvited(invite)) => Some(Self::Room(invite.clone())),
            _ => None,
        }
    }

    /// True if no answer is needed any more since this event, such as after another device of the user has answered. An invitation to a
    /// room as such waits for ever.
    #[must_use]
    pub fn is_over(&self, about: &EventScope, event: &Event) -> bool {
        match (self, event) {
            (Self::Call(call), Event::Ended(_)) => *about == EventScope::Call(*call),
            (Self::Invitation(invitation), Event::InvitationOver(over, _)) => invitation == over,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use muji_jingle::RingStopped;
    use muji_xep::room_invite::Via;

    use super::*;
    use crate::error::EndReason;

    const ABOUT: EventScope = EventScope::Call(CallId(7));

    fn invitation(id: &str) -> Box<Invitation> {
        Box::new(Invitation {
            from: "juliet@capulet.lit/1".parse().expect("a JID"),
            room: "balcony@rooms.capulet.lit".parse().expect("a room"),
            id: id.to_owned(),
            audio: true,
            video: false,
            external: None,
            within: None,
        })
    }

    fn invite() -> RoomInvite {
        RoomInvite {
            from: "juliet@capulet.lit".parse().expect("a JID"),
            room: "balcony@rooms.capulet.lit".parse().expect("a room"),
            password: None,
            reason: None,
            via: Via::Message,
        }
    }

    #[test]
    fn what_rings_waits_for_an_answer() {
        let from = || "juliet@capulet.lit/1".parse().expect("a full JID");
        let calls = [Event::Ringing { from: from(), media: vec![] }, Event::Stranger { from: from(), media: vec![] }];
        for call in calls {
            assert_eq!(Pending::of(&ABOUT, &call), Some(Pending::Call(CallId(7))));
        }
        let missed = Event::Missed { from: from(), media: vec![] };
        assert_eq!(Pending::of(&EventScope::Account, &missed), None);
        let invited = Pending::of(&EventScope::Account, &Event::Invited(invitation("1")));
        assert_eq!(invited, Some(Pending::Invitation(invitation("1"))));
        assert_eq!(Pending::of(&EventScope::Account, &Event::RoomInvited(invite())), Some(Pending::Room(invite())));
    }

    #[test]
    fn what_is_over_needs_no_answer() {
        let ended = Event::Ended(EndReason::Cancelled);
        assert!(Pending::Call(CallId(7)).is_over(&ABOUT, &ended));
        assert!(!Pending::Call(CallId(8)).is_over(&ABOUT, &ended));
        assert!(!Pending::Invitation(invitation("1")).is_over(&ABOUT, &ended));
        let over = Event::InvitationOver(invitation("1"), RingStopped::Cancelled);
        assert!(Pending::Invitation(invitation("1")).is_over(&EventScope::Account, &over));
        assert!(!Pending::Invitation(invitation("2")).is_over(&EventScope::Account, &over));
        assert!(!Pending::Room(invite()).is_over(&EventScope::Account, &over));
    }
}
