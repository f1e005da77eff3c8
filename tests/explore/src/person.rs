//! A person with a real Engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use jid::{BareJid, FullJid};
use muji_core::media::{Capabilities, MediaCommand};
use muji_core::{CallId, Engine, Event, SessionId};
use muji_simulation::instant_backend;
use muji_xep::rtp::PayloadType;

use crate::digest::Digest;
use crate::row::NAMES;

/// So long waits somebody behind a stalled participant here: far less than any other deadline, so that it can pass alone.
pub(crate) const PREPARING: Duration = Duration::from_millis(100);
pub(crate) const STAGGER: Duration = Duration::from_millis(20);

/// Somebody.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) engine: Engine,
    pub(crate) now: Instant,
    pub(crate) call: Option<CallId>,
    pub(crate) joined: bool,
    /// It has joined again.
    pub(crate) returned: bool,
    pub(crate) leaving: bool,
    /// The call is public.
    pub(crate) active: bool,
    /// How often contents were published in this stay.
    pub(crate) published: usize,
    /// Sessions whose media are open, with the peer and the id on the wire.
    pub(crate) sessions: BTreeMap<SessionId, (usize, String)>,
    /// What is agreed of pictures in each session: whether we send and receive them.
    pub(crate) pictures: BTreeMap<SessionId, (bool, bool)>,
    /// Told to show pictures.
    pub(crate) shows: bool,
    /// What is captured.
    pub(crate) captures: BTreeSet<String>,
    pub(crate) alive: bool,
    pub(crate) noticed: bool,
    /// Its stream is cut.
    pub(crate) cut: bool,
}

impl Person {
    /// In the call, as far as it knows, and alive.
    pub(crate) fn is_in(&self) -> bool {
        self.alive && self.active
    }

    /// Waits behind somebody who is preparing.
    pub(crate) fn waits(&self) -> bool {
        let due = self.engine.poll_timeout().map(|at| at.saturating_duration_since(self.now));
        due.is_some_and(|due| due <= PREPARING + 10 * STAGGER)
    }

    pub(crate) fn digest(&self) -> Digest {
        if self.alive {
            Digest::of(self, self.now)
        } else {
            Digest::of_text(if self.noticed { "gone" } else { "dead" }) // What it knew does nothing any more.
        }
    }

    pub(crate) fn obey(&mut self, command: &MediaCommand, opened: &mut BTreeMap<usize, SessionId>) {
        for report in instant_backend::obey(command) {
            self.engine.handle_media(self.now, &report);
        }
        match command {
            MediaCommand::Open { session, name, .. } if !self.sessions.contains_key(session) => {
                opened.insert(position(name), *session);
            }
            MediaCommand::Content { session, content, send, receive, .. } if content == "video" => {
                self.pictures.insert(*session, (send.is_some(), *receive));
            }
            MediaCommand::RemoveContent { session, content } if content == "video" => {
                self.pictures.remove(session);
            }
            MediaCommand::Close { session } => {
                self.sessions.remove(session);
                self.pictures.remove(session);
            }
            MediaCommand::Publish { publication, .. } => drop(self.captures.insert(publication.clone())),
            MediaCommand::Unpublish { publication, .. } => drop(self.captures.remove(publication)),
            _ => {}
        }
    }

    pub(crate) fn told(&mut self, event: &Event) {
        match event {
            Event::Joined { .. } => self.active = true,
            Event::Ended(_) => (self.call, self.active, self.leaving) = (None, false, false),
            _ => {}
        }
    }
}

/// Everybody's JID, made once: checking one takes longer than most moves.
pub(crate) static JIDS: LazyLock<Vec<FullJid>> = LazyLock::new(|| {
    // The name is also the device's: a session that is older than its presence is called by that.
    NAMES.iter().map(|name| format!("{name}@x/{name}").parse().expect("names are plain")).collect()
});

pub(crate) static ROOM: LazyLock<BareJid> = LazyLock::new(|| "r@conference.x".parse().expect("a room's name"));

pub(crate) fn jid(index: usize) -> FullJid {
    JIDS[index].clone()
}

pub(crate) fn index(jid: &FullJid) -> usize {
    position(jid.resource().as_str())
}

pub(crate) fn position(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).expect("there are no others")
}

pub(crate) fn room() -> BareJid {
    ROOM.clone()
}

pub(crate) fn occupant(index: usize) -> FullJid {
    room().with_resource_str(NAMES[index]).expect("names are plain")
}

/// The ids by which everybody knows Opus, and those for VP8, begin with these.
const AUDIO_IDS: u8 = 96;
const VIDEO_IDS: u8 = 104;

/// Who knows an encoding by this id.
#[cfg(test)]
pub(crate) fn whose_id(id: u8) -> Option<usize> {
    let among = |first: u8| id.checked_sub(first).map(usize::from).filter(|index| *index < NAMES.len());
    among(VIDEO_IDS).or_else(|| among(AUDIO_IDS))
}

/// Everybody knows Opus and VP8, each by other ids: without the order of the room their maps would differ.
pub(crate) fn codecs(index: usize) -> Capabilities {
    let index = u8::try_from(index).expect("few");
    let audio = PayloadType::new(AUDIO_IDS + index, "opus", 48_000, 2);
    Capabilities {
        audio: vec![audio],
        video: vec![PayloadType::new(VIDEO_IDS + index, "VP8", 90_000, 1)],
        ice_restart: true,
        bundling: true,
        ..Capabilities::default()
    }
}
