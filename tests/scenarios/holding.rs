//! A participant that holds neither sends nor plays anything; each of the others is told, also those who join meanwhile.

use muji_core::{Command, Event, Hold};
use muji_harness::world::{PersonId, World};

use crate::{SECOND, count, in_call};

/// How often somebody was told that Romeo holds, and how often that he does not any more.
fn told(world: &World, who: PersonId) -> [usize; 2] {
    let held = |event: &Event| matches!(event, Event::PeerHeld(peer) if peer.nick == "romeo");
    let unheld = |event: &Event| matches!(event, Event::PeerUnheld(peer) if peer.nick == "romeo");
    [count(world, who, held), count(world, who, unheld)]
}

#[test]
fn a_participant_who_joins_while_another_holds_is_told_and_hears_it_afterwards() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    world.command(romeo, Command::Hold(Hold::On));
    world.run_for(SECOND);
    let nurse = world.person("nurse");
    world.join(nurse, "balcony");
    world.run_for(2 * SECOND);
    assert_eq!([juliet, nurse].map(|who| told(&world, who)), [[1, 0], [1, 0]]);
    assert!(!world.hears(nurse, romeo) && !world.hears(romeo, nurse));
    assert_eq!(world.deaf(&[juliet, nurse]), [], "the others talk");
    world.command(romeo, Command::Hold(Hold::Off));
    world.run_for(SECOND);
    assert_eq!([juliet, nurse].map(|who| told(&world, who)), [[1, 1], [1, 1]]);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
}

#[test]
fn everybody_whom_a_new_stream_makes_us_call_again_is_told_again_that_we_hold() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    world.command(romeo, Command::Hold(Hold::On));
    world.run_for(SECOND);
    world.cut(romeo);
    world.rebind(romeo);
    world.run_for(3 * SECOND);
    assert_eq!([juliet, nurse].map(|who| told(&world, who)), [[2, 0], [2, 0]]);
    assert!(!world.hears(juliet, romeo) && !world.hears(nurse, romeo));
    world.command(romeo, Command::Hold(Hold::Off));
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
}
