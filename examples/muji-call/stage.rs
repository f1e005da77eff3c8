//! What a window or a picture of it shows: the people of the call, their pictures, what goes on.

#![cfg_attr(not(feature = "window"), allow(dead_code, reason = "without a window nobody looks"))]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use muji_core::{Media, SessionId};
use muji_media::device::{VideoSink, Whose};
use muji_media::video_frame::VideoFrame;

/// A picture older than this is no picture of somebody any more.
const FRESH: Duration = Duration::from_secs(3);

/// One of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) session: Option<SessionId>,
    /// Is heard just now.
    pub(crate) speaks: bool,
    /// Sends no sound on purpose.
    pub(crate) muted: bool,
    /// Sends no pictures on purpose.
    pub(crate) dark: bool,
    /// How we stand with it, in words, if it is not well.
    pub(crate) trouble: Option<String>,
}

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    /// Where the call is, or with whom.
    pub(crate) title: String,
    /// Our name.
    pub(crate) name: String,
    pub(crate) muted: bool,
    pub(crate) dark: bool,
    pub(crate) in_call: bool,
    /// Who rings.
    pub(crate) rings: Option<String>,
    /// Digits to compare by voice.
    pub(crate) digits: Option<String>,
    /// What was said last.
    pub(crate) said: String,
    pub(crate) people: Vec<Person>,
    /// The last picture of everybody, and when it came.
    pictures: BTreeMap<Whose, (VideoFrame, Instant)>,
    /// The program ends.
    pub(crate) over: bool,
}

impl Scene {
    /// Our picture, while we show some.
    pub(crate) fn ours(&self) -> Option<(&VideoFrame, Instant)> {
        self.fresh(&Whose::Ours(Media::Video))
    }

    /// The picture of somebody, or of their screen: the newest, if there are several.
    pub(crate) fn of(&self, person: &Person, media: &Media) -> Option<(&Whose, &VideoFrame, Instant)> {
        let session = person.session?;
        let shows = |whose: &&Whose| matches!(whose, Whose::Theirs(of, _, what) if *of == session && what == media);
        let theirs = self.pictures.keys().filter(shows);
        let fresh = theirs.filter_map(|whose| self.fresh(whose).map(|(picture, at)| (whose, picture, at)));
        fresh.max_by_key(|(.., at)| *at)
    }

    fn fresh(&self, whose: &Whose) -> Option<(&VideoFrame, Instant)> {
        let (picture, at) = self.pictures.get(whose)?;
        (at.elapsed() < FRESH).then_some((picture, *at))
    }
}

/// The scene, shared by the program, the media layer and the window.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stage(Arc<Mutex<Scene>>);

impl Stage {
    /// Looks at the scene or changes it.
    pub(crate) fn with<Seen>(&self, act: impl FnOnce(&mut Scene) -> Seen) -> Seen {
        // Whoever panicked in between left nothing half done that matters: all of it is said again each second.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl VideoSink for Stage {
    fn show(&mut self, whose: &Whose, picture: VideoFrame) {
        self.with(|scene| drop(scene.pictures.insert(whose.clone(), (picture, Instant::now()))));
    }

    fn end(&mut self, whose: &Whose) {
        self.with(|scene| drop(scene.pictures.remove(whose)));
    }
}
