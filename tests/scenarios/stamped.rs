//! What comes late, with a stamp that says when it was said (XEP-0203): after a resumed stream, servers stamp what they send again.
//! Its age decides, not the stamp.

use std::time::{Duration, SystemTime};

use muji_core::error::EndReason;
use muji_core::{Event, Media};
use muji_harness::world::{PersonId, World};
use muji_jingle::timers;

use crate::ringing::couple;
use crate::{SECOND, count, over};

/// What the clocks on the wall show, in seconds of the day.
const NOON: u64 = 43_200;
const MINUTE: u64 = 60;

fn stamp(second: u64) -> String {
    let (hours, minutes, seconds) = (second / 3_600, second / 60 % 60, second % 60);
    format!("<delay xmlns='urn:xmpp:delay' stamp='1970-01-01T{hours:02}:{minutes:02}:{seconds:02}Z'/>")
}

/// Romeo's proposal, as it reaches Juliet's phone with these stamps.
fn proposal(world: &World, romeo: PersonId, stamps: &str) -> String {
    let from = world.jid(romeo);
    let described = "<description xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/>";
    format!(
        "<message xmlns='jabber:client' type='chat' from='{from}' to='juliet@capulet.example'><propose \
         xmlns='urn:xmpp:jingle-message:0' id='c1'>{described}</propose>{stamps}</message>"
    )
}

/// Juliet's phone at noon.
fn at_noon() -> (World, PersonId, PersonId) {
    let (mut world, romeo, [phone, ..]) = couple();
    world.set_clock(phone, SystemTime::UNIX_EPOCH + Duration::from_secs(NOON));
    (world, romeo, phone)
}

fn ringing(world: &World, romeo: PersonId) -> Event {
    Event::Ringing { from: world.jid(romeo), media: vec![Media::Audio] }
}

fn missed(world: &World, romeo: PersonId) -> Event {
    Event::Missed { from: world.jid(romeo), media: vec![Media::Audio] }
}

// Shows R-FORK-3.
#[test]
fn a_proposal_that_is_sent_again_on_a_resumed_stream_rings_for_the_rest_of_its_time() {
    let (mut world, romeo, phone) = at_noon();
    world.forge(phone, &proposal(&world, romeo, &stamp(NOON - 3)));
    assert_eq!(world.events(phone), [ringing(&world, romeo)]);
    world.run_for(timers::RINGING - 4 * SECOND);
    assert_eq!(over(&world, phone), None);
    world.run_for(2 * SECOND);
    assert_eq!(over(&world, phone), Some(&EndReason::Expired));
}

// Shows R-FORK-3.
#[test]
fn clocks_that_differ_by_two_minutes_cost_no_call() {
    for stamped in [NOON - 3 - 2 * MINUTE, NOON - 3 + 2 * MINUTE] {
        let (mut world, romeo, phone) = at_noon();
        world.forge(phone, &proposal(&world, romeo, &stamp(stamped)));
        assert_eq!(world.events(phone), [ringing(&world, romeo)]);
        world.run_for(timers::CALLING - 4 * SECOND);
        assert_eq!(over(&world, phone), None);
    }
}

// Shows R-FORK-3.
#[test]
fn a_proposal_whose_caller_has_given_up_by_any_clock_was_missed() {
    let (mut world, romeo, phone) = at_noon();
    world.forge(phone, &proposal(&world, romeo, &stamp(NOON - 3 * MINUTE)));
    assert_eq!(world.events(phone), [missed(&world, romeo)]);
    assert_eq!(world.wire.len(), 0);
}

#[test]
fn of_several_stamps_the_earliest_counts_and_one_that_cannot_be_read_tells_nothing() {
    let (mut world, romeo, phone) = at_noon();
    let stamps = [stamp(NOON - 2), stamp(NOON - 5 * MINUTE), stamp(NOON - 1)].concat();
    world.forge(phone, &proposal(&world, romeo, &stamps));
    assert_eq!(world.events(phone), [missed(&world, romeo)]);
    let (mut world, romeo, phone) = at_noon();
    world.forge(phone, &proposal(&world, romeo, "<delay xmlns='urn:xmpp:delay' stamp='recently'/>"));
    assert_eq!(world.events(phone), [missed(&world, romeo)]);
}

/// Some servers stamp every copy.
#[test]
fn a_copy_counts_by_the_stamps_around_it_and_in_it() {
    for (outer, around, inner, rings) in [
        (NOON, NOON - 3, NOON - 3, true),
        (NOON - 5 * MINUTE, NOON, NOON, false),
        (NOON, NOON - 5 * MINUTE, NOON, false),
        (NOON, NOON, NOON - 5 * MINUTE, false),
    ] {
        let (mut world, romeo, phone) = at_noon();
        let [outer, around, inner] = [outer, around, inner].map(stamp);
        let copied = proposal(&world, romeo, &inner);
        let copy = format!(
            "<message xmlns='jabber:client' from='juliet@capulet.example'><received xmlns='urn:xmpp:carbons:2'><forwarded \
             xmlns='urn:xmpp:forward:0'>{around}{copied}</forwarded></received>{outer}</message>"
        );
        world.forge(phone, &copy);
        let expected = if rings { ringing(&world, romeo) } else { missed(&world, romeo) };
        assert_eq!(world.events(phone), [expected]);
    }
}

/// An invitation of Romeo's to a call, and one to a room, as they reach Juliet's phone with a stamp.
fn invitations(world: &World, romeo: PersonId, stamp: &str) -> [String; 2] {
    let from = world.jid(romeo);
    let call = "<invite xmlns='urn:xmpp:call-invites:0' id='i1' video='false'><muji xmlns='urn:xmpp:jingle:muji:0' \
                room='balcony@conference.capulet.example'/></invite>";
    let room = "<x xmlns='jabber:x:conference' jid='balcony@conference.capulet.example'/>";
    [call, room].map(|payload| {
        format!("<message xmlns='jabber:client' type='chat' id='i1' from='{from}'>{payload}{stamp}</message>")
    })
}

#[test]
fn an_invitation_that_is_sent_again_asks_for_the_rest_of_its_time_and_an_old_one_is_left_to_the_client() {
    let shown = |event: &Event| matches!(event, Event::Invited(_) | Event::RoomInvited(_));
    let expired = |event: &Event| matches!(event, Event::InvitationOver(..));
    for which in [0, 1] {
        let (mut world, romeo, phone) = at_noon();
        world.forge(phone, &invitations(&world, romeo, &stamp(NOON - 3))[which]);
        assert_eq!(count(&world, phone, shown), 1);
        world.run_for(56 * SECOND);
        assert_eq!(count(&world, phone, expired), 0);
        world.run_for(2 * SECOND);
        assert_eq!(count(&world, phone, expired), 1 - which, "one to a call");

        let (mut world, romeo, phone) = at_noon();
        world.forge(phone, &invitations(&world, romeo, &stamp(NOON - 5 * MINUTE))[which]);
        assert_eq!(count(&world, phone, shown), 0);
        let skipped = count(&world, phone, |event| matches!(event, Event::Skipped { .. }));
        assert_eq!(skipped, 1 - which, "what spoke of a call");
    }
}
