//! One session from its offer to its end.

mod contents;
mod stanzas;
mod types;
mod warning;

pub use stanzas::{acknowledge, dismiss, refuse};
pub use types::{ContentSpec, End, Hold, Mute, Output, Parties, SessionEvent, SessionQuirks};
pub use warning::{ContentFailure, SessionWarning};

use std::collections::VecDeque;
use std::time::Instant;

use jid::Jid;
use muji_xep::jingle::{Action, Condition, Content, Jingle, Reason, Side, Why};
use muji_xep::rtp::Media;
use muji_xep::session_info::{ContentRef, SessionInfo};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::StanzaError;

use crate::answers::Answers;
use crate::fault::{PeerFault, Unusable};
use crate::ids::{Ids, TransportId};
use crate::legs::Legs;
use crate::media::{MediaCommand, MediaReport, TransportFailure};
use crate::timers;
use stanzas::describe;

/// Where a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The media layer makes our ends; once it has, and we are `released`, the offer goes out.
    Opening { released: bool, until: Instant },
    /// Our offer is out.
    Offered { until: Instant },
    /// The peer's offer waits for us.
    Held,
    /// We accept as soon as our ends are made.
    Answering { until: Instant },
    /// Both sides agreed; transports connect.
    Connecting { until: Instant },
    /// Every transport works.
    Up,
    /// Over; nothing is sent any more.
    Ended,
}

impl State {
    fn name(&self) -> &'static str {
        match self {
            Self::Opening { .. } => "not offered yet",
            Self::Offered { .. } => "offered",
            Self::Held | Self::Answering { .. } => "not accepted yet",
            Self::Connecting { .. } | Self::Up => "active",
            Self::Ended => "over",
        }
    }
}

/// What we asked the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Initiate,
    Accept,
    /// To add a content, or to take our answer to one of its own.
    Add(Content),
    /// To send a content otherwise.
    Modify(Content),
    /// To take a content out.
    Remove(Content),
    /// To use other credentials.
    Restart(TransportId),
    Other,
}

/// A Jingle session with one peer. The module `muji_jingle` draws its states.
#[derive(Debug, Clone)]
pub struct Session {
    parties: Parties,
    sid: String,
    state: State,
    legs: Legs,
    acked: bool,
    /// When the owner is told that the offer, though confirmed, is not answered.
    unanswered_at: Option<Instant>,
    asked: Answers<Asked>,
    queue: VecDeque<Output>,
}

impl Session {
    /// Begins a session of ours: the media layer makes its ends, nothing is sent before [`Self::release`].
    #[must_use]
    pub fn open(now: Instant, parties: Parties, sid: String, wanted: Vec<ContentSpec>) -> Self {
        let legs = Legs::offering(&parties, wanted);
        let state = State::Opening { released: false, until: now + timers::DESCRIBE };
        let mut this = Self::new(parties, sid, state, legs);
        this.queue.push_back(Output::Media(this.legs.open(&this.parties)));
        this
    }

    /// Takes a peer's offer without answering it.
    ///
    /// # Errors
    /// Why nothing of the offer can be taken; tell the peer with [`refuse`].
    pub fn hold(parties: Parties, offer: &Jingle, wanted: &[ContentSpec]) -> Result<Self, Unusable> {
        let (legs, refused) = Legs::answering(&parties, wanted, offer)?;
        let mut this = Self::new(parties, offer.sid.clone(), State::Held, legs);
        for (_, why) in refused {
            this.event(SessionEvent::Warning(SessionWarning::NotTaken(why)));
        }
        Ok(this)
    }

    fn new(parties: Parties, sid: String, state: State, legs: Legs) -> Self {
        let (acked, unanswered_at) = (false, None);
        Self { parties, sid, state, legs, acked, unanswered_at, asked: Answers::default(), queue: VecDeque::new() }
    }

    /// Lets our offer go as soon as it can be written.
    pub fn release(&mut self, now: Instant, ids: &mut Ids) {
        if let State::Opening { released, .. } = &mut self.state {
            *released = true;
        }
        self.advance(now, ids);
    }

    /// What people call the peer, and how its client is, is known by now: an offer can come before its presence.
    pub fn name_peer(&mut self, name: &str, habits: SessionQuirks) {
        name.clone_into(&mut self.parties.name);
        self.parties.habits = habits;
    }

    /// Of the media that the peer's offer may be given, these are the ones that the user sends.
    pub fn sends_only(&mut self, media: &[Media]) {
        if self.state == State::Held {
            self.legs.send_only(media);
        }
    }

    /// What we send of a medium is published under this name from now on.
    pub fn publish_as(&mut self, media: &Media, name: &str) {
        if self.legs.publish_as(media, name) {
            self.start();
        }
    }

    /// The certificates by which each side is known, ours first, as SHA-256; empty where they are not known yet.
    #[must_use]
    pub fn fingerprints(&self) -> [Vec<&[u8]>; 2] {
        self.legs.fingerprints()
    }

    /// What the peer sends, by name.
    #[must_use]
    pub fn contents(&self) -> Vec<(String, Media)> {
        self.legs.received()
    }

    /// Takes the peer's offer.
    pub fn accept(&mut self, now: Instant, ids: &mut Ids) {
        if self.state != State::Held {
            return;
        }
        self.state = State::Answering { until: now + timers::DESCRIBE };
        self.queue.push_back(Output::Media(self.legs.open(&self.parties)));
        self.start(); // The peer can be asked before it has our answer: its end is known.
        self.advance(now, ids);
    }

    /// Ends the session from our side.
    pub fn end(&mut self, now: Instant, ids: &mut Ids, why: impl Into<Why>) {
        let why = why.into();
        let reason = why.reason.clone();
        self.terminate(now, ids, why, End::Ours(reason));
    }

    /// Forgets the session without a word: the peer's own offer takes its place, and our offer has been refused or will
    /// be.
    pub fn drop_for_tie_break(&mut self) {
        self.finish(End::TieBreak);
    }

    /// Tells the peer that a publication is not sent for now, or is again. Stopping the media is the owner's.
    pub fn announce_mute(&mut self, now: Instant, ids: &mut Ids, publication: &str, muted: Mute) {
        if let Some(content) = self.legs.carrier(publication).filter(|_| self.is_active()) {
            let content = Some(ContentRef { creator: content.creator, name: content.name });
            self.inform(
                now,
                ids,
                match muted {
                    Mute::On => SessionInfo::Mute(content),
                    Mute::Off => SessionInfo::Unmute(content),
                },
            );
        }
    }

    /// Tells the peer that the user is being asked, about an offer that waits for it (XEP-0167 section 8.3).
    pub fn announce_ringing(&mut self, now: Instant, ids: &mut Ids) {
        if self.state == State::Held {
            self.inform(now, ids, SessionInfo::Ringing);
        }
    }

    /// Stops listening and sending, or begins again, and tells the peer once the session is accepted.
    pub fn set_hold(&mut self, now: Instant, ids: &mut Ids, hold: Hold) {
        let news = self.legs.hold(hold == Hold::On);
        if news && self.is_active() {
            self.start();
            self.announce_hold(now, ids, hold);
        }
    }

    fn announce_hold(&mut self, now: Instant, ids: &mut Ids, hold: Hold) {
        self.inform(
            now,
            ids,
            match hold {
                Hold::On => SessionInfo::Hold,
                Hold::Off => SessionInfo::Unhold,
            },
        );
    }

    fn inform(&mut self, now: Instant, ids: &mut Ids, info: SessionInfo) {
        let mut jingle = Jingle::new(Action::SessionInfo, &self.sid);
        jingle.info = Some(info);
        self.request(now, ids, &jingle, Asked::Other);
    }

    /// A request of the peer with this session's id. It is answered here, whatever it is. `wanted` is what the peer could be
    /// given or may show, if it adds a content.
    ///
    /// # Errors
    /// What the peer did wrong; it has been told.
    pub fn handle_request(
        &mut self,
        now: Instant,
        ids: &mut Ids,
        id: &str,
        jingle: &Jingle,
        wanted: &[ContentSpec],
    ) -> Result<(), PeerFault> {
        let before = self.queue.len();
        let outcome = self.act(now, ids, jingle, wanted);
        let answer = match &outcome {
            Ok(()) => acknowledge(&self.parties.peer, id),
            Err(fault) => refuse(&self.parties.peer, id, fault),
        };
        self.queue.insert(before, Output::Send(Box::new(answer))); // Before whatever follows from it.
        outcome
    }

    fn act(&mut self, now: Instant, ids: &mut Ids, jingle: &Jingle, wanted: &[ContentSpec]) -> Result<(), PeerFault> {
        let out_of_order = PeerFault::OutOfOrder { action: jingle.action.to_string(), state: self.state.name() };
        match (&jingle.action, &self.state) {
            (_, State::Ended | State::Opening { .. }) => Err(PeerFault::UnknownSession { sid: self.sid.clone() }),
            (Action::SessionTerminate, _) => {
                self.finish(End::Peer(jingle.why.clone().unwrap_or_else(|| Reason::GeneralError.into())));
                Ok(())
            }
            (Action::SessionAccept, State::Offered { .. }) => {
                let whole = |content: &Content| content.description.is_some() && content.transport.is_some();
                if jingle.contents.is_empty() || !jingle.contents.iter().all(whole) {
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
            (Action::SessionInfo, _) => self.informed(jingle.info.clone().unwrap_or(SessionInfo::Ping)),
            (Action::DescriptionInfo, _) => Ok(()), // What it may change, we do not use.
            // Movim's answer to a content-add.
            (Action::SessionAccept, State::Connecting { .. } | State::Up) if self.legs.has_offered() => {
                self.contents_accepted(now, ids, jingle)
            }
            (Action::SessionInitiate | Action::SessionAccept, _) => Err(out_of_order),
            (Action::ContentAdd, _) => self.contents_added(now, ids, jingle, wanted),
            (Action::ContentAccept, _) => self.contents_accepted(now, ids, jingle),
            (Action::ContentReject, _) => self.contents_rejected(now, ids, jingle),
            (Action::ContentModify, _) => self.contents_modified(now, ids, jingle),
            (Action::ContentRemove, _) => {
                self.contents_removed(now, ids, jingle);
                Ok(())
            }
            // We have one kind of transport, so another is acknowledged and not taken.
            (Action::TransportReplace, _) => {
                let mut reject = Jingle::new(Action::TransportReject, &self.sid);
                reject.contents.clone_from(&jingle.contents);
                self.request(now, ids, &reject, Asked::Other);
                Ok(())
            }
            (Action::Other(word), _) => Err(PeerFault::NoAction(word.clone())),
            (Action::SecurityInfo | Action::TransportAccept | Action::TransportReject, _) => {
                Err(PeerFault::Unsupported(jingle.action.to_string()))
            }
        }
    }

    fn accepted(&mut self, now: Instant, ids: &mut Ids, answer: &Jingle) {
        match self.legs.answered(self.parties.session, answer) {
            Ok(dropped) => self.queue.extend(dropped.into_iter().map(Output::Media)),
            Err(why) => return self.give_up(now, ids, why),
        }
        self.state = State::Connecting { until: now + timers::CONNECT };
        self.unanswered_at = None;
        self.start();
        self.has_accepted(now, ids);
    }

    /// Both sides agreed.
    fn has_accepted(&mut self, now: Instant, ids: &mut Ids) {
        self.event(SessionEvent::Accepted);
        if self.legs.holds() {
            self.announce_hold(now, ids, Hold::On);
        }
        self.open_waiting(now, ids);
    }

    fn trickled(&mut self, now: Instant, ids: &mut Ids, news: &Jingle) {
        match self.legs.trickled(news) {
            Ok(commands) => self.queue.extend(commands.into_iter().map(Output::Media)),
            Err(why) => self.give_up(now, ids, why),
        }
    }

    fn informed(&mut self, info: SessionInfo) -> Result<(), PeerFault> {
        match info {
            SessionInfo::Mute(content) => self.event(SessionEvent::Muted(content.map(|it| self.label(it)))),
            SessionInfo::Unmute(content) => self.event(SessionEvent::Unmuted(content.map(|it| self.label(it)))),
            SessionInfo::Unknown(word) => return Err(PeerFault::UnsupportedInfo(word)),
            SessionInfo::Hold => self.held(true),
            SessionInfo::Unhold => self.held(false),
            SessionInfo::Active => {
                self.held(false);
                self.event(SessionEvent::Unmuted(None));
            }
            SessionInfo::Ringing if self.is_offered() => self.event(SessionEvent::Ringing),
            SessionInfo::Ping | SessionInfo::Ringing => {}
        }
        Ok(())
    }

    /// What we know a content by that the peer speaks of.
    fn label(&self, content: ContentRef) -> String {
        let named = Content { creator: content.creator, ..Content::new(&content.name) };
        self.legs.label(&named).unwrap_or(content.name)
    }

    /// The peer does not listen for now, or does again: nothing is sent to it meanwhile (XEP-0167 section 8).
    fn held(&mut self, held: bool) {
        if self.legs.peer_holds(held) {
            self.start();
            self.event(if held { SessionEvent::Held } else { SessionEvent::Unheld });
        }
    }

    /// The result of a request of ours, or its error. False if the id is not one of ours.
    pub fn handle_answer(&mut self, now: Instant, ids: &mut Ids, id: &str, outcome: Result<(), &StanzaError>) -> bool {
        let Some(asked) = self.asked.answered(id) else { return false };
        let Err(error) = outcome else {
            if asked == Asked::Initiate && self.is_offered() {
                (self.acked, self.unanswered_at) = (true, Some(now + timers::UNANSWERED));
            }
            self.content_answered(now, ids, &asked, None);
            return true;
        };
        match (error.other.as_ref().and_then(Condition::read), &asked) {
            (Some(Condition::TieBreak), Asked::Initiate) => self.finish(End::TieBreak),
            (_, Asked::Initiate) => self.finish(End::Refused(describe(error))),
            (Some(Condition::UnknownSession), _) | (_, Asked::Accept) => self.finish(End::Forgotten),
            (_, Asked::Add(_) | Asked::Modify(_) | Asked::Remove(_)) => {
                self.content_answered(now, ids, &asked, Some(error))
            }
            (_, Asked::Restart(transport)) => self.legs.restart_lost(*transport),
            (_, Asked::Other) => {}
        }
        true
    }

    /// News from the media layer about this session.
    pub fn handle_media(&mut self, now: Instant, ids: &mut Ids, report: MediaReport) {
        match report {
            MediaReport::Described { transport, local } => {
                if let Some(renewed) = self.legs.described(transport, local) {
                    self.about(now, ids, Action::TransportInfo, renewed, Asked::Restart(transport));
                }
                self.advance(now, ids);
                self.grow(now, ids);
            }
            MediaReport::Candidate { transport, candidate } => {
                let told = !matches!(self.state, State::Opening { .. } | State::Answering { .. } | State::Ended);
                if let Some(content) = self.legs.found_candidate(transport, candidate).filter(|_| told) {
                    self.about(now, ids, Action::TransportInfo, content, Asked::Other);
                }
            }
            MediaReport::Connected { transport } => {
                let grew = self.legs.connected(transport);
                if self.is_active() && self.legs.all_connected() && !grew {
                    self.state = State::Up;
                    self.event(SessionEvent::Connected);
                }
            }
            MediaReport::Interrupted { transport } => {
                self.event(SessionEvent::Interrupted);
                // One side is enough, and it is the one that decides which addresses are used.
                if self.legs.side() == Side::Initiator {
                    self.restart(now, transport);
                }
            }
            MediaReport::Moved { transport } => self.restart(now, transport),
            MediaReport::Failed { transport, failure } => {
                if !self.survives(now, ids, transport, &failure) {
                    // Before there was none it could not be set up (XEP-0166 section 7.4).
                    let reason = if self.is_up() { Reason::ConnectivityError } else { Reason::FailedTransport };
                    self.terminate(now, ids, reason.into(), End::Path(failure));
                }
            }
            MediaReport::Impostor { .. } => self.terminate(now, ids, Reason::SecurityError.into(), End::Impostor),
            MediaReport::Flowing { content, .. } => self.event(SessionEvent::Flowing { content }),
            MediaReport::Trouble(trouble) => self.event(SessionEvent::Warning(SessionWarning::Media(trouble))),
        }
    }

    /// A transport begins anew with other credentials, if the peer knows how.
    fn restart(&mut self, now: Instant, transport: TransportId) {
        if self.is_active() && self.parties.habits.restarts {
            self.legs.want_restart(now, transport);
            self.restart_due(now);
        }
    }

    fn restart_due(&mut self, now: Instant) {
        let commands = self.legs.restart_due(now);
        self.queue.extend(commands.into_iter().map(Output::Media));
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant, ids: &mut Ids) {
        match self.state {
            State::Offered { until } if until <= now => {
                self.terminate(now, ids, Reason::Timeout.into(), End::Silent("accept the call"));
            }
            State::Connecting { until } if until <= now => {
                let failure = TransportFailure::Deadline(timers::CONNECT);
                self.terminate(now, ids, Reason::FailedTransport.into(), End::Path(failure.into()));
            }
            State::Opening { until, .. } | State::Answering { until } if until <= now => {
                self.terminate(now, ids, Reason::FailedApplication.into(), End::Unready);
            }
            State::Opening { .. }
            | State::Offered { .. }
            | State::Held
            | State::Answering { .. }
            | State::Connecting { .. }
            | State::Up
            | State::Ended => {}
        }
        if self.unanswered_at.is_some_and(|at| at <= now) {
            self.unanswered_at = None;
            self.event(SessionEvent::Unanswered);
        }
        for asked in self.asked.expired(now) {
            match asked {
                Asked::Initiate | Asked::Accept => {
                    self.terminate(now, ids, Reason::Timeout.into(), End::Silent("answer"));
                }
                Asked::Restart(transport) => self.legs.restart_lost(transport),
                Asked::Add(_) | Asked::Modify(_) | Asked::Other => {} // The content has a deadline of its own.
                Asked::Remove(_) => self.content_answered(now, ids, &asked, None),
            }
        }
        if self.is_active() {
            self.restart_due(now);
        }
        self.growth_timeout(now, ids);
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let state = match self.state {
            State::Opening { until, .. }
            | State::Answering { until }
            | State::Offered { until }
            | State::Connecting { until } => Some(until),
            State::Held | State::Up | State::Ended => None,
        };
        let restart = self.legs.restart_timeout().filter(|_| self.is_active());
        let others = [self.unanswered_at, self.asked.poll_timeout(), self.legs.poll_timeout(), restart];
        others.into_iter().chain([state]).flatten().min()
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    /// The session's id on the wire.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Who talks.
    #[must_use]
    pub fn parties(&self) -> &Parties {
        &self.parties
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
        self.acked
    }

    /// True once every transport works.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// True once it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Ended
    }

    /// Sends what has been waiting for our ends.
    fn advance(&mut self, now: Instant, ids: &mut Ids) {
        if !self.legs.all_described() {
            return;
        }
        match self.state {
            State::Opening { released: true, .. } => {
                self.state = State::Offered { until: now + timers::ACCEPT };
                let mut offer = Jingle::new(Action::SessionInitiate, &self.sid);
                offer.initiator = Some(self.parties.us.to_string());
                offer.contents = self.legs.write();
                offer.room = self.parties.room.clone();
                self.request(now, ids, &offer, Asked::Initiate);
                self.event(SessionEvent::Offered);
            }
            State::Answering { .. } => {
                self.state = State::Connecting { until: now + timers::CONNECT };
                let mut answer = Jingle::new(Action::SessionAccept, &self.sid);
                answer.responder = Some(self.parties.us.to_string());
                answer.contents = self.legs.write();
                answer.group = self.legs.group();
                self.request(now, ids, &answer, Asked::Accept);
                self.has_accepted(now, ids);
            }
            State::Opening { released: false, .. }
            | State::Offered { .. }
            | State::Held
            | State::Connecting { .. }
            | State::Up
            | State::Ended => {}
        }
    }

    fn give_up(&mut self, now: Instant, ids: &mut Ids, why: Unusable) {
        self.terminate(now, ids, Why::from(&why), End::Unusable(why));
    }

    fn terminate(&mut self, now: Instant, ids: &mut Ids, why: Why, end: End) {
        if !self.is_unsent() && !self.is_over() {
            let mut jingle = Jingle::new(Action::SessionTerminate, &self.sid);
            jingle.why = Some(why);
            self.request(now, ids, &jingle, Asked::Other);
        }
        self.finish(end);
    }

    fn finish(&mut self, end: End) {
        if self.is_over() {
            return;
        }
        self.state = State::Ended;
        self.unanswered_at = None;
        self.legs.give_up();
        self.queue.push_back(Output::Media(MediaCommand::Close { session: self.parties.session }));
        self.event(SessionEvent::Ended(end));
    }

    fn request(&mut self, now: Instant, ids: &mut Ids, jingle: &Jingle, asked: Asked) {
        let id = ids.token();
        self.asked.asked(now, &id, asked);
        let to = Some(Jid::from(self.parties.peer.clone()));
        let iq = Iq::Set { from: None, to, id, payload: jingle.write() };
        self.queue.push_back(Output::Send(Box::new(iq)));
    }

    fn event(&mut self, event: SessionEvent) {
        self.queue.push_back(Output::Event(event));
    }
}
