//! What we ask the room, or ourselves through the room.

use crate::conference::guests::Invitee;
use crate::warning::RoomRequest;

/// A question that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoomQuery {
    /// The form of a new room.
    Form,
    /// To take the form. `least`: the full one was refused.
    Configuration { least: bool },
    /// Who sees real JIDs.
    Anonymity,
    /// Whether we are still in (XEP-0410).
    SelfPing,
    /// To let a guest in, who is invited then.
    Admission(Invitee),
    /// Something that nothing waits for.
    Request(RoomRequest),
}
