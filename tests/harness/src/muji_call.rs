//! `muji-call` processes, built beside the program that starts them, and the events that they tell.

use std::collections::BTreeMap;
use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// Lines of output that may wait.
const LINES: usize = 1_024;

/// The processes, by their number. They die with this.
pub struct Processes {
    program: PathBuf,
    login: Vec<String>,
    password: String,
    children: BTreeMap<usize, Child>,
    /// Kept until all are started: behind the last line of the last of them there is nothing more.
    lines: Option<mpsc::Sender<(usize, String)>>,
    said: mpsc::Receiver<(usize, String)>,
}

impl Processes {
    /// None yet; all will log in with these options and this password.
    ///
    /// # Errors
    /// If the program is not built.
    pub fn new(login: &[&str], password: &str) -> io::Result<Self> {
        let program = env::current_exe()?.with_file_name("muji-call");
        if !program.exists() {
            let why = format!("{} is not built: cargo build -p muji-call", program.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        let (lines, said) = mpsc::channel(LINES);
        let login = login.iter().map(|&option| option.to_owned()).collect();
        Ok(Self { program, login, password: password.to_owned(), children: BTreeMap::new(), lines: Some(lines), said })
    }

    /// Starts one that logs in as `jid` and speaks under this number. One that spoke under it before has ended, or does now.
    ///
    /// # Errors
    /// If it cannot be started, or all were.
    pub fn start(&mut self, number: usize, jid: &str, arguments: &[&str]) -> io::Result<()> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .args(&self.login)
            .args(["--jid", jid, "--json", "--bind", "127.0.0.1"])
            .env("XMPP_PASSWORD", &self.password)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().ok_or_else(|| io::Error::other("a process without output"))?;
        let lines = self.lines.clone().ok_or_else(|| io::Error::other("all had been started"))?;
        tokio::spawn(async move {
            let mut output = BufReader::new(output).lines();
            while let Ok(Some(line)) = output.next_line().await {
                if lines.send((number, line)).await.is_err() {
                    return;
                }
            }
        });
        self.children.insert(number, child);
        Ok(())
    }

    /// The system's id of the process that speaks under this number, unless it has ended and this was seen.
    #[must_use]
    pub fn id(&self, number: usize) -> Option<u32> {
        self.children.get(&number).and_then(Child::id)
    }

    /// Presses keys of all that still run.
    pub async fn press(&mut self, keys: &str) {
        let numbers: Vec<usize> = self.children.keys().copied().collect();
        for number in numbers {
            self.press_one(number, keys).await;
        }
    }

    /// Presses keys of one, if it still runs.
    pub async fn press_one(&mut self, number: usize, keys: &str) {
        if let Some(input) = self.children.get_mut(&number).and_then(|child| child.stdin.as_mut()) {
            let _ended = input.write_all(keys.as_bytes()).await.is_err();
        }
    }

    /// No other will be started.
    pub fn all_started(&mut self) {
        self.lines = None;
    }

    /// The next event that one of them tells. `None` when all have ended.
    pub async fn next(&mut self) -> Option<(usize, Value)> {
        loop {
            let (number, line) = self.said.recv().await?;
            match serde_json::from_str(&line) {
                Ok(event) => return Some((number, event)),
                Err(_) => println!("{number}: {line}"),
            }
        }
    }

    /// How each of them ended, by number.
    ///
    /// # Errors
    /// If that cannot be known.
    pub async fn ended(mut self) -> io::Result<Vec<(usize, ExitStatus)>> {
        let mut statuses = Vec::new();
        for (number, child) in &mut self.children {
            statuses.push((*number, child.wait().await?));
        }
        Ok(statuses)
    }
}
