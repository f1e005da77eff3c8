//! What Jingle requires of a session, one requirement after the other (XEP-0166, 0167, 0176, 0293, 0320).

use std::collections::BTreeSet;

use muji_core::media::Capabilities;
use muji_core::{Event, Join, Media, config};
use muji_harness::person::usual;
use muji_harness::world::{PersonId, World};
use muji_media::transport::loopback;
use muji_xep::jingle::{Action, Content, Jingle, Reason};
use muji_xep::rtp::{Feedback, PayloadType};
use muji_xep::session_info::SessionInfo;
use muji_xep::{Element, ns};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

use crate::puppet::{answer, answering, ask, audio, entered, offer, opus, requests, terminate, transport, usable};
use crate::scripted::{AUDIO, entering, repeat, tell_as};
use crate::{SECOND, count, in_call};

/// Romeo in a call in which Tybalt, a puppet, takes part; they have no session yet.
fn with_tybalt() -> (World, [PersonId; 2]) {
    let mut world = World::new(1);
    let romeo = world.person_without_media("romeo"); // Whose transports connect with anybody.
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    (world, [romeo, tybalt])
}

/// The same, with Tybalt's offer `s1` accepted.
fn in_session() -> (World, [PersonId; 2]) {
    let (mut world, [romeo, tybalt]) = with_tybalt();
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "o", &offer);
    world.run_for(SECOND);
    let asked = requests(&mut world, tybalt);
    assert_eq!(asked.iter().map(|(_, jingle)| jingle.action.clone()).collect::<Vec<_>>(), [Action::SessionAccept]);
    (world, [romeo, tybalt])
}

/// What a puppet's request is answered with.
fn asked(world: &mut World, tybalt: PersonId, romeo: PersonId, jingle: &Jingle) -> Option<Result<(), String>> {
    ask(world, tybalt, romeo, "q", jingle);
    world.run_for(SECOND);
    let inbox = world.inbox(tybalt);
    answer(&inbox, "q")
}

fn refused(condition: &str) -> Option<Result<(), String>> {
    Some(Err(condition.to_owned()))
}

fn about(action: Action, contents: Vec<Content>) -> Jingle {
    let mut jingle = Jingle::new(action, "s1");
    jingle.contents = contents;
    jingle
}

fn news(info: SessionInfo) -> Jingle {
    let mut jingle = Jingle::new(Action::SessionInfo, "s1");
    jingle.info = Some(info);
    jingle
}

/// The requests somebody sent, as elements.
fn jingles(world: &World, who: PersonId, action: &str) -> Vec<Element> {
    let of = world.wire.iter().filter(|sent| sent.from == who);
    let jingles = of.filter_map(|sent| sent.stanza.get_child("jingle", ns::JINGLE));
    jingles.filter(|jingle| jingle.attr("action") == Some(action)).cloned().collect()
}

// Shows jingle-init-01, jingle-init-02, ice-init-01.
#[test]
fn an_offer_names_who_makes_it_and_has_a_description_and_a_transport_for_each_content() {
    let mut world = World::new(1);
    let [_, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let offer = jingles(&world, juliet, "session-initiate").remove(0);
    assert_eq!(offer.attr("initiator"), Some(world.jid(juliet).as_str()));
    let contents: Vec<&Element> = offer.children().filter(|child| child.is("content", ns::JINGLE)).collect();
    assert_eq!(contents.len(), 1);
    let inside: Vec<String> = contents[0].children().map(|child| format!("{} {}", child.name(), child.ns())).collect();
    assert_eq!(inside, [format!("description {}", ns::RTP), format!("transport {}", ns::ICE_UDP)]);
    let (world, [romeo, _]) = in_session();
    let accept = jingles(&world, romeo, "session-accept").remove(0);
    let transport =
        accept.get_child("content", ns::JINGLE).and_then(|content| content.get_child("transport", ns::ICE_UDP));
    assert!(transport.is_some());
}

// Shows jingle-init-06.
#[test]
fn session_ids_are_long_random_and_never_the_same() {
    let mut ids = muji_jingle::Ids::new([1; 32]);
    let words: BTreeSet<String> = (0..10_000).map(|_| ids.token()).collect();
    assert_eq!(words.len(), 10_000);
    let hexadecimal = |word: &String| word.len() == 32 && word.bytes().all(|letter| letter.is_ascii_hexdigit());
    assert!(words.iter().all(hexadecimal), "128 bits each");
}

// Shows jingle-init-04.
#[test]
fn one_who_sends_an_offer_is_answered_whatever_initiator_it_names() {
    let (mut world, [romeo, tybalt]) = with_tybalt();
    let mut offer = offer(&world, "s1", usable(vec![opus()]));
    offer.initiator = Some("victim@capulet.example/1".to_owned());
    ask(&mut world, tybalt, romeo, "o", &offer);
    world.run_for(SECOND);
    let to: BTreeSet<String> = world
        .wire
        .iter()
        .filter(|sent| sent.from == romeo && sent.stanza.name() == "iq")
        .filter_map(|sent| sent.stanza.attr("to").map(str::to_owned))
        .filter(|to| !to.contains("conference"))
        .collect();
    assert_eq!(to, [world.jid(tybalt).to_string()].into());
}

// Shows jingle-ack-01, jingle-ack-02.
#[test]
fn an_offer_is_confirmed_first_whatever_becomes_of_it() {
    let file = Content { transport: Some(transport(None)), ..Content::new("file") };
    for (content, then) in [(usable(vec![opus()]), "session-accept"), (file, "session-terminate")] {
        let (mut world, [romeo, tybalt]) = with_tybalt();
        let before = world.wire.len();
        let offer = offer(&world, "s1", content);
        ask(&mut world, tybalt, romeo, "o", &offer);
        world.run_for(SECOND);
        let said = world.wire[before..].iter().filter(|sent| sent.from == romeo);
        let said: Vec<&str> = said
            .filter_map(|sent| {
                let jingle = sent.stanza.get_child("jingle", ns::JINGLE);
                jingle.map_or_else(|| sent.stanza.attr("type"), |jingle| jingle.attr("action"))
            })
            .collect();
        assert_eq!(said, ["result", then]);
    }
    let (mut world, [romeo, tybalt]) = with_tybalt();
    let file = Content { transport: Some(transport(None)), ..Content::new("file") };
    let offer = offer(&world, "s1", file);
    ask(&mut world, tybalt, romeo, "o", &offer);
    world.run_for(SECOND);
    let why = requests(&mut world, tybalt).remove(0).1.why.expect("ends have reasons");
    assert_eq!(why.reason, Reason::UnsupportedApplications);
}

// Shows jingle-err-04.
#[test]
fn an_offer_without_a_session_id_or_a_content_with_a_name_is_a_bad_request() {
    let (mut world, [romeo, tybalt]) = with_tybalt();
    let room = world.room("balcony");
    let marker = format!("<muji xmlns='{}' room='{room}'/>", ns::MUJI);
    let nameless = "<content creator='initiator'/>";
    for (attributes, inside) in [("", nameless), ("sid='s1'", ""), ("sid='s1'", nameless)] {
        let jingle =
            format!("<jingle xmlns='{}' action='session-initiate' {attributes}>{inside}{marker}</jingle>", ns::JINGLE);
        let payload: Element = jingle.parse().expect("well-formed");
        let (to, id) = (Some(world.jid(romeo).into()), "q".to_owned());
        world.send(tybalt, Iq::Set { from: None, to, id, payload });
        world.run_for(SECOND);
        assert_eq!(answer(&world.inbox(tybalt), "q"), refused("bad-request"), "{jingle}");
    }
    assert_eq!(world.sessions(romeo), 0);
}

// Shows jingle-accept-01.
#[test]
fn nobody_but_those_with_contents_in_the_room_is_accepted_without_being_asked_for() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    repeat(&mut world, romeo);
    repeat(&mut world, romeo);
    let tybalt = world.puppet("tybalt");
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "o", &offer);
    world.run_for(SECOND);
    assert_eq!(world.asked(romeo, "session-accept"), 0);
    let jid = world.jid(tybalt).to_string();
    tell_as(&mut world, romeo, "tybalt", &jid, Some(AUDIO));
    assert_eq!(world.asked(romeo, "session-accept"), 1);
}

// Shows jingle-accept-02.
#[test]
fn an_answer_without_description_or_transport_is_a_bad_request_and_the_offer_stands() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    world.run_for(config::CALL_FALLBACK);
    let sid = requests(&mut world, tybalt).remove(0).1.sid;
    let whole = answering(vec![opus()]);
    let without = [
        vec![],
        vec![Content { description: None, ..whole.clone() }],
        vec![Content { transport: None, ..whole.clone() }],
    ];
    for contents in without {
        let mut accept = Jingle::new(Action::SessionAccept, &sid);
        accept.contents = contents;
        assert_eq!(asked(&mut world, tybalt, romeo, &accept), refused("bad-request"));
    }
    let mut accept = Jingle::new(Action::SessionAccept, &sid);
    accept.contents = vec![whole];
    assert_eq!(asked(&mut world, tybalt, romeo, &accept), Some(Ok(())));
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerConnecting(..))), 1);
}

// Shows jingle-state-01, ice-cand-04.
#[test]
fn before_an_offer_is_answered_all_but_another_offer_makes_sense() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt"); // The room has not told of him, so his offer waits.
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "o", &offer);
    let pictures = Content { transport: usable(vec![]).transport, ..crate::contents::video("video") };
    let candidates =
        about(Action::TransportInfo, vec![Content { transport: usable(vec![]).transport, ..Content::new("audio") }]);
    for jingle in [candidates, news(SessionInfo::Ringing), about(Action::ContentAdd, vec![pictures])] {
        assert_eq!(asked(&mut world, tybalt, romeo, &jingle), Some(Ok(())), "{}", jingle.action);
    }
    assert_eq!(world.sessions(romeo), 0, "and nothing is opened for it");
}

// Shows jingle-state-02, jingle-action-01, jingle-cmod-01.
#[test]
fn what_makes_no_sense_is_refused_and_the_session_goes_on() {
    let (mut world, [romeo, tybalt]) = in_session();
    let again = about(Action::SessionAccept, vec![usable(vec![opus()])]);
    assert_eq!(asked(&mut world, tybalt, romeo, &again), refused("out-of-order"));
    let odd = about(Action::Other("session-foo".to_owned()), vec![]);
    assert_eq!(asked(&mut world, tybalt, romeo, &odd), refused("bad-request"));
    let content = "<content creator='initiator' name='audio'/>";
    let vague = format!("<jingle xmlns='{}' action='content-modify' sid='s1'>{content}</jingle>", ns::JINGLE);
    let (to, id, payload) = (Some(world.jid(romeo).into()), "q".to_owned(), vague.parse().expect("well-formed"));
    world.send(tybalt, Iq::Set { from: None, to, id, payload });
    world.run_for(SECOND);
    assert_eq!(answer(&world.inbox(tybalt), "q"), refused("bad-request"));
    assert_eq!((world.sessions(romeo), world.asked(romeo, "session-terminate")), (1, 0));
}

// Shows jingle-term-01, jingle-term-02, jingle-term-03.
#[test]
fn who_hangs_up_says_why_and_knows_the_session_no_more() {
    let (mut world, [romeo, tybalt]) = in_session();
    world.leave(romeo);
    let late = about(Action::TransportInfo, vec![Content::new("audio")]);
    ask(&mut world, tybalt, romeo, "late", &late);
    world.run_for(SECOND);
    let inbox = world.inbox(tybalt);
    assert_eq!(answer(&inbox, "late"), refused("unknown-session"));
    let ends = jingles(&world, romeo, "session-terminate");
    assert_eq!(ends.len(), 1);
    let reason = ends[0].get_child("reason", ns::JINGLE).expect("it says why");
    assert_eq!(reason.children().map(Element::name).collect::<Vec<_>>(), ["success"]);
}

// Shows jingle-term-04.
#[test]
fn every_end_is_confirmed_also_one_for_an_unheard_of_reason_or_before_the_answer() {
    let (mut world, [romeo, tybalt]) = in_session();
    let end = terminate("s1", Reason::Other("boredom".to_owned()).into());
    assert_eq!(asked(&mut world, tybalt, romeo, &end), Some(Ok(())));
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "o", &offer);
    let end = terminate("s1", Reason::Cancel.into());
    assert_eq!(asked(&mut world, tybalt, romeo, &end), Some(Ok(())));
}

// Shows jingle-term-07.
#[test]
fn a_session_that_gives_way_names_the_one_that_takes_its_place() {
    let (mut world, [romeo, tybalt]) = in_session();
    let again = offer(&world, "s2", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "o2", &again);
    world.run_for(SECOND);
    let ends = jingles(&world, romeo, "session-terminate");
    assert_eq!((ends.len(), ends[0].attr("sid")), (1, Some("s1")));
    let reason = ends[0].get_child("reason", ns::JINGLE).and_then(|it| it.get_child("alternative-session", ns::JINGLE));
    assert_eq!(reason.and_then(|it| it.get_child("sid", ns::JINGLE)).map(Element::text).as_deref(), Some("s2"));
}

// Shows jingle-info-01, jingle-info-02, rtp-info-01.
#[test]
fn news_are_answered_whether_understood_or_not() {
    let (mut world, [romeo, tybalt]) = in_session();
    let understood = [
        SessionInfo::Ping,
        SessionInfo::Active,
        SessionInfo::Hold,
        SessionInfo::Unhold,
        SessionInfo::Mute(None),
        SessionInfo::Unmute(None),
        SessionInfo::Ringing,
    ];
    for info in understood {
        assert_eq!(asked(&mut world, tybalt, romeo, &news(info.clone())), Some(Ok(())), "{info:?}");
    }
    for foreign in [format!("<sing xmlns='{}'/>", ns::RTP_INFO), "<sing xmlns='urn:example'/>".to_owned()] {
        let jingle = format!("<jingle xmlns='{}' action='session-info' sid='s1'>{foreign}</jingle>", ns::JINGLE);
        let (to, id, payload) = (Some(world.jid(romeo).into()), "q".to_owned(), jingle.parse().expect("well-formed"));
        world.send(tybalt, Iq::Set { from: None, to, id, payload });
        world.run_for(SECOND);
        assert_eq!(answer(&world.inbox(tybalt), "q"), refused("unsupported-info"), "{foreign}");
    }
    assert_eq!(world.sessions(romeo), 1);
}

// Shows rtp-info-02, rtp-info-03, rtp-info-07.
#[test]
fn who_holds_is_sent_nothing_until_it_listens_again_or_says_that_it_is_active() {
    for end in [SessionInfo::Unhold, SessionInfo::Active] {
        let (mut world, [romeo, tybalt]) = in_session();
        assert_eq!(world.flows(romeo, tybalt, "audio"), (true, true));
        assert_eq!(asked(&mut world, tybalt, romeo, &news(SessionInfo::Hold)), Some(Ok(())));
        assert_eq!(world.flows(romeo, tybalt, "audio"), (false, true), "it may still send");
        assert_eq!(asked(&mut world, tybalt, romeo, &news(end)), Some(Ok(())));
        assert_eq!(world.flows(romeo, tybalt, "audio"), (true, true));
        let held = count(&world, romeo, |event| matches!(event, Event::PeerHeld(_)));
        assert_eq!((held, count(&world, romeo, |event| matches!(event, Event::PeerUnheld(_)))), (1, 1));
    }
    let (mut world, [romeo, tybalt]) = in_session();
    asked(&mut world, tybalt, romeo, &news(SessionInfo::Mute(None)));
    asked(&mut world, tybalt, romeo, &news(SessionInfo::Active));
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerMuted(_, None))), 1);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerUnmuted(_, None))), 1);
}

// Shows jingle-disco-01, ice-disco-01, dtls-disco-01.
#[test]
fn our_features_name_jingle_its_formats_and_transports() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let disco = world.answer_disco(romeo, "https://example.org/muji");
    let info = disco.answer(None).expect("every query is answered");
    for feature in [ns::JINGLE, ns::RTP, ns::RTP_AUDIO, ns::RTP_VIDEO, ns::ICE_UDP, ns::DTLS] {
        assert!(info.children().any(|it| it.attr("var") == Some(feature)), "{feature}");
    }
}

// Shows rtp-disco-01.
#[test]
fn who_can_show_no_pictures_does_not_say_so_and_has_another_hash() {
    let mut world = World::new(1);
    let seeing = world.person("romeo");
    let blind = world.client("juliet", Capabilities { video: Vec::new(), ..usual() }, loopback::maker());
    let (seeing, blind) =
        (world.answer_disco(seeing, "https://example.org"), world.answer_disco(blind, "https://example.org"));
    let info = blind.answer(None).expect("every query is answered");
    assert!(info.children().all(|it| it.attr("var") != Some(ns::RTP_VIDEO)));
    assert_ne!(seeing.caps(), blind.caps());
}

// Shows jingle-dos-01, jingle-priv-01.
#[test]
fn three_hundred_strangers_who_call_learn_no_address_and_cost_nothing() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let (sessions, kept) = (world.sessions(romeo), world.kept(romeo));
    let room = world.room("balcony");
    let before = world.wire.len();
    for number in 0..300 {
        let mut offer = offer(&world, "s1", usable(vec![opus()]));
        offer.room = (number % 2 == 0).then(|| room.clone());
        let payload = String::from(&offer.write());
        let iq = format!(
            "<iq xmlns='jabber:client' type='set' id='o{number}' from='stranger{number}@elsewhere.example/1'>{payload}</iq>"
        );
        world.forge(romeo, &iq);
    }
    let answers = world.wire[before..].iter().filter(|sent| sent.from == romeo);
    assert!(answers.clone().all(|sent| sent.stanza.get_child("jingle", ns::JINGLE).is_none()), "no address");
    assert_eq!(answers.filter(|sent| sent.stanza.attr("type") == Some("result")).count(), 64, "are held");
    assert_eq!(world.sessions(romeo), sessions);
    world.run_for(2 * config::EARLY_OFFER);
    assert!(world.kept(romeo) < kept + 16_384, "of those held nothing is left but that they were");
}

// Shows rtp-answer-01, rtp-answer-02, rtp-answer-04.
#[test]
fn an_answer_has_of_the_offered_encodings_one_that_we_can_do_by_its_own_id() {
    let (mut world, [romeo, tybalt]) = with_tybalt();
    let offered = vec![PayloadType::new(9, "G722", 8_000, 1), PayloadType::new(120, "opus", 48_000, 2)];
    let offer_both = offer(&world, "s1", usable(offered));
    ask(&mut world, tybalt, romeo, "o", &offer_both);
    world.run_for(SECOND);
    let accept = requests(&mut world, tybalt).remove(0).1;
    assert_eq!(crate::contents::ids(&accept.contents), [120]);
    let (mut world, [romeo, tybalt]) = with_tybalt();
    let foreign = offer(&world, "s1", usable(vec![PayloadType::new(18, "G729", 8_000, 1)]));
    ask(&mut world, tybalt, romeo, "o", &foreign);
    world.run_for(SECOND);
    let end = requests(&mut world, tybalt).remove(0).1;
    assert_eq!(end.why.map(|why| why.reason), Some(Reason::FailedApplication));
}

// Shows rtp-desc-03, rtp-offer-01.
#[test]
fn an_offer_lists_what_we_have_published_in_that_order() {
    let mut world = World::new(1);
    let speex = PayloadType::new(112, "speex", 8_000, 1);
    let can = Capabilities { audio: vec![opus(), speex], ..Capabilities::default() };
    let romeo = world.client("romeo", can, loopback::maker());
    let tybalt = entered(&mut world, vec![audio(vec![])]);
    world.join_how(romeo, "balcony", Join::call_room().media([Media::Audio]));
    world.run_for(SECOND);
    let offer = requests(&mut world, tybalt).remove(0).1;
    assert_eq!(crate::contents::ids(&offer.contents), [111, 112]);
    assert_eq!(crate::contents::ids(&crate::contents::published(&world, romeo)), [111, 112]);
}

// Shows fb-02, fb-03.
#[test]
fn an_answer_keeps_of_the_offered_feedback_what_we_understand_and_adds_none() {
    let feedback =
        |kind: &str, subtype: Option<&str>| Feedback { kind: kind.to_owned(), subtype: subtype.map(str::to_owned) };
    let can = {
        let mut vp8 = PayloadType::new(98, "VP8", 90_000, 1);
        vp8.feedback = vec![feedback("nack", None), feedback("ccm", Some("fir"))];
        Capabilities { video: vec![vp8], ..usual() }
    };
    let mut world = World::new(1);
    let romeo = world.client("romeo", can, loopback::maker());
    world.join_how(romeo, "balcony", Join::call_room().media([Media::Video]));
    world.run_for(SECOND);
    let tybalt = entered(&mut world, vec![crate::contents::video("video")]);
    let mut pictures = crate::contents::video("video");
    let description = pictures.description.as_mut().expect("it has one");
    description.payload_types[0].feedback = vec![feedback("nack", None), feedback("foo", None)];
    pictures.transport = usable(vec![]).transport;
    let offer = offer(&world, "s1", pictures);
    ask(&mut world, tybalt, romeo, "o", &offer);
    world.run_for(SECOND);
    let accept = requests(&mut world, tybalt).remove(0).1;
    let answered = accept.contents[0].description.as_ref().expect("it has one");
    assert_eq!(answered.payload_types[0].feedback, [feedback("nack", None)]);
}

// Shows ice-init-02, ice-live-01.
#[test]
fn addresses_may_come_later_and_an_answer_before_the_confirmation() {
    let mut world = World::new(1);
    let romeo = world.person_without_media("romeo");
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    world.run_for(config::CALL_FALLBACK);
    let offered = world.inbox(tybalt).into_iter().find_map(|stanza| match stanza {
        Stanza::Iq(Iq::Set { payload, .. }) => Jingle::read(&payload, &mut muji_xep::Skipped::default()),
        _ => None,
    });
    let sid = offered.expect("an offer, which he does not confirm").sid;
    let mut accept = Jingle::new(Action::SessionAccept, &sid);
    accept.contents = vec![answering(vec![opus()])];
    assert_eq!(asked(&mut world, tybalt, romeo, &accept), Some(Ok(())));
    assert_eq!(world.connected(romeo), 1);
    assert_eq!(world.transports(romeo, tybalt).1, 0, "nothing is known to send to");
    for number in 0..3u16 {
        let mut news = Jingle::new(Action::TransportInfo, &sid);
        let mut end = usable(vec![]).transport.expect("it has one");
        end.candidates = vec![candidate(number)];
        news.contents = vec![Content { transport: Some(end), ..Content::new("audio") }];
        assert_eq!(asked(&mut world, tybalt, romeo, &news), Some(Ok(())));
    }
    assert_eq!(world.transports(romeo, tybalt), (1, 3));
}

fn candidate(number: u16) -> muji_xep::ice::Candidate {
    muji_xep::ice::Candidate {
        component: 1,
        foundation: number.to_string(),
        generation: 0,
        id: None,
        address: ([192, 0, 2, 1], 40_000 + number).into(),
        priority: 1,
        kind: muji_xep::ice::CandidateKind::Host,
        related: None,
    }
}

// Shows dtls-fp-03.
#[test]
fn an_answer_says_who_opens_the_handshake_and_never_leaves_it_open() {
    let (world, [romeo, _]) = in_session();
    let accept = jingles(&world, romeo, "session-accept").remove(0);
    let transport = accept.get_child("content", ns::JINGLE).and_then(|it| it.get_child("transport", ns::ICE_UDP));
    let fingerprint = transport.and_then(|it| it.get_child("fingerprint", ns::DTLS)).expect("it has one");
    assert_eq!(fingerprint.attr("setup"), Some("active"));
}

#[test]
fn another_transport_is_confirmed_and_not_taken() {
    let (mut world, [romeo, tybalt]) = in_session();
    let replace = about(Action::TransportReplace, vec![usable(vec![])]);
    assert_eq!(asked(&mut world, tybalt, romeo, &replace), Some(Ok(())));
    assert_eq!(world.asked(romeo, "transport-reject"), 1);
    assert_eq!(world.sessions(romeo), 1);
}
