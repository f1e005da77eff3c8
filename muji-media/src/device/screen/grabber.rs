//! Pixels from an X server: by memory that is shared with it (MIT-SHM), or, where it runs on another machine, by the connection.

use std::fs::File;
use std::os::unix::fs::FileExt;

use x11rb::connection::Connection as _;
use x11rb::errors::ReplyOrIdError;
use x11rb::protocol::shm::{ConnectionExt as _, Seg};
use x11rb::protocol::xproto::{ConnectionExt as _, Drawable, ImageFormat};
use x11rb::rust_connection::RustConnection;

use super::pixels::{BYTES, Pixels};

/// All planes of all pixels.
const ALL: u32 = u32::MAX;

/// What is captured, and the memory for it.
pub(super) struct Grabber {
    shared: Option<Shared>,
    /// The server can share memory with us.
    shares: bool,
    pub(super) pixels: Pixels,
}

/// Memory of the server. It is read as a file: mapping it would be faster by one copy, some millisecond of a frame of 1080p, and unsafe.
struct Shared {
    segment: Seg,
    memory: File,
    length: usize,
}

impl Grabber {
    /// `shares`: the server can share memory, as far as it says.
    pub(super) fn new(shares: bool) -> Self {
        Self { shared: None, shares, pixels: Pixels::default() }
    }

    /// Fills [`Self::pixels`] with a rectangle of a window or a pixmap.
    ///
    /// # Errors
    /// If it is not there any more, or not that large.
    pub(super) fn grab(
        &mut self,
        server: &RustConnection,
        of: Drawable,
        [x, y]: [i16; 2],
        sides: [u16; 2],
    ) -> Result<(), ReplyOrIdError> {
        let [width, height] = sides;
        let length = usize::from(width) * usize::from(height) * BYTES;
        self.pixels.sides = sides.map(usize::from);
        self.pixels.bytes.resize(length, 0);
        // One on another machine has the extension, and cannot.
        self.shares = self.shares && self.share(server, length).is_ok();
        if let Some(Shared { segment, memory, .. }) = self.shared.as_ref().filter(|_| self.shares) {
            let format = ImageFormat::Z_PIXMAP.into();
            server.shm_get_image(of, x, y, width, height, ALL, format, *segment, 0)?.reply()?;
            if memory.read_exact_at(&mut self.pixels.bytes, 0).is_ok() {
                return Ok(());
            }
            self.shares = false;
            self.shared = None;
        }
        let image = server.get_image(ImageFormat::Z_PIXMAP, of, x, y, width, height, ALL)?.reply()?;
        self.pixels.bytes = image.data;
        self.pixels.bytes.resize(length, 0);
        Ok(())
    }

    /// Shares so much memory with the server, if less is shared yet.
    fn share(&mut self, server: &RustConnection, length: usize) -> Result<(), ReplyOrIdError> {
        if self.shared.as_ref().is_some_and(|shared| shared.length >= length) {
            return Ok(());
        }
        if let Some(Shared { segment, .. }) = self.shared.take() {
            server.shm_detach(segment)?;
        }
        let segment = server.generate_id()?;
        let size = u32::try_from(length).unwrap_or(u32::MAX); // Sides have 16 bits; so much no server has.
        let memory = server.shm_create_segment(segment, size, false)?.reply()?.shm_fd;
        self.shared = Some(Shared { segment, memory: File::from(memory), length });
        Ok(())
    }
}
