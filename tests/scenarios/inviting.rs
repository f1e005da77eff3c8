//! Inviting somebody into the room of a call, and coming.

use muji_conformance::harness::world::{Who, World};
use muji_core::error::RoomFault;
use muji_core::{Event, Invitation};
use muji_xep::invite::{CallInvite, Word};
use muji_xep::{Element, ns};
use xmpp_parsers::message::Message;
use xmpp_parsers::stanza::Stanza;

use crate::{SECOND, count, people, room_fault};

fn invitations(world: &World, who: Who) -> Vec<Invitation> {
    let invited = world.events(who).iter().filter_map(|event| match event {
        Event::Invited(invitation) => Some(invitation.clone()),
        _ => None,
    });
    invited.collect()
}

/// Romeo makes a room for a call and invites Juliet.
fn invited() -> (World, [Who; 2], Invitation) {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.open(romeo);
    world.run_for(SECOND);
    world.invite(romeo, juliet);
    world.run_for(SECOND);
    let [invitation] = &invitations(&world, juliet)[..] else { panic!("one invitation") };
    let invitation = invitation.clone();
    (world, [romeo, juliet], invitation)
}

fn messages(world: &World, who: Who) -> Vec<Element> {
    let of = world.wire.iter().filter(|passage| passage.from == who && passage.stanza.name() == "message");
    of.map(|passage| passage.stanza.clone()).collect()
}

// Shows muji-inv-01, hint-01, hint-02.
#[test]
fn an_invitation_names_the_room_is_kept_by_archives_and_reaches_every_device() {
    let (world, [romeo, _], _) = invited();
    let messages = messages(&world, romeo);
    assert_eq!(messages.len(), 1);
    let invite = messages[0].get_child("invite", ns::CALL_INVITES).expect("an invitation");
    let mujis: Vec<&Element> = invite.children().collect();
    assert_eq!(mujis.len(), 1);
    assert!(mujis[0].is("muji", ns::MUJI) && mujis[0].attr("room").is_some());
    assert!(messages[0].has_child("store", ns::HINTS));
    let forbidden = ["no-copy", "no-store", "private"];
    assert!(messages[0].children().all(|child| !forbidden.contains(&child.name())));
    assert_eq!(messages[0].attr("to"), Some("juliet@capulet.example"), "not one device");
}

// Shows muc-cfg-02.
#[test]
fn a_guest_is_let_in_before_it_is_invited() {
    let (world, [romeo, _], _) = invited();
    let said: Vec<Element> =
        world.wire.iter().filter(|passage| passage.from == romeo).map(|passage| passage.stanza.clone()).collect();
    let admitted = said.iter().position(|stanza| stanza.has_child("query", ns::MUC_ADMIN)).expect("it is let in");
    let invited = said.iter().position(|stanza| stanza.name() == "message").expect("it is invited");
    assert!(admitted < invited);
}

// Shows muji-inv-02, hint-03.
#[test]
fn who_takes_an_invitation_says_so_and_joins_that_room_preparing() {
    let (mut world, [romeo, juliet], invitation) = invited();
    world.accept(juliet, &invitation);
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    let answer = messages(&world, juliet).pop().expect("an answer");
    let payloads: Vec<Element> = answer.children().cloned().collect();
    let accept = CallInvite { id: invitation.id.clone(), word: Word::Accept, room: Some(invitation.room.clone()) };
    assert_eq!(CallInvite::find(&payloads, None), Some(accept));
    let first = &world.presences(juliet)[0];
    assert_eq!(first.attr("to"), Some(format!("{}/juliet", invitation.room).as_str()));
    assert!(first.get_child("muji", ns::MUJI).is_some_and(|muji| muji.has_child("preparing", ns::MUJI)));
}

#[test]
fn who_does_not_come_says_so_and_enters_nothing() {
    let (mut world, [_, juliet], invitation) = invited();
    world.decline(juliet, &invitation);
    world.run_for(SECOND);
    let answer = messages(&world, juliet).pop().expect("an answer");
    assert!(answer.has_child("reject", ns::CALL_INVITES) && answer.has_child("reject", ns::CALL_MESSAGE));
    assert!(world.presences(juliet).is_empty());
}

#[test]
fn whoever_comes_when_everybody_has_left_is_told_that_the_call_is_over() {
    let (mut world, [romeo, juliet], invitation) = invited();
    world.leave(romeo);
    world.run_for(SECOND);
    world.accept(juliet, &invitation);
    world.run_for(SECOND);
    assert_eq!(room_fault(&world, juliet), Some(RoomFault::CallIsOver));
}

/// A message of Tybalt's to Romeo with these children.
fn hears(world: &mut World, tybalt: Who, romeo: Who, children: &str) {
    let mut message = Message::chat(jid::Jid::from(world.jid(romeo).to_bare()));
    message.id = Some(xmpp_parsers::message::Id("m1".to_owned()));
    let children: Element = format!("<r xmlns='r'>{children}</r>").parse().expect("well-formed");
    message.payloads = children.children().cloned().collect();
    world.send(tybalt, Stanza::from(message));
    world.run_for(SECOND);
}

// Shows R-INV-1.
#[test]
fn invitations_of_all_who_invite_are_understood_and_ring_once() {
    let muji = "<muji xmlns='urn:xmpp:jingle:muji:0' room='r@conference.capulet.example'/>";
    let new = format!("<invite xmlns='urn:xmpp:call-invites:0' id='i1' video='true' multi='true'>{muji}</invite>");
    let old = format!("<propose xmlns='urn:xmpp:call-message:1' id='i1' video='true' multi='true'>{muji}</propose>");
    let plain = format!("<invite xmlns='urn:xmpp:call-invites:0'>{muji}</invite>");
    for (children, id) in [(new.clone(), "i1"), (old.clone(), "i1"), (format!("{new}{old}"), "i1"), (plain, "m1")] {
        let mut world = World::new(1);
        let [romeo] = people(&mut world, ["romeo"]);
        let tybalt = world.puppet("tybalt");
        hears(&mut world, tybalt, romeo, &children);
        let invitations = invitations(&world, romeo);
        assert_eq!(invitations.iter().map(|it| it.id.as_str()).collect::<Vec<_>>(), [id], "{children}");
    }
}

// Shows R-INV-4.
#[test]
fn an_invitation_from_an_archive_does_not_ring() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    let invite = "<invite xmlns='urn:xmpp:call-invites:0' id='i1'><muji xmlns='urn:xmpp:jingle:muji:0' \
                  room='r@conference.capulet.example'/></invite><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>";
    hears(&mut world, tybalt, romeo, invite);
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::Invited(_))), 0);
}
