//! `muji-call serve`: calls for a client in another process.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use jid::FullJid;
use muji_core::Secret;
use muji_core::xmpp::{Account, Connection, Incoming, Server as At};
use muji_harness::room::Rules;
use muji_harness::server::Server;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::*;

/// The process, if it is ours alone, and its lines.
struct Sidecar {
    child: Option<Child>,
    asks: Box<dyn AsyncWrite + Send + Unpin>,
    says: Lines<BufReader<Box<dyn AsyncRead + Send + Unpin>>>,
}

impl Sidecar {
    fn start(more: &[&str]) -> Self {
        let mut child = program(&[&["serve", "--stdio", "--bind", "127.0.0.1"], more].concat())
            .stdin(Stdio::piped())
            .spawn()
            .expect("it is built");
        let (asks, says) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child: Some(child), asks: Box::new(asks), says: BufReader::new(Box::new(says) as _).lines() }
    }

    async fn on(socket: &Path) -> Self {
        let (says, asks) = connected(socket).await.into_split();
        Self { child: None, asks: Box::new(asks), says: BufReader::new(Box::new(says) as _).lines() }
    }

    async fn write(&mut self, line: &str) {
        self.asks.write_all(format!("{line}\n").as_bytes()).await.expect("it reads");
    }

    async fn next(&mut self) -> Value {
        let line = timeout(LIMIT, self.says.next_line()).await.expect("in time").expect("it lives");
        serde_json::from_str(&line.expect("it goes on")).expect("it is JSON")
    }

    /// What it answers to a line; what it says meanwhile is left out.
    async fn answer(&mut self, line: &str) -> Value {
        self.write(line).await;
        loop {
            let said = self.next().await;
            if said.get("id").is_some() {
                return said;
            }
        }
    }
}

/// A chat client without calls of its own: its connection, and what it has of its sidecar.
struct ChatClient {
    requests: mpsc::UnboundedSender<Value>,
    events: mpsc::UnboundedReceiver<Value>,
    sidecar: Option<u32>,
    task: JoinHandle<()>,
}

impl ChatClient {
    async fn start(server: &Server, name: &str, hz: &str) -> Self {
        Self::with(server, name, Sidecar::start(&["--audio", &format!("tone:{hz}")])).await
    }

    async fn with(server: &Server, name: &str, sidecar: Sidecar) -> Self {
        let jid = format!("{name}@localhost").parse().expect("a JID");
        let mut account = Account::new(jid, Secret::new(PASSWORD));
        account.server = At::Plaintext(server.address());
        let mut connection = Connection::open(account).await.expect("the login works");
        let Incoming::Bound(jid) = connection.next().await else { panic!("nothing comes before the JID") };
        let (requests, to_do) = mpsc::unbounded_channel();
        let (told, events) = mpsc::unbounded_channel();
        let id = sidecar.child.as_ref().and_then(Child::id);
        let task = tokio::spawn(live(connection, jid, sidecar, to_do, told));
        Self { requests, events, sidecar: id, task }
    }

    fn ask(&self, method: &str, params: Value) {
        self.requests.send(json!({ "method": method, "params": params })).expect("it lives");
    }

    /// Waits for an event with these fields.
    async fn sees(&mut self, fields: Value) -> Value {
        let mut before = Vec::new();
        let is_it =
            |event: &Value| fields.as_object().expect("fields").iter().all(|(name, value)| event[name] == *value);
        let search = async {
            loop {
                let event = self.events.recv().await?;
                if is_it(&event) {
                    return Some(event);
                }
                before.push(event);
            }
        };
        let found = timeout(LIMIT, search).await.ok().flatten();
        found.unwrap_or_else(|| panic!("it never saw {fields}, but {before:#?}"))
    }
}

/// What the client's own code does: stanzas in and out, and the last will of a sidecar that died.
async fn live(
    mut connection: Connection,
    jid: FullJid,
    mut sidecar: Sidecar,
    mut requests: mpsc::UnboundedReceiver<Value>,
    events: mpsc::UnboundedSender<Value>,
) {
    sidecar.write(&json!({ "method": "connected", "params": { "jid": jid.to_string() } }).to_string()).await;
    let mut last_will = Vec::new();
    loop {
        tokio::select! {
            incoming = connection.next() => if let Incoming::Stanza(stanza) = incoming {
                let stanza = json!({ "method": "stanza", "params": { "xml": String::from(&*stanza) } });
                sidecar.write(&stanza.to_string()).await;
            },
            Some(request) = requests.recv() => sidecar.write(&request.to_string()).await,
            line = sidecar.says.next_line() => {
                let Ok(Some(line)) = line else { break };
                let line: Value = serde_json::from_str(&line).expect("it is JSON");
                match (line["method"].as_str(), &line["params"]) {
                    (Some("send"), params) => send(&mut connection, &params["xml"]).await,
                    (Some("last-will"), params) => last_will = params["stanzas"].as_array().expect("some").clone(),
                    (Some("event"), event) => drop(events.send(event.clone())),
                    _ => {}
                }
            }
        }
    }
    for stanza in last_will {
        send(&mut connection, &stanza).await;
    }
    loop {
        let _of_no_call = connection.next().await;
    }
}

async fn send(connection: &mut Connection, xml: &Value) {
    connection.send_element(xml.as_str().expect("text").parse().expect("it is XML")).await;
}

#[tokio::test]
async fn two_clients_talk_by_their_sidecars_and_one_whose_sidecar_is_killed_leaves_the_call_at_once() {
    let server = server(Rules::default()).await;
    let mut romeo = ChatClient::start(&server, "romeo", "440").await;
    let mut juliet = ChatClient::start(&server, "juliet", "660").await;
    for (client, nick) in [(&romeo, "romeo"), (&juliet, "juliet")] {
        client.ask("join", json!({ "room": ROOM, "nick": nick }));
    }
    for (client, other, hz) in [(&mut romeo, "juliet", 660.0), (&mut juliet, "romeo", 440.0)] {
        let flowing = client.sees(json!({ "event": "peer", "nick": other, "state": "flowing" })).await;
        assert!(flowing["call"].is_u64(), "it says of which call");
        client.sees(json!({ "event": "first-sound", "nick": other })).await;
        let heard = loop {
            let heard = client.sees(json!({ "event": "heard", "nick": other })).await;
            if heard["hz"].is_f64() {
                break heard;
            }
        };
        assert!((heard["hz"].as_f64().expect("a tone") - hz).abs() < 5.0, "{heard}");
    }
    let sidecar = romeo.sidecar.expect("it runs").to_string();
    let killed = tokio::process::Command::new("kill").args(["-KILL", &sidecar]).status().await;
    assert!(killed.expect("kill is there").success());
    juliet.sees(json!({ "event": "peer", "nick": "romeo", "state": "left" })).await;
}

#[tokio::test]
async fn a_client_that_rings_a_client_is_taken_by_the_number_of_its_call() {
    let server = server(Rules::default()).await;
    let mut romeo = ChatClient::start(&server, "romeo", "440").await;
    let mut juliet = ChatClient::start(&server, "juliet", "660").await;
    juliet.ask("contacts", json!({ "jids": ["romeo@localhost"] }));
    romeo.ask("call", json!({ "jid": "juliet@localhost" }));
    let rings = juliet.sees(json!({ "event": "ringing" })).await;
    juliet.ask("accept", json!({ "call": rings["call"] }));
    let hears = romeo.sees(json!({ "event": "first-sound" })).await;
    romeo.ask("leave", json!({ "call": hears["call"] }));
    juliet.sees(json!({ "event": "ended", "call": rings["call"] })).await;
}

#[tokio::test]
async fn what_cannot_be_done_is_answered_with_a_code_and_a_sentence() {
    let mut sidecar = Sidecar::start(&["--audio", "none"]);
    let ready = sidecar.next().await;
    assert_eq!((&ready["method"], &ready["params"]["protocol"]), (&json!("ready"), &json!(1)));
    let features = ready["params"]["features"].as_array().expect("a list");
    assert!(features.contains(&json!("urn:xmpp:jingle:muji:0")), "{features:?}");
    let cases = [
        ("{", -32_700, "EOF while parsing"),
        ("[]", -32_600, "a line must be one object"),
        (r#"{"id":1}"#, -32_600, "\"method\" must be a string"),
        (r#"{"id":1,"method":"sing"}"#, -32_601, "unknown variant `sing`"),
        (r#"{"id":1,"method":"join","params":{"room":"a b@"}}"#, -32_602, "localpart"),
        (r#"{"id":1,"method":"join","params":{"room":"a@b","colour":1}}"#, -32_602, "unknown field `colour`"),
        (r#"{"id":1,"method":"mute","params":{"call":1,"media":"smell"}}"#, -32_602, "unknown variant `smell`"),
        (r#"{"id":1,"method":"stanza","params":{"xml":"<a>"}}"#, -32_602, "this is no XML"),
        (r#"{"id":1,"method":"join","params":{"room":"a@b"}}"#, 1, "not connected"),
        (r#"{"id":1,"method":"leave","params":{"call":7}}"#, 1, "there is no such call"),
        (r#"{"id":1,"method":"accept-invitation","params":{"invitation":7}}"#, 1, "there is no such invitation"),
    ];
    for (line, code, why) in cases {
        let error = &sidecar.answer(line).await["error"];
        assert_eq!(error["code"], code, "{line}");
        assert!(error["message"].as_str().expect("a sentence").contains(why), "{line}: {error}");
    }
    let handled = sidecar.answer(r#"{"id":"x","method":"stanza","params":{"xml":"<message/>"}}"#).await;
    assert_eq!((&handled["id"], &handled["result"]), (&json!("x"), &json!("not-ours")));
    // What wants no answer is told as any other warning.
    sidecar.write(r#"{"method":"leave","params":{"call":7}}"#).await;
    let warning = sidecar.next().await;
    assert_eq!(warning["params"]["event"], "warning", "{warning}");
    // What was asked before the end is answered behind it.
    sidecar.write(r#"{"id":"last","method":"leave","params":{"call":7}}"#).await;
    drop(sidecar.asks);
    let said = async {
        while let Ok(Some(line)) = sidecar.says.next_line().await {
            if line.contains("\"last\"") {
                return true;
            }
        }
        false
    };
    assert!(timeout(LIMIT, said).await.expect("it ends"));
    let ended = timeout(LIMIT, sidecar.child.expect("it is ours").wait()).await.expect("it ends with its client");
    assert_eq!(ended.expect("it ran").code(), Some(0));
}

#[tokio::test]
async fn what_ends_a_call_is_known_before_the_first_stanza_of_the_call_goes_out() {
    let mut sidecar = Sidecar::start(&["--audio", "none"]);
    let refused = r#"{"id":1,"method":"join","params":{"room":"a@b","password":"\u0001"}}"#;
    sidecar.write(r#"{"method":"connected","params":{"jid":"romeo@localhost/orchard"}}"#).await;
    let why = sidecar.answer(refused).await;
    assert_eq!(why["error"]["message"], "a room's password cannot have control characters");
    let cases = [
        (r#"{"method":"join","params":{"room":"a@b"}}"#, "<muji", "type=\"unavailable\""),
        (r#"{"method":"call","params":{"jid":"juliet@localhost"}}"#, "<propose", "<retract"),
    ];
    for (line, begins, ends) in cases {
        sidecar.write(line).await;
        let mut will = String::new();
        loop {
            let said = sidecar.next().await;
            match said["method"].as_str() {
                Some("last-will") => {
                    will = said["params"]["stanzas"].to_string().replace("\\\"", "\"").replace('\'', "\"")
                }
                Some("send") if said["params"]["xml"].as_str().expect("text").contains(begins) => break,
                _ => {}
            }
        }
        assert!(will.contains(ends), "{will}");
    }
}

async fn connected(socket: &Path) -> UnixStream {
    let connect = async {
        loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    timeout(LIMIT, connect).await.expect("it listens")
}

/// The first line of a client of a socket.
async fn greeted(socket: &Path) -> (UnixStream, String) {
    let mut stream = connected(socket).await;
    let mut line = String::new();
    BufReader::new(&mut stream).read_line(&mut line).await.expect("it greets");
    (stream, line)
}

#[tokio::test]
async fn a_client_of_a_socket_that_is_killed_in_a_call_leaves_no_call_to_the_next() {
    let server = server(Rules::default()).await;
    let folder = folder("killed");
    let socket = folder.join("calls");
    let arguments = ["serve", "--audio", "tone:440", "--bind", "127.0.0.1", "--socket", text(&socket)];
    let serving = program(&arguments).spawn().expect("it is built");
    let mut romeo = ChatClient::with(&server, "romeo", Sidecar::on(&socket).await).await;
    let mut juliet = ChatClient::start(&server, "juliet", "660").await;
    for (client, nick) in [(&romeo, "romeo"), (&juliet, "juliet")] {
        client.ask("join", json!({ "room": ROOM, "nick": nick }));
    }
    let call = romeo.sees(json!({ "event": "first-sound", "nick": "juliet" })).await["call"].clone();
    juliet.sees(json!({ "event": "first-sound", "nick": "romeo" })).await;
    let id = serving.id().expect("it runs");
    assert_ne!(udp_sockets(id), 0);

    romeo.task.abort(); // As the kernel does with a dead process, it closes all that the client had open.
    juliet.sees(json!({ "event": "peer", "nick": "romeo", "state": "left" })).await;
    let mut next = Sidecar::on(&socket).await;
    assert_eq!(next.next().await["method"], "ready");
    let closed = async {
        while udp_sockets(id) != 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, closed).await.expect("the sockets of the call are closed");
    let leave = json!({ "id": 1, "method": "leave", "params": { "call": call } }).to_string();
    assert_eq!(next.answer(&leave).await["error"]["message"], "there is no such call");
    std::fs::remove_dir_all(folder).expect("it is ours");
}

/// How many a process has open.
fn udp_sockets(process: u32) -> usize {
    let table = std::fs::read_to_string("/proc/net/udp").expect("it is Linux");
    let inodes: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().nth(9)).collect();
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").flatten();
    let open = open.filter_map(|file| std::fs::read_link(file.path()).ok());
    open.filter(|file| inodes.iter().any(|inode| file.as_os_str() == format!("socket:[{inode}]").as_str())).count()
}

#[tokio::test]
async fn a_socket_serves_its_owner_one_client_after_the_other_and_is_not_taken_from_a_program_that_lives() {
    let folder = folder("serve");
    let socket = folder.join("calls");
    let arguments = ["serve", "--audio", "none", "--socket", text(&socket)];
    let mut serving = program(&arguments).spawn().expect("it is built");
    for _ in 0..2 {
        let (stream, line) = greeted(&socket).await;
        assert!(line.contains("\"ready\""), "{line}");
        drop(stream);
    }
    let mode = std::fs::metadata(&socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (code, why) = failure(program(&arguments)).await;
    assert_eq!((code, why.ends_with("another muji-call listens there")), (Some(2), true), "{why}");
    serving.kill().await.expect("it ran");
    let mut again = program(&arguments).spawn().expect("it is built");
    let (_stream, line) = greeted(&socket).await;
    assert!(line.contains("\"ready\""), "what a dead one left behind is taken: {line}");
    again.kill().await.expect("it ran");
    std::fs::write(folder.join("file"), "a").expect("a file");
    let (code, why) = failure(program(&["serve", "--audio", "none", "--socket", text(&folder.join("file"))])).await;
    assert_eq!((code, why.ends_with("there is a file of this name")), (Some(2), true), "{why}");
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn a_client_of_a_socket_is_told_why_there_are_no_calls() {
    let folder = folder("no-calls");
    let (socket, sound) = (folder.join("calls"), folder.join("missing.wav"));
    let arguments = ["serve", "--audio", text(&sound), "--socket", text(&socket)];
    let mut serving = program(&arguments).spawn().expect("it is built");
    for _ in 0..2 {
        let (_stream, line) = greeted(&socket).await;
        assert!(line.contains("\"warning\"") && line.contains("missing.wav"), "{line}");
    }
    serving.kill().await.expect("it ran");
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn an_invitation_to_a_room_is_taken_or_declined_by_its_number() {
    let mut sidecar = Sidecar::start(&["--audio", "none"]);
    sidecar.answer(r#"{"id":1,"method":"connected","params":{"jid":"romeo@localhost/orchard"}}"#).await;
    for (number, answer) in [(1, "accept-invitation"), (2, "decline-invitation")] {
        let invite = format!(
            "<message xmlns='jabber:client' from='juliet@localhost/balcony' to='romeo@localhost/orchard'>\
             <x xmlns='jabber:x:conference' jid='room{number}@conference.localhost'/></message>"
        );
        sidecar.write(&json!({ "method": "stanza", "params": { "xml": invite } }).to_string()).await;
        let event = loop {
            let said = sidecar.next().await;
            if said["params"]["event"] == "room-invited" {
                break said["params"].clone();
            }
        };
        assert_eq!(event["invitation"], number);
        let answer = json!({ "id": 2, "method": answer, "params": { "invitation": number } });
        let answered = sidecar.answer(&answer.to_string()).await;
        assert!(answered.get("error").is_none(), "{answered}");
        let again = sidecar.answer(&answer.to_string()).await;
        assert!(again.get("error").is_some(), "it is answered once: {again}");
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_ends_the_program_with_a_sentence() {
    let mut sidecar = Sidecar::start(&["--audio", "none"]);
    let mut asks = sidecar.asks;
    let write = async move { asks.write_all(&vec![b'a'; (4 << 20) + 1]).await };
    let child = sidecar.child.take().expect("it is ours");
    let (written, ended) = tokio::join!(write, timeout(LIMIT, child.wait_with_output()));
    drop(written); // It may end before all is written.
    let ended = ended.expect("in time").expect("it ran");
    let why = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success() && why.contains("a line has more than 4194304 bytes"), "{why}");
}
