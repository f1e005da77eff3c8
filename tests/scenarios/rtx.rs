//! Lost packets of pictures are sent again by an SSRC of their own (RTX, RFC 4588): sessions agree on it, and rooms learn nothing of it.

use muji_core::media::Capabilities;
use muji_core::{Join, Media};
use muji_harness::person::usual;
use muji_harness::world::{PersonId, World};
use muji_media::parts::codec::VideoEncoding;
use muji_media::transport::loopback;
use muji_xep::jingle::{Action, Content};
use muji_xep::rtp::{Description, PayloadType};

use crate::SECOND;
use crate::contents::published;
use crate::puppet::{audio, entered, opus, requests};

fn vp8() -> PayloadType {
    VideoEncoding::Vp8.payload_type()
}

/// Romeo, who sees and shows pictures and can send lost ones again.
fn romeo(world: &mut World) -> PersonId {
    let can = Capabilities { video: vec![vp8()], video_rtx: true, ..usual() };
    let romeo = world.client("romeo", can, loopback::maker());
    world.join_how(romeo, "balcony", Join::call_room().media([Media::Audio, Media::Video]));
    world.run_for(3 * SECOND);
    romeo
}

/// Of each content of video its payload types and how many streams belong together, as two of them.
fn of_video(contents: &[Content]) -> Vec<(Vec<PayloadType>, Vec<usize>)> {
    let described = contents.iter().filter_map(|content| content.description.as_ref());
    let of_video = described.filter(|description| description.media == Media::Video);
    let pairs = |description: &Description| description.source_groups.iter().map(|group| group.sources.len()).collect();
    of_video.map(|description| (description.payload_types.clone(), pairs(description))).collect()
}

#[test]
fn an_offer_has_rtx_and_the_room_is_told_the_same_as_without() {
    let mut world = World::new(1);
    let camera = Content { description: Some(Description::new(Media::Video, vec![vp8()])), ..Content::new("video") };
    let tybalt = entered(&mut world, vec![audio(vec![opus()]), camera]);
    let romeo = romeo(&mut world);
    assert_eq!(of_video(&published(&world, romeo)), [(vec![vp8()], vec![])]);
    let offers = requests(&mut world, tybalt).into_iter().map(|(_, jingle)| jingle);
    let offers: Vec<_> = offers.filter(|jingle| jingle.action == Action::SessionInitiate).collect();
    let [offer] = &offers[..] else { panic!("one offer: {offers:?}") };
    assert_eq!(of_video(&offer.contents), [(vec![vp8(), PayloadType::rtx(127, &vp8())], vec![2])]);
}

#[test]
fn people_of_whom_some_can_and_some_cannot_see_each_other() {
    let mut world = World::new(1);
    let people = [romeo(&mut world), world.person("juliet"), world.person("tybalt")];
    for who in &people[1..] {
        world.join_how(*who, "balcony", Join::call_room().media([Media::Audio, Media::Video]));
        world.run_for(3 * SECOND);
    }
    for (one, other) in [(0, 1), (0, 2), (1, 2), (2, 0)] {
        assert_eq!(world.flows(people[one], people[other], "video"), (true, true), "{one} and {other}");
    }
}
