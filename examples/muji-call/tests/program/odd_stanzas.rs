//! Stanzas in odd forms through a real server: which of them Prosody lets through, and that these are read.

use std::time::Duration;

use muji_core::stanza;
use muji_core::xmpp::{Connection, Incoming};
use muji_xep::Element;
use tokio::time::timeout;
use xmpp_parsers::presence::Presence;

use crate::library::account;
use crate::real_servers::prosody;

/// A busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// What comes as it was written.
const PASSES: [(&str, &str, &str); 28] = [
    ("presence", "xml:lang='no such'", ""),
    ("presence", "unknown='1'", ""),
    ("presence", "", "<show>online</show>"),
    ("presence", "", "<show/>"),
    ("presence", "", "<show>AWAY</show>"),
    ("presence", "", "<show>xa</show><show>chat</show>"),
    ("presence", "", "<priority>5225</priority>"),
    ("presence", "", "<priority/>"),
    ("presence", "", "<priority>high</priority>"),
    ("presence", "", "<status>a</status><status>b</status>"),
    ("presence", "", "text"),
    ("presence", "", "<unknown/>"),
    ("message", "type='unknown'", "<body>a</body>"),
    ("message", "type=''", "<body>a</body>"),
    ("message", "type='CHAT'", "<body>a</body>"),
    ("message", "type='error'", "<body>a</body>"),
    ("message", "type='chat'", "<body>a</body><body>b</body>"),
    ("message", "type='chat'", "<thread>a</thread><thread>b</thread>"),
    ("message", "type='chat'", "<thread parent='a'>b</thread>"),
    ("message", "type='chat'", "<subject/><subject>b</subject>"),
    ("message", "type='chat'", "text"),
    ("message", "type='chat'", "<x xmlns='urn:unknown'/><unknown/>"),
    ("iq", "type='result'", "<x xmlns='urn:a'/><x xmlns='urn:b'/>"),
    ("iq", "type='error'", "<error/>"),
    ("iq", "type='error'", "<error type='cancel'/>"), // stanza.js.
    ("iq", "type='error'", "<error type='unknown'/>"),
    ("iq", "type='error'", "<error type='cancel'><forbidden/></error><error/>"),
    ("iq", "type='error'", "<error type='cancel'/><x xmlns='urn:a'/>"),
];

/// What Prosody itself answers, or drops.
const STOPPED: [(&str, &str, &str); 11] = [
    ("presence", "type=''", ""),
    ("presence", "type='available'", ""),
    ("presence", "type='Unavailable'", ""),
    ("presence", "type='invisible'", ""),
    ("iq", "type='get'", "<x xmlns='urn:a'/><x xmlns='urn:b'/>"),
    ("iq", "type='get'", ""),
    ("iq", "type='set'", "text"),
    ("iq", "type='want'", "<x xmlns='urn:a'/>"),
    ("iq", "type='GET'", "<x xmlns='urn:a'/>"),
    ("iq", "", "<x xmlns='urn:a'/>"),
    ("iq", "type='error'", ""),
];

/// The next stanza from somebody else.
async fn next(connection: &mut Connection) -> Element {
    let next = async {
        loop {
            match connection.next().await {
                Incoming::Stanza(stanza) if stanza.attr("id").is_some_and(|id| id.starts_with("odd")) => {
                    return *stanza;
                }
                Incoming::Stanza(_) | Incoming::Bound(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(LIMIT, next).await.expect("it comes in time")
}

#[tokio::test]
async fn what_prosody_lets_through_is_read() {
    let Some(server) = prosody() else { return };
    let mut romeo = Connection::open(account(&server, "romeo")).await.unwrap();
    let mut juliet = Connection::open(account(&server, "juliet")).await.unwrap();
    let Incoming::Bound(to) = romeo.next().await else { panic!("nothing comes before the JID") };
    romeo.send(Presence::available()).await;
    for (number, (kind, attributes, children)) in STOPPED.iter().chain(&PASSES).enumerate() {
        let stanza =
            format!("<{kind} xmlns='jabber:client' to='{to}' id='odd{number}' {attributes}>{children}</{kind}>");
        juliet.send_element(stanza.parse().unwrap()).await;
    }
    for (number, (kind, attributes, children)) in PASSES.iter().enumerate() {
        let came = next(&mut romeo).await;
        let expected = format!("odd{}", STOPPED.len() + number);
        assert_eq!((came.name(), came.attr("id")), (*kind, Some(&*expected)), "{kind} {attributes} {children}");
        let read = stanza::read(&came);
        assert!(read.is_ok(), "{kind} {attributes} {children}: {read:?}");
    }
    romeo.close().await;
    juliet.close().await;
}
