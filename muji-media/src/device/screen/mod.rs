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

mod asking;
mod cursor;
mod grabber;
mod pixels;
#[cfg(feature = "portal")]
pub mod portal;
mod server;
mod surface;
mod view;
mod watched;

use std::fmt;
use std::time::Instant;

use super::interface::{DeviceError, VideoSource};
use crate::video::frame::{INTERVAL, VideoFrame};
use asking::ask;
use pixels::Pixels;
use server::{Monitor, Server, TitledWindow, lost};
use surface::Surface;
use view::View;
use watched::{SILENT, Viewer, Watched};

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
    watched: Watched,
}

/// The monitors of an X server, the primary one first. `display` names the server, such as `:0`; by default `DISPLAY` does.
///
/// # Errors
/// If there is no X server, or it shows no more than its windows.
pub fn monitors(display: Option<&str>) -> Result<Vec<Listed>, DeviceError> {
    let listed = |Monitor { name, sides, .. }| Listed { name, sides: sides.map(usize::from) };
    Ok(all_monitors(display)?.into_iter().map(listed).collect())
}

/// The windows that are on the screen of an X server, and have a title; `display` as of [`monitors`].
///
/// # Errors
/// If there is no X server, or it cannot give windows.
pub fn windows(display: Option<&str>) -> Result<Vec<Listed>, DeviceError> {
    let listed = |TitledWindow { title, sides, .. }| Listed { name: title, sides: sides.map(usize::from) };
    Ok(titled_windows(display)?.into_iter().map(listed).collect())
}

/// Asks an X server.
fn ask_server<T: Send + 'static>(
    display: Option<&str>,
    question: fn(&Server) -> Result<T, DeviceError>,
) -> Result<T, DeviceError> {
    let display = display.map(str::to_owned);
    ask("the X server", SILENT, move || Server::connect(display.as_deref()).and_then(|server| question(&server)))
}

fn all_monitors(display: Option<&str>) -> Result<Vec<Monitor>, DeviceError> {
    ask_server(display, monitors_of)
}

fn monitors_of(server: &Server) -> Result<Vec<Monitor>, DeviceError> {
    if server.is_within_wayland() {
        let why = "no screen can be shared: on a Wayland desktop X programs see no more than each other's windows";
        return Err(DeviceError(why.to_owned()));
    }
    server.monitors().map_err(|why| lost(&why))
}

fn titled_windows(display: Option<&str>) -> Result<Vec<TitledWindow>, DeviceError> {
    ask_server(display, windows_of)
}

fn windows_of(server: &Server) -> Result<Vec<TitledWindow>, DeviceError> {
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
        let monitors = all_monitors(display)?;
        let wanted = |monitor: &&Monitor| name.is_none_or(|name| monitor.name == name);
        let Some(monitor) = monitors.iter().find(wanted) else {
            let names: Vec<&str> = monitors.iter().map(|monitor| monitor.name.as_str()).collect();
            let why = format!("no screen is called {}; there are: {}", name.unwrap_or_default(), names.join(", "));
            return Err(DeviceError(why));
        };
        Self::new(display, Surface::Monitor(monitor.name.clone()), monitor.sides)
    }

    /// The window with this title; without one, that whose title has this part, in upper or lower case. `display` as of [`monitors`].
    ///
    /// # Errors
    /// If there is none, if there are several, if the title is empty, or if there is no X server.
    pub fn of_window(display: Option<&str>, title: &str) -> Result<Self, DeviceError> {
        if title.trim().is_empty() {
            return Err(DeviceError("a window is shared by its title or a part of it, not by an empty one".to_owned()));
        }
        let windows = titled_windows(display)?;
        match &matching(&windows, title)[..] {
            [TitledWindow { window, title, sides }] => {
                Self::new(display, Surface::Window(*window, title.clone()), *sides)
            }
            [] if windows.is_empty() => Err(DeviceError(format!("no window is called {title}; there are: none"))),
            [] => {
                let all = titles(&windows.iter().collect::<Vec<_>>());
                Err(DeviceError(format!("no window is called {title}; there are: {all}")))
            }
            several => {
                let several = titles(several);
                Err(DeviceError(format!("several windows are called {title}: {several}; name one in full")))
            }
        }
    }

    fn new(display: Option<&str>, surface: Surface, sides: [u16; 2]) -> Result<Self, DeviceError> {
        let sides = Pixels::frame_sides(sides.map(usize::from));
        let size = sides.ok_or_else(|| DeviceError(format!("{surface} has no pixels to share")))?;
        Ok(Self { display: display.map(str::to_owned), surface, watched: Watched::new(size) })
    }
}

/// The windows with this title, or else those with it as a part.
fn matching<'a>(windows: &'a [TitledWindow], title: &str) -> Vec<&'a TitledWindow> {
    let exact: Vec<&TitledWindow> = windows.iter().filter(|window| window.title == title).collect();
    if !exact.is_empty() {
        return exact;
    }
    let part = title.to_lowercase();
    windows.iter().filter(|window| window.title.to_lowercase().contains(&part)).collect()
}

fn titles(windows: &[&TitledWindow]) -> String {
    windows.iter().map(|window| window.title.as_str()).collect::<Vec<_>>().join(", ")
}

/// Looks at what is shared, thirty times a second, until it is not wanted any more.
fn watch(display: Option<&str>, surface: Surface, viewer: &Viewer) {
    let mut view = View::open(display, surface);
    let mut due = Instant::now();
    while viewer.is_wanted() {
        let seen = view.as_mut().map_err(|why| why.clone()).and_then(|view| view.look(Instant::now()));
        let has_ended = seen.is_err();
        viewer.saw(seen);
        if has_ended {
            return;
        }
        due = (due + INTERVAL).max(Instant::now());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}

impl VideoSource for ScreenCapture {
    fn size(&self) -> [usize; 2] {
        self.watched.size()
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        if !self.watched.has_begun() {
            let (display, surface) = (self.display.clone(), self.surface.clone());
            self.watched.begin(move |viewer| watch(display.as_deref(), surface, viewer))?;
        }
        let silent = || DeviceError(format!("{} is not shared any more: the X server answers nothing", self.surface));
        self.watched.newest(silent)
    }

    fn release(&mut self) {
        self.watched.release();
    }
}

impl fmt::Debug for ScreenCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScreenCapture")
            .field("surface", &self.surface)
            .field("size", &self.watched.size())
            .finish_non_exhaustive()
    }
}
