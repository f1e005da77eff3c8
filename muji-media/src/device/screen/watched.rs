//! Frames that a thread of its own captures: the newest is shown, and the thread ends when none is wanted any more.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::device::interface::DeviceError;
use crate::device::patience::Patience;
use crate::video::frame::VideoFrame;

/// A thread that has not looked for so long hangs, as the server does that it asks. Another program may stop that for a moment.
pub(super) const SILENT: Duration = Duration::from_secs(5);

/// What is shown until the first frame comes.
const BLACK: [u8; 3] = [0, 0, 0];

/// What is being captured.
pub(super) struct Watched {
    /// That of the last frame: a window may take another.
    size: [usize; 2],
    /// Filled by the thread, which lives as long as this.
    latest: Option<Arc<Mutex<Latest>>>,
    /// With that thread.
    patience: Patience,
    /// What was shown last.
    shown: VideoFrame,
}

/// What a thread has seen.
struct Latest {
    /// It has looked since the last capture.
    has_looked: bool,
    /// A frame that was not taken yet, or why there will be none.
    frame: Result<Option<VideoFrame>, DeviceError>,
}

/// The thread's end.
pub(super) struct Viewer(Weak<Mutex<Latest>>);

impl Watched {
    /// Nothing is captured yet; `size` is that of the first frame, as far as it is known.
    pub(super) fn new(size: [usize; 2]) -> Self {
        Self {
            size,
            latest: None,
            patience: Patience::new(Instant::now()),
            shown: VideoFrame::filled(size[0], size[1], BLACK),
        }
    }

    pub(super) fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Whether there is a thread.
    pub(super) fn has_begun(&self) -> bool {
        self.latest.is_some()
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// If the system gives none.
    pub(super) fn begin(&mut self, watch: impl FnOnce(&Viewer) + Send + 'static) -> Result<(), DeviceError> {
        let latest = Arc::new(Mutex::new(Latest { has_looked: true, frame: Ok(None) }));
        let viewer = Viewer(Arc::downgrade(&latest));
        let thread = std::thread::Builder::new().name("muji-screen".to_owned());
        thread.spawn(move || watch(&viewer)).map_err(|why| no_thread(&why))?;
        self.latest = Some(latest);
        Ok(())
    }

    /// The newest frame; `silent` says that the thread hangs.
    ///
    /// # Errors
    /// If there will be no more.
    pub(super) fn newest(&mut self, silent: impl FnOnce() -> DeviceError) -> Result<VideoFrame, DeviceError> {
        let Some(latest) = &self.latest else { return Ok(self.shown.clone()) };
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = latest.frame.as_mut().map_err(|why| why.clone())?.take() {
            self.size = [frame.width(), frame.height()];
            self.shown = frame;
        }
        let now = Instant::now();
        if std::mem::take(&mut latest.has_looked) {
            self.patience = Patience::new(now);
        } else if self.patience.wait(now) > SILENT {
            return Err(silent());
        }
        Ok(self.shown.clone())
    }

    /// Ends the thread.
    pub(super) fn release(&mut self) {
        self.latest = None;
        self.shown = VideoFrame::filled(self.size[0], self.size[1], BLACK); // What is shown again later begins with what is there then.
    }
}

impl Viewer {
    /// Whether frames are still wanted.
    pub(super) fn is_wanted(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// It has looked: there is another frame, none that is new, or there will be no more.
    pub(super) fn saw(&self, seen: Result<Option<VideoFrame>, DeviceError>) {
        let Some(latest) = self.0.upgrade() else { return };
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.has_looked = true;
        if !matches!(seen, Ok(None)) {
            latest.frame = seen;
        }
    }
}

pub(super) fn no_thread(why: &std::io::Error) -> DeviceError {
    DeviceError(format!("the system gives no thread: {why}"))
}
