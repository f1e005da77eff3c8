//! What leaves a session, in order: requests that wait for their results, commands to the media layer, events.

use std::collections::VecDeque;
use std::time::Instant;

use jid::Jid;
use muji_xep::jingle::{Action, Content, Jingle};
use muji_xep::session_info::SessionInfo;
use xmpp_parsers::iq::Iq;

use super::state::Request;
use super::types::{SessionEvent, SessionOutput};
use crate::ids::Ids;
use crate::media::MediaCommand;
use crate::parties::SessionParams;
use crate::pending::PendingRequests;

/// The way out of a session, and who is at both its ends.
#[derive(Debug, Clone)]
pub(super) struct Signalling {
    pub(super) parties: SessionParams,
    pub(super) sid: String,
    pub(super) pending: PendingRequests<Request>,
    queue: VecDeque<SessionOutput>,
}

impl Signalling {
    pub(super) fn new(parties: SessionParams, sid: String) -> Self {
        Self { parties, sid, pending: PendingRequests::default(), queue: VecDeque::new() }
    }

    /// A request of this session, with nothing in it yet.
    pub(super) fn jingle(&self, action: Action) -> Jingle {
        Jingle::new(action, &self.sid)
    }

    /// The same about one content: with two Dino does nothing.
    pub(super) fn jingle_about(&self, action: Action, content: Content) -> Jingle {
        Jingle { contents: vec![content], ..self.jingle(action) }
    }

    /// Sends a request to the peer.
    pub(super) fn request(&mut self, now: Instant, ids: &mut Ids, jingle: &Jingle, request: Request) {
        let id = ids.token();
        self.pending.asked(now, &id, request);
        let to = Some(Jid::from(self.parties.peer.clone()));
        self.send(Iq::Set { from: None, to, id, payload: jingle.write() });
    }

    /// Sends a session-info.
    pub(super) fn inform(&mut self, now: Instant, ids: &mut Ids, info: SessionInfo) {
        let jingle = Jingle { info: Some(info), ..self.jingle(Action::SessionInfo) };
        self.request(now, ids, &jingle, Request::Other);
    }

    fn send(&mut self, iq: Iq) {
        self.queue.push_back(SessionOutput::Send(Box::new(iq)));
    }

    pub(super) fn media(&mut self, commands: impl IntoIterator<Item = MediaCommand>) {
        self.queue.extend(commands.into_iter().map(SessionOutput::Media));
    }

    pub(super) fn event(&mut self, event: SessionEvent) {
        self.queue.push_back(SessionOutput::Event(event));
    }

    /// How much waits to be taken, for [`Self::answer_before`].
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Sends the answer to a request before all that follows from it: what was put out after the first `len`.
    pub(super) fn answer_before(&mut self, len: usize, answer: Iq) {
        self.queue.insert(len, SessionOutput::Send(Box::new(answer)));
    }

    pub(super) fn poll_output(&mut self) -> Option<SessionOutput> {
        self.queue.pop_front()
    }
}
