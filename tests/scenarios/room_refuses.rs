//! A room does not let us in, or not as we need: one sentence each, and nothing of a call was sent.

use muji_core::error::{Removal, RoomFault};
use muji_core::{Join, Secret};
use muji_harness::room::Rules;
use muji_harness::stanza::has_contents;
use muji_harness::world::{PersonId, World};

use crate::scripted::{entering, refuse};
use crate::{SECOND, in_call, people, room_fault};

/// Romeo tries a room with these rules, in which Juliet may already be.
fn romeo_tries(rules: impl FnOnce(&World) -> Rules, how: Join) -> (World, PersonId) {
    let mut world = World::new(1);
    let [juliet] = people(&mut world, ["juliet"]);
    world.join(juliet, "balcony");
    world.run_for(SECOND);
    let (room, rules) = (world.room("balcony"), rules(&world));
    world.service.rooms.set(&room, rules);
    let romeo = world.person("romeo");
    world.join_how(romeo, "balcony", how);
    world.run_for(30 * SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), 0, "a call was begun");
    (world, romeo)
}

fn romeo() -> Join {
    Join::call_room().nick("romeo")
}

// Shows muc-err-05.
#[test]
fn a_full_room() {
    let (world, romeo) = romeo_tries(|_| Rules { capacity: Some(1), ..Rules::default() }, romeo());
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::Full));
}

// Shows muc-err-03.
#[test]
fn a_members_only_room() {
    let (world, romeo) = romeo_tries(|_| Rules { members: Some([].into()), ..Rules::default() }, romeo());
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::MembersOnly));
}

// Shows muc-err-02.
#[test]
fn a_room_that_has_banned_us() {
    let banned = |_: &World| Rules { banned: ["romeo@capulet.example".parse().unwrap()].into(), ..Rules::default() };
    let (world, romeo) = romeo_tries(banned, romeo());
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::Banned(Removal::default())));
}

// Shows muc-join-04.
#[test]
fn a_room_with_a_password() {
    let locked = |_: &World| Rules { password: Some("rose".to_owned()), ..Rules::default() };
    for wrong in [romeo(), romeo().password(Secret::new("thorn"))] {
        let (world, romeo) = romeo_tries(locked, wrong);
        assert_eq!(room_fault(&world, romeo), Some(RoomFault::Password));
    }
    let mut world = World::new(1);
    let room = world.room("balcony");
    world.service.rooms.set(&room, locked(&world));
    let [first, second] = people(&mut world, ["romeo", "juliet"]);
    world.join_how(first, "balcony", Join::call_room().password(Secret::new("rose")));
    world.join_how(second, "balcony", Join::call_room().password(Secret::new("rose")));
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[first, second]), []);
}

// Shows muji-room-01, muc-pres-07, R-PREP-5.
#[test]
fn a_room_that_hides_who_is_there() {
    let (world, romeo) = romeo_tries(|_| Rules { hides_jids: true, ..Rules::default() }, romeo());
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::HidesRealJids));
    let contents = world.wire.iter().filter(|sent| sent.from == romeo && has_contents(sent.stanza.children()));
    assert_eq!(contents.count(), 0, "contents were published before the room was known");
}

// Shows muc-disco-02, R-ECHO-2.
#[test]
fn a_room_that_takes_out_what_it_does_not_know() {
    let (world, romeo) = romeo_tries(|_| Rules { strips_muji: true, ..Rules::default() }, romeo());
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::MujiStripped));
}

#[test]
fn a_nick_in_use() {
    let (world, romeo) = romeo_tries(|_| Rules::default(), Join::call_room().nick("juliet"));
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::NickInUse));
}

// Shows muc-err-04.
#[test]
fn a_room_that_its_creator_has_not_opened_yet_is_tried_again() {
    let mut world = World::new(1);
    world.service = muji_harness::simulated_server::SimulatedServer::new(
        "capulet.example",
        Rules { locks: true, ..Rules::default() },
    );
    let people = people(&mut world, ["romeo", "juliet", "nurse"]);
    people.into_iter().for_each(|who| world.join(who, "balcony"));
    world.run_for(5 * SECOND);
    assert_eq!(world.deaf(&people), []);
}

#[test]
fn a_room_that_is_never_opened_is_given_up() {
    let mut world = World::new(1);
    world.service = muji_harness::simulated_server::SimulatedServer::new(
        "capulet.example",
        Rules { locks: true, ..Rules::default() },
    );
    let [tybalt, romeo] = people(&mut world, ["tybalt", "romeo"]);
    world.join(tybalt, "balcony");
    world.freeze(tybalt);
    world.join(romeo, "balcony");
    world.run_for(10 * SECOND);
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::NotFound));
}

#[test]
fn a_room_service_that_does_not_answer_is_given_up_in_time() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    world.service.disconnected(&world.jid(romeo)); // Whatever the server says goes nowhere.
    world.join_how(romeo, "balcony", Join::call_room().nick("romeo"));
    world.service.disconnected(&world.jid(romeo));
    let _nobody = world.run_while(60 * SECOND, |world| room_fault(world, romeo).is_none());
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
}

#[test]
fn the_others_do_not_notice() {
    let mut world = World::new(1);
    let [juliet, nurse] = in_call(&mut world, ["juliet", "nurse"]);
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules { capacity: Some(2), ..Rules::default() });
    let romeo = world.person("romeo");
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::Full));
    assert_eq!(world.deaf(&[juliet, nurse]), []);
    assert_eq!(world.events(juliet).len(), world.events(nurse).len());
}

// Shows muc-err-01.
#[test]
fn a_random_nick_that_is_in_use_is_changed_three_times_at_most() {
    let mut world = World::new(1);
    let romeo = {
        let romeo = world.person("romeo");
        let room = world.room("balcony");
        world.service.rooms.set(&room, Rules { silent: true, ..Rules::default() });
        world.join_how(romeo, "balcony", Join::call_room());
        romeo
    };
    for _ in 0..5 {
        refuse(&mut world, romeo, "conflict");
    }
    let presences = world.presences(romeo);
    let mut nicks: Vec<String> =
        presences.iter().filter_map(|presence| presence.attr("to").map(str::to_owned)).collect();
    nicks.dedup();
    assert_eq!((presences.len(), nicks.len()), (3, 3));
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::NickInUse));
}

// Shows muc-err-06.
#[test]
fn rooms_that_are_not_to_be_made_and_nicks_that_are_not_taken_have_names_of_their_own() {
    let cases = [
        ("not-allowed", RoomFault::NotAllowed),
        ("not-acceptable", RoomFault::NickReserved),
        ("jid-malformed", RoomFault::NickInvalid),
    ];
    for (condition, fault) in cases {
        let mut world = World::new(1);
        let romeo = entering(&mut world);
        refuse(&mut world, romeo, condition);
        assert_eq!(room_fault(&world, romeo), Some(fault));
        assert_eq!(world.presences(romeo).len(), 1, "nothing is tried again");
    }
}
