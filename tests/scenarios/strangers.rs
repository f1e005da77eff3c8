//! Before the user accepts nothing is said, opened or sent but that it rings, and to strangers not even that; and only our
//! own account tells what our other devices do.

use std::time::Duration;

use jid::{FullJid, Jid};
use muji_core::error::EndReason;
use muji_core::{Event, Media};
use muji_harness::world::{PersonId, World};
use muji_jingle::timers;
use muji_xep::jingle::{Action, Reason};
use muji_xep::jmi::{JingleMessage, MessageKind, MessageReason};
use muji_xep::{Element, ns};
use xmpp_parsers::message::Message;

use crate::puppet::{answer, ask, direct_offer, opus, usable};
use crate::ringing::{account, busy, couple, id_of, ringing, say, words};
use crate::{SECOND, count, over};

// Shows jmi-sec-01, jmi-propose-05, jmi-proceed-04.
#[test]
fn a_stranger_hears_nothing_before_the_user_acts() {
    let mut world = World::new(1);
    let juliet = world.person("juliet");
    world.answer_disco(juliet, "https://example.org/client");
    let tybalt = world.puppet("tybalt");
    let account = account(&world, juliet);
    say(&mut world, tybalt, account, "c1", MessageKind::Propose(vec![Media::Audio]));
    world.run_for(SECOND);
    let from = world.jid(tybalt);
    assert_eq!(world.events(juliet), [Event::Stranger { from: from.clone(), media: vec![Media::Audio] }]);
    assert_eq!((world.wire.iter().filter(|it| it.from == juliet).count(), world.sessions(juliet)), (0, 0));
    let asks = format!(
        "<iq xmlns='jabber:client' type='get' id='d' from='{from}' to='{}'><query xmlns='{}'/></iq>",
        world.jid(juliet),
        ns::DISCO_INFO
    );
    world.forge(juliet, &asks);
    assert_eq!(world.wire.iter().filter(|it| it.from == juliet).count(), 0, "nor who we are");

    world.pick_up(juliet);
    world.run_for(SECOND);
    let shown: Vec<Element> = world.presences(juliet);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].attr("to"), Some(from.to_string().as_str()));
    assert!(shown[0].has_child("c", ns::CAPS), "so that it knows what we can do");
    assert_eq!(words(&world, juliet), [MessageKind::Proceed]);
    world.leave(juliet);
    world.run_for(SECOND);
    let shown = world.presences(juliet);
    assert_eq!(shown.last().and_then(|presence| presence.attr("type")), Some("unavailable"), "and taken back");
}

#[test]
fn nobody_calls_from_behind_a_nick() {
    let mut world = World::new(1);
    let juliet = world.person("juliet");
    world.join(juliet, "balcony");
    world.run_for(SECOND);
    let (before, room, to) = (world.events(juliet).len(), world.room("balcony"), world.jid(juliet));
    let message = JingleMessage::new("c1", MessageKind::Propose(vec![Media::Audio]));
    let payloads: String = message.write().iter().map(String::from).collect();
    world.forge(
        juliet,
        &format!("<message xmlns='jabber:client' type='chat' from='{room}/tybalt' to='{to}'>{payloads}</message>"),
    );
    assert_eq!(world.events(juliet).len(), before);
}

#[test]
fn few_strangers_wait_at_once_and_the_others_are_not_shown() {
    let mut world = World::new(1);
    let juliet = world.person("juliet");
    let account = account(&world, juliet);
    for name in ["a", "b", "c", "d"] {
        let stranger = world.puppet(name);
        say(&mut world, stranger, account.clone(), "c1", MessageKind::Propose(vec![Media::Audio]));
    }
    world.run_for(SECOND);
    assert_eq!(count(&world, juliet, |event| matches!(event, Event::Stranger { .. })), 2);
    assert_eq!(world.wire.iter().filter(|it| it.from == juliet).count(), 0);
}

/// Somebody with whom one is in a call knows who one is.
#[test]
fn who_is_in_a_room_with_us_may_ring() {
    let mut world = World::new(1);
    let [romeo, juliet] = crate::in_call(&mut world, ["romeo", "juliet"]);
    let account = account(&world, juliet);
    let now_and_then = |event: &Event| matches!(event, Event::Ringing { .. });
    world.ring(romeo, account);
    world.run_for(SECOND);
    assert_eq!(count(&world, juliet, now_and_then), 1);
}

/// Project Zero's findings of 2019 and 2020: nothing that comes from outside is our consent.
#[test]
fn nothing_that_a_caller_does_makes_us_answer_open_or_send_anything_before_the_user_accepts() {
    let mut world = World::new(1);
    let juliet = world.person("juliet");
    let romeo = world.puppet("romeo");
    world.befriend_all();
    let account = account(&world, juliet);
    say(&mut world, romeo, account, "c1", MessageKind::Propose(vec![Media::Audio]));
    world.run_for(SECOND);
    let to = world.jid(juliet);
    // Words that only the called may say, or that belong to other states.
    for word in [MessageKind::Proceed, MessageKind::Accept, MessageKind::Ringing, busy()] {
        say(&mut world, romeo, to.clone(), "c1", word);
    }
    use Action::{ContentAdd, SessionAccept, SessionInfo, SessionInitiate, TransportInfo};
    let actions = [SessionInitiate, SessionAccept, TransportInfo, ContentAdd, SessionInfo];
    for (id, action) in actions.into_iter().enumerate() {
        let mut jingle = direct_offer("c1", usable(vec![opus()]));
        jingle.action = action;
        ask(&mut world, romeo, juliet, &format!("a{id}"), &jingle);
    }
    world.run_for(5 * SECOND);
    assert_eq!(words(&world, juliet), [MessageKind::Ringing]);
    assert_eq!((world.sessions(juliet), world.published(juliet).len(), world.datagrams_to(romeo)), (0, 0, 0));
    assert_eq!(world.asked(juliet, "session-accept"), 0);
    assert_eq!(answer(&world.inbox(romeo), "a0"), Some(Err("out-of-order".to_owned())));
    assert_eq!(over(&world, juliet), None, "it goes on ringing");
}

// Shows carb-02, carb-03.
#[test]
fn copies_count_only_from_ones_own_account() {
    let (mut world, romeo, [phone, laptop, _]) = ringing();
    let id = id_of(&world, romeo);
    let (us, sister) = (world.jid(phone), world.jid(laptop));
    let wrapped = |kind: &str, from: &str, inner_from: &FullJid, inner_to: &str, word: &MessageKind| {
        let message = JingleMessage::new(&id, word.clone());
        let payloads: String = message.write().iter().map(String::from).collect();
        format!(
            "<message xmlns='jabber:client' type='chat' from='{from}' to='{us}'><{kind} xmlns='{}'><forwarded \
             xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' from='{inner_from}' to='{inner_to}'>\
             {payloads}</message></forwarded></{kind}></message>",
            ns::CARBONS
        )
    };
    let caller = world.jid(romeo);
    for from in ["tybalt@capulet.example", "capulet.example", "juliet@capulet.example/2", "juliet@verona.example"] {
        let forged = wrapped("sent", from, &sister, caller.as_str(), &MessageKind::Proceed);
        world.forge(phone, &forged);
        let cancel = MessageKind::Retract(Reason::Cancel.into());
        let forged = wrapped("received", from, &caller, "juliet@capulet.example", &cancel);
        world.forge(phone, &forged);
    }
    // The right account, with the words of somebody else in its mouth.
    let forged = wrapped("sent", "juliet@capulet.example", &caller, caller.as_str(), &MessageKind::Proceed);
    world.forge(phone, &forged);
    assert_eq!(over(&world, phone), None);
    let real = wrapped("sent", "juliet@capulet.example", &sister, caller.as_str(), &MessageKind::Proceed);
    world.forge(phone, &real);
    assert_eq!(over(&world, phone), Some(&EndReason::Elsewhere(sister)));
}

// Shows carb-04, jmi-gen-02, jmi-proceed-03.
#[test]
fn a_copy_of_a_call_rings_as_the_call_and_one_of_our_own_does_nothing() {
    let (mut world, romeo, [phone, ..]) = couple();
    let his_tablet = world.person("romeo");
    world.befriend_all();
    let hers = account(&world, phone);
    world.ring(romeo, hers);
    world.run_for(SECOND);
    world.pick_up(phone);
    world.run_for(SECOND);
    assert_eq!(world.events(his_tablet), [], "a call of our own other device is its own");
    assert_eq!(words(&world, his_tablet), []);
    assert_eq!(world.asked(his_tablet, "session-initiate"), 0);

    let us = world.jid(his_tablet);
    let message = JingleMessage::new("c9", MessageKind::Propose(vec![Media::Audio]));
    let payloads: String = message.write().iter().map(String::from).collect();
    let copy = format!(
        "<message xmlns='jabber:client' type='chat' from='{0}' to='{us}'><received xmlns='{1}'><forwarded \
         xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' type='chat' from='juliet@capulet.example/2' to='{0}'>\
         {payloads}</message></forwarded></received></message>",
        us.to_bare(),
        ns::CARBONS
    );
    for _ in 0..2 {
        world.forge(his_tablet, &copy);
    }
    assert_eq!(count(&world, his_tablet, |event| matches!(event, Event::Ringing { .. })), 1, "once");
}

// Shows jmi-legacy-01.
#[test]
fn dino_s_accept_to_its_own_devices_stops_the_ringing_and_to_the_caller_it_is_a_proceed() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let phone = world.person("juliet");
    let dino = world.puppet("juliet");
    world.befriend_all();
    let hers = account(&world, phone);
    world.ring(romeo, hers.clone());
    world.run_for(SECOND);
    let id = id_of(&world, romeo);
    say(&mut world, dino, hers, &id, MessageKind::Accept);
    world.run_for(SECOND);
    assert_eq!(over(&world, phone), Some(&EndReason::Elsewhere(world.jid(dino))));
    let to = world.jid(romeo);
    say(&mut world, dino, to, &id, MessageKind::Accept);
    world.run_for(SECOND);
    assert!(world.events(romeo).contains(&Event::PickedUp(world.jid(dino))));
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
}

// Shows R-INV-4.
#[test]
fn a_call_from_an_archive_does_not_ring_and_is_shown_as_missed() {
    let (mut world, romeo, [phone, ..]) = couple();
    let (from, to) = (world.jid(romeo), world.jid(phone));
    let message = JingleMessage::new("c1", MessageKind::Propose(vec![Media::Audio]));
    let payloads: String = message.write().iter().map(String::from).collect();
    let late = format!(
        "<message xmlns='jabber:client' type='chat' from='{from}' to='{to}'>{payloads}\
         <delay xmlns='urn:xmpp:delay' stamp='2026-11-24T08:00:00Z'/></message>"
    );
    world.forge(phone, &late);
    assert_eq!(world.events(phone), [Event::Missed { from, media: vec![Media::Audio] }]);
    assert_eq!(world.wire.len(), 0);
}

/// What Juliet's phone finds in its archive: what Romeo said, or her laptop.
fn archived(world: &World, [from, to]: [PersonId; 2], word: MessageKind) -> Message {
    let mut message = Message::chat(Jid::from(world.jid(to).to_bare()));
    message.from = Some(world.jid(from).into());
    message.payloads = JingleMessage::new("c1", word).write();
    message
}

// Shows jmi-retract-03.
#[test]
fn a_call_found_in_the_archive_rings_for_the_rest_of_its_time_if_nothing_behind_it_ends_it() {
    let ago = Duration::from_secs;
    let calls = || MessageKind::Propose(vec![Media::Audio]);
    let (mut world, romeo, [phone, ..]) = couple();
    let propose = archived(&world, [romeo, phone], calls());
    world.catch_up(phone, &[(ago(20), propose)]);
    assert_eq!(world.events(phone), [Event::Ringing { from: world.jid(romeo), media: vec![Media::Audio] }]);
    world.run_for(timers::RINGING - ago(20) - SECOND);
    assert_eq!(over(&world, phone), None);
    world.run_for(2 * SECOND);
    assert_eq!(over(&world, phone), Some(&EndReason::Expired));
}

// Shows jmi-retract-03.
#[test]
fn a_call_in_the_archive_that_is_over_was_missed_unless_another_device_took_it() {
    let ago = Duration::from_secs;
    let calls = || MessageKind::Propose(vec![Media::Audio]);
    let missed = |world: &World, who: PersonId| vec![Event::Missed { from: world.jid(who), media: vec![Media::Audio] }];
    let because = || MessageReason::from(Reason::Cancel);
    for (age, word, by_device, is_missed) in [
        (180, None, false, true), // A minute, and what clocks may differ by.
        (20, Some(MessageKind::Retract(because())), false, true),
        (20, Some(MessageKind::Finish(because())), false, true),
        (20, Some(MessageKind::Proceed), true, false),
        (20, Some(MessageKind::Reject(because())), true, false),
        (20, Some(MessageKind::Accept), true, false),
    ] {
        let (mut world, romeo, [phone, laptop, _]) = couple();
        let mut found = vec![(ago(age), archived(&world, [romeo, phone], calls()))];
        let way = if by_device { [laptop, romeo] } else { [romeo, phone] };
        found.extend(word.clone().map(|word| (ago(age - 1), archived(&world, way, word))));
        world.catch_up(phone, &found);
        let expected = if is_missed { missed(&world, romeo) } else { Vec::new() };
        assert_eq!(world.events(phone), expected, "{word:?}");
    }
}

// Shows jmi-propose-01, jmi-propose-02, jmi-gen-03.
#[test]
fn a_proposal_without_id_or_media_or_in_another_namespace_is_none() {
    let (mut world, romeo, [phone, ..]) = couple();
    let (from, to) = (world.jid(romeo), world.jid(phone));
    let described = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>";
    for propose in [
        "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'/>".to_owned(),
        format!("<propose xmlns='urn:xmpp:jingle-message:0'>{described}</propose>"),
        format!("<propose xmlns='urn:xmpp:jingle-message:1' id='c1'>{described}</propose>"),
        format!("<propose xmlns='urn:xmpp:jingle:jingle-message:0' id='c1'>{described}</propose>"),
    ] {
        let message = format!("<message xmlns='jabber:client' type='chat' from='{from}' to='{to}'>{propose}</message>");
        world.forge(phone, &message);
    }
    assert_eq!(world.events(phone), []);
}
