//! The `muji-call` processes of a demonstration and what they say.

use std::env;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use muji_harness::server::Server;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Password of everybody on the server of a demonstration.
pub(crate) const PASSWORD: &str = "montague";

pub(crate) type Failure = Box<dyn std::error::Error>;

/// Lines of output that may wait.
const LINES: usize = 1_024;

/// The processes, by their number. They die with this.
pub(crate) struct Processes {
    program: PathBuf,
    server: String,
    children: Vec<Child>,
    /// Kept until all are started: behind the last line of the last of them there is nothing more.
    lines: Option<mpsc::Sender<(usize, String)>>,
    said: mpsc::Receiver<(usize, String)>,
}

impl Processes {
    /// None yet, around this server.
    pub(crate) fn around(server: &Server) -> Result<Self, Failure> {
        // The program, built beside this one.
        let program = env::current_exe()?.with_file_name("muji-call");
        if !program.exists() {
            return Err(format!("{} is not built: cargo build -p muji-call", program.display()).into());
        }
        let (lines, said) = mpsc::channel(LINES);
        let server = server.address().to_string();
        Ok(Self { program, server, children: Vec::new(), lines: Some(lines), said })
    }

    /// Starts one that logs in as `jid` and speaks under this number.
    pub(crate) fn start(&mut self, number: usize, jid: &str, arguments: &[&str]) -> Result<(), Failure> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .args(["--jid", jid, "--json", "--server", &self.server, "--tls", "none", "--bind", "127.0.0.1"])
            .env("XMPP_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().ok_or("a process without output")?;
        let lines = self.lines.clone().ok_or("all had been started")?;
        tokio::spawn(async move {
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                if lines.send((number, line)).await.is_err() {
                    return;
                }
            }
        });
        self.children.push(child);
        Ok(())
    }

    /// No other will be started.
    pub(crate) fn all_started(&mut self) {
        self.lines = None;
    }

    /// The next event that one of them tells. `None` when all have ended.
    pub(crate) async fn next(&mut self) -> Option<(usize, Value)> {
        loop {
            let (number, line) = self.said.recv().await?;
            match serde_json::from_str(&line) {
                Ok(event) => return Some((number, event)),
                Err(_) => println!("{number}: {line}"),
            }
        }
    }

    /// How each of them ended, in the order of their start.
    pub(crate) async fn ended(mut self) -> Result<Vec<ExitStatus>, Failure> {
        let mut statuses = Vec::new();
        for child in &mut self.children {
            statuses.push(child.wait().await?);
        }
        Ok(statuses)
    }
}
