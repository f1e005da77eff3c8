//! Who hears whom: how we stand with each participant, since when, and what is being done about it.

use std::time::{Duration, Instant};

use muji_jingle::{End, SessionId, SessionQuirks};
use muji_xep::ns;
use muji_xep::rtp::Media;
use xmpp_parsers::minidom::Element;

use crate::config;
use crate::event::Peer;
use crate::trust::{Fingerprint, Verification};

/// How we stand with another participant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairState {
    /// It chooses what it will send.
    Preparing,
    /// It said what it sends; there is no session yet.
    Announced,
    /// Our offer waits for its answer.
    Offered,
    /// Both sides agreed; the transports connect.
    Connecting,
    /// The transports work, and nothing was heard yet.
    Connected,
    /// Its sound or picture arrives.
    Flowing,
    /// Nothing arrives for now.
    Interrupted,
    /// There is no session.
    Failed(End),
}

impl PairState {
    /// True once its transports work, whatever comes by them just now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected | Self::Flowing | Self::Interrupted)
    }
}

/// What is done about a pair that is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing needs to be done, or nothing more can be.
    Nothing,
    /// It is the other's turn to call; if it does not, we do.
    TheirTurn {
        /// When we do.
        until: Instant,
    },
    /// We call again.
    CallAgain {
        /// When.
        at: Instant,
        /// The first, second or third time.
        attempt: usize,
    },
    /// Its client takes no second call: one of the two must leave the call and join again.
    NeedsRejoin,
}

/// Another participant as we see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Who.
    pub peer: Peer,
    /// What it sends, by the names that the room knows.
    pub contents: Vec<(String, Media)>,
    /// How we stand with it.
    pub state: PairState,
    /// Since when.
    pub since: Instant,
    /// What is done about it.
    pub recovery: Recovery,
    /// Whose certificate it shows.
    pub verification: Verification,
    /// The certificate, as SHA-256, once it is known; see [`crate::Engine::pin`].
    pub certificate: Option<Fingerprint>,
}

/// What a participant's client cannot do, known by the node of its entity capabilities (XEP-0115).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClientQuirks {
    /// It takes another offer after one that came to nothing.
    pub(crate) can_redial: bool,
    /// How long after the room repeated our contents it may be called; `None`: right behind our sending them.
    pub(crate) call_after: Option<Duration>,
    /// What it does in sessions in its own way.
    pub(crate) habits: SessionQuirks,
}

impl ClientQuirks {
    const USUAL: Self =
        Self { can_redial: true, call_after: None, habits: SessionQuirks { restates: false, restarts: true } };

    /// The profile of whoever sends this presence; `None` if it does not say who made the client, which means nothing
    /// (XEP-0115 section 8.4).
    pub(crate) fn find(payloads: &[Element]) -> Option<Self> {
        let caps = payloads.iter().find(|payload| payload.is("c", ns::CAPS))?;
        Some(match caps.attr("node").unwrap_or_default().trim_end_matches('/') {
            // Parks a second offer until it sees us join anew, and hangs up with its last session; takes other credentials for
            // candidates of the old ones.
            "https://dino.im" => {
                let habits = SessionQuirks { restarts: false, ..Self::USUAL.habits };
                Self { can_redial: false, habits, ..Self::USUAL }
            }
            // Drops an offer that comes before our presence, which takes a way of its own.
            "https://movim.eu" => {
                let habits = SessionQuirks { restates: true, ..Self::USUAL.habits };
                Self { call_after: Some(config::MOVIM_GRACE), habits, ..Self::USUAL }
            }
            _ => Self::USUAL,
        })
    }
}

impl Default for ClientQuirks {
    fn default() -> Self {
        Self::USUAL
    }
}

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
    /// A repair: every regular offer of the peer's wins against it.
    OutOfTurn,
}

/// A participant and our session with it.
#[derive(Debug, Clone)]
pub(crate) struct Participant {
    pub(crate) nick: String,
    pub(crate) profile: ClientQuirks,
    pub(crate) session: Option<SessionId>,
    pub(crate) state: PairState,
    pub(crate) since: Instant,
    /// When we call (again), unless there is a session by then.
    pub(crate) call: Option<PlannedCall>,
    /// Repairs since the last success.
    pub(crate) repairs: usize,
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
    pub(crate) fn new(now: Instant, nick: &str, profile: ClientQuirks) -> Self {
        Self {
            nick: nick.to_owned(),
            profile,
            session: None,
            state: PairState::Announced,
            since: now,
            call: None,
            repairs: 0,
            ours: Vec::new(),
            share_at: None,
            had: Vec::new(),
            dropped: Vec::new(),
            ends_at: None,
            not_in_room: false,
            verification: Verification::Unverified,
        }
    }

    /// Its state is another one now.
    pub(crate) fn is(&mut self, now: Instant, state: PairState) {
        if self.state != state {
            (self.state, self.since) = (state, now);
        }
    }

    /// True while another repair may be tried.
    pub(crate) fn may_repair(&self) -> bool {
        self.repairs < config::REDIAL.len()
    }

    /// A failure: after a pause we call again, if the peer takes another call and there were not too many.
    pub(crate) fn repair(&mut self, now: Instant) {
        if let Some(pause) = config::REDIAL.get(self.repairs).filter(|_| self.profile.can_redial) {
            self.repair_at(now + *pause);
        }
    }

    /// Calls at this time, out of turn.
    pub(crate) fn repair_at(&mut self, at: Instant) {
        self.call = Some(PlannedCall { at, turn: Turn::OutOfTurn });
    }

    /// What is being done about the pair.
    pub(crate) fn recovery(&self) -> Recovery {
        let failed = matches!(self.state, PairState::Failed(_));
        match self.call {
            Some(PlannedCall { at, turn: Turn::OutOfTurn }) if self.repairs == 0 && !failed => {
                Recovery::TheirTurn { until: at }
            }
            Some(PlannedCall { at, .. }) => Recovery::CallAgain { at, attempt: self.repairs + 1 },
            None if failed && !self.profile.can_redial => Recovery::NeedsRejoin,
            None => Recovery::Nothing,
        }
    }
}
