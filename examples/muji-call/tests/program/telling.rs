//! What the program tells about itself, and where it looks for what it was not told.

use muji_harness::authority::Authority;
use muji_harness::replay;
use muji_harness::room::Rules;
use muji_harness::server::{LoggedStanza, LoginOptions};

use crate::support::*;

#[tokio::test]
async fn help_begins_with_examples_and_says_the_exit_codes() {
    let output = run(program(&["--help"])).await;
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(help.starts_with("Examples:\n  muji-call balcony@"), "{help}");
    assert!(help.contains("5 nobody came") && help.contains("XMPP_JID"));
    assert!(!help.contains(PASSWORD));
}

#[tokio::test]
async fn a_manual_and_completions_are_printed() {
    for (arguments, word) in [
        (&["man"][..], ".TH muji-call"),
        (&["completions", "bash"], "complete -F _muji__call"),
        (&["completions", "zsh"], "#compdef muji-call"),
        (&["completions", "fish"], "complete -c muji-call"),
    ] {
        let output = run(program(arguments)).await;
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains(word), "{arguments:?}");
    }
}

#[tokio::test]
async fn options_win_over_the_environment_and_that_over_the_profile() {
    let server = server(Rules::default()).await;
    let folder = folder("profile");
    let file = folder.join("muji-call/config.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let address = server.address();
    let profile = format!(
        "default = 'home'\n[profile.home]\njid = 'romeo@localhost'\nnick = 'montague'\nserver = '{address}'\ntls = 'none'\n"
    );
    std::fs::write(&file, profile).unwrap();
    let joined_as = async |variable: Option<&str>, more: &[&str]| {
        let mut arguments = vec![ROOM, "--seconds", "0", "--expect", "0", "--bind", "127.0.0.1"];
        arguments.extend(more);
        let mut command = program(&arguments);
        command.env("XDG_CONFIG_HOME", &folder);
        variable.map(|jid| command.env("XMPP_JID", jid));
        server.stanza_log(0);
        let output = run(command).await;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let stanza_log = server.stanza_log(0);
        let present = |heard: &&LoggedStanza| heard.said && heard.stanza.name() == "presence";
        let last = stanza_log.iter().rfind(present).expect("it was in the room");
        last.stanza.attr("to").unwrap().to_owned()
    };
    assert_eq!(joined_as(None, &[]).await, format!("{ROOM}/montague"));
    assert_eq!(joined_as(Some("romeo@localhost"), &["--nick", "night"]).await, format!("{ROOM}/night"));
    let server_by_hand = address.to_string();
    let by_hand = ["--jid", "juliet@localhost", "--server", &server_by_hand, "--tls", "none"];
    assert_eq!(joined_as(Some("mercutio@localhost"), &by_hand).await, format!("{ROOM}/montague"));

    let mut unknown = program(&[ROOM, "--profile", "away"]);
    unknown.env("XDG_CONFIG_HOME", &folder);
    let (code, why) = failure(unknown).await;
    assert_eq!(code, Some(2));
    assert!(why.contains("there is no profile away; there are: home"), "{why}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn without_an_account_it_says_how_to_name_one() {
    let (code, why) = failure(program(&[ROOM])).await;
    assert_eq!(code, Some(2));
    assert!(why.contains("use --jid, set XMPP_JID"), "{why}");
}

#[tokio::test]
async fn a_quiet_call_says_nothing_and_one_that_is_no_terminal_has_no_colours() {
    let server = server(Rules::default()).await;
    let quiet = call(&server, "romeo", &["--quiet", "--seconds", "3"]);
    let plain = call(&server, "juliet", &["--seconds", "3"]);
    let (quiet, plain) = tokio::join!(run(quiet), run(plain));
    assert_eq!((quiet.status.code(), quiet.stdout.len(), quiet.stderr.len()), (Some(0), 0, 0));
    let said = String::from_utf8_lossy(&plain.stdout).into_owned();
    assert!(!said.contains('\u{1b}'), "{said}");
    let table: Vec<&str> = said.lines().filter(|line| line.contains("concealed") || line.contains(" ms")).collect();
    assert!(table.iter().any(|line| line.starts_with("romeo") && line.contains("kbit/s")), "{said}");
}

#[tokio::test]
async fn no_secret_is_told_even_at_the_highest_level() {
    const ROOM_PASSWORD: &str = "canary-of-the-room";
    for only_plain in [false, true] {
        let authority = Authority::new();
        let folder = folder(if only_plain { "secrets-plain" } else { "secrets" });
        let file = folder.join("ca.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        let tls = Some(authority.certify(&["localhost"]).config());
        let server = server_with(LoginOptions { tls, only_plain, ..LoginOptions::default() }).await;
        let rules = Rules { password: Some(ROOM_PASSWORD.to_owned()), ..Rules::default() };
        server.with_service(|service| service.rooms.set(&ROOM.parse().unwrap(), rules));
        server.stanza_log(0);
        let trace = folder.join("trace.xml");
        let address = server.address().to_string();
        let person = |name: &str, more: &[&str]| {
            let mut arguments = vec!["--ca-file", text(&file), "-vvv", "--seconds", "3", "--expect", "1"];
            arguments.extend(more);
            let mut command = encrypted_call(&format!("{name}@localhost"), &address, &arguments);
            command.env("XMPP_ROOM_PASSWORD", ROOM_PASSWORD);
            command
        };
        let (romeo, juliet) =
            tokio::join!(run(person("romeo", &["--trace", text(&trace)])), run(person("juliet", &["--json"])));
        assert_eq!((romeo.status.code(), juliet.status.code()), (Some(0), Some(0)));

        let mut secrets = vec![PASSWORD.to_owned(), ROOM_PASSWORD.to_owned()];
        secrets.extend(["romeo", "juliet"].map(|name| base64(&format!("\0{name}\0{PASSWORD}"))));
        let passwords_of_ice = server.stanza_log(0).into_iter().flat_map(|heard| {
            let text = String::from(&heard.stanza);
            let found: Vec<String> = text
                .split("pwd=")
                .skip(1)
                .map(|rest| rest[1..].split(['"', '\'']).next().unwrap().to_owned())
                .collect();
            found
        });
        secrets.extend(passwords_of_ice);
        assert!(secrets.len() >= 6, "the passwords of both ends of ICE are in the trace");
        let trace = std::fs::read(&trace).unwrap();
        let libraries = String::from_utf8_lossy(&romeo.stderr).into_owned();
        assert!(libraries.contains("TRACE") && libraries.contains("str0m"), "the libraries do speak");
        for output in [&romeo.stdout, &romeo.stderr, &juliet.stdout, &juliet.stderr, &trace] {
            let output = String::from_utf8_lossy(output);
            for secret in &secrets {
                let line = output.lines().find(|line| line.contains(secret.as_str()));
                assert!(line.is_none(), "{secret} is told: {line:?}");
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn every_event_and_field_is_documented() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/muji-call.md")).unwrap();
    let server = server(Rules::default()).await;
    let romeo = call(&server, "romeo", &["--json", "--seconds", "3"]);
    let juliet = call(&server, "juliet", &["--json", "--seconds", "4"]);
    let (romeo, juliet) = tokio::join!(run(romeo), run(juliet));
    for event in events(&romeo).into_iter().chain(events(&juliet)) {
        let name = event["event"].as_str().unwrap();
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/muji-call.md has no row for {name}"));
        for field in event.as_object().unwrap().keys().filter(|field| !["event", "ms"].contains(&field.as_str())) {
            assert!(row.contains(&format!("`{field}`")), "the row for {name} in docs/muji-call.md lacks {field}");
        }
    }
}

#[tokio::test]
async fn a_call_is_drawn_when_it_is_over_and_its_trace_breaks_no_requirement() {
    let server = server(Rules::default()).await;
    let folder = folder("drawn");
    let (diagram, trace) = (folder.join("call.svg"), folder.join("call.xml"));
    let of_romeo = ["--diagram", text(&diagram), "--trace", text(&trace), "--seconds", "3", "--expect", "1"];
    let (romeo, juliet) =
        tokio::join!(run(call(&server, "romeo", &of_romeo)), run(call(&server, "juliet", &["--seconds", "3"])));
    assert_eq!((romeo.status.code(), juliet.status.code()), (Some(0), Some(0)));
    let svg = std::fs::read_to_string(diagram).unwrap();
    for word in ["enters, preparing", "session-initiate", "session-accept", "session-terminate", ">juliet<"] {
        assert!(svg.contains(word), "{word} is not in {svg}");
    }
    let lines = muji_trace::read(&std::fs::read_to_string(trace).unwrap()).unwrap();
    assert_eq!(replay::breaches(&lines), []);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_diagram_that_cannot_be_written_is_told_before_the_call() {
    let server = server(Rules::default()).await;
    let output = run(call(&server, "romeo", &["--diagram", "/no/such/folder/call.svg"])).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/folder/call.svg cannot be written"));
}
