//! Stanzas as text: for clients whose XMPP library is any.

use std::time::{Duration, Instant};

use xmpp_parsers::stanza::Stanza;

use super::Engine;
use crate::event::Handled;
use crate::stanza;
use crate::xml::{self, NotXml};

impl Engine {
    /// A stanza from the server, as it was written: one element of XML in UTF-8. One that names no namespace is of `jabber:client`, as in
    /// the stream it came by. Answered with [`Handled::Taken`], the client must not answer it again; of what cannot be read
    /// [`crate::Event::Skipped`] tells who sent it.
    ///
    /// # Errors
    /// If the text is not one element; nothing happened.
    pub fn handle_xml(&mut self, now: Instant, stanza: &str) -> Result<Handled, NotXml> {
        Ok(self.take_element(now, &xml::element(stanza)?))
    }

    /// What the client says in every presence, such as its entity capabilities (XEP-0115) and that it is away: any number of elements, one
    /// behind the other. The presences of calls say it too; a change is said at once in the rooms of calls.
    ///
    /// # Errors
    /// If the text is no XML; nothing happened.
    pub fn set_presence_extras_xml(&mut self, now: Instant, extras: &str) -> Result<(), NotXml> {
        self.say_in_presences(now, xml::elements(extras)?);
        Ok(())
    }

    /// A message that was said while we were away, oldest first: out of the archive (XEP-0313) or kept for us by the server.
    /// `age` is how long ago it was said, by the server's stamp. A call of which it speaks waits for [`Self::archive_done`], as what
    /// became of it may come behind it. Where the client does not do this, such a call is [`crate::Event::Missed`] at once. What is no
    /// message of anybody speaks of no call.
    ///
    /// # Errors
    /// If the text is not one element; nothing happened.
    pub fn handle_archived_xml(&mut self, now: Instant, age: Duration, message: &str) -> Result<(), NotXml> {
        if let Ok(Stanza::Message(message)) = stanza::read(&xml::element(message)?) {
            self.take_archived(now, age, &message);
        }
        Ok(())
    }
}
