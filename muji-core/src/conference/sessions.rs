//! One session with each participant: who calls, which offer is taken, what becomes of a pair whose session ended.

use jid::FullJid;
use muji_jingle::fault::{PeerFault, Unusable};
use muji_jingle::{ContentSpec, End, Parties, Session, SessionEvent, SessionId, acknowledge, dismiss, refuse};
use muji_xep::jingle::{Action, Jingle, Reason, Why};
use xmpp_parsers::stanza_error::StanzaError;

use super::participant::{PlannedCall, Turn};
use super::{Conference, Stage};
use crate::config;
use crate::context::Context;
use crate::context::Whose;
use crate::error::PeerFailure;
use crate::event::Event;
use crate::media::{Capabilities, MediaReport};
use crate::pair::PairState;
use crate::peer::Peer;
use crate::trust::Verification;

impl Conference {
    /// Calls every participant that has no session with us.
    pub(super) fn call_everybody(&mut self, cx: &mut Context<'_>) {
        let heard_by_all = self.stage == Stage::Active;
        let without = self.participants.iter().filter(|(jid, participant)| {
            let leaving = self.occupants.participant(jid).is_none(); // It took its contents back just now.
            participant.session.is_none() && participant.call.is_none() && !leaving
        });
        let without: Vec<FullJid> = without.map(|(jid, _)| jid.clone()).collect();
        for jid in without {
            let Some(participant) = self.participants.get_mut(&jid) else { continue };
            match participant.profile.call_after {
                None => self.call(cx, &jid, Turn::Ours),
                Some(grace) if heard_by_all => {
                    participant.call = Some(PlannedCall { at: cx.now + grace, turn: Turn::Ours })
                }
                Some(_) => {} // At the echo.
            }
        }
    }

    pub(super) fn call(&mut self, cx: &mut Context<'_>, jid: &FullJid, turn: Turn) {
        let sid = match turn {
            Turn::Ours => cx.ids.token(),
            // It sorts behind any other, so a late regular offer of the peer's wins.
            Turn::OutOfTurn => format!("z-{}", cx.ids.token()),
        };
        let parties = self.parties(cx, jid);
        let id = parties.session;
        let wanted = self.wanted(cx, |content, _| content.payload_types.clone());
        let Some(participant) = self.participants.get_mut(jid) else { return };
        (participant.session, participant.call) = (Some(id), None);
        let mut session = Session::open(cx.now, parties, sid, wanted);
        self.holds_too(&mut session, cx);
        self.sessions.insert(id, session);
        self.with_session(cx, id, |session, cx| session.release(cx.now, cx.ids));
    }

    fn parties(&self, cx: &mut Context<'_>, peer: &FullJid) -> Parties {
        let name = self.occupants.participant(peer).unwrap_or_else(|| peer.resource().as_str()).to_owned();
        let session = cx.ids.session();
        let room = Some(self.room.clone());
        let habits = self.participants.get(peer).map(|participant| participant.profile.habits).unwrap_or_default();
        let certificates = cx.certificates(peer);
        Parties {
            call: self.call,
            session,
            us: self.us.clone(),
            peer: peer.clone(),
            name,
            room,
            habits,
            certificates,
            bound_only: cx.config.require_bound,
        }
    }

    pub(super) fn wanted(
        &self,
        cx: &mut Context<'_>,
        payload_types: impl Fn(&muji_xep::rtp::Description, &Capabilities) -> Vec<muji_xep::rtp::PayloadType>,
    ) -> Vec<ContentSpec> {
        let described = self.contents.iter().filter_map(|content| Some((content, content.description.as_ref()?)));
        let wanted = described.map(|(content, description)| ContentSpec {
            publication: content.name.clone(),
            sends: true,
            media: description.media.clone(),
            ssrc: cx.ids.ssrc(),
            payload_types: payload_types(description, cx.capabilities),
            extensions: cx.capabilities.extensions(&description.media).to_vec(),
        });
        wanted.collect()
    }

    /// A session-initiate marked with our room.
    pub(crate) fn offered(&mut self, cx: &mut Context<'_>, id: &str, from: &FullJid, offer: &Jingle) {
        if let Err(fault) = self.may_offer(from, offer) {
            cx.send(refuse(from, id, &fault));
            return;
        }
        cx.send(acknowledge(from, id));
        if self.later_stay && !self.is_public() {
            // It was made to us in an earlier stay; the offer of this one follows our contents.
            let terminate = dismiss(from, &offer.sid, Reason::AlternativeSession.into(), cx.ids);
            return cx.send(terminate);
        }
        let parties = self.parties(cx, from);
        let session = parties.session;
        let wanted = self.answerable(cx);
        match Session::hold(parties, offer, &wanted) {
            Ok(mut held) => {
                self.holds_too(&mut held, cx);
                self.sessions.insert(session, held);
                self.held.push((session, cx.now + config::HOLD));
                self.with_session(cx, session, |_, _| ());
                self.try_held(cx);
            }
            Err(why) => {
                let terminate = dismiss(from, &offer.sid, Why::from(&why), cx.ids);
                cx.send(terminate);
                self.failed(cx, from, End::Unusable(why)); // Our offer would fail for the same reason.
            }
        }
    }

    /// What may be answered: all our codecs, whatever ids the room uses. Before we publish the names are not known.
    fn answerable(&self, cx: &mut Context<'_>) -> Vec<ContentSpec> {
        if !self.contents.is_empty() {
            return self.wanted(cx, |description, capabilities| capabilities.of(&description.media).to_vec());
        }
        self.how.media.iter().map(|media| cx.of_medium(media, true)).collect()
    }

    /// What a peer may add: all that we send, and whatever else we can decode (Dino shows its camera to everybody, without
    /// a word in the room). Nothing of ours is captured for it.
    fn addable(&self, cx: &mut Context<'_>) -> Vec<ContentSpec> {
        let mut wanted = self.answerable(cx);
        wanted.extend(cx.decodable(false));
        wanted
    }

    fn may_offer(&self, from: &FullJid, offer: &Jingle) -> Result<(), PeerFault> {
        if matches!(self.stage, Stage::Leaving { .. } | Stage::Over) {
            return Err(PeerFault::Stranger);
        }
        if offer.contents.is_empty() {
            return Err(PeerFault::Malformed("a content that has a name"));
        }
        let ours =
            self.participants.get(from).and_then(|participant| participant.session).map(|id| &self.sessions[&id]);
        if ours.is_some_and(|ours| ours.is_offered() && ours.sid() < offer.sid.as_str()) {
            return Err(PeerFault::TieBreak);
        }
        let of_jid = self.held.iter().filter(|(id, _)| self.sessions[id].parties().peer == *from).count();
        if self.held.len() >= config::MAX_HELD || of_jid >= config::MAX_HELD_PER_JID {
            return Err(PeerFault::TooMany);
        }
        Ok(())
    }

    /// Accepts every held offer whose sender is a participant, if we are one.
    pub(super) fn try_held(&mut self, cx: &mut Context<'_>) {
        if !self.is_public() {
            return;
        }
        let held = self.held.iter().map(|(id, _)| *id);
        let due: Vec<SessionId> =
            held.filter(|id| self.participants.contains_key(&self.sessions[id].parties().peer)).collect();
        for id in due {
            self.held.retain(|(held, _)| *held != id);
            self.take_offer(cx, id);
        }
    }

    fn take_offer(&mut self, cx: &mut Context<'_>, id: SessionId) {
        let (peer, sid) = (self.sessions[&id].parties().peer.clone(), self.sessions[&id].sid().to_owned());
        let participant = self.participants.get_mut(&peer).expect("try_held takes offers of participants only");
        participant.call = None;
        if let Some(ours) = participant.session {
            let session = &self.sessions[&ours];
            if session.is_offered() && session.sid() < sid.as_str() {
                let instead = instead(session.sid());
                self.with_session(cx, id, |theirs, cx| theirs.end(cx.now, cx.ids, instead));
                return;
            }
            participant.session = None;
            self.with_session(cx, ours, |ours, cx| {
                if ours.is_offered() && !ours.is_acknowledged() {
                    ours.drop_for_tie_break(); // The peer will refuse it.
                } else {
                    ours.end(cx.now, cx.ids, instead(&sid));
                }
            });
        }
        let participant = self.participants.get_mut(&peer).expect("ending a session keeps its participant");
        (participant.session, participant.verification) = (Some(id), Verification::default());
        let (nick, habits) = (participant.nick.clone(), participant.profile.habits);
        self.with_session(cx, id, |session, cx| {
            session.name_peer(&nick, habits);
            session.accept(cx.now, cx.ids);
        });
    }

    /// The session a peer's stanza names.
    pub(crate) fn session_of(&self, peer: &FullJid, sid: &str) -> Option<SessionId> {
        let mut sessions = self.sessions.iter();
        sessions.find(|(_, session)| session.parties().peer == *peer && session.sid() == sid).map(|(id, _)| *id)
    }

    /// A peer's request in a session.
    pub(crate) fn session_requested(&mut self, cx: &mut Context<'_>, session: SessionId, id: &str, jingle: &Jingle) {
        let wanted = if jingle.action == Action::ContentAdd { self.addable(cx) } else { Vec::new() };
        let outcome =
            self.with_session(cx, session, |session, cx| session.handle_request(cx.now, cx.ids, id, jingle, &wanted));
        if let Some(Err(fault)) = outcome {
            self.warn(cx, format!("a request was refused: {fault}"));
        }
    }

    /// The result of a request in a session. False if it was none.
    pub(crate) fn session_answered(
        &mut self,
        cx: &mut Context<'_>,
        peer: &FullJid,
        id: &str,
        outcome: Result<(), &StanzaError>,
    ) -> bool {
        let sessions: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| session.parties().peer == *peer).map(|(id, _)| *id).collect();
        sessions.into_iter().any(|session| {
            let answered =
                self.with_session(cx, session, |session, cx| session.handle_answer(cx.now, cx.ids, id, outcome));
            answered == Some(true)
        })
    }

    /// News from the media layer. False if it is about no session of ours.
    pub(crate) fn media(&mut self, cx: &mut Context<'_>, session: SessionId, report: &MediaReport) -> bool {
        if self.sessions.contains_key(&session) {
            self.with_session(cx, session, |session, cx| session.handle_media(cx.now, cx.ids, report.clone()));
            return true;
        }
        let orphaned = self.orphans.iter().any(|orphan| orphan.session == session);
        if orphaned && matches!(report, MediaReport::Failed { .. }) {
            self.close_orphans(cx, |orphan| orphan.session == session);
        }
        orphaned
    }

    /// Something of the media layer that is about no session.
    pub(crate) fn trouble(&self, cx: &mut Context<'_>, why: &str) {
        self.warn(cx, why.to_owned());
    }

    /// Does something with a session and then all that follows from it.
    pub(super) fn with_session<T>(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let session = self.sessions.get_mut(&id)?;
        let result = act(session, cx);
        let events = cx.pass_on(session);
        let (peer, sid, over) = (session.parties().peer.clone(), session.sid().to_owned(), session.is_over());
        if over {
            self.sessions.remove(&id);
            self.held.retain(|(held, _)| *held != id);
            cx.ended.remember(peer.clone(), sid, Whose::Ours);
            if let Some((_, word)) = self.proposed.take_if(|(proposed, _)| *proposed == id) {
                cx.say_finished(&peer, &word, Reason::Success.into());
            }
        }
        for event in events {
            self.session_event(cx, id, &peer, event);
        }
        Some(result)
    }

    fn session_event(&mut self, cx: &mut Context<'_>, id: SessionId, peer: &FullJid, event: SessionEvent) {
        match event {
            SessionEvent::Offered => self.stands(cx, id, peer, PairState::Offered, Event::PeerOffered),
            SessionEvent::Unanswered => self.unanswered(cx, id, peer),
            SessionEvent::Accepted => {
                self.stands(cx, id, peer, PairState::Connecting, |peer| Event::PeerConnecting(peer, id));
                self.verify_certificate(cx, id, peer);
                self.tell_muted(cx, id, |_| true);
                self.share(cx, peer);
            }
            SessionEvent::ContentAdded { content, media } => {
                self.verify_certificate(cx, id, peer);
                self.tell_muted(cx, id, |muted| *muted == media);
                let session = id;
                self.peer_event(cx, peer, |peer| Event::PeerContentAdded { peer, session, content, media });
                self.share(cx, peer);
            }
            SessionEvent::ContentRemoved { content, by_us } => {
                self.peer_event(cx, peer, |peer| Event::PeerContentRemoved(peer, id, content));
                if by_us {
                    self.share(cx, peer); // The user may have changed his mind meanwhile.
                }
            }
            SessionEvent::Connected => {
                if let Some(participant) = self.participants.get_mut(peer) {
                    participant.repairs = 0;
                }
                self.close_orphans(cx, |orphan| orphan.peer == *peer);
                self.stands(cx, id, peer, PairState::Connected, |peer| Event::PeerConnected(peer, id));
            }
            SessionEvent::Flowing { .. } => {
                self.stands(cx, id, peer, PairState::Flowing, |peer| Event::PeerFlowing(peer, id));
            }
            SessionEvent::Interrupted => {
                self.stands(cx, id, peer, PairState::Interrupted, Event::PeerInterrupted);
            }
            SessionEvent::Muted(content) => self.peer_event(cx, peer, |peer| Event::PeerMuted(peer, content)),
            SessionEvent::Unmuted(content) => self.peer_event(cx, peer, |peer| Event::PeerUnmuted(peer, content)),
            SessionEvent::Held => self.peer_event(cx, peer, Event::PeerHeld),
            SessionEvent::Unheld => self.peer_event(cx, peer, Event::PeerUnheld),
            SessionEvent::Warning(what) => {
                let name = self
                    .participants
                    .get(peer)
                    .map_or_else(|| peer.to_string(), |participant| participant.nick.clone());
                self.warn(cx, format!("{name}: {what}"));
            }
            SessionEvent::Ended(end) => self.session_ended(cx, id, peer, end),
            SessionEvent::Ringing => {} // Participants accept by themselves.
            other => self.warn(cx, format!("{other:?}")),
        }
    }

    /// A peer shows a certificate; each content that has a transport of its own can bring another one.
    fn verify_certificate(&mut self, cx: &mut Context<'_>, id: SessionId, peer: &FullJid) {
        let (Some(session), Some(participant)) = (self.sessions.get(&id), self.participants.get_mut(peer)) else {
            return;
        };
        let changed = participant.verification.becomes(cx.trust.judge(session));
        let nick = participant.nick.clone();
        if let Some(event) = changed.and_then(|now| Event::of_certificate(now, Peer { nick, jid: peer.clone() })) {
            self.event(cx, event);
        }
    }

    /// A pair's session made a step; one that is not the pair's any more changes nothing.
    fn stands(
        &mut self,
        cx: &mut Context<'_>,
        id: SessionId,
        peer: &FullJid,
        state: PairState,
        event: impl FnOnce(Peer) -> Event,
    ) {
        let participant = self.participants.get_mut(peer).filter(|participant| participant.session == Some(id));
        if let Some(participant) = participant {
            participant.is(cx.now, state);
            self.peer_event(cx, peer, event);
        }
    }

    /// The peer confirmed our offer and seems to have dropped it: another one, if it takes another one.
    fn unanswered(&mut self, cx: &mut Context<'_>, id: SessionId, peer: &FullJid) {
        let Some(participant) = self.participants.get_mut(peer).filter(|participant| participant.session == Some(id))
        else {
            return;
        };
        if participant.profile.can_redial && participant.may_repair() {
            self.with_session(cx, id, |session, cx| session.end(cx.now, cx.ids, Reason::Timeout));
        }
    }

    /// Decides what becomes of a participant whose session ended though it is still there.
    fn session_ended(&mut self, cx: &mut Context<'_>, id: SessionId, peer: &FullJid, end: End) {
        let participates = self.occupants.participant(peer).is_some() && self.is_public();
        let Some(participant) = self.participants.get_mut(peer).filter(|participant| participant.session == Some(id))
        else {
            return;
        };
        participant.session = None;
        if participant.not_in_room {
            return self.part(cx, peer);
        }
        if !participates {
            return participant.is(cx.now, PairState::Announced); // It left, or we are on our way back.
        }
        if !self.shares_content(peer) {
            return self.failed(cx, peer, End::Unshared);
        }
        let Some(participant) = self.participants.get_mut(peer) else { return };
        match after(&end) {
            After::Wait if participant.may_repair() => {
                participant.is(cx.now, PairState::Announced);
                participant.repair_at(cx.now + config::INITIATE); // Another session or its leaving is under way.
            }
            After::AtOnce if participant.may_repair() => {
                participant.repairs += 1;
                self.call(cx, peer, Turn::OutOfTurn);
            }
            After::GiveUp | After::AtOnce | After::Wait => self.failed(cx, peer, end),
            After::Redial => {
                participant.repair(cx.now);
                self.told_failure(cx, peer, end);
            }
        }
    }

    /// True if we and a participant have published something of one medium.
    fn shares_content(&self, peer: &FullJid) -> bool {
        let theirs = self.occupants.contents(peer);
        self.contents.iter().any(|content| theirs.iter().any(|(_, media)| content.media() == Some(media)))
    }

    /// There is no session with a participant and we do not call it again.
    fn failed(&mut self, cx: &mut Context<'_>, peer: &FullJid, end: End) {
        if let Some(participant) = self.participants.get_mut(peer) {
            participant.call = None;
        }
        self.told_failure(cx, peer, end);
    }

    fn told_failure(&mut self, cx: &mut Context<'_>, peer: &FullJid, end: End) {
        let Some(participant) = self.participants.get_mut(peer) else { return };
        participant.is(cx.now, PairState::Failed(end.clone()));
        let failure = PeerFailure { end, recovery: participant.recovery() };
        self.peer_event(cx, peer, |peer| Event::PeerFailed(peer, failure));
    }
}

/// Another session takes the place of one.
fn instead(sid: &str) -> Why {
    Why { instead: Some(sid.to_owned()), ..Reason::AlternativeSession.into() }
}

/// True if another content may make a session possible.
pub(super) fn lacked_content(end: &End) -> bool {
    let peers = if let End::Peer(why) = end { Some(&why.reason) } else { None };
    matches!(end, End::Unshared | End::Unusable(Unusable::Application(_) | Unusable::Contents))
        || matches!(peers, Some(Reason::UnsupportedApplications | Reason::FailedApplication))
}

/// What a session's end means for the pair.
enum After {
    /// Something else is under way; only if it does not come we call.
    Wait,
    /// We call again after a pause.
    Redial,
    /// The peer had not seen that we are back: we call again now.
    AtOnce,
    /// Calling again would end the same way.
    GiveUp,
}

fn after(end: &End) -> After {
    match end {
        End::Ours(Reason::Timeout) => After::AtOnce, // Confirmed and dropped.
        End::TieBreak | End::Ours(_) => After::Wait,
        End::Peer(why) => match why.reason {
            Reason::Success | Reason::Cancel | Reason::AlternativeSession => After::Wait,
            Reason::Gone => After::AtOnce,
            Reason::Busy
            | Reason::Decline
            | Reason::FailedApplication
            | Reason::IncompatibleParameters
            | Reason::SecurityError
            | Reason::UnsupportedApplications
            | Reason::UnsupportedTransports => After::GiveUp,
            Reason::ConnectivityError
            | Reason::Expired
            | Reason::FailedTransport
            | Reason::GeneralError
            | Reason::MediaError
            | Reason::Timeout
            | Reason::Other(_) => After::Redial,
        },
        End::Unusable(_) | End::Unshared | End::Impostor => After::GiveUp,
        End::Refused(_) | End::Forgotten | End::Silent(_) | End::Path(_) | End::Unready => After::Redial,
        _ => After::GiveUp,
    }
}
