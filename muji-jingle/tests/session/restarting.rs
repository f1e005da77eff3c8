//! ICE restarts (XEP-0176 section 5.9): who begins, who answers, and that it ends.

use muji_jingle::media::{LocalTransport, MediaCommand, MediaReport};
use muji_jingle::{Session, SessionQuirks, TransportAbilities, timers};
use muji_xep::Secret;
use muji_xep::ice::{Candidate, CandidateKind};
use muji_xep::jingle::{Action, Jingle};
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

use crate::pair::{ABLE, Given, Pair, drain, end, transport, up, up_between};

const INTERRUPTED: MediaReport = MediaReport::Interrupted { transport: transport() };
const MOVED: MediaReport = MediaReport::Moved { transport: transport() };

fn restart() -> MediaCommand {
    MediaCommand::Restart { transport: transport() }
}

/// The end of somebody after a restart, with one address.
fn renewed(name: &str) -> MediaReport {
    let candidate = Candidate {
        component: 1,
        foundation: "1".to_owned(),
        generation: 0,
        id: None,
        address: ([192, 0, 2, 1], 5_000).into(),
        priority: 1,
        kind: CandidateKind::Host,
        related: None,
    };
    let local = LocalTransport {
        ufrag: name.to_owned(),
        pwd: Secret::new(format!("the password of {name}, long enough")),
        fingerprint: vec![5; 32],
        candidates: vec![candidate],
    };
    MediaReport::Described { transport: transport(), local }
}

fn media(pair: &mut Pair, caller: bool, report: MediaReport) -> Given {
    let session = if caller { &mut pair.caller } else { &mut pair.callee };
    session.handle_media(pair.now, &mut pair.ids, report);
    drain(session)
}

/// A request of one reaches the other, who confirms it.
fn carry(pair: &mut Pair, to_caller: bool, request: &(String, Jingle)) -> Given {
    let (to, from) = match to_caller {
        true => (&mut pair.caller, &mut pair.callee),
        false => (&mut pair.callee, &mut pair.caller),
    };
    to.handle_request(pair.now, &mut pair.ids, &request.0, &request.1, &[]).expect("it is in order");
    assert!(from.handle_answer(pair.now, &mut pair.ids, &request.0, Ok(())));
    drain(to)
}

/// The user name that a media layer is to connect to.
fn remote(given: &Given) -> Option<&str> {
    given.media.iter().find_map(|command| match command {
        MediaCommand::Remote { remote, .. } => Some(remote.ufrag.as_str()),
        _ => None,
    })
}

// Shows ice-restart-01.
#[test]
fn a_restart_tells_new_credentials_and_a_higher_generation_and_no_certificate() {
    let mut pair = up();
    assert_eq!(media(&mut pair, true, MOVED).media, [restart()]);
    let told = media(&mut pair, true, renewed("romeo-2"));
    let [(_, info)] = &told.requests[..] else { panic!("one piece of news") };
    let sent = info.contents[0].transport.as_ref().expect("it has one");
    assert_eq!((&info.action, sent.ufrag.as_deref()), (&Action::TransportInfo, Some("romeo-2")));
    assert_eq!(sent.candidates.iter().map(|candidate| candidate.generation).collect::<Vec<_>>(), [1]);
    assert!(sent.pwd.is_some() && sent.fingerprints.is_empty());
    assert!(media(&mut pair, true, MOVED).media.is_empty(), "one is under way");
}

// Shows ice-restart-02.
#[test]
fn a_restart_is_answered_with_credentials_of_ones_own_once() {
    let mut pair = up();
    media(&mut pair, true, INTERRUPTED);
    let told = media(&mut pair, true, renewed("romeo-2"));
    let heard = carry(&mut pair, false, &told.requests[0]);
    assert_eq!(heard.media[0], restart(), "first ours, then theirs");
    assert_eq!(remote(&heard), Some("romeo-2"));
    assert!(matches!(heard.media.last(), Some(MediaCommand::Candidate { .. })));
    let answer = media(&mut pair, false, renewed("juliet-2"));
    let taken = carry(&mut pair, true, &answer.requests[0]);
    assert_eq!(remote(&taken), Some("juliet-2"));
    assert!(!taken.media.contains(&restart()) && taken.requests.is_empty(), "and that is all");
    for session in [&mut pair.caller, &mut pair.callee] {
        session.handle_media(pair.now, &mut pair.ids, MediaReport::Connected { transport: transport() });
        drain(session);
        assert_eq!(session.poll_timeout(), None);
    }
}

#[test]
fn after_a_restart_that_was_returned_other_credentials_of_the_peer_are_its_own_restart() {
    let mut pair = up();
    media(&mut pair, true, INTERRUPTED);
    let told = media(&mut pair, true, renewed("romeo-2"));
    let error = StanzaError::new(ErrorType::Wait, DefinedCondition::RemoteServerTimeout, "en", "");
    assert!(pair.caller.handle_answer(pair.now, &mut pair.ids, &told.requests[0].0, Err(&error)));
    media(&mut pair, false, MOVED);
    let own = media(&mut pair, false, renewed("juliet-2"));
    assert_eq!(carry(&mut pair, true, &own.requests[0]).media[0], restart(), "it is answered");
}

#[test]
fn what_comes_with_the_names_of_before_is_late() {
    let mut pair = up();
    media(&mut pair, true, INTERRUPTED);
    let told = media(&mut pair, true, renewed("romeo-2"));
    carry(&mut pair, false, &told.requests[0]);
    let MediaReport::Described { local: before, .. } = end("romeo") else { panic!("an end") };
    let (id, mut late) = told.requests[0].clone();
    let transport = late.contents[0].transport.as_mut().expect("it has one");
    (transport.ufrag, transport.pwd) = (Some(before.ufrag), Some(before.pwd));
    transport.candidates[0].address.set_port(9);
    pair.callee.handle_request(pair.now, &mut pair.ids, &id, &late, &[]).expect("it is in order");
    assert!(drain(&mut pair.callee).media.is_empty());
}

#[test]
fn told_by_both_at_once_each_is_the_answer_to_the_other() {
    let mut pair = up();
    let both = [true, false].map(|caller| {
        assert_eq!(media(&mut pair, caller, MOVED).media, [restart()]);
        media(&mut pair, caller, renewed(if caller { "romeo-2" } else { "juliet-2" })).requests.remove(0)
    });
    for (to_caller, expected) in [(true, "juliet-2"), (false, "romeo-2")] {
        let heard = carry(&mut pair, to_caller, &both[usize::from(to_caller)]);
        assert_eq!(remote(&heard), Some(expected));
        assert!(!heard.media.contains(&restart()) && heard.requests.is_empty());
    }
}

#[test]
fn of_an_interruption_only_the_initiator_makes_a_restart_and_again_each_five_seconds() {
    let mut pair = up();
    assert!(media(&mut pair, false, INTERRUPTED).media.is_empty());
    assert_eq!(media(&mut pair, true, INTERRUPTED).media, [restart()]);
    for number in 2..10 {
        let told = media(&mut pair, true, renewed(&format!("romeo-{number}")));
        let heard = carry(&mut pair, false, &told.requests[0]);
        assert!(heard.media.contains(&restart()));
        let answer = media(&mut pair, false, renewed(&format!("juliet-{number}")));
        carry(&mut pair, true, &answer.requests[0]);
        assert_eq!(pair.caller.poll_timeout(), Some(pair.now + timers::RESTART));
        pair.now += timers::RESTART;
        pair.caller.handle_timeout(pair.now, &mut pair.ids);
        assert_eq!(drain(&mut pair.caller).media, [restart()], "as long as it does not work");
    }
}

#[test]
fn a_peer_that_confirms_and_does_not_answer_is_told_twice_and_no_more() {
    let mut pair = up();
    let mut told = 0;
    media(&mut pair, true, INTERRUPTED);
    for number in 0..10 {
        let given = media(&mut pair, true, renewed(&format!("romeo-{number}")));
        for (id, _) in &given.requests {
            told += 1;
            assert!(pair.caller.handle_answer(pair.now, &mut pair.ids, id, Ok(())));
        }
        pair.now += timers::RESTART;
        pair.caller.handle_timeout(pair.now, &mut pair.ids);
        drain(&mut pair.caller);
    }
    assert_eq!(told, 2);
}

#[test]
fn a_client_that_knows_no_restarts_gets_none() {
    let mut pair = up();
    let knows_none = |session: &mut Session| {
        session.set_peer("dino", SessionQuirks { restarts_ice: false, ..SessionQuirks::default() })
    };
    knows_none(&mut pair.caller);
    for report in [INTERRUPTED, MOVED] {
        assert!(media(&mut pair, true, report).media.is_empty());
    }
    assert_eq!(pair.caller.poll_timeout(), None);
}

/// A media layer that keeps the credentials of a transport.
const KEEPS: TransportAbilities = TransportAbilities { ice_restart: false, ..ABLE };

#[test]
fn a_media_layer_that_cannot_restart_is_not_told_to() {
    let mut pair = up_between([KEEPS, ABLE]);
    for report in [INTERRUPTED, MOVED] {
        let given = media(&mut pair, true, report);
        assert!(given.media.is_empty() && given.requests.is_empty());
    }
    assert_eq!(pair.caller.poll_timeout(), None);
}

#[test]
fn a_peers_restart_that_the_media_layer_cannot_answer_leaves_the_path_as_it_was() {
    let mut pair = up_between([KEEPS, ABLE]);
    media(&mut pair, false, MOVED);
    let told = media(&mut pair, false, renewed("juliet-2"));
    let heard = carry(&mut pair, true, &told.requests[0]);
    assert!(heard.media.is_empty() && heard.requests.is_empty() && heard.events.is_empty());
    assert!(pair.caller.is_connected());
    // An address with the credentials that still count is used.
    let MediaReport::Described { local: before, .. } = end("juliet") else { panic!("an end") };
    let (id, mut still) = told.requests[0].clone();
    let transport = still.contents[0].transport.as_mut().expect("it has one");
    (transport.ufrag, transport.pwd) = (Some(before.ufrag), Some(before.pwd));
    pair.caller.handle_request(pair.now, &mut pair.ids, &id, &still, &[]).expect("it is in order");
    assert!(matches!(&drain(&mut pair.caller).media[..], [MediaCommand::Candidate { .. }]));
}
