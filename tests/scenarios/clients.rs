//! Other clients as they are: what they drop, cannot do or forget, and what we make of it.

use std::time::Duration;

use muji_conformance::harness::room::Rules;
use muji_conformance::harness::world::{Who, World};
use muji_core::{Event, PairState, Remedy, config};
use muji_xep::jingle::{Action, Jingle, Reason};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::stanza::Stanza;

use crate::puppet::{ask, audio, entered, offer, opus, requests, terminate, usable};
use crate::scripted::{AUDIO, PREPARING, entering, present, repeat};
use crate::{SECOND, count, in_call};

fn offers(requests: &[(jid::Jid, Jingle)]) -> Vec<String> {
    let offers = requests.iter().filter(|(_, jingle)| jingle.action == Action::SessionInitiate);
    offers.map(|(_, jingle)| jingle.sid.clone()).collect()
}

/// Romeo in a call that Tybalt, of the client with this caps node, joins without calling.
fn silent(node: &str) -> (World, [Who; 2]) {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    let caps = format!("<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='{node}' ver='x'/>");
    let caps: muji_xep::Element = caps.parse().expect("well-formed");
    crate::puppet::enter_with(&mut world, tybalt, "tybalt", vec![audio(vec![opus()])], vec![caps]);
    (world, [romeo, tybalt])
}

// Shows R-INIT-3.
#[test]
fn a_newcomer_who_does_not_call_is_called_after_ten_seconds_under_an_id_that_loses() {
    let (mut world, [romeo, tybalt]) = silent("https://example.org");
    let pair = world.pairs(romeo).remove(0);
    assert_eq!(pair.state, PairState::Announced);
    assert!(matches!(pair.remedy, Remedy::TheirTurn { .. }), "{pair:?}");
    world.run_for(config::INITIATE - 2 * SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
    world.run_for(2 * SECOND);
    let [sid] = &offers(&requests(&mut world, tybalt))[..] else { panic!("one offer") };
    assert!(sid.starts_with("z-"));
    assert_eq!(world.pairs(romeo)[0].state, PairState::Offered);
    let offer = offer(&world, "s1", usable(vec![opus()]));
    ask(&mut world, tybalt, romeo, "late", &offer);
    world.run_for(SECOND);
    assert_eq!(world.asked(romeo, "session-accept"), 1, "the regular offer wins");
}

// Shows R-INIT-5.
#[test]
fn an_offer_that_is_confirmed_and_dropped_is_made_again_after_five_seconds() {
    let (mut world, [romeo, tybalt]) = silent("https://example.org");
    world.run_for(config::INITIATE + SECOND);
    let first = offers(&requests(&mut world, tybalt));
    world.run_for(4 * SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
    world.run_for(2 * SECOND);
    let second = offers(&requests(&mut world, tybalt));
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
}

#[test]
fn a_dino_that_drops_an_offer_is_not_called_again_and_the_user_is_told_what_helps() {
    let (mut world, [romeo, tybalt]) = silent("https://dino.im");
    world.run_for(config::INITIATE + SECOND);
    assert_eq!(offers(&requests(&mut world, tybalt)).len(), 1);
    world.run_for(100 * SECOND);
    assert_eq!(offers(&requests(&mut world, tybalt)), [""; 0]);
    assert_eq!(world.pairs(romeo)[0].remedy, Remedy::NeedsRejoin);
    let told =
        |event: &Event| matches!(event, Event::PeerFailed(_, failure) if failure.to_string().ends_with("join again"));
    assert_eq!(count(&world, romeo, told), 1);
}

/// The room tells Romeo of Tybalt, with or without the capabilities of a Movim; `says` is what stands in Muji.
fn tell_of_movim(world: &mut World, romeo: Who, says: &str, caps: bool) {
    let caps = if caps {
        "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://movim.eu/' ver='x'/>"
    } else {
        ""
    };
    let muji = format!("<muji xmlns='urn:xmpp:jingle:muji:0'>{says}</muji>");
    let x = "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='tybalt@capulet.example/1'/></x>";
    present(world, romeo, "tybalt", "", &format!("{muji}{caps}{x}"));
}

/// Romeo's contents are out and the room repeats them: a Movim is called half a second later, in turn.
fn called_as_a_movim(world: &mut World, romeo: Who) {
    assert_eq!(world.asked(romeo, "session-initiate"), 0, "not behind our presence");
    repeat(world, romeo);
    world.run_for(config::MOVIM_GRACE - Duration::from_millis(1));
    assert_eq!(world.asked(romeo, "session-initiate"), 0);
    world.run_for(Duration::from_millis(2));
    assert_eq!(world.asked(romeo, "session-initiate"), 1);
    let offer = world.wire.iter().rev().find(|passage| passage.stanza.name() == "iq").expect("the offer");
    let sid = offer.stanza.children().next().and_then(|jingle| jingle.attr("sid")).expect("a sid");
    assert!(!sid.starts_with("z-"), "it is our turn");
}

#[test]
fn a_movim_is_called_half_a_second_after_the_room_repeated_our_contents() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell_of_movim(&mut world, romeo, AUDIO, true);
    repeat(&mut world, romeo);
    called_as_a_movim(&mut world, romeo);
}

// Shows caps-06.
#[test]
fn a_presence_without_capabilities_does_not_change_what_is_known() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    tell_of_movim(&mut world, romeo, PREPARING, true);
    tell_of_movim(&mut world, romeo, AUDIO, false);
    repeat(&mut world, romeo);
    called_as_a_movim(&mut world, romeo);
}

#[test]
fn a_movim_that_was_in_the_call_of_a_chat_room_before_us_is_known_for_one() {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules { silent: true, ..Rules::default() });
    tell_of_movim(&mut world, romeo, AUDIO, true);
    let us = format!("<item jid='{}'/><status code='100'/><status code='110'/>", world.jid(romeo));
    present(&mut world, romeo, "romeo", "", &format!("<x xmlns='http://jabber.org/protocol/muc#user'>{us}</x>"));
    world.join_in_chat(romeo, "balcony");
    repeat(&mut world, romeo);
    called_as_a_movim(&mut world, romeo);
}

// Shows occ-01, occ-02.
#[test]
fn occupant_ids_change_nothing_whoever_writes_them() {
    let mut world = World::new(1);
    let romeo = entering(&mut world);
    for nick in ["juliet", "nurse"] {
        let id = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='the same'/>";
        let muji = format!("<muji xmlns='urn:xmpp:jingle:muji:0'>{AUDIO}</muji>");
        let x = format!("<x xmlns='http://jabber.org/protocol/muc#user'><item jid='{nick}@capulet.example/1'/></x>");
        present(&mut world, romeo, nick, "", &format!("{muji}{id}{x}"));
    }
    repeat(&mut world, romeo);
    assert_eq!(world.asked(romeo, "session-initiate"), 2);
}

// Shows muc-ghost-01.
#[test]
fn a_ghost_is_called_in_vain_and_delays_nobody() {
    let mut world = World::new(1);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    world.service.cut(&world.jid(tybalt)); // In the room, and gone in truth.
    let [romeo, juliet] = in_call(&mut world, ["romeo", "juliet"]);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    world.run_for(60 * SECOND);
    let failed = |event: &Event| {
        matches!(event, Event::PeerFailed(peer, failure) if peer.nick == "tybalt"
            && failure.to_string().starts_with("the offer was refused (service-unavailable)"))
    };
    assert_eq!(count(&world, romeo, failed), 4, "once, and three times more");
}

#[test]
fn who_is_told_that_it_is_gone_though_it_is_there_calls_again_at_once() {
    let mut world = World::new(1);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let [sid] = &offers(&requests(&mut world, tybalt))[..] else { panic!("one offer") };
    ask(&mut world, tybalt, romeo, "1", &terminate(sid, Reason::Gone.into()));
    world.run_for(SECOND);
    assert_eq!(offers(&requests(&mut world, tybalt)).len(), 1);
}

#[test]
fn an_offer_from_an_earlier_stay_is_ended_and_that_of_this_one_taken() {
    let mut world = World::new(1);
    let [romeo] = in_call(&mut world, ["romeo"]);
    let tybalt = entered(&mut world, vec![audio(vec![opus()])]);
    world.leave(romeo);
    world.run_for(SECOND);
    requests(&mut world, tybalt);
    world.join(romeo, "balcony");
    let stale = offer(&world, "stale", usable(vec![opus()]));
    let forged = Iq::Set {
        from: Some(world.jid(tybalt).into()),
        to: Some(world.jid(romeo).into()),
        id: "1".to_owned(),
        payload: stale.write(),
    };
    world.forge(romeo, &String::from(&muji_xep::Element::from(Stanza::from(forged))));
    world.run_for(SECOND);
    let heard = requests(&mut world, tybalt);
    let actions: Vec<(Action, bool)> =
        heard.iter().map(|(_, jingle)| (jingle.action.clone(), jingle.sid == "stale")).collect();
    assert_eq!(actions, [(Action::SessionTerminate, true), (Action::SessionInitiate, false)]);
}
