//! Calling a person: on our own server, on Prosody and on ejabberd, with copies between the devices of one account.

use std::process::Stdio;

use muji_harness::room::Rules;
use muji_harness::server::Server;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use crate::real_servers::{ejabberd, prosody};
use crate::support::*;

/// Where people have their accounts, and how the program gets there.
struct Place {
    domain: String,
    way: Vec<String>,
}

impl Place {
    fn own(server: &Server) -> Self {
        let way = ["--server", &server.address().to_string(), "--tls", "none"].map(str::to_owned);
        Self { domain: "localhost".to_owned(), way: way.to_vec() }
    }

    fn real(server: &muji_harness::real_server::RealServer) -> Self {
        let way = ["--server", &server.address(), "--ca-file", &server.authority()].map(str::to_owned);
        Self { domain: server.domain.to_owned(), way: way.to_vec() }
    }

    fn program(&self, who: &str, more: &[&str]) -> Command {
        let jid = format!("{}@{}{}", who.split('/').next().unwrap(), self.domain, resource(who));
        let mut arguments: Vec<&str> = more.to_vec();
        arguments.extend(["--jid", &jid, "--bind", "127.0.0.1", "--json"]);
        arguments.extend(self.way.iter().map(String::as_str));
        program(&arguments)
    }

    /// A device that waits, and has said so; keys may be pressed.
    async fn device(&self, who: &str, more: &[&str]) -> Child {
        let arguments: Vec<&str> = ["--wait", "--once"].into_iter().chain(more.iter().copied()).collect();
        let mut device = self.program(who, &arguments).stdin(Stdio::piped()).spawn().unwrap();
        said(&mut device, "\"waiting\"").await;
        device
    }

    fn account(&self, name: &str) -> String {
        format!("{name}@{}", self.domain)
    }
}

fn resource(who: &str) -> &str {
    who.find('/').map_or("", |slash| &who[slash..])
}

async fn press(device: &mut Child, key: u8) {
    device.stdin.as_mut().unwrap().write_all(&[key]).await.unwrap();
}

async fn ended(device: &mut Child, why: &str) {
    let line = said(device, "\"ended\"").await;
    assert!(line.contains(why), "{line}, not {why}");
}

/// Juliet picks up, declines and lets ring, each time with two devices.
async fn every_device_rings_and_stops(place: &Place) {
    let juliet = place.account("juliet");

    let mut phone = place.device("juliet/phone", &["--anybody", "--audio", "tone:550"]).await;
    let mut laptop = place.device("juliet/laptop", &["--anybody"]).await;
    let more = [&juliet, "--audio", "tone:440", "--seconds", "3", "--expect", "1"].map(|word| word as &str);
    let mut romeo = place.program("romeo/balcony", &more).spawn().unwrap();
    said(&mut phone, "\"ringing\"").await;
    said(&mut laptop, "\"ringing\"").await;
    said(&mut romeo, "rings").await;
    press(&mut phone, b'a').await;
    said(&mut romeo, "picked up").await;
    ended(&mut laptop, &format!("answered on {juliet}/phone")).await;
    said(&mut phone, "\"hz\":4").await;
    assert_eq!(romeo.wait_with_output().await.unwrap().status.code(), Some(0));
    ended(&mut phone, "the other hung up").await;
    assert_eq!(laptop.wait().await.unwrap().code(), Some(0));

    let mut phone = place.device("juliet/phone", &["--anybody"]).await;
    let mut laptop = place.device("juliet/laptop", &["--anybody"]).await;
    let mut romeo = place.program("romeo/balcony", &[&juliet]).spawn().unwrap();
    said(&mut phone, "\"ringing\"").await;
    said(&mut laptop, "\"ringing\"").await;
    press(&mut phone, b'd').await;
    ended(&mut laptop, &format!("declined on {juliet}/phone")).await;
    ended(&mut romeo, &format!("busy or declined on {juliet}/phone")).await;
    assert_eq!(romeo.wait().await.unwrap().code(), Some(1));
    assert_eq!(phone.wait().await.unwrap().code(), Some(0));

    let mut phone = place.device("juliet/phone", &["--anybody"]).await;
    let mut romeo = place.program("romeo/balcony", &[&juliet]).spawn().unwrap();
    said(&mut phone, "\"ringing\"").await;
    signal(&romeo, "-INT").await;
    assert_eq!(romeo.wait().await.unwrap().code(), Some(130));
    ended(&mut phone, "the caller gave up").await;
}

/// Both devices are asked whether to come to the call in a room, and one comes.
async fn an_invitation_is_shown_on_every_device(place: &Place) {
    let service = format!("conference.{}", place.domain);
    let juliet = place.account("juliet");
    let mut phone = place.device("juliet/phone", &["--seconds", "3", "--expect", "1"]).await;
    let mut laptop = place.device("juliet/laptop", &[]).await;
    let invite = [&service, "--new", "--invite", &juliet, "--seconds", "8", "--expect", "1"].map(|word| word as &str);
    let romeo = place.program("romeo/balcony", &invite).spawn().unwrap();
    said(&mut phone, "\"invited\"").await;
    said(&mut laptop, "\"invited\"").await;
    press(&mut phone, b'a').await;
    let line = said(&mut laptop, "\"invitation-over\"").await;
    assert!(line.contains(&format!("answered on {juliet}/phone")), "{line}");
    assert_eq!(phone.wait_with_output().await.unwrap().status.code(), Some(0));
    assert_eq!(romeo.wait_with_output().await.unwrap().status.code(), Some(0));
}

/// Romeo talks with Juliet and invites Mercutio; both say yes, and all three hear each other.
async fn a_third_person_comes_into_the_call(place: &Place) {
    let [juliet, mercutio] = ["juliet", "mercutio"].map(|name| place.account(name));
    let mut phone = place.device("juliet/phone", &["--anybody", "--audio", "tone:550"]).await;
    let mut third = place.device("mercutio/street", &["--audio", "tone:660"]).await;
    let more = [&juliet, "--invite", &mercutio, "--audio", "tone:440"].map(|word| word as &str);
    let mut romeo = place.program("romeo/balcony", &more).spawn().unwrap();
    said(&mut phone, "\"ringing\"").await;
    press(&mut phone, b'a').await;
    said(&mut phone, "\"invited\"").await;
    press(&mut phone, b'a').await;
    said(&mut phone, "\"goes-on-in-room\"").await;
    said(&mut third, "\"invited\"").await;
    press(&mut third, b'a').await;
    for (listener, tones) in [(&mut romeo, [550.0, 660.0]), (&mut phone, [440.0, 660.0]), (&mut third, [440.0, 550.0])]
    {
        hears(listener, tones).await;
    }
    for device in [&romeo, &phone, &third] {
        signal(device, "-INT").await;
    }
}

/// Waits until these tones were heard, give or take what the clocks differ.
async fn hears(listener: &mut Child, tones: [f64; 2]) {
    let mut missing = tones.map(Some);
    while missing.iter().any(Option::is_some) {
        let line = said(listener, "\"heard\"").await;
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let heard = event["hz"].as_f64().unwrap_or_default();
        for tone in &mut missing {
            tone.take_if(|tone| (*tone - heard).abs() < 5.0);
        }
    }
}

#[tokio::test]
async fn every_device_of_a_person_rings_until_one_answers() {
    let server = server(Rules::default()).await;
    every_device_rings_and_stops(&Place::own(&server)).await;
    an_invitation_is_shown_on_every_device(&Place::own(&server)).await;
    a_third_person_comes_into_the_call(&Place::own(&server)).await;
}

#[tokio::test]
async fn every_device_of_a_person_rings_until_one_answers_on_prosody() {
    let Some(server) = prosody() else { return };
    every_device_rings_and_stops(&Place::real(&server)).await;
    an_invitation_is_shown_on_every_device(&Place::real(&server)).await;
    a_third_person_comes_into_the_call(&Place::real(&server)).await;
}

#[tokio::test]
async fn every_device_of_a_person_rings_until_one_answers_on_ejabberd() {
    let Some(server) = ejabberd() else { return };
    every_device_rings_and_stops(&Place::real(&server)).await;
    an_invitation_is_shown_on_every_device(&Place::real(&server)).await;
    a_third_person_comes_into_the_call(&Place::real(&server)).await;
}

#[tokio::test]
async fn a_stranger_is_shown_and_learns_nothing_and_a_contact_rings() {
    let server = server(Rules::default()).await;
    let place = Place::own(&server);
    let juliet = place.account("juliet");
    let mut phone = place.device("juliet/phone", &["--auto-answer", "0"]).await;
    let mut romeo = place.program("romeo/balcony", &[&juliet]).spawn().unwrap();
    let line = said(&mut phone, "\"ringing\"").await;
    assert!(line.contains("\"contact\":false"), "{line}");
    let silence = tokio::time::timeout(std::time::Duration::from_secs(2), next_line(&mut romeo)).await;
    let silence = silence.map(Option::unwrap_or_default);
    assert!(silence.as_ref().map_or(true, |line| line.contains("\"login\"")), "{silence:?}");
    signal(&romeo, "-INT").await;
    ended(&mut phone, "the caller gave up").await;

    server.with_service(|service| service.contacts.insert(place.account("romeo").parse().unwrap()));
    let _phone = place.device("juliet/phone", &["--auto-answer", "0"]).await;
    let more = [&juliet, "--seconds", "2", "--expect", "1"].map(|word| word as &str);
    assert_eq!(run(place.program("romeo/balcony", &more)).await.status.code(), Some(0));
}

#[tokio::test]
async fn who_picks_up_with_pictures_is_seen_and_sees() {
    let server = server(Rules::default()).await;
    let place = Place::own(&server);
    let juliet = place.account("juliet");
    let hers = ["--anybody", "--auto-answer", "0", "--video", "pattern:3040c0"];
    let mut phone = place.device("juliet/phone", &hers).await;
    let his = [&juliet, "--video", "pattern:c03030", "--screen", "pattern:30c040"].map(|word| word as &str);
    let mut romeo = place.program("romeo/balcony", &his).spawn().unwrap();
    assert!(said(&mut phone, "\"ringing\"").await.contains("[\"audio\",\"video\",\"slides\"]"));
    for what in ["\"video\"", "\"slides\""] {
        said(&mut phone, &format!("\"media\":{what}")).await;
    }
    assert!(said(&mut romeo, "\"event\":\"seen\"").await.contains("\"media\":\"video\""));
    signal(&romeo, "-INT").await;
    ended(&mut phone, "").await;
}

#[tokio::test]
async fn one_device_is_called_without_a_word_before() {
    let server = server(Rules::default()).await;
    let place = Place::own(&server);
    let _phone = place.device("juliet/phone", &["--anybody", "--auto-answer", "1"]).await;
    let device = format!("{}/phone", place.account("juliet"));
    let more = [&device, "--seconds", "2", "--expect", "1"].map(|word| word as &str);
    assert_eq!(run(place.program("romeo/balcony", &more)).await.status.code(), Some(0));
    let nobody = format!("{}/nowhere", place.account("juliet"));
    let output = run(place.program("romeo/balcony", &[&nobody])).await;
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("the offer was refused (service-unavailable)"), "{error}");
}
