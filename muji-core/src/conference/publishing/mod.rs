//! Publishing what we send: for the first time, and more of it later (XEP-0272 sections 3, 5 and 6).
//!
//! Joining and adding are one protocol. We announce that we prepare, wait for those who announced it before us, and publish;
//! the room repeats presences to everyone in one order, so "before" means the same to all. Each step ends when the room has
//! repeated the presence with which it began.
//!
//! ```text
//!            announce             our echo                our turn                our echo
//!   Idle ─────────────► Announcing ─────────► Waiting ─────────────► Publishing ───────────► Idle, public
//!    ▲                      │                    │                       │
//!    └── not added ─────────┴────────────────────┴───────────────────────┘  silent or refused twice; refused while adding
//! ```
//!
//! If the first contents cannot be published there is no call for us; if later ones cannot, everything is as before.

mod echo;
mod payload;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Instant;

use jid::FullJid;
use muji_jingle::Mute;
use muji_xep::jingle::Content;
use muji_xep::muji::MujiElement;
use muji_xep::rtp::{Description, Media};

use crate::config::{self, Config};
use crate::error::Refused;
use crate::handover::Handover;
use crate::media::Capabilities;
use crate::occupants::Occupants;
use echo::EchoTracker;
pub(super) use echo::{Echo, Repetition};
use queue::PublishQueue;

/// How far what we want to publish next has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// There is nothing to publish, or we are not in the room.
    Idle,
    /// A presence with `<preparing/>` is out. `again`: for the second time.
    Announcing { until: Instant, again: bool },
    /// Others announced before us.
    Waiting(PublishQueue),
    /// The contents are out, with these media new among them. `again`: the room refused or swallowed them once.
    Publishing { until: Instant, again: bool, added: Vec<Media> },
}

/// What we send and what the room knows of it.
#[derive(Debug, Clone)]
pub(super) struct Publishing {
    step: Step,
    /// The room has repeated our contents: what we publish now is added to them.
    public: bool,
    /// What the user wants to send.
    wanted: Vec<Media>,
    /// What of it waits to be added.
    adding: Vec<Media>,
    /// What is published, or was until the room lost us.
    contents: Vec<Content>,
    /// Payload type ids that meant something to somebody in this call.
    used: BTreeSet<u8>,
    /// How often we gave way to others' payload type ids.
    yielded: usize,
    muted: Vec<Media>,
    holding: bool,
    /// Our presences that the room has not repeated yet.
    pub(super) echo: EchoTracker,
}

/// What follows when the room repeated the presence with which a step began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Repeated {
    /// No step began with it.
    Nothing,
    /// We are announced: we wait for those before us.
    Announcement,
    /// These media are public now, and others were before unless they are the `first`.
    Contents { added: Vec<Media>, first: bool },
}

/// A step takes too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Its presence is to be sent again.
    Once,
    /// The room swallows it.
    Twice,
}

/// What is done about one of our presences that the room refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It was not about a step.
    NoStep,
    /// Send it again, once.
    SayAgain,
    /// The step cannot be done.
    GiveUp,
}

/// How captured contents change when some are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) started: Vec<Content>,
    pub(super) stopped: Vec<Content>,
}

impl Publishing {
    pub(super) fn new(wanted: Vec<Media>) -> Self {
        Self {
            step: Step::Idle,
            public: false,
            wanted,
            adding: Vec::new(),
            contents: Vec::new(),
            used: BTreeSet::new(),
            yielded: 0,
            muted: Vec::new(),
            holding: false,
            echo: EchoTracker::default(),
        }
    }

    /// Goes on with what a call with one person sends. Its payload type ids mean nothing to the room yet.
    pub(super) fn take_over(&mut self, handover: &Handover, capabilities: &Capabilities) {
        self.wanted.clone_from(&handover.media);
        self.muted.clone_from(&handover.muted);
        self.holding = handover.holding;
        let captured = |media: &Media| {
            let description = Description::new(media.clone(), capabilities.of(media).to_vec());
            Content { description: Some(description), ..Content::new(media.as_str()) }
        };
        self.contents = handover.media.iter().map(captured).collect();
    }

    pub(super) fn contents(&self) -> &[Content] {
        &self.contents
    }

    /// The names of our contents in the room.
    pub(super) fn names(&self) -> Vec<String> {
        self.contents.iter().map(|content| content.name.clone()).collect()
    }

    pub(super) fn wanted(&self) -> &[Media] {
        &self.wanted
    }

    pub(super) fn muted(&self) -> &[Media] {
        &self.muted
    }

    pub(super) fn is_holding(&self) -> bool {
        self.holding
    }

    /// True if the user does not want this medium to be captured now.
    pub(super) fn is_silenced(&self, media: &Media) -> bool {
        self.holding || self.muted.contains(media)
    }

    /// True once the room has repeated our contents.
    pub(super) fn is_public(&self) -> bool {
        self.public
    }

    /// True once others may have seen our contents.
    pub(super) fn is_out(&self) -> bool {
        self.public || matches!(self.step, Step::Publishing { .. })
    }

    /// True while our first announcement, with which we enter the room, is on its way.
    pub(super) fn is_entering(&self) -> bool {
        !self.public && matches!(self.step, Step::Announcing { .. })
    }

    /// True while the first contents are on their way.
    pub(super) fn is_joining(&self) -> bool {
        !self.public && matches!(self.step, Step::Publishing { .. })
    }

    /// What we tell the room of our part in the call.
    pub(super) fn muji(&self) -> MujiElement {
        let preparing = matches!(self.step, Step::Announcing { .. } | Step::Waiting(_));
        if preparing && !self.public {
            return MujiElement::preparing(); // Contents of an earlier stay are not public any more.
        }
        MujiElement { preparing, contents: self.contents.clone() }
    }

    // ---- the steps ---------------------------------------------------------------------------------------------------

    /// The presence that announces us goes out.
    pub(super) fn announce(&mut self, now: Instant) {
        self.step = Step::Announcing { until: now + config::ECHO, again: false };
    }

    /// Announces what waits to be added, if nothing else is under way. False if there is nothing to announce.
    pub(super) fn announce_added(&mut self, now: Instant) -> bool {
        let announces = self.public && self.step == Step::Idle && !self.adding.is_empty();
        if announces {
            self.announce(now);
        }
        announces
    }

    /// The room repeated the presence with which this step began; `occupants` are as they were when it came back.
    pub(super) fn repeated(&mut self, now: Instant, occupants: &Occupants, config: &Config) -> Repeated {
        match &mut self.step {
            Step::Announcing { .. } => {
                self.step = Step::Waiting(PublishQueue::new(now, occupants.preparing(), config));
                Repeated::Announcement
            }
            Step::Publishing { added, .. } => {
                let added = std::mem::take(added);
                let first = !std::mem::replace(&mut self.public, true);
                self.step = Step::Idle;
                Repeated::Contents { added, first }
            }
            Step::Waiting(_) | Step::Idle => Repeated::Nothing,
        }
    }

    /// `nick` published, withdrew or left.
    pub(super) fn passed(&mut self, nick: &str) {
        if let Step::Waiting(queue) = &mut self.step {
            queue.passed(nick);
        }
    }

    /// `nick` goes by another name.
    pub(super) fn renamed(&mut self, nick: &str, new: &str) {
        if let Step::Waiting(queue) = &mut self.step {
            queue.renamed(nick, new);
        }
    }

    /// Those who are still ahead though it is our turn, because they took too long. `None` if it is not.
    pub(super) fn turn(&self, now: Instant) -> Option<Vec<String>> {
        match &self.step {
            Step::Waiting(queue) if queue.is_done(now) => Some(queue.ahead().map(str::to_owned).collect()),
            Step::Waiting(_) | Step::Idle | Step::Announcing { .. } | Step::Publishing { .. } => None,
        }
    }

    /// What to publish next, given what the others have published, and the media for which nobody has one of our codecs.
    pub(super) fn choose(&self, occupants: &Occupants, capabilities: &Capabilities) -> (Vec<Content>, Vec<Media>) {
        let others = occupants.participants().map(|(_, jid, contents)| (jid.clone(), contents)).collect();
        let media = if self.public { &self.adding } else { &self.wanted };
        payload::derive(&others, media, |media| capabilities.of(media))
    }

    /// It is our turn, and these contents go out: all that we send when we join, and what we add to it later.
    pub(super) fn publish(&mut self, now: Instant, new: Vec<Content>) -> Change {
        self.note_ids(&new);
        self.adding.clear();
        let added: Vec<Media> = new.iter().filter_map(|content| content.media().cloned()).collect();
        self.step = Step::Publishing { until: now + config::ECHO, again: false, added };
        if !self.public {
            let before = std::mem::replace(&mut self.contents, new);
            return Change { started: without(&self.contents, &before), stopped: without(&before, &self.contents) };
        }
        if new.is_empty() {
            self.step = Step::Idle; // Nobody has a codec in common with us for what was to be added.
        }
        self.contents.extend(new.iter().cloned());
        Change { started: new, stopped: Vec::new() }
    }

    /// What of a step is overdue. Its time begins again.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<Overdue> {
        let (Step::Announcing { until, again } | Step::Publishing { until, again, .. }) = &mut self.step else {
            return None;
        };
        if *until > now {
            return None;
        }
        if std::mem::replace(again, true) {
            return Some(Overdue::Twice);
        }
        *until = now + config::ECHO;
        Some(Overdue::Once)
    }

    /// The room refused the latest of our presences. What it refused first contents for may pass (another one's presence was
    /// in its way); a room that refuses an addition means it.
    pub(super) fn refused(&mut self, now: Instant) -> Refusal {
        match &mut self.step {
            Step::Publishing { again, until, .. } if !self.public && !*again => {
                *again = true;
                *until = now + config::ECHO;
                Refusal::SayAgain
            }
            Step::Publishing { .. } => Refusal::GiveUp,
            Step::Announcing { .. } | Step::Waiting(_) if self.public => Refusal::GiveUp,
            Step::Announcing { .. } | Step::Waiting(_) | Step::Idle => Refusal::NoStep,
        }
    }

    /// Gives up adding: the media that are not added, and their contents that were out.
    pub(super) fn give_up(&mut self) -> (Vec<Media>, Vec<Content>) {
        let media = match std::mem::replace(&mut self.step, Step::Idle) {
            Step::Publishing { added, .. } => added,
            Step::Announcing { .. } | Step::Waiting(_) => std::mem::take(&mut self.adding),
            Step::Idle => Vec::new(),
        };
        let gone = self.take_contents(|of| media.contains(of));
        (media, gone)
    }

    /// The same stream goes on: the room may take its full time again.
    pub(super) fn resumed(&mut self, now: Instant) {
        if let Step::Announcing { until, .. } | Step::Publishing { until, .. } = &mut self.step {
            *until = now + config::ECHO;
        }
    }

    /// We are out of the room. What was published is kept, to be published again.
    pub(super) fn lost(&mut self) {
        self.step = Step::Idle;
        self.public = false;
        self.echo.clear();
    }

    /// We leave: what was captured until now. The echo of our leaving is still waited for.
    pub(super) fn leave(&mut self) -> Vec<Content> {
        self.step = Step::Idle;
        self.public = false;
        self.adding.clear();
        std::mem::take(&mut self.contents)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.step {
            Step::Announcing { until, .. } | Step::Publishing { until, .. } => Some(*until),
            Step::Waiting(queue) => queue.poll_timeout(),
            Step::Idle => None,
        }
    }

    // ---- what the user wants -----------------------------------------------------------------------------------------

    /// The user sends something more. Before our contents are public it is published with the others.
    pub(super) fn add(&mut self, media: Media) {
        if !self.wanted.contains(&media) {
            self.wanted.push(media.clone());
        }
        let published = self.contents.iter().any(|content| content.media() == Some(&media));
        if self.is_out() && !published && !self.adding.contains(&media) {
            self.adding.push(media);
        }
    }

    /// The user sends something no more: what is not public any more. `None` if that changes nothing for the others.
    pub(super) fn remove(&mut self, media: &Media) -> Result<Option<Vec<Content>>, Refused> {
        if !self.wanted.contains(media) {
            return Ok(None);
        }
        let published = self.contents.iter().filter(|content| content.media() == Some(media)).count();
        if self.wanted.len() == 1 || (published > 0 && published == self.contents.len()) {
            return Err(Refused::OnlyContent);
        }
        self.not_wanted(media);
        let gone = self.take_contents(|of| of == media);
        let changes_step = self.public && self.withdraw_from_step();
        Ok((changes_step || !gone.is_empty()).then_some(gone))
    }

    /// One medium less is to be added. True if the others see that in the step under way.
    fn withdraw_from_step(&mut self) -> bool {
        match self.step {
            Step::Publishing { .. } => true,
            Step::Announcing { .. } | Step::Waiting(_) if self.adding.is_empty() => {
                self.step = Step::Idle;
                self.echo.unmark();
                true
            }
            Step::Announcing { .. } | Step::Waiting(_) | Step::Idle => false,
        }
    }

    /// A medium is not sent: the user does not want it, or the room or the others do not take it.
    pub(super) fn not_wanted(&mut self, media: &Media) {
        self.wanted.retain(|wanted| wanted != media);
        self.adding.retain(|wanted| wanted != media);
        if let Step::Publishing { added, .. } = &mut self.step {
            added.retain(|added| added != media);
        }
    }

    fn take_contents(&mut self, which: impl Fn(&Media) -> bool) -> Vec<Content> {
        self.contents.extract_if(.., |content| content.media().is_some_and(&which)).collect()
    }

    /// Stops or resumes sending a medium: the contents that it is about.
    pub(super) fn mute(&mut self, media: &Media, mute: Mute) -> Vec<Content> {
        self.muted.retain(|muted| muted != media);
        if mute == Mute::On {
            self.muted.push(media.clone());
        }
        self.contents.iter().filter(|content| content.media() == Some(media)).cloned().collect()
    }

    pub(super) fn hold(&mut self, holding: bool) {
        self.holding = holding;
    }

    // ---- payload type ids --------------------------------------------------------------------------------------------

    /// Gives way where one of our payload type ids means something else to a participant that comes first. True if our contents
    /// changed.
    pub(super) fn yield_ids(&mut self, us: &FullJid, occupants: &Occupants) -> bool {
        for (.., contents) in occupants.participants() {
            self.note_ids(contents);
        }
        let us = us.to_string();
        let winners = occupants.participants().filter(|(_, jid, _)| jid.to_string() < us);
        let winners: Vec<&[Content]> = winners.map(|(.., contents)| contents).collect();
        let yielding = payload::yielding(&self.contents, &winners, &self.used);
        let Some(contents) = yielding.filter(|_| self.yielded < config::MAX_ID_CHANGES) else { return false };
        self.yielded += 1;
        self.note_ids(&contents);
        self.contents = contents;
        true
    }

    /// Ids that mean something in this call are never given another meaning.
    fn note_ids(&mut self, contents: &[Content]) {
        let described = contents.iter().filter_map(|content| content.description.as_ref());
        self.used.extend(described.flat_map(|description| &description.payload_types).map(|payload| payload.id));
    }
}

/// Those of the contents that are not among the others, by name.
fn without(contents: &[Content], others: &[Content]) -> Vec<Content> {
    let missing = |content: &&Content| others.iter().all(|other| other.name != content.name);
    contents.iter().filter(missing).cloned().collect()
}
