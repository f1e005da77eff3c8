//! Contents of ours that come and go while we take part (XEP-0272 sections 5 and 6).
//!
//! Adding one goes like joining: we say that we prepare, wait for those who did before us, publish. Then each pair that has
//! the content on both sides adds it to its session; whoever published it later does. Taking one out needs no waiting.

use std::time::Instant;

use muji_jingle::Mute;
use muji_xep::jingle::Content;
use muji_xep::rtp::Media;
use muji_xep::{Element, ns};

use super::{Asked, Conference, Stage};
use crate::config;
use crate::context::Context;
use crate::error::{Refused, RoomFault};
use crate::event::Event;
use crate::queue::PublishQueue;

/// Where we stand in adding contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ContentUpdate {
    /// Our contents are out with `<preparing/>` beside them. `again`: for the second time.
    Announcing { until: Instant, again: bool },
    /// Others prepared before us.
    Waiting(PublishQueue),
    /// The greater set of contents is out, with these media new in it.
    Publishing { until: Instant, again: bool, added: Vec<Media> },
}

impl Conference {
    /// The user sends something more.
    pub(crate) fn add(&mut self, cx: &mut Context<'_>, media: Media) -> Result<(), Refused> {
        if cx.capabilities.of(&media).is_empty() {
            return Err(Refused::NoCodec);
        }
        if !self.how.media.contains(&media) {
            self.how.media.push(media.clone());
        }
        let public = self.contents.iter().any(|content| content.media() == Some(&media));
        if self.is_public() && !public && !self.adding.contains(&media) {
            self.adding.push(media); // Before that it is published with the others.
        }
        self.begin_round(cx);
        Ok(())
    }

    /// The user sends something no more.
    pub(crate) fn remove(&mut self, cx: &mut Context<'_>, media: &Media) -> Result<(), Refused> {
        if !self.how.media.contains(media) {
            return Ok(());
        }
        let (gone, left): (Vec<Content>, Vec<Content>) =
            self.contents.iter().cloned().partition(|content| content.media() == Some(media));
        if self.how.media.len() == 1 || (left.is_empty() && !gone.is_empty()) {
            return Err(Refused::OnlyContent);
        }
        self.how.media.retain(|wanted| wanted != media);
        self.adding.retain(|wanted| wanted != media);
        self.contents = left;
        match &mut self.round {
            Some(ContentUpdate::Publishing { added, .. }) => added.retain(|added| added != media),
            Some(ContentUpdate::Announcing { .. } | ContentUpdate::Waiting(_)) if self.adding.is_empty() => {
                self.round = None;
                self.said.unmark();
            }
            _ if gone.is_empty() => return Ok(()),
            _ => {}
        }
        self.restate_muji(cx); // The presence first: newcomers must not ask for what goes.
        self.take_out(cx, &gone);
        self.tell_contents(cx);
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

    /// Says that we prepare to add what the user wants.
    pub(super) fn begin_round(&mut self, cx: &mut Context<'_>) {
        if self.stage == Stage::Active && self.round.is_none() && !self.adding.is_empty() {
            self.round = Some(ContentUpdate::Announcing { until: cx.now + config::ECHO, again: false });
            self.restate_muji(cx);
            self.said.mark();
        }
    }

    /// The room repeated what this step of ours began with.
    pub(super) fn round_repeated(&mut self, cx: &mut Context<'_>) {
        match &self.round {
            Some(ContentUpdate::Announcing { .. }) => {
                self.round =
                    Some(ContentUpdate::Waiting(PublishQueue::new(cx.now, self.occupants.preparing(), cx.config)));
                self.publish_in_turn(cx);
            }
            Some(ContentUpdate::Publishing { added, .. }) => {
                let added = added.clone();
                self.round = None;
                self.tell_contents(cx);
                let (participants, view) = self.participants();
                participants.owe_everybody(cx, &view, &added);
                self.begin_round(cx); // For what the user wished meanwhile.
            }
            Some(ContentUpdate::Waiting(_)) | None => {}
        }
    }

    /// Publishes what is to be added, if it is our turn.
    pub(super) fn publish_added_in_turn(&mut self, cx: &mut Context<'_>) {
        let Some(ContentUpdate::Waiting(queue)) = self.round.take_if(|round| round.is_our_turn(cx.now)) else { return };
        self.warn_of_late(cx, &queue);
        let wanted = std::mem::take(&mut self.adding);
        let (new, without) = self.derive(cx, &wanted);
        for media in without {
            self.not_added(cx, media, RoomFault::NoCommonCodec);
        }
        self.note_ids(&new);
        if !new.is_empty() {
            let added = new.iter().filter_map(|content| content.media().cloned()).collect();
            self.round = Some(ContentUpdate::Publishing { until: cx.now + config::ECHO, again: false, added });
        }
        self.contents.extend(new.iter().cloned());
        self.restate_muji(cx);
        self.said.mark();
        new.iter().for_each(|content| self.capture(cx, content, Mute::Off));
    }

    pub(super) fn round_timeout(&mut self, cx: &mut Context<'_>) {
        match &mut self.round {
            Some(ContentUpdate::Announcing { until, again } | ContentUpdate::Publishing { until, again, .. })
                if *until <= cx.now =>
            {
                if *again {
                    return self.give_up_round(cx, &RoomFault::Silent);
                }
                (*until, *again) = (cx.now + config::ECHO, true);
                self.ask(cx, Asked::SelfPing, Element::bare("ping", ns::PING));
                self.restate_muji(cx);
                self.said.mark_again();
            }
            Some(ContentUpdate::Waiting(_)) => self.publish_added_in_turn(cx),
            Some(ContentUpdate::Announcing { .. } | ContentUpdate::Publishing { .. }) | None => {}
        }
    }

    /// The stream goes on: the room may take its full time again.
    pub(super) fn round_resumed(&mut self, now: Instant) {
        if let Some(ContentUpdate::Announcing { until, .. } | ContentUpdate::Publishing { until, .. }) = &mut self.round
        {
            *until = now + config::ECHO;
        }
    }

    /// The room does not let us add anything: all is as before.
    pub(super) fn give_up_round(&mut self, cx: &mut Context<'_>, why: &RoomFault) {
        let media = match self.round.take() {
            Some(ContentUpdate::Publishing { added, .. }) => added,
            Some(ContentUpdate::Announcing { .. } | ContentUpdate::Waiting(_)) => std::mem::take(&mut self.adding),
            None => return,
        };
        let gone = |content: &Content| content.media().is_some_and(|of| media.contains(of));
        let (gone, left): (Vec<Content>, Vec<Content>) = self.contents.iter().cloned().partition(gone);
        self.contents = left;
        self.restate_muji(cx); // Or others would wait behind us.
        self.take_out(cx, &gone); // Offers may have been taken with it meanwhile.
        for media in media {
            self.not_added(cx, media, why.clone());
        }
    }

    fn not_added(&mut self, cx: &mut Context<'_>, media: Media, why: RoomFault) {
        self.how.media.retain(|wanted| *wanted != media);
        self.event(cx, Event::NotAdded { media, why });
    }

    fn tell_contents(&self, cx: &mut Context<'_>) {
        let contents = self.contents.iter().map(|content| content.name.clone()).collect();
        self.event(cx, Event::ContentsChanged { contents });
    }
}

impl ContentUpdate {
    fn is_our_turn(&self, now: Instant) -> bool {
        matches!(self, Self::Waiting(queue) if queue.is_done(now))
    }

    pub(super) fn queue_mut(&mut self) -> Option<&mut PublishQueue> {
        match self {
            Self::Waiting(queue) => Some(queue),
            Self::Announcing { .. } | Self::Publishing { .. } => None,
        }
    }

    /// True while others see us preparing.
    pub(super) fn prepares(&self) -> bool {
        matches!(self, Self::Announcing { .. } | Self::Waiting(_))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Self::Announcing { until, .. } | Self::Publishing { until, .. } => Some(*until),
            Self::Waiting(queue) => queue.poll_timeout(),
        }
    }
}
