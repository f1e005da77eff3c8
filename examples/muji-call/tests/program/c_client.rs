//! The example in C, in the call of a room, through Prosody.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use muji_harness::real_server::PEOPLE;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::python::{as_account, hears};
use crate::real_servers::{in_room, prosody};
use crate::support::*;

/// The example, compiled into this folder; `None` if there is no libstrophe.
async fn compiled(folder: &Path) -> Option<PathBuf> {
    let library = Command::new("pkg-config").args(["--cflags", "--libs", "libstrophe"]).output().await.ok();
    let Some(flags) = library.filter(|output| output.status.success()) else {
        skipped("libstrophe is not installed: scripts/needs tests");
        return None;
    };
    let (source, program) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("../c/call.c"), folder.join("call"));
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(source);
    compiler.args(String::from_utf8_lossy(&flags.stdout).split_whitespace());
    let output = compiler.output().await.expect("there is a compiler");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(program)
}

/// Waits for its end: the exit code.
async fn ended(mut client: Child) -> Option<i32> {
    timeout(LIMIT, client.wait()).await.expect("in time").expect("it ran").code()
}

#[tokio::test]
async fn a_client_in_c_is_in_a_call_and_leaves_it_by_itself_and_when_its_call_program_is_killed() {
    let Some(server) = prosody() else { return };
    let folder = folder("c");
    let Some(program) = compiled(&folder).await else { return };
    let [romeo, juliet, ..] = PEOPLE;
    let room = format!("balcony@conference.{}", server.domain);
    let in_c = || {
        let mut command = Command::new(&program);
        command.args([&room, "--nick", juliet, "--audio", "tone:660", "--bind", "127.0.0.1"]);
        as_account(&mut command, &server, juliet, &server.address());
        command.env("MUJI_CALL", env!("CARGO_BIN_EXE_muji-call"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("it is compiled")
    };
    let mut other = in_room(&server, romeo, &room, &["--audio", "tone:440", "--json"]).spawn().expect("it is built");

    let mut client = in_c();
    hears(&mut client, 440.0).await;
    hears(&mut other, 660.0).await;
    signal(&client, "-INT").await;
    said(&mut other, "\"left\"").await;
    assert_eq!(ended(client).await, Some(0));

    let mut client = in_c();
    hears(&mut client, 440.0).await;
    let id = client.id().expect("it runs").to_string();
    let killed = Command::new("pkill").args(["-KILL", "--parent", &id]).status().await;
    assert!(killed.expect("pkill is there").success());
    said(&mut other, "\"left\"").await;
    assert_eq!(ended(client).await, Some(1));
    std::fs::remove_dir_all(folder).expect("it is ours");
}
