//! Stanzas as types of xmpp-parsers and minidom: for clients that have the same versions of them.

use std::time::Duration;

use xmpp_parsers::message::Message;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stanza::Stanza;

use super::{Muji, now};
#[cfg(doc)]
use crate::engine::Engine;
use crate::event::Handled;

impl Muji {
    /// A stanza from the server. Answered with [`Handled::Taken`], the client must not answer it again.
    pub fn handle_stanza(&mut self, stanza: &Stanza) -> Handled {
        let now = self.look();
        let handled = self.engine.handle_stanza(now, stanza);
        self.wake();
        handled
    }

    /// The same for clients that hold their stanzas as elements: see [`Engine::handle_element`].
    pub fn handle_element(&mut self, element: &Element) -> Handled {
        let now = self.look();
        let handled = self.engine.handle_element(now, element);
        self.wake();
        handled
    }

    /// What the client says in every presence, such as that it is away: see [`Engine::set_presence_extras_xml`].
    pub fn set_presence_extras(&mut self, extras: Vec<Element>) {
        self.engine.set_presence_extras(now(), extras);
        self.wake();
    }

    /// A message that was said while we were away: see [`Engine::handle_archived_xml`].
    pub fn handle_archived(&mut self, age: Duration, message: &Message) {
        self.engine.handle_archived(now(), age, message);
    }
}
