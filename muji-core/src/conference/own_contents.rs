//! Our contents on their way into the room: announced, published, added, taken out.

use muji_jingle::Mute;
use muji_xep::jingle::Content;
use muji_xep::rtp::Media;
use xmpp_parsers::presence::Type;

use super::Conference;
use super::publishing::{Overdue, Refusal, Repeated};
use crate::context::Context;
use crate::error::{Refused, RoomFault};
use crate::event::Event;
use crate::warning::{NotCalled, Warning};

impl Conference {
    /// Enters the room, if we are not in it, announcing that we prepare.
    pub(super) fn enter_room(&mut self, cx: &mut Context<'_>) {
        let enter = self.membership.enter();
        self.publishing.announce(cx.now);
        let muji = self.publishing.muji();
        self.present(cx, Type::None, enter, Some(&muji));
        self.publishing.echo.mark();
    }

    /// Announces us again; the time to wait for the room goes on.
    pub(super) fn announce_again(&mut self, cx: &mut Context<'_>) {
        let enter = self.membership.enters();
        let muji = self.publishing.muji();
        self.present(cx, Type::None, enter, Some(&muji));
    }

    /// The room repeated the presence with which one of our steps began.
    pub(super) fn step_repeated(&mut self, cx: &mut Context<'_>, repeated: Repeated) {
        match repeated {
            Repeated::Announcement => self.publish_in_turn(cx),
            Repeated::Contents { added, first: true } => self.joined(cx, &added),
            Repeated::Contents { added, first: false } => {
                self.tell_contents(cx);
                self.now_public(cx, &added);
            }
            Repeated::Nothing => {}
        }
    }

    fn joined(&mut self, cx: &mut Context<'_>, media: &[Media]) {
        self.membership.is_back();
        let contents = self.publishing.names();
        self.event(cx, Event::Joined { contents });
        let (participants, view) = self.participants();
        participants.call_everybody(cx, &view);
        self.settle_ids(cx);
        self.now_public(cx, media);
        for guest in self.guests.take_waiting() {
            self.invite_now(cx, guest);
        }
    }

    /// These media are public: they are added to our sessions with those who have them by now.
    fn now_public(&mut self, cx: &mut Context<'_>, media: &[Media]) {
        let (participants, view) = self.participants();
        participants.owe_everybody(cx, &view, media);
        self.announce_added(cx); // What the user has added meanwhile.
    }

    fn announce_added(&mut self, cx: &mut Context<'_>) {
        if self.membership.is_present() && self.publishing.announce_added(cx.now) {
            self.restate_muji(cx);
            self.publishing.echo.mark();
        }
    }

    /// Publishes, if it is our turn and the room has answered what we had to know.
    pub(super) fn publish_in_turn(&mut self, cx: &mut Context<'_>) {
        if !self.membership.is_ready() {
            return;
        }
        if let Some(late) = self.publishing.turn(cx.now) {
            self.publish(cx, late);
        }
    }

    /// Publishes. Those who kept us waiting for too long may be left without a session.
    fn publish(&mut self, cx: &mut Context<'_>, late: Vec<String>) {
        if !late.is_empty() {
            self.warn(cx, Warning::SlowToPrepare(late));
        }
        let first = !self.publishing.is_public();
        let (new, without) = self.publishing.choose(&self.occupants, cx.capabilities);
        if first && new.is_empty() {
            return self.fail(cx, RoomFault::NoCommonCodec);
        }
        for nick in self.membership.take_hidden() {
            self.warn(cx, Warning::NotCalled { nick, why: NotCalled::HiddenJid });
        }
        for media in without {
            if first {
                self.warn(cx, Warning::NoCommonCodec(media));
            } else {
                self.not_added(cx, media, RoomFault::NoCommonCodec);
            }
        }
        let change = self.publishing.publish(cx.now, new);
        self.restate_muji(cx);
        self.publishing.echo.mark();
        change.stopped.iter().for_each(|content| self.capture(cx, content, Mute::On));
        change.started.iter().for_each(|content| self.capture(cx, content, Mute::Off));
        if first {
            self.call_those_before(cx);
        }
    }

    /// Those we see when our first contents go out are before us in any order that the room can choose, so we call them.
    fn call_those_before(&mut self, cx: &mut Context<'_>) {
        self.has_moved(cx);
        let (participants, view) = self.participants();
        participants.call_everybody(cx, &view);
        participants.take_held(cx, &view);
    }

    /// What the room does not repeat is sent again, once.
    pub(super) fn publishing_timeout(&mut self, cx: &mut Context<'_>) {
        match self.publishing.overdue(cx.now) {
            Some(Overdue::Once) if self.publishing.is_entering() => {
                self.announce_again(cx);
                self.publishing.echo.mark_again();
            }
            Some(Overdue::Once) => {
                self.membership.ping(cx);
                self.restate_muji(cx);
                self.publishing.echo.mark_again();
            }
            Some(Overdue::Twice) if self.publishing.is_public() => self.give_up_adding(cx, &RoomFault::Silent),
            Some(Overdue::Twice) => {
                let outcome = self.membership.trouble(RoomFault::Silent);
                self.follow(cx, outcome);
            }
            None => self.publish_in_turn(cx),
        }
    }

    /// The room refused the latest of our presences, when we were in it already.
    pub(super) fn change_refused(&mut self, cx: &mut Context<'_>, fault: RoomFault) {
        match self.publishing.refused(cx.now) {
            Refusal::SayAgain => {
                self.restate_muji(cx);
                self.publishing.echo.mark();
            }
            Refusal::GiveUp if self.publishing.is_public() => self.give_up_adding(cx, &fault),
            Refusal::GiveUp => self.fail(cx, fault),
            // It does not mean that we are out; only our leaving or a self-ping does.
            Refusal::NoStep if self.publishing.is_public() => {
                self.warn(cx, Warning::PresenceRefused(fault));
            }
            Refusal::NoStep => {}
        }
    }

    /// The room does not let us add anything: all is as before.
    fn give_up_adding(&mut self, cx: &mut Context<'_>, why: &RoomFault) {
        let (media, gone) = self.publishing.give_up();
        self.restate_muji(cx); // Or others would wait behind us.
        self.take_out(cx, &gone); // Offers may have been taken with it meanwhile.
        for media in media {
            self.not_added(cx, media, why.clone());
        }
    }

    fn not_added(&mut self, cx: &mut Context<'_>, media: Media, why: RoomFault) {
        self.publishing.not_wanted(&media);
        self.event(cx, Event::NotAdded { media, why: why.into() });
    }

    /// The user sends something more.
    pub(super) fn add(&mut self, cx: &mut Context<'_>, media: Media) -> Result<(), Refused> {
        if cx.capabilities.of(&media).is_empty() {
            return Err(Refused::NoCodec);
        }
        self.publishing.add(media);
        self.announce_added(cx);
        Ok(())
    }

    /// The user sends something no more.
    pub(super) fn remove(&mut self, cx: &mut Context<'_>, media: &Media) -> Result<(), Refused> {
        if let Some(gone) = self.publishing.remove(media)? {
            self.restate_muji(cx); // The presence first: newcomers must not ask for what goes.
            self.take_out(cx, &gone);
            self.tell_contents(cx);
        }
        Ok(())
    }

    /// What is not public any more is not sent any more.
    fn take_out(&mut self, cx: &mut Context<'_>, gone: &[Content]) {
        for content in gone {
            self.capture(cx, content, Mute::On);
            let (participants, view) = self.participants();
            participants.remove_content(cx, &view, &content.name);
        }
    }

    fn tell_contents(&self, cx: &mut Context<'_>) {
        self.event(cx, Event::ContentsChanged { contents: self.publishing.names() });
    }

    /// Gives way where one of our payload type ids means something else to a participant that comes first.
    pub(super) fn settle_ids(&mut self, cx: &mut Context<'_>) {
        if self.publishing.yield_ids(&self.us, &self.occupants) {
            self.restate_muji(cx);
        }
    }
}
