//! The pictures of what is shared, by PipeWire.
//!
//! A compositor gives one when something has changed.
//!
//! ```text
//!  connected ─► linked: a format is agreed on ─► pictures, another format, pictures … ─► ended
//!      ▲  │ the session manager does not know the compositor's stream yet
//!      └──┘
//! ```

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use pipewire::context::ContextBox;
use pipewire::core::Core;
use pipewire::keys;
use pipewire::loop_::Timeout;
use pipewire::main_loop::{MainLoop, MainLoopBox};
use pipewire::properties::properties;
use pipewire::spa::param::ParamType;
use pipewire::spa::pod::Pod;
use pipewire::spa::utils::Direction;
use pipewire::stream::{Stream, StreamBox, StreamFlags, StreamState};

use super::super::pixels::Pixels;
use super::super::watched::Viewer;
use super::buffer;
use super::format::{Format, RATE, crop, memory, offered};
use super::session::{Session, Shared};
use crate::device::interface::DeviceError;
use crate::device::patience::Patience;
use crate::video::frame::{INTERVAL, VideoFrame};

/// Within this the session manager knows a stream of the compositor's that has just begun. Asked before, WirePlumber 0.4 ends ours.
const LINK: Duration = Duration::from_secs(2);

/// A stream that gives no picture for so long after consent gives none. Later none comes while nothing changes.
const FIRST: Duration = Duration::from_secs(10);

/// A window that takes one size after the other, as when its edge is dragged, keeps its last picture until it has kept one for so long:
/// each size costs a key frame.
const RESIZING: Duration = Duration::from_millis(300);

/// After a fault, so that a lasting one does not take all of a core.
const REST: Duration = Duration::from_millis(20);

/// What the stream has said.
#[derive(Default)]
struct Heard {
    /// A format was agreed on, once.
    is_linked: bool,
    format: Option<Format>,
    /// Why there will be no more.
    ended: Option<DeviceError>,
}

/// Watches until it is not wanted any more.
///
/// # Errors
/// If the desktop's user or the compositor ends it, or it is not as it says.
pub(super) fn watch(shared: Shared, session: &mut Session<'_>, viewer: &Viewer) -> Result<(), DeviceError> {
    let main_loop = MainLoopBox::new(None).map_err(|why| not_given(&why))?;
    let context = ContextBox::new(main_loop.loop_(), None).map_err(|why| not_given(&why))?;
    let core = context.connect_fd(shared.pipewire, None).map_err(|why| not_given(&why))?;
    let until = Instant::now() + LINK;
    loop {
        let heard = Rc::new(RefCell::new(Heard::default()));
        let seen = view(&main_loop, &core, shared.node, &heard, session, viewer);
        let Heard { is_linked, ended, .. } = &*heard.borrow();
        if *is_linked || ended.is_none() || Instant::now() >= until {
            return seen;
        }
        std::thread::sleep(REST);
    }
}

fn view(
    main_loop: &MainLoop,
    core: &Core,
    node: u32,
    heard: &Rc<RefCell<Heard>>,
    session: &mut Session<'_>,
    viewer: &Viewer,
) -> Result<(), DeviceError> {
    let is_a_screen =
        properties! { *keys::MEDIA_TYPE => "Video", *keys::MEDIA_CATEGORY => "Capture", *keys::MEDIA_ROLE => "Screen" };
    let stream = StreamBox::new(core, "muji-screen", is_a_screen).map_err(|why| not_given(&why))?;
    let _listener = stream
        .add_local_listener_with_user_data(heard.clone())
        .state_changed(|_, heard, before, now| state_changed(heard, &before, now))
        .param_changed(|stream, heard, id, param| param_changed(stream, heard, id, param))
        .process(|_, _| {}) // Pictures are taken below; this has the loop wake for them.
        .register()
        .map_err(|why| not_given(&why))?;
    let formats = [Some(RATE), None].map(offered);
    let mut formats: Vec<&Pod> = formats.iter().filter_map(|bytes| Pod::from_bytes(bytes)).collect();
    // What was shared is not replaced by another source, such as a camera.
    let flags = StreamFlags::AUTOCONNECT | StreamFlags::DONT_RECONNECT;
    stream.connect(Direction::Input, Some(node), flags, &mut formats).map_err(|why| not_given(&why))?;

    let mut picture = Picture::new(Instant::now());
    while viewer.is_wanted() {
        if main_loop.loop_().iterate(Timeout::Finite(picture.rest(Instant::now()))) < 0 {
            std::thread::sleep(REST);
        }
        if let Some(why) = session.poll_end() {
            return Err(why);
        }
        let Heard { format, ended, .. } = &*heard.borrow();
        if let Some(why) = ended {
            return Err(why.clone());
        }
        if let Some(format) = format {
            picture.read_newest(Instant::now(), &stream, *format)?;
        }
        viewer.saw(Ok(picture.look(Instant::now())?));
    }
    Ok(())
}

/// It ends with an error, or because PipeWire does. It pauses while a window is minimised.
fn state_changed(heard: &RefCell<Heard>, before: &StreamState, now: StreamState) {
    let why = match now {
        StreamState::Error(why) => why,
        StreamState::Unconnected if *before != StreamState::Unconnected => "PipeWire has closed it".to_owned(),
        StreamState::Unconnected | StreamState::Connecting | StreamState::Paused | StreamState::Streaming => return,
    };
    heard.borrow_mut().ended =
        Some(DeviceError(format!("nothing is shared any more: the desktop's stream has ended: {why}")));
}

/// The format is agreed on, first and whenever it changes: then it is said which memory is read.
fn param_changed(stream: &Stream, heard: &RefCell<Heard>, id: u32, param: Option<&Pod>) {
    if id != ParamType::Format.as_raw() {
        return;
    }
    let format = param.map(Format::read).transpose();
    let agreed = format.and_then(|format| {
        if format.is_some() {
            let wanted = [memory(), crop()];
            let mut wanted: Vec<&Pod> = wanted.iter().filter_map(|bytes| Pod::from_bytes(bytes)).collect();
            stream.update_params(&mut wanted).map_err(|why| not_given(&why))?;
        }
        Ok(format)
    });
    let mut heard = heard.borrow_mut();
    heard.is_linked |= param.is_some();
    match agreed {
        Ok(format) => heard.format = format,
        Err(why) => heard.ended = Some(why),
    }
}

/// The picture that came last.
struct Picture {
    pixels: Pixels,
    /// It was not shown yet.
    is_new: bool,
    /// When it took another size, if that is not shown yet.
    resized: Option<Instant>,
    /// When the next may be shown.
    due: Instant,
    /// With the first; `None` once it was shown.
    patience: Option<Patience>,
}

impl Picture {
    fn new(now: Instant) -> Self {
        Self { pixels: Pixels::default(), is_new: false, resized: None, due: now, patience: Some(Patience::new(now)) }
    }

    /// How long nothing needs to be done, unless another comes.
    fn rest(&self, now: Instant) -> Duration {
        let until_due = self.due.saturating_duration_since(now);
        if self.is_new && !until_due.is_zero() { until_due } else { INTERVAL }
    }

    /// Reads the newest of those that have come; the others are left out.
    fn read_newest(&mut self, now: Instant, stream: &Stream, format: Format) -> Result<(), DeviceError> {
        let mut newest = None;
        while let Some(buffer) = stream.dequeue_buffer() {
            newest = Some(buffer);
        }
        let Some(mut buffer) = newest else { return Ok(()) };
        let before = self.pixels.sides;
        if buffer::read(&mut buffer, format, &mut self.pixels)? {
            self.is_new = true;
            if before != [0, 0] && before != self.pixels.sides {
                self.resized = Some(now);
            }
        }
        Ok(())
    }

    /// What is to be shown now, if it is something else than before.
    fn look(&mut self, now: Instant) -> Result<Option<VideoFrame>, DeviceError> {
        if self.patience.as_mut().is_some_and(|patience| patience.wait(now) > FIRST) {
            let seconds = FIRST.as_secs();
            return Err(DeviceError(format!(
                "nothing is shared: the desktop's stream has given no picture for {seconds} s"
            )));
        }
        let is_resizing = self.resized.is_some_and(|at| now.saturating_duration_since(at) < RESIZING);
        if !self.is_new || now < self.due || is_resizing {
            return Ok(None);
        }
        self.is_new = false;
        self.resized = None;
        self.due = now + INTERVAL;
        let frame = self.pixels.to_frame();
        if frame.is_some() {
            self.patience = None;
        }
        Ok(frame)
    }
}

/// PipeWire does not do what it was asked for.
fn not_given(why: &pipewire::Error) -> DeviceError {
    DeviceError(format!("nothing is shared: PipeWire does not give the desktop's stream: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_without_a_picture_is_given_up_after_ten_seconds_and_one_that_rests_is_not() {
        let begun = Instant::now();
        let second = |second| begun + Duration::from_secs(second);
        let mut picture = Picture::new(begun);
        assert!((1..=10).all(|at| picture.look(second(at)) == Ok(None)));
        let why = picture.look(second(11)).unwrap_err().to_string();
        assert_eq!(why, "nothing is shared: the desktop's stream has given no picture for 10 s");
        let mut picture = Picture::new(begun);
        picture.pixels = Pixels { sides: [2, 2], bytes: vec![0; 16] };
        picture.is_new = true;
        assert!(picture.look(second(1)).is_ok_and(|frame| frame.is_some()));
        assert!((2..=30).all(|at| picture.look(second(at)) == Ok(None)));
    }

    #[test]
    fn pictures_are_shown_thirty_times_a_second_at_most_and_another_size_once_it_is_kept() {
        let begun = Instant::now();
        let ms = |ms| begun + Duration::from_millis(ms);
        let mut picture = Picture::new(begun);
        picture.pixels = Pixels { sides: [2, 2], bytes: vec![0; 16] };
        let mut is_shown = |at, resized| {
            picture.is_new = true;
            picture.resized = resized;
            picture.look(ms(at)).unwrap().is_some()
        };
        let shown = [0, 10, 30, 34, 60, 68].map(|at| is_shown(at, None));
        assert_eq!(shown, [true, false, false, true, false, true]);
        assert_eq!([399, 400].map(|at| is_shown(at, Some(ms(100)))), [false, true]);
    }
}
