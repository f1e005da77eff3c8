//! The room or the connection loses somebody: sound goes on while it comes back, and nobody is called twice.

use muji_conformance::harness::room::Rules;
use muji_conformance::harness::world::{Who, World};
use muji_core::error::{Over, RoomFault};
use muji_core::{Event, config};
use muji_xep::muc::code;

use crate::{SECOND, count, in_call, over, room_fault};

fn offers(world: &World, people: &[Who]) -> usize {
    people.iter().map(|who| world.asked(*who, "session-initiate")).sum()
}

fn lost(event: &Event) -> bool {
    matches!(event, Event::RoomLost(_))
}

fn pings(world: &World, who: Who) -> usize {
    let of = world.wire.iter().filter(|passage| passage.from == who);
    of.filter(|passage| passage.stanza.has_child("ping", "urn:xmpp:ping")).count()
}

#[test]
fn a_silent_room_is_asked_every_minute_whether_we_are_in_it() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.run_for(5 * config::SELF_PING + SECOND);
    assert_eq!((pings(&world, romeo), pings(&world, juliet)), (5, 5));
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(count(&world, romeo, lost), 0);
}

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
fn a_service_that_restarts_interrupts_no_sound() {
    let mut world = World::new(1);
    let people = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    let before = offers(&world, &people);
    world.rooms_do(|rooms| rooms.shut_down());
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
    world.rooms_do(|rooms| rooms.shut_down());
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

#[test]
fn while_the_connection_is_gone_nobody_is_asked() {
    let mut world = World::new(1);
    let [romeo, _] = in_call(&mut world, ["romeo", "juliet"]);
    world.run_for(config::SELF_PING - 5 * SECOND);
    world.cut(romeo);
    world.run_for(50 * SECOND);
    assert_eq!(pings(&world, romeo), 0);
}

#[test]
fn who_comes_back_on_a_new_stream_is_called_anew_and_heard_until_then() {
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
    world.run_for(config::INITIATE + 5 * SECOND);
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
    assert_eq!(over(&world, romeo), Some(&Over::Disconnected));
    assert!(!world.hears(romeo, juliet));
}

#[test]
fn a_room_that_hides_who_comes_from_now_on_keeps_those_who_are_there() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules { hides_jids: true, ..Rules::default() });
    world.rooms_do(|rooms| rooms.announce(&room, code::NOW_SEMI_ANONYMOUS));
    let nurse = world.person("nurse");
    world.join(nurse, "balcony");
    world.run_for(5 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(room_fault(&world, nurse), Some(RoomFault::HidesRealJids));
    let told = |event: &Event| matches!(event, Event::Warning(what) if what.contains("hides real JIDs from now on"));
    assert_eq!(count(&world, romeo, told), 1);
}

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
