//! Another participant of the call: its state, when we call it, and what is done if its session fails.

use std::time::Instant;

use muji_jingle::SessionId;
use muji_xep::jingle::Content;
use muji_xep::rtp::Media;

use crate::client_quirks::ClientQuirks;
use crate::config;
use crate::pair::{PairState, Recovery};
use crate::trust::Verification;

/// When we call, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannedCall {
    pub(crate) at: Instant,
    pub(crate) turn: Turn,
}

/// Whether a call is one the rules give us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// We came later, so we call.
    Ours,
    /// A recovery: every regular offer of the peer's wins against it.
    OutOfTurn,
}

/// A participant and our session with it.
#[derive(Debug, Clone)]
pub(crate) struct Participant {
    pub(crate) nick: String,
    pub(crate) quirks: ClientQuirks,
    pub(crate) session: Option<SessionId>,
    pub(crate) state: PairState,
    pub(crate) since: Instant,
    /// When we call (again), unless there is a session by then.
    pub(crate) call: Option<PlannedCall>,
    /// Repairs since the last success.
    pub(crate) recoveries: usize,
    /// Media that we published after it did: ours to add to the session.
    pub(crate) ours: Vec<Media>,
    /// When we add what was the other's to add.
    pub(crate) share_at: Option<Instant>,
    /// Media that it has published.
    pub(crate) had: Vec<Media>,
    /// What it has published no more, and when we stop sending it too.
    pub(crate) dropped: Vec<(Media, Instant)>,
    /// Its presence lost Muji, or the room was lost; the session ends then.
    pub(crate) ends_at: Option<Instant>,
    /// We have talked since before the room, and it is not there (yet).
    pub(crate) not_in_room: bool,
    pub(crate) verification: Verification,
}

impl Participant {
    pub(crate) fn new(now: Instant, nick: &str, quirks: ClientQuirks) -> Self {
        Self {
            nick: nick.to_owned(),
            quirks,
            session: None,
            state: PairState::Announced,
            since: now,
            call: None,
            recoveries: 0,
            ours: Vec::new(),
            share_at: None,
            had: Vec::new(),
            dropped: Vec::new(),
            ends_at: None,
            not_in_room: false,
            verification: Verification::Unverified,
        }
    }

    pub(crate) fn set_state(&mut self, now: Instant, state: PairState) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }

    /// It describes what it has; `before` is what it described the last time in this stay.
    pub(crate) fn describes(&mut self, now: Instant, contents: &[(String, Media)], before: Option<&[Content]>) {
        let dropped = self.had.extract_if(.., |media| contents.iter().all(|(_, of)| of != media));
        self.dropped.extend(dropped.map(|media| (media, now + config::STALE_PRESENCE)));
        self.had = contents.iter().map(|(_, media)| media.clone()).collect();
        // What it did not have the last time comes after ours now.
        let had = |media: &Media| before.is_some_and(|before| before.iter().any(|it| it.media() == Some(media)));
        self.ours.retain(had);
    }

    /// When something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let drops = self.dropped.iter().map(|(_, at)| *at);
        let call = self.call.map(|due| due.at);
        drops.chain(call).chain(self.share_at).chain(self.ends_at).min()
    }

    /// True while another recovery may be tried.
    pub(crate) fn may_recover(&self) -> bool {
        self.recoveries < config::REDIAL.len()
    }

    /// A failure: after a pause we call again, if the peer takes another call and there were not too many.
    pub(crate) fn plan_recovery(&mut self, now: Instant) {
        if let Some(pause) = config::REDIAL.get(self.recoveries).filter(|_| self.quirks.takes_another_offer) {
            self.recover_at(now + *pause);
        }
    }

    /// Calls at this time, out of turn.
    pub(crate) fn recover_at(&mut self, at: Instant) {
        self.call = Some(PlannedCall { at, turn: Turn::OutOfTurn });
    }

    /// What is being done about the pair.
    pub(crate) fn recovery(&self) -> Recovery {
        let failed = matches!(self.state, PairState::Failed(_));
        match self.call {
            Some(PlannedCall { at, turn: Turn::OutOfTurn }) if self.recoveries == 0 && !failed => {
                Recovery::TheirTurn { until: at }
            }
            Some(PlannedCall { at, .. }) => Recovery::CallAgain { at, attempt: self.recoveries + 1 },
            None if failed && !self.quirks.takes_another_offer => Recovery::NeedsRejoin,
            None => Recovery::Nothing,
        }
    }
}
