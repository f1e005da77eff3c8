//! Peers that take different encodings of video: one that all take if there is one, a second encoder only for those who cannot.

use std::collections::BTreeSet;

use muji_core::media::Capabilities;
use muji_core::{Join, Media};
use muji_harness::person::usual;
use muji_harness::world::{PersonId, World};
use muji_media::parts::codec::VideoEncoding;
use muji_media::transport::loopback;

use crate::SECOND;

const VP8: VideoEncoding = VideoEncoding::Vp8;
const VP9: VideoEncoding = VideoEncoding::Vp9;
const H264: VideoEncoding = VideoEncoding::H264;

/// People who come in this order and see each other, with what each can encode and decode.
fn call<const N: usize>(people: [(&str, &[VideoEncoding]); N]) -> (World, [PersonId; N]) {
    let mut world = World::new(1);
    let people = people.map(|(name, encodings)| {
        let video = encodings.iter().map(|encoding| encoding.payload_type()).collect();
        let person = world.client(name, Capabilities { video, ..usual() }, loopback::maker());
        world.join_how(person, "balcony", Join::call_room().nick(name).media([Media::Audio, Media::Video]));
        world.run_for(3 * SECOND);
        person
    });
    for seeing in people {
        for seen in people.into_iter().filter(|seen| *seen != seeing) {
            let contents = BTreeSet::from(["audio", "video"].map(str::to_owned));
            assert_eq!(world.receives(seeing, seen), contents, "{} of {}", world.jid(seeing), world.jid(seen));
        }
    }
    (world, people)
}

/// In which encodings somebody's camera is sent.
fn encoded(world: &World, who: PersonId) -> Vec<VideoEncoding> {
    world.video_kinds(who).into_iter().map(|(_, encoding)| encoding).collect()
}

#[test]
fn a_peer_without_vp8_gets_h264_and_the_others_go_on_with_vp8() {
    let both = [VP8, H264];
    let (world, people) = call([("romeo", &both), ("juliet", &both), ("tybalt", &[H264])]);
    assert_eq!(people.map(|who| encoded(&world, who)), [both.to_vec(), both.to_vec(), vec![H264]]);
}

#[test]
fn if_the_room_has_an_encoding_that_all_take_it_is_the_only_one() {
    let both = [VP8, H264];
    let (world, people) = call([("tybalt", &[H264]), ("romeo", &both), ("juliet", &both)]);
    assert_eq!(people.map(|who| encoded(&world, who)), [[H264]; 3]);
    let (world, people) = call([("romeo", &both), ("juliet", &both), ("paris", &[VP8])]);
    assert_eq!(people.map(|who| encoded(&world, who)), [[VP8]; 3]);
}

#[test]
fn a_peer_that_takes_vp9_alone_gets_it_and_the_others_go_on_with_vp8() {
    let all = [VP8, VP9, H264];
    let (world, people) = call([("romeo", &all), ("juliet", &all), ("tybalt", &[VP9])]);
    assert_eq!(people.map(|who| encoded(&world, who)), [vec![VP8, VP9], vec![VP8, VP9], vec![VP9]]);
}

#[test]
fn what_the_first_in_a_room_prefers_all_take_who_can() {
    let (world, people) = call([("romeo", &[VP9, VP8, H264]), ("juliet", &[VP8, VP9, H264]), ("tybalt", &[VP8, VP9])]);
    assert_eq!(people.map(|who| encoded(&world, who)), [[VP9]; 3]);
}
