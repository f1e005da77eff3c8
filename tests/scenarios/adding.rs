//! Contents that are added while the call runs, and taken out.

use std::collections::BTreeSet;
use std::time::Duration;

use muji_core::error::{AddFailure, Refused, RoomFault};
use muji_core::media::Capabilities;
use muji_core::{Command, Event, Join, Media, PairState, config};
use muji_harness::person::usual;
use muji_harness::stanza::jingle_action;
use muji_harness::world::{Delays, PersonId, World};
use muji_media::transport::loopback;
use muji_media::transport::str0m::{Dtls, Str0m};
use muji_xep::jingle::{Action, Content, Jingle, Senders};
use muji_xep::rtp::{Description, PayloadType};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::contents::{ids, published, video};
use crate::puppet::{answer, ask, audio, enter, entered, offer, opus, requests, transport, usable};
use crate::scripted::{AUDIO, PREPARING, entering, gone, refuse, repeat, said, tell};
use crate::{SECOND, count, in_call};

const VIDEO: &str = "<content xmlns='urn:xmpp:jingle:1' name='video'><description xmlns='urn:xmpp:jingle:apps:rtp:1' \
     media='video'><payload-type id='98' name='VP8' clockrate='90000'/></description></content>";

fn add(world: &mut World, who: PersonId) {
    world.command(who, Command::Add(Media::Video));
}

fn remove(world: &mut World, who: PersonId) {
    world.command(who, Command::Remove(Media::Video));
}

fn both() -> BTreeSet<String> {
    ["audio", "video"].map(str::to_owned).into()
}

/// Pairs of these in which one does not receive both sound and pictures of the other.
fn blind(world: &World, people: &[PersonId]) -> usize {
    let pairs = people.iter().flat_map(|a| people.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
    pairs.filter(|(a, b)| world.receives(*a, *b) != both()).count()
}

/// Romeo, whose contents are public, in a room that says only what the test lets it say.
fn active(world: &mut World) -> PersonId {
    let romeo = entering(world);
    repeat(world, romeo);
    repeat(world, romeo);
    romeo
}

fn not_added(world: &World, who: PersonId) -> Vec<AddFailure> {
    let faults = world.events(who).iter().filter_map(|event| match event {
        Event::NotAdded { why, .. } => Some(why.clone()),
        _ => None,
    });
    faults.collect()
}

// Shows muji-add-01, muji-add-04.
#[test]
fn adding_begins_with_preparing_beside_our_contents_and_ends_with_all_of_them() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let before = published(&world, romeo);
    add(&mut world, romeo);
    assert_eq!(said(&world, romeo), ["preparing", "content", "preparing content"]);
    assert_eq!(published(&world, romeo), before, "they are as they were");
    world.run_for(SECOND);
    assert_eq!(said(&world, romeo)[3..], ["content content"]);
    let now = published(&world, romeo);
    assert_eq!((&now[..1], ids(&now)), (&before[..], vec![111, 98]));
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    let changed = Event::ContentsChanged { contents: vec!["audio".to_owned(), "video".to_owned()] };
    assert!(world.events(romeo).contains(&changed));
    let told = |event: &Event| matches!(event, Event::PeerContents(_, contents) if contents.len() == 2);
    assert_eq!(count(&world, juliet, told), 1);
}

// Shows jcc-01.
#[test]
fn a_screen_goes_beside_pictures_to_those_who_take_part_in_screens_too() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    [romeo, juliet, nurse].into_iter().for_each(|who| add(&mut world, who));
    world.run_for(3 * SECOND);
    [romeo, juliet].into_iter().for_each(|who| world.command(who, Command::Add(Media::Slides)));
    world.run_for(3 * SECOND);
    assert_eq!(blind(&world, &[romeo, nurse]), 0);
    let with_screen: BTreeSet<String> = ["audio", "slides", "video"].map(str::to_owned).into();
    assert_eq!([world.receives(romeo, juliet), world.receives(juliet, romeo)], [with_screen.clone(), with_screen]);
    // Nobody is left without what both have, and the nurse is offered no screen.
    assert_eq!(world.receives(nurse, romeo), both());
    let added: Vec<&str> = world
        .events(juliet)
        .iter()
        .filter_map(|event| match event {
            Event::PeerContentAdded { media, .. } => Some(media.as_str()),
            _ => None,
        })
        .collect();
    assert!(added.contains(&"slides"), "{added:?}");
    world.command(romeo, Command::Remove(Media::Slides));
    world.run_for(3 * SECOND);
    assert_eq!(world.receives(juliet, romeo), both());
}

#[test]
fn what_was_offered_too_early_flows_both_ways_once_the_other_adds_it_too() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let juliet = world.person("juliet");
    world.join_how(juliet, "balcony", Join::call_room().nick("juliet").media([Media::Audio, Media::Video]));
    world.run_for(3 * SECOND);
    add(&mut world, romeo);
    world.run_for(10 * SECOND);
    assert_eq!(blind(&world, &[romeo, juliet]), 0);
}

// Shows muji-add-02.
#[test]
fn nothing_is_added_before_the_room_has_repeated_that_we_prepare() {
    let mut world = World::new(1);
    let romeo = active(&mut world);
    tell(&mut world, romeo, "juliet", Some(&format!("{AUDIO}{VIDEO}")));
    add(&mut world, romeo);
    world.run_for(3 * SECOND);
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("preparing content"));
    assert_eq!(world.asked(romeo, "content-add"), 0);
    repeat(&mut world, romeo);
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("content content"));
}

// Shows muji-add-03.
#[test]
fn one_who_prepared_before_is_waited_for_and_nobody_else() {
    let mut world = World::new(1);
    let romeo = active(&mut world);
    tell(&mut world, romeo, "juliet", Some(PREPARING));
    add(&mut world, romeo);
    repeat(&mut world, romeo);
    tell(&mut world, romeo, "nurse", Some(PREPARING));
    world.run_for(SECOND);
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("preparing content"));
    tell(&mut world, romeo, "juliet", Some(AUDIO));
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("content content"));
}

#[test]
fn somebody_stalled_delays_an_addition_only_so_long() {
    let mut world = World::new(1);
    let romeo = active(&mut world);
    tell(&mut world, romeo, "juliet", Some(PREPARING));
    add(&mut world, romeo);
    repeat(&mut world, romeo);
    world.run_for(config::PREPARING - Duration::from_millis(1));
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("preparing content"));
    world.run_for(Duration::from_millis(1));
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("content content"));
}

// Shows muji-add-05.
#[test]
fn a_content_is_added_to_the_sessions_with_those_who_share_it() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let people = ["tybalt", "nurse"].map(|name| world.puppet(name));
    for (puppet, contents) in
        people.into_iter().zip([vec![audio(vec![opus()]), video("video")], vec![audio(vec![opus()])]])
    {
        let name = if puppet == people[0] { "tybalt" } else { "nurse" };
        enter(&mut world, puppet, name, contents);
        take_part(&mut world, puppet, romeo, name);
    }
    add(&mut world, romeo);
    world.run_for(5 * SECOND);
    let added: [Vec<usize>; 2] = people.map(|puppet| {
        let asked = requests(&mut world, puppet).into_iter();
        asked
            .filter(|(_, jingle)| jingle.action == Action::ContentAdd)
            .map(|(_, jingle)| jingle.contents.len())
            .collect()
    });
    assert_eq!(added, [vec![1], vec![]], "one content to one of them");
}

/// A puppet calls somebody who takes it; the session has only sound.
fn take_part(world: &mut World, puppet: PersonId, with: PersonId, sid: &str) {
    let offer = offer(world, sid, usable(vec![opus()]));
    ask(world, puppet, with, "o", &offer);
    world.run_for(SECOND);
    let asked = requests(world, puppet);
    assert!(asked.iter().any(|(_, jingle)| jingle.action == Action::SessionAccept));
}

/// A puppet adds pictures to that session.
fn add_pictures(world: &mut World, puppet: PersonId, with: PersonId) {
    let sound = usable(vec![opus()]);
    let vp8 = Description::new(Media::Video, vec![PayloadType::new(98, "VP8", 90_000, 1)]);
    let mut added = Jingle::new(Action::ContentAdd, "s1");
    added.contents = vec![Content { description: Some(vp8), transport: sound.transport, ..Content::new("video") }];
    ask(world, puppet, with, "a", &added);
    world.run_for(SECOND);
}

// Shows R-ADD-2.
#[test]
fn of_two_who_have_it_the_one_who_published_it_later_adds_it() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    add(&mut world, romeo);
    world.run_for(2 * SECOND);
    assert_eq!(world.asked(romeo, "content-add"), 0, "nobody shares it yet");
    add(&mut world, juliet);
    world.run_for(20 * SECOND);
    assert_eq!((world.asked(romeo, "content-add"), world.asked(juliet, "content-add")), (0, 1));
    assert_eq!(blind(&world, &[romeo, juliet]), 0);
}

#[test]
fn all_who_add_at_the_same_time_see_each_other_by_one_addition_a_pair() {
    for (seed, detour) in [(1, 0), (2, 300), (3, 2_000), (4, 4_000)] {
        let delays = Delays { rooms: Duration::from_millis(detour), ..Delays::default() };
        let mut world = World::with(seed, delays);
        let people = ["romeo", "juliet", "nurse", "tybalt", "paris"].map(|name| world.person(name));
        for who in people {
            world.join(who, "balcony");
        }
        world.run_for(120 * SECOND);
        assert_eq!(world.deaf(&people), []);
        people.into_iter().for_each(|who| add(&mut world, who));
        world.run_for(120 * SECOND);
        assert_eq!(blind(&world, &people), 0, "seed {seed}");
        let added: usize = people.iter().map(|who| world.asked(*who, "content-add")).sum();
        let accepted: usize = people.iter().map(|who| world.asked(*who, "content-accept")).sum();
        assert_eq!((added, accepted), (10, 10), "seed {seed}");
    }
}

#[test]
fn a_newcomer_has_all_contents_of_one_who_is_adding_one_just_then() {
    for delay in [0, 20, 40, 60, 80, 100, 150] {
        let mut world = World::new(1);
        let [romeo] = in_call(&mut world, ["romeo"]);
        let juliet = world.person("juliet");
        add(&mut world, romeo);
        world.run_for(Duration::from_millis(delay));
        world.join_how(juliet, "balcony", Join::call_room().nick("juliet").media([Media::Audio, Media::Video]));
        world.run_for(15 * SECOND);
        assert_eq!(blind(&world, &[romeo, juliet]), 0, "{delay} ms later");
    }
}

#[test]
fn what_the_other_should_add_and_does_not_we_add_in_the_end() {
    let mut world = World::new(1);
    let romeo = world.person_without_media("romeo"); // Whose transports connect with anybody.
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    add(&mut world, romeo);
    world.run_for(SECOND);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    take_part(&mut world, tybalt, romeo, "s1");
    enter(&mut world, tybalt, "tybalt", vec![audio(vec![opus()]), video("video")]);
    world.run_for(config::CALL_FALLBACK - 2 * SECOND);
    assert_eq!(world.asked(romeo, "content-add"), 0);
    world.run_for(2 * SECOND);
    assert_eq!(world.asked(romeo, "content-add"), 1);
    world.run_for(120 * SECOND);
    assert_eq!(world.asked(romeo, "content-add"), 1, "and once only");
}

// Shows R-ADD-1.
#[test]
fn pictures_that_are_added_without_a_word_in_the_room_are_taken_and_nothing_of_ours_is_shown() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    take_part(&mut world, tybalt, romeo, "s1");
    add_pictures(&mut world, tybalt, romeo);
    let asked = requests(&mut world, tybalt);
    let accept = asked.iter().find(|(_, jingle)| jingle.action == Action::ContentAccept).expect("it is taken");
    assert_eq!(accept.1.contents[0].senders, Senders::Initiator);
    assert_eq!(world.published(romeo), ["audio"], "no camera");
    let told = |event: &Event| matches!(event, Event::PeerContentAdded { media: Media::Video, .. });
    assert_eq!(count(&world, romeo, told), 1);
}

#[test]
fn pictures_for_somebody_who_cannot_show_any_are_rejected() {
    let mut world = World::new(1);
    let can = Capabilities { video: Vec::new(), ..usual() };
    let romeo = world.client("romeo", can, loopback::maker());
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    take_part(&mut world, tybalt, romeo, "s1");
    let mut added = Jingle::new(Action::ContentAdd, "s1");
    added.contents = vec![Content { transport: Some(transport(None)), ..video("video") }];
    ask(&mut world, tybalt, romeo, "a", &added);
    world.run_for(SECOND);
    let inbox = world.inbox(tybalt);
    assert_eq!(answer(&inbox, "a"), Some(Ok(())));
    let rejects = world.wire.iter().filter(|sent| jingle_action(&sent.stanza) == Some("content-reject"));
    assert_eq!(rejects.count(), 1);
    assert_eq!(world.try_command(romeo, Command::Add(Media::Video)), Err(Refused::NoCodec));
}

// Shows muji-rem-01, muji-rem-02.
#[test]
fn removing_begins_with_the_presence_and_takes_it_out_of_each_session_that_has_it() {
    let mut world = World::new(1);
    let [romeo, juliet, nurse] = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    for who in [romeo, juliet] {
        add(&mut world, who);
        world.run_for(SECOND);
    }
    assert_eq!(blind(&world, &[romeo, juliet]), 0);
    let before = world.wire.len();
    remove(&mut world, romeo);
    world.run_for(SECOND);
    let said: Vec<String> = world.wire[before..]
        .iter()
        .filter(|sent| sent.from == romeo)
        .map(|sent| jingle_action(&sent.stanza).unwrap_or_else(|| sent.stanza.name()).to_owned())
        .collect();
    assert_eq!(said, ["presence", "content-remove"]);
    let removed = world.wire[before..].iter().find_map(|sent| sent.stanza.get_child("jingle", muji_xep::ns::JINGLE));
    let names: Vec<Option<&str>> =
        removed.expect("it was said").children().map(|content| content.attr("name")).collect();
    assert_eq!(names, [Some("video")]);
    assert_eq!(published(&world, romeo).len(), 1);
    assert_eq!(world.receives(juliet, romeo), ["audio".to_owned()].into());
    assert_eq!(world.published(romeo), ["audio"]);
    assert_eq!(world.deaf(&[romeo, juliet, nurse]), []);
    let told = |event: &Event| matches!(event, Event::PeerContentRemoved(..));
    assert_eq!((count(&world, juliet, told), count(&world, nurse, told)), (1, 0));
}

#[test]
fn a_content_comes_and_goes_as_often_as_the_user_likes() {
    let mut world = World::new(1);
    let people = in_call(&mut world, ["romeo", "juliet", "nurse"]);
    for who in &people[1..] {
        add(&mut world, *who);
        world.run_for(SECOND);
    }
    for _ in 0..5 {
        add(&mut world, people[0]);
        world.run_for(2 * SECOND);
        assert_eq!(blind(&world, &people), 0);
        remove(&mut world, people[0]);
        world.run_for(2 * SECOND);
        assert_eq!(blind(&world, &people), 4);
    }
}

#[test]
fn the_only_content_cannot_be_removed() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    assert_eq!(world.try_command(romeo, Command::Remove(Media::Audio)), Err(Refused::OnlyContent));
    assert_eq!(world.try_command(romeo, Command::Remove(Media::Video)), Ok(()), "it is not sent anyway");
    assert_eq!(said(&world, romeo).len(), 2);
}

#[test]
fn one_who_changes_his_mind_while_waiting_keeps_nobody_waiting() {
    let mut world = World::new(1);
    let romeo = active(&mut world);
    tell(&mut world, romeo, "juliet", Some(PREPARING));
    add(&mut world, romeo);
    repeat(&mut world, romeo);
    remove(&mut world, romeo);
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("content"));
    world.run_for(60 * SECOND);
    assert_eq!(world.published(romeo), ["audio"]);
}

#[test]
fn a_room_that_refuses_an_addition_leaves_all_as_it_was() {
    let mut world = World::new(1);
    let romeo = active(&mut world);
    add(&mut world, romeo);
    refuse(&mut world, romeo, "not-acceptable");
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("content"), "nobody is kept waiting");
    assert_eq!(not_added(&world, romeo), [AddFailure::Room(RoomFault::NickReserved)]);
    repeat(&mut world, romeo);
    add(&mut world, romeo);
    repeat(&mut world, romeo);
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("content content"));
    refuse(&mut world, romeo, "not-acceptable");
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("content"));
    assert_eq!((not_added(&world, romeo).len(), world.published(romeo)), (2, vec!["audio".to_owned()]));
}

#[test]
fn a_room_that_does_not_repeat_an_addition_is_asked_once_more_and_then_given_up() {
    let mut world = World::new(1);
    let romeo = active(&mut world);
    add(&mut world, romeo);
    world.run_for(config::ECHO);
    assert_eq!(said(&world, romeo)[2..], ["preparing content", "preparing content"]);
    world.run_for(config::ECHO);
    assert_eq!(not_added(&world, romeo), [AddFailure::Room(RoomFault::Silent)]);
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("content"));
}

#[test]
fn what_nobody_has_a_codec_in_common_for_is_not_added() {
    let mut world = World::new(1);
    let romeo = active(&mut world);
    tell(&mut world, romeo, "juliet", Some(&format!("{AUDIO}{}", VIDEO.replace("VP8", "theora"))));
    add(&mut world, romeo);
    repeat(&mut world, romeo);
    assert_eq!(not_added(&world, romeo), [AddFailure::Room(RoomFault::NoCommonCodec)]);
    assert_eq!(said(&world, romeo).last().map(String::as_str), Some("content"));
}

#[test]
fn what_nobody_had_a_codec_in_common_for_can_be_added_when_they_have_gone() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    add(&mut world, romeo);
    tell(&mut world, romeo, "juliet", Some(&format!("{AUDIO}{}", VIDEO.replace("VP8", "theora"))));
    repeat(&mut world, romeo);
    repeat(&mut world, romeo);
    assert_eq!(said(&world, romeo), ["preparing", "content"]);
    gone(&mut world, romeo, "juliet", "", &[]);
    add(&mut world, romeo);
    repeat(&mut world, romeo);
    assert_eq!(said(&world, romeo)[2..], ["preparing content", "content content"]);
    add(&mut world, romeo);
    repeat(&mut world, romeo);
    assert_eq!(said(&world, romeo).len(), 4, "it is there");
}

#[test]
fn what_is_wished_before_we_have_published_is_published_at_once() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    add(&mut world, romeo);
    repeat(&mut world, romeo);
    assert_eq!(said(&world, romeo), ["preparing", "content content"]);
    repeat(&mut world, romeo);
    assert_eq!(said(&world, romeo).len(), 2);
}

#[test]
fn what_is_wished_while_an_addition_is_on_its_way_follows_it() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    repeat(&mut world, romeo);
    add(&mut world, romeo); // Our contents are out and not repeated yet.
    assert_eq!(said(&world, romeo), ["preparing", "content"]);
    repeat(&mut world, romeo);
    assert_eq!(said(&world, romeo)[2..], ["preparing content"]);
}

#[test]
fn an_addition_outlives_a_lost_room_and_a_broken_stream() {
    let ways: [fn(&mut World, PersonId); 3] = [
        |world, who| world.rebind(who),
        |world, who| world.put_out(who, "balcony", &[307, 333]),
        |world, who| {
            world.run_for(30 * SECOND);
            world.resume(who);
        },
    ];
    for (index, way) in ways.into_iter().enumerate() {
        let mut world = World::new(1);
        let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
        add(&mut world, juliet);
        world.run_for(SECOND);
        if index != 1 {
            world.cut(romeo);
        }
        add(&mut world, romeo);
        way(&mut world, romeo);
        world.run_for(30 * SECOND);
        assert_eq!(blind(&world, &[romeo, juliet]), 0, "way {index}");
    }
}

#[test]
fn two_without_anything_in_common_have_a_session_once_they_do() {
    let mut world = World::new(1);
    let [romeo, juliet] = ["romeo", "juliet"].map(|name| world.person(name));
    world.join_how(romeo, "balcony", Join::call_room().nick("romeo").media([Media::Video]));
    world.run_for(SECOND);
    world.join(juliet, "balcony");
    world.run_for(30 * SECOND);
    assert!(matches!(world.pairs(juliet)[0].state, PairState::Failed(_)));
    world.command(romeo, Command::Add(Media::Audio));
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    world.command(romeo, Command::Remove(Media::Audio));
    world.run_for(30 * SECOND);
    assert!(matches!(world.pairs(juliet)[0].state, PairState::Failed(_)));
    assert!(matches!(world.pairs(romeo)[0].state, PairState::Failed(_)));
    world.command(juliet, Command::Add(Media::Video));
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

#[test]
fn an_added_content_flows_through_real_transports_beside_the_first_one() {
    let mut world = World::new(1);
    let people = ["romeo", "juliet", "nurse"].map(|name| {
        let transports = Str0m::with_dtls(Dtls::Auto).expect("the system has random numbers for a certificate");
        world.client(name, usual(), transports.maker())
    });
    for who in people {
        world.join(who, "balcony");
        world.run_for(2 * SECOND);
    }
    for who in people {
        add(&mut world, who);
        world.run_for(2 * SECOND);
    }
    assert_eq!(blind(&world, &people), 0);
    remove(&mut world, people[0]);
    world.run_for(2 * SECOND);
    assert_eq!((blind(&world, &people), blind(&world, &people[1..])), (4, 0));
    assert_eq!(world.deaf(&people), []);
}

#[test]
fn a_peer_that_answers_neither_an_addition_nor_a_removal_ends_the_session_once() {
    let mut world = World::new(1);
    let romeo = world.person_without_media("romeo"); // Whose transports connect with anybody.
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    let tybalt = entered(&mut world, vec![audio(vec![opus()]), video("video")]);
    take_part(&mut world, tybalt, romeo, "s1");
    add(&mut world, romeo);
    let offered = world.run_while(20 * SECOND, |world| world.asked(romeo, "content-add") == 0);
    assert!(offered.is_some());
    world.run_for(SECOND);
    assert_eq!(requests(&mut world, tybalt).len(), 1, "the addition is confirmed, and never accepted");
    // Both waits end at once, as all do when a process was stopped.
    world.run_for(30 * SECOND - 15 * SECOND - SECOND);
    world.command(romeo, Command::Remove(Media::Audio));
    world.run_for(60 * SECOND);
    let failed = |event: &Event| matches!(event, Event::PeerFailed(..));
    let removed = |event: &Event| matches!(event, Event::PeerContentRemoved(..));
    assert_eq!((count(&world, romeo, failed), count(&world, romeo, removed)), (1, 1), "{:?}", world.events(romeo));
}

#[test]
fn what_was_added_removed_and_added_again_while_the_other_was_away_flows_when_it_is_back() {
    for away in [16, 20, 31, 45] {
        let mut world = World::new(1);
        let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
        add(&mut world, juliet);
        world.run_for(2 * SECOND);
        world.cut(juliet);
        add(&mut world, romeo);
        world.run_for(SECOND);
        remove(&mut world, romeo);
        world.run_for(away * SECOND);
        add(&mut world, romeo);
        world.run_for(SECOND);
        world.resume(juliet);
        world.run_for(60 * SECOND);
        // An answer to the first offer may still come, so the second has another name.
        let [hers, his] = [world.receives(romeo, juliet), world.receives(juliet, romeo)];
        assert_eq!((hers.len(), &his), (2, &hers), "away for {away} s");
    }
}

#[test]
fn a_peer_that_does_not_know_what_we_accepted_is_told_that_it_is_out_again() {
    let mut world = World::new(1);
    let romeo = world.person_without_media("romeo"); // Whose transports connect with anybody.
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    take_part(&mut world, tybalt, romeo, "s1");
    add_pictures(&mut world, tybalt, romeo);
    let accept = world.wire.iter().rfind(|sent| jingle_action(&sent.stanza) == Some("content-accept"));
    let id = accept.and_then(|sent| sent.stanza.attr("id")).expect("it is taken").to_owned();
    let error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ItemNotFound, "en", "");
    let to = Some(world.jid(romeo).into());
    world.send(tybalt, Iq::Error { from: None, to, id, error, payload: None });
    world.run_for(SECOND);
    let told: Vec<Action> = requests(&mut world, tybalt).into_iter().map(|(_, jingle)| jingle.action).collect();
    assert!(told.contains(&Action::ContentRemove), "{told:?}");
    assert_eq!(not_added(&world, romeo).len() + count(&world, romeo, |event| matches!(event, Event::Warning(_))), 1);
    assert_eq!(world.sessions(romeo), 1, "the session goes on");
}
