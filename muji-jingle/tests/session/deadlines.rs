//! Every wait of a session has an end, and the owner learns when.

use std::time::Duration;

use muji_jingle::{Awaited, End, Session, SessionEvent, timers};
use muji_xep::jingle::{Action, Jingle, Reason};
use muji_xep::session_info::SessionInfo;

use crate::pair::{agreed, answer, drain, offered, opus, parties, wanted};
use crate::talk::{CALLER, Talk};

#[test]
fn a_media_layer_that_makes_no_end_of_ours_ends_a_session_in_time() {
    let mut pair = offered();
    let opening = Session::outgoing(pair.now, parties("romeo", "juliet"), "s1".to_owned(), wanted(vec![opus()]));
    pair.callee.accept(pair.now, &mut pair.ids);
    for (mut session, is_told) in [(opening, false), (pair.callee, true)] {
        drain(&mut session);
        let until = pair.now + timers::DESCRIBE;
        assert_eq!(session.poll_timeout(), Some(until));
        session.handle_timeout(until - Duration::from_millis(1), &mut pair.ids);
        assert!(session.poll_output().is_none(), "it may still come");
        session.handle_timeout(until, &mut pair.ids);
        let given = drain(&mut session);
        assert_eq!(given.events, [SessionEvent::Ended(End::LocalMediaTimeout)]);
        assert_eq!(given.told().map(|why| &why.reason), is_told.then_some(&Reason::FailedApplication));
        assert_eq!(session.poll_timeout().filter(|_| !is_told), None, "nothing is waited for but the confirmation");
    }
}

#[test]
fn an_answer_waits_for_its_confirmation_and_for_the_path_and_no_longer() {
    let mut pair = offered();
    let (id, _) = answer(&mut pair);
    assert_eq!(pair.callee.poll_timeout(), Some(pair.now + timers::ANSWER));
    assert!(pair.callee.handle_answer(pair.now, &mut pair.ids, &id, Ok(())));
    assert_eq!(pair.callee.poll_timeout(), Some(pair.now + timers::CONNECT));
}

#[test]
fn who_is_answered_waits_for_the_path_alone() {
    let pair = agreed();
    assert_eq!(pair.caller.poll_timeout(), Some(pair.now + timers::CONNECT));
}

#[test]
fn an_offer_about_which_the_peer_asks_its_user_waits_as_long_as_a_device_may_ring_from_its_first_word() {
    let mut pair = offered();
    let begun = pair.now;
    let ringing = Jingle { info: Some(SessionInfo::Ringing), ..Jingle::new(Action::SessionInfo, "s1") };
    for told in [vec![SessionEvent::Ringing], vec![]] {
        pair.caller.handle_request(pair.now, &mut pair.ids, "x", &ringing, &[]).expect("it is in order");
        assert_eq!(drain(&mut pair.caller).events, told);
        assert_eq!(pair.caller.poll_timeout(), Some(begun + timers::RINGING));
        pair.now += timers::UNANSWERED;
    }
    pair.caller.handle_timeout(pair.now, &mut pair.ids);
    assert_eq!(drain(&mut pair.caller).events, [], "that it takes time is known");
}

#[test]
fn an_offer_that_is_not_confirmed_is_given_up_before_it_would_be_for_want_of_an_answer() {
    let mut pair = offered();
    let (mut caller, _) = crate::pair::offer_of(pair.now, &mut pair.ids, wanted(vec![opus()]));
    assert_eq!(caller.poll_timeout(), Some(pair.now + timers::ANSWER));
    caller.handle_timeout(pair.now + timers::ANSWER, &mut pair.ids);
    assert_eq!(drain(&mut caller).events, [SessionEvent::Ended(End::Silent(Awaited::Answer))]);
}

#[test]
fn what_is_added_waits_for_our_end_for_the_answer_and_for_the_path_each_for_its_time() {
    let mut talk = Talk::unbundled();
    talk.hangs[CALLER] = true;
    talk.add(CALLER);
    assert_eq!(talk.pair.caller.poll_timeout(), Some(talk.pair.now + timers::DESCRIBE));

    let mut talk = Talk::unbundled();
    talk.scripted[1] = true;
    talk.add(CALLER);
    assert_eq!(talk.pair.caller.poll_timeout(), Some(talk.pair.now + timers::ACCEPT));

    let mut talk = Talk::unbundled();
    talk.unreachable = true;
    talk.add(CALLER);
    for session in [&talk.pair.caller, &talk.pair.callee] {
        assert_eq!(session.poll_timeout(), Some(talk.pair.now + timers::CONNECT));
    }
}

#[test]
fn what_was_being_added_is_not_waited_for_once_the_session_is_over() {
    let mut talk = Talk::unbundled();
    talk.hangs[CALLER] = true;
    talk.add(CALLER);
    let session = &mut talk.pair.caller;
    session.end(talk.pair.now, &mut talk.pair.ids, Reason::Success);
    assert_eq!(session.poll_timeout(), Some(talk.pair.now + timers::ANSWER), "for the confirmation alone");
}
