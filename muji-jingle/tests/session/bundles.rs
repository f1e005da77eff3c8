//! Contents that share one transport (XEP-0338): what a peer's offer bundles, and what a peer makes of our offers.

use muji_jingle::media::{MediaCommand, MediaReport, TransportFailure};
use muji_jingle::{
    ContentSpec, End, Session, SessionEvent, SessionParams, SessionWarning, TransportAbilities, TransportId,
};
use muji_xep::ice::{Candidate, CandidateKind, Transport};
use muji_xep::jingle::{Action, Content, Group, Jingle};
use muji_xep::rtp::{HeaderExtension, Media, PayloadType};

use crate::pair::{
    ABLE, Given, Pair, drain, end, end_of, offer_of, offered, opus, parties, transport, up_between, wanted,
};

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
        rtx_ssrc: None,
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
fn answered(offer: &Jingle) -> (Vec<u32>, Option<Jingle>) {
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
}

#[test]
fn an_id_that_means_two_things_is_not_taken_into_one_transport() {
    let offer = offer(111, 111, Some(&["audio", "video"]));
    assert_eq!(answered(&offer).0, [0, 1]);
}

// ---- our offers ----------------------------------------------------------------------------------------------------

fn group(names: &[&str]) -> Option<Group> {
    let contents = names.iter().map(|&name| name.to_owned()).collect();
    Some(Group { semantics: "BUNDLE".to_owned(), contents })
}

fn id(index: u32) -> TransportId {
    TransportId { index, ..transport() }
}

/// A caller of sound and pictures, whose offer is out, and what it asked its media layer.
fn calling() -> (Pair, Given) {
    let mut pair = offered();
    pair.caller = Session::outgoing(pair.now, parties("romeo", "juliet"), "s1".to_owned(), both(111, 98));
    pair.caller.permit_offer(pair.now, &mut pair.ids);
    let opening = drain(&mut pair.caller);
    for (index, name) in [(0, "sound"), (1, "sight!")] {
        pair.caller.handle_media(pair.now, &mut pair.ids, end_of(index, name));
    }
    pair.offer = drain(&mut pair.caller).requests.remove(0).1;
    (pair, opening)
}

/// The peer's end under this user name.
fn their_end(ufrag: &str) -> Transport {
    let fingerprint = muji_xep::dtls::Fingerprint { hash: "sha-256".to_owned(), setup: None, value: vec![9; 32] };
    Transport {
        ufrag: Some(ufrag.to_owned()),
        pwd: Some(muji_xep::Secret::new("a password of 22 letters")),
        fingerprints: vec![fingerprint],
        ..Transport::default()
    }
}

/// An answer to an offer with these transports, in the order of the offer; none of a content leaves it out of the answer.
fn answer_with(offer: &Jingle, transports: [Option<Transport>; 2], grouped: Option<Group>) -> Jingle {
    let mut answer = Jingle::new(Action::SessionAccept, "s1");
    let taken = offer.contents.iter().zip(transports).filter_map(|(content, transport)| {
        let transport = Some(transport?).filter(|transport| *transport != Transport::default());
        Some(Content { transport, ..content.clone() })
    });
    answer.contents = taken.collect();
    answer.group = grouped;
    answer
}

/// What the caller's media layer is told once the peer answers so.
fn told(transports: [Option<Transport>; 2], grouped: Option<Group>) -> (Pair, Vec<MediaCommand>) {
    let (mut pair, _) = calling();
    let answer = answer_with(&pair.offer, transports, grouped);
    pair.caller.handle_request(pair.now, &mut pair.ids, "a", &answer, &[]).expect("it is in order");
    let given = drain(&mut pair.caller);
    assert_eq!(given.events, [SessionEvent::Accepted]);
    (pair, given.media)
}

/// The transports that connect, and to whom.
fn remotes(media: &[MediaCommand]) -> Vec<(u32, &str)> {
    let remotes = media.iter().filter_map(|command| match command {
        MediaCommand::Remote { transport, remote } => Some((transport.index, remote.ufrag.as_str())),
        _ => None,
    });
    remotes.collect()
}

/// The contents that are opened, and on which transports.
fn opened(media: &[MediaCommand]) -> Vec<(&str, u32)> {
    let opened = media.iter().filter_map(|command| match command {
        MediaCommand::Open { contents, .. } => Some(contents),
        _ => None,
    });
    opened.flatten().map(|content| (content.name.as_str(), content.transport.index)).collect()
}

/// The contents that are taken out.
fn removed(media: &[MediaCommand]) -> Vec<&str> {
    let removed = media.iter().filter_map(|command| match command {
        MediaCommand::RemoveContent { content, .. } => Some(content.as_str()),
        _ => None,
    });
    removed.collect()
}

// Shows grp-01.
#[test]
fn our_offer_groups_all_contents_and_each_has_an_end_of_its_own() {
    let (pair, opening) = calling();
    assert_eq!(pair.offer.group, group(&["audio", "video"]));
    assert_eq!(opened(&opening.media), [("audio", 0), ("video", 1)]);
    let ends: Vec<_> = pair.offer.contents.iter().filter_map(|content| content.transport.clone()?.ufrag).collect();
    assert_eq!(ends, ["sound", "sight!"]);
    assert_eq!(offered().offer.group, group(&["audio"]), "so that what is added later can join");
}

// Shows grp-03.
#[test]
fn a_peer_that_bundles_is_connected_to_by_the_first_transport_alone() {
    // A browser repeats its end; Jingle lets a client leave it out where the group says where it is, as a whole or in part.
    let part = |leave_out: fn(&mut Transport)| {
        let mut part = their_end("peer");
        leave_out(&mut part);
        part
    };
    for second in [
        their_end("peer"),
        Transport::default(),
        part(|it| it.ufrag = None),
        part(|it| it.pwd = None),
        part(|it| it.fingerprints.clear()),
    ] {
        let (pair, media) = told([Some(their_end("peer")), Some(second)], group(&["audio", "video"]));
        assert_eq!((removed(&media), opened(&media)), (vec!["video"], vec![("video", 0)]));
        assert_eq!(remotes(&media), [(0, "peer")]);
        assert_eq!(pair.caller.contents().len(), 2);
    }
}

#[test]
fn of_a_bundle_the_content_that_the_peer_names_first_says_where_its_end_is() {
    let (pair, media) = told([Some(Transport::default()), Some(their_end("peer"))], group(&["video", "audio"]));
    assert_eq!((opened(&media), remotes(&media)), (vec![("video", 0)], vec![(0, "peer")]));
    assert_eq!(pair.caller.contents().len(), 2);
}

// Shows grp-02, R-DINO-4.
#[test]
fn a_peer_that_does_not_bundle_is_connected_to_by_a_transport_for_each_content() {
    for grouped in [None, Some(Group { semantics: "LS".to_owned(), contents: vec!["audio".to_owned()] })] {
        let (_, media) = told([Some(their_end("a")), Some(their_end("v"))], grouped);
        assert_eq!((removed(&media), opened(&media)), (vec![], vec![]));
        assert_eq!(remotes(&media), [(0, "a"), (1, "v")]);
    }
}

#[test]
fn a_session_is_connected_once_all_its_transports_are_and_ends_with_either() {
    let (mut pair, _) = told([Some(their_end("a")), Some(their_end("v"))], None);
    pair.caller.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: id(0) });
    assert_eq!(drain(&mut pair.caller).events, []);
    assert!(!pair.caller.is_connected());
    let mut lost = pair.caller.clone();
    pair.caller.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: id(1) });
    assert_eq!(drain(&mut pair.caller).events, [SessionEvent::Connected]);
    let failure = TransportFailure::Closed.into();
    lost.handle_media(pair.now, &mut pair.ids, MediaReport::Failed { transport: id(1), failure });
    assert!(lost.is_over(), "both were offered together");
}

#[test]
fn what_a_peer_takes_out_of_the_bundle_keeps_its_own_transport() {
    let (_, media) = told([Some(their_end("a")), Some(their_end("v"))], group(&["audio"]));
    assert_eq!((removed(&media), remotes(&media)), (vec![], vec![(0, "a"), (1, "v")]));
}

#[test]
fn of_a_bundle_whose_first_content_is_refused_the_second_transport_is_used() {
    let (_, media) = told([None, Some(their_end("peer"))], group(&["video"]));
    assert_eq!((removed(&media), remotes(&media)), (vec!["audio"], vec![(1, "peer")]));
}

#[test]
fn a_transport_that_the_bundle_does_without_has_nothing_more_to_say() {
    let (mut pair, _) = told([Some(their_end("peer")), Some(their_end("peer"))], group(&["audio", "video"]));
    let lost = MediaReport::Failed { transport: id(1), failure: TransportFailure::Closed.into() };
    for late in [lost, MediaReport::Connected { transport: id(1) }, MediaReport::WrongCertificate { transport: id(1) }]
    {
        pair.caller.handle_media(pair.now, &mut pair.ids, late);
    }
    assert!(pair.caller.poll_output().is_none());
    pair.caller.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: id(0) });
    assert_eq!(drain(&mut pair.caller).events, [SessionEvent::Connected], "one transport is all");
}

#[test]
fn two_certificates_in_one_bundle_end_the_session() {
    let (mut pair, _) = calling();
    let mut other = their_end("peer");
    other.fingerprints[0].value = vec![8; 32];
    let answer = answer_with(&pair.offer, [Some(their_end("peer")), Some(other)], group(&["audio", "video"]));
    pair.caller.handle_request(pair.now, &mut pair.ids, "a", &answer, &[]).expect("it is in order");
    let events = drain(&mut pair.caller).events;
    assert!(matches!(&events[..], [SessionEvent::Ended(End::NegotiationError(_))]), "{events:?}");
}

/// What a peer's answer to one content lacks.
#[derive(Debug, Clone, Copy)]
enum Unusable {
    Codec,
    Transport,
    Description,
}

// Shows rtp-answer-03.
#[test]
fn pictures_that_nobody_can_use_as_they_are_answered_cost_the_pictures_alone() {
    for fault in [Unusable::Codec, Unusable::Transport, Unusable::Description] {
        let (mut pair, _) = calling();
        let mut answer = answer_with(&pair.offer, [Some(their_end("a")), Some(their_end("v"))], None);
        let pictures = &mut answer.contents[1];
        match fault {
            Unusable::Codec => {
                pictures.description.as_mut().expect("it has one").payload_types =
                    vec![PayloadType::new(34, "H263", 90_000, 1)]
            }
            Unusable::Transport => pictures.transport = Some(Transport::default()),
            Unusable::Description => pictures.description = None,
        }
        pair.caller.handle_request(pair.now, &mut pair.ids, "a", &answer, &[]).expect("it is in order");
        let given = drain(&mut pair.caller);
        assert!(
            matches!(&given.events[..], [SessionEvent::Accepted, SessionEvent::Warning(SessionWarning::NotAdded { content, .. })] if content == "video"),
            "{:?}",
            given.events
        );
        let [(_, remove)] = &given.requests[..] else { panic!("the peer is told") };
        assert_eq!((&remove.action, remove.contents[0].name.as_str()), (&Action::ContentRemove, "video"));
        assert!(remove.why.is_some());
        assert_eq!((removed(&given.media), remotes(&given.media)), (vec!["video"], vec![(0, "a")]));
        pair.caller.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: id(0) });
        assert_eq!(drain(&mut pair.caller).events, [SessionEvent::Connected]);
    }
}

fn address(ufrag: &str, port: u16) -> Transport {
    let candidate = Candidate {
        component: 1,
        foundation: "1".to_owned(),
        generation: 0,
        id: None,
        address: ([192, 0, 2, 1], port).into(),
        priority: 1,
        kind: CandidateKind::Host,
        related: None,
    };
    Transport { candidates: vec![candidate], fingerprints: Vec::new(), ..their_end(ufrag) }
}

fn news(name: &str, transport: Transport) -> Jingle {
    let mut news = Jingle::new(Action::TransportInfo, "s1");
    news.contents = vec![Content { transport: Some(transport), ..Content::new(name) }];
    news
}

#[test]
fn addresses_of_a_transport_that_the_bundle_does_without_are_no_restart_and_not_tried() {
    let (mut pair, _) = calling();
    pair.callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &both(111, 98)).expect("it fits");
    pair.callee.accept(pair.now, &mut pair.ids);
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    drain(&mut pair.callee);
    for (name, ufrag, tried) in [("video", "sight!", 0), ("audio", "sound", 1)] {
        let news = news(name, address(ufrag, 5_000));
        pair.callee.handle_request(pair.now, &mut pair.ids, "n", &news, &[]).expect("it is in order");
        let given = drain(&mut pair.callee);
        assert_eq!((given.media.len(), given.requests.len()), (tried, 0), "{name}: {:?}", given.media);
    }
}

#[test]
fn what_is_added_to_a_bundle_travels_with_the_rest_and_needs_no_end_of_its_own() {
    let (mut pair, _) = told([Some(their_end("peer")), None], group(&["audio"]));
    pair.caller.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: id(0) });
    drain(&mut pair.caller);
    // Ours.
    pair.caller.add(pair.now, &mut pair.ids, both(111, 98).remove(1));
    let given = drain(&mut pair.caller);
    assert_eq!(opened(&given.media), [("video", 0)]);
    let [(_, add)] = &given.requests[..] else { panic!("its end is there already") };
    assert_eq!((&add.action, &add.group), (&Action::ContentAdd, &group(&["audio", "video"])));
    let mut accept = Jingle::new(Action::ContentAccept, "s1");
    accept.contents = vec![Content { transport: None, ..add.contents[0].clone() }];
    pair.caller.handle_request(pair.now, &mut pair.ids, "c", &accept, &[]).expect("it is in order");
    let events = drain(&mut pair.caller).events;
    assert!(matches!(&events[..], [SessionEvent::ContentAdded { .. }]), "{events:?}");
    // The peer's, as Conversations writes it.
    let mut add = Jingle::new(Action::ContentAdd, "s1");
    let slides = ContentSpec { publication: "slides".to_owned(), media: Media::Slides, ..both(111, 98).remove(1) };
    let description = muji_xep::rtp::Description::new(Media::Slides, vec![vp8(98)]);
    let transport = Some(Transport::default());
    add.contents = vec![Content { description: Some(description), transport, ..Content::new("slides") }];
    add.group = group(&["audio", "video", "slides"]);
    pair.caller.handle_request(pair.now, &mut pair.ids, "d", &add, &[slides]).expect("it is in order");
    let given = drain(&mut pair.caller);
    assert_eq!(opened(&given.media), [("slides", 0)]);
    let [(_, accept)] = &given.requests[..] else { panic!("one answer") };
    assert_eq!((&accept.action, &accept.group), (&Action::ContentAccept, &group(&["audio", "video", "slides"])));
}

#[test]
fn a_bundle_of_which_nothing_is_left_begins_again_with_what_is_added_next() {
    let (mut pair, _) = told([Some(their_end("a")), Some(their_end("v"))], group(&["video"]));
    for index in 0..2 {
        pair.caller.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: id(index) });
    }
    pair.caller.remove(pair.now, &mut pair.ids, "video");
    let [(removal, _)] = &drain(&mut pair.caller).requests[..] else { panic!("it is taken out") };
    assert!(pair.caller.handle_answer(pair.now, &mut pair.ids, removal, Ok(())));
    drain(&mut pair.caller);
    let received = ContentSpec { sends: false, ..both(111, 98).remove(1) };
    for (name, transport) in [("camera", their_end("new")), ("film", Transport::default())] {
        let mut add = Jingle::new(Action::ContentAdd, "s1");
        let description = Some(muji_xep::rtp::Description::new(Media::Video, vec![vp8(98)]));
        add.contents = vec![Content { description, transport: Some(transport), ..Content::new(name) }];
        add.group = group(&["camera", "film"]);
        let able = std::slice::from_ref(&received);
        pair.caller.handle_request(pair.now, &mut pair.ids, name, &add, able).expect("it is in order");
        assert_eq!(opened(&drain(&mut pair.caller).media), [(name, 2)]);
        pair.caller.handle_media(pair.now, &mut pair.ids, end_of(2, "again"));
        drain(&mut pair.caller);
    }
}

#[test]
fn what_is_added_to_a_bundle_and_taken_outside_of_it_is_taken_out_again_and_the_rest_goes_on() {
    let cases = [("peer", None, true), ("other", group(&["audio", "video"]), true), ("other", None, false)];
    for (ufrag, answered, taken) in cases {
        let (mut pair, _) = told([Some(their_end("peer")), None], group(&["audio"]));
        pair.caller.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: id(0) });
        pair.caller.add(pair.now, &mut pair.ids, both(111, 98).remove(1));
        let [(_, add)] = &drain(&mut pair.caller).requests[..] else { panic!("it is added") };
        let mut accept = Jingle::new(Action::ContentAccept, "s1");
        accept.contents = vec![Content { transport: Some(their_end(ufrag)), ..add.contents[0].clone() }];
        accept.group = answered;
        pair.caller.handle_request(pair.now, &mut pair.ids, "c", &accept, &[]).expect("it is in order");
        let given = drain(&mut pair.caller);
        if taken {
            assert!(matches!(&given.events[..], [SessionEvent::ContentAdded { .. }]), "{ufrag}: {:?}", given.events);
            continue;
        }
        let [SessionEvent::Warning(warning)] = &given.events[..] else { panic!("{:?}", given.events) };
        assert_eq!(
            warning.to_string(),
            "video is not added: the peer takes video outside the bundle to which it was added; its client must answer within it"
        );
        let [(_, remove)] = &given.requests[..] else { panic!("the peer is told") };
        assert_eq!((&remove.action, remove.contents[0].name.as_str()), (&Action::ContentRemove, "video"));
        assert_eq!((removed(&given.media), pair.caller.is_connected()), (vec!["video"], true));
    }
}

#[test]
fn to_a_peer_that_does_not_bundle_what_is_added_goes_by_a_transport_of_its_own() {
    let (mut pair, _) = told([Some(their_end("a")), None], None);
    pair.caller.add(pair.now, &mut pair.ids, both(111, 98).remove(1));
    let given = drain(&mut pair.caller);
    assert_eq!((opened(&given.media), given.requests.len()), (vec![("video", 2)], 0));
    pair.caller.handle_media(pair.now, &mut pair.ids, end_of(2, "v"));
    let [(_, add)] = &drain(&mut pair.caller).requests[..] else { panic!("it is added") };
    assert_eq!(add.group, None);
}

#[test]
fn a_transport_that_runs_learns_no_header_extension() {
    let extension =
        |id, uri: &str| HeaderExtension { id, uri: uri.to_owned(), senders: muji_xep::jingle::Senders::Both };
    let with = |mut spec: ContentSpec, extensions: &[HeaderExtension]| {
        spec.extensions = extensions.to_vec();
        spec
    };
    let [mid, orientation] = [extension(3, HeaderExtension::MID), extension(1, "urn:3gpp:video-orientation")];
    let mut pair = offered();
    let [sound, pictures] = <[ContentSpec; 2]>::try_from(both(111, 98)).expect("two");
    let sound = vec![with(sound, std::slice::from_ref(&mid))];
    let (caller, (_, offer)) = offer_of(pair.now, &mut pair.ids, sound);
    pair.caller = caller;
    let answer = answer_with(&offer, [Some(their_end("peer")), None], group(&["audio"]));
    pair.caller.handle_request(pair.now, &mut pair.ids, "a", &answer, &[]).expect("it is in order");
    drain(&mut pair.caller);
    pair.caller.add(pair.now, &mut pair.ids, with(pictures, &[orientation, mid.clone()]));
    let added = drain(&mut pair.caller).requests.remove(0).1;
    let described = added.contents[0].description.as_ref().expect("pictures");
    assert_eq!(described.extensions, [mid]);
}

// ---- a media layer that does not bundle --------------------------------------------------------------------------------

fn unbundled(us: &str, peer: &str) -> SessionParams {
    SessionParams { able: TransportAbilities { bundling: false, ..ABLE }, ..parties(us, peer) }
}

#[test]
fn without_bundling_an_offer_groups_nothing_and_a_peer_that_bundles_all_the_same_gets_two_transports() {
    let mut pair = offered();
    pair.caller = Session::outgoing(pair.now, unbundled("romeo", "juliet"), "s1".to_owned(), both(111, 98));
    pair.caller.permit_offer(pair.now, &mut pair.ids);
    drain(&mut pair.caller);
    for (index, name) in [(0, "sound"), (1, "sight!")] {
        pair.caller.handle_media(pair.now, &mut pair.ids, end_of(index, name));
    }
    let offer = drain(&mut pair.caller).requests.remove(0).1;
    assert_eq!(offer.group, None);
    let answer = answer_with(&offer, [Some(their_end("a")), Some(their_end("v"))], group(&["audio", "video"]));
    pair.caller.handle_request(pair.now, &mut pair.ids, "a", &answer, &[]).expect("it is in order");
    let media = drain(&mut pair.caller).media;
    assert_eq!((removed(&media), opened(&media)), (vec![], vec![]));
    assert_eq!(remotes(&media), [(0, "a"), (1, "v")]);
}

#[test]
fn without_bundling_an_offered_bundle_is_answered_without_it_and_by_two_transports() {
    let (mut pair, offer) = (offered(), offer(111, 98, Some(&["audio", "video"])));
    pair.callee = Session::incoming(unbundled("juliet", "romeo"), &offer, &both(111, 98)).expect("it fits");
    pair.callee.accept(pair.now, &mut pair.ids);
    assert_eq!(opened(&drain(&mut pair.callee).media), [("audio", 0), ("video", 1)]);
    for (index, name) in [(0, "sound"), (1, "sight!")] {
        pair.callee.handle_media(pair.now, &mut pair.ids, end_of(index, name));
    }
    let (_, accept) = drain(&mut pair.callee).requests.remove(0);
    assert_eq!((accept.group, accept.contents.len()), (None, 2));
}

#[test]
fn without_bundling_what_is_added_later_has_a_transport_of_its_own() {
    let able = TransportAbilities { bundling: false, ..ABLE };
    let mut pair = up_between([able, ABLE]);
    let pictures = both(111, 98).remove(1);
    pair.caller.add(pair.now, &mut pair.ids, pictures);
    assert_eq!(opened(&drain(&mut pair.caller).media), [("video", 1)]);
}
