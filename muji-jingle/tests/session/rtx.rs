//! What a peer misses of video is sent again by an SSRC of its own (RTX, RFC 4588), if both sides can.

use muji_jingle::media::{MediaCommand, OpenContent};
use muji_jingle::{ContentSpec, Session};
use muji_xep::rtp::{AnnouncedStream, Description, Feedback, Media, PayloadType, SourceGroup};

use crate::pair::{Pair, drain, end, offer_of, offered, opus, parties, wanted};

fn nacked(id: u8, name: &str) -> PayloadType {
    let feedback = vec![Feedback { kind: "nack".to_owned(), subtype: None }];
    PayloadType { feedback, ..PayloadType::new(id, name, 90_000, 1) }
}

fn vp8() -> PayloadType {
    nacked(98, "VP8")
}

fn rtx(id: u8, of: u8) -> PayloadType {
    PayloadType::new(id, "rtx", 90_000, 1).with_parameter("apt", &of.to_string())
}

/// Pictures, of which lost packets are sent again by this SSRC.
fn pictures(payload_types: Vec<PayloadType>, rtx_ssrc: Option<u32>) -> Vec<ContentSpec> {
    let publication = "video".to_owned();
    vec![ContentSpec { publication, media: Media::Video, rtx_ssrc, ..wanted(payload_types).remove(0) }]
}

/// Our offer of pictures.
fn offer(specs: Vec<ContentSpec>) -> (Pair, Session, Description) {
    let mut pair = offered();
    let (caller, (_, offer)) = offer_of(pair.now, &mut pair.ids, specs);
    let description = offer.contents[0].description.clone().expect("it has one");
    pair.offer = offer;
    (pair, caller, description)
}

/// Our answer to an offer with this description of pictures, and what the media layer is told of it.
fn answer(offered: Description, rtx_ssrc: Option<u32>) -> (Description, Vec<MediaCommand>) {
    let (mut pair, ..) = offer(pictures(vec![vp8()], None));
    pair.offer.contents[0].description = Some(offered);
    let specs = pictures(vec![vp8()], rtx_ssrc);
    let mut callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &specs).expect("it fits");
    callee.accept(pair.now, &mut pair.ids);
    let mut commands = drain(&mut callee).media;
    callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    let drained = drain(&mut callee);
    commands.extend(drained.media);
    (drained.requests[0].1.contents[0].description.clone().expect("it has one"), commands)
}

/// The end that is opened, under which id the peer gets again what it missed, and what it announced.
fn told(commands: &[MediaCommand]) -> (OpenContent, Option<u8>, Vec<AnnouncedStream>) {
    let opened = commands.iter().find_map(|command| match command {
        MediaCommand::Open { contents, .. } => contents.first().cloned(),
        _ => None,
    });
    let agreed = commands.iter().find_map(|command| match command {
        MediaCommand::Content { send: Some(send), streams, .. } => Some((send.rtx, streams.clone())),
        _ => None,
    });
    let (rtx, streams) = agreed.expect("something is sent");
    (opened.expect("an end is made"), rtx, streams)
}

/// A description of VP8 with these further payload types, and streams in these groups.
fn described(further: Vec<PayloadType>, groups: &[&[u32]]) -> Description {
    let group = |sources: &&[u32]| SourceGroup { semantics: "FID".to_owned(), sources: sources.to_vec() };
    let payload_types = [vec![vp8()], further].concat();
    let source_groups = groups.iter().map(group).collect();
    Description { ssrc: Some(5), source_groups, ..Description::new(Media::Video, payload_types) }
}

#[test]
fn an_offer_has_rtx_behind_each_codec_whose_packets_may_be_asked_for_and_names_both_sources() {
    let plain = PayloadType::new(96, "VP9", 90_000, 1);
    let ours = vec![vp8(), nacked(127, "H264"), plain.clone()];
    let (_, _, description) = offer(pictures(ours, Some(8)));
    let expected = [vp8(), rtx(126, 98), nacked(127, "H264"), rtx(125, 127), plain];
    assert_eq!(description.payload_types, expected);
    assert_eq!(description.sources.iter().map(|source| source.ssrc).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(description.source_groups, [SourceGroup { semantics: "FID".to_owned(), sources: vec![7, 8] }]);
}

#[test]
fn a_media_layer_without_rtx_offers_none_and_sound_has_none() {
    let (_, _, description) = offer(pictures(vec![vp8()], None));
    assert_eq!((description.payload_types, description.source_groups), (vec![vp8()], Vec::new()));
    let (_, _, description) = offer(wanted(vec![opus()]));
    assert_eq!((description.payload_types, description.source_groups), (vec![opus()], Vec::new()));
}

#[test]
fn two_contents_have_no_id_in_common() {
    let slides = ContentSpec { publication: "slides".to_owned(), media: Media::Slides, ..camera() };
    let mut pair = offered();
    let specs = [wanted(vec![opus()]), vec![camera(), slides]].concat();
    let mut caller = Session::outgoing(pair.now, parties("romeo", "juliet"), "s1".to_owned(), specs);
    caller.permit_offer(pair.now, &mut pair.ids);
    let opened = drain(&mut caller).media;
    let [MediaCommand::Open { contents, .. }] = &opened[..] else { panic!("one command") };
    let ids = contents.iter().map(|content| content.payload_types.iter().map(|it| it.id).collect());
    assert_eq!(ids.collect::<Vec<Vec<u8>>>(), [vec![111], vec![98, 127], vec![98, 126]]);
}

fn camera() -> ContentSpec {
    pictures(vec![vp8()], Some(8)).remove(0)
}

#[test]
fn a_peer_that_offers_it_gets_it_under_its_number_and_without_it_all_is_as_before() {
    let (description, commands) = answer(described(vec![rtx(99, 98), rtx(97, 102)], &[&[5, 6]]), Some(8));
    assert_eq!(description.payload_types, [vp8(), rtx(99, 98)]);
    assert_eq!(description.source_groups, [SourceGroup { semantics: "FID".to_owned(), sources: vec![7, 8] }]);
    let (opened, rtx_id, streams) = told(&commands);
    assert_eq!((opened.rtx_ssrc, opened.payload_types), (Some(8), vec![vp8(), rtx(99, 98)]));
    assert_eq!((rtx_id, streams), (Some(99), vec![AnnouncedStream { ssrc: 5, rtx: Some(6) }]));

    for (offered, rtx_ssrc) in [(described(vec![], &[]), Some(8)), (described(vec![rtx(99, 98)], &[]), None)] {
        let (description, commands) = answer(offered, rtx_ssrc);
        assert_eq!((description.payload_types, description.source_groups), (vec![vp8()], Vec::new()));
        assert_eq!(description.sources.len(), 1);
        let (opened, rtx_id, streams) = told(&commands);
        assert_eq!((opened.rtx_ssrc, rtx_id, streams), (None, None, vec![5.into()]));
    }
}

#[test]
fn rtx_of_nothing_of_itself_or_of_another_codec_is_none() {
    let nameless = PayloadType::new(99, "rtx", 90_000, 1);
    let odd = [rtx(99, 99), rtx(99, 50), nameless, nacked(99, "rtx").with_parameter("apt", "98;99")];
    for odd in odd {
        let (description, commands) = answer(described(vec![odd.clone()], &[&[5, 6]]), Some(8));
        assert_eq!((description.payload_types, told(&commands).1), (vec![vp8()], None), "{odd:?}");
    }
}

#[test]
fn groups_that_contradict_each_other_count_as_far_as_they_do_not() {
    let paired = |ssrc, rtx| AnnouncedStream { ssrc, rtx: Some(rtx) };
    let cases: [(&[&[u32]], AnnouncedStream); 5] = [
        (&[&[5, 6], &[5, 9]], paired(5, 6)),
        (&[&[5, 6], &[6, 5]], paired(5, 6)),
        (&[&[5, 5]], 5.into()),
        (&[&[5]], 5.into()),
        (&[&[5, 6, 9], &[], &[5, 9]], paired(5, 9)),
    ];
    for (groups, expected) in cases {
        let (_, commands) = answer(described(vec![rtx(99, 98)], groups), Some(8));
        assert_eq!(told(&commands).2, [expected], "{groups:?}");
    }
}

#[test]
fn an_answer_says_whether_the_peer_takes_it_and_under_which_number() {
    let answered = |payload_types: Vec<PayloadType>| {
        let (mut pair, mut caller, _) = offer(pictures(vec![vp8()], Some(8)));
        let specs = pictures(vec![vp8()], Some(9));
        let mut callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &specs).expect("it fits");
        callee.accept(pair.now, &mut pair.ids);
        callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
        let mut answer = drain(&mut callee).requests.remove(0).1;
        let description = answer.contents[0].description.as_mut().expect("it has one");
        assert_eq!(description.payload_types, [vp8(), rtx(127, 98)]);
        description.payload_types = payload_types;
        caller.handle_request(pair.now, &mut pair.ids, "x", &answer, &[]).expect("it is in order");
        let agreed = drain(&mut caller).media.into_iter().find_map(|command| match command {
            MediaCommand::Content { send: Some(send), .. } => Some(send.rtx),
            _ => None,
        });
        agreed.expect("something is sent")
    };
    assert_eq!(answered(vec![vp8(), rtx(127, 98)]), Some(127));
    assert_eq!(answered(vec![nacked(100, "VP8"), rtx(101, 100)]), Some(101));
    assert_eq!(answered(vec![vp8()]), None);
    assert_eq!(answered(vec![PayloadType::new(98, "VP8", 90_000, 1), rtx(127, 98)]), None, "it asks for nothing");
}
