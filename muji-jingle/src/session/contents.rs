//! Adding contents to a running session and taking them out (XEP-0166 sections 7.2.1 to 7.2.5).

use std::time::Instant;

use muji_xep::jingle::{Action, Content, Jingle, Reason, Side, Why};
use muji_xep::session_info::{ContentRef, SessionInfo};
use xmpp_parsers::stanza_error::{DefinedCondition, StanzaError};

use super::{Asked, ContentFailure, ContentSpec, End, Mute, Output, Session, SessionEvent, SessionWarning, State};
use crate::fault::PeerFault;
use crate::ids::{Ids, TransportId};
use crate::legs::{Growth, Legs, Removal};
use crate::media::{MediaCommand, PathFailure, TransportFailure};
use crate::timers;

impl Session {
    /// Sends another publication, by a content of its own or by one that only the peer has sent so far. Nothing happens
    /// before both sides have accepted the session, if it is sent already, or if the peer has not answered yet that it is
    /// taken out: then [`SessionEvent::ContentRemoved`] comes first.
    pub fn add(&mut self, now: Instant, ids: &mut Ids, wanted: ContentSpec) {
        if !self.is_active() || self.sends(&wanted.publication) || self.legs.is_leaving(&wanted.publication) {
            return;
        }
        if let Some((content, told)) = self.legs.widen(&wanted) {
            self.start();
            if told {
                let asked = Asked::Modify(content.clone());
                self.about(now, ids, Action::ContentModify, content, asked);
            } else {
                self.announce_mute(now, ids, &wanted.publication, Mute::Off); // It was only idle.
            }
            return;
        }
        let content = wanted.publication.clone();
        match self.legs.add(&self.parties, wanted, now + timers::DESCRIBE) {
            Ok(open) => self.queue.push_back(Output::Media(open)),
            Err(why) => self.not_added(content, ContentFailure::Unusable(why)),
        }
        self.grow(now, ids);
    }

    /// Takes the content out that carries a publication; with the last one the session ends.
    pub fn remove(&mut self, now: Instant, ids: &mut Ids, publication: &str) {
        match self.legs.remove(self.parties.session, publication) {
            None => {}
            Some(Removal::Unheard(drop)) => self.queue.push_back(Output::Media(drop)),
            Some(Removal::Last) => self.terminate(now, ids, Reason::Success.into(), End::Unshared),
            Some(Removal::Told(content)) => {
                self.start(); // Which now means that nothing flows.
                let content = bare(&content);
                self.about(now, ids, Action::ContentRemove, content.clone(), Asked::Remove(content));
            }
        }
    }

    /// True if a publication is sent, or being added.
    #[must_use]
    pub fn sends(&self, publication: &str) -> bool {
        self.legs.carries(publication)
    }

    /// True from the acceptance to the end.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Connecting { .. } | State::Up)
    }

    /// The peer takes contents of ours.
    pub(super) fn contents_accepted(&mut self, now: Instant, ids: &mut Ids, jingle: &Jingle) -> Result<(), PeerFault> {
        for content in self.offered(jingle)? {
            match self.legs.accepted(now, &content) {
                Ok(()) => {
                    self.start();
                    self.told_added(&content);
                }
                Err(why) => {
                    let told = Why::from(&why);
                    self.withdraw(now, ids, &content, ContentFailure::Unusable(why), told);
                }
            }
        }
        Ok(())
    }

    /// The peer does not take contents of ours.
    pub(super) fn contents_rejected(&mut self, now: Instant, ids: &mut Ids, jingle: &Jingle) -> Result<(), PeerFault> {
        let why = jingle.why.clone().unwrap_or_else(|| Reason::Decline.into());
        for content in self.offered(jingle)? {
            self.lose(now, ids, &content, ContentFailure::Rejected(why.clone()));
        }
        Ok(())
    }

    /// Those of a stanza's contents whose answer we wait for.
    fn offered(&self, jingle: &Jingle) -> Result<Vec<Content>, PeerFault> {
        let offered = |content: &&Content| self.legs.find(content, Growth::Offered).is_some();
        let contents: Vec<Content> = jingle.contents.iter().filter(offered).cloned().collect();
        if contents.is_empty() { Err(PeerFault::Malformed("a content that we have offered")) } else { Ok(contents) }
    }

    /// The peer changes who sends contents. It cannot make us send.
    pub(super) fn contents_modified(&mut self, now: Instant, ids: &mut Ids, jingle: &Jingle) -> Result<(), PeerFault> {
        if jingle.contents.iter().any(|content| self.legs.known(content).is_none()) {
            return Err(PeerFault::Malformed("a content of the session"));
        }
        for content in &jingle.contents {
            self.legs.modify(content);
        }
        self.start();
        self.restate(now, ids);
        Ok(())
    }

    /// The peer takes contents out.
    pub(super) fn contents_removed(&mut self, now: Instant, ids: &mut Ids, jingle: &Jingle) {
        let contents: Vec<Content> = jingle.contents.iter().filter_map(|content| self.legs.known(content)).collect();
        contents.iter().for_each(|content| self.content_removed(content, false));
        if self.legs.is_empty() {
            self.terminate(now, ids, Reason::Success.into(), End::Unshared);
        } else {
            self.restate(now, ids);
        }
    }

    /// The peer adds contents.
    pub(super) fn contents_added(
        &mut self,
        now: Instant,
        ids: &mut Ids,
        jingle: &Jingle,
        wanted: &[ContentSpec],
    ) -> Result<(), PeerFault> {
        if jingle.contents.is_empty() || jingle.contents.iter().any(|content| self.legs.has(content)) {
            return Err(PeerFault::Malformed("a content with a new name"));
        }
        let crossing: Vec<(Content, bool)> =
            jingle.contents.iter().filter_map(|content| self.legs.crossing(content)).collect();
        // Of the same crossing requests the initiator's counts (XEP-0166 section 7.2.16).
        if self.legs.side() == Side::Initiator && crossing.iter().any(|(_, told)| *told) {
            return Err(PeerFault::TieBreak);
        }
        for (content, _) in crossing {
            self.drop_content(&content);
        }
        self.legs.regroup(jingle.group.as_ref());
        for content in &jingle.contents {
            if let Err(why) = self.legs.take_added(self.parties.session, wanted, content) {
                let told = Why::from(&why);
                self.event(SessionEvent::Warning(SessionWarning::NotTaken(why)));
                let refusal = Legs::refusal(content, wanted);
                let mut reject = Jingle::new(Action::ContentReject, &self.sid);
                (reject.contents, reject.why) = (vec![refusal], Some(told));
                self.request(now, ids, &reject, Asked::Other);
            }
        }
        self.open_waiting(now, ids);
        Ok(())
    }

    /// Begins with what the peer has added, once the session is accepted: before that nothing is made.
    pub(super) fn open_waiting(&mut self, now: Instant, ids: &mut Ids) {
        if !self.is_active() {
            return;
        }
        if let Some(open) = self.legs.open_waiting(&self.parties, now + timers::DESCRIBE) {
            self.queue.push_back(Output::Media(open));
            self.start();
        }
        self.grow(now, ids);
    }

    /// Offers and accepts whatever has been waiting for our ends.
    pub(super) fn grow(&mut self, now: Instant, ids: &mut Ids) {
        while self.is_active() {
            let Some((growth, content)) = self.legs.ready(now) else { return };
            let named = bare(&content);
            let asked = Asked::Add(named.clone());
            if growth == Growth::Adding {
                self.about(now, ids, Action::ContentAdd, content, asked);
                continue;
            }
            if self.parties.habits.restates {
                self.restate(now, ids);
            } else {
                self.about(now, ids, Action::ContentAccept, content, asked);
            }
            self.told_added(&named);
        }
    }

    fn told_added(&mut self, content: &Content) {
        if let (Some(content), Some(media)) = (self.legs.label(content), self.legs.media(content)) {
            self.event(SessionEvent::ContentAdded { content, media });
        }
    }

    fn content_removed(&mut self, content: &Content, by_us: bool) {
        let label = self.legs.label(content).unwrap_or_else(|| content.name.clone());
        self.drop_content(content);
        self.event(SessionEvent::ContentRemoved { content: label, by_us });
    }

    fn drop_content(&mut self, content: &Content) {
        let dropped = self.legs.forget(self.parties.session, content);
        self.queue.extend(dropped.map(Output::Media));
    }

    /// A content did not come to be; with the last one the session ends.
    fn lose(&mut self, now: Instant, ids: &mut Ids, content: &Content, why: ContentFailure) {
        self.drop_content(content);
        self.not_added(content.name.clone(), why);
        if self.legs.is_empty() {
            self.terminate(now, ids, Reason::Success.into(), End::Unshared);
        }
    }

    fn not_added(&mut self, content: String, why: ContentFailure) {
        self.event(SessionEvent::Warning(SessionWarning::NotAdded { content, why }));
    }

    /// The same, and the peer is told that it is so.
    fn withdraw(&mut self, now: Instant, ids: &mut Ids, content: &Content, why: ContentFailure, told: Why) {
        let mut remove = Jingle::new(Action::ContentRemove, &self.sid);
        (remove.contents, remove.why) = (vec![bare(content)], Some(told));
        self.request(now, ids, &remove, Asked::Other);
        self.lose(now, ids, content, why);
    }

    /// The peer's answer to a request about a content.
    pub(super) fn content_answered(&mut self, now: Instant, ids: &mut Ids, asked: &Asked, error: Option<&StanzaError>) {
        match (asked, error) {
            (Asked::Remove(content), Some(error))
                if error.defined_condition == DefinedCondition::FeatureNotImplemented =>
            {
                // Dino's answer: the content stays, and nothing flows by it.
                let idle = ContentRef { creator: content.creator, name: content.name.clone() };
                self.inform(now, ids, SessionInfo::Mute(Some(idle)));
                self.legs.keep_idle(content);
                self.event(SessionEvent::ContentRemoved { content: content.name.clone(), by_us: true });
            }
            (Asked::Modify(content), Some(error))
                if error.defined_condition == DefinedCondition::BadRequest && content.creator == Side::Responder =>
            {
                // Dino's answer: to it the initiator has created every content. Asked so it is not asked again.
                let content = Content { creator: Side::Initiator, ..content.clone() };
                self.about(now, ids, Action::ContentModify, content, Asked::Other);
            }
            (Asked::Remove(content), _) if self.legs.find(content, Growth::Removing).is_some() => {
                self.content_removed(content, true);
            }
            (Asked::Add(content), Some(error)) => {
                let why = super::describe(error);
                let crossed = error.defined_condition == DefinedCondition::Conflict;
                match self.legs.exactly(content) {
                    Some(content) if crossed => self.drop_content(&content), // The peer's own is on its way.
                    Some(content) => self.lose(now, ids, &content, ContentFailure::Refused(why)),
                    None => {}
                }
            }
            _ => {}
        }
    }

    /// Gives up what has been growing for too long.
    pub(super) fn growth_timeout(&mut self, now: Instant, ids: &mut Ids) {
        for (growth, content) in self.legs.overdue(now) {
            match growth {
                Growth::Adding => self.lose(now, ids, &content, ContentFailure::Unready),
                Growth::Accepting => {
                    self.withdraw(now, ids, &content, ContentFailure::Unready, Reason::MediaError.into());
                }
                Growth::Connecting => {
                    let why = ContentFailure::Path(TransportFailure::Deadline(timers::CONNECT).into());
                    self.withdraw(now, ids, &content, why, Reason::ConnectivityError.into());
                }
                Growth::Offered => {
                    self.withdraw(now, ids, &content, ContentFailure::Silent, Reason::Timeout.into());
                }
                Growth::Waiting | Growth::Removing => {} // The session's and the request's own deadlines hold.
            }
        }
    }

    /// A transport is lost: true if the session goes on without what travelled by it.
    pub(super) fn survives(
        &mut self,
        now: Instant,
        ids: &mut Ids,
        transport: TransportId,
        failure: &PathFailure,
    ) -> bool {
        let Some(lost) = self.legs.lost_with(transport) else { return false };
        for content in lost {
            let why = ContentFailure::Path(failure.clone());
            self.withdraw(now, ids, &content, why, Reason::FailedTransport.into());
        }
        true
    }

    /// Tells the media layer what is agreed and new; nothing before we have accepted, whatever the peer says about it.
    pub(super) fn start(&mut self) {
        if !matches!(self.state, State::Answering { .. } | State::Connecting { .. } | State::Up) {
            return;
        }
        let start: Vec<MediaCommand> = self.legs.start(self.parties.session);
        self.queue.extend(start.into_iter().map(Output::Media));
    }

    /// Says all contents anew to a peer that wants it so.
    fn restate(&mut self, now: Instant, ids: &mut Ids) {
        if self.parties.habits.restates {
            let mut accept = Jingle::new(Action::SessionAccept, &self.sid);
            (accept.contents, accept.group) = (self.legs.write(), self.legs.group());
            self.request(now, ids, &accept, Asked::Other);
        }
    }

    /// A request about one content: with two Dino does nothing.
    pub(super) fn about(&mut self, now: Instant, ids: &mut Ids, action: Action, content: Content, asked: Asked) {
        let mut jingle = Jingle::new(action, &self.sid);
        let grouped = matches!(jingle.action, Action::ContentAdd | Action::ContentAccept);
        jingle.group = self.legs.group().filter(|_| grouped);
        jingle.contents = vec![content];
        self.request(now, ids, &jingle, asked);
    }
}

/// The content's name and no more.
fn bare(content: &Content) -> Content {
    Content { creator: content.creator, ..Content::new(&content.name) }
}
