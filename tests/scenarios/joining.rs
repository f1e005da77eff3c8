//! Two, three and more join at once, or one after the other.

use std::time::Duration;

use muji_core::Event;
use muji_harness::world::{Delays, PersonId, World};

use crate::{SECOND, count, in_call, people};

/// One session for each pair, offered once, and nothing repaired.
fn one_session_a_pair(world: &World, people: &[PersonId]) {
    let offers: usize = people.iter().map(|who| world.asked(*who, "session-initiate")).sum();
    let ends: usize = people.iter().map(|who| world.asked(*who, "session-terminate")).sum();
    assert_eq!((offers, ends), (people.len() * (people.len() - 1) / 2, 0), "offers, ends");
}

/// All join in the same instant and hear each other within `limit`, over one session a pair.
fn join_at_once(world: &mut World, people: &[PersonId], limit: Duration) {
    people.iter().for_each(|who| world.join(*who, "balcony"));
    world.run_for(limit);
    assert_eq!(world.deaf(people), []);
    one_session_a_pair(world, people);
}

// Shows R-PREP-1, R-INIT-1.
#[test]
fn two_who_join_at_once_hear_each_other_over_one_session() {
    let mut world = World::new(1);
    let people = people(&mut world, ["romeo", "juliet"]);
    join_at_once(&mut world, &people, 2 * SECOND);
}

// Shows R-ORDER-1.
#[test]
fn three_who_join_at_once_hear_each_other_whatever_the_delays() {
    for seed in 0..50 {
        let delays = Delays { rooms: Duration::from_millis(300), ..Delays::default() };
        let mut world = World::with(seed, delays);
        let people = people(&mut world, ["romeo", "juliet", "nurse"]);
        join_at_once(&mut world, &people, 9 * SECOND);
    }
}

#[test]
fn people_near_and_far_who_join_at_once_hear_each_other() {
    for seed in 0..20 {
        let mut world = World::with(seed, Delays { rooms: Duration::from_millis(100), ..Delays::default() });
        let people = people(&mut world, ["romeo", "juliet", "nurse", "tybalt"]);
        for (who, millis) in people.into_iter().zip([1, 20, 300, 900]) {
            let way = Duration::from_millis(millis);
            world.place(who, Delays { server: way, rooms: way, peer: way });
        }
        join_at_once(&mut world, &people, 30 * SECOND);
    }
}

// Shows muji-sess-01, muji-sess-02.
#[test]
fn newcomers_call_those_who_are_there() {
    let mut world = World::new(1);
    let people = in_call(&mut world, ["romeo", "juliet", "nurse", "tybalt"]);
    assert_eq!(people.map(|who| world.asked(who, "session-initiate")), [0, 1, 2, 3]);
    one_session_a_pair(&world, &people);
}

#[test]
fn everybody_is_told_of_everybody_in_order() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    for (who, other) in [(romeo, "juliet"), (juliet, "romeo")] {
        let story: Vec<&str> = world.events(who).iter().filter_map(|event| step(event, other)).collect();
        assert_eq!(story, ["joined", "connecting", "connected", "flowing"]);
        assert_eq!(count(&world, who, |event| matches!(event, Event::Joined { .. })), 1);
        assert_eq!(count(&world, who, |event| matches!(event, Event::Warning(_))), 0);
    }
}

fn step(event: &Event, nick: &str) -> Option<&'static str> {
    let (peer, step) = match event {
        Event::PeerJoined(peer) => (peer, "joined"),
        Event::PeerConnecting(peer, _) => (peer, "connecting"),
        Event::PeerConnected(peer, _) => (peer, "connected"),
        Event::PeerFlowing(peer, _) => (peer, "flowing"),
        _ => return None,
    };
    (peer.nick == nick).then_some(step)
}
