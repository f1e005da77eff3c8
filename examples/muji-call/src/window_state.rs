//! What the window and its snapshots show: the participants, their pictures, the state of the call.

#![cfg_attr(not(feature = "window"), allow(dead_code, reason = "only the window reads it"))]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use muji_core::{Media, SessionId};
use muji_media::device::{VideoFrame, VideoOrigin, VideoSink};

/// An older picture is not shown any more.
const FRESH: Duration = Duration::from_secs(3);

/// A participant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) session: Option<SessionId>,
    /// Speaks now.
    pub(crate) speaks: bool,
    /// The microphone is muted.
    pub(crate) muted: bool,
    /// The camera is off.
    pub(crate) camera_off: bool,
    /// What is wrong with the connection, if anything is.
    pub(crate) problem: Option<String>,
}

/// Everything the window shows.
#[derive(Debug, Default)]
pub(crate) struct WindowState {
    /// Where the call is, or with whom.
    pub(crate) title: String,
    /// Our name.
    pub(crate) name: String,
    pub(crate) muted: bool,
    pub(crate) camera_off: bool,
    pub(crate) in_call: bool,
    /// Who rings.
    pub(crate) rings: Option<String>,
    /// The security code: digits to compare by voice.
    pub(crate) security_code: Option<String>,
    /// The latest message of the program.
    pub(crate) message: String,
    pub(crate) people: Vec<Person>,
    /// The last picture of everybody, and when it came.
    pictures: BTreeMap<VideoOrigin, (VideoFrame, Instant)>,
    /// The program ends.
    pub(crate) over: bool,
}

impl WindowState {
    /// The picture of somebody, or of their screen: the newest, if there are several.
    pub(crate) fn of(&self, person: &Person, media: &Media) -> Option<(&VideoOrigin, &VideoFrame, Instant)> {
        let session = person.session?;
        let shows =
            |whose: &&VideoOrigin| matches!(whose, VideoOrigin::Remote(of, _, what) if *of == session && what == media);
        let theirs = self.pictures.keys().filter(shows);
        let fresh = theirs.filter_map(|whose| self.fresh(whose).map(|(picture, at)| (whose, picture, at)));
        fresh.max_by_key(|(.., at)| *at)
    }

    /// A picture and when it came, while more of it come.
    pub(crate) fn fresh(&self, whose: &VideoOrigin) -> Option<(&VideoFrame, Instant)> {
        let (picture, at) = self.pictures.get(whose)?;
        (at.elapsed() < FRESH).then_some((picture, *at))
    }
}

/// The view, shared by the program, the media backend and the window.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedWindowState(Arc<Mutex<WindowState>>);

impl SharedWindowState {
    /// Reads or changes the view.
    pub(crate) fn with<Seen>(&self, act: impl FnOnce(&mut WindowState) -> Seen) -> Seen {
        // A panic elsewhere left nothing inconsistent that matters: everything is written again each second.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl VideoSink for SharedWindowState {
    fn show(&mut self, whose: &VideoOrigin, picture: VideoFrame) {
        self.with(|window_state| drop(window_state.pictures.insert(whose.clone(), (picture, Instant::now()))));
    }

    fn end(&mut self, whose: &VideoOrigin) {
        self.with(|window_state| drop(window_state.pictures.remove(whose)));
    }
}
