//! Contents that share one transport, since the offer says so (XEP-0338).

use muji_jingle::media::MediaCommand;
use muji_jingle::{ContentSpec, Session};
use muji_xep::jingle::{Group, Jingle};
use muji_xep::rtp::{Media, PayloadType};

use crate::pair::{Pair, answer, drain, end, offered, opus, parties, wanted};

fn vp8(id: u8) -> PayloadType {
    PayloadType::new(id, "VP8", 90_000, 1)
}

fn both(sound: u8, pictures: u8) -> Vec<ContentSpec> {
    let mut both = wanted(vec![PayloadType { id: sound, ..opus() }]);
    let payload_types = vec![vp8(pictures)];
    both.push(ContentSpec {
        publication: "video".to_owned(),
        sends: true,
        media: Media::Video,
        ssrc: 8,
        payload_types,
        extensions: Vec::new(),
    });
    both
}

/// An offer of sound and pictures by one transport, with these ids and this group.
fn offer(sound: u8, pictures: u8, grouped: Option<&[&str]>) -> Jingle {
    let mut offer = offered().offer;
    let mut second = offer.contents[0].clone();
    second.name = "video".to_owned();
    let described = second.description.as_mut().expect("an offer has one");
    (described.media, described.payload_types) = (Media::Video, vec![vp8(pictures)]);
    let first = offer.contents[0].description.as_mut().expect("an offer has one");
    first.payload_types = vec![PayloadType { id: sound, ..opus() }];
    offer.contents.push(second);
    let contents = grouped.map(|names| names.iter().map(|&name| name.to_owned()).collect());
    offer.group = contents.map(|contents| Group { semantics: "BUNDLE".to_owned(), contents });
    offer
}

/// The transports by which the callee wants sound and pictures, and its answer.
fn answered(offer: &Jingle) -> (Vec<u8>, Option<Jingle>) {
    let mut pair: Pair = offered();
    pair.callee = Session::incoming(parties("juliet", "romeo"), offer, &both(111, 98)).expect("it fits");
    pair.callee.accept(pair.now, &mut pair.ids);
    let opened = drain(&mut pair.callee).media.into_iter().find_map(|command| match command {
        MediaCommand::Open { contents, .. } => Some(contents.iter().map(|it| it.transport.index).collect()),
        _ => None,
    });
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    (opened.expect("its ends are made"), drain(&mut pair.callee).requests.pop().map(|(_, accept)| accept))
}

// Shows grp-01, grp-03.
#[test]
fn contents_that_are_offered_together_travel_together_and_the_answer_says_so() {
    let (transports, accept) = answered(&offer(111, 98, Some(&["audio", "video"])));
    assert_eq!(transports, [0, 0]);
    let accept = accept.expect("one end is enough");
    let written = accept.write();
    let group = written.get_child("group", "urn:xmpp:jingle:apps:grouping:0").expect("a child of jingle");
    assert_eq!(group.attr("semantics"), Some("BUNDLE"));
    let names: Vec<_> = group.children().filter_map(|content| content.attr("name")).collect();
    assert_eq!(names, accept.contents.iter().map(|content| content.name.as_str()).collect::<Vec<_>>());
    let ids = accept.contents.iter().filter_map(|content| content.description.as_ref());
    assert_eq!(ids.map(|it| it.payload_types[0].id).collect::<Vec<_>>(), [111, 98]);
}

// Shows grp-02.
#[test]
fn what_is_not_offered_together_has_a_transport_of_its_own_and_is_not_answered_so() {
    for grouped in [None, Some(&["video"][..]), Some(&["audio"])] {
        let offer = offer(111, 98, grouped);
        assert_eq!(answered(&offer).0, [0, 1], "{grouped:?}");
    }
    let mut pair = offered();
    assert_eq!(pair.offer.group, None, "who offers cannot know whether the other can");
    assert_eq!(answer(&mut pair).1.group, None);
}

#[test]
fn an_id_that_means_two_things_is_not_taken_into_one_transport() {
    let offer = offer(111, 111, Some(&["audio", "video"]));
    assert_eq!(answered(&offer).0, [0, 1]);
}
