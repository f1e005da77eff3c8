//! Calls with one person: being there to be called, calling, a third who is invited, and who is at the other end.

use std::sync::Arc;
use std::time::Instant;

use jid::{BareJid, DomainRef, Jid};
use muji_jingle::CallId;
use muji_jingle::authentication::short_authentication_string;
use muji_xep::rtp::Media;

use super::Engine;
use crate::command::Join;
use crate::config;
#[cfg(doc)]
use crate::config::Config;
use crate::error::{Refused, RoomFault};
use crate::event::{Event, EventScope};
use crate::outgoing_stanza::OutgoingStanza;
use crate::output::Output;
use crate::trust::{CertificateHash, FingerprintVerifier};
use crate::warning::Warning;

impl Engine {
    /// Lets people call us, for programs that have no client around them: now and on each new stream it says that we are
    /// there, asks the server for copies of what our other devices hear and say (XEP-0280), and who our contacts are.
    pub fn accept_calls(&mut self, now: Instant) {
        self.availability.begin();
        if self.us.is_some() {
            self.greet(now);
        }
    }

    pub(super) fn greet(&mut self, now: Instant) {
        let greeting = self.availability.greeting(now, &mut self.shared.ids, &self.shared.extras);
        self.shared.out.extend(greeting.into_iter().map(|stanza| Output::Send(OutgoingStanza::new(stanza))));
    }

    /// Who sees our presence, for clients that know it: only they make us ring, and others are [`Event::Stranger`]s.
    pub fn set_contacts(&mut self, contacts: impl IntoIterator<Item = BareJid>) {
        self.direct_calls.set_contacts(contacts.into_iter().collect());
    }

    /// Calls somebody, sending these media: all its devices ring and the first to pick up takes the call (XEP-0353). A full
    /// JID is called without a proposal, for clients whose disco#info lacks `urn:xmpp:jingle-message:0`.
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn call(&mut self, now: Instant, to: impl Into<Jid>, media: Vec<Media>) -> Result<CallId, Refused> {
        self.is_online()?;
        let to = to.into();
        let placed = self.with_direct_calls(now, |direct_calls, cx, us| direct_calls.place(cx, us, to, media));
        let outcome = placed.unwrap_or(Err(Refused::NotConnected));
        if outcome.is_ok() {
            self.seek_servers(now);
        }
        outcome
    }

    /// Where rooms for calls are made, such as `conference.example.org`; without it the own server is asked.
    pub fn set_room_service(&mut self, service: &DomainRef) {
        self.services.set(service);
    }

    /// A call with one person needs a room before somebody else can come.
    pub(super) fn invite_third(&mut self, now: Instant, call: CallId, guest: BareJid) -> Result<(), Refused> {
        if self.direct_calls.talks_with(call).is_none() {
            return Err(Refused::NotTalking);
        }
        if self.services.is_full() {
            return Err(Refused::TooManyGuests);
        }
        if self.calls.len() >= config::MAX_CALLS {
            return Err(Refused::TooManyCalls);
        }
        if self.services.known().is_some() {
            self.widen(now, call, guest);
        } else if let Some(us) = self.us.clone()
            && let Some(question) = self.services.wait(now, &mut self.shared.ids, us.domain(), call, guest)
        {
            self.send(question);
        }
        Ok(())
    }

    /// Makes a room in which a call goes on, and invites both. Somebody may have been faster, or the call is over by now.
    pub(super) fn widen(&mut self, now: Instant, call: CallId, guest: BareJid) {
        let mut guests = vec![guest];
        if let Some(peer) = self.direct_calls.talks_with(call).cloned() {
            let Some(service) = self.services.known().map(ToOwned::to_owned) else {
                let event = Event::NotInRoom(RoomFault::NoService);
                return self.shared.out.push_back(Output::Event(EventScope::Call(call), event));
            };
            let room = BareJid::from_parts(Some(&self.room_name()), &service);
            if let Err(why) = self.goes_on_in(now, call, room, Join::call_room()) {
                let event = Event::Warning(Warning::NobodyInvited(why));
                return self.shared.out.push_back(Output::Event(EventScope::Call(call), event));
            }
            self.with_call(now, call, |conference, _| conference.is_ours_alone());
            guests.insert(0, peer);
        }
        self.with_call(now, call, |conference, cx| conference.invite_all(cx, guests));
    }

    /// Moves a call with one person into a room.
    pub(super) fn goes_on_in(&mut self, now: Instant, call: CallId, room: BareJid, how: Join) -> Result<(), Refused> {
        let (_, conference) = self.enter(now, Some(call), room, how, None)?;
        let handover = self.direct_calls.hand_over(call).ok_or(Refused::UnknownCall)?;
        let conference = conference.continues(&mut self.context(now), handover);
        self.calls.insert(call, conference);
        Ok(())
    }

    /// Ties certificates to a person: if a peer shows one of them it is [`crate::Verification::Pinned`], and if it shows another that
    /// is [`Event::CertificateChanged`], or it is refused if [`Config::refuse_changed`]. None at all unties the person. Clients make
    /// certificates for each call, or keep them: this is for those whose certificates somebody has learned another way.
    pub fn pin(&mut self, who: BareJid, certificates: Vec<CertificateHash>) {
        self.shared.trust.pin(who, certificates);
    }

    /// Ties certificates to devices by an encryption of the client's, such as OMEMO: for those who do it too, and who name
    /// their device. It is then [`crate::Verification::Bound`]; with [`Config::require_bound`] nobody else is talked with.
    pub fn set_verifier(&mut self, verifier: Arc<dyn FingerprintVerifier>) {
        self.shared.trust.set_verifier(verifier);
    }

    /// Digits that all in a call read alike if nobody sits between any two of them: to be compared by voice. `None` until all
    /// pairs are connected. Clients that show each other another certificate (Dino) cannot be compared so in a group.
    #[must_use]
    pub fn authentication(&self, call: CallId) -> Option<String> {
        let sessions = match self.calls.get(&call) {
            Some(conference) => conference.connected_sessions()?,
            None => self.direct_calls.connected_session(call).into_iter().collect(),
        };
        let shown = sessions.iter().flat_map(|session| session.fingerprints()).flatten();
        (!sessions.is_empty()).then(|| short_authentication_string(shown))
    }
}
