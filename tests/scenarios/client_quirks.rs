//! Other clients as they are: what they drop, cannot do or forget, and what we make of it.

use std::time::Duration;

use muji_core::{Command, Event, Join, Media, PairState, Recovery, config};
use muji_harness::room::Rules;
use muji_harness::world::{PersonId, World};
use muji_xep::Skipped;
use muji_xep::ice::{Candidate, CandidateKind};
use muji_xep::jingle::{Action, Content, Group, Jingle, Reason};
use muji_xep::rtp::{Description, PayloadType};
use muji_xep::session_info::SessionInfo;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

use crate::contents::video;
use crate::puppet::{answering, ask, audio, entered, offer, opus, requests, terminate, usable};
use crate::scripted::{AUDIO, PREPARING, entering, present, repeat};
use crate::{SECOND, count, in_call};

fn offers(requests: &[(jid::Jid, Jingle)]) -> Vec<String> {
    let offers = requests.iter().filter(|(_, jingle)| jingle.action == Action::SessionInitiate);
    offers.map(|(_, jingle)| jingle.sid.clone()).collect()
}

/// Romeo in a call that Tybalt, of the client with this caps node, joins without calling.
fn silent(node: &str) -> (World, [PersonId; 2]) {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    let caps = format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{node}' ver='x'/>");
    let caps: muji_xep::Element = caps.parse().expect("well-formed");
    crate::puppet::enter_with(&mut world, tybalt, "tybalt", vec![audio(vec![opus()])], vec![caps]);
    (world, [romeo, tybalt])
}

// Shows R-INIT-3.
#[test]
fn a_newcomer_who_does_not_call_is_called_after_ten_seconds_under_an_id_that_loses() {
    let (mut world, [romeo, tybalt]) = silent("https://example.org");
    let pair = world.pairs(romeo).remove(0);
    assert_eq!(pair.state, PairState::Announced);
    assert!(matches!(pair.recovery, Recovery::TheirTurn { .. }), "{pair:?}");
    world.run_for(config::CALL_FALLBACK - 2 * SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
    world.run_for(2 * SECOND);
    let [sid] = &offers(&requests(&mut world, tybalt))[..] else { panic!("one offer") };
    assert!(sid.starts_with("z-"));
    assert_eq!(world.pairs(romeo)[0].state, PairState::Offered);
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "late", &offer);
    world.run_for(SECOND);
    assert_eq!(world.asked(romeo, "session-accept"), 1, "the regular offer wins");
}

/// Romeo's offer to Tybalt, whose client says that it asks for the camera, before it confirms the offer or behind that.
fn asks_for_the_camera(confirms_first: bool) -> (World, [PersonId; 2], String) {
    let (mut world, [romeo, tybalt]) = silent("https://example.org");
    world.run_for(config::CALL_FALLBACK);
    let rings = |sid: &str| {
        let info = Some(SessionInfo::Ringing);
        Jingle { info, ..Jingle::new(Action::SessionInfo, sid) }
    };
    let sid = if confirms_first {
        let sid = offers(&requests(&mut world, tybalt)).remove(0);
        ask(&mut world, tybalt, romeo, "r", &rings(&sid));
        sid
    } else {
        let inbox = world.inbox(tybalt);
        let offered = inbox.iter().find_map(|stanza| match stanza {
            Stanza::Iq(Iq::Set { id, payload, .. }) => {
                Some((id.clone(), Jingle::read(payload, &mut Skipped::default())?.sid))
            }
            _ => None,
        });
        let (id, sid) = offered.expect("an offer");
        ask(&mut world, tybalt, romeo, "r", &rings(&sid));
        let to = Some(world.jid(romeo).into());
        world.send(tybalt, Iq::Result { from: None, to, id, payload: None });
        sid
    };
    (world, [romeo, tybalt], sid)
}

// Shows R-RING-1.
#[test]
fn a_participant_that_says_that_it_rings_is_waited_for() {
    for confirms_first in [true, false] {
        let (mut world, [romeo, tybalt], sid) = asks_for_the_camera(confirms_first);
        world.run_for(80 * SECOND);
        assert_eq!(world.asked(romeo, "session-terminate"), 0);
        assert_eq!(count(&world, romeo, |event| matches!(event, Event::DeviceRings(_))), 1);
        let mut accept = Jingle::new(Action::SessionAccept, &sid);
        accept.contents = vec![answering(vec![opus()])];
        ask(&mut world, tybalt, romeo, "a", &accept);
        world.run_for(SECOND);
        assert_eq!(world.asked(romeo, "session-initiate"), 1);
        assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerConnecting(..))), 1);
    }
}

// Shows R-RING-1.
#[test]
fn a_participant_that_rings_again_and_again_is_waited_for_only_so_long() {
    let (mut world, [romeo, tybalt], sid) = asks_for_the_camera(true);
    for id in 0..9 {
        world.run_for(10 * SECOND);
        let again = Jingle { info: Some(SessionInfo::Ringing), ..Jingle::new(Action::SessionInfo, &sid) };
        ask(&mut world, tybalt, romeo, &format!("r{id}"), &again);
    }
    world.run_for(2 * SECOND);
    assert_eq!(world.asked(romeo, "session-terminate"), 1);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::DeviceRings(_))), 1);
}

// Shows R-INIT-5.
#[test]
fn an_offer_that_is_confirmed_and_dropped_is_made_again_after_five_seconds() {
    let (mut world, [romeo, tybalt]) = silent("https://example.org");
    world.run_for(config::CALL_FALLBACK + SECOND);
    let first = offers(&requests(&mut world, tybalt));
    world.run_for(4 * SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
    world.run_for(2 * SECOND);
    let second = offers(&requests(&mut world, tybalt));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
}

#[test]
fn a_dino_that_drops_an_offer_is_not_called_again_and_the_user_is_told_what_helps() {
    let (mut world, [romeo, tybalt]) = silent("https://dino.im");
    world.run_for(config::CALL_FALLBACK + SECOND);
    assert_eq!(offers(&requests(&mut world, tybalt)).len(), 1);
    world.run_for(100 * SECOND);
    assert_eq!(offers(&requests(&mut world, tybalt)), [""; 0]);
    assert_eq!(world.pairs(romeo)[0].recovery, Recovery::NeedsRejoin);
    let told =
        |event: &Event| matches!(event, Event::PeerFailed(_, failure) if failure.to_string().ends_with("join again"));
    assert_eq!(count(&world, romeo, told), 1);
}

/// The room tells Romeo of Tybalt, with or without the capabilities of a Movim; `says` is what stands in Muji.
fn tell_of_movim(world: &mut World, romeo: PersonId, says: &str, caps: bool) {
    let caps = if caps {
        "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://movim.eu/' ver='x'/>"
    } else {
        ""
    };
    let muji = format!("<muji xmlns='urn:xmpp:jingle:muji:0'>{says}</muji>");
    let x = "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='tybalt@capulet.example/1'/></x>";
    present(world, romeo, "tybalt", "", &format!("{muji}{caps}{x}"));
}

/// Romeo's contents are out and the room repeats them: a Movim is called half a second later, in turn.
fn called_as_a_movim(world: &mut World, romeo: PersonId) {
    assert_eq!(world.asked(romeo, "session-initiate"), 0, "not behind our presence");
    repeat(world, romeo);
    world.run_for(config::MOVIM_GRACE - Duration::from_millis(1));
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
    world.run_for(Duration::from_millis(2));
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
    let offer = world.wire.iter().rev().find(|sent| sent.stanza.name() == "iq").expect("the offer");
    let sid = offer.stanza.children().next().and_then(|jingle| jingle.attr("sid")).expect("a sid");
    assert!(!sid.starts_with("z-"), "it is our turn");
}

#[test]
fn a_movim_is_called_half_a_second_after_the_room_repeated_our_contents() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell_of_movim(&mut world, romeo, AUDIO, true);
    repeat(&mut world, romeo);
    called_as_a_movim(&mut world, romeo);
}

// Shows caps-06.
#[test]
fn a_presence_without_capabilities_does_not_change_what_is_known() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell_of_movim(&mut world, romeo, PREPARING, true);
    tell_of_movim(&mut world, romeo, AUDIO, false);
    repeat(&mut world, romeo);
    called_as_a_movim(&mut world, romeo);
}

#[test]
fn a_movim_that_was_in_the_call_of_a_chat_room_before_us_is_known_for_one() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules { silent: true, ..Rules::default() });
    tell_of_movim(&mut world, romeo, AUDIO, true);
    let us = format!("<item jid='{}'/><status code='100'/><status code='110'/>", world.jid(romeo));
    present(&mut world, romeo, "romeo", "", &format!("<x xmlns='http://jabber.org/protocol/muc#user'>{us}</x>"));
    world.join_in_chat(romeo, "balcony");
    repeat(&mut world, romeo);
    called_as_a_movim(&mut world, romeo);
}

// Shows occ-01, occ-02.
#[test]
fn occupant_ids_change_nothing_no_matter_who_writes_them() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    for nick in ["juliet", "nurse"] {
        let id = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='the same'/>";
        let muji = format!("<muji xmlns='urn:xmpp:jingle:muji:0'>{AUDIO}</muji>");
        let x = format!("<x xmlns='http://jabber.org/protocol/muc#user'><item jid='{nick}@capulet.example/1'/></x>");
        present(&mut world, romeo, nick, "", &format!("{muji}{id}{x}"));
    }
    repeat(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 2);
}

// Shows muc-ghost-01.
#[test]
fn a_ghost_is_called_in_vain_and_delays_nobody() {
    let mut world = World::new(1);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    world.service.cut(&world.jid(tybalt)); // In the room, and gone in truth.
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    world.run_for(60 * SECOND);
    let failed = |event: &Event| {
        matches!(event, Event::PeerFailed(peer, failure) if peer.nick == "tybalt"
            && failure.to_string().starts_with("the offer was refused (service-unavailable)"))
    };
    assert_eq!(count(&world, romeo, failed), 4, "once, and three times more");
}

#[test]
fn who_is_told_that_it_is_gone_though_it_is_there_calls_again_at_once() {
    let mut world = World::new(1);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let [sid] = &offers(&requests(&mut world, tybalt))[..] else { panic!("one offer") };
    ask(&mut world, tybalt, romeo, "1", &terminate(sid, Reason::Gone.into()));
    world.run_for(SECOND);
    assert_eq!(offers(&requests(&mut world, tybalt)).len(), 1);
}

#[test]
fn an_offer_from_an_earlier_stay_is_ended_and_that_of_this_one_taken() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    world.leave(romeo);
    world.run_for(SECOND);
    requests(&mut world, tybalt);
    world.join(romeo, "balcony");
    let stale = offer(&world, "stale", usable(vec![opus()]));
    let forged = Iq::Set {
        from: Some(world.jid(tybalt).into()),
        to: Some(world.jid(romeo).into()),
        id: "1".to_owned(),
        payload: stale.write(),
    };
    world.forge(romeo, &String::from(&muji_xep::Element::from(Stanza::from(forged))));
    world.run_for(SECOND);
    let heard = requests(&mut world, tybalt);
    let actions: Vec<(Action, bool)> =
        heard.iter().map(|(_, jingle)| (jingle.action.clone(), jingle.sid == "stale")).collect();
    assert_eq!(actions, [(Action::SessionTerminate, true), (Action::SessionInitiate, false)]);
}

// Shows caps-05.
#[test]
fn a_client_is_known_by_what_its_own_presence_says_and_not_by_a_hash_that_others_have_used() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    let caps = |node: &str| format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{node}' ver='x'/>");
    for (nick, node) in [("tybalt", "https://movim.eu/"), ("nurse", "https://example.org")] {
        let muji = format!("<muji xmlns='urn:xmpp:jingle:muji:0'>{AUDIO}</muji>");
        let x = format!("<x xmlns='http://jabber.org/protocol/muc#user'><item jid='{nick}@capulet.example/1'/></x>");
        present(&mut world, romeo, nick, "", &format!("{muji}{}{x}", caps(node)));
    }
    repeat(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 1, "only the Movim is called later");
}

// Shows R-DINO-4.
#[test]
fn a_dino_has_a_transport_for_each_content_and_two_components_and_groups_nothing() {
    let mut world = World::new(1);
    let romeo = world.person_without_media("romeo");
    world.join_how(romeo, "balcony", Join::call_room().media([Media::Audio, Media::Video]));
    world.run_for(SECOND);
    let vp8 = PayloadType::new(98, "VP8", 90_000, 1);
    let both = vec![audio(vec![opus()]), video("video")];
    let tybalt = entered(&mut world, both);
    let mut offer = offer(&world, "s1", with_components(usable(vec![opus()]), "a"));
    let pictures = Description::new(Media::Video, vec![vp8]);
    let sound = with_components(usable(vec![opus()]), "v");
    offer.contents.push(Content { name: "video".to_owned(), description: Some(pictures), ..sound });
    ask(&mut world, tybalt, romeo, "o", &offer);
    world.run_for(SECOND);
    let asked = requests(&mut world, tybalt);
    let accept = asked.iter().find(|(_, jingle)| jingle.action == Action::SessionAccept).expect("it is taken");
    assert_eq!((accept.1.contents.len(), accept.1.group.clone()), (2, None));
    let (transports, candidates) = world.transports(romeo, tybalt);
    assert_eq!((transports, candidates), (2, 2), "of each the first component's address");
}

/// The same with an address for each of two components, and credentials of its own.
fn with_components(mut content: Content, ufrag: &str) -> Content {
    let candidate = |component: u8| Candidate {
        component,
        foundation: "1".to_owned(),
        generation: 0,
        id: Some(format!("c{component}")),
        address: ([192, 0, 2, 1], 40_000 + u16::from(component)).into(),
        priority: 1,
        kind: CandidateKind::Host,
        related: None,
    };
    if let Some(transport) = &mut content.transport {
        transport.ufrag = Some(ufrag.to_owned());
        transport.candidates = vec![candidate(1), candidate(2)];
    }
    content
}

// Shows R-DINO-1.
#[test]
fn requests_about_contents_speak_of_one_content_each() {
    let mut world = World::new(1);
    let people = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    for who in people {
        world.command(who, Command::Add(Media::Video));
        world.run_for(2 * SECOND);
    }
    world.command(people[0], Command::Remove(Media::Video));
    world.run_for(2 * SECOND);
    let mut seen = std::collections::BTreeSet::new();
    for sent in &world.wire {
        let Some(jingle) = sent.stanza.get_child("jingle", muji_xep::ns::JINGLE) else { continue };
        let action = jingle.attr("action").expect("it has one");
        if action.starts_with("content-") || action == "transport-info" || action == "description-info" {
            seen.insert(action.to_owned());
            assert_eq!(jingle.children().filter(|child| child.name() == "content").count(), 1, "{action}");
        }
    }
    assert!(["content-add", "content-accept", "content-remove"].iter().all(|action| seen.contains(*action)));
}

#[test]
fn a_movim_that_adds_pictures_is_answered_with_all_contents_in_a_session_accept() {
    let (mut world, [romeo, tybalt]) = silent("https://movim.eu/");
    let bundle = |names: &[&str]| {
        let contents = names.iter().map(|name| (*name).to_owned()).collect();
        Some(Group { semantics: "BUNDLE".to_owned(), contents })
    };
    let sound = Content { name: "0".to_owned(), ..usable(vec![opus()]) };
    let mut offer = offer(&world, "s1", sound.clone());
    offer.group = bundle(&["0"]);
    ask(&mut world, tybalt, romeo, "o", &offer);
    world.run_for(SECOND);
    requests(&mut world, tybalt);
    let pictures = Description::new(Media::Video, vec![PayloadType::new(98, "VP8", 90_000, 1)]);
    let mut added = Jingle::new(Action::ContentAdd, "s1");
    added.contents = vec![Content { name: "1".to_owned(), description: Some(pictures), ..sound }];
    added.group = bundle(&["0", "1"]);
    ask(&mut world, tybalt, romeo, "a", &added);
    world.run_for(SECOND);
    let [(_, answer)] = &requests(&mut world, tybalt)[..] else { panic!("one answer") };
    assert_eq!(answer.action, Action::SessionAccept);
    let names: Vec<&str> = answer.contents.iter().map(|content| content.name.as_str()).collect();
    assert_eq!((names, answer.group.clone()), (vec!["0", "1"], bundle(&["0", "1"])));
    let ends: Vec<_> = answer.contents.iter().filter_map(|content| content.transport.clone()?.ufrag).collect();
    assert_eq!(ends[0], ends[1], "both by one transport");
}

/// Juliet's device, in a call that Romeo placed to it alone, adds pictures: what he answers.
fn answer_to_pictures(presence_says: &[&str]) -> Vec<Action> {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let juliet = world.puppet("juliet");
    world.befriend_all();
    let device = world.jid(juliet);
    for node in presence_says {
        let caps = format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{node}' ver='x'/>");
        world.forge(romeo, &format!("<presence xmlns='jabber:client' from='{device}'>{caps}</presence>"));
        world.forge(romeo, &format!("<presence xmlns='jabber:client' from='{device}'><show>away</show></presence>"));
    }
    world.ring(romeo, device);
    world.run_for(SECOND);
    let (_, offer) = requests(&mut world, juliet).pop().expect("an offer");
    let mut accept = Jingle::new(Action::SessionAccept, &offer.sid);
    accept.contents = vec![answering(vec![opus()])];
    ask(&mut world, juliet, romeo, "a", &accept);
    world.run_for(SECOND);
    requests(&mut world, juliet);
    let mut more = Jingle::new(Action::ContentAdd, &offer.sid);
    let pictures = Description::new(Media::Video, vec![PayloadType::new(98, "VP8", 90_000, 1)]);
    more.contents = vec![Content { description: Some(pictures), name: "v".to_owned(), ..usable(vec![]) }];
    ask(&mut world, juliet, romeo, "m", &more);
    world.run_for(SECOND);
    requests(&mut world, juliet).into_iter().map(|(_, jingle)| jingle.action).collect()
}

#[test]
fn a_client_is_known_in_a_call_with_one_person_by_the_presence_that_it_shows_us() {
    assert_eq!(answer_to_pictures(&[]), [Action::ContentAccept]);
    assert_eq!(answer_to_pictures(&["https://movim.eu/"]), [Action::SessionAccept]);
    assert_eq!(answer_to_pictures(&["https://movim.eu/", "https://example.org"]), [Action::ContentAccept]);
}

/// Romeo hears Tybalt, of the client with this caps node, no more: what he is told.
fn stalled(node: &str) -> Vec<String> {
    let (mut world, [romeo, tybalt]) = silent(node);
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "o", &offer);
    world.run_for(SECOND);
    world.stop_hearing(romeo, tybalt, "audio");
    let warnings = world.events(romeo).iter().filter_map(|event| match event {
        Event::Warning(warning) => Some(warning.to_string()),
        _ => None,
    });
    warnings.collect()
}

#[test]
fn the_user_is_told_what_helps_if_a_dino_has_stopped_sending_sound() {
    let told = "nothing comes from tybalt's microphone, which is a fault of its client; ask them to mute and unmute";
    assert_eq!(stalled("https://dino.im"), [told]);
    assert_eq!(stalled("https://example.org"), [""; 0], "what helps others is not known");
}
