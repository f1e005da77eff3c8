//! What a session reports, and what it means for the pair.

use jid::FullJid;
use muji_jingle::{Session, SessionEvent, SessionId};

use super::Participants;
use super::view::ConferenceView;
use crate::conference::participant::Participant;
use crate::context::Context;
use crate::event::Event;
use crate::pair::PairState;
use crate::peer::Peer;
use crate::warning::Warning;

impl Participants {
    pub(super) fn session_event(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        id: SessionId,
        peer: &FullJid,
        event: SessionEvent,
    ) {
        match event {
            SessionEvent::Offered => self.set_state(cx, view, id, peer, PairState::Offered, Event::PeerOffered),
            SessionEvent::Unanswered => self.unanswered(cx, view, id, peer),
            SessionEvent::Accepted => {
                let connecting = |peer| Event::PeerConnecting(peer, id);
                self.set_state(cx, view, id, peer, PairState::Connecting, connecting);
                self.verify_certificate(cx, view, id, peer);
                self.tell_muted(cx, view, id, |_| true);
                self.add_missing(cx, view, peer);
            }
            SessionEvent::ContentAdded { content, media } => {
                self.verify_certificate(cx, view, id, peer);
                self.tell_muted(cx, view, id, |muted| *muted == media);
                let session = id;
                self.peer_event(cx, view, peer, |peer| Event::PeerContentAdded { peer, session, content, media });
                self.add_missing(cx, view, peer);
            }
            SessionEvent::ContentRemoved { content, by_us } => {
                self.peer_event(cx, view, peer, |peer| Event::PeerContentRemoved(peer, id, content));
                if by_us {
                    self.add_missing(cx, view, peer); // The user may have added it again since.
                }
            }
            SessionEvent::Connected => {
                if let Some(participant) = self.people.get_mut(peer) {
                    participant.recoveries = 0;
                }
                self.orphans.close(cx, |orphan| orphan.peer == *peer);
                self.set_state(cx, view, id, peer, PairState::Connected, |peer| Event::PeerConnected(peer, id));
            }
            // Once for all contents, and again for one that was silent.
            SessionEvent::Flowing { after_silence, .. } if after_silence || !self.flows(peer) => {
                self.set_state(cx, view, id, peer, PairState::Flowing, |peer| Event::PeerFlowing(peer, id));
            }
            SessionEvent::Flowing { .. } => {}
            SessionEvent::Interrupted => {
                self.set_state(cx, view, id, peer, PairState::Interrupted, Event::PeerInterrupted);
            }
            SessionEvent::Digit(digit) => self.peer_event(cx, view, peer, |peer| Event::PeerDigit(peer, digit)),
            SessionEvent::Silent { content, media, why } => {
                self.fell_silent(cx, id, peer);
                let advice = |it: &Participant| it.quirks.advice(cx.now, &it.nick, &media, why);
                let advice = self.people.get(peer).and_then(advice);
                let session = id;
                self.peer_event(cx, view, peer, |peer| Event::PeerSilent { peer, session, content, media, why });
                advice.into_iter().for_each(|advice| cx.event(view.call, Event::Warning(advice)));
            }
            SessionEvent::Muted(content) => self.peer_event(cx, view, peer, |peer| Event::PeerMuted(peer, content)),
            SessionEvent::Unmuted(content) => self.peer_event(cx, view, peer, |peer| Event::PeerUnmuted(peer, content)),
            SessionEvent::Held => self.peer_event(cx, view, peer, Event::PeerHeld),
            SessionEvent::Unheld => self.peer_event(cx, view, peer, Event::PeerUnheld),
            SessionEvent::Warning(warning) => {
                let nick = self.people.get(peer).map(|participant| participant.nick.clone());
                let nick = nick.unwrap_or_else(|| peer.to_string());
                cx.event(view.call, Event::Warning(Warning::Session { nick, warning }));
            }
            SessionEvent::Focus(_) => {} // In a room each says it in its presence.
            SessionEvent::Ended(end) => self.session_ended(cx, view, id, peer, end),
            // Most participants accept by themselves, but a browser asks for the camera.
            SessionEvent::Ringing => cx.event(view.call, Event::DeviceRings(peer.clone())),
        }
    }

    /// A peer shows a certificate; each content with its own transport can bring another one.
    fn verify_certificate(&mut self, cx: &mut Context<'_>, view: &ConferenceView<'_>, id: SessionId, peer: &FullJid) {
        let Some(session) = self.sessions.get(&id) else { return };
        let Some(participant) = self.people.get_mut(peer) else { return };
        let changed = participant.verification.becomes(cx.trust.judge(session));
        let peer = Peer { nick: participant.nick.clone(), jid: peer.clone() };
        if let Some(event) = changed.and_then(|now| Event::of_certificate(now, peer)) {
            cx.event(view.call, event);
        }
    }

    /// True if it was told that something of a peer flows.
    fn flows(&self, peer: &FullJid) -> bool {
        self.people.get(peer).is_some_and(|participant| participant.state == PairState::Flowing)
    }

    /// Nothing comes of a content of a peer: if nothing comes at all, it does not flow any more.
    fn fell_silent(&mut self, cx: &Context<'_>, id: SessionId, peer: &FullJid) {
        let heard = self.sessions.get(&id).is_some_and(Session::is_heard);
        if let Some(participant) = self.people.get_mut(peer).filter(|it| it.session == Some(id) && !heard)
            && participant.state == PairState::Flowing
        {
            participant.set_state(cx.now, PairState::Connected);
        }
    }

    /// A pair's session made a step; one that is not the pair's any more changes nothing.
    fn set_state(
        &mut self,
        cx: &mut Context<'_>,
        view: &ConferenceView<'_>,
        id: SessionId,
        peer: &FullJid,
        state: PairState,
        event: impl FnOnce(Peer) -> Event,
    ) {
        let participant = self.people.get_mut(peer).filter(|participant| participant.session == Some(id));
        if let Some(participant) = participant {
            participant.set_state(cx.now, state);
            self.peer_event(cx, view, peer, event);
        }
    }
}
