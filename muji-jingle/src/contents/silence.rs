//! Contents of which nothing comes though the path works, and why.
//!
//! ```text
//!  heard ── the media layer reports silence ──► silent, because muted, held or for no known reason
//!    ▲                                              │ the peer says that it sends again, and nothing
//!    └────────────── a packet comes ────────────────┤ comes for a while
//!                                                   ▼
//!                                            silent for no known reason
//! ```

use std::time::Instant;

use muji_xep::rtp::Media;

use super::SessionContents;
use super::content::{Flow, SessionContent};
use super::hearing::Silence;

impl SessionContents {
    /// Nothing comes of this content: its medium, and why.
    pub(crate) fn silenced(&mut self, label: &str) -> Option<(Media, Silence)> {
        let (held, side) = (self.holding.peer, self.side);
        let content = self.labelled(label).filter(|content| content.is_received(side))?;
        content.flow = Flow::Nothing;
        let why = if content.hearing.muted {
            Silence::Muted
        } else if held {
            Silence::Held
        } else {
            Silence::Unexplained
        };
        content.hearing.silent = Some(why);
        content.hearing.due = None;
        Some((content.spec.media.clone(), why))
    }

    /// Something comes of this content.
    pub(crate) fn heard(&mut self, label: &str) {
        if let Some(content) = self.labelled(label) {
            let after_silence = content.hearing.silent.take().is_some();
            content.hearing.due = None;
            if content.flow == Flow::Nothing {
                content.flow = Flow::Unreported { after_silence };
            }
        }
    }

    /// The peer muted a content, or all (`None`).
    pub(crate) fn muted(&mut self, label: Option<&str>) {
        for content in self.list.iter_mut().filter(|content| label.is_none_or(|label| content.label == label)) {
            content.hearing.muted = true;
        }
    }

    /// The peer sends a content again, or all (`None`).
    pub(crate) fn unmuted(&mut self, now: Instant, label: Option<&str>) {
        for content in self.list.iter_mut().filter(|content| label.is_none_or(|label| content.label == label)) {
            content.hearing.muted = false;
            content.hearing.expect(now, Silence::Muted);
        }
    }

    /// The peer does not hold the call any more.
    pub(crate) fn unheld(&mut self, now: Instant) {
        self.list.iter_mut().for_each(|content| content.hearing.expect(now, Silence::Held));
    }

    /// Contents that were to be heard by now.
    pub(crate) fn still_silent(&self, now: Instant) -> Vec<String> {
        let due = self.list.iter().filter(|content| content.hearing.due.is_some_and(|due| due <= now));
        due.map(|content| content.label.clone()).collect()
    }

    /// When the next one is.
    pub(crate) fn poll_silence(&self) -> Option<Instant> {
        self.list.iter().filter_map(|content| content.hearing.due).min()
    }

    /// True if something comes of any content.
    pub(crate) fn is_heard(&self) -> bool {
        self.list.iter().any(|content| content.flow != Flow::Nothing)
    }

    /// The contents of which nothing comes, and why.
    pub(crate) fn silent(&self) -> Vec<(String, Media, Silence)> {
        let silent = self.list.iter().filter_map(|content| {
            let why = content.hearing.silent?;
            Some((content.label.clone(), content.spec.media.clone(), why))
        });
        silent.collect()
    }

    fn labelled(&mut self, label: &str) -> Option<&mut SessionContent> {
        self.list.iter_mut().find(|content| content.label == label)
    }
}
