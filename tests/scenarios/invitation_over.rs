//! An invitation to a call ends: answered on one of several devices, taken back, too old; and who leaves says so.

use muji_core::{Event, Invitation, RingStopped, config};
use muji_harness::world::{PersonId, World};
use muji_xep::Element;
use muji_xep::invite::{CallInvite, InviteKind};
use xmpp_parsers::message::{Id, Message};
use xmpp_parsers::stanza::Stanza;

use crate::{SECOND, count, people};

fn invitations(world: &World, who: PersonId) -> Vec<Invitation> {
    let invited = world.events(who).iter().filter_map(|event| match event {
        Event::Invited(invitation) => Some((**invitation).clone()),
        _ => None,
    });
    invited.collect()
}

/// How an invitation ended for somebody.
fn silenced(world: &World, who: PersonId) -> Vec<RingStopped> {
    let over = world.events(who).iter().filter_map(|event| match event {
        Event::InvitationOver(_, why) => Some(why.clone()),
        _ => None,
    });
    over.collect()
}

/// Romeo invites Juliet, who has two devices.
fn invited() -> (World, PersonId, [PersonId; 2], Invitation) {
    let mut world = World::new(1);
    let romeo = world.person("romeo");
    let juliet = world.devices("juliet");
    world.open(romeo);
    world.run_for(SECOND);
    world.invite(romeo, juliet[0]);
    world.run_for(SECOND);
    let invitation = invitations(&world, juliet[0])[0].clone();
    assert_eq!(invitations(&world, juliet[1]), std::slice::from_ref(&invitation), "it is shown on each");
    (world, romeo, juliet, invitation)
}

/// The words somebody said about invitations, with the type and the address of their messages.
fn said(world: &World, who: PersonId) -> Vec<(String, String, CallInvite)> {
    let of = world.wire.iter().filter(|sent| sent.from == who && sent.stanza.name() == "message");
    let words = of.filter_map(|sent| {
        let payloads: Vec<Element> = sent.stanza.children().cloned().collect();
        let [kind, to] = ["type", "to"].map(|name| sent.stanza.attr(name).unwrap_or_default().to_owned());
        Some((kind, to, CallInvite::find(&payloads, None)?))
    });
    words.collect()
}

fn last_word(world: &World, who: PersonId) -> (String, InviteKind, String) {
    let (_, to, invite) = said(world, who).pop().expect("it said something");
    (to, invite.kind, invite.id)
}

// Shows cinv-multi-01.
#[test]
fn when_one_device_comes_the_other_stops_asking() {
    let (mut world, _, [phone, laptop], invitation) = invited();
    world.accept(phone, &invitation);
    world.run_for(SECOND);
    assert_eq!(silenced(&world, laptop), [RingStopped::Elsewhere(world.jid(phone))]);
    assert_eq!(silenced(&world, phone), []);
}

// Shows cinv-multi-01.
#[test]
fn when_one_device_declines_the_other_stops_asking() {
    let (mut world, _, [phone, laptop], invitation) = invited();
    world.decline(phone, &invitation);
    world.run_for(SECOND);
    assert_eq!(silenced(&world, laptop), [RingStopped::DeclinedElsewhere(world.jid(phone))]);
}

// Shows cinv-retract-01, R-INV-2.
#[test]
fn who_leaves_before_anybody_came_takes_the_invitation_back() {
    let (mut world, romeo, [phone, laptop], invitation) = invited();
    world.leave(romeo);
    world.run_for(SECOND);
    let bare = world.jid(phone).to_bare().to_string();
    assert_eq!(last_word(&world, romeo), (bare, InviteKind::Retract, invitation.id));
    assert_eq!(
        [phone, laptop].map(|device| silenced(&world, device)),
        [[RingStopped::Cancelled], [RingStopped::Cancelled]]
    );
}

// Shows cinv-left-01, R-INV-2.
#[test]
fn who_leaves_others_behind_says_that_it_left() {
    let (mut world, romeo, [phone, _], invitation) = invited();
    world.accept(phone, &invitation);
    world.run_for(2 * SECOND);
    let nurse = world.person("nurse");
    world.invite(romeo, nurse);
    world.run_for(SECOND);
    world.leave(romeo);
    world.run_for(SECOND);
    let hers: Vec<InviteKind> =
        said(&world, romeo).into_iter().filter(|(_, to, _)| to.starts_with("juliet")).map(|it| it.2.kind).collect();
    assert_eq!(hers.last(), Some(&InviteKind::Left));
    assert_eq!(silenced(&world, nurse), [], "the call goes on, so she may still come");
    world.leave(phone);
    world.run_for(SECOND);
    let his = world.jid(romeo).to_bare().to_string();
    assert_eq!(last_word(&world, phone), (his, InviteKind::Left, invitation.id), "to the person who invited");
}

#[test]
fn an_invitation_that_nobody_answers_asks_a_minute() {
    let (mut world, _, [phone, _], _) = invited();
    world.run_for(config::INVITATION_LIFETIME);
    assert_eq!(silenced(&world, phone), [RingStopped::Expired]);
}

/// A message of a puppet's with these children.
fn hears(world: &mut World, puppet: PersonId, to: PersonId, children: &str) {
    let mut message = Message::chat(jid::Jid::from(world.jid(to).to_bare()));
    message.id = Some(Id("m1".to_owned()));
    let children: Element = format!("<r xmlns='r'>{children}</r>").parse().expect("well-formed");
    message.payloads = children.children().cloned().collect();
    world.send(puppet, Stanza::from(message));
    world.run_for(SECOND);
}

const MUJI: &str = "<muji xmlns='urn:xmpp:jingle:muji:0' room='r@conference.capulet.example'/>";

#[test]
fn only_the_person_who_invited_can_take_it_back() {
    let mut world = World::new(1);
    let [juliet] = people(&mut world, ["juliet"]);
    let [romeo, tybalt] = ["romeo", "tybalt"].map(|name| world.puppet(name));
    hears(&mut world, romeo, juliet, &format!("<invite xmlns='urn:xmpp:call-invites:0' id='i1'>{MUJI}</invite>"));
    let retract = "<retract xmlns='urn:xmpp:call-invites:0' id='i1'/>";
    hears(&mut world, tybalt, juliet, retract);
    assert_eq!(silenced(&world, juliet), []);
    hears(&mut world, romeo, juliet, "<retract xmlns='urn:xmpp:call-invites:0' id='another'/>");
    assert_eq!(silenced(&world, juliet), []);
    hears(&mut world, romeo, juliet, retract);
    assert_eq!(silenced(&world, juliet), [RingStopped::Cancelled]);
}

// Shows cinv-invite-02, cinv-invite-03.
#[test]
fn an_invitation_tells_its_media_and_what_we_cannot_join_is_shown_and_not_opened() {
    let ways = format!(
        "{MUJI}<external xmlns='urn:xmpp:call-invites:0' uri='https://example.org/call'/><jingle sid='s' xmlns='x'/>"
    );
    for (attributes, media) in
        [("", (true, false)), ("audio='0' video='1'", (false, true)), ("audio='true' video='false'", (true, false))]
    {
        let mut world = World::new(1);
        let [juliet] = people(&mut world, ["juliet"]);
        let romeo = world.puppet("romeo");
        let invite = format!("<invite xmlns='urn:xmpp:call-invites:0' id='i1' {attributes}>{ways}</invite>");
        hears(&mut world, romeo, juliet, &invite);
        let invitation = &invitations(&world, juliet)[0];
        assert_eq!((invitation.audio, invitation.video), media);
        assert_eq!(invitation.external.as_deref(), Some("https://example.org/call"));
        assert_eq!(world.wire.iter().filter(|sent| sent.from == juliet).count(), 0);
    }
}

// Shows cinv-id-04.
#[test]
fn the_reference_is_the_sender_s_own_id() {
    let invite = format!("<invite xmlns='urn:xmpp:call-invites:0'>{MUJI}</invite>");
    let origin = "<origin-id xmlns='urn:xmpp:sid:0' id='o1'/>";
    for (children, id) in [(format!("{invite}{origin}"), "o1"), (invite, "m1")] {
        let mut world = World::new(1);
        let [juliet] = people(&mut world, ["juliet"]);
        let romeo = world.puppet("romeo");
        hears(&mut world, romeo, juliet, &children);
        let invitation = invitations(&world, juliet)[0].clone();
        world.decline(juliet, &invitation);
        assert_eq!(last_word(&world, juliet).2, id);
    }
}

/// Juliet sits in a chat room with a puppet, who invites all of it.
fn chat(children: &str) -> (World, [PersonId; 2], Vec<Invitation>) {
    let mut world = World::new(1);
    let [juliet] = people(&mut world, ["juliet"]);
    let romeo = world.puppet("romeo");
    world.enter_chat_room(juliet, "kitchen");
    world.enter_chat_room(romeo, "kitchen");
    world.run_for(SECOND);
    group_says(&mut world, juliet, "romeo", children);
    let shown = invitations(&world, juliet);
    (world, [juliet, romeo], shown)
}

/// What the room passes on of an occupant.
fn group_says(world: &mut World, to: PersonId, nick: &str, children: &str) {
    let from = world.room("kitchen");
    let us = world.jid(to);
    let message = format!(
        "<message xmlns='jabber:client' type='groupchat' id='m1' from='{from}/{nick}' to='{us}'>{children}</message>"
    );
    world.forge(to, &message);
}

// Shows cinv-id-01, cinv-id-02.
#[test]
fn in_a_chat_room_the_reference_is_the_id_that_the_room_gave() {
    let invite = format!("<invite xmlns='urn:xmpp:call-invites:0'>{MUJI}</invite>");
    let ids = "<stanza-id xmlns='urn:xmpp:sid:0' id='forged' by='other@conference.capulet.example'/>\
               <stanza-id xmlns='urn:xmpp:sid:0' id='s1' by='kitchen@conference.capulet.example'/>";
    let (mut world, [juliet, _], shown) = chat(&format!("{invite}{ids}"));
    world.decline(juliet, &shown[0]);
    let (kind, to, answer) = said(&world, juliet).pop().expect("an answer");
    assert_eq!((kind.as_str(), to.as_str()), ("groupchat", "kitchen@conference.capulet.example"));
    assert_eq!((answer.kind, answer.id.as_str()), (InviteKind::Reject, "s1"));

    let (_, _, shown) = chat(&invite);
    assert_eq!(shown, [], "nothing to refer to");
    let own = format!("<invite xmlns='urn:xmpp:call-invites:0' id='i1'>{MUJI}</invite>");
    let (_, _, shown) = chat(&own);
    assert_eq!(shown[0].id, "i1", "Dino's way");
}

// Shows carb-05.
#[test]
fn in_a_chat_room_another_device_s_answer_comes_back_under_our_nick() {
    let own = format!("<invite xmlns='urn:xmpp:call-invites:0' id='i1'>{MUJI}</invite>");
    let (mut world, [juliet, _], _) = chat(&own);
    let accept = format!("<accept xmlns='urn:xmpp:call-invites:0' id='i1'>{MUJI}</accept>");
    group_says(&mut world, juliet, "tybalt", &accept);
    assert_eq!(silenced(&world, juliet), [], "others may come too");
    group_says(&mut world, juliet, "juliet", &accept);
    assert_eq!(silenced(&world, juliet).len(), 1);
    let old = "<retract xmlns='urn:xmpp:call-message:1' id='i1'/>";
    group_says(&mut world, juliet, "romeo", old);
    assert_eq!(silenced(&world, juliet).len(), 1, "it is over once");
}

#[test]
fn in_a_chat_room_an_invitation_from_its_history_is_none() {
    let own = format!(
        "<invite xmlns='urn:xmpp:call-invites:0' id='i1'>{MUJI}</invite>\
         <delay xmlns='urn:xmpp:delay' stamp='2026-11-24T08:00:00Z'/>"
    );
    let (world, [juliet, _], shown) = chat(&own);
    assert_eq!(shown, []);
    assert_eq!(count(&world, juliet, |event| matches!(event, Event::Invited(_))), 0);
}

#[test]
fn an_invitation_in_a_message_that_proposes_a_call_too_is_none() {
    let mut world = World::new(1);
    let [juliet] = people(&mut world, ["juliet"]);
    let romeo = world.puppet("romeo");
    world.befriend_all();
    let propose = "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'><description \
                   xmlns='urn:xmpp:jingle:apps:rtp:1' media='audio'/></propose>";
    let invite = format!("<invite xmlns='urn:xmpp:call-invites:0' id='i1'>{MUJI}</invite>");
    hears(&mut world, romeo, juliet, &format!("{invite}{propose}"));
    assert_eq!(invitations(&world, juliet), []);
    assert_eq!(count(&world, juliet, |event| matches!(event, Event::Ringing { .. })), 1);
}
