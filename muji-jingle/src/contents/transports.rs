//! The transports of a session.

use std::time::Instant;

use super::restart::IceRestart;
use super::transport::SessionTransport;
use crate::fault::NegotiationError;
use crate::ids::{SessionId, TransportId};
use crate::media::MediaCommand;

/// All transports of a session, and how many there ever were.
#[derive(Debug, Clone)]
pub(crate) struct SessionTransports {
    transports: Vec<SessionTransport>,
    /// Made so far. An index is never used again: reports about it may be under way. In a long call pictures come and go hundreds of times.
    made: u32,
    /// The media layer can restart ICE.
    ice_restart: bool,
}

impl SessionTransports {
    /// None yet.
    pub(super) fn new(ice_restart: bool) -> Self {
        Self { transports: Vec::new(), made: 0, ice_restart }
    }

    /// Adds one.
    ///
    /// # Errors
    /// If the session has had too many already.
    pub(super) fn add(&mut self, session: SessionId) -> Result<TransportId, NegotiationError> {
        let id = TransportId { session, index: self.made };
        self.made = self.made.checked_add(1).ok_or(NegotiationError::TooMany)?;
        self.transports.push(SessionTransport::new(id, IceRestart::new(self.ice_restart)));
        Ok(id)
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, SessionTransport> {
        self.transports.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, SessionTransport> {
        self.transports.iter_mut()
    }

    pub(super) fn find(&mut self, id: TransportId) -> Option<&mut SessionTransport> {
        self.iter_mut().find(|transport| transport.id == id)
    }

    pub(crate) fn has(&self, id: TransportId) -> bool {
        self.iter().any(|transport| transport.id == id)
    }

    /// The transport of a content.
    pub(super) fn of(&self, id: TransportId) -> &SessionTransport {
        self.iter().find(|transport| transport.id == id).expect("every content has its transport")
    }

    /// The transport of a content.
    pub(super) fn of_mut(&mut self, id: TransportId) -> &mut SessionTransport {
        self.find(id).expect("every content has its transport")
    }

    /// Forgets those that no content travels by.
    pub(super) fn retain(&mut self, used: &[TransportId]) {
        self.transports.retain(|transport| used.contains(&transport.id));
    }

    /// The certificates of both sides, ours first.
    pub(crate) fn fingerprints(&self) -> [Vec<&[u8]>; 2] {
        let ours = self.iter().filter_map(|transport| Some(transport.local.as_ref()?.fingerprint.as_slice()));
        let theirs = self.iter().filter_map(|transport| Some(transport.remote.as_ref()?.fingerprint.as_slice()));
        [ours.collect(), theirs.collect()]
    }

    /// A transport does not work, or its address is gone: ICE restarts, and again until it works.
    pub(crate) fn want_restart(&mut self, now: Instant, id: TransportId) {
        if let Some(transport) = self.find(id).filter(|transport| transport.started) {
            transport.restart.want(now);
        }
    }

    /// The restarts that are due.
    pub(crate) fn handle_restarts(&mut self, now: Instant) -> Vec<MediaCommand> {
        let due = self.iter_mut().filter_map(|transport| {
            let id = transport.id;
            transport.restart.handle_timeout(now).then_some(MediaCommand::Restart { transport: id })
        });
        due.collect()
    }

    /// When the next restart is due.
    pub(crate) fn poll_restart(&self) -> Option<Instant> {
        self.iter().filter_map(|transport| transport.restart.poll_timeout()).min()
    }

    /// Our restart did not reach the peer.
    pub(crate) fn restart_undelivered(&mut self, id: TransportId) {
        if let Some(transport) = self.find(id) {
            transport.restart.undelivered();
        }
    }
}
