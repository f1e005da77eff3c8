//! Screens and windows that are shared, on a screen of the test's own.

use std::time::Duration;

use muji_harness::room::Rules;
use tokio::time::timeout;
use x11rb::COPY_DEPTH_FROM_PARENT;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, CreateWindowAux, PropMode, WindowClass};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

use crate::seeing::like;
use crate::support::*;
use crate::window::Screen;

const GREEN: [u8; 3] = [0x30, 0xC0, 0x40];

/// A window of that colour; it is there as long as the program.
fn slides(screen: &Screen) -> (RustConnection, u32) {
    let (program, number) = x11rb::connect(Some(&screen.display)).expect("the server is ready");
    let root = program.setup().roots[number].root;
    let window = program.generate_id().unwrap();
    let (depth, class) = (COPY_DEPTH_FROM_PARENT, WindowClass::INPUT_OUTPUT);
    let looks = CreateWindowAux::new().background_pixel(u32::from_be_bytes([0, GREEN[0], GREEN[1], GREEN[2]]));
    program.create_window(depth, window, root, 40, 40, 320, 240, 0, class, 0, &looks).unwrap();
    let title = "My slides".as_bytes();
    program.change_property8(PropMode::REPLACE, window, AtomEnum::WM_NAME, AtomEnum::STRING, title).unwrap();
    program.map_window(window).unwrap();
    program.sync().unwrap();
    (program, window)
}

#[tokio::test]
async fn a_window_is_seen_by_all_who_look_until_it_is_closed_and_the_call_goes_on() {
    let Some(screen) = Screen::open() else { return skipped("Xvfb is not installed") };
    let (program, window) = slides(&screen);
    let server = server(Rules::default()).await;
    let romeo = ["--video", "pattern:c03030", "--screen", "window:slides", "--no-window", "--json", "--audio", "none"];
    let mut romeo = call(&server, "romeo", &romeo);
    let mut romeo = romeo.env("DISPLAY", &screen.display).spawn().expect("it is built");
    let juliet = ["--video", "none", "--audio", "none", "--json"];
    let mut juliet = call(&server, "juliet", &juliet).spawn().expect("it is built");
    let is_seen = async {
        loop {
            let seen = said(&mut juliet, "\"media\":\"slides\"").await;
            let seen: serde_json::Value = serde_json::from_str(&seen).expect("JSON");
            if seen["colour"].as_str().is_some_and(|colour| like(colour, GREEN)) {
                return [seen["width"].as_u64(), seen["height"].as_u64()];
            }
        }
    };
    let sides = timeout(Duration::from_secs(20), is_seen).await.expect("the window is seen");
    assert_eq!(sides, [Some(320), Some(240)]);
    program.destroy_window(window).unwrap();
    program.sync().unwrap();
    said(&mut romeo, "the window My slides was closed").await;
    said(&mut juliet, "\"media\":\"video\"").await;
    for program in [&mut romeo, &mut juliet] {
        signal(program, "-INT").await;
        timeout(LIMIT, program.wait()).await.expect("it ends in time").expect("it ran");
    }
}

#[tokio::test]
async fn screens_and_windows_are_listed() {
    let Some(screen) = Screen::open() else { return skipped("Xvfb is not installed") };
    let _slides = slides(&screen);
    let mut listing = program(&["devices"]);
    let output = run({
        listing.env("DISPLAY", &screen.display);
        listing
    })
    .await;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.contains("--screen screen:") && listed.contains("(1100 x 720)"), "{listed}");
    assert!(listed.contains("--screen window:My slides   (320 x 240)"), "{listed}");
}

#[tokio::test]
async fn what_cannot_be_shared_is_told_with_what_there_is() {
    let wrong = |what: &str, display: &str| {
        let mut wrong = program(&[ROOM, "--jid", "romeo@localhost", "--no-window", "--screen", what]);
        wrong.env("DISPLAY", display);
        failure(wrong)
    };
    let (code, why) = wrong("screen", "").await;
    assert!(code == Some(2) && why.contains("DISPLAY names no X server"), "{why}");
    let (code, why) = wrong("window:slides", ":54321").await;
    assert!(code == Some(2) && why.contains("the X server cannot be reached"), "{why}");
    let (code, why) = wrong("window:talk.webm", ":54321").await;
    assert!(code == Some(2) && why.contains("the X server cannot be reached"), "{why}");
    let (code, why) = wrong("window:", ":54321").await;
    assert!(code == Some(2) && why.contains("not by an empty one"), "{why}");
    let Some(screen) = Screen::open() else { return skipped("Xvfb is not installed") };
    let _slides = slides(&screen);
    let (code, why) = wrong("window:film", &screen.display).await;
    assert!(code == Some(2) && why.contains("no window is called film; there are: My slides"), "{why}");
    let (code, why) = wrong("screen:TV", &screen.display).await;
    assert!(code == Some(2) && why.contains("no screen is called TV; there are: "), "{why}");
}
