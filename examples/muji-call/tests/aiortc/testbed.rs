//! Two people of one test, on the Prosody that all tests share: Romeo uses `muji-call`, Juliet aiortc.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use muji_harness::real_server::RealServer;
use muji_harness::recognition::{is_colour, is_tone, read_colour};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use crate::support::*;

/// So that the tests that run at the same time share a server, and the last of them ends it.
static SERVER: Mutex<Weak<RealServer>> = Mutex::new(Weak::new());

/// Numbers the people: a call rings on every device of an account.
static MADE: AtomicU32 = AtomicU32::new(0);

/// The tone of `muji-call`, in Hertz.
pub(crate) const OURS: u16 = 440;

/// The tone of aiortc.
pub(crate) const THEIRS: u16 = 560;

/// The picture of `muji-call`, if it shows one.
pub(crate) const RED: &str = "c03030";
pub(crate) const RED_PATTERN: &str = "pattern:c03030";

/// The picture of aiortc, if it shows one.
pub(crate) const BLUE: &str = "3040c0";

/// Seconds in which it must be heard or seen: a single one may be a coincidence.
const SECONDS: usize = 2;

/// What both programs said, in the order in which it came; a test that fails shows it.
type Transcript = Arc<Mutex<Vec<String>>>;

pub(crate) struct Testbed {
    server: Arc<RealServer>,
    python: PathBuf,
    transcript: Transcript,
    pub(crate) romeo: String,
    pub(crate) juliet: String,
}

impl Testbed {
    /// Says what is missing if something is.
    pub(crate) fn new() -> Option<Self> {
        let Some(python) = muji_aiortc::python() else {
            skipped("aiortc is not installed: scripts/needs aiortc");
            return None;
        };
        let Some(server) = server() else {
            skipped("Prosody is not installed");
            return None;
        };
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let [romeo, juliet] = ["romeo", "juliet"].map(|name| {
            let name = format!("{name}{number}");
            server.register(&name, PASSWORD).expect("a folder that Prosody made");
            format!("{name}@{}", server.domain)
        });
        Some(Self { server, python, transcript: Transcript::default(), romeo, juliet })
    }

    /// `muji-call` of Romeo, on his one device.
    pub(crate) fn muji_call(&self, arguments: &[&str]) -> Side {
        let (address, authority, device) = (self.server.address(), self.server.authority(), self.device());
        let tone = format!("tone:{OURS}");
        let mut all = arguments.to_vec();
        all.extend(["--jid", &device, "--server", &address, "--ca-file", &authority, "--audio", &tone]);
        all.extend(["--bind", "127.0.0.1", "--json"]);
        let mut command = program(&all);
        command.stdin(Stdio::piped());
        Side::start("muji-call", command, &self.transcript)
    }

    /// The full JID of Romeo.
    pub(crate) fn device(&self) -> String {
        format!("{}/balcony", self.romeo)
    }

    /// The same, waiting to be called.
    pub(crate) async fn muji_call_waits(&self, arguments: &[&str]) -> Side {
        let mut all = vec!["--wait", "--once", "--anybody", "--auto-answer", "0"];
        all.extend(arguments);
        let mut waiting = self.muji_call(&all);
        waiting.tells("waiting").await;
        waiting
    }

    /// aiortc of Juliet, logged in.
    pub(crate) async fn aiortc(&self, arguments: &[&str]) -> Side {
        let tone = THEIRS.to_string();
        let arguments = [arguments, &["--tone", &tone]].concat();
        let command = muji_aiortc::peer(&self.python, &self.server, &self.juliet, PASSWORD, &arguments);
        let mut peer = Side::start("aiortc", command, &self.transcript);
        peer.tells("ready").await;
        peer
    }

    /// A room that no other test uses.
    pub(crate) fn room(&self) -> String {
        self.juliet.replacen('@', "@conference.", 1)
    }
}

fn server() -> Option<Arc<RealServer>> {
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let running =
        shared.upgrade().or_else(|| RealServer::prosody(PASSWORD).unwrap_or_else(|why| panic!("{why}")).map(Arc::new));
    *shared = running.as_ref().map_or_else(Weak::new, Arc::downgrade);
    running
}

/// One of the two programs.
pub(crate) struct Side {
    name: &'static str,
    child: Child,
    lines: UnboundedReceiver<String>,
    transcript: Transcript,
}

impl Side {
    fn start(name: &'static str, mut command: Command, transcript: &Transcript) -> Self {
        let mut child = command.spawn().expect("it is there");
        let (sender, lines) = unbounded_channel();
        read(name, child.stdout.take().expect("it is piped"), sender.clone(), transcript.clone());
        read(name, child.stderr.take().expect("it is piped"), sender, transcript.clone());
        Self { name, child, lines, transcript: transcript.clone() }
    }

    /// Its next event of this name.
    pub(crate) async fn tells(&mut self, event: &str) -> Value {
        self.tells_that(event, |_| true).await
    }

    /// Its next event of this name of which something is true.
    pub(crate) async fn tells_that(&mut self, event: &str, is: impl Fn(&Value) -> bool) -> Value {
        let search = async {
            while let Some(line) = self.lines.recv().await {
                let told = serde_json::from_str::<Value>(&line).ok();
                if let Some(told) = told.filter(|told| told["event"] == event && is(told)) {
                    return Some(told);
                }
            }
            None
        };
        let told = timeout(LIMIT, search).await.ok().flatten();
        told.unwrap_or_else(|| panic!("{} did not tell of this: {event}\n{}", self.name, self.transcript()))
    }

    /// What both said so far.
    pub(crate) fn transcript(&self) -> String {
        self.transcript.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// It hears a tone of so many Hertz.
    pub(crate) async fn hears(&mut self, hertz: u16) {
        let near = |event: &Value| event["hz"].as_f64().is_some_and(|heard| is_tone(heard, hertz));
        for _ in 0..SECONDS {
            self.tells_that("heard", near).await;
        }
    }

    /// It sees this colour, RRGGBB: the mean of a picture.
    pub(crate) async fn sees(&mut self, colour: &str) {
        let wanted = read_colour(colour).expect("it is a colour");
        let near =
            |event: &Value| event["colour"].as_str().and_then(read_colour).is_some_and(|seen| is_colour(seen, wanted));
        for _ in 0..SECONDS {
            self.tells_that("seen", near).await;
        }
    }

    /// How often it told of this so far.
    pub(crate) fn times(&self, event: &str) -> usize {
        let (prefix, text) = (format!("{}: ", self.name), self.transcript());
        let told = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix(&prefix)?).ok());
        told.filter(|told| told["event"] == event).count()
    }

    /// Its user presses these keys.
    pub(crate) async fn presses(&mut self, keys: &[u8]) {
        self.child.stdin.as_mut().expect("it is piped").write_all(keys).await.expect("it runs");
    }

    /// Its user hangs up.
    pub(crate) async fn hangs_up(&self) {
        signal(&self.child, "-INT").await;
    }

    /// The call is over, for this reason.
    pub(crate) async fn ends(&mut self, why: &str) {
        let ended = self.tells("ended").await;
        assert_eq!(ended["why"], why, "{}:\n{}", self.name, self.transcript());
    }
}

/// Passes on what comes, line by line, so that a program never waits for its reader.
fn read(
    name: &'static str,
    output: impl AsyncRead + Unpin + Send + 'static,
    lines: UnboundedSender<String>,
    transcript: Transcript,
) {
    tokio::spawn(async move {
        let mut output = BufReader::new(output).lines();
        while let Ok(Some(line)) = output.next_line().await {
            transcript.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{name}: {line}"));
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}
