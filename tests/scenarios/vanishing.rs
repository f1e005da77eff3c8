//! Somebody vanishes: while preparing, or in the middle of the call.

use muji_core::{Event, Warning, config};
use muji_harness::world::{Delays, PersonId, World};
use muji_media::transport::str0m::Dtls;

use crate::{SECOND, count, in_call, people, with_str0m};

/// Tybalt says that he prepares and hangs; Romeo and Juliet join behind him.
fn behind_a_frozen_one() -> (World, [PersonId; 3]) {
    let mut world = World::new(1);
    let people = people(&mut world, ["tybalt", "romeo", "juliet"]);
    world.join(people[0], "balcony");
    world.freeze(people[0]);
    world.join(people[1], "balcony");
    world.join(people[2], "balcony");
    (world, people)
}

// Shows R-PREP-2.
#[test]
fn one_who_vanishes_while_preparing_holds_up_nobody_once_the_room_says_so() {
    let (mut world, [tybalt, romeo, juliet]) = behind_a_frozen_one();
    world.run_for(2 * SECOND);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::Joined { .. })), 0);
    world.vanish(tybalt);
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

// Shows R-PREP-3.
#[test]
fn one_who_hangs_while_preparing_delays_the_others_only_so_long() {
    let (mut world, [_, romeo, juliet]) = behind_a_frozen_one();
    world.run_for(config::PREPARING - SECOND);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::Joined { .. })), 0);
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    let warned = |event: &Event| matches!(event, Event::Warning(Warning::SlowToPrepare(nicks)) if *nicks == ["tybalt"]);
    assert_eq!([romeo, juliet].map(|who| count(&world, who, warned)), [1, 1]);
}

// Shows R-GONE-1, muc-exit-02.
#[test]
fn one_who_vanishes_in_the_call_is_missed_by_the_others_and_they_go_on() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    world.vanish(nurse);
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    for who in [romeo, juliet] {
        assert_eq!(count(&world, who, |event| matches!(event, Event::PeerLeft(peer) if peer.nick == "nurse")), 1);
        assert!(!world.hears(who, nurse));
    }
}

#[test]
fn one_who_hangs_in_the_call_is_reported_and_the_others_go_on() {
    let (mut world, people) = with_str0m(Delays::default(), Dtls::Auto, ["romeo", "juliet", "nurse"]);
    let [romeo, juliet, nurse] = people;
    people.into_iter().for_each(|who| world.join(who, "balcony"));
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&people), []);
    world.freeze(nurse);
    world.run_for(65 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    for who in [romeo, juliet] {
        assert!(!world.hears(who, nurse));
        let failed = |event: &Event| {
            matches!(event, Event::PeerFailed(peer, failure)
            if peer.nick == "nurse" && failure.to_string().starts_with("no media path to the peer: no answer"))
        };
        assert_eq!(count(&world, who, failed), 1);
    }
}
