//! A four-way call: four processes, each with a tone and a colour of its own, and a matrix of who hears and sees whom, measured on what was
//! decoded.
//!
//! `MUTE=2` lets the second send nothing: then 9 of 12 directions are heard and seen, and the demonstration fails as it should.
//! `SECONDS_IN_CALL` says how long the call lasts.

use std::env;
use std::io::IsTerminal;
use std::time::Duration;

use muji_conformance::harness::room::Rules;
use muji_conformance::harness::server::Server;
use tokio::time::{interval, timeout};

use crate::Seen;
use crate::matrix::{Matrix, PEOPLE, Person};
use crate::processes::{Failure, PASSWORD, Processes};

/// How long the call lasts if nothing else is said.
const SECONDS: u64 = 6;

/// More than this behind the call's own length and something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn demo() -> Result<Seen, Failure> {
    let muted = match env::var("MUTE").ok().filter(|number| !number.is_empty()) {
        Some(number) => Some(number.parse::<usize>().map_err(|_| "MUTE takes 1 to 4")?),
        None => None,
    };
    let seconds = env::var("SECONDS_IN_CALL").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(SECONDS);
    let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
    println!("An XMPP server of our own listens on {}; four muji-call processes join a call.", server.address());
    let mut processes = Processes::around(&server)?;
    for (index, Person { name, hz, rgb: [red, green, blue] }) in PEOPLE.iter().enumerate() {
        let (mut audio, mut video) = (format!("tone:{hz}"), format!("pattern:{red:02x}{green:02x}{blue:02x}"));
        if muted == Some(index + 1) {
            (audio, video) = ("none".to_owned(), "none".to_owned());
        }
        let room = "demo@conference.localhost";
        let (seconds, what) = (seconds.to_string(), ["--audio", &audio, "--video", &video]);
        let arguments = [&[room, "--nick", name, "--seconds", &seconds], &what[..]].concat();
        processes.start(index, &format!("{name}@localhost"), &arguments)?;
    }
    processes.all_started();
    let mut matrix = Matrix::default();
    let limit = Duration::from_secs(seconds) + PATIENCE;
    let watched = timeout(limit, watch(&mut processes, &mut matrix)).await;
    println!("\n{matrix}");
    watched.map_err(|_| "a process did not end in time")?;
    for (status, Person { name, .. }) in processes.ended().await?.iter().zip(PEOPLE) {
        if !status.success() {
            println!("{name} ended with {status}");
        }
    }
    let (heard, seen, all) = (matrix.heard(), matrix.seen(), matrix.directions());
    let text = format!("{heard} of {all} directions heard, {seen} of {all} seen");
    Ok(Seen { right: heard == all && seen == all, text })
}

/// Takes what the processes say until all have ended, and shows the matrix meanwhile.
async fn watch(processes: &mut Processes, matrix: &mut Matrix) {
    let live = std::io::stdout().is_terminal();
    let mut second = interval(Duration::from_secs(1));
    let mut shown = 0;
    loop {
        tokio::select! {
            event = processes.next() => {
                let Some((listener, event)) = event else { return };
                matrix.take(listener, &event);
            }
            _ = second.tick() => {
                if live && shown > 0 {
                    print!("\x1b[{shown}A"); // Up to where the matrix began.
                }
                let text = matrix.now();
                shown = text.lines().count();
                text.lines().for_each(|line| println!("{line:<99}"));
            }
        }
    }
}
