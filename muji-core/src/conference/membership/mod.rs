//! Being in the room: entering, what must be known of it, staying, coming back, leaving.
//!
//! Sound does not stop because signalling does: when the room or the connection loses us, sessions live on for a minute while
//! we come back (XEP-0045 section 9.1, statuses 332 and 333; XEP-0410).

mod entering;
mod form;
mod outcome;
mod removal;
mod resync;
mod room_query;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid, Jid};
use muji_jingle::Ids;
use muji_jingle::pending::PendingRequests;
use muji_xep::muc::{MucUser, Privacy, code};
use muji_xep::{Element, Secret, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::{DefinedCondition, StanzaError};

use crate::command::{Join, RoomKind};
use crate::config::{self, Config};
use crate::context::Context;
use crate::error::{EndReason, RoomFault};
use crate::peer::occupant_jid;
use crate::stanza::condition_name;
use crate::warning::Warning;
pub(super) use outcome::Outcome;
use resync::Resync;
pub(super) use room_query::RoomQuery;
use stage::Stage;

/// The room lost us.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Absence {
    /// When we give up.
    until: Instant,
    why: EndReason,
    attempts: usize,
}

/// Where our nick comes from, which says what becomes of it if another occupant has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NickOrigin {
    /// The user chose it for this room: without it we do not enter.
    Chosen,
    /// It is the one of all calls: something is added to it.
    Configured,
    /// It is random, and another random one takes its place.
    Random,
}

impl NickOrigin {
    fn of(how: &Join, config: &Config) -> Self {
        match (&how.nick, &config.nick) {
            (Some(_), _) => Self::Chosen,
            (None, Some(_)) => Self::Configured,
            (None, None) => Self::Random,
        }
    }
}

/// Our membership in the room of the call.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    room: BareJid,
    /// Our JID in the room.
    occupant: FullJid,
    room_kind: RoomKind,
    nick_origin: NickOrigin,
    password: Option<Secret>,
    /// We follow an invitation: a room that is gone is not made again.
    invited: bool,
    stage: Stage,
    /// The room has to answer until then before we publish.
    check: Option<Instant>,
    asked: PendingRequests<RoomQuery>,
    /// The room is ours to configure, members-only if we made it for this call.
    made: Option<Privacy>,
    /// The room said that everybody sees real JIDs.
    shows_jids: bool,
    /// Nicks of those with Muji whose real JIDs the room hides.
    hidden: BTreeSet<String>,
    /// How often the room was not open.
    retries: usize,
    /// Nicks tried.
    nicks: usize,
    /// The nick is one for the call, as another session of the account has the one of before.
    has_call_nick: bool,
    /// How often our part in the call was taken back by another of our presences.
    restated: usize,
    absence: Option<Absence>,
    /// We were in this room before: offers from then may still be under way.
    later_stay: bool,
    resync: Resync,
    /// When we ask the room whether we are in it, unless it says something before.
    ping_at: Instant,
    /// The connection is gone: nobody can answer.
    offline: bool,
}

impl Membership {
    pub(super) fn new(now: Instant, occupant: FullJid, how: Join, config: &Config) -> Self {
        Self {
            room: occupant.to_bare(),
            occupant,
            room_kind: how.room_kind,
            nick_origin: NickOrigin::of(&how, config),
            password: how.password,
            invited: how.invited,
            stage: Stage::Present,
            check: None,
            asked: PendingRequests::default(),
            made: None,
            shows_jids: false,
            hidden: BTreeSet::new(),
            retries: 0,
            nicks: 1,
            has_call_nick: false,
            restated: 0,
            absence: None,
            later_stay: false,
            resync: Resync::default(),
            ping_at: now + config::SELF_PING,
            offline: false,
        }
    }

    pub(super) fn room(&self) -> &BareJid {
        &self.room
    }

    pub(super) fn nick(&self) -> &str {
        self.occupant.resource().as_str()
    }

    /// Our JID in the room.
    pub(super) fn occupant(&self) -> &FullJid {
        &self.occupant
    }

    /// We go by another nick. False, and nothing changes, if it cannot be part of a JID.
    fn set_nick(&mut self, nick: &str) -> bool {
        let occupant = occupant_jid(&self.room, nick);
        let usable = occupant.is_some();
        self.occupant = occupant.unwrap_or_else(|| self.occupant.clone());
        usable
    }

    pub(super) fn room_kind(&self) -> RoomKind {
        self.room_kind
    }

    pub(super) fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    pub(super) fn is_us(&self, who: &Jid) -> bool {
        *who == self.occupant
    }

    /// True if our part in the call is out, or on its way.
    pub(super) fn is_present(&self) -> bool {
        self.stage == Stage::Present
    }

    /// True if there is nothing to leave.
    pub(super) fn is_outside(&self) -> bool {
        matches!(self.stage, Stage::Closed { .. } | Stage::Outside { .. })
    }

    pub(super) fn has_left(&self) -> bool {
        matches!(self.stage, Stage::Leaving { .. } | Stage::Over)
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// True if we may publish as far as the room is concerned.
    pub(super) fn is_ready(&self) -> bool {
        self.is_present() && self.check.is_none()
    }

    /// True if the room is ours.
    pub(super) fn is_owner(&self) -> bool {
        self.made.is_some()
    }

    pub(super) fn is_later_stay(&self) -> bool {
        self.later_stay
    }

    /// We were in this room before.
    pub(super) fn returns(&mut self) {
        self.later_stay = true;
    }

    /// The room is made for this call: nobody may enter who was not invited.
    pub(super) fn makes_room(&mut self) {
        self.made = Some(Privacy::Members);
    }

    /// The client is in the room already; whether that shows real JIDs, and hides the client under its nick.
    pub(super) fn knows_room(&mut self, shows_jids: bool, hides_us: bool) {
        self.shows_jids = shows_jids;
        self.has_call_nick = hides_us;
    }

    // ---- staying -----------------------------------------------------------------------------------------------------

    /// The room said something, so it is there and we are in it.
    pub(super) fn heard(&mut self, now: Instant) {
        self.ping_at = now + config::SELF_PING;
    }

    /// Asks whether we are still in, if the room has been silent for long.
    pub(super) fn ping_if_due(&mut self, cx: &mut Context<'_>) {
        if self.ping_at <= cx.now {
            self.heard(cx.now); // Or the next ping follows at once.
            self.ping(cx);
        }
    }

    /// Asks ourselves through the room whether we are in it (XEP-0410).
    pub(super) fn ping(&mut self, cx: &mut Context<'_>) {
        self.ask(cx, RoomQuery::SelfPing, Element::bare("ping", ns::PING));
    }

    /// Asks the room, or ourselves through the room.
    pub(super) fn ask(&mut self, cx: &mut Context<'_>, asked: RoomQuery, payload: Element) {
        let id = cx.ids.token();
        let room = Some(Jid::from(self.room.clone()));
        let iq = match &asked {
            RoomQuery::Configuration { .. } | RoomQuery::Admission(_) | RoomQuery::Request(_) => {
                Iq::Set { from: None, to: room, id: id.clone(), payload }
            }
            RoomQuery::Form | RoomQuery::Anonymity => Iq::Get { from: None, to: room, id: id.clone(), payload },
            RoomQuery::SelfPing => {
                Iq::Get { from: None, to: Some(self.occupant.clone().into()), id: id.clone(), payload }
            }
        };
        self.asked.asked(cx.now, &id, asked);
        cx.send(iq);
    }

    /// The room, or we ourselves through it, answered a question. `None` if we did not ask it.
    pub(super) fn answered(
        &mut self,
        cx: &mut Context<'_>,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
        public: bool,
    ) -> Option<Outcome> {
        let asked = self.asked.answered(id)?;
        self.heard(cx.now);
        Some(match (asked, answer) {
            (RoomQuery::SelfPing, answer) => pinged(answer.err()),
            (RoomQuery::Request(request), Err(error)) => {
                Outcome::Warn(Warning::RoomRefused { request, why: RoomFault::from_condition(&condition_name(error)) })
            }
            (RoomQuery::Request(_), Ok(_)) => Outcome::Nothing,
            (RoomQuery::Admission(guest), Ok(_)) => Outcome::Admitted(guest),
            (RoomQuery::Admission(guest), Err(error)) => {
                Outcome::NotAdmitted(guest, Some(RoomFault::from_condition(&condition_name(error))))
            }
            (RoomQuery::Anonymity, Ok(Some(info))) if public => {
                self.shows_jids = form::shows_real_jids(info);
                self.warn_if_hidden()
            }
            (asked, answer) => self.checked(cx, &asked, answer),
        })
    }

    /// The room said something about itself. `published`: others may have seen our contents.
    pub(super) fn room_changed(
        &mut self,
        cx: &mut Context<'_>,
        user: &MucUser,
        published: bool,
        public: bool,
    ) -> Outcome {
        self.heard(cx.now);
        self.shows_jids |= user.has(code::NOW_NON_ANONYMOUS);
        if user.has(code::NOW_SEMI_ANONYMOUS) {
            self.shows_jids = false;
            return if published { self.warn_if_hidden() } else { Outcome::Nothing };
        }
        if user.has(code::CONFIGURED) && public {
            let (asked, query) = form::ask_anonymity();
            self.ask(cx, asked, query);
        }
        Outcome::Nothing
    }

    fn warn_if_hidden(&self) -> Outcome {
        if self.shows_jids { Outcome::Nothing } else { Outcome::Warn(Warning::RoomHidesJids) }
    }

    /// True if our part in the call may be said again after another of our presences took it back. A client that goes on doing
    /// so does not know of the call.
    pub(super) fn may_restate(&mut self) -> bool {
        self.restated += 1;
        self.restated <= config::MAX_PRESENCE_REPEATS
    }

    // ---- who is there, once more -------------------------------------------------------------------------------------

    /// True if the room is to tell us again who is in it: somebody offers a session of whom it has not told.
    pub(super) fn resync_is_due(&self, now: Instant, held_until: impl Iterator<Item = Instant>) -> bool {
        self.resync.due(held_until).is_some_and(|at| at <= now)
    }

    /// The room was asked that by the presence of this id.
    pub(super) fn resyncs(&mut self, now: Instant, id: String, known: BTreeSet<String>) {
        self.resync.asked(now, id, known);
    }

    pub(super) fn told_of(&mut self, nick: &str) {
        self.resync.told_of(nick);
    }

    /// Those of whom the room has not told, if our presence of this id ends its answer.
    pub(super) fn resynced(&mut self, id: Option<&str>) -> BTreeSet<String> {
        self.resync.repeated(id)
    }

    /// True if the room has not told who is in it, and does not any more.
    pub(super) fn resync_expired(&mut self, now: Instant) -> bool {
        self.resync.expired(now)
    }

    // ---- coming back -------------------------------------------------------------------------------------------------

    /// We are not in the room any more.
    pub(super) fn put_out(&mut self, user: &MucUser) -> Outcome {
        if let Some(new) = user.new_nick.as_ref().filter(|_| user.has(code::RENAMED)) {
            return self.renamed(new);
        }
        match &self.stage {
            Stage::Leaving { why, .. } => Outcome::Left(why.clone()),
            Stage::Closed { .. } => Outcome::Nothing, // We went ourselves, to come again.
            Stage::Present | Stage::Outside { .. } | Stage::Over => removal::outcome(user),
        }
    }

    /// The room lost us: until when the others' sessions live on, and whether that is news. `None` if we have left.
    pub(super) fn lost(&mut self, now: Instant, why: &EndReason) -> Option<(Instant, bool)> {
        if self.has_left() {
            return None;
        }
        let news = self.absence.is_none();
        let until = now + config::ROOM_LOSS;
        let absence = self.absence.get_or_insert_with(|| Absence { until, why: why.clone(), attempts: 0 });
        self.stage = Stage::Outside { at: Some(now + pause(&config::REJOIN, absence.attempts)) };
        absence.attempts += 1;
        self.check = None;
        self.later_stay = true;
        self.restated = 0;
        self.resync = Resync::default();
        self.asked.clear();
        Some((until, news))
    }

    /// Why the call is over, if we have been away for too long.
    pub(super) fn absence_is_over(&mut self, now: Instant) -> Option<EndReason> {
        self.absence.take_if(|absence| absence.until <= now).map(|absence| absence.why)
    }

    /// The connection is gone for now: nobody can be asked or answer.
    pub(super) fn went_offline(&mut self) {
        self.offline = true;
    }

    pub(super) fn is_offline(&self) -> bool {
        self.offline
    }

    /// The same stream goes on: what was asked may take its full time again.
    pub(super) fn resumed(&mut self, now: Instant) {
        self.offline = false;
        self.heard(now);
        if let Stage::Leaving { until, .. } = &mut self.stage {
            *until = now + config::LEAVING;
        }
        if self.check.is_some() {
            self.check = Some(now + config::OWN_PREPARING);
        }
    }

    /// A new stream, on which the room has forgotten us, or will when it notices: why we have left, if we were leaving.
    pub(super) fn rebound(&mut self) -> Option<EndReason> {
        self.offline = false;
        match &self.stage {
            Stage::Leaving { why, .. } => Some(why.clone()),
            Stage::Present | Stage::Closed { .. } | Stage::Outside { .. } | Stage::Over => None,
        }
    }

    /// We come back on a new stream, under a new JID if that is not the one of before. A client enters its chat rooms itself.
    pub(super) fn comes_back(&mut self, now: Instant, ids: &mut Ids, new_jid: bool) {
        self.nicks = 1; // Each time it comes back: our ghost may still have the nick.
        if new_jid && self.nick_origin == NickOrigin::Random && self.room_kind == RoomKind::CallRoom {
            self.set_nick(&ids.nick());
        }
        self.stage = Stage::Outside { at: (self.room_kind == RoomKind::CallRoom).then_some(now) };
    }

    /// True if the client is back in its chat room, and we enter the call there again.
    pub(super) fn waits_for_client(&self) -> bool {
        self.stage == Stage::Outside { at: None }
    }

    // ---- leaving -----------------------------------------------------------------------------------------------------

    /// The presence that leaves is out.
    pub(super) fn leave(&mut self, now: Instant, why: EndReason) {
        self.stage = Stage::Leaving { until: now + config::LEAVING, why };
        self.check = None;
    }

    /// Why we left, if the room has only to confirm it.
    pub(super) fn leaves(&self) -> Option<&EndReason> {
        match &self.stage {
            Stage::Leaving { why, .. } => Some(why),
            Stage::Present | Stage::Closed { .. } | Stage::Outside { .. } | Stage::Over => None,
        }
    }

    /// We do not take part any more, and nothing is asked for that is not answered.
    pub(super) fn finish(&mut self) {
        self.stage = Stage::Over;
        self.check = None;
        self.absence = None;
    }

    /// Forgets what the room was to tell us again.
    pub(super) fn stop_resync(&mut self) {
        self.resync = Resync::default();
    }

    // ---- time --------------------------------------------------------------------------------------------------------

    pub(super) fn handle_timeout(&self, now: Instant) -> Outcome {
        match &self.stage {
            Stage::Closed { until: at } | Stage::Outside { at: Some(at) } if *at <= now => Outcome::Enter,
            Stage::Leaving { until, why } if *until <= now => Outcome::Left(why.clone()),
            Stage::Present if self.check.is_some_and(|until| until <= now) => self.trouble(RoomFault::Silent),
            Stage::Present | Stage::Closed { .. } | Stage::Outside { .. } | Stage::Leaving { .. } | Stage::Over => {
                Outcome::Nothing
            }
        }
    }

    /// What follows from questions that were not answered in time.
    pub(super) fn unanswered(&mut self, now: Instant) -> Vec<Outcome> {
        let unanswered = |asked| match asked {
            RoomQuery::SelfPing => Outcome::Warn(Warning::RoomSilent),
            RoomQuery::Request(request) => Outcome::Warn(Warning::RoomIgnored(request)),
            RoomQuery::Admission(guest) => Outcome::NotAdmitted(guest, None),
            // `check` ends the wait for these earlier.
            RoomQuery::Form | RoomQuery::Configuration { .. } | RoomQuery::Anonymity => Outcome::Nothing,
        };
        self.asked.expired(now).into_iter().map(unanswered).collect()
    }

    /// When something is due. `public`: the room has repeated our contents.
    pub(super) fn poll_timeout(&self, public: bool, held_until: impl Iterator<Item = Instant>) -> Option<Instant> {
        let absence = self.absence.as_ref().map(|absence| absence.until);
        if self.offline {
            return absence;
        }
        let stage = match &self.stage {
            Stage::Closed { until } | Stage::Leaving { until, .. } => Some(*until),
            Stage::Outside { at } => *at,
            Stage::Present => self.check,
            Stage::Over => None,
        };
        let ping = public.then_some(self.ping_at);
        let resync = public.then(|| self.resync.due(held_until)).flatten();
        [absence, stage, ping, resync, self.resync.until(), self.asked.poll_timeout()].into_iter().flatten().min()
    }
}

/// What a ping of ourselves says (XEP-0410 section 3.2).
#[expect(clippy::wildcard_enum_match_arm, reason = "the conditions are RFC 6120's, and all others say that we are out")]
fn pinged(error: Option<&StanzaError>) -> Outcome {
    let Some(condition) = error.map(|error| &error.defined_condition) else { return Outcome::Nothing };
    match condition {
        DefinedCondition::ServiceUnavailable | DefinedCondition::FeatureNotImplemented => Outcome::Nothing, // We are in.
        DefinedCondition::ItemNotFound => Outcome::Nothing, // We are in under another nick; its presence is under way.
        DefinedCondition::RemoteServerNotFound | DefinedCondition::RemoteServerTimeout => {
            Outcome::Warn(Warning::RoomUnreachable)
        }
        _ => Outcome::Lost(EndReason::Room(RoomFault::Lost)),
    }
}

/// The pause before this attempt; all beyond the list take the last.
fn pause(pauses: &[Duration], attempt: usize) -> Duration {
    pauses.get(attempt).or_else(|| pauses.last()).copied().unwrap_or_default()
}
