//! Muting stops what is sent and tells the others; nothing else changes.

use muji_core::{Event, Mute};
use muji_harness::world::World;

use crate::{SECOND, count, in_call};

#[test]
fn who_is_muted_is_not_heard_and_everybody_knows() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    world.mute(romeo, Mute::On);
    world.run_for(SECOND);
    assert!(!world.hears(juliet, romeo) && !world.hears(nurse, romeo));
    assert!(world.hears(romeo, juliet) && world.hears(romeo, nurse));
    world.mute(romeo, Mute::Off);
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
    world.mute(romeo, Mute::On);
    let tybalt = world.person("tybalt");
    world.join(tybalt, "balcony");
    world.run_for(SECOND);
    let muted = |event: &Event| matches!(event, Event::PeerMuted(peer, Some(_)) if peer.nick == "romeo");
    assert_eq!(count(&world, tybalt, muted), 1, "who comes later is told too");
    world.mute(romeo, Mute::Off);
    world.run_for(SECOND);
    for who in [juliet, nurse] {
        let muted = |event: &Event| matches!(event, Event::PeerMuted(peer, Some(_)) if peer.nick == "romeo");
        let unmuted = |event: &Event| matches!(event, Event::PeerUnmuted(peer, Some(_)) if peer.nick == "romeo");
        assert_eq!((count(&world, who, muted), count(&world, who, unmuted)), (2, 2));
    }
}
