//! Screens and windows of an X server of the test's own, in memory. Skipped where Xvfb is not installed.
#![cfg(all(feature = "screen", target_os = "linux"))]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use muji_media::device::screen::{Listed, ScreenCapture, monitors, windows};
use muji_media::device::{VideoFrame, VideoSource};
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection as _;
use x11rb::protocol::randr::{ConnectionExt as _, MonitorInfo};
use x11rb::protocol::xproto::{
    AtomEnum, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, PropMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// What a busy machine may take to show something.
const LIMIT: Duration = Duration::from_secs(20);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// The screen's sides.
const SIDES: [usize; 2] = [640, 480];

const RED: u32 = 0x00C8_2828;
const GREEN: u32 = 0x0028_C828;

/// The brightness of these colours (BT.601, limited range).
const BLACK: u8 = 16;
const REDS: u8 = 92;
const GREENS: u8 = 131;

/// An X server in memory and a program on it; both end with this.
struct Desktop {
    server: Child,
    display: String,
    program: RustConnection,
    root: Window,
}

impl Desktop {
    /// `None` where there is no Xvfb.
    fn open() -> Option<Self> {
        Self::open_with(&[])
    }

    fn open_with(options: &[&str]) -> Option<Self> {
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp", "-noreset"]).args(options);
        let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut server) = started else {
            assert!(std::env::var_os("MUJI_TEST_ALL").is_none(), "Xvfb is not installed, though everything must run");
            eprintln!("skipped: Xvfb is not installed");
            return None;
        };
        let mut number = String::new();
        BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut number).expect("it says its number");
        let display = format!(":{}", number.trim());
        let (program, screen) = x11rb::connect(Some(&display)).expect("the server is ready");
        let root = program.setup().roots[screen].root;
        let desktop = Self { server, display, program, root };
        desktop.point_at([639, 479]);
        Some(desktop)
    }

    fn display(&self) -> Option<&str> {
        Some(&self.display)
    }

    /// A window of one colour.
    fn window(&self, title: &str, [x, y]: [i16; 2], [width, height]: [u16; 2], colour: u32) -> Window {
        let window = self.program.generate_id().unwrap();
        let (depth, class) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
        let looks = CreateWindowAux::new().background_pixel(colour);
        self.program.create_window(depth, window, self.root, x, y, width, height, 0, class, 0, &looks).unwrap();
        let title = title.as_bytes();
        self.program.change_property8(PropMode::REPLACE, window, AtomEnum::WM_NAME, AtomEnum::STRING, title).unwrap();
        self.program.map_window(window).unwrap();
        self.program.sync().unwrap();
        window
    }

    fn point_at(&self, [x, y]: [i16; 2]) {
        self.program.warp_pointer(x11rb::NONE, self.root, 0, 0, 0, 0, x, y).unwrap();
        self.program.sync().unwrap();
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _ended = (self.server.kill(), self.server.wait());
    }
}

/// Captures until a frame is as it should be.
fn shows(capture: &mut ScreenCapture, is_right: impl Fn(&VideoFrame) -> bool) -> VideoFrame {
    let until = Instant::now() + LIMIT;
    loop {
        let frame = capture.capture().expect("it is there");
        if is_right(&frame) {
            return frame;
        }
        assert!(Instant::now() < until, "it shows {} x {} of {:?}", frame.width(), frame.height(), frame.mean());
        std::thread::sleep(LOOK);
    }
}

/// Captures until there is no more; why.
fn ends(capture: &mut ScreenCapture) -> String {
    let until = Instant::now() + LIMIT;
    loop {
        if let Err(why) = capture.capture() {
            return why.to_string();
        }
        assert!(Instant::now() < until, "it goes on");
        std::thread::sleep(LOOK);
    }
}

fn brightness(frame: &VideoFrame, [x, y]: [usize; 2]) -> u8 {
    frame.samples()[y * frame.width() + x]
}

#[test]
fn a_screen_is_captured_with_what_is_drawn_on_it_pixel_by_pixel() {
    let Some(desktop) = Desktop::open() else { return };
    let listed = monitors(desktop.display()).unwrap();
    let [Listed { name, sides }] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(*sides, SIDES);
    let mut capture = ScreenCapture::of_monitor(desktop.display(), Some(name)).unwrap();
    assert_eq!(capture.size(), SIDES);
    desktop.window("red", [100, 50], [80, 60], RED);
    let frame = shows(&mut capture, |frame| brightness(frame, [100, 50]) == REDS);
    let expected = |x, y| if (100..180).contains(&x) && (50..110).contains(&y) { REDS } else { BLACK };
    for y in 0..SIDES[1] - 40 {
        for x in 0..SIDES[0] - 40 {
            assert_eq!(brightness(&frame, [x, y]), expected(x, y), "at {x}, {y}");
        }
    }
    // What is drawn later is seen too.
    desktop.window("green", [300, 200], [10, 10], GREEN);
    shows(&mut capture, |frame| brightness(frame, [305, 205]) == GREENS);
}

#[test]
fn a_server_that_shares_no_memory_gives_the_same_pictures_by_its_connection() {
    let Some(desktop) = Desktop::open_with(&["-extension", "MIT-SHM"]) else { return };
    desktop.window("red", [0, 0], [320, 480], RED);
    let window = desktop.window("green", [100, 50], [81, 61], GREEN);
    let mut screen = ScreenCapture::of_monitor(desktop.display(), None).unwrap();
    let frame = shows(&mut screen, |frame| brightness(frame, [100, 50]) == GREENS);
    let seen = [[99, 50], [180, 110], [181, 110], [319, 479], [320, 0]].map(|at| brightness(&frame, at));
    assert_eq!(seen, [REDS, GREENS, REDS, REDS, BLACK]);
    let mut window_alone = ScreenCapture::of_window(desktop.display(), "green").unwrap();
    let frame = shows(&mut window_alone, |frame| brightness(frame, [79, 59]) == GREENS);
    assert_eq!([frame.width(), frame.height()], [80, 60]);
    desktop.program.configure_window(window, &ConfigureWindowAux::new().width(200)).unwrap();
    desktop.program.sync().unwrap();
    shows(&mut window_alone, |frame| frame.width() == 200 && brightness(frame, [199, 59]) == GREENS);
}

#[test]
fn the_pointer_is_seen_where_it_moves() {
    let Some(desktop) = Desktop::open() else { return };
    desktop.window("red", [0, 0], [640, 480], RED);
    let mut capture = ScreenCapture::of_monitor(desktop.display(), None).unwrap();
    shows(&mut capture, |frame| brightness(frame, [0, 0]) == REDS);
    // The server's own pointer is a black cross with a white edge.
    let is_at = |[x, y]: [usize; 2]| move |frame: &VideoFrame| brightness(frame, [x, y]) != REDS;
    for at in [[100_usize, 100], [400, 300]] {
        desktop.point_at(at.map(|at| at as i16));
        let frame = shows(&mut capture, is_at(at));
        let around = (0..480).flat_map(|y| (0..640).map(move |x| [x, y]));
        let elsewhere = around.filter(|[x, y]: &[usize; 2]| x.abs_diff(at[0]) > 32 || y.abs_diff(at[1]) > 32);
        assert!(elsewhere.into_iter().all(|place| brightness(&frame, place) == REDS), "it is in one place");
    }
}

#[test]
fn a_window_is_captured_without_what_lies_over_it_until_it_is_closed() {
    let Some(desktop) = Desktop::open() else { return };
    let red = desktop.window("The red one", [20, 20], [200, 100], RED);
    desktop.window("green", [60, 60], [300, 300], GREEN);
    assert_eq!(windows(desktop.display()).unwrap().len(), 2);
    let mut capture = ScreenCapture::of_window(desktop.display(), "RED").unwrap();
    assert_eq!(capture.size(), [200, 100]);
    let all_red = |frame: &VideoFrame| frame.samples()[..200 * 100].iter().all(|sample| *sample == REDS);
    shows(&mut capture, all_red);
    // The pointer is seen over it, and not next to it.
    desktop.point_at([50, 50]);
    shows(&mut capture, |frame| brightness(frame, [30, 30]) != REDS);
    desktop.point_at([639, 479]);
    shows(&mut capture, all_red);
    // It takes another size, and so do the frames.
    let larger = ConfigureWindowAux::new().width(300).height(151);
    desktop.program.configure_window(red, &larger).unwrap();
    desktop.program.sync().unwrap();
    shows(&mut capture, |frame| [frame.width(), frame.height()] == [300, 150] && brightness(frame, [299, 149]) == REDS);
    assert_eq!(capture.size(), [300, 150]);
    let all_red = |frame: &VideoFrame| frame.samples()[..300 * 150].iter().all(|sample| *sample == REDS);
    // Minimised, it stays as it was; back, it is seen again.
    desktop.program.unmap_window(red).unwrap();
    desktop.program.sync().unwrap();
    shows(&mut capture, all_red);
    desktop.program.map_window(red).unwrap();
    desktop.program.sync().unwrap();
    desktop.point_at([50, 50]);
    shows(&mut capture, |frame| brightness(frame, [30, 30]) != REDS);
    desktop.program.destroy_window(red).unwrap();
    desktop.program.sync().unwrap();
    assert_eq!(ends(&mut capture), "the window The red one was closed");
    let why = ScreenCapture::of_window(desktop.display(), "red").unwrap_err().to_string();
    assert_eq!(why, "no window is called red; there are: green");
}

#[test]
fn a_window_is_shared_by_a_title_that_one_window_has() {
    let why = ScreenCapture::of_window(None, " ").unwrap_err().to_string();
    assert_eq!(why, "a window is shared by its title or a part of it, not by an empty one");
    let Some(desktop) = Desktop::open() else { return };
    desktop.window("My slides - notes", [0, 0], [100, 100], RED);
    desktop.window("My slides", [200, 0], [120, 100], GREEN);
    let why = ScreenCapture::of_window(desktop.display(), "slides").unwrap_err().to_string();
    assert!(why.starts_with("several windows are called slides: My slides"), "{why}");
    assert!(why.contains("My slides - notes") && why.ends_with("; name one in full"), "{why}");
    let size = |title| ScreenCapture::of_window(desktop.display(), title).unwrap().size();
    assert_eq!((size("My slides"), size("NOTES")), ([120, 100], [100, 100]));
}

#[test]
fn a_server_that_answers_nothing_is_told() {
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    // The port of a display is 6000 and its number.
    let display = format!("127.0.0.1:{}", hangs.local_addr().unwrap().port() - 6_000);
    let (told, tells) = channel();
    std::thread::spawn(move || told.send(monitors(Some(&display)).unwrap_err().to_string()));
    let why = tells.recv_timeout(LIMIT).expect("it does not wait for ever");
    assert_eq!(why, "no screen can be shared: the X server answers nothing");
}

#[test]
fn a_monitor_that_goes_is_told_and_one_that_moves_is_followed() {
    let Some(desktop) = Desktop::open() else { return };
    let (name, whole) = (desktop.program.intern_atom(false, b"left").unwrap().reply().unwrap().atom, desktop.root);
    let monitor = |x| {
        let outputs = Vec::new();
        let (width_in_millimeters, height_in_millimeters) = (100, 100);
        let (width, height, y, primary, automatic) = (320, 240, 0, false, false);
        MonitorInfo {
            name,
            primary,
            automatic,
            x,
            y,
            width,
            height,
            width_in_millimeters,
            height_in_millimeters,
            outputs,
        }
    };
    desktop.program.randr_set_monitor(whole, monitor(0)).unwrap().check().unwrap();
    desktop.window("red", [0, 0], [320, 240], RED);
    let mut capture = ScreenCapture::of_monitor(desktop.display(), Some("left")).unwrap();
    assert_eq!(capture.size(), [320, 240]);
    shows(&mut capture, |frame| brightness(frame, [0, 0]) == REDS);
    // One of that name must go first; nobody else sees the moment without it.
    desktop.program.grab_server().unwrap();
    desktop.program.randr_delete_monitor(whole, name).unwrap().check().unwrap();
    desktop.program.randr_set_monitor(whole, monitor(300)).unwrap().check().unwrap();
    desktop.program.ungrab_server().unwrap();
    desktop.program.sync().unwrap();
    shows(&mut capture, |frame| [brightness(frame, [19, 0]), brightness(frame, [20, 0])] == [REDS, BLACK]);
    desktop.program.randr_delete_monitor(whole, name).unwrap().check().unwrap();
    assert_eq!(ends(&mut capture), "the screen left is not there any more");
}

#[test]
fn nothing_is_captured_before_the_first_frame_is_wanted_nor_after_the_release() {
    let Some(desktop) = Desktop::open() else { return };
    desktop.window("red", [0, 0], [640, 480], RED);
    let mut capture = ScreenCapture::of_monitor(desktop.display(), None).unwrap();
    for _ in 0..2 {
        assert_eq!(brightness(&capture.capture().unwrap(), [0, 0]), BLACK, "the first is not there yet");
        shows(&mut capture, |frame| brightness(frame, [0, 0]) == REDS);
        capture.release();
    }
}

#[test]
fn a_server_that_ends_and_one_that_is_not_there_are_told() {
    let Some(mut desktop) = Desktop::open() else { return };
    let mut capture = ScreenCapture::of_monitor(desktop.display(), None).unwrap();
    desktop.window("red", [0, 0], [640, 480], RED);
    shows(&mut capture, |frame| brightness(frame, [0, 0]) == REDS);
    desktop.server.kill().unwrap();
    let why = ends(&mut capture);
    assert!(why.ends_with("is not shared any more: the X server has ended"), "{why}");
    let why = monitors(Some(":54321")).unwrap_err().to_string();
    assert!(why.starts_with("no screen can be shared: the X server cannot be reached: "), "{why}");
    let Some(desktop) = Desktop::open() else { return };
    let why = ScreenCapture::of_monitor(desktop.display(), Some("TV")).unwrap_err().to_string();
    assert!(why.starts_with("no screen is called TV; there are: "), "{why}");
}
