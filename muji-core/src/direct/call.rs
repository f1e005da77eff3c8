//! A call with one other person, from its first message to its end (XEP-0353, then one Jingle session).
//!
//! ```text
//!  we call                                        we are called
//!
//!  Placed ── proceed ──► session ◄── offer ── Rung, accepted ◄── the user ── Rung
//!     │ a full JID: at once ─┘ ▲                                               │
//!     │ both call: ours dies   └── the user ── Offered (an offer without a proposal)
//!     ▼                        │                                               ▼
//!    Over ◄────────────────────┴── hung up, lost, another device ──────────────┘
//! ```
//!
//! Before the user accepts, nothing is opened, and to strangers nothing is said.

use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use muji_jingle::{CallId, Hold, IncomingCall, Mute, OutgoingCall, Session};
use muji_xep::bridge::BridgeMark;
use muji_xep::jingle::Reason;
use muji_xep::jmi::{MessageKind, MessageReason};
use muji_xep::rtp::Media;

use super::guest_list::GuestList;
use crate::command::Command;
use crate::context::{Context, Whose};
use crate::error::{EndReason, Refused};
use crate::event::Event;
use crate::guest::ShownGuests;
use crate::handover::Handover;
use crate::media::MediaCommand;
use crate::output::Output;
use crate::pair::{Pair, PairState, Recovery};
use crate::peer::Peer;
use crate::stanza;
use crate::trust::{Verification, certificate};

/// How it began.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// We call all devices of the other.
    Placed(OutgoingCall),
    /// The other calls all our devices.
    Rung(IncomingCall),
    /// The other offered a session without a proposal; it waits for the user.
    Offered { until: Instant },
    /// We offered one, or took the other's.
    Plain,
}

/// Whether the other sees that we are there, as contacts do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visibility {
    Visible,
    Hidden,
}

/// A call with one other person.
#[derive(Debug, Clone)]
pub(crate) struct DirectCall {
    pub(super) call: CallId,
    pub(super) us: FullJid,
    pub(super) peer: BareJid,
    /// What we send.
    pub(super) media: Vec<Media>,
    pub(super) muted: Vec<Media>,
    pub(super) holding: bool,
    pub(super) origin: Origin,
    pub(super) session: Option<Session>,
    pub(super) state: PairState,
    pub(super) since: Instant,
    pub(super) verification: Verification,
    pub(super) visibility: Visibility,
    /// To whom we showed ourselves, as it cannot see our presence.
    pub(super) shown_to: Option<Jid>,
    /// The other's device is unavailable: when the call ends if nothing is heard of it.
    pub(super) ends_at: Option<Instant>,
    /// Who takes part besides the other, through us.
    pub(super) guest_list: GuestList,
    /// We are this bridge.
    pub(super) bridge: Option<BridgeMark>,
    pub(super) over: bool,
}

impl DirectCall {
    pub(super) fn new(
        cx: &Context<'_>,
        call: CallId,
        us: &FullJid,
        peer: BareJid,
        visibility: Visibility,
        origin: Origin,
    ) -> Self {
        Self {
            call,
            us: us.clone(),
            peer,
            media: Vec::new(),
            muted: Vec::new(),
            holding: false,
            origin,
            session: None,
            state: PairState::Announced,
            since: cx.now,
            verification: Verification::Unverified,
            visibility,
            shown_to: None,
            ends_at: None,
            guest_list: GuestList::default(),
            bridge: None,
            over: false,
        }
    }

    /// What the user wants.
    pub(super) fn command(&mut self, cx: &mut Context<'_>, command: Command) -> Result<(), Refused> {
        match command {
            Command::Accept(media) => self.accept(cx, media),
            Command::Decline => self.decline(cx),
            Command::Leave => {
                let why = if self.is_wanted() { EndReason::Left } else { EndReason::DeclinedHere };
                self.leave(cx, why);
                Ok(())
            }
            Command::Mute(media, mute) => {
                self.mute(cx, &media, mute);
                Ok(())
            }
            Command::Hold(hold) => {
                self.hold(cx, hold);
                Ok(())
            }
            Command::SendDigits(digits) => {
                let sent = self.with_session(cx, |session, _| session.send_digits(&digits));
                if sent == Some(true) { Ok(()) } else { Err(Refused::NoDigits) }
            }
            Command::Add(media) => self.add(cx, media),
            Command::Remove(media) => self.remove(cx, &media),
            Command::SetGuests(guests) => {
                self.set_guests(cx, guests);
                Ok(())
            }
            Command::SetBridge(bridge) => {
                self.set_bridge(bridge);
                Ok(())
            }
            Command::Refuse(why) => {
                self.refuse(cx, why);
                Ok(())
            }
            // To invite somebody the call first goes on in a room.
            Command::EndForAll | Command::Admit(_) | Command::Invite(_) | Command::InviteToRoom(..) => {
                Err(Refused::NoRoom)
            }
        }
    }

    /// The user hangs up, gives up or does not want to talk.
    pub(super) fn leave(&mut self, cx: &mut Context<'_>, why: EndReason) {
        let reason = match &mut self.origin {
            Origin::Rung(incoming) if incoming.is_ringing() => {
                incoming.decline();
                Reason::Decline
            }
            Origin::Rung(incoming) => {
                incoming.give_up();
                Reason::Success
            }
            Origin::Offered { .. } => Reason::Decline,
            Origin::Placed(outgoing) => {
                outgoing.retract(Reason::Cancel.into());
                Reason::Success
            }
            Origin::Plain => Reason::Success,
        };
        self.said(cx);
        let offered = self.session.as_ref().is_some_and(Session::is_offered);
        self.hang_up(cx, if offered { Reason::Cancel } else { reason });
        self.end(cx, why);
    }

    /// Says what the ringing wants said.
    pub(super) fn said(&mut self, cx: &mut Context<'_>) {
        let mut says = Vec::new();
        match &mut self.origin {
            Origin::Placed(outgoing) => says.extend(std::iter::from_fn(|| outgoing.poll_output())),
            Origin::Rung(incoming) => says.extend(std::iter::from_fn(|| incoming.poll_output())),
            Origin::Offered { .. } | Origin::Plain => {}
        }
        says.into_iter().for_each(|say| cx.say(say));
    }

    /// A device of the other says something about this call.
    pub(super) fn peer_said(&mut self, cx: &mut Context<'_>, from: &FullJid, kind: &MessageKind) {
        if matches!(kind, MessageKind::Finish(_)) {
            self.finished(cx, from);
        }
        match &self.origin {
            Origin::Placed(_) => self.callee_said(cx, from, kind),
            Origin::Rung(incoming) if incoming.caller() == from => self.caller_said(cx, kind),
            Origin::Rung(_) | Origin::Offered { .. } | Origin::Plain => {}
        }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        self.placing_timeout(cx);
        self.ringing_timeout(cx);
        self.unavailable_timeout(cx);
        self.guest_list.handle_timeout(cx.now);
        self.tell_guests(cx);
        self.with_session(cx, |session, cx| session.handle_timeout(cx.now, cx.ids));
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let origin = match &self.origin {
            Origin::Placed(outgoing) => outgoing.poll_timeout(),
            Origin::Rung(incoming) => incoming.poll_timeout(),
            Origin::Offered { until } => Some(*until),
            Origin::Plain => None,
        };
        let session = self.session.as_ref().and_then(Session::poll_timeout);
        let guests = self.guest_list.poll_timeout(self.connected_session().is_some());
        origin.into_iter().chain(self.ends_at).chain(guests).chain(session).min()
    }

    /// The connection is gone for good, or everything that the server knew of us.
    pub(super) fn disconnected(&mut self, cx: &mut Context<'_>) {
        self.hang_up(cx, Reason::Gone);
        self.end(cx, EndReason::Disconnected);
    }

    pub(super) fn media_gone(&mut self, cx: &mut Context<'_>) {
        self.leave(cx, EndReason::MediaGone);
    }

    /// It goes on in a room: what it takes with it. `None` if there is nobody to take along.
    pub(super) fn hand_over(&mut self) -> Option<Handover> {
        Some(Handover {
            session: self.session.take()?,
            media: self.media.clone(),
            muted: self.muted.clone(),
            holding: self.holding,
            state: self.state.clone(),
            since: self.since,
            verification: self.verification,
            shown_to: self.shown_to.take(),
            proposed: self.id().map(str::to_owned),
        })
    }

    /// There was no room to go on in.
    pub(super) fn restore(&mut self, handover: Handover) {
        let Handover { session, media, muted, holding, state, since, verification, shown_to, proposed: _ } = handover;
        self.session = Some(session);
        self.media = media;
        self.muted = muted;
        self.holding = holding;
        self.state = state;
        self.since = since;
        self.verification = verification;
        self.shown_to = shown_to;
    }

    /// It is over: nothing is captured or said any more.
    pub(super) fn end(&mut self, cx: &mut Context<'_>, why: EndReason) {
        if self.over {
            return;
        }
        self.over = true;
        let media = std::mem::take(&mut self.media);
        media.iter().for_each(|media| self.uncapture(cx, media));
        if let Origin::Rung(incoming) = &self.origin {
            let elsewhere = matches!(why, EndReason::Elsewhere(_) | EndReason::DeclinedElsewhere(_));
            let whose = if elsewhere { Whose::Elsewhere } else { Whose::Ours };
            cx.ended.remember(incoming.caller().clone(), incoming.id().to_owned(), whose);
        }
        cx.hide_from(self.shown_to.take());
        cx.event(self.call, Event::Ended(why));
    }

    /// Lets somebody who does not see our presence see it for this call: what we can do, and that we are there
    /// (XEP-0353 sections 3.1 and 3.4).
    pub(super) fn show_to(&mut self, cx: &mut Context<'_>, to: Jid) {
        if self.visibility == Visibility::Visible {
            return;
        }
        cx.send(stanza::available(cx.extras.to_vec()).with_to(to.clone()));
        self.shown_to = Some(to);
    }

    /// Tells both sides' devices that the call is over.
    pub(super) fn say_finished(&self, cx: &mut Context<'_>, to: &FullJid, because: MessageReason) {
        if let Some(id) = self.id() {
            cx.say_finished(to, id, because);
        }
    }

    /// The call's id on the wire, if it was proposed.
    pub(super) fn id(&self) -> Option<&str> {
        match &self.origin {
            Origin::Placed(outgoing) => Some(outgoing.id()),
            Origin::Rung(incoming) => Some(incoming.id()),
            Origin::Offered { .. } | Origin::Plain => None,
        }
    }

    /// True if the user wants this call: we placed it or took it.
    pub(super) fn is_wanted(&self) -> bool {
        match &self.origin {
            Origin::Placed(_) | Origin::Plain => true,
            Origin::Rung(incoming) => !incoming.is_ringing(),
            Origin::Offered { .. } => false,
        }
    }

    /// How we stand with the other, once there is a session.
    pub(super) fn pairs(&self) -> Vec<Pair> {
        let session = self.session.as_ref().filter(|_| self.is_wanted());
        let pair = session.map(|session| Pair {
            peer: self.named(&session.parties().peer),
            contents: session.contents(),
            guests: ShownGuests::default(),
            state: self.state.clone(),
            since: self.since,
            recovery: Recovery::Nothing,
            verification: self.verification,
            certificate: certificate(session),
            silent: session.silent(),
        });
        pair.into_iter().collect()
    }

    /// The session, once it is connected.
    pub(super) fn connected_session(&self) -> Option<&Session> {
        self.session.as_ref().filter(|_| self.state.is_connected())
    }

    pub(super) fn named(&self, device: &FullJid) -> Peer {
        Peer { nick: self.peer.to_string(), jid: device.clone() }
    }

    // ---- what we send ------------------------------------------------------------------------------------------------

    pub(super) fn mute(&mut self, cx: &mut Context<'_>, media: &Media, mute: Mute) {
        self.muted.retain(|muted| muted != media);
        if mute == Mute::On {
            self.muted.push(media.clone());
        }
        if self.is_talking() && self.media.contains(media) {
            self.recapture(cx, media);
            self.with_session(cx, |session, cx| session.announce_mute(cx.now, cx.ids, media.as_str(), mute));
        }
    }

    pub(super) fn hold(&mut self, cx: &mut Context<'_>, hold: Hold) {
        self.holding = hold == Hold::On;
        if self.is_talking() {
            self.media.clone().iter().for_each(|media| self.recapture(cx, media));
        }
        self.with_session(cx, |session, cx| session.set_hold(cx.now, cx.ids, hold));
    }

    pub(super) fn add(&mut self, cx: &mut Context<'_>, media: Media) -> Result<(), Refused> {
        if cx.capabilities.of(&media).is_empty() {
            return Err(Refused::NoCodec);
        }
        if !self.is_wanted() {
            return Err(Refused::NotAccepted);
        }
        if !self.media.contains(&media) {
            self.media.push(media.clone());
            if self.is_talking() {
                let wanted = cx.of_medium(&media, true);
                self.recapture(cx, &media);
                self.with_session(cx, |session, cx| session.add(cx.now, cx.ids, wanted));
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, cx: &mut Context<'_>, media: &Media) -> Result<(), Refused> {
        if !self.media.contains(media) {
            return Ok(());
        }
        if self.media.len() == 1 {
            return Err(Refused::OnlyContent);
        }
        self.media.retain(|sent| sent != media);
        self.uncapture(cx, media);
        self.with_session(cx, |session, cx| session.remove(cx.now, cx.ids, media.as_str()));
        Ok(())
    }

    /// True once both sides agreed to talk.
    pub(super) fn is_talking(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_active)
    }

    /// Captures a medium, unless it is muted or the call is held.
    pub(super) fn recapture(&self, cx: &mut Context<'_>, media: &Media) {
        if self.holding || self.muted.contains(media) {
            return self.uncapture(cx, media);
        }
        let command = MediaCommand::Publish { call: self.call, publication: media.to_string(), media: media.clone() };
        cx.out.push_back(Output::Media(command));
    }

    pub(super) fn uncapture(&self, cx: &mut Context<'_>, media: &Media) {
        let command = MediaCommand::Unpublish { call: self.call, publication: media.to_string() };
        cx.out.push_back(Output::Media(command));
    }
}
