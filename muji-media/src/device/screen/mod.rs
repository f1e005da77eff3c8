//! Screens and windows of an X server, for others to see.
//!
//! A screen is one monitor. A window is captured by itself: what lies over it on the screen is not shown. The pointer is drawn in. Nothing
//! is captured before the first frame is wanted, and nothing after [`VideoSource::release`].
//!
//! ```text
//!  server: monitors, windows, pointer ─► view: has anything changed? ─► grabber: pixels ─► cursor drawn in ─► I420
//! ```
//!
//! The server says when something was drawn (DAMAGE); while nothing is and the pointer rests, nothing is captured.

mod cursor;
mod grabber;
mod pixels;
mod server;
mod surface;
mod view;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::interface::{DeviceError, VideoSource};
use crate::video::frame::{INTERVAL, VideoFrame};
use pixels::Pixels;
use server::{Monitor, Server, TitledWindow, lost};
use surface::Surface;
use view::View;

/// A server that answers nothing for so long has ended or hangs. Another program may stop it for a moment.
const SILENT: Duration = Duration::from_secs(5);

/// What is shown until the first frame comes.
const BLACK: [u8; 3] = [0, 0, 0];

/// A monitor or a window that can be shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The monitor's name, or the window's title.
    pub name: String,
    /// Its width and height in pixels.
    pub sides: [usize; 2],
}

/// A monitor or a window whose pictures are captured.
pub struct ScreenCapture {
    display: Option<String>,
    surface: Surface,
    /// That of the last frame: a window may take another.
    size: [usize; 2],
    /// Filled by a thread of its own, which lives as long as this.
    latest: Option<Arc<Mutex<Latest>>>,
    /// What was shown last.
    shown: VideoFrame,
}

/// What a thread has seen.
struct Latest {
    /// When it looked.
    at: Instant,
    /// A frame that was not taken yet, or why there will be none.
    frame: Result<Option<VideoFrame>, DeviceError>,
}

/// The monitors of an X server, the primary one first. `display` names the server, such as `:0`; by default `DISPLAY` does.
///
/// # Errors
/// If there is no X server, or it shows no more than its windows.
pub fn monitors(display: Option<&str>) -> Result<Vec<Listed>, DeviceError> {
    let listed = |Monitor { name, sides, .. }| Listed { name, sides: sides.map(usize::from) };
    Ok(server_with_monitors(display)?.1.into_iter().map(listed).collect())
}

/// The windows that are on the screen of an X server, and have a title; `display` as of [`monitors`].
///
/// # Errors
/// If there is no X server, or it cannot give windows.
pub fn windows(display: Option<&str>) -> Result<Vec<Listed>, DeviceError> {
    let listed = |TitledWindow { title, sides, .. }| Listed { name: title, sides: sides.map(usize::from) };
    Ok(titled_windows(display)?.into_iter().map(listed).collect())
}

fn server_with_monitors(display: Option<&str>) -> Result<(Server, Vec<Monitor>), DeviceError> {
    let server = Server::connect(display)?;
    if server.is_within_wayland() {
        let why = "no screen can be shared: on a Wayland desktop X programs see no more than each other's windows";
        return Err(DeviceError(why.to_owned()));
    }
    let monitors = server.monitors().map_err(|why| lost(&why))?;
    Ok((server, monitors))
}

fn titled_windows(display: Option<&str>) -> Result<Vec<TitledWindow>, DeviceError> {
    let server = Server::connect(display)?;
    if !server.has.composite {
        // Its pixels would be those of whatever lies over it.
        return Err(DeviceError("no window can be shared: the X server lacks the extension Composite".to_owned()));
    }
    server.windows().map_err(|why| lost(&why))
}

impl ScreenCapture {
    /// The monitor of this name; without, the primary one. `display` as of [`monitors`].
    ///
    /// # Errors
    /// If there is none, or no X server.
    pub fn of_monitor(display: Option<&str>, name: Option<&str>) -> Result<Self, DeviceError> {
        let (_, monitors) = server_with_monitors(display)?;
        let wanted = |monitor: &&Monitor| name.is_none_or(|name| monitor.name == name);
        let Some(monitor) = monitors.iter().find(wanted) else {
            let names: Vec<&str> = monitors.iter().map(|monitor| monitor.name.as_str()).collect();
            let why = format!("no screen is called {}; there are: {}", name.unwrap_or_default(), names.join(", "));
            return Err(DeviceError(why));
        };
        Self::new(display, Surface::Monitor(monitor.name.clone()), monitor.sides)
    }

    /// The window with this title or part of a title, in upper or lower case. `display` as of [`monitors`].
    ///
    /// # Errors
    /// If there is none, or no X server.
    pub fn of_window(display: Option<&str>, title: &str) -> Result<Self, DeviceError> {
        let windows = titled_windows(display)?;
        let wanted = title.to_lowercase();
        match windows.iter().find(|window| window.title.to_lowercase().contains(&wanted)) {
            Some(TitledWindow { window, title, sides }) => {
                Self::new(display, Surface::Window(*window, title.clone()), *sides)
            }
            None => {
                let titles: Vec<String> = windows.into_iter().map(|window| window.title).collect();
                let titles = if titles.is_empty() { "none".to_owned() } else { titles.join(", ") };
                Err(DeviceError(format!("no window is called {title}; there are: {titles}")))
            }
        }
    }

    fn new(display: Option<&str>, surface: Surface, sides: [u16; 2]) -> Result<Self, DeviceError> {
        let sides = Pixels::frame_sides(sides.map(usize::from));
        let size = sides.ok_or_else(|| DeviceError(format!("{surface} has no pixels to share")))?;
        let display = display.map(str::to_owned);
        Ok(Self { display, surface, size, latest: None, shown: VideoFrame::filled(size[0], size[1], BLACK) })
    }

    fn start(&mut self) -> Result<&Arc<Mutex<Latest>>, DeviceError> {
        let latest = Arc::new(Mutex::new(Latest { at: Instant::now(), frame: Ok(None) }));
        let (display, surface, filled) = (self.display.clone(), self.surface.clone(), Arc::downgrade(&latest));
        let thread = std::thread::Builder::new().name("muji-screen".to_owned());
        let thread = thread.spawn(move || watch(display.as_deref(), surface, &filled));
        thread.map_err(|why| DeviceError(format!("the system gives no thread: {why}")))?;
        Ok(self.latest.insert(latest))
    }
}

/// Looks at what is shared, thirty times a second, until it is not wanted any more.
fn watch(display: Option<&str>, surface: Surface, latest: &Weak<Mutex<Latest>>) {
    let mut view = View::open(display, surface);
    let mut due = Instant::now();
    while latest.strong_count() > 0 {
        let seen = view.as_mut().map_err(|why| why.clone()).and_then(|view| view.look(Instant::now()));
        let Some(latest) = latest.upgrade() else { return };
        let ended = seen.is_err();
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.at = Instant::now();
        if !matches!(seen, Ok(None)) {
            latest.frame = seen;
        }
        drop(latest);
        if ended {
            return;
        }
        due = (due + INTERVAL).max(Instant::now());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

impl VideoSource for ScreenCapture {
    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        let latest = match &self.latest {
            Some(latest) => latest.clone(),
            None => self.start()?.clone(),
        };
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut latest.frame {
            Err(why) => return Err(why.clone()),
            Ok(frame) => {
                if let Some(frame) = frame.take() {
                    self.size = [frame.width(), frame.height()];
                    self.shown = frame;
                }
            }
        }
        if latest.at.elapsed() > SILENT {
            return Err(DeviceError(format!("{} is not shared any more: the X server answers nothing", self.surface)));
        }
        Ok(self.shown.clone())
    }

    fn release(&mut self) {
        self.latest = None;
        self.shown = VideoFrame::filled(self.size[0], self.size[1], BLACK); // What is shown again later begins with what is there then.
    }
}

impl fmt::Debug for ScreenCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScreenCapture")
            .field("surface", &self.surface)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}
