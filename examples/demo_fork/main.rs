//! One account with three devices and a caller, as four `muji-call` processes around an XMPP server of our own: all three
//! ring, one picks up after two seconds, the others fall silent.

use std::env;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use muji_conformance::harness::room::Rules;
use muji_conformance::harness::server::Server;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Juliet's devices and Romeo's, as columns.
const DEVICES: [&str; 4] = ["caller", "phone", "laptop", "tablet"];

/// The device that picks up, and after how many seconds.
const ANSWERS: (usize, &str) = (2, "2");

/// Their tones in Hz: Romeo's, and the one of whoever picks up.
const TONES: [&str; 2] = ["440", "550"];

/// Longer than this and something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Password of everybody on the server of this demonstration.
const PASSWORD: &str = "montague";

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match demo().await {
        Ok(seen) if seen.is_right() => {
            println!(
                "demo-fork: 3 devices rang, the {} picked up, 2 fell silent, both sides heard",
                DEVICES[ANSWERS.0]
            );
            ExitCode::SUCCESS
        }
        Ok(seen) => {
            println!("demo-fork: failed, {seen:?}");
            ExitCode::FAILURE
        }
        Err(why) => {
            println!("demo-fork: failed, {why}");
            ExitCode::FAILURE
        }
    }
}

async fn demo() -> Result<Seen, Failure> {
    let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
    server.with_service(|service| {
        service.contacts.extend(["romeo@localhost", "juliet@localhost"].map(|jid| jid.parse().expect("it is plain")));
    });
    let program = muji_call()?;
    let (lines, mut said) = mpsc::channel(1_024);
    let mut processes = Vec::new();
    for index in [1, 2, 3] {
        let jid = format!("juliet@localhost/{}", DEVICES[index]);
        let mut arguments = vec!["--wait", "--once", "--audio", "tone:550"];
        if index == ANSWERS.0 {
            arguments.extend(["--auto-answer", ANSWERS.1]);
        }
        processes.push(start(&program, &server, &jid, &arguments, index, lines.clone())?);
    }
    wait_until_there(&server, 3).await?;
    println!("Romeo calls juliet@localhost, who has a phone, a laptop and a tablet.\n\n{}", row("seconds", DEVICES));
    let arguments = ["juliet@localhost", "--audio", "tone:440", "--seconds", "4"];
    processes.push(start(&program, &server, "romeo@localhost/caller", &arguments, 0, lines)?);
    let mut seen = Seen::default();
    let watched = timeout(PATIENCE, watch(&mut said, &mut seen)).await;
    println!();
    watched.map_err(|_| "a process did not end in time")?;
    Ok(seen)
}

/// The other example, built beside this one.
fn muji_call() -> Result<PathBuf, Failure> {
    let beside = env::current_exe()?.with_file_name("muji-call");
    if beside.exists() { Ok(beside) } else { Err(format!("{} is not built", beside.display()).into()) }
}

fn start(
    program: &Path,
    server: &Server,
    jid: &str,
    arguments: &[&str],
    index: usize,
    lines: mpsc::Sender<(usize, String)>,
) -> Result<Child, Failure> {
    let mut child = Command::new(program)
        .args(arguments)
        .args(["--jid", jid, "--json", "--server", &server.address().to_string(), "--tls", "none"])
        .args(["--bind", "127.0.0.1"])
        .env("XMPP_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or("a process without output")?;
    tokio::spawn(async move {
        let mut output = BufReader::new(output).lines();
        while let Ok(Some(line)) = output.next_line().await {
            if lines.send((index, line)).await.is_err() {
                return;
            }
        }
    });
    Ok(child)
}

/// The devices are there once they have asked for copies, which they do first.
async fn wait_until_there(server: &Server, devices: usize) -> Result<(), Failure> {
    let there = async {
        while server.with_service(|service| service.copying()) < devices {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, there).await.map_err(|_| "a device did not log in".into())
}

/// What came of it.
#[derive(Debug, Default)]
struct Seen {
    rang: [bool; 4],
    ended: [Option<String>; 4],
    picked_up: Option<String>,
    heard: [bool; 4],
}

impl Seen {
    fn is_right(&self) -> bool {
        let winner = format!("juliet@localhost/{}", DEVICES[ANSWERS.0]);
        let others = [1, 2, 3].into_iter().filter(|index| *index != ANSWERS.0);
        let silent = others.map(|index| self.ended[index].clone());
        let elsewhere = Some(format!("answered on {winner}"));
        self.rang == [false, true, true, true]
            && self.picked_up == Some(winner)
            && silent.into_iter().all(|why| why == elsewhere)
            && self.heard[0]
            && self.heard[ANSWERS.0]
    }

    /// What to show of an event, in the column of whoever told it.
    fn take(&mut self, index: usize, event: &Value) -> Option<String> {
        match event["event"].as_str()? {
            "ringing" => {
                self.rang[index] = true;
                Some("rings".to_owned())
            }
            "device" if event["state"] == "picked up" => {
                self.picked_up = event["jid"].as_str().map(str::to_owned);
                let device = event["jid"].as_str()?.rsplit('/').next()?;
                Some(format!("{device} took it"))
            }
            "peer" if event["state"] == "connecting" && index > 0 => Some("picked up".to_owned()),
            "heard" => {
                let tone = event["hz"].as_f64().filter(|hz| TONES.iter().any(|tone| tone_is(*hz, tone)));
                let first = tone.is_some() && !std::mem::replace(&mut self.heard[index], true);
                first.then(|| format!("hears {:.0} Hz", tone.unwrap_or_default()))
            }
            "ended" => {
                let why = event["why"].as_str()?.to_owned();
                self.ended[index] = Some(why.clone());
                Some(if why.starts_with("answered on") { "stopped".to_owned() } else { "over".to_owned() })
            }
            _ => None,
        }
    }
}

fn tone_is(hz: f64, tone: &str) -> bool {
    tone.parse::<f64>().is_ok_and(|tone| (tone - hz).abs() <= 5.0)
}

async fn watch(said: &mut mpsc::Receiver<(usize, String)>, seen: &mut Seen) {
    let start = Instant::now();
    while let Some((index, line)) = said.recv().await {
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        if let Some(shown) = seen.take(index, &event) {
            let mut cells = [""; 4];
            cells[index] = &shown;
            println!("{}", row(&format!("{:.2}", start.elapsed().as_secs_f64()), cells));
        }
    }
}

fn row(first: &str, cells: [&str; 4]) -> String {
    let mut line = format!("{first:>7}  ");
    for cell in cells {
        let _infallible = write!(line, "{cell:<16}");
    }
    line.trim_end().to_owned()
}
