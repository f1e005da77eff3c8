//! One account with three devices and a caller, as four processes: all three ring, one picks up after two seconds, the
//! others fall silent.

use std::fmt::Write;
use std::time::{Duration, Instant};

use muji_harness::muji_call::Processes;
use muji_harness::recognition::is_tone;
use muji_harness::room::Rules;
use muji_harness::server::Server;
use serde_json::Value;
use tokio::time::timeout;

use crate::{Failure, PASSWORD, processes};

/// Juliet's devices and Romeo's, as columns.
const DEVICES: [&str; 4] = ["caller", "phone", "laptop", "tablet"];

/// The device that picks up, and after how many seconds.
const ANSWERS: (usize, &str) = (2, "2");

/// Their tones in Hz: Romeo's, and that of the device that picks up.
const TONES: [u16; 2] = [440, 550];

/// Longer than this and something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn demo() -> Result<crate::Verdict, Failure> {
    let server = Server::start("localhost", PASSWORD, Rules::default()).await?;
    server.with_service(|service| {
        service.contacts.extend(["romeo@localhost", "juliet@localhost"].map(|jid| jid.parse().expect("it is plain")));
    });
    let mut processes = processes(&server)?;
    for index in [1, 2, 3] {
        let mut arguments = vec!["--wait", "--once", "--audio", "tone:550", "--no-window"];
        if index == ANSWERS.0 {
            arguments.extend(["--auto-answer", ANSWERS.1]);
        }
        processes.start(index, &format!("juliet@localhost/{}", DEVICES[index]), &arguments)?;
    }
    wait_until_there(&server, 3).await?;
    println!("Romeo calls juliet@localhost, who has a phone, a laptop and a tablet.\n\n{}", row("seconds", DEVICES));
    let arguments = ["juliet@localhost", "--audio", "tone:440", "--seconds", "4", "--no-window"];
    processes.start(0, "romeo@localhost/caller", &arguments)?;
    processes.all_started();
    let mut seen = Observed::default();
    let watched = timeout(PATIENCE, watch(&mut processes, &mut seen)).await;
    println!();
    watched.map_err(|_| "a process did not end in time")?;
    let winner = DEVICES[ANSWERS.0];
    let text = match seen.is_right() {
        true => format!("3 devices rang, the {winner} picked up, 2 fell silent, both sides heard"),
        false => format!("failed, {seen:?}"),
    };
    Ok(crate::Verdict { passed: seen.is_right(), text })
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
struct Observed {
    rang: [bool; 4],
    ended: [Option<String>; 4],
    picked_up: Option<String>,
    heard: [bool; 4],
}

impl Observed {
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

    /// What to show of an event, in the column of the process that printed it.
    fn take(&mut self, index: usize, event: &Value) -> Option<String> {
        match event["event"].as_str()? {
            "ringing" => {
                self.rang[index] = true;
                Some("rings".to_owned())
            }
            "device" if event["state"] == "picked up" => {
                self.picked_up = event["jid"].as_str().map(str::to_owned);
                let device = event["jid"].as_str()?.rsplit('/').next()?;
                Some(format!("{device} answered"))
            }
            "peer" if event["state"] == "connecting" && index > 0 => Some("picked up".to_owned()),
            "heard" => {
                let tone = event["hz"].as_f64().filter(|hz| TONES.iter().any(|tone| is_tone(*hz, *tone)));
                let first = tone.is_some() && !std::mem::replace(&mut self.heard[index], true);
                first.then(|| format!("hears {:.0} Hz", tone.unwrap_or_default()))
            }
            "ended" => {
                let why = event["why"].as_str()?.to_owned();
                self.ended[index] = Some(why.clone());
                Some(if why.starts_with("answered on") { "stopped".to_owned() } else { "ended".to_owned() })
            }
            _ => None,
        }
    }
}

async fn watch(processes: &mut Processes, seen: &mut Observed) {
    let start = Instant::now();
    while let Some((index, event)) = processes.next().await {
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
