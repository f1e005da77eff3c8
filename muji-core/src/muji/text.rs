//! Stanzas as text: for clients whose XMPP library is any.

use std::time::Duration;

use super::{Muji, now};
use crate::event::Handled;
use crate::xml::NotXml;

impl Muji {
    /// A stanza from the server, as it was written: see [`crate::Engine::handle_xml`]. Answered with [`Handled::Taken`], the client must
    /// not answer it again.
    ///
    /// # Errors
    /// If the text is not one element; nothing happened.
    pub fn handle_xml(&mut self, stanza: &str) -> Result<Handled, NotXml> {
        let now = self.look();
        let handled = self.engine.handle_xml(now, stanza);
        self.wake();
        handled
    }

    /// What the client says in every presence, such as that it is away: see [`crate::Engine::set_presence_extras_xml`].
    ///
    /// # Errors
    /// If the text is no XML; nothing happened.
    pub fn set_presence_extras_xml(&mut self, extras: &str) -> Result<(), NotXml> {
        let done = self.engine.set_presence_extras_xml(now(), extras);
        self.wake();
        done
    }

    /// A message that was said while we were away: see [`crate::Engine::handle_archived_xml`].
    ///
    /// # Errors
    /// If the text is not one element; nothing happened.
    pub fn handle_archived_xml(&mut self, age: Duration, message: &str) -> Result<(), NotXml> {
        self.engine.handle_archived_xml(now(), age, message)
    }
}
