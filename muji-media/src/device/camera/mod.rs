//! Cameras, by Video4Linux.
//!
//! A camera is asked for its size when it is named, and opened when the first frame is wanted: until then its light is off.

mod format;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use linuxvideo::format::{FrameIntervals, PixFormat, PixelFormat};
use linuxvideo::{BufType, CapabilityFlags, Device, Fract, VideoCaptureDevice};

use super::interface::{DeviceError, VideoSource};
use crate::video::frame::{MAX_PIXELS, VideoFrame};
use format::Format;

/// The size that is asked for if nothing else is said, in pixels: nearly all cameras give it, it takes a sixth of the time of one core to
/// encode here (`make bitrate`), and the ladder goes down from it where a path or a machine cannot bear it.
pub const SIZE: [usize; 2] = [1_280, 720];

/// A camera that gives no frame for so long is gone, whatever the system says. Some take two seconds to begin.
const SILENT: Duration = Duration::from_secs(5);

/// Between two looks for a frame: a sixth of the time between two frames.
const LOOK: Duration = Duration::from_millis(5);

/// What is read here, best first: plain frames, then JPEG.
const READ: [PixelFormat; 3] = [PixelFormat::YUYV, PixelFormat::MJPG, PixelFormat::JPEG];

/// Fewer frames a second than that are seen to jerk. USB 2 carries plain frames of 1280 x 720 ten times a second at most, but JPEG thirty times.
const SMOOTH: f32 = 24.0;

/// What is shown until the first frame comes.
const BLACK: [u8; 3] = [0, 0, 0];

/// What a camera showed last, or why it shows no more.
type Latest = Mutex<Result<Option<VideoFrame>, DeviceError>>;

/// A camera.
pub struct Camera {
    path: PathBuf,
    /// The size that is asked for, and the one that it gives.
    wanted: [usize; 2],
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
    /// The camera with this file (`/dev/video0`), name or part of a name; without, the first. It gives frames of the size nearest to this one, in
    /// pixels, that it has.
    ///
    /// # Errors
    /// If there is none, it is not ours to use, or gives frames in no form that we read.
    pub fn named(name: Option<&str>, wanted: [usize; 2]) -> Result<Self, DeviceError> {
        let path = match name {
            Some(path) if path.starts_with('/') => PathBuf::from(path),
            _ => find(name)?,
        };
        let (device, format) = open(&path, wanted)?;
        drop(device);
        let size = format.even_sides();
        let shown = VideoFrame::filled(size[0], size[1], BLACK);
        Ok(Self { path, wanted, size, latest: None, shown })
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

/// Opens a camera, in the best form that is read here and smooth in this size.
fn open(path: &Path, wanted: [usize; 2]) -> Result<(VideoCaptureDevice, Format), DeviceError> {
    let fault = fault(path);
    let device = Device::open(path).map_err(&fault)?;
    let formats: Vec<PixelFormat> =
        device.formats(BufType::VIDEO_CAPTURE).flatten().map(|format| format.pixel_format()).collect();
    let unread = || DeviceError(format!("camera {} gives frames in no form that is read here", path.display()));
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let [width, height] = wanted.map(side);
    let read = || READ.into_iter().filter(|format| formats.contains(format));
    let smooth = read().find(|format| is_smooth(&device, *format, [width, height]));
    let form = smooth.or_else(|| read().next()).ok_or_else(unread)?;
    let device = device.video_capture(PixFormat::new(width, height, form)).map_err(&fault)?;
    let given = device.format();
    let sides = [given.width(), given.height()].map(|side| side as usize);
    // It may give another than was asked for.
    let format = match given.pixel_format() {
        PixelFormat::YUYV => Format::Yuyv { sides, row: given.bytes_per_line() as usize },
        PixelFormat::MJPG | PixelFormat::JPEG => Format::Jpeg { sides },
        _ => return Err(unread()),
    };
    if !is_readable(sides) {
        let [width, height] = sides;
        return Err(DeviceError(format!(
            "camera {} gives frames of {width} x {height}; it must be 2 x 2 at least and 4096 x 2304 at most",
            path.display()
        )));
    }
    let _in_its_own_time = device.set_frame_interval(Fract::new(1, 30)).is_err();
    Ok((device, format))
}

/// Whether frames of these sides are read; those of 4K are, and sent smaller.
fn is_readable(sides: [usize; 2]) -> bool {
    sides.into_iter().all(|side| side >= 2) && sides[0].saturating_mul(sides[1]) <= MAX_PIXELS
}

/// Whether a camera gives frames of this form and size, and often enough. One that does not say how often is believed to.
fn is_smooth(device: &Device, form: PixelFormat, [width, height]: [u32; 2]) -> bool {
    let rate = |interval: &Fract| interval.denominator() as f32 / interval.numerator().max(1) as f32;
    match device.frame_intervals(form, width, height) {
        Ok(FrameIntervals::Discrete(all)) => all.is_empty() || all.iter().any(|it| rate(it.fract()) >= SMOOTH),
        Ok(FrameIntervals::Stepwise(all) | FrameIntervals::Continuous(all)) => rate(all.min()) >= SMOOTH,
        Err(why) => why.kind() != ErrorKind::InvalidInput, // It is said of sizes that it has not.
    }
}

/// Watches a camera until it is not wanted any more.
fn watch(path: &Path, wanted: [usize; 2], latest: &Weak<Latest>) {
    let watched = look(path, wanted, latest);
    if let (Err(trouble), Some(latest)) = (watched, latest.upgrade()) {
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = Err(trouble);
    }
}

fn look(path: &Path, wanted: [usize; 2], latest: &Weak<Latest>) -> Result<(), DeviceError> {
    let fault = fault(path);
    let (device, format) = open(path, wanted)?;
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
                let (path, wanted, filled) = (self.path.clone(), self.wanted, Arc::downgrade(&latest));
                let thread = std::thread::Builder::new().name("muji-camera".to_owned());
                thread
                    .spawn(move || watch(&path, wanted, &filled))
                    .map_err(|why| DeviceError(format!("the system gives no thread: {why}")))?;
                self.latest.insert(latest)
            }
        };
        let mut latest = latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = latest.as_mut().map_err(|trouble| trouble.clone())?.take() {
            self.shown = frame; // Its size may have become another since it was named.
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
        let why = Camera::named(Some("/dev/video-of-nobody"), SIZE).unwrap_err().to_string();
        assert!(why.starts_with("camera /dev/video-of-nobody: No such file"), "{why}");
        // What is no camera either.
        let why = Camera::named(Some("/dev/null"), SIZE).unwrap_err().to_string();
        assert!(why.starts_with("camera /dev/null: "), "{why}");
        let why = Camera::named(Some("a name that no maker gives"), SIZE).unwrap_err().to_string();
        assert!(why.contains("there is no camera") || why.contains("no camera is called"), "{why}");
    }

    #[test]
    fn frames_of_4k_are_read_and_larger_ones_are_not() {
        for sides in [[2, 2], [1_921, 1_081], [3_840, 2_160], [4_096, 2_304], [2_304, 4_096]] {
            assert!(is_readable(sides), "{sides:?}");
        }
        for sides in [[1, 720], [1_280, 0], [7_680, 4_320], [usize::MAX, 2]] {
            assert!(!is_readable(sides), "{sides:?}");
        }
    }

    #[test]
    fn a_camera_that_vanished_ends_with_a_reason_and_the_others_go_on() {
        let (size, shown) = ([64, 36], VideoFrame::filled(64, 36, BLACK));
        let mut camera = Camera { path: "/dev/video-of-nobody".into(), wanted: size, size, latest: None, shown };
        // Black until its thread has found out.
        let why = std::iter::repeat_with(|| camera.capture()).find_map(Result::err).expect("it is told");
        assert!(why.to_string().contains("/dev/video-of-nobody"), "{why}");
        camera.release();
        assert!(camera.latest.is_none());
    }
}
