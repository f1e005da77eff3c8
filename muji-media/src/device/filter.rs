//! Filters of video: what changes the frames of a source before anybody sees them.
//!
//! A filter is set for a source by putting [`FilteredVideo`] around it. It runs in a thread of its own, so one that takes long, such as a
//! model that finds people in a picture, costs frames and delays nobody. Frames that were not filtered are never shown: not before the
//! first one is done, and not after the filter has failed.
//!
//! ```
//! use muji_media::backend::Devices;
//! use muji_media::device::filter::FilteredVideo;
//! use muji_media::device::pattern::Pattern;
//! use muji_media::device::{DeviceError, VideoFilter, VideoFrame, VideoInput};
//!
//! /// Shows a picture in black and white.
//! struct Grey;
//!
//! impl VideoFilter for Grey {
//!     fn filter(&mut self, frame: VideoFrame) -> Result<VideoFrame, DeviceError> {
//!         let [width, height] = [frame.width(), frame.height()];
//!         let mut samples = frame.samples().to_vec();
//!         samples[width * height..].fill(128); // No colour: what is left is the brightness.
//!         VideoFrame::from_samples(width, height, samples).ok_or_else(|| DeviceError("the frame is too large".to_owned()))
//!     }
//! }
//!
//! let camera = Pattern::new("romeo", [200, 40, 40]);
//! let filtered = FilteredVideo::new(Box::new(camera), Box::new(Grey))?;
//! let devices = Devices { video_source: Some(VideoInput::Raw(Box::new(filtered))), ..Devices::default() };
//! # Ok::<(), DeviceError>(())
//! ```

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use super::interface::{DeviceError, VideoFilter, VideoSource};
use super::patience::Patience;
use crate::video::frame::VideoFrame;

/// How long a frame is waited for: one of a quick filter is shown at once. The same thread decodes what others send.
const QUICK: Duration = Duration::from_millis(5);

/// A filter that takes so long for one frame hangs.
const SLOW: Duration = Duration::from_secs(5);

/// The longer side of the frames in whose pixels [`Blur::radius`] is given.
const COMMON_SIDE: usize = 640;

/// What is shown until the first frame is done.
const BLACK: [u8; 3] = [0, 0, 0];

/// A source whose frames are filtered.
pub struct FilteredVideo {
    source: Box<dyn VideoSource>,
    frames: SyncSender<VideoFrame>,
    filtered: Receiver<Result<VideoFrame, DeviceError>>,
    /// The filter has a frame.
    busy: Option<Patience>,
    /// That frame is not wanted any more.
    stale: bool,
    /// What was shown last.
    shown: VideoFrame,
}

/// Left and right change places, as in a mirror.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mirror;

/// Blurs the whole picture.
#[derive(Debug, Clone, Copy)]
pub struct Blur {
    /// How far away a pixel still counts, in pixels of a frame whose longer side is 640: in a larger frame it is as many times as far.
    /// 0 changes nothing, from 640 on each row and column has one value.
    pub radius: usize,
}

impl Default for Blur {
    /// So that no face is known.
    fn default() -> Self {
        Self { radius: 16 }
    }
}

impl FilteredVideo {
    /// Puts a filter behind a source.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn new(source: Box<dyn VideoSource>, mut filter: Box<dyn VideoFilter>) -> Result<Self, DeviceError> {
        let (frames, to_filter) = sync_channel::<VideoFrame>(1);
        let (done, filtered) = sync_channel(1);
        let work = move || {
            for frame in to_filter {
                if done.send(filter.filter(frame)).is_err() {
                    return; // Nobody wants it any more.
                }
            }
        };
        let thread = std::thread::Builder::new().name("muji-filter".to_owned()).spawn(work);
        thread.map_err(|why| DeviceError(format!("the system gives no thread: {why}")))?;
        let shown = black(source.size());
        Ok(Self { source, frames, filtered, busy: None, stale: false, shown })
    }

    /// Takes what the filter has done, waiting for it no longer than that.
    fn take(&mut self, wait: Duration) -> Result<(), DeviceError> {
        let Some(busy) = &mut self.busy else { return Ok(()) };
        match self.filtered.recv_timeout(wait) {
            Ok(done) => {
                self.busy = None;
                let frame = done?;
                if !std::mem::take(&mut self.stale) {
                    self.shown = frame;
                }
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) if busy.wait(Instant::now()) < SLOW => Ok(()),
            Err(RecvTimeoutError::Timeout) => Err(DeviceError("the video filter hangs".to_owned())),
            Err(RecvTimeoutError::Disconnected) => Err(DeviceError("the video filter has crashed".to_owned())),
        }
    }
}

impl VideoSource for FilteredVideo {
    fn size(&self) -> [usize; 2] {
        self.source.size()
    }

    fn capture(&mut self) -> Result<VideoFrame, DeviceError> {
        let frame = self.source.capture()?;
        self.take(Duration::ZERO)?;
        // A filter that is still busy does without this one.
        if self.busy.is_none() {
            self.busy = Some(Patience::new(Instant::now()));
            if self.frames.send(frame).is_err() {
                return Err(DeviceError("the video filter has crashed".to_owned()));
            }
            self.take(QUICK)?;
        }
        Ok(self.shown.clone())
    }

    fn release(&mut self) {
        self.source.release();
        self.stale = self.busy.is_some();
        self.shown = black(self.source.size()); // A viewer that comes back must not see an old picture.
    }
}

fn black([width, height]: [usize; 2]) -> VideoFrame {
    VideoFrame::filled(width, height, BLACK)
}

impl VideoFilter for Mirror {
    fn filter(&mut self, frame: VideoFrame) -> Result<VideoFrame, DeviceError> {
        Ok(of_planes(frame, |plane, width| plane.chunks_exact_mut(width).for_each(<[u8]>::reverse)))
    }
}

impl VideoFilter for Blur {
    fn filter(&mut self, frame: VideoFrame) -> Result<VideoFrame, DeviceError> {
        let (whole, longer) = (frame.width(), frame.width().max(frame.height()));
        let radius = self.radius.min(COMMON_SIDE) * longer / COMMON_SIDE;
        Ok(of_planes(frame, |plane, width| {
            // A sample of a colour stands for two pixels.
            let radius = radius * width / whole;
            let height = plane.len() / width;
            let mut line = Vec::new();
            (0..height).for_each(|row| blur(plane, row * width, 1, width, radius, &mut line));
            (0..width).for_each(|column| blur(plane, column, width, height, radius, &mut line));
        }))
    }
}

/// Changes each plane of a frame; the number is the samples of a row.
fn of_planes(frame: VideoFrame, change: impl Fn(&mut [u8], usize)) -> VideoFrame {
    let [width, height] = [frame.width(), frame.height()];
    let mut samples = frame.samples().to_vec();
    let (brightness, colours) = samples.split_at_mut(width * height);
    let (us, vs) = colours.split_at_mut(width * height / 4);
    for (plane, width) in [(brightness, width), (us, width / 2), (vs, width / 2)] {
        change(plane, width);
    }
    VideoFrame::from_samples(width, height, samples).expect("it has the size of a frame")
}

/// The mean of what is within `radius`, for each of `count` samples that are `step` apart; beyond the ends there is nothing.
fn blur(plane: &mut [u8], begin: usize, step: usize, count: usize, radius: usize, line: &mut Vec<u32>) {
    let at = |index: usize| begin + index * step;
    // The sums up to each sample: a mean is a difference of two.
    line.clear();
    line.push(0);
    let mut sum = 0;
    for index in 0..count {
        sum += u32::from(plane[at(index)]);
        line.push(sum);
    }
    for index in 0..count {
        let (first, end) = (index.saturating_sub(radius), (index + radius + 1).min(count));
        plane[at(index)] = ((line[end] - line[first]) / (end - first) as u32) as u8;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;
    use crate::device::pattern::Pattern;

    /// A white point in grey.
    fn point() -> VideoFrame {
        let mut frame = VideoFrame::filled(16, 8, [100, 100, 100]);
        frame.set_brightness(2, 3, 235);
        frame
    }

    #[test]
    fn in_a_mirror_left_is_right() {
        let mirrored = Mirror.filter(point()).unwrap();
        assert_eq!(mirrored.samples().iter().position(|sample| *sample == 235), Some(3 * 16 + 13));
        assert_eq!(Mirror.filter(mirrored).unwrap(), point());
    }

    #[test]
    fn what_is_blurred_keeps_its_mean_and_nothing_sharp() {
        let blurred = Blur { radius: 80 }.filter(point()).unwrap();
        let grey = point().samples()[0];
        let brightest = *blurred.samples()[..128].iter().max().unwrap();
        assert!(brightest > grey && brightest < grey + 15, "{brightest} of {grey}");
        let means = blurred.mean().into_iter().zip(point().mean());
        assert!(means.into_iter().all(|(blurred, before)| blurred.abs_diff(before) <= 2));
        assert_eq!(Blur { radius: 0 }.filter(point()).unwrap(), point());
        assert_eq!(Blur { radius: usize::MAX }.filter(point()).unwrap().samples().len(), 192);
    }

    /// How many samples of a row are neither black nor white where one becomes the other.
    fn blurred_samples([width, height]: [usize; 2]) -> usize {
        let mut frame = VideoFrame::filled(width, height, BLACK);
        let right = (0..height).flat_map(|y| (width / 2..width).map(move |x| (x, y)));
        right.for_each(|(x, y)| frame.set_brightness(x, y, 235));
        let blurred = Blur::default().filter(frame).unwrap();
        blurred.samples()[..width].iter().filter(|sample| ![16, 235].contains(*sample)).count()
    }

    #[test]
    fn a_larger_frame_is_blurred_as_many_times_as_far() {
        assert_eq!(blurred_samples([640, 360]), 32);
        assert_eq!(blurred_samples([1_280, 720]), 64);
        assert_eq!(blurred_samples([360, 640]), 32);
    }

    /// Does as it is told, when it is told.
    struct Told(Receiver<Result<[u8; 3], DeviceError>>);

    impl VideoFilter for Told {
        fn filter(&mut self, frame: VideoFrame) -> Result<VideoFrame, DeviceError> {
            let colour = self.0.recv().expect("the test says what")?;
            Ok(VideoFrame::filled(frame.width(), frame.height(), colour))
        }
    }

    fn told() -> (Sender<Result<[u8; 3], DeviceError>>, FilteredVideo) {
        let (tell, told) = channel();
        let source = Box::new(Pattern::new("romeo", [200, 40, 40]));
        (tell, FilteredVideo::new(source, Box::new(Told(told))).unwrap())
    }

    /// Captures until a frame is another than black.
    fn shown(filtered: &mut FilteredVideo) -> Result<[u8; 3], DeviceError> {
        loop {
            let colour = filtered.capture()?.mean();
            if colour.iter().any(|part| *part > 30) {
                return Ok(colour);
            }
        }
    }

    #[test]
    fn a_frame_is_not_shown_before_it_is_filtered_nor_after_the_filter_has_failed() {
        let (tell, mut filtered) = told();
        for _ in 0..3 {
            assert_eq!(filtered.capture().unwrap(), black([640, 360]));
        }
        tell.send(Ok([40, 200, 40])).unwrap();
        let [red, green, _] = shown(&mut filtered).unwrap();
        assert!(red < 60 && green > 180, "{red} {green}");
        tell.send(Err(DeviceError("there is nobody in the picture".to_owned()))).unwrap();
        let why = std::iter::repeat_with(|| filtered.capture()).find_map(Result::err).unwrap();
        assert_eq!(why.to_string(), "there is nobody in the picture");
    }

    #[test]
    fn a_frame_of_before_a_pause_is_not_shown_after_it() {
        let (tell, mut filtered) = told();
        filtered.capture().unwrap();
        filtered.release();
        tell.send(Ok([200, 200, 200])).unwrap();
        tell.send(Ok([40, 200, 40])).unwrap();
        let [red, green, _] = shown(&mut filtered).unwrap();
        assert!(red < 60 && green > 180, "{red} {green}");
    }

    #[test]
    fn a_filter_that_crashes_ends_the_video_with_a_reason() {
        let (tell, mut filtered) = told();
        drop(tell);
        let why = std::iter::repeat_with(|| filtered.capture()).find_map(Result::err).unwrap();
        assert_eq!(why.to_string(), "the video filter has crashed");
    }
}
