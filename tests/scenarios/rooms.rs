//! Rooms of both kinds: one made for the call, and the chat room in which people sit.

use muji_core::error::{EndReason, Refused, RoomFault};
use muji_core::{Command, Event, Handled, Join, Secret, Warning, config};
use muji_harness::room::Rules;
use muji_harness::simulated_server::SimulatedServer;
use muji_harness::world::{PersonId, World};
use muji_xep::{Element, ns};

use crate::{SECOND, count, over, people, room_fault};

fn name(room: &jid::BareJid) -> String {
    room.node().expect("a room has a name").to_string()
}

/// The elements with which somebody described itself, presence by presence.
fn said(world: &World, who: PersonId) -> Vec<Vec<String>> {
    let presences = world.presences(who).into_iter();
    let words = |presence: &Element| {
        let children = presence.children().map(|child| child.name().to_owned());
        children.filter(|name| name != "priority").collect() // Which the library writes in every presence.
    };
    presences.map(|presence| words(&presence)).collect()
}

// Shows muc-cfg-01, muc-create-01, muc-create-03.
#[test]
fn a_room_made_for_a_call_has_a_name_that_nobody_guesses_and_lets_in_whom_we_admit() {
    let mut world = World::new(1);
    world.service =
        SimulatedServer::new("capulet.example", Rules { hides_jids: true, locks: true, ..Rules::default() });
    let [romeo, juliet, tybalt] = people(&mut world, ["romeo", "juliet", "tybalt"]);
    let room = world.open(romeo);
    assert_eq!(name(&room).len(), 32, "128 bits as hexadecimal digits");
    world.run_for(SECOND);
    world.admit(romeo, juliet);
    world.run_for(SECOND);
    for guest in [juliet, tybalt] {
        let nick = if guest == juliet { "juliet" } else { "tybalt" };
        world.join_how(guest, &name(&room), Join::call_room().nick(nick));
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(room_fault(&world, tybalt), Some(RoomFault::MembersOnly));
    let rules = world.service.rooms.rules(&room).expect("it is there").clone();
    assert!(!rules.hides_jids && !rules.persistent);
    world.leave(juliet);
    world.leave(romeo);
    world.run_for(SECOND);
    assert!(world.service.rooms.rules(&room).is_none(), "it is gone with the last one");
}

#[test]
fn a_service_that_has_no_rooms_for_members_only_makes_one_all_the_same() {
    let mut world = World::new(1);
    world.service =
        SimulatedServer::new("capulet.example", Rules { hides_jids: true, no_members_only: true, ..Rules::default() });
    let [romeo] = people(&mut world, ["romeo"]);
    let room = world.open(romeo);
    world.run_for(SECOND);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::Joined { .. })), 1);
    assert!(!world.service.rooms.rules(&room).expect("it is there").hides_jids);
}

// Shows muc-destroy-01, muc-destroy-02.
#[test]
fn who_made_the_room_may_end_the_call_for_everybody() {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    let room = world.open(romeo);
    world.run_for(SECOND);
    world.admit(romeo, juliet);
    world.run_for(SECOND);
    world.join_how(juliet, &name(&room), Join::call_room().nick("juliet"));
    world.run_for(SECOND);
    assert_eq!(world.try_command(juliet, Command::EndForAll), Err(Refused::NotOwner));
    world.command(romeo, Command::EndForAll);
    world.run_for(SECOND);
    assert!(matches!(room_fault(&world, juliet), Some(RoomFault::Destroyed(_))));
    assert_eq!(over(&world, romeo), Some(&EndReason::Left));
}

// Shows R-MUC-2.
#[test]
fn the_room_of_an_invitation_that_is_gone_is_not_made_again() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    world.join_how(romeo, "balcony", Join::call_room().nick("romeo").invited());
    world.run_for(SECOND);
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::CallIsOver));
    assert!(world.service.rooms.rules(&world.room("balcony")).is_none());
}

/// Romeo, Juliet and the nurse sit in a chat room.
fn chat(world: &mut World) -> [PersonId; 3] {
    let room = world.room("kitchen");
    world.service.rooms.set(&room, Rules::default());
    let people = people(world, ["romeo", "juliet", "nurse"]);
    people.into_iter().for_each(|who| world.enter_chat_room(who, "kitchen"));
    world.run_for(SECOND);
    people
}

/// The same, and Romeo and Juliet talk.
fn talking(world: &mut World) -> [PersonId; 3] {
    let people = chat(world);
    for who in &people[..2] {
        world.join_in_chat(*who, "kitchen");
        world.run_for(SECOND);
    }
    assert_eq!(world.deaf(&people[..2]), []);
    people
}

// Shows R-INV-3.
#[test]
fn a_call_inside_a_chat_room_is_seen_by_all_joined_by_some_and_left_without_leaving_the_room() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = talking(&mut world);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(world.people_in_call(nurse, "kitchen"), ["juliet", "romeo"]);
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Left));
    assert_eq!(world.people_in_call(nurse, "kitchen"), ["juliet"]);
    assert_eq!(world.service.rooms.occupants(&world.room("kitchen")).len(), 3);
    assert!(!world.hears(juliet, romeo));
    world.leave(juliet);
    world.run_for(SECOND);
    assert_eq!(world.people_in_call(nurse, "kitchen"), [""; 0]);
    let running = |event: &Event| matches!(event, Event::CallRunning { .. });
    assert_eq!(count(&world, nurse, running), 4, "one, two, one, nobody");
}

#[test]
fn what_comes_from_a_room_that_a_call_entered_is_the_call_s_and_from_a_chat_room_the_client_s_too() {
    let mut world = World::new(1);
    let [romeo, _, nurse] = talking(&mut world);
    world.join(nurse, "balcony");
    world.run_for(SECOND);
    let mut handled = |who, stanza: String| world.handle_forged(who, &stanza.parse().expect("it is XML"));
    let user = |inside: &str| format!("<x xmlns='http://jabber.org/protocol/muc#user'>{inside}</x>");
    let somebody = user("<item affiliation='none' role='participant'/>");
    for (who, room, whose) in [(nurse, "balcony", Handled::Taken), (romeo, "kitchen", Handled::Shared)] {
        let from = format!("xmlns='jabber:client' from='{room}@conference.capulet.example");
        assert_eq!(handled(who, format!("<presence {from}/paris'>{somebody}</presence>")), whose);
        let changed = user("<status code='104'/>");
        assert_eq!(handled(who, format!("<message {from}' type='groupchat'>{changed}</message>")), whose);
        let said = format!("<message {from}/paris' type='groupchat'><body>a</body></message>");
        assert_eq!(handled(who, said), Handled::NotOurs, "people say it, not the room");
    }
}

#[test]
fn what_the_client_says_in_its_presence_is_said_in_the_calls_too() {
    let mut world = World::new(1);
    let [romeo, ..] = chat(&mut world);
    let away = || -> Element { "<show xmlns='jabber:client'>away</show>".parse().expect("well-formed") };
    world.set_extras(romeo, vec![away()]);
    world.join_in_chat(romeo, "kitchen");
    world.run_for(SECOND);
    world.set_extras(romeo, Vec::new());
    world.run_for(SECOND);
    world.leave(romeo);
    world.run_for(SECOND);
    let expected: [&[&str]; 5] = [&["x"], &["muji", "show"], &["muji", "show"], &["muji"], &[]];
    assert_eq!(said(&world, romeo), expected);
}

#[test]
fn the_priority_that_a_client_says_is_the_only_one_in_its_presences() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    let said = |text: &str| -> Element { format!("<{text}").parse().expect("well-formed") };
    let extras = ["show xmlns='jabber:client'>dnd</show>", "priority xmlns='jabber:client'>5</priority>"];
    world.set_extras(romeo, extras.map(said).into());
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    let presence = &world.wire.iter().find(|sent| sent.stanza.name() == "presence").expect("it entered").stanza;
    let of =
        |name: &str| presence.children().filter(|child| child.name() == name).map(Element::text).collect::<Vec<_>>();
    assert_eq!((of("priority"), of("show")), (vec!["5".to_owned()], vec!["dnd".to_owned()]));
}

#[test]
fn a_client_that_overwrites_the_calls_part_of_its_presence_is_told_and_the_part_is_said_again() {
    let mut world = World::new(1);
    let [romeo, juliet, _] = talking(&mut world);
    world.say_in_chat_room(romeo, "kitchen", Vec::new());
    world.run_for(10 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    let told = |event: &Event| matches!(event, Event::Warning(Warning::PresenceOverwritten));
    assert_eq!(count(&world, romeo, told), 1);
}

#[test]
fn who_is_not_in_the_chat_room_cannot_take_part_in_its_call() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    let room = world.room("kitchen");
    assert_eq!(world.try_join(romeo, &room, Join::chat_room()), Err(Refused::NotInRoom));
}

#[test]
fn a_password_with_characters_that_xml_does_not_have_is_refused_before_anything_is_sent() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    let room = world.room("balcony");
    for letter in ["\u{1}", "\u{85}", "\u{fffe}", "\u{ffff}"] {
        let how = Join::call_room().password(Secret::new(letter));
        assert_eq!(world.try_join(romeo, &room, how), Err(Refused::BadPassword), "{letter:?}");
    }
    world.run_for(SECOND);
    assert_eq!(world.wire.len(), 0);
}

#[test]
fn who_leaves_the_chat_room_leaves_its_call() {
    let mut world = World::new(1);
    let [romeo, juliet, _] = talking(&mut world);
    world.leave_chat_room(romeo, "kitchen");
    world.run_for(SECOND);
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::Removed));
    assert!(!world.hears(juliet, romeo) && !world.hears(romeo, juliet));
}

#[test]
fn a_chat_room_that_loses_its_people_has_the_call_again_when_they_are_back() {
    let mut world = World::new(1);
    let [romeo, juliet, _] = talking(&mut world);
    for who in [romeo, juliet] {
        world.cut(who);
    }
    world.service.rooms.forget_all();
    world.run_for(5 * SECOND);
    for who in [romeo, juliet] {
        world.rebind_same(who);
        world.run_for(SECOND);
        assert_eq!(world.deaf(&[romeo, juliet]), [], "sound goes on");
        world.enter_chat_room(who, "kitchen");
    }
    world.run_for(5 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::Joined { .. })), 2);
}

// Shows R-ECHO-1, muc-pres-05.
#[test]
fn of_a_room_that_does_not_repeat_ids_the_echo_is_known_by_what_it_says() {
    let mut world = World::new(1);
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules { drops_ids: true, ..Rules::default() });
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.join(romeo, "balcony");
    world.join(juliet, "balcony");
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

// Shows muc-nick-02.
#[test]
fn another_device_under_the_same_nick_is_named() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    let muji =
        format!("<muji xmlns='{}'><content xmlns='{}' creator='initiator' name='video'/></muji>", ns::MUJI, ns::JINGLE);
    let echo = format!(
        "<presence xmlns='jabber:client' from='{}/romeo'>{muji}<x xmlns='http://jabber.org/protocol/muc#user'>\
         <item jid='{}'/><status code='110'/></x></presence>",
        world.room("balcony"),
        world.jid(romeo)
    );
    world.forge(romeo, &echo);
    world.run_for(SECOND);
    assert_eq!(room_fault(&world, romeo), Some(RoomFault::SharedNick));
}

// Shows R-MUC-1.
#[test]
fn contents_that_the_room_refuses_once_are_said_again() {
    for (refusals, expected) in [(1, None), (2, Some(RoomFault::NickReserved))] {
        let mut world = World::new(1);
        let room = world.room("balcony");
        let [juliet, romeo] = people(&mut world, ["juliet", "romeo"]);
        world.service.rooms.set(&room, Rules::default());
        world.join(juliet, "balcony");
        world.run_for(SECOND);
        world.service.rooms.set(&room, Rules { refusals, ..Rules::default() });
        world.join(romeo, "balcony");
        world.run_for(5 * SECOND);
        assert_eq!(room_fault(&world, romeo), expected);
        assert_eq!(world.hears(juliet, romeo), expected.is_none());
        let occupants = world.service.rooms.occupants(&room).len();
        assert_eq!(occupants, if expected.is_none() { 2 } else { 1 }, "nobody stays preparing");
    }
}

// Shows muc-create-02.
#[test]
fn a_service_without_forms_makes_a_room_as_it_makes_them_and_it_is_used_if_it_shows_real_jids() {
    for (hides_jids, fault) in [(false, None), (true, Some(RoomFault::HidesRealJids))] {
        let mut world = World::new(1);
        world.service = SimulatedServer::new(
            "capulet.example",
            Rules { no_forms: true, locks: true, hides_jids, ..Rules::default() },
        );
        let [romeo] = people(&mut world, ["romeo"]);
        let room = world.open(romeo);
        world.run_for(SECOND);
        let instant = world.wire.iter().any(|sent| {
            let form =
                sent.stanza.get_child("query", ns::MUC_OWNER).and_then(|query| query.get_child("x", ns::DATA_FORMS));
            form.is_some_and(|form| form.attr("type") == Some("submit") && form.children().count() == 0)
        });
        assert!(instant);
        assert_eq!(room_fault(&world, romeo), fault);
        assert_eq!(world.service.rooms.rules(&room).is_some(), fault.is_none(), "what is of no use is given up");
    }
}

#[test]
fn a_service_that_refuses_our_form_is_asked_for_real_jids_alone() {
    let mut world = World::new(1);
    world.service =
        SimulatedServer::new("capulet.example", Rules { hides_jids: true, strict: true, ..Rules::default() });
    let [romeo] = people(&mut world, ["romeo"]);
    let room = world.open(romeo);
    world.run_for(SECOND);
    assert_eq!(room_fault(&world, romeo), None);
    assert!(!world.service.rooms.rules(&room).expect("it is there").hides_jids);
}

#[test]
fn who_enters_a_room_that_is_being_configured_comes_again_when_it_is() {
    let mut world = World::new(1);
    world.service = SimulatedServer::new("capulet.example", Rules { hides_jids: true, ..Rules::default() });
    let people = people(&mut world, ["romeo", "juliet", "nurse"]);
    people.into_iter().for_each(|who| world.join(who, "balcony"));
    world.run_for(10 * SECOND);
    assert_eq!(world.deaf(&people), []);
}

#[test]
fn who_is_forgotten_by_the_chat_room_of_its_call_enters_it_again() {
    let mut world = World::new(1);
    let [romeo, juliet, _] = talking(&mut world);
    let (room, jid) = (world.room("kitchen"), world.jid(romeo));
    world.service.rooms.forget(&room, &jid);
    world.run_for(config::SELF_PING + 5 * SECOND);
    assert_eq!(world.service.rooms.occupants(&room).len(), 3);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!(world.service.rooms.occupants(&room).len(), 3, "it leaves the call, not the room");
}
