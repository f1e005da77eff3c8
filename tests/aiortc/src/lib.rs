//! aiortc as a peer of `muji-call`: a WebRTC implementation that shares no code with ours.
//!
//! The program in `peer/` speaks Jingle over XMPP and gives the media to aiortc's `RTCPeerConnection`. What it says and hears is on
//! its standard output, one JSON object a line, as with `muji-call --json`; the stanzas are on its standard error.
//! `scripts/needs aiortc` installs aiortc beside the build. The tests are in `examples/muji-call/tests/aiortc`.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::Stdio;

use muji_harness::real_server::RealServer;
use tokio::process::Command;

/// Where `scripts/needs aiortc` installs, below the folder of the build.
const ENVIRONMENT: &str = "aiortc/bin/python3";

/// The Python that has aiortc; `None` if it is not installed.
#[must_use]
pub fn python() -> Option<PathBuf> {
    let test = std::env::current_exe().ok()?;
    test.ancestors().map(|folder| folder.join(ENVIRONMENT)).find(|python| python.exists())
}

/// The peer, not started yet: it logs in as `jid` and does what the arguments say. `python3 peer --help` lists them.
pub fn peer(python: &Path, server: &RealServer, jid: &str, password: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(python);
    // -B: the folder of the sources stays as it is.
    command.arg("-B").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peer")).args(arguments);
    command.args(["--jid", jid, "--server", &server.direct_address(), "--ca-file", &server.authority()]);
    command.env("XMPP_PASSWORD", password);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}
