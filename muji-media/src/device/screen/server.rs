//! An X server: its monitors, its windows and its pointer.

use x11rb::connection::{Connection as _, RequestConnection as _};
use x11rb::errors::{ConnectionError, ReplyError};
use x11rb::protocol::composite::{self, ConnectionExt as _};
use x11rb::protocol::damage::{self, ConnectionExt as _};
use x11rb::protocol::randr::{self, ConnectionExt as _};
use x11rb::protocol::shm::{self, ConnectionExt as _};
use x11rb::protocol::xfixes::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, ImageOrder, MapState, Window};
use x11rb::rust_connection::RustConnection;

use super::cursor::Cursor;
use crate::device::DeviceError;

/// Bytes of a window's title that are read; more is no title.
const MAX_TITLE: u32 = 1_024;

/// Windows that are looked at.
const MAX_WINDOWS: usize = 1_000;

/// The extension by which a server says that it shows its windows on a Wayland desktop.
const XWAYLAND: &str = "XWAYLAND";

/// A connection to a server.
pub(super) struct Server {
    pub(super) connection: RustConnection,
    pub(super) root: Window,
    /// What it has beyond the protocol's core.
    pub(super) has: Extensions,
}

/// Whether a server has these.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extensions {
    /// RandR 1.5: monitors.
    pub(super) randr: bool,
    /// It says when something is drawn.
    pub(super) damage: bool,
    /// It keeps what a window shows, also where others cover it.
    pub(super) composite: bool,
    /// It says how the pointer looks.
    pub(super) cursor: bool,
    /// It gives pictures in shared memory that it makes itself.
    pub(super) shared_memory: bool,
}

/// A monitor of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Monitor {
    pub(super) name: String,
    pub(super) is_primary: bool,
    /// Its corner on the server's screen.
    pub(super) corner: [i16; 2],
    pub(super) sides: [u16; 2],
}

/// A window that has a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TitledWindow {
    pub(super) window: Window,
    pub(super) title: String,
    pub(super) sides: [u16; 2],
}

impl Server {
    /// Connects to this server, or to the one that `DISPLAY` names.
    ///
    /// # Errors
    /// If there is none, or its pixels have a form that is not read here.
    pub(super) fn connect(display: Option<&str>) -> Result<Self, DeviceError> {
        let is_named = || std::env::var_os("DISPLAY").is_some_and(|display| !display.is_empty());
        if display.is_none() && !is_named() {
            return Err(DeviceError("no screen can be shared: DISPLAY names no X server".to_owned()));
        }
        let refused = |why| DeviceError(format!("no screen can be shared: the X server cannot be reached: {why}"));
        let (connection, number) = x11rb::connect(display).map_err(refused)?;
        let setup = connection.setup();
        let root = &setup.roots[number];
        let of_depth = setup.pixmap_formats.iter().find(|format| format.depth == root.root_depth);
        let is_read = root.root_depth == 24
            && of_depth.is_some_and(|format| format.bits_per_pixel == 32)
            && setup.image_byte_order == ImageOrder::LSB_FIRST;
        if !is_read {
            let depth = root.root_depth;
            return Err(DeviceError(format!("no screen can be shared: the X server has {depth} bits a pixel, not 24")));
        }
        let root = root.root;
        let has = Extensions::of(&connection).map_err(|why| lost(&why))?;
        Ok(Self { connection, root, has })
    }

    /// The monitors, the primary one first. Without RandR the whole screen is one.
    pub(super) fn monitors(&self) -> Result<Vec<Monitor>, ReplyError> {
        if !self.has.randr {
            let whole = self.connection.get_geometry(self.root)?.reply()?;
            let sides = [whole.width, whole.height];
            return Ok(vec![Monitor { name: "whole".to_owned(), is_primary: true, corner: [0, 0], sides }]);
        }
        let found = self.connection.randr_get_monitors(self.root, true)?.reply()?.monitors;
        let mut monitors = Vec::new();
        for monitor in found {
            let name = self.connection.get_atom_name(monitor.name)?.reply()?.name;
            let name = String::from_utf8_lossy(&name).into_owned();
            let (corner, sides) = ([monitor.x, monitor.y], [monitor.width, monitor.height]);
            monitors.push(Monitor { name, is_primary: monitor.primary, corner, sides });
        }
        monitors.sort_by_key(|monitor| !monitor.is_primary);
        Ok(monitors)
    }

    /// Whether only windows can be shared: on a Wayland desktop this server shows no more than they.
    pub(super) fn is_within_wayland(&self) -> bool {
        self.connection
            .query_extension(XWAYLAND.as_bytes())
            .ok()
            .and_then(|asked| asked.reply().ok())
            .is_some_and(|it| it.present)
    }

    /// The windows that have titles: those that the window manager lists, or, without one, those on the screen.
    pub(super) fn windows(&self) -> Result<Vec<TitledWindow>, ReplyError> {
        let listed = self.atom("_NET_CLIENT_LIST")?;
        let listed =
            self.connection.get_property(false, self.root, listed, AtomEnum::WINDOW, 0, MAX_WINDOWS as u32)?.reply()?;
        let windows = match listed.value32() {
            Some(windows) => windows.collect(),
            None => self.connection.query_tree(self.root)?.reply()?.children,
        };
        let titles = [self.atom("_NET_WM_NAME")?, AtomEnum::WM_NAME.into()];
        // One that is closed meanwhile is left out.
        let titled =
            windows.into_iter().take(MAX_WINDOWS).filter_map(|window| self.titled(window, titles).ok().flatten());
        Ok(titled.collect())
    }

    fn titled(&self, window: Window, titles: [Atom; 2]) -> Result<Option<TitledWindow>, ReplyError> {
        let shown = self.connection.get_window_attributes(window)?.reply()?;
        if shown.map_state == MapState::UNMAPPED {
            return Ok(None);
        }
        let geometry = self.connection.get_geometry(window)?.reply()?;
        for title in titles {
            let title = self.connection.get_property(false, window, title, AtomEnum::ANY, 0, MAX_TITLE / 4)?.reply()?;
            if !title.value.is_empty() {
                let title = String::from_utf8_lossy(&title.value).into_owned();
                return Ok(Some(TitledWindow { window, title, sides: [geometry.width, geometry.height] }));
            }
        }
        Ok(None)
    }

    /// The pointer; `corner` is that of what is captured, on the screen.
    pub(super) fn cursor(&self, corner: [i32; 2]) -> Result<Option<Cursor>, ReplyError> {
        if !self.has.cursor {
            return Ok(None);
        }
        let image = self.connection.xfixes_get_cursor_image()?.reply()?;
        let points_at = [i32::from(image.x) - corner[0], i32::from(image.y) - corner[1]];
        let hot_spot = [i32::from(image.xhot), i32::from(image.yhot)];
        let sides = [usize::from(image.width), usize::from(image.height)];
        Ok(Some(Cursor { points_at, hot_spot, sides, image: image.cursor_image }))
    }

    fn atom(&self, name: &str) -> Result<Atom, ReplyError> {
        Ok(self.connection.intern_atom(false, name.as_bytes())?.reply()?.atom)
    }
}

impl Extensions {
    /// A client must say the version that it knows before it uses an extension.
    fn of(connection: &RustConnection) -> Result<Self, ReplyError> {
        let has = |name| connection.extension_information(name).map(|it| it.is_some());
        let [cursor, randr, damage, composite, shared_memory] = [
            has(xfixes::X11_EXTENSION_NAME)?,
            has(randr::X11_EXTENSION_NAME)?,
            has(damage::X11_EXTENSION_NAME)?,
            has(composite::X11_EXTENSION_NAME)?,
            has(shm::X11_EXTENSION_NAME)?,
        ];
        let version = |major: u32, minor: u32| (major, minor);
        if cursor {
            connection.xfixes_query_version(5, 0)?.reply()?;
        }
        if damage {
            connection.damage_query_version(1, 1)?.reply()?;
        }
        let randr = randr && {
            let known = connection.randr_query_version(1, 5)?.reply()?;
            version(known.major_version, known.minor_version) >= (1, 5)
        };
        // 0.2 gives a window's pixels a name.
        let composite = composite && {
            let known = connection.composite_query_version(0, 4)?.reply()?;
            version(known.major_version, known.minor_version) >= (0, 2)
        };
        // 1.2 makes memory itself and passes it on.
        let shared_memory = shared_memory && {
            let known = connection.shm_query_version()?.reply()?;
            (known.major_version, known.minor_version) >= (1, 2)
        };
        Ok(Self { randr, damage, composite, cursor, shared_memory })
    }
}

/// The server does not do what it was asked for.
pub(super) fn lost(why: &ReplyError) -> DeviceError {
    match why {
        ReplyError::ConnectionError(ConnectionError::IoError(_)) => DeviceError("the X server has ended".to_owned()),
        why => DeviceError(format!("the X server does not give its screen: {why}")),
    }
}
