//! What XEP-0166, 0167 and 0176 ask of a session, one by one.

use muji_jingle::media::{MediaCommand, MediaReport, TransportFailure};
use muji_jingle::{ContentSpec, End, Session, SessionEvent, SessionId};
use muji_xep::ice::{Candidate, CandidateKind};
use muji_xep::jingle::{Action, Content, Jingle, Reason, Senders};
use muji_xep::rtp::{Description, HeaderExtension, Media, PayloadType};
use muji_xep::session_info::SessionInfo;
use xmpp_parsers::iq::Iq;

use crate::pair::{Given, agreed, answer, drain, end, offer_of, offered, opus, parties, transport, up, wanted};

fn why(given: &Given) -> Option<Reason> {
    given.told().map(|why| why.reason.clone())
}

fn candidate(port: u16) -> Candidate {
    Candidate {
        component: 1,
        foundation: "1".to_owned(),
        generation: 0,
        id: None,
        address: ([192, 0, 2, 1], port).into(),
        priority: 1,
        kind: CandidateKind::Host,
        related: None,
    }
}

// Shows ice-cred-01.
#[test]
fn a_candidate_never_travels_without_the_credentials() {
    let mut pair = agreed();
    let described = end("romeo");
    let MediaReport::Described { local, .. } = described else { panic!("an end") };
    for port in [5_000, 5_001] {
        let report = MediaReport::Candidate { transport: transport(), candidate: candidate(port) };
        pair.caller.handle_media(pair.now, &mut pair.ids, report);
        let given = drain(&mut pair.caller);
        let [(_, told)] = &given.requests[..] else { panic!("one piece of news") };
        let sent = told.contents[0].transport.as_ref().expect("it has one");
        assert_eq!(told.action, Action::TransportInfo);
        assert_eq!((sent.ufrag.as_ref(), sent.pwd.as_ref()), (Some(&local.ufrag), Some(&local.pwd)));
        assert_eq!(sent.candidates, [candidate(port)]);
    }
}

#[test]
fn an_address_that_comes_before_the_answer_is_used_with_it() {
    let mut pair = offered();
    let (id, accept) = answer(&mut pair);
    let mut early = Jingle::new(Action::TransportInfo, "s1");
    let mut content = Content::new("audio");
    let end = accept.contents[0].transport.clone().expect("an answer has one");
    content.transport = Some(muji_xep::ice::Transport {
        ufrag: end.ufrag,
        pwd: end.pwd,
        candidates: vec![candidate(5_000)],
        ..Default::default()
    });
    early.contents = vec![content];
    pair.caller.handle_request(pair.now, &mut pair.ids, "x", &early, &[]).expect("it is in order");
    assert!(drain(&mut pair.caller).media.is_empty(), "whom to connect to is not known yet");
    pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
    let used = |command: &MediaCommand| matches!(command, MediaCommand::Candidate { candidate: it, .. } if *it == candidate(5_000));
    assert!(drain(&mut pair.caller).media.iter().any(used));
}

fn extensions(of: &[(u16, &str)]) -> Vec<HeaderExtension> {
    let extension = |(id, name): &(u16, &str)| HeaderExtension {
        id: *id,
        uri: format!("urn:example:{name}"),
        senders: Senders::Both,
    };
    of.iter().map(extension).collect()
}

/// What each side's media layer learns, when one offers these header extensions and the other knows those.
fn extended(offered: &[(u16, &str)], known: &[(u16, &str)]) -> [Vec<HeaderExtension>; 2] {
    let now = std::time::Instant::now();
    let mut ids = muji_jingle::Ids::new([7; 32]);
    let with = |of| vec![ContentSpec { extensions: extensions(of), ..wanted(vec![opus()]).remove(0) }];
    let (mut caller, (_, offer)) = offer_of(now, &mut ids, with(offered));
    let mut callee = Session::incoming(parties("juliet", "romeo"), &offer, &with(known)).expect("it fits");
    callee.accept(now, &mut ids);
    callee.handle_media(now, &mut ids, end("juliet"));
    let given = drain(&mut callee);
    let (id, answer) = given.requests[0].clone();
    caller.handle_request(now, &mut ids, &id, &answer, &[]).expect("it is in order");
    let learnt = |media: &[MediaCommand]| {
        let remote = media.iter().find_map(|command| match command {
            MediaCommand::Remote { remote, .. } => Some(remote.extensions.clone()),
            _ => None,
        });
        remote.expect("it learns whom to connect to")
    };
    [learnt(&drain(&mut caller).media), learnt(&given.media)]
}

#[test]
fn header_extensions_are_those_that_both_know_with_the_ids_of_the_offer() {
    let both = extensions(&[(3, "order")]);
    assert_eq!(extended(&[(1, "orientation"), (3, "order")], &[(2, "order"), (4, "level")]), [both.clone(), both]);
    assert_eq!(extended(&[(1, "orientation")], &[]), [Vec::new(), Vec::new()]);
    assert_eq!(extended(&[], &[(1, "orientation")]), [Vec::new(), Vec::new()]);
    let proposed = extensions(&[(2, "order")]);
    assert_eq!(extended(&[(4_096, "order")], &[(2, "order")])[1], proposed, "the answer chooses");
    assert_eq!(extended(&[(15, "order")], &[(2, "order")])[1], [], "it does not fit into the one-byte form");
}

// Shows ice-cand-03.
#[test]
fn what_is_no_candidate_is_answered_with_an_error_and_the_rest_is_taken() {
    let mut pair = agreed();
    let mut news = Jingle::new(Action::TransportInfo, "s1");
    let mut content = Content::new("audio");
    let told = muji_xep::ice::Transport { candidates: vec![candidate(5_000)], malformed: true, ..Default::default() };
    content.transport = Some(told);
    news.contents = vec![content];
    pair.caller.handle_request(pair.now, &mut pair.ids, "x", &news, &[]).expect_err("one is malformed");
    let given = drain(&mut pair.caller);
    assert!(matches!(&given.answers[..], [Iq::Error { .. }]));
    assert_eq!(given.media, [MediaCommand::Candidate { transport: transport(), candidate: candidate(5_000) }]);
    assert!(!pair.caller.is_over());
}

// Shows hdrx-02.
#[test]
fn an_answer_has_no_header_extension_that_nobody_here_knows() {
    let mut pair = offered();
    let description = pair.offer.contents[0].description.as_mut().expect("sound");
    let extension = |id, uri: &str| HeaderExtension { id, uri: uri.to_owned(), senders: Senders::Both };
    description.extensions = vec![extension(1, "urn:example:tilt"), extension(4_096, "urn:example:pan")];
    pair.callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &wanted(vec![opus()])).expect("it fits");
    let (_, accept) = answer(&mut pair);
    let described = accept.contents[0].description.as_ref().expect("sound");
    assert_eq!((described.payload_types.len(), described.extensions.len()), (1, 0));
}

// Shows ice-fail-01, jingle-term-08.
#[test]
fn a_path_that_cannot_be_made_ends_it_otherwise_than_one_that_is_lost() {
    let lost = || MediaReport::Failed { transport: transport(), failure: TransportFailure::Closed.into() };
    let mut pair = agreed();
    pair.caller.handle_media(pair.now, &mut pair.ids, lost());
    assert_eq!(why(&drain(&mut pair.caller)), Some(Reason::FailedTransport));
    let mut pair = up();
    pair.caller.handle_media(pair.now, &mut pair.ids, lost());
    let given = drain(&mut pair.caller);
    assert_eq!(why(&given), Some(Reason::ConnectivityError));
    assert_eq!(given.events, [SessionEvent::Ended(End::Path(TransportFailure::Closed.into()))]);
}

// Shows dtls-bind-01.
#[test]
fn who_shows_another_certificate_than_promised_is_left_with_a_security_error() {
    let mut pair = agreed();
    pair.caller.handle_media(pair.now, &mut pair.ids, MediaReport::WrongCertificate { transport: transport() });
    let given = drain(&mut pair.caller);
    assert_eq!(why(&given), Some(Reason::SecurityError));
    assert_eq!(given.media, [MediaCommand::Close { session: SessionId(1) }]);
    assert_eq!(given.events, [SessionEvent::Ended(End::WrongCertificate)]);
}

/// Whether the media layer of a session is told to send and to receive.
fn flows(given: &Given) -> Option<(bool, bool)> {
    given.media.iter().rev().find_map(|command| match command {
        MediaCommand::Content { send, receive, .. } => Some((send.is_some(), *receive)),
        _ => None,
    })
}

const ALL: [(Senders, bool, bool); 4] = [
    (Senders::Both, true, true),
    (Senders::Initiator, true, false),
    (Senders::Responder, false, true),
    (Senders::None, false, false),
];

// Shows jingle-content-03.
#[test]
fn who_sends_is_seen_from_the_initiator() {
    for (senders, initiator, responder) in ALL {
        // Of an offer, by the responder.
        let mut pair = offered();
        let mut offer = pair.offer.clone();
        offer.contents[0].senders = senders;
        let mut callee =
            Session::incoming(parties("juliet", "romeo"), &offer, &wanted(vec![opus()])).expect("it is usable");
        callee.accept(pair.now, &mut pair.ids);
        assert_eq!(flows(&drain(&mut callee)), Some((responder, initiator)), "{senders:?}");
        // Of an answer, by the initiator.
        let mut pair = offered();
        let (id, mut accept) = answer(&mut pair);
        accept.contents[0].senders = senders;
        pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
        assert_eq!(flows(&drain(&mut pair.caller)).map(|(sent, _)| sent), Some(initiator), "{senders:?}");
        assert_eq!(!pair.caller.contents().is_empty(), responder, "{senders:?}");
    }
    let bare: muji_xep::Element = "<content xmlns='urn:xmpp:jingle:1' name='audio'/>".parse().expect("well-formed");
    let read = Content::read(&bare, &mut muji_xep::Skipped::default()).expect("it has a name");
    assert_eq!(read.senders, Senders::Both, "if it is not said");
}

#[test]
fn a_peer_that_answers_that_it_sends_nothing_and_sends_all_the_same_is_heard() {
    let mut pair = offered();
    let (id, mut accept) = answer(&mut pair);
    accept.contents[0].senders = Senders::Initiator; // Siskin.
    pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
    assert_eq!(flows(&drain(&mut pair.caller)), Some((true, true)), "what comes is taken");
    pair.caller.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: transport() });
    assert_eq!(pair.caller.contents(), [], "as it said");
    let flowing = MediaReport::Flowing { session: SessionId(1), content: "audio".to_owned() };
    pair.caller.handle_media(pair.now, &mut pair.ids, flowing);
    assert_eq!(pair.caller.contents(), [("audio".to_owned(), Media::Audio)], "as it does");
    drain(&mut pair.caller);
    let mut modify = Jingle::new(Action::ContentModify, "s1");
    modify.contents = vec![Content { senders: Senders::Initiator, ..Content::new("audio") }];
    pair.caller.handle_request(pair.now, &mut pair.ids, "m", &modify, &[]).expect("it is in order");
    assert_eq!(flows(&drain(&mut pair.caller)), Some((true, false)), "it stops, and that counts");
}

#[test]
fn what_flows_is_told_once_and_only_after_the_session_is_connected() {
    let mut pair = agreed();
    let flowing = || MediaReport::Flowing { session: SessionId(1), content: "audio".to_owned() };
    let connected = || MediaReport::Connected { transport: transport() };
    let interrupted = MediaReport::Interrupted { transport: transport() };
    let mut told = Vec::new();
    for report in [flowing(), connected(), flowing(), interrupted, connected(), flowing(), flowing()] {
        pair.callee.handle_media(pair.now, &mut pair.ids, report);
        told.extend(drain(&mut pair.callee).events);
    }
    let flows = || SessionEvent::Flowing { content: "audio".to_owned(), after_silence: false };
    let expected = [SessionEvent::Accepted, SessionEvent::Connected, flows(), SessionEvent::Interrupted];
    assert_eq!(told, [&expected[1..], &[SessionEvent::Connected, flows()]].concat());
}

// Shows rtp-desc-02.
#[test]
fn that_reports_share_the_component_is_answered_only_if_it_was_offered() {
    for offered_so in [true, false] {
        let mut pair = offered();
        let mut offer = pair.offer.clone();
        offer.contents[0].description.as_mut().expect("an offer has one").rtcp_mux = offered_so;
        pair.callee =
            Session::incoming(parties("juliet", "romeo"), &offer, &wanted(vec![opus()])).expect("it is usable");
        let (id, mut accept) = answer(&mut pair);
        let description = accept.contents[0].description.as_mut().expect("an answer has one");
        assert_eq!(description.rtcp_mux, offered_so);
        description.rtcp_mux = !offered_so;
        pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
        assert_eq!(drain(&mut pair.caller).events, [SessionEvent::Accepted], "either is no fault");
    }
}

#[test]
fn an_answer_may_number_an_encoding_otherwise_and_leave_out_what_it_fixes() {
    for (id, clockrate, sent) in [(111, Some(48_000), 111), (96, Some(48_000), 96), (96, None, 96)] {
        let mut pair = offered();
        let (iq, mut accept) = answer(&mut pair);
        let description = accept.contents[0].description.as_mut().expect("an answer has one");
        description.payload_types = vec![PayloadType { id, clockrate, channels: None, ..opus() }];
        pair.caller.handle_request(pair.now, &mut pair.ids, &iq, &accept, &[]).expect("it is in order");
        let media = drain(&mut pair.caller).media;
        let told = media.iter().find_map(|command| match command {
            MediaCommand::Content { send, .. } => send.as_ref().map(|send| send.payload_type.id),
            _ => None,
        });
        assert_eq!(told, Some(sent));
    }
}

// Shows rtp-answer-03.
#[test]
fn what_is_sent_is_the_first_of_the_answer_that_was_offered() {
    let speex = PayloadType::new(112, "speex", 16_000, 1);
    let mut pair = offered();
    let (mut caller, _) = offer_of(pair.now, &mut pair.ids, wanted(vec![opus(), speex.clone()]));
    let (id, mut accept) = answer(&mut pair);
    let description = accept.contents[0].description.as_mut().expect("an answer has one");
    description.payload_types = vec![PayloadType::new(0, "PCMU", 8_000, 1), speex.clone(), opus()];
    caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
    let sent = drain(&mut caller).media.into_iter().find_map(|command| match command {
        MediaCommand::Content { send, .. } => send,
        _ => None,
    });
    assert_eq!(sent.map(|sent| sent.payload_type), Some(speex));
}

// Shows rtp-listen-01.
#[test]
fn both_listen_before_anybody_confirms_the_answer() {
    let mut pair = offered();
    pair.callee.accept(pair.now, &mut pair.ids);
    let given = drain(&mut pair.callee);
    assert_eq!((flows(&given), given.requests.len()), (Some((true, true)), 0), "before its answer goes out");
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    let (id, accept) = drain(&mut pair.callee).requests[0].clone();
    pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
    assert_eq!(flows(&drain(&mut pair.caller)), Some((true, true)));
}

// Shows rtp-comp-01.
#[test]
fn rtcp_shares_the_component_of_rtp_and_candidates_for_another_are_left_alone() {
    let mut pair = offered();
    let described = pair.offer.contents[0].description.as_ref().expect("an offer has one");
    assert!(described.rtcp_mux);
    let mut news = Jingle::new(Action::TransportInfo, "s1");
    let mut content = Content::new("audio");
    let second = Candidate { component: 2, ..candidate(5_001) };
    content.transport =
        Some(muji_xep::ice::Transport { candidates: vec![second, candidate(5_000)], ..Default::default() });
    news.contents = vec![content];
    pair.callee.handle_request(pair.now, &mut pair.ids, "x", &news, &[]).expect("it is in order");
    pair.callee.accept(pair.now, &mut pair.ids);
    let told = drain(&mut pair.callee).media.into_iter().filter_map(|command| match command {
        MediaCommand::Candidate { candidate, .. } => Some(candidate),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [candidate(5_000)]);
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    let (_, accept) = drain(&mut pair.callee).requests[0].clone();
    assert!(accept.contents[0].description.as_ref().is_some_and(|it| it.rtcp_mux));
}

#[test]
fn addresses_to_which_nothing_can_be_sent_are_left_alone() {
    let mut pair = offered();
    let at = |address: &str| Candidate { address: address.parse().expect("an address"), ..candidate(5_000) };
    let none = ["192.0.2.1:0", "0.0.0.0:5000", "[::]:5000", "224.0.0.1:5000", "[ff02::1]:5000"].map(at);
    let candidates = none.into_iter().chain([candidate(5_000)]).collect();
    let mut news = Jingle::new(Action::TransportInfo, "s1");
    let told = muji_xep::ice::Transport { candidates, ..Default::default() };
    news.contents = vec![Content { transport: Some(told), ..Content::new("audio") }];
    pair.callee.handle_request(pair.now, &mut pair.ids, "x", &news, &[]).expect("it is in order");
    pair.callee.accept(pair.now, &mut pair.ids);
    let told = drain(&mut pair.callee).media.into_iter().filter_map(|command| match command {
        MediaCommand::Candidate { candidate, .. } => Some(candidate),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [candidate(5_000)]);
}

#[test]
fn rtcp_of_reduced_size_is_offered_and_answered_if_it_was_offered() {
    for offers in [true, false] {
        let mut pair = offered();
        let described = pair.offer.contents[0].description.as_mut().expect("an offer has one");
        assert!(described.rtcp_reduced_size);
        described.rtcp_reduced_size = offers;
        let callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &wanted(vec![opus()]));
        pair.callee = callee.expect("it fits");
        let (_, accept) = answer(&mut pair);
        assert_eq!(accept.contents[0].description.as_ref().map(|it| it.rtcp_reduced_size), Some(offers));
    }
}

// Shows jingle-dinfo-01, rtp-param-01.
#[test]
fn what_the_peer_would_like_otherwise_is_confirmed_and_changes_nothing() {
    let mut pair = up();
    let mut wish = Jingle::new(Action::DescriptionInfo, "s1");
    let parameter = |name: &str, value: &str| PayloadType::new(111, "opus", 48_000, 2).with_parameter(name, value);
    let description = Description::new(Media::Audio, vec![parameter("width", "4000"), parameter("x-unknown", "1")]);
    wish.contents = vec![Content { description: Some(description), ..Content::new("audio") }];
    pair.caller.handle_request(pair.now, &mut pair.ids, "x", &wish, &[]).expect("it is advice");
    let given = drain(&mut pair.caller);
    assert!(matches!(&given.answers[..], [Iq::Result { .. }]));
    assert_eq!((given.requests.len(), given.media.len(), given.events.len()), (0, 0, 0));
    assert!(pair.caller.is_connected());
}

// Shows jingle-redirect-01.
#[test]
fn whom_an_answer_names_as_the_one_to_talk_with_does_not_count() {
    for responder in ["other@x.example/1", "juliet@x.example/2"] {
        let mut pair = offered();
        let (id, mut accept) = answer(&mut pair);
        accept.responder = Some(responder.to_owned());
        pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
        drain(&mut pair.caller);
        pair.caller.end(pair.now, &mut pair.ids, Reason::Success);
        let Some(muji_jingle::SessionOutput::Send(iq)) = pair.caller.poll_output() else { panic!("it is told") };
        assert_eq!(iq.to().map(ToString::to_string).as_deref(), Some("juliet@x.example/1"), "{responder}");
    }
}

// Shows rtp-info-05.
#[test]
fn who_holds_hears_again_by_either_word() {
    for word in [SessionInfo::Unhold, SessionInfo::Active] {
        let mut pair = up();
        for (info, sends) in [(SessionInfo::Hold, false), (word, true)] {
            let mut news = Jingle::new(Action::SessionInfo, "s1");
            news.info = Some(info);
            pair.caller.handle_request(pair.now, &mut pair.ids, "x", &news, &[]).expect("it is understood");
            assert_eq!(flows(&drain(&mut pair.caller)).map(|(sent, _)| sent), Some(sends));
        }
    }
}

// Shows ice-new-01.
#[test]
fn an_address_that_comes_once_it_is_connected_is_tried_too() {
    let mut pair = up();
    let mut news = Jingle::new(Action::TransportInfo, "s1");
    let relayed = Candidate { kind: CandidateKind::Relayed, ..candidate(6_000) };
    let told = muji_xep::ice::Transport { candidates: vec![relayed.clone()], ..Default::default() };
    news.contents = vec![Content { transport: Some(told), ..Content::new("audio") }];
    pair.caller.handle_request(pair.now, &mut pair.ids, "x", &news, &[]).expect("it is in order");
    let given = drain(&mut pair.caller);
    assert!(matches!(&given.answers[..], [Iq::Result { .. }]));
    assert_eq!(given.media, [MediaCommand::Candidate { transport: transport(), candidate: relayed }]);
}

// Shows fb-04.
#[test]
fn how_often_feedback_may_come_is_not_answered_otherwise_than_asked() {
    let written = {
        let mut element = offered().offer.write();
        let interval: muji_xep::Element =
            "<rtcp-fb-trr-int xmlns='urn:xmpp:jingle:apps:rtp:rtcp-fb:0' value='100'/>".parse().expect("well-formed");
        let content = element.get_child_mut("content", "urn:xmpp:jingle:1").expect("an offer has one");
        let description = content.get_child_mut("description", "urn:xmpp:jingle:apps:rtp:1").expect("it has one");
        description.append_child(interval);
        element
    };
    let offer = Jingle::read(&written, &mut muji_xep::Skipped::default()).expect("it is an offer");
    let mut pair = offered();
    pair.callee = Session::incoming(parties("juliet", "romeo"), &offer, &wanted(vec![opus()])).expect("it fits");
    let (_, accept) = answer(&mut pair);
    assert!(!String::from(&accept.write()).contains("trr-int"));
}
