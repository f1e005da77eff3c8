//! Being one of several devices that ring (XEP-0353): whichever picks up first takes the call, the others fall silent.
//!
//! ```text
//!            the user accepts                 the caller offers the session
//!  Ringing ───────────────────► Accepted ─────────────────────────────────► Answered
//!     │                            │ no session in 15 s: another device was first, or the caller is gone
//!     │                            │ or the user changes his mind
//!     └── declined, answered or declined elsewhere, taken back, 90 s ─► Over
//! ```
//!
//! Only the user makes us accept: [`Ring::accept`].

use std::collections::VecDeque;
use std::time::Instant;

use jid::FullJid;
use muji_xep::jingle::Reason;
use muji_xep::jmi::{Because, JingleMessage, MessageKind};
use muji_xep::rtp::Media;

use crate::fork::OutgoingMessage;
use crate::timers;

/// Why a device does not ring any more, and has no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RingStopped {
    /// Another device of the user took the call.
    Elsewhere(FullJid),
    /// On another device the user said no.
    DeclinedElsewhere(FullJid),
    /// The caller does not want to talk any more.
    Cancelled,
    /// It rang for [`timers::RUNG`].
    Expired,
    /// We accepted, and the caller did not offer the session.
    NoOffer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Ringing {
        until: Instant,
    },
    /// `rival`: what another device of ours did at the same time. The caller decides.
    Accepted {
        until: Instant,
        rival: Option<RingStopped>,
    },
    Answered,
    Over,
}

/// A call that somebody proposes to us.
#[derive(Debug, Clone)]
pub struct Ring {
    id: String,
    caller: FullJid,
    media: Vec<Media>,
    state: State,
    queue: VecDeque<OutgoingMessage>,
}

/// Whether the caller learns that there is somebody who could answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alerting {
    /// It hears that it rings.
    Aloud,
    /// It hears nothing before the user has decided.
    Discreet,
}

impl Ring {
    /// The caller's proposal.
    #[must_use]
    pub fn proposed(now: Instant, id: String, caller: FullJid, media: Vec<Media>, manner: Alerting) -> Self {
        let state = State::Ringing { until: now + timers::RUNG };
        let mut this = Self { id, caller, media, state, queue: VecDeque::new() };
        if manner == Alerting::Aloud {
            this.say(MessageKind::Ringing);
        }
        this
    }

    /// The call's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The device that calls.
    #[must_use]
    pub fn caller(&self) -> &FullJid {
        &self.caller
    }

    /// What the caller wants to send.
    #[must_use]
    pub fn media(&self) -> &[Media] {
        &self.media
    }

    /// True while the user has not decided.
    #[must_use]
    pub fn is_ringing(&self) -> bool {
        matches!(self.state, State::Ringing { .. })
    }

    /// The user takes the call.
    pub fn accept(&mut self, now: Instant) {
        if self.is_ringing() {
            self.state = State::Accepted { until: now + timers::OFFER, rival: None };
            self.say(MessageKind::Proceed);
        }
    }

    /// The user does not want to talk, which is told as `busy`: it says the least (XEP-0353 section 6).
    pub fn decline(&mut self) {
        self.reject(Reason::Busy.into());
    }

    /// Tells why there will be no call.
    pub fn reject(&mut self, because: Because) {
        if self.is_ringing() {
            self.state = State::Over;
            self.say(MessageKind::Reject(because));
        }
    }

    /// The user has changed his mind before the session came.
    pub fn give_up(&mut self) {
        if matches!(self.state, State::Accepted { .. }) {
            self.state = State::Over;
            self.say(MessageKind::Finish(Reason::Success.into()));
        }
    }

    /// The caller says something about this call.
    pub fn caller_said(&mut self, word: &MessageKind) -> Option<RingStopped> {
        let waiting = matches!(self.state, State::Ringing { .. } | State::Accepted { .. });
        if !waiting || !matches!(word, MessageKind::Retract(_) | MessageKind::Finish(_)) {
            return None;
        }
        let why = match &self.state {
            State::Accepted { rival: Some(rival), .. } => rival.clone(),
            State::Ringing { .. } | State::Accepted { .. } | State::Answered | State::Over => RingStopped::Cancelled,
        };
        self.state = State::Over;
        Some(why)
    }

    /// Another device of the user says something about this call.
    pub fn device_said(&mut self, device: &FullJid, word: &MessageKind) -> Option<RingStopped> {
        let why = match word {
            MessageKind::Proceed | MessageKind::Accept | MessageKind::Finish(_) => {
                RingStopped::Elsewhere(device.clone())
            }
            MessageKind::Reject(_) => RingStopped::DeclinedElsewhere(device.clone()),
            MessageKind::Propose(_) | MessageKind::Ringing | MessageKind::Retract(_) => return None,
        };
        match &mut self.state {
            State::Ringing { .. } => {
                self.state = State::Over;
                Some(why)
            }
            State::Accepted { rival, .. } => {
                rival.get_or_insert(why);
                None
            }
            State::Answered | State::Over => None,
        }
    }

    /// The caller offers a session. True if it is the one we accepted, which happens once.
    pub fn offered(&mut self, from: &FullJid, sid: &str) -> bool {
        let ours = matches!(self.state, State::Accepted { .. }) && *from == self.caller && sid == self.id;
        if ours {
            self.state = State::Answered;
        }
        ours
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<RingStopped> {
        self.poll_timeout().filter(|until| *until <= now)?;
        let why = match &self.state {
            State::Ringing { .. } => RingStopped::Expired,
            State::Accepted { rival: Some(rival), .. } => rival.clone(),
            State::Accepted { rival: None, .. } | State::Answered | State::Over => RingStopped::NoOffer,
        };
        self.state = State::Over;
        Some(why)
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Ringing { until } | State::Accepted { until, .. } => Some(until),
            State::Answered | State::Over => None,
        }
    }

    /// The next thing to say. Take all after each input.
    pub fn poll_output(&mut self) -> Option<OutgoingMessage> {
        self.queue.pop_front()
    }

    fn say(&mut self, word: MessageKind) {
        let message = JingleMessage::new(&self.id, word);
        self.queue.push_back(OutgoingMessage { to: self.caller.clone().into(), message });
    }
}
