//! Offers that wait for the presence of who made them, or for our own contents.

use std::time::Instant;

use muji_jingle::SessionId;

/// Offers of JIDs that do not take part yet, or before we do, and until when they wait.
#[derive(Debug, Clone, Default)]
pub(super) struct HeldOffers(Vec<(SessionId, Instant)>);

impl HeldOffers {
    pub(super) fn hold(&mut self, id: SessionId, until: Instant) {
        self.0.push((id, until));
    }

    pub(super) fn release(&mut self, id: SessionId) {
        self.0.retain(|(held, _)| *held != id);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = SessionId> {
        self.0.iter().map(|(id, _)| *id)
    }

    pub(super) fn expired(&self, now: Instant) -> Vec<SessionId> {
        self.0.iter().filter(|(_, until)| *until <= now).map(|(id, _)| *id).collect()
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = Instant> {
        self.0.iter().map(|(_, until)| *until)
    }
}
