//! Leaving: first the presence, then the sessions, then silence (XEP-0272 section 6).

use muji_jingle::{Mute, SessionId};
use muji_xep::jingle::Reason;
use xmpp_parsers::presence::Type;

use super::{Conference, Cx, Stage};
use crate::config;
use crate::error::{Over, RoomFault};
use crate::event::Event;

impl Conference {
    /// The user leaves.
    pub(crate) fn leave(&mut self, cx: &mut Cx<'_>) {
        self.withdraw(cx, Over::Left, &Reason::Success);
    }

    /// The stream is another one, or none: the room has forgotten us.
    pub(crate) fn disconnected(&mut self, cx: &mut Cx<'_>) {
        self.end_sessions(cx, &Reason::Gone);
        self.finish(cx, Over::Disconnected);
    }

    /// There is nothing to send or hear with.
    pub(crate) fn media_gone(&mut self, cx: &mut Cx<'_>) {
        self.withdraw(cx, Over::MediaGone, &Reason::MediaError);
    }

    pub(super) fn fail(&mut self, cx: &mut Cx<'_>, fault: RoomFault) {
        self.withdraw(cx, Over::Room(fault), &Reason::Gone);
    }

    /// First the presence, then the sessions (XEP-0272 section 6), then silence.
    pub(super) fn withdraw(&mut self, cx: &mut Cx<'_>, why: Over, reason: &Reason) {
        match self.stage {
            Stage::Leaving { .. } | Stage::Over => return,
            Stage::Closed { .. } => return self.finish(cx, why), // We are not in, so there is nothing to leave.
            Stage::Entering { .. } | Stage::Settling { .. } | Stage::Publishing { .. } | Stage::Active => {}
        }
        self.present(cx, Type::Unavailable, Vec::new());
        self.end_sessions(cx, reason);
        self.stage = Stage::Leaving { until: cx.now + config::LEAVING, why };
    }

    pub(super) fn end_sessions(&mut self, cx: &mut Cx<'_>, reason: &Reason) {
        for content in std::mem::take(&mut self.contents) {
            self.capture(cx, &content, Mute::On);
        }
        self.partners.clear();
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in sessions {
            self.with_session(cx, id, |session, cx| session.end(cx.now, cx.ids, reason.clone()));
        }
    }

    pub(super) fn finish(&mut self, cx: &mut Cx<'_>, why: Over) {
        self.stage = Stage::Over;
        self.event(cx, Event::Ended(why));
    }
}
