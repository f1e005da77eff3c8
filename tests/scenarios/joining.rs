//! Two, three and more join at once, or one after the other.

use muji_conformance::harness::world::World;

use crate::{SECOND, people};

#[test]
fn two_who_join_at_once_hear_each_other_over_one_session() {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.join(romeo, "balcony");
    world.join(juliet, "balcony");
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(world.asked(romeo, "session-initiate") + world.asked(juliet, "session-initiate"), 1);
}
