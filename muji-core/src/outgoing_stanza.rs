//! A stanza that the client sends.

use std::fmt;

use muji_xep::Element;
use xmpp_parsers::stanza::Stanza;

use crate::stanza::copy;

/// A stanza for the server.
///
/// Clients on xmpp-parsers of the same version take it as it is (`into`, feature `xmpp-parsers`), all others as text.
pub struct OutgoingStanza(Box<Stanza>);

impl OutgoingStanza {
    /// As text: one element that names all its namespaces, `jabber:client` first.
    #[must_use]
    pub fn to_xml(&self) -> String {
        String::from(&Element::from(copy(&self.0)))
    }

    pub(crate) fn new(stanza: impl Into<Stanza>) -> Self {
        Self(Box::new(stanza.into()))
    }

    /// As a type of xmpp-parsers.
    #[cfg(feature = "xmpp-parsers")]
    #[must_use]
    pub fn as_stanza(&self) -> &Stanza {
        &self.0
    }
}

#[cfg(feature = "xmpp-parsers")]
impl From<OutgoingStanza> for Stanza {
    fn from(OutgoingStanza(stanza): OutgoingStanza) -> Self {
        *stanza
    }
}

impl Clone for OutgoingStanza {
    fn clone(&self) -> Self {
        Self(Box::new(copy(&self.0)))
    }
}

impl fmt::Debug for OutgoingStanza {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
