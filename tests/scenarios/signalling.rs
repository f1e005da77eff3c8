//! What a call costs on the wire.

use muji_harness::room::Rules;
use muji_harness::world::World;

use crate::{SECOND, people};

#[test]
fn a_session_is_exactly_four_stanzas() {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    let before = world.wire.len();
    world.join(juliet, "balcony");
    world.run_for(60 * SECOND);
    let after: Vec<&str> = world.wire[before..].iter().map(|sent| sent.stanza.name()).collect();
    assert_eq!(after, ["presence", "presence", "iq", "iq", "iq", "iq"]);
}

#[test]
fn a_mesh_costs_what_the_formula_says() {
    for n in [4, 8, 16] {
        let mut world = World::new(1);
        let room = world.room("balcony");
        world.service.rooms.set(&room, Rules::default()); // A room to be made would cost its configuration.
        for index in 0..n {
            let who = world.person(&format!("guest{index}"));
            world.join(who, "balcony");
            world.run_for(SECOND);
        }
        // Two presences a participant and four stanzas a session.
        assert_eq!(world.sent.stanzas, 2 * n + 4 * n * (n - 1) / 2);
    }
}
