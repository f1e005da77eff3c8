//! Cameras, by Video4Linux.
//!
//! A camera is asked for its size when it is named, and opened when the first frame is wanted: until then its light is off.

mod format;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use linuxvideo::format::{PixFormat, PixelFormat};
use linuxvideo::{BufType, CapabilityFlags, Device, Fract, VideoCaptureDevice};

use super::interface::{DeviceError, VideoSource};
use crate::video::frame::{MAX_PIXELS, VideoFrame};
use format::Format;

/// The sides that are asked for, in pixels; a camera gives the nearest that it has.
const SIDES: [u32; 2] = [640, 360];

/// A camera that gives no frame for so long is gone, whatever the system says. Some take two seconds to begin.
const SILENT: Duration = Duration::from_secs(5);

/// Between two looks for a frame: a sixth of the time between two frames.
const LOOK: Duration = Duration::from_millis(5);

/// What is read here, best first: plain frames, then JPEG.
const READ: [PixelFormat; 3] = [PixelFormat::YUYV, PixelFormat::MJPG, PixelFormat::JPEG];

/// What is shown until the first frame comes.
const BLACK: [u8; 3] = [0, 0, 0];

/// What a camera showed last, or why it shows no more.
type Latest = Mutex<Result<Option<VideoFrame>, DeviceError>>;

/// A camera.
pub struct Camera {
    path: PathBuf,
    size: [usize; 2],
    /// Filled by a thread of its own, which lives as long as this.
    latest: Option<Arc<Latest>>,
    /// What was shown last.
    shown: VideoFrame,
}

impl std::fmt::Debug for Camera {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Camera").field("path", &self.path).field("size", &self.size).finish_non_exhaustive()
    }
}

/// A camera of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name, as its maker gave it.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
}

/// The cameras of this machine, by their files. Those that are not ours to open are left out.
#[must_use]
pub fn cameras() -> Vec<Listed> {
    let devices = linuxvideo::list().into_iter().flatten().filter_map(Result::ok);
    let mut cameras: Vec<Listed> = devices.filter_map(|device| listed(&device)).collect();
    cameras.sort_by(|one, other| one.path.cmp(&other.path));
    cameras
}

fn listed(device: &Device) -> Option<Listed> {
    let capabilities = device.capabilities().ok()?;
    let captures = capabilities.device_capabilities().contains(CapabilityFlags::VIDEO_CAPTURE);
    let is_read = || device.formats(BufType::VIDEO_CAPTURE).flatten().any(|it| READ.contains(&it.pixel_format()));
    (captures && is_read()).then(|| device.path().ok()).flatten().map(|path| {
        let name = capabilities.card().to_owned();
        Listed { name, path }
    })
}

impl Camera {
    /// The camera with this file (`/dev/video0`), name or part of a name; without, the first.
    ///
    /// # Errors
    /// If there is none, it is not ours to use, or gives frames in no form that we read.
    pub fn named(name: Option<&str>) -> Result<Self, DeviceError> {
        let path = match name {
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            _ => find(name)?,
        };
        let (device, format) = open(&path)?;
        drop(device);
        let size = format.even_sides();
        let shown = VideoFrame::filled(size[0], size[1], BLACK);
        Ok(Self { path, size, latest: None, shown })
    }
}

fn find(name: Option<&str>) -> Result<PathBuf, DeviceError> {
    let wanted = name.unwrap_or_default().to_lowercase();
    let cameras = cameras();
    match cameras.iter().find(|camera| camera.name.to_lowercase().contains(&wanted)) {
        Some(camera) => Ok(camera.path.clone()),
        None if cameras.is_empty() => Err(DeviceError("there is no camera, or none that is yours to use".to_owned())),
        None => {
            let names: Vec<String> = cameras.into_iter().map(|camera| camera.name).collect();
            Err(DeviceError(format!("no camera is called {wanted}; there are: {}", names.join(", "))))
        }
    }
}

/// What the system says of a camera.
fn fault(path: &Path) -> impl Fn(std::io::Error) -> DeviceError {
    move |why| DeviceError(format!("camera {}: {why}", path.display()))
}

/// Opens a camera, in the best form that is read here.
fn open(path: &Path) -> Result<(VideoCaptureDevice, Format), DeviceError> {
    let fault = fault(path);
    let device = Device::open(path).map_err(&fault)?;
    let formats: Vec<PixelFormat> =
        device.formats(BufType::VIDEO_CAPTURE).flatten().map(|format| format.pixel_format()).collect();
    let unread = || DeviceError(format!("camera {} gives frames in no form that is read here", path.display()));
    let wanted = READ.into_iter().find(|format| formats.contains(format)).ok_or_else(unread)?;
    let device = device.video_capture(PixFormat::new(SIDES[0], SIDES[1], wanted)).map_err(&fault)?;
    let given = device.format();
    let sides = [given.width(), given.height()].map(|side| side as usize);
    // It may give another than was asked for.
    let format = match given.pixel_format() {
        PixelFormat::YUYV => Format::Yuyv { sides, row: given.bytes_per_line() as usize },
        PixelFormat::MJPG | PixelFormat::JPEG => Format::Jpeg { sides },
        _ => return Err(unread()),
    };
    let pixels = sides[0].saturating_mul(sides[1]);
    if format.even_sides().contains(&0) || pixels > MAX_PIXELS {
        let [width, height] = sides;
        return Err(DeviceError(format!("camera {} gives frames of {width} x {height}", path.display())));
    }
    let _in_its_own_time = device.set_frame_interval(Fract::new(1, 30)).is_err();
    Ok((device, format))
}

/// Watches a camera until it is not wanted any more.
fn watch(path: &Path, latest: &Weak<Latest>) {
    let watched = look(path, latest);
    if let (Err(trouble), Some(latest)) = (watched, latest.upgrade()) {
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = Err(trouble);
    }
}

fn look(path: &Path, latest: &Weak<Latest>) -> Result<(), DeviceError> {
    let fault = fault(path);
    let (device, format) = open(path)?;
    let mut stream = device.into_stream().map_err(&fault)?;
    let mut until = Instant::now() + SILENT;
    while let Some(latest) = latest.upgrade() {
        if stream.will_block().map_err(&fault)? {
            if until <= Instant::now() {
                return Err(DeviceError(format!("camera {} gives no more frames", path.display())));
            }
            drop(latest);
            std::thread::sleep(LOOK);
            continue;
        }
        // A frame that came broken, over a cable that is too long, is left out.
        let frame = stream.dequeue(|bytes| Ok(format.read(&bytes).filter(|_| !bytes.is_error()))).map_err(&fault)?;
        if let Some(frame) = frame {
            until = Instant::now() + SILENT;
            *latest.lock().unwrap_or_else(PoisonError::into_inner) = Ok(Some(frame));
        }
    }
    Ok(())
}

impl VideoSource for Camera {
    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        let latest = match &self.latest {
            Some(latest) => latest,
            None => {
                let latest = Arc::new(Mutex::new(Ok(None)));
                let (path, filled) = (self.path.clone(), Arc::downgrade(&latest));
                let thread = std::thread::Builder::new().name("muji-camera".to_owned());
                thread
                    .spawn(move || watch(&path, &filled))
                    .map_err(|why| DeviceError(format!("the system gives no thread: {why}")))?;
                self.latest.insert(latest)
            }
        };
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = latest.as_mut().map_err(|trouble| trouble.clone())?.take() {
            // Its size may have become another since it was named.
            self.shown = frame.resized(self.size);
        }
        Ok(self.shown.clone())
    }

    fn release(&mut self) {
        self.latest = None;
        self.shown = VideoFrame::filled(self.size[0], self.size[1], BLACK); // Drop the stale frame: a viewer that comes back must not see an old picture.
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_that_is_not_there_is_named() {
        let why = Camera::named(Some("/dev/video-of-nobody")).unwrap_err().to_string();
        assert!(why.starts_with("camera /dev/video-of-nobody: No such file"), "{why}");
        // What is no camera either.
        let why = Camera::named(Some("/dev/null")).unwrap_err().to_string();
        assert!(why.starts_with("camera /dev/null: "), "{why}");
        let why = Camera::named(Some("a name that no maker gives")).unwrap_err().to_string();
        assert!(why.contains("there is no camera") || why.contains("no camera is called"), "{why}");
    }

    #[test]
    fn a_camera_that_vanished_ends_with_a_reason_and_the_others_go_on() {
        let (size, shown) = ([64, 36], VideoFrame::filled(64, 36, BLACK));
        let mut camera = Camera { path: "/dev/video-of-nobody".into(), size, latest: None, shown };
        // Black until its thread has found out.
        let why = std::iter::repeat_with(|| camera.capture()).find_map(Result::err).expect("it is told");
        assert!(why.to_string().contains("/dev/video-of-nobody"), "{why}");
        camera.release();
        assert!(camera.latest.is_none());
    }
}
