//! A four-way call: four processes, each with a tone and a colour of its own, and a matrix of who hears and sees whom, measured on what was
//! decoded.
//!
//! `MUTE=2` lets the second send nothing: then 9 of 12 directions are heard and seen, and the demonstration fails as it should.
//! `SECONDS_IN_CALL` says how long the call lasts, and `WINDOWS=4` opens the windows of all.

use std::env;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use muji_harness::muji_call::Processes;
use muji_harness::room::Rules;
use muji_harness::server::Server;
use tokio::time::{interval, timeout};

use crate::matrix::{Matrix, PEOPLE, Person};
use crate::pictures;
use crate::{Failure, PASSWORD, Verdict, processes};

/// How long the call lasts by default.
const SECONDS: u64 = 6;

/// More than this behind the call's own length and something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn demo() -> Result<Verdict, Failure> {
    let muted = number("MUTE")?;
    let seconds = number("SECONDS_IN_CALL")?.unwrap_or(SECONDS);
    let windows = number("WINDOWS")?.unwrap_or(0);
    let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
    println!(
        "The demonstration's own XMPP server listens on {}; four muji-call processes join a call.",
        server.address()
    );
    let mut processes = processes(&server)?;
    let folder = pictures::folder()?;
    pictures::clear(&folder);
    for (index, Person { name, hz, rgb: [red, green, blue] }) in PEOPLE.iter().enumerate() {
        let (mut audio, mut video) = (format!("tone:{hz}"), format!("pattern:{red:02x}{green:02x}{blue:02x}"));
        if muted == Some(index as u64 + 1) {
            (audio, video) = ("none".to_owned(), "none".to_owned());
        }
        let room = "demo@conference.localhost";
        let seconds = seconds.to_string();
        let mut arguments = vec![room, "--nick", name, "--seconds", &seconds, "--audio", &audio, "--video", &video];
        let of_window = pictures::options(&folder, name, (index as u64) < windows);
        arguments.extend(of_window.iter().map(String::as_str));
        processes.start(index, &format!("{name}@localhost"), &arguments)?;
    }
    processes.all_started();
    let mut matrix = Matrix::default();
    let limit = Duration::from_secs(seconds) + PATIENCE;
    let watched = timeout(limit, watch(&mut processes, &mut matrix, &folder)).await;
    println!("\n{matrix}");
    let tiles = watched.map_err(|_| "a process did not end in time")?;
    for (number, status) in processes.ended().await? {
        if !status.success() {
            println!("{} ended with {status}", PEOPLE[number].name);
        }
    }
    let (heard, seen, all) = (matrix.heard(), matrix.seen(), matrix.directions());
    println!("Pictures of each window: {}", pictures::file(&folder, "*"));
    let text =
        format!("{heard} of {all} directions heard, {seen} of {all} seen, {tiles} of {all} tiles in the windows");
    Ok(Verdict { passed: [heard, seen, tiles].iter().all(|found| *found == all), text })
}

/// What the environment says, if it says anything.
fn number(name: &str) -> Result<Option<u64>, Failure> {
    let said = env::var(name).ok().filter(|said| !said.is_empty());
    said.map(|said| said.parse().map_err(|_| format!("{name} must be a number, not {said}").into())).transpose()
}

/// Takes what the processes say until all have ended, and shows the matrix meanwhile.
/// The most tiles that the windows had at once: those who leave first are gone from the last pictures of the others.
async fn watch(processes: &mut Processes, matrix: &mut Matrix, folder: &Path) -> usize {
    let live = std::io::stdout().is_terminal();
    let mut second = interval(Duration::from_secs(1));
    let (mut shown, mut tiles) = (0, 0);
    loop {
        tokio::select! {
            event = processes.next() => {
                let Some((listener, event)) = event else { return tiles };
                matrix.take(listener, &event);
            }
            _ = second.tick() => {
                if live && shown > 0 {
                    print!("\x1b[{shown}A"); // Up to where the matrix began.
                }
                tiles = tiles.max(pictures::tiles(folder).unwrap_or(0)); // Not all are written from the beginning.
                let text = matrix.now();
                shown = text.lines().count();
                text.lines().for_each(|line| println!("{line:<99}"));
            }
        }
    }
}
