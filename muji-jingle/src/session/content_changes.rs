//! Adding contents to a running session and taking them out (XEP-0166 sections 7.2.1 to 7.2.5).

use std::time::Instant;

use muji_xep::jingle::{Action, Content, Jingle, Reason, ReasonElement, Side};
use muji_xep::rtp::Media;
use muji_xep::session_info::{ContentRef, SessionInfo};
use xmpp_parsers::stanza_error::{DefinedCondition, StanzaError};

use super::signalling::Signalling;
use super::stanzas::describe;
use super::state::{Request, State};
use super::types::{Mute, SessionEvent};
use super::warning::{ContentFailure, SessionWarning};
use crate::contents::{ContentState, SessionContents, Withdrawal, alternative};
use crate::fault::{NegotiationError, PeerFault};
use crate::ids::{Ids, TransportId};
use crate::media::{PathFailure, TransportFailure};
use crate::parties::ContentSpec;
use crate::timers;

/// What a change of contents needs of its session.
pub(super) struct ContentChanges<'a> {
    pub(super) now: Instant,
    pub(super) ids: &'a mut Ids,
    pub(super) state: &'a State,
    pub(super) contents: &'a mut SessionContents,
    pub(super) out: &'a mut Signalling,
    /// Set by a change that leaves nothing that both have: the session has to end.
    pub(super) unshared: bool,
}

impl ContentChanges<'_> {
    /// Sends another publication, by a content of its own or by one that only the peer has sent so far.
    pub(super) fn add(&mut self, spec: ContentSpec) {
        let list = &self.contents.list;
        if !self.state.is_active() || list.carries(&spec.publication) || list.is_removing(&spec.publication) {
            return;
        }
        let side = self.contents.side();
        if let Some((content, changed)) = self.contents.list.widen(side, &spec) {
            self.start();
            if changed {
                let request = Request::Modify(content.clone());
                self.request_about(Action::ContentModify, content, request);
            } else {
                self.announce_mute(&spec.publication, Mute::Off); // It was only idle.
            }
            return;
        }
        let (content, media) = (spec.publication.clone(), spec.media.clone());
        match self.contents.add(&self.out.parties, spec, self.now + timers::DESCRIBE) {
            Ok(open) => self.out.media([open]),
            Err(why) => self.not_added(content, media, ContentFailure::NegotiationError(why)),
        }
        self.send_ready();
    }

    /// Takes the content out that carries a publication.
    pub(super) fn remove(&mut self, publication: &str) {
        match self.contents.withdraw(self.out.parties.session, publication) {
            None => {}
            Some(Withdrawal::Unsent(drop)) => self.out.media([drop]),
            Some(Withdrawal::Last) => self.unshared = true,
            Some(Withdrawal::Announce(content)) => {
                self.start(); // Which now means that nothing flows.
                let content = bare(&content);
                self.request_about(Action::ContentRemove, content.clone(), Request::Remove(content));
            }
        }
    }

    /// Tells the peer that a publication is not sent for now, or is again.
    pub(super) fn announce_mute(&mut self, publication: &str, muted: Mute) {
        let Some(content) = self.contents.list.carrier(publication).filter(|_| self.state.is_active()) else { return };
        let content = Some(ContentRef { creator: content.creator, name: content.name });
        let info = match muted {
            Mute::On => SessionInfo::Mute(content),
            Mute::Off => SessionInfo::Unmute(content),
        };
        self.out.inform(self.now, self.ids, info);
    }

    /// The peer accepts some of our contents.
    pub(super) fn accepted(&mut self, jingle: &Jingle) -> Result<(), PeerFault> {
        for content in self.offered(jingle)? {
            match self.contents.accepted(self.now, &content, jingle.group.as_ref()) {
                Ok(()) => {
                    self.start();
                    self.report_added(&content);
                }
                Err(why) => self.withdraw_unusable(&content, why),
            }
        }
        Ok(())
    }

    /// Takes out contents of our offer that the peer answered as nobody can use them.
    pub(super) fn take_out(&mut self, unusable: Vec<(Content, NegotiationError)>) {
        unusable.into_iter().for_each(|(content, why)| self.withdraw_unusable(&content, why));
    }

    /// The peer rejects some of our contents.
    pub(super) fn rejected(&mut self, jingle: &Jingle) -> Result<(), PeerFault> {
        let why = jingle.why.clone().unwrap_or_else(|| Reason::Decline.into());
        for content in self.offered(jingle)? {
            self.lose(&content, ContentFailure::Rejected(why.clone()));
        }
        Ok(())
    }

    /// Those of a stanza's contents whose answer we wait for.
    fn offered(&self, jingle: &Jingle) -> Result<Vec<Content>, PeerFault> {
        let offered = |content: &&Content| self.contents.list.find(content, ContentState::Offered).is_some();
        let contents: Vec<Content> = jingle.contents.iter().filter(offered).cloned().collect();
        if contents.is_empty() { Err(PeerFault::Malformed("a content that we have offered")) } else { Ok(contents) }
    }

    /// The peer changes who sends contents. It cannot make us send.
    pub(super) fn modified(&mut self, jingle: &Jingle) -> Result<(), PeerFault> {
        if jingle.contents.iter().any(|content| self.contents.list.known(content).is_none()) {
            return Err(PeerFault::Malformed("a content of the session"));
        }
        for content in &jingle.contents {
            self.contents.list.set_senders(content, content.senders);
        }
        self.start();
        self.restate();
        Ok(())
    }

    /// The peer takes contents out.
    pub(super) fn removed(&mut self, jingle: &Jingle) {
        let known = jingle.contents.iter().filter_map(|content| self.contents.list.known(content));
        for content in known.collect::<Vec<_>>() {
            self.report_removed(&content, false);
        }
        if self.contents.list.is_empty() {
            self.unshared = true;
        } else {
            self.restate();
        }
    }

    /// The peer adds contents.
    pub(super) fn added(&mut self, jingle: &Jingle, specs: &[ContentSpec]) -> Result<(), PeerFault> {
        if jingle.contents.is_empty() || jingle.contents.iter().any(|content| self.contents.list.has(content)) {
            return Err(PeerFault::Malformed("a content with a new name"));
        }
        let crossing = jingle.contents.iter().filter_map(|content| self.contents.list.crossing(content));
        let crossing: Vec<(Content, bool)> = crossing.collect();
        // Of the same crossing requests the initiator's counts (XEP-0166 section 7.2.16).
        if self.contents.side() == Side::Initiator && crossing.iter().any(|(_, offered)| *offered) {
            return Err(PeerFault::TieBreak);
        }
        for (content, _) in crossing {
            self.drop_content(&content);
        }
        self.contents.regroup(jingle);
        for content in &jingle.contents {
            self.take(content, specs);
        }
        self.open_waiting();
        Ok(())
    }

    /// Takes a content that the peer adds, or rejects it.
    fn take(&mut self, content: &Content, specs: &[ContentSpec]) {
        let Err(why) = self.contents.take_added(self.out.parties.session, specs, content) else { return };
        let reject = self.out.jingle_about(Action::ContentReject, alternative(content, specs));
        let reject = Jingle { why: Some(ReasonElement::from(&why)), ..reject };
        self.out.event(SessionEvent::Warning(SessionWarning::ContentRejected(why)));
        self.out.request(self.now, self.ids, &reject, Request::Other);
    }

    /// Begins with what the peer has added, once the session is accepted: before that nothing is made.
    pub(super) fn open_waiting(&mut self) {
        if !self.state.is_active() {
            return;
        }
        if let Some(open) = self.contents.open_waiting(&self.out.parties, self.now + timers::DESCRIBE) {
            self.out.media([open]);
            self.start();
        }
        self.send_ready();
    }

    /// Offers and accepts the contents that have been waiting for our ends.
    pub(super) fn send_ready(&mut self) {
        while self.state.is_active() {
            let Some((state, content)) = self.contents.next_ready(self.now) else { return };
            let named = bare(&content);
            if state == ContentState::Adding {
                self.request_about(Action::ContentAdd, content, Request::Add(named));
                continue;
            }
            if self.out.parties.quirks.wants_full_accept {
                self.restate();
            } else {
                self.request_about(Action::ContentAccept, content, Request::AcceptContent(named.clone()));
            }
            self.report_added(&named);
        }
    }

    fn report_added(&mut self, content: &Content) {
        let list = &self.contents.list;
        if let (Some(content), Some(media)) = (list.label(content), list.media(content)) {
            self.out.event(SessionEvent::ContentAdded { content, media });
        }
    }

    fn report_removed(&mut self, content: &Content, by_us: bool) {
        let label = self.contents.list.label(content).unwrap_or_else(|| content.name.clone());
        self.drop_content(content);
        self.out.event(SessionEvent::ContentRemoved { content: label, by_us });
    }

    fn drop_content(&mut self, content: &Content) {
        let dropped = self.contents.forget(self.out.parties.session, content);
        self.out.media(dropped);
    }

    /// A content did not get into the session.
    fn lose(&mut self, content: &Content, why: ContentFailure) {
        let Some(media) = self.contents.list.media(content) else { return };
        self.drop_content(content);
        self.not_added(content.name.clone(), media, why);
        self.unshared |= self.contents.list.is_empty();
    }

    fn not_added(&mut self, content: String, media: Media, why: ContentFailure) {
        self.out.event(SessionEvent::Warning(SessionWarning::NotAdded { content, media, why }));
    }

    /// The same, and the peer gets a content-remove with a reason.
    fn withdraw(&mut self, content: &Content, why: ContentFailure, reason: ReasonElement) {
        let remove = self.out.jingle_about(Action::ContentRemove, bare(content));
        let remove = Jingle { why: Some(reason), ..remove };
        self.out.request(self.now, self.ids, &remove, Request::Other);
        if self.contents.list.find(content, ContentState::Offered).is_some() {
            self.contents.unanswered(content);
        }
        self.lose(content, why);
    }

    /// The same with a content that the peer answered as nobody can use it.
    fn withdraw_unusable(&mut self, content: &Content, why: NegotiationError) {
        let reason = ReasonElement::from(&why);
        self.withdraw(content, ContentFailure::NegotiationError(why), reason);
    }

    /// The peer's answer to a request about a content.
    pub(super) fn answered(&mut self, request: &Request, error: Option<&StanzaError>) {
        match (request, error) {
            (Request::Remove(content), Some(error))
                if error.defined_condition == DefinedCondition::FeatureNotImplemented =>
            {
                // Dino's answer: the content stays, and nothing flows by it.
                let idle = ContentRef { creator: content.creator, name: content.name.clone() };
                self.out.inform(self.now, self.ids, SessionInfo::Mute(Some(idle)));
                self.contents.list.keep_idle(content);
                self.out.event(SessionEvent::ContentRemoved { content: content.name.clone(), by_us: true });
            }
            (Request::Modify(content), Some(error))
                if error.defined_condition == DefinedCondition::BadRequest && content.creator == Side::Responder =>
            {
                // Dino's answer: to it the initiator has created every content. Asked so it is not asked again.
                let content = Content { creator: Side::Initiator, ..content.clone() };
                self.request_about(Action::ContentModify, content, Request::Other);
            }
            (Request::Remove(content), _) if self.contents.list.find(content, ContentState::Removing).is_some() => {
                self.report_removed(content, true);
            }
            (Request::Add(content), Some(error)) => self.refused(content, error),
            (Request::AcceptContent(content), Some(error)) => self.answer_refused(content, error),
            _ => {}
        }
    }

    /// The peer, or a server for it, answers our content-add with an error.
    fn refused(&mut self, content: &Content, error: &StanzaError) {
        let Some(content) = self.contents.list.exactly(content) else { return };
        if error.defined_condition == DefinedCondition::Conflict {
            self.drop_content(&content); // The peer's own is on its way.
        } else {
            self.lose(&content, ContentFailure::Refused(describe(error)));
        }
    }

    /// The peer does not know what we have accepted. It may have taken our answer for one to another offer, so it is told.
    fn answer_refused(&mut self, content: &Content, error: &StanzaError) {
        if let Some(content) = self.contents.list.exactly(content) {
            let why = ContentFailure::Refused(describe(error));
            self.withdraw(&content, why, Reason::FailedApplication.into());
        }
    }

    /// The peer did not confirm our removal of a content in time.
    pub(super) fn unconfirmed(&mut self, content: &Content) {
        if self.contents.list.find(content, ContentState::Removing).is_some() {
            self.contents.unanswered(content);
            self.report_removed(content, true);
        }
    }

    /// Gives up contents that have been in one state for too long.
    pub(super) fn handle_timeout(&mut self) {
        for (state, content) in self.contents.list.overdue(self.now) {
            match state {
                ContentState::Adding => self.lose(&content, ContentFailure::Unready),
                ContentState::Accepting => {
                    self.withdraw(&content, ContentFailure::Unready, Reason::MediaError.into());
                }
                ContentState::Connecting => {
                    let why = ContentFailure::Path(TransportFailure::Deadline(timers::CONNECT).into());
                    self.withdraw(&content, why, Reason::ConnectivityError.into());
                }
                ContentState::Offered => self.withdraw(&content, ContentFailure::Silent, Reason::Timeout.into()),
                // These wait for the deadlines of the session and of the request.
                ContentState::Settled | ContentState::Waiting | ContentState::Removing => {}
            }
        }
    }

    /// A transport is lost: true if the session goes on without what travelled by it.
    pub(super) fn survives(&mut self, transport: TransportId, failure: &PathFailure) -> bool {
        let Some(lost) = self.contents.lost_with(transport) else { return false };
        for content in lost {
            let why = ContentFailure::Path(failure.clone());
            self.withdraw(&content, why, Reason::FailedTransport.into());
        }
        true
    }

    fn start(&mut self) {
        start(self.state, self.contents, self.out);
    }

    /// Sends all contents again, to a client that wants it so.
    fn restate(&mut self) {
        if self.out.parties.quirks.wants_full_accept {
            let contents = self.contents.write();
            let accept = Jingle { contents, group: self.contents.group(), ..self.out.jingle(Action::SessionAccept) };
            self.out.request(self.now, self.ids, &accept, Request::Other);
        }
    }

    fn request_about(&mut self, action: Action, content: Content, request: Request) {
        let mut jingle = self.out.jingle_about(action, content);
        if matches!(jingle.action, Action::ContentAdd | Action::ContentAccept) {
            jingle.group = self.contents.group();
        }
        self.out.request(self.now, self.ids, &jingle, request);
    }
}

/// Tells the media layer what is agreed and new; nothing before we have accepted, whatever the peer says about it.
pub(super) fn start(state: &State, contents: &mut SessionContents, out: &mut Signalling) {
    if state.may_flow() {
        let commands = contents.start(out.parties.session);
        out.media(commands);
    }
}

/// The content's name and no more.
fn bare(content: &Content) -> Content {
    Content { creator: content.creator, ..Content::new(&content.name) }
}
