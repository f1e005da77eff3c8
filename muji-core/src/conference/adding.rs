//! Contents of ours that come and go while we take part (XEP-0272 sections 5 and 6).
//!
//! Adding one goes like joining: we say that we prepare, wait for those who did before us, publish. Then each pair that has
//! the content on both sides adds it to its session; whoever published it later does. Taking one out needs no waiting.

use std::time::Instant;

use jid::FullJid;
use muji_jingle::{Mute, SessionId};
use muji_xep::jingle::Content;
use muji_xep::rtp::Media;
use muji_xep::{Element, ns};

use super::participant::Turn;
use super::sessions::lacked_content;
use super::{Asked, Conference, Stage};
use crate::config;
use crate::context::Context;
use crate::error::Refused;
use crate::error::RoomFault;
use crate::event::Event;
use crate::occupants;
use crate::pair::PairState;
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
            for id in self.sessions.keys().copied().collect::<Vec<SessionId>>() {
                self.with_session(cx, id, |session, cx| session.remove(cx.now, cx.ids, &content.name));
            }
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
                self.owe_everybody(cx, &added);
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

    // ---- sessions ----------------------------------------------------------------------------------------------------

    /// We published these media after all who have them by now: it is ours to add them to our sessions.
    pub(super) fn owe_everybody(&mut self, cx: &mut Context<'_>, media: &[Media]) {
        for jid in self.participants.keys().cloned().collect::<Vec<_>>() {
            let theirs: Vec<Media> = self.occupants.contents(&jid).into_iter().map(|(_, media)| media).collect();
            let Some(participant) = self.participants.get_mut(&jid) else { continue };
            participant.ours.retain(|ours| !media.contains(ours));
            participant.ours.extend(media.iter().filter(|media| theirs.contains(media)).cloned());
            self.share(cx, &jid);
        }
    }

    /// A participant that we know said what it has; `before` is what it said the last time in this stay.
    pub(super) fn contents_heard(
        &mut self,
        cx: &mut Context<'_>,
        nick: &str,
        jid: &FullJid,
        before: Option<&[Content]>,
    ) {
        let now = self.occupants.get(nick).map(|occupant| occupant.muji.contents.as_slice()).unwrap_or_default();
        if before == Some(now) {
            return;
        }
        let now: Vec<(String, Media)> = occupants::described(now).collect();
        let Some(participant) = self.participants.get_mut(jid) else { return };
        let has = |media: &Media| now.iter().any(|(_, of)| of == media);
        let dropped = participant.had.extract_if(.., |media| !has(media));
        participant.dropped.extend(dropped.map(|media| (media, cx.now + config::DROPPED)));
        participant.had = now.iter().map(|(_, media)| media.clone()).collect(); // What it dropped is extracted.
        // What it did not have the last time comes after ours now.
        let had = |media: &Media| before.is_some_and(|before| before.iter().any(|it| it.media() == Some(media)));
        participant.ours.retain(had);
        let before = before.unwrap_or_default();
        if occupants::described(before).eq(now.iter().cloned()) {
            return;
        }
        if !before.is_empty() {
            self.peer_event(cx, jid, |peer| Event::PeerContents(peer, now));
        }
        if self.is_public() {
            self.share(cx, jid);
        }
    }

    /// What we and a participant have published and their session lacks is added to it: by us at once if we published it
    /// later, else by the other, and if it does not, by us all the same. Who had no session for want of it gets one.
    pub(super) fn share(&mut self, cx: &mut Context<'_>, jid: &FullJid) {
        let theirs = self.occupants.contents(jid);
        let shared = self.contents.iter().filter(|content| theirs.iter().any(|(_, it)| content.media() == Some(it)));
        let Some(participant) = self.participants.get_mut(jid) else { return };
        let Some(id) = participant.session else {
            let lacked = matches!(&participant.state, PairState::Failed(end) if lacked_content(end));
            let shared: Vec<&Media> = shared.filter_map(Content::media).filter(|_| lacked).collect();
            if shared.iter().any(|media| participant.ours.contains(media)) {
                self.call(cx, jid, Turn::Ours);
            } else if !shared.is_empty() {
                participant.repair_at(cx.now + config::INITIATE);
            }
            return;
        };
        let session = &self.sessions[&id];
        if !session.is_active() {
            return; // Once it is.
        }
        let lacking = shared.filter(|content| !session.sends(&content.name)).filter_map(Content::media);
        let (now, later): (Vec<&Media>, Vec<&Media>) = lacking.partition(|media| participant.ours.contains(media));
        participant.share_at = (!later.is_empty()).then_some(cx.now + config::INITIATE);
        let now: Vec<Media> = now.into_iter().cloned().collect();
        self.add_to(cx, id, |media| now.contains(media));
    }

    /// The other did not add what was its to add.
    pub(super) fn share_late(&mut self, cx: &mut Context<'_>, jid: &FullJid) {
        let Some(participant) = self.participants.get_mut(jid) else { return };
        let due = participant.share_at.take_if(|at| *at <= cx.now);
        if let (Some(_), Some(id)) = (due, participant.session) {
            let theirs = self.occupants.contents(jid);
            self.add_to(cx, id, |media| theirs.iter().any(|(_, of)| of == media));
        }
    }

    /// Takes out what a participant has not published for a while: it should have done so itself, but our adding it may have
    /// crossed its removing it.
    pub(super) fn unshare(&mut self, cx: &mut Context<'_>, jid: &FullJid) {
        let Some(participant) = self.participants.get_mut(jid) else { return };
        let theirs = self.occupants.contents(jid);
        let due = participant.dropped.extract_if(.., |(_, at)| *at <= cx.now).map(|(media, _)| media);
        let due: Vec<Media> = due.filter(|media| theirs.iter().all(|(_, of)| of != media)).collect();
        let Some(id) = participant.session.filter(|_| !due.is_empty()) else { return };
        if !self.sessions[&id].is_active() {
            let again = cx.now + config::DROPPED;
            return participant.dropped.extend(due.into_iter().map(|media| (media, again)));
        }
        let names = self.contents.iter().filter(|content| content.media().is_some_and(|media| due.contains(media)));
        for name in names.map(|content| content.name.clone()).collect::<Vec<_>>() {
            self.with_session(cx, id, |session, cx| session.remove(cx.now, cx.ids, &name));
        }
    }

    fn add_to(&mut self, cx: &mut Context<'_>, session: SessionId, which: impl Fn(&Media) -> bool) {
        if !self.contents.iter().filter_map(Content::media).any(&which) {
            return;
        }
        let wanted = self.wanted(cx, |content, _| content.payload_types.clone());
        for wanted in wanted.into_iter().filter(|wanted| which(&wanted.media)) {
            self.with_session(cx, session, |session, cx| session.add(cx.now, cx.ids, wanted));
        }
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
