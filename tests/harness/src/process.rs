//! A server process on this machine: it has a folder of its own, is awaited until it listens, and is ended by its id when dropped.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Erlang on a busy machine needs ten seconds.
const START: Duration = Duration::from_secs(60);

/// After a request to stop.
pub(super) const STOP: Duration = Duration::from_secs(10);

/// Numbers the servers of one test process.
static MADE: AtomicU32 = AtomicU32::new(0);

/// One server.
pub(super) struct Process {
    name: &'static str,
    /// What it reads and writes; gone with it, unless a test fails.
    pub(super) folder: PathBuf,
    /// Ports it must listen on once it has started.
    pub(super) ports: Vec<u16>,
    /// The namespace it runs in, if not that of the test.
    place: Option<String>,
    child: Option<Child>,
}

impl Process {
    /// A folder for a server with this many ports of its own.
    pub(super) fn prepare(name: &'static str, ports: usize) -> io::Result<Self> {
        let ports = (0..ports).map(|_| free_port()).collect::<io::Result<Vec<u16>>>()?;
        let (id, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("muji-{name}-{id}-{number}"));
        std::fs::create_dir_all(&folder)?;
        Ok(Self { name, folder, ports, place: None, child: None })
    }

    /// It runs in this network namespace.
    pub(super) fn settle(&mut self, place: &str) {
        self.place = Some(place.to_owned());
    }

    /// How it is started.
    pub(super) fn script(&self, text: &str) -> io::Result<()> {
        std::fs::write(self.folder.join("start.sh"), format!("#!/bin/sh\n{text}\n"))
    }

    /// Starts it, again if it was killed, and waits until it listens.
    pub(super) fn start(&mut self) -> io::Result<()> {
        let log = std::fs::File::create(self.folder.join("out"))?;
        let mut command = self.command("/bin/sh");
        command.arg(self.folder.join("start.sh")).current_dir(&self.folder).stdin(Stdio::null());
        // A group of its own: Erlang has helpers that must end with it.
        self.child = Some(command.stdout(log.try_clone()?).stderr(log).process_group(0).spawn()?);
        for port in self.ports.clone() {
            self.answers(port)?;
        }
        Ok(())
    }

    /// Waits until it listens on a port.
    pub(super) fn answers(&mut self, port: u16) -> io::Result<()> {
        let limit = Instant::now() + START;
        while !self.listens(port) {
            let ended = self.child.as_mut().map_or(Ok(None), Child::try_wait)?;
            if ended.is_some() || Instant::now() > limit {
                let out = std::fs::read_to_string(self.folder.join("out")).unwrap_or_default();
                return Err(io::Error::other(format!("{} does not start: {out}", self.name)));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// A program where this server runs.
    fn command(&self, program: &str) -> Command {
        self.place.as_ref().map_or_else(|| Command::new(program), |place| within(place, program))
    }

    fn listens(&self, port: u16) -> bool {
        if self.place.is_none() {
            return TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        }
        let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
        let tried = self.command("bash").args(["-c", &connect]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    }

    /// Sends a signal and waits for the end.
    pub(super) fn signal(&mut self, signal: &str) {
        let Some(mut child) = self.child.take() else { return };
        let group = format!("-{}", child.id());
        let _gone = Command::new("kill").args([signal, "--", &group]).status().is_err();
        let limit = Instant::now() + STOP;
        while child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > limit {
                let _gone = Command::new("kill").args(["-KILL", "--", &group]).status().is_err();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("-TERM");
        if std::thread::panicking() {
            eprintln!("what {} wrote is kept in {}", self.name, self.folder.display());
            return;
        }
        let _left_over = std::fs::remove_dir_all(&self.folder).is_err();
    }
}

/// A program in a network namespace.
pub(super) fn within(place: &str, program: &str) -> Command {
    let mut command = Command::new(found("ip").unwrap_or_else(|| "ip".into()));
    command.args(["netns", "exec", place, program]);
    command
}

/// Where a program is, if it is installed.
pub(super) fn found(program: &str) -> Option<PathBuf> {
    let places = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    places.iter().map(|place| Path::new(place).join(program)).find(|path| path.exists())
}

pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
