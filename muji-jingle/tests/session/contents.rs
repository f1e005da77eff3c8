//! Contents that come and go while the session runs.

use muji_jingle::media::{MediaCommand, MediaReport, TransportFailure};
use muji_jingle::{ContentSpec, End, Mute, Session, SessionEvent, SessionQuirks, TransportId, timers};
use muji_xep::jingle::{Action, Content, Group, Jingle, MAX_CONTENTS, Reason, Senders, Side};
use muji_xep::rtp::{Description, Media, PayloadType};
use muji_xep::session_info::{ContentRef, SessionInfo};
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::pair::{agreed, answer, drain, end, offer_of, offered, opus, parties, wanted};
use crate::talk::{CALLEE, CALLER, Talk, video, vp8};

// Shows jingle-cadd-01, jingle-cadd-02, jingle-content-01.
#[test]
fn either_side_adds_a_content_by_itself_and_the_other_takes_it() {
    for (side, creator) in [(CALLER, Side::Initiator), (CALLEE, Side::Responder)] {
        let mut talk = Talk::able();
        talk.add(side);
        assert_eq!(talk.asked(), [(side, "content-add"), (1 - side, "content-accept")]);
        for (_, jingle) in &talk.requests {
            let [content] = &jingle.contents[..] else { panic!("one content") };
            assert_eq!((content.name.as_str(), content.creator), ("video", creator));
            assert!(content.transport.as_ref().is_some_and(|transport| transport.fingerprints.len() == 1));
        }
        for side in [CALLER, CALLEE] {
            assert_eq!(talk.flows(side, "video"), Some((true, true)));
            let added = SessionEvent::ContentAdded { content: "video".to_owned(), media: Media::Video };
            assert!(talk.events[side].contains(&added));
            assert_eq!(talk.session(side).poll_timeout(), None, "nothing is waited for");
        }
    }
}

// Shows dtls-fp-02.
#[test]
fn an_added_content_has_a_handshake_of_its_own_whose_role_the_other_chooses_or_in_a_bundle_that_which_was() {
    for (mut talk, role) in [(Talk::unbundled(), "Active"), (Talk::able(), "Passive")] {
        talk.add(CALLER);
        talk.requests.clear();
        talk.remove(CALLER, "video");
        talk.requests.clear();
        talk.add(if role == "Active" { CALLER } else { CALLEE });
        let setups: Vec<String> = talk
            .requests
            .iter()
            .map(|(_, jingle)| {
                let transport = jingle.contents[0].transport.as_ref().expect("it has one");
                format!("{:?}", transport.fingerprints[0].setup.expect("it says"))
            })
            .collect();
        assert_eq!(setups, ["ActPass", role]);
    }
}

// Shows R-ADD-1.
#[test]
fn what_we_do_not_send_is_received_and_nothing_of_ours_is_sent_for_it() {
    let mut talk = Talk::able();
    talk.able[CALLEE] = vec![video(false)];
    talk.add(CALLER);
    // What comes all the same would be taken.
    assert_eq!((talk.flows(CALLER, "video"), talk.flows(CALLEE, "video")), (Some((true, true)), Some((false, true))));
    let received = [CALLER, CALLEE].map(|side| talk.session(side).contents().len());
    assert_eq!(received, [1, 2], "the sound, and the pictures at one end");
    assert_eq!(talk.requests[1].1.contents[0].senders, Senders::Initiator);
}

#[test]
fn what_is_sent_later_goes_by_the_content_that_is_there() {
    let mut talk = Talk::able();
    talk.able[CALLEE] = vec![video(false)];
    talk.add(CALLER);
    talk.requests.clear();
    talk.add(CALLEE);
    assert_eq!(talk.asked(), [(CALLEE, "content-modify")]);
    assert_eq!(talk.flows(CALLEE, "video"), Some((true, true)));
    assert_eq!(talk.flows(CALLER, "video"), Some((true, true)));
}

// Shows rtp-add-01.
#[test]
fn a_content_without_a_codec_of_ours_is_rejected_with_what_we_have() {
    let mut talk = Talk::able();
    talk.able[CALLEE] =
        vec![ContentSpec { payload_types: vec![PayloadType::new(34, "H263", 90_000, 1)], ..video(true) }];
    talk.add(CALLER);
    assert_eq!(talk.asked(), [(CALLER, "content-add"), (CALLEE, "content-reject")]);
    let reject = &talk.requests[1].1;
    assert_eq!(reject.why.as_ref().map(|why| why.reason.clone()), Some(Reason::FailedApplication));
    let described = reject.contents[0].description.as_ref().expect("it says what it can");
    assert_eq!(described.payload_types[0].name.as_deref(), Some("H263"));
    assert!(talk.is_dropped(CALLER, "video") && talk.warnings(CALLER) == 1 && talk.pair.caller.is_connected());
}

// Shows jingle-tie-05.
#[test]
fn of_two_who_add_the_same_at_once_the_initiator_does() {
    let mut talk = Talk::able();
    for side in [CALLER, CALLEE] {
        talk.act(side, |session, now, ids| session.add(now, ids, video(true)));
    }
    talk.run();
    let adds = [(CALLER, "content-add"), (CALLEE, "content-add"), (CALLEE, "content-accept")];
    assert_eq!(talk.asked(), adds);
    assert_eq!(talk.requests[2].1.contents[0].creator, Side::Initiator);
    for side in [CALLER, CALLEE] {
        assert_eq!(talk.flows(side, "video"), Some((true, true)));
    }
}

// Shows jingle-crem-01, jingle-crem-02.
#[test]
fn a_content_taken_out_stops_at_both_ends_and_the_rest_goes_on() {
    let mut talk = Talk::with_video();
    talk.remove(CALLEE, "video");
    assert_eq!(talk.asked(), [(CALLEE, "content-remove")]);
    assert_eq!(talk.requests[0].1.contents.len(), 1);
    for side in [CALLER, CALLEE] {
        assert!(talk.is_dropped(side, "video") && talk.session(side).is_connected());
        assert!(
            talk.events[side]
                .contains(&SessionEvent::ContentRemoved { content: "video".to_owned(), by_us: side == CALLEE })
        );
    }
}

// Shows jingle-crem-03.
#[test]
fn with_the_last_content_the_session_ends() {
    let mut talk = Talk::able();
    let mut remove = Jingle::new(Action::ContentRemove, "s1");
    remove.contents = vec![Content::new("audio")];
    assert!(talk.ask(CALLER, &remove));
    assert_eq!(talk.asked(), [(CALLER, "session-terminate")]);
    assert!(talk.events[CALLER].contains(&SessionEvent::Ended(End::Unshared)));
    let mut talk = Talk::able();
    talk.remove(CALLEE, "audio");
    assert_eq!(talk.asked(), [(CALLEE, "session-terminate")]);
}

// Shows R-ADD-3.
#[test]
fn a_content_that_the_peer_cannot_take_out_is_muted_and_used_again_later() {
    let mut talk = Talk::with_video();
    talk.ignorant[CALLER] = vec![Action::ContentRemove];
    talk.remove(CALLEE, "video");
    assert_eq!(talk.asked(), [(CALLEE, "content-remove"), (CALLEE, "session-info")]);
    let mute = talk.requests[1].1.info.clone();
    assert!(matches!(mute, Some(SessionInfo::Mute(Some(content))) if content.name == "video"));
    assert_eq!(talk.flows(CALLEE, "video"), Some((false, false)));
    talk.remove(CALLEE, "video");
    assert_eq!(talk.requests.len(), 2, "and that is all");
    talk.add(CALLEE);
    assert_eq!(talk.flows(CALLEE, "video"), Some((true, true)));
    let unmute = talk.requests[2].1.info.clone();
    assert!(matches!(unmute, Some(SessionInfo::Unmute(Some(content))) if content.name == "video"));
}

// Shows jingle-cmod-02.
#[test]
fn the_peer_changes_who_sends_and_cannot_make_us_send() {
    let mut talk = Talk::with_video();
    let mut modify = Jingle::new(Action::ContentModify, "s1");
    modify.contents = vec![Content { senders: Senders::None, ..Content::new("video") }];
    assert!(talk.ask(CALLEE, &modify));
    assert_eq!((talk.flows(CALLEE, "video"), talk.asked()), (Some((false, false)), vec![]));
    talk.able[CALLEE] = vec![video(false)];
    let mut talk = Talk::able();
    talk.able[CALLEE] = vec![video(false)];
    talk.add(CALLER);
    modify.contents[0].senders = Senders::Both;
    assert!(talk.ask(CALLEE, &modify));
    assert_eq!(talk.flows(CALLEE, "video"), Some((false, true)));
    modify.contents = vec![Content::new("smell")];
    assert!(!talk.ask(CALLEE, &modify), "there is no such content");
}

#[test]
fn what_was_never_offered_cannot_be_accepted_or_rejected() {
    for action in [Action::ContentAccept, Action::ContentReject, Action::SessionAccept] {
        let mut talk = Talk::with_video();
        let mut answer = Jingle::new(action, "s1");
        answer.contents = vec![Content::new("video"), Content::new("smell")];
        assert!(!talk.ask(CALLER, &answer));
        assert!(talk.media[CALLER].is_empty() && talk.pair.caller.is_connected());
    }
}

#[test]
fn a_content_that_is_there_is_not_added_again() {
    let mut talk = Talk::with_video();
    let mut again = Jingle::new(Action::ContentAdd, "s1");
    let description = Some(Description::new(Media::Video, vec![vp8()]));
    again.contents = vec![Content { description, ..Content::new("video") }];
    assert!(!talk.ask(CALLEE, &again));
    assert_eq!((talk.asked(), talk.media[CALLEE].len()), (vec![], 0));
}

#[test]
fn a_content_that_comes_before_the_session_is_accepted_waits_for_it() {
    let mut talk = Talk::with(offered());
    talk.made.clear();
    talk.able[CALLEE] = vec![video(true)];
    let added = {
        let mut other = Talk::able();
        other.add(CALLER);
        other.requests.swap_remove(0).1
    };
    assert!(talk.ask(CALLEE, &added));
    assert!(talk.media[CALLEE].is_empty() && talk.requests.is_empty(), "nothing is made before the user accepts");
    talk.act(CALLEE, |session, now, ids| session.accept(now, ids));
    talk.run();
    assert_eq!(talk.asked()[..2], [(CALLEE, "session-accept"), (CALLEE, "content-accept")]);
}

#[test]
fn what_comes_into_a_bundle_before_the_answer_has_an_answer_of_its_own() {
    let mut talk = Talk::with(offered());
    talk.made.clear();
    talk.able[CALLEE] = vec![video(true)];
    talk.scripted[CALLER] = true;
    let mut added = Jingle::new(Action::ContentAdd, "s1");
    let description = Some(Description::new(Media::Video, vec![vp8()]));
    added.contents = vec![Content { description, ..Content::new("video") }];
    let names = ["audio", "video"].map(str::to_owned).to_vec();
    added.group = Some(Group { semantics: "BUNDLE".to_owned(), contents: names });
    assert!(talk.ask(CALLEE, &added));
    talk.act(CALLEE, |session, now, ids| session.accept(now, ids));
    talk.run();
    let answered: Vec<(&str, Vec<&str>)> = talk
        .requests
        .iter()
        .map(|(_, jingle)| (jingle.action.as_str(), jingle.contents.iter().map(|it| it.name.as_str()).collect()))
        .collect();
    assert_eq!(answered, [("session-accept", vec!["audio"]), ("content-accept", vec!["video"])]);
}

#[test]
fn whatever_is_said_of_an_offer_before_it_is_accepted_leads_nowhere_and_it_can_be_accepted_all_the_same() {
    let mut talk = Talk::with(offered());
    talk.made.clear();
    let mut hold = Jingle::new(Action::SessionInfo, "s1");
    hold.info = Some(SessionInfo::Hold);
    let mut modify = Jingle::new(Action::ContentModify, "s1");
    modify.contents = vec![Content::new("audio")];
    let mut unhold = hold.clone();
    unhold.info = Some(SessionInfo::Unhold);
    for jingle in [hold, modify, unhold] {
        assert!(talk.ask(CALLEE, &jingle));
    }
    assert!(talk.media[CALLEE].is_empty(), "{:?}", talk.media[CALLEE]);
    talk.act(CALLEE, |session, now, ids| session.accept(now, ids));
    talk.run();
    assert!(talk.pair.callee.is_connected() && talk.flows(CALLEE, "audio") == Some((true, true)));
}

#[test]
fn what_nobody_answers_is_given_up_in_time() {
    let mut talk = Talk::unbundled();
    talk.hangs[CALLER] = true;
    talk.add(CALLER);
    talk.wait(timers::DESCRIBE);
    assert!(talk.requests.is_empty() && talk.is_dropped(CALLER, "video") && talk.warnings(CALLER) == 1);

    let mut talk = Talk::unbundled();
    talk.hangs[CALLEE] = true;
    talk.add(CALLER);
    talk.wait(timers::DESCRIBE);
    assert_eq!(talk.asked(), [(CALLER, "content-add"), (CALLEE, "content-remove")]);
    assert!(talk.is_dropped(CALLER, "video") && talk.is_dropped(CALLEE, "video"));

    let mut talk = Talk::unbundled();
    talk.unreachable = true;
    talk.add(CALLER);
    talk.wait(timers::CONNECT);
    assert!(talk.is_dropped(CALLER, "video") && talk.is_dropped(CALLEE, "video"));
    assert!(talk.pair.caller.is_connected() && talk.pair.callee.is_connected());
}

#[test]
fn a_transport_that_is_lost_takes_only_what_was_just_added_by_it() {
    let mut talk = Talk::unbundled();
    talk.unreachable = true;
    talk.add(CALLER);
    let lost = TransportId { index: 1, ..crate::pair::transport() };
    let report = MediaReport::Failed { transport: lost, failure: TransportFailure::Closed.into() };
    talk.act(CALLER, |session, now, ids| session.handle_media(now, ids, report));
    talk.run();
    assert!(talk.is_dropped(CALLER, "video") && talk.pair.caller.is_connected());
    let report = MediaReport::Failed { transport: crate::pair::transport(), failure: TransportFailure::Closed.into() };
    talk.act(CALLER, |session, now, ids| session.handle_media(now, ids, report));
    assert!(talk.pair.caller.is_over());
}

#[test]
fn a_peer_that_knows_no_content_accept_is_answered_with_all_contents_and_answers_so() {
    let mut talk = Talk::able();
    talk.act(CALLEE, |session, _, _| {
        session.set_peer("movim", SessionQuirks { wants_full_accept: true, ..SessionQuirks::default() })
    });
    talk.add(CALLER);
    assert_eq!(talk.asked(), [(CALLER, "content-add"), (CALLEE, "session-accept")]);
    let names: Vec<&str> = talk.requests[1].1.contents.iter().map(|content| content.name.as_str()).collect();
    assert_eq!(names, ["audio", "video"]);
    let group = talk.requests[1].1.group.as_ref().expect("they travel together");
    assert_eq!(group.contents, ["audio", "video"]);
    assert_eq!(talk.flows(CALLER, "video"), Some((true, true)));
    talk.remove(CALLER, "video");
    assert_eq!(talk.asked()[2..], [(CALLER, "content-remove"), (CALLEE, "session-accept")]);
}

#[test]
fn a_content_whose_acceptance_the_peer_does_not_take_is_taken_out_again() {
    let mut talk = Talk::able();
    talk.ignorant[CALLER] = vec![Action::ContentAccept];
    talk.add(CALLER);
    assert_eq!(talk.asked(), [(CALLER, "content-add"), (CALLEE, "content-accept"), (CALLEE, "content-remove")]);
    let why = talk.requests[2].1.why.as_ref().map(|why| why.reason.clone());
    assert_eq!((why, talk.warnings(CALLEE)), (Some(Reason::FailedApplication), 1));
}

#[test]
fn what_is_added_to_a_bundle_travels_by_its_transport() {
    let mut talk = bundled();
    talk.able = [vec![video(true)], vec![video(true)]];
    talk.add(CALLEE);
    let added = &talk.requests[0].1;
    let grouped = added.group.as_ref().map(|group| group.contents.clone());
    assert_eq!(grouped, Some(vec!["audio".to_owned(), "video".to_owned()]));
    let opened = talk.media[CALLEE].iter().find_map(|command| match command {
        MediaCommand::Open { contents, .. } => Some(contents[0].transport.index),
        _ => None,
    });
    assert_eq!(opened, Some(0));
}

/// A session whose callee answered an offer that groups all contents.
fn bundled() -> Talk {
    let mut pair = agreed();
    let now = pair.now;
    let (mut caller, (_, mut offer)) = offer_of(now, &mut pair.ids, wanted(vec![opus()]));
    offer.group = Some(Group { semantics: "BUNDLE".to_owned(), contents: vec!["audio".to_owned()] });
    pair.callee = Session::incoming(parties("juliet", "romeo"), &offer, &wanted(vec![opus()])).expect("it fits");
    pair.callee.accept(now, &mut pair.ids);
    pair.callee.handle_media(now, &mut pair.ids, end("juliet"));
    let (_, accept) = drain(&mut pair.callee).requests.swap_remove(0);
    caller.handle_request(now, &mut pair.ids, "x", &accept, &[]).expect("it is in order");
    drain(&mut caller);
    pair.caller = caller;
    Talk::with(pair)
}

#[test]
fn pictures_come_and_go_in_a_long_session_as_often_as_its_users_like() {
    for mut talk in [Talk::able(), Talk::unbundled()] {
        for number in 0..300 {
            talk.add(CALLER);
            assert_eq!(talk.flows(CALLER, "video"), Some((true, true)), "the time of number {number}");
            talk.remove(CALLER, "video");
            talk.media = [Vec::new(), Vec::new()];
        }
        assert_eq!((talk.warnings(CALLER), talk.warnings(CALLEE)), (0, 0));
    }
}

#[test]
fn no_more_contents_are_taken_than_a_session_may_have() {
    for mut talk in [Talk::able(), bundled()] {
        talk.able[CALLEE] = vec![video(false)];
        seventeen_more(talk);
    }
}

fn seventeen_more(mut talk: Talk) {
    let transport = {
        let mut other = Talk::able();
        other.add(CALLER);
        let mut transport = other.requests[0].1.contents[0].transport.clone().expect("it has one");
        // In a bundle the certificate is that of the session.
        transport.fingerprints[0].value = vec![5; 32];
        Some(transport)
    };
    let content = |number: usize| {
        let description = Some(Description::new(Media::Video, vec![vp8()]));
        Content { description, transport: transport.clone(), ..Content::new(&format!("video{number}")) }
    };
    let mut added = Jingle::new(Action::ContentAdd, "s1");
    added.contents = (0..=MAX_CONTENTS).map(content).collect();
    assert!(talk.ask(CALLEE, &added));
    let opened = talk.media[CALLEE].iter().map(|command| match command {
        MediaCommand::Open { contents, .. } => contents.len(),
        _ => 0,
    });
    assert_eq!(opened.sum::<usize>(), MAX_CONTENTS - 1, "beside the sound");
    let rejected = talk.requests.iter().filter(|(_, jingle)| jingle.action == Action::ContentReject).count();
    assert_eq!(rejected, 2);
}

#[test]
fn a_mute_names_the_content_as_the_session_knows_it() {
    let mut talk = Talk::able();
    talk.add(CALLEE);
    talk.act(CALLER, |session, now, ids| session.announce_mute(now, ids, "video", Mute::On));
    talk.run();
    let news = talk.requests.last().and_then(|(_, jingle)| jingle.info.clone());
    assert!(matches!(news, Some(SessionInfo::Mute(Some(content))) if content.creator == Side::Responder));
}

// Shows jingle-crej-01.
#[test]
fn a_refusal_that_leaves_no_content_ends_the_session() {
    let mut talk = Talk::unbundled();
    talk.hangs[CALLEE] = true; // It never answers by itself.
    talk.add(CALLER);
    let mut remove = Jingle::new(Action::ContentRemove, "s1");
    remove.contents = vec![Content::new("audio")];
    assert!(talk.ask(CALLER, &remove));
    assert!(!talk.session(CALLER).is_over(), "an offered one is left");
    let mut reject = Jingle::new(Action::ContentReject, "s1");
    reject.contents = vec![Content::new("video")];
    assert!(talk.ask(CALLER, &reject));
    assert!(talk.asked().contains(&(CALLER, "session-terminate")));
    assert_eq!(talk.events[CALLER].last(), Some(&SessionEvent::Ended(End::Unshared)));
}

// Shows jingle-content-02.
#[test]
fn both_sides_may_give_a_content_the_same_name() {
    let mut talk = Talk::with_video();
    talk.able[CALLER] = vec![video(false)];
    talk.scripted[CALLEE] = true; // Our sessions never do.
    let theirs = {
        let mut other = Talk::able();
        other.add(CALLEE);
        other.requests.swap_remove(0).1
    };
    assert_eq!((theirs.contents[0].creator, theirs.contents[0].name.as_str()), (Side::Responder, "video"));
    assert!(talk.ask(CALLER, &theirs));
    assert_eq!(talk.flows(CALLER, "video"), None, "ours goes on as before");
    assert_eq!(talk.flows(CALLER, "video-2"), Some((false, true)));
    assert_eq!(talk.requests.iter().filter(|(_, jingle)| jingle.action == Action::ContentAccept).count(), 1);
    // Each is taken out, and muted, by creator and name.
    let mut mute = Jingle::new(Action::SessionInfo, "s1");
    let named = |creator| Some(ContentRef { creator, name: "video".to_owned() });
    mute.info = Some(SessionInfo::Mute(named(Side::Responder)));
    assert!(talk.ask(CALLER, &mute));
    assert_eq!(talk.events[CALLER].last(), Some(&SessionEvent::Muted(Some(("video-2".to_owned(), Media::Video)))));
    let mut remove = Jingle::new(Action::ContentRemove, "s1");
    remove.contents = vec![Content { creator: Side::Responder, ..Content::new("video") }];
    assert!(talk.ask(CALLER, &remove));
    assert!(talk.is_dropped(CALLER, "video-2") && !talk.is_dropped(CALLER, "video"));
}

// Shows R-DINO-3.
#[test]
fn a_change_that_is_not_understood_is_asked_again_as_if_the_initiator_had_created_everything() {
    let mut talk = Talk::able();
    talk.ignorant[CALLER] = vec![Action::ContentRemove];
    talk.add(CALLEE);
    talk.remove(CALLEE, "video");
    let mut narrowed = Jingle::new(Action::ContentModify, "s1");
    let video = Content { creator: Side::Responder, ..Content::new("video") };
    narrowed.contents = vec![Content { senders: Senders::Initiator, ..video }];
    assert!(talk.ask(CALLEE, &narrowed));
    talk.act(CALLEE, |session, now, ids| session.add(now, ids, self::video(true)));
    for creator in [Some(Side::Responder), Some(Side::Initiator), None] {
        let asked = drain(&mut talk.pair.callee).requests;
        assert_eq!(asked.first().map(|(_, modify)| modify.contents[0].creator), creator);
        let Some((id, modify)) = asked.first() else { return };
        assert_eq!((&modify.action, modify.contents[0].senders), (&Action::ContentModify, Senders::Both));
        let error = StanzaError::new(ErrorType::Modify, DefinedCondition::BadRequest, "en", "");
        talk.act(CALLEE, |session, now, ids| assert!(session.handle_answer(now, ids, id, Err(&error))));
    }
}

#[test]
fn an_answer_is_about_what_we_offered_though_the_peer_has_added_something_of_the_same_name_and_calls_both_its_own() {
    let mut pair = offered();
    let mut add = Jingle::new(Action::ContentAdd, "s1");
    let slides = ContentSpec { media: Media::Slides, ..video(false) };
    let description = Description::new(Media::Slides, slides.payload_types.clone());
    let (_, mut accept) = answer(&mut pair);
    let transport = accept.contents[0].transport.clone();
    let content = Content { creator: Side::Responder, ..Content::new("audio") };
    add.contents = vec![Content { description: Some(description), transport, ..content }];
    pair.caller.handle_request(pair.now, &mut pair.ids, "a", &add, &[slides]).expect("it is in order");
    accept.contents[0].creator = Side::Responder;
    pair.caller.handle_request(pair.now, &mut pair.ids, "b", &accept, &[]).expect("it is in order");
    let agreed =
        |it: &MediaCommand| matches!(it, MediaCommand::Content { content, send: Some(_), .. } if content == "audio");
    assert!(drain(&mut pair.caller).media.iter().any(agreed));
}
