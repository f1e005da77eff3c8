//! Publishing as a value: nobody else is in the room, so it is our turn as soon as we have announced.

use std::time::Duration;

use muji_xep::rtp::PayloadType;

use super::*;

#[expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]
fn start() -> Instant {
    Instant::now()
}

fn capabilities() -> Capabilities {
    Capabilities {
        audio: vec![PayloadType::new(111, "opus", 48_000, 2)],
        video: vec![PayloadType::new(96, "VP8", 90_000, 1)],
        ..Capabilities::default()
    }
}

/// The room repeats what we said last.
fn repeated(publishing: &mut Publishing, now: Instant) -> Repeated {
    publishing.repeated(now, &Occupants::default(), &Config::default())
}

/// It is our turn, and we publish what waits.
fn publish(publishing: &mut Publishing, now: Instant) -> Change {
    assert_eq!(publishing.turn(now), Some(Vec::new()));
    let (new, without) = publishing.choose(&Occupants::default(), &capabilities());
    assert_eq!(without, []);
    publishing.publish(now, new)
}

fn names(contents: &[Content]) -> Vec<&str> {
    contents.iter().map(|content| content.name.as_str()).collect()
}

/// Somebody whose first contents are on their way.
fn joining(now: Instant, media: &[Media]) -> Publishing {
    let mut romeo = Publishing::new(media.to_vec());
    romeo.announce(now);
    assert_eq!(repeated(&mut romeo, now), Repeated::Announcement);
    publish(&mut romeo, now);
    romeo
}

/// Somebody whose sound is public.
fn joined(now: Instant) -> Publishing {
    let mut romeo = joining(now, &[Media::Audio]);
    assert_eq!(repeated(&mut romeo, now), Repeated::Contents { added: vec![Media::Audio], first: true });
    romeo
}

#[test]
fn adding_takes_the_steps_of_joining() {
    let now = start();
    let mut romeo = joined(now);
    romeo.add(Media::Video);
    assert!(romeo.announce_added(now));
    assert!(romeo.muji().preparing);
    assert_eq!(names(&romeo.muji().contents), ["audio"], "what is public stays so meanwhile");
    assert_eq!(repeated(&mut romeo, now), Repeated::Announcement);
    let change = publish(&mut romeo, now);
    assert_eq!((names(&change.started), names(&change.stopped)), (vec!["video"], vec![]));
    assert_eq!(repeated(&mut romeo, now), Repeated::Contents { added: vec![Media::Video], first: false });
    assert_eq!(romeo.muji(), MujiElement { preparing: false, contents: romeo.contents().to_vec() });
    assert_eq!(romeo.names(), ["audio", "video"]);
}

#[test]
fn what_the_room_swallows_is_sent_again_once() {
    let now = start();
    for mut romeo in [Publishing::new(vec![Media::Audio]), joined(now)] {
        romeo.announce(now);
        assert_eq!(romeo.overdue(now + config::ECHO - Duration::from_millis(1)), None);
        assert_eq!(romeo.overdue(now + config::ECHO), Some(Overdue::Once));
        assert_eq!(romeo.poll_timeout(), Some(now + 2 * config::ECHO));
        assert_eq!(romeo.overdue(now + 2 * config::ECHO), Some(Overdue::Twice));
    }
}

#[test]
fn refused_first_contents_are_sent_again_once_and_refused_additions_are_not() {
    let now = start();
    let mut romeo = joining(now, &[Media::Audio]);
    assert_eq!(romeo.refused(now), Refusal::SayAgain);
    assert_eq!(romeo.refused(now), Refusal::GiveUp);
    let mut juliet = joined(now);
    assert_eq!(juliet.refused(now), Refusal::NoStep);
    juliet.add(Media::Video);
    assert!(juliet.announce_added(now));
    assert_eq!(juliet.refused(now), Refusal::GiveUp);
}

#[test]
fn what_is_not_added_leaves_everything_as_before() {
    let now = start();
    let mut romeo = joined(now);
    let before = romeo.muji();
    romeo.add(Media::Video);
    assert!(romeo.announce_added(now));
    repeated(&mut romeo, now);
    publish(&mut romeo, now);
    let (media, gone) = romeo.give_up();
    assert_eq!((media, names(&gone)), (vec![Media::Video], vec!["video"]));
    assert_eq!(romeo.muji(), before);
}

#[test]
fn taking_the_only_addition_back_ends_its_announcement() {
    let now = start();
    let mut romeo = joined(now);
    romeo.add(Media::Video);
    assert!(romeo.announce_added(now));
    assert_eq!(romeo.remove(&Media::Video), Ok(Some(Vec::new())), "the others see that we do not prepare any more");
    assert!(!romeo.muji().preparing);
    assert_eq!(romeo.poll_timeout(), None);
}

#[test]
fn what_is_removed_while_it_is_on_its_way_is_not_added_to_sessions() {
    let now = start();
    let mut romeo = joining(now, &[Media::Audio, Media::Video]);
    assert_eq!(romeo.remove(&Media::Video).map(|gone| gone.map_or(0, |gone| gone.len())), Ok(1));
    assert_eq!(repeated(&mut romeo, now), Repeated::Contents { added: vec![Media::Audio], first: true });
}

#[test]
fn the_only_content_is_not_removed() {
    let mut romeo = joined(start());
    assert_eq!(romeo.remove(&Media::Audio), Err(Refused::OnlyContent));
    assert_eq!(romeo.names(), ["audio"]);
}

#[test]
fn contents_of_an_earlier_stay_are_not_public_while_we_come_back() {
    let now = start();
    let mut romeo = joined(now);
    romeo.lost();
    romeo.announce(now);
    assert_eq!(romeo.muji(), MujiElement::preparing());
    repeated(&mut romeo, now);
    let change = publish(&mut romeo, now);
    assert_eq!(change, Change { started: Vec::new(), stopped: Vec::new() }, "it is captured already");
}
