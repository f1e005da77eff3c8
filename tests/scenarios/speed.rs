//! The round trips from "join" to sound, with real transports in virtual time.

use std::time::Duration;

use muji_harness::room::Rules;
use muji_harness::world::{Delays, PersonId, World};
use muji_media::transport::str0m::Dtls;

use crate::{SECOND, with_str0m};

/// People with real transports, `r` from client to server and back, `p` from peer to peer and back.
fn world<const N: usize>(r: Duration, p: Duration, dtls: Dtls, names: [&str; N]) -> (World, [PersonId; N]) {
    with_str0m(Delays { server: r / 2, rooms: Duration::ZERO, peer: p / 2 }, dtls, names)
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
            assert!(took <= goal, "R = P = {r:?}, {dtls:?}: {took:?}, goal {goal:?}");
        }
    }
}

#[test]
fn of_n_who_join_at_once_the_last_is_heard_n_minus_one_round_trips_later() {
    let r = Duration::from_millis(50);
    let names = ["romeo", "juliet", "nurse", "tybalt"];
    let (mut world, people) = world(r, r, Dtls::Auto, names);
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules::default()); // A room to be made would cost its configuration.
    people.into_iter().for_each(|who| world.join(who, "balcony"));
    let heard = world.run_while(10 * SECOND, |world| {
        let pairs = people.iter().flat_map(|a| people.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
        pairs.into_iter().any(|(listener, speaker)| world.first_heard(listener, speaker).is_none())
    });
    let trips = u32::try_from(names.len() + 2).expect("few");
    let goal = trips * r + r.mul_f64(3.5) + Duration::from_millis(20);
    assert!(heard.is_some_and(|heard| heard <= goal), "{heard:?}, goal {goal:?}");
}

#[test]
fn peers_nearer_than_their_server_do_not_wait_for_a_repetition() {
    for millis in [0, 1, 5, 20, 100] {
        let r = Duration::from_millis(millis);
        let took = join_to_sound(r, Duration::from_micros(200), Dtls::Auto);
        let goal = 3 * r + Duration::from_millis(21);
        assert!(took <= goal, "R = {millis} ms: {took:?}, goal {goal:?}");
    }
}
