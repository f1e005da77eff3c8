//! A monitor or a window that is being captured.

use std::time::{Duration, Instant};

use x11rb::connection::Connection as _;
use x11rb::errors::{ConnectionError, ReplyError, ReplyOrIdError};
use x11rb::protocol::composite::{ConnectionExt as _, Redirect};
use x11rb::protocol::damage::{ConnectionExt as _, Damage, ReportLevel};
use x11rb::protocol::randr::{ConnectionExt as _, NotifyMask};
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, Drawable, EventMask, MapState, Pixmap, Window,
};
use x11rb::protocol::{ErrorKind, Event};

use super::cursor::Cursor;
use super::grabber::Grabber;
use super::server::Server;
use super::surface::Surface;
use crate::device::DeviceError;
use crate::video::frame::VideoFrame;

/// What is asked of a screen or a window while it takes another size may be wrong for a moment; longer is a fault.
const SETTLING: Duration = Duration::from_secs(2);

/// A window that takes one size after the other, as when its edge is dragged, keeps its last picture until it has kept one for so long:
/// each size costs a key frame.
const RESIZING: Duration = Duration::from_millis(300);

/// No part of a damage stays: all of it will be captured.
const WHOLE: u32 = x11rb::NONE;

/// What is captured, as it was last seen.
pub(super) struct View {
    server: Server,
    surface: Surface,
    /// `None` while a window is not on the screen.
    place: Option<Place>,
    /// What a window shows, kept by the server.
    kept: Option<Pixmap>,
    /// It may be elsewhere or have another size.
    has_moved: bool,
    /// When it took another size, if that is not shown yet.
    resized: Option<Instant>,
    damage: Option<Damage>,
    /// Something was drawn since the last look; where the server does not say it, always.
    is_damaged: bool,
    cursor: Option<Cursor>,
    grabber: Grabber,
    /// Since when the server refuses what it is asked.
    refused: Option<Instant>,
}

/// Where the pixels are.
#[derive(Debug, Clone, Copy)]
struct Place {
    of: Drawable,
    corner: [i16; 2],
    sides: [u16; 2],
}

/// Why nothing is seen.
enum Fault {
    /// It will not be seen again.
    Ended(DeviceError),
    /// The server refuses something.
    Refused(ReplyOrIdError),
}

impl View {
    /// Begins to watch; nothing is captured yet.
    pub(super) fn open(display: Option<&str>, surface: Surface) -> Result<Self, DeviceError> {
        let server = Server::connect(display)?;
        let begun = begin(&server, &surface);
        let damage = begun.map_err(|why| refused(&surface, &why))?;
        let grabber = Grabber::new(server.has.shared_memory);
        Ok(Self {
            server,
            surface,
            place: None,
            kept: None,
            has_moved: true,
            resized: None,
            damage,
            is_damaged: true,
            cursor: None,
            grabber,
            refused: None,
        })
    }

    /// What is shown now, if it is something else than at the last look.
    ///
    /// # Errors
    /// If the window was closed, or the monitor or the server is gone.
    pub(super) fn look(&mut self, now: Instant) -> Result<Option<VideoFrame>, DeviceError> {
        match self.grab_if_changed(now) {
            Ok(is_new) => {
                self.refused = None;
                Ok(if is_new { self.grabber.pixels.to_frame() } else { None })
            }
            Err(Fault::Refused(ReplyOrIdError::X11Error(why)))
                if matches!(why.error_kind, ErrorKind::Match | ErrorKind::Value)
                    && now.saturating_duration_since(*self.refused.get_or_insert(now)) < SETTLING =>
            {
                (self.has_moved, self.is_damaged) = (true, true);
                Ok(None)
            }
            Err(Fault::Refused(why)) => Err(refused(&self.surface, &why)),
            Err(Fault::Ended(why)) => Err(why),
        }
    }

    fn grab_if_changed(&mut self, now: Instant) -> Result<bool, Fault> {
        self.take_events()?;
        if self.has_moved {
            let before = self.place.map(|place| place.sides);
            self.place = self.find()?;
            if before.is_some() && before != self.place.map(|place| place.sides) {
                self.resized = Some(now);
            }
            (self.has_moved, self.is_damaged) = (false, true);
        }
        if self.resized.is_some_and(|at| now.saturating_duration_since(at) < RESIZING) {
            return Ok(false);
        }
        self.resized = None;
        let Some(place) = self.place else { return Ok(false) };
        let cursor = self.cursor(place)?;
        if !self.is_damaged && cursor == self.cursor {
            return Ok(false);
        }
        let connection = &self.server.connection;
        if let Some(damage) = self.damage {
            // Before the pixels are asked for: what is drawn behind them is damage again.
            connection.damage_subtract(damage, WHOLE, WHOLE)?;
        }
        self.grabber.grab(connection, place.of, place.corner, place.sides)?;
        if let Some(cursor) = &cursor {
            cursor.draw(&mut self.grabber.pixels);
        }
        (self.cursor, self.is_damaged) = (cursor, self.damage.is_none());
        Ok(true)
    }

    fn take_events(&mut self) -> Result<(), Fault> {
        while let Some(event) = self.server.connection.poll_for_event()? {
            match event {
                Event::DamageNotify(_) => self.is_damaged = true,
                Event::RandrScreenChangeNotify(_)
                | Event::RandrNotify(_)
                | Event::MapNotify(_)
                | Event::ConfigureNotify(_) => self.has_moved = true,
                // A window that is minimised keeps its last picture.
                Event::UnmapNotify(_) => self.place = None,
                Event::DestroyNotify(_) => return Err(Fault::Ended(self.surface.gone())),
                _ => {}
            }
        }
        Ok(())
    }

    /// Where it is now.
    fn find(&mut self) -> Result<Option<Place>, Fault> {
        match &self.surface {
            Surface::Monitor(name) => {
                let monitors = self.server.monitors()?;
                let monitor = monitors.into_iter().find(|monitor| monitor.name == *name);
                let monitor = monitor.ok_or_else(|| Fault::Ended(self.surface.gone()))?;
                Ok(Some(Place { of: self.server.root, corner: monitor.corner, sides: monitor.sides }))
            }
            Surface::Window(window, _) => self.find_window(*window),
        }
    }

    /// A window's pixels have a new name whenever it takes another size or comes back to the screen.
    fn find_window(&mut self, window: Window) -> Result<Option<Place>, Fault> {
        let connection = &self.server.connection;
        if let Some(pixmap) = self.kept.take() {
            connection.free_pixmap(pixmap)?;
        }
        if connection.get_window_attributes(window)?.reply()?.map_state != MapState::VIEWABLE {
            return Ok(None);
        }
        let pixmap = connection.generate_id()?;
        connection.composite_name_window_pixmap(window, pixmap)?.check()?;
        self.kept = Some(pixmap);
        let shown = connection.get_geometry(pixmap)?.reply()?;
        if ![24, 32].contains(&shown.depth) {
            let why = format!("{} cannot be shared: it has {} bits a pixel", self.surface, shown.depth);
            return Err(Fault::Ended(DeviceError(why)));
        }
        Ok(Some(Place { of: pixmap, corner: [0, 0], sides: [shown.width, shown.height] }))
    }

    /// The pointer, if it is over what is captured.
    fn cursor(&self, place: Place) -> Result<Option<Cursor>, Fault> {
        let corner = match self.surface {
            Surface::Monitor(_) => place.corner.map(i32::from),
            Surface::Window(window, _) => {
                let at = self.server.connection.translate_coordinates(window, self.server.root, 0, 0)?.reply()?;
                [at.dst_x, at.dst_y].map(i32::from)
            }
        };
        let cursor = self.server.cursor(corner)?;
        Ok(cursor.filter(|cursor| cursor.is_within(place.sides.map(usize::from))))
    }
}

/// Has the server say what happens to it, and keep what a window shows.
fn begin(server: &Server, surface: &Surface) -> Result<Option<Damage>, ReplyOrIdError> {
    let connection = &server.connection;
    let drawn_on = match surface {
        Surface::Monitor(_) => {
            if server.has.randr {
                let events = NotifyMask::SCREEN_CHANGE | NotifyMask::CRTC_CHANGE | NotifyMask::OUTPUT_CHANGE;
                connection.randr_select_input(server.root, events)?.check()?;
            }
            // Monitors that a program defines are told by this event alone.
            let events = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
            connection.change_window_attributes(server.root, &events)?.check()?;
            server.root
        }
        Surface::Window(window, _) => {
            let events = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
            connection.change_window_attributes(*window, &events)?.check()?;
            connection.composite_redirect_window(*window, Redirect::AUTOMATIC)?.check()?;
            *window
        }
    };
    if !server.has.damage {
        return Ok(None);
    }
    let damage = connection.generate_id()?;
    connection.damage_create(damage, drawn_on, ReportLevel::NON_EMPTY)?.check()?;
    Ok(Some(damage))
}

fn refused(surface: &Surface, why: &ReplyOrIdError) -> DeviceError {
    match why {
        ReplyOrIdError::ConnectionError(ConnectionError::IoError(_)) => {
            DeviceError(format!("{surface} is not shared any more: the X server has ended"))
        }
        ReplyOrIdError::X11Error(why)
            if matches!(surface, Surface::Window(..))
                && matches!(why.error_kind, ErrorKind::Window | ErrorKind::Drawable | ErrorKind::Pixmap) =>
        {
            surface.gone()
        }
        why => DeviceError(format!("{surface} cannot be shared: {why}")),
    }
}

impl From<ReplyOrIdError> for Fault {
    fn from(why: ReplyOrIdError) -> Self {
        Self::Refused(why)
    }
}

impl From<ReplyError> for Fault {
    fn from(why: ReplyError) -> Self {
        Self::Refused(why.into())
    }
}

impl From<ConnectionError> for Fault {
    fn from(why: ConnectionError) -> Self {
        Self::Refused(why.into())
    }
}
