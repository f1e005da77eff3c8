//! One session from its offer to its end.

mod content_changes;
mod digits;
mod media_reports;
mod signalling;
mod stanzas;
mod state;
mod types;
mod warning;

pub use stanzas::{acknowledge, dismiss, refuse};
pub use types::{Awaited, End, Hold, Mute, SessionEvent, SessionOutput};
pub use warning::{ContentFailure, SessionWarning};

use std::time::Instant;

use muji_xep::bridge::BridgeMark;
use muji_xep::dtmf::Digit;
use muji_xep::jingle::{Action, Condition, Content, Jingle, Reason, ReasonElement};
use muji_xep::rtp::Media;
use muji_xep::session_info::{ContentRef, SessionInfo};
use xmpp_parsers::stanza_error::StanzaError;

use crate::contents::{SessionContents, Silence};
use crate::fault::{NegotiationError, PeerFault};
use crate::ids::Ids;
use crate::media::{MediaCommand, TransportFailure};
use crate::parties::{ContentSpec, SessionParams, SessionQuirks};
use crate::timers;
use content_changes::{ContentChanges, start};
use digits::{Digits, Way};
use signalling::Signalling;
use stanzas::describe;
use state::{Request, State};

/// A Jingle session with one peer. The module `muji_jingle` draws its states.
#[derive(Debug, Clone)]
pub struct Session {
    state: State,
    contents: SessionContents,
    out: Signalling,
    /// The peer confirmed our offer.
    acknowledged: bool,
    /// When the owner learns that the offer, though confirmed, is not answered.
    unanswered_at: Option<Instant>,
    /// Publications to take out once both sides have agreed: before, the peer does not know our ends, or not even the session.
    unwanted: Vec<String>,
    digits: Digits,
    /// We are this bridge.
    bridge: Option<BridgeMark>,
}

impl Session {
    /// Begins a session that we offer: the media layer makes its ends, nothing is sent before [`Self::permit_offer`].
    #[must_use]
    pub fn outgoing(now: Instant, parties: SessionParams, sid: String, specs: Vec<ContentSpec>) -> Self {
        let contents = SessionContents::offering(&parties, specs);
        let state = State::Opening { offer_permitted: false, until: now + timers::DESCRIBE };
        let mut this = Self::new(parties, sid, state, contents);
        this.out.media([this.contents.open(&this.out.parties)]);
        this
    }

    /// Takes a peer's offer without answering it.
    ///
    /// # Errors
    /// Why nothing of the offer can be taken; tell the peer with [`refuse`].
    pub fn incoming(parties: SessionParams, offer: &Jingle, specs: &[ContentSpec]) -> Result<Self, NegotiationError> {
        let (contents, refused) = SessionContents::answering(&parties, specs, offer)?;
        let mut this = Self::new(parties, offer.sid.clone(), State::Incoming, contents);
        this.peer_is_focus(offer);
        for why in refused {
            this.out.event(SessionEvent::Warning(SessionWarning::ContentRejected(why)));
        }
        Ok(this)
    }

    fn new(parties: SessionParams, sid: String, state: State, contents: SessionContents) -> Self {
        Self {
            state,
            contents,
            out: Signalling::new(parties, sid),
            acknowledged: false,
            unanswered_at: None,
            unwanted: Vec::new(),
            digits: Digits::default(),
            bridge: None,
        }
    }

    /// Changes contents; the session ends if nothing is left that both have.
    fn change<R>(&mut self, now: Instant, ids: &mut Ids, change: impl FnOnce(&mut ContentChanges<'_>) -> R) -> R {
        let mut changes = ContentChanges {
            now,
            ids: &mut *ids,
            state: &self.state,
            contents: &mut self.contents,
            out: &mut self.out,
            unshared: false,
        };
        let result = change(&mut changes);
        if changes.unshared {
            self.terminate(now, ids, Reason::Success.into(), End::Unshared);
        }
        result
    }

    /// Sends our offer as soon as our ends are made.
    pub fn permit_offer(&mut self, now: Instant, ids: &mut Ids) {
        if let State::Opening { offer_permitted, .. } = &mut self.state {
            *offer_permitted = true;
        }
        self.advance(now, ids);
    }

    /// Sets the peer's name and the quirks of its client: an offer can come before the presence that shows them.
    pub fn set_peer(&mut self, name: &str, quirks: SessionQuirks) {
        name.clone_into(&mut self.out.parties.name);
        self.out.parties.quirks = quirks;
    }

    /// We are a bridge: an offer or an answer that is not sent yet says so.
    pub fn set_bridge(&mut self, bridge: BridgeMark) {
        self.bridge = Some(bridge);
    }

    fn peer_is_focus(&mut self, said: &Jingle) {
        if said.is_focus || said.bridge.is_some() {
            self.out.event(SessionEvent::Focus(said.bridge.clone()));
        }
    }

    /// Of the media that the peer's offer may be given, these are the ones that the user sends.
    pub fn sends_only(&mut self, media: &[Media]) {
        if self.state == State::Incoming {
            self.contents.send_only(media);
        }
    }

    /// What we send of a medium is published under this name from now on.
    pub fn publish_as(&mut self, media: &Media, name: &str) {
        if self.contents.list.publish_as(media, name) {
            self.start();
        }
    }

    /// The certificates by which each side is known, ours first, as SHA-256; empty where they are not known yet.
    #[must_use]
    pub fn fingerprints(&self) -> [Vec<&[u8]>; 2] {
        self.contents.transports.fingerprints()
    }

    /// What the peer sends, by name.
    #[must_use]
    pub fn contents(&self) -> Vec<(String, Media)> {
        self.contents.received()
    }

    /// Takes the peer's offer.
    pub fn accept(&mut self, now: Instant, ids: &mut Ids) {
        if self.state != State::Incoming {
            return;
        }
        self.state = State::Answering { until: now + timers::DESCRIBE };
        self.out.media([self.contents.open(&self.out.parties)]);
        self.start(); // The peer can be asked before it has our answer: its end is known.
        self.advance(now, ids);
    }

    /// Ends the session from our side.
    pub fn end(&mut self, now: Instant, ids: &mut Ids, why: impl Into<ReasonElement>) {
        let why = why.into();
        let reason = why.reason.clone();
        self.terminate(now, ids, why, End::Ours(reason));
    }

    /// Forgets the session without telling the peer: the peer's own offer takes its place, and our offer has been refused or will
    /// be.
    pub fn drop_for_tie_break(&mut self) {
        self.finish(End::TieBreak);
    }

    /// Tells the peer that a publication is not sent for now, or is again. Stopping the media is the owner's.
    pub fn announce_mute(&mut self, now: Instant, ids: &mut Ids, publication: &str, muted: Mute) {
        self.change(now, ids, |changes| changes.announce_mute(publication, muted));
    }

    /// Tells the peer that the user is being asked, about an offer that waits for it (XEP-0167 section 8.3).
    pub fn announce_ringing(&mut self, now: Instant, ids: &mut Ids) {
        if self.state == State::Incoming {
            self.out.inform(now, ids, SessionInfo::Ringing);
        }
    }

    /// Stops listening and sending, or begins again, and tells the peer once the session is accepted.
    pub fn set_hold(&mut self, now: Instant, ids: &mut Ids, hold: Hold) {
        let changed = self.contents.set_holds(hold == Hold::On);
        if changed && self.is_active() {
            self.start();
            self.announce_hold(now, ids, hold);
        }
    }

    fn announce_hold(&mut self, now: Instant, ids: &mut Ids, hold: Hold) {
        let info = match hold {
            Hold::On => SessionInfo::Hold,
            Hold::Off => SessionInfo::Unhold,
        };
        self.out.inform(now, ids, info);
    }

    /// Sends another publication, by a content of its own or by one that only the peer has sent so far. Nothing happens
    /// before both sides have accepted the session, if it is sent already, or if the peer has not answered yet that it is
    /// taken out: then [`SessionEvent::ContentRemoved`] comes first.
    pub fn add(&mut self, now: Instant, ids: &mut Ids, spec: ContentSpec) {
        self.unwanted.retain(|publication| *publication != spec.publication);
        self.change(now, ids, |changes| changes.add(spec));
    }

    /// Takes the content out that carries a publication; with the last one the session ends. If our offer or answer is not out yet, the
    /// peer learns it once both sides have agreed.
    pub fn remove(&mut self, now: Instant, ids: &mut Ids, publication: &str) {
        match self.state {
            State::Opening { .. } | State::Incoming | State::Answering { .. } => {
                if self.sends(publication) && !self.unwanted.iter().any(|unwanted| unwanted == publication) {
                    self.unwanted.push(publication.to_owned());
                }
            }
            State::Offered { .. } | State::Connecting { .. } | State::Up => {
                self.change(now, ids, |changes| changes.remove(publication));
            }
            State::Ended => {}
        }
    }

    fn take_out_unwanted(&mut self, now: Instant, ids: &mut Ids) {
        for publication in std::mem::take(&mut self.unwanted) {
            self.remove(now, ids, &publication);
        }
    }

    /// True if a publication is sent, or being added.
    #[must_use]
    pub fn sends(&self, publication: &str) -> bool {
        self.contents.list.carries(publication)
    }

    /// True from the acceptance to the end.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state.is_active()
    }

    /// A request of the peer with this session's id. It is answered here, whatever it is. `specs` are the contents that the peer
    /// may add: what we could send it, and what it may send us.
    ///
    /// # Errors
    /// What the peer did wrong; the answer to it is in the outputs.
    pub fn handle_request(
        &mut self,
        now: Instant,
        ids: &mut Ids,
        id: &str,
        jingle: &Jingle,
        specs: &[ContentSpec],
    ) -> Result<(), PeerFault> {
        let before = self.out.len();
        let outcome = self.act(now, ids, jingle, specs);
        let answer = match &outcome {
            Ok(()) => acknowledge(&self.out.parties.peer, id),
            Err(fault) => refuse(&self.out.parties.peer, id, fault),
        };
        self.out.answer_before(before, answer);
        outcome
    }

    fn act(&mut self, now: Instant, ids: &mut Ids, jingle: &Jingle, specs: &[ContentSpec]) -> Result<(), PeerFault> {
        let out_of_order = PeerFault::OutOfOrder { action: jingle.action.to_string(), state: self.state.name() };
        match (&jingle.action, &self.state) {
            (_, State::Ended | State::Opening { .. }) => Err(PeerFault::UnknownSession { sid: self.out.sid.clone() }),
            (Action::SessionTerminate, _) => {
                self.finish(End::Peer(jingle.why.clone().unwrap_or_else(|| Reason::GeneralError.into())));
                Ok(())
            }
            (Action::SessionAccept, State::Offered { .. }) => {
                // In a bundle one transport is enough; what else is missing costs the content that misses it.
                let whole = |content: &Content| content.description.is_some() && content.transport.is_some();
                if !jingle.contents.iter().any(whole) {
                    return Err(PeerFault::Malformed("contents that have a description and a transport"));
                }
                self.accepted(now, ids, jingle);
                Ok(())
            }
            (Action::TransportInfo, _) => {
                self.trickled(now, ids, jingle);
                // What is well-formed of it is taken all the same (XEP-0176 section 5.5).
                let malformed = |content: &Content| content.transport.as_ref().is_some_and(|it| it.malformed);
                if jingle.contents.iter().any(malformed) {
                    return Err(PeerFault::Malformed("candidates that are well-formed"));
                }
                Ok(())
            }
            (Action::SessionInfo, _) => self.informed(now, jingle.info.clone().unwrap_or(SessionInfo::Ping)),
            (Action::DescriptionInfo, _) => {
                // Of what it may change we use its sources alone: a peer may go on with others.
                jingle.contents.iter().for_each(|content| self.contents.add_sources(content));
                self.start();
                Ok(())
            }
            // Movim's answer to a content-add.
            (Action::SessionAccept, State::Connecting { .. } | State::Up) if self.contents.list.has_offered() => {
                self.change(now, ids, |changes| changes.accepted(jingle))
            }
            (Action::SessionInitiate | Action::SessionAccept, _) => Err(out_of_order),
            (Action::ContentAdd, _) => self.change(now, ids, |changes| changes.added(jingle, specs)),
            (Action::ContentAccept, _) => self.change(now, ids, |changes| changes.accepted(jingle)),
            (Action::ContentReject, _) => self.change(now, ids, |changes| changes.rejected(jingle)),
            (Action::ContentModify, _) => self.change(now, ids, |changes| changes.modified(jingle)),
            (Action::ContentRemove, _) => {
                self.change(now, ids, |changes| changes.removed(jingle));
                Ok(())
            }
            // We have one kind of transport, so another is acknowledged and not taken.
            (Action::TransportReplace, _) => {
                let contents = jingle.contents.clone();
                let reject = Jingle { contents, ..self.out.jingle(Action::TransportReject) };
                self.out.request(now, ids, &reject, Request::Other);
                Ok(())
            }
            (Action::Other(word), _) => Err(PeerFault::NoAction(word.clone())),
            (Action::SecurityInfo | Action::TransportAccept | Action::TransportReject, _) => {
                Err(PeerFault::Unsupported(jingle.action.to_string()))
            }
        }
    }

    fn accepted(&mut self, now: Instant, ids: &mut Ids, answer: &Jingle) {
        let answered = match self.contents.answered(&self.out.parties, answer) {
            Ok(answered) => answered,
            Err(why) => return self.give_up(now, ids, why),
        };
        self.peer_is_focus(answer);
        self.out.media(answered.commands);
        self.state = State::Connecting { until: now + timers::CONNECT };
        self.unanswered_at = None;
        self.start();
        self.has_accepted(now, ids);
        self.change(now, ids, |changes| changes.take_out(answered.unusable));
        self.take_out_unwanted(now, ids);
    }

    /// Both sides agreed.
    fn has_accepted(&mut self, now: Instant, ids: &mut Ids) {
        self.out.event(SessionEvent::Accepted);
        if self.contents.holds() {
            self.announce_hold(now, ids, Hold::On);
        }
        self.change(now, ids, |changes| changes.open_waiting());
    }

    fn trickled(&mut self, now: Instant, ids: &mut Ids, jingle: &Jingle) {
        match self.contents.trickled(jingle) {
            Ok(commands) => self.out.media(commands),
            Err(why) => self.give_up(now, ids, why),
        }
    }

    fn informed(&mut self, now: Instant, info: SessionInfo) -> Result<(), PeerFault> {
        match info {
            SessionInfo::Mute(content) => {
                let content = content.map(|it| self.labelled(it));
                self.contents.muted(content.as_ref().map(|(label, _)| label.as_str()));
                self.out.event(SessionEvent::Muted(content));
            }
            SessionInfo::Unmute(content) => {
                let content = content.map(|it| self.labelled(it));
                self.peer_unmuted(now, content);
            }
            SessionInfo::Digit(digit) => self.pressed(now, digit, Way::SessionInfo),
            SessionInfo::Unknown(word) => return Err(PeerFault::UnsupportedInfo(word)),
            SessionInfo::Hold => self.peer_holds(now, true),
            SessionInfo::Unhold => self.peer_holds(now, false),
            SessionInfo::Active => {
                self.peer_holds(now, false);
                self.peer_unmuted(now, None);
            }
            SessionInfo::Ringing => self.rings(now),
            SessionInfo::Ping => {}
        }
        Ok(())
    }

    /// The peer pressed a key, unless it came the other way already.
    fn pressed(&mut self, now: Instant, digit: Digit, way: Way) {
        if self.digits.is_new(now, digit, way) {
            self.out.event(SessionEvent::Digit(digit));
        }
    }

    fn peer_unmuted(&mut self, now: Instant, content: Option<(String, Media)>) {
        self.contents.unmuted(now, content.as_ref().map(|(label, _)| label.as_str()));
        self.out.event(SessionEvent::Unmuted(content));
    }

    /// The peer asks its user, which it may say again and again: the offer waits for as long as a device may ring.
    fn rings(&mut self, now: Instant) {
        let State::Offered { until, rings } = &mut self.state else { return };
        if !std::mem::replace(rings, true) {
            *until = now + timers::RINGING;
            self.unanswered_at = None;
            self.out.event(SessionEvent::Ringing);
        }
    }

    /// Our label of a content that the peer names, and its medium. Of one that is not there, what the peer calls it.
    fn labelled(&self, content: ContentRef) -> (String, Media) {
        let named = Content { creator: content.creator, ..Content::new(&content.name) };
        let known = self.contents.list.label(&named).zip(self.contents.list.media(&named));
        known.unwrap_or_else(|| (content.name.clone(), Media::Other(content.name)))
    }

    /// The peer does not listen for now, or does again: nothing is sent to it meanwhile (XEP-0167 section 8).
    fn peer_holds(&mut self, now: Instant, holds: bool) {
        if self.contents.set_peer_holds(holds) {
            if !holds {
                self.contents.unheld(now);
            }
            self.start();
            self.out.event(if holds { SessionEvent::Held } else { SessionEvent::Unheld });
        }
    }

    /// The result or the error of one of our requests. False if the id is not of one.
    pub fn handle_answer(&mut self, now: Instant, ids: &mut Ids, id: &str, outcome: Result<(), &StanzaError>) -> bool {
        let Some(request) = self.out.pending.answered(id) else { return false };
        if self.is_over() {
            return true; // Nothing follows from it any more.
        }
        let Err(error) = outcome else {
            if request == Request::Initiate
                && let State::Offered { rings, .. } = self.state
            {
                self.acknowledged = true;
                self.unanswered_at = (!rings).then_some(now + timers::UNANSWERED);
            }
            self.change(now, ids, |changes| changes.answered(&request, None));
            return true;
        };
        match (error.other.as_ref().and_then(Condition::read), &request) {
            (Some(Condition::TieBreak), Request::Initiate) => self.finish(End::TieBreak),
            (_, Request::Initiate) => self.finish(End::Refused(describe(error))),
            (Some(Condition::UnknownSession), _) | (_, Request::Accept) => self.finish(End::Forgotten),
            (_, Request::Add(_) | Request::AcceptContent(_) | Request::Modify(_) | Request::Remove(_)) => {
                self.change(now, ids, |changes| changes.answered(&request, Some(error)));
            }
            (_, Request::Restart(transport)) => self.contents.transports.restart_undelivered(*transport),
            (_, Request::Other) => {}
        }
        true
    }

    fn handle_restarts(&mut self, now: Instant) {
        let commands = self.contents.transports.handle_restarts(now);
        self.out.media(commands);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, ids: &mut Ids) {
        if self.is_over() {
            drop(self.out.pending.expired(now)); // Nothing follows from it any more.
            return;
        }
        match self.state {
            State::Offered { until, .. } if until <= now => {
                self.terminate(now, ids, Reason::Timeout.into(), End::Silent(Awaited::Acceptance));
            }
            State::Connecting { until } if until <= now => {
                let failure = TransportFailure::Deadline(timers::CONNECT);
                self.terminate(now, ids, Reason::FailedTransport.into(), End::Path(failure.into()));
            }
            State::Opening { until, .. } | State::Answering { until } if until <= now => {
                self.terminate(now, ids, Reason::FailedApplication.into(), End::LocalMediaTimeout);
            }
            State::Opening { .. }
            | State::Offered { .. }
            | State::Incoming
            | State::Answering { .. }
            | State::Connecting { .. }
            | State::Up
            | State::Ended => {}
        }
        if self.unanswered_at.is_some_and(|at| at <= now) {
            self.unanswered_at = None;
            self.out.event(SessionEvent::Unanswered);
        }
        for request in self.out.pending.expired(now) {
            self.expired(now, ids, &request);
        }
        if self.is_active() {
            self.handle_restarts(now);
            self.contents.still_silent(now).into_iter().for_each(|content| self.silenced(content));
        }
        self.change(now, ids, |changes| changes.handle_timeout());
    }

    /// No result of a request came in time.
    fn expired(&mut self, now: Instant, ids: &mut Ids, request: &Request) {
        match request {
            // A peer that has answered our offer, or talks with us, got it.
            Request::Initiate if !self.is_offered() => {}
            Request::Accept if self.is_connected() => {}
            Request::Initiate | Request::Accept => {
                self.terminate(now, ids, Reason::Timeout.into(), End::Silent(Awaited::Answer));
            }
            Request::Restart(transport) => self.contents.transports.restart_undelivered(*transport),
            // The content has a deadline of its own.
            Request::Add(_) | Request::AcceptContent(_) | Request::Modify(_) | Request::Other => {}
            Request::Remove(content) => self.change(now, ids, |changes| changes.unconfirmed(content)),
        }
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_over() {
            return self.out.pending.poll_timeout();
        }
        let restart = self.contents.transports.poll_restart().filter(|_| self.is_active());
        let contents = self.contents.list.poll_timeout();
        let silence = self.contents.poll_silence().filter(|_| self.is_active());
        let all =
            [self.state.deadline(), self.unanswered_at, self.out.pending.poll_timeout(), contents, restart, silence];
        all.into_iter().flatten().min()
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<SessionOutput> {
        self.out.poll_output()
    }

    /// The session's id on the wire.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.out.sid
    }

    /// Who talks.
    #[must_use]
    pub fn parties(&self) -> &SessionParams {
        &self.out.parties
    }

    /// True while nothing of it has reached the peer.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self.state, State::Opening { .. })
    }

    /// True while our offer waits for its answer.
    #[must_use]
    pub fn is_offered(&self) -> bool {
        matches!(self.state, State::Offered { .. })
    }

    /// True if the peer confirmed our offer.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// True once every transport works.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.state == State::Up
    }

    /// True if something comes of any content.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.contents.is_heard()
    }

    /// The contents of which nothing comes though the path works: their names in the session, and why.
    #[must_use]
    pub fn silent(&self) -> Vec<(String, Media, Silence)> {
        self.contents.silent()
    }

    /// Presses keys of a telephone. False if the peer takes none.
    pub fn send_digits(&mut self, digits: &[Digit]) -> bool {
        let commands = self.contents.send_digits(self.out.parties.session, digits);
        let sent = self.is_active() && !commands.is_empty();
        if sent {
            self.out.media(commands);
        }
        sent
    }

    /// True once it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Ended
    }

    /// Tells the media layer what is agreed and new.
    fn start(&mut self) {
        start(&self.state, &mut self.contents, &mut self.out);
    }

    /// Sends the offer or the answer that has been waiting for our ends.
    fn advance(&mut self, now: Instant, ids: &mut Ids) {
        if !self.contents.all_described() {
            return;
        }
        match self.state {
            State::Opening { offer_permitted: true, .. } => {
                self.state = State::Offered { until: now + timers::ACCEPT, rings: false };
                let offer = Jingle {
                    initiator: Some(self.out.parties.us.to_string()),
                    contents: self.contents.write(),
                    group: self.contents.group(),
                    room: self.out.parties.room.clone(),
                    is_focus: self.bridge.is_some(),
                    bridge: self.bridge.clone(),
                    ..self.out.jingle(Action::SessionInitiate)
                };
                self.out.request(now, ids, &offer, Request::Initiate);
                self.out.event(SessionEvent::Offered);
            }
            State::Answering { .. } => {
                self.state = State::Connecting { until: now + timers::CONNECT };
                let answer = Jingle {
                    responder: Some(self.out.parties.us.to_string()),
                    contents: self.contents.write(),
                    group: self.contents.group(),
                    is_focus: self.bridge.is_some(),
                    bridge: self.bridge.clone(),
                    ..self.out.jingle(Action::SessionAccept)
                };
                self.out.request(now, ids, &answer, Request::Accept);
                self.has_accepted(now, ids);
                self.take_out_unwanted(now, ids);
            }
            State::Opening { offer_permitted: false, .. }
            | State::Offered { .. }
            | State::Incoming
            | State::Connecting { .. }
            | State::Up
            | State::Ended => {}
        }
    }

    fn give_up(&mut self, now: Instant, ids: &mut Ids, why: NegotiationError) {
        self.terminate(now, ids, ReasonElement::from(&why), End::NegotiationError(why));
    }

    fn terminate(&mut self, now: Instant, ids: &mut Ids, why: ReasonElement, end: End) {
        if !self.is_unsent() && !self.is_over() {
            let jingle = Jingle { why: Some(why), ..self.out.jingle(Action::SessionTerminate) };
            self.out.request(now, ids, &jingle, Request::Other);
        }
        self.finish(end);
    }

    fn finish(&mut self, end: End) {
        if self.is_over() {
            return;
        }
        self.state = State::Ended;
        self.unanswered_at = None;
        self.contents.list.give_up();
        self.out.media([MediaCommand::Close { session: self.out.parties.session }]);
        self.out.event(SessionEvent::Ended(end));
    }
}
