//! The way in: saying that we prepare, what has to be known of the room, our turn, our contents.

use muji_jingle::Mute;
use muji_xep::jingle::Content;
use muji_xep::muc::{self, MucUser, Privacy, code};
use muji_xep::muji::Muji;
use muji_xep::rtp::Media;
use muji_xep::{Secret, ns};
use xmpp_parsers::disco::DiscoInfoResult;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::presence::{Presence, Type};
use xmpp_parsers::stanza_error::{DefinedCondition, StanzaError};

use super::{Asked, Conference, Stage};
use crate::command::Style;
use crate::config;
use crate::context::Context;
use crate::echo::{Echo, Heard};
use crate::error::RoomFault;
use crate::event::Event;
use crate::payload;
use crate::queue::PublishQueue;
use crate::stanza::stanza_error;

impl Conference {
    /// Says that we are preparing; whoever is not in the room enters with it.
    pub(super) fn prepare(&mut self, cx: &mut Context<'_>) {
        self.stage = Stage::Entering { until: cx.now + config::ECHO, repeated: false };
        self.say_preparing(cx);
        self.said.mark();
    }

    fn say_preparing(&mut self, cx: &mut Context<'_>) {
        // Inside a chat room the client has entered it; but a room that lost us lost the client too, and whoever is in it
        // all the same is only told everything again.
        let enters = self.how.style == Style::Own || self.absence.is_some();
        let enter = enters.then(|| muc::enter(self.how.password.as_ref().map(Secret::expose)));
        self.present(cx, Type::None, enter, Some(&Muji::preparing()));
    }

    pub(super) fn stage_timeout(&mut self, cx: &mut Context<'_>) {
        match &mut self.stage {
            Stage::Entering { until, repeated } if *until <= cx.now && !*repeated => {
                (*until, *repeated) = (cx.now + config::ECHO, true);
                self.say_preparing(cx);
                self.said.mark_again();
            }
            Stage::Publishing { until, again } if *until <= cx.now && !*again => {
                (*until, *again) = (cx.now + config::ECHO, true);
                self.ask(cx, Asked::SelfPing, Element::bare("ping", ns::PING));
                self.restate_muji(cx);
                self.said.mark_again();
            }
            Stage::Entering { until, .. } | Stage::Publishing { until, .. } if *until <= cx.now => {
                self.trouble_inside(cx, RoomFault::Silent);
            }
            Stage::Closed { until: at } | Stage::Outside { at: Some(at) } if *at <= cx.now => self.prepare(cx),
            Stage::Settling { check: Some(until), .. } if *until <= cx.now => {
                self.trouble_inside(cx, RoomFault::Silent);
            }
            Stage::Settling { .. } => self.publish_in_turn(cx),
            Stage::Leaving { until, why } if *until <= cx.now => {
                let why = why.clone();
                self.finish(cx, why);
            }
            Stage::Entering { .. }
            | Stage::Closed { .. }
            | Stage::Outside { .. }
            | Stage::Publishing { .. }
            | Stage::Active
            | Stage::Leaving { .. }
            | Stage::Over => {}
        }
    }

    /// The room repeated our own presence.
    pub(super) fn echoed(&mut self, cx: &mut Context<'_>, nick: &str, user: &MucUser, presence: &Presence) {
        nick.clone_into(&mut self.nick); // The room may have given us another one (status 210).
        self.shows_jids |= user.has(code::NON_ANONYMOUS);
        let muji = self.read_muji(cx, nick, presence);
        let Heard { echo, marked } = self.said.repeated(presence.id.as_deref(), muji.as_ref());
        self.resynced(cx, presence.id.as_deref());
        match (&self.stage, echo, muji) {
            (Stage::Outside { at: None }, ..) => self.prepare(cx), // The client is back.
            (Stage::Entering { .. } | Stage::Publishing { .. }, Echo::Latest | Echo::Strange, None)
                if echo == Echo::Latest || self.how.style == Style::Own =>
            {
                self.fail(cx, RoomFault::MujiStripped);
            }
            (Stage::Entering { .. }, ..) if marked => self.entered(cx, user),
            (Stage::Publishing { .. }, ..) if marked => self.published(cx),
            (Stage::Active, ..) if marked => self.round_repeated(cx),
            (Stage::Settling { .. } | Stage::Publishing { .. } | Stage::Active, Echo::Strange, None) => {
                self.restate(cx);
            }
            (Stage::Leaving { why, .. }, Echo::Latest, None) if self.how.style == Style::InChat => {
                let why = why.clone();
                self.finish(cx, why);
            }
            // Outside, what comes is of an earlier stay.
            (Stage::Closed { .. } | Stage::Outside { .. } | Stage::Leaving { .. } | Stage::Over, ..) => {}
            (_, Echo::Latest | Echo::Older, _) | (_, _, None) => {}
            (_, Echo::Strange, Some(_)) => self.fail(cx, RoomFault::SharedNick),
        }
    }

    /// Something else of ours took back our part in the call: the client, which does not say it in its presence.
    fn restate(&mut self, cx: &mut Context<'_>) {
        self.restated += 1;
        if self.restated > config::MAX_RESTATED {
            return self.fail(cx, RoomFault::MujiStripped);
        }
        self.warn(cx, "the client's own presence in the room took back the call's part; it is said again".to_owned());
        self.extras_changed(cx);
    }

    /// We are in, behind everyone whose presence came before.
    fn entered(&mut self, cx: &mut Context<'_>, user: &MucUser) {
        let created = user.has(code::CREATED);
        if created && self.how.invited && self.absence.is_none() {
            // The room of the invitation is gone; this one we made ourselves by looking.
            self.ask(cx, Asked::Favour("give the empty room up"), muc::cancel());
            return self.fail(cx, RoomFault::CallIsOver);
        }
        let question = if created {
            self.made.get_or_insert(Privacy::Open);
            Some((Asked::Form, muc::ask_form()))
        } else if self.shows_jids {
            None
        } else {
            Some((Asked::Anonymity, Element::bare("query", ns::DISCO_INFO)))
        };
        let check = question.map(|(asked, payload)| {
            self.ask(cx, asked, payload);
            cx.now + config::OWN_PREPARING
        });
        self.stage = Stage::Settling { queue: PublishQueue::new(cx.now, self.occupants.preparing(), cx.config), check };
        self.publish_in_turn(cx);
    }

    /// An answer to what had to be known of the room before contents may be published.
    pub(super) fn checked(
        &mut self,
        cx: &mut Context<'_>,
        asked: Asked,
        answer: Result<Option<&Element>, &StanzaError>,
    ) {
        let privacy = self.made.unwrap_or(Privacy::Open);
        let next = match (asked, answer) {
            (Asked::Form, Ok(Some(form))) => match muc::fill_in(form, privacy) {
                Some(form) => Ok(Some((Asked::Configuration { least: false }, form))),
                None => Err(RoomFault::Configuration),
            },
            // A service without forms: the room as it is, if that is good enough.
            (Asked::Form, Err(_)) => Ok(Some((Asked::Configuration { least: true }, muc::instant()))),
            (Asked::Configuration { least: false }, Err(error)) if is_policy(error) => {
                Ok(Some((Asked::Configuration { least: true }, muc::only_real_jids())))
            }
            (Asked::Configuration { .. }, Ok(_)) if self.shows_jids => Ok(None),
            // A service may take the form and have no field for it.
            (Asked::Configuration { .. }, Ok(_)) => {
                Ok(Some((Asked::Anonymity, Element::bare("query", ns::DISCO_INFO))))
            }
            (Asked::Form | Asked::Configuration { .. }, _) => Err(RoomFault::Configuration),
            (Asked::Anonymity, Ok(Some(info))) if shows_real_jids(info) => Ok(None),
            (Asked::Anonymity, _) => Err(RoomFault::HidesRealJids),
            (Asked::SelfPing | Asked::Admission(_) | Asked::Favour(_), _) => return,
        };
        let Stage::Settling { check, .. } = &mut self.stage else { return };
        match next {
            Ok(Some((asked, payload))) => self.ask(cx, asked, payload),
            Ok(None) => {
                (*check, self.shows_jids) = (None, true);
                self.publish_in_turn(cx);
            }
            Err(RoomFault::HidesRealJids) if !self.hidden.is_empty() && self.knocks < config::CLOSED.len() => {
                // Others prepare a call here, so perhaps one of them is configuring the room just now (ejabberd does not
                // lock a new one). Who is there is told to those who enter.
                self.present(cx, Type::Unavailable, None, None);
                self.knock_later(cx);
            }
            Err(fault) => {
                if fault == RoomFault::Configuration {
                    self.ask(cx, Asked::Favour("give the new room up"), muc::cancel());
                }
                self.fail(cx, fault);
            }
        }
    }

    pub(super) fn publish_in_turn(&mut self, cx: &mut Context<'_>) {
        if matches!(&self.stage, Stage::Settling { queue, check: None } if queue.is_done(cx.now)) {
            self.publish(cx);
        }
        self.publish_added_in_turn(cx);
    }

    /// Those who kept us waiting too long may be left without a session.
    pub(super) fn warn_of_late(&self, cx: &mut Context<'_>, queue: &PublishQueue) {
        let late: Vec<&str> = queue.ahead().collect();
        if !late.is_empty() {
            self.warn(cx, format!("{} did not finish preparing in time; going on", late.join(", ")));
        }
    }

    /// What to publish of these media, and those that nobody has in common with us.
    pub(super) fn derive(&self, cx: &Context<'_>, media: &[Media]) -> (Vec<Content>, Vec<Media>) {
        let others = self.occupants.participants().map(|(_, jid, contents)| (jid.clone(), contents)).collect();
        payload::derive(&others, media, |media| cx.capabilities.of(media))
    }

    fn publish(&mut self, cx: &mut Context<'_>) {
        if let Stage::Settling { queue, .. } = &self.stage {
            self.warn_of_late(cx, queue);
        }
        let (contents, without) = self.derive(cx, &self.how.media);
        if contents.is_empty() {
            return self.fail(cx, RoomFault::NoCommonCodec);
        }
        for nick in std::mem::take(&mut self.hidden) {
            self.warn(cx, format!("{nick} is not called: the room hides its real JID"));
        }
        for media in without {
            self.warn(cx, format!("no codec in common for {media}; it is not sent"));
        }
        let before = std::mem::take(&mut self.contents);
        self.note_ids(&contents);
        self.contents = contents;
        self.adding.clear();
        self.stage = Stage::Publishing { until: cx.now + config::ECHO, again: false };
        self.restate_muji(cx);
        self.said.mark();
        self.capture_all(cx, &before);
        self.has_moved(cx);
        // Those we see now are before us in any order the room can choose.
        let (participants, view) = self.participants();
        participants.call_everybody(cx, &view);
        participants.take_held(cx, &view);
    }

    /// Captures what is published now and was not `before`, and stops what is not any more.
    fn capture_all(&self, cx: &mut Context<'_>, before: &[Content]) {
        let named = |contents: &[Content], name: &str| contents.iter().any(|content| content.name == name);
        for gone in before.iter().filter(|content| !named(&self.contents, &content.name)) {
            self.capture(cx, gone, Mute::On);
        }
        for new in self.contents.iter().filter(|content| !named(before, &content.name)) {
            self.capture(cx, new, Mute::Off);
        }
    }

    fn published(&mut self, cx: &mut Context<'_>) {
        self.stage = Stage::Active;
        self.absence = None;
        let contents = self.contents.iter().map(|content| content.name.clone()).collect();
        self.event(cx, Event::Joined { contents });
        let (participants, view) = self.participants();
        participants.call_everybody(cx, &view);
        self.settle_ids(cx);
        let media: Vec<Media> = self.contents.iter().filter_map(|content| content.media().cloned()).collect();
        let (participants, view) = self.participants();
        participants.owe_everybody(cx, &view, &media);
        self.begin_round(cx);
        for guest in self.guests.take_waiting() {
            self.invite_now(cx, guest);
        }
    }

    /// The room does not take a presence of ours.
    pub(super) fn refused(&mut self, cx: &mut Context<'_>, presence: &Presence) {
        let error = stanza_error(&presence.payloads);
        let fault = error.as_ref().map_or_else(|| RoomFault::Other("no reason".to_owned()), RoomFault::from_error);
        let latest = self.said.refused(presence.id.as_deref());
        let another_nick = fault == RoomFault::NickInUse && self.may_take_another_nick();
        match &mut self.stage {
            Stage::Entering { .. } if another_nick => {
                self.nicks += 1;
                self.nick = cx.ids.nick(); // Chance gave two of us one nick, or our ghost still has it.
                self.say_preparing(cx);
                self.said.mark();
            }
            Stage::Entering { .. } if fault == RoomFault::NotFound && self.knocks < config::CLOSED.len() => {
                self.knock_later(cx);
            }
            Stage::Entering { .. } => {
                self.stage = Stage::Outside { at: None }; // So there is nothing to leave.
                let over = fault == RoomFault::NotFound && self.how.invited;
                self.trouble_inside(cx, if over { RoomFault::CallIsOver } else { fault });
            }
            Stage::Publishing { again: true, .. } if latest => self.fail(cx, fault),
            Stage::Publishing { again, until } if latest => {
                (*again, *until) = (true, cx.now + config::ECHO);
                self.restate_muji(cx);
                self.said.mark();
            }
            Stage::Active if latest && self.round.is_some() => self.give_up_round(cx, &fault),
            Stage::Active if latest => {
                // It does not mean that we are out; only our leaving or a self-ping does.
                self.warn(cx, format!("a change of our presence was refused: {fault}"));
            }
            Stage::Publishing { .. }
            | Stage::Active
            | Stage::Closed { .. }
            | Stage::Outside { .. }
            | Stage::Settling { .. }
            | Stage::Leaving { .. }
            | Stage::Over => {}
        }
    }

    /// The room is not open yet, perhaps.
    fn knock_later(&mut self, cx: &Context<'_>) {
        self.stage = Stage::Closed { until: cx.now + config::CLOSED[self.knocks] };
        self.knocks += 1;
        self.hidden.clear();
        self.said.clear();
        self.occupants.clear();
    }

    fn may_take_another_nick(&self) -> bool {
        self.how.nick.is_none() && self.how.style == Style::Own && self.nicks < config::MAX_NICKS
    }
}

/// The form went against the service's policy (XEP-0045 section 10.1.3).
fn is_policy(error: &StanzaError) -> bool {
    matches!(error.defined_condition, DefinedCondition::NotAcceptable | DefinedCondition::BadRequest)
}

pub(super) fn shows_real_jids(info: &Element) -> bool {
    DiscoInfoResult::try_from(info.clone())
        .is_ok_and(|info| info.features.iter().any(|feature| feature == "muc_nonanonymous"))
}
