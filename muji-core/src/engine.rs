//! Routing between stanzas, media and calls, and nothing clever.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use muji_jingle::fault::PeerFault;
use muji_jingle::{CallId, Ids, refuse};
use muji_xep::jingle::{Action, Jingle};
use muji_xep::{Skipped, guard, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::Presence;
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::StanzaError;

use crate::conference::{Conference, Cx, Ended};
use crate::config;
use crate::error::Refused;
use crate::event::{About, Command, Connection, Event, Handled, Join, occupant};
use crate::media::{Capabilities, MediaCommand, MediaReport};

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

/// All calls of one account, as values: stanzas, media reports, commands and the time go in, [`Output`]s come out.
#[derive(Debug)]
pub struct Engine {
    ids: Ids,
    capabilities: Capabilities,
    us: Option<FullJid>,
    calls: BTreeMap<CallId, Conference>,
    /// The connection is gone; if it does not come back the calls end then.
    lost_until: Option<Instant>,
    ended: Ended,
    queue: VecDeque<Output>,
}

impl Engine {
    /// An engine without calls. `seed` is a secret of chance, used once: all ids follow from it.
    #[must_use]
    pub fn new(seed: [u8; 32], capabilities: Capabilities) -> Self {
        Self {
            ids: Ids::new(seed),
            capabilities,
            us: None,
            calls: BTreeMap::new(),
            lost_until: None,
            ended: Ended::default(),
            queue: VecDeque::new(),
        }
    }

    /// What the client adds to its disco#info and its caps: others ask for it before they call (Dino does).
    #[must_use]
    pub fn features(&self) -> &'static [&'static str] {
        &[
            ns::JINGLE,
            ns::RTP,
            ns::RTP_AUDIO,
            ns::ICE_UDP,
            ns::DTLS,
            ns::GROUPING_FEATURE,
            ns::SOURCES_FEATURE,
            ns::MUJI,
        ]
    }

    /// Enters a room and its call. What becomes of it comes as events.
    ///
    /// # Errors
    /// If it cannot even be tried; nothing was sent.
    pub fn join(&mut self, now: Instant, room: BareJid, how: Join) -> Result<CallId, Refused> {
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
        let nick = how.nick.clone().unwrap_or_else(|| self.ids.nick());
        let nick = occupant(&room, &nick).ok_or(Refused::BadNick)?.resource().as_str().to_owned();
        let call = self.ids.call();
        let conference = Conference::enter(&mut self.cx(now), call, us, room, how, nick);
        self.calls.insert(call, conference);
        Ok(call)
    }

    /// Does what the user wants of a call.
    ///
    /// # Errors
    /// If there is no such call.
    pub fn command(&mut self, now: Instant, call: CallId, command: Command) -> Result<(), Refused> {
        if !self.calls.contains_key(&call) {
            return Err(Refused::UnknownCall);
        }
        self.with_call(now, call, |conference, cx| match command {
            Command::Leave => conference.leave(cx),
            Command::Mute(media, mute) => conference.mute(cx, &media, mute),
        });
        Ok(())
    }

    /// A stanza from the server. Answered with [`Handled::Taken`], the client must not answer it again.
    pub fn handle_stanza(&mut self, now: Instant, stanza: &Stanza) -> Handled {
        match stanza {
            Stanza::Presence(presence) => self.handle_presence(now, presence),
            Stanza::Iq(iq) => self.handle_iq(now, iq),
            Stanza::Message(_) => Handled::NotOurs,
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
        let Some(call) = self.call_in(&room) else { return Handled::NotOurs };
        self.with_call(now, call, |conference, cx| conference.presence(cx, presence));
        Handled::Shared
    }

    fn handle_iq(&mut self, now: Instant, iq: &Iq) -> Handled {
        match iq {
            Iq::Set { from, id, payload, .. } if Jingle::matches(payload) => {
                let Some(from) = from.clone().and_then(|from| from.try_into_full().ok()) else {
                    return Handled::NotOurs;
                };
                self.handle_jingle(now, &from, id, payload)
            }
            Iq::Result { from: Some(from), id, payload, .. } => self.handle_answer(now, from, id, Ok(payload.as_ref())),
            Iq::Error { from: Some(from), id, error, .. } => self.handle_answer(now, from, id, Err(error)),
            Iq::Get { .. } | Iq::Set { .. } | Iq::Result { .. } | Iq::Error { .. } => Handled::NotOurs,
        }
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
        match self.call_in(room) {
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
                taken = match from.clone().try_into_full() {
                    Ok(peer) => conference.session_answered(cx, &peer, id, answer.map(|_| ())),
                    Err(bare) => bare == *conference.room() && conference.room_answered(cx, id, answer),
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
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.with_call(now, call, |conference, cx| match (report.session(), report) {
                (Some(session), report) => drop(conference.media(cx, session, report)),
                (None, MediaReport::Trouble { why }) => conference.trouble(cx, why),
                (None, _) => {}
            });
        }
    }

    /// The media layer is gone: without it there are no calls.
    pub fn handle_media_gone(&mut self, now: Instant) {
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.with_call(now, call, |conference, cx| conference.media_gone(cx));
        }
    }

    /// News of the connection.
    pub fn handle_connection(&mut self, now: Instant, change: Connection) {
        match change {
            Connection::Lost => self.lost_until = Some(now + config::DISCONNECTED),
            Connection::Resumed => self.lost_until = None,
            Connection::Bound { jid } => {
                self.lost_until = None;
                self.us = Some(jid);
                self.end_all(now);
            }
        }
    }

    fn end_all(&mut self, now: Instant) {
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.with_call(now, call, |conference, cx| conference.disconnected(cx));
        }
    }

    /// Does what is due; afterwards [`Self::poll_timeout`] lies behind `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.lost_until.is_some_and(|until| until <= now) {
            self.lost_until = None;
            self.end_all(now);
        }
        for call in self.calls.keys().copied().collect::<Vec<_>>() {
            self.with_call(now, call, |conference, cx| conference.handle_timeout(cx));
        }
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

    fn with_call(&mut self, now: Instant, call: CallId, act: impl FnOnce(&mut Conference, &mut Cx<'_>)) {
        let Some(mut conference) = self.calls.remove(&call) else { return };
        act(&mut conference, &mut self.cx(now));
        if !conference.is_over() {
            self.calls.insert(call, conference);
        }
    }

    fn cx(&mut self, now: Instant) -> Cx<'_> {
        Cx { now, ids: &mut self.ids, capabilities: &self.capabilities, out: &mut self.queue, ended: &mut self.ended }
    }

    fn send(&mut self, iq: Iq) {
        self.queue.push_back(Output::Send(Box::new(iq.into())));
    }
}
