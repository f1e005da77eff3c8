//! Calling every device of somebody at once: the first to pick up wins (XEP-0353).
//!
//! ```text
//!              a device says ringing             a device says proceed
//!  Proposed ──────────────────────► Proposed ──────────────────────────► PickedUp(device)
//!     │                                                                     │ a later proceed is taken back
//!     └── rejected, cancelled, nobody in 60 s, another proposal wins ─► Over
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use muji_xep::jingle::{Reason, Why};
use muji_xep::jmi::{Because, JingleMessage, MessageKind};
use muji_xep::rtp::Media;

use crate::timers;

/// Devices of one person that are told apart. More are called, and not shown.
pub const MAX_DEVICES: usize = 32;

/// Something to be said, in a message of type chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// To whom: one device, or all of somebody.
    pub to: Jid,
    /// What.
    pub message: JingleMessage,
}

/// How a device takes the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// It asks its user.
    Rings,
    /// It was the first to pick up.
    PickedUp,
    /// It picked up when another had.
    Late,
    /// Its user said no.
    Declined,
}

/// What happened to a call that was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForkEvent {
    /// A device rings, and did not before.
    Rings(FullJid),
    /// This device takes the call: it waits for the session.
    PickedUp(FullJid),
    /// The call came to nothing.
    Over(Unanswered),
}

/// Why nobody picked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// On this device the user said no, or is busy, which few clients tell apart.
    Declined(FullJid, Option<Why>),
    /// Both called at once and the other call lives, but it has not come.
    TieBreak(FullJid),
    /// Nobody did anything for [`timers::RING`].
    Nobody,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Proposed { until: Instant },
    PickedUp(FullJid),
    Over,
}

/// A call to all devices of somebody.
#[derive(Debug, Clone)]
pub struct Fork {
    id: String,
    callee: BareJid,
    state: State,
    devices: BTreeMap<FullJid, Device>,
    queue: VecDeque<OutgoingMessage>,
}

impl Fork {
    /// Rings all devices of `callee`. The session with the one that picks up has the same id.
    #[must_use]
    pub fn propose(now: Instant, id: String, callee: BareJid, media: Vec<Media>) -> Self {
        let state = State::Proposed { until: now + timers::RING };
        let mut this = Self { id, callee, state, devices: BTreeMap::new(), queue: VecDeque::new() };
        this.say(this.callee.clone().into(), MessageKind::Propose(media));
        this
    }

    /// The call's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// True while nobody has picked up.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Proposed { .. })
    }

    /// How each device takes it.
    pub fn devices(&self) -> impl Iterator<Item = (&FullJid, Device)> {
        self.devices.iter().map(|(device, state)| (device, *state))
    }

    /// A device of the callee says something about this call.
    pub fn heard(&mut self, from: &FullJid, word: &MessageKind) -> Option<ForkEvent> {
        match (word, &self.state) {
            (MessageKind::Ringing, State::Proposed { .. }) => {
                let news = !self.devices.contains_key(from) && self.devices.len() < MAX_DEVICES;
                self.is(from, Device::Rings);
                news.then(|| ForkEvent::Rings(from.clone()))
            }
            (MessageKind::Proceed | MessageKind::Accept, State::Proposed { .. }) => {
                self.is(from, Device::PickedUp);
                self.state = State::PickedUp(from.clone());
                Some(ForkEvent::PickedUp(from.clone()))
            }
            // Of two that pick up at once one is late, and must not wait for a session.
            (MessageKind::Proceed | MessageKind::Accept, State::PickedUp(first)) if first != from => {
                self.is(from, Device::Late);
                self.say(from.clone().into(), MessageKind::Retract(Reason::Expired.into()));
                None
            }
            (MessageKind::Reject(because), State::Proposed { .. }) => {
                self.is(from, Device::Declined);
                self.state = State::Over;
                Some(ForkEvent::Over(match because.tie_break {
                    true => Unanswered::TieBreak(from.clone()),
                    false => Unanswered::Declined(from.clone(), because.why.clone()),
                }))
            }
            (
                MessageKind::Ringing
                | MessageKind::Proceed
                | MessageKind::Accept
                | MessageKind::Reject(_)
                | MessageKind::Propose(_)
                | MessageKind::Retract(_)
                | MessageKind::Finish(_),
                _,
            ) => None,
        }
    }

    /// The user does not want to wait any more, or the other's proposal takes this one's place.
    pub fn retract(&mut self, because: Because) {
        if self.is_open() {
            self.state = State::Over;
            self.say(self.callee.clone().into(), MessageKind::Retract(because));
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ForkEvent> {
        self.poll_timeout().filter(|until| *until <= now)?;
        self.retract(Reason::Expired.into());
        Some(ForkEvent::Over(Unanswered::Nobody))
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Proposed { until } => Some(until),
            State::PickedUp(_) | State::Over => None,
        }
    }

    /// The next thing to say. Take all after each input.
    pub fn poll_output(&mut self) -> Option<OutgoingMessage> {
        self.queue.pop_front()
    }

    fn is(&mut self, device: &FullJid, state: Device) {
        if self.devices.len() < MAX_DEVICES || self.devices.contains_key(device) {
            self.devices.insert(device.clone(), state);
        }
    }

    fn say(&mut self, to: Jid, word: MessageKind) {
        self.queue.push_back(OutgoingMessage { to, message: JingleMessage::new(&self.id, word) });
    }
}
