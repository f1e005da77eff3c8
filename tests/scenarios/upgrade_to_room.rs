//! A call with one person goes on in a room, so that others can come.

use jid::BareJid;
use muji_core::config::Config;
use muji_core::error::{EndReason, Refused, RoomFault};
use muji_core::{Command, Event, Invitation, Join, Media, Mute, PairState};
use muji_harness::person::usual;
use muji_harness::world::{Delays, PersonId, World};
use muji_media::transport::loopback;
use muji_xep::jmi::MessageKind;

use crate::ringing::{id_of, said};
use crate::{SECOND, count, over, people};

/// Romeo and Juliet talk; the nurse is at home.
fn couple() -> (World, [PersonId; 3]) {
    let mut world = World::with(1, Delays::default());
    let all @ [romeo, juliet, _] = people(&mut world, ["romeo", "juliet", "nurse"]);
    world.befriend_all();
    talk(&mut world, romeo, juliet);
    (world, all)
}

fn talk(world: &mut World, romeo: PersonId, juliet: PersonId) {
    let account = account(world, juliet);
    world.ring(romeo, account);
    world.run_for(SECOND);
    world.pick_up(juliet);
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

fn account(world: &World, who: PersonId) -> BareJid {
    world.jid(who).to_bare()
}

fn invitation(world: &World, who: PersonId) -> Invitation {
    let invited = world.events(who).iter().find_map(|event| match event {
        Event::Invited(invitation) => Some((**invitation).clone()),
        _ => None,
    });
    invited.expect("it is invited")
}

fn moved(event: &Event) -> bool {
    matches!(event, Event::GoesOnInRoom(_))
}

/// Romeo invites the nurse, and all come who are asked.
fn grown() -> (World, [PersonId; 3]) {
    let (mut world, all @ [romeo, juliet, nurse]) = couple();
    world.invite(romeo, nurse);
    world.run_for(2 * SECOND);
    for guest in [juliet, nurse] {
        let invitation = invitation(&world, guest);
        world.accept(guest, &invitation);
    }
    world.run_for(4 * SECOND);
    (world, all)
}

// Shows R-INIT-2.
#[test]
fn a_third_person_is_invited_and_the_two_keep_their_session() {
    let (mut world, all @ [romeo, juliet, _]) = couple();
    let before = [romeo, juliet].map(|who| (world.asked(who, "session-initiate"), world.client_call(who)));
    let nurse = all[2];
    world.invite(romeo, nurse);
    world.run_for(2 * SECOND);
    assert_eq!((count(&world, romeo, moved), count(&world, juliet, moved)), (1, 0), "she is asked");
    assert_eq!(world.deaf(&[romeo, juliet]), [], "they go on talking meanwhile");
    for guest in [juliet, nurse] {
        let invitation = invitation(&world, guest);
        world.accept(guest, &invitation);
    }
    world.run_for(4 * SECOND);
    assert_eq!(world.deaf(&all), []);
    let after = [romeo, juliet].map(|who| world.client_call(who));
    assert_eq!(after, [before[0].1, before[1].1], "the calls are the same for the clients");
    let offers: usize = all.iter().map(|who| world.asked(*who, "session-initiate")).sum();
    assert_eq!(offers, 3, "one for each pair, though two talked before");
    assert_eq!(all.map(|who| world.sessions(who)), [2, 2, 2]);
    let ends: usize = all.iter().map(|who| world.asked(*who, "session-terminate")).sum();
    assert_eq!(ends, 0);
}

/// Longest time without a packet between two who talk, while they move.
#[test]
fn sound_does_not_stop_while_the_call_moves() {
    let (mut world, [romeo, juliet, nurse]) = couple();
    world.invite(romeo, nurse);
    let mut asked = false;
    for step in 0..400 {
        world.run_for(SECOND / 50);
        if step == 60 {
            let invitation = invitation(&world, juliet);
            world.accept(juliet, &invitation);
            asked = true;
        }
        assert_eq!(world.deaf(&[romeo, juliet]), [], "after {step} times 20 ms");
    }
    assert!(asked && count(&world, juliet, |event| matches!(event, Event::Joined { .. })) == 1);
}

#[test]
fn who_is_not_in_the_room_yet_is_a_pair_all_the_same_and_comes_as_a_participant() {
    let (mut world, [romeo, juliet, nurse]) = couple();
    world.invite(romeo, nurse);
    world.run_for(2 * SECOND);
    let pairs = world.pairs(romeo);
    assert_eq!(pairs.len(), 1);
    assert_eq!((pairs[0].peer.nick.as_str(), &pairs[0].state), ("juliet@capulet.example", &PairState::Flowing));
    assert_eq!(pairs[0].contents, [("audio".to_owned(), Media::Audio)]);
    let invitation = invitation(&world, juliet);
    world.accept(juliet, &invitation);
    world.run_for(2 * SECOND);
    let pairs = world.pairs(romeo);
    assert_eq!(pairs.len(), 1);
    assert_eq!((pairs[0].peer.nick.as_str(), &pairs[0].state), ("juliet", &PairState::Flowing));
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerJoined(_))), 1);
}

/// A client that starts a session of its own when it comes, as one does that was asked by hand.
#[test]
fn who_comes_to_the_room_by_another_device_is_called_like_anybody() {
    let (mut world, [romeo, juliet, nurse]) = couple();
    let tablet = world.person("juliet");
    world.invite(romeo, nurse);
    world.run_for(2 * SECOND);
    let asked = invitation(&world, tablet);
    world.accept(tablet, &asked);
    world.run_for(3 * SECOND);
    assert_eq!(world.deaf(&[romeo, tablet]), []);
    assert_eq!(world.deaf(&[romeo, juliet]), [], "she goes on as she was");
    world.leave(juliet);
    world.run_for(SECOND);
    assert_eq!(world.pairs(romeo).len(), 1);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerLeft(_))), 1);
}

#[test]
fn what_was_muted_and_shown_stays_so() {
    let (mut world, [romeo, juliet, nurse]) = couple();
    world.mute(romeo, Mute::On);
    world.command(romeo, Command::Add(Media::Video));
    world.run_for(2 * SECOND);
    world.invite(romeo, nurse);
    world.run_for(2 * SECOND);
    for guest in [juliet, nurse] {
        let invitation = invitation(&world, guest);
        world.accept(guest, &invitation);
    }
    world.run_for(4 * SECOND);
    assert_eq!(world.published(romeo), ["video"]);
    assert_eq!(world.receives(juliet, romeo).into_iter().collect::<Vec<_>>(), ["video"]);
    world.mute(romeo, Mute::Off);
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
    assert!(world.receives(nurse, romeo).contains("audio"));
}

#[test]
fn one_who_hangs_up_before_coming_is_gone_and_the_others_go_on() {
    let (mut world, [romeo, juliet, nurse]) = couple();
    world.invite(romeo, nurse);
    world.run_for(2 * SECOND);
    let asked = invitation(&world, nurse);
    world.accept(nurse, &asked);
    world.run_for(2 * SECOND);
    world.leave(juliet);
    world.run_for(SECOND);
    assert_eq!(over(&world, juliet), Some(&EndReason::Left));
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerLeft(_))), 1);
    assert_eq!(world.deaf(&[romeo, nurse]), []);
}

#[test]
fn who_leaves_the_room_hangs_up_on_all() {
    let (mut world, [romeo, juliet, nurse]) = grown();
    world.leave(romeo);
    world.run_for(2 * SECOND);
    assert_eq!((world.sessions(romeo), world.published(romeo).len()), (0, 0));
    assert_eq!(world.deaf(&[juliet, nurse]), []);
}

// Shows jmi-finish-01.
#[test]
fn at_its_end_both_say_that_what_began_as_a_call_is_finished() {
    let (mut world, [romeo, juliet, nurse]) = grown();
    let id = id_of(&world, romeo);
    let finished = |world: &World, who: PersonId| {
        let finishes =
            said(world, who).into_iter().filter(|(_, message)| matches!(message.kind, MessageKind::Finish(_)));
        finishes.map(|(to, message)| (to, message.id)).collect::<Vec<_>>()
    };
    assert_eq!([romeo, juliet, nurse].map(|who| finished(&world, who)), [vec![], vec![], vec![]]);
    world.leave(romeo);
    world.run_for(2 * SECOND);
    assert_eq!(finished(&world, romeo), [(world.jid(juliet).to_string(), id.clone())]);
    assert_eq!(finished(&world, juliet), [(world.jid(romeo).to_string(), id)]);
    assert_eq!(finished(&world, nurse), []);
}

// ---- no room ---------------------------------------------------------------------------------------------------------

fn not_in_room(world: &World, who: PersonId) -> Vec<RoomFault> {
    let faults = world.events(who).iter().filter_map(|event| match event {
        Event::NotInRoom(fault) => Some(fault.clone()),
        _ => None,
    });
    faults.collect()
}

#[test]
fn without_a_room_the_call_goes_on_as_it_was() {
    let (mut world, [romeo, juliet, nurse]) = couple();
    world.set_room_service(romeo, "nowhere.capulet.example");
    let call = world.client_call(romeo);
    world.invite(romeo, nurse);
    world.run_for(30 * SECOND);
    assert_eq!(not_in_room(&world, romeo).len(), 1);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!((over(&world, romeo), world.client_call(romeo)), (None, call));
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!((over(&world, romeo), over(&world, juliet)), (Some(&EndReason::Left), Some(&EndReason::HungUp)));
}

#[test]
fn a_server_without_rooms_is_known_by_asking() {
    let mut world = World::new(1);
    world.service.has_rooms = false;
    let [romeo, juliet, nurse] = people(&mut world, ["romeo", "juliet", "nurse"]);
    world.befriend_all();
    talk(&mut world, romeo, juliet);
    world.invite(romeo, nurse);
    world.run_for(SECOND);
    assert_eq!(not_in_room(&world, romeo), [RoomFault::NoService]);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

#[test]
fn who_follows_into_a_room_that_is_gone_goes_on_talking() {
    let (mut world, [romeo, juliet, nurse]) = couple();
    world.invite(romeo, nurse);
    world.run_for(2 * SECOND);
    let mut asked = invitation(&world, juliet);
    asked.room = world.room("another");
    world.accept(juliet, &asked);
    world.run_for(20 * SECOND);
    assert_eq!(not_in_room(&world, juliet), [RoomFault::CallIsOver]);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

#[test]
fn nobody_is_invited_before_somebody_has_picked_up() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = people(&mut world, ["romeo", "juliet", "nurse"]);
    let (hers, guest) = (account(&world, juliet), account(&world, nurse));
    world.ring(romeo, hers);
    assert_eq!(world.try_command(romeo, Command::Invite(guest)), Err(Refused::NotTalking));
}

#[test]
fn who_is_named_is_seen_by_that_name_where_the_call_goes_on_and_the_second_of_that_name_by_another() {
    let mut world = World::new(1);
    let named = || Config { nick: Some("Romeo Montague".to_owned()), ..Config::default() };
    let [romeo, brother] = ["romeo", "brother"].map(|name| world.configured(name, usual(), loopback::maker(), named()));
    let juliet = world.person("juliet");
    world.befriend_all();
    talk(&mut world, romeo, juliet);
    world.invite(romeo, brother);
    world.run_for(2 * SECOND);
    for guest in [juliet, brother] {
        let asked = invitation(&world, guest);
        assert_eq!(world.try_accept(guest, &asked, Join::call_room()), Ok(()));
    }
    world.run_for(4 * SECOND);
    assert_eq!(world.deaf(&[romeo, brother, juliet]), []);
    let mut seen: Vec<String> = world.pairs(juliet).into_iter().map(|pair| pair.peer.nick).collect();
    seen.sort();
    assert_eq!(seen, ["Romeo Montague", "Romeo Montague (call)"]);
}

// ---- following -------------------------------------------------------------------------------------------------------

#[test]
fn following_without_being_asked_is_for_those_who_want_it() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let follows = Config { follow: true, ..Config::default() };
    let juliet = world.configured("juliet", usual(), loopback::maker(), follows);
    let nurse = world.person("nurse");
    world.befriend_all();
    talk(&mut world, romeo, juliet);
    let stranger = world.person("tybalt");
    world.open(stranger);
    world.run_for(SECOND);
    world.invite(stranger, juliet);
    world.run_for(2 * SECOND);
    assert_eq!(count(&world, juliet, moved), 0, "only the one she talks with is followed");
    world.invite(romeo, nurse);
    world.run_for(3 * SECOND);
    assert_eq!(count(&world, juliet, moved), 1);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(count(&world, juliet, |event| matches!(event, Event::Joined { .. })), 1);
}

#[test]
fn a_nick_that_no_room_takes_is_refused_and_the_call_goes_on() {
    let (mut world, [romeo, juliet, nurse]) = couple();
    world.invite(romeo, nurse);
    world.run_for(2 * SECOND);
    let asked = invitation(&world, juliet);
    assert_eq!(world.try_accept(juliet, &asked, Join::call_room().nick("")), Err(Refused::BadNick));
    world.run_for(SECOND);
    assert_eq!((count(&world, juliet, moved), world.deaf(&[romeo, juliet])), (0, Vec::new()));
}

/// A caller whom the other does not know shows itself for the call, and only for it.
#[test]
fn who_was_shown_for_a_call_is_hidden_again_when_it_ends_in_a_room() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = people(&mut world, ["romeo", "juliet", "nurse"]);
    talk(&mut world, romeo, juliet);
    world.invite(romeo, nurse);
    world.run_for(2 * SECOND);
    let asked = invitation(&world, juliet);
    world.accept(juliet, &asked);
    world.run_for(3 * SECOND);
    let directed = |world: &World| {
        let hers = account(world, juliet).to_string();
        let of = world.presences(romeo).into_iter().filter(|it| it.attr("to") == Some(hers.as_str()));
        of.map(|it| it.attr("type").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(directed(&world), [None]);
    world.leave(romeo);
    world.run_for(2 * SECOND);
    assert_eq!(directed(&world), [None, Some("unavailable".to_owned())]);
}
