//! Being there to be called, for programs without a client: presence, copies of what other devices hear and say
//! (XEP-0280), and who our contacts are (RFC 6121).

use std::collections::BTreeSet;
use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use muji_jingle::Ids;
use muji_jingle::pending::PendingRequests;
use muji_xep::roster::{self, Contact};
use muji_xep::{Skipped, ns};
use xmpp_parsers::carbons::Enable;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stanza::Stanza;

use crate::stanza;

/// What we asked our server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServerQuery {
    Copies,
    Contacts,
}

/// What the server's answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// And those among them who cannot be read.
    Contacts(BTreeSet<BareJid>, Skipped),
    /// It makes no copies.
    Alone,
    Nothing,
}

/// Whether we are there, and what we asked for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Availability {
    accepts_calls: bool,
    asked: PendingRequests<ServerQuery>,
    contacts: BTreeSet<BareJid>,
}

impl Availability {
    pub(crate) fn begin(&mut self) {
        self.accepts_calls = true;
    }

    /// What a new stream begins with. The copies come first, so that none is missed once we are seen.
    pub(crate) fn greeting(&mut self, now: Instant, ids: &mut Ids, extras: &[Element]) -> Vec<Stanza> {
        if !self.accepts_calls {
            return Vec::new();
        }
        self.asked.clear();
        let mut ask = |asked, iq: &dyn Fn(String) -> Iq| {
            let id = ids.token();
            self.asked.asked(now, &id, asked);
            iq(id)
        };
        let copies = ask(ServerQuery::Copies, &|id| Iq::Set { from: None, to: None, id, payload: Enable.into() });
        let contacts = ask(ServerQuery::Contacts, &|id| Iq::Get { from: None, to: None, id, payload: roster::ask() });
        vec![copies.into(), contacts.into(), self.presence(extras)]
    }

    /// Our presence, for all contacts.
    pub(crate) fn presence(&self, extras: &[Element]) -> Stanza {
        stanza::available(extras.to_vec()).into()
    }

    pub(crate) fn accepts_calls(&self) -> bool {
        self.accepts_calls
    }

    /// The server answers; `None` if it was asked nothing with this id.
    pub(crate) fn answered(&mut self, id: &str, payload: Option<&Element>) -> Option<Answer> {
        let asked = self.asked.answered(id)?;
        match (asked, payload.filter(|payload| payload.is("query", ns::ROSTER))) {
            (ServerQuery::Contacts, Some(contacts)) => {
                self.contacts.clear();
                Some(self.updated(contacts))
            }
            (ServerQuery::Contacts, None) | (ServerQuery::Copies, _) => Some(Answer::Nothing),
        }
    }

    /// The server cannot do what it was asked.
    pub(crate) fn refused(&mut self, id: &str) -> Option<Answer> {
        self.asked.answered(id).map(|asked| match asked {
            ServerQuery::Copies => Answer::Alone,
            ServerQuery::Contacts => Answer::Nothing,
        })
    }

    /// A contact came, went or changed.
    pub(crate) fn pushed(&mut self, payload: &Element) -> Option<Answer> {
        let changed = Some(payload).filter(|payload| self.accepts_calls && payload.is("query", ns::ROSTER))?;
        Some(self.updated(changed))
    }

    /// Contacts are those who see our presence.
    fn updated(&mut self, changed: &Element) -> Answer {
        let mut skipped = Skipped::default();
        for Contact { jid, sees_us } in roster::read(changed, &mut skipped) {
            if sees_us {
                self.contacts.insert(jid);
            } else {
                self.contacts.remove(&jid);
            }
        }
        Answer::Contacts(self.contacts.clone(), skipped)
    }

    /// Forgets what is not answered.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        drop(self.asked.expired(now));
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.asked.poll_timeout()
    }
}

/// True if only our own server can have sent it (RFC 6120 section 8.1.2.1): nothing else about our account counts.
pub(crate) fn is_from_account(from: Option<&Jid>, us: &FullJid) -> bool {
    from.is_none_or(|from| *from == us.to_bare() || from.as_str() == us.domain().as_str())
}
