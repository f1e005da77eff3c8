//! One call in one room: entering, publishing, a session with each participant, coming back, leaving.
//!
//! ```text
//!  Closed ◄─── not open yet, 1, 2, 4 s ──┐
//!     └──────── knock again ─────────────► Entering ◄──── 1, 2, 4, 8 s ──── Outside
//!                                           │ our echo with preparing          ▲
//!                                           ▼                                  │
//!                                        Settling                              │ the room or the stream
//!                                           │ our turn: presence, then         │ lost us; sessions live on
//!                                           ▼ offers to all seen               │ for 60 s
//!                                        Publishing                            │
//!                                           │ our echo with contents           │
//!                                           ▼                                  │
//!   Over ◄── room confirms, 5 s ── Leaving  Active ────────────────────────────┘
//!     ▲                               ▲     │
//!     └── refused, put out            └─────┴── the user leaves, or the room is no place for a call; from any state
//! ```
//!
//! In Active, contents of ours come and go: `adding`.
//!
//! Of each pair, whoever published later calls. Those seen before we publish are called right behind our presence; those
//! between that and our echo at the echo; later ones call us (XEP-0272 section 3; shared order of the room).

mod adding;
mod continuing;
mod entering;
mod guests;
mod inviting;
mod leaving;
mod occupants;
mod participant;
mod participants;
mod staying;

use std::collections::BTreeSet;
use std::time::Instant;

use jid::{BareJid, FullJid, Jid};
use muji_jingle::answers::Answers;
use muji_jingle::{CallId, Hold, Mute, Session, SessionId};
use muji_xep::jingle::{Content, Jingle};
use muji_xep::muc;
use muji_xep::muji::Muji;
use muji_xep::rtp::Media;
use muji_xep::{Skipped, dtls};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza_error::StanzaError;

use crate::chat_room::ChatRoom;
use crate::command::{Command, Join, Style};
use crate::config;
use crate::context::Context;
use crate::echo::EchoTracker;
use crate::error::{EndReason, Refused};
use crate::event::{About, Event};
use crate::handover::Handover;
use crate::media::{MediaCommand, MediaReport};
use crate::occupants::Occupants;
use crate::output::Output;
use crate::pair::Pair;
use crate::peer::occupant_jid;
use crate::queue::PublishQueue;
use adding::ContentUpdate;
use guests::{Guest, Guests, Invites};
use participants::{Participants, Standing, View};
use staying::Resync;

/// Where we stand in the room.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The presence with `<preparing/>` is out, and with it we enter unless we sit in the room already. `repeated`: for the
    /// second time.
    Entering { until: Instant, repeated: bool },
    /// The room is closed or hides who is there, perhaps only until its creator has configured it; then we knock again.
    Closed { until: Instant },
    /// We are in; others prepared before us, or the room has to answer first.
    Settling { queue: PublishQueue, check: Option<Instant> },
    /// Our contents are out. `again`: the room refused or swallowed them once.
    Publishing { until: Instant, again: bool },
    /// Our contents are public.
    Active,
    /// The room lost us; we knock at this time, or when the client is back in its chat room (`None`).
    Outside { at: Option<Instant> },
    /// The presence that leaves is out.
    Leaving { until: Instant, why: EndReason },
    /// Nothing is sent any more.
    Over,
}

/// What we asked the room.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    /// The form of a new room.
    Form,
    /// To take the form. `least`: the full one was refused.
    Configuration { least: bool },
    /// Who sees real JIDs.
    Anonymity,
    /// Whether we are still in (XEP-0410).
    SelfPing,
    /// To let a guest in, who is invited then.
    Admission(Guest),
    /// Something that nothing waits for.
    Favour(&'static str),
}

/// The room lost us.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Absence {
    /// When we give up.
    until: Instant,
    why: EndReason,
    attempts: usize,
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
    said: EchoTracker,
    occupants: Occupants,
    /// What we published.
    contents: Vec<Content>,
    /// Payload type ids that meant something to somebody in this call.
    used: BTreeSet<u8>,
    muted: Vec<Media>,
    holding: bool,
    guests: Guests,
    /// The other in the call with one person that this was; until we are in the room, we can go back to it.
    before: Option<FullJid>,
    handed_back: Option<Box<Handover>>,
    /// Who sees us for this call, since it was one with one person.
    shown_to: Option<Jid>,
    /// Media that the user wants to add and that are not published yet.
    adding: Vec<Media>,
    round: Option<ContentUpdate>,
    participants: Participants,
    resync: Resync,
    asked: Answers<Asked>,
    absence: Option<Absence>,
    /// We were in this room before: offers from then may still be under way.
    later_stay: bool,
    /// The room said that everybody sees real JIDs.
    shows_jids: bool,
    /// The room is ours to configure, members-only if we made it for this call.
    made: Option<muc::Privacy>,
    /// Times the room was not open.
    knocks: usize,
    /// Those with Muji whose real JIDs the room hides.
    hidden: BTreeSet<String>,
    /// Nicks of chance tried.
    nicks: usize,
    restated: usize,
    /// Times we gave way to others' payload type ids.
    yielded: usize,
    /// When we ask the room whether we are in it, unless it says something before.
    ping_at: Instant,
    /// The connection is gone: nobody can answer.
    offline: bool,
}

impl Conference {
    /// Enters the room, saying at once that we are preparing.
    pub(crate) fn enter(
        cx: &mut Context<'_>,
        call: CallId,
        us: FullJid,
        room: BareJid,
        how: Join,
        nick: String,
    ) -> Self {
        let mut this = Self {
            call,
            room,
            us,
            nick,
            how,
            stage: Stage::Over,
            said: EchoTracker::default(),
            occupants: Occupants::default(),
            contents: Vec::new(),
            used: BTreeSet::new(),
            muted: Vec::new(),
            holding: false,
            guests: Guests::default(),
            before: None,
            handed_back: None,
            shown_to: None,
            adding: Vec::new(),
            round: None,
            participants: Participants::default(),
            resync: Resync::default(),
            asked: Answers::default(),
            absence: None,
            later_stay: false,
            shows_jids: false,
            made: None,
            knocks: 0,
            hidden: BTreeSet::new(),
            nicks: 1,
            restated: 0,
            yielded: 0,
            ping_at: cx.now + config::SELF_PING,
            offline: false,
        };
        this.prepare(cx);
        this
    }

    /// We were in this room before.
    pub(crate) fn again(mut self) -> Self {
        self.later_stay = true;
        self
    }

    /// The room is made for this call: nobody may enter who was not invited.
    pub(crate) fn is_ours_alone(&mut self) {
        self.made = Some(muc::Privacy::Members);
    }

    /// The client sits in the room already.
    pub(crate) fn seated(mut self, cx: &mut Context<'_>, chat_room: &ChatRoom) -> Self {
        self.shows_jids = chat_room.shows_jids;
        for (nick, occupant) in chat_room.occupants.iter() {
            self.takes_part(cx, nick, occupant.real.clone(), occupant.muji.clone(), Some(occupant.profile));
        }
        self
    }

    /// True if it is our own occupant in the room.
    pub(crate) fn is_us(&self, who: &Jid) -> bool {
        who.to_bare() == self.room && who.resource().is_some_and(|nick| nick.as_str() == self.nick)
    }

    /// True if this person is in the call too.
    pub(crate) fn has_met(&self, who: &BareJid) -> bool {
        self.participants.has_met(who)
    }

    pub(crate) fn room(&self) -> &BareJid {
        &self.room
    }

    pub(crate) fn has_room_of_its_own(&self) -> bool {
        self.how.style == Style::Own
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// The participants, and what their sessions depend on.
    fn participants(&mut self) -> (&mut Participants, View<'_>) {
        let view = View {
            call: self.call,
            us: &self.us,
            room: &self.room,
            occupants: &self.occupants,
            contents: &self.contents,
            media: &self.how.media,
            muted: &self.muted,
            holding: self.holding,
            standing: self.standing(),
            later_stay: self.later_stay,
        };
        (&mut self.participants, view)
    }

    fn standing(&self) -> Standing {
        match self.stage {
            Stage::Closed { .. } | Stage::Outside { .. } | Stage::Entering { .. } | Stage::Settling { .. } => {
                Standing::Unpublished
            }
            Stage::Publishing { .. } => Standing::Published,
            Stage::Active => Standing::Public,
            Stage::Leaving { .. } | Stage::Over => Standing::Leaving,
        }
    }

    fn is_public(&self) -> bool {
        matches!(self.stage, Stage::Publishing { .. } | Stage::Active)
    }

    /// How we stand with each other participant, by nick.
    pub(crate) fn pairs(&self) -> Vec<Pair> {
        let mut pairs = self.participants.pairs(&self.occupants);
        pairs.sort_by(|a, b| a.peer.nick.cmp(&b.peer.nick));
        pairs
    }

    /// The sessions with all others; `None` if one is not connected.
    pub(crate) fn connected_sessions(&self) -> Option<Vec<&Session>> {
        self.participants.connected_sessions()
    }

    /// The session that a peer's stanza names.
    pub(crate) fn session_of(&self, peer: &FullJid, sid: &str) -> Option<SessionId> {
        self.participants.session_of(peer, sid)
    }

    /// A session-initiate marked with our room.
    pub(crate) fn offered(&mut self, cx: &mut Context<'_>, id: &str, from: &FullJid, offer: &Jingle) {
        let (participants, view) = self.participants();
        participants.offered(cx, &view, id, from, offer);
    }

    /// A peer's request in a session.
    pub(crate) fn session_requested(&mut self, cx: &mut Context<'_>, session: SessionId, id: &str, jingle: &Jingle) {
        let (participants, view) = self.participants();
        participants.session_requested(cx, &view, session, id, jingle);
    }

    /// The result of a request in a session. False if it was none.
    pub(crate) fn session_answered(
        &mut self,
        cx: &mut Context<'_>,
        peer: &FullJid,
        id: &str,
        outcome: Result<(), &StanzaError>,
    ) -> bool {
        let (participants, view) = self.participants();
        participants.session_answered(cx, &view, peer, id, outcome)
    }

    /// News from the media layer, about a session or about none.
    pub(crate) fn media(&mut self, cx: &mut Context<'_>, report: &MediaReport) {
        if let Some(session) = report.session() {
            let (participants, view) = self.participants();
            participants.media(cx, &view, session, report);
        } else if let MediaReport::Trouble(trouble) = report {
            self.warn(cx, trouble.to_string());
        }
    }

    /// What the client says in every presence is another thing now: we say it too.
    pub(crate) fn extras_changed(&mut self, cx: &mut Context<'_>) {
        self.restate_muji(cx);
    }

    /// Says what holds of us in the call now.
    fn restate_muji(&mut self, cx: &mut Context<'_>) {
        if let Some(muji) = self.muji() {
            self.say(cx, Some(&muji));
        }
    }

    /// What holds of us in the call now; `None` if we are not in the room.
    fn muji(&self) -> Option<Muji> {
        match self.stage {
            Stage::Entering { .. } | Stage::Settling { .. } => Some(Muji::preparing()),
            Stage::Publishing { .. } | Stage::Active => {
                let preparing = self.round.as_ref().is_some_and(ContentUpdate::prepares);
                Some(Muji { preparing, contents: self.contents.clone() })
            }
            Stage::Closed { .. } | Stage::Outside { .. } | Stage::Leaving { .. } | Stage::Over => None,
        }
    }

    /// Those for whom we wait before we publish, in the first round or a later one.
    fn queue_mut(&mut self) -> Option<&mut PublishQueue> {
        if let Stage::Settling { queue, .. } = &mut self.stage {
            return Some(queue);
        }
        self.round.as_mut().and_then(ContentUpdate::queue_mut)
    }

    /// Does what the user wants.
    pub(crate) fn command(&mut self, cx: &mut Context<'_>, command: Command) -> Result<(), Refused> {
        match command {
            Command::Leave => self.leave(cx),
            Command::EndForAll => return self.end_for_all(cx),
            Command::Mute(media, mute) => self.mute(cx, &media, mute),
            Command::Hold(hold) => self.hold(cx, hold),
            Command::Add(media) => return self.add(cx, media),
            Command::Remove(media) => return self.remove(cx, &media),
            Command::Admit(guest) => return self.admit(cx, &guest),
            Command::Invite(guest) => return self.invite(cx, Guest { jid: guest, to: Invites::Call }),
            Command::InviteToRoom(guest, via) => {
                return self.invite(cx, Guest { jid: guest, to: Invites::Room(via) });
            }
            Command::Accept(_) | Command::Decline => return Err(Refused::NotRinging),
        }
        Ok(())
    }

    /// Stops listening and sending, or goes on.
    fn hold(&mut self, cx: &mut Context<'_>, hold: Hold) {
        self.holding = hold == Hold::On;
        for content in self.contents.clone() {
            self.capture(cx, &content, if self.holding { Mute::On } else { Mute::Off });
        }
        let (participants, view) = self.participants();
        participants.set_hold(cx, &view, hold);
    }

    /// Stops or resumes sending.
    fn mute(&mut self, cx: &mut Context<'_>, media: &Media, mute: Mute) {
        self.muted.retain(|muted| muted != media);
        if mute == Mute::On {
            self.muted.push(media.clone());
        }
        let of_media = |content: &&Content| content.media() == Some(media);
        let contents: Vec<Content> = self.contents.iter().filter(of_media).cloned().collect();
        for content in contents {
            let (command, name) = (mute, content.name.clone());
            self.capture(cx, &content, command);
            let (participants, view) = self.participants();
            participants.announce_mute(cx, &view, &name, mute);
        }
    }

    /// Starts or stops capturing what is sent as `content`; nothing starts while it is muted.
    fn capture(&self, cx: &mut Context<'_>, content: &Content, mute: Mute) {
        let Some(media) = content.media().cloned() else { return };
        let (call, publication) = (self.call, content.name.clone());
        let command = match mute {
            Mute::Off if self.holding || self.muted.contains(&media) => return,
            Mute::Off => MediaCommand::Publish { call, publication, media },
            Mute::On => MediaCommand::Unpublish { call, publication },
        };
        cx.out.push_back(Output::Media(command));
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        if !self.offline {
            self.stage_timeout(cx);
            self.round_timeout(cx);
            self.ping_timeout(cx);
            self.resync_timeout(cx);
        }
        self.absence_timeout(cx);
        let (participants, view) = self.participants();
        participants.handle_timeout(cx, &view);
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Entering { until, .. }
            | Stage::Closed { until }
            | Stage::Publishing { until, .. }
            | Stage::Leaving { until, .. } => Some(*until),
            Stage::Settling { check: Some(until), .. } => Some(*until),
            Stage::Settling { queue, check: None } => queue.poll_timeout(),
            Stage::Outside { at } => *at,
            Stage::Active | Stage::Over => None,
        };
        let ping = (self.stage == Stage::Active).then_some(self.ping_at);
        let round = self.round.as_ref().and_then(ContentUpdate::poll_timeout);
        let room = [stage, round, ping, self.resync_at(), self.resync.until(), self.asked.poll_timeout()]
            .into_iter()
            .flatten()
            .filter(|_| !self.offline);
        let absence = self.absence.as_ref().map(|absence| absence.until);
        room.chain(absence).chain(self.participants.poll_timeout()).min()
    }

    // ---- words -------------------------------------------------------------------------------------------------------

    /// Says something to the room as an occupant.
    fn say(&mut self, cx: &mut Context<'_>, muji: Option<&Muji>) {
        self.present(cx, Type::None, None, muji);
    }

    /// Sends a presence to the room; its id.
    fn present(&mut self, cx: &mut Context<'_>, kind: Type, enter: Option<Element>, muji: Option<&Muji>) -> String {
        let to = occupant_jid(&self.room, &self.nick).expect("the nick was checked when joining or came from the room");
        let id = cx.ids.token();
        if kind == Type::None {
            self.said.say(&id, muji.cloned());
        }
        let extras = cx.extras.iter().filter(|_| kind == Type::None).cloned();
        // Dino's place for it, so that who offers us a session knows whom to encrypt its fingerprint for.
        let device = cx.trust.own_device().map(dtls::write_device);
        let muji = muji.map(|muji| {
            let mut element = muji.write();
            device.map(|device| element.append_child(device));
            element
        });
        let payloads = enter.into_iter().chain(muji).chain(extras).collect();
        let mut presence = Presence::new(kind).with_to(to).with_payloads(payloads);
        presence.id = Some(id.clone());
        cx.send(presence);
        id
    }

    /// Asks the room, or ourselves through the room.
    fn ask(&mut self, cx: &mut Context<'_>, asked: Asked, payload: Element) {
        let id = cx.ids.token();
        self.asked.asked(cx.now, &id, asked.clone());
        let room = Some(Jid::from(self.room.clone()));
        let iq = match asked {
            Asked::Configuration { .. } | Asked::Admission(_) | Asked::Favour(_) => {
                Iq::Set { from: None, to: room, id, payload }
            }
            Asked::Form | Asked::Anonymity => Iq::Get { from: None, to: room, id, payload },
            Asked::SelfPing => {
                Iq::Get { from: None, to: occupant_jid(&self.room, &self.nick).map(Jid::from), id, payload }
            }
        };
        cx.send(iq);
    }

    fn event(&self, cx: &mut Context<'_>, event: Event) {
        cx.out.push_back(Output::Event(About::Call(self.call), event));
    }

    /// Tells what of a stanza had no effect.
    pub(crate) fn skipped(&self, cx: &mut Context<'_>, from: &str, skipped: &Skipped) {
        if !skipped.is_empty() {
            self.event(cx, Event::Skipped { from: from.to_owned(), what: skipped.to_string() });
        }
    }

    fn warn(&self, cx: &mut Context<'_>, what: String) {
        self.event(cx, Event::Warning(what));
    }
}
