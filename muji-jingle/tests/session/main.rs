//! Two sessions talk to each other, stanza by stanza.
#![expect(clippy::disallowed_methods, reason = "tests begin with a look at the clock")]

mod bundles;
mod contents;
mod deadlines;
mod owner;
mod pair;
mod redundancy;
mod requirements;
mod restarting;
mod rtx;
mod security;
mod silence;
mod talk;
mod telephones;

use std::time::Duration;

use muji_jingle::fault::PeerFault;
use muji_jingle::media::{MediaCommand, MediaReport, MediaTrouble};
use muji_jingle::{Awaited, ContentSpec, End, Mute, Session, SessionEvent, SessionId, timers};
use muji_xep::dtmf::Digit;
use muji_xep::jingle::{Action, Jingle, Reason};
use muji_xep::rtp::{Media, PayloadType};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use pair::{agreed, answer, drain, end, offered, opus, parties, transport, up, wanted};

#[test]
fn a_session_comes_up_with_an_offer_and_an_answer() {
    let pair = up();
    assert_eq!((pair.caller.poll_timeout(), pair.callee.poll_timeout()), (None, None), "nothing is waited for");
}

#[test]
fn the_side_that_ends_a_session_tells_the_other_why_once() {
    let mut pair = up();
    pair.caller.end(pair.now, &mut pair.ids, Reason::Success);
    pair.caller.end(pair.now, &mut pair.ids, Reason::Success);
    let said = drain(&mut pair.caller);
    let [(id, terminate)] = &said.requests[..] else { panic!("one end") };
    assert_eq!(said.media, [MediaCommand::Close { session: SessionId(1) }]);
    pair.callee.handle_request(pair.now, &mut pair.ids, id, terminate, &[]).expect("it is in order");
    let heard = drain(&mut pair.callee);
    assert_eq!(heard.events, [SessionEvent::Ended(End::Peer(Reason::Success.into()))]);
    assert_eq!((heard.answers.len(), heard.requests.len()), (1, 0));
    let late = pair.callee.handle_request(pair.now, &mut pair.ids, "x", terminate, &[]);
    assert_eq!(late.expect_err("it is over").to_string(), "no session s1 with this peer");
}

#[test]
fn a_peer_that_talks_with_us_and_does_not_confirm_our_answer_stays() {
    let mut pair = offered();
    let (id, _) = answer(&mut pair);
    let confirmed = pair.now + timers::ANSWER;
    let mut silent = pair.callee.clone();
    pair.callee.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: transport() });
    for (session, over) in [(&mut pair.callee, false), (&mut silent, true)] {
        session.handle_timeout(confirmed, &mut pair.ids);
        assert_eq!(session.is_over(), over);
    }
    assert!(!pair.callee.handle_answer(confirmed, &mut pair.ids, &id, Ok(())), "nobody waits for it any more");
}

#[test]
fn a_mute_is_told_by_the_name_of_the_content() {
    let mut pair = up();
    pair.callee.announce_mute(pair.now, &mut pair.ids, "audio", Mute::On);
    let [(id, info)] = &drain(&mut pair.callee).requests[..] else { panic!("one piece of news") };
    pair.caller.handle_request(pair.now, &mut pair.ids, id, info, &[]).expect("it is understood");
    assert_eq!(drain(&mut pair.caller).events, [SessionEvent::Muted(Some(("audio".to_owned(), Media::Audio)))]);
}

#[test]
fn a_report_that_comes_behind_the_end_says_nothing() {
    let session = SessionId(1);
    let reports = [
        MediaReport::Connected { transport: transport() },
        MediaReport::Interrupted { transport: transport() },
        MediaReport::Moved { transport: transport() },
        MediaReport::WrongCertificate { transport: transport() },
        MediaReport::Flowing { session, content: "audio".to_owned() },
        MediaReport::Silent { session, content: "audio".to_owned() },
        MediaReport::Digit { session, digit: Digit::of_key('5').expect("a key") },
        MediaReport::Trouble(MediaTrouble::Decoder("it failed".to_owned())),
    ];
    for report in reports {
        let mut pair = up();
        pair.caller.end(pair.now, &mut pair.ids, Reason::Success);
        drain(&mut pair.caller);
        pair.caller.handle_media(pair.now, &mut pair.ids, report.clone());
        assert!(pair.caller.poll_output().is_none(), "{report:?}");
    }
}

#[test]
fn what_is_over_takes_nothing_out_and_no_answer_to_it_leads_to_anything() {
    let refused = StanzaError::new(ErrorType::Cancel, DefinedCondition::ItemNotFound, "en", "");
    for outcome in [Ok(()), Err(&refused)] {
        let mut pair = up();
        let [audio] = &wanted(vec![PayloadType::new(98, "VP8", 90_000, 1)])[..] else { panic!("one content") };
        let video = ContentSpec { publication: "video".to_owned(), media: Media::Video, ssrc: 8, ..audio.clone() };
        pair.caller.add(pair.now, &mut pair.ids, video);
        pair.caller.handle_media(pair.now, &mut pair.ids, end("romeo"));
        let [(id, _)] = &drain(&mut pair.caller).requests[..] else { panic!("one addition") };
        pair.caller.end(pair.now, &mut pair.ids, Reason::Success);
        drain(&mut pair.caller);
        pair.caller.remove(pair.now, &mut pair.ids, "video");
        pair.caller.remove(pair.now, &mut pair.ids, "audio");
        assert!(pair.caller.handle_answer(pair.now, &mut pair.ids, id, outcome), "it was asked for");
        assert!(pair.caller.poll_output().is_none());
    }
}

// Shows jingle-term-10.
#[test]
fn an_offer_that_is_not_answered_ends_in_time() {
    let mut pair = offered();
    let asked = pair.caller.poll_timeout().expect("an answer is waited for");
    assert_eq!(asked, pair.now + timers::UNANSWERED);
    pair.caller.handle_timeout(asked, &mut pair.ids);
    assert_eq!(drain(&mut pair.caller).events, [SessionEvent::Unanswered]);
    let until = pair.caller.poll_timeout().expect("an answer is still waited for");
    assert_eq!(until, pair.now + timers::ACCEPT);
    pair.caller.handle_timeout(until - Duration::from_millis(1), &mut pair.ids);
    assert!(!pair.caller.is_over());
    pair.caller.handle_timeout(until, &mut pair.ids);
    let end = drain(&mut pair.caller);
    assert_eq!(end.requests[0].1.why.as_ref().map(|why| why.reason.clone()), Some(Reason::Timeout));
    assert_eq!(end.events, [SessionEvent::Ended(End::Silent(Awaited::Acceptance))]);
}

#[test]
fn transports_that_do_not_connect_end_it_in_time() {
    let mut pair = agreed();
    pair.caller.handle_timeout(pair.now + timers::CONNECT, &mut pair.ids);
    let end = drain(&mut pair.caller);
    assert_eq!(end.requests[0].1.why.as_ref().map(|why| why.reason.clone()), Some(Reason::FailedTransport));
}

#[test]
fn what_makes_no_sense_now_is_refused_and_changes_nothing() {
    let mut pair = up();
    for action in [Action::SessionInitiate, Action::SessionAccept, Action::SecurityInfo, Action::ContentAdd] {
        let request = Jingle::new(action.clone(), "s1");
        let fault = pair.caller.handle_request(pair.now, &mut pair.ids, "x", &request, &[]).expect_err("it makes none");
        if action == Action::SessionAccept {
            assert!(matches!(fault, PeerFault::OutOfOrder { .. }), "{fault}");
        }
        let given = drain(&mut pair.caller);
        assert!(matches!(&given.answers[..], [Iq::Error { .. }]));
        assert_eq!((given.requests.len(), given.media.len(), given.events.len()), (0, 0, 0));
        assert!(pair.caller.is_connected());
    }
}

// Shows jingle-term-10.
#[test]
fn another_fingerprint_later_ends_the_session() {
    let mut pair = up();
    let forged = {
        let mut forger = Session::outgoing(pair.now, parties("juliet", "romeo"), "s1".to_owned(), wanted(vec![opus()]));
        forger.permit_offer(pair.now, &mut pair.ids);
        forger.handle_media(pair.now, &mut pair.ids, end("somebody else"));
        let [(_, jingle)] = &drain(&mut forger).requests[..] else { panic!("one offer") };
        let mut jingle = jingle.clone();
        jingle.action = Action::TransportInfo;
        jingle
    };
    pair.caller.handle_request(pair.now, &mut pair.ids, "x", &forged, &[]).expect("it is well-formed");
    let end = drain(&mut pair.caller);
    assert_eq!(end.requests[0].1.why.as_ref().map(|why| why.reason.clone()), Some(Reason::SecurityError));
    assert!(pair.caller.is_over());
}

#[test]
fn an_answer_without_a_codec_of_ours_ends_with_the_fault_named() {
    let mut pair = offered();
    pair.callee.accept(pair.now, &mut pair.ids);
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    let given = drain(&mut pair.callee);
    let (id, mut accept) = given.requests[0].clone();
    let description = accept.contents[0].description.as_mut().expect("an answer has one");
    description.payload_types = vec![PayloadType::new(0, "PCMU", 8_000, 1)];
    pair.caller.handle_request(pair.now, &mut pair.ids, &id, &accept, &[]).expect("it is in order");
    let end = drain(&mut pair.caller);
    assert_eq!(end.requests[0].1.why.as_ref().map(|why| why.reason.clone()), Some(Reason::FailedApplication));
}

#[test]
fn candidates_before_the_decision_are_kept_within_the_bound_and_lead_nowhere() {
    let mut pair = offered();
    for number in 0..100u16 {
        let mut news = Jingle::new(Action::TransportInfo, "s1");
        let mut content = muji_xep::jingle::Content::new("audio");
        let candidate = muji_xep::ice::Candidate {
            component: 1,
            foundation: "1".to_owned(),
            generation: 0,
            id: None,
            address: ([192, 0, 2, 1], 10_000 + number).into(),
            priority: 1,
            kind: muji_xep::ice::CandidateKind::Host,
            related: None,
        };
        content.transport = Some(muji_xep::ice::Transport { candidates: vec![candidate], ..Default::default() });
        news.contents = vec![content];
        pair.callee.handle_request(pair.now, &mut pair.ids, "x", &news, &[]).expect("it is in order");
        assert!(drain(&mut pair.callee).media.is_empty());
    }
    pair.callee.accept(pair.now, &mut pair.ids);
    let candidates = drain(&mut pair.callee).media.into_iter();
    assert_eq!(candidates.filter(|command| matches!(command, MediaCommand::Candidate { .. })).count(), 32);
}
