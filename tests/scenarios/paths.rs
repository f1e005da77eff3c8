//! What becomes of a call when its network fails, comes back or is another one, with real ICE and DTLS.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use muji_core::{Event, PairState};
use muji_harness::world::{Delays, PersonId, World};
use muji_media::transport::str0m::Dtls;

use crate::{SECOND, count, with_str0m};

/// Three in a call, with all connected.
fn three() -> (World, [PersonId; 3]) {
    let (mut world, people) = with_str0m(Delays::default(), Dtls::Auto, ["romeo", "juliet", "mercutio"]);
    for who in people {
        world.join(who, "balcony");
        world.run_for(SECOND);
    }
    assert_eq!(world.deaf(&people), []);
    (world, people)
}

fn address(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 1, number))
}

/// How long from now until somebody hears somebody.
fn until_heard(world: &mut World, limit: Duration, listener: PersonId, speaker: PersonId) -> Duration {
    let before = world.age();
    let heard = world.run_while(limit, |world| !world.hears(listener, speaker));
    heard.unwrap_or_else(|| panic!("not within {limit:?}")) - before
}

/// How often somebody told other credentials: transport-info with a name that was not told before.
fn restarts(world: &World, who: PersonId) -> usize {
    let of = world.wire.iter().filter(|sent| sent.from == who).map(|sent| String::from(&sent.stanza));
    let names = of.filter(|stanza| stanza.contains("transport-info")).filter_map(|stanza| {
        let name = stanza.split("ufrag=").nth(1)?.split(['"', '\'']).nth(1)?.to_owned();
        Some(name)
    });
    names.collect::<std::collections::BTreeSet<String>>().len()
}

fn sessions(world: &World) -> usize {
    world.wire.iter().filter(|sent| String::from(&sent.stanza).contains("session-initiate")).count()
}

#[test]
fn after_thirty_seconds_without_a_network_sound_is_back_within_three_and_no_session_is_made_again() {
    let (mut world, people) = three();
    let before = sessions(&world);
    world.block_all_packets(&people, true);
    world.run_for(6 * SECOND);
    for who in people {
        assert!(
            world.pairs(who).iter().all(|pair| pair.state == PairState::Interrupted),
            "noticed within five seconds"
        );
    }
    world.run_for(24 * SECOND);
    world.block_all_packets(&people, false);
    let took = until_heard(&mut world, 10 * SECOND, people[0], people[1]);
    assert!(took <= 3 * SECOND, "{took:?}");
    world.run_for(5 * SECOND);
    assert_eq!(world.deaf(&people), []);
    assert_eq!(sessions(&world), before);
}

#[test]
fn a_pair_that_is_cut_off_from_each_other_is_mended_alone() {
    let (mut world, [romeo, juliet, mercutio]) = three();
    world.block_packets(romeo, juliet, true);
    world.block_packets(juliet, romeo, true);
    world.run_for(20 * SECOND);
    assert!(world.hears(romeo, mercutio) && world.hears(mercutio, romeo) && world.hears(mercutio, juliet));
    let interrupted = |world: &World, who| count(world, who, |event| matches!(event, Event::PeerInterrupted(_)));
    assert_eq!([romeo, juliet, mercutio].map(|who| interrupted(&world, who)), [1, 1, 0]);
    world.block_packets(romeo, juliet, false);
    world.block_packets(juliet, romeo, false);
    let took = until_heard(&mut world, 10 * SECOND, romeo, juliet);
    assert!(took <= 3 * SECOND, "{took:?}");
}

#[test]
fn a_pair_without_a_path_for_a_minute_is_called_again_when_there_is_one() {
    let (mut world, [romeo, juliet, mercutio]) = three();
    world.block_packets(romeo, juliet, true);
    world.block_packets(juliet, romeo, true);
    world.run_for(64 * SECOND);
    assert!(world.events(romeo).iter().any(|event| matches!(event, Event::PeerFailed(..))), "given up after a minute");
    assert!(world.hears(romeo, mercutio) && world.hears(juliet, mercutio));
    world.block_packets(romeo, juliet, false);
    world.block_packets(juliet, romeo, false);
    until_heard(&mut world, 60 * SECOND, romeo, juliet);
    world.run_for(SECOND);
    assert!(world.hears(juliet, romeo) && world.sessions(romeo) == 2);
}

#[test]
fn one_who_changes_networks_is_heard_again_within_five_seconds_whichever_side_of_the_sessions_it_is() {
    for who in 0..3 {
        let (mut world, people) = three();
        let before = sessions(&world);
        world.moves(people[who], address(7));
        let others: Vec<PersonId> = people.iter().copied().filter(|other| *other != people[who]).collect();
        world.run_for(Duration::from_millis(300)); // What was under way is heard.
        for other in &others {
            let took = until_heard(&mut world, 10 * SECOND, *other, people[who]);
            assert!(took <= SECOND, "{took:?}");
        }
        world.run_for(SECOND);
        assert_eq!(world.deaf(&people), []);
        world.run_for(30 * SECOND);
        assert_eq!((world.deaf(&people), sessions(&world)), (Vec::new(), before));
        for who in people {
            let states: Vec<PairState> = world.pairs(who).into_iter().map(|pair| pair.state).collect();
            assert_eq!(states, [PairState::Flowing, PairState::Flowing]);
            assert!(restarts(&world, who) <= 4, "one with each of the others, or an answer, and no more");
        }
    }
}

#[test]
fn all_who_change_networks_at_once_find_each_other() {
    let (mut world, people) = three();
    for (number, who) in (20..).zip(people) {
        world.moves(who, address(number));
    }
    world.run_for(6 * SECOND);
    assert_eq!(world.deaf(&people), []);
}

#[test]
fn one_who_changes_networks_while_its_stream_is_cut_is_found_by_its_checks_and_stays_when_the_stream_is_resumed() {
    let (mut world, people) = three();
    let before = sessions(&world);
    world.cut(people[1]);
    world.moves(people[1], address(9));
    world.run_for(Duration::from_millis(300)); // What was under way is heard.
    let took = until_heard(&mut world, 10 * SECOND, people[0], people[1]);
    assert!(took <= 5 * SECOND, "{took:?}");
    world.run_for(10 * SECOND);
    world.resume(people[1]);
    world.run_for(30 * SECOND);
    assert_eq!((world.deaf(&people), sessions(&world)), (Vec::new(), before));
}

#[test]
fn who_loses_packets_one_way_only_is_interrupted_and_comes_back() {
    let (mut world, [romeo, juliet, _]) = three();
    world.block_packets(romeo, juliet, true);
    world.run_for(15 * SECOND);
    assert!(!world.hears(juliet, romeo));
    world.block_packets(romeo, juliet, false);
    until_heard(&mut world, 3 * SECOND, juliet, romeo);
    world.run_for(5 * SECOND);
    assert!(world.hears(romeo, juliet));
}
