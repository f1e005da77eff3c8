//! What follows from what the room says, or does not say in time.

use crate::conference::guests::Invitee;
use crate::error::{EndReason, RoomFault};
use crate::warning::Warning;

/// What the conference does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Nothing,
    Warn(Warning),
    /// Enter the room, for the first time or again.
    Enter,
    /// Announce us again, under the nick that we have now.
    EnterUnderAnotherNick,
    /// The room is no place for a call yet: enter later. `leave`: we are in it.
    RetryLater {
        leave: bool,
    },
    /// All is known that must be known before contents may be published.
    Ready,
    /// The room lost us, not by our fault: come back.
    Lost(EndReason),
    /// There can be no call: leave.
    Failed(RoomFault),
    /// The room put us out.
    PutOut(RoomFault),
    /// We have left.
    Left(EndReason),
    /// A guest may enter.
    Admitted(Invitee),
    /// A guest may not, and why; `None` if the room did not answer.
    NotAdmitted(Invitee, Option<RoomFault>),
}
