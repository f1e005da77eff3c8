//! Offers of others: an offer can overtake the presence that says who offers, and ours can cross theirs.

use jid::FullJid;
use muji_jingle::fault::PeerFault;
use muji_jingle::{End, Session, SessionId, acknowledge, dismiss, refuse};
use muji_xep::jingle::{Jingle, Reason, ReasonElement};

use super::Participants;
use super::view::{ConferenceView, PublishState};
use crate::config;
use crate::context::Context;
use crate::trust::Verification;

impl Participants {
    /// A session-initiate marked with our room.
    pub(crate) fn offered(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        id: &str,
        from: &FullJid,
        offer: &Jingle,
    ) {
        if let Err(fault) = self.may_offer(view, from, offer) {
            return cx.send(refuse(from, id, &fault));
        }
        cx.send(acknowledge(from, id));
        if view.later_stay && !view.is_public() {
            // It was made to us in an earlier stay; the offer of this one follows our contents.
            let terminate = dismiss(from, &offer.sid, Reason::AlternativeSession.into(), cx.ids);
            return cx.send(terminate);
        }
        let parties = self.parties(cx, view, from);
        let session = parties.session;
        let specs = view.answerable(cx);
        match Session::incoming(parties, offer, &specs) {
            Ok(mut held) => {
                view.hold_if_held(cx, &mut held);
                self.sessions.insert(session, held);
                self.held.hold(session, cx.now + config::EARLY_OFFER);
                self.with_session(cx, view, session, |_, _| ());
                self.take_held(cx, view);
            }
            Err(why) => {
                let terminate = dismiss(from, &offer.sid, ReasonElement::from(&why), cx.ids);
                cx.send(terminate);
                self.failed(cx, view, from, End::NegotiationError(why)); // Our offer would fail for the same reason.
            }
        }
    }

    fn may_offer(&self, view: &ConferenceView<'_>, from: &FullJid, offer: &Jingle) -> Result<(), PeerFault> {
        if view.state == PublishState::Leaving {
            return Err(PeerFault::Stranger);
        }
        if offer.contents.is_empty() {
            return Err(PeerFault::Malformed("a content that has a name"));
        }
        let ours = self.people.get(from).and_then(|participant| self.sessions.get(&participant.session?));
        if ours.is_some_and(|ours| ours.is_offered() && ours.sid() < offer.sid.as_str()) {
            return Err(PeerFault::TieBreak); // The lower sid lives (XEP-0166 section 7.2.16).
        }
        let of_jid = self.held_of(from).count();
        if self.held.ids().count() >= config::MAX_HELD || of_jid >= config::MAX_HELD_PER_JID {
            return Err(PeerFault::TooMany);
        }
        Ok(())
    }

    /// Accepts every held offer whose sender takes part, if we do.
    pub(crate) fn take_held(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>) {
        if !view.is_public() {
            return;
        }
        let from = |id| Some((id, self.sessions.get(&id)?.parties().peer.clone()));
        let due = self.held.ids().filter_map(from).filter(|(_, peer)| self.people.contains_key(peer));
        for (id, peer) in due.collect::<Vec<_>>() {
            self.held.release(id);
            self.take_offer(cx, view, id, &peer);
        }
    }

    /// Held offers of this JID.
    pub(super) fn held_of(&self, jid: &FullJid) -> impl Iterator<Item = SessionId> {
        let of = |id: &SessionId| self.sessions.get(id).is_some_and(|session| session.parties().peer == *jid);
        self.held.ids().filter(of)
    }

    fn take_offer(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, id: SessionId, peer: &FullJid) {
        let Some(sid) = self.sessions.get(&id).map(|session| session.sid().to_owned()) else { return };
        let Some(participant) = self.people.get_mut(peer) else { return };
        participant.call = None;
        if let Some(ours) = participant.session.take() {
            let before = self.sessions.get(&ours).filter(|ours| ours.is_offered() && ours.sid() < sid.as_str());
            if let Some(before) = before {
                participant.session = Some(ours);
                let instead = instead(before.sid());
                self.with_session(cx, view, id, |theirs, cx| theirs.end(cx.now, cx.ids, instead));
                return;
            }
            self.with_session(cx, view, ours, |ours, cx| {
                if ours.is_offered() && !ours.is_acknowledged() {
                    ours.drop_for_tie_break(); // The peer will refuse it.
                } else {
                    ours.end(cx.now, cx.ids, instead(&sid));
                }
            });
        }
        let Some(participant) = self.people.get_mut(peer) else { return };
        participant.session = Some(id);
        participant.verification = Verification::default();
        let nick = participant.nick.clone();
        let quirks = participant.quirks.in_session;
        self.with_session(cx, view, id, |session, cx| {
            session.set_peer(&nick, quirks);
            session.accept(cx.now, cx.ids);
        });
    }
}

/// Another session takes the place of one.
fn instead(sid: &str) -> ReasonElement {
    ReasonElement { instead: Some(sid.to_owned()), ..Reason::AlternativeSession.into() }
}
