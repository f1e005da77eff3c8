//! The window, on a screen of the test's own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use muji_harness::room::Rules;
use tokio::time::{sleep, timeout};

use crate::support::*;

/// Until what was asked for by a key is drawn and takes the next ones; nothing tells it.
const DRAWN: Duration = Duration::from_millis(500);

/// A screen in memory; it ends with this.
pub(crate) struct Screen {
    server: Child,
    pub(crate) display: String,
}

impl Screen {
    /// `None` where there is no Xvfb.
    pub(crate) fn open() -> Option<Self> {
        let mut command = Command::new("Xvfb");
        // When its last client goes, as xdotool does after each command, it would begin again, and throw out who is just coming.
        command.args(["-displayfd", "1", "-screen", "0", "1100x720x24", "-nolisten", "tcp", "-noreset"]);
        let mut server = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut display = String::new();
        BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut display).expect("it says its number");
        Some(Self { server, display: format!(":{}", display.trim()) })
    }

    pub(crate) fn xdotool(&self, arguments: &[&str]) -> Option<String> {
        let output = Command::new("xdotool").args(arguments).env("DISPLAY", &self.display).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The window of the program, once it is there.
    async fn window(&self) -> String {
        let search = async {
            loop {
                let found = self.xdotool(&["search", "--onlyvisible", "--name", "^muji-call$"]);
                if let Some(id) = found.and_then(|found| found.lines().next().map(str::to_owned)) {
                    return id;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(LIMIT, search).await.expect("a window opens")
    }

    /// Presses the button of this number at the bottom of a window.
    fn press(&self, window: &str, button: u32) {
        let geometry = self.xdotool(&["getwindowgeometry", "--shell", window]).expect("the window is there");
        let height = geometry.lines().find_map(|line| line.strip_prefix("HEIGHT=")?.parse::<u32>().ok());
        let (x, y) = (8 + 128 * button + 60, height.expect("a height") - 8 - 17);
        let (x, y) = (x.to_string(), y.to_string());
        for click in [&["mousemove", "--window", window, &x, &y][..], &["click", "1"]] {
            self.xdotool(click).expect("the window can be clicked");
        }
    }

    /// Writes into a window, or presses a key.
    fn keyboard(&self, window: &str, what: [&str; 2]) {
        // There is nobody else on this screen who gives windows the keyboard.
        self.xdotool(&["windowfocus", "--sync", window]).expect("the window takes the keyboard");
        self.xdotool(&what).expect("there is a keyboard");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ended = (self.server.kill(), self.server.wait());
    }
}

/// Waits for the next word about a content of another.
async fn is_told(program: &mut tokio::process::Child, content: &str, state: &str) {
    let line = said(program, &format!("\"content\":\"{content}\"")).await;
    assert!(line.contains(&format!("\"state\":\"{state}\"")), "{line}");
}

#[tokio::test]
async fn what_is_clicked_in_the_window_happens_and_leaving_ends_the_program() {
    let Some(screen) = Screen::open().filter(|screen| screen.xdotool(&["version"]).is_some()) else {
        return skipped("Xvfb or xdotool is not installed");
    };
    let server = server(Rules::default()).await;
    let mut juliet = call(&server, "juliet", &["--json", "--video", "pattern:3040c0"]).spawn().expect("it is built");
    let mut romeo = call(&server, "romeo", &["--json", "--video", "pattern:c03030"]);
    let mut romeo = romeo.env("DISPLAY", &screen.display).spawn().expect("it is built");
    said(&mut romeo, "\"event\":\"seen\"").await;
    let window = screen.window().await;
    screen.press(&window, 0);
    is_told(&mut juliet, "audio", "muted").await;
    screen.press(&window, 1);
    is_told(&mut juliet, "video", "muted").await;
    screen.press(&window, 0);
    is_told(&mut juliet, "audio", "unmuted").await;
    screen.press(&window, 4);
    said(&mut juliet, "\"state\":\"left\"").await;
    let status = timeout(LIMIT, romeo.wait()).await.expect("it ends in time").expect("it ran");
    assert!(status.success(), "{status}");
    signal(&juliet, "-INT").await;
    timeout(LIMIT, juliet.wait()).await.expect("it ends in time").expect("it ran");
}

#[tokio::test]
async fn a_call_is_accepted_and_a_third_invited_in_the_window() {
    let Some(screen) = Screen::open().filter(|screen| screen.xdotool(&["version"]).is_some()) else {
        return skipped("Xvfb or xdotool is not installed");
    };
    let server = server(Rules::default()).await;
    let address = server.address().to_string();
    let login = |jid: &str| ["--jid", jid, "--server", &address, "--tls", "none"].map(str::to_owned);
    let of = |jid: &str, more: &[&str]| {
        let more = ["--json", "--audio", "none", "--bind", "127.0.0.1"].iter().chain(more);
        program(&login(jid).iter().map(String::as_str).chain(more.copied()).collect::<Vec<&str>>())
    };
    let mut nurse = of("nurse@localhost", &["--wait", "--anybody"]).spawn().expect("it is built");
    said(&mut nurse, "\"waiting\"").await;
    let mut juliet = of("juliet@localhost/phone", &["--wait", "--anybody", "--once"]);
    let mut juliet = juliet.env("DISPLAY", &screen.display).spawn().expect("it is built");
    said(&mut juliet, "\"waiting\"").await;
    let window = screen.window().await;
    let romeo = of("romeo@localhost", &["juliet@localhost"]).spawn().expect("it is built");
    said(&mut juliet, "\"ringing\"").await;
    screen.keyboard(&window, ["key", "a"]);
    said(&mut juliet, "\"state\":\"connected\"").await;
    screen.keyboard(&window, ["key", "i"]);
    sleep(DRAWN).await;
    screen.keyboard(&window, ["type", "nurse@localhost"]);
    screen.keyboard(&window, ["key", "Return"]);
    said(&mut nurse, "\"invited\"").await;
    for mut program in [romeo, juliet, nurse] {
        signal(&program, "-INT").await;
        timeout(LIMIT, program.wait()).await.expect("it ends in time").expect("it ran");
    }
}

#[tokio::test]
async fn without_the_screen_that_is_named_the_call_goes_on() {
    let server = server(Rules::default()).await;
    let mut romeo = call(&server, "romeo", &["--seconds", "1", "--expect", "0"]);
    let output = run({
        romeo.env("DISPLAY", ":54321");
        romeo
    })
    .await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.contains("the window cannot be opened"), "{errors}");
}
