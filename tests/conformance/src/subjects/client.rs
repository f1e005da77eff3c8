//! Programs that are judged: muji-call, and any other client that a shim controls.
//!
//! A shim is a program that moves a client. It reads an object a line on standard input, does what it says, and ends when there is no more
//! to read. With exit code 89 it says that its client cannot do that.
//!
//! | `do` | with | meaning |
//! |---|---|---|
//! | `log-in` | `jid`, `password`, `server` (address and port, without TLS) | always the first |
//! | `wait` | | be there to be called and invited |
//! | `join` | `room`, perhaps `invite` | join the call of a room entered for it, with sound; and invite somebody |
//! | `call` | `jid` | call somebody on all devices, with sound |
//! | `accept`, `decline` | | what rings |
//! | `leave` | | the call; hang up; give up |
//! | `mute`, `unmute` | | send no sound, and again |
//! | `add-pictures`, `remove-pictures` | | send pictures too, and have nothing to do with them any more |

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Cannot, Order};

/// A shim says with it that its client cannot do something.
const NOT_IMPLEMENTED: i32 = 89;

/// How a Rust program ends that panics.
const PANICKED: i32 = 101;

/// After a request to end a program is ended.
const END: Duration = Duration::from_secs(3);

/// Who a client logs in as.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) jid: String,
    pub(crate) password: String,
    pub(crate) server: SocketAddr,
}

/// A client that is told what to do.
pub(crate) trait Client: Send {
    /// True if it enters no room by its name: then somebody invites it.
    fn comes_by_invitation(&self) -> bool {
        false
    }

    /// Tells it.
    fn order(&mut self, order: &Order) -> Result<(), Cannot>;

    /// Whether it has done what it was told, or why it cannot; `None` while nobody knows.
    fn done(&mut self) -> Option<Result<(), Cannot>> {
        Some(Ok(()))
    }

    /// Why it is not there any more, if it should be.
    fn gone(&mut self) -> Option<Cannot>;
}

/// `muji-call`, started again for each call.
pub(crate) struct MujiCall {
    program: PathBuf,
    account: Account,
    process: Option<Process>,
}

impl MujiCall {
    pub(crate) fn start(account: Account) -> io::Result<Box<dyn Client>> {
        Ok(Box::new(Self { program: muji_call()?, account, process: None }))
    }

    fn run(&mut self, more: &[&str]) -> Result<(), Cannot> {
        if self.process.as_mut().is_some_and(|process| process.ended().is_none()) {
            return Err(Cannot::NotImplemented); // One call in each program.
        }
        let server = self.account.server.to_string();
        let mut command = Command::new(&self.program);
        command.args(["--jid", &self.account.jid, "--server", &server, "--tls", "none", "--no-window", "--json"]);
        command.args(["--audio", "tone:440", "--video", "off", "--speaker", "none"]).args(more);
        command.env("XMPP_PASSWORD", &self.account.password).env_remove("XMPP_JID");
        self.process = Some(Process::start(command).map_err(|why| Cannot::Gone(why.to_string()))?);
        Ok(())
    }

    fn running(&mut self) -> Result<&mut Process, Cannot> {
        self.process.as_mut().ok_or(Cannot::Here("it was not told to begin"))
    }
}

/// Beside us or above, where cargo puts it, or where programs are.
fn muji_call() -> io::Result<PathBuf> {
    let us = std::env::current_exe()?;
    let built = us.ancestors().skip(1).take(2).map(|folder| folder.join("muji-call"));
    Ok(built.into_iter().find(|program| program.exists()).unwrap_or_else(|| PathBuf::from("muji-call")))
}

impl Client for MujiCall {
    fn order(&mut self, order: &Order) -> Result<(), Cannot> {
        match order {
            Order::Wait => self.run(&["--wait", "--once"]),
            Order::Join(room, None) => self.run(&[room.as_str()]),
            Order::Join(room, Some(guest)) => self.run(&[room.as_str(), "--invite", guest.as_str()]),
            Order::Call(whom) => self.run(&[whom.as_str()]),
            Order::Accept => self.running()?.write("a"),
            Order::Decline => self.running()?.write("d"),
            Order::Leave => self.running()?.signal("-INT"),
            Order::Mute | Order::Unmute => self.running()?.write("m"),
            Order::AddPictures => self.running()?.write("v"),
            Order::RemovePictures => Err(Cannot::NotImplemented),
        }
    }

    /// It ends when its call does. But it must not die.
    fn gone(&mut self) -> Option<Cannot> {
        let status = self.process.as_mut()?.ended()?;
        let died = status.signal().is_some() || status.code() == Some(PANICKED);
        died.then(|| Cannot::Gone(status.to_string()))
    }
}

/// Any client, moved by a shim.
pub(crate) struct Shim(Process);

impl Shim {
    pub(crate) fn start(command: &str, account: &Account) -> io::Result<Box<dyn Client>> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]);
        let mut this = Self(Process::start(shell)?);
        let Account { jid, password, server } = account;
        let begin = json!({ "do": "log-in", "jid": jid, "password": password, "server": server.to_string() });
        // One that has ended already is told of when something is waited for.
        let _ended = this.0.write(&format!("{begin}\n")).is_err();
        Ok(Box::new(this))
    }
}

impl Client for Shim {
    fn order(&mut self, order: &Order) -> Result<(), Cannot> {
        let order = match order {
            Order::Wait => json!({ "do": "wait" }),
            Order::Join(room, invite) => {
                json!({ "do": "join", "room": room.to_string(), "invite": invite.as_ref().map(ToString::to_string) })
            }
            Order::Call(whom) => json!({ "do": "call", "jid": whom.to_string() }),
            Order::Accept => json!({ "do": "accept" }),
            Order::Decline => json!({ "do": "decline" }),
            Order::Leave => json!({ "do": "leave" }),
            Order::Mute => json!({ "do": "mute" }),
            Order::Unmute => json!({ "do": "unmute" }),
            Order::AddPictures => json!({ "do": "add-pictures" }),
            Order::RemovePictures => json!({ "do": "remove-pictures" }),
        };
        match self.gone() {
            Some(why) => Err(why),
            None => self.0.write(&format!("{order}\n")),
        }
    }

    fn gone(&mut self) -> Option<Cannot> {
        self.0.ended().map(why)
    }
}

/// A program, which ends with the value, and all that it started.
struct Process(Child);

impl Process {
    fn start(mut command: Command) -> io::Result<Self> {
        // A group of its own, so that nothing it starts outlives it.
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        command.spawn().map(Self)
    }

    fn write(&mut self, text: &str) -> Result<(), Cannot> {
        let input = self.0.stdin.as_mut().ok_or(Cannot::Here("it takes no words"))?;
        let written = input.write_all(text.as_bytes()).and_then(|()| input.flush());
        written.map_err(|fault| self.ended().map_or_else(|| Cannot::Gone(fault.to_string()), why))
    }

    fn signal(&self, signal: &str) -> Result<(), Cannot> {
        let sent =
            Command::new("kill").args([signal, "--", &format!("-{}", self.0.id())]).stderr(Stdio::null()).status();
        sent.map(drop).map_err(|why| Cannot::Gone(why.to_string()))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }
}

/// Why a shim has ended.
fn why(status: ExitStatus) -> Cannot {
    if status.code() == Some(NOT_IMPLEMENTED) { Cannot::NotImplemented } else { Cannot::Gone(status.to_string()) }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let until = Instant::now() + END;
        let _gone = self.signal("-TERM").is_err();
        while self.0.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        // What is left of the group, whether its first has ended or not.
        let _gone = self.signal("-KILL").is_err();
        let _reaped = self.0.wait().is_err();
    }
}
