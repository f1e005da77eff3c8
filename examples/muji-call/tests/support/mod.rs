//! Starting the program, and looking at what it says.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use muji_harness::room::Rules;
use muji_harness::server::{LoginOptions, Server};
use muji_media::parts::Meter;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

pub(crate) const PASSWORD: &str = "canary-in-the-gold-mine";
pub(crate) const ROOM: &str = "balcony@conference.localhost";

/// No run here may take longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn server(rules: Rules) -> Server {
    Server::start("localhost", PASSWORD, rules).await.expect("a free port")
}

pub(crate) fn program(arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_muji-call");
    // Built for another processor, it is run by what imitates that one (`make arm`).
    let emulator = std::env::var_os("MUJI_EMULATOR");
    let mut command = Command::new(emulator.as_deref().unwrap_or_else(|| program.as_ref()));
    if emulator.is_some() {
        command.arg(program);
    }
    command.args(arguments).env("XMPP_PASSWORD", PASSWORD).env_remove("XMPP_ROOM_PASSWORD");
    command.env_remove("WAYLAND_DISPLAY").env_remove("XDG_SESSION_TYPE"); // The tester's own desktop is not shared.
    command.env("XDG_STATE_HOME", std::env::temp_dir().join(format!("muji-call-{}-state", std::process::id())));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// The same program, started by another that runs what it is told.
pub(crate) fn through(starter: std::process::Command, inner: &Command) -> Command {
    let (mut command, inner) = (Command::from(starter), inner.as_std());
    command.arg(inner.get_program()).args(inner.get_args());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// The program for `name` in the call of the room.
pub(crate) fn call(server: &Server, name: &str, more: &[&str]) -> Command {
    let (jid, address) = (format!("{name}@localhost"), server.address().to_string());
    let mut arguments = vec![ROOM, "--jid", &jid, "--nick", name, "--server", &address, "--tls", "none"];
    arguments.extend(["--bind", "127.0.0.1"]);
    arguments.extend(more);
    program(&arguments)
}

/// The same program with a terminal around it.
pub(crate) fn on_a_terminal(command: &Command) -> Command {
    let command = command.as_std();
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]);
    script.env("XMPP_PASSWORD", PASSWORD).env("TERM", "xterm");
    script.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    script
}

pub(crate) async fn run(mut command: Command) -> Output {
    timeout(LIMIT, command.output()).await.expect("it ends in time").expect("it is built")
}

/// The exit code and the last sentence on standard error.
pub(crate) async fn failure(command: Command) -> (Option<i32>, String) {
    let output = run(command).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), errors.lines().last().unwrap_or_default().to_owned())
}

pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("muji-call-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// The next line of the output, and not a byte more: the rest is for others to read.
pub(crate) async fn next_line(child: &mut Child) -> Option<String> {
    let output = child.stdout.as_mut().expect("it is piped");
    let mut line = Vec::new();
    loop {
        match output.read_u8().await {
            Ok(b'\n') => return String::from_utf8(line).ok(),
            Ok(byte) => line.push(byte),
            Err(_) => return None,
        }
    }
}

/// Waits until a line of the output contains `what`.
pub(crate) async fn said(child: &mut Child, what: &str) -> String {
    let mut before = Vec::new();
    let search = async {
        while let Some(line) = next_line(child).await {
            if line.contains(what) {
                return Some(line);
            }
            before.push(line);
        }
        None
    };
    let found = timeout(LIMIT, search).await.ok().flatten();
    found.unwrap_or_else(|| panic!("it never said {what}, but:\n{}", before.join("\n")))
}

/// The tone of a recording: the middle one of its seconds.
pub(crate) fn tone(path: &Path) -> Option<f32> {
    let reader = hound::WavReader::open(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let samples: Vec<i16> = reader.into_samples().map(Result::unwrap).collect();
    let seconds = samples.chunks_exact(48_000).filter_map(|second| {
        let mut meter = Meter::default();
        meter.add(second);
        meter.take()?.frequency
    });
    let mut tones: Vec<f32> = seconds.collect();
    tones.sort_by(f32::total_cmp);
    tones.get(tones.len() / 2).copied()
}

pub(crate) async fn signal(child: &Child, signal: &str) {
    let id = child.id().expect("it runs").to_string();
    let sent = Command::new("kill").args([signal, &id]).status().await.expect("kill is there");
    assert!(sent.success());
}

/// A server behind a login of another kind.
pub(crate) async fn server_with(login: LoginOptions) -> Server {
    Server::with_login(login, "localhost", PASSWORD, Rules::default()).await.expect("a free port")
}

/// The program for an account on a server with TLS, in a call that ends at once.
pub(crate) fn encrypted_call(jid: &str, address: &str, more: &[&str]) -> Command {
    let mut arguments = vec![ROOM, "--jid", jid, "--server", address, "--bind", "127.0.0.1"];
    arguments.extend(more);
    program(&arguments)
}

/// What a call said with `--json`.
pub(crate) fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is no JSON"))).collect()
}

/// Says why a test does nothing; where all must run, that is a failure.
pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os("MUJI_TEST_ALL").is_none(), "skipped, though everything must run: {why}");
    eprintln!("skipped: {why}");
}
