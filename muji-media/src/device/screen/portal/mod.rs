//! Screens and windows of any desktop that has a portal, above all of Wayland desktops.
//!
//! The desktop itself asks its user what is shared, in a dialog, when the first frame is wanted. It draws the pointer in, and shows in its
//! panel that something is shared; there the user can end it. [`VideoSource::release`] ends it too. If it is wanted again, the desktop
//! need not ask again (from version 4 of the portal's interface on).
//!
//! ```text
//!  session: D-Bus, the dialog ─► stream: PipeWire, shared memory ─► pixels ─► I420
//! ```

mod buffer;
mod format;
mod session;
mod stream;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use zbus::blocking::Connection;

use super::asking::ask;
use super::watched::{Viewer, Watched};
use crate::device::interface::{DeviceError, VideoSource};
use crate::video::frame::VideoFrame;
use session::{ANSWER, Portal, connect};

/// Until it is known what is shared.
const SIZE: [usize; 2] = [1_280, 720];

/// A screen or window that the desktop's user chooses.
pub struct PortalCapture {
    /// It stays, because consent is given to it.
    bus: Connection,
    /// Asks for the same again, without a dialog.
    restore: Arc<Mutex<Option<String>>>,
    watched: Watched,
}

impl PortalCapture {
    /// By the portal of this desktop; nobody is asked yet. `bus` is the address of a session bus, by default that of the desktop.
    ///
    /// # Errors
    /// If there is no portal, or none that can share screens.
    pub fn find(bus: Option<&str>) -> Result<Self, DeviceError> {
        let bus = bus.map(str::to_owned);
        let bus = ask("the desktop's portal, or its D-Bus session bus,", ANSWER, move || {
            let bus = connect(bus.as_deref())?;
            Portal::find(&bus)?;
            Ok(bus)
        })?;
        Ok(Self { bus, restore: Arc::default(), watched: Watched::new(SIZE) })
    }
}

/// Shares until it is not wanted any more; why there will be no more.
fn watch(bus: &Connection, restore: &Mutex<Option<String>>, viewer: &Viewer) -> Result<(), DeviceError> {
    let portal = Portal::find(bus)?;
    let token = restore.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (mut session, mut shared) = portal.share(token.as_deref(), viewer)?;
    *restore.lock().unwrap_or_else(PoisonError::into_inner) = shared.restore.take();
    stream::watch(shared, &mut session, viewer)
}

impl VideoSource for PortalCapture {
    fn size(&self) -> [usize; 2] {
        self.watched.size()
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        if !self.watched.has_begun() {
            let (bus, restore) = (self.bus.clone(), self.restore.clone());
            self.watched.begin(move |viewer| {
                if let Err(why) = watch(&bus, &restore, viewer) {
                    viewer.saw(Err(why));
                }
            })?;
        }
        let silent = || DeviceError("nothing is shared any more: the desktop's portal or PipeWire hangs".to_owned());
        self.watched.newest(silent)
    }

    fn release(&mut self) {
        self.watched.release();
    }
}

impl fmt::Debug for PortalCapture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalCapture").field("size", &self.watched.size()).finish_non_exhaustive()
    }
}
