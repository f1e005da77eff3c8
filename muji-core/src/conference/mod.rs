//! One call in one room: entering, publishing, a session with each participant, leaving.
//!
//! ```text
//!  Closed ◄─── not open yet, 1, 2, 4 s ──┐
//!     └──────── knock again ─────────────► Entering
//!                                           │ our echo with preparing
//!                                           ▼
//!                                        Settling
//!                                           │ our turn: presence, then offers to all seen
//!                                           ▼
//!                                        Publishing
//!                                           │ our echo with contents
//!                                           ▼
//!   Over ◄── room confirms, 5 s ── Leaving  Active
//!     ▲                               ▲     │
//!     └── refused, put out            └─────┴── the user leaves, or the room is no place for a call; from any state
//! ```
//!
//! Of each pair, whoever published later calls. Those seen before we publish are called right behind our presence; those
//! between that and our echo at the echo; later ones call us (XEP-0272 section 3; shared order of the room).

mod leaving;
mod room;
mod sessions;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use jid::{BareJid, FullJid};
use muji_jingle::answers::Answers;
use muji_jingle::{CallId, Ids, Mute, Session, SessionId};
use muji_xep::jingle::{Content, Reason};
use muji_xep::muc;
use muji_xep::muji::Muji;
use muji_xep::rtp::Media;
use muji_xep::{Secret, Skipped};
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza::Stanza;

use crate::config;
use crate::engine::Output;
use crate::error::{Over, RoomFault};
use crate::event::{About, Event, Join, Peer, occupant};
use crate::media::{Capabilities, MediaCommand};
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
#[derive(Debug, Clone)]
struct Partner {
    nick: String,
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
        let enter = muc::enter(self.how.password.as_ref().map(Secret::expose));
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
                self.part(cx, &jid);
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
        if let Some(partner) = self.partners.get(jid) {
            let peer = Peer { nick: partner.nick.clone(), jid: jid.clone() };
            self.event(cx, event(peer));
        }
    }

    /// Tells what of a stanza had no effect.
    pub(crate) fn skipped(&self, cx: &mut Cx<'_>, from: &str, skipped: &Skipped) {
        if !skipped.is_empty() {
            self.event(cx, Event::Skipped { from: from.to_owned(), what: skipped.to_string() });
        }
    }

    fn warn(&self, cx: &mut Cx<'_>, what: String) {
        self.event(cx, Event::Warning(what));
    }
}
