//! What the room says: of us, of the others, of itself; and what follows from it.

use jid::FullJid;
use muji_xep::Element;
use muji_xep::muc::{MucUser, code};
use muji_xep::muji::MujiElement;
use xmpp_parsers::presence::Type;
use xmpp_parsers::stanza_error::StanzaError;

use super::Conference;
use super::membership::Outcome;
use super::publishing::{Echo, Repetition};
use crate::client_quirks::ClientQuirks;
use crate::command::RoomKind;
use crate::config;
use crate::context::Context;
use crate::error::{EndReason, RoomFault};
use crate::event::Event;
use crate::peer::Peer;
use crate::room_state::{OccupantPresence, PresenceKind, RoomPresence};
use crate::stanza::returned_condition;
use crate::warning::{NotCalled, Warning};

impl Conference {
    /// The room sent a presence; `None` if it is none of an occupant, which has no part in a call.
    pub(crate) fn presence(&mut self, cx: &mut Context<'_>, presence: Option<&RoomPresence>) {
        self.membership.heard(cx.now);
        let Some(RoomPresence { nick, id, kind }) = presence else { return };
        let ours = nick == self.membership.nick();
        let id = id.as_deref();
        if !matches!(kind, PresenceKind::Refused(_)) {
            self.membership.told_of(nick);
        }
        if let PresenceKind::Unavailable(user) = kind
            && user.has(code::BANNED)
        {
            self.tell_affiliations(cx, user);
        }
        match kind {
            PresenceKind::Refused(fault) if ours => self.refused(cx, id, fault),
            PresenceKind::Refused(_) => {}
            PresenceKind::Available(described) => {
                self.tell_unreadable(cx, nick, described);
                if ours || described.user.has(code::SELF) {
                    self.echoed(cx, nick, id, described);
                } else {
                    self.occupant_says(cx, nick, described);
                }
            }
            PresenceKind::Unavailable(user) if ours || user.has(code::SELF) => {
                let outcome = self.membership.put_out(user);
                self.follow(cx, outcome);
            }
            PresenceKind::Unavailable(user) => self.occupant_left(cx, nick, user),
        }
    }

    fn tell_affiliations(&self, cx: &mut Context<'_>, user: &MucUser) {
        for (who, banned) in &user.affiliations {
            self.event(cx, Event::AffiliationChanged { who: who.clone(), banned: *banned });
        }
    }

    fn tell_unreadable(&self, cx: &mut Context<'_>, nick: &str, described: &OccupantPresence) {
        if let Some(excess) = &described.excess {
            self.warn(cx, Warning::CallInformationIgnored { nick: nick.to_owned(), excess: *excess });
        }
        self.skipped(cx, nick, &described.skipped);
    }

    /// Does what follows from what the room said, or did not say in time.
    pub(super) fn follow(&mut self, cx: &mut Context<'_>, outcome: Outcome) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Warn(warning) => self.warn(cx, warning),
            Outcome::Enter => self.enter_room(cx),
            Outcome::EnterUnderAnotherNick => {
                self.announce_again(cx);
                self.publishing.echo.mark();
            }
            Outcome::RetryLater { leave } => {
                if leave {
                    self.present(cx, Type::Unavailable, None, None); // To enter again: only then a room lists its occupants.
                }
                self.membership.retry_later(cx.now);
                self.publishing.lost();
                self.occupants.clear();
            }
            Outcome::Ready => self.publish_in_turn(cx),
            Outcome::Lost(why) => self.lost(cx, why),
            Outcome::Failed(fault) => self.fail(cx, fault),
            Outcome::PutOut(fault) => {
                self.end_sessions(cx);
                self.finish(cx, EndReason::Room(fault));
            }
            Outcome::Left(why) => self.finish(cx, why),
            Outcome::Admitted(guest) => self.send_invitation(cx, &guest),
            Outcome::NotAdmitted(guest, why) => self.warn(cx, Warning::GuestNotAdmitted { guest: guest.jid, why }),
        }
    }

    // ---- of us -------------------------------------------------------------------------------------------------------

    /// The room repeated our own presence.
    fn echoed(&mut self, cx: &mut Context<'_>, nick: &str, id: Option<&str>, described: &OccupantPresence) {
        if self.membership.is_former_nick(nick, &described.user) {
            return;
        }
        let renamed = self.membership.renamed(nick);
        if renamed != Outcome::Nothing {
            return self.follow(cx, renamed);
        }
        self.membership.echoed(&described.user);
        if self.membership.is_hidden(&self.us, &described.user, self.publishing.is_entering())
            && self.take_another_nick(cx)
        {
            return;
        }
        let muji = described.muji.as_ref();
        let repetition = self.publishing.echo.repeated(id, muji);
        for gone in self.membership.resynced(id) {
            self.occupant_gone(cx, &gone);
        }
        if self.membership.waits_for_client() {
            self.enter_room(cx); // The client is back.
        } else if self.membership.is_present() {
            self.repeated(cx, &described.user, muji, repetition);
        } else if let Some(why) = self.membership.leaves().cloned()
            && repetition.echo == Echo::Latest
            && muji.is_none()
            && self.membership.room_kind() == RoomKind::ChatRoom
        {
            self.finish(cx, why);
        } // Outside, what comes is of an earlier stay.
    }

    /// Another session of the account has our nick, and the room shows its presence to the others instead of ours: as far as they know we
    /// are not in the call. False if we have tried several nicks.
    fn take_another_nick(&mut self, cx: &mut Context<'_>) -> bool {
        let nick = self.membership.nick().to_owned();
        if !self.membership.takes_another_nick() {
            return false;
        }
        self.tell_nick(cx, nick);
        if self.membership.waits_for_client() {
            self.enter_room(cx);
        } else if self.publishing.is_entering() {
            self.announce_again(cx);
            self.publishing.echo.mark();
        } else {
            self.restate_muji(cx);
        }
        true
    }

    /// Tells the user that the call does not go under this nick.
    pub(super) fn tell_nick(&self, cx: &mut Context<'_>, shared: String) {
        let nick = self.membership.nick().to_owned();
        self.warn(cx, Warning::NickShared { shared, nick });
    }

    /// The room repeated our presence while we are in it, or on the way in.
    fn repeated(&mut self, cx: &mut Context<'_>, user: &MucUser, muji: Option<&MujiElement>, repetition: Repetition) {
        let Repetition { echo, marked } = repetition;
        let entering = self.publishing.is_entering();
        let stripped = match echo {
            Echo::Latest => true,
            Echo::Strange => self.membership.room_kind() == RoomKind::CallRoom,
            Echo::Older => false,
        };
        if entering && !marked && muji.is_none() && self.membership.loses_words() {
            self.announce_again(cx);
            return self.publishing.echo.mark();
        }
        if muji.is_none() && stripped && (entering || self.publishing.is_joining()) {
            self.fail(cx, RoomFault::MujiStripped);
        } else if marked {
            let repeated = self.publishing.repeated(cx.now, &self.occupants, cx.config);
            if entering {
                let outcome = self.membership.entered(cx, user);
                self.follow(cx, outcome);
            } else {
                self.step_repeated(cx, repeated);
            }
        } else if echo == Echo::Strange && muji.is_some() {
            self.fail(cx, RoomFault::SharedNick);
        } else if echo == Echo::Strange && !entering {
            self.restate(cx);
        }
    }

    /// The client sent a presence of its own, without our part in the call, which took that back.
    fn restate(&mut self, cx: &mut Context<'_>) {
        if !self.membership.may_restate() {
            return self.fail(cx, RoomFault::MujiStripped);
        }
        self.warn(cx, Warning::PresenceOverwritten);
        self.restate_muji(cx);
    }

    /// The room refused one of our presences.
    fn refused(&mut self, cx: &mut Context<'_>, id: Option<&str>, fault: &RoomFault) {
        let latest = self.publishing.echo.refused(id);
        if !self.membership.is_present() {
            return;
        }
        if self.publishing.is_entering() {
            let outcome = self.membership.entry_refused(cx.ids, fault.clone());
            self.follow(cx, outcome);
        } else if latest {
            self.change_refused(cx, fault.clone());
        }
    }

    // ---- of the others -----------------------------------------------------------------------------------------------

    fn occupant_says(&mut self, cx: &mut Context<'_>, nick: &str, described: &OccupantPresence) {
        let known = self.occupants.get(nick).map(|occupant| occupant.real.clone());
        let Some(muji) = described.part() else { return self.occupant_dropped(cx, nick) };
        // A room that hides JIDs from now on (status 173) keeps no secret of those it has shown.
        let Some(real) = described.user.real(known.as_ref()).or_else(|| known.clone()) else {
            match described.user.unreadable.clone() {
                Some(jid) => self.not_called(cx, nick, NotCalled::UnreadableJid(jid)),
                None if self.is_published() => self.not_called(cx, nick, NotCalled::HiddenJid),
                None => self.membership.hides(nick),
            }
            return self.occupant_dropped(cx, nick);
        };
        if known.is_some_and(|known| known != real) {
            self.occupant_gone(cx, nick); // A new occupant under an old nick, whose leaving we missed.
        }
        if let Some(device) = described.device {
            cx.trust.names_device(&real, device);
        }
        self.takes_part(cx, nick, real.clone(), muji.clone(), described.quirks);
        if self.occupants.set_guests(nick, &described.guests) {
            let peer = Peer { nick: nick.to_owned(), jid: real.clone() };
            self.event(cx, Event::PeerGuests(peer, described.guests.clone()));
        }
        if self.occupants.set_bridge(nick, described.bridge.as_ref()) {
            let peer = Peer { nick: nick.to_owned(), jid: real };
            self.event(cx, Event::PeerBridge(peer, described.bridge.clone()));
        }
        self.occupants.share(nick, &described.user.devices);
        self.publish_in_turn(cx);
    }

    /// Of several sessions that share a nick, the one that offers us a session is in the call.
    pub(super) fn learn_device(&mut self, cx: &mut Context<'_>, device: &FullJid) {
        let Some(nick) = self.occupants.shared_with(device).map(str::to_owned) else { return };
        let Some(occupant) = self.occupants.get(&nick).cloned() else { return };
        self.occupant_gone(cx, &nick);
        self.takes_part(cx, &nick, device.clone(), occupant.muji, Some(occupant.quirks));
    }

    fn not_called(&self, cx: &mut Context<'_>, nick: &str, why: NotCalled) {
        self.warn(cx, Warning::NotCalled { nick: nick.to_owned(), why });
    }

    /// An occupant prepares or has contents.
    pub(super) fn takes_part(
        &mut self,
        cx: &mut Context<'_>,
        nick: &str,
        real: FullJid,
        muji: MujiElement,
        quirks: Option<ClientQuirks>,
    ) {
        let preparing = muji.preparing;
        let quirks = quirks.or_else(|| cx.clients.peculiar(&real));
        let before = match self.occupants.update(cx.now, nick, real.clone(), muji, quirks) {
            Ok(before) => before.map(|occupant| occupant.muji.contents),
            Err(why) => return self.not_called(cx, nick, why),
        };
        if !preparing {
            self.publishing.passed(nick);
        }
        if self.occupants.participant(&real).is_some() {
            let (participants, view) = self.participants();
            participants.describes(cx, &view, nick, real, before.as_deref());
            if self.is_active() {
                self.settle_ids(cx);
            }
        } else if before.is_none() && !self.participants.contains(&real) {
            self.event(cx, Event::PeerPreparing(Peer { nick: nick.to_owned(), jid: real }));
        }
    }

    /// An occupant's presence has no Muji (any more).
    fn occupant_dropped(&mut self, cx: &mut Context<'_>, nick: &str) {
        self.publishing.passed(nick);
        if let Some(occupant) = self.occupants.remove(nick) {
            self.participants.expect_until(&occupant.real, cx.now + config::STALE_PRESENCE);
        }
        self.publish_in_turn(cx);
    }

    fn occupant_left(&mut self, cx: &mut Context<'_>, nick: &str, user: &MucUser) {
        match user.new_nick.as_deref().filter(|_| user.has(code::RENAMED)) {
            Some(new) => {
                if let Some(real) = self.occupants.rename(nick, new) {
                    self.participants.renamed(&real, new);
                }
                self.publishing.renamed(nick, new);
            }
            // The service shuts down: those who were in the room come back as we do.
            None if user.has(code::SHUTDOWN) => {
                if let Some(occupant) = self.occupants.remove(nick) {
                    self.participants.expect_until(&occupant.real, cx.now + config::ROOM_LOSS);
                }
            }
            None => self.occupant_gone(cx, nick),
        }
    }

    fn occupant_gone(&mut self, cx: &mut Context<'_>, nick: &str) {
        self.publishing.passed(nick);
        if let Some(occupant) = self.occupants.remove(nick) {
            let (participants, view) = self.participants();
            participants.left(cx, &view, &occupant.real);
        }
        self.publish_in_turn(cx);
    }

    // ---- of itself ---------------------------------------------------------------------------------------------------

    /// The room, or we ourselves through it, answered a question. False if we did not ask it.
    pub(crate) fn room_answered(
        &mut self,
        cx: &mut Context<'_>,
        id: &str,
        answer: Result<Option<&Element>, &StanzaError>,
    ) -> bool {
        let active = self.is_active();
        let Some(outcome) = self.membership.answered(cx, id, answer, active) else { return false };
        self.follow(cx, outcome);
        true
    }

    /// The room said something about itself.
    pub(crate) fn room_changed(&mut self, cx: &mut Context<'_>, user: &MucUser) {
        self.tell_affiliations(cx, user);
        let (published, active) = (self.is_published(), self.is_active());
        let outcome = self.membership.room_changed(cx, user, published, active);
        self.follow(cx, outcome);
    }

    /// The room does not pass an invitation on: in some of ejabberd's only moderators may invite.
    pub(crate) fn not_passed_on(&self, cx: &mut Context<'_>, payloads: &[Element]) {
        self.warn(cx, Warning::InvitationNotPassedOn { condition: returned_condition(payloads) });
    }

    /// Asks the room to tell everything again, as to one who enters (XEP-0045 section 17.3), if somebody offers a session of
    /// whom it has not told. Sessions are not touched.
    pub(super) fn resync_timeout(&mut self, cx: &mut Context<'_>) {
        if self.is_active() && self.membership.resync_is_due(cx.now, self.participants.held_until()) {
            let known = self.occupants.iter().map(|(nick, _)| nick.to_owned()).collect();
            let muji = self.publishing.muji();
            let id = self.present(cx, Type::None, Some(self.membership.entry()), Some(&muji));
            self.membership.resyncs(cx.now, id, known);
        }
        if self.membership.resync_expired(cx.now) {
            self.warn(cx, Warning::OccupantsUnknown);
        }
    }
}
