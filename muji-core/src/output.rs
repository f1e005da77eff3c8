//! What the Engine wants done.

use xmpp_parsers::stanza::Stanza;

use crate::event::{Event, EventScope};
use crate::media::MediaCommand;
use crate::stanza::copy;

/// What the Engine wants done, in the order of the wire.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// To the server.
    Send(Box<Stanza>),
    /// To the media layer.
    Media(MediaCommand),
    /// To the application.
    Event(EventScope, Event),
}

impl Clone for Output {
    fn clone(&self) -> Self {
        match self {
            Self::Send(stanza) => Self::Send(Box::new(copy(stanza))),
            Self::Media(command) => Self::Media(command.clone()),
            Self::Event(about, event) => Self::Event(about.clone(), event.clone()),
        }
    }
}
