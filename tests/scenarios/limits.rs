//! Over a bound the excess is left out and reported; the rest works on.

use std::time::Duration;

use muji_core::error::Refused;
use muji_core::{ConnectionChange, Engine, Event, Join, NotCalled, Warning, config};
use muji_harness::room::Rules;
use muji_harness::world::{PersonId, World};

use muji_xep::guard::Excess;
use muji_xep::jingle::Content;
use muji_xep::rtp::PayloadType;

use crate::puppet::{answer, ask, audio, enter, offer, opus, usable};
use crate::{SECOND, count, in_call};

#[test]
fn of_more_participants_than_a_call_bears_the_last_is_not_called() {
    let mut world = World::new(1);
    for number in 0..=config::MAX_PARTICIPANTS {
        let guest = world.puppet(&format!("guest{number:02}"));
        enter(&mut world, guest, &format!("guest{number:02}"), vec![audio(vec![opus()])]);
    }
    let romeo = world.person("romeo");
    world.join(romeo, "balcony");
    world.run_for(2 * SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), config::MAX_PARTICIPANTS);
    let full = |event: &Event| matches!(event, Event::Warning(Warning::NotCalled { nick, why: NotCalled::CallFull }) if nick == "guest64");
    assert_eq!(count(&world, romeo, full), 1);
}

#[test]
fn one_call_too_many_is_refused_to_the_user() {
    let world = World::new(1);
    let now = world.now();
    let mut engine = Engine::new([1; 32], muji_harness::person::usual());
    engine.handle_connection(now, ConnectionChange::Bound { jid: "romeo@capulet.example/1".parse().unwrap() });
    for number in 0..config::MAX_CALLS {
        assert!(engine.join(now, world.room(&format!("room{number}")), Join::call_room()).is_ok());
    }
    assert_eq!(engine.join(now, world.room("room0"), Join::call_room()), Err(Refused::AlreadyThere));
    assert_eq!(engine.join(now, world.room("another"), Join::call_room()), Err(Refused::TooManyCalls));
}

#[test]
fn before_the_server_has_bound_a_jid_nothing_is_tried() {
    let world = World::new(1);
    let mut engine = Engine::new([1; 32], muji_harness::person::usual());
    assert_eq!(engine.join(world.now(), world.room("balcony"), Join::call_room()), Err(Refused::NotConnected));
    assert!(engine.poll_output().is_none());
}

// Shows muc-pres-03.
#[test]
fn an_occupant_who_claims_the_jid_of_another_is_not_called_and_the_other_stays() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let impostor = world.puppet("tybalt");
    let claim = format!(
        "<presence xmlns='jabber:client' from='{}/tybalt'><muji xmlns='urn:xmpp:jingle:muji:0'><content \
         xmlns='urn:xmpp:jingle:1' creator='initiator' name='audio'><description xmlns='urn:xmpp:jingle:apps:rtp:1' \
         media='audio'/></content></muji><x xmlns='http://jabber.org/protocol/muc#user'><item jid='{}'/></x></presence>",
        world.room("balcony"),
        world.jid(juliet)
    );
    world.forge(romeo, &claim);
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    let warned = |event: &Event| matches!(event, Event::Warning(Warning::NotCalled { why: NotCalled::SharedJid, .. }));
    assert_eq!((count(&world, romeo, warned), world.inbox(impostor).len()), (1, 0));
}

#[test]
fn a_presence_nested_as_deep_as_a_server_lets_through_is_survived() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let (open, close) = ("<a>".repeat(3_000), "</a>".repeat(3_000));
    let bomb = format!(
        "<presence xmlns='jabber:client' from='{}/juliet'><muji xmlns='urn:xmpp:jingle:muji:0'>{open}{close}</muji>\
         <x xmlns='http://jabber.org/protocol/muc#user'><item jid='{}'/></x></presence>",
        world.room("balcony"),
        world.jid(juliet)
    );
    world.forge(romeo, &bomb);
    let deep =
        |event: &Event| matches!(event, Event::Warning(Warning::CallInformationIgnored { excess: Excess::Deep, .. }));
    assert_eq!(count(&world, romeo, deep), 1);
}

/// Romeo in a call with Tybalt, who published these contents.
fn published(contents: Vec<Content>) -> (World, PersonId) {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    enter(&mut world, tybalt, "tybalt", contents);
    (world, romeo)
}

fn named(name: &str) -> Content {
    Content { name: name.to_owned(), ..audio(vec![opus()]) }
}

fn left_out(world: &World, who: PersonId) -> usize {
    count(world, who, |event| matches!(event, Event::Skipped { .. }))
}

#[test]
fn of_more_contents_than_a_participant_may_have_the_last_is_left_out_and_told() {
    for (many, told) in [(16, 0), (17, 1)] {
        let (world, romeo) = published((0..many).map(|number| named(&format!("audio{number}"))).collect());
        assert_eq!((world.pairs(romeo)[0].contents.len(), left_out(&world, romeo)), (16, told));
    }
}

#[test]
fn a_name_that_is_too_long_is_left_out_with_its_content_and_told() {
    for (length, told) in [(256, 0), (257, 1)] {
        let (world, romeo) = published(vec![named("audio"), named(&"n".repeat(length))]);
        assert_eq!((world.pairs(romeo)[0].contents.len(), left_out(&world, romeo)), (2 - told, told));
    }
}

#[test]
fn of_more_encodings_than_a_content_may_have_the_last_is_left_out_and_told() {
    for (many, told) in [(64, 0), (65, 1)] {
        let encodings = (0..many).map(|id| PayloadType::new(id, "opus", 48_000, 2)).collect();
        let (world, romeo) = published(vec![audio(encodings)]);
        assert_eq!(left_out(&world, romeo), told);
    }
}

#[test]
fn of_more_early_offers_than_are_held_in_all_the_last_is_refused() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let mut answers = Vec::new();
    for number in 0..=config::MAX_HELD {
        let stranger = world.puppet(&format!("stranger{number}"));
        let offer = offer(&world, &format!("s{number}"), usable(vec![opus()]));
        ask(&mut world, stranger, romeo, "1", &offer);
        world.run_for(Duration::from_millis(100));
        answers.push(answer(&world.inbox(stranger), "1"));
    }
    assert_eq!(answers[config::MAX_HELD - 1], Some(Ok(())));
    assert_eq!(answers[config::MAX_HELD], Some(Err("resource-constraint".to_owned())));
}

#[test]
fn strangers_who_invent_rooms_do_not_hide_the_calls_of_real_ones() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let says = |room: &str, nick: &str, code: &str| {
        format!(
            "<presence xmlns='jabber:client' from='{room}/{nick}'><muji xmlns='urn:xmpp:jingle:muji:0'><preparing/></muji>\
             <x xmlns='http://jabber.org/protocol/muc#user'><item jid='{nick}@x/1'/>{code}</x></presence>"
        )
    };
    for number in 0..=config::MAX_ROOMS {
        world.forge(romeo, &says(&format!("room{number}@strange.example"), "mallory", ""));
    }
    let room = world.room("kitchen");
    world.service.rooms.set(&room, Rules::default());
    world.enter_chat_room(romeo, "kitchen");
    let juliet = world.person("juliet");
    world.join(juliet, "kitchen");
    world.run_for(SECOND);
    assert_eq!(world.people_in_call(romeo, "kitchen"), ["juliet"]);
}
