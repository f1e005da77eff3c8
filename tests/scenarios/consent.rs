//! Before the local user joins, nothing is opened, sent or captured, no matter who asks.

use std::time::Duration;

use muji_core::Event;
use muji_harness::world::World;
use muji_xep::jingle::Reason;

use crate::puppet::{answer, ask, audio, direct_offer, entered, offer, opus, requests, usable};
use crate::{SECOND, count, in_call};

// Shows jingle-err-01.
#[test]
fn a_stranger_who_calls_is_answered_as_if_nobody_were_there() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let tybalt = world.puppet("tybalt");
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "1", &offer);
    world.run_for(60 * SECOND);
    let inbox = world.inbox(tybalt);
    assert_eq!(answer(&inbox, "1"), Some(Err("service-unavailable".to_owned())));
    assert_eq!(inbox.len(), 1, "nothing else");
    assert_eq!(world.events(romeo), []);
}

/// What a stranger's offer is answered, and how long that takes, whether or not we are in a call.
fn refusal(in_a_call: bool) -> (String, Duration) {
    let mut world = World::new(1);
    let romeo = if in_a_call { in_call(&mut world, ["romeo"])[0] } else { world.person("romeo") };
    let tybalt = world.puppet("tybalt");
    world.stanza_log = Some(Vec::new());
    ask(&mut world, tybalt, romeo, "1", &direct_offer("s1", usable(vec![opus()])));
    world.run_for(SECOND);
    let log = world.stanza_log.take().expect("it was begun");
    let of_romeo = |said| log.iter().find(|it| it.who == romeo && it.said == said && it.stanza.attr("id") == Some("1"));
    let (asked, answered) = (of_romeo(false).expect("it came"), of_romeo(true).expect("it was answered"));
    let error = answered.stanza.get_child("error", "jabber:client").expect("it is refused");
    (String::from(error), answered.at - asked.at)
}

#[test]
fn neither_the_answer_nor_the_time_until_it_comes_tells_a_stranger_whether_we_are_in_a_call() {
    let [idle, in_a_call] = [false, true].map(refusal);
    assert_eq!((&in_a_call, idle.1), (&idle, Duration::ZERO));
}

// Shows muji-sess-06.
#[test]
fn an_offer_of_somebody_outside_the_room_is_held_ten_seconds_and_declined() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "1", &offer);
    world.run_for(9 * SECOND);
    let inbox = world.inbox(tybalt);
    assert_eq!((inbox.len(), answer(&inbox, "1")), (1, Some(Ok(()))));
    world.run_for(2 * SECOND);
    let ends = requests(&mut world, tybalt);
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0].1.why.as_ref().map(|why| why.reason.clone()), Some(Reason::Decline));
    assert_eq!(world.asked(romeo, "session-accept"), 0);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerConnecting(..))), 0);
}

// Shows jingle-err-03.
#[test]
fn of_offers_from_one_jid_only_four_are_held() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    for sid in ["a", "b", "c", "d", "e"] {
        let offer = offer(&world, sid, usable(vec![opus()]));
        ask(&mut world, tybalt, romeo, sid, &offer);
    }
    world.run_for(SECOND);
    let inbox = world.inbox(tybalt);
    assert_eq!(answer(&inbox, "d"), Some(Ok(())));
    assert_eq!(answer(&inbox, "e"), Some(Err("resource-constraint".to_owned())));
}

#[test]
fn a_participant_who_offers_is_accepted_at_once() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "1", &offer);
    world.run_for(SECOND);
    assert_eq!(world.asked(romeo, "session-accept"), 1);
}
