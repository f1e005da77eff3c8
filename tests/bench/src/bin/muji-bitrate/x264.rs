//! x264 by GStreamer, where both and their bindings for Python are installed.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use muji_harness::test_content::{HEIGHT, WIDTH, picture};

/// Encodes the pictures of our benchmark.
const PROGRAM: &str = include_str!("x264.py");

/// One of them may have no bindings: that of the system has those of its packages.
const PYTHON: [&str; 2] = ["python3", "/usr/bin/python3"];

/// The bytes of each frame; `None` where something is not installed.
pub(crate) fn sizes(targets: &[u32], between: usize) -> Option<Vec<usize>> {
    PYTHON.into_iter().find_map(|python| run(python, targets, between))
}

fn run(python: &str, targets: &[u32], between: usize) -> Option<Vec<usize>> {
    let numbers = [WIDTH, HEIGHT, between].map(|number| number.to_string());
    let mut command = Command::new(python);
    command.args(["-c", PROGRAM]).args(numbers).args(targets.iter().map(u32::to_string));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let (mut input, mut output) = (child.stdin.take()?, child.stdout.take()?);
    let frames = between * targets.len();
    // It reads a frame and writes a line; all lines together fit into the pipe.
    let fed = (0..frames).try_for_each(|frame| input.write_all(picture(frame).samples()));
    drop(input);
    let mut said = String::new();
    output.read_to_string(&mut said).ok()?;
    let ended = child.wait().ok()?;
    let sizes: Vec<usize> = said.lines().filter_map(|line| line.parse().ok()).collect();
    (fed.is_ok() && ended.success() && sizes.len() == frames).then_some(sizes)
}
