//! The session of a call with one person.

use jid::FullJid;
use muji_jingle::{ContentSpec, End, Session, SessionEvent, SessionParams, SessionWarning, acknowledge, dismiss};
use muji_xep::bridge::BridgeMark;
use muji_xep::jingle::{Action, Jingle, Reason, ReasonElement};
use muji_xep::jmi::{MessageKind, MessageReason};
use muji_xep::rtp::Media;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stanza_error::StanzaError;

use super::call::{DirectCall, Origin};
use crate::config;
use crate::context::{Context, Whose};
use crate::error::{BridgeConflict, EndReason};
use crate::event::Event;
use crate::guest::Guest;
use crate::media::MediaReport;
use crate::pair::PairState;
use crate::peer::Peer;
use crate::trust::Verification;
use crate::warning::Warning;

impl DirectCall {
    /// Offers a session to a device.
    pub(super) fn open_session(&mut self, cx: &mut Context<'_>, device: FullJid, sid: String) {
        let parties = self.parties(cx, device);
        let wanted = self.media.iter().map(|media| cx.of_medium(media, true)).collect();
        self.session = Some(Session::outgoing(cx.now, parties, sid, wanted));
        self.says_bridge();
        self.verification = Verification::default();
        let hold = self.holding;
        self.with_session(cx, |session, cx| {
            if hold {
                session.set_hold(cx.now, cx.ids, muji_jingle::Hold::On);
            }
            session.permit_offer(cx.now, cx.ids);
        });
    }

    /// Takes an offer without answering it. False if nothing of it can be taken, which ends the call.
    pub(super) fn hold_session(&mut self, cx: &mut Context<'_>, from: &FullJid, offer: &Jingle) -> bool {
        let parties = self.parties(cx, from.clone());
        let wanted = cx.decodable(true);
        match Session::incoming(parties, offer, &wanted) {
            Ok(session) => {
                self.session = Some(session);
                self.says_bridge();
                self.verification = Verification::default();
                self.with_session(cx, |_, _| ());
                true
            }
            Err(why) => {
                let terminate = dismiss(from, &offer.sid, ReasonElement::from(&why), cx.ids);
                cx.send(terminate);
                self.say_finished(cx, from, Reason::ConnectivityError.into());
                self.end(cx, EndReason::Session(End::NegotiationError(why)));
                false
            }
        }
    }

    /// What we send, and whatever else we can decode.
    fn answerable(&self, cx: &mut Context<'_>) -> Vec<ContentSpec> {
        let sent = self.media.iter().map(|media| cx.of_medium(media, true));
        let mut wanted: Vec<ContentSpec> = sent.collect();
        wanted.extend(cx.decodable(false));
        wanted
    }

    /// The caller offers the session that we accepted. False if it is another one.
    pub(super) fn session_offered(&mut self, cx: &mut Context<'_>, id: &str, from: &FullJid, offer: &Jingle) -> bool {
        let Origin::Rung(incoming) = &mut self.origin else { return false };
        if !incoming.offered(from, &offer.sid) {
            return false;
        }
        cx.send(acknowledge(from, id));
        if self.hold_session(cx, from, offer) {
            self.accept_session(cx);
        }
        true
    }

    /// The user has accepted.
    pub(super) fn accept_session(&mut self, cx: &mut Context<'_>) {
        let hold = self.holding;
        let sent = self.media.clone();
        self.with_session(cx, |session, cx| {
            session.sends_only(&sent);
            if hold {
                session.set_hold(cx.now, cx.ids, muji_jingle::Hold::On);
            }
            session.accept(cx.now, cx.ids);
        });
    }

    /// We are this bridge, from the next offer or answer on.
    pub(super) fn set_bridge(&mut self, bridge: BridgeMark) {
        self.bridge = Some(bridge);
        self.says_bridge();
    }

    fn says_bridge(&mut self) {
        if let (Some(session), Some(bridge)) = (&mut self.session, &self.bridge) {
            session.set_bridge(bridge.clone());
        }
    }

    /// The other is a conference too, and would not go together with ours.
    pub(super) fn refuse(&mut self, cx: &mut Context<'_>, why: BridgeConflict) {
        self.hang_up(cx, ReasonElement { text: Some(why.to_string()), ..Reason::Decline.into() });
        self.leave(cx, EndReason::Conflict(why));
    }

    /// These people take part besides the other.
    pub(super) fn set_guests(&mut self, cx: &mut Context<'_>, guests: Vec<Guest>) {
        if self.guest_list.set(guests) {
            self.tell_guests(cx);
        }
    }

    /// Tells the other's client of them, if something is to be told and it can be reached.
    pub(super) fn tell_guests(&mut self, cx: &mut Context<'_>) {
        let peer = self.connected_session().map(|session| session.parties().peer.clone());
        peer.iter().for_each(|peer| self.guest_list.tell(cx, &self.us, peer));
    }

    /// The other's client answers what we asked it about that. False if we did not.
    pub(super) fn guests_answered(
        &mut self,
        cx: &mut Context<'_>,
        peer: &FullJid,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> bool {
        let with_peer = self.session.as_ref().is_some_and(|session| session.parties().peer == *peer);
        let taken = with_peer && self.guest_list.answered(id, answer);
        if taken {
            self.tell_guests(cx);
        }
        taken
    }

    fn parties(&self, cx: &mut Context<'_>, peer: FullJid) -> SessionParams {
        SessionParams {
            call: self.call,
            session: cx.ids.session(),
            us: self.us.clone(),
            name: self.peer.to_string(),
            room: None,
            quirks: cx.clients.find(&peer).in_session,
            able: cx.capabilities.with_transports(),
            certificates: cx.certificates(&peer),
            bound_only: cx.config.require_bound,
            peer,
        }
    }

    /// True if the peer's stanza is about our session.
    pub(super) fn has_session(&self, peer: &FullJid, sid: &str) -> bool {
        self.session.as_ref().is_some_and(|session| session.parties().peer == *peer && session.sid() == sid)
    }

    pub(super) fn session_requested(&mut self, cx: &mut Context<'_>, id: &str, jingle: &Jingle) {
        self.ends_at = None;
        let wanted = if jingle.action == Action::ContentAdd { self.answerable(cx) } else { Vec::new() };
        let outcome = self.with_session(cx, |session, cx| session.handle_request(cx.now, cx.ids, id, jingle, &wanted));
        if let Some(Err(fault)) = outcome {
            let nick = self.peer.to_string();
            cx.event(self.call, Event::Warning(Warning::RequestRefused { nick, fault }));
        }
    }

    /// The result of a request. False if we did not make it.
    pub(super) fn session_answered(
        &mut self,
        cx: &mut Context<'_>,
        peer: &FullJid,
        id: &str,
        outcome: Result<(), &StanzaError>,
    ) -> bool {
        let taken = self.with_session(cx, |session, cx| {
            session.parties().peer == *peer && session.handle_answer(cx.now, cx.ids, id, outcome)
        });
        taken == Some(true)
    }

    pub(super) fn session_media(&mut self, cx: &mut Context<'_>, report: &MediaReport) {
        let id = report.session();
        if self.session.as_ref().is_some_and(|session| Some(session.parties().session) == id) {
            self.with_session(cx, |session, cx| session.handle_media(cx.now, cx.ids, report.clone()));
        } else if let MediaReport::Trouble(trouble) = report {
            cx.event(self.call, Event::Warning(Warning::Media(trouble.clone())));
        }
    }

    /// Ends the session, if there is one, without ending the call.
    pub(super) fn hang_up(&mut self, cx: &mut Context<'_>, reason: impl Into<ReasonElement>) {
        let Some(mut session) = self.session.take() else { return };
        session.end(cx.now, cx.ids, reason);
        drop(cx.pass_on(&mut session));
        let peer = session.parties().peer.clone();
        cx.ended.remember(peer.clone(), session.sid().to_owned(), Whose::Ours);
        self.say_finished(cx, &peer, Reason::Success.into());
    }

    /// The other goes on with the call on another device, or after its program was restarted (XEP-0353 section 4.2).
    pub(super) fn migrates(&mut self, cx: &mut Context<'_>, mut theirs: muji_jingle::IncomingCall) {
        if let Some(mut session) = self.session.take() {
            self.say_finished(cx, &session.parties().peer, MessageReason::migrated(theirs.id()));
            session.end(cx.now, cx.ids, Reason::Expired);
            drop(cx.pass_on(&mut session));
            cx.ended.remember(session.parties().peer.clone(), session.sid().to_owned(), Whose::Ours);
        }
        self.media.clone().iter().for_each(|media| self.uncapture(cx, media));
        self.guest_list.moved();
        theirs.accept(cx.now);
        let peer = self.named(theirs.caller());
        self.origin = Origin::Rung(theirs);
        self.said(cx);
        cx.event(self.call, Event::PeerMoved(peer));
    }

    /// Does something with the session and then all that follows from it.
    pub(super) fn with_session<T>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let session = self.session.as_mut()?;
        let result = act(session, cx);
        let events = cx.pass_on(session);
        if session.is_over() {
            cx.ended.remember(session.parties().peer.clone(), session.sid().to_owned(), Whose::Ours);
        }
        events.into_iter().for_each(|event| self.session_event(cx, event));
        Some(result)
    }

    fn session_event(&mut self, cx: &mut Context<'_>, event: SessionEvent) {
        let Some(session) = &self.session else { return };
        let id = session.parties().session;
        let peer = self.named(&session.parties().peer);
        match event {
            SessionEvent::Offered => self.set_state(cx, PairState::Offered, Event::PeerOffered(peer)),
            SessionEvent::Focus(bridge) => cx.event(self.call, Event::PeerFocus(peer, bridge)),
            SessionEvent::Ringing => cx.event(self.call, Event::DeviceRings(peer.jid)),
            SessionEvent::Accepted => {
                self.set_state(cx, PairState::Connecting, Event::PeerConnecting(peer.clone(), id));
                self.verify_certificate(cx, peer);
                self.begins_to_send(cx);
            }
            SessionEvent::ContentAdded { content, media } => {
                self.verify_certificate(cx, peer.clone());
                self.tell_muted(cx);
                cx.event(self.call, Event::PeerContentAdded { peer, session: id, content, media });
            }
            SessionEvent::ContentRemoved { content, .. } => {
                cx.event(self.call, Event::PeerContentRemoved(peer, id, content));
            }
            SessionEvent::Connected => {
                self.set_state(cx, PairState::Connected, Event::PeerConnected(peer, id));
                self.tell_guests(cx);
            }
            // Once for all contents, and again for one that was silent.
            SessionEvent::Flowing { after_silence, .. } if after_silence || self.state != PairState::Flowing => {
                self.set_state(cx, PairState::Flowing, Event::PeerFlowing(peer, id));
            }
            SessionEvent::Flowing { .. } => {}
            SessionEvent::Interrupted => self.set_state(cx, PairState::Interrupted, Event::PeerInterrupted(peer)),
            SessionEvent::Digit(digit) => cx.event(self.call, Event::PeerDigit(peer, digit)),
            SessionEvent::Silent { content, media, why } => {
                if !session.is_heard() && self.state == PairState::Flowing {
                    self.is(cx, PairState::Connected);
                }
                let advice = cx.clients.find(&peer.jid).advice(cx.now, &peer.nick, &media, why);
                cx.event(self.call, Event::PeerSilent { peer, session: id, content, media, why });
                advice.into_iter().for_each(|advice| cx.event(self.call, Event::Warning(advice)));
            }
            SessionEvent::Muted(content) => cx.event(self.call, Event::PeerMuted(peer, content)),
            SessionEvent::Unmuted(content) => cx.event(self.call, Event::PeerUnmuted(peer, content)),
            SessionEvent::Held => cx.event(self.call, Event::PeerHeld(peer)),
            SessionEvent::Unheld => cx.event(self.call, Event::PeerUnheld(peer)),
            SessionEvent::Warning(SessionWarning::NotAdded { media, why, .. }) if self.gave_up(session, &media) => {
                self.media.retain(|sent| *sent != media);
                self.uncapture(cx, &media); // Nobody gets it, and the user may add it again.
                cx.event(self.call, Event::NotAdded { media, why: why.into() });
            }
            SessionEvent::Warning(warning) => {
                cx.event(self.call, Event::Warning(Warning::Session { nick: peer.nick, warning }));
            }
            SessionEvent::Ended(end) => self.session_ended(cx, &peer.jid, end),
            SessionEvent::Unanswered => {} // A person is being asked.
        }
    }

    /// True if a medium was to be sent, and no content of the session does.
    fn gave_up(&self, session: &Session, media: &Media) -> bool {
        self.media.contains(media) && !session.sends(media.as_str())
    }

    /// The other shows a certificate; each content with its own transport can bring another one.
    fn verify_certificate(&mut self, cx: &mut Context<'_>, peer: Peer) {
        let Some(session) = &self.session else { return };
        let changed = self.verification.becomes(cx.trust.judge(session));
        if let Some(event) = changed.and_then(|now| Event::of_certificate(now, peer)) {
            cx.event(self.call, event);
        }
    }

    fn set_state(&mut self, cx: &mut Context<'_>, state: PairState, event: Event) {
        self.is(cx, state);
        cx.event(self.call, event);
    }

    fn begins_to_send(&mut self, cx: &mut Context<'_>) {
        self.media.clone().iter().for_each(|media| self.recapture(cx, media));
        self.tell_muted(cx);
    }

    /// Tells the other which of our contents are muted: it could not know.
    fn tell_muted(&mut self, cx: &mut Context<'_>) {
        let muted: Vec<_> = self.media.iter().filter(|media| self.muted.contains(media)).cloned().collect();
        self.with_session(cx, |session, cx| {
            for media in muted {
                session.announce_mute(cx.now, cx.ids, media.as_str(), muji_jingle::Mute::On);
            }
        });
    }

    fn session_ended(&mut self, cx: &mut Context<'_>, peer: &FullJid, end: End) {
        self.session = None;
        let theirs = if let End::Peer(why) = &end { Some(&why.reason) } else { None };
        let reason = if theirs.is_some() { Reason::Success } else { Reason::ConnectivityError };
        let over = match theirs {
            Some(Reason::Success | Reason::Cancel | Reason::Gone) => EndReason::HungUp,
            Some(Reason::Busy) => EndReason::Busy(peer.clone()),
            Some(Reason::Decline) => EndReason::Declined(peer.clone()),
            Some(_) | None => EndReason::Session(end),
        };
        self.say_finished(cx, peer, reason.into());
        self.end(cx, over);
    }

    /// The other's device comes or goes: of a caller that is gone nothing can be expected, and one with which we talk may come
    /// back.
    pub(super) fn peer_presence(&mut self, cx: &mut Context<'_>, device: &FullJid, available: bool) {
        if !available && matches!(&self.origin, Origin::Rung(incoming) if incoming.caller() == device) {
            self.caller_said(cx, &MessageKind::Retract(MessageReason::default()));
        }
        if let Some(session) = self.session.as_mut().filter(|session| session.parties().peer == *device) {
            self.ends_at = (!available).then_some(cx.now + config::UNAVAILABLE);
            session.set_peer(self.peer.as_str(), cx.clients.find(device).in_session);
        }
    }

    pub(super) fn unavailable_timeout(&mut self, cx: &mut Context<'_>) {
        if self.ends_at.is_none_or(|at| at > cx.now) {
            return;
        }
        self.ends_at = None;
        let heard = self.state.is_connected() && self.state != PairState::Interrupted;
        if let Some(peer) = self.session.as_ref().map(|session| session.parties().peer.clone()).filter(|_| !heard) {
            self.hang_up(cx, Reason::Gone);
            self.end(cx, EndReason::Gone(peer));
        }
    }

    /// The other says that the call is over; the end of its session may have got lost.
    pub(super) fn finished(&mut self, cx: &mut Context<'_>, from: &FullJid) {
        if self.session.as_ref().is_some_and(|session| session.parties().peer == *from) {
            self.hang_up(cx, Reason::Success);
            self.end(cx, EndReason::HungUp);
        }
    }
}
