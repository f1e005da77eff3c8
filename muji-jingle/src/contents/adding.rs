//! Contents that are added to a running session, by us or by the peer, and that we take out again.
//!
//! ```text
//!  ours:    Adding ── our end is made ──► Offered ── the peer accepts ──► settled
//!  theirs:  Waiting ── its turn ──► Accepting ── our end is made, we accept ──► settled
//! ```

use std::time::Instant;

use muji_xep::jingle::{Content, Group, Jingle, Side};

use super::SessionContents;
use super::bundle::Bundle;
use super::content::{ContentState, SessionContent};
use super::list::free;
use super::transport::names_end;
use crate::fault::{NegotiationError, spoken};
use crate::ids::SessionId;
use crate::media::MediaCommand;
use crate::parties::{ContentSpec, SessionParams};
use crate::timers;

/// What follows when one of our contents should not be sent any more.
pub(crate) enum Withdrawal {
    /// It is gone; the peer did not know it.
    Unsent(MediaCommand),
    /// A content-remove with this has to go out.
    Announce(Content),
    /// It was the last one: the session is over.
    Last,
}
impl SessionContents {
    /// Begins a content that we add: our end is to be made.
    ///
    /// # Errors
    /// If the session has too many already.
    pub(crate) fn add(
        &mut self,
        parties: &SessionParams,
        spec: ContentSpec,
        until: Instant,
    ) -> Result<MediaCommand, NegotiationError> {
        // A peer may have added something of its own under our name, and many look at the name alone.
        let is_free =
            |name: &String| !self.unanswered.contains(name) && self.list.iter().all(|content| content.name != *name);
        let name = free(&spec.publication, is_free);
        if self.bundle.transport.is_some() {
            self.bundle.add([name.clone()]);
        }
        let shared = self.shared_transport(&name, &spec.payload_types);
        let transport = self.transport(parties.session, &name, shared)?;
        let extensions = self.transports.of(transport).known(spec.extensions.clone());
        let spec = ContentSpec { extensions, ..spec };
        let content = self.push(spec, self.side, name, transport);
        content.set_state(ContentState::Adding, Some(until));
        let label = content.label.clone();
        Ok(self.open_those(parties, |content| content.label == label))
    }

    /// What the peer adds may belong to the bundle that there is: so says its group, or that it has no other transport.
    pub(crate) fn regroup(&mut self, added: &Jingle) {
        if self.bundle.transport.is_some() {
            let nowhere_else = added.contents.iter().filter(|content| !names_end(content));
            self.bundle.add(nowhere_else.map(|content| content.name.clone()));
            self.bundle.add(Bundle::of(added.group.as_ref()).names);
        }
    }

    /// Takes a content that the peer adds; nothing is made before [`Self::open_waiting`].
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub(crate) fn take_added(
        &mut self,
        session: SessionId,
        specs: &[ContentSpec],
        content: &Content,
    ) -> Result<(), NegotiationError> {
        let taken = self.take(session, specs, content);
        self.forget_unused_transports();
        taken?;
        let added = self.list.iter_mut().last().expect("it was just taken");
        added.set_state(ContentState::Waiting, None);
        Ok(())
    }

    /// Begins with what the peer has added: our ends are to be made.
    pub(crate) fn open_waiting(&mut self, parties: &SessionParams, until: Instant) -> Option<MediaCommand> {
        let waits = |content: &SessionContent| content.state == ContentState::Waiting;
        if !self.list.iter().any(waits) {
            return None;
        }
        let open = self.open_those(parties, waits);
        for content in self.list.iter_mut().filter(|content| waits(content)) {
            content.set_state(ContentState::Accepting, Some(until));
        }
        Some(open)
    }

    /// The next content that has been waiting for our end alone, to be offered or accepted now; with the state it was in.
    pub(crate) fn next_ready(&mut self, now: Instant) -> Option<(ContentState, Content)> {
        let ready = |content: &&mut SessionContent| {
            let waits = matches!(content.state, ContentState::Adding | ContentState::Accepting);
            waits && self.transports.of(content.transport).local.is_some()
        };
        let ours = self.list.iter_mut().find(ready)?;
        let transport = self.transports.of(ours.transport);
        let state = ours.state;
        let content = ours.write(transport, self.cname);
        if state == ContentState::Adding {
            ours.set_state(ContentState::Offered, Some(now + timers::ACCEPT));
        } else {
            ours.agree(now, transport.connected);
        }
        Some((state, content))
    }

    /// The peer accepts one of our contents.
    ///
    /// # Errors
    /// What makes its answer unusable.
    pub(crate) fn accepted(
        &mut self,
        now: Instant,
        content: &Content,
        group: Option<&Group>,
    ) -> Result<(), NegotiationError> {
        let creator = self.list.named(content).map_or(Side::Initiator, |ours| ours.creator);
        if self.leaves_bundle(content, group) {
            return Err(NegotiationError::Unbundled(spoken(content)));
        }
        self.content_answered(creator, content)?;
        if let Some(ours) = self.list.named_mut(content) {
            let connected = self.transports.of(ours.transport).connected;
            ours.agree(now, connected);
        }
        Ok(())
    }

    /// True if the peer answers a content that we added to the bundle with another end, and not as part of the bundle. No known client
    /// does: Conversations names no end in its content-accept, others that of the bundle.
    fn leaves_bundle(&self, content: &Content, group: Option<&Group>) -> bool {
        let Some(ours) = self.list.named(content).filter(|ours| self.bundle.transport == Some(ours.transport)) else {
            return false;
        };
        let transport = self.transports.of(ours.transport);
        !Bundle::of(group).includes(&content.name) && names_end(content) && !transport.ends_at(content)
    }

    /// Stops sending a publication; `None` if no content carries it.
    pub(crate) fn withdraw(&mut self, session: SessionId, publication: &str) -> Option<Withdrawal> {
        let ours = self.list.iter().find(|content| content.sends(publication) && !content.is_removing())?;
        let content = ours.reference();
        if ours.state == ContentState::Adding {
            return Some(Withdrawal::Unsent(self.forget(session, &content)?));
        }
        let is_it = |other: &SessionContent| other.is(content.creator, &content.name);
        if self.list.iter().all(|other| is_it(other) || other.is_removing()) {
            return Some(Withdrawal::Last);
        }
        let ours = self.list.named_mut(&content)?;
        ours.set_state(ContentState::Removing, None);
        ours.started = false;
        Some(Withdrawal::Announce(content))
    }
}
