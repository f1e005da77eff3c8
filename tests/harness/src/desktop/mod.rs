//! A Wayland desktop without a screen, as far as it shares one: a D-Bus, a PipeWire with pictures of a test, and a stand-in for the portal,
//! with a file in place of the user. All of it ends with the value.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::process::{Process, found};

/// What Debian's packages bring.
const PROGRAMS: [&str; 5] = ["dbus-daemon", "gst-launch-1.0", "pipewire", "pw-dump", "wireplumber"];

/// On a busy machine; idle it takes a second.
const START: Duration = Duration::from_secs(60);

/// Between two looks whether something has happened.
const LOOK: Duration = Duration::from_millis(50);

/// A running desktop.
pub struct Desktop {
    process: Process,
}

/// What comes of the dialog that asks whether something is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// What is shown is shared.
    Consent,
    /// The dialog is closed.
    Decline,
    /// There is no dialog.
    Fail,
    /// Nobody is there.
    Silence,
    /// A stream that does not exist is shared.
    Nowhere,
    /// No stream is shared.
    Nothing,
}

impl Desktop {
    /// Starts it; `shows` is the program that gives PipeWire what is on its screen. `None`, with the reason, if something is not installed.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(shows: &str) -> io::Result<Result<Self, String>> {
        if let Some(missing) = PROGRAMS.into_iter().find(|program| found(program).is_none()) {
            return Ok(Err(format!("{missing} is not installed")));
        }
        let python = Command::new("/usr/bin/python3").args(["-c", "import dbus, gi"]).stderr(Stdio::null()).status();
        if !python.is_ok_and(|status| status.success()) {
            return Ok(Err("python3-dbus and python3-gi are not installed".to_owned()));
        }
        let mut process = Process::prepare("desktop", 0)?;
        let folder = process.folder.display().to_string();
        std::fs::write(process.folder.join("portal.py"), include_str!("portal.py"))?;
        process.script(&SESSION.replace("FOLDER", &folder).replace("SHOWS", shows))?;
        process.start()?;
        let desktop = Self { process };
        desktop.answers(Answer::Consent)?;
        let limit = Instant::now() + START;
        while !desktop.process.folder.join("ready").exists() {
            if Instant::now() > limit {
                let out = std::fs::read_to_string(desktop.process.folder.join("out")).unwrap_or_default();
                return Err(io::Error::other(format!("the desktop does not start: {out}")));
            }
            std::thread::sleep(LOOK);
        }
        Ok(Ok(desktop))
    }

    /// The address of its D-Bus.
    #[must_use]
    pub fn bus(&self) -> String {
        format!("unix:path={}/bus", self.process.folder.display())
    }

    /// This comes of the dialog from now on.
    ///
    /// # Errors
    /// If its folder is gone.
    pub fn answers(&self, answer: Answer) -> io::Result<()> {
        std::fs::write(self.process.folder.join("answer"), format!("{answer:?}").to_lowercase())
    }

    /// Ends what is shared, as its panel does.
    ///
    /// # Errors
    /// If its folder is gone.
    pub fn end_sharing(&self) -> io::Result<()> {
        std::fs::write(self.process.folder.join("end"), "")
    }

    /// Ends its PipeWire.
    ///
    /// # Errors
    /// If that does not run.
    pub fn kill_pipewire(&self) -> io::Result<()> {
        self.kill("pipewire")
    }

    /// Ends its portal, until the bus knows of none.
    ///
    /// # Errors
    /// If that does not run, or the bus keeps its name.
    pub fn kill_portal(&self) -> io::Result<()> {
        self.kill("portal")?;
        let limit = Instant::now() + START;
        while self.has_portal()? {
            if Instant::now() > limit {
                return Err(io::Error::other("the bus keeps the name of a portal that has ended"));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Whether its bus knows of a portal.
    fn has_portal(&self) -> io::Result<bool> {
        let mut asked = Command::new("dbus-send");
        asked.arg(format!("--bus={}", self.bus())).args(["--print-reply", "--dest=org.freedesktop.DBus", "/"]);
        asked.args(["org.freedesktop.DBus.GetNameOwner", "string:org.freedesktop.portal.Desktop"]);
        Ok(asked.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
    }

    fn kill(&self, program: &str) -> io::Result<()> {
        let id = std::fs::read_to_string(self.process.folder.join(format!("{program}.pid")))?;
        let killed = Command::new("kill").args(["-KILL", id.trim()]).status()?;
        killed.success().then_some(()).ok_or_else(|| io::Error::other(format!("{program} does not run")))
    }

    /// What the portal was asked so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Value> {
        let calls = std::fs::read_to_string(self.process.folder.join("calls")).unwrap_or_default();
        calls.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// All of it ends with the group of the shell.
const SESSION: &str = r#"
set -e
mkdir -p home run && chmod 700 run
export HOME=FOLDER/home XDG_RUNTIME_DIR=FOLDER/run DBUS_SESSION_BUS_ADDRESS=unix:path=FOLDER/bus LC_ALL=C.UTF-8
unset DISPLAY WAYLAND_DISPLAY XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME
there() { for _ in $(seq 300); do eval "$1" >/dev/null 2>&1 && return 0; sleep 0.1; done; echo "in vain: $1"; exit 1; }
dbus-daemon --session --nofork --nopidfile --address="$DBUS_SESSION_BUS_ADDRESS" >dbus.log 2>&1 &
there '[ -S bus ]'
pipewire >pipewire.log 2>&1 &
echo $! >pipewire.pid
there '[ -S run/pipewire-0 ]'
wireplumber >wireplumber.log 2>&1 &
there 'pw-dump | grep -q wireplumber'
PIPEWIRE_PROPS='{ media.class = Video/Source, node.name = screen }' SHOWS >screen.log 2>&1 &
there 'pw-dump | grep -q node.name.*screen'
/usr/bin/python3 portal.py FOLDER >portal.log 2>&1 &
echo $! >portal.pid
there 'dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner string:org.freedesktop.portal.Desktop'
touch ready
wait
"#;
