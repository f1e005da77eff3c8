//! What the Engine wants done.

use crate::event::{Event, EventScope};
use crate::media::MediaCommand;
use crate::outgoing_stanza::OutgoingStanza;

/// What the Engine wants done, in the order of the wire.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Output {
    /// To the server.
    Send(OutgoingStanza),
    /// To the media layer.
    Media(MediaCommand),
    /// To the application.
    Event(EventScope, Event),
}
