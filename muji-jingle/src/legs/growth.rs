//! Contents that come and go while the session runs.

use std::time::Instant;

use muji_xep::jingle::{Content, Group, Side};
use muji_xep::rtp::{Description, Media};

use super::fitting::bind;
use super::{Bundle, Growth, Leg, Legs, free, named};
use crate::fault::Unusable;
use crate::ids::{SessionId, TransportId};
use crate::media::MediaCommand;
use crate::session::{ContentSpec, Parties};
use crate::timers;

/// What has become of a content of ours that should be sent no more.
pub(crate) enum Removal {
    /// It is gone; the peer had not heard of it.
    Unheard(MediaCommand),
    /// Its content-remove has to go out, with this.
    Told(Content),
    /// It was the last one: the session is over.
    Last,
}

impl Legs {
    /// True if a content sends this publication, or will.
    pub(crate) fn carries(&self, publication: &str) -> bool {
        let ours = |leg: &&Leg| leg.wanted.sends && leg.growth != Some(Growth::Removing);
        self.legs.iter().filter(ours).any(|leg| leg.wanted.publication == publication)
    }

    /// True if the content that sent this publication is being taken out.
    pub(crate) fn is_leaving(&self, publication: &str) -> bool {
        self.legs.iter().any(|leg| leg.is_going() && leg.wanted.publication == publication)
    }

    /// The content that carries a publication, as stanzas name it.
    pub(crate) fn carrier(&self, publication: &str) -> Option<Content> {
        self.legs.iter().find(|leg| leg.wanted.sends && leg.wanted.publication == publication).map(named)
    }

    /// Which side of the session we are.
    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// True if a content-add of ours waits for its answer.
    pub(crate) fn has_offered(&self) -> bool {
        self.legs.iter().any(|leg| leg.growth == Some(Growth::Offered))
    }

    /// The session is over: nothing is waited for any more.
    pub(crate) fn give_up(&mut self) {
        self.legs.iter_mut().for_each(|leg| leg.until = None);
    }

    /// True if nothing is left but what is being removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.legs.iter().all(|leg| leg.growth == Some(Growth::Removing))
    }

    /// Begins a content of ours: our end is to be made.
    ///
    /// # Errors
    /// If the session has too many already.
    pub(crate) fn add(
        &mut self,
        parties: &Parties,
        wanted: ContentSpec,
        until: Instant,
    ) -> Result<MediaCommand, Unusable> {
        // A peer may have added something of its own under our name, and many look at the name alone.
        let name = free(&wanted.publication, |name| self.legs.iter().all(|leg| leg.name != *name));
        if self.bundle.transport.is_some() {
            self.bundle.names.push(name.clone());
        }
        let (side, transport) = (self.side, self.transport(parties.session, &name, &wanted.payload_types)?);
        let leg = self.add_leg(wanted, side, name, transport);
        leg.grows(Growth::Adding, until);
        let label = leg.label.clone();
        Ok(self.open_those(parties, |leg| leg.label == label))
    }

    /// Sends this too by a content that only the peer sends so far; `None` if there is none. The content as it is now, if the
    /// peer has to be told that we send.
    pub(crate) fn widen(&mut self, wanted: &ContentSpec) -> Option<(Content, bool)> {
        let side = self.side;
        let idle = |leg: &&mut Leg| {
            let settled = matches!(leg.growth, None | Some(Growth::Connecting));
            settled && !leg.wanted.sends && leg.wanted.media == wanted.media
        };
        let leg = self.legs.iter_mut().find(idle)?;
        (leg.wanted.sends, leg.started) = (true, false);
        leg.wanted.publication.clone_from(&wanted.publication);
        let before = leg.senders;
        leg.senders = before.with(side, true);
        Some((named(leg), before != leg.senders))
    }

    /// Sends a publication no more; `None` if no content carries it.
    pub(crate) fn remove(&mut self, session: SessionId, publication: &str) -> Option<Removal> {
        let carries = |leg: &&Leg| leg.wanted.sends && leg.wanted.publication == publication;
        let leg = self.legs.iter().find(carries).filter(|leg| leg.growth != Some(Growth::Removing))?;
        let content = named(leg);
        Some(match leg.growth {
            Some(Growth::Adding) => Removal::Unheard(self.forget(session, &content)?),
            _ if self.legs.iter().all(|other| other.is(content.creator, &content.name) || other.is_going()) => {
                Removal::Last
            }
            _ => {
                let leg = self.named_mut(&content)?;
                (leg.growth, leg.until, leg.started) = (Some(Growth::Removing), None, false);
                Removal::Told(content)
            }
        })
    }

    /// The peer does not take our removal: the content stays and nothing flows by it.
    pub(crate) fn keep_idle(&mut self, content: &Content) {
        if let Some(leg) = self.named_mut(content).filter(|leg| leg.is_going()) {
            (leg.growth, leg.wanted.sends) = (None, false);
        }
    }

    /// Takes a content out; the transport that nothing travels by any more is closed with it.
    pub(crate) fn forget(&mut self, session: SessionId, content: &Content) -> Option<MediaCommand> {
        let label = self.label(content)?;
        self.legs.retain(|leg| leg.label != label);
        self.forget_unused_paths();
        Some(MediaCommand::Drop { session, content: label })
    }

    /// The content that a peer's stanza names, if it is there and stands so.
    pub(crate) fn find(&self, content: &Content, growth: Growth) -> Option<Content> {
        self.named(content).filter(|leg| leg.growth == Some(growth)).map(named)
    }

    /// The content that a peer's stanza names, however it stands.
    pub(crate) fn known(&self, content: &Content) -> Option<Content> {
        self.named(content).map(named)
    }

    /// Exactly this content, if it is there.
    pub(crate) fn exactly(&self, content: &Content) -> Option<Content> {
        self.legs.iter().find(|leg| leg.is(content.creator, &content.name)).map(named)
    }

    /// True if the peer's new content is there already, and is not one that both add at once.
    pub(crate) fn has(&self, content: &Content) -> bool {
        let crossing = self.crossing(content).map(|(ours, _)| ours.name);
        self.legs.iter().any(|leg| leg.is(content.creator, &content.name) && Some(&leg.name) != crossing.as_ref())
    }

    /// What the media layer and the user know a content by that the peer names.
    pub(crate) fn label(&self, content: &Content) -> Option<String> {
        self.named(content).map(|leg| leg.label.clone())
    }

    /// A content of ours that is being added and stands for the same as one the peer adds, and whether the peer knows.
    pub(crate) fn crossing(&self, content: &Content) -> Option<(Content, bool)> {
        let media = content.description.as_ref().map(|description| &description.media)?;
        let ours = |leg: &&Leg| matches!(leg.growth, Some(Growth::Adding | Growth::Offered));
        let leg = self.legs.iter().filter(ours).find(|leg| leg.wanted.media == *media)?;
        Some((named(leg), leg.growth == Some(Growth::Offered)))
    }

    /// What the peer adds may belong to the bundle that there is.
    pub(crate) fn regroup(&mut self, group: Option<&Group>) {
        let named = Bundle::of(group).names;
        if self.bundle.transport.is_some() && !named.is_empty() {
            self.bundle.names = named;
        }
    }

    /// Takes a content that the peer adds; nothing is made before [`Self::open_waiting`].
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub(crate) fn take_added(
        &mut self,
        session: SessionId,
        wanted: &[ContentSpec],
        content: &Content,
    ) -> Result<(), Unusable> {
        let taken = self.take(session, wanted, content);
        self.forget_unused_paths();
        taken?;
        let leg = self.legs.last_mut().expect("it was just taken");
        leg.growth = Some(Growth::Waiting);
        Ok(())
    }

    /// What we could have taken instead of a refused content.
    pub(crate) fn refusal(content: &Content, wanted: &[ContentSpec]) -> Content {
        let media = content.description.as_ref().map(|description| &description.media);
        let ours = media.and_then(|media| bind(wanted.iter(), &content.name, media));
        let description = ours.map(|ours| Description::new(ours.media.clone(), ours.payload_types.clone()));
        Content { creator: content.creator, description, ..Content::new(&content.name) }
    }

    /// Begins with what the peer has added: our ends are to be made.
    pub(crate) fn open_waiting(&mut self, parties: &Parties, until: Instant) -> Option<MediaCommand> {
        let waiting = |leg: &Leg| leg.growth == Some(Growth::Waiting);
        if !self.legs.iter().any(waiting) {
            return None;
        }
        let open = self.open_those(parties, waiting);
        for leg in self.legs.iter_mut().filter(|leg| waiting(leg)) {
            leg.grows(Growth::Accepting, until);
        }
        Some(open)
    }

    /// The next content that has been waiting for our end alone, to be offered or accepted now.
    pub(crate) fn ready(&mut self, now: Instant) -> Option<(Growth, Content)> {
        let waits = |leg: &&Leg| matches!(leg.growth, Some(Growth::Adding | Growth::Accepting));
        let leg = self.legs.iter().filter(waits).find(|leg| self.path_of(leg).local.is_some())?;
        let (growth, content, connected) = (leg.growth?, self.write_leg(leg), self.path_of(leg).connected);
        let leg = self.named_mut(&content)?;
        if growth == Growth::Adding {
            leg.grows(Growth::Offered, now + timers::ACCEPT);
        } else {
            leg.is_agreed(now, connected);
        }
        Some((growth, content))
    }

    /// The peer takes a content of ours.
    ///
    /// # Errors
    /// What makes its answer unusable.
    pub(crate) fn accepted(&mut self, now: Instant, content: &Content) -> Result<(), Unusable> {
        let creator = self.named(content).map_or(Side::Initiator, |leg| leg.creator);
        self.leg_answered(creator, content)?;
        let connected = self.named(content).is_some_and(|leg| self.path_of(leg).connected);
        if let Some(leg) = self.named_mut(content) {
            leg.is_agreed(now, connected);
        }
        Ok(())
    }

    /// The peer changes who sends a content. False if there is no such content.
    pub(crate) fn modify(&mut self, content: &Content) -> bool {
        let senders = content.senders;
        let Some(leg) = self.named_mut(content) else { return false };
        (leg.senders, leg.started) = (senders, false);
        true
    }

    /// Contents that have been growing for too long.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<(Growth, Content)> {
        let overdue = self.legs.iter().filter(|leg| leg.until.is_some_and(|until| until <= now));
        overdue.filter_map(|leg| Some((leg.growth?, named(leg)))).collect()
    }

    /// When the next one will have been.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.legs.iter().filter_map(|leg| leg.until).min()
    }

    /// The contents that a lost transport takes with it, if others remain; `None` if they do not.
    pub(crate) fn lost_with(&self, transport: TransportId) -> Option<Vec<Content>> {
        let (lost, left): (Vec<&Leg>, Vec<&Leg>) = self.legs.iter().partition(|leg| leg.transport == transport);
        let growing = !lost.is_empty() && lost.iter().all(|leg| leg.growth.is_some());
        let others = left.iter().any(|leg| leg.growth.is_none());
        (growing && others).then(|| lost.into_iter().map(named).collect())
    }

    /// The medium of a content.
    pub(crate) fn media(&self, content: &Content) -> Option<Media> {
        self.named(content).map(|leg| leg.wanted.media.clone())
    }
}

impl Leg {
    /// Both sides take it: it is there as soon as its transport is.
    fn is_agreed(&mut self, now: Instant, connected: bool) {
        if connected {
            (self.growth, self.until) = (None, None);
        } else {
            self.grows(Growth::Connecting, now + timers::CONNECT);
        }
    }

    fn is_going(&self) -> bool {
        self.growth == Some(Growth::Removing)
    }
}
