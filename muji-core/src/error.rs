//! Errors, sorted by whose fault they are.

use std::fmt;

use jid::FullJid;
pub use muji_jingle::fault::{NegotiationError, PeerFault};
pub use muji_jingle::{Awaited, ContentFailure, End, SessionWarning};
pub use muji_xep::guard::Excess;
pub use muji_xep::jingle::{Reason, ReasonElement};
pub use muji_xep::muc::Destroyed;

use crate::pair::Recovery;

/// The caller asked for something that cannot be now. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No bound JID yet.
    #[error("not connected; wait until the server has bound a JID")]
    NotConnected,
    /// The connection is gone for now, and whether what is said meanwhile gets through is not known.
    #[error("the connection to the server is being made again; try again once it is back")]
    Offline,
    /// Another call is in that room.
    #[error("this account is already in that room, or still leaving it")]
    AlreadyThere,
    /// More than [`crate::config::MAX_CALLS`].
    #[error("too many calls at once; leave one first")]
    TooManyCalls,
    /// The media layer can do none of the contents.
    #[error("the media layer has no codec for what should be sent")]
    NoCodec,
    /// No such call, or it is over.
    #[error("there is no such call")]
    UnknownCall,
    /// The nick is no valid resource.
    #[error("the nick cannot be used in a JID")]
    BadNick,
    /// It has characters that XML does not have (XML 1.0 section 2.2), or other control characters.
    #[error("a room's password cannot have control characters")]
    BadPassword,
    /// A call inside a chat room needs the client to be in it.
    #[error("the client is not in that room; enter it first, or join the call as one with a room of its own")]
    NotInRoom,
    /// Somebody without contents does not take part.
    #[error("this is the only content that is sent; mute it, or leave the call")]
    OnlyContent,
    /// Only a call in a room has guests and an owner.
    #[error("it is a call with one person, without a room")]
    NoRoom,
    /// More guests wait than [`crate::config::MAX_GUESTS`].
    #[error("too many guests wait to be invited; invite the others later")]
    TooManyGuests,
    /// Nobody can be invited before somebody has picked up.
    #[error("nobody has picked up yet; invite others then")]
    NotTalking,
    /// The user has not taken the call.
    #[error("the call rings; accept it first")]
    NotAccepted,
    /// The call does not wait for the user.
    #[error("the call does not ring")]
    NotRinging,
    /// The account cannot call itself.
    #[error("an account cannot call itself")]
    Oneself,
    /// There is a call with that person.
    #[error("there is a call with that person already")]
    AlreadyCalling,
    /// Nobody in the call takes keys of telephones.
    #[error("nobody in the call takes digits; only telephones and what stands for them do")]
    NoDigits,
    /// The media layer cannot send in one call what comes in another.
    #[error("the media layer cannot join calls; that of muji-media can if it is started with Devices::bridging")]
    NoBridge,
    /// Only the owner of the room can.
    #[error("the room is not ours; only its owner can do that")]
    NotOwner,
}

/// What the room, or the service it lives on, does not let us do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoomFault {
    /// `service-unavailable` from a room.
    #[error("the room is full; try again when somebody has left")]
    Full,
    /// `registration-required`.
    #[error("the room is for members only; ask its owner to make you one")]
    MembersOnly,
    /// `forbidden`, or status 301.
    #[error("you are banned from the room{0}")]
    Banned(Removal),
    /// `not-authorized`.
    #[error("the room requires a password, or the given one is wrong")]
    Password,
    /// `conflict`.
    #[error("the nick is in use in the room; choose another")]
    NickInUse,
    /// `item-not-found`.
    #[error("the room is closed until its creator has configured it, or does not exist")]
    NotFound,
    /// `not-acceptable`.
    #[error("the room wants a nick that is registered for you; give that one")]
    NickReserved,
    /// `jid-malformed`.
    #[error("the room does not take this nick; choose another")]
    NickInvalid,
    /// `not-allowed`.
    #[error("the service does not let you create rooms, or has none; check the part of the address after the @")]
    NotAllowed,
    /// `remote-server-not-found` and its kin.
    #[error("there is no such room service; check the part of the address after the @")]
    NoService,
    /// Any other error.
    #[error("the room refused: {0}")]
    Other(String),
    /// Neither status 100 nor disco#info says that it shows them.
    #[error("the room hides who its occupants are, so nobody can be called; its owner must make it non-anonymous")]
    HidesRealJids,
    /// The self-presence came back without Muji.
    #[error("the room removes call information from presence; its service must let other elements through")]
    MujiStripped,
    /// The room repeated, as ours, what we never said.
    #[error("another device of this account is in the call under the same nick; one of them must take another")]
    SharedNick,
    /// No self-presence in time.
    #[error("the room did not answer in time; try again later")]
    Silent,
    /// The room did not take our configuration.
    #[error("the new room could not be configured to show real JIDs")]
    Configuration,
    /// The room of an invitation was gone: we would have created it.
    #[error("the call is over; everybody has left it")]
    CallIsOver,
    /// No participant's codec is ours.
    #[error("nobody in the call has a codec in common with us; the clients must agree on one such as opus")]
    NoCommonCodec,
    /// Status 307.
    #[error("you were kicked out of the room{0}")]
    Kicked(Removal),
    /// Status 321 or 322.
    #[error("the room is for members only now, and you are not a member")]
    NoMember,
    /// Status 332.
    #[error("the room service shut down; join again when it is back")]
    Shutdown,
    /// Status 333, or the room does not know us any more.
    #[error("the room lost us; join again")]
    Lost,
    /// `<destroy/>`.
    #[error("the room was destroyed{}", .0.alternate.as_ref().map(|room| format!("; go to {room}")).unwrap_or_default())]
    Destroyed(Destroyed),
    /// Unavailable without a reason we know.
    #[error("the room removed you and does not say why; ask its owner")]
    Removed,
}

/// Who put somebody out of a room, and why, as far as the room tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    /// The nick of the occupant that did it.
    pub by: Option<String>,
    /// What was said about it.
    pub reason: Option<String>,
}

impl fmt::Display for Removal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(by) = &self.by {
            write!(f, " by {by}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// Why a content could not be added to a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddFailure {
    /// The room does not let us publish it, or nobody there could use it.
    #[error(transparent)]
    Room(#[from] RoomFault),
    /// In a call with one person: it did not get into the session, or not any more.
    #[error(transparent)]
    Session(#[from] ContentFailure),
}

impl RoomFault {
    /// True if the room may let us in again: its trouble is not about us.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Full
                | Self::NickInUse
                | Self::NotFound
                | Self::NoService
                | Self::Other(_)
                | Self::Silent
                | Self::Shutdown
                | Self::Lost
        )
    }

    /// What the condition of a presence error (RFC 6120 section 8.3.3, such as `forbidden`) says, for clients that enter chat rooms
    /// themselves.
    #[must_use]
    pub fn from_condition(condition: &str) -> Self {
        match condition {
            "service-unavailable" | "resource-constraint" => Self::Full,
            "registration-required" => Self::MembersOnly,
            "forbidden" => Self::Banned(Removal::default()),
            "not-authorized" => Self::Password,
            "conflict" => Self::NickInUse,
            "item-not-found" => Self::NotFound,
            "not-acceptable" => Self::NickReserved,
            "jid-malformed" => Self::NickInvalid,
            "not-allowed" => Self::NotAllowed,
            "remote-server-not-found" | "remote-server-timeout" => Self::NoService,
            _ => Self::Other(condition.to_owned()),
        }
    }
}

/// Why a call is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndReason {
    /// We left.
    #[error("left")]
    Left,
    /// The room's doing.
    #[error(transparent)]
    Room(RoomFault),
    /// The other hung up.
    #[error("the other hung up")]
    HungUp,
    /// The other's device is gone, and nothing is heard of it.
    #[error("{0} is gone")]
    Gone(FullJid),
    /// We said no.
    #[error("declined")]
    DeclinedHere,
    /// On this device the other said no.
    #[error("declined on {0}")]
    Declined(FullJid),
    /// On this device the other is busy, or does not want to talk: most clients say only this.
    #[error("busy or declined on {0}")]
    Busy(FullJid),
    /// Nobody picked up.
    #[error("nobody picked up")]
    Unanswered,
    /// The server could not deliver the call: its condition (RFC 6120 section 8.3.3).
    #[error("the call could not be delivered: {}", undelivered(.0))]
    Unreachable(String),
    /// The caller gave up before anybody had picked up.
    #[error("the caller gave up")]
    Cancelled,
    /// Another device of this account took the call.
    #[error("answered on {0}")]
    Elsewhere(FullJid),
    /// On another device of this account the user said no.
    #[error("declined on {0}, another device of this account")]
    DeclinedElsewhere(FullJid),
    /// It rang too long.
    #[error("it rang too long")]
    Expired,
    /// We picked up and the caller did not come.
    #[error("the caller did not come; another device may have been first")]
    NoOffer,
    /// The session did not come to be, or was lost.
    #[error(transparent)]
    Session(End),
    /// It is a conference too, and would not go together with ours.
    #[error(transparent)]
    Conflict(BridgeConflict),
    /// The media layer ended.
    #[error("the media layer is gone, which is a fault of this program")]
    MediaGone,
    /// The connection to the server did not come back, or came back without the room.
    #[error("the connection to the server was lost")]
    Disconnected,
}

/// Why a bridge does not talk with another conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BridgeConflict {
    /// Our own bridge is behind it.
    #[error("these bridges are joined already; in a ring of rooms all would hear themselves")]
    Ring,
    /// One of the two is joined with another bridge: what is behind that could be ours.
    #[error("one of these bridges is joined with another one already; a bridge joins two rooms at most")]
    Chain,
    /// It is in the room's call.
    #[error("it takes part in the room's call itself; all there would hear themselves")]
    InRoom,
    /// There is one already.
    #[error("another conference takes part already; of two each could be fed by the other")]
    SecondFocus,
}

/// What a server means that does not deliver a message to a person.
fn undelivered(condition: &str) -> &str {
    match condition {
        "service-unavailable" | "item-not-found" => "there is no such account, or it takes no messages of yours",
        "remote-server-not-found" | "remote-server-timeout" => {
            "the other's server cannot be reached; check the part of the address after the @"
        }
        other => other,
    }
}

/// Why there is no session with a participant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{end}{}", told(.recovery))]
pub struct PeerFailure {
    /// How the session ended.
    pub end: End,
    /// What is done about it.
    pub recovery: Recovery,
}

fn told(recovery: &Recovery) -> &'static str {
    match recovery {
        Recovery::Nothing => "",
        Recovery::TheirTurn { .. } | Recovery::CallAgain { .. } => "; trying again",
        Recovery::NeedsRejoin => "; its client takes no second call: one of you must leave the call and join again",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use muji_jingle::fault::NegotiationError;

    use super::*;

    fn phone() -> FullJid {
        "juliet@capulet.lit/phone".parse().expect("a full JID")
    }

    fn by_the_nurse() -> Removal {
        Removal { by: Some("nurse".to_owned()), reason: Some("too loud".to_owned()) }
    }

    #[test]
    fn a_removal_is_told_with_who_did_it_and_why_as_far_as_the_room_says() {
        assert_eq!(RoomFault::Banned(Removal::default()).to_string(), "you are banned from the room");
        assert_eq!(RoomFault::Banned(by_the_nurse()).to_string(), "you are banned from the room by nurse: too loud");
        let without_reason = Removal { reason: None, ..by_the_nurse() };
        assert_eq!(RoomFault::Kicked(without_reason).to_string(), "you were kicked out of the room by nurse");
    }

    #[test]
    fn a_destroyed_room_names_the_one_that_takes_its_place() {
        let nowhere = RoomFault::Destroyed(Destroyed::default());
        assert_eq!(nowhere.to_string(), "the room was destroyed");
        let alternate = Some("garden@chat.capulet.lit".parse().expect("a JID"));
        let elsewhere = RoomFault::Destroyed(Destroyed { alternate, ..Destroyed::default() });
        assert_eq!(elsewhere.to_string(), "the room was destroyed; go to garden@chat.capulet.lit");
    }

    #[test]
    fn what_helps_is_told_where_something_does() {
        let sentences = [
            (RoomFault::Full, "the room is full; try again when somebody has left"),
            (RoomFault::MembersOnly, "the room is for members only; ask its owner to make you one"),
            (RoomFault::Password, "the room requires a password, or the given one is wrong"),
            (RoomFault::NickInUse, "the nick is in use in the room; choose another"),
            (RoomFault::NickReserved, "the room wants a nick that is registered for you; give that one"),
            (RoomFault::NickInvalid, "the room does not take this nick; choose another"),
            (RoomFault::Silent, "the room did not answer in time; try again later"),
            (RoomFault::Shutdown, "the room service shut down; join again when it is back"),
            (RoomFault::Lost, "the room lost us; join again"),
            (RoomFault::Removed, "the room removed you and does not say why; ask its owner"),
            (RoomFault::NoService, "there is no such room service; check the part of the address after the @"),
            (RoomFault::Other("gone".to_owned()), "the room refused: gone"),
        ];
        for (fault, sentence) in sentences {
            assert_eq!(fault.to_string(), sentence);
        }
    }

    #[test]
    fn the_end_of_a_call_names_the_device_or_what_the_server_said() {
        let sentences = [
            (EndReason::Gone(phone()), "juliet@capulet.lit/phone is gone"),
            (EndReason::Declined(phone()), "declined on juliet@capulet.lit/phone"),
            (EndReason::DeclinedHere, "declined"),
            (EndReason::Busy(phone()), "busy or declined on juliet@capulet.lit/phone"),
            (EndReason::Elsewhere(phone()), "answered on juliet@capulet.lit/phone"),
            (
                EndReason::DeclinedElsewhere(phone()),
                "declined on juliet@capulet.lit/phone, another device of this account",
            ),
            (
                EndReason::Unreachable("item-not-found".to_owned()),
                "the call could not be delivered: there is no such account, or it takes no messages of yours",
            ),
            (
                EndReason::Unreachable("remote-server-timeout".to_owned()),
                "the call could not be delivered: the other's server cannot be reached; check the part of the address \
                 after the @",
            ),
            (EndReason::Unreachable("gone".to_owned()), "the call could not be delivered: gone"),
            (
                EndReason::Conflict(BridgeConflict::Ring),
                "these bridges are joined already; in a ring of rooms all would hear themselves",
            ),
            (
                EndReason::Conflict(BridgeConflict::Chain),
                "one of these bridges is joined with another one already; a bridge joins two rooms at most",
            ),
            (
                EndReason::Conflict(BridgeConflict::InRoom),
                "it takes part in the room's call itself; all there would hear themselves",
            ),
            (
                EndReason::Conflict(BridgeConflict::SecondFocus),
                "another conference takes part already; of two each could be fed by the other",
            ),
            (EndReason::Room(RoomFault::Full), "the room is full; try again when somebody has left"),
        ];
        for (reason, sentence) in sentences {
            assert_eq!(reason.to_string(), sentence);
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the start of time of this test")]
    fn a_failure_with_a_participant_says_what_is_done_about_it() {
        let of =
            |recovery| PeerFailure { end: End::NegotiationError(NegotiationError::Contents), recovery }.to_string();
        let why = End::NegotiationError(NegotiationError::Contents).to_string();
        assert_eq!(of(Recovery::Nothing), why);
        let again = Recovery::CallAgain { at: Instant::now(), attempt: 1 };
        assert_eq!(of(again), format!("{why}; trying again"));
        let rejoin = format!("{why}; its client takes no second call: one of you must leave the call and join again");
        assert_eq!(of(Recovery::NeedsRejoin), rejoin);
    }
}
