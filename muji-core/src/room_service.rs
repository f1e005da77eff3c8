//! Where rooms can be made: the client says it, or the own server is asked which services it has (XEP-0030, XEP-0045).

use std::time::Instant;

use jid::{BareJid, DomainPart, DomainRef, Jid};
use muji_jingle::pending::PendingRequests;
use muji_jingle::{CallId, Ids};
use muji_xep::{disco, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;

use crate::config::MAX_GUESTS;

/// Services that are asked what they are. A server with more has its room service among the first.
const MAX_SERVICES: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
enum RoomServiceQuery {
    Items(DomainPart),
    Info(DomainPart),
}

/// The room service, if it is known, and who waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Services {
    known: Option<DomainPart>,
    asked: PendingRequests<RoomServiceQuery>,
    /// Questions without an answer.
    open: usize,
    waiting: Vec<(CallId, BareJid)>,
}

/// What follows from an answer.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    /// It answered nothing that was asked.
    NotOurs,
    Ask(Vec<Iq>),
    /// It is known whether there is a service: those who waited.
    Decided(Vec<(CallId, BareJid)>),
}

impl Services {
    pub(crate) fn set(&mut self, service: &DomainRef) {
        self.known = Some(service.to_owned());
    }

    pub(crate) fn known(&self) -> Option<&DomainRef> {
        self.known.as_deref()
    }

    /// True if nobody else can wait.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= MAX_GUESTS
    }

    /// Somebody is to be invited once a service is known; what to ask for it.
    pub(crate) fn wait(
        &mut self,
        now: Instant,
        ids: &mut Ids,
        own: &DomainRef,
        call: CallId,
        guest: BareJid,
    ) -> Option<Iq> {
        self.waiting.push((call, guest));
        let query = Element::bare("query", ns::DISCO_ITEMS);
        (self.open == 0).then(|| self.ask(now, ids, RoomServiceQuery::Items(own.to_owned()), query))
    }

    fn ask(&mut self, now: Instant, ids: &mut Ids, asked: RoomServiceQuery, payload: Element) -> Iq {
        let id = ids.token();
        let (RoomServiceQuery::Items(domain) | RoomServiceQuery::Info(domain)) = &asked;
        let to = Some(Jid::from(BareJid::from_parts(None, domain)));
        self.open += 1;
        self.asked.asked(now, &id, asked);
        Iq::Get { from: None, to, id, payload }
    }

    /// Somebody answers; `None` for an error.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        ids: &mut Ids,
        from: &Jid,
        id: &str,
        payload: Option<&Element>,
    ) -> Next {
        // Only who was asked can answer, and the ids are not to be guessed.
        let Some(asked) = self.asked.answered(id) else { return Next::NotOurs };
        self.open -= 1;
        let (RoomServiceQuery::Items(domain) | RoomServiceQuery::Info(domain)) = &asked;
        let payload = payload.filter(|_| from.as_str() == domain.as_str());
        match asked {
            RoomServiceQuery::Items(_) => {
                let services = payload.into_iter().flat_map(disco::services).take(MAX_SERVICES);
                let info = |jid: Jid| {
                    let query = Element::bare("query", ns::DISCO_INFO);
                    self.ask(now, ids, RoomServiceQuery::Info(jid.domain().to_owned()), query)
                };
                let questions: Vec<Iq> = services.map(info).collect();
                if questions.is_empty() { self.decided() } else { Next::Ask(questions) }
            }
            RoomServiceQuery::Info(domain) => {
                if self.known.is_none() && payload.is_some_and(disco::has_rooms) {
                    self.known = Some(domain);
                }
                if self.known.is_some() || self.open == 0 { self.decided() } else { Next::Ask(Vec::new()) }
            }
        }
    }

    fn decided(&mut self) -> Next {
        Next::Decided(std::mem::take(&mut self.waiting))
    }

    /// A service that does not answer has no rooms: those who waited for the last answer.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Vec<(CallId, BareJid)> {
        let silent = self.asked.expired(now).len();
        self.open -= silent;
        if silent > 0 && self.open == 0 { std::mem::take(&mut self.waiting) } else { Vec::new() }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.asked.poll_timeout()
    }
}
