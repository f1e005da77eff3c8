//! ICE restarts (XEP-0176 section 5.9): other credentials for a path that does not work any more, or whose address is gone.
//!
//! Each side makes credentials of its own and tells them by transport-info; the certificate stays, and with it DTLS. Whoever
//! hears of other credentials and has told none itself answers with its own. Told at once by both, each takes the other's for the answer.

use std::time::{Duration, Instant};

use muji_xep::ice::Transport;
use muji_xep::jingle::Content;

use super::path::{Path, add_candidates};
use super::{Legs, named};
use crate::ids::TransportId;
use crate::media::{LocalTransport, MediaCommand};
use crate::timers;

/// Restarts told and not answered. A peer that does not answer two does not know them.
const MAX_OWED: u8 = 2;

/// Names of the peer that are not its any more: what still comes with them is late.
const MAX_PAST: usize = 8;

/// How far a path is with its restarts.
#[derive(Debug, Clone, Default)]
pub(super) struct Restart {
    /// How many there were of ours.
    pub(super) generation: u32,
    /// When the next one is due.
    at: Option<Instant>,
    /// The media layer makes other credentials.
    making: bool,
    /// With them the peer's restart is answered.
    answers: bool,
    /// Of ours the peer has to answer so many.
    owed: u8,
    /// The peer's names before.
    past: Vec<String>,
}

impl Legs {
    /// A path does not work, or its address is gone: it begins anew, and again until it works.
    pub(crate) fn want_restart(&mut self, now: Instant, transport: TransportId) {
        if let Some(path) = self.path(transport).filter(|path| path.started) {
            // While one is under way, addresses that come meanwhile are told as candidates.
            let pause = if path.restart.owed > 0 { timers::RESTART } else { Duration::ZERO };
            path.restart.at.get_or_insert(now + pause);
        }
    }

    /// The restarts that are due.
    pub(crate) fn restart_due(&mut self, now: Instant) -> Vec<MediaCommand> {
        let due = self.paths.iter_mut().filter(|path| path.restart.at.is_some_and(|at| at <= now));
        let commands = due.filter_map(|path| {
            path.restart.at = Some(now + timers::RESTART);
            let may = !path.restart.making && path.restart.owed < MAX_OWED;
            may.then(|| {
                path.restart.making = true;
                MediaCommand::Restart { transport: path.id }
            })
        });
        commands.collect()
    }

    pub(crate) fn restart_timeout(&self) -> Option<Instant> {
        self.paths.iter().filter_map(|path| path.restart.at).min()
    }

    /// Our restart did not reach the peer.
    pub(crate) fn restart_lost(&mut self, transport: TransportId) {
        if let Some(path) = self.path(transport) {
            path.restart.owed = path.restart.owed.saturating_sub(1);
        }
    }

    /// Our end of a path is another: what the peer is told of it.
    pub(super) fn renewed(&mut self, transport: TransportId, local: LocalTransport) -> Option<Content> {
        let path = self.path(transport).filter(|path| path.restart.making)?;
        path.restart.generation += 1;
        path.restart.making = false;
        if !std::mem::take(&mut path.restart.answers) {
            path.restart.owed += 1;
        }
        let told = Transport {
            ufrag: Some(local.ufrag.clone()),
            pwd: Some(local.pwd.clone()),
            candidates: path.dated(&local.candidates),
            ..Transport::default()
        };
        path.local = Some(local);
        let leg = self.legs.iter().find(|leg| leg.transport == transport)?;
        Some(Content { transport: Some(told), ..named(leg) })
    }
}

impl Path {
    pub(super) fn works(&mut self) {
        self.connected = true;
        self.restart.at = None;
    }

    /// What follows from a peer's news about its end. Before that is in use, addresses are kept for later: they may come before the
    /// answer does.
    pub(super) fn heard(&mut self, content: &Content) -> Vec<MediaCommand> {
        let mut commands = self.peer_restarts(content);
        let ufrag = content.transport.as_ref().and_then(|told| told.ufrag.as_ref());
        if ufrag.is_some_and(|ufrag| self.restart.past.contains(ufrag)) {
            return commands;
        }
        let (transport, started) = (self.id, self.started);
        let new = add_candidates(self, content).into_iter().filter(|_| started);
        commands.extend(new.map(|candidate| MediaCommand::Candidate { transport, candidate }));
        commands
    }

    /// Takes other credentials of the peer, if they are: its restart, or its answer to ours.
    fn peer_restarts(&mut self, content: &Content) -> Vec<MediaCommand> {
        let (Some(told), Some(remote)) = (&content.transport, &mut self.remote) else { return Vec::new() };
        let (Some(ufrag), Some(pwd)) = (&told.ufrag, &told.pwd) else { return Vec::new() };
        if !self.started || *ufrag == remote.ufrag || self.restart.past.contains(ufrag) {
            return Vec::new();
        }
        if self.restart.past.len() == MAX_PAST {
            self.restart.past.remove(0);
        }
        self.restart.past.push(std::mem::replace(&mut remote.ufrag, ufrag.clone()));
        remote.pwd = pwd.clone();
        let remote = MediaCommand::Remote { transport: self.id, remote: remote.clone() };
        self.candidates.clear();
        if self.restart.owed > 0 {
            self.restart.owed -= 1;
            return vec![remote];
        }
        self.restart.answers = true;
        let makes = std::mem::replace(&mut self.restart.making, true);
        let ours = (!makes).then_some(MediaCommand::Restart { transport: self.id });
        ours.into_iter().chain([remote]).collect()
    }
}
