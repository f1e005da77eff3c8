//! What the owner of a session asks of it and is told.

use std::time::Instant;

use muji_jingle::media::{MediaCommand, MediaReport};
use muji_jingle::{End, Hold, Ids, Session, SessionEvent, SessionId, SessionOutput, timers};
use muji_xep::jingle::{Action, Jingle};
use muji_xep::rtp::Media;
use muji_xep::session_info::SessionInfo;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::pair::{Given, agreed, answer, drain, end, end_of, offer_of, offered, opus, parties, transport, up, wanted};
use crate::talk::{CALLEE, CALLER, Talk, video};

/// The news of the session that the peer was told.
fn news(given: &Given) -> Vec<Option<SessionInfo>> {
    let infos = given.requests.iter().filter(|(_, jingle)| jingle.action == Action::SessionInfo);
    infos.map(|(_, jingle)| jingle.info.clone()).collect()
}

/// The names under which the media layer is to find what we send.
fn published(given: &Given) -> Vec<Option<String>> {
    let contents = given.media.iter().filter_map(|command| match command {
        MediaCommand::Content { send, .. } => Some(send.as_ref().map(|send| send.publication.clone())),
        _ => None,
    });
    contents.collect()
}

#[test]
fn an_offer_that_waits_for_the_user_rings_and_no_other_session_does() {
    let mut pair = offered();
    pair.callee.announce_ringing(pair.now, &mut pair.ids);
    assert_eq!(news(&drain(&mut pair.callee)), [Some(SessionInfo::Ringing)]);
    pair.caller.announce_ringing(pair.now, &mut pair.ids);
    assert_eq!(news(&drain(&mut pair.caller)), []);
    let mut running = up();
    running.callee.announce_ringing(running.now, &mut running.ids);
    assert_eq!(news(&drain(&mut running.callee)), []);
}

#[test]
fn who_holds_tells_it_at_once_or_with_its_answer() {
    let mut pair = up();
    for (hold, told) in [(Hold::On, SessionInfo::Hold), (Hold::Off, SessionInfo::Unhold)] {
        pair.callee.set_hold(pair.now, &mut pair.ids, hold);
        assert_eq!(news(&drain(&mut pair.callee)), [Some(told)]);
        pair.callee.set_hold(pair.now, &mut pair.ids, hold);
        assert_eq!(news(&drain(&mut pair.callee)), [], "it is as it was");
    }

    let mut pair = offered();
    pair.callee.set_hold(pair.now, &mut pair.ids, Hold::On);
    assert_eq!(news(&drain(&mut pair.callee)), [], "nobody is told before the user accepts");
    pair.callee.accept(pair.now, &mut pair.ids);
    pair.callee.handle_media(pair.now, &mut pair.ids, end("juliet"));
    assert_eq!(news(&drain(&mut pair.callee)), [Some(SessionInfo::Hold)]);
}

#[test]
fn what_we_send_goes_on_under_the_name_that_it_has_now() {
    let mut pair = up();
    pair.caller.publish_as(&Media::Audio, "sound");
    assert_eq!(published(&drain(&mut pair.caller)), [Some("sound".to_owned())]);
    assert!(pair.caller.sends("sound") && !pair.caller.sends("audio"));
    for (media, name) in [(Media::Audio, "sound"), (Media::Video, "pictures")] {
        pair.caller.publish_as(&media, name);
        assert!(pair.caller.poll_output().is_none(), "{name}: nothing is another");
    }
}

#[test]
fn of_two_publications_of_a_medium_the_one_with_the_offered_name_is_sent() {
    let pair = offered();
    let mut both = [wanted(vec![opus()]), wanted(vec![opus()])].concat();
    both[0].publication = "music".to_owned();
    let callee = Session::incoming(parties("juliet", "romeo"), &pair.offer, &both).expect("it fits");
    assert!(callee.sends("audio") && !callee.sends("music"));
}

#[test]
fn a_second_publication_of_a_medium_has_a_content_of_its_own() {
    let mut talk = Talk::with_video();
    let screen = muji_jingle::ContentSpec { publication: "screen".to_owned(), ssrc: 11, ..video(true) };
    talk.able[CALLEE].push(screen.clone());
    talk.act(CALLER, |session, now, ids| session.add(now, ids, screen));
    talk.run();
    assert_eq!(talk.asked().first(), Some(&(CALLER, "content-add")));
    assert!(talk.pair.caller.sends("video") && talk.pair.caller.sends("screen"));
}

#[test]
fn what_is_removed_before_both_have_agreed_is_taken_out_once_they_have_unless_it_is_added_again() {
    let both = [wanted(vec![opus()]), vec![video(true)]].concat();
    let actions = |given: Given| given.requests.iter().map(|(_, jingle)| jingle.action.clone()).collect::<Vec<_>>();
    for (side, again) in [(CALLER, false), (CALLER, true), (CALLEE, false), (CALLEE, true)] {
        let (now, mut ids) = (Instant::now(), Ids::new([7; 32]));
        let remove = |session: &mut Session, ids: &mut Ids| {
            session.remove(now, ids, "video");
            if again {
                session.add(now, ids, video(true));
            }
            assert_eq!(actions(drain(session)), [], "the peer does not know us yet");
        };
        let mut caller = Session::outgoing(now, parties("romeo", "juliet"), "s1".to_owned(), both.clone());
        caller.permit_offer(now, &mut ids);
        if side == CALLER {
            remove(&mut caller, &mut ids);
        }
        (0..2).for_each(|index| caller.handle_media(now, &mut ids, end_of(index, "romeo")));
        let (_, offer) = drain(&mut caller).requests.remove(0);
        let mut callee = Session::incoming(parties("juliet", "romeo"), &offer, &both).expect("it fits");
        if side == CALLEE {
            remove(&mut callee, &mut ids);
        }
        callee.accept(now, &mut ids);
        callee.handle_media(now, &mut ids, end("juliet"));
        let mut answer = drain(&mut callee);
        let (id, accept) = answer.requests.remove(0);
        assert_eq!(accept.action, Action::SessionAccept);
        caller.handle_request(now, &mut ids, &id, &accept, &[]).expect("it is in order");
        let follows = if again { vec![] } else { vec![Action::ContentRemove] };
        let quiet = Vec::<Action>::new();
        let expected = if side == CALLER { (follows, quiet) } else { (quiet, follows) };
        assert_eq!((actions(drain(&mut caller)), actions(answer)), expected, "side {side}, added again: {again}");
    }
}

#[test]
fn a_session_knows_its_id_and_how_far_its_offer_has_come() {
    let mut pair = offered();
    let (mut caller, (id, offer)) = offer_of(pair.now, &mut pair.ids, wanted(vec![opus()]));
    assert_eq!(offer.initiator.as_deref(), Some("romeo@x.example/1"));
    assert_eq!(caller.sid(), "s1");
    assert!(caller.is_offered() && !caller.is_acknowledged() && !caller.is_unsent());
    assert!(caller.handle_answer(pair.now, &mut pair.ids, &id, Ok(())));
    assert!(caller.is_offered() && caller.is_acknowledged());
    let (_, accept) = answer(&mut pair);
    assert_eq!(accept.responder.as_deref(), Some("juliet@x.example/1"));
    caller.handle_request(pair.now, &mut pair.ids, "a", &accept, &[]).expect("it is in order");
    assert!(!caller.is_offered() && caller.is_active() && !caller.is_connected());
}

#[test]
fn the_certificates_of_both_ends_are_known_as_soon_as_they_are_told_ours_first() {
    let mut pair = offered();
    let (romeo, juliet) = ([5; 32], [6; 32]); // As `pair::end` makes them.
    assert_eq!(pair.callee.fingerprints(), [vec![], vec![&romeo[..]]]);
    answer(&mut pair);
    assert_eq!(pair.callee.fingerprints(), [vec![&juliet[..]], vec![&romeo[..]]]);
}

#[test]
fn what_is_added_after_a_removal_that_nobody_confirmed_has_another_name() {
    let mut talk = Talk::with_video();
    talk.act(CALLER, |session, now, ids| session.remove(now, ids, "video"));
    drain(&mut talk.pair.caller); // It is lost on its way.
    talk.pair.now += timers::ANSWER;
    talk.act(CALLER, |session, now, ids| session.handle_timeout(now, ids));
    drain(&mut talk.pair.caller);
    talk.scripted[CALLEE] = true;
    talk.add(CALLER);
    let names: Vec<&str> = talk.requests.iter().map(|(_, jingle)| jingle.contents[0].name.as_str()).collect();
    assert_eq!(names, ["video-2"], "an answer to the first may still come");
}

#[test]
fn a_session_that_makes_way_for_the_peer_s_own_ends_without_a_word() {
    let mut pair = offered();
    pair.caller.drop_for_tie_break();
    let given = drain(&mut pair.caller);
    assert_eq!((given.requests.len(), given.media), (0, vec![MediaCommand::Close { session: SessionId(1) }]));
    assert_eq!(given.events, [SessionEvent::Ended(End::TieBreak)]);
}

#[test]
fn somebody_is_heard_once_something_comes() {
    let mut pair = agreed();
    let session: &mut Session = &mut pair.callee;
    session.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: transport() });
    assert!(!session.is_heard());
    let flowing = MediaReport::Flowing { session: SessionId(1), content: "audio".to_owned() };
    session.handle_media(pair.now, &mut pair.ids, flowing);
    assert!(session.is_heard());
}

#[test]
fn an_answer_leaves_behind_what_was_said_before_it() {
    let mut pair = offered();
    pair.callee.announce_ringing(pair.now, &mut pair.ids);
    let ping = Jingle::new(Action::SessionInfo, "s1");
    pair.callee.handle_request(pair.now, &mut pair.ids, "x", &ping, &[]).expect("it is in order");
    assert!(matches!(pair.callee.poll_output(), Some(SessionOutput::Send(iq)) if matches!(*iq, Iq::Set { .. })));
    assert!(matches!(pair.callee.poll_output(), Some(SessionOutput::Send(iq)) if matches!(*iq, Iq::Result { .. })));
}

#[test]
fn a_refused_offer_ends_with_the_words_of_the_error_or_else_with_its_condition() {
    for (text, told) in [("not now, please", "not now, please"), ("", "service-unavailable")] {
        let mut pair = offered();
        let (mut caller, (id, _)) = offer_of(pair.now, &mut pair.ids, wanted(vec![opus()]));
        let error = StanzaError::new(ErrorType::Cancel, DefinedCondition::ServiceUnavailable, "en", text);
        assert!(caller.handle_answer(pair.now, &mut pair.ids, &id, Err(&error)));
        assert_eq!(drain(&mut caller).events, [SessionEvent::Ended(End::Refused(told.to_owned()))]);
    }
}
