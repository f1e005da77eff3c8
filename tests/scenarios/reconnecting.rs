//! The room or the connection loses somebody: sound goes on while it comes back, and nobody is called twice.

use jid::BareJid;
use muji_core::error::{EndReason, Refused, RoomFault};
use muji_core::{Command, Event, Media, Mute, Warning, config};
use muji_harness::room::Rules;
use muji_harness::world::{Delays, PersonId, World};
use muji_media::transport::str0m::Dtls;
use muji_xep::muc::code;
use muji_xep::ns;

use crate::puppet::{ask, offer, opus, usable};
use crate::scripted::{AUDIO, entering, repeat, said, tell, tell_as};
use crate::{SECOND, count, in_call, over, room_fault, with_str0m};

fn offers(world: &World, people: &[PersonId]) -> usize {
    people.iter().map(|who| world.asked(*who, "session-initiate")).sum()
}

fn lost(event: &Event) -> bool {
    matches!(event, Event::RoomLost(_))
}

fn pings(world: &World, who: PersonId) -> usize {
    let of = world.wire.iter().filter(|sent| sent.from == who);
    of.filter(|sent| sent.stanza.has_child("ping", "urn:xmpp:ping")).count()
}

// Shows ping-01.
#[test]
fn a_silent_room_is_asked_every_minute_whether_we_are_in_it() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.run_for(5 * config::SELF_PING + SECOND);
    assert_eq!((pings(&world, romeo), pings(&world, juliet)), (5, 5));
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(count(&world, romeo, lost), 0);
}

// Shows ping-05, R-REJOIN-2.
#[test]
fn who_was_forgotten_by_the_room_comes_back_and_keeps_its_sessions() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    let (room, jid) = (world.room("balcony"), world.jid(romeo));
    world.service.rooms.forget(&room, &jid);
    let before = offers(&world, &[romeo, juliet, nurse]);
    world.run_for(config::SELF_PING + 3 * SECOND);
    assert_eq!(world.service.rooms.occupants(&room).len(), 3);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
    assert_eq!(offers(&world, &[romeo, juliet, nurse]), before, "every session is the one it was");
    assert_eq!(count(&world, romeo, lost), 1);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::Joined { .. })), 2);
}

// Shows muc-kick-05.
#[test]
fn who_is_removed_for_a_technical_reason_comes_back_though_a_kick_stands_beside_it() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.put_out(romeo, "balcony", &[code::KICKED, code::TECHNICAL]);
    world.run_for(5 * SECOND);
    assert_eq!(over(&world, romeo), None);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

#[test]
fn between_one_who_is_kicked_and_the_others_all_is_silent_within_a_second() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    world.put_out(romeo, "balcony", &[code::KICKED]);
    world.run_for(SECOND);
    let between = |world: &World| {
        let both = |who| [world.datagrams_to_from(who, romeo), world.datagrams_to_from(romeo, who)];
        [juliet, nurse].map(both)
    };
    let before = between(&world);
    world.run_for(10 * SECOND);
    assert_eq!(between(&world), before);
    assert!(over(&world, romeo).is_some());
    assert_eq!(world.deaf(&[juliet, nurse]), [], "the others go on");
}

// Shows muc-kick-04.
#[test]
fn a_service_that_restarts_interrupts_no_sound() {
    let mut world = World::new(1);
    let people = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    let before = offers(&world, &people);
    world.with_rooms(|rooms| rooms.shut_down());
    for _ in 0..10 {
        world.run_for(SECOND);
        assert_eq!(world.deaf(&people), [], "sound goes on all the time");
    }
    assert_eq!(offers(&world, &people), before, "every session is the one it was");
    assert_eq!(world.service.rooms.occupants(&world.room("balcony")).len(), 3);
    assert_eq!(people.map(|who| count(&world, who, |event| matches!(event, Event::PeerLeft(_)))), [0, 0, 0]);
}

#[test]
fn a_service_that_does_not_come_back_ends_the_call_after_a_minute() {
    let mut world = World::new(1);
    let people = in_call(&mut world, ["romeo", "juliet"]);
    world.with_rooms(|rooms| rooms.shut_down());
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules { silent: true, ..Rules::default() });
    world.run_for(config::ROOM_LOSS - SECOND);
    assert_eq!(world.deaf(&people), []);
    world.run_for(2 * SECOND + config::LEAVING);
    for who in people {
        assert_eq!(room_fault(&world, who), Some(RoomFault::Shutdown));
    }
    assert!(!world.hears(people[0], people[1]));
}

#[test]
fn who_comes_back_to_a_room_that_bans_it_now_ends_its_call() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let room = world.room("balcony");
    let banned = [world.jid(romeo).to_bare()].into();
    world.service.rooms.set(&room, Rules { banned, ..Rules::default() });
    world.put_out(romeo, "balcony", &[code::TECHNICAL]);
    world.run_for(5 * SECOND);
    assert!(matches!(room_fault(&world, romeo), Some(RoomFault::Banned(_))));
    assert!(!world.hears(juliet, romeo));
}

// Shows R-STREAM-1, sm-01.
#[test]
fn a_stream_that_is_resumed_disturbs_nothing() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.cut(romeo);
    let before = world.wire.len();
    for _ in 0..20 {
        world.run_for(SECOND);
        assert_eq!(world.deaf(&[romeo, juliet]), []);
    }
    world.resume(romeo);
    world.run_for(5 * SECOND);
    assert_eq!(world.wire.len(), before, "nothing is said");
    assert_eq!(count(&world, romeo, lost), 0);
}

// Shows ping-06.
#[test]
fn while_the_connection_is_gone_nobody_is_asked() {
    let mut world = World::new(1);
    let [romeo, _] = in_call(&mut world, ["romeo", "juliet"]);
    world.run_for(config::SELF_PING - 5 * SECOND);
    world.cut(romeo);
    world.run_for(50 * SECOND);
    assert_eq!(pings(&world, romeo), 0);
}

// Shows sm-03.
#[test]
fn who_comes_back_on_a_new_stream_is_called_again_and_heard_until_then() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    world.cut(romeo);
    world.run_for(20 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
    world.rebind(romeo);
    world.run_for(3 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
    assert_eq!(over(&world, romeo), None);
    let pairs = world.pairs(romeo);
    assert_eq!(pairs.len(), 2, "each of the others once: {pairs:?}");
    assert_eq!(world.pairs(juliet).len(), 2, "no ghost is left");
}

#[test]
fn sessions_of_before_and_after_a_new_stream_do_not_take_each_others_packets() {
    let (mut world, people) = with_str0m(Delays::default(), Dtls::Auto, ["romeo", "juliet", "nurse"]);
    for who in people {
        world.join(who, "balcony");
        world.run_for(2 * SECOND);
    }
    assert_eq!(world.deaf(&people), []);
    world.cut(people[0]);
    world.run_for(20 * SECOND);
    world.rebind(people[0]);
    world.run_for(5 * SECOND);
    assert_eq!(world.deaf(&people), []);
    assert_eq!(world.connected(people[0]), 2);
}

#[test]
fn a_server_that_is_killed_and_comes_back_interrupts_no_sound() {
    let mut world = World::new(1);
    let people = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    let before = offers(&world, &people);
    people.into_iter().for_each(|who| world.cut(who));
    world.service.rooms.forget_all();
    world.run_for(10 * SECOND);
    for who in people {
        world.rebind_same(who);
        world.run_for(SECOND);
        assert_eq!(world.deaf(&people), []);
    }
    world.run_for(config::CALL_FALLBACK + 5 * SECOND);
    assert_eq!(world.deaf(&people), []);
    assert_eq!(offers(&world, &people), before, "every session is the one it was");
}

#[test]
fn a_connection_that_does_not_come_back_ends_the_call_after_a_minute() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.cut(romeo);
    world.run_for(config::DISCONNECTED - SECOND);
    assert_eq!(over(&world, romeo), None);
    world.run_for(2 * SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Disconnected));
    assert!(!world.hears(romeo, juliet));
}

// Shows muc-cfg-03.
#[test]
fn a_room_that_hides_who_comes_from_now_on_keeps_those_who_are_there() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules { hides_jids: true, ..Rules::default() });
    world.with_rooms(|rooms| rooms.announce(&room, code::NOW_SEMI_ANONYMOUS));
    let nurse = world.person("nurse");
    world.join(nurse, "balcony");
    world.run_for(10 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(room_fault(&world, nurse), Some(RoomFault::HidesRealJids));
    let told = |event: &Event| matches!(event, Event::Warning(Warning::RoomHidesJids));
    assert_eq!(count(&world, romeo, told), 1);
}

// Shows ping-08.
#[test]
fn a_ping_that_the_room_reflects_is_answered() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let room = world.room("balcony");
    let before = world.wire.len();
    world.forge(
        romeo,
        &format!("<iq xmlns='jabber:client' from='{room}/romeo' type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>"),
    );
    assert_eq!(world.wire[before..].len(), 1);
    assert_eq!(world.wire[before].stanza.attr("type"), Some("result"));
}

/// Romeo's minute of silence is over; the room answers his ping of himself so.
fn pinged(answer: &str) -> (World, PersonId) {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    repeat(&mut world, romeo);
    repeat(&mut world, romeo);
    let room = world.room("balcony");
    world.run_for(config::SELF_PING + SECOND);
    let ping = world.wire.iter().rev().find(|sent| sent.stanza.has_child("ping", ns::PING)).expect("it asks");
    let id = ping.stanza.attr("id").expect("requests have ids").to_owned();
    let error = format!("<error type='cancel'><{answer} xmlns='{}'/></error>", ns::STANZAS);
    let (kind, error) = if answer.is_empty() { ("result", String::new()) } else { ("error", error) };
    let answer = format!("<iq xmlns='jabber:client' type='{kind}' id='{id}' from='{room}/romeo'>{error}</iq>");
    world.forge(romeo, &answer);
    world.run_for(5 * SECOND);
    (world, romeo)
}

// Shows ping-02, ping-03.
#[test]
fn an_answer_of_the_client_itself_means_that_we_are_in_the_room() {
    for answer in ["", "service-unavailable", "feature-not-implemented", "item-not-found"] {
        let (world, romeo) = pinged(answer);
        assert_eq!(count(&world, romeo, lost), 0, "{answer}");
        assert_eq!(world.presences(romeo).len(), 2, "{answer}");
    }
}

// Shows ping-04.
#[test]
fn a_room_that_is_not_reached_for_now_is_asked_again_and_the_call_goes_on() {
    for answer in ["remote-server-not-found", "remote-server-timeout"] {
        let (mut world, romeo) = pinged(answer);
        let told = |event: &Event| matches!(event, Event::Warning(Warning::RoomUnreachable));
        assert_eq!((count(&world, romeo, lost), count(&world, romeo, told)), (0, 1), "{answer}");
        world.run_for(config::SELF_PING);
        assert_eq!(pings(&world, romeo), 2, "{answer}");
    }
}

#[test]
fn any_other_answer_means_that_we_are_not_in_the_room_and_come_back() {
    for answer in ["not-acceptable", "not-allowed", "bad-request"] {
        let (world, romeo) = pinged(answer);
        assert_eq!(count(&world, romeo, lost), 1, "{answer}");
        assert!(world.presences(romeo).len() > 2, "{answer}");
    }
}

// Shows muc-desync-01.
#[test]
fn who_speaks_to_a_room_that_forgot_it_comes_back() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let (room, jid) = (world.room("balcony"), world.jid(romeo));
    world.service.rooms.forget(&room, &jid);
    world.set_extras(romeo, vec!["<show xmlns='jabber:client'>away</show>".parse().expect("well-formed")]);
    world.run_for(5 * SECOND);
    assert_eq!(world.service.rooms.occupants(&room).len(), 2);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

// Shows muc-pres-02.
#[test]
fn a_room_that_gives_us_another_nick_is_spoken_to_under_that() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    let codes = "<status code='100'/><status code='110'/><status code='210'/>";
    let muji = format!("<muji xmlns='{}'><preparing/></muji>", ns::MUJI);
    let x = format!("<x xmlns='{}'><item jid='{}'/>{codes}</x>", ns::MUC_USER, world.jid(romeo));
    crate::scripted::present(&mut world, romeo, "romeo-2", "", &format!("{muji}{x}"));
    let last = world.presences(romeo).pop().expect("it published");
    assert_eq!(last.attr("to"), Some(format!("{}/romeo-2", world.room("balcony")).as_str()));
}

// Shows muc-desync-02.
#[test]
fn somebody_who_calls_and_of_whom_the_room_has_not_told_makes_us_ask_it_to_tell_everything_again() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    repeat(&mut world, romeo);
    repeat(&mut world, romeo);
    for nick in ["tybalt", "nurse"] {
        tell(&mut world, romeo, nick, Some(AUDIO));
    }
    let juliet = world.puppet("juliet"); // Her presence was lost on its way.
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, juliet, romeo, "o", &offer);
    world.run_for(config::RESYNC - SECOND);
    assert_eq!(said(&world, romeo).len(), 2);
    world.run_for(2 * SECOND);
    let asked = world.presences(romeo).pop().expect("it asks");
    assert!(asked.has_child("x", ns::MUC) && said(&world, romeo).last().is_some_and(|said| said == "content"));
    tell(&mut world, romeo, "tybalt", Some(AUDIO));
    let jid = world.jid(juliet).to_string();
    tell_as(&mut world, romeo, "juliet", &jid, Some(AUDIO));
    assert_eq!(world.asked(romeo, "session-accept"), 1, "her offer has waited");
    assert_eq!(world.pairs(romeo).len(), 3, "the nurse may come yet");
    repeat(&mut world, romeo);
    let nicks: Vec<String> = world.pairs(romeo).into_iter().map(|pair| pair.peer.nick).collect();
    assert_eq!(nicks, ["juliet", "tybalt"]);
    assert_eq!(world.asked(romeo, "session-terminate"), 0);
}

#[test]
fn strangers_do_not_make_us_ask_the_room_more_than_once_a_minute() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    for number in 0..60 {
        let offer = offer(&world, &format!("s{number}"), usable(vec![opus()]));
        ask(&mut world, tybalt, romeo, &format!("o{number}"), &offer);
        world.run_for(SECOND);
    }
    assert_eq!(world.presences(romeo).len(), 2 + 1);
    assert!(world.is_in_call(romeo));
}

#[test]
fn what_is_said_once_is_refused_while_the_connection_is_gone_and_what_is_so_is_told_afterwards() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.cut(romeo);
    world.run_for(SECOND);
    let guest: BareJid = "nurse@capulet.example".parse().expect("a bare JID");
    for refused in [Command::Invite(guest.clone()), Command::Admit(guest), Command::EndForAll] {
        assert_eq!(world.try_command(romeo, refused), Err(Refused::Offline));
    }
    assert_eq!(world.try_ring(romeo, world.jid(juliet), vec![Media::Audio]), Err(Refused::Offline));
    world.command(romeo, Command::Mute(Media::Audio, Mute::On));
    world.resume(romeo);
    world.run_for(SECOND);
    assert_eq!(count(&world, juliet, |event| matches!(event, Event::PeerMuted(..))), 1);
}

// Shows caps-01.
#[test]
fn every_presence_on_the_way_back_into_a_room_carries_the_client_s_extras() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.set_extras(romeo, vec!["<show xmlns='jabber:client'>away</show>".parse().expect("well-formed")]);
    let caps = world.answer_disco(romeo, "https://example.org/muji").caps();
    world.run_for(SECOND);
    let before = world.presences(romeo).len();
    world.put_out(romeo, "balcony", &[code::TECHNICAL]);
    world.run_for(5 * SECOND);
    let back = world.presences(romeo).split_off(before);
    assert_eq!(said(&world, romeo)[before..], ["preparing", "content"]);
    assert!(back.iter().all(|it| it.has_child("show", "jabber:client") && it.get_child("c", ns::CAPS) == Some(&caps)));
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

// Shows R-GONE-1.
#[test]
fn another_person_under_the_nick_of_an_occupant_whose_leaving_we_missed_ends_the_session_of_the_former() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(AUDIO));
    repeat(&mut world, romeo);
    repeat(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
    tell_as(&mut world, romeo, "juliet", "nurse@capulet.example/1", Some(AUDIO));
    let jids: Vec<String> = world.pairs(romeo).into_iter().map(|pair| pair.peer.jid.to_string()).collect();
    assert_eq!(jids, ["nurse@capulet.example/1"]);
    let left =
        |event: &Event| matches!(event, Event::PeerLeft(peer) if peer.jid.as_str() == "juliet@capulet.example/1");
    let joined = |event: &Event| matches!(event, Event::PeerJoined(peer) if peer.jid.as_str() == jids[0]);
    assert_eq!((count(&world, romeo, left), count(&world, romeo, joined)), (1, 1));
    assert_eq!((world.asked(romeo, "session-terminate"), world.sessions(romeo)), (1, 0));
    let end = world.wire.last().expect("it was sent").stanza.clone();
    assert_eq!(end.attr("to"), Some("juliet@capulet.example/1"));
    let reason = end.get_child("jingle", ns::JINGLE).and_then(|jingle| jingle.get_child("reason", ns::JINGLE));
    assert!(reason.is_some_and(|reason| reason.has_child("gone", ns::JINGLE)));
}
