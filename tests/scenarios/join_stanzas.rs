//! What a join says on the wire, stanza by stanza.

use muji_core::media::Capabilities;
use muji_core::{Disco, Engine, Join};
use muji_harness::world::{PersonId, World};
use muji_xep::jingle::Senders;
use muji_xep::rtp::{Feedback, HeaderExtension, PayloadType};
use muji_xep::{Element, ns};
use xmpp_parsers::caps::{compute_disco, hash_caps};
use xmpp_parsers::disco::DiscoInfoResult;
use xmpp_parsers::hashes::Algo;

use crate::puppet::{audio, entered, opus};
use crate::{SECOND, people};

/// Romeo and Juliet in a call, with all that both said.
fn call() -> (World, [PersonId; 2]) {
    let mut world = World::new(1);
    let people = people(&mut world, ["juliet", "romeo"]);
    for who in people {
        world.join(who, "balcony");
        world.run_for(SECOND);
    }
    (world, people)
}

fn mujis(element: &Element, found: &mut Vec<Element>) {
    for child in element.children() {
        if child.name() == "muji" {
            found.push(child.clone());
        }
        mujis(child, found);
    }
}

// Shows muji-ns-01, muji-xml-01, R-XML-1.
#[test]
fn every_muji_element_and_content_has_its_namespace() {
    let (world, _) = call();
    let mut found = Vec::new();
    world.wire.iter().for_each(|sent| mujis(&sent.stanza, &mut found));
    assert_eq!(found.len(), 2 + 2 + 1, "preparing and contents of both, and one offer");
    for muji in found {
        assert_eq!(muji.ns(), "urn:xmpp:jingle:muji:0");
        for content in muji.children().filter(|child| child.name() == "content") {
            assert_eq!((content.ns().as_str(), content.attr("creator")), ("urn:xmpp:jingle:1", Some("initiator")));
        }
    }
}

// Shows muc-join-01, muc-join-02, muc-join-03.
#[test]
fn the_presence_that_enters_has_no_type_and_asks_for_no_history_and_later_ones_do_not_enter() {
    let (world, [_, romeo]) = call();
    let presences = world.presences(romeo);
    let room = world.room("balcony");
    for presence in &presences {
        assert_eq!((presence.attr("type"), presence.attr("to")), (None, Some(format!("{room}/romeo").as_str())));
    }
    let enters = |presence: &Element| presence.get_child("x", ns::MUC).cloned();
    let x = enters(&presences[0]).expect("the first enters");
    assert_eq!(x.get_child("history", ns::MUC).and_then(|history| history.attr("maxchars")), Some("0"));
    assert!(presences[1..].iter().all(|presence| enters(presence).is_none()));
}

// Shows muc-pres-06.
#[test]
fn nothing_that_only_the_room_may_say_is_said() {
    let (world, _) = call();
    assert!(world.wire.iter().all(|sent| !sent.stanza.has_child("x", ns::MUC_USER)));
}

// Shows muji-sess-04, muc-pm-01.
#[test]
fn sessions_run_between_real_jids_and_nothing_of_them_through_the_room() {
    let (mut world, [juliet, romeo]) = call();
    let room = world.room("balcony");
    for sent in world.wire.iter().filter(|sent| sent.stanza.has_child("jingle", ns::JINGLE)) {
        let other = if sent.from == romeo { juliet } else { romeo };
        assert_eq!(sent.stanza.attr("to"), Some(world.jid(other).as_str()));
    }
    let before = world.wire.len();
    world.forge(
        romeo,
        &format!(
            "<iq xmlns='jabber:client' type='set' id='1' from='{room}/juliet'><jingle xmlns='urn:xmpp:jingle:1' \
             action='session-initiate' sid='s'><muji xmlns='urn:xmpp:jingle:muji:0' room='{room}'/></jingle></iq>"
        ),
    );
    let answer = &world.wire[before].stanza;
    let error = answer.get_child("error", "jabber:client").expect("it is refused");
    assert!(error.has_child("service-unavailable", ns::STANZAS));
}

// Shows muji-sess-05, muji-sess-07.
#[test]
fn an_offer_names_the_room_once_and_contents_that_were_published() {
    let (world, [_, romeo]) = call();
    let offers = world.wire.iter().filter_map(|sent| {
        let jingle = sent.stanza.get_child("jingle", ns::JINGLE)?;
        (jingle.attr("action") == Some("session-initiate")).then_some(jingle)
    });
    let offers: Vec<&Element> = offers.collect();
    assert_eq!(offers.len(), 1);
    let markers: Vec<&Element> = offers[0].children().filter(|child| child.name() == "muji").collect();
    assert_eq!(markers.len(), 1);
    assert_eq!(markers[0].attr("room"), Some(world.room("balcony").as_str()));
    assert_eq!(markers[0].children().count(), 0);
    let names = |element: &Element| -> Vec<String> {
        let contents = element.children().filter(|child| child.name() == "content");
        contents.filter_map(|content| content.attr("name").map(str::to_owned)).collect()
    };
    let published = world.presences(romeo).pop().expect("it published");
    let published = published.get_child("muji", ns::MUJI).map(names).expect("contents");
    assert_eq!(names(offers[0]), published);
}

// Shows muc-exit-01.
#[test]
fn who_leaves_a_room_of_its_own_says_that_it_is_unavailable() {
    let (mut world, [_, romeo]) = call();
    world.leave(romeo);
    let last = world.presences(romeo).pop().expect("it said something");
    assert_eq!(last.attr("type"), Some("unavailable"));
    assert_eq!(last.attr("to"), Some(format!("{}/romeo", world.room("balcony")).as_str()));
}

/// What Romeo answers to a disco#info query of somebody.
fn asks(world: &mut World, romeo: PersonId, node: Option<&str>) -> Element {
    let tybalt = entered(world, vec![audio(vec![opus()])]);
    let from = world.jid(tybalt);
    let node = node.map(|node| format!("node='{node}'")).unwrap_or_default();
    let before = world.wire.len();
    world.forge(
        romeo,
        &format!(
            "<iq xmlns='jabber:client' type='get' id='d' from='{from}'><query xmlns='{}' {node}/></iq>",
            ns::DISCO_INFO
        ),
    );
    world.wire[before].stanza.clone()
}

fn introduced(world: &mut World) -> (PersonId, Disco) {
    let [romeo] = people(world, ["romeo"]);
    let disco = world.answer_disco(romeo, "https://example.org/muji");
    world.join_how(romeo, "balcony", Join::call_room().nick("romeo"));
    world.run_for(SECOND);
    (romeo, disco)
}

// Shows disco-01, disco-04, R-CAP-1.
#[test]
fn an_occupant_who_asks_is_told_what_we_can() {
    let mut world = World::new(1);
    let (romeo, _) = introduced(&mut world);
    let answer = asks(&mut world, romeo, None);
    assert_eq!(answer.attr("type"), Some("result"));
    let query = answer.get_child("query", ns::DISCO_INFO).expect("an answer").clone();
    let info = DiscoInfoResult::try_from(query).expect("it is disco#info");
    assert_eq!(info.identities.len(), 1);
    let features: Vec<&str> = info.features.iter().map(String::as_str).collect();
    assert_eq!(
        features,
        [
            "http://jabber.org/protocol/caps",
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/muc",
            "jabber:x:conference",
            "urn:ietf:rfc:5576",
            "urn:ietf:rfc:5888",
            "urn:xmpp:call-invites:0",
            "urn:xmpp:jingle-message:0",
            "urn:xmpp:jingle:1",
            "urn:xmpp:jingle:apps:dtls:0",
            "urn:xmpp:jingle:apps:rtp:1",
            "urn:xmpp:jingle:apps:rtp:audio",
            "urn:xmpp:jingle:apps:rtp:video",
            "urn:xmpp:jingle:muji:0",
            "urn:xmpp:jingle:transports:ice-udp:1",
            "urn:xmpp:ping",
        ]
    );
}

// Shows fb-06, grp-04, ssma-03.
#[test]
fn what_we_say_that_we_can_is_what_the_media_layer_can() {
    let features = |capabilities: Capabilities| Engine::new([1; 32], capabilities).features();
    let always = features(Capabilities::default());
    assert!(always.contains(&ns::SOURCES_FEATURE), "sources are in every offer");
    assert!(!always.contains(&ns::GROUPING_FEATURE));
    assert!(features(Capabilities { bundling: true, ..Capabilities::default() }).contains(&ns::GROUPING_FEATURE));
    assert!(!always.contains(&ns::RTP_AUDIO) && !always.contains(&ns::RTCP_FB));
    let mut vp8 = PayloadType::new(98, "VP8", 90_000, 1);
    assert!(!features(Capabilities { video: vec![vp8.clone()], ..Capabilities::default() }).contains(&ns::RTCP_FB));
    vp8.feedback = vec![Feedback { kind: "nack".to_owned(), subtype: None }];
    assert!(features(Capabilities { video: vec![vp8], ..Capabilities::default() }).contains(&ns::RTCP_FB));
}

// Shows hdrx-04.
#[test]
fn that_we_know_header_extensions_is_said_if_the_media_layer_does() {
    let features = |capabilities: Capabilities| Engine::new([1; 32], capabilities).features();
    assert!(!features(Capabilities::default()).contains(&ns::RTP_HDREXT));
    let counted = HeaderExtension { id: 2, uri: "urn:example:counted".to_owned(), senders: Senders::Both };
    let extends = Capabilities { video_extensions: vec![counted], ..Capabilities::default() };
    assert!(features(extends).contains(&ns::RTP_HDREXT));
}

// Shows muji-join-05, caps-01.
#[test]
fn every_presence_of_a_call_carries_our_capabilities_and_they_are_those_we_answer() {
    let mut world = World::new(1);
    let (romeo, _) = introduced(&mut world);
    let answer = asks(&mut world, romeo, None);
    let query = answer.get_child("query", ns::DISCO_INFO).expect("an answer").clone();
    let info = DiscoInfoResult::try_from(query).expect("it is disco#info");
    let hash = hash_caps(&compute_disco(&info), Algo::Sha_1).expect("a known algorithm");
    let caps = Element::from(xmpp_parsers::caps::Caps::new("https://example.org/muji", hash));
    let presences = world.presences(romeo);
    assert_eq!(presences.len(), 2);
    for presence in presences {
        assert_eq!(presence.get_child("c", ns::CAPS), Some(&caps));
    }
}

// Shows disco-03.
#[test]
fn outside_of_calls_a_stranger_who_asks_is_answered_as_if_nobody_were_there() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    world.answer_disco(romeo, "https://example.org/muji");
    let query = format!("<query xmlns='{}'/>", ns::DISCO_INFO);
    world.forge(
        romeo,
        &format!("<iq xmlns='jabber:client' type='get' id='d' from='tybalt@capulet.example/1'>{query}</iq>"),
    );
    assert_eq!(world.wire.len(), 0, "the client refuses it as it refuses what it does not know");
}

// Shows caps-03.
#[test]
fn capabilities_that_change_are_said_at_once() {
    let mut world = World::new(1);
    let (romeo, old) = introduced(&mut world);
    let new = world.answer_disco(romeo, "https://example.org/another");
    assert_ne!(old.caps(), new.caps());
    let last = world.presences(romeo).pop().expect("it said something");
    assert_eq!(last.get_child("c", ns::CAPS), Some(&new.caps()));
    assert!(last.has_child("muji", ns::MUJI));
}
