//! Stanzas in odd forms, as servers let them through: each has its meaning, and what has none is told with its sender.

use std::path::Path;

use jid::Jid;
use muji_core::stanza::{self, StanzaFault, Unreadable};
use muji_core::{Event, NotCalled, Warning};
use muji_harness::world::{PersonId, World};
use muji_xep::{Element, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::{Id, Message, MessageType, Thread};
use xmpp_parsers::presence::{Presence, Priority, Show, Type};
use xmpp_parsers::stanza::Stanza;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::count;
use crate::scripted::{AUDIO, entering, gone, present, repeat, tell, tell_as};

const FROM: &str = "juliet@capulet.example/1";

/// Attributes and children of a stanza, and what they change of the plain one.
type Odd<T> = (&'static str, &'static str, fn(&mut T));

fn read(kind: &str, attributes: &str, children: &str) -> Result<Stanza, Unreadable> {
    let text = format!("<{kind} xmlns='{}' from='{FROM}' {attributes}>{children}</{kind}>", ns::CLIENT);
    stanza::read(&text.parse::<Element>().expect("the text is well-formed"))
}

fn element(text: &str) -> Element {
    text.parse().expect("the text is well-formed")
}

/// Romeo's presences come back: that he prepares, and what he has.
fn settle(world: &mut World, romeo: PersonId) {
    repeat(world, romeo);
    repeat(world, romeo);
}

fn juliet() -> Option<Jid> {
    Some(FROM.parse().expect("a JID"))
}

#[test]
fn each_odd_presence_has_its_meaning() {
    let cases: &[Odd<Presence>] = &[
        ("", "", |_| {}),
        ("type=''", "", |_| {}),
        ("type='available'", "", |_| {}),
        ("type='Unavailable'", "", |it| it.type_ = Type::Unavailable),
        ("to='@'", "", |_| {}),
        ("to='romeo@montague.example/📱'", "", |_| {}),
        ("id=''", "", |it| it.id = Some(String::new())),
        ("unknown='1' xml:lang='no such language'", "", |_| {}),
        ("", "\n text beside the children \n", |_| {}),
        ("", "<show>online</show>", |_| {}),
        ("", "<show/>", |_| {}),
        ("", "<show>\n AWAY\n</show>", |it| it.show = Some(Show::Away)),
        ("", "<show>d<![CDATA[nd]]></show>", |it| it.show = Some(Show::Dnd)),
        ("", "<show>online</show><show>xa</show><show>chat</show>", |it| it.show = Some(Show::Xa)),
        ("", "<priority>5225</priority>", |it| it.priority = Priority(127)),
        ("", "<priority>-129</priority>", |it| it.priority = Priority(-128)),
        ("", "<priority> +5 </priority>", |it| it.priority = Priority(5)),
        ("", "<priority>high</priority>", |_| {}),
        ("", "<priority/>", |_| {}),
        ("", "<priority>1</priority><priority>2</priority>", |it| it.priority = Priority(1)),
        ("", "<status>a</status><status>b</status>", |it| it.set_status("", "a")),
        ("xml:lang='it'", "<status>a</status><status xml:lang='en'>b</status>", |it| {
            it.set_status("it", "a");
            it.set_status("en", "b");
        }),
        ("", "<x xmlns='urn:unknown'/><unknown/>", |it| {
            it.payloads = vec![element("<x xmlns='urn:unknown'/>"), element("<unknown xmlns='jabber:client'/>")];
        }),
    ];
    for (attributes, children, change) in cases {
        let mut expected = Presence::available();
        expected.from = juliet();
        change(&mut expected);
        assert_eq!(read("presence", attributes, children), Ok(expected.into()), "{attributes} {children}");
    }
}

#[test]
fn each_odd_message_has_its_meaning() {
    let cases: &[Odd<Message>] = &[
        ("", "", |_| {}),
        ("type=''", "", |_| {}),
        ("type='unknown'", "", |_| {}),
        ("type='CHAT'", "", |_| {}), // RFC 6121 section 5.2.2.
        ("type='chat'", "", |it| it.type_ = MessageType::Chat),
        ("type='error'", "", |it| it.type_ = MessageType::Error),
        ("to='@'", "", |_| {}),
        ("id=''", "", |it| it.id = Some(Id(String::new()))),
        ("unknown='1'", "text", |_| {}),
        ("", "<body>a</body><body>b</body>", |it| drop(it.bodies.insert("".into(), "a".to_owned()))),
        ("", "<subject/><subject>b</subject>", |it| drop(it.subjects.insert("".into(), String::new()))),
        ("", "<thread/>", |_| {}),
        ("", "<thread parent='a'>b</thread><thread>c</thread>", |it| {
            it.thread = Some(Thread { parent: Some("a".to_owned()), id: "b".to_owned() });
        }),
        ("", "<x xmlns='urn:unknown'/>", |it| it.payloads = vec![element("<x xmlns='urn:unknown'/>")]),
    ];
    for (attributes, children, change) in cases {
        let mut expected = Message::normal(None);
        expected.from = juliet();
        change(&mut expected);
        assert_eq!(read("message", attributes, children), Ok(expected.into()), "{attributes} {children}");
    }
}

#[test]
fn each_odd_iq_has_its_meaning() {
    let (from, to, id) = (juliet(), None, "1".to_owned());
    let (first, second) = ("<x xmlns='urn:a'/>", "<x xmlns='urn:b'/>");
    let (payload, both) = (element(first), format!("{first}{second}"));
    let cases = [
        (
            "id='1' type='result'",
            "text",
            Iq::Result { from: from.clone(), to: to.clone(), id: id.clone(), payload: None },
        ),
        (
            "id='1' type='result'",
            &both,
            Iq::Result { from: from.clone(), to: to.clone(), id: id.clone(), payload: Some(payload.clone()) },
        ),
        (
            "id='' type='get' unknown='1'",
            &both,
            Iq::Get { from: from.clone(), to: to.clone(), id: String::new(), payload: payload.clone() },
        ),
        ("id='1' type='set' to='@'", &both, Iq::Set { from, to, id, payload }),
    ];
    for (attributes, children, expected) in cases {
        assert_eq!(read("iq", attributes, children), Ok(expected.into()), "{attributes} {children}");
    }
}

#[test]
fn each_odd_error_has_its_meaning() {
    let cases: &[Odd<StanzaError>] = &[
        ("", "", |_| {}),
        ("", "<error/>", |_| {}),
        ("", "<error type='cancel'/>", |_| {}), // stanza.js.
        ("", "<error type='unknown' code='404'/>", |_| {}),
        ("", "<error type='wait'><x/></error>", |it| it.type_ = ErrorType::Wait),
        ("", "<error by='@'/><error type='wait'/>", |_| {}),
        (
            "",
            "<error><unheard-of xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><gone \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>a</gone><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
            |it| it.defined_condition = DefinedCondition::Gone { new_address: Some("a".to_owned()) },
        ),
        ("", "<error><forbidden/></error>", |it| it.defined_condition = DefinedCondition::Forbidden),
        (
            "",
            "<error><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>a</text><text \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>b</text></error>",
            |it| drop(it.texts.insert(String::new(), "a".to_owned())),
        ),
    ];
    for (_, children, change) in cases {
        let mut error = StanzaError::new(ErrorType::Cancel, DefinedCondition::UndefinedCondition, "", "");
        error.texts.clear();
        change(&mut error);
        let other = element("<x xmlns='jabber:client'/>");
        error.other = children.contains("<x/>").then_some(other);
        let expected = Iq::Error { from: juliet(), to: None, id: "1".to_owned(), error, payload: None };
        assert_eq!(read("iq", "id='1' type='error'", children), Ok(expected.into()), "{children}");
    }
}

/// All that was recorded of real clients.
fn recorded() -> Vec<Element> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../xep/fixtures");
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("the fixtures are there");
        entries.map(|entry| entry.expect("it is readable").path()).collect::<Vec<_>>()
    };
    let folders = entries(&root).into_iter().filter(|path| path.is_dir());
    let files = folders.flat_map(|folder| entries(&folder));
    let traces = files.map(|file| element(&std::fs::read_to_string(file).expect("it is readable")));
    traces.flat_map(|trace| trace.children().flat_map(Element::children).cloned().collect::<Vec<_>>()).collect()
}

#[test]
fn what_a_strict_reader_takes_means_the_same_here() {
    let (mut same, recorded) = (0, recorded());
    for written in recorded.iter().filter(|written| written.ns() == ns::CLIENT) {
        let read = stanza::read(written);
        if let Ok(strict) = Stanza::try_from(written.clone()) {
            assert_eq!(read.as_ref(), Ok(&strict), "{written:?}");
            same += 1;
        }
        assert!(read.is_ok(), "{read:?}: {written:?}");
    }
    assert!(same > 1_000, "only {same} stanzas were recorded");
}

#[test]
fn what_has_no_meaning_is_named() {
    use StanzaFault::{IqType, NoId, NoPayload, NoStanza, PresenceType};
    let cases = [
        ("presence", "type='invisible'", PresenceType("invisible".to_owned())),
        ("iq", "id='1'", IqType(String::new())),
        ("iq", "id='1' type='GET'", IqType("GET".to_owned())), // RFC 6120 section 8.2.3.
        ("iq", "type='result'", NoId),
        ("iq", "id='1' type='get'", NoPayload),
        ("iq", "id='1' type='set'", NoPayload),
        ("stanza", "id='1'", NoStanza),
    ];
    for (kind, attributes, fault) in cases {
        let unreadable = Unreadable { from: Some(FROM.to_owned()), kind: kind.to_owned(), fault };
        assert_eq!(read(kind, attributes, "text"), Err(unreadable), "{kind} {attributes}");
    }
}

#[test]
fn a_participant_is_called_whatever_else_its_presence_says() {
    for (attributes, more) in [
        ("", "<show>online</show>"),
        ("", "<show/><priority>5225</priority>"),
        ("", "<priority>high</priority><status>a</status><status>b</status>"),
        ("type='available'", "<show>away</show><show>dnd</show>"),
        ("type='' unknown='1' to='@'", "<unknown/>text<error/>"),
    ] {
        let mut world = World::new(1);
        let romeo = entering(&mut world);
        let says = format!(
            "{more}<muji xmlns='{}'>{AUDIO}</muji><x xmlns='{}'><item jid='{FROM}'/></x>",
            ns::MUJI,
            ns::MUC_USER
        );
        present(&mut world, romeo, "juliet", attributes, &says);
        settle(&mut world, romeo);
        assert_eq!(world.asked(romeo, "session-initiate"), 1, "{attributes} {more}");
    }
}

#[test]
fn a_participant_whose_nick_has_emoji_is_called_and_leaves() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell_as(&mut world, romeo, "juliet 🦊", FROM, Some(AUDIO));
    settle(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
    gone(&mut world, romeo, "juliet 🦊", "", &[]);
    let left = |event: &Event| matches!(event, Event::PeerLeft(peer) if peer.nick == "juliet 🦊");
    assert_eq!(count(&world, romeo, left), 1);
}

#[test]
fn an_occupant_whose_jid_cannot_be_addressed_is_named_with_the_reason() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    let emoji = "juliet@capulet.example/📱";
    tell_as(&mut world, romeo, "juliet", emoji, Some(AUDIO));
    settle(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
    let why = NotCalled::UnreadableJid(emoji.to_owned());
    let told = Event::Warning(Warning::NotCalled { nick: "juliet".to_owned(), why });
    assert_eq!(count(&world, romeo, |event| *event == told), 1);
    let hidden = |event: &Event| matches!(event, Event::Warning(Warning::NotCalled { why: NotCalled::HiddenJid, .. }));
    assert_eq!(count(&world, romeo, hidden), 0);
}

#[test]
fn an_error_without_a_condition_ends_the_wait_at_once() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(AUDIO));
    settle(&mut world, romeo);
    let offer = world.wire.iter().find(|sent| sent.stanza.children().any(|child| child.is("jingle", ns::JINGLE)));
    let offer = offer.map(|sent| sent.stanza.clone()).expect("she is called");
    let (id, to) = (offer.attr("id").expect("an id"), offer.attr("to").expect("a receiver"));
    let failed = |event: &Event| matches!(event, Event::PeerFailed(peer, _) if peer.nick == "juliet");
    assert_eq!(count(&world, romeo, failed), 0);
    world.forge(
        romeo,
        &format!("<iq xmlns='jabber:client' type='error' id='{id}' from='{to}'><error type='cancel'/></iq>"),
    );
    assert_eq!(count(&world, romeo, failed), 1);
}

#[test]
fn a_stanza_that_cannot_be_read_is_told_with_its_sender_and_causes_nothing_else() {
    for (from, stanza) in [
        ("juliet@capulet.example/📱", "<message xmlns='jabber:client' from='juliet@capulet.example/📱'/>"),
        ("@", "<presence xmlns='jabber:client' from='@'/>"),
        (FROM, "<iq xmlns='jabber:client' from='juliet@capulet.example/1' type='want' id='1'/>"),
        ("", "<letter xmlns='jabber:client'/>"),
    ] {
        let mut world = World::new(1);
        let romeo = world.person("romeo");
        let (sent, before) = (world.wire.len(), world.events(romeo).len());
        world.forge(romeo, stanza);
        let told = &world.events(romeo)[before..];
        assert!(
            matches!(told, [Event::Skipped { from: named, what }] if named == from && what.contains("cannot be read")),
            "{told:?}"
        );
        assert_eq!(world.wire.len(), sent, "{stanza}");
    }
}

#[test]
fn an_odd_message_that_another_device_heard_is_read_in_its_copy() {
    for (from, invited) in [(FROM, 1), ("juliet@capulet.example/📱", 0)] {
        let mut world = World::new(1);
        let romeo = world.person("romeo");
        let (us, room) = (world.jid(romeo).to_bare(), world.room("balcony"));
        let invite =
            format!("<invite xmlns='{}'><muji xmlns='{}' room='{room}'/></invite>", ns::CALL_INVITES, ns::MUJI);
        let odd = format!(
            "<message xmlns='{}' from='{from}' to='{us}' type='odd' id='1'><thread>a</thread><thread>b</thread>{invite}</message>",
            ns::CLIENT
        );
        let before = world.events(romeo).len();
        world.forge(
            romeo,
            &format!(
                "<message xmlns='{}' from='{us}'><received xmlns='{}'><forwarded xmlns='{}'>{odd}</forwarded></received></message>",
                ns::CLIENT,
                ns::CARBONS,
                ns::FORWARD
            ),
        );
        let told = &world.events(romeo)[before..];
        assert_eq!(told.iter().filter(|event| matches!(event, Event::Invited(_))).count(), invited, "{told:?}");
        let skipped = |event: &&Event| matches!(event, Event::Skipped { from: named, .. } if named == from);
        assert_eq!(told.iter().filter(skipped).count(), 1 - invited, "{told:?}");
    }
}
