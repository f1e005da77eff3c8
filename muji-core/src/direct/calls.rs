//! All calls with single persons: which one a stanza is about, and who may begin one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use jid::{BareJid, DomainRef, FullJid, Jid};
use muji_jingle::fault::PeerFault;
use muji_jingle::{CallId, IncomingCall, OutgoingMessage, RingingReply, Session, refuse};
use muji_xep::jingle::{Jingle, Reason};
use muji_xep::jmi::{JingleMessage, MessageKind, MessageReason};
use muji_xep::rtp::Media;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::stanza_error::StanzaError;

use super::call::{DirectCall, Visibility};
use crate::call_message::{Heard, Sender};
use crate::command::Command;
use crate::config;
use crate::context::{Context, Whose};
use crate::error::{EndReason, Refused};
use crate::event::{Event, EventScope};
use crate::handover::Handover;
use crate::media::MediaReport;
use crate::output::Output;
use crate::pair::Pair;

/// All calls with one other person.
#[derive(Debug, Clone, Default)]
pub(crate) struct DirectCalls {
    calls: BTreeMap<CallId, DirectCall>,
    /// Calls that were handed over to a room; they come back if the room cannot be entered.
    in_rooms: BTreeMap<CallId, DirectCall>,
    /// Who sees our presence, and may make us ring.
    contacts: BTreeSet<BareJid>,
    /// Calls that we placed and that are over: a device that picks up now must not wait for a session.
    given_up: VecDeque<(BareJid, String)>,
}

impl DirectCalls {
    pub(crate) fn set_contacts(&mut self, contacts: BTreeSet<BareJid>) {
        self.contacts = contacts;
    }

    pub(crate) fn is_contact(&self, who: &BareJid) -> bool {
        self.contacts.contains(who)
    }

    /// True if the user talks, or wants to talk, with this person.
    pub(crate) fn wants(&self, who: &BareJid) -> bool {
        self.calls.values().any(|call| call.peer == *who && call.is_wanted())
    }

    /// Calls somebody.
    pub(crate) fn place(
        &mut self,
        cx: &mut Context<'_>,
        us: &FullJid,
        to: Jid,
        media: Vec<Media>,
    ) -> Result<CallId, Refused> {
        if media.iter().all(|media| cx.capabilities.of(media).is_empty()) {
            return Err(Refused::NoCodec);
        }
        if self.calls.len() >= cx.config.max_direct_calls {
            return Err(Refused::TooManyCalls);
        }
        if to.to_bare() == us.to_bare() {
            return Err(Refused::Oneself);
        }
        if self.calls.values().any(|call| call.peer == to.to_bare()) {
            return Err(Refused::AlreadyCalling);
        }
        let call = cx.ids.call();
        let visibility = self.visibility(&to.to_bare());
        let direct = DirectCall::place(cx, call, us, to, media, visibility);
        self.keep(call, direct);
        Ok(call)
    }

    fn visibility(&self, who: &BareJid) -> Visibility {
        if self.is_contact(who) { Visibility::Visible } else { Visibility::Hidden }
    }

    pub(crate) fn command(&mut self, cx: &mut Context<'_>, call: CallId, command: Command) -> Result<(), Refused> {
        self.with(cx, call, |direct, cx| direct.command(cx, command)).unwrap_or(Err(Refused::UnknownCall))
    }

    /// The other person of a call in which both talk.
    pub(crate) fn talks_with(&self, call: CallId) -> Option<&BareJid> {
        self.calls.get(&call).filter(|direct| direct.is_talking()).map(|direct| &direct.peer)
    }

    /// True if there is a call that the user wants: one that we placed, or one that was picked up here.
    pub(crate) fn talks(&self) -> bool {
        self.calls.values().any(DirectCall::is_wanted)
    }

    /// The call in which we talk with this person.
    pub(crate) fn talking_with(&self, who: &BareJid) -> Option<CallId> {
        self.find(|direct| direct.is_talking() && direct.peer == *who)
    }

    /// A call goes on in a room: what it takes there. `None` if nobody talks in it.
    pub(crate) fn hand_over(&mut self, call: CallId) -> Option<Handover> {
        self.remember_placed(call); // A device that picks up now is too late.
        let mut direct = self.calls.remove(&call)?;
        let handover = direct.hand_over();
        self.in_rooms.insert(call, direct);
        handover
    }

    /// A call that was handed over is one with one person again.
    pub(crate) fn restore(&mut self, call: CallId, handover: Handover) {
        let Some(mut direct) = self.in_rooms.remove(&call) else { return };
        direct.restore(handover);
        self.keep(call, direct);
    }

    /// A call that was handed over does not come back.
    pub(crate) fn forget(&mut self, call: CallId) {
        self.in_rooms.remove(&call);
    }

    /// The session of a call, once it is connected.
    pub(crate) fn connected_session(&self, call: CallId) -> Option<&Session> {
        self.calls.get(&call).and_then(DirectCall::connected_session)
    }

    pub(crate) fn contains(&self, call: CallId) -> bool {
        self.calls.contains_key(&call)
    }

    pub(crate) fn pairs(&self, call: CallId) -> Vec<Pair> {
        self.calls.get(&call).map_or_else(Vec::new, DirectCall::pairs)
    }

    /// Something was said. `met`: the sender is somebody with whom we are in a call of a room.
    pub(crate) fn heard(&mut self, cx: &mut Context<'_>, us: &FullJid, heard: &Heard, met: bool) {
        let JingleMessage { id, kind, device } = &heard.message;
        match &heard.sender {
            Sender::Device(device) => {
                if let Some(call) = self.find(|direct| direct.id() == Some(id)) {
                    self.with(cx, call, |direct, cx| direct.device_said(cx, device, kind));
                }
            }
            Sender::Peer(peer) => {
                let ours = |direct: &DirectCall| direct.id() == Some(id) && direct.peer == peer.to_bare();
                let call = self.find(ours);
                if let (Some(_), Some(device)) = (call, device) {
                    cx.trust.names_device(peer, *device);
                }
                match (call, kind) {
                    (Some(call), kind) if !self.crosses(call, kind) => {
                        self.with(cx, call, |direct, cx| direct.peer_said(cx, peer, kind));
                    }
                    (_, MessageKind::Propose(media)) => match heard.since {
                        Some(since) => {
                            let id = id.clone();
                            let media = media.clone();
                            let incoming = |reply| IncomingCall::proposed(since, id, peer.clone(), media, reply);
                            self.proposed(cx, us, met, peer, &heard.message.id, incoming);
                        }
                        None => {
                            let event = Event::Missed { from: peer.clone(), media: media.clone() };
                            cx.out.push_back(Output::Event(EventScope::Account, event));
                        }
                    },
                    (None, MessageKind::Proceed | MessageKind::Accept) => self.picked_up_late(cx, peer, id),
                    (_, _) => {}
                }
            }
        }
    }

    /// A device takes a call that was given up, or declined by another: the two crossed.
    fn picked_up_late(&self, cx: &mut Context<'_>, device: &FullJid, id: &str) {
        if self.given_up.iter().any(|(callee, given_up)| *callee == device.to_bare() && given_up == id) {
            let message = JingleMessage::new(id, MessageKind::Retract(Reason::Expired.into()));
            cx.say(OutgoingMessage { to: device.clone().into(), message });
        }
    }

    /// True if somebody proposes under the very id of our own proposal.
    fn crosses(&self, call: CallId, kind: &MessageKind) -> bool {
        matches!(kind, MessageKind::Propose(_)) && self.calls.get(&call).is_some_and(DirectCall::is_placed)
    }

    fn proposed(
        &mut self,
        cx: &mut Context<'_>,
        us: &FullJid,
        met: bool,
        from: &FullJid,
        id: &str,
        incoming: impl FnOnce(RingingReply) -> IncomingCall,
    ) {
        if cx.ended.fault(from, id).is_some() {
            return; // A copy of what was decided already.
        }
        let bare = from.to_bare();
        let Some((call, direct)) = self.calls.iter().find(|(_, direct)| direct.peer == bare) else {
            return self.rings(cx, us, &bare, met, incoming);
        };
        let call = *call;
        let ours = direct.placed_id().filter(|_| !direct.is_talking()).map(|ours| (ours, us.to_bare()));
        if ours.is_some_and(|ours| ours < (id, bare.clone())) {
            // Both call each other: the lower id lives (XEP-0353 section 4.1).
            reject(cx, incoming(RingingReply::Withheld), MessageReason::tie_break());
            cx.ended.remember(from.clone(), id.to_owned(), Whose::Ours);
        } else if direct.is_placed() {
            self.with(cx, call, |direct, cx| direct.gives_way(cx, incoming(RingingReply::Withheld)));
        } else if direct.is_wanted() {
            self.remember_placed(call);
            self.with(cx, call, |direct, cx| direct.migrates(cx, incoming(RingingReply::Withheld)));
        } else {
            // The caller calls again before the user has decided.
            self.with(cx, call, |direct, cx| direct.cancelled(cx));
            self.rings(cx, us, &bare, met, incoming);
        }
    }

    /// Lets somebody ring who may; others are shown apart, few at a time.
    fn rings(
        &mut self,
        cx: &mut Context<'_>,
        us: &FullJid,
        from: &BareJid,
        met: bool,
        incoming: impl FnOnce(RingingReply) -> IncomingCall,
    ) {
        let reply = if self.may_ring(cx, from, met) { RingingReply::Sent } else { RingingReply::Withheld };
        let strangers =
            self.calls.values().filter(|direct| direct.visibility == Visibility::Hidden && !direct.is_wanted());
        if reply == RingingReply::Withheld && strangers.count() >= config::MAX_STRANGERS {
            return;
        }
        if self.calls.len() >= cx.config.max_direct_calls {
            if reply == RingingReply::Sent {
                reject(cx, incoming(RingingReply::Withheld), Reason::Busy.into());
            }
            return;
        }
        let call = cx.ids.call();
        let visibility = self.visibility(from);
        let direct = DirectCall::rung(cx, call, us, incoming(reply), visibility, reply);
        self.keep(call, direct);
    }

    fn may_ring(&self, cx: &Context<'_>, who: &BareJid, met: bool) -> bool {
        met || cx.config.anybody_rings || self.is_contact(who)
    }

    /// One of our messages, or a copy of one, was returned.
    pub(crate) fn returned(&mut self, cx: &mut Context<'_>, us: &FullJid, from: &Jid, id: &str, why: &str) -> bool {
        let of_server = |server: &DomainRef| from.as_str() == server.as_str();
        let on_the_way = |peer: &BareJid| from.to_bare() == *peer || of_server(peer.domain()) || of_server(us.domain());
        let placed = |direct: &DirectCall| direct.placed_id() == Some(id) && on_the_way(&direct.peer);
        let Some(call) = self.find(placed) else { return false };
        self.with(cx, call, |direct, cx| direct.returned(cx, from, why));
        true
    }

    /// Somebody's device comes or goes.
    pub(crate) fn presence(&mut self, cx: &mut Context<'_>, device: &FullJid, available: bool) {
        if let Some(call) = self.find(|direct| direct.peer == device.to_bare()) {
            self.with(cx, call, |direct, cx| direct.peer_presence(cx, device, available));
        }
    }

    /// A request in one of these sessions. False if it is in none.
    pub(crate) fn requested(&mut self, cx: &mut Context<'_>, from: &FullJid, id: &str, jingle: &Jingle) -> bool {
        let Some(call) = self.find(|direct| direct.has_session(from, &jingle.sid)) else { return false };
        self.with(cx, call, |direct, cx| direct.session_requested(cx, id, jingle));
        true
    }

    /// An offer outside of rooms. False if it is for others to answer.
    pub(crate) fn offered(
        &mut self,
        cx: &mut Context<'_>,
        us: &FullJid,
        from: &FullJid,
        id: &str,
        offer: &Jingle,
        met: bool,
    ) -> bool {
        if !offer.contents.iter().any(|content| content.description.is_some()) {
            return false; // A file, or whatever else the client does with Jingle.
        }
        let rung = |direct: &DirectCall| direct.peer == from.to_bare() && direct.id() == Some(offer.sid.as_str());
        if let Some(call) = self.find(rung) {
            let taken = self.with(cx, call, |direct, cx| direct.session_offered(cx, id, from, offer));
            if taken != Some(true) {
                cx.send(refuse(from, id, &PeerFault::Unexpected));
            }
            return true;
        }
        let known = self.may_ring(cx, &from.to_bare(), met);
        let busy =
            self.calls.len() >= cx.config.max_direct_calls || self.calls.values().any(|it| it.peer == from.to_bare());
        match (known, busy) {
            (false, _) => cx.send(refuse(from, id, &PeerFault::Stranger)),
            (true, true) => cx.send(refuse(from, id, &PeerFault::TooMany)),
            (true, false) => {
                let call = cx.ids.call();
                let direct = DirectCall::offered(cx, call, us, id, from, offer);
                self.keep(call, direct);
            }
        }
        true
    }

    /// The result of a request. False if we did not make it.
    pub(crate) fn answered(
        &mut self,
        cx: &mut Context<'_>,
        peer: &FullJid,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> bool {
        let outcome = answer.map(|_| ());
        let with = self.calls.iter().filter(|(_, direct)| direct.peer == peer.to_bare()).map(|(call, _)| *call);
        with.collect::<Vec<_>>().into_iter().any(|call| {
            let taken = self.with(cx, call, |direct, cx| {
                direct.guests_answered(cx, peer, id, answer) || direct.session_answered(cx, peer, id, outcome)
            });
            taken == Some(true)
        })
    }

    pub(crate) fn media(&mut self, cx: &mut Context<'_>, report: &MediaReport) {
        self.with_all(cx, |direct, cx| direct.session_media(cx, report));
    }

    pub(crate) fn media_gone(&mut self, cx: &mut Context<'_>) {
        self.with_all(cx, DirectCall::media_gone);
    }

    /// The user leaves all calls; one that only rings here goes on ringing on other devices.
    pub(crate) fn leave_all(&mut self, cx: &mut Context<'_>) {
        self.with_all(cx, |direct, cx| {
            if direct.is_wanted() {
                direct.leave(cx, EndReason::Left);
            }
        });
    }

    /// The connection is gone for good.
    pub(crate) fn disconnected(&mut self, cx: &mut Context<'_>) {
        self.with_all(cx, DirectCall::disconnected);
    }

    /// A new stream. Under the JID of before the others go on talking to us.
    pub(crate) fn rebound(&mut self, cx: &mut Context<'_>, us: &FullJid) {
        self.with_all(cx, |direct, cx| {
            if direct.us != *us {
                direct.disconnected(cx);
            }
        });
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        self.with_all(cx, DirectCall::handle_timeout);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.calls.values().filter_map(DirectCall::poll_timeout).min()
    }

    fn find(&self, which: impl Fn(&DirectCall) -> bool) -> Option<CallId> {
        self.calls.iter().find(|(_, direct)| which(direct)).map(|(call, _)| *call)
    }

    fn keep(&mut self, call: CallId, direct: DirectCall) {
        if !direct.over {
            self.calls.insert(call, direct);
        }
    }

    fn with_all(&mut self, cx: &mut Context<'_>, act: impl Fn(&mut DirectCall, &mut Context<'_>)) {
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.with(cx, call, &act);
        }
    }

    /// Does something with a call, if it is there. If it is over then, it is forgotten.
    fn with<T>(
        &mut self,
        cx: &mut Context<'_>,
        call: CallId,
        act: impl FnOnce(&mut DirectCall, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let direct = self.calls.get_mut(&call)?;
        let result = act(direct, cx);
        if direct.over {
            self.remember_placed(call);
            self.calls.remove(&call);
        }
        Some(result)
    }

    /// Remembers a call that we placed, for devices that pick up late.
    fn remember_placed(&mut self, call: CallId) {
        let Some(direct) = self.calls.get(&call) else { return };
        if let Some(id) = direct.placed_id() {
            if self.given_up.len() == config::MAX_REMEMBERED {
                self.given_up.pop_front();
            }
            self.given_up.push_back((direct.peer.clone(), id.to_owned()));
        }
    }
}

/// Turns a call down without asking anybody.
fn reject(cx: &mut Context<'_>, mut incoming: IncomingCall, because: MessageReason) {
    incoming.reject(because);
    std::iter::from_fn(|| incoming.poll_output()).for_each(|say| cx.say(say));
}
