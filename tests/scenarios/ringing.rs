//! Calling one person: every device rings, the first to pick up takes the call, the others fall silent.

use jid::{BareJid, FullJid};
use muji_conformance::harness::world::{Who, World};
use muji_core::error::{Over, Refused};
use muji_core::{Command, Event, Hold, Media, Mute};
use muji_jingle::timers;
use muji_xep::jingle::{Action, Jingle, Reason, Why};
use muji_xep::jmi::{Because, JingleMessage, Word};
use muji_xep::{Element, ns};
use xmpp_parsers::message::{Id, Message};
use xmpp_parsers::stanza::Stanza;

use crate::puppet::{answer, answering, ask, direct_offer, opus, requests, usable};
use crate::{SECOND, count, over, people};

const TICK: std::time::Duration = std::time::Duration::from_millis(1);

/// Romeo, and Juliet with three devices, who know each other.
fn couple() -> (World, Who, [Who; 3]) {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let juliet = world.devices("juliet");
    world.befriend_all();
    (world, romeo, juliet)
}

fn account(world: &World, who: Who) -> BareJid {
    world.jid(who).to_bare()
}

/// Romeo calls Juliet, and her devices ring.
fn ringing() -> (World, Who, [Who; 3]) {
    let (mut world, romeo, juliet) = couple();
    let account = account(&world, juliet[0]);
    world.ring(romeo, account);
    world.run_for(SECOND);
    (world, romeo, juliet)
}

/// The words somebody said about calls, with whom to.
fn said(world: &World, who: Who) -> Vec<(String, JingleMessage)> {
    let of = world.wire.iter().filter(|passage| passage.from == who && passage.stanza.name() == "message");
    let words = of.filter_map(|passage| {
        let payloads: Vec<Element> = passage.stanza.children().cloned().collect();
        let to = passage.stanza.attr("to")?.to_owned();
        Some((to, JingleMessage::find(&payloads)?))
    });
    words.collect()
}

fn words(world: &World, who: Who) -> Vec<Word> {
    said(world, who).into_iter().map(|(_, message)| message.word).collect()
}

/// The id of the last call that somebody placed.
fn id_of(world: &World, caller: Who) -> String {
    let said = said(world, caller);
    let proposed = said.iter().rev().find(|(_, message)| matches!(message.word, Word::Propose(_)));
    proposed.expect("it called").1.id.clone()
}

/// A puppet says something about a call.
fn say(world: &mut World, who: Who, to: impl Into<jid::Jid>, id: &str, word: Word) {
    let mut message = Message::chat(to.into());
    message.id = Some(Id(format!("m-{id}")));
    message.payloads = JingleMessage { id: id.to_owned(), word }.write();
    world.send(who, message);
}

/// The words a puppet was told.
fn heard(world: &mut World, who: Who) -> Vec<Word> {
    let inbox = world.inbox(who);
    let messages = inbox.iter().filter_map(|stanza| match stanza {
        Stanza::Message(message) => JingleMessage::find(&message.payloads),
        Stanza::Iq(_) | Stanza::Presence(_) => None,
    });
    messages.map(|message| message.word).collect()
}

fn busy() -> Word {
    Word::Reject(Reason::Busy.into())
}

// ---- the usual course ------------------------------------------------------------------------------------------------

// Shows jmi-propose-01, jmi-propose-02, jmi-propose-03, jmi-propose-04, jmi-ring-01, jmi-proceed-01, jmi-proceed-02,
// jmi-init-01, jmi-gen-01, jmi-gen-03.
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
    let elsewhere = Over::Elsewhere(world.jid(laptop));
    assert_eq!([phone, tablet].map(|device| over(&world, device)), [Some(&elsewhere); 2]);

    let proposed = &said(&world, romeo)[0];
    assert_eq!(proposed.0, "juliet@capulet.example", "to every device");
    assert_eq!(proposed.1.word, Word::Propose(vec![Media::Audio]));
    assert_eq!(words(&world, laptop), [Word::Ringing, Word::Proceed]);
    assert!(said(&world, laptop).iter().all(|(to, _)| *to == world.jid(romeo).to_string()));
    assert_eq!([phone, tablet].map(|device| words(&world, device)), [[Word::Ringing], [Word::Ringing]]);
    let messages = world.wire.iter().filter(|passage| passage.stanza.name() == "message");
    for passage in messages {
        assert_eq!(passage.stanza.attr("type"), Some("chat"));
        assert!(passage.stanza.has_child("store", ns::HINTS));
    }
    let offers = world.wire.iter().filter_map(|passage| passage.stanza.get_child("jingle", ns::JINGLE));
    let sids: Vec<&str> = offers.filter_map(|jingle| jingle.attr("sid")).collect();
    assert!(!sids.is_empty() && sids.iter().all(|sid| *sid == proposed.1.id), "the session has the call's id");
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
}

// Shows jmi-finish-01, jmi-finish-02.
#[test]
fn at_the_end_both_say_that_it_is_finished() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.run_for(SECOND);
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!((over(&world, romeo), over(&world, phone)), (Some(&Over::Left), Some(&Over::HungUp)));
    let finish = Word::Finish(Reason::Success.into());
    for (who, other) in [(romeo, phone), (phone, romeo)] {
        let finished: Vec<_> = said(&world, who).into_iter().filter(|(_, message)| message.word == finish).collect();
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
    assert!(matches!(over(&world, romeo), Some(Over::Session(_))));
    assert_eq!(words(&world, romeo).last(), Some(&Word::Finish(Reason::ConnectivityError.into())));
}

// ---- no call ---------------------------------------------------------------------------------------------------------

// Shows jmi-reject-01, jmi-sec-02.
#[test]
fn who_declines_silences_all_devices_and_tells_the_caller_no_more_than_busy() {
    let (mut world, romeo, [phone, laptop, tablet]) = ringing();
    world.command(phone, Command::Decline);
    world.run_for(SECOND);
    assert_eq!(over(&world, phone), Some(&Over::Left));
    let there = Over::DeclinedElsewhere(world.jid(phone));
    assert_eq!([laptop, tablet].map(|device| over(&world, device)), [Some(&there); 2]);
    assert_eq!(over(&world, romeo), Some(&Over::Busy(world.jid(phone))));
    assert_eq!(words(&world, phone), [Word::Ringing, busy()]);
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
    say(&mut world, juliet, to, &id, Word::Reject(Reason::Decline.into()));
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&Over::Declined(world.jid(juliet))));
}

// Shows jmi-retract-01.
#[test]
fn a_caller_who_gives_up_is_heard_on_every_device() {
    let (mut world, romeo, devices) = ringing();
    world.leave(romeo);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&Over::Left));
    assert_eq!(devices.map(|device| over(&world, device)), [Some(&Over::Cancelled); 3]);
    let (to, message) = said(&world, romeo).pop().expect("it said so");
    assert_eq!((to.as_str(), message.word), ("juliet@capulet.example", Word::Retract(Reason::Cancel.into())));
}

// Shows jmi-retract-02.
#[test]
fn a_retract_without_a_reason_stops_the_ringing_too() {
    for because in [Because::default(), Reason::Timeout.into()] {
        let mut world = World::new(1);
        let juliet = world.person("juliet");
        let romeo = world.puppet("romeo");
        world.befriend_all();
        let account = account(&world, juliet);
        say(&mut world, romeo, account.clone(), "c1", Word::Propose(vec![Media::Audio]));
        world.run_for(SECOND);
        say(&mut world, romeo, account, "c1", Word::Retract(because));
        world.run_for(SECOND);
        assert_eq!(over(&world, juliet), Some(&Over::Cancelled));
    }
}

#[test]
fn a_call_that_nobody_answers_ends_after_a_minute_and_the_devices_fall_silent() {
    let (mut world, romeo, devices) = couple();
    let account = account(&world, devices[0]);
    world.ring(romeo, account);
    world.run_for(timers::RING - TICK);
    assert_eq!(over(&world, romeo), None);
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&Over::Unanswered));
    assert_eq!(devices.map(|device| over(&world, device)), [Some(&Over::Cancelled); 3]);
    assert_eq!(words(&world, romeo).pop(), Some(Word::Retract(Reason::Expired.into())));
}

#[test]
fn a_caller_who_is_not_heard_of_any_more_does_not_ring_for_ever() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.freeze(romeo);
    world.run_for(timers::RUNG);
    assert_eq!(over(&world, phone), Some(&Over::Expired));
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
    assert_eq!(over(&world, romeo), Some(&Over::Unreachable("remote-server-not-found".to_owned())));
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

// ---- races -----------------------------------------------------------------------------------------------------------

// Shows R-FORK-1.
#[test]
fn of_two_devices_that_pick_up_at_once_the_caller_takes_the_first_and_tells_the_other() {
    let (mut world, romeo, [phone, laptop, tablet]) = ringing();
    world.pick_up(phone);
    world.pick_up(laptop);
    world.run_for(2 * SECOND);
    assert!(world.hears(romeo, phone) && !world.hears(romeo, laptop));
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
    let phone_has_it = Over::Elsewhere(world.jid(phone));
    assert_eq!(over(&world, laptop), Some(&phone_has_it));
    assert_eq!(over(&world, tablet), Some(&phone_has_it));
    let late: Vec<_> = said(&world, romeo).into_iter().filter(|(to, _)| *to == world.jid(laptop).to_string()).collect();
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].1.word, Word::Retract(Reason::Expired.into()));
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
    assert_eq!(over(&world, romeo), Some(&Over::Busy(world.jid(laptop))));
    assert_eq!(over(&world, phone), Some(&Over::DeclinedElsewhere(world.jid(laptop))));
    assert_eq!(world.sessions(phone), 0);
}

#[test]
fn a_device_that_picks_up_as_the_caller_gives_up_hears_of_it() {
    let (mut world, romeo, [phone, laptop, _]) = ringing();
    world.leave(romeo);
    world.pick_up(phone);
    world.run_for(2 * SECOND);
    assert_eq!((world.asked(romeo, "session-initiate"), world.sessions(phone)), (0, 0));
    assert_eq!(over(&world, phone), Some(&Over::Cancelled));
    assert!(matches!(over(&world, laptop), Some(Over::Cancelled | Over::Elsewhere(_))));
}

#[test]
fn who_picks_up_and_changes_his_mind_says_so() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.leave(phone);
    world.run_for(2 * SECOND);
    assert_eq!((over(&world, phone), over(&world, romeo)), (Some(&Over::Left), Some(&Over::HungUp)));
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
    say(&mut world, romeo, account, "c1", Word::Propose(vec![Media::Audio]));
    world.run_for(SECOND);
    world.pick_up(phone);
    world.pick_up(laptop);
    world.run_for(timers::OFFER);
    world.run_for(SECOND);
    assert_eq!(over(&world, laptop), Some(&Over::Elsewhere(world.jid(phone))));
    assert_eq!(over(&world, phone), Some(&Over::Elsewhere(world.jid(laptop))), "neither got a session");
}

// Shows R-FORK-1.
#[test]
fn a_session_offered_for_a_call_that_another_device_took_is_a_conflict() {
    let mut world = World::new(1);
    let [phone, laptop] = world.devices("juliet");
    let romeo = world.puppet("romeo");
    world.befriend_all();
    let account = account(&world, phone);
    say(&mut world, romeo, account, "c1", Word::Propose(vec![Media::Audio]));
    world.run_for(SECOND);
    world.pick_up(phone);
    world.run_for(SECOND);
    let offer = direct_offer("c1", usable(vec![opus()]));
    ask(&mut world, romeo, laptop, "1", &offer);
    world.run_for(SECOND);
    assert_eq!(answer(&world.inbox(romeo), "1"), Some(Err("conflict".to_owned())));
    assert_eq!(world.sessions(laptop), 0);
}

// ---- both call -------------------------------------------------------------------------------------------------------

// Shows jmi-tie-01, jmi-tie-03, jmi-tie-04, jmi-reject-02.
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
        let tie_break = Because::tie_break();
        assert!(words(&world, lower).contains(&Word::Reject(tie_break.clone())));
        assert!(words(&world, higher).contains(&Word::Retract(tie_break)));
        assert!(words(&world, higher).contains(&Word::Proceed));
        assert_eq!(world.asked(lower, "session-initiate") + world.asked(higher, "session-initiate"), 1);
        let rang = |event: &Event| matches!(event, Event::Ringing { .. } | Event::Ended(_));
        assert_eq!((count(&world, romeo, rang), count(&world, juliet, rang)), (0, 0));
    }
}

/// Romeo's call and one of a puppet's with this id cross.
fn crossing(id: &str, names: [&str; 2]) -> (World, Who, Vec<Word>) {
    let mut world = World::new(1);
    let us = world.person(names[0]);
    let other = world.puppet(names[1]);
    world.befriend_all();
    let (ours, theirs) = (account(&world, us), account(&world, other));
    world.ring(us, theirs);
    let same = id_of(&world, us);
    let id = if id.is_empty() { &same } else { id };
    say(&mut world, other, ours, id, Word::Propose(vec![Media::Audio]));
    world.run_for(SECOND);
    let said = words(&world, us);
    (world, us, said)
}

// Shows jmi-tie-01, jmi-tie-02.
#[test]
fn the_lower_id_wins_by_its_octets_and_of_two_that_are_equal_the_lower_jid() {
    let gives_way = |said: &[Word]| said.contains(&Word::Proceed);
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
    assert_eq!(after, [Word::Finish(Because::migrated(&id)), Word::Proceed]);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::Ringing { .. } | Event::Ended(_))), 0);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerMoved(_))), 1);
    assert!(over(&world, phone).is_some());
}

// ---- consent ---------------------------------------------------------------------------------------------------------

// Shows jmi-sec-01, jmi-propose-05, jmi-proceed-04.
#[test]
fn a_stranger_hears_nothing_before_the_user_acts() {
    let mut world = World::new(1);
    let juliet = world.person("juliet");
    world.introduce(juliet, "https://example.org/client");
    let tybalt = world.puppet("tybalt");
    let account = account(&world, juliet);
    say(&mut world, tybalt, account, "c1", Word::Propose(vec![Media::Audio]));
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
    assert_eq!(words(&world, juliet), [Word::Proceed]);
    world.leave(juliet);
    world.run_for(SECOND);
    let shown = world.presences(juliet);
    assert_eq!(shown.last().and_then(|presence| presence.attr("type")), Some("unavailable"), "and taken back");
}

#[test]
fn few_strangers_wait_at_once_and_the_others_are_not_shown() {
    let mut world = World::new(1);
    let juliet = world.person("juliet");
    let account = account(&world, juliet);
    for name in ["a", "b", "c", "d"] {
        let stranger = world.puppet(name);
        say(&mut world, stranger, account.clone(), "c1", Word::Propose(vec![Media::Audio]));
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
    say(&mut world, romeo, account, "c1", Word::Propose(vec![Media::Audio]));
    world.run_for(SECOND);
    let to = world.jid(juliet);
    // Words that only the called may say, or that belong to other states.
    for word in [Word::Proceed, Word::Accept, Word::Ringing, busy()] {
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
    assert_eq!(words(&world, juliet), [Word::Ringing]);
    assert_eq!((world.sessions(juliet), world.published(juliet).len(), world.datagrams_to(romeo)), (0, 0, 0));
    assert_eq!(world.asked(juliet, "session-accept"), 0);
    assert_eq!(answer(&world.inbox(romeo), "a0"), Some(Err("out-of-order".to_owned())));
    assert_eq!(over(&world, juliet), None, "it goes on ringing");
}

// Shows carb-02.
#[test]
fn copies_count_only_from_ones_own_account() {
    let (mut world, romeo, [phone, laptop, _]) = ringing();
    let id = id_of(&world, romeo);
    let (us, sister) = (world.jid(phone), world.jid(laptop));
    let wrapped = |kind: &str, from: &str, inner_from: &FullJid, inner_to: &str, word: &Word| {
        let message = JingleMessage { id: id.clone(), word: word.clone() };
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
        let forged = wrapped("sent", from, &sister, caller.as_str(), &Word::Proceed);
        world.forge(phone, &forged);
        let cancel = Word::Retract(Reason::Cancel.into());
        let forged = wrapped("received", from, &caller, "juliet@capulet.example", &cancel);
        world.forge(phone, &forged);
    }
    // The right account, with the words of somebody else in its mouth.
    let forged = wrapped("sent", "juliet@capulet.example", &caller, caller.as_str(), &Word::Proceed);
    world.forge(phone, &forged);
    assert_eq!(over(&world, phone), None);
    let real = wrapped("sent", "juliet@capulet.example", &sister, caller.as_str(), &Word::Proceed);
    world.forge(phone, &real);
    assert_eq!(over(&world, phone), Some(&Over::Elsewhere(sister)));
}

// Shows carb-03, carb-04, jmi-gen-02, jmi-proceed-03.
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
    let message = JingleMessage { id: "c9".to_owned(), word: Word::Propose(vec![Media::Audio]) };
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
    say(&mut world, dino, hers, &id, Word::Accept);
    world.run_for(SECOND);
    assert_eq!(over(&world, phone), Some(&Over::Elsewhere(world.jid(dino))));
    let to = world.jid(romeo);
    say(&mut world, dino, to, &id, Word::Accept);
    world.run_for(SECOND);
    assert!(world.events(romeo).contains(&Event::PickedUp(world.jid(dino))));
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
}

// Shows R-INV-4.
#[test]
fn a_call_from_an_archive_does_not_ring_and_is_shown_as_missed() {
    let (mut world, romeo, [phone, ..]) = couple();
    let (from, to) = (world.jid(romeo), world.jid(phone));
    let message = JingleMessage { id: "c1".to_owned(), word: Word::Propose(vec![Media::Audio]) };
    let payloads: String = message.write().iter().map(String::from).collect();
    let late = format!(
        "<message xmlns='jabber:client' type='chat' from='{from}' to='{to}'>{payloads}\
         <delay xmlns='urn:xmpp:delay' stamp='2026-11-24T08:00:00Z'/></message>"
    );
    world.forge(phone, &late);
    assert_eq!(world.events(phone), [Event::Missed { from, media: vec![Media::Audio] }]);
    assert_eq!(world.wire.len(), 0);
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

// ---- in the call -----------------------------------------------------------------------------------------------------

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

// ---- without a word before -------------------------------------------------------------------------------------------

// Shows rtp-info-06.
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
    assert_eq!(over(&world, romeo), Some(&Over::HungUp));
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
    assert_eq!(over(&world, romeo), Some(&Over::Declined(device)));
    assert_eq!(over(&world, phone), Some(&Over::Left));
}

// ---- the connection --------------------------------------------------------------------------------------------------

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
    assert_eq!(over(&world, phone), Some(&Over::HungUp));
}

#[test]
fn a_connection_that_does_not_come_back_ends_the_call() {
    let (mut world, romeo, [phone, ..]) = ringing();
    world.pick_up(phone);
    world.run_for(SECOND);
    world.cut(romeo);
    world.run_for(61 * SECOND);
    assert_eq!(over(&world, romeo), Some(&Over::Disconnected));
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
    say(&mut world, juliet, to.clone(), &id, Word::Ringing);
    let why = Why { text: Some("at supper".to_owned()), ..Reason::Busy.into() };
    say(&mut world, juliet, to, &id, Word::Reject(Because { why: Some(why), ..Because::default() }));
    world.run_for(SECOND);
    assert_eq!(over(&world, romeo), Some(&Over::Busy(world.jid(juliet))));
    assert_eq!(heard(&mut world, juliet).len(), 1, "the proposal and no more");
}

/// A puppet that Romeo calls without a word before, and what it was offered.
fn called_directly() -> (World, Who, Who, String) {
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

fn reason_told(world: &mut World, puppet: Who) -> Option<Reason> {
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
    let of = |who: Who| world.wire.iter().filter(move |it| it.from == who).map(|it| &it.stanza);
    let requests = of(romeo).filter(|stanza| stanza.has_child("jingle", ns::JINGLE));
    let to: Vec<&str> = requests.filter_map(|stanza| stanza.attr("to")).collect();
    assert!(to.len() >= 4 && to.iter().all(|to| *to == world.jid(laptop).to_string()), "{to:?}");
    assert_eq!(world.asked(phone, "session-accept"), 0);
    let accept = of(laptop).filter_map(|stanza| stanza.get_child("jingle", ns::JINGLE));
    let accept = accept.filter(|jingle| jingle.attr("action") == Some("session-accept")).next();
    assert_eq!(accept.and_then(|it| it.attr("responder")), Some(world.jid(laptop).to_string().as_str()));
}

// Shows jingle-state-03, jingle-init-03.
#[test]
fn a_session_is_known_by_its_id_and_its_peer_and_what_is_not_known_is_an_error() {
    let (mut world, romeo, juliet, sid) = called_directly();
    world.introduce(romeo, "https://example.org/client");
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
