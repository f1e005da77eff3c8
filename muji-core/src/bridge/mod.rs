//! A bridge: people whose clients know nothing of Muji call its account like a person, and take part in the call of a room.
//!
//! ```text
//!   rings ── on the list, or a contact ──────────────────► Entering ── connected ──► In ──► gone
//!     │                                                                               ▲
//!     ├── a PIN is set ──► Entering ── connected ──► Lobby ── the PIN ────────────────┘
//!     │                                                └── three wrong ones, a minute ──► gone
//!     ├── full, too often ──► declined, or nothing
//!     └── a stranger ──► nothing
//! ```
//!
//! It decides as values: it is told what happens to the account's calls, and says what is to be done ([`BridgeOutput`]).
//! [`Engine::follow`](crate::Engine::follow) does that. The sound is joined by the media layer ([`MediaCommand::Bridge`]): each call hears
//! the others, and what comes in the room is never sent to the room. Who calls with a camera sees who speaks, and the room is sent video as
//! long as such a caller is in.

mod admission;
mod caller;
mod chat;
mod links;
mod roster;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid};
use muji_jingle::CallId;
use muji_xep::dtmf::Digit;
use muji_xep::rtp::Media;

pub use admission::{
    AdmissionPolicy, MAX_CALLERS, MAX_CALLS_OF_ACCOUNT, MAX_CALLS_OF_ALL, MAX_CALLS_OF_DOMAIN, MAX_DOMAIN_FAILURES,
    MAX_FAILURES, MAX_LOBBY, MAX_TRIES, Pin, USUAL_CALLERS,
};
pub use caller::{Caller, CallerState};
pub use muji_xep::bridge::BridgeMark;

use crate::command::Command;
use crate::error::{BridgeConflict, EndReason};
use crate::event::{Event, EventScope};
use crate::guest::Guest;
#[cfg(doc)]
use crate::media::MediaCommand;
use crate::media::{Audibility, Prompt};
use crate::warning::Warning;
use admission::{Admission, Attempts};
use caller::Pressed;
use links::Links;
use roster::Roster;

/// How long somebody may take to enter the PIN.
pub const LOBBY: Duration = Duration::from_secs(60);

/// Between two tones for somebody who waits.
const LOBBY_TONE: Duration = Duration::from_secs(5);

/// How long callers may be alone: when nobody is in the room's call they hear a tone, and then the call ends.
pub const ALONE: Duration = Duration::from_secs(300);

/// Between two tones for callers who are alone.
const ALONE_TONE: Duration = Duration::from_secs(15);

/// What a bridge wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BridgeOutput {
    /// This, of one of its calls.
    Command(CallId, Command),
    /// These calls hear each other from now on.
    Join(BTreeMap<CallId, Audibility>),
    /// A tone for the people in a call.
    Prompt(CallId, Prompt),
    /// A line of chat.
    Reply(BareJid, String),
    /// Somebody may see that the account is there, as it asked: clients call contacts alone.
    Approve(BareJid),
    /// Somebody was let in, left, is muted: what a program shows.
    Changed(Box<Caller>),
}

/// The call of a room, and those who call in.
#[derive(Debug, Clone)]
pub struct Bridge {
    room: CallId,
    /// The room's call is over.
    is_over: bool,
    policy: AdmissionPolicy,
    callers: BTreeMap<CallId, Caller>,
    attempts: Attempts,
    /// Callers so far: their ids.
    numbered: u32,
    /// Who is in the room's call but us.
    in_room: Roster,
    links: Links,
    /// Since when nobody is, and when callers are told next.
    alone: Option<(Instant, Instant)>,
    /// What was said last of who hears whom, of the callers, and of ourselves.
    joined: BTreeMap<CallId, Audibility>,
    /// The room is sent video: that of who speaks among the callers.
    video: bool,
    /// It is in any case, as we have a camera.
    own_video: bool,
    shown: Vec<Guest>,
    marked: Option<BridgeMark>,
    out: VecDeque<BridgeOutput>,
}

impl Bridge {
    /// A bridge into the call of a room, for those who may call it. Make it with the call, or pass on the call's events so far: they say who
    /// is there.
    #[must_use]
    pub fn new(now: Instant, room: CallId, policy: AdmissionPolicy) -> Self {
        Self {
            room,
            is_over: false,
            policy,
            callers: BTreeMap::new(),
            attempts: Attempts::default(),
            numbered: 0,
            in_room: Roster::default(),
            links: Links::default(),
            alone: Some((now, now)),
            joined: BTreeMap::new(),
            video: false,
            own_video: false,
            shown: Vec::new(),
            marked: None,
            out: VecDeque::new(),
        }
    }

    /// The room's call sends our own video already.
    #[must_use]
    pub fn with_own_video(self) -> Self {
        Self { own_video: true, ..self }
    }

    /// Those who called or are called, in the order in which they came.
    pub fn callers(&self) -> impl Iterator<Item = &Caller> {
        self.callers.values()
    }

    /// True if this call is one of a caller: it needs no answer of the user's.
    #[must_use]
    pub fn has(&self, call: CallId) -> bool {
        self.callers.contains_key(&call)
    }

    // ---- what happens ------------------------------------------------------------------------------------------------

    /// Something happened to one of the account's calls. Pass on all events.
    pub fn handle_event(&mut self, now: Instant, about: &EventScope, event: &Event) {
        let EventScope::Call(call) = about else { return };
        if *call == self.room {
            self.room_event(now, event);
        } else if let Event::Ringing { from, media } = event {
            self.rings(now, *call, from, media, true);
        } else if let Event::Stranger { from, media } = event {
            self.rings(now, *call, from, media, false);
        } else {
            self.caller_event(now, *call, event);
        }
        self.settle(now);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "who is in the room is all that matters here")]
    fn room_event(&mut self, now: Instant, event: &Event) {
        match event {
            Event::PeerConnected(peer, _) => {
                self.in_room.connected(peer);
                self.alone = None;
            }
            Event::PeerLeft(peer) | Event::PeerFailed(peer, _) => {
                self.in_room.left(peer);
                if matches!(event, Event::PeerLeft(_)) {
                    self.links.in_room(&peer.jid, None);
                }
                if self.in_room.is_empty() {
                    self.alone.get_or_insert((now, now));
                }
            }
            Event::PeerBridge(peer, bridge) => self.links.in_room(&peer.jid, bridge.as_ref()),
            Event::PeerMuted(peer, content) if of_sound(content.as_ref()) => self.in_room.muted(peer, true),
            Event::PeerUnmuted(peer, content) if of_sound(content.as_ref()) => self.in_room.muted(peer, false),
            Event::Warning(Warning::RoomHidesJids) => self.in_room.hides_jids(),
            Event::Joined { .. } => self.in_room.shows_jids(),
            Event::AffiliationChanged { who, banned } => self.affiliation_changed(who, *banned),
            Event::Ended(_) => {
                self.is_over = true;
                let calls: Vec<CallId> = self.callers.keys().copied().collect();
                calls.into_iter().for_each(|call| self.hang_up(call));
            }
            _ => {}
        }
    }

    /// Who is banned from the room has no way around that.
    fn affiliation_changed(&mut self, who: &BareJid, banned: bool) {
        self.attempts.banned(who, banned);
        let calls = self.callers.values().filter(|caller| banned && caller.jid == *who).map(|caller| caller.call);
        calls.collect::<Vec<_>>().into_iter().for_each(|call| self.hang_up(call));
    }

    /// Somebody calls.
    fn rings(&mut self, now: Instant, call: CallId, from: &FullJid, media: &[Media], is_contact: bool) {
        let who = from.to_bare();
        let mut admission = self.policy.of(&who, is_contact);
        let waiting = self.callers.values().filter(|caller| caller.waits()).count();
        let full = self.is_full();
        if admission != Admission::Ignored && !self.attempts.may_call(now, &who) {
            admission = Admission::Ignored; // It would try again, and learn when it may.
        } else if admission != Admission::Ignored && (full || admission == Admission::Lobby && waiting >= MAX_LOBBY) {
            admission = Admission::Declined;
        }
        let first = match admission {
            Admission::Admitted => CallerState::Entering,
            Admission::Lobby => CallerState::EnteringLobby { until: now + LOBBY },
            Admission::Declined => return self.out.push_back(BridgeOutput::Command(call, Command::Decline)),
            Admission::Ignored => return,
        };
        let video = media.contains(&Media::Video);
        self.add(call, who, first, video);
        let sent = if video { vec![Media::Audio, Media::Video] } else { vec![Media::Audio] };
        self.out.push_back(BridgeOutput::Command(call, Command::Accept(sent)));
    }

    /// Nobody more can be let in: there is no place, or no room.
    fn is_full(&self) -> bool {
        self.is_over || self.callers.len() >= self.policy.places()
    }

    fn add(&mut self, call: CallId, who: BareJid, state: CallerState, video: bool) {
        self.numbered += 1;
        let mut new = Caller::new(call, format!("c{}", self.numbered), who, state);
        new.video = video;
        self.callers.insert(call, new);
    }

    /// We call somebody into the room: the call is one that [`Engine::call`](crate::Engine::call) has just placed.
    ///
    /// # Errors
    /// The call, if there are as many callers as may be, the account is banned from the room, or the room's call is over: it is to be left.
    pub fn add_called(&mut self, now: Instant, call: CallId, who: BareJid) -> Result<(), CallId> {
        if self.is_full() || self.attempts.is_banned(&who) {
            return Err(call);
        }
        self.add(call, who, CallerState::Called, false);
        self.settle(now);
        Ok(())
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a call with a caller is one with one person, whom few events concern"
    )]
    fn caller_event(&mut self, now: Instant, call: CallId, event: &Event) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        match event {
            Event::PeerConnected(..) => match caller.state {
                CallerState::Entering | CallerState::Called => caller.state = CallerState::In,
                CallerState::EnteringLobby { until } => caller.state = CallerState::Lobby { until, tone: now },
                CallerState::Lobby { .. } | CallerState::In | CallerState::Leaving => {}
            },
            Event::PeerDigit(_, digit) => self.pressed(now, call, *digit),
            Event::PeerMuted(_, content) if of_sound(content.as_ref()) => caller.muted_itself = true,
            Event::PeerUnmuted(_, content) if of_sound(content.as_ref()) => caller.muted_itself = false,
            // Phones begin with sound, and add their camera later.
            Event::PeerContentAdded { media: Media::Video, .. } if !caller.video => {
                caller.video = true;
                self.out.push_back(BridgeOutput::Command(call, Command::Add(Media::Video)));
            }
            Event::PeerFocus(_, bridge) => self.said_focus(call, bridge.as_ref()),
            Event::PeerMoved(_) => {
                caller.is_focus = false; // Its other device says what it is.
                caller.bridge = None;
            }
            Event::PeerHeld(_) => caller.holds = true,
            Event::PeerUnheld(_) => caller.holds = false,
            Event::Ended(why) => self.gone(call, why),
            _ => {}
        }
    }

    /// Somebody's client is a conference too, or another bridge.
    fn said_focus(&mut self, call: CallId, bridge: Option<&BridgeMark>) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.is_focus = true;
        caller.bridge = bridge.cloned();
        let Some(caller) = self.callers.get(&call) else { return };
        let in_room = self.in_room.has(&caller.jid).then_some(BridgeConflict::InRoom);
        match self.links.conflict(&self.callers, caller).or(in_room) {
            Some(why) => self.refuse(call, why),
            None => self.out.push_back(BridgeOutput::Changed(Box::new(caller.clone()))),
        }
    }

    fn refuse(&mut self, call: CallId, why: BridgeConflict) {
        self.callers.get_mut(&call).into_iter().for_each(|caller| caller.state = CallerState::Leaving);
        self.out.push_back(BridgeOutput::Command(call, Command::Refuse(why)));
    }

    fn gone(&mut self, call: CallId, why: &EndReason) {
        if let Some(mut caller) = self.callers.remove(&call) {
            caller.over = Some(why.clone());
            self.out.push_back(BridgeOutput::Changed(Box::new(caller)));
        }
    }

    /// Somebody pressed a key.
    fn pressed(&mut self, now: Instant, call: CallId, digit: Digit) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        match caller.press(digit) {
            Pressed::Nothing => {}
            Pressed::Entered(digits) => self.entered(now, call, &digits),
            Pressed::Mute => self.mutes_itself(call),
        }
    }

    /// `*6`, as with telephone conferences. Who was muted by the owner stays so.
    fn mutes_itself(&mut self, call: CallId) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        caller.muted_by_key = !caller.muted_by_key;
        let prompt = if caller.muted_by_key || caller.muted_by_owner { Prompt::Muted } else { Prompt::Unmuted };
        self.out.push_back(BridgeOutput::Prompt(call, prompt));
    }

    /// Somebody entered digits.
    fn entered(&mut self, now: Instant, call: CallId, digits: &str) {
        let Some(caller) = self.callers.get_mut(&call) else { return };
        if !caller.waits() {
            return;
        }
        if self.policy.pin.as_ref().is_some_and(|pin| pin.is(digits)) {
            caller.state = caller.state.admitted();
            return self.out.push_back(BridgeOutput::Prompt(call, Prompt::Admitted));
        }
        caller.tries += 1;
        let (who, tries) = (caller.jid.clone(), caller.tries);
        self.attempts.failed(now, &who);
        self.out.push_back(BridgeOutput::Prompt(call, Prompt::Refused));
        if tries >= MAX_TRIES {
            self.hang_up(call);
        }
    }

    /// Somebody asks to see whether the account is there (a presence of type `subscribe`). Who may call it is answered, others are not.
    pub fn handle_subscription(&mut self, who: &BareJid) {
        if self.policy.may_subscribe(who) && !self.attempts.is_banned(who) {
            self.out.push_back(BridgeOutput::Approve(who.clone()));
        }
    }

    // ---- what the owner wants ----------------------------------------------------------------------------------------

    /// Lets a caller be heard no more, or again. Who muted itself stays so. False if there is none of this id.
    pub fn mute(&mut self, now: Instant, id: &str, audibility: Audibility) -> bool {
        let Some(caller) = self.callers.values_mut().find(|caller| caller.id == id) else { return false };
        let muted = audibility == Audibility::Muted;
        if caller.muted_by_owner != muted {
            caller.muted_by_owner = muted;
            let prompt = if muted { Prompt::Muted } else { Prompt::Unmuted };
            self.out.push_back(BridgeOutput::Prompt(caller.call, prompt));
        }
        self.settle(now);
        true
    }

    /// Ends the call of somebody. False if there is none of this id.
    pub fn remove(&mut self, now: Instant, id: &str) -> bool {
        let call = self.callers.values().find(|caller| caller.id == id).map(|caller| caller.call);
        call.into_iter().for_each(|call| self.hang_up(call));
        self.settle(now);
        call.is_some()
    }

    /// Lets somebody in who waits. False if nobody of this id does.
    pub fn admit(&mut self, now: Instant, id: &str) -> bool {
        let Some(caller) = self.callers.values_mut().find(|caller| caller.id == id && caller.waits()) else {
            return false;
        };
        caller.state = caller.state.admitted();
        self.out.push_back(BridgeOutput::Prompt(caller.call, Prompt::Admitted));
        self.settle(now);
        true
    }

    fn hang_up(&mut self, call: CallId) {
        self.callers.get_mut(&call).into_iter().for_each(|caller| caller.state = CallerState::Leaving);
        self.out.push_back(BridgeOutput::Command(call, Command::Leave));
    }

    // ---- time --------------------------------------------------------------------------------------------------------

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut over = Vec::new();
        for caller in self.callers.values_mut() {
            match &mut caller.state {
                CallerState::EnteringLobby { until } | CallerState::Lobby { until, .. } if *until <= now => {
                    over.push(caller.call)
                }
                CallerState::Lobby { tone, .. } if *tone <= now => {
                    *tone = now + LOBBY_TONE;
                    self.out.push_back(BridgeOutput::Prompt(caller.call, Prompt::Waiting));
                }
                CallerState::EnteringLobby { .. }
                | CallerState::Lobby { .. }
                | CallerState::Called
                | CallerState::Entering
                | CallerState::In
                | CallerState::Leaving => {}
            }
        }
        if let Some((since, tone)) = &mut self.alone {
            let inside =
                self.callers.values().filter(|caller| caller.state == CallerState::In).map(|caller| caller.call);
            let inside: Vec<CallId> = inside.collect();
            if inside.is_empty() {
                *since = now; // The time runs while somebody waits for others.
            }
            if *since + ALONE <= now {
                over.extend(inside);
                *since = now;
            } else if *tone <= now {
                *tone = now + ALONE_TONE;
                self.out.extend(inside.into_iter().map(|call| BridgeOutput::Prompt(call, Prompt::Alone)));
            }
        }
        over.into_iter().for_each(|call| self.hang_up(call));
        self.settle(now);
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let lobby = self.callers.values().filter_map(|caller| match caller.state {
            CallerState::EnteringLobby { until } => Some(until),
            CallerState::Lobby { until, tone } => Some(until.min(tone)),
            CallerState::Entering | CallerState::Called | CallerState::In | CallerState::Leaving => None,
        });
        let inside = self.callers.values().any(|caller| caller.state == CallerState::In);
        let alone = self.alone.filter(|_| inside).map(|(since, tone)| tone.min(since + ALONE));
        lobby.chain(alone).min()
    }

    /// The next thing to do. Take all after each input.
    pub fn poll_output(&mut self) -> Option<BridgeOutput> {
        self.out.pop_front()
    }

    /// Gives the bridge a name among bridges, if it has none yet. It must not be guessed: who knows it can keep two bridges apart.
    pub(crate) fn name_among_bridges(&mut self, name: impl FnOnce() -> String) {
        if !self.links.is_named() {
            self.links.set_id(name());
            self.say_marks();
        }
    }

    /// Says which bridge we are where that is new, and ends calls that make a ring.
    fn say_marks(&mut self) {
        self.links.in_ring(&self.callers).into_iter().for_each(|call| self.refuse(call, BridgeConflict::Ring));
        let marked = self.links.for_room(&self.callers);
        if self.marked != marked {
            self.marked.clone_from(&marked);
            let of_room = marked.map(|mark| BridgeOutput::Command(self.room, Command::SetBridge(mark)));
            self.out.extend(of_room);
        }
        for call in self.callers.keys().copied().collect::<Vec<_>>() {
            let marked = self.links.for_caller(&self.callers, call);
            let Some(caller) = self.callers.get_mut(&call).filter(|caller| caller.marked != marked) else { continue };
            caller.marked.clone_from(&marked);
            self.out.extend(marked.map(|mark| BridgeOutput::Command(call, Command::SetBridge(mark))));
        }
    }

    /// Says what is another than before: who hears whom, and who calls.
    fn settle(&mut self, now: Instant) {
        self.say_marks();
        if self.callers.values().all(|caller| caller.state != CallerState::In)
            && let Some((since, tone)) = &mut self.alone
        {
            (*since, *tone) = (now, now);
        }
        for caller in self.callers.values_mut() {
            let now = caller.guest();
            if caller.told.as_ref() != Some(&now) {
                caller.told = Some(now);
                self.out.push_back(BridgeOutput::Changed(Box::new(caller.clone())));
            }
        }
        let of_callers =
            self.callers.values().filter(|caller| caller.state == CallerState::In).map(|caller| {
                (caller.call, if caller.is_muted_here() { Audibility::Muted } else { Audibility::Heard })
            });
        let mut joined: BTreeMap<CallId, Audibility> = of_callers.collect();
        if !joined.is_empty() {
            joined.insert(self.room, Audibility::Heard);
        }
        let waiting = self.callers.values().filter(|caller| caller.waits());
        joined.extend(waiting.map(|caller| (caller.call, Audibility::Apart)));
        if self.joined != joined {
            self.joined.clone_from(&joined);
            self.out.push_back(BridgeOutput::Join(joined));
        }
        let video = self.callers.values().any(|caller| caller.video && caller.state == CallerState::In);
        if self.video != video && !self.own_video {
            self.video = video;
            // Without a camera among the callers nobody in the room need send pictures to us. A room that takes no video is asked again when
            // the next camera comes after none was there.
            let command = if video { Command::Add(Media::Video) } else { Command::Remove(Media::Video) };
            self.out.push_back(BridgeOutput::Command(self.room, command));
        }
        let shown = self.in_room.for_room(&self.callers);
        if self.shown != shown {
            self.shown.clone_from(&shown);
            self.out.push_back(BridgeOutput::Command(self.room, Command::SetGuests(shown)));
        }
        for (call, others) in self.in_room.for_callers(&self.callers) {
            let Some(caller) = self.callers.get_mut(&call).filter(|caller| caller.informed != others) else { continue };
            caller.informed.clone_from(&others);
            self.out.push_back(BridgeOutput::Command(call, Command::SetGuests(others)));
        }
    }
}

/// Whether what was muted is sound: that, or all if none is named.
fn of_sound(content: Option<&(String, Media)>) -> bool {
    content.is_none_or(|(_, media)| *media == Media::Audio)
}
