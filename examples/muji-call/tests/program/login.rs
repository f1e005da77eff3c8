//! Finding a server, trusting it, and logging in.

use std::path::PathBuf;

use muji_harness::authority::{Authority, Certified};
use muji_harness::server::{LoginOptions, Server};
use xmpp_parsers::stream_error::DefinedCondition;

use crate::support::*;

/// Ends as soon as it is in the call.
const BRIEFLY: [&str; 4] = ["--seconds", "0", "--expect", "0"];

struct TlsServer {
    server: Server,
    folder: PathBuf,
}

/// A server whose certificate is by an authority in a file.
async fn tls_server(name: &str, certify: impl Fn(&Authority) -> Certified, login: LoginOptions) -> TlsServer {
    let authority = Authority::new();
    let tls = Some(certify(&authority).config());
    let folder = folder(name);
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    TlsServer { server: server_with(LoginOptions { tls, ..login }).await, folder }
}

impl TlsServer {
    fn call(&self, more: &[&str]) -> tokio::process::Command {
        let (address, authority) = (self.server.address().to_string(), self.folder.join("ca.pem"));
        let mut arguments = vec!["--ca-file", text(&authority)];
        arguments.extend(more);
        encrypted_call("romeo@localhost", &address, &arguments)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _left_over = std::fs::remove_dir_all(&self.folder).is_err();
    }
}

fn for_localhost(authority: &Authority) -> Certified {
    authority.certify(&["localhost"])
}

#[tokio::test]
async fn a_server_of_ones_own_is_trusted_by_its_authority_with_starttls_and_direct_tls() {
    for direct in [false, true] {
        let name = if direct { "direct" } else { "starttls" };
        let server = tls_server(name, for_localhost, LoginOptions { direct, ..LoginOptions::default() }).await;
        let mut arguments = vec!["--tls", name, "--json", "-v"];
        arguments.extend(BRIEFLY);
        let output = run(server.call(&arguments)).await;
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let login = &events(&output)[0];
        assert_eq!((&login["event"], &login["encrypted"]), (&"login".into(), &true.into()));
        assert_eq!(login["mechanism"], "SCRAM-SHA-256");
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for() {
    let server = tls_server("untrusted", for_localhost, LoginOptions::default()).await;
    let (code, why) = failure(encrypted_call("romeo@localhost", &server.server.address().to_string(), &[])).await;
    assert_eq!(code, Some(3));
    assert!(
        why.contains("it is not signed by an authority that this machine trusts") && why.contains("--ca-file"),
        "{why}"
    );
}

#[tokio::test]
async fn an_expired_certificate() {
    let server =
        tls_server("expired", |authority| authority.certify_until_2020(&["localhost"]), LoginOptions::default()).await;
    let (code, why) = failure(server.call(&[])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("it has expired") && why.contains("--ca-file"), "{why}");
}

#[tokio::test]
async fn a_certificate_for_another_domain() {
    let server = tls_server("other", |authority| authority.certify(&["example.org"]), LoginOptions::default()).await;
    let (code, why) = failure(server.call(&[])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("it is for another domain"), "{why}");
}

#[tokio::test]
async fn a_file_of_authorities_that_is_none() {
    let server = tls_server("nonsense", for_localhost, LoginOptions::default()).await;
    for (content, sentence) in [(Some("once upon a time"), "there is no certificate in it"), (None, "ca.pem")] {
        let file = server.folder.join("ca.pem");
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let (code, why) = failure(server.call(&[])).await;
        assert_eq!(code, Some(3));
        assert!(why.contains(sentence) && why.contains("use --ca-file with a PEM file"), "{why}");
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_no_password() {
    let server = server(muji_harness::room::Rules::default()).await;
    let (code, why) = failure(encrypted_call("romeo@localhost", &server.address().to_string(), &[])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("offers no encryption") && why.contains("no password is sent"), "{why}");
}

#[tokio::test]
async fn plain_is_said_under_tls_and_refused_without() {
    let server = tls_server("plain", for_localhost, LoginOptions { only_plain: true, ..LoginOptions::default() }).await;
    let output = run(server.call(&BRIEFLY)).await;
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("the password was sent to the server itself (PLAIN over TLS)"), "{said}");
    let open = server_with(LoginOptions { only_plain: true, ..LoginOptions::default() }).await;
    let (code, why) = failure(call(&open, "romeo", &[])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("is not sent without TLS"), "{why}");
}

#[tokio::test]
async fn a_server_that_does_not_know_the_password_itself_is_found_out() {
    let server =
        tls_server("impostor", for_localhost, LoginOptions { knows_no_password: true, ..LoginOptions::default() })
            .await;
    let (code, why) = failure(server.call(&[])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("could not prove that it knows the password"), "{why}");
}

#[tokio::test]
async fn a_host_that_does_not_exist() {
    let (code, why) = failure(program(&[ROOM, "--jid", "romeo@no-such-host.invalid"])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("there is no host no-such-host.invalid") && why.contains("--server"), "{why}");
}

#[tokio::test]
async fn without_a_record_the_domain_itself_is_tried() {
    let (code, why) = failure(program(&[ROOM, "--jid", "romeo@127.0.0.77"])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("127.0.0.77:5222"), "{why}");
}

#[tokio::test]
async fn a_server_that_ends_the_stream_at_its_beginning() {
    let refuses = Some(DefinedCondition::HostUnknown);
    let server = server_with(LoginOptions { refuses, ..LoginOptions::default() }).await;
    let (code, why) = failure(call(&server, "romeo", &[])).await;
    assert_eq!(code, Some(3));
    assert!(why.contains("the server ended the connection: host-unknown"), "{why}");
}

#[tokio::test]
async fn an_account_in_use_elsewhere_ends_the_older_call_and_does_not_fight() {
    let server = server(muji_harness::room::Rules::default()).await;
    let address = server.address().to_string();
    let same = |more: &[&str]| {
        let mut arguments = vec![ROOM, "--jid", "romeo@localhost/phone", "--server", &address, "--tls", "none"];
        arguments.extend(more);
        program(&arguments)
    };
    let mut older = same(&["--json"]).spawn().unwrap();
    said(&mut older, "joined").await;
    let newer = run(same(&["--seconds", "5", "--expect", "0"]));
    let (older, newer) = tokio::join!(older.wait_with_output(), newer);
    let older = older.unwrap();
    assert_eq!((older.status.code(), newer.status.code()), (Some(1), Some(0)));
    let why = String::from_utf8_lossy(&older.stderr).into_owned();
    assert!(why.contains("in use elsewhere under the same resource"), "{why}");
}

#[tokio::test]
async fn a_stream_error_in_a_call_is_told_and_the_program_comes_back_into_the_call() {
    let server = server(muji_harness::room::Rules::default()).await;
    let mut romeo = call(&server, "romeo", &["--json"]).spawn().unwrap();
    said(&mut romeo, "joined").await;
    server.end(DefinedCondition::SystemShutdown);
    let lost: serde_json::Value = serde_json::from_str(&said(&mut romeo, "\"connection\"").await).unwrap();
    assert_eq!((&lost["state"], &lost["why"]), (&"lost".into(), &"system-shutdown".into()));
    said(&mut romeo, "joined").await;
}
