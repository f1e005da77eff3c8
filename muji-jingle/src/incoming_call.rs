//! Being one of several devices that ring (XEP-0353): the first one to answer takes the call, the others stop ringing.
//!
//! ```text
//!            the user accepts                 the caller offers the session
//!  Ringing ───────────────────► Accepted ─────────────────────────────────► Answered
//!     │                            │ no session in 15 s: another device was first, or the caller is gone
//!     │                            │ or the user cancels
//!     └── declined, answered or declined elsewhere, taken back, 90 s ─► Over
//! ```
//!
//! Only the user makes us accept: [`IncomingCall::accept`].

use std::collections::VecDeque;
use std::time::Instant;

use jid::FullJid;
use muji_xep::jingle::Reason;
use muji_xep::jmi::{JingleMessage, MessageKind, MessageReason};
use muji_xep::rtp::Media;

use crate::outgoing_call::OutgoingMessage;
use crate::timers;

/// Why a device does not ring any more, and has no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RingStopped {
    /// Another device of the user took the call.
    Elsewhere(FullJid),
    /// On another device the user declined.
    DeclinedElsewhere(FullJid),
    /// The caller does not want to talk any more.
    Cancelled,
    /// It rang for [`timers::RINGING`].
    Expired,
    /// We accepted, and the caller did not offer the session.
    NoOffer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Ringing {
        until: Instant,
    },
    /// `rival`: what another device of the user did at the same time. The caller decides between them.
    Accepted {
        until: Instant,
        rival: Option<RingStopped>,
    },
    Answered,
    Over,
}

/// A call that another person proposes to us.
#[derive(Debug, Clone)]
pub struct IncomingCall {
    id: String,
    caller: FullJid,
    media: Vec<Media>,
    state: State,
    queue: VecDeque<OutgoingMessage>,
}

/// Whether the caller learns that a device rings, and with it that its user is online.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingingReply {
    /// It learns that the device rings.
    Sent,
    /// It learns nothing before the user has decided.
    Withheld,
}

impl IncomingCall {
    /// The caller's proposal.
    #[must_use]
    pub fn proposed(now: Instant, id: String, caller: FullJid, media: Vec<Media>, alerting: RingingReply) -> Self {
        let state = State::Ringing { until: now + timers::RINGING };
        let mut this = Self { id, caller, media, state, queue: VecDeque::new() };
        if alerting == RingingReply::Sent {
            this.send(MessageKind::Ringing);
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
            self.send(MessageKind::Proceed);
        }
    }

    /// The user does not want to talk. The caller is told `busy`, which reveals least (XEP-0353 section 6).
    pub fn decline(&mut self) {
        self.reject(Reason::Busy.into());
    }

    /// Tells the caller why there will be no call.
    pub fn reject(&mut self, because: MessageReason) {
        if self.is_ringing() {
            self.state = State::Over;
            self.send(MessageKind::Reject(because));
        }
    }

    /// The user cancels before the session came.
    pub fn give_up(&mut self) {
        if matches!(self.state, State::Accepted { .. }) {
            self.state = State::Over;
            self.send(MessageKind::Finish(Reason::Success.into()));
        }
    }

    /// The caller sends a message about this call.
    pub fn handle_caller(&mut self, kind: &MessageKind) -> Option<RingStopped> {
        let waiting = matches!(self.state, State::Ringing { .. } | State::Accepted { .. });
        if !waiting || !matches!(kind, MessageKind::Retract(_) | MessageKind::Finish(_)) {
            return None;
        }
        let why = match &self.state {
            State::Accepted { rival: Some(rival), .. } => rival.clone(),
            State::Ringing { .. } | State::Accepted { .. } | State::Answered | State::Over => RingStopped::Cancelled,
        };
        self.state = State::Over;
        Some(why)
    }

    /// Another device of the user sends a message about this call.
    pub fn handle_device(&mut self, device: &FullJid, kind: &MessageKind) -> Option<RingStopped> {
        let why = match kind {
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

    /// The next message to send. Take all after each input.
    pub fn poll_output(&mut self) -> Option<OutgoingMessage> {
        self.queue.pop_front()
    }

    fn send(&mut self, kind: MessageKind) {
        let message = JingleMessage::new(&self.id, kind);
        self.queue.push_back(OutgoingMessage { to: self.caller.clone().into(), message });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::timers::epoch;

    const MOMENT: Duration = Duration::from_millis(1);

    fn jid(text: &str) -> FullJid {
        text.parse().expect("a full JID")
    }

    fn romeo() -> FullJid {
        jid("romeo@montague.example/orchard")
    }

    fn laptop() -> FullJid {
        jid("juliet@capulet.example/laptop")
    }

    fn ringing(alerting: RingingReply) -> IncomingCall {
        IncomingCall::proposed(epoch(), "call".to_owned(), romeo(), vec![Media::Audio], alerting)
    }

    /// One that rings, and has sent that.
    fn phone() -> IncomingCall {
        let mut phone = ringing(RingingReply::Sent);
        assert_eq!(sent(&mut phone), [MessageKind::Ringing]);
        phone
    }

    fn accepted() -> IncomingCall {
        let mut phone = phone();
        phone.accept(epoch());
        assert_eq!(sent(&mut phone), [MessageKind::Proceed]);
        phone
    }

    /// What went to the caller since.
    fn sent(ring: &mut IncomingCall) -> Vec<MessageKind> {
        let messages = std::iter::from_fn(|| ring.poll_output());
        let kinds = messages.map(|OutgoingMessage { to, message }| {
            assert_eq!((to, message.id.as_str()), (romeo().into(), "call"));
            message.kind
        });
        kinds.collect()
    }

    fn is_over(ring: &IncomingCall) -> bool {
        ring.state == State::Over
    }

    #[test]
    fn a_proposal_is_shown_as_the_caller_made_it() {
        let phone = phone();
        assert_eq!((phone.id(), phone.caller(), phone.media()), ("call", &romeo(), &[Media::Audio][..]));
        assert!(phone.is_ringing());
    }

    #[test]
    fn a_caller_that_must_not_know_hears_nothing_before_the_user_has_decided() {
        let mut phone = ringing(RingingReply::Withheld);
        assert_eq!(sent(&mut phone), []);
        phone.accept(epoch());
        assert_eq!(sent(&mut phone), [MessageKind::Proceed]);
    }

    #[test]
    fn who_has_decided_decides_no_more() {
        let mut phone = accepted();
        assert!(!phone.is_ringing());
        phone.accept(epoch());
        phone.decline();
        assert_eq!(sent(&mut phone), []);
        assert_eq!(phone.poll_timeout(), Some(epoch() + timers::OFFER));
    }

    #[test]
    fn a_declined_call_is_told_as_busy_and_is_over() {
        let mut phone = phone();
        phone.decline();
        assert_eq!(sent(&mut phone), [MessageKind::Reject(Reason::Busy.into())]);
        assert!(is_over(&phone) && phone.poll_timeout().is_none());
    }

    #[test]
    fn only_an_accepted_call_is_given_up() {
        let mut phone = phone();
        phone.give_up();
        assert!(phone.is_ringing() && sent(&mut phone).is_empty());
        let mut phone = accepted();
        phone.give_up();
        assert_eq!(sent(&mut phone), [MessageKind::Finish(Reason::Success.into())]);
        assert!(is_over(&phone));
    }

    #[test]
    fn a_caller_that_retracts_or_finishes_ends_the_ringing_once() {
        let over = [MessageKind::Retract(MessageReason::default()), MessageKind::Finish(MessageReason::default())];
        for kind in over {
            for mut ring in [phone(), accepted()] {
                assert_eq!(ring.handle_caller(&MessageKind::Ringing), None);
                assert_eq!(ring.handle_caller(&kind), Some(RingStopped::Cancelled));
                assert!(is_over(&ring));
                assert_eq!(ring.handle_caller(&kind), None);
            }
        }
    }

    #[test]
    fn a_caller_that_took_another_device_is_known_by_what_that_device_did() {
        let mut phone = accepted();
        assert_eq!(phone.handle_device(&laptop(), &MessageKind::Proceed), None);
        assert_eq!(
            phone.handle_device(&laptop(), &MessageKind::Reject(MessageReason::default())),
            None,
            "the first counts"
        );
        let mut silent = phone.clone();
        let elsewhere = Some(RingStopped::Elsewhere(laptop()));
        assert_eq!(phone.handle_caller(&MessageKind::Retract(MessageReason::default())), elsewhere);
        assert_eq!(silent.handle_timeout(epoch() + timers::OFFER), elsewhere);
    }

    #[test]
    fn another_device_that_decides_stops_the_ringing() {
        let decided = [
            (MessageKind::Proceed, RingStopped::Elsewhere(laptop())),
            (MessageKind::Accept, RingStopped::Elsewhere(laptop())),
            (MessageKind::Finish(MessageReason::default()), RingStopped::Elsewhere(laptop())),
            (MessageKind::Reject(MessageReason::default()), RingStopped::DeclinedElsewhere(laptop())),
        ];
        for (kind, why) in decided {
            let mut phone = phone();
            assert_eq!(phone.handle_device(&laptop(), &kind), Some(why));
            assert!(is_over(&phone));
            assert_eq!(phone.handle_device(&laptop(), &kind), None, "it is over already");
        }
        let undecided =
            [MessageKind::Propose(vec![]), MessageKind::Ringing, MessageKind::Retract(MessageReason::default())];
        for kind in undecided {
            let mut phone = phone();
            assert_eq!(phone.handle_device(&laptop(), &kind), None);
            assert!(phone.is_ringing());
        }
    }

    #[test]
    fn the_session_is_the_one_that_was_accepted_and_comes_once() {
        assert!(!phone().offered(&romeo(), "call"), "the user has not decided");
        let mut phone = accepted();
        assert!(!phone.offered(&jid("romeo@montague.example/balcony"), "call"), "another device");
        assert!(!phone.offered(&romeo(), "other"), "another id");
        assert!(phone.offered(&romeo(), "call"));
        assert!(!phone.offered(&romeo(), "call"));
        assert_eq!(phone.poll_timeout(), None);
        assert_eq!(
            phone.handle_caller(&MessageKind::Finish(MessageReason::default())),
            None,
            "the session reports its own end"
        );
        assert_eq!(phone.handle_device(&laptop(), &MessageKind::Proceed), None);
    }

    #[test]
    fn ringing_and_waiting_for_the_session_end_in_time() {
        for (mut ring, wait, why) in
            [(phone(), timers::RINGING, RingStopped::Expired), (accepted(), timers::OFFER, RingStopped::NoOffer)]
        {
            assert_eq!(ring.poll_timeout(), Some(epoch() + wait));
            assert_eq!(ring.handle_timeout(epoch() + wait - MOMENT), None);
            assert_eq!(ring.handle_timeout(epoch() + wait), Some(why));
            assert!(is_over(&ring) && sent(&mut ring).is_empty());
            assert_eq!(ring.handle_timeout(epoch() + wait), None);
        }
    }
}
