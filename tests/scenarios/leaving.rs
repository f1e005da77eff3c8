//! Leaving: first the presence, then the sessions, then silence.

use muji_core::Event;
use muji_core::error::{EndReason, Removal, RoomFault};
use muji_harness::stanza::jingle_action;
use muji_harness::world::World;
use muji_xep::muc::code;

use crate::ringing::ringing;
use crate::{SECOND, count, in_call, over, people, room_fault};

// Shows muji-leave-01, muji-leave-02, R-LEAVE-1.
#[test]
fn who_leaves_says_so_first_to_the_room_and_then_to_everybody() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    let before = world.wire.len();
    world.leave(romeo);
    world.run_for(SECOND);
    let said: Vec<String> = world.wire[before..]
        .iter()
        .filter(|sent| sent.from == romeo && !answers(&sent.stanza))
        .map(|sent| jingle_action(&sent.stanza).unwrap_or_else(|| sent.stanza.name()).to_owned())
        .collect();
    assert_eq!(said, ["presence", "session-terminate", "session-terminate"]);
    assert_eq!(over(&world, romeo), Some(&EndReason::Left));
    assert_eq!(world.deaf(&[juliet, nurse]), []);
    for who in [juliet, nurse] {
        assert!(!world.hears(who, romeo));
        assert_eq!(count(&world, who, |event| matches!(event, Event::PeerLeft(_))), 1);
        assert_eq!(count(&world, who, |event| matches!(event, Event::PeerFailed(..))), 0);
    }
}

/// The others' own ends of the sessions cross and are answered.
fn answers(stanza: &muji_xep::Element) -> bool {
    matches!(stanza.attr("type"), Some("result" | "error"))
}

#[test]
fn nothing_is_said_after_leaving_but_that_sessions_are_unknown() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.leave(romeo);
    world.leave(juliet);
    world.run_for(10 * SECOND);
    let quiet = world.wire.len();
    world.run_for(100 * SECOND);
    assert_eq!(world.wire.len(), quiet);
    assert_eq!((over(&world, romeo), over(&world, juliet)), (Some(&EndReason::Left), Some(&EndReason::Left)));
}

// Shows R-REJOIN-1.
#[test]
fn who_comes_back_is_called_again() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.leave(romeo);
    world.run_for(SECOND);
    world.join(romeo, "balcony");
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

// Shows R-LEAVE-2.
#[test]
fn who_leaves_before_the_room_let_him_in_is_out_all_the_same() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    world.join(romeo, "balcony");
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Left));
    assert!(world.service.rooms.occupants(&world.room("balcony")).is_empty());
}

// Shows muc-kick-01, muc-kick-02, muc-kick-03.
#[test]
fn who_is_put_out_learns_why_and_is_heard_no_more() {
    let cases = [
        (code::KICKED, RoomFault::Kicked(Removal::default())),
        (code::BANNED, RoomFault::Banned(Removal::default())),
        (code::AFFILIATION, RoomFault::NoMember),
        (code::MEMBERS_ONLY, RoomFault::NoMember),
    ];
    for (code, fault) in cases {
        let mut world = World::new(1);
        let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
        world.put_out(romeo, "balcony", &[code]);
        world.run_for(SECOND);
        assert_eq!(room_fault(&world, romeo), Some(fault));
        assert!(!world.hears(juliet, romeo) && !world.hears(romeo, juliet));
    }
}

#[test]
fn the_last_will_of_a_program_that_died_ends_its_calls_for_the_others_and_nothing_before() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    let will = world.last_will(romeo);
    world.run_for(5 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), [], "to ask for them changes nothing");
    world.freeze(romeo);
    will.into_iter().for_each(|stanza| world.send(romeo, stanza));
    world.run_for(SECOND);
    for who in [juliet, nurse] {
        assert_eq!(count(&world, who, |event| matches!(event, Event::PeerLeft(_))), 1);
        assert_eq!(world.pairs(who).len(), 1, "nobody waits for romeo");
    }
}

#[test]
fn the_last_will_of_one_who_talks_with_one_person_hangs_up_and_leaves_alone_what_only_rings() {
    let (mut world, romeo, [phone, ..]) = ringing();
    assert_eq!(world.last_will(phone).len(), 0, "other devices ring too");
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    let will = world.last_will(phone);
    world.freeze(phone);
    will.into_iter().for_each(|stanza| world.send(phone, stanza));
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::HungUp));
}
