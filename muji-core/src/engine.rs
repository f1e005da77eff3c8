//! Routing between stanzas, media and calls, and nothing clever.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use jid::{BareJid, DomainRef, FullJid, Jid, NodePart};
use muji_jingle::fault::PeerFault;
use muji_jingle::{CallId, Ids, refuse};
use muji_xep::invite::{CallInvite, Word};
use muji_xep::jingle::{Action, Jingle};
use muji_xep::muc::MucUser;
use muji_xep::room_invite::{self, RoomInvite, Via};
use muji_xep::rtp::Media;
use muji_xep::{Skipped, guard, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::{Id as MessageId, Message, MessageType};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::Presence;
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::StanzaError;

use crate::conference::{Conference, Cx, Ended, Guest, Invites};
use crate::config::{self, Config};
use crate::disco::Disco;
use crate::error::Refused;
use crate::event::{About, Command, Connection, Event, Handled, Invitation, Join, Peer, Style, occupant};
use crate::media::{Capabilities, MediaCommand, MediaReport};
use crate::pair::Pair;
use crate::seat::Seat;

/// What the engine wants done, in the order of the wire.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// To the server.
    Send(Box<Stanza>),
    /// To the media layer.
    Media(MediaCommand),
    /// To the application.
    Event(About, Event),
}

impl Clone for Output {
    fn clone(&self) -> Self {
        match self {
            Self::Send(stanza) => Self::Send(Box::new(copy(stanza))),
            Self::Media(command) => Self::Media(command.clone()),
            Self::Event(about, event) => Self::Event(about.clone(), event.clone()),
        }
    }
}

/// A message that speaks of an invitation. It is for every device of its reader, so nothing forbids copies.
pub(crate) fn call_message(to: Jid, id: String, invite: &CallInvite) -> Message {
    let mut message = Message::chat(to);
    message.id = Some(MessageId(id));
    message.payloads = invite.write();
    message
}

/// `Stanza` cannot be cloned, what it holds can.
fn copy(stanza: &Stanza) -> Stanza {
    match stanza {
        Stanza::Iq(iq) => iq.clone().into(),
        Stanza::Message(message) => message.clone().into(),
        Stanza::Presence(presence) => presence.clone().into(),
    }
}

/// An invitation that was shown.
#[derive(Debug, Clone)]
struct Invited {
    room: BareJid,
    call: bool,
    until: Instant,
}

/// All calls of one account, as values: stanzas, media reports, commands and the time go in, [`Output`]s come out.
#[derive(Debug, Clone)]
pub struct Engine {
    ids: Ids,
    capabilities: Capabilities,
    config: Config,
    us: Option<FullJid>,
    /// What the client says in every presence.
    extras: Vec<Element>,
    /// What is answered to those who ask who we are, if the client does not do it.
    disco: Option<Disco>,
    calls: BTreeMap<CallId, Conference>,
    /// Chat rooms in which the client sits, and who is in a call there.
    seats: BTreeMap<BareJid, Seat>,
    /// Rooms whose calls are over, oldest first.
    left: VecDeque<BareJid>,
    /// Rooms to which we were invited of late, and whether to their calls.
    invited: VecDeque<Invited>,
    /// The connection is gone; if it does not come back the calls end then.
    lost_until: Option<Instant>,
    ended: Ended,
    queue: VecDeque<Output>,
}

impl Engine {
    /// An engine without calls. `seed` is a secret of chance, used once: all ids follow from it.
    #[must_use]
    pub fn new(seed: [u8; 32], capabilities: Capabilities) -> Self {
        Self::with_config(seed, capabilities, Config::default())
    }

    /// The same with other time limits.
    #[must_use]
    pub fn with_config(seed: [u8; 32], capabilities: Capabilities, config: Config) -> Self {
        Self {
            ids: Ids::new(seed),
            capabilities,
            config,
            us: None,
            extras: Vec::new(),
            disco: None,
            calls: BTreeMap::new(),
            seats: BTreeMap::new(),
            left: VecDeque::new(),
            invited: VecDeque::new(),
            lost_until: None,
            ended: Ended::default(),
            queue: VecDeque::new(),
        }
    }

    /// What the client says in every presence, such as its entity capabilities (XEP-0115) and that it is away. The presences
    /// of calls say it too; a change is said at once in the rooms of calls.
    pub fn set_presence_extras(&mut self, now: Instant, extras: Vec<Element>) {
        self.extras = extras;
        self.with_all(now, |conference, cx| conference.extras_changed(cx));
    }

    /// Lets the Engine answer disco#info queries and put the capabilities into its presences, for programs that have no
    /// client around them. Outside of calls only the own account and server are answered.
    pub fn introduce(&mut self, now: Instant, disco: Disco) {
        let mut extras = std::mem::take(&mut self.extras);
        extras.retain(|extra| !extra.is("c", ns::CAPS));
        extras.push(disco.caps());
        self.disco = Some(disco);
        self.set_presence_extras(now, extras);
    }

    /// What the client adds to its disco#info and its caps: others ask for it before they call (Dino does).
    #[must_use]
    pub fn features(&self) -> Vec<&'static str> {
        let media = [(Media::Audio, ns::RTP_AUDIO), (Media::Video, ns::RTP_VIDEO)];
        let able = media.into_iter().filter(|(media, _)| !self.capabilities.of(media).is_empty());
        let always = [
            ns::JINGLE,
            ns::RTP,
            ns::ICE_UDP,
            ns::DTLS,
            ns::GROUPING_FEATURE,
            ns::SOURCES_FEATURE,
            ns::MUJI,
            ns::CALL_INVITES,
            ns::CONFERENCE,
        ];
        always.into_iter().chain(able.map(|(_, feature)| feature)).collect()
    }

    /// Enters a room and its call. What becomes of it comes as events.
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn join(&mut self, now: Instant, room: BareJid, how: Join) -> Result<CallId, Refused> {
        let seat = match how.style {
            Style::Own => None,
            Style::InChat => {
                let seat = self.seats.get(&room).filter(|seat| seat.nick.is_some());
                Some(seat.cloned().ok_or(Refused::NotInRoom)?)
            }
        };
        let again = self.left.contains(&room);
        let (call, mut conference) = self.enter(now, room, how, seat.as_ref().and_then(|seat| seat.nick.clone()))?;
        if again {
            conference = conference.again();
        }
        if let Some(seat) = seat {
            conference = conference.seated(&mut self.cx(now), &seat);
        }
        self.calls.insert(call, conference);
        Ok(call)
    }

    /// Makes a room for a call at this service and enters it: for members only, whom [`Command::Admit`] makes, under a name
    /// that nobody can guess. It is gone when the last one leaves.
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn open(&mut self, now: Instant, service: &DomainRef, how: Join) -> Result<(BareJid, CallId), Refused> {
        let word = NodePart::new(&self.ids.word()).expect("hexadecimal digits are a node").into_owned();
        let room = BareJid::from_parts(Some(&word), service);
        let (call, conference) = self.enter(now, room.clone(), Join { style: Style::Own, ..how }, None)?;
        self.calls.insert(call, conference.closed_to_strangers());
        Ok((room, call))
    }

    fn enter(
        &mut self,
        now: Instant,
        room: BareJid,
        how: Join,
        seated: Option<String>,
    ) -> Result<(CallId, Conference), Refused> {
        let us = self.us.clone().ok_or(Refused::NotConnected)?;
        if self.calls.values().any(|call| *call.room() == room) {
            return Err(Refused::AlreadyThere);
        }
        if self.calls.len() >= config::MAX_CALLS {
            return Err(Refused::TooManyCalls);
        }
        if how.media.iter().all(|media| self.capabilities.of(media).is_empty()) {
            return Err(Refused::NoCodec);
        }
        let nick = seated.or_else(|| how.nick.clone()).unwrap_or_else(|| self.ids.nick());
        let nick = occupant(&room, &nick).ok_or(Refused::BadNick)?.resource().as_str().to_owned();
        let call = self.ids.call();
        Ok((call, Conference::enter(&mut self.cx(now), call, us, room, how, nick)))
    }

    /// Takes an invitation: tells whoever invited us and joins the call, if it is still there.
    ///
    /// # Errors
    /// As [`Self::join`]; nothing was sent then.
    pub fn accept(&mut self, now: Instant, invitation: &Invitation, how: Join) -> Result<CallId, Refused> {
        let call = self.join(now, invitation.room.clone(), how.invited())?;
        self.answer_invitation(invitation, Word::Accept);
        Ok(call)
    }

    /// Tells whoever invited us that we do not come. Whoever asks again is shown again.
    pub fn decline(&mut self, invitation: &Invitation) {
        self.invited.retain(|shown| shown.room != invitation.room);
        self.answer_invitation(invitation, Word::Reject);
    }

    /// Tells whoever invited us to a room that we do not come. Who did so directly is not told (XEP-0249 section 2). To
    /// come: [`Self::join`] it with [`Join::invited`].
    pub fn decline_room(&mut self, invite: &RoomInvite) {
        self.invited.retain(|shown| shown.room != invite.room);
        if invite.via == Via::Room {
            let mut message = Message::normal(Some(invite.room.clone().into()));
            message.payloads = vec![room_invite::decline(&invite.from.to_bare())];
            self.queue.push_back(Output::Send(Box::new(message.into())));
        }
    }

    fn answer_invitation(&mut self, invitation: &Invitation, word: Word) {
        let room = (word == Word::Accept).then(|| invitation.room.clone());
        let invite = CallInvite { id: invitation.id.clone(), word, room };
        let message = call_message(invitation.from.to_bare().into(), self.ids.word(), &invite);
        self.queue.push_back(Output::Send(Box::new(message.into())));
    }

    /// Does what the user wants of a call.
    ///
    /// # Errors
    /// If there is no such call, or it is not ours to do.
    pub fn command(&mut self, now: Instant, call: CallId, command: Command) -> Result<(), Refused> {
        let mut outcome = Err(Refused::UnknownCall);
        self.with_call(now, call, |conference, cx| {
            outcome = Ok(());
            match command {
                Command::Leave => conference.leave(cx),
                Command::EndForAll => outcome = conference.end_for_all(cx),
                Command::Mute(media, mute) => conference.mute(cx, &media, mute),
                Command::Add(media) => outcome = conference.add(cx, media),
                Command::Remove(media) => outcome = conference.remove(cx, &media),
                Command::Admit(guest) => outcome = conference.admit(cx, &guest),
                Command::Invite(guest) => conference.invite(cx, Guest { jid: guest, to: Invites::Call }),
                Command::InviteToRoom(guest, via) => {
                    conference.invite(cx, Guest { jid: guest, to: Invites::Room(via) });
                }
            }
        });
        outcome
    }

    /// How we stand with each other participant of a call, by nick: who hears whom. Empty if there is no such call.
    #[must_use]
    pub fn pairs(&self, call: CallId) -> Vec<Pair> {
        self.calls.get(&call).map_or_else(Vec::new, Conference::pairs)
    }

    /// Who is in a call in a chat room in which the client sits, whether or not we take part.
    #[must_use]
    pub fn people_in_call(&self, room: &BareJid) -> Vec<Peer> {
        let seat = self.seats.get(room);
        let people = seat.into_iter().flat_map(|seat| seat.roster.participants());
        people.map(|(nick, jid, _)| Peer { nick: nick.to_owned(), jid: jid.clone() }).collect()
    }

    /// A stanza from the server. Answered with [`Handled::Taken`], the client must not answer it again.
    pub fn handle_stanza(&mut self, now: Instant, stanza: &Stanza) -> Handled {
        match stanza {
            Stanza::Presence(presence) => self.handle_presence(now, presence),
            Stanza::Iq(iq) => self.handle_iq(now, iq),
            Stanza::Message(message) => self.handle_message(now, message),
        }
    }

    /// The same for clients that hold their stanzas as elements.
    pub fn handle_element(&mut self, now: Instant, element: &Element) -> Handled {
        if guard::check(element).is_err() {
            return Handled::NotOurs; // Copying it could exhaust the stack.
        }
        match Stanza::try_from(element.clone()) {
            Ok(stanza) => self.handle_stanza(now, &stanza),
            Err(_) => Handled::NotOurs,
        }
    }

    fn handle_presence(&mut self, now: Instant, presence: &Presence) -> Handled {
        let Some(room) = presence.from.as_ref().map(Jid::to_bare) else { return Handled::NotOurs };
        self.observe(now, &room, presence);
        let Some(call) = self.call_in(&room) else { return Handled::NotOurs };
        self.with_call(now, call, |conference, cx| conference.presence(cx, presence));
        Handled::Shared
    }

    /// Keeps up with who is in a call in a room, whether or not we are.
    fn observe(&mut self, now: Instant, room: &BareJid, presence: &Presence) {
        if self.calls.values().any(|call| call.room() == room && call.has_room_of_its_own()) {
            return;
        }
        let before = self.people_in_call(room);
        if !self.seats.contains_key(room) && self.seats.len() >= config::MAX_ROOMS {
            // Rooms in which the client does not sit may be a stranger's invention.
            let invented = self.seats.iter().find(|(_, seat)| seat.nick.is_none()).map(|(room, _)| room.clone());
            let Some(invented) = invented else { return }; // Who sits in so many is told of calls in the first ones.
            self.seats.remove(&invented);
        }
        let seat = self.seats.entry(room.clone()).or_default();
        seat.heard(now, presence);
        if seat.is_empty() {
            self.seats.remove(room);
        }
        let people = self.people_in_call(room);
        if people != before && self.call_in(room).is_none() {
            let event = Event::CallRunning { people };
            self.queue.push_back(Output::Event(About::Room(room.clone()), event));
        }
    }

    /// A room speaks of itself in messages.
    fn handle_message(&mut self, now: Instant, message: &Message) -> Handled {
        if let Some(handled) = self.handle_invite(now, message) {
            return handled;
        }
        let Some(room) = message.from.as_ref().filter(|from| from.is_bare()).map(Jid::to_bare) else {
            return Handled::NotOurs;
        };
        let (Some(call), Some(user)) = (self.call_in(&room), MucUser::find(&message.payloads)) else {
            return Handled::NotOurs;
        };
        let declined = room_invite::declined(&message.payloads);
        self.with_call(now, call, |conference, cx| match declined {
            _ if message.type_ == MessageType::Error => conference.not_passed_on(cx, &message.payloads),
            Some((guest, reason)) => conference.was_declined(cx, guest, reason),
            None => conference.room_changed(cx, &user),
        });
        Handled::Shared
    }

    /// Invitations of others to us; a copy of our own, or an old one from an archive, is none. Those to all of a chat room are
    /// not taken yet.
    fn handle_invite(&mut self, now: Instant, message: &Message) -> Option<Handled> {
        let for_us = matches!(message.type_, MessageType::Chat | MessageType::Normal);
        if !for_us || message.payloads.iter().any(|payload| payload.is("delay", ns::DELAY)) {
            return None;
        }
        self.handle_call_invite(now, message).or_else(|| self.handle_room_invite(now, message))
    }

    fn handle_call_invite(&mut self, now: Instant, message: &Message) -> Option<Handled> {
        let invite = CallInvite::find(&message.payloads, message.id.as_ref().map(|id| id.0.as_str()))?;
        let Word::Invite { video } = invite.word else { return None };
        let from =
            message.from.clone().filter(|from| self.us.as_ref().is_none_or(|us| us.to_bare() != from.to_bare()))?;
        let invitation = Invitation { from, room: invite.room?, id: invite.id, video };
        let there = self.call_in(&invitation.room).is_some();
        if !there && self.is_news(now, &invitation.room, true) {
            self.queue.push_back(Output::Event(About::Account, Event::Invited(invitation)));
        }
        Some(Handled::Taken)
    }

    /// An invitation to a room as such; whether there is a call the client may find out.
    fn handle_room_invite(&mut self, now: Instant, message: &Message) -> Option<Handled> {
        let invite = RoomInvite::find(message.from.as_ref()?, &message.payloads)?;
        let ours = self.us.as_ref().is_some_and(|us| us.to_bare() == invite.from.to_bare());
        let there = self.call_in(&invite.room).is_some()
            || self.seats.get(&invite.room).is_some_and(|seat| seat.nick.is_some());
        if !ours && !there && self.is_news(now, &invite.room, false) {
            self.queue.push_back(Output::Event(About::Account, Event::RoomInvited(invite)));
        }
        Some(Handled::Shared)
    }

    /// False if an invitation to this room was shown just now; one to its call comes behind one to the room all the same.
    fn is_news(&mut self, now: Instant, room: &BareJid, call: bool) -> bool {
        self.invited.retain(|shown| shown.until > now);
        if self.invited.iter().any(|shown| shown.room == *room && (shown.call || !call)) {
            return false;
        }
        if self.invited.len() == config::MAX_INVITED {
            self.invited.pop_front();
        }
        self.invited.push_back(Invited { room: room.clone(), call, until: now + config::INVITED });
        true
    }

    fn handle_iq(&mut self, now: Instant, iq: &Iq) -> Handled {
        match iq {
            Iq::Set { from, id, payload, .. } if Jingle::matches(payload) => {
                let Some(from) = from.clone().and_then(|from| from.try_into_full().ok()) else {
                    return Handled::NotOurs;
                };
                self.handle_jingle(now, &from, id, payload)
            }
            Iq::Get { from: Some(from), id, payload, .. } if payload.is("ping", ns::PING) && self.is_us(from) => {
                let (to, id) = (Some(from.clone()), id.clone());
                self.send(Iq::Result { from: None, to, id, payload: None });
                Handled::Taken
            }
            Iq::Get { from: Some(from), id, payload, .. } if payload.is("query", ns::DISCO_INFO) => {
                self.handle_disco(from, id, payload)
            }
            Iq::Result { from: Some(from), id, payload, .. } => self.handle_answer(now, from, id, Ok(payload.as_ref())),
            Iq::Error { from: Some(from), id, error, .. } => self.handle_answer(now, from, id, Err(error)),
            Iq::Get { .. } | Iq::Set { .. } | Iq::Result { .. } | Iq::Error { .. } => Handled::NotOurs,
        }
    }

    /// A participant's query can come before its presence, so in a call everybody is answered (Dino asks before it calls).
    fn handle_disco(&mut self, from: &Jid, id: &str, payload: &Element) -> Handled {
        let ours =
            self.us.as_ref().is_some_and(|us| from.to_bare() == us.to_bare() || from.as_str() == us.domain().as_str());
        let Some(disco) = self.disco.as_ref().filter(|_| ours || !self.calls.is_empty()) else {
            return Handled::NotOurs;
        };
        let (to, id) = (Some(from.clone()), id.to_owned());
        self.send(match disco.answer(payload.attr("node")) {
            Ok(info) => Iq::Result { from: None, to, id, payload: Some(info) },
            Err(error) => Iq::Error { from: None, to, id, error: *error, payload: None },
        });
        Handled::Taken
    }

    fn handle_jingle(&mut self, now: Instant, from: &FullJid, id: &str, payload: &Element) -> Handled {
        let mut skipped = Skipped::default();
        let read = match guard::check(payload) {
            Ok(()) => Jingle::read(payload, &mut skipped),
            Err(_) => None,
        };
        let Some(jingle) = read else {
            self.send(refuse(from, id, &PeerFault::Malformed("an action and a sid, within bounds")));
            return Handled::Taken;
        };
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            if let Some(session) = self.calls[&call].session_of(from, &jingle.sid) {
                self.with_call(now, call, |conference, cx| {
                    conference.skipped(cx, from.as_str(), &skipped);
                    conference.session_requested(cx, session, id, &jingle);
                });
                return Handled::Taken;
            }
        }
        self.handle_foreign_jingle(now, from, id, &jingle, &skipped)
    }

    /// A request for no session of ours: the client's own, if it does not speak of a conference.
    fn handle_foreign_jingle(
        &mut self,
        now: Instant,
        from: &FullJid,
        id: &str,
        jingle: &Jingle,
        skipped: &Skipped,
    ) -> Handled {
        if self.ended.contains(from, &jingle.sid) {
            self.send(refuse(from, id, &PeerFault::UnknownSession { sid: jingle.sid.clone() }));
            return Handled::Taken;
        }
        let Some(room) = jingle.room.as_ref().filter(|_| jingle.action == Action::SessionInitiate) else {
            return Handled::NotOurs;
        };
        // Sessions run between real JIDs (XEP-0272 section 3), so nothing of a call comes from an occupant's.
        let through_room = self.call_in(&from.to_bare()).is_some();
        match self.call_in(room).filter(|_| !through_room) {
            Some(call) => self.with_call(now, call, |conference, cx| {
                conference.skipped(cx, from.as_str(), skipped);
                conference.offered(cx, id, from, jingle);
            }),
            None => self.send(refuse(from, id, &PeerFault::Stranger)),
        }
        Handled::Taken
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        from: &Jid,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> Handled {
        let answer = answer.map(|payload| payload.filter(|payload| guard::check(payload).is_ok()));
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            let mut taken = false;
            self.with_call(now, call, |conference, cx| {
                taken = if from.to_bare() == *conference.room() {
                    conference.room_answered(cx, id, answer)
                } else {
                    let peer = from.clone().try_into_full();
                    peer.is_ok_and(|peer| conference.session_answered(cx, &peer, id, answer.map(|_| ())))
                };
            });
            if taken {
                return Handled::Taken;
            }
        }
        Handled::NotOurs
    }

    /// News from the media layer.
    pub fn handle_media(&mut self, now: Instant, report: &MediaReport) {
        self.with_all(now, |conference, cx| match (report.session(), report) {
            (Some(session), report) => drop(conference.media(cx, session, report)),
            (None, MediaReport::Trouble { why }) => conference.trouble(cx, why),
            (None, _) => {}
        });
    }

    /// The media layer is gone: without it there are no calls.
    pub fn handle_media_gone(&mut self, now: Instant) {
        self.with_all(now, Conference::media_gone);
    }

    /// News of the connection.
    pub fn handle_connection(&mut self, now: Instant, change: Connection) {
        match change {
            Connection::Lost => {
                self.lost_until.get_or_insert(now + config::DISCONNECTED);
                self.with_all(now, |conference, _| conference.went_offline());
            }
            Connection::Resumed => {
                self.lost_until = None;
                self.with_all(now, Conference::resumed);
            }
            Connection::Bound { jid } => {
                self.lost_until = None;
                self.us = Some(jid.clone());
                self.seats.clear(); // The client enters its rooms anew.
                self.with_all(now, |conference, cx| conference.rebound(cx, jid.clone()));
            }
        }
    }

    /// Does what is due; afterwards [`Self::poll_timeout`] lies behind `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.lost_until.is_some_and(|until| until <= now) {
            self.lost_until = None;
            self.with_all(now, Conference::disconnected);
        }
        self.with_all(now, Conference::handle_timeout);
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.calls.values().filter_map(Conference::poll_timeout).chain(self.lost_until).min()
    }

    /// The next thing to do. Take all after each input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    fn call_in(&self, room: &BareJid) -> Option<CallId> {
        self.calls.iter().find(|(_, call)| call.room() == room).map(|(call, _)| *call)
    }

    /// True if it is our own occupant in the room of a call.
    fn is_us(&self, who: &Jid) -> bool {
        self.calls.values().any(|call| call.is_us(who))
    }

    fn with_all(&mut self, now: Instant, act: impl Fn(&mut Conference, &mut Cx<'_>)) {
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.with_call(now, call, &act);
        }
    }

    fn with_call(&mut self, now: Instant, call: CallId, act: impl FnOnce(&mut Conference, &mut Cx<'_>)) {
        let Some(mut conference) = self.calls.remove(&call) else { return };
        act(&mut conference, &mut self.cx(now));
        if !conference.is_over() {
            self.calls.insert(call, conference);
            return;
        }
        self.left.retain(|room| room != conference.room());
        if self.left.len() == config::MAX_LEFT {
            self.left.pop_front();
        }
        self.left.push_back(conference.room().clone());
    }

    fn cx(&mut self, now: Instant) -> Cx<'_> {
        Cx {
            now,
            ids: &mut self.ids,
            capabilities: &self.capabilities,
            config: &self.config,
            extras: &self.extras,
            out: &mut self.queue,
            ended: &mut self.ended,
        }
    }

    fn send(&mut self, iq: Iq) {
        self.queue.push_back(Output::Send(Box::new(iq.into())));
    }
}
