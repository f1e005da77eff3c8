//! What is published, given what others have published, and what is made of it.

use muji_core::media::Capabilities;
use muji_core::{Event, Join, Media};
use muji_harness::room::Rules;
use muji_harness::world::{PersonId, World};
use muji_media::transport::loopback;
use muji_xep::Skipped;
use muji_xep::jingle::{Action, Content};
use muji_xep::muji::MujiElement;
use muji_xep::rtp::{Description, PayloadType};

use crate::puppet::{ask, audio, enter, entered, offer, opus, requests, usable};
use crate::scripted::{AUDIO, entering, repeat, tell, tell_as};
use crate::{SECOND, count, in_call, room_fault};

/// What somebody published last.
pub(crate) fn published(world: &World, who: PersonId) -> Vec<Content> {
    let mujis = world.presences(who).into_iter().filter_map(|presence| {
        let muji = presence.children().find(|child| child.name() == "muji")?;
        Some(MujiElement::read(muji, &mut Skipped::default()))
    });
    mujis.last().expect("it published").contents
}

pub(crate) fn ids(contents: &[Content]) -> Vec<u8> {
    let described = contents.iter().filter_map(|content| content.description.as_ref());
    described.flat_map(|description| &description.payload_types).map(|payload| payload.id).collect()
}

fn speex(id: u8) -> PayloadType {
    PayloadType::new(id, "speex", 8_000, 1)
}

pub(crate) fn video(name: &str) -> Content {
    let vp8 = PayloadType::new(98, "VP8", 90_000, 1);
    Content { description: Some(Description::new(Media::Video, vec![vp8])), ..Content::new(name) }
}

/// Somebody with these encodings joins after puppets with those.
fn joins_after(others: &[Vec<Content>], audio: Vec<PayloadType>) -> (World, PersonId) {
    let mut world = World::new(1);
    for (index, contents) in others.iter().enumerate() {
        let nick = format!("guest{index}");
        let guest = world.puppet(&nick);
        enter(&mut world, guest, &nick, contents.clone());
    }
    let can = Capabilities { audio, ..Capabilities::default() };
    let romeo = world.client("romeo", can, loopback::maker());
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    (world, romeo)
}

// Shows muji-pt-01.
#[test]
fn an_id_that_others_use_is_published_with_their_meaning_or_not_at_all() {
    let others = [vec![audio(vec![speex(98), opus()])]];
    let (world, romeo) = joins_after(&others, vec![PayloadType::new(98, "opus", 48_000, 2)]);
    assert_eq!(ids(&published(&world, romeo)), [111], "opus has the id that it has in the room");
}

// Shows muji-pt-02.
#[test]
fn what_all_others_have_is_published() {
    let others = [vec![audio(vec![speex(96), opus()])], vec![audio(vec![opus(), speex(112)])]];
    let (world, romeo) = joins_after(&others, vec![opus()]);
    assert_eq!(ids(&published(&world, romeo)), [111]);
}

// Shows muji-pt-03.
#[test]
fn a_participant_that_has_no_codec_in_common_does_not_publish_it() {
    let (world, romeo) = joins_after(&[vec![audio(vec![speex(98)])]], vec![opus()]);
    assert_eq!(room_fault(&world, romeo), Some(muji_core::error::RoomFault::NoCommonCodec));
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
}

// Shows muji-model-01.
#[test]
fn of_two_contents_with_one_name_the_first_counts_and_the_other_is_told() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    entered(&mut world, vec![audio(vec![opus()]), audio(vec![speex(97)])]);
    let told =
        |event: &Event| matches!(event, Event::Skipped { what, .. } if what.contains("second content named audio"));
    assert_eq!(count(&world, romeo, told), 1);
    assert_eq!(world.pairs(romeo)[0].contents, [("audio".to_owned(), Media::Audio)]);
}

#[test]
fn one_name_for_two_media_means_to_each_what_he_says() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    for (nick, content) in [("tybalt", audio(vec![opus()])), ("mercutio", video("audio"))] {
        let puppet = world.puppet(nick);
        enter(&mut world, puppet, nick, vec![content]);
    }
    let contents: Vec<_> = world.pairs(romeo).into_iter().map(|pair| (pair.peer.nick, pair.contents)).collect();
    let said = |nick: &str, media| (nick.to_owned(), vec![("audio".to_owned(), media)]);
    assert_eq!(contents, [said("mercutio", Media::Video), said("tybalt", Media::Audio)]);
}

// Shows muji-model-02.
#[test]
fn presence_alone_says_what_everybody_sends() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()]), video("video")]);
    let sends = |world: &World| world.pairs(romeo)[0].contents.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(sends(&world), ["audio", "video"]);
    enter(&mut world, tybalt, "tybalt", vec![audio(vec![opus()])]);
    assert_eq!(sends(&world), ["audio"]);
}

// Shows muji-model-04.
#[test]
fn who_takes_part_with_sound_alone_has_a_session_with_those_who_show_pictures_too() {
    let (mut world, romeo) = joins_after(&[vec![audio(vec![opus()]), video("video")]], vec![opus()]);
    assert_eq!(published(&world, romeo).len(), 1);
    let offered = requests(&mut world, PersonId::nth(0));
    assert_eq!(offered.len(), 1);
    let names: Vec<&str> = offered[0].1.contents.iter().map(|content| content.name.as_str()).collect();
    assert_eq!((offered[0].1.action.clone(), names), (Action::SessionInitiate, vec!["audio"]));
}

// Shows R-NAME-1.
#[test]
fn the_name_that_the_room_uses_for_a_medium_is_taken_over() {
    let voice = Content { name: "voice".to_owned(), ..audio(vec![opus()]) };
    let (world, romeo) = joins_after(&[vec![voice]], vec![opus()]);
    assert_eq!(published(&world, romeo)[0].name, "voice");
}

// Shows R-PT-5.
#[test]
fn who_is_there_changes_nothing_for_a_newcomer_with_less() {
    let mut world = World::new(1);
    let can = Capabilities { audio: vec![opus(), speex(112)], ..Capabilities::default() };
    let romeo = world.client("romeo", can, loopback::maker());
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    let before = world.presences(romeo).len();
    entered(&mut world, vec![audio(vec![speex(112)])]);
    world.run_for(5 * SECOND);
    assert_eq!(world.presences(romeo).len(), before);
}

// Shows R-PT-4.
#[test]
fn an_id_that_meant_something_in_this_call_never_means_another_thing() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    repeat(&mut world, romeo);
    repeat(&mut world, romeo);
    // Abram's real JID sorts before Romeo's: he keeps 111, and Romeo gives way with an id that nobody had.
    let speex = |id: u8| AUDIO.replace("111", &id.to_string()).replace("opus", "speex").replace("48000", "8000");
    tell_as(&mut world, romeo, "nurse", "nurse@capulet.example/1", Some(&speex(127)));
    tell_as(&mut world, romeo, "nurse", "nurse@capulet.example/1", Some(&speex(126)));
    tell_as(&mut world, romeo, "abram", "abram@capulet.example/1", Some(&speex(111)));
    assert_eq!(ids(&published(&world, romeo)), [125], "127 and 126 meant Speex to the nurse");
}

// Shows R-PT-6.
#[test]
fn a_peer_that_offers_other_ids_than_it_published_is_answered_with_its_own() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let offer = offer(&world, "s1", usable(vec![PayloadType::new(100, "opus", 48_000, 2)]));
    ask(&mut world, tybalt, romeo, "1", &offer);
    world.run_for(SECOND);
    let answers = requests(&mut world, tybalt);
    let accept = answers.iter().find(|(_, jingle)| jingle.action == Action::SessionAccept).expect("it is accepted");
    assert_eq!(ids(&accept.1.contents), [100]);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

// Shows R-XML-3.
#[test]
fn what_is_not_known_in_muji_changes_nothing() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell(&mut world, romeo, "juliet", Some(&format!("<device xmlns='urn:example' id='7'/>{AUDIO}")));
    repeat(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
}

// Shows R-DINO-2, R-DINO-5.
#[test]
fn a_call_of_seven_has_a_session_for_each_pair_under_an_id_of_its_own() {
    let mut world = World::new(1);
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules::default());
    let people: Vec<PersonId> = (0..7).map(|index| world.person(&format!("guest{index}"))).collect();
    for who in &people {
        world.join_how(*who, "balcony", Join::call_room());
    }
    world.run_for(10 * SECOND);
    assert_eq!(world.deaf(&people), []);
    let sids = world.wire.iter().filter_map(|sent| {
        let jingle = sent.stanza.get_child("jingle", muji_xep::ns::JINGLE)?;
        (jingle.attr("action") == Some("session-initiate")).then(|| jingle.attr("sid").map(str::to_owned))?
    });
    let mut sids: Vec<String> = sids.collect();
    sids.sort_unstable();
    sids.dedup();
    assert_eq!(sids.len(), 7 * 6 / 2);
}

#[test]
fn two_devices_of_one_account_are_two_participants() {
    let mut world = World::new(1);
    let [phone, laptop] = world.devices("romeo");
    for device in [phone, laptop] {
        world.join_how(device, "balcony", Join::call_room());
        world.run_for(SECOND);
    }
    assert!(world.hears(phone, laptop) && world.hears(laptop, phone));
}
