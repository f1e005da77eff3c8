//! A four-way call on one machine: an XMPP server of our own on loopback, four `muji-call` processes, each with a tone of
//! its own, and a matrix of who hears whom, measured on decoded sound.
//!
//! `MUTE=2` lets the second send nothing: then 9 of 12 directions are heard, and the demonstration fails as it should.
//! `SECONDS_IN_CALL` says how long the call lasts.

mod matrix;

use std::env;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use muji_conformance::harness::room::Rules;
use muji_conformance::harness::server::Server;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};

use matrix::{Matrix, PEOPLE};

/// How long the call lasts if nothing else is said.
const SECONDS: u64 = 6;

/// More than this behind the call's own length and something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Password of everybody on the server of this demonstration.
const PASSWORD: &str = "montague";

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match demo().await {
        Ok(matrix) => {
            println!("demo: {} of {} directions heard", matrix.heard(), matrix.directions());
            ExitCode::from(u8::from(matrix.heard() < matrix.directions()))
        }
        Err(why) => {
            println!("demo: failed, {why}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<Matrix, Failure> {
    let muted = match env::var("MUTE").ok().filter(|number| !number.is_empty()) {
        Some(number) => Some(number.parse::<usize>().map_err(|_| "MUTE takes 1 to 4")?),
        None => None,
    };
    let seconds = env::var("SECONDS_IN_CALL").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(SECONDS);
    let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
    println!("An XMPP server of our own listens on {}; four muji-call processes join a call.", server.address());
    let program = muji_call()?;
    let (lines, mut said) = mpsc::channel(1_024);
    let mut processes = Vec::new();
    for (index, (name, hz)) in PEOPLE.iter().enumerate() {
        let audio = if muted == Some(index + 1) { "none".to_owned() } else { format!("tone:{hz}") };
        let mut child = join(&program, &server, name, &audio, seconds)?;
        let output = child.stdout.take().ok_or("a process without output")?;
        let lines = lines.clone();
        tokio::spawn(async move {
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                if lines.send((index, line)).await.is_err() {
                    return;
                }
            }
        });
        processes.push(child);
    }
    drop(lines);
    let mut matrix = Matrix::default();
    let limit = Duration::from_secs(seconds) + PATIENCE;
    let ended = timeout(limit, watch(&mut said, &mut matrix)).await.is_ok();
    println!("\n{matrix}");
    for (child, (name, _)) in processes.iter_mut().zip(PEOPLE) {
        if ended {
            let status = child.wait().await?;
            if !status.success() {
                println!("{name} ended with {status}");
            }
        }
    }
    if ended { Ok(matrix) } else { Err("a process did not end in time".into()) }
}

/// The other example, built beside this one.
fn muji_call() -> Result<PathBuf, Failure> {
    let beside = env::current_exe()?.with_file_name("muji-call");
    if beside.exists() { Ok(beside) } else { Err(format!("{} is not built", beside.display()).into()) }
}

fn join(program: &Path, server: &Server, name: &str, audio: &str, seconds: u64) -> std::io::Result<Child> {
    Command::new(program)
        .args(["demo@conference.localhost", "--jid", &format!("{name}@localhost"), "--nick", name, "--json"])
        .args(["--server", &server.address().to_string(), "--tls", "none", "--bind", "127.0.0.1"])
        .args(["--audio", audio, "--seconds", &seconds.to_string()])
        .env("XMPP_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Takes what the processes say until all have ended, and shows the matrix meanwhile.
async fn watch(said: &mut mpsc::Receiver<(usize, String)>, matrix: &mut Matrix) {
    let live = std::io::stdout().is_terminal();
    let mut second = interval(Duration::from_secs(1));
    let mut shown = 0;
    loop {
        tokio::select! {
            line = said.recv() => {
                let Some((listener, line)) = line else { return };
                match serde_json::from_str::<Value>(&line) {
                    Ok(event) => matrix.take(listener, &event),
                    Err(_) => println!("{}: {line}", PEOPLE[listener].0),
                }
            }
            _ = second.tick() => {
                if live && shown > 0 {
                    print!("\x1b[{shown}A"); // Up to where the matrix began.
                }
                let text = matrix.levels();
                shown = text.lines().count();
                text.lines().for_each(|line| println!("{line:<72}"));
            }
        }
    }
}
