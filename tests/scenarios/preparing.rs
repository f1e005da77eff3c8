//! Waiting for the room, and for those who prepared before.

use muji_core::{Event, config};
use muji_harness::world::{PersonId, World};

use crate::scripted::{AUDIO, PREPARING, entering, gone, repeat, said, tell};
use crate::{SECOND, count, room_fault};

fn published(world: &World, romeo: PersonId) -> bool {
    said(world, romeo).iter().any(|said| said == "content")
}

// Shows muji-join-01, muji-join-02, muji-sess-03.
#[test]
fn nothing_is_published_and_nobody_called_before_the_room_has_repeated_that_we_prepare() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(AUDIO));
    world.run_for(3 * SECOND);
    assert_eq!((said(&world, romeo), world.asked(romeo, "session-initiate")), (vec!["preparing".to_owned()], 0));
    repeat(&mut world, romeo);
    assert_eq!(said(&world, romeo), ["preparing", "content"]);
    let order: Vec<&str> = world.wire.iter().map(|sent| sent.stanza.name()).collect();
    assert_eq!(order, ["presence", "presence", "iq"], "the offer follows the contents");
}

// Shows muji-join-03, muji-join-04.
#[test]
fn our_contents_follow_those_of_everybody_who_prepared_before_us() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(PREPARING));
    tell(&mut world, romeo, "nurse", Some(PREPARING));
    repeat(&mut world, romeo);
    tell(&mut world, romeo, "juliet", Some(AUDIO));
    world.run_for(SECOND);
    assert!(!published(&world, romeo));
    tell(&mut world, romeo, "nurse", Some(AUDIO));
    assert_eq!(said(&world, romeo), ["preparing", "content"], "contents, and preparing no more");
    assert_eq!(world.asked(romeo, "session-initiate"), 2);
}

// Shows R-PREP-1, muc-pres-01.
#[test]
fn who_prepares_after_us_is_not_waited_for() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(PREPARING));
    repeat(&mut world, romeo);
    tell(&mut world, romeo, "nurse", Some(PREPARING));
    tell(&mut world, romeo, "juliet", Some(AUDIO));
    assert!(published(&world, romeo));
}

// Shows R-PREP-2, muc-kick-06.
#[test]
fn one_who_publishes_withdraws_or_leaves_in_any_way_is_waited_for_no_longer() {
    let ways: [fn(&mut World, PersonId); 6] = [
        |world, romeo| tell(world, romeo, "juliet", Some(AUDIO)),
        |world, romeo| tell(world, romeo, "juliet", Some("")),
        |world, romeo| tell(world, romeo, "juliet", None),
        |world, romeo| gone(world, romeo, "juliet", "", &[]),
        |world, romeo| gone(world, romeo, "juliet", "", &[307]),
        |world, romeo| gone(world, romeo, "juliet", "", &[333]),
    ];
    for (index, way) in ways.into_iter().enumerate() {
        let mut world = World::new(1);
        let romeo = entering(&mut world);
        tell(&mut world, romeo, "juliet", Some(PREPARING));
        repeat(&mut world, romeo);
        assert!(!published(&world, romeo), "way {index}");
        way(&mut world, romeo);
        assert!(published(&world, romeo), "way {index}");
    }
}

// Shows muc-nick-01.
#[test]
fn who_takes_another_nick_is_still_waited_for_and_keeps_its_session() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(PREPARING));
    repeat(&mut world, romeo);
    gone(&mut world, romeo, "juliet", "<item nick='julia' jid='juliet@capulet.example/1'/>", &[303]);
    assert!(!published(&world, romeo));
    crate::scripted::tell_as(&mut world, romeo, "julia", "juliet@capulet.example/1", Some(AUDIO));
    assert_eq!((published(&world, romeo), world.asked(romeo, "session-initiate")), (true, 1));
    repeat(&mut world, romeo);
    gone(&mut world, romeo, "julia", "<item nick='jule' jid='juliet@capulet.example/1'/>", &[303]);
    crate::scripted::tell_as(&mut world, romeo, "jule", "juliet@capulet.example/1", Some(AUDIO));
    assert_eq!((world.asked(romeo, "session-initiate"), world.asked(romeo, "session-terminate")), (1, 0));
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerLeft(_))), 0);
    assert_eq!(world.pairs(romeo)[0].peer.nick, "jule");
}

// Shows R-PREP-4.
#[test]
fn a_media_layer_that_hangs_holds_up_nobody() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    world.hang_media(romeo);
    tell(&mut world, romeo, "juliet", Some(AUDIO));
    repeat(&mut world, romeo);
    assert!(published(&world, romeo), "others do not wait for our devices");
    repeat(&mut world, romeo);
    world.run_for(11 * SECOND);
    let failed = |event: &Event| matches!(event, Event::PeerFailed(_, failure) if failure.to_string().starts_with("the media layer did not get"));
    assert_eq!((count(&world, romeo, failed), world.asked(romeo, "session-initiate")), (1, 0));
}

// Shows R-ORDER-2.
#[test]
fn a_participant_that_prepares_another_content_is_called() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(&format!("{PREPARING}{AUDIO}")));
    repeat(&mut world, romeo);
    world.run_for(config::PREPARING + SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
}

// Shows R-ECHO-2.
#[test]
fn a_room_that_swallows_what_we_say_is_told_twice_and_then_given_up() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    world.run_for(config::ECHO + SECOND);
    assert_eq!(said(&world, romeo), ["preparing", "preparing"]);
    world.run_for(config::ECHO + config::LEAVING);
    assert_eq!(room_fault(&world, romeo), Some(muji_core::error::RoomFault::Silent));
    assert_eq!(said(&world, romeo), ["preparing", "preparing", "unavailable"]);
}

// Shows muji-leave-03.
#[test]
fn who_takes_its_contents_back_while_we_prepare_is_not_called() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(AUDIO));
    tell(&mut world, romeo, "nurse", Some(AUDIO));
    tell(&mut world, romeo, "juliet", None);
    repeat(&mut world, romeo);
    let offers = world.wire.iter().filter(|sent| sent.stanza.name() == "iq");
    let to: Vec<Option<&str>> = offers.map(|sent| sent.stanza.attr("to")).collect();
    assert_eq!(to, [Some("nurse@capulet.example/1")]);
}

#[test]
fn another_person_under_the_nick_of_an_occupant_who_prepared_before_us_is_not_waited_for() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(PREPARING));
    repeat(&mut world, romeo);
    assert!(!published(&world, romeo));
    crate::scripted::tell_as(&mut world, romeo, "juliet", "nurse@capulet.example/1", Some(PREPARING));
    assert!(published(&world, romeo), "Juliet has left, and the nurse came after us");
}
