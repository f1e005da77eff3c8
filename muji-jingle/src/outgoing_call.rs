//! Calling every device of a person at once: the first to answer takes the call (XEP-0353).
//!
//! ```text
//!              a device sends ringing            a device sends proceed
//!  Proposed ──────────────────────► Proposed ──────────────────────────► PickedUp(device)
//!     │                                                                     │ a later proceed is taken back
//!     └── rejected, cancelled, nobody in 60 s, another proposal wins ─► Over
//! ```
//!
//! What becomes of one copy is not what becomes of the call: a server returns the copy of a device whose stream it had kept for
//! resumption and gives up now (XEP-0198), while another device rings. So an error ends the call only if no device is heard, and only
//! after [`timers::UNDELIVERED`].

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use muji_xep::jingle::{Reason, ReasonElement};
use muji_xep::jmi::{JingleMessage, MessageKind, MessageReason};
use muji_xep::rtp::Media;

use crate::timers;

/// Devices of one person that are shown. More may ring and answer.
pub const MAX_DEVICES: usize = 32;

/// A Jingle message to send, in a stanza of type chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// To whom: one device, or all of a person.
    pub to: Jid,
    /// The message.
    pub message: JingleMessage,
}

/// How a device takes the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// It asks its user.
    Rings,
    /// It was the first to pick up.
    PickedUp,
    /// It answered after another device had.
    Late,
    /// Its user declined.
    Declined,
}

/// What happened to a call that was placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutgoingCallEvent {
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
    /// On this device the user declined or is busy; few clients distinguish these.
    Declined(FullJid, Option<ReasonElement>),
    /// Both called at once and the other call goes on, but it has not come.
    TieBreak(FullJid),
    /// No device answered within [`timers::CALLING`].
    Nobody,
    /// The proposal was returned with this condition (RFC 6120 section 8.3.3), and no device was heard.
    Undelivered(String),
}

/// What an error for the proposal means for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// Perhaps it has reached nobody: the call ends unless a device is heard.
    Perhaps,
    /// One copy of it is lost; the call goes on.
    OneCopy,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// `returned`: why the proposal came back before any device was heard.
    Proposed {
        until: Instant,
        returned: Option<ReturnedProposal>,
    },
    PickedUp(FullJid),
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ReturnedProposal {
    condition: String,
    /// When it counts as delivered to nobody.
    ends_at: Instant,
}

/// A call to all devices of a person.
#[derive(Debug, Clone)]
pub struct OutgoingCall {
    id: String,
    callee: BareJid,
    state: State,
    devices: BTreeMap<FullJid, Device>,
    queue: VecDeque<OutgoingMessage>,
}

impl OutgoingCall {
    /// Rings all devices of `callee`. The session with the one that picks up has the same id.
    #[must_use]
    pub fn propose(now: Instant, id: String, callee: BareJid, media: Vec<Media>) -> Self {
        let state = State::Proposed { until: now + timers::CALLING, returned: None };
        let mut this = Self { id, callee, state, devices: BTreeMap::new(), queue: VecDeque::new() };
        this.send(this.callee.clone().into(), MessageKind::Propose(media));
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

    /// A device of the callee sends a message about this call.
    pub fn handle_message(&mut self, from: &FullJid, kind: &MessageKind) -> Option<OutgoingCallEvent> {
        match (kind, &mut self.state) {
            (MessageKind::Ringing, State::Proposed { returned, .. }) => {
                *returned = None;
                let is_new = !self.devices.contains_key(from) && self.devices.len() < MAX_DEVICES;
                self.set_state(from, Device::Rings);
                is_new.then(|| OutgoingCallEvent::Rings(from.clone()))
            }
            (MessageKind::Proceed | MessageKind::Accept, State::Proposed { .. }) => {
                self.set_state(from, Device::PickedUp);
                self.state = State::PickedUp(from.clone());
                Some(OutgoingCallEvent::PickedUp(from.clone()))
            }
            // Of two devices that answer at once one is late, and must not wait for a session.
            (MessageKind::Proceed | MessageKind::Accept, State::PickedUp(first)) if first != from => {
                self.set_state(from, Device::Late);
                self.send(from.clone().into(), MessageKind::Retract(Reason::Expired.into()));
                None
            }
            (MessageKind::Reject(because), State::Proposed { .. }) => {
                self.set_state(from, Device::Declined);
                self.state = State::Over;
                Some(OutgoingCallEvent::Over(if because.tie_break {
                    Unanswered::TieBreak(from.clone())
                } else {
                    Unanswered::Declined(from.clone(), because.why.clone())
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

    /// The proposal, or a copy of it, was returned by `from`: a server in the name of the account, or one device.
    pub fn handle_error(&mut self, now: Instant, from: &Jid, condition: String) -> Returned {
        match &mut self.state {
            State::Proposed { returned, .. } if from.is_bare() && self.devices.is_empty() => {
                returned.get_or_insert(ReturnedProposal { condition, ends_at: now + timers::UNDELIVERED });
                Returned::Perhaps
            }
            State::Proposed { .. } | State::PickedUp(_) | State::Over => Returned::OneCopy,
        }
    }

    /// The user does not want to wait any more, or the other side's proposal takes the place of this one.
    pub fn retract(&mut self, because: MessageReason) {
        if self.is_open() {
            self.state = State::Over;
            self.send(self.callee.clone().into(), MessageKind::Retract(because));
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<OutgoingCallEvent> {
        self.poll_timeout().filter(|until| *until <= now)?;
        let why = match &mut self.state {
            State::Proposed { returned: Some(returned), .. } => {
                Unanswered::Undelivered(std::mem::take(&mut returned.condition))
            }
            State::Proposed { returned: None, .. } | State::PickedUp(_) | State::Over => Unanswered::Nobody,
        };
        self.retract(Reason::Expired.into()); // A device may ring all the same.
        Some(OutgoingCallEvent::Over(why))
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Proposed { until, returned } => {
                Some(returned.as_ref().map_or(*until, |returned| returned.ends_at.min(*until)))
            }
            State::PickedUp(_) | State::Over => None,
        }
    }

    /// The next message to send. Take all after each input.
    pub fn poll_output(&mut self) -> Option<OutgoingMessage> {
        self.queue.pop_front()
    }

    fn set_state(&mut self, device: &FullJid, state: Device) {
        if self.devices.len() < MAX_DEVICES || self.devices.contains_key(device) {
            self.devices.insert(device.clone(), state);
        }
    }

    fn send(&mut self, to: Jid, kind: MessageKind) {
        self.queue.push_back(OutgoingMessage { to, message: JingleMessage::new(&self.id, kind) });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::timers::epoch;

    const JULIET: &str = "juliet@capulet.example";

    fn device(name: &str) -> FullJid {
        format!("{JULIET}/{name}").parse().expect("a full JID")
    }

    fn callee() -> Jid {
        JULIET.parse().expect("a JID")
    }

    /// A call to Juliet whose proposal has gone out.
    fn proposed() -> OutgoingCall {
        let callee = JULIET.parse().expect("a bare JID");
        let mut call = OutgoingCall::propose(epoch(), "call".to_owned(), callee, vec![Media::Audio]);
        assert_eq!(sent(&mut call), [(JULIET.parse().expect("a JID"), MessageKind::Propose(vec![Media::Audio]))]);
        call
    }

    fn sent(call: &mut OutgoingCall) -> Vec<(Jid, MessageKind)> {
        let messages = std::iter::from_fn(|| call.poll_output());
        let kinds = messages.map(|OutgoingMessage { to, message }| {
            assert_eq!(message.id, "call");
            (to, message.kind)
        });
        kinds.collect()
    }

    fn devices(call: &OutgoingCall) -> Vec<(FullJid, Device)> {
        call.devices().map(|(device, state)| (device.clone(), state)).collect()
    }

    #[test]
    fn all_devices_are_called_by_one_message_and_the_call_waits_for_them() {
        let call = proposed();
        assert_eq!(call.id(), "call");
        assert!(call.is_open() && devices(&call).is_empty());
        assert_eq!(call.poll_timeout(), Some(epoch() + timers::CALLING));
    }

    #[test]
    fn a_device_that_rings_is_told_once() {
        let mut call = proposed();
        let phone = device("phone");
        assert_eq!(call.handle_message(&phone, &MessageKind::Ringing), Some(OutgoingCallEvent::Rings(phone.clone())));
        assert_eq!(call.handle_message(&phone, &MessageKind::Ringing), None);
        assert_eq!(devices(&call), [(phone, Device::Rings)]);
    }

    #[test]
    fn more_devices_than_are_told_apart_are_not_shown_and_may_answer() {
        let mut call = proposed();
        let all: Vec<FullJid> = (0..=MAX_DEVICES).map(|number| device(&format!("{number:02}"))).collect();
        let told = all.iter().filter(|device| call.handle_message(device, &MessageKind::Ringing).is_some());
        assert_eq!(told.count(), MAX_DEVICES);
        assert_eq!(devices(&call).len(), MAX_DEVICES);
        let last = &all[MAX_DEVICES];
        assert_eq!(call.handle_message(last, &MessageKind::Proceed), Some(OutgoingCallEvent::PickedUp(last.clone())));
        let first = &all[0];
        assert_eq!(call.handle_message(first, &MessageKind::Proceed), None);
        assert_eq!(devices(&call)[0], (first.clone(), Device::Late), "a known one is shown when it changes");
    }

    #[test]
    fn the_first_device_to_answer_takes_the_call_and_a_later_one_is_told() {
        for kind in [MessageKind::Proceed, MessageKind::Accept] {
            let mut call = proposed();
            let (phone, laptop) = (device("phone"), device("laptop"));
            assert_eq!(call.handle_message(&phone, &kind), Some(OutgoingCallEvent::PickedUp(phone.clone())));
            assert!(!call.is_open() && call.poll_timeout().is_none());
            assert_eq!(call.handle_message(&phone, &kind), None, "Dino says both words");
            assert_eq!(sent(&mut call), []);
            assert_eq!(call.handle_message(&laptop, &kind), None);
            let expired = MessageKind::Retract(Reason::Expired.into());
            assert_eq!(sent(&mut call), [(laptop.clone().into(), expired)]);
            assert_eq!(devices(&call), [(laptop, Device::Late), (phone, Device::PickedUp)]);
        }
    }

    #[test]
    fn a_device_that_declines_ends_the_call_for_all() {
        let phone = device("phone");
        let busy = MessageReason::from(Reason::Busy);
        let declined = Unanswered::Declined(phone.clone(), busy.why.clone());
        let other_call = Unanswered::TieBreak(phone.clone());
        for (because, why) in [(busy, declined), (MessageReason::tie_break(), other_call)] {
            let mut call = proposed();
            let reject = MessageKind::Reject(because);
            assert_eq!(call.handle_message(&phone, &reject), Some(OutgoingCallEvent::Over(why)));
            assert_eq!(devices(&call), [(phone.clone(), Device::Declined)]);
            assert!(!call.is_open() && sent(&mut call).is_empty());
            assert_eq!(call.handle_message(&phone, &reject), None, "it is over already");
            assert_eq!(call.handle_message(&device("laptop"), &MessageKind::Proceed), None);
        }
    }

    #[test]
    fn what_only_a_caller_says_changes_nothing() {
        let callers = [
            MessageKind::Propose(vec![Media::Audio]),
            MessageKind::Retract(MessageReason::default()),
            MessageKind::Finish(MessageReason::default()),
        ];
        for kind in callers {
            let mut call = proposed();
            assert_eq!(call.handle_message(&device("phone"), &kind), None);
            assert!(call.is_open() && devices(&call).is_empty());
        }
    }

    #[test]
    fn a_call_is_taken_back_from_all_devices_while_nobody_has_answered() {
        let mut call = proposed();
        call.retract(Reason::Cancel.into());
        assert_eq!(sent(&mut call), [(callee(), MessageKind::Retract(Reason::Cancel.into()))]);
        assert!(!call.is_open());
        call.retract(Reason::Cancel.into());
        assert_eq!(sent(&mut call), []);
    }

    const GONE: &str = "service-unavailable";

    fn undelivered() -> Option<OutgoingCallEvent> {
        Some(OutgoingCallEvent::Over(Unanswered::Undelivered(GONE.to_owned())))
    }

    #[test]
    fn a_returned_proposal_ends_the_call_if_no_device_is_heard_and_is_taken_back() {
        let mut call = proposed();
        assert_eq!(call.handle_error(epoch(), &callee(), GONE.to_owned()), Returned::Perhaps);
        let due = epoch() + timers::UNDELIVERED;
        assert_eq!(call.handle_error(due, &callee(), "gone".to_owned()), Returned::Perhaps, "the first counts");
        assert_eq!(call.handle_timeout(due - Duration::from_millis(1)), None);
        assert_eq!(call.handle_timeout(due), undelivered());
        assert_eq!(sent(&mut call), [(callee(), MessageKind::Retract(Reason::Expired.into()))]);
        assert_eq!(call.handle_error(due, &callee(), GONE.to_owned()), Returned::OneCopy, "it is over already");
    }

    #[test]
    fn a_copy_that_comes_back_does_not_end_a_call_that_rings_elsewhere() {
        let phone = device("phone");
        let mut before = proposed();
        before.handle_error(epoch(), &callee(), GONE.to_owned());
        before.handle_message(&phone, &MessageKind::Ringing);
        let mut after = proposed();
        after.handle_message(&phone, &MessageKind::Ringing);
        assert_eq!(after.handle_error(epoch(), &callee(), GONE.to_owned()), Returned::OneCopy);
        for mut call in [before, after] {
            assert_eq!(call.poll_timeout(), Some(epoch() + timers::CALLING));
            let picked_up = Some(OutgoingCallEvent::PickedUp(phone.clone()));
            assert_eq!(call.handle_message(&phone, &MessageKind::Proceed), picked_up);
        }
    }

    #[test]
    fn a_device_that_does_not_know_such_calls_speaks_for_itself_alone() {
        let mut call = proposed();
        assert_eq!(call.handle_error(epoch(), &device("bot").into(), GONE.to_owned()), Returned::OneCopy);
        assert_eq!(call.poll_timeout(), Some(epoch() + timers::CALLING));
    }

    #[test]
    fn an_error_late_in_the_call_does_not_prolong_it() {
        let mut call = proposed();
        let late = epoch() + timers::CALLING - Duration::from_secs(1);
        call.handle_error(late, &callee(), GONE.to_owned());
        assert_eq!(call.handle_timeout(epoch() + timers::CALLING), undelivered());
    }

    #[test]
    fn a_call_that_nobody_answers_is_taken_back_in_time() {
        let mut call = proposed();
        let due = epoch() + timers::CALLING;
        assert_eq!(call.handle_timeout(due - Duration::from_millis(1)), None);
        assert_eq!(sent(&mut call), []);
        assert_eq!(call.handle_timeout(due), Some(OutgoingCallEvent::Over(Unanswered::Nobody)));
        assert_eq!(sent(&mut call), [(callee(), MessageKind::Retract(Reason::Expired.into()))]);
        assert_eq!(call.handle_timeout(due), None);
    }
}
