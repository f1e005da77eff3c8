//! An offer overtakes the presence of who sends it: they travel by different routes.

use std::time::Duration;

use muji_conformance::harness::world::{Delays, World};
use muji_core::Event;

use crate::{SECOND, count, people};

// Shows R-INIT-4.
#[test]
fn an_offer_that_overtakes_its_presence_is_held_and_accepted() {
    let mut overtaken = 0;
    for seed in 0..50 {
        let delays = Delays { rooms: 2 * SECOND, server: Duration::from_millis(5), ..Delays::default() };
        let mut world = World::with(seed, delays);
        let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
        world.join(romeo, "balcony");
        world.run_for(9 * SECOND);
        world.join(juliet, "balcony");
        let offered = world.run_while(10 * SECOND, |world| world.asked(juliet, "session-initiate") == 0);
        world.run_for(Duration::from_millis(10)); // The offer is there, at the latest.
        assert!(offered.is_some());
        let seen = |world: &World| count(world, romeo, |event| matches!(event, Event::PeerJoined(_)));
        overtaken += usize::from(seen(&world) == 0);
        world.run_for(4 * SECOND);
        assert_eq!(world.deaf(&[romeo, juliet]), []);
        assert_eq!([romeo, juliet].map(|who| world.asked(who, "session-initiate")), [0, 1]);
        assert_eq!([romeo, juliet].map(|who| world.asked(who, "session-terminate")), [0, 0]);
    }
    assert!(overtaken > 10, "the delays made too few offers overtake: {overtaken}");
}
