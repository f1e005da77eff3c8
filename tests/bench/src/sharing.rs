//! What it costs to capture a screen of 1080p, by an X server in memory: while all of it changes, and while nothing does.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use muji_media::device::VideoSource;
use muji_media::device::screen::ScreenCapture;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ChangeGCAux, ConnectionExt as _, CreateGCAux, Rectangle};

use crate::Goals;

const FRAMES: u32 = 120;
const INTERVAL: Duration = Duration::from_micros(1_000_000 / 30);

/// Of a core, in percent: while everything changes, and while nothing does.
const MOVING_GOAL: f64 = 25.0;
const STILL_GOAL: f64 = 5.0;

pub(crate) fn measure(goals: &mut Goals) {
    println!("## Capturing a screen of 1920 x 1080, 30 times a second\n");
    let command = ["-displayfd", "1", "-screen", "0", "1920x1080x24", "-nolisten", "tcp", "-noreset"];
    let server = Command::new("Xvfb").args(command).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let Ok(mut server) = server else {
        println!("skipped: Xvfb is not installed\n");
        return;
    };
    let mut number = String::new();
    BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut number).expect("it says its number");
    let display = format!(":{}", number.trim());
    println!("| the screen | of a core, % | goal | met |\n|---|---|---|---|");
    for (what, moves, goal) in [("all of it changes", true, MOVING_GOAL), ("nothing changes", false, STILL_GOAL)] {
        let share = capture(&display, moves);
        let met = goals.check(share <= goal, || format!("CPU of capturing a screen while {what}"));
        println!("| {what} | {share:.1} | {goal} | {met} |");
    }
    println!();
    end(server);
}

/// The share of a core that this process takes, in percent; what the server takes to draw is its own.
fn capture(display: &str, moves: bool) -> f64 {
    let (program, screen) = x11rb::connect(Some(display)).expect("the server is ready");
    let root = program.setup().roots[screen].root;
    let pen = program.generate_id().expect("there are ids");
    let mut capture = ScreenCapture::of_monitor(Some(display), None).expect("it has a monitor");
    program.create_gc(pen, root, &CreateGCAux::new()).expect("the server is there");
    let (begun, used) = (Instant::now(), ProcessTime::now());
    for frame in 0..FRAMES {
        if moves {
            let colour = ChangeGCAux::new().foreground(0x0001_0305 * frame);
            program.change_gc(pen, &colour).expect("the server is there");
            let all = Rectangle { x: 0, y: 0, width: 1_920, height: 1_080 };
            program.poly_fill_rectangle(root, pen, &[all]).expect("the server is there");
            program.flush().expect("the server is there");
        }
        capture.capture().expect("the server is there");
        std::thread::sleep((INTERVAL * (frame + 1)).saturating_sub(begun.elapsed()));
    }
    used.elapsed().as_secs_f64() * 100.0 / begun.elapsed().as_secs_f64()
}

fn end(mut server: Child) {
    let _ended = (server.kill(), server.wait());
}
