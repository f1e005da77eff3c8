//! Several devices, or both people, decide at once: one call comes of it.

use muji_core::error::EndReason;
use muji_core::{Command, Event, Media};
use muji_harness::world::{PersonId, World};
use muji_jingle::timers;
use muji_xep::jingle::Reason;
use muji_xep::jmi::{MessageKind, MessageReason};

use crate::puppet::{answer, ask, direct_offer, opus, usable};
use crate::ringing::{account, id_of, ringing, said, say, words};
use crate::{SECOND, count, over, people};

// Shows R-FORK-1.
#[test]
fn of_two_devices_that_pick_up_at_once_the_caller_takes_the_first_and_tells_the_other() {
    let (mut world, romeo, [phone, laptop, tablet]) = ringing();
    world.pick_up(phone);
    world.pick_up(laptop);
    world.run_for(2 * SECOND);
    assert!(world.hears(romeo, phone) && !world.hears(romeo, laptop));
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
    let phone_has_it = EndReason::Elsewhere(world.jid(phone));
    assert_eq!(over(&world, laptop), Some(&phone_has_it));
    assert_eq!(over(&world, tablet), Some(&phone_has_it));
    let late: Vec<_> = said(&world, romeo).into_iter().filter(|(to, _)| *to == world.jid(laptop).to_string()).collect();
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].1.kind, MessageKind::Retract(Reason::Expired.into()));
    assert_eq!(over(&world, phone), None, "what the other was told does not concern this one");
}

#[test]
fn one_picks_up_as_another_declines_and_the_caller_takes_what_comes_first() {
    let (mut world, romeo, [phone, laptop, _]) = ringing();
    world.pick_up(phone);
    world.command(laptop, Command::Decline);
    world.run_for(2 * SECOND);
    assert!(world.hears(romeo, phone));
    let (mut world, romeo, [phone, laptop, _]) = ringing();
    world.command(laptop, Command::Decline);
    world.pick_up(phone);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Busy(world.jid(laptop))));
    assert_eq!(over(&world, phone), Some(&EndReason::DeclinedElsewhere(world.jid(laptop))));
    assert_eq!(world.sessions(phone), 0);
}

#[test]
fn a_device_that_picks_up_as_the_caller_gives_up_hears_of_it() {
    let (mut world, romeo, [phone, laptop, _]) = ringing();
    world.leave(romeo);
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    assert_eq!((world.asked(romeo, "session-initiate"), world.sessions(phone)), (0, 0));
    assert_eq!(over(&world, phone), Some(&EndReason::Cancelled));
    assert!(matches!(over(&world, laptop), Some(EndReason::Cancelled | EndReason::Elsewhere(_))));
}

#[test]
fn who_picks_up_and_changes_his_mind_says_so() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.leave(phone);
    world.run_for(2 * SECOND);
    assert_eq!((over(&world, phone), over(&world, romeo)), (Some(&EndReason::Left), Some(&EndReason::HungUp)));
    assert_eq!((world.sessions(romeo), world.sessions(phone)), (0, 0));
}

/// A caller that knows nothing of telling the late.
#[test]
fn without_a_word_from_the_caller_a_late_device_learns_from_its_sister() {
    let mut world = World::new(1);
    let [phone, laptop] = world.devices("juliet");
    let romeo = world.puppet("romeo");
    world.befriend_all();
    let account = account(&world, phone);
    say(&mut world, romeo, account, "c1", MessageKind::Propose(vec![Media::Audio]));
    world.run_for(SECOND);
    world.pick_up(phone);
    world.pick_up(laptop);
    world.run_for(timers::OFFER);
    world.run_for(SECOND);
    assert_eq!(over(&world, laptop), Some(&EndReason::Elsewhere(world.jid(phone))));
    assert_eq!(over(&world, phone), Some(&EndReason::Elsewhere(world.jid(laptop))), "neither got a session");
}

/// No server copies anything here, and nobody promised it.
// Shows carb-06.
#[test]
fn without_copies_the_caller_tells_who_is_late_and_nobody_rings_for_ever() {
    let mut world = World::new(1);
    world.service.makes_copies = false;
    let romeo = world.person("romeo");
    let [phone, laptop, tablet] = world.devices("juliet");
    world.befriend_all();
    let account = account(&world, phone);
    world.ring(romeo, account);
    world.run_for(SECOND);
    world.pick_up(laptop);
    world.run_for(SECOND);
    assert_eq!([phone, tablet].map(|device| over(&world, device)), [None, None], "nobody has told them");
    world.pick_up(phone);
    world.run_for(SECOND);
    assert_eq!(over(&world, phone), Some(&EndReason::Cancelled));
    world.run_for(timers::RINGING);
    assert_eq!(over(&world, tablet), Some(&EndReason::Expired));
    assert!(world.hears(romeo, laptop) && world.hears(laptop, romeo));
}

// Shows R-FORK-1.
#[test]
fn a_session_offered_for_a_call_that_another_device_took_is_a_conflict() {
    let mut world = World::new(1);
    let [phone, laptop] = world.devices("juliet");
    let romeo = world.puppet("romeo");
    world.befriend_all();
    let account = account(&world, phone);
    say(&mut world, romeo, account, "c1", MessageKind::Propose(vec![Media::Audio]));
    world.run_for(SECOND);
    world.pick_up(phone);
    world.run_for(SECOND);
    let offer = direct_offer("c1", usable(vec![opus()]));
    ask(&mut world, romeo, laptop, "1", &offer);
    world.run_for(SECOND);
    assert_eq!(answer(&world.inbox(romeo), "1"), Some(Err("conflict".to_owned())));
    assert_eq!(world.sessions(laptop), 0);
}

// Shows jmi-tie-03, jmi-tie-04, jmi-reject-02.
#[test]
fn two_who_call_each_other_at_once_talk_in_one_call() {
    for seed in 1..=8 {
        let mut world = World::new(seed);
        let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
        world.befriend_all();
        let (his, hers) = (account(&world, romeo), account(&world, juliet));
        world.ring(romeo, hers);
        world.ring(juliet, his);
        world.run_for(2 * SECOND);
        assert!(world.hears(romeo, juliet) && world.hears(juliet, romeo));
        let ids = [romeo, juliet].map(|who| id_of(&world, who));
        let [lower, higher] = if ids[0] < ids[1] { [romeo, juliet] } else { [juliet, romeo] };
        let tie_break = MessageReason::tie_break();
        assert!(words(&world, lower).contains(&MessageKind::Reject(tie_break.clone())));
        assert!(words(&world, higher).contains(&MessageKind::Retract(tie_break)));
        assert!(words(&world, higher).contains(&MessageKind::Proceed));
        assert_eq!(world.asked(lower, "session-initiate") + world.asked(higher, "session-initiate"), 1);
        let rang = |event: &Event| matches!(event, Event::Ringing { .. } | Event::Ended(_));
        assert_eq!((count(&world, romeo, rang), count(&world, juliet, rang)), (0, 0));
    }
}

/// Romeo's call and one of a puppet's with this id cross.
fn crossing(id: &str, names: [&str; 2]) -> (World, PersonId, Vec<MessageKind>) {
    let mut world = World::new(1);
    let us = world.person(names[0]);
    let other = world.puppet(names[1]);
    world.befriend_all();
    let (ours, theirs) = (account(&world, us), account(&world, other));
    world.ring(us, theirs);
    let same = id_of(&world, us);
    let id = if id.is_empty() { &same } else { id };
    say(&mut world, other, ours, id, MessageKind::Propose(vec![Media::Audio]));
    world.run_for(SECOND);
    let said = words(&world, us);
    (world, us, said)
}

// Shows jmi-tie-01, jmi-tie-02.
#[test]
fn the_lower_id_wins_by_its_octets_and_of_two_that_are_equal_the_lower_jid() {
    let gives_way = |said: &[MessageKind]| said.contains(&MessageKind::Proceed);
    assert!(gives_way(&crossing("!", ["romeo", "juliet"]).2));
    assert!(!gives_way(&crossing("z", ["romeo", "juliet"]).2));
    // A capital stands behind digits and before small letters.
    let (world, romeo, said) = crossing("Z", ["romeo", "juliet"]);
    assert_eq!(gives_way(&said), id_of(&world, romeo).as_str() > "Z");
    assert!(gives_way(&crossing("", ["romeo", "juliet"]).2), "juliet is lower than romeo");
    assert!(!gives_way(&crossing("", ["juliet", "romeo"]).2));
}

// Shows jmi-tie-05, jmi-tie-06, jmi-tie-07.
#[test]
fn a_peer_that_goes_on_on_another_device_is_followed() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let [phone, laptop] = world.devices("juliet");
    world.befriend_all();
    let (his, hers) = (account(&world, romeo), account(&world, phone));
    world.ring(romeo, hers);
    world.run_for(SECOND);
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    assert!(world.hears(romeo, phone));
    let before = words(&world, romeo).len();
    world.ring(laptop, his);
    world.run_for(2 * SECOND);
    assert!(world.hears(romeo, laptop) && world.hears(laptop, romeo));
    assert!(!world.hears(romeo, phone));
    let id = id_of(&world, laptop);
    let after = &words(&world, romeo)[before..];
    assert_eq!(after, [MessageKind::Finish(MessageReason::migrated(&id)), MessageKind::Proceed]);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::Ringing { .. } | Event::Ended(_))), 0);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerMoved(_))), 1);
    assert!(over(&world, phone).is_some());
}
