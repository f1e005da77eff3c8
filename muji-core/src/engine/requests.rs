//! Requests and their answers: sessions, what others ask of us, what our own server and the rooms answer.

use std::time::Instant;

use jid::{FullJid, Jid};
use muji_jingle::fault::PeerFault;
use muji_jingle::refuse;
use muji_xep::jingle::{Action, Jingle};
use muji_xep::{Skipped, guard, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stanza_error::StanzaError;

use super::Engine;
use crate::availability::{Answer, is_from_account};
use crate::event::{Event, EventScope, Handled};
use crate::media::MediaCommand;
use crate::output::Output;
use crate::room_service::Next;
use crate::warning::Warning;

impl Engine {
    pub(super) fn handle_iq(&mut self, now: Instant, iq: &Iq) -> Handled {
        match iq {
            Iq::Set { from, id, payload, .. } if Jingle::matches(payload) => {
                let Some(from) = from.clone().and_then(|from| from.try_into_full().ok()) else {
                    return Handled::NotOurs;
                };
                self.handle_jingle(now, &from, id, payload)
            }
            Iq::Get { from: Some(from), id, payload, .. } if payload.is("ping", ns::PING) && self.is_us(from) => {
                self.send(Iq::Result { from: None, to: Some(from.clone()), id: id.clone(), payload: None });
                Handled::Taken
            }
            Iq::Get { from: Some(from), id, payload, .. } if payload.is("query", ns::DISCO_INFO) => {
                self.handle_disco(from, id, payload)
            }
            Iq::Set { from, id, payload, .. } if payload.is("query", ns::ROSTER) => {
                self.handle_contacts(from.as_ref(), id, payload)
            }
            Iq::Result { from, id, payload, .. } => self.handle_answer(now, from.as_ref(), id, Ok(payload.as_ref())),
            Iq::Error { from, id, error, .. } => self.handle_answer(now, from.as_ref(), id, Err(error)),
            Iq::Get { .. } | Iq::Set { .. } => Handled::NotOurs,
        }
    }

    /// Our server answers what we asked it for being there. False if it was something else.
    fn account_answered(
        &mut self,
        from: Option<&Jid>,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> bool {
        if !self.us.as_ref().is_some_and(|us| is_from_account(from, us)) {
            return false;
        }
        let answer = match answer {
            Ok(payload) => self.availability.answered(id, payload),
            Err(_) => self.availability.refused(id),
        };
        answer.map(|answer| self.about_account(answer)).is_some()
    }

    /// A contact came or went.
    fn handle_contacts(&mut self, from: Option<&Jid>, id: &str, payload: &Element) -> Handled {
        let ours = self.us.as_ref().is_some_and(|us| is_from_account(from, us));
        let Some(answer) = ours.then(|| self.availability.pushed(payload)).flatten() else { return Handled::NotOurs };
        self.about_account(answer);
        self.send(Iq::Result { from: None, to: from.cloned(), id: id.to_owned(), payload: None });
        Handled::Taken
    }

    fn about_account(&mut self, answer: Answer) {
        match answer {
            Answer::Contacts(contacts, skipped) => {
                self.direct_calls.set_contacts(contacts);
                if !skipped.is_empty() {
                    self.skipped("the list of contacts".to_owned(), &skipped.to_string());
                }
            }
            Answer::Alone => {
                self.shared.out.push_back(Output::Event(EventScope::Account, Event::Warning(Warning::NoCarbons)));
            }
            Answer::Nothing => {}
        }
    }

    /// A participant's query can come before its presence, so in a call everybody is answered (Dino asks before it calls).
    fn handle_disco(&mut self, from: &Jid, id: &str, payload: &Element) -> Handled {
        let ours =
            self.us.as_ref().is_some_and(|us| from.to_bare() == us.to_bare() || from.as_str() == us.domain().as_str());
        let who = from.to_bare();
        let known =
            ours || !self.calls.is_empty() || self.direct_calls.is_contact(&who) || self.direct_calls.wants(&who);
        let Some(disco) = self.disco.as_ref().filter(|_| known) else {
            return Handled::NotOurs;
        };
        let to = Some(from.clone());
        let id = id.to_owned();
        self.send(match disco.write_answer(payload.attr("node")) {
            Ok(info) => Iq::Result { from: None, to, id, payload: Some(info) },
            Err(error) => Iq::Error { from: None, to, id, error: *error, payload: None },
        });
        Handled::Taken
    }

    fn handle_jingle(&mut self, now: Instant, from: &FullJid, id: &str, payload: &Element) -> Handled {
        let mut skipped = Skipped::default();
        let read = match guard::check(payload) {
            Ok(()) => Jingle::read(payload, &mut skipped),
            Err(_) => None,
        };
        let Some(mut jingle) = read else {
            self.send(refuse(from, id, &PeerFault::Malformed("an action and a sid, within bounds")));
            return Handled::Taken;
        };
        self.shared.trust.open(from, &mut jingle);
        let mut calls = self.calls.iter();
        let found = calls.find_map(|(call, conference)| Some((*call, conference.session_of(from, &jingle.sid)?)));
        if let Some((call, session)) = found {
            self.with_call(now, call, |conference, cx| {
                conference.skipped(cx, from.as_str(), &skipped);
                conference.session_requested(cx, session, id, &jingle);
            });
            return Handled::Taken;
        }
        if self.with_direct_calls(now, |direct_calls, cx, _| direct_calls.requested(cx, from, id, &jingle))
            == Some(true)
        {
            return Handled::Taken;
        }
        self.handle_foreign_jingle(now, from, id, &jingle, &skipped)
    }

    /// A request in none of our sessions: the client's, unless it speaks of a conference.
    fn handle_foreign_jingle(
        &mut self,
        now: Instant,
        from: &FullJid,
        id: &str,
        jingle: &Jingle,
        skipped: &Skipped,
    ) -> Handled {
        if let Some(fault) = self.shared.ended.fault(from, &jingle.sid) {
            self.send(refuse(from, id, &fault));
            return Handled::Taken;
        }
        if jingle.action != Action::SessionInitiate {
            return self.handle_unknown_session(from, id, jingle);
        }
        let Some(room) = &jingle.room else { return self.handle_direct_offer(now, from, id, jingle) };
        // Sessions run between real JIDs (XEP-0272 section 3), so nothing of a call comes from an occupant's.
        let through_room = self.call_in(&from.to_bare()).is_some();
        match self.call_in(room).filter(|_| !through_room) {
            Some(call) => {
                self.with_call(now, call, |conference, cx| {
                    conference.skipped(cx, from.as_str(), skipped);
                    conference.offered(cx, id, from, jingle);
                });
            }
            None => self.send(refuse(from, id, &PeerFault::Stranger)),
        }
        Handled::Taken
    }

    /// A request in a session that we do not know: perhaps the client's. Without a client it is answered, to strangers as if nobody were
    /// there.
    fn handle_unknown_session(&mut self, from: &FullJid, id: &str, jingle: &Jingle) -> Handled {
        if self.disco.is_none() {
            return Handled::NotOurs;
        }
        let who = from.to_bare();
        let known = self.has_met(&who) || self.direct_calls.is_contact(&who) || self.direct_calls.wants(&who);
        let unknown = PeerFault::UnknownSession { sid: jingle.sid.clone() };
        self.send(refuse(from, id, if known { &unknown } else { &PeerFault::Stranger }));
        Handled::Taken
    }

    /// A session with one person. Without a proposal, only those who may make us ring can offer one.
    fn handle_direct_offer(&mut self, now: Instant, from: &FullJid, id: &str, offer: &Jingle) -> Handled {
        if !self.shared.config.one_to_one {
            return Handled::NotOurs;
        }
        let met = self.has_met(&from.to_bare());
        let taken =
            self.with_direct_calls(now, |direct_calls, cx, us| direct_calls.offered(cx, us, from, id, offer, met));
        if taken == Some(true) { Handled::Taken } else { Handled::NotOurs }
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        from: Option<&Jid>,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> Handled {
        // A long list of contacts is larger than what others may send.
        if self.account_answered(from, id, answer) {
            return Handled::Taken;
        }
        let answer = answer.map(|payload| payload.filter(|payload| guard::check(payload).is_ok()));
        if self.server_answered(now, from, id, answer.ok().flatten()) {
            return Handled::Taken;
        }
        let Some(from) = from else { return Handled::NotOurs };
        match self.services.answered(now, &mut self.shared.ids, from, id, answer.ok().flatten()) {
            Next::NotOurs => {}
            Next::Ask(questions) => {
                questions.into_iter().for_each(|question| self.send(question));
                return Handled::Taken;
            }
            Next::Decided(waiting) => {
                waiting.into_iter().for_each(|(call, guest)| self.widen(now, call, guest));
                return Handled::Taken;
            }
        }
        if self.call_answered(now, from, id, answer) { Handled::Taken } else { Handled::NotOurs }
    }

    /// A room or a peer answers what a call asked it. False if no call did.
    fn call_answered(
        &mut self,
        now: Instant,
        from: &Jid,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> bool {
        let peer = from.clone().try_into_full().ok();
        let outcome = answer.map(|_| ());
        let in_room = self.calls.keys().copied().collect::<Vec<_>>().into_iter().any(|call| {
            let taken = self.with_call(now, call, |conference, cx| match &peer {
                _ if from.to_bare() == *conference.room() => conference.room_answered(cx, id, answer),
                Some(peer) => conference.session_answered(cx, peer, id, outcome),
                None => false,
            });
            taken == Some(true)
        });
        let Some(peer) = peer.filter(|_| !in_room) else { return in_room };
        let taken = self.with_direct_calls(now, |direct_calls, cx, _| direct_calls.answered(cx, &peer, id, answer));
        taken == Some(true)
    }

    /// Our server answers what we asked it for STUN and TURN servers. False if it was something else.
    fn server_answered(&mut self, now: Instant, from: Option<&Jid>, id: &str, payload: Option<&Element>) -> bool {
        let Some(us) = self.us.clone().filter(|us| is_from_account(from, us)) else { return false };
        let learned = self.ice_servers.answered(now, self.clock, &mut self.shared.ids, us.domain(), id, payload);
        let Some(learned) = learned else { return false };
        if !learned.skipped.is_empty() {
            self.skipped(us.domain().to_string(), &learned.skipped.to_string());
        }
        learned.questions.into_iter().for_each(|question| self.send(question));
        if let Some(servers) = learned.servers {
            self.shared.out.push_back(Output::Media(MediaCommand::Servers { servers }));
        }
        true
    }

    /// True if it is our own occupant in the room of a call.
    fn is_us(&self, who: &Jid) -> bool {
        self.calls.values().any(|call| call.is_us(who))
    }
}
