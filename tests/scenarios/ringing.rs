//! Calling one person: every device rings until one answers, or nobody does.

use jid::BareJid;
use muji_core::error::{EndReason, Refused};
use muji_core::{Command, Event, Media, Warning};
use muji_harness::world::{PersonId, World};
use muji_jingle::timers;
use muji_xep::jingle::Reason;
use muji_xep::jmi::{JingleMessage, MessageKind, MessageReason};
use muji_xep::{Element, ns};
use xmpp_parsers::message::{Id, Message};
use xmpp_parsers::stanza::Stanza;

use crate::{SECOND, count, over};

pub(crate) const TICK: std::time::Duration = std::time::Duration::from_millis(1);

/// Romeo, and Juliet with three devices, who know each other.
pub(crate) fn couple() -> (World, PersonId, [PersonId; 3]) {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let juliet = world.devices("juliet");
    world.befriend_all();
    (world, romeo, juliet)
}

pub(crate) fn account(world: &World, who: PersonId) -> BareJid {
    world.jid(who).to_bare()
}

/// Romeo calls Juliet, and her devices ring.
pub(crate) fn ringing() -> (World, PersonId, [PersonId; 3]) {
    let (mut world, romeo, juliet) = couple();
    let account = account(&world, juliet[0]);
    world.ring(romeo, account);
    world.run_for(SECOND);
    (world, romeo, juliet)
}

/// The words somebody said about calls, with whom to.
pub(crate) fn said(world: &World, who: PersonId) -> Vec<(String, JingleMessage)> {
    let of = world.wire.iter().filter(|sent| sent.from == who && sent.stanza.name() == "message");
    let words = of.filter_map(|sent| {
        let payloads: Vec<Element> = sent.stanza.children().cloned().collect();
        let to = sent.stanza.attr("to")?.to_owned();
        Some((to, JingleMessage::find(&payloads)?))
    });
    words.collect()
}

pub(crate) fn words(world: &World, who: PersonId) -> Vec<MessageKind> {
    said(world, who).into_iter().map(|(_, message)| message.kind).collect()
}

/// The id of the last call that somebody placed.
pub(crate) fn id_of(world: &World, caller: PersonId) -> String {
    let said = said(world, caller);
    let proposed = said.iter().rev().find(|(_, message)| matches!(message.kind, MessageKind::Propose(_)));
    proposed.expect("it called").1.id.clone()
}

/// A puppet says something about a call.
pub(crate) fn say(world: &mut World, who: PersonId, to: impl Into<jid::Jid>, id: &str, word: MessageKind) {
    let mut message = Message::chat(to.into());
    message.id = Some(Id(format!("m-{id}")));
    message.payloads = JingleMessage::new(id, word).write();
    world.send(who, message);
}

/// The words a puppet was told.
pub(crate) fn heard(world: &mut World, who: PersonId) -> Vec<MessageKind> {
    let inbox = world.inbox(who);
    let messages = inbox.iter().filter_map(|stanza| match stanza {
        Stanza::Message(message) => JingleMessage::find(&message.payloads),
        Stanza::Iq(_) | Stanza::Presence(_) => None,
    });
    messages.map(|message| message.kind).collect()
}

pub(crate) fn busy() -> MessageKind {
    MessageKind::Reject(Reason::Busy.into())
}

// Shows jmi-ring-01, jmi-proceed-02, jmi-init-01.
#[test]
fn the_first_device_to_pick_up_takes_the_call_and_the_others_fall_silent() {
    let (mut world, romeo, [phone, laptop, tablet]) = ringing();
    let rings = |event: &Event| matches!(event, Event::Ringing { .. });
    assert_eq!([phone, laptop, tablet].map(|device| count(&world, device, rings)), [1, 1, 1]);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::DeviceRings(_))), 3);
    assert_eq!((world.sessions(romeo), world.sessions(laptop)), (0, 0), "nothing is opened while it rings");

    world.pick_up(laptop);
    world.run_for(2 * SECOND);
    assert!(world.hears(romeo, laptop) && world.hears(laptop, romeo));
    assert!(world.events(romeo).contains(&Event::PickedUp(world.jid(laptop))));
    let elsewhere = EndReason::Elsewhere(world.jid(laptop));
    assert_eq!([phone, tablet].map(|device| over(&world, device)), [Some(&elsewhere); 2]);
    assert_eq!([phone, tablet].map(|device| words(&world, device)), [[MessageKind::Ringing], [MessageKind::Ringing]]);
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
}

// Shows jmi-propose-03, jmi-proceed-01.
#[test]
fn the_proposal_is_for_all_devices_and_the_answers_for_the_one_that_calls() {
    let (mut world, romeo, [_, laptop, _]) = ringing();
    world.pick_up(laptop);
    world.run_for(SECOND);
    assert_eq!(said(&world, romeo)[0].0, "juliet@capulet.example");
    assert_eq!(words(&world, laptop), [MessageKind::Ringing, MessageKind::Proceed]);
    assert!(said(&world, laptop).iter().all(|(to, _)| *to == world.jid(romeo).to_string()));
}

// Shows jmi-propose-01, jmi-propose-02, jmi-propose-04.
#[test]
fn the_proposal_names_the_media_and_the_session_has_its_id() {
    let (mut world, romeo, [phone, ..]) = couple();
    let account = account(&world, phone);
    world.try_ring(romeo, account, vec![Media::Audio, Media::Video]).expect("it can be tried");
    world.run_for(SECOND);
    world.pick_up(phone);
    world.run_for(SECOND);
    let proposed = &said(&world, romeo)[0].1;
    assert_eq!(proposed.kind, MessageKind::Propose(vec![Media::Audio, Media::Video]));
    let offers = world.wire.iter().filter_map(|sent| sent.stanza.get_child("jingle", ns::JINGLE));
    let sids: Vec<&str> = offers.filter_map(|jingle| jingle.attr("sid")).collect();
    assert!(!sids.is_empty() && sids.iter().all(|sid| *sid == proposed.id));
    let first = proposed.id.clone();
    world.leave(romeo);
    world.run_for(SECOND);
    world.ring(romeo, world.jid(phone).to_bare());
    assert_ne!(id_of(&world, romeo), first);
}

// Shows jmi-gen-01, jmi-gen-03.
#[test]
fn all_that_is_said_of_a_call_is_chat_and_kept_by_archives() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.run_for(SECOND);
    world.leave(romeo);
    world.run_for(SECOND);
    let messages = world.wire.iter().filter(|sent| sent.stanza.name() == "message");
    let messages: Vec<&Element> = messages.map(|sent| &sent.stanza).collect();
    assert!(messages.len() >= 6);
    for message in messages {
        assert_eq!(message.attr("type"), Some("chat"));
        assert!(message.has_child("store", ns::HINTS));
        assert!(message.children().any(|word| word.ns() == "urn:xmpp:jingle-message:0"));
    }
}

// Shows jmi-finish-01, jmi-finish-02.
#[test]
fn at_the_end_both_say_that_it_is_finished() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.run_for(SECOND);
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!((over(&world, romeo), over(&world, phone)), (Some(&EndReason::Left), Some(&EndReason::HungUp)));
    let finish = MessageKind::Finish(Reason::Success.into());
    for (who, other) in [(romeo, phone), (phone, romeo)] {
        let finished: Vec<_> = said(&world, who).into_iter().filter(|(_, message)| message.kind == finish).collect();
        assert_eq!(finished.len(), 1);
        assert_eq!(finished[0].0, world.jid(other).to_string());
    }
    assert_eq!((world.sessions(romeo), world.published(romeo).len()), (0, 0));
    assert_eq!((world.sessions(phone), world.published(phone).len()), (0, 0));
}

#[test]
fn a_path_that_dies_is_told_as_such() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.run_for(SECOND);
    world.freeze(phone);
    world.lose_media(phone);
    world.run_for(SECOND);
    assert!(matches!(over(&world, romeo), Some(EndReason::Session(_))));
    assert_eq!(words(&world, romeo).last(), Some(&MessageKind::Finish(Reason::ConnectivityError.into())));
}

// Shows jmi-reject-01, jmi-sec-02.
#[test]
fn who_declines_silences_all_devices_and_tells_the_caller_no_more_than_busy() {
    let (mut world, romeo, [phone, laptop, tablet]) = ringing();
    world.command(phone, Command::Decline);
    world.run_for(SECOND);
    assert_eq!(over(&world, phone), Some(&EndReason::DeclinedHere));
    let there = EndReason::DeclinedElsewhere(world.jid(phone));
    assert_eq!([laptop, tablet].map(|device| over(&world, device)), [Some(&there); 2]);
    assert_eq!(over(&world, romeo), Some(&EndReason::Busy(world.jid(phone))));
    assert_eq!(words(&world, phone), [MessageKind::Ringing, busy()]);
    assert_eq!(said(&world, phone)[1].0, world.jid(romeo).to_string());
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
}

#[test]
fn another_reason_to_decline_is_told_apart() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let juliet = world.puppet("juliet");
    let (account, to) = (account(&world, juliet), world.jid(romeo));
    world.ring(romeo, account);
    world.run_for(SECOND);
    let id = id_of(&world, romeo);
    say(&mut world, juliet, to, &id, MessageKind::Reject(Reason::Decline.into()));
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Declined(world.jid(juliet))));
}

// Shows jmi-retract-01.
#[test]
fn a_caller_who_gives_up_is_heard_on_every_device() {
    let (mut world, romeo, devices) = ringing();
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Left));
    assert_eq!(devices.map(|device| over(&world, device)), [Some(&EndReason::Cancelled); 3]);
    let (to, message) = said(&world, romeo).pop().expect("it said so");
    assert_eq!((to.as_str(), message.kind), ("juliet@capulet.example", MessageKind::Retract(Reason::Cancel.into())));
}

// Shows jmi-retract-02.
#[test]
fn a_retract_without_a_reason_stops_the_ringing_too() {
    for because in [MessageReason::default(), Reason::Timeout.into()] {
        let mut world = World::new(1);
        let juliet = world.person("juliet");
        let romeo = world.puppet("romeo");
        world.befriend_all();
        let account = account(&world, juliet);
        say(&mut world, romeo, account.clone(), "c1", MessageKind::Propose(vec![Media::Audio]));
        world.run_for(SECOND);
        say(&mut world, romeo, account, "c1", MessageKind::Retract(because));
        world.run_for(SECOND);
        assert_eq!(over(&world, juliet), Some(&EndReason::Cancelled));
    }
}

#[test]
fn a_call_that_nobody_answers_ends_after_a_minute_and_the_devices_fall_silent() {
    let (mut world, romeo, devices) = couple();
    let account = account(&world, devices[0]);
    world.ring(romeo, account);
    world.run_for(timers::CALLING - TICK);
    assert_eq!(over(&world, romeo), None);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&EndReason::Unanswered));
    assert_eq!(devices.map(|device| over(&world, device)), [Some(&EndReason::Cancelled); 3]);
    assert_eq!(words(&world, romeo).pop(), Some(MessageKind::Retract(Reason::Expired.into())));
}

#[test]
fn a_caller_who_is_not_heard_of_any_more_does_not_ring_for_ever() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.freeze(romeo);
    world.run_for(timers::RINGING);
    assert_eq!(over(&world, phone), Some(&EndReason::Expired));
}

#[test]
fn a_call_that_the_server_cannot_deliver_says_so() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let to: BareJid = "nobody@verona.example".parse().expect("it is plain");
    world.ring(romeo, to.clone());
    let id = id_of(&world, romeo);
    let us = world.jid(romeo);
    let error = "<error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    let bounce =
        format!("<message xmlns='jabber:client' type='error' from='{to}' to='{us}' id='{id}'>{error}</message>");
    world.forge(romeo, &bounce);
    assert_eq!(over(&world, romeo), None, "of one device a server says the same");
    world.run_for(timers::UNDELIVERED);
    assert_eq!(over(&world, romeo), Some(&EndReason::Unreachable("remote-server-not-found".to_owned())));
    assert_eq!(words(&world, romeo).pop(), Some(MessageKind::Retract(Reason::Expired.into())), "nobody rings on");
}

/// Returns Romeo's proposal to him, as from this address.
fn return_proposal(world: &mut World, romeo: PersonId, from: &str) {
    let (id, us) = (id_of(world, romeo), world.jid(romeo));
    let error = "<error type='wait'><recipient-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    // Servers return what was said, too.
    let said = format!("<propose xmlns='urn:xmpp:jingle-message:0' id='{id}'/>");
    world.forge(
        romeo,
        &format!(
            "<message xmlns='jabber:client' type='error' from='{from}' to='{us}' id='{id}'>{said}{error}</message>"
        ),
    );
}

/// A phone in a tunnel: its server gives up its stream while the laptop rings (XEP-0198).
// Shows R-FORK-2.
#[test]
fn one_device_that_is_gone_does_not_end_a_call_that_rings_elsewhere() {
    let (mut world, romeo, [_, laptop, _]) = ringing();
    return_proposal(&mut world, romeo, "juliet@capulet.example");
    let returned = |event: &Event| matches!(event, Event::Warning(Warning::ProposalReturned { .. }));
    assert_eq!(count(&world, romeo, returned), 1);
    world.run_for(2 * timers::UNDELIVERED);
    assert_eq!(over(&world, romeo), None);
    world.pick_up(laptop);
    world.run_for(SECOND);
    assert!(world.hears(romeo, laptop) && world.hears(laptop, romeo));
    return_proposal(&mut world, romeo, "juliet@capulet.example");
    assert_eq!(count(&world, romeo, returned), 1, "now it does not matter any more");
}

// Shows R-FORK-2.
#[test]
fn an_error_that_is_faster_than_the_ringing_ends_nothing() {
    let (mut world, romeo, [phone, ..]) = couple();
    let account = account(&world, phone);
    world.ring(romeo, account);
    return_proposal(&mut world, romeo, "juliet@capulet.example");
    world.run_for(2 * timers::UNDELIVERED);
    assert_eq!(over(&world, romeo), None);
    world.pick_up(phone);
    world.run_for(SECOND);
    assert!(world.hears(romeo, phone));
}

/// A bot does not know such calls; the phone needs a push to wake.
#[test]
fn a_device_that_does_not_understand_the_call_speaks_for_itself_alone() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let phone = world.puppet("juliet");
    world.befriend_all();
    let (his, hers) = (world.jid(romeo), account(&world, phone));
    world.ring(romeo, hers);
    return_proposal(&mut world, romeo, "juliet@capulet.example/bot");
    world.run_for(4 * timers::UNDELIVERED);
    assert_eq!(over(&world, romeo), None);
    let id = id_of(&world, romeo);
    say(&mut world, phone, his, &id, MessageKind::Proceed);
    world.run_for(SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
}

#[test]
fn what_an_error_returns_was_not_said_by_who_returns_it() {
    let (mut world, _, [phone, ..]) = couple();
    let us = world.jid(phone);
    let propose = "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'><description xmlns='urn:xmpp:jingle:apps:rtp:1' \
                   media='audio'/></propose>";
    let error =
        format!("<message xmlns='jabber:client' type='error' from='romeo@montague.example/x'>{propose}</message>");
    let copy = format!(
        "<message xmlns='jabber:client' from='{}' to='{us}'><received xmlns='urn:xmpp:carbons:2'><forwarded \
         xmlns='urn:xmpp:forward:0'>{error}</forwarded></received></message>",
        us.to_bare()
    );
    world.forge(phone, &copy);
    assert_eq!(world.events(phone), []);
}

#[test]
fn what_cannot_be_tried_is_refused_and_nothing_is_sent() {
    let (mut world, romeo, [phone, ..]) = couple();
    let (own, other) = (account(&world, romeo), account(&world, phone));
    assert_eq!(world.try_ring(romeo, own, vec![Media::Audio]), Err(Refused::Oneself));
    assert_eq!(world.try_ring(romeo, other.clone(), vec![Media::Other("smell".to_owned())]), Err(Refused::NoCodec));
    assert_eq!(world.wire.len(), 0);
    world.ring(romeo, other.clone());
    assert_eq!(world.try_ring(romeo, other, vec![Media::Audio]), Err(Refused::AlreadyCalling));
    assert_eq!(world.try_command(romeo, Command::Accept(vec![Media::Audio])), Err(Refused::NotRinging));
    assert_eq!(world.try_command(romeo, Command::EndForAll), Err(Refused::NoRoom));
}
