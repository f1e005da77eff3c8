//! People and rooms that say what they should not: our state does not change, and ignored stanzas are reported.

use muji_core::{Event, NotCalled, Warning, config};
use muji_harness::world::{PersonId, World};
use muji_xep::jingle::{Action, Jingle};
use muji_xep::rtp::PayloadType;

use crate::puppet::{answer, ask, audio, enter, entered, offer, opus, requests, usable};
use crate::scripted::{AUDIO, entering, gone, present, repeat, tell_as};
use crate::{SECOND, count, in_call, people};

/// The only session between two people.
fn sid(world: &World) -> String {
    let offer = world.wire.iter().find_map(|sent| {
        let jingle = sent.stanza.get_child("jingle", muji_xep::ns::JINGLE)?;
        (jingle.attr("action") == Some("session-initiate")).then_some(jingle)
    });
    offer.and_then(|jingle| jingle.attr("sid")).expect("there was an offer").to_owned()
}

/// Nothing of the call between these has changed, and nobody was told of anything.
fn undisturbed(world: &World, people: &[PersonId], events: &[usize]) {
    assert_eq!(world.deaf(people), []);
    for (who, before) in people.iter().zip(events) {
        assert_eq!(world.events(*who).len(), *before, "{:?}", world.events(*who).last());
    }
}

#[test]
fn an_acceptance_before_any_offer_for_a_strange_session_or_twice_changes_nothing() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let tybalt = world.puppet("tybalt");
    let events = [romeo, juliet].map(|who| world.events(who).len());
    let mut accept = Jingle::new(Action::SessionAccept, "none");
    accept.contents = vec![usable(vec![opus()])];
    ask(&mut world, tybalt, romeo, "1", &accept);
    world.run_for(SECOND);
    let (from, sid) = (world.jid(juliet), sid(&world));
    let again = format!(
        "<iq xmlns='jabber:client' type='set' id='2' from='{from}'><jingle xmlns='urn:xmpp:jingle:1' \
         action='session-accept' sid='{sid}'/></iq>"
    );
    world.forge(romeo, &again);
    world.run_for(SECOND);
    // What a peer gets wrong is told; a stranger is not worth a word.
    let [before, juliets] = events;
    undisturbed(&world, &[romeo, juliet], &[before + 1, juliets]);
}

#[test]
fn another_device_of_a_peer_is_not_the_peer() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let events = [romeo, juliet].map(|who| world.events(who).len());
    let sid = sid(&world);
    for (id, action) in ["session-terminate", "session-accept", "content-add"].into_iter().enumerate() {
        let forged = format!(
            "<iq xmlns='jabber:client' type='set' id='{id}' from='juliet@capulet.example/another'><jingle \
             xmlns='urn:xmpp:jingle:1' action='{action}' sid='{sid}'/></iq>"
        );
        world.forge(romeo, &forged);
    }
    world.run_for(SECOND);
    undisturbed(&world, &[romeo, juliet], &events);
}

#[test]
fn candidates_of_somebody_who_was_not_accepted_cause_no_packet() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "1", &offer);
    let mut news = Jingle::new(Action::TransportInfo, "s1");
    news.contents = vec![usable(vec![opus()])];
    for id in 0..100 {
        ask(&mut world, tybalt, romeo, &format!("t{id}"), &news);
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.datagrams_to(tybalt), 0);
    assert_eq!(world.asked(romeo, "session-accept"), 0);
}

#[test]
fn pictures_are_not_smuggled_into_a_call_of_sound() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let (from, sid) = (world.jid(juliet), sid(&world));
    for (id, action) in ["content-accept", "content-modify", "content-add"].into_iter().enumerate() {
        let before = world.wire.len();
        let forged = format!(
            "<iq xmlns='jabber:client' type='set' id='{id}' from='{from}'><jingle xmlns='urn:xmpp:jingle:1' \
             action='{action}' sid='{sid}'><content creator='initiator' name='video' senders='both'><description \
             xmlns='urn:xmpp:jingle:apps:rtp:1' media='video'/></content></jingle></iq>"
        );
        world.forge(romeo, &forged);
        let answer = world.wire[before].stanza.attr("type");
        assert_eq!(answer, Some(if action == "content-add" { "result" } else { "error" }), "{action}");
    }
    assert_eq!(world.asked(romeo, "content-reject"), 1, "without a transport it is nothing");
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(world.published(romeo), ["audio"]);
}

#[test]
fn a_flood_of_news_about_a_session_is_answered_and_no_more() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let (from, sid) = (world.jid(juliet), sid(&world));
    let events = [romeo, juliet].map(|who| world.events(who).len());
    for id in 0..500 {
        let forged = format!(
            "<iq xmlns='jabber:client' type='set' id='{id}' from='{from}'><jingle xmlns='urn:xmpp:jingle:1' \
             action='session-info' sid='{sid}'><ringing xmlns='urn:xmpp:jingle:apps:rtp:info:1'/></jingle></iq>"
        );
        world.forge(romeo, &forged);
    }
    undisturbed(&world, &[romeo, juliet], &events);
}

#[test]
fn an_ended_session_is_unknown_and_its_id_cannot_be_used_again_by_another() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let sid = sid(&world);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let offer = offer(&world, &sid, usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "1", &offer);
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), [], "it is the pair of JID and id that counts");
    world.leave(juliet);
    world.run_for(SECOND);
    let terminate = format!(
        "<iq xmlns='jabber:client' type='set' id='late' from='{}'><jingle xmlns='urn:xmpp:jingle:1' \
         action='session-terminate' sid='{sid}'/></iq>",
        world.jid(juliet)
    );
    let before = world.wire.len();
    world.forge(romeo, &terminate);
    let error = world.wire[before].stanza.get_child("error", "jabber:client").expect("it is refused").clone();
    assert!(error.has_child("unknown-session", "urn:xmpp:jingle:errors:1"));
}

#[test]
fn an_end_in_any_state_and_again_is_an_end() {
    let mut world = World::new(1);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let offered = requests(&mut world, tybalt);
    let sid = offered[0].1.sid.clone();
    for id in ["1", "2"] {
        let mut end = Jingle::new(Action::SessionTerminate, &sid);
        end.why = Some(muji_xep::jingle::Reason::Other("gone-fishing".to_owned()).into());
        ask(&mut world, tybalt, romeo, id, &end);
    }
    world.run_for(SECOND);
    let inbox = world.inbox(tybalt);
    assert_eq!(answer(&inbox, "1"), Some(Ok(())));
    assert_eq!(answer(&inbox, "2"), Some(Err("unknown-session".to_owned())));
}

#[test]
fn an_annotation_that_is_not_the_rooms_is_none() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    let x = |jid: &str| format!("<x xmlns='http://jabber.org/protocol/muc#user'><item jid='{jid}'/></x>");
    let muji = format!("<muji xmlns='urn:xmpp:jingle:muji:0'>{AUDIO}</muji>");
    // Two annotations: one of them was written by the occupant.
    let two = format!("{muji}{}{}", x("juliet@capulet.example/1"), x("nurse@capulet.example/1"));
    present(&mut world, romeo, "juliet", "", &two);
    // A presence that did not come through the room at all.
    let direct =
        format!("<presence xmlns='jabber:client' from='mallory@x/1'>{muji}{}</presence>", x("nurse@capulet.example/1"));
    world.forge(romeo, &direct);
    repeat(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
}

#[test]
fn what_a_room_says_of_itself_in_error_or_from_another_time_is_no_participant() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    let muji = format!("<muji xmlns='urn:xmpp:jingle:muji:0'>{AUDIO}</muji>");
    let old = muji.replace("urn:xmpp:jingle:muji:0", "http://telepathy.freedesktop.org/muji");
    let x = "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='juliet@capulet.example/1'/></x>";
    let room = world.room("balcony");
    world.forge(romeo, &format!("<presence xmlns='jabber:client' from='{room}'>{muji}{x}</presence>"));
    present(&mut world, romeo, "juliet", "type='error'", &format!("{muji}{x}"));
    present(&mut world, romeo, "juliet", "", &format!("{old}{x}"));
    repeat(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
}

#[test]
fn an_occupant_whose_jid_is_bare_or_hidden_is_not_called_and_named() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell_as(&mut world, romeo, "juliet", "juliet@capulet.example", Some(AUDIO));
    repeat(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
    let told = |event: &Event| matches!(event, Event::Warning(Warning::NotCalled { nick, why: NotCalled::HiddenJid }) if nick == "juliet");
    assert_eq!(count(&world, romeo, told), 1);
}

#[test]
fn who_takes_every_dynamic_id_does_not_keep_us_from_talking() {
    let mut world = World::new(1);
    let greedy = (96..128).map(|id| PayloadType::new(id, "x-noise", 8_000, 1)).collect();
    let tybalt = world.puppet("tybalt");
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    enter(&mut world, tybalt, "tybalt", vec![audio(greedy)]);
    world.run_for(5 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    let nurse = world.person("nurse");
    world.join(nurse, "balcony");
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
}

#[test]
fn who_comes_and_goes_a_hundred_times_leaves_nothing_behind() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    for _ in 0..100 {
        world.leave(juliet);
        world.run_for(SECOND / 2);
        world.join(juliet, "balcony");
        world.run_for(SECOND / 2);
    }
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!((world.pairs(romeo).len(), world.sessions(romeo)), (1, 1));
}

#[test]
fn a_split_of_the_network_ends_sessions_and_its_end_makes_one_for_each_pair() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let room = world.room("balcony");
    let x = |jid: &str| format!("<x xmlns='http://jabber.org/protocol/muc#user'><item jid='{jid}'/></x>");
    // Each is told that the other is gone, and both go on.
    for (who, other) in [(romeo, juliet), (juliet, romeo)] {
        let nick = if other == juliet { "juliet" } else { "romeo" };
        let x = x(world.jid(other).as_str());
        world.forge(
            who,
            &format!("<presence xmlns='jabber:client' type='unavailable' from='{room}/{nick}'>{x}</presence>"),
        );
    }
    world.run_for(SECOND);
    assert!(!world.hears(romeo, juliet) && !world.hears(juliet, romeo));
    for (who, other) in [(romeo, juliet), (juliet, romeo)] {
        let nick = if other == juliet { "juliet" } else { "romeo" };
        let says = world.presences(other).pop().expect("it published");
        let muji = says.get_child("muji", muji_xep::ns::MUJI).map(String::from).expect("contents");
        let x = x(world.jid(other).as_str());
        world.forge(who, &format!("<presence xmlns='jabber:client' from='{room}/{nick}'>{muji}{x}</presence>"));
    }
    world.run_for(config::CALL_FALLBACK + 2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!([romeo, juliet].map(|who| world.sessions(who)), [1, 1]);
}

#[test]
fn results_that_nobody_asked_for_change_nothing() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let events = [romeo, juliet].map(|who| world.events(who).len());
    let ids: Vec<String> = world.wire.iter().filter_map(|sent| sent.stanza.attr("id").map(str::to_owned)).collect();
    for id in ids {
        for from in ["mallory@x/1", "balcony@conference.capulet.example", "capulet.example"] {
            let error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
            world.forge(romeo, &format!("<iq xmlns='jabber:client' type='error' id='{id}' from='{from}'>{error}</iq>"));
        }
    }
    undisturbed(&world, &[romeo, juliet], &events);
}

#[test]
fn thirty_two_who_join_in_one_instant_have_a_session_for_each_pair_and_none_twice() {
    let mut world = World::new(1);
    let room = world.room("balcony");
    world.service.rooms.set(&room, muji_harness::room::Rules::default());
    let everybody: Vec<PersonId> =
        (0..32).map(|index| world.person_without_media(&format!("guest{index:02}"))).collect();
    everybody.iter().for_each(|who| world.join(*who, "balcony"));
    let done = world.run_while(30 * SECOND, |world| everybody.iter().any(|who| world.connected(*who) < 31));
    assert!(done.is_some(), "within 30 s");
    world.run_for(60 * SECOND);
    let offers: usize = everybody.iter().map(|who| world.asked(*who, "session-initiate")).sum();
    let ends: usize = everybody.iter().map(|who| world.asked(*who, "session-terminate")).sum();
    assert_eq!((offers, ends), (496, 0));
}

#[test]
fn a_thousand_hostile_presences_a_second_do_not_disturb_a_call() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let [_] = people(&mut world, ["nurse"]);
    let mut held = 0;
    for second in 0..60 {
        for number in 0..1_000 {
            let nick = format!("mallory{}", number % 50);
            let says = if number % 3 == 0 { None } else { Some(AUDIO) };
            tell_as(&mut world, romeo, &nick, &format!("mallory{}@x/{second}", number % 70), says);
        }
        world.run_for(SECOND);
        held = held.max(world.kept(romeo));
        assert_eq!(world.deaf(&[romeo, juliet]), [], "after {second} s");
    }
    assert!(held < 64 * 64 * 1024, "{held} bytes are kept");
}

/// A room says that Romeo has this nick from now on (status 303), and what it says of him under it.
fn renamed(world: &mut World, romeo: PersonId, nick: &str) {
    let us = world.jid(romeo);
    gone(world, romeo, "romeo", &format!("<item nick='{nick}' jid='{us}'/>"), &[110, 303]);
    if !nick.is_empty() {
        let x = format!("<x xmlns='{}'><item jid='{us}'/><status code='110'/></x>", muji_xep::ns::MUC_USER);
        present(world, romeo, nick, "", &x);
    }
}

#[test]
fn a_room_that_gives_us_a_nick_under_which_we_cannot_speak_is_asked_for_ours_again() {
    for nick in ["", "romeo 📱", &"r".repeat(1_024)] {
        let mut world = World::new(1);
        let romeo = entering(&mut world);
        tell_as(&mut world, romeo, "juliet", "juliet@capulet.example/1", Some(AUDIO));
        repeat(&mut world, romeo);
        repeat(&mut world, romeo);
        let before = world.presences(romeo).len();
        renamed(&mut world, romeo, nick);
        world.run_for(3 * SECOND);
        let ended = |event: &Event| matches!(event, Event::Ended(_));
        if nick.is_empty() || nick.len() > 256 {
            // It says neither a nick nor why.
            assert_eq!(count(&world, romeo, ended), 1, "{nick}");
            continue;
        }
        assert_eq!(count(&world, romeo, ended), 0, "{nick}: {:?}", world.events(romeo).last());
        let last = world.presences(romeo).pop().expect("he enters again");
        assert_eq!(last.attr("to"), Some("balcony@conference.capulet.example/romeo"), "{nick}");
        assert!(world.presences(romeo).len() > before, "{nick}");
    }
}

#[test]
fn a_room_that_gives_us_another_nick_gets_our_presences_under_it() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    repeat(&mut world, romeo);
    repeat(&mut world, romeo);
    renamed(&mut world, romeo, "Romeo of Verona");
    world.leave(romeo);
    let last = world.presences(romeo).pop().expect("he leaves");
    assert_eq!(last.attr("to"), Some("balcony@conference.capulet.example/Romeo of Verona"));
}

#[test]
fn a_nick_that_looks_like_anothers_is_that_of_somebody_else() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let tybalt = world.puppet("tybalt");
    enter(&mut world, tybalt, "\u{458}uliet", vec![audio(vec![opus()])]); // With a Cyrillic letter.
    world.run_for(SECOND);
    let peers: Vec<_> = world.pairs(romeo).into_iter().map(|pair| pair.peer.jid).collect();
    assert_eq!(peers.len(), 2, "{peers:?}");
    assert!([juliet, tybalt].iter().all(|who| peers.contains(&world.jid(*who))), "{peers:?}");
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}
