//! The round trips from "join" to sound, with real transports in virtual time.

use std::time::Duration;

use muji_conformance::harness::person::opus;
use muji_conformance::harness::world::{Delays, Who, World};
use muji_media::transport::str0m::{Dtls, Str0m};

use crate::SECOND;

/// People with str0m's transports, `r` from client to server and back, `p` from peer to peer and back.
fn world<const N: usize>(r: Duration, p: Duration, dtls: Dtls, names: [&str; N]) -> (World, [Who; N]) {
    let mut world = World::with(1, Delays { server: r / 2, rooms: Duration::ZERO, peer: p / 2 });
    let people = names.map(|name| {
        let transports = Str0m::with_dtls(dtls).expect("there is chance for a certificate");
        world.client(name, opus(), transports.maker())
    });
    (world, people)
}

/// From the newcomer's join to the first packet accepted in both directions.
fn join_to_sound(r: Duration, p: Duration, dtls: Dtls) -> Duration {
    let (mut world, [romeo, juliet]) = world(r, p, dtls, ["romeo", "juliet"]);
    world.join(romeo, "balcony");
    world.run_for(10 * SECOND);
    let joined = world.age();
    world.join(juliet, "balcony");
    let heard = world.run_while(10 * SECOND, |world| {
        world.first_heard(juliet, romeo).is_none() || world.first_heard(romeo, juliet).is_none()
    });
    heard.expect("both are heard") - joined
}

#[test]
fn sound_flows_within_three_server_and_four_peer_round_trips() {
    for r in [50, 150].map(Duration::from_millis) {
        for (dtls, peer_trips) in [(Dtls::Auto, 3.5), (Dtls::V12, 4.0)] {
            let goal = 3 * r + r.mul_f64(peer_trips) + Duration::from_millis(20);
            let took = join_to_sound(r, r, dtls);
            println!("R = P = {r:?}, {dtls:?}: {took:?}, goal {goal:?}");
        }
    }
}
