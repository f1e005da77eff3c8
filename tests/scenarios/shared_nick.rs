//! Several sessions of an account under one nick of a chat room, of which the room shows the others only the first (Prosody).

use muji_core::{Event, Warning, config};
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

/// Juliet joins behind him. She cannot know which session of his nick is in the call before it calls her.
fn talk(world: &mut World, people: [PersonId; 2]) {
    for who in people {
        world.join_in_chat(who, "kitchen");
        world.run_for(2 * SECOND);
    }
    world.run_for(config::CALL_FALLBACK);
}

fn nick_shared(event: &Event) -> bool {
    matches!(event, Event::Warning(Warning::NickShared { shared, nick }) if shared == "romeo" && nick == "romeo (call)")
}

// Shows R-MUC-3.
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

// Shows R-MUC-3.
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

// Shows R-MUC-3.
#[test]
fn for_a_client_that_was_in_the_room_first_nothing_changes() {
    let (mut world, [chat, _, juliet]) = kitchen();
    talk(&mut world, [chat, juliet]);
    assert_eq!(count(&world, chat, |event| matches!(event, Event::Warning(_))), 0);
    assert_eq!(world.deaf(&[chat, juliet]), []);
    assert_eq!(world.people_in_call(juliet, "kitchen"), ["romeo"]);
}

// Shows R-MUC-3.
#[test]
fn another_session_that_comes_under_the_nick_of_a_participant_costs_nobody_the_call() {
    let mut world = World::new(1);
    let room = world.room("kitchen");
    world.service.rooms.set(&room, Rules { shares_nicks: true, ..Rules::default() });
    let [romeo, late] = world.devices("romeo");
    let [juliet, nurse] = people(&mut world, ["juliet", "nurse"]);
    for who in [romeo, juliet] {
        world.enter_chat_room(who, "kitchen");
        world.run_for(SECOND);
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
    world.run_for(SECOND);
    world.join_in_chat(nurse, "kitchen");
    world.run_for(20 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
}

/// ejabberd names in our own presence the session that it shows.
// Shows R-MUC-3.
#[test]
fn a_room_that_shows_another_session_from_now_on_is_told_another_nick() {
    let (mut world, [chat, _, juliet]) = kitchen();
    talk(&mut world, [chat, juliet]);
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
    assert_eq!(world.people_in_call(juliet, "kitchen"), ["romeo (call)"]);
}

/// ejabberd repeats with a change of nick what was said before it, which was nothing of a call.
// Shows R-MUC-3.
#[test]
fn what_a_room_loses_with_a_change_of_nick_is_said_again() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let room = world.room("kitchen");
    world.service.rooms.set(&room, Rules { silent: true, ..Rules::default() });
    let self_presence = |nick: &str, jid: &str, id: &str| {
        let x = format!("<x xmlns='http://jabber.org/protocol/muc#user'><item jid='{jid}'/><status code='110'/></x>");
        format!("<presence xmlns='jabber:client' from='{room}/{nick}' id='{id}'>{x}</presence>")
    };
    world.forge(romeo, &self_presence("romeo", "romeo@montague.example/chat", "e1"));
    world.join_in_chat(romeo, "kitchen");
    let said = world.presences(romeo).len();
    let us = world.jid(romeo).to_string();
    for repeats in 1..=5 {
        world.forge(romeo, &self_presence("romeo (call)", &us, "e1"));
        assert_eq!(world.presences(romeo).len(), said + repeats.min(3), "and not for ever");
    }
    let last = world.presences(romeo).pop().expect("it said something");
    assert_eq!(last.attr("to"), Some(format!("{room}/romeo (call)").as_str()));
}
