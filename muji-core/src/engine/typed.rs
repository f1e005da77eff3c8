//! Stanzas as types of xmpp-parsers and minidom: for clients that have the same versions of them.

use std::time::{Duration, Instant};

use xmpp_parsers::message::Message;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stanza::Stanza;

use super::Engine;
#[cfg(doc)]
use crate::event::Event;
use crate::event::Handled;
#[cfg(doc)]
use crate::stanza;

impl Engine {
    /// A stanza from the server. Answered with [`Handled::Taken`], the client must not answer it again.
    pub fn handle_stanza(&mut self, now: Instant, stanza: &Stanza) -> Handled {
        self.take_stanza(now, stanza)
    }

    /// The same for clients that hold their stanzas as elements. Those of any client are read, as [`stanza::read`] does; of what cannot be
    /// read [`Event::Skipped`] tells who sent it.
    pub fn handle_element(&mut self, now: Instant, element: &Element) -> Handled {
        self.take_element(now, element)
    }

    /// What the client says in every presence: see [`Self::set_presence_extras_xml`].
    pub fn set_presence_extras(&mut self, now: Instant, extras: Vec<Element>) {
        self.say_in_presences(now, extras);
    }

    /// A message that was said while we were away: see [`Self::handle_archived_xml`].
    pub fn handle_archived(&mut self, now: Instant, age: Duration, message: &Message) {
        self.take_archived(now, age, message);
    }
}
