//! Screens that a desktop's portal shares, with a stand-in for the portal and a real PipeWire.

use std::time::{Duration, Instant};

use muji_harness::desktop::{Answer, Desktop};
use muji_harness::room::Rules;
use muji_media::device::screen::portal::PortalCapture;
use muji_media::device::{VideoFrame, VideoSource};
use serde_json::json;
use tokio::time::timeout;

use crate::seeing::like;
use crate::support::*;

const RED: [u8; 3] = [0xC8, 0x28, 0x28];
const BLUE: [u8; 3] = [0x28, 0x28, 0xC8];

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What GStreamer shows.
fn shown(pictures: &str) -> String {
    format!("gst-launch-1.0 {pictures} ! pipewiresink mode=provide")
}

/// A picture of one colour.
fn picture(format: &str, [width, height]: [usize; 2], [red, green, blue]: [u8; 3]) -> String {
    let colour = u32::from_be_bytes([0xFF, red, green, blue]);
    format!(
        "videotestsrc is-live=true pattern=solid-color foreground-color={colour} \
         ! video/x-raw,format={format},width={width},height={height},framerate=20/1"
    )
}

/// `None` where something is not installed.
fn desktop(shows: &str) -> Option<Desktop> {
    match Desktop::start(shows).expect("it starts") {
        Ok(desktop) => Some(desktop),
        Err(why) => {
            skipped(&why);
            None
        }
    }
}

/// Captures until a frame is as it should be.
fn shows(capture: &mut PortalCapture, is_right: impl Fn(&VideoFrame) -> bool) {
    let until = Instant::now() + LIMIT;
    loop {
        let frame = capture.capture().expect("it is shared");
        if is_right(&frame) {
            return;
        }
        assert!(Instant::now() < until, "it shows {} x {} of {:?}", frame.width(), frame.height(), frame.mean());
        std::thread::sleep(LOOK);
    }
}

/// Captures until there is no more; why.
fn ends(capture: &mut PortalCapture) -> String {
    let until = Instant::now() + LIMIT;
    loop {
        if let Err(why) = capture.capture() {
            return why.to_string();
        }
        assert!(Instant::now() < until, "it goes on");
        std::thread::sleep(LOOK);
    }
}

fn is(colour: [u8; 3], sides: [usize; 2]) -> impl Fn(&VideoFrame) -> bool {
    move |frame| {
        let apart = frame.mean().into_iter().zip(colour).map(|(seen, put)| seen.abs_diff(put)).max();
        [frame.width(), frame.height()] == sides && apart <= Some(4)
    }
}

#[test]
fn a_screen_is_shared_in_every_format_once_its_user_consents_and_released_when_it_is_not_wanted() {
    for format in ["BGRx", "RGBx", "BGRA", "RGBA", "BGR", "RGB"] {
        let Some(desktop) = desktop(&shown(&picture(format, [320, 240], RED))) else { return };
        let mut capture = PortalCapture::find(Some(&desktop.bus())).unwrap();
        assert_eq!(desktop.calls(), Vec::<serde_json::Value>::new(), "nobody is asked yet");
        shows(&mut capture, is(RED, [320, 240]));
        assert_eq!(capture.size(), [320, 240]);
        capture.release();
        is_called(&desktop, "Session.Close", 1);
        let calls = desktop.calls();
        let chosen = json!({"called": "SelectSources", "types": 3, "multiple": 0, "cursor_mode": 2, "persist_mode": 1});
        let called = |name: &str| json!({"called": name});
        let consent = json!({"called": "Start", "answer": "consent"});
        let expected =
            [called("CreateSession"), chosen, consent, called("OpenPipeWireRemote"), called("Session.Close")];
        assert_eq!(calls, expected);
        if format != "RGB" {
            continue;
        }
        // Shown again, the desktop need not ask again: it is told what it has allowed.
        shows(&mut capture, is(RED, [320, 240]));
        let calls = desktop.calls();
        assert_eq!(calls[6]["restore_token"], json!("token 1"), "{calls:?}");
    }
}

/// Waits until the portal was called so often.
fn is_called(desktop: &Desktop, what: &str, times: usize) {
    let until = Instant::now() + LIMIT;
    while desktop.calls().iter().filter(|call| call["called"] == what).count() < times {
        assert!(Instant::now() < until, "{:?}", desktop.calls());
        std::thread::sleep(LOOK);
    }
}

/// As compositors do, and unlike GStreamer, that program makes the memory itself, and says which part of a picture is the window. It
/// moves that part all the time, so that no size is kept, and makes other memory each second.
#[test]
fn a_picture_in_memory_of_the_compositors_own_is_read_and_cut_and_stays_while_a_window_is_resized() {
    const PROGRAM: &str = "/usr/libexec/installed-tests/pipewire-0.3/examples/video-src-reneg";
    if !std::path::Path::new(PROGRAM).exists() {
        return skipped("pipewire-tests is not installed");
    }
    let Some(desktop) = desktop(PROGRAM) else { return };
    let mut capture = PortalCapture::find(Some(&desktop.bus())).unwrap();
    shows(&mut capture, |frame| frame.mean() != [0, 0, 0]);
    let [width, height] = capture.size();
    let cut = [320 - width, 240 - height];
    assert!(cut[0] == cut[1] && cut[0] <= 128, "{width} x {height}");
    let until = Instant::now() + Duration::from_millis(2_500);
    while Instant::now() < until {
        capture.capture().expect("it goes on");
        std::thread::sleep(LOOK);
    }
}

#[test]
fn a_picture_that_is_too_large_is_halved() {
    let Some(desktop) = desktop(&shown(&picture("BGRx", [5_120, 2_880], RED))) else { return };
    let mut capture = PortalCapture::find(Some(&desktop.bus())).unwrap();
    shows(&mut capture, is(RED, [2_560, 1_440]));
}

#[test]
fn what_its_user_or_the_desktop_ends_is_told() {
    let Some(desktop) = desktop(&shown(&picture("BGRx", [320, 240], RED))) else { return };
    let shared = || {
        let mut capture = PortalCapture::find(Some(&desktop.bus())).unwrap();
        shows(&mut capture, is(RED, [320, 240]));
        capture
    };
    let mut capture = shared();
    desktop.end_sharing().unwrap();
    assert_eq!(ends(&mut capture), "nothing is shared any more: it was ended in the desktop's own panel");
    let mut capture = shared();
    desktop.kill_pipewire().unwrap();
    let why = ends(&mut capture);
    assert!(why.starts_with("nothing is shared any more: the desktop's stream has ended: "), "{why}");
    // And a portal without PipeWire.
    let why = ends(&mut PortalCapture::find(Some(&desktop.bus())).unwrap());
    assert!(why.starts_with("nothing is shared: the desktop's portal does not do "), "{why}");
}

#[test]
fn what_is_not_shared_is_told() {
    let Some(desktop) = desktop(&shown(&picture("BGRx", [320, 240], RED))) else { return };
    let why = |answer| {
        desktop.answers(answer).unwrap();
        ends(&mut PortalCapture::find(Some(&desktop.bus())).unwrap())
    };
    assert_eq!(why(Answer::Decline), "nothing is shared: it was declined in the desktop's dialog");
    assert_eq!(why(Answer::Fail), "nothing is shared: the desktop's portal could not do Start");
    assert_eq!(why(Answer::Nothing), "nothing is shared: the desktop's portal names no stream of what was chosen");
    let nowhere = why(Answer::Nowhere);
    assert!(nowhere.starts_with("nothing is shared any more: the desktop's stream has ended: "), "{nowhere}");
}

#[test]
fn a_dialog_that_nobody_answers_is_closed_when_the_screen_is_not_wanted_any_more() {
    let Some(desktop) = desktop(&shown(&picture("BGRx", [320, 240], RED))) else { return };
    desktop.answers(Answer::Silence).unwrap();
    let mut capture = PortalCapture::find(Some(&desktop.bus())).unwrap();
    let black = VideoFrame::filled(1_280, 720, [0, 0, 0]);
    assert_eq!(capture.capture().unwrap().samples(), black.samples());
    is_called(&desktop, "Start", 1);
    assert_eq!(capture.capture().unwrap().samples(), black.samples(), "nothing is seen before consent");
    capture.release();
    is_called(&desktop, "Request.Close", 1);
    is_called(&desktop, "Session.Close", 1);
    assert!(!desktop.calls().iter().any(|call| call["called"] == "OpenPipeWireRemote"), "{:?}", desktop.calls());
}

#[test]
fn a_desktop_without_a_portal_or_a_bus_is_told() {
    let why = PortalCapture::find(Some("unix:path=/nowhere/bus")).unwrap_err().to_string();
    assert!(why.starts_with("no screen can be shared: the D-Bus session bus cannot be reached: "), "{why}");
    let Some(desktop) = desktop(&shown(&picture("BGRx", [320, 240], RED))) else { return };
    desktop.kill_portal().unwrap();
    let why = PortalCapture::find(Some(&desktop.bus())).unwrap_err().to_string();
    assert_eq!(why, "no screen can be shared: the desktop has no portal (xdg-desktop-portal)");
}

#[tokio::test]
async fn a_shared_screen_is_seen_by_all_until_it_is_ended_in_the_desktops_panel_and_the_call_goes_on() {
    let Some(desktop) = desktop(&shown(&picture("BGRx", [320, 240], BLUE))) else { return };
    let server = server(Rules::default()).await;
    let mut romeo =
        call(&server, "romeo", &["--video", "pattern:c03030", "--screen", "screen", "--json", "--audio", "none"]);
    // What a Wayland desktop is known by.
    romeo.env("WAYLAND_DISPLAY", "wayland-0").env("DBUS_SESSION_BUS_ADDRESS", desktop.bus());
    let mut romeo = without_window(romeo).spawn().expect("it is built");
    let mut juliet =
        call(&server, "juliet", &["--video", "none", "--audio", "none", "--json"]).spawn().expect("it is built");
    let is_seen = async {
        loop {
            let seen = said(&mut juliet, "\"media\":\"slides\"").await;
            let seen: serde_json::Value = serde_json::from_str(&seen).expect("JSON");
            if seen["colour"].as_str().is_some_and(|colour| like(colour, BLUE)) {
                return [seen["width"].as_u64(), seen["height"].as_u64()];
            }
        }
    };
    let sides = timeout(Duration::from_secs(20), is_seen).await.expect("the screen is seen");
    assert_eq!(sides, [Some(320), Some(240)]);
    desktop.end_sharing().unwrap();
    said(&mut romeo, "it was ended in the desktop's own panel").await;
    said(&mut juliet, "\"media\":\"video\"").await;
    for program in [&mut romeo, &mut juliet] {
        signal(program, "-INT").await;
        timeout(LIMIT, program.wait()).await.expect("it ends in time").expect("it ran");
    }
}

#[tokio::test]
async fn a_desktop_that_cannot_share_is_told_before_the_call() {
    for what in ["portal", "screen"] {
        // It may be that no sound device is there either.
        let silent = ["--audio", "none", "--speaker", "none"];
        let mut wrong = program(&[&[ROOM, "--jid", "romeo@localhost", "--screen", what][..], &silent].concat());
        wrong.env("WAYLAND_DISPLAY", "wayland-0").env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus");
        let (code, why) = failure(without_window(wrong)).await;
        assert!(code == Some(2) && why.contains("the D-Bus session bus cannot be reached"), "{why}");
    }
}

/// As a program that has no window.
fn without_window(mut command: tokio::process::Command) -> tokio::process::Command {
    if cfg!(feature = "window") {
        command.arg("--no-window");
    }
    command
}
