//! Errors, sorted by whose fault they are.

use muji_jingle::End;
use xmpp_parsers::stanza_error::{DefinedCondition, StanzaError};

/// The caller asked for something that cannot be now. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// No bound JID yet.
    #[error("not connected; wait until the server has bound a JID")]
    NotConnected,
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
    /// `forbidden`.
    #[error("you are banned from the room")]
    Banned,
    /// `not-authorized`.
    #[error("the room wants a password, or another one")]
    Password,
    /// `conflict`.
    #[error("the nick is in use in the room; choose another")]
    NickInUse,
    /// `item-not-found`.
    #[error("the room is closed until its creator has configured it, or does not exist")]
    NotFound,
    /// `not-allowed`.
    #[error("the service does not let you create rooms, or has none; check what stands behind the @")]
    NotAllowed,
    /// `remote-server-not-found` and its kin.
    #[error("there is no such room service; check what stands behind the @")]
    NoService,
    /// Any other error.
    #[error("the room refused: {0}")]
    Other(String),
    /// No status 100 and no word in disco#info.
    #[error("the room hides who its occupants are, so nobody can be called; its owner must make it non-anonymous")]
    HidesRealJids,
    /// The self-presence came back without Muji.
    #[error("the room removes call information from presence; its service must let other elements through")]
    MujiStripped,
    /// No self-presence in time.
    #[error("the room did not answer in time")]
    Silent,
    /// A wish for another form was refused.
    #[error("the new room could not be configured to show real JIDs")]
    Configuration,
    /// No participant's codec is ours.
    #[error("nobody in the call has a codec in common with us; the clients must agree on one such as opus")]
    NoCommonCodec,
    /// Status 307.
    #[error("you were kicked out of the room")]
    Kicked,
    /// Status 321 or 322.
    #[error("the room is for members only now, and you are none")]
    NoMember,
    /// Status 332.
    #[error("the room service shut down")]
    Shutdown,
    /// `<destroy/>`.
    #[error("the room was destroyed")]
    Destroyed,
    /// Unavailable without a reason we know.
    #[error("the room put you out")]
    Removed,
}

impl RoomFault {
    /// What a presence error says.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "the conditions are RFC 6120's, and most say nothing of a room")]
    pub(crate) fn from_error(error: &StanzaError) -> Self {
        match error.defined_condition {
            DefinedCondition::ServiceUnavailable | DefinedCondition::ResourceConstraint => Self::Full,
            DefinedCondition::RegistrationRequired => Self::MembersOnly,
            DefinedCondition::Forbidden => Self::Banned,
            DefinedCondition::NotAuthorized => Self::Password,
            DefinedCondition::Conflict => Self::NickInUse,
            DefinedCondition::ItemNotFound => Self::NotFound,
            DefinedCondition::NotAllowed => Self::NotAllowed,
            DefinedCondition::RemoteServerNotFound | DefinedCondition::RemoteServerTimeout => Self::NoService,
            _ => Self::Other(format!("{:?}", error.defined_condition)),
        }
    }
}

/// Why a call is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Over {
    /// We left.
    #[error("left")]
    Left,
    /// The room's doing.
    #[error(transparent)]
    Room(RoomFault),
    /// The media layer ended.
    #[error("the media layer is gone, which is a fault of this program")]
    MediaGone,
    /// The connection to the server did not come back, or came back without the room.
    #[error("the connection to the server was lost")]
    Disconnected,
}

/// Why there is no session with a participant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{end}{}", if *.retrying { "; trying again" } else { "" })]
pub struct PeerFailure {
    /// How the session ended.
    pub end: End,
    /// True if we try again by ourselves.
    pub retrying: bool,
}
