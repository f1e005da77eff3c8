//! Routing between stanzas, media and calls, and nothing clever. More inputs of the Engine: `rooms`, `direct_calls`, `bridging`, `messages`,
//! `requests`; stanzas come by `text` or `typed`.

mod bridging;
mod direct_calls;
mod messages;
mod requests;
mod rooms;
mod text;
#[cfg(feature = "xmpp-parsers")]
mod typed;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Instant, SystemTime};

use jid::{BareJid, FullJid, Jid};
use muji_jingle::{CallId, Ids};
use muji_xep::ns;
use muji_xep::rtp::Media;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::{self, Presence};
use xmpp_parsers::stanza::Stanza;

use crate::archived::Archived;
use crate::availability::Availability;
use crate::client_quirks::ClientQuirks;
use crate::command::Command;
use crate::conference::Conference;
use crate::config::{self, Config};
use crate::context::{Context, Shared};
use crate::direct::DirectCalls;
use crate::disco::Disco;
use crate::error::{EndReason, Refused};
#[cfg(doc)]
use crate::event::Event;
use crate::event::{ConnectionChange, Handled};
use crate::ice_servers::IceServers;
use crate::media::{Capabilities, MediaReport};
use crate::outgoing_stanza::OutgoingStanza;
use crate::output::Output;
use crate::pair::Pair;
use crate::room_service::Services;
use crate::room_state::{PresenceKind, RoomPresence, RoomState};
use crate::shown_invitations::Invitations;
use crate::stanza::{self, Unreadable};
use crate::wall_clock::WallClock;

/// Whether somebody is there, if a presence of this type says it.
fn available(type_: &presence::Type) -> Option<bool> {
    match type_ {
        presence::Type::None => Some(true),
        presence::Type::Unavailable => Some(false),
        presence::Type::Error
        | presence::Type::Probe
        | presence::Type::Subscribe
        | presence::Type::Subscribed
        | presence::Type::Unsubscribe
        | presence::Type::Unsubscribed => None,
    }
}

/// All calls of one account, as values: stanzas, media reports, commands and the time go in, [`Output`]s come out.
#[derive(Debug, Clone)]
pub struct Engine {
    shared: Shared,
    us: Option<FullJid>,
    /// What is answered to those who ask who we are, if the client does not do it.
    disco: Option<Disco>,
    calls: BTreeMap<CallId, Conference>,
    /// Chat rooms in which the client sits, and who is in a call there.
    chat_rooms: BTreeMap<BareJid, RoomState>,
    /// Rooms whose calls are over, oldest first.
    left: VecDeque<BareJid>,
    invitations: Invitations,
    /// Calls with one other person.
    direct_calls: DirectCalls,
    /// Such calls that were found in an archive.
    archived: Archived,
    availability: Availability,
    services: Services,
    ice_servers: IceServers,
    clock: WallClock,
    /// The connection is gone.
    offline: bool,
    /// If it does not come back the calls end then.
    lost_until: Option<Instant>,
}

impl Engine {
    /// An engine without calls. `seed` must come from a cryptographic random source and be used once: all
    /// ids are derived from it.
    #[must_use]
    pub fn new(seed: [u8; 32], capabilities: Capabilities) -> Self {
        Self::with_config(seed, capabilities, Config::default())
    }

    /// The same with other policies and time limits.
    #[must_use]
    pub fn with_config(seed: [u8; 32], capabilities: Capabilities, config: Config) -> Self {
        Self {
            shared: Shared::new(Ids::new(seed), capabilities, config),
            us: None,
            disco: None,
            calls: BTreeMap::new(),
            chat_rooms: BTreeMap::new(),
            left: VecDeque::new(),
            invitations: Invitations::default(),
            direct_calls: DirectCalls::default(),
            archived: Archived::default(),
            availability: Availability::default(),
            services: Services::default(),
            ice_servers: IceServers::default(),
            clock: WallClock::default(),
            offline: false,
            lost_until: None,
        }
    }

    fn say_in_presences(&mut self, now: Instant, extras: Vec<Element>) {
        self.shared.extras = extras;
        if self.availability.accepts_calls() && self.us.is_some() {
            let presence = self.availability.presence(&self.shared.extras);
            self.shared.out.push_back(Output::Send(OutgoingStanza::new(presence)));
        }
        self.with_all(now, |conference, cx| conference.extras_changed(cx));
    }

    /// Lets the Engine answer disco#info queries and put the capabilities into its presences, for programs that have no
    /// client around them. Outside of calls only the own account and server are answered.
    pub fn answer_disco(&mut self, now: Instant, disco: Disco) {
        let mut extras = std::mem::take(&mut self.shared.extras);
        extras.retain(|extra| !extra.is("c", ns::CAPS));
        extras.push(disco.write_caps());
        self.disco = Some(disco);
        self.say_in_presences(now, extras);
    }

    /// What the client adds to its disco#info and its caps: others ask for it before they call (Dino does).
    #[must_use]
    pub fn features(&self) -> Vec<&'static str> {
        let media = [(Media::Audio, ns::RTP_AUDIO), (Media::Video, ns::RTP_VIDEO)];
        let able = media.into_iter().filter(|(media, _)| !self.shared.capabilities.of(media).is_empty());
        let always = [
            ns::JINGLE,
            ns::RTP,
            ns::ICE_UDP,
            ns::DTLS,
            ns::SOURCES_FEATURE,
            ns::MUJI,
            ns::CALL_INVITES,
            ns::CONFERENCE,
        ];
        let groups = self.shared.capabilities.bundling.then_some(ns::GROUPING_FEATURE);
        let rings = self.shared.config.one_to_one.then_some(ns::JINGLE_MESSAGE);
        let mut encodings = self.shared.capabilities.audio.iter().chain(&self.shared.capabilities.video);
        let feedback = encodings.any(|encoding| !encoding.feedback.is_empty()).then_some(ns::RTCP_FB);
        let extended =
            [Media::Audio, Media::Video].iter().any(|media| !self.shared.capabilities.extensions(media).is_empty());
        let extends = extended.then_some(ns::RTP_HDREXT);
        let depending = [groups, rings, feedback, extends].into_iter().flatten();
        always.into_iter().chain(able.map(|(_, feature)| feature)).chain(depending).collect()
    }

    /// Refuses what is sent once, such as an invitation, while the connection is gone: a new stream would not carry it. State, such as
    /// being muted, is sent again by itself.
    pub(super) fn is_online(&self) -> Result<(), Refused> {
        if self.offline { Err(Refused::Offline) } else { Ok(()) }
    }

    /// Does what the user wants of a call.
    ///
    /// # Errors
    /// If there is no such call, or it is not ours to do.
    pub fn command(&mut self, now: Instant, call: CallId, command: Command) -> Result<(), Refused> {
        if matches!(command, Command::Invite(_) | Command::InviteToRoom(..) | Command::Admit(_) | Command::EndForAll) {
            self.is_online()?;
        }
        if let Command::Invite(guest) = &command
            && self.direct_calls.contains(call)
        {
            return self.invite_third(now, call, guest.clone());
        }
        if matches!(command, Command::Accept(_)) {
            self.seek_servers(now);
        }
        let outcome = if self.calls.contains_key(&call) {
            self.with_call(now, call, |conference, cx| conference.command(cx, command))
        } else {
            self.with_direct_calls(now, |direct_calls, cx, _| direct_calls.command(cx, call, command))
        };
        outcome.unwrap_or(Err(Refused::UnknownCall))
    }

    /// How we stand with each other participant of a call, by nick: who hears whom. Empty if there is no such call.
    #[must_use]
    pub fn pairs(&self, call: CallId) -> Vec<Pair> {
        self.calls.get(&call).map_or_else(|| self.direct_calls.pairs(call), Conference::pairs)
    }

    fn take_stanza(&mut self, now: Instant, stanza: &Stanza) -> Handled {
        match stanza {
            Stanza::Presence(presence) => self.handle_presence(now, presence),
            Stanza::Iq(iq) => self.handle_iq(now, iq),
            Stanza::Message(message) => self.handle_message(now, message),
        }
    }

    fn take_element(&mut self, now: Instant, element: &Element) -> Handled {
        match stanza::read(element) {
            Ok(stanza) => self.take_stanza(now, &stanza),
            Err(unreadable) => self.handle_unreadable(now, element, &unreadable),
        }
    }

    fn handle_unreadable(&mut self, now: Instant, element: &Element, unreadable: &Unreadable) -> Handled {
        if let Some((room, nick, presence)) = stanza::presence_of_odd_nick(element)
            && let Some(read) = RoomPresence::read(nick, &presence)
        {
            self.note_client(&presence, Some(&read));
            return self.handle_room_presence(now, &room, Some(&read));
        }
        self.skipped(unreadable.from.clone().unwrap_or_default(), &unreadable.to_string());
        Handled::NotOurs
    }

    fn handle_presence(&mut self, now: Instant, presence: &Presence) -> Handled {
        let Some(from) = &presence.from else { return Handled::NotOurs };
        let read = from.resource().and_then(|nick| RoomPresence::read(nick.to_string(), presence));
        self.note_client(presence, read.as_ref());
        if let Ok(device) = from.clone().try_into_full()
            && let Some(available) = available(&presence.type_)
        {
            self.with_direct_calls(now, |direct_calls, cx, _| direct_calls.presence(cx, &device, available));
        }
        self.handle_room_presence(now, &from.to_bare(), read.as_ref())
    }

    /// A presence from what may be a room, `None` if it is none of an occupant.
    fn handle_room_presence(&mut self, now: Instant, room: &BareJid, read: Option<&RoomPresence>) -> Handled {
        if let Some(read) = read {
            self.observe(now, room, read);
        }
        let Some(call) = self.call_in(room) else { return Handled::NotOurs };
        let handled = self.what_a_room_says(call);
        self.with_call(now, call, |conference, cx| conference.presence(cx, read));
        handled
    }

    /// Keeps in mind what client a device has, if its presence tells, and whose device it is.
    fn note_client(&mut self, presence: &Presence, in_room: Option<&RoomPresence>) {
        if let Some(in_room) = in_room {
            if let PresenceKind::Available(described) = &in_room.kind
                && let [real] = &described.user.devices[..]
            {
                self.shared.clients.seen(real, described.quirks);
            }
            return;
        }
        let Some(Ok(device)) = presence.from.clone().map(Jid::try_into_full) else { return };
        match available(&presence.type_) {
            Some(true) => self.shared.clients.seen(&device, ClientQuirks::find(&presence.payloads)),
            Some(false) => self.shared.clients.gone(&device),
            None => {}
        }
    }

    /// News from the media layer.
    pub fn handle_media(&mut self, now: Instant, report: &MediaReport) {
        self.with_direct_calls(now, |direct_calls, cx, _| direct_calls.media(cx, report));
        self.with_all(now, |conference, cx| conference.media(cx, report));
    }

    /// The media layer is gone: without it there are no calls.
    pub fn handle_media_gone(&mut self, now: Instant) {
        self.with_direct_calls(now, |direct_calls, cx, _| direct_calls.media_gone(cx));
        self.with_all(now, Conference::media_gone);
    }

    /// What to send if this program is gone without having left its calls, so that nobody waits for it (as MQTT's last will): the end of
    /// each call that the user takes part in. For clients that have this in a process of its own, and send it when that process has died.
    /// Nothing changes.
    #[must_use]
    pub fn last_will(&self, now: Instant) -> Vec<OutgoingStanza> {
        let mut leaving = self.clone();
        leaving.shared.out.clear();
        leaving.with_all(now, |conference, cx| conference.withdraw(cx, EndReason::Left));
        leaving.with_direct_calls(now, |direct_calls, cx, _| direct_calls.leave_all(cx));
        let said = leaving.shared.out.into_iter();
        said.filter_map(|output| if let Output::Send(stanza) = output { Some(stanza) } else { None }).collect()
    }

    /// News of the connection.
    pub fn handle_connection(&mut self, now: Instant, change: ConnectionChange) {
        match change {
            ConnectionChange::Lost => {
                self.offline = true;
                self.lost_until.get_or_insert(now + config::DISCONNECTED);
                self.with_all(now, |conference, _| conference.went_offline());
            }
            ConnectionChange::Resumed => {
                self.offline = false;
                self.lost_until = None;
                self.with_all(now, Conference::resumed);
            }
            ConnectionChange::Bound { jid } => {
                self.offline = false;
                self.lost_until = None;
                self.us = Some(jid.clone());
                self.ice_servers.rebound();
                self.chat_rooms.clear(); // The client enters its rooms again.
                self.with_direct_calls(now, |direct_calls, cx, us| direct_calls.rebound(cx, us));
                self.greet(now);
                self.with_all(now, |conference, cx| conference.rebound(cx, jid.clone()));
                if self.talks() {
                    self.seek_servers(now);
                }
            }
        }
    }

    /// Does what is due; afterwards [`Self::poll_timeout`] lies behind `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.lost_until.is_some_and(|until| until <= now) {
            self.lost_until = None;
            self.with_direct_calls(now, |direct_calls, cx, _| direct_calls.disconnected(cx));
            self.with_all(now, Conference::disconnected);
        }
        self.with_direct_calls(now, |direct_calls, cx, _| direct_calls.handle_timeout(cx));
        self.invitations.handle_timeout(now, &mut self.shared.out);
        self.availability.handle_timeout(now);
        self.ice_servers.handle_timeout(now);
        if self.ice_servers.poll_timeout(self.talks()).is_some_and(|due| due <= now) {
            self.seek_servers(now);
        }
        for (call, guest) in self.services.handle_timeout(now) {
            self.widen(now, call, guest);
        }
        self.with_all(now, Conference::handle_timeout);
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let servers = self.ice_servers.poll_timeout(self.talks());
        let server = [self.availability.poll_timeout(), self.services.poll_timeout(), servers];
        let others = [self.direct_calls.poll_timeout(), self.invitations.poll_timeout()].into_iter().chain(server);
        let calls = self.calls.values().filter_map(Conference::poll_timeout);
        calls.chain(self.lost_until).chain(others.flatten()).min()
    }

    /// The next thing to do. Take all after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shared.out.pop_front()
    }

    /// The wall-clock time. Servers stamp with it what they deliver late (XEP-0203): without it a call that was stamped is
    /// [`Event::Missed`], however young it is. And they say by it when credentials for TURN servers end (XEP-0215): without it these
    /// are taken to last half a day. Say it again when the machine has slept, as `Instant` may not count that.
    pub fn set_clock(&mut self, now: Instant, wall: SystemTime) {
        self.clock.set(now, wall);
    }

    /// True if there is a call that the user wants.
    fn talks(&self) -> bool {
        !self.calls.is_empty() || self.direct_calls.talks()
    }

    /// Asks for STUN and TURN servers, if there is something to ask.
    fn seek_servers(&mut self, now: Instant) {
        let Some(us) = self.us.clone().filter(|_| self.shared.config.discover_servers) else { return };
        if let Some(question) = self.ice_servers.needed(now, &mut self.shared.ids, us.domain()) {
            self.send(question);
        }
    }

    /// Of a room that we entered ourselves the client knows nothing, and would show people of whom nobody told it.
    fn what_a_room_says(&self, call: CallId) -> Handled {
        let entered = self.calls.get(&call).is_some_and(Conference::has_room_of_its_own);
        if entered { Handled::Taken } else { Handled::Shared }
    }

    fn call_in(&self, room: &BareJid) -> Option<CallId> {
        self.calls.iter().find(|(_, call)| call.room() == room).map(|(call, _)| *call)
    }

    /// True if this person is in a call of a room with us.
    fn has_met(&self, who: &BareJid) -> bool {
        self.calls.values().any(|call| call.has_met(who))
    }

    /// Does something with the calls with one person; `None` before the server has bound a JID.
    fn with_direct_calls<T>(
        &mut self,
        now: Instant,
        act: impl FnOnce(&mut DirectCalls, &mut Context<'_>, &FullJid) -> T,
    ) -> Option<T> {
        let us = self.us.as_ref()?;
        Some(act(&mut self.direct_calls, &mut self.shared.context(now), us))
    }

    fn with_all(&mut self, now: Instant, act: impl Fn(&mut Conference, &mut Context<'_>)) {
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.with_call(now, call, &act);
        }
    }

    /// Does something with the call in a room; `None` if there is no such call.
    fn with_call<T>(
        &mut self,
        now: Instant,
        call: CallId,
        act: impl FnOnce(&mut Conference, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let conference = self.calls.get_mut(&call)?;
        let result = act(conference, &mut self.shared.context(now));
        if conference.is_over() {
            self.remove_call(call);
        }
        Some(result)
    }

    /// A call is not in its room any more: it is over, or one with one person again.
    fn remove_call(&mut self, call: CallId) {
        let Some(mut conference) = self.calls.remove(&call) else { return };
        if let Some(handover) = conference.hand_back() {
            return self.direct_calls.restore(call, handover);
        }
        self.direct_calls.forget(call);
        self.left.retain(|room| room != conference.room());
        if self.left.len() == config::MAX_LEFT_ROOMS {
            self.left.pop_front();
        }
        self.left.push_back(conference.room().clone());
    }

    fn context(&mut self, now: Instant) -> Context<'_> {
        self.shared.context(now)
    }

    fn send(&mut self, iq: Iq) {
        self.shared.out.push_back(Output::Send(OutgoingStanza::new(iq)));
    }
}
