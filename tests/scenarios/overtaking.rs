//! An offer overtakes the presence of who sends it: they travel by different routes.

use std::time::Duration;

use muji_core::Event;
use muji_harness::world::{Delays, World};
use muji_xep::jingle::Reason;

use crate::puppet::{ask, offer, opus, requests, usable};
use crate::scripted::{AUDIO, entering, gone, repeat, tell_as};
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

// Shows R-GONE-1.
#[test]
fn a_held_offer_ends_when_its_participant_leaves_and_is_not_accepted_when_it_returns() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    let juliet = world.puppet("juliet");
    let jid = world.jid(juliet).to_string();
    tell_as(&mut world, romeo, "juliet", &jid, Some(AUDIO));
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, juliet, romeo, "o", &offer);
    world.run_for(SECOND);
    assert_eq!(requests(&mut world, juliet), [], "it is held until we publish");
    gone(&mut world, romeo, "juliet", "", &[]);
    world.run_for(SECOND);
    let ends =
        requests(&mut world, juliet).into_iter().map(|(_, jingle)| (jingle.sid, jingle.why.map(|why| why.reason)));
    assert_eq!(ends.collect::<Vec<_>>(), [("s1".to_owned(), Some(Reason::Gone))]);
    tell_as(&mut world, romeo, "juliet", &jid, Some(AUDIO));
    repeat(&mut world, romeo);
    world.run_for(SECOND);
    assert_eq!((world.asked(romeo, "session-initiate"), world.asked(romeo, "session-accept")), (1, 0));
}
