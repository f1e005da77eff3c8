//! A Chromium without a screen that shows one page.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where systems have it.
const PLACES: [&str; 4] =
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/snap/bin/chromium"];

/// Nothing but the page: no other connections, no questions, sound without a click, and calls over loopback.
const OPTIONS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-component-update",
    "--disable-renderer-backgrounding",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--enable-logging=stderr",
];

/// A page that may use the microphone, as one in a call may, sees the machine's addresses. We send no microphone's sound.
const SHOWS_ADDRESSES: &str = "--disable-features=WebRtcHideLocalIpsWithMdns";

/// A running browser. It ends with this, and its profile is gone.
pub(crate) struct Chromium {
    child: Child,
    profile: PathBuf,
}

impl Chromium {
    /// The program, if it is installed.
    pub(crate) fn program() -> Option<PathBuf> {
        PLACES.iter().map(PathBuf::from).find(|path| path.exists())
    }

    /// Opens a page. What Chromium and the page's console write goes into a file; the profile is beside it.
    pub(crate) fn open(program: &Path, address: &str, hides_addresses: bool, log: &Path) -> io::Result<Self> {
        let profile = log.with_extension("profile");
        let log = File::create(log)?;
        let child = Command::new(program)
            .args(OPTIONS)
            .args((!hides_addresses).then_some(SHOWS_ADDRESSES))
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(address)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0) // Chromium is many processes, which must end with it.
            .spawn()?;
        Ok(Self { child, profile })
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _gone = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status().is_err();
        let _gone = self.child.wait().is_err();
        let _left_over = std::fs::remove_dir_all(&self.profile).is_err();
    }
}
