//! A path that works, and nothing comes: how the pair stands then.

use muji_core::{Command, Event, Media, Mute, Pair, PairState, Silence};
use muji_harness::world::{PersonId, World};

use crate::ringing::ringing;
use crate::{SECOND, count, in_call};

/// In a room, and in a call with one person.
fn couples() -> [(World, PersonId, PersonId); 2] {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let (mut direct, caller, [phone, ..]) = ringing();
    direct.pick_up(phone);
    direct.run_for(2 * SECOND);
    [(world, romeo, juliet), (direct, caller, phone)]
}

fn pair(world: &World, who: PersonId) -> Pair {
    world.pairs(who).remove(0)
}

#[test]
fn a_pair_of_which_nothing_comes_does_not_flow_until_something_comes_again() {
    for (mut world, romeo, juliet) in couples() {
        let flowing = |event: &Event| matches!(event, Event::PeerFlowing(..));
        assert_eq!((pair(&world, romeo).state, count(&world, romeo, flowing)), (PairState::Flowing, 1));
        world.mute(juliet, Mute::On);
        world.run_for(7 * SECOND);
        let silent = pair(&world, romeo);
        assert_eq!(silent.state, PairState::Connected);
        assert!(matches!(&silent.silent[..], [(_, Media::Audio, Silence::Muted)]), "{:?}", silent.silent);
        assert!(world.now() - silent.since < 3 * SECOND, "its time begins with the silence");
        assert_eq!(pair(&world, juliet).state, PairState::Flowing, "she hears him");
        world.mute(juliet, Mute::Off);
        world.run_for(SECOND);
        let again = pair(&world, romeo);
        assert_eq!((again.state, again.silent), (PairState::Flowing, Vec::new()));
        assert_eq!(count(&world, romeo, flowing), 2);
    }
}

#[test]
fn a_pair_of_which_one_content_comes_flows() {
    let [_, (mut world, romeo, juliet)] = couples();
    world.command(juliet, Command::Add(Media::Video));
    world.run_for(2 * SECOND);
    world.stop_hearing(romeo, juliet, "video");
    let pair = pair(&world, romeo);
    assert!(matches!(&pair.silent[..], [(_, Media::Video, Silence::Unexplained)]), "{:?}", pair.silent);
    assert_eq!(pair.state, PairState::Flowing);
}
