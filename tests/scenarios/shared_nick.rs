//! Several sessions of an account under one nick of a chat room, of which the room shows the others only the first (Prosody).

use muji_core::{Event, Warning};
use muji_harness::room::Rules;
use muji_harness::world::{PersonId, World};

use crate::{SECOND, count, over, people};

/// A chat room as Prosody has it: with Romeo's chat client, his call program beside it, and Juliet.
fn kitchen() -> (World, [PersonId; 3]) {
    let mut world = World::new(1);
    let room = world.room("kitchen");
    world.service.rooms.set(&room, Rules { shares_nicks: true, ..Rules::default() });
    let [chat, romeo] = world.devices("romeo");
    let [juliet] = people(&mut world, ["juliet"]);
    for who in [chat, romeo, juliet] {
        world.enter_chat_room(who, "kitchen");
        world.run_for(SECOND);
    }
    (world, [chat, romeo, juliet])
}

fn nick_shared(event: &Event) -> bool {
    matches!(event, Event::Warning(Warning::NickShared { shared, nick }) if shared == "romeo" && nick == "romeo (call)")
}

#[test]
fn a_call_beside_the_chat_client_goes_by_another_nick_and_is_seen() {
    for romeo_first in [true, false] {
        let (mut world, [chat, romeo, juliet]) = kitchen();
        let order = if romeo_first { [romeo, juliet] } else { [juliet, romeo] };
        for who in order {
            world.join_in_chat(who, "kitchen");
            world.run_for(2 * SECOND);
        }
        assert_eq!(count(&world, romeo, nick_shared), 1);
        assert_eq!(world.deaf(&[romeo, juliet]), []);
        assert_eq!(world.people_in_call(chat, "kitchen"), ["juliet", "romeo (call)"]);
        world.leave(romeo);
        world.run_for(SECOND);
        assert_eq!(world.people_in_call(chat, "kitchen"), ["juliet"]);
    }
}

#[test]
fn two_call_programs_beside_one_chat_client_have_a_nick_each() {
    let (mut world, [_, romeo, juliet]) = kitchen();
    let [other] = world.devices("romeo");
    world.enter_chat_room(other, "kitchen");
    world.run_for(SECOND);
    for who in [romeo, other, juliet] {
        world.join_in_chat(who, "kitchen");
        world.run_for(2 * SECOND);
    }
    assert_eq!(world.deaf(&[romeo, other, juliet]), []);
}

#[test]
fn for_a_client_that_was_in_the_room_first_nothing_changes() {
    let (mut world, [chat, _, juliet]) = kitchen();
    for who in [chat, juliet] {
        world.join_in_chat(who, "kitchen");
        world.run_for(2 * SECOND);
    }
    assert_eq!(count(&world, chat, |event| matches!(event, Event::Warning(_))), 0);
    assert_eq!(world.deaf(&[chat, juliet]), []);
    assert_eq!(world.people_in_call(juliet, "kitchen"), ["juliet", "romeo"]);
}

#[test]
fn another_session_that_comes_under_the_nick_of_a_participant_costs_nobody_the_call() {
    let mut world = World::new(1);
    let room = world.room("kitchen");
    world.service.rooms.set(&room, Rules { shares_nicks: true, ..Rules::default() });
    let [romeo, late] = world.devices("romeo");
    let [juliet, nurse] = people(&mut world, ["juliet", "nurse"]);
    for who in [romeo, juliet] {
        world.enter_chat_room(who, "kitchen");
        world.join_in_chat(who, "kitchen");
        world.run_for(2 * SECOND);
    }
    world.enter_chat_room(late, "kitchen");
    world.run_for(10 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    let left = |event: &Event| matches!(event, Event::PeerLeft(_) | Event::PeerFailed(..));
    assert_eq!((count(&world, juliet, left), count(&world, romeo, left), over(&world, romeo)), (0, 0, None));

    // One who comes now cannot know which of the two is in the call, and learns it by Romeo's offer.
    world.enter_chat_room(nurse, "kitchen");
    world.join_in_chat(nurse, "kitchen");
    world.run_for(20 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
}

/// ejabberd names in our own presence the session that it shows.
#[test]
fn a_room_that_shows_another_session_from_now_on_is_told_another_nick() {
    let (mut world, [chat, _, juliet]) = kitchen();
    for who in [chat, juliet] {
        world.join_in_chat(who, "kitchen");
        world.run_for(2 * SECOND);
    }
    let (room, us) = (world.room("kitchen"), world.jid(chat));
    let other = "romeo@montague.example/other";
    let item = format!("<item jid='{other}'/><status code='110'/>");
    world.forge(
        chat,
        &format!(
            "<presence xmlns='jabber:client' from='{room}/romeo' to='{us}'><x \
             xmlns='http://jabber.org/protocol/muc#user'>{item}</x></presence>"
        ),
    );
    world.run_for(6 * SECOND);
    assert_eq!(count(&world, chat, nick_shared), 1);
    assert_eq!(world.deaf(&[chat, juliet]), []);
    assert_eq!(world.people_in_call(juliet, "kitchen"), ["juliet", "romeo (call)"]);
}
