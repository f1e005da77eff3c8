//! Who takes part in the call, and our session with each of them.
//!
//! Of each pair, the one that published later calls (XEP-0272 section 3): those that we see before we publish are called
//! right behind our presence, those between that and our echo at the echo, and later ones call us.
//!
//! Sessions run beside the room: when the room loses us they live on until their participants' `ends_at`, and when we get a new
//! JID they go on as orphans, without signalling, until another session takes their place.

mod content_sync;
mod held;
mod offers;
mod orphans;
mod recovery;
mod session_events;
mod view;

use std::collections::BTreeMap;
use std::time::Instant;

use jid::{BareJid, FullJid};
use muji_jingle::{Hold, Mute, Session, SessionId, SessionParams};
use muji_xep::dtmf::Digit;
use muji_xep::jingle::{Action, Content, Jingle, Reason};
use muji_xep::rtp::Media;
use xmpp_parsers::stanza_error::StanzaError;

use super::participant::{Participant, PlannedCall, Turn};
use crate::client_quirks::ClientQuirks;
use crate::config;
use crate::context::{Context, Whose};
use crate::event::Event;
use crate::handover::Handover;
use crate::media::MediaReport;
use crate::occupants::Occupants;
use crate::pair::{Pair, PairState, Recovery};
use crate::peer::Peer;
use crate::trust::{Verification, certificate};
use crate::warning::Warning;
use held::HeldOffers;
use orphans::Orphans;
pub(super) use view::{ConferenceView, PublishState};

/// The other participants, their sessions with us, and sessions of those who do not take part yet or any more.
#[derive(Debug, Clone, Default)]
pub(super) struct Participants {
    people: BTreeMap<FullJid, Participant>,
    sessions: BTreeMap<SessionId, Session>,
    held: HeldOffers,
    orphans: Orphans,
    /// The session with which this began as a call with one person, and the id under which that was proposed.
    proposed: Option<(SessionId, String)>,
}

/// What the call with one person gets back that this was.
pub(super) struct Returned {
    pub(super) session: Session,
    pub(super) participant: Participant,
    pub(super) proposed: Option<String>,
}

impl Participants {
    // ---- who is there ------------------------------------------------------------------------------------------------

    pub(super) fn contains(&self, jid: &FullJid) -> bool {
        self.people.contains_key(jid)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.people.is_empty()
    }

    /// True if this person takes part, with any device.
    pub(super) fn has_met(&self, who: &BareJid) -> bool {
        self.people.keys().any(|participant| participant.to_bare() == *who)
    }

    /// An occupant has contents; `before` is what it had the last time in this stay.
    pub(super) fn describes(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        nick: &str,
        jid: FullJid,
        before: Option<&[Content]>,
    ) {
        let quirks = view.occupants.get(nick).map(|occupant| occupant.quirks).unwrap_or_default();
        let Some(participant) = self.people.get_mut(&jid) else { return self.joins(cx, view, nick, jid, quirks) };
        participant.ends_at = None;
        participant.quirks = quirks;
        nick.clone_into(&mut participant.nick);
        if let Some(session) = participant.session.and_then(|id| self.sessions.get_mut(&id)) {
            session.set_peer(nick, quirks.in_session); // A call that was one with one person may learn them only here.
        }
        if std::mem::take(&mut participant.not_in_room) {
            cx.event(view.call, Event::PeerJoined(Peer { nick: nick.to_owned(), jid: jid.clone() }));
        }
        self.contents_heard(cx, view, nick, &jid, before);
    }

    fn joins(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        nick: &str,
        jid: FullJid,
        quirks: ClientQuirks,
    ) {
        let mut participant = Participant::new(cx.now, nick, quirks);
        participant.had = view.occupants.contents(&jid).into_iter().map(|(_, media)| media).collect();
        if view.state == PublishState::Public {
            participant.recover_at(cx.now + config::CALL_FALLBACK); // It came later, so it calls.
        }
        self.people.insert(jid.clone(), participant);
        cx.event(view.call, Event::PeerJoined(Peer { nick: nick.to_owned(), jid }));
        self.take_held(cx, view);
    }

    pub(super) fn renamed(&mut self, jid: &FullJid, nick: &str) {
        if let Some(participant) = self.people.get_mut(jid) {
            nick.clone_into(&mut participant.nick);
        }
    }

    /// A participant's presence lost its contents, or the room lost it: if it does not come back, it has left then.
    pub(super) fn expect_until(&mut self, jid: &FullJid, at: Instant) {
        if let Some(participant) = self.people.get_mut(jid) {
            participant.ends_at = Some(at);
            participant.call = None;
        }
    }

    /// The room lost us, and with us everybody in it.
    pub(super) fn expect_all_until(&mut self, at: Instant) {
        for participant in self.people.values_mut().filter(|participant| !participant.not_in_room) {
            participant.ends_at = Some(at);
            participant.call = None;
        }
    }

    /// Ends everything with a participant that is not there any more.
    pub(super) fn left(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, jid: &FullJid) {
        let Some(participant) = self.people.remove(jid) else { return };
        let sessions: Vec<SessionId> = self.held_of(jid).chain(participant.session).collect();
        for id in sessions {
            self.with_session(cx, view, id, |session, cx| session.end(cx.now, cx.ids, Reason::Gone));
        }
        self.orphans.close(cx, |orphan| orphan.peer == *jid);
        cx.event(view.call, Event::PeerLeft(Peer { nick: participant.nick, jid: jid.clone() }));
    }

    /// Ends all sessions as one who leaves does.
    pub(super) fn end_all(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>) {
        self.people.clear();
        self.orphans.close(cx, |_| true);
        self.with_every_session(cx, view, |session, cx| session.end(cx.now, cx.ids, Reason::Success));
    }

    /// We have another JID: what was agreed under the old one goes on without signalling.
    pub(super) fn orphan_sessions(&mut self, cx: &mut Context<'_>) {
        self.held.clear();
        for (_, session) in std::mem::take(&mut self.sessions) {
            self.orphans.take_in(cx, &session);
        }
        for participant in self.people.values_mut() {
            participant.session = None;
            if participant.not_in_room {
                participant.ends_at = Some(cx.now + config::ROOM_LOSS); // Only its coming brings it back.
            }
        }
    }

    // ---- a call with one person that goes on here --------------------------------------------------------------------

    /// Takes over the session of a call with one person. The other is not in the room yet.
    pub(super) fn take_over(&mut self, cx: &Context<'_>, handover: Handover) {
        let id = handover.session.parties().session;
        let peer = handover.session.parties().peer.clone();
        let mut participant = Participant::new(handover.since, peer.to_bare().as_str(), cx.clients.find(&peer));
        participant.session = Some(id);
        participant.state = handover.state;
        participant.not_in_room = true;
        participant.verification = handover.verification;
        self.people.insert(peer, participant);
        self.sessions.insert(id, handover.session);
        self.proposed = handover.proposed.map(|proposal| (id, proposal));
    }

    /// Our contents have names in the room now: the session that was taken over goes on under them.
    pub(super) fn name_contents(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, peer: &FullJid) {
        let Some(id) = self.people.get(peer).and_then(|participant| participant.session) else { return };
        self.with_session(cx, view, id, |session, _| {
            for content in view.contents {
                if let Some(media) = content.media() {
                    session.publish_as(media, &content.name);
                }
            }
        });
    }

    /// Gives the session back that was taken over. `None` if it has ended.
    pub(super) fn give_back(&mut self, peer: &FullJid) -> Option<Returned> {
        let id = self.people.get(peer)?.session?;
        let session = self.sessions.remove(&id)?;
        let participant = self.people.remove(peer)?;
        Some(Returned { session, participant, proposed: self.proposed.take().map(|(_, proposal)| proposal) })
    }

    // ---- calling -----------------------------------------------------------------------------------------------------

    /// Calls every participant that has no session with us.
    pub(super) fn call_everybody(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>) {
        let without = self.people.iter().filter(|(jid, participant)| {
            let leaving = view.occupants.participant(jid).is_none(); // It took its contents back just now.
            participant.session.is_none() && participant.call.is_none() && !leaving
        });
        let without: Vec<FullJid> = without.map(|(jid, _)| jid.clone()).collect();
        for jid in without {
            let Some(participant) = self.people.get_mut(&jid) else { continue };
            match participant.quirks.call_after {
                None => self.call(cx, view, &jid, Turn::Ours),
                Some(grace) if view.state == PublishState::Public => {
                    participant.call = Some(PlannedCall { at: cx.now + grace, turn: Turn::Ours });
                }
                Some(_) => {} // At the echo.
            }
        }
    }

    fn call(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, jid: &FullJid, turn: Turn) {
        let sid = match turn {
            Turn::Ours => cx.ids.token(),
            // It sorts behind any other, so a late regular offer of the peer's wins.
            Turn::OutOfTurn => format!("z-{}", cx.ids.token()),
        };
        let parties = self.parties(cx, view, jid);
        let id = parties.session;
        let specs = view.published(cx);
        let Some(participant) = self.people.get_mut(jid) else { return };
        participant.session = Some(id);
        participant.call = None;
        let mut session = Session::outgoing(cx.now, parties, sid, specs);
        view.hold_if_held(cx, &mut session);
        self.sessions.insert(id, session);
        self.with_session(cx, view, id, |session, cx| session.permit_offer(cx.now, cx.ids));
    }

    fn parties(&self, cx: &mut Context<'_>, view: &ConferenceView<'_>, peer: &FullJid) -> SessionParams {
        let nick = view.occupants.participant(peer).unwrap_or_else(|| peer.resource().as_str());
        let quirks = self.people.get(peer).map(|participant| participant.quirks.in_session);
        SessionParams {
            call: view.call,
            session: cx.ids.session(),
            us: view.us.clone(),
            peer: peer.clone(),
            name: nick.to_owned(),
            room: Some(view.room.clone()),
            quirks: quirks.unwrap_or_default(),
            able: cx.capabilities.with_transports(),
            certificates: cx.certificates(peer),
            bound_only: cx.config.require_bound,
        }
    }

    // ---- what the user does ------------------------------------------------------------------------------------------

    pub(super) fn set_hold(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, hold: Hold) {
        self.with_every_session(cx, view, |session, cx| session.set_hold(cx.now, cx.ids, hold));
    }

    pub(super) fn announce_mute(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, content: &str, mute: Mute) {
        self.with_every_session(cx, view, |session, cx| session.announce_mute(cx.now, cx.ids, content, mute));
    }

    /// Presses keys of a telephone. False if nobody takes any.
    pub(super) fn send_digits(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, digits: &[Digit]) -> bool {
        let mut sent = false;
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            sent |= self.with_session(cx, view, id, |session, _| session.send_digits(digits)) == Some(true);
        }
        sent
    }

    /// A content that is not public any more is not sent any more.
    pub(super) fn remove_content(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, content: &str) {
        self.with_every_session(cx, view, |session, cx| session.remove(cx.now, cx.ids, content));
    }

    /// Tells a peer which of our contents are muted: it could not know.
    fn tell_muted(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        session: SessionId,
        which: impl Fn(&Media) -> bool,
    ) {
        let muted = |content: &&Content| content.media().is_some_and(|it| view.muted.contains(it) && which(it));
        for content in view.contents.iter().filter(muted) {
            self.with_session(cx, view, session, |session, cx| {
                session.announce_mute(cx.now, cx.ids, &content.name, Mute::On);
            });
        }
    }

    // ---- what comes in -----------------------------------------------------------------------------------------------

    /// The session that a peer's stanza names.
    pub(super) fn session_of(&self, peer: &FullJid, sid: &str) -> Option<SessionId> {
        let mut sessions = self.sessions.iter();
        sessions.find(|(_, session)| session.parties().peer == *peer && session.sid() == sid).map(|(id, _)| *id)
    }

    /// A peer's request in a session.
    pub(super) fn session_requested(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        session: SessionId,
        id: &str,
        jingle: &Jingle,
    ) {
        let named = self.sessions.get(&session).map(|session| session.parties().name.clone());
        let specs = if jingle.action == Action::ContentAdd { view.addable(cx) } else { Vec::new() };
        let outcome = self
            .with_session(cx, view, session, |session, cx| session.handle_request(cx.now, cx.ids, id, jingle, &specs));
        if let Some(Err(fault)) = outcome {
            let nick = named.unwrap_or_default();
            cx.event(view.call, Event::Warning(Warning::RequestRefused { nick, fault }));
        }
    }

    /// The result of a request in a session. False if it was none.
    pub(super) fn session_answered(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        peer: &FullJid,
        id: &str,
        outcome: Result<(), &StanzaError>,
    ) -> bool {
        let with_peer = self.sessions.iter().filter(|(_, session)| session.parties().peer == *peer);
        let sessions: Vec<SessionId> = with_peer.map(|(id, _)| *id).collect();
        sessions.into_iter().any(|session| {
            let answered =
                self.with_session(cx, view, session, |session, cx| session.handle_answer(cx.now, cx.ids, id, outcome));
            answered == Some(true)
        })
    }

    /// News from the media layer about a session, if it is one of these.
    pub(super) fn media(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        session: SessionId,
        report: &MediaReport,
    ) {
        let reported = self.with_session(cx, view, session, |session, cx| {
            session.handle_media(cx.now, cx.ids, report.clone());
        });
        if reported.is_none() && matches!(report, MediaReport::Failed { .. }) {
            self.orphans.close(cx, |orphan| orphan.session == session);
        }
    }

    // ---- time --------------------------------------------------------------------------------------------------------

    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>) {
        self.with_every_session(cx, view, |session, cx| session.handle_timeout(cx.now, cx.ids));
        for id in self.held.expired(cx.now) {
            self.with_session(cx, view, id, |session, cx| session.end(cx.now, cx.ids, Reason::Decline));
        }
        for jid in self.people.keys().cloned().collect::<Vec<_>>() {
            let Some(participant) = self.people.get_mut(&jid) else { continue };
            if participant.ends_at.is_some_and(|at| at <= cx.now) {
                self.left(cx, view, &jid);
            } else if let Some(due) = participant.call.filter(|due| due.at <= cx.now) {
                participant.recoveries += usize::from(due.turn == Turn::OutOfTurn);
                self.call(cx, view, &jid, due.turn);
            } else {
                self.add_missing_late(cx, view, &jid);
                self.remove_stale(cx, view, &jid);
            }
        }
    }

    /// Orphans whose time is over make no sound any more.
    pub(super) fn close_old_orphans(&mut self, cx: &mut Context<'_>) {
        let now = cx.now;
        self.orphans.close(cx, |orphan| orphan.until <= now);
    }

    /// When the first of the held offers is refused.
    pub(super) fn held_until(&self) -> impl Iterator<Item = Instant> {
        self.held.deadlines()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let sessions = self.sessions.values().filter_map(Session::poll_timeout);
        let people = self.people.values().filter_map(Participant::poll_timeout);
        sessions.chain(people).chain(self.held.deadlines()).chain(self.orphans.deadlines()).min()
    }

    // ---- how it stands -----------------------------------------------------------------------------------------------

    /// How we stand with each participant.
    pub(super) fn pairs(&self, occupants: &Occupants) -> Vec<Pair> {
        let pair = |(jid, participant): (&FullJid, &Participant)| {
            let session = participant.session.and_then(|id| self.sessions.get(&id));
            let contents = match session {
                Some(session) if participant.not_in_room => session.contents(),
                None if participant.not_in_room => Vec::new(),
                Some(_) | None => occupants.contents(jid),
            };
            Pair {
                peer: Peer { nick: participant.nick.clone(), jid: jid.clone() },
                contents,
                guests: occupants.guests(jid),
                state: participant.state.clone(),
                since: participant.since,
                recovery: participant.recovery(),
                verification: participant.verification,
                certificate: session.and_then(certificate),
                silent: session.map(Session::silent).unwrap_or_default(),
            }
        };
        let preparing = occupants.iter().filter(|(_, occupant)| !self.people.contains_key(&occupant.real));
        let preparing = preparing.map(|(nick, occupant)| Pair {
            peer: Peer { nick: nick.to_owned(), jid: occupant.real.clone() },
            contents: Vec::new(),
            guests: occupant.guests.clone(),
            state: PairState::Preparing,
            since: occupant.since,
            recovery: Recovery::Nothing,
            verification: Verification::Unverified,
            certificate: None,
            silent: Vec::new(),
        });
        self.people.iter().map(pair).chain(preparing).collect()
    }

    /// The sessions with all others; `None` if one is not connected.
    pub(super) fn connected_sessions(&self) -> Option<Vec<&Session>> {
        let connected = |participant: &Participant| {
            participant.session.filter(|_| participant.state.is_connected()).and_then(|id| self.sessions.get(&id))
        };
        self.people.values().map(connected).collect()
    }

    // ---- sessions ----------------------------------------------------------------------------------------------------

    fn with_every_session(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        act: impl Fn(&mut Session, &mut Context<'_>),
    ) {
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.with_session(cx, view, id, &act);
        }
    }

    /// Does something with a session and then all that follows from it; `None` if there is no such session.
    fn with_session<T>(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        id: SessionId,
        act: impl FnOnce(&mut Session, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let session = self.sessions.get_mut(&id)?;
        let result = act(session, cx);
        let events = cx.pass_on(session);
        let peer = session.parties().peer.clone();
        if session.is_over() {
            let sid = session.sid().to_owned();
            self.sessions.remove(&id);
            self.held.release(id);
            cx.ended.remember(peer.clone(), sid, Whose::Ours);
            if let Some((_, proposal)) = self.proposed.take_if(|(proposed, _)| *proposed == id) {
                cx.say_finished(&peer, &proposal, Reason::Success.into());
            }
        }
        for event in events {
            self.session_event(cx, view, id, &peer, event);
        }
        Some(result)
    }

    fn peer_event(
        &self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        jid: &FullJid,
        event: impl FnOnce(Peer) -> Event,
    ) {
        if let Some(participant) = self.people.get(jid) {
            cx.event(view.call, event(Peer { nick: participant.nick.clone(), jid: jid.clone() }));
        }
    }
}
