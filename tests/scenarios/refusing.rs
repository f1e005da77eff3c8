//! A peer refuses, or cannot: the fault is named, and the call with the others goes on.

use muji_core::error::PeerFailure;
use muji_core::{Event, Recovery};
use muji_harness::world::{PersonId, World};
use muji_xep::jingle::{Action, Content, Jingle, Reason};
use muji_xep::rtp::PayloadType;
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

use crate::puppet::{answer, ask, audio, entered, offer, opus, requests, terminate, transport, usable};
use crate::{SECOND, count, in_call};

/// Romeo and Juliet in a call with Tybalt, a puppet that was there before Romeo.
fn with_tybalt(contents: Vec<Content>) -> (World, [PersonId; 3]) {
    let mut world = World::new(1);
    let tybalt = entered(&mut world, contents);
    let [romeo, juliet] = ["romeo", "juliet"].map(|name| world.person(name));
    for who in [juliet, romeo] {
        world.join(who, "balcony");
        world.run_for(SECOND);
    }
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    (world, [romeo, juliet, tybalt])
}

fn failures(world: &World, who: PersonId) -> Vec<PeerFailure> {
    let failures = world.events(who).iter().filter_map(|event| match event {
        Event::PeerFailed(_, failure) => Some(failure.clone()),
        _ => None,
    });
    failures.collect()
}

#[test]
fn a_peer_who_declines_is_not_called_again() {
    let (mut world, [romeo, juliet, tybalt]) = with_tybalt(vec![audio(vec![opus()])]);
    for (index, (from, request)) in requests(&mut world, tybalt).into_iter().enumerate() {
        assert_eq!(request.action, Action::SessionInitiate);
        let to = if from == world.jid(romeo) { romeo } else { juliet };
        ask(&mut world, tybalt, to, &index.to_string(), &terminate(&request.sid, Reason::Decline.into()));
    }
    world.run_for(100 * SECOND);
    for who in [romeo, juliet] {
        let failures = failures(&world, who);
        assert_eq!(failures.len(), 1);
        assert_eq!(failures[0].to_string(), "ended by the peer (decline)");
        assert_eq!(failures[0].recovery, Recovery::Nothing);
    }
    assert_eq!(requests(&mut world, tybalt), []);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

#[test]
fn a_peer_that_keeps_silent_is_called_three_times_more_and_then_given_up() {
    let (mut world, [romeo, juliet, tybalt]) = with_tybalt(vec![audio(vec![opus()])]);
    world.run_for(300 * SECOND);
    let offers = requests(&mut world, tybalt);
    let of_romeo =
        offers.iter().filter(|(from, jingle)| *from == world.jid(romeo) && jingle.action == Action::SessionInitiate);
    assert_eq!(of_romeo.count(), 4);
    let failures = failures(&world, romeo);
    assert_eq!(
        failures.iter().map(|failure| failure.recovery != Recovery::Nothing).collect::<Vec<_>>(),
        [true, true, true, false]
    );
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

#[test]
fn a_peer_without_a_common_codec_is_named() {
    let speex = PayloadType::new(112, "speex", 32_000, 1);
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let tybalt = entered(&mut world, vec![audio(vec![speex.clone()])]);
    let offer = offer(&world, "s1", usable(vec![speex]));
    ask(&mut world, tybalt, romeo, "1", &offer);
    world.run_for(SECOND);
    let ends = requests(&mut world, tybalt);
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0].1.why.as_ref().map(|why| why.reason.clone()), Some(Reason::FailedApplication));
    let failures = failures(&world, romeo);
    assert_eq!(failures.len(), 1);
    assert_eq!(
        failures[0].to_string(),
        "the peer and we have no codec in common for audio; one of the two must add one"
    );
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

// Shows dtls-policy-01.
#[test]
fn a_peer_without_a_fingerprint_is_named() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let content = Content { transport: Some(transport(None)), ..audio(vec![opus()]) };
    let offer = offer(&world, "s1", content);
    ask(&mut world, tybalt, romeo, "1", &offer);
    world.run_for(SECOND);
    let ends = requests(&mut world, tybalt);
    assert_eq!(ends[0].1.why.as_ref().map(|why| why.reason.clone()), Some(Reason::SecurityError));
    assert_eq!(
        failures(&world, romeo)[0].to_string(),
        "the peer's audio has no sha-256 fingerprint; its client must offer DTLS-SRTP"
    );
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

#[test]
fn whose_turn_it_is_to_call_but_does_not_is_called() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    world.run_for(8 * SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
    world.run_for(3 * SECOND);
    let offers = requests(&mut world, tybalt);
    assert_eq!(offers.len(), 1);
    assert!(offers[0].1.sid.starts_with("z-"), "every regular offer must win against one out of turn");
}

// Shows R-GLARE-1, jingle-tie-01, jingle-tie-02.
#[test]
fn of_two_crossing_offers_the_lower_session_id_lives() {
    for (theirs, wins) in [("0", true), ("zz", false)] {
        let (mut world, [romeo, _, tybalt]) = with_tybalt(vec![audio(vec![opus()])]);
        let ours = requests(&mut world, tybalt).into_iter().find(|(from, _)| *from == world.jid(romeo));
        assert!(ours.is_some());
        let offer = offer(&world, theirs, usable(vec![opus()]));
        ask(&mut world, tybalt, romeo, "glare", &offer);
        world.run_for(SECOND);
        let inbox = world.inbox(tybalt);
        let expected = if wins { Ok(()) } else { Err("tie-break".to_owned()) };
        assert_eq!(answer(&inbox, "glare"), Some(expected));
        assert_eq!(world.asked(romeo, "session-accept"), usize::from(wins));
    }
}

#[test]
fn what_is_not_understood_of_an_offer_is_told_and_does_not_matter() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let mut offer = offer(&world, "s1", usable(vec![opus()])).write();
    offer.append_child("<thumbnail xmlns='urn:example:new'/>".parse().expect("well-formed"));
    let to = Some(world.jid(romeo).into());
    world.send(tybalt, Iq::Set { from: None, to, id: "1".to_owned(), payload: offer });
    world.run_for(SECOND);
    assert_eq!(world.asked(romeo, "session-accept"), 1);
    let told = |event: &Event| matches!(event, Event::Skipped { what, .. } if what == "jingle: thumbnail");
    assert_eq!(count(&world, romeo, told), 1);
}

#[test]
fn stanzas_of_others_do_not_touch_a_session() {
    let mut world = World::new(1);
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    let offer = world.wire.iter().find_map(|sent| {
        let jingle = sent.stanza.children().find(|child| Jingle::matches(child))?;
        Jingle::read(jingle, &mut muji_xep::Skipped::default())
    });
    let sid = offer.expect("there was an offer").sid;
    let tybalt = world.puppet("tybalt");
    for (id, action) in [("1", Action::SessionTerminate), ("2", Action::TransportInfo), ("3", Action::SessionAccept)] {
        ask(&mut world, tybalt, romeo, id, &Jingle::new(action, &sid));
    }
    world.run_for(SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::PeerFailed(..) | Event::PeerLeft(_))), 0);
}

// Shows jingle-tie-03.
#[test]
fn whose_id_is_higher_takes_the_other_s_offer_and_gives_its_own_up_without_a_word() {
    let (mut world, [romeo, _, tybalt]) = with_tybalt(vec![audio(vec![opus()])]);
    let ours = world.inbox(tybalt).into_iter().find_map(|stanza| match stanza {
        Stanza::Iq(Iq::Set { from: Some(from), id, payload, .. }) if from == world.jid(romeo) => {
            Some((id, Jingle::read(&payload, &mut muji_xep::Skipped::default())?))
        }
        _ => None,
    });
    let (id, ours) = ours.expect("Romeo calls");
    let offer = offer(&world, "0", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "glare", &offer);
    let conflict = muji_jingle::refuse(&world.jid(romeo), &id, &muji_jingle::fault::PeerFault::TieBreak);
    world.send(tybalt, conflict);
    world.run_for(SECOND);
    let inbox = world.inbox(tybalt);
    assert_eq!(answer(&inbox, "glare"), Some(Ok(())));
    let ends = inbox.iter().filter_map(|stanza| match stanza {
        Stanza::Iq(Iq::Set { payload, .. }) => Jingle::read(payload, &mut muji_xep::Skipped::default()),
        _ => None,
    });
    assert!(ends.into_iter().all(|jingle| jingle.sid != ours.sid), "nothing more is sent about our offer");
}

// Shows jingle-term-09.
#[test]
fn what_cannot_become_a_call_ends_with_its_reason() {
    let reason = |world: &mut World, tybalt: PersonId| {
        let end = requests(world, tybalt).into_iter().filter(|(_, jingle)| jingle.action == Action::SessionTerminate);
        end.filter_map(|(_, jingle)| jingle.why).map(|why| why.reason).next()
    };
    // A file.
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let mut file = usable(vec![opus()]);
    file.description = None;
    let file = offer(&world, "s1", file);
    ask(&mut world, tybalt, romeo, "1", &file);
    world.run_for(SECOND);
    assert_eq!(reason(&mut world, tybalt), Some(Reason::UnsupportedApplications));
    // A codec that we do not have.
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let speex = offer(&world, "s1", usable(vec![PayloadType::new(110, "speex", 16_000, 1)]));
    ask(&mut world, tybalt, romeo, "1", &speex);
    world.run_for(SECOND);
    assert_eq!(reason(&mut world, tybalt), Some(Reason::FailedApplication));
    // Our media layer does nothing.
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    world.hang_media(romeo);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let good = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "1", &good);
    world.run_for(15 * SECOND);
    assert_eq!(reason(&mut world, tybalt), Some(Reason::FailedApplication));
}
