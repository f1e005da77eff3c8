//! Routing between stanzas, media and calls, and nothing clever.

mod messages;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use jid::{BareJid, DomainRef, FullJid, Jid, NodePart};
use muji_jingle::authentication::short_string;
use muji_jingle::fault::PeerFault;
use muji_jingle::{CallId, Ids, refuse};
use muji_xep::invite::Word;
use muji_xep::jingle::{Action, Jingle};
use muji_xep::room_invite::{self, RoomInvite, Via};
use muji_xep::rtp::Media;
use muji_xep::{Skipped, guard, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::Message;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::{self, Presence};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::StanzaError;

use crate::attendance::{Answer, Attendance, is_from_account};
use crate::conference::Conference;
use crate::config::{self, Config};
use crate::cx::{Cx, Ended};
use crate::direct::{Directs, Sender};
use crate::disco::Disco;
use crate::error::{Refused, RoomFault};
use crate::event::{About, Command, Connection, Event, Handled, Invitation, Join, Peer, Style, occupant};
use crate::invitations::Invitations;
use crate::media::{Capabilities, MediaCommand, MediaReport};
use crate::pair::Pair;
use crate::seat::Seat;
use crate::services::{Next, Services};
use crate::trust::{Fingerprint, Trust};

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

/// `Stanza` cannot be cloned, what it holds can.
fn copy(stanza: &Stanza) -> Stanza {
    match stanza {
        Stanza::Iq(iq) => iq.clone().into(),
        Stanza::Message(message) => message.clone().into(),
        Stanza::Presence(presence) => presence.clone().into(),
    }
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
    invitations: Invitations,
    /// Calls with one other person.
    directs: Directs,
    attendance: Attendance,
    services: Services,
    trust: Trust,
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
            invitations: Invitations::default(),
            directs: Directs::default(),
            attendance: Attendance::default(),
            services: Services::default(),
            trust: Trust::default(),
            lost_until: None,
            ended: Ended::default(),
            queue: VecDeque::new(),
        }
    }

    /// What the client says in every presence, such as its entity capabilities (XEP-0115) and that it is away. The presences
    /// of calls say it too; a change is said at once in the rooms of calls.
    pub fn set_presence_extras(&mut self, now: Instant, extras: Vec<Element>) {
        self.extras = extras;
        if self.attendance.attends() && self.us.is_some() {
            let presence = self.attendance.presence(&self.extras);
            self.queue.push_back(Output::Send(Box::new(presence)));
        }
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

    /// Lets people call us, for programs that have no client around them: now and on each new stream it says that we are
    /// there, asks the server for copies of what our other devices hear and say (XEP-0280), and who our contacts are.
    pub fn attend(&mut self, now: Instant) {
        self.attendance.begin();
        if self.us.is_some() {
            self.greet(now);
        }
    }

    fn greet(&mut self, now: Instant) {
        let greeting = self.attendance.greeting(now, &mut self.ids, &self.extras);
        self.queue.extend(greeting.into_iter().map(|stanza| Output::Send(Box::new(stanza))));
    }

    /// Who sees our presence, for clients that know it: only they make us ring, and others are [`Event::Stranger`]s.
    pub fn set_contacts(&mut self, contacts: impl IntoIterator<Item = BareJid>) {
        self.directs.set_contacts(contacts.into_iter().collect());
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
        let rings = self.config.one_to_one.then_some(ns::JINGLE_MESSAGE);
        always.into_iter().chain(able.map(|(_, feature)| feature)).chain(rings).collect()
    }

    /// Calls somebody, sending these media: all its devices ring and the first to pick up takes the call (XEP-0353). A full
    /// JID is called without a word before, for clients whose disco#info lacks `urn:xmpp:jingle-message:0`.
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn call(&mut self, now: Instant, to: impl Into<Jid>, media: Vec<Media>) -> Result<CallId, Refused> {
        let to = to.into();
        let mut outcome = Err(Refused::NotConnected);
        self.with_directs(now, |directs, cx, us, _| outcome = directs.place(cx, us, to, media));
        outcome
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
        let seated = seat.as_ref().and_then(|seat| seat.nick.clone());
        let (call, mut conference) = self.enter(now, None, room, how, seated)?;
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
        let room = BareJid::from_parts(Some(&self.room_name()), service);
        let (call, mut conference) = self.enter(now, None, room.clone(), Join { style: Style::Own, ..how }, None)?;
        conference.is_ours_alone();
        self.calls.insert(call, conference);
        Ok((room, call))
    }

    /// A name that nobody can guess.
    fn room_name(&mut self) -> NodePart {
        NodePart::new(&self.ids.word()).expect("hexadecimal digits are a node").into_owned()
    }

    /// Where rooms for calls are made, such as `conference.example.org`; without it the own server is asked.
    pub fn set_room_service(&mut self, service: &DomainRef) {
        self.services.set(service);
    }

    /// The way into every room; `call` is one that goes on there.
    fn enter(
        &mut self,
        now: Instant,
        call: Option<CallId>,
        room: BareJid,
        how: Join,
        seated: Option<String>,
    ) -> Result<(CallId, Conference), Refused> {
        let us = self.us.clone().ok_or(Refused::NotConnected)?;
        self.may_enter(&room)?;
        if how.media.iter().all(|media| self.capabilities.of(media).is_empty()) {
            return Err(Refused::NoCodec);
        }
        let nick = seated.or_else(|| how.nick.clone()).unwrap_or_else(|| self.ids.nick());
        let nick = occupant(&room, &nick).ok_or(Refused::BadNick)?.resource().as_str().to_owned();
        let call = call.unwrap_or_else(|| self.ids.call());
        Ok((call, Conference::enter(&mut self.cx(now), call, us, room, how, nick)))
    }

    fn may_enter(&self, room: &BareJid) -> Result<(), Refused> {
        if self.calls.values().any(|call| call.room() == room) {
            return Err(Refused::AlreadyThere);
        }
        if self.calls.len() >= config::MAX_CALLS {
            return Err(Refused::TooManyCalls);
        }
        Ok(())
    }

    /// Takes an invitation: tells whoever invited us and joins the call, if it is still there. If we talk with whoever invited
    /// us, that call goes on there: it keeps its id, its session and what is sent in it.
    ///
    /// # Errors
    /// As [`Self::join`]; nothing was sent then.
    pub fn accept(&mut self, now: Instant, invitation: &Invitation, how: Join) -> Result<CallId, Refused> {
        let before = self.directs.talking_with(&invitation.from.to_bare());
        let call = match before.filter(|_| invitation.within.is_none()) {
            Some(call) => {
                self.goes_on_in(now, call, invitation.room.clone(), how.invited())?;
                call
            }
            None => self.join(now, invitation.room.clone(), how.invited())?,
        };
        self.invitations.accepted(&invitation.room);
        self.answer_invitation(invitation, Word::Accept);
        let answered = invitation.clone();
        self.with_call(now, call, |conference, _| conference.came_by(answered));
        Ok(call)
    }

    /// Tells whoever invited us that we do not come. Whoever asks again is shown again.
    pub fn decline(&mut self, invitation: &Invitation) {
        self.invitations.declined(&invitation.room);
        self.answer_invitation(invitation, Word::Reject);
    }

    /// Tells whoever invited us to a room that we do not come. Who did so directly is not told (XEP-0249 section 2). To
    /// come: [`Self::join`] it with [`Join::invited`].
    pub fn decline_room(&mut self, invite: &RoomInvite) {
        self.invitations.declined(&invite.room);
        if invite.via == Via::Room {
            let mut message = Message::normal(Some(invite.room.clone().into()));
            message.payloads = vec![room_invite::decline(&invite.from.to_bare())];
            self.queue.push_back(Output::Send(Box::new(message.into())));
        }
    }

    fn answer_invitation(&mut self, invitation: &Invitation, word: Word) {
        let message = invitation.answer(self.ids.word(), word);
        self.queue.push_back(Output::Send(Box::new(message.into())));
    }

    /// Does what the user wants of a call.
    ///
    /// # Errors
    /// If there is no such call, or it is not ours to do.
    pub fn command(&mut self, now: Instant, call: CallId, command: Command) -> Result<(), Refused> {
        let mut outcome = Err(Refused::UnknownCall);
        if let Command::Invite(guest) = &command
            && self.directs.contains(call)
        {
            return self.invite_third(now, call, guest.clone());
        }
        if self.calls.contains_key(&call) {
            self.with_call(now, call, |conference, cx| outcome = conference.command(cx, command));
        } else {
            self.with_directs(now, |directs, cx, _, _| outcome = directs.command(cx, call, command));
        }
        outcome
    }

    /// A call with one person needs a room before somebody else can come.
    fn invite_third(&mut self, now: Instant, call: CallId, guest: BareJid) -> Result<(), Refused> {
        if self.directs.talks_with(call).is_none() {
            return Err(Refused::NotTalking);
        }
        if self.services.is_full() {
            return Err(Refused::TooManyGuests);
        }
        if self.calls.len() >= config::MAX_CALLS {
            return Err(Refused::TooManyCalls);
        }
        if self.services.known().is_some() {
            self.widen(now, call, guest);
        } else if let Some(us) = self.us.clone()
            && let Some(question) = self.services.wait(now, &mut self.ids, us.domain(), call, guest)
        {
            self.send(question);
        }
        Ok(())
    }

    /// Makes a room in which a call goes on, and invites both. Somebody may have been faster, or the call is over by now.
    fn widen(&mut self, now: Instant, call: CallId, guest: BareJid) {
        let mut guests = vec![guest];
        if let Some(peer) = self.directs.talks_with(call).cloned() {
            let Some(service) = self.services.known().map(ToOwned::to_owned) else {
                let event = Event::NotInRoom(RoomFault::NoService);
                return self.queue.push_back(Output::Event(About::Call(call), event));
            };
            let room = BareJid::from_parts(Some(&self.room_name()), &service);
            if let Err(why) = self.goes_on_in(now, call, room, Join::own()) {
                let event = Event::Warning(format!("nobody is invited: {why}"));
                return self.queue.push_back(Output::Event(About::Call(call), event));
            }
            self.with_call(now, call, |conference, _| conference.is_ours_alone());
            guests.insert(0, peer);
        }
        self.with_call(now, call, |conference, cx| conference.invite_all(cx, guests));
    }

    /// Moves a call with one person into a room.
    fn goes_on_in(&mut self, now: Instant, call: CallId, room: BareJid, how: Join) -> Result<(), Refused> {
        let (_, conference) = self.enter(now, Some(call), room, how, None)?;
        let direct = self.directs.take(call).ok_or(Refused::UnknownCall)?;
        let conference = conference.continues(&mut self.cx(now), direct);
        self.calls.insert(call, conference);
        Ok(())
    }

    /// How we stand with each other participant of a call, by nick: who hears whom. Empty if there is no such call.
    #[must_use]
    pub fn pairs(&self, call: CallId) -> Vec<Pair> {
        self.calls.get(&call).map_or_else(|| self.directs.pairs(call), Conference::pairs)
    }

    /// Ties certificates to a person: whoever shows one of them is [`crate::Verification::Pinned`], and whoever shows another is told
    /// of by [`Event::CertificateChanged`], or refused if [`Config::refuse_changed`]. None at all unties the person. Clients make
    /// certificates for each call, or keep them: this is for those whose certificates somebody has learned another way.
    pub fn pin(&mut self, who: BareJid, certificates: Vec<Fingerprint>) {
        self.trust.pin(who, certificates);
    }

    /// Digits that all in a call read alike if nobody sits between any two of them: to be compared by voice. `None` until all
    /// pairs are connected. Clients that show each other another certificate (Dino) cannot be compared so in a group.
    #[must_use]
    pub fn authentication(&self, call: CallId) -> Option<String> {
        let sessions = match self.calls.get(&call) {
            Some(conference) => conference.connected_sessions()?,
            None => self.directs.connected_session(call).into_iter().collect(),
        };
        let shown = sessions.iter().flat_map(|session| session.fingerprints()).flatten();
        (!sessions.is_empty()).then(|| short_string(shown))
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
        if let Some(Ok(device)) = presence.from.clone().map(Jid::try_into_full)
            && presence.type_ == presence::Type::Unavailable
            && !self.directs.is_empty()
        {
            self.with_directs(now, |directs, cx, _, _| directs.vanished(cx, &device));
        }
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
            Iq::Set { from, id, payload, .. } if payload.is("query", ns::ROSTER) => {
                self.handle_contacts(from.as_ref(), id, payload)
            }
            Iq::Result { from, id, payload, .. } if self.account_answered(from.as_ref(), id, Ok(payload.as_ref())) => {
                Handled::Taken
            }
            Iq::Error { from, id, .. } if self.account_answered(from.as_ref(), id, Err(())) => Handled::Taken,
            Iq::Result { from: Some(from), id, payload, .. } => self.handle_answer(now, from, id, Ok(payload.as_ref())),
            Iq::Error { from: Some(from), id, error, .. } => self.handle_answer(now, from, id, Err(error)),
            Iq::Get { .. } | Iq::Set { .. } | Iq::Result { .. } | Iq::Error { .. } => Handled::NotOurs,
        }
    }

    /// Our server answers what we asked it for being there. False if it was something else.
    fn account_answered(&mut self, from: Option<&Jid>, id: &str, answer: Result<Option<&Element>, ()>) -> bool {
        if !self.us.as_ref().is_some_and(|us| is_from_account(from, us)) {
            return false;
        }
        let answer = match answer {
            Ok(payload) => {
                let sane = payload.filter(|payload| guard::check(payload).is_ok());
                self.attendance.answered(id, sane)
            }
            Err(()) => self.attendance.refused(id),
        };
        answer.map(|answer| self.about_account(answer)).is_some()
    }

    /// A contact came or went.
    fn handle_contacts(&mut self, from: Option<&Jid>, id: &str, payload: &Element) -> Handled {
        let ours = self.us.as_ref().is_some_and(|us| is_from_account(from, us));
        let sane = ours && guard::check(payload).is_ok();
        let Some(answer) = sane.then(|| self.attendance.pushed(payload)).flatten() else { return Handled::NotOurs };
        self.about_account(answer);
        let (to, id) = (from.cloned(), id.to_owned());
        self.send(Iq::Result { from: None, to, id, payload: None });
        Handled::Taken
    }

    fn about_account(&mut self, answer: Answer) {
        match answer {
            Answer::Contacts(contacts) => self.directs.set_contacts(contacts),
            Answer::Alone => {
                let what = "the server copies nothing between your devices: others may go on ringing when one answers";
                self.queue.push_back(Output::Event(About::Account, Event::Warning(what.to_owned())));
            }
            Answer::Nothing => {}
        }
    }

    /// A participant's query can come before its presence, so in a call everybody is answered (Dino asks before it calls).
    fn handle_disco(&mut self, from: &Jid, id: &str, payload: &Element) -> Handled {
        let ours =
            self.us.as_ref().is_some_and(|us| from.to_bare() == us.to_bare() || from.as_str() == us.domain().as_str());
        let who = from.to_bare();
        let known = ours || !self.calls.is_empty() || self.directs.is_contact(&who) || self.directs.wants(&who);
        let Some(disco) = self.disco.as_ref().filter(|_| known) else {
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
        let mut taken = false;
        self.with_directs(now, |directs, cx, _, _| taken = directs.requested(cx, from, id, &jingle));
        if taken {
            return Handled::Taken;
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
        if let Some(fault) = self.ended.fault(from, &jingle.sid) {
            self.send(refuse(from, id, &fault));
            return Handled::Taken;
        }
        if jingle.action != Action::SessionInitiate {
            return self.handle_unknown_session(from, id, jingle);
        }
        let Some(room) = &jingle.room else { return self.handle_direct_offer(now, from, id, jingle) };
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

    /// A request in no session of ours: perhaps the client's. Without a client it is answered, to strangers as if nobody were
    /// there.
    fn handle_unknown_session(&mut self, from: &FullJid, id: &str, jingle: &Jingle) -> Handled {
        if self.disco.is_none() {
            return Handled::NotOurs;
        }
        let who = from.to_bare();
        let met = self.calls.values().any(|call| call.has_met(&who));
        let known = met || self.directs.is_contact(&who) || self.directs.wants(&who);
        let unknown = PeerFault::UnknownSession { sid: jingle.sid.clone() };
        self.send(refuse(from, id, if known { &unknown } else { &PeerFault::Stranger }));
        Handled::Taken
    }

    /// A session with one person. Without a word before, only those who may make us ring can offer one.
    fn handle_direct_offer(&mut self, now: Instant, from: &FullJid, id: &str, offer: &Jingle) -> Handled {
        let mut taken = false;
        if self.config.one_to_one {
            let sender = Sender::Peer(from.clone());
            self.with_directs(now, |directs, cx, us, met| {
                taken = directs.offered(cx, us, from, id, offer, met(&sender));
            });
        }
        if taken { Handled::Taken } else { Handled::NotOurs }
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        from: &Jid,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> Handled {
        let answer = answer.map(|payload| payload.filter(|payload| guard::check(payload).is_ok()));
        match self.services.answered(now, &mut self.ids, from, id, answer.ok().flatten()) {
            Next::NotOurs => {}
            Next::Ask(questions) => {
                questions.into_iter().for_each(|question| self.send(question));
                return Handled::Taken;
            }
            Next::Decided(waiting) => {
                waiting.into_iter().for_each(|(call, guest)| self.widen(now, call, guest));
                return Handled::Taken;
            }
        }
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
        let mut taken = false;
        if let Ok(peer) = from.clone().try_into_full() {
            let answer = answer.map(|_| ());
            self.with_directs(now, |directs, cx, _, _| taken = directs.answered(cx, &peer, id, answer));
        }
        if taken { Handled::Taken } else { Handled::NotOurs }
    }

    /// News from the media layer.
    pub fn handle_media(&mut self, now: Instant, report: &MediaReport) {
        self.with_directs(now, |directs, cx, _, _| directs.media(cx, report));
        self.with_all(now, |conference, cx| match (report.session(), report) {
            (Some(session), report) => drop(conference.media(cx, session, report)),
            (None, MediaReport::Trouble { why }) => conference.trouble(cx, why),
            (None, _) => {}
        });
    }

    /// The media layer is gone: without it there are no calls.
    pub fn handle_media_gone(&mut self, now: Instant) {
        self.with_directs(now, |directs, cx, _, _| directs.media_gone(cx));
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
                self.with_directs(now, |directs, cx, us, _| directs.rebound(cx, us));
                self.greet(now);
                self.with_all(now, |conference, cx| conference.rebound(cx, jid.clone()));
            }
        }
    }

    /// Does what is due; afterwards [`Self::poll_timeout`] lies behind `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.lost_until.is_some_and(|until| until <= now) {
            self.lost_until = None;
            self.with_directs(now, |directs, cx, _, _| directs.disconnected(cx));
            self.with_all(now, Conference::disconnected);
        }
        self.with_directs(now, |directs, cx, _, _| directs.handle_timeout(cx));
        self.invitations.handle_timeout(now, &mut self.queue);
        self.attendance.handle_timeout(now);
        for (call, guest) in self.services.handle_timeout(now) {
            self.widen(now, call, guest);
        }
        self.with_all(now, Conference::handle_timeout);
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let server = [self.attendance.poll_timeout(), self.services.poll_timeout()];
        let others = [self.directs.poll_timeout(), self.invitations.poll_timeout()].into_iter().chain(server);
        let calls = self.calls.values().filter_map(Conference::poll_timeout);
        calls.chain(self.lost_until).chain(others.flatten()).min()
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
        if let Some(direct) = conference.gone_back() {
            return self.directs.come_back(call, direct);
        }
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
            trust: &self.trust,
            out: &mut self.queue,
            ended: &mut self.ended,
        }
    }

    fn send(&mut self, iq: Iq) {
        self.queue.push_back(Output::Send(Box::new(iq.into())));
    }
}
