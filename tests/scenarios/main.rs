//! Calls in the simulated world, one behaviour a file.

use std::time::Duration;

use muji_conformance::harness::world::{Who, World};

mod joining;
mod speed;

const SECOND: Duration = Duration::from_secs(1);

/// People with these names in a world.
fn people<const N: usize>(world: &mut World, names: [&str; N]) -> [Who; N] {
    names.map(|name| world.person(name))
}
