//! What becomes of a pair whose session ended though both still take part.

use jid::FullJid;
use muji_jingle::fault::NegotiationError;
use muji_jingle::{End, SessionId};
use muji_xep::jingle::Reason;

use super::Participants;
use super::view::ConferenceView;
use crate::conference::participant::Turn;
use crate::config;
use crate::context::Context;
use crate::error::PeerFailure;
use crate::event::Event;
use crate::media::TransportFailure;
use crate::pair::PairState;

impl Participants {
    /// The peer confirmed our offer and seems to have dropped it: another one, if its client takes another one.
    pub(super) fn unanswered(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        id: SessionId,
        peer: &FullJid,
    ) {
        let participant = self.people.get(peer).filter(|participant| participant.session == Some(id));
        if participant.is_some_and(|participant| participant.quirks.takes_another_offer && participant.may_recover()) {
            self.with_session(cx, view, id, |session, cx| session.end(cx.now, cx.ids, Reason::Timeout));
        }
    }

    /// A session ended; one that is not the pair's any more changes nothing.
    pub(super) fn session_ended(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        id: SessionId,
        peer: &FullJid,
        end: End,
    ) {
        let participates = view.occupants.participant(peer).is_some() && view.is_public();
        let participant = self.people.get_mut(peer).filter(|participant| participant.session == Some(id));
        let Some(participant) = participant else { return };
        participant.session = None;
        if participant.not_in_room {
            self.left(cx, view, peer);
        } else if !participates {
            participant.set_state(cx.now, PairState::Announced); // It left, or we are on our way back.
        } else if !view.shares_content(peer) {
            self.failed(cx, view, peer, End::Unshared);
        } else {
            self.recover(cx, view, peer, end);
        }
    }

    fn recover(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, peer: &FullJid, end: End) {
        let Some(participant) = self.people.get_mut(peer) else { return };
        match after(&end) {
            After::Wait if participant.may_recover() => {
                participant.set_state(cx.now, PairState::Announced);
                participant.recover_at(cx.now + config::CALL_FALLBACK); // Another session or its leaving is under way.
            }
            After::AtOnce if participant.may_recover() => {
                participant.recoveries += 1;
                self.call(cx, view, peer, Turn::OutOfTurn);
            }
            After::GiveUp | After::AtOnce | After::Wait => self.failed(cx, view, peer, end),
            After::CallAgain => {
                participant.plan_recovery(cx.now);
                self.tell_failure(cx, view, peer, end);
            }
        }
    }

    /// There is no session with a participant and we do not call it again.
    pub(super) fn failed(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, peer: &FullJid, end: End) {
        if let Some(participant) = self.people.get_mut(peer) {
            participant.call = None;
        }
        self.tell_failure(cx, view, peer, end);
    }

    fn tell_failure(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, peer: &FullJid, end: End) {
        let Some(participant) = self.people.get_mut(peer) else { return };
        participant.set_state(cx.now, PairState::Failed(end.clone()));
        let failure = PeerFailure { end, recovery: participant.recovery() };
        self.peer_event(cx, view, peer, |peer| Event::PeerFailed(peer, failure));
    }
}

/// True if another content may make a session possible.
pub(super) fn lacked_content(end: &End) -> bool {
    let reason = if let End::Peer(why) = end { Some(&why.reason) } else { None };
    matches!(end, End::Unshared | End::NegotiationError(NegotiationError::Application(_) | NegotiationError::Contents))
        || matches!(reason, Some(Reason::UnsupportedApplications | Reason::FailedApplication))
}

/// What a session's end means for the pair.
enum After {
    /// Something else is under way; only if it does not come we call.
    Wait,
    /// We call again after a pause.
    CallAgain,
    /// The peer had not seen that we are back: we call again now.
    AtOnce,
    /// Calling again would end the same way.
    GiveUp,
}

fn after(end: &End) -> After {
    match end {
        End::Ours(Reason::Timeout) => After::AtOnce, // Confirmed and dropped.
        End::TieBreak | End::Ours(_) => After::Wait,
        End::Peer(why) => match why.reason {
            Reason::Success | Reason::Cancel | Reason::AlternativeSession => After::Wait,
            Reason::Gone => After::AtOnce,
            Reason::Busy
            | Reason::Decline
            | Reason::FailedApplication
            | Reason::IncompatibleParameters
            | Reason::SecurityError
            | Reason::UnsupportedApplications
            | Reason::UnsupportedTransports => After::GiveUp,
            Reason::ConnectivityError
            | Reason::Expired
            | Reason::FailedTransport
            | Reason::GeneralError
            | Reason::MediaError
            | Reason::Timeout
            | Reason::Other(_) => After::CallAgain,
        },
        End::NegotiationError(_) | End::Unshared | End::WrongCertificate => After::GiveUp,
        End::Path(failure) if failure.why == TransportFailure::RsaCertificate => After::GiveUp,
        End::Refused(_) | End::Forgotten | End::Silent(_) | End::Path(_) | End::LocalMediaTimeout => After::CallAgain,
    }
}
