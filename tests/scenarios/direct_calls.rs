//! A call with one person: what is done in it, with and without a word before, and how it ends.

use muji_core::error::{EndReason, Refused};
use muji_core::{Command, Event, Hold, Media, Mute, config};
use muji_harness::world::{PersonId, World};
use muji_xep::jingle::{Action, Jingle, Reason, ReasonElement};
use muji_xep::jmi::{MessageKind, MessageReason};
use muji_xep::ns;

use crate::puppet::{answer, answering, ask, direct_offer, opus, requests, usable};
use crate::ringing::{TICK, account, couple, heard, id_of, ringing, said, say};
use crate::{SECOND, count, over};

// Shows rtp-info-04.
#[test]
fn a_call_is_held_and_goes_on() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    world.command(romeo, Command::Hold(Hold::On));
    world.run_for(SECOND);
    assert_eq!((world.hears(romeo, phone), world.hears(phone, romeo)), (false, false));
    assert_eq!(world.published(romeo).len(), 0, "the microphone is let go");
    assert_eq!(count(&world, phone, |event| matches!(event, Event::PeerHeld(_))), 1);
    world.command(romeo, Command::Hold(Hold::Off));
    world.run_for(SECOND);
    assert!(world.hears(romeo, phone) && world.hears(phone, romeo));
    assert_eq!(count(&world, phone, |event| matches!(event, Event::PeerUnheld(_))), 1);
}

#[test]
fn what_was_muted_before_the_call_began_is_not_captured_and_the_other_is_told() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.mute(romeo, Mute::On);
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    assert!(world.hears(romeo, phone) && !world.hears(phone, romeo));
    assert_eq!(world.published(romeo).len(), 0);
    assert_eq!(count(&world, phone, |event| matches!(event, Event::PeerMuted(..))), 1);
    world.mute(romeo, Mute::Off);
    world.run_for(SECOND);
    assert!(world.hears(phone, romeo));
}

#[test]
fn a_call_that_began_with_sound_gets_pictures() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    world.command(romeo, Command::Add(Media::Video));
    world.run_for(2 * SECOND);
    let both = ["audio", "video"].map(str::to_owned).into_iter().collect();
    assert_eq!(world.receives(phone, romeo), both);
    assert_eq!(world.receives(romeo, phone).len(), 1, "her camera stays off");
    world.command(phone, Command::Add(Media::Video));
    world.run_for(2 * SECOND);
    assert_eq!(world.receives(romeo, phone).len(), 2);
    world.command(romeo, Command::Remove(Media::Video));
    world.run_for(2 * SECOND);
    assert_eq!(world.receives(phone, romeo).len(), 1);
    assert_eq!(world.try_command(romeo, Command::Remove(Media::Audio)), Err(Refused::OnlyContent));
}

#[test]
fn who_picks_up_a_video_call_without_a_camera_sees_and_is_not_seen() {
    let (mut world, romeo, [phone, ..]) = couple();
    let hers = account(&world, phone);
    world.try_ring(romeo, hers, vec![Media::Audio, Media::Video]).expect("it can be tried");
    world.run_for(SECOND);
    let from = world.jid(romeo);
    assert!(world.events(phone).contains(&Event::Ringing { from, media: vec![Media::Audio, Media::Video] }));
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    assert_eq!((world.receives(phone, romeo).len(), world.receives(romeo, phone).len()), (2, 1));
    assert_eq!(world.published(phone), ["audio"]);
}

// Shows rtp-info-06, rtp-info-08.
#[test]
fn a_full_jid_is_called_without_a_word_before_and_rings() {
    let (mut world, romeo, [phone, laptop, _]) = couple();
    let device = world.jid(phone);
    world.ring(romeo, device.clone());
    world.run_for(SECOND);
    assert_eq!(said(&world, romeo), []);
    assert_eq!(count(&world, phone, |event| matches!(event, Event::Ringing { .. })), 1);
    assert_eq!((world.events(laptop).len(), world.sessions(phone)), (0, 0));
    assert!(world.events(romeo).contains(&Event::DeviceRings(device)));
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    assert!(world.hears(romeo, phone) && world.hears(phone, romeo));
    world.leave(phone);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::HungUp));
    assert_eq!((said(&world, romeo), said(&world, phone)), (Vec::new(), Vec::new()), "nobody speaks of it in messages");
}

#[test]
fn an_offer_without_a_word_before_is_declined() {
    let (mut world, romeo, [phone, ..]) = couple();
    let device = world.jid(phone);
    world.ring(romeo, device.clone());
    world.run_for(SECOND);
    world.command(phone, Command::Decline);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Declined(device)));
    assert_eq!(over(&world, phone), Some(&EndReason::DeclinedHere));
}

#[test]
fn a_call_outlives_its_connection_for_a_minute_and_goes_on_under_the_same_jid() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    world.cut(romeo);
    world.run_for(30 * SECOND);
    assert!(world.hears(phone, romeo));
    world.rebind_same(romeo);
    world.run_for(SECOND);
    assert!(world.hears(phone, romeo));
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!(over(&world, phone), Some(&EndReason::HungUp));
}

#[test]
fn a_connection_that_does_not_come_back_ends_the_call() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.run_for(SECOND);
    world.cut(romeo);
    world.run_for(61 * SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Disconnected));
    assert_eq!((world.sessions(romeo), world.published(romeo).len()), (0, 0));
}

/// The key of a session is who and which.
#[test]
fn a_call_with_somebody_who_is_in_a_room_with_us_is_apart_from_the_room_s() {
    let mut world = World::new(1);
    let [romeo, juliet] = crate::in_call(&mut world, ["romeo", "juliet"]);
    let hers = account(&world, juliet);
    world.ring(romeo, hers);
    world.run_for(SECOND);
    world.pick_up(juliet);
    world.run_for(2 * SECOND);
    assert_eq!((world.sessions(romeo), world.sessions(juliet)), (2, 2));
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!((world.sessions(romeo), world.sessions(juliet)), (1, 1));
    assert!(world.hears(romeo, juliet) && world.hears(juliet, romeo), "in the room they go on");
}

#[test]
fn a_reason_of_the_other_s_is_told() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let juliet = world.puppet("juliet");
    let (hers, to) = (account(&world, juliet), world.jid(romeo));
    world.ring(romeo, hers);
    world.run_for(SECOND);
    let id = id_of(&world, romeo);
    say(&mut world, juliet, to.clone(), &id, MessageKind::Ringing);
    let why = ReasonElement { text: Some("at supper".to_owned()), ..Reason::Busy.into() };
    say(&mut world, juliet, to, &id, MessageKind::Reject(MessageReason { why: Some(why), ..MessageReason::default() }));
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Busy(world.jid(juliet))));
    assert_eq!(heard(&mut world, juliet).len(), 1, "the proposal and no more");
}

/// A puppet that Romeo calls without a word before, and what it was offered.
fn called_directly() -> (World, PersonId, PersonId, String) {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let juliet = world.puppet("juliet");
    world.befriend_all();
    let device = world.jid(juliet);
    world.ring(romeo, device);
    world.run_for(SECOND);
    let (_, offer) = requests(&mut world, juliet).pop().expect("an offer");
    world.run_for(SECOND);
    (world, romeo, juliet, offer.sid)
}

fn reason_told(world: &mut World, puppet: PersonId) -> Option<Reason> {
    let ends = requests(world, puppet).into_iter().filter_map(|(_, jingle)| jingle.why).next();
    ends.map(|why| why.reason)
}

// Shows jingle-term-06.
#[test]
fn each_way_to_end_has_its_reason() {
    // The caller gives up.
    let (mut world, romeo, juliet, _) = called_directly();
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!(reason_told(&mut world, juliet), Some(Reason::Cancel));
    // The call has its end.
    let (mut world, romeo, juliet, sid) = called_directly();
    let mut accept = Jingle::new(Action::SessionAccept, &sid);
    accept.contents = vec![answering(vec![opus()])];
    ask(&mut world, juliet, romeo, "a1", &accept);
    world.run_for(SECOND);
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!(reason_told(&mut world, juliet), Some(Reason::Success));
    // The user does not want to talk.
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let juliet = world.puppet("juliet");
    world.befriend_all();
    ask(&mut world, juliet, romeo, "o1", &direct_offer("s1", usable(vec![opus()])));
    world.run_for(SECOND);
    world.command(romeo, Command::Decline);
    world.run_for(SECOND);
    assert_eq!(reason_told(&mut world, juliet), Some(Reason::Decline));
}

/// The server says that Juliet's device is there, or that it is not.
fn presence(world: &mut World, juliet: PersonId, romeo: PersonId, type_: &str) {
    let (from, to) = (world.jid(juliet), world.jid(romeo));
    world.forge(romeo, &format!("<presence xmlns='jabber:client' from='{from}' to='{to}'{type_}/>"));
}

// Shows jingle-term-05, jingle-term-10.
#[test]
fn a_device_that_is_unavailable_and_of_which_nothing_is_heard_is_gone_after_ten_seconds() {
    let (mut world, romeo, juliet, _) = called_directly();
    presence(&mut world, juliet, romeo, " type='unavailable'");
    world.run_for(config::UNAVAILABLE - TICK);
    assert_eq!(over(&world, romeo), None);
    world.run_for(TICK);
    assert_eq!(over(&world, romeo), Some(&EndReason::Gone(world.jid(juliet))));
    world.run_for(SECOND);
    assert_eq!(reason_told(&mut world, juliet), Some(Reason::Gone));
}

// Shows jingle-term-05.
#[test]
fn a_device_that_lost_its_stream_and_is_heard_or_comes_back_is_not_gone() {
    let (mut world, romeo, juliet, _) = called_directly();
    presence(&mut world, juliet, romeo, " type='unavailable'");
    world.run_for(SECOND);
    presence(&mut world, juliet, romeo, "");
    world.run_for(config::UNAVAILABLE);
    assert_eq!(over(&world, romeo), None);

    let (mut world, romeo, [phone, laptop, _]) = ringing();
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    presence(&mut world, phone, romeo, " type='unavailable'");
    presence(&mut world, laptop, romeo, " type='unavailable'");
    world.run_for(2 * config::UNAVAILABLE);
    assert!(world.hears(romeo, phone) && over(&world, romeo).is_none());
}

// Shows jingle-accept-04, jingle-accept-03.
#[test]
fn all_that_follows_the_answer_goes_to_the_device_that_gave_it() {
    let (mut world, romeo, [phone, laptop, _]) = ringing();
    world.pick_up(laptop);
    world.run_for(2 * SECOND);
    world.mute(romeo, Mute::On);
    world.command(romeo, Command::Add(Media::Video));
    world.run_for(2 * SECOND);
    world.leave(romeo);
    world.run_for(SECOND);
    let of = |who: PersonId| world.wire.iter().filter(move |it| it.from == who).map(|it| &it.stanza);
    let requests = of(romeo).filter(|stanza| stanza.has_child("jingle", ns::JINGLE));
    let to: Vec<&str> = requests.filter_map(|stanza| stanza.attr("to")).collect();
    assert!(to.len() >= 4 && to.iter().all(|to| *to == world.jid(laptop).to_string()), "{to:?}");
    assert_eq!(world.asked(phone, "session-accept"), 0);
    let mut said = of(laptop).filter_map(|stanza| stanza.get_child("jingle", ns::JINGLE));
    let accept = said.find(|jingle| jingle.attr("action") == Some("session-accept"));
    assert_eq!(accept.and_then(|it| it.attr("responder")), Some(world.jid(laptop).to_string().as_str()));
}

// Shows jingle-state-03, jingle-init-03.
#[test]
fn a_session_is_known_by_its_id_and_its_peer_and_what_is_not_known_is_an_error() {
    let (mut world, romeo, juliet, sid) = called_directly();
    world.answer_disco(romeo, "https://example.org/client");
    let tybalt = world.puppet("tybalt");
    world.befriend_all();
    let mut info = Jingle::new(Action::TransportInfo, "another");
    ask(&mut world, juliet, romeo, "i1", &info);
    info.sid.clone_from(&sid);
    ask(&mut world, tybalt, romeo, "i2", &info);
    info.initiator = Some("somebody@else.example/1".to_owned());
    ask(&mut world, juliet, romeo, "i3", &info);
    let stranger = world.puppet("paris");
    ask(&mut world, stranger, romeo, "i4", &info);
    world.run_for(SECOND);
    let hers = world.inbox(juliet);
    assert_eq!(answer(&hers, "i1"), Some(Err("unknown-session".to_owned())));
    assert_eq!(answer(&hers, "i3"), Some(Ok(())), "whom it names as initiator does not count");
    assert_eq!(answer(&world.inbox(tybalt), "i2"), Some(Err("unknown-session".to_owned())));
    let his = world.inbox(stranger);
    assert_eq!(answer(&his, "i4"), Some(Err("service-unavailable".to_owned())), "as if nobody were there");
    assert_eq!(over(&world, romeo), None);
}

// Shows jingle-accept-05.
#[test]
fn what_the_answer_leaves_out_is_no_part_of_the_call() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let juliet = world.puppet("juliet");
    world.befriend_all();
    let device = world.jid(juliet);
    world.try_ring(romeo, device, vec![Media::Audio, Media::Video]).expect("it can be tried");
    world.run_for(SECOND);
    let (_, offer) = requests(&mut world, juliet).pop().expect("an offer");
    assert_eq!(offer.contents.len(), 2);
    let mut accept = Jingle::new(Action::SessionAccept, &offer.sid);
    accept.contents = vec![answering(vec![opus()])];
    ask(&mut world, juliet, romeo, "a1", &accept);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), None);
    assert!(world.flows(romeo, juliet, "audio").0 && world.flows(romeo, juliet, "video") == (false, false));
}

/// What Romeo captures, and what he was told of pictures that were not added.
fn pictures(world: &World, romeo: PersonId) -> (Vec<String>, Vec<String>) {
    let told = world.events(romeo).iter().filter_map(|event| match event {
        Event::NotAdded { media: Media::Video, why } => Some(why.to_string()),
        _ => None,
    });
    (world.published(romeo), told.collect())
}

#[test]
fn pictures_that_the_other_does_not_take_are_not_captured_and_can_be_added_again() {
    let (mut world, romeo, juliet, sid) = called_directly();
    let mut accept = Jingle::new(Action::SessionAccept, &sid);
    accept.contents = vec![answering(vec![opus()])];
    ask(&mut world, juliet, romeo, "a", &accept);
    world.run_for(SECOND);
    for time in 1..=2 {
        requests(&mut world, juliet);
        world.command(romeo, Command::Add(Media::Video));
        world.run_for(SECOND);
        assert_eq!(world.published(romeo), ["audio", "video"]);
        let (_, add) = requests(&mut world, juliet).pop().expect("they are offered");
        assert_eq!(add.action, Action::ContentAdd);
        let mut reject = Jingle::new(Action::ContentReject, &sid);
        reject.contents = add.contents;
        ask(&mut world, juliet, romeo, "r", &reject);
        world.run_for(SECOND);
        let told = vec!["the peer does not take it (decline)".to_owned(); time];
        assert_eq!(pictures(&world, romeo), (vec!["audio".to_owned()], told));
    }
    assert_eq!(over(&world, romeo), None);
}
