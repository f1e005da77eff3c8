//! One call in one room: entering, publishing, a session with each participant, leaving.
//!
//! ```text
//!  Entering ── our echo with preparing ──► Settling ── our turn ──► Publishing ── our echo ──► Active
//!     │                                       │   (presence, then offers to all seen)   │          │
//!     │ refused                               │ no room for us                          │          │ leave, put out
//!     ▼                                       ▼                                         ▼          ▼
//!    Over ◄──────────────────────────────── Leaving ◄──────────────────────────────────────────────
//!               the room confirms, or 5 s
//! ```
//!
//! Of each pair, whoever published later calls. Those seen before we publish are called right behind our presence; those
//! between that and our echo at the echo; later ones call us (XEP-0272 section 3; shared order of the room).

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use muji_jingle::answers::Answers;
use muji_jingle::fault::PeerFault;
use muji_jingle::{
    CallId, End, Ids, Mute, Output as SessionOutput, Parties, Session, SessionEvent, SessionId, Wanted, acknowledge,
    dismiss, refuse,
};
use muji_xep::jingle::{Content, Jingle, Reason, Why};
use muji_xep::muc::{self, MucUser, code};
use muji_xep::muji::Muji;
use muji_xep::rtp::Media;
use muji_xep::{Skipped, guard, ns};
use xmpp_parsers::disco::DiscoInfoResult;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::StanzaError;

use crate::config;
use crate::engine::Output;
use crate::error::{Over, PeerFailure, RoomFault};
use crate::event::{About, Event, Join, Peer, occupant};
use crate::media::{Capabilities, MediaCommand, MediaReport};
use crate::payload;
use crate::queue::Queue;
use crate::roster::Roster;

/// What a conference is given with each input.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    pub(crate) ids: &'a mut Ids,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) out: &'a mut VecDeque<Output>,
    pub(crate) ended: &'a mut Ended,
}

/// Sessions that were, so that latecomers get `unknown-session` and not the answer of a stranger.
#[derive(Debug, Default)]
pub(crate) struct Ended(VecDeque<(FullJid, String)>);

impl Ended {
    fn remember(&mut self, peer: FullJid, sid: String) {
        if self.0.len() == config::MAX_REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((peer, sid));
    }

    pub(crate) fn contains(&self, peer: &FullJid, sid: &str) -> bool {
        self.0.iter().any(|(known, id)| known == peer && id == sid)
    }
}

impl Cx<'_> {
    fn send(&mut self, stanza: impl Into<Stanza>) {
        self.out.push_back(Output::Send(Box::new(stanza.into())));
    }
}

/// Where we stand in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The presence that enters the room, with `<preparing/>`, is out. Of a room that was closed, again.
    Entering { until: Instant, closed: usize },
    /// The room is closed, perhaps only until its creator has configured it.
    Closed { until: Instant, closed: usize },
    /// We are in; others prepared before us, or the room has to answer first.
    Settling { queue: Queue, check: Option<Instant> },
    /// Our contents are out.
    Publishing { until: Instant, refused: bool },
    /// Our contents are public.
    Active,
    /// The presence that leaves is out.
    Leaving { until: Instant, why: Over },
    /// Nothing is sent any more.
    Over,
}

/// What we asked the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Configuration,
    Anonymity,
}

/// A participant and our session with it.
#[derive(Debug, Clone, Default)]
struct Partner {
    session: Option<SessionId>,
    /// When we call (again), unless there is a session by then.
    call_at: Option<Instant>,
    redials: usize,
    /// Its presence lost Muji; the session ends then.
    ends_at: Option<Instant>,
}

/// A call in a room.
#[derive(Debug, Clone)]
pub(crate) struct Conference {
    call: CallId,
    room: BareJid,
    us: FullJid,
    nick: String,
    how: Join,
    stage: Stage,
    roster: Roster,
    /// What we published.
    contents: Vec<Content>,
    muted: Vec<Media>,
    partners: BTreeMap<FullJid, Partner>,
    sessions: BTreeMap<SessionId, Session>,
    /// Offers of those who are no participants yet.
    held: Vec<(SessionId, Instant)>,
    asked: Answers<Asked>,
}

impl Conference {
    /// Enters the room, saying at once that we are preparing.
    pub(crate) fn enter(cx: &mut Cx<'_>, call: CallId, us: FullJid, room: BareJid, how: Join, nick: String) -> Self {
        let this = Self {
            call,
            room,
            us,
            nick,
            how,
            stage: Stage::Entering { until: cx.now + config::ECHO, closed: 0 },
            roster: Roster::default(),
            contents: Vec::new(),
            muted: Vec::new(),
            partners: BTreeMap::new(),
            sessions: BTreeMap::new(),
            held: Vec::new(),
            asked: Answers::default(),
        };
        this.knock(cx);
        this
    }

    fn knock(&self, cx: &mut Cx<'_>) {
        let enter = muc::enter(self.how.password.as_deref());
        self.present(cx, Type::None, vec![enter, Muji::preparing().write()]);
    }

    pub(crate) fn room(&self) -> &BareJid {
        &self.room
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    fn is_public(&self) -> bool {
        matches!(self.stage, Stage::Publishing { .. } | Stage::Active)
    }

    // ---- presence ----------------------------------------------------------------------------------------------------

    /// A presence from the room.
    pub(crate) fn presence(&mut self, cx: &mut Cx<'_>, presence: &Presence) {
        let Some(nick) = presence.from.as_ref().and_then(|from| from.resource()).map(|nick| nick.as_str().to_owned())
        else {
            return; // The room itself has no part in a call.
        };
        let ours = nick == self.nick;
        if presence.type_ == Type::Error {
            if ours {
                self.refused(cx, presence);
            }
            return;
        }
        let Some(user) = MucUser::find(&presence.payloads) else { return };
        match (&presence.type_, ours || user.codes.contains(&code::SELF)) {
            (Type::None, true) => self.echoed(cx, &user, presence),
            (Type::None, false) => self.occupant_says(cx, &nick, user, presence),
            (Type::Unavailable, true) => self.put_out(cx, user),
            (Type::Unavailable, false) => self.occupant_left(cx, &nick, user),
            _ => {}
        }
    }

    fn read_muji(&self, cx: &mut Cx<'_>, nick: &str, presence: &Presence) -> Option<Muji> {
        let element = Muji::find(&presence.payloads)?;
        let mut skipped = Skipped::default();
        let read = guard::check(element).map(|()| Muji::read(element, &mut skipped));
        match &read {
            Err(excess) => self.warn(cx, format!("the call information of {nick} is ignored: {excess}")),
            // A device element is normal, and everything else of Dino's is understood.
            Ok(_) if !skipped.is_empty() && skipped.to_string() != "muji: device" => {
                self.warn(cx, format!("left out of the call information of {nick}: {skipped}"));
            }
            Ok(_) => {}
        }
        read.ok()
    }

    /// The room repeated our own presence.
    fn echoed(&mut self, cx: &mut Cx<'_>, user: &MucUser, presence: &Presence) {
        let nick = self.nick.clone();
        let muji = self.read_muji(cx, &nick, presence);
        match self.stage {
            Stage::Entering { .. } if muji.is_none() => self.fail(cx, RoomFault::MujiStripped),
            Stage::Entering { .. } => self.entered(cx, user),
            Stage::Publishing { .. } if muji.is_some_and(|muji| muji.contents.is_empty()) => {} // That of entering.
            Stage::Publishing { .. } if Muji::find(&presence.payloads).is_none() => {
                self.fail(cx, RoomFault::MujiStripped);
            }
            Stage::Publishing { .. } => self.published(cx),
            Stage::Closed { .. }
            | Stage::Settling { .. }
            | Stage::Active
            | Stage::Leaving { .. }
            | Stage::Over => {}
        }
    }

    /// We are in, behind everyone whose presence came before.
    fn entered(&mut self, cx: &mut Cx<'_>, user: &MucUser) {
        let question = if user.codes.contains(&code::CREATED) {
            Some((Asked::Configuration, muc::configure()))
        } else if user.codes.contains(&code::NON_ANONYMOUS) {
            None
        } else {
            Some((Asked::Anonymity, Element::bare("query", ns::DISCO_INFO)))
        };
        let check = question.map(|(asked, payload)| {
            let (id, to) = (cx.ids.word(), Some(Jid::from(self.room.clone())));
            self.asked.asked(cx.now, &id, asked);
            cx.send(match asked {
                Asked::Configuration => Iq::Set { from: None, to, id, payload },
                Asked::Anonymity => Iq::Get { from: None, to, id, payload },
            });
            cx.now + config::OWN_PREPARING
        });
        self.stage = Stage::Settling { queue: Queue::new(cx.now, self.roster.preparing()), check };
        self.publish_in_turn(cx);
    }

    /// The room answered a question of ours. False if it was none.
    pub(crate) fn room_answered(
        &mut self,
        cx: &mut Cx<'_>,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> bool {
        let Some(asked) = self.asked.answered(id) else { return false };
        let Stage::Settling { check, .. } = &mut self.stage else { return true };
        let fine = match (asked, answer) {
            (Asked::Configuration, Ok(_)) => Ok(()),
            (Asked::Configuration, Err(_)) => Err(RoomFault::Configuration),
            (Asked::Anonymity, Ok(Some(info))) if shows_real_jids(info) => Ok(()),
            (Asked::Anonymity, _) => Err(RoomFault::HidesRealJids),
        };
        match fine {
            Ok(()) => {
                *check = None;
                self.publish_in_turn(cx);
            }
            Err(fault) => self.fail(cx, fault),
        }
        true
    }

    fn publish_in_turn(&mut self, cx: &mut Cx<'_>) {
        if matches!(&self.stage, Stage::Settling { queue, check: None } if queue.is_done(cx.now)) {
            self.publish(cx);
        }
    }

    fn publish(&mut self, cx: &mut Cx<'_>) {
        if let Stage::Settling { queue, .. } = &self.stage {
            let late: Vec<&str> = queue.ahead().collect();
            if !late.is_empty() {
                self.warn(cx, format!("{} did not finish preparing in time; going on", late.join(", ")));
            }
        }
        let others = self.roster.participants().map(|(_, jid, contents)| (jid.clone(), contents)).collect();
        let (contents, without) = payload::derive(&others, &self.how.media, |media| cx.capabilities.of(media));
        drop(others);
        if contents.is_empty() {
            return self.fail(cx, RoomFault::NoCommonCodec);
        }
        for media in without {
            self.warn(cx, format!("no codec in common for {media}; it is not sent"));
        }
        self.contents = contents;
        self.stage = Stage::Publishing { until: cx.now + config::ECHO, refused: false };
        self.present(cx, Type::None, vec![Muji::with(self.contents.clone()).write()]);
        for content in self.contents.clone() {
            self.capture(cx, &content, Mute::Off);
        }
        // Those we see now are before us in any order the room can choose.
        self.call_everybody(cx);
        self.try_held(cx);
    }

    fn published(&mut self, cx: &mut Cx<'_>) {
        self.stage = Stage::Active;
        let contents = self.contents.iter().map(|content| content.name.clone()).collect();
        self.event(cx, Event::Joined { contents });
        self.call_everybody(cx);
    }

    fn occupant_says(&mut self, cx: &mut Cx<'_>, nick: &str, user: MucUser, presence: &Presence) {
        let muji = self.read_muji(cx, nick, presence);
        let (Some(real), Some(muji)) = (user.real, muji.filter(|muji| *muji != Muji::default())) else {
            return self.occupant_dropped(cx, nick);
        };
        if self.roster.get(nick).is_some_and(|known| known.real != real) {
            self.occupant_gone(cx, nick); // A new occupant under an old nick, whose leaving we missed.
        }
        let finished = !muji.preparing;
        if let Err(why) = self.roster.update(nick, real.clone(), muji) {
            return self.warn(cx, format!("{nick} is not called: {why}"));
        }
        if let Stage::Settling { queue, .. } = &mut self.stage {
            if finished {
                queue.passed(nick);
            }
        }
        if self.roster.participant(&real).is_some() {
            self.participates(cx, nick, real);
        }
        self.publish_in_turn(cx);
    }

    fn participates(&mut self, cx: &mut Cx<'_>, nick: &str, real: FullJid) {
        let active = self.stage == Stage::Active;
        if let Some(partner) = self.partners.get_mut(&real) {
            partner.ends_at = None;
            return;
        }
        let call_at = active.then(|| cx.now + config::INITIATE);
        self.partners.insert(real.clone(), Partner { call_at, ..Partner::default() });
        self.event(cx, Event::PeerJoined(Peer { nick: nick.to_owned(), jid: real }));
        self.try_held(cx);
    }

    /// An occupant's presence has no Muji (any more).
    fn occupant_dropped(&mut self, cx: &mut Cx<'_>, nick: &str) {
        if let Stage::Settling { queue, .. } = &mut self.stage {
            queue.passed(nick);
        }
        if let Some(occupant) = self.roster.remove(nick) {
            if let Some(partner) = self.partners.get_mut(&occupant.real) {
                partner.ends_at = Some(cx.now + config::DROPPED);
                partner.call_at = None;
            }
        }
        self.publish_in_turn(cx);
    }

    fn occupant_left(&mut self, cx: &mut Cx<'_>, nick: &str, user: MucUser) {
        match user.new_nick.filter(|_| user.codes.contains(&code::RENAMED)) {
            Some(new) => {
                self.roster.rename(nick, &new);
                if let Stage::Settling { queue, .. } = &mut self.stage {
                    queue.renamed(nick, &new);
                }
            }
            None => self.occupant_gone(cx, nick),
        }
    }

    fn occupant_gone(&mut self, cx: &mut Cx<'_>, nick: &str) {
        if let Stage::Settling { queue, .. } = &mut self.stage {
            queue.passed(nick);
        }
        if let Some(occupant) = self.roster.remove(nick) {
            self.part(cx, nick, &occupant.real);
        }
        self.publish_in_turn(cx);
    }

    /// Ends everything with a participant that is not there any more.
    fn part(&mut self, cx: &mut Cx<'_>, nick: &str, jid: &FullJid) {
        let Some(partner) = self.partners.remove(jid) else { return };
        let held = self.held.iter().map(|(id, _)| *id).filter(|id| self.sessions[id].parties().peer == *jid);
        let sessions: Vec<SessionId> = held.chain(partner.session).collect();
        for id in sessions {
            self.with_session(cx, id, |session, cx| session.end(cx.now, cx.ids, Reason::Gone));
        }
        self.event(cx, Event::PeerLeft(Peer { nick: nick.to_owned(), jid: jid.clone() }));
    }

    /// The room does not take a presence of ours.
    fn refused(&mut self, cx: &mut Cx<'_>, presence: &Presence) {
        let error = presence.payloads.iter().find_map(|payload| StanzaError::try_from(payload.clone()).ok());
        let fault = error.as_ref().map_or_else(|| RoomFault::Other("no reason".to_owned()), RoomFault::from_error);
        match &mut self.stage {
            Stage::Entering { .. } if fault == RoomFault::NickInUse && self.how.nick.is_none() => {
                self.nick = cx.ids.nick(); // Chance gave two of us one nick.
                self.knock(cx);
            }
            Stage::Entering { closed, .. } if fault == RoomFault::NotFound && *closed < config::CLOSED.len() => {
                self.stage = Stage::Closed { until: cx.now + config::CLOSED[*closed], closed: *closed + 1 };
            }
            Stage::Entering { .. } => self.finish(cx, Over::Room(fault)),
            Stage::Publishing { refused: true, .. } => self.fail(cx, fault),
            Stage::Publishing { refused, until } => {
                (*refused, *until) = (true, cx.now + config::ECHO);
                self.present(cx, Type::None, vec![Muji::with(self.contents.clone()).write()]);
            }
            Stage::Closed { .. }
            | Stage::Settling { .. }
            | Stage::Active
            | Stage::Leaving { .. }
            | Stage::Over => {}
        }
    }

    /// We are not in the room any more.
    fn put_out(&mut self, cx: &mut Cx<'_>, user: MucUser) {
        if let Some(new) = user.new_nick.filter(|_| user.codes.contains(&code::RENAMED)) {
            self.nick = new;
            return;
        }
        if let Stage::Leaving { why, .. } = &self.stage {
            let why = why.clone();
            return self.finish(cx, why);
        }
        let has = |code| user.codes.contains(&code);
        let fault = match () {
            () if user.destroyed => RoomFault::Destroyed,
            () if has(code::BANNED) => RoomFault::Banned,
            () if has(code::SHUTDOWN) => RoomFault::Shutdown,
            () if has(code::KICKED) => RoomFault::Kicked,
            () if has(code::AFFILIATION) || has(code::MEMBERS_ONLY) => RoomFault::NoMember,
            () => RoomFault::Removed,
        };
        self.end_sessions(cx, &Reason::Gone);
        self.finish(cx, Over::Room(fault));
    }

    // ---- leaving -----------------------------------------------------------------------------------------------------

    /// The user leaves.
    pub(crate) fn leave(&mut self, cx: &mut Cx<'_>) {
        self.withdraw(cx, Over::Left, &Reason::Success);
    }

    /// The stream is another one, or none: the room has forgotten us.
    pub(crate) fn disconnected(&mut self, cx: &mut Cx<'_>) {
        self.end_sessions(cx, &Reason::Gone);
        self.finish(cx, Over::Disconnected);
    }

    fn fail(&mut self, cx: &mut Cx<'_>, fault: RoomFault) {
        self.withdraw(cx, Over::Room(fault), &Reason::Gone);
    }

    /// First the presence, then the sessions (XEP-0272 section 6), then silence.
    fn withdraw(&mut self, cx: &mut Cx<'_>, why: Over, reason: &Reason) {
        match self.stage {
            Stage::Leaving { .. } | Stage::Over => return,
            Stage::Closed { .. } => return self.finish(cx, why), // We are not in, so there is nothing to leave.
            Stage::Entering { .. } | Stage::Settling { .. } | Stage::Publishing { .. } | Stage::Active => {}
        }
        self.present(cx, Type::Unavailable, Vec::new());
        self.end_sessions(cx, reason);
        self.stage = Stage::Leaving { until: cx.now + config::LEAVING, why };
    }

    fn end_sessions(&mut self, cx: &mut Cx<'_>, reason: &Reason) {
        for content in std::mem::take(&mut self.contents) {
            self.capture(cx, &content, Mute::On);
        }
        self.partners.clear();
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in sessions {
            self.with_session(cx, id, |session, cx| session.end(cx.now, cx.ids, reason.clone()));
        }
    }

    fn finish(&mut self, cx: &mut Cx<'_>, why: Over) {
        self.stage = Stage::Over;
        self.event(cx, Event::Ended(why));
    }

    // ---- sessions ----------------------------------------------------------------------------------------------------

    /// Calls every participant that has no session with us.
    fn call_everybody(&mut self, cx: &mut Cx<'_>) {
        let without = self.partners.iter().filter(|(_, partner)| partner.session.is_none());
        let without: Vec<FullJid> = without.map(|(jid, _)| jid.clone()).collect();
        for jid in without {
            let sid = cx.ids.word();
            self.call(cx, &jid, sid);
        }
    }

    fn call(&mut self, cx: &mut Cx<'_>, jid: &FullJid, sid: String) {
        let parties = self.parties(cx, jid);
        let id = parties.session;
        let wanted = self.wanted(cx, |content, _| content.payload_types.clone());
        let Some(partner) = self.partners.get_mut(jid) else { return };
        (partner.session, partner.call_at) = (Some(id), None);
        self.sessions.insert(id, Session::open(parties, sid, wanted));
        self.with_session(cx, id, |session, cx| session.release(cx.now, cx.ids));
    }

    fn parties(&self, cx: &mut Cx<'_>, peer: &FullJid) -> Parties {
        let name = self.roster.participant(peer).unwrap_or_else(|| peer.resource().as_str()).to_owned();
        let session = cx.ids.session();
        let room = Some(self.room.clone());
        Parties { call: self.call, session, us: self.us.clone(), peer: peer.clone(), name, room }
    }

    fn wanted(
        &self,
        cx: &mut Cx<'_>,
        payload_types: impl Fn(&muji_xep::rtp::Description, &Capabilities) -> Vec<muji_xep::rtp::PayloadType>,
    ) -> Vec<Wanted> {
        let described = self.contents.iter().filter_map(|content| Some((content, content.description.as_ref()?)));
        let wanted = described.map(|(content, description)| Wanted {
            publication: content.name.clone(),
            media: description.media.clone(),
            ssrc: cx.ids.ssrc(),
            payload_types: payload_types(description, cx.capabilities),
        });
        wanted.collect()
    }

    /// A session-initiate marked with our room.
    pub(crate) fn offered(&mut self, cx: &mut Cx<'_>, id: &str, from: &FullJid, offer: &Jingle) {
        if let Err(fault) = self.may_offer(from, offer) {
            cx.send(refuse(from, id, &fault));
            return;
        }
        cx.send(acknowledge(from, id));
        let parties = self.parties(cx, from);
        let session = parties.session;
        let wanted = self.answerable(cx);
        match Session::hold(parties, offer, &wanted) {
            Ok(held) => {
                self.sessions.insert(session, held);
                self.held.push((session, cx.now + config::HOLD));
                self.with_session(cx, session, |_, _| ());
                self.try_held(cx);
            }
            Err(why) => {
                let told = Why { reason: why.reason(), text: Some(why.to_string()) };
                let terminate = dismiss(from, &offer.sid, told, cx.ids);
                cx.send(terminate);
                self.peer_event(cx, from, |peer| {
                    Event::PeerFailed(peer, PeerFailure { end: End::Unusable(why), retrying: false })
                });
                if let Some(partner) = self.partners.get_mut(from) {
                    partner.call_at = None; // Our offer would fail for the same reason.
                }
            }
        }
    }

    /// What may be answered: all our codecs, whatever ids the room uses. Before we publish the names are not known.
    fn answerable(&self, cx: &mut Cx<'_>) -> Vec<Wanted> {
        if !self.contents.is_empty() {
            return self.wanted(cx, |description, capabilities| capabilities.of(&description.media).to_vec());
        }
        let wanted = self.how.media.iter().map(|media| Wanted {
            publication: media.to_string(),
            media: media.clone(),
            ssrc: cx.ids.ssrc(),
            payload_types: cx.capabilities.of(media).to_vec(),
        });
        wanted.collect()
    }

    fn may_offer(&self, from: &FullJid, offer: &Jingle) -> Result<(), PeerFault> {
        if matches!(self.stage, Stage::Leaving { .. } | Stage::Over) {
            return Err(PeerFault::Stranger);
        }
        let ours = self.partners.get(from).and_then(|partner| partner.session).map(|id| &self.sessions[&id]);
        if ours.is_some_and(|ours| ours.is_offered() && ours.sid() < offer.sid.as_str()) {
            return Err(PeerFault::TieBreak);
        }
        let of_jid = self.held.iter().filter(|(id, _)| self.sessions[id].parties().peer == *from).count();
        if self.held.len() >= config::MAX_HELD || of_jid >= config::MAX_HELD_PER_JID {
            return Err(PeerFault::TooMany);
        }
        Ok(())
    }

    /// Accepts every held offer whose sender is a participant, if we are one.
    fn try_held(&mut self, cx: &mut Cx<'_>) {
        if !self.is_public() {
            return;
        }
        let held = self.held.iter().map(|(id, _)| *id);
        let due: Vec<SessionId> =
            held.filter(|id| self.partners.contains_key(&self.sessions[id].parties().peer)).collect();
        for id in due {
            self.held.retain(|(held, _)| *held != id);
            self.take_offer(cx, id);
        }
    }

    fn take_offer(&mut self, cx: &mut Cx<'_>, id: SessionId) {
        let (peer, sid) = (self.sessions[&id].parties().peer.clone(), self.sessions[&id].sid().to_owned());
        let partner = self.partners.get_mut(&peer).expect("try_held takes offers of participants only");
        partner.call_at = None;
        if let Some(ours) = partner.session {
            let session = &self.sessions[&ours];
            if session.is_offered() && session.sid() < sid.as_str() {
                return self.with_session(cx, id, |theirs, cx| theirs.end(cx.now, cx.ids, Reason::AlternativeSession));
            }
            partner.session = None;
            self.with_session(cx, ours, |ours, cx| {
                if ours.is_offered() && !ours.is_acknowledged() {
                    ours.drop_for_tie_break(); // The peer will refuse it.
                } else {
                    ours.end(cx.now, cx.ids, Reason::AlternativeSession);
                }
            });
        }
        let partner = self.partners.get_mut(&peer).expect("ending a session keeps its participant");
        partner.session = Some(id);
        self.with_session(cx, id, |session, cx| session.accept(cx.now, cx.ids));
    }

    /// The session a peer's stanza names.
    pub(crate) fn session_of(&self, peer: &FullJid, sid: &str) -> Option<SessionId> {
        let mut sessions = self.sessions.iter();
        sessions.find(|(_, session)| session.parties().peer == *peer && session.sid() == sid).map(|(id, _)| *id)
    }

    /// A peer's request in a session.
    pub(crate) fn session_requested(&mut self, cx: &mut Cx<'_>, session: SessionId, id: &str, jingle: &Jingle) {
        let mut fault = None;
        self.with_session(cx, session, |session, cx| {
            fault = session.handle_request(cx.now, cx.ids, id, jingle).err();
        });
        if let Some(fault) = fault {
            self.warn(cx, format!("a request was refused: {fault}"));
        }
    }

    /// The result of a request in a session. False if it was none.
    pub(crate) fn session_answered(
        &mut self,
        cx: &mut Cx<'_>,
        peer: &FullJid,
        id: &str,
        outcome: Result<(), &StanzaError>,
    ) -> bool {
        let sessions: Vec<SessionId> =
            self.sessions.iter().filter(|(_, session)| session.parties().peer == *peer).map(|(id, _)| *id).collect();
        sessions.into_iter().any(|session| {
            let mut taken = false;
            self.with_session(cx, session, |session, _| taken = session.handle_answer(id, outcome));
            taken
        })
    }

    /// News from the media layer. False if it is about no session of ours.
    pub(crate) fn media(&mut self, cx: &mut Cx<'_>, session: SessionId, report: &MediaReport) -> bool {
        let ours = self.sessions.contains_key(&session);
        if ours {
            self.with_session(cx, session, |session, cx| session.handle_media(cx.now, cx.ids, report.clone()));
        }
        ours
    }

    /// Something of the media layer that is about no session.
    pub(crate) fn trouble(&self, cx: &mut Cx<'_>, why: &str) {
        self.warn(cx, why.to_owned());
    }

    /// Does something with a session and then all that follows from it.
    fn with_session(&mut self, cx: &mut Cx<'_>, id: SessionId, act: impl FnOnce(&mut Session, &mut Cx<'_>)) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        act(session, cx);
        let mut events = Vec::new();
        while let Some(output) = session.poll_output() {
            match output {
                SessionOutput::Send(iq) => cx.send(*iq),
                SessionOutput::Media(command) => cx.out.push_back(Output::Media(command)),
                SessionOutput::Event(event) => events.push(event),
            }
        }
        let (peer, sid, over) = (session.parties().peer.clone(), session.sid().to_owned(), session.is_over());
        if over {
            self.sessions.remove(&id);
            self.held.retain(|(held, _)| *held != id);
            cx.ended.remember(peer.clone(), sid);
        }
        for event in events {
            self.session_event(cx, id, &peer, event);
        }
    }

    fn session_event(&mut self, cx: &mut Cx<'_>, id: SessionId, peer: &FullJid, event: SessionEvent) {
        match event {
            SessionEvent::Offered => {}
            SessionEvent::Accepted => self.peer_event(cx, peer, |peer| Event::PeerConnecting(peer, id)),
            SessionEvent::Connected => {
                if let Some(partner) = self.partners.get_mut(peer) {
                    partner.redials = 0;
                }
                self.peer_event(cx, peer, |peer| Event::PeerConnected(peer, id));
            }
            SessionEvent::Flowing { .. } => self.peer_event(cx, peer, |peer| Event::PeerFlowing(peer, id)),
            SessionEvent::Muted(content) => self.peer_event(cx, peer, |peer| Event::PeerMuted(peer, content)),
            SessionEvent::Unmuted(content) => self.peer_event(cx, peer, |peer| Event::PeerUnmuted(peer, content)),
            SessionEvent::Warning(what) => {
                let name = self.roster.participant(peer).unwrap_or("a peer").to_owned();
                self.warn(cx, format!("{name}: {what}"));
            }
            SessionEvent::Ended(end) => self.session_ended(cx, id, peer, end),
            other => self.warn(cx, format!("{other:?}")),
        }
    }

    /// Decides what becomes of a participant whose session ended though it is still there.
    fn session_ended(&mut self, cx: &mut Cx<'_>, id: SessionId, peer: &FullJid, end: End) {
        let participates = self.roster.participant(peer).is_some() && self.is_public();
        let Some(partner) = self.partners.get_mut(peer).filter(|partner| partner.session == Some(id)) else { return };
        partner.session = None;
        if !participates {
            return;
        }
        let pause = match after(&end) {
            After::Wait => {
                partner.call_at = Some(cx.now + config::INITIATE); // Another session or its leaving is under way.
                return;
            }
            After::GiveUp => None,
            After::Redial => config::REDIAL.get(partner.redials),
        };
        partner.call_at = pause.map(|pause| cx.now + *pause);
        let failure = PeerFailure { end, retrying: pause.is_some() };
        self.peer_event(cx, peer, |peer| Event::PeerFailed(peer, failure));
    }

    // ---- the user, time ----------------------------------------------------------------------------------------------

    /// Stops or resumes sending.
    pub(crate) fn mute(&mut self, cx: &mut Cx<'_>, media: &Media, mute: Mute) {
        self.muted.retain(|muted| muted != media);
        if mute == Mute::On {
            self.muted.push(media.clone());
        }
        let of_media = |content: &&Content| content.description.as_ref().is_some_and(|own| own.media == *media);
        let contents: Vec<Content> = self.contents.iter().filter(of_media).cloned().collect();
        for content in contents {
            let (command, name) = (mute, content.name.clone());
            self.capture(cx, &content, command);
            let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
            for id in sessions {
                self.with_session(cx, id, |session, cx| session.announce_mute(cx.now, cx.ids, &name, mute));
            }
        }
    }

    /// Starts or stops capturing what is sent as `content`; nothing starts while it is muted.
    fn capture(&self, cx: &mut Cx<'_>, content: &Content, mute: Mute) {
        let Some(media) = content.description.as_ref().map(|description| description.media.clone()) else { return };
        let (call, publication) = (self.call, content.name.clone());
        let command = match mute {
            Mute::Off if self.muted.contains(&media) => return,
            Mute::Off => MediaCommand::Publish { call, publication, media },
            Mute::On => MediaCommand::Unpublish { call, publication },
        };
        cx.out.push_back(Output::Media(command));
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) {
        self.stage_timeout(cx);
        let sessions: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in sessions {
            self.with_session(cx, id, |session, cx| session.handle_timeout(cx.now, cx.ids));
        }
        let stale: Vec<SessionId> = self.held.iter().filter(|(_, until)| *until <= cx.now).map(|(id, _)| *id).collect();
        for id in stale {
            self.with_session(cx, id, |session, cx| session.end(cx.now, cx.ids, Reason::Decline));
        }
        self.partners_timeout(cx);
        drop(self.asked.expired(cx.now)); // The stage has its own, shorter patience.
    }

    fn stage_timeout(&mut self, cx: &mut Cx<'_>) {
        match &self.stage {
            Stage::Entering { until, .. } if *until <= cx.now => self.fail(cx, RoomFault::Silent),
            Stage::Closed { until, closed } if *until <= cx.now => {
                self.stage = Stage::Entering { until: cx.now + config::ECHO, closed: *closed };
                self.knock(cx);
            }
            Stage::Settling { check: Some(until), .. } if *until <= cx.now => self.fail(cx, RoomFault::Silent),
            Stage::Settling { .. } => self.publish_in_turn(cx),
            Stage::Publishing { until, .. } if *until <= cx.now => self.fail(cx, RoomFault::Silent),
            Stage::Leaving { until, why } if *until <= cx.now => {
                let why = why.clone();
                self.finish(cx, why);
            }
            Stage::Entering { .. }
            | Stage::Closed { .. }
            | Stage::Publishing { .. }
            | Stage::Active
            | Stage::Leaving { .. }
            | Stage::Over => {}
        }
    }

    fn partners_timeout(&mut self, cx: &mut Cx<'_>) {
        let partners: Vec<(FullJid, Partner)> =
            self.partners.iter().map(|(jid, partner)| (jid.clone(), partner.clone())).collect();
        for (jid, partner) in partners {
            if partner.ends_at.is_some_and(|at| at <= cx.now) {
                let nick = jid.resource().as_str().to_owned();
                self.part(cx, &nick, &jid);
            } else if partner.call_at.is_some_and(|at| at <= cx.now) {
                // Out of turn: every regular offer of the peer's wins against this one.
                let sid = format!("z-{}", cx.ids.word());
                if let Some(partner) = self.partners.get_mut(&jid) {
                    partner.redials += 1;
                }
                self.call(cx, &jid, sid);
            }
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Entering { until, .. }
            | Stage::Closed { until, .. }
            | Stage::Publishing { until, .. }
            | Stage::Leaving { until, .. } => Some(*until),
            Stage::Settling { check: Some(until), .. } => Some(*until),
            Stage::Settling { queue, check: None } => queue.poll_timeout(),
            Stage::Active | Stage::Over => None,
        };
        let sessions = self.sessions.values().filter_map(Session::poll_timeout);
        let held = self.held.iter().map(|(_, until)| *until);
        let partners = self.partners.values().flat_map(|partner| [partner.call_at, partner.ends_at]).flatten();
        sessions.chain(held).chain(partners).chain(stage).chain(self.asked.poll_timeout()).min()
    }

    // ---- words -------------------------------------------------------------------------------------------------------

    fn present(&self, cx: &mut Cx<'_>, kind: Type, payloads: Vec<Element>) {
        let to = occupant(&self.room, &self.nick).expect("the nick was checked when joining or came from the room");
        let mut presence = Presence::new(kind).with_to(to).with_payloads(payloads);
        presence.id = Some(cx.ids.word());
        cx.send(presence);
    }

    fn event(&self, cx: &mut Cx<'_>, event: Event) {
        cx.out.push_back(Output::Event(About::Call(self.call), event));
    }

    fn peer_event(&self, cx: &mut Cx<'_>, jid: &FullJid, event: impl FnOnce(Peer) -> Event) {
        if let Some(nick) = self.roster.participant(jid) {
            let peer = Peer { nick: nick.to_owned(), jid: jid.clone() };
            self.event(cx, event(peer));
        }
    }

    fn warn(&self, cx: &mut Cx<'_>, what: String) {
        self.event(cx, Event::Warning(what));
    }
}

fn shows_real_jids(info: &Element) -> bool {
    DiscoInfoResult::try_from(info.clone())
        .is_ok_and(|info| info.features.iter().any(|feature| feature == "muc_nonanonymous"))
}

/// What a session's end means for the pair.
enum After {
    /// Something else is under way; only if it does not come we call.
    Wait,
    /// We call again.
    Redial,
    /// Calling again would end the same way.
    GiveUp,
}

fn after(end: &End) -> After {
    match end {
        End::TieBreak | End::Ours(_) => After::Wait,
        End::Peer(why) => match why.reason {
            Reason::Success | Reason::Cancel | Reason::AlternativeSession => After::Wait,
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
            | Reason::Gone
            | Reason::MediaError
            | Reason::Timeout
            | Reason::Other(_) => After::Redial,
        },
        End::Unusable(_) => After::GiveUp,
        End::Refused(_) | End::Forgotten | End::Silent(_) | End::Path(_) => After::Redial,
        _ => After::GiveUp,
    }
}
