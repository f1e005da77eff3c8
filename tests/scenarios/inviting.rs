//! Inviting somebody into the room of a call, and coming.

use muji_core::error::RoomFault;
use muji_core::{Command, Event, Invitation, Join, RoomInvite, Secret, Via, Warning, config};
use muji_harness::world::{PersonId, World};
use muji_xep::invite::{CallInvite, InviteKind};
use muji_xep::{Element, ns};
use xmpp_parsers::message::Message;
use xmpp_parsers::stanza::Stanza;

use crate::{SECOND, count, people, room_fault};

fn invitations(world: &World, who: PersonId) -> Vec<Invitation> {
    let invited = world.events(who).iter().filter_map(|event| match event {
        Event::Invited(invitation) => Some((**invitation).clone()),
        _ => None,
    });
    invited.collect()
}

/// Romeo makes a room for a call and invites Juliet.
fn invited() -> (World, [PersonId; 2], Invitation) {
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

fn messages(world: &World, who: PersonId) -> Vec<Element> {
    let of = world.wire.iter().filter(|sent| sent.from == who && sent.stanza.name() == "message");
    of.map(|sent| sent.stanza.clone()).collect()
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

/// Of a phone whose stream the server gives up, it says what it says of an unknown account.
#[test]
fn an_invitation_that_comes_back_is_reported_and_stays_with_the_other_devices() {
    let (mut world, [romeo, juliet], invitation) = invited();
    let sent = messages(&world, romeo).pop().expect("an invitation");
    let id = sent.attr("id").expect("it has one");
    let error = "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    let from = "juliet@capulet.example";
    world.forge(
        romeo,
        &format!("<message xmlns='jabber:client' type='error' from='{from}' id='{id}'>{error}</message>"),
    );
    assert_eq!(count(&world, romeo, |event| matches!(event, Event::Warning(Warning::InvitationReturned { .. }))), 1);
    world.accept(juliet, &invitation);
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

// Shows cinv-invite-01, cinv-id-05.
#[test]
fn by_whatever_id_an_invitation_is_referred_to_it_is_the_same() {
    let (world, [romeo, _], invitation) = invited();
    let message = messages(&world, romeo).pop().expect("an invitation");
    let invite = message.get_child("invite", ns::CALL_INVITES).expect("an invitation");
    let origin = message.get_child("origin-id", ns::STANZA_ID).and_then(|origin| origin.attr("id"));
    assert_eq!([message.attr("id"), origin, invite.attr("id")], [Some(invitation.id.as_str()); 3]);
    assert_eq!((message.attr("type"), invite.attr("video")), (Some("chat"), Some("false")));
}

// Shows muc-cfg-02.
#[test]
fn a_guest_is_let_in_before_it_is_invited() {
    let (world, [romeo, _], _) = invited();
    let said: Vec<Element> =
        world.wire.iter().filter(|sent| sent.from == romeo).map(|sent| sent.stanza.clone()).collect();
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
    let accept = CallInvite::new(&invitation.id, InviteKind::Accept, Some(&invitation.room));
    assert_eq!(CallInvite::find(&payloads, None), Some(accept));
    let first = &world.presences(juliet)[0];
    assert_eq!(first.attr("to"), Some(format!("{}/juliet", invitation.room).as_str()));
    assert!(first.get_child("muji", ns::MUJI).is_some_and(|muji| muji.has_child("preparing", ns::MUJI)));
}

// Shows cinv-accept-01, cinv-accept-02.
#[test]
fn who_takes_an_invitation_names_it_and_the_room_and_nothing_else() {
    let (mut world, [_, juliet], invitation) = invited();
    world.accept(juliet, &invitation);
    let answer = messages(&world, juliet).pop().expect("an answer");
    assert_eq!(answer.attr("to"), Some("romeo@capulet.example"));
    let accept = answer.get_child("accept", ns::CALL_INVITES).expect("it comes");
    assert_eq!(accept.attr("id"), Some(invitation.id.as_str()));
    let ways: Vec<&Element> = accept.children().collect();
    assert_eq!((ways.len(), ways[0].attr("room")), (1, Some(invitation.room.as_str())));
}

// Shows cinv-reject-01.
#[test]
fn who_does_not_come_says_so_and_enters_nothing() {
    let (mut world, [romeo, juliet], invitation) = invited();
    world.decline(juliet, &invitation);
    world.run_for(SECOND);
    let answer = messages(&world, juliet).pop().expect("an answer");
    for form in [ns::CALL_INVITES, ns::CALL_MESSAGE] {
        let reject = answer.get_child("reject", form).expect("in both forms");
        assert_eq!(reject.attr("id"), Some(invitation.id.as_str()));
    }
    assert!(world.presences(juliet).is_empty());
    let told = |event: &Event| matches!(event, Event::Declined(..));
    assert_eq!(count(&world, romeo, told), 1);
}

#[test]
fn one_who_comes_when_everybody_has_left_is_told_that_the_call_is_over() {
    let (mut world, [romeo, juliet], invitation) = invited();
    world.leave(romeo);
    world.run_for(SECOND);
    world.accept(juliet, &invitation);
    world.run_for(SECOND);
    assert_eq!(room_fault(&world, juliet), Some(RoomFault::CallIsOver));
}

/// A message of Tybalt's to Romeo with these children.
fn hears(world: &mut World, tybalt: PersonId, romeo: PersonId, children: &str) {
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

#[test]
fn an_invitation_to_a_call_in_no_room_is_reported() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    hears(&mut world, tybalt, romeo, "<invite xmlns='urn:xmpp:call-invites:0' id='i1'><jingle sid='s1'/></invite>");
    assert_eq!(
        count(&world, romeo, |event| matches!(event, Event::Skipped { what, .. } if what.contains("no room"))),
        1
    );
    assert_eq!(world.events(romeo).len(), 1);
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

fn room_invitations(world: &World, who: PersonId) -> Vec<RoomInvite> {
    let invited = world.events(who).iter().filter_map(|event| match event {
        Event::RoomInvited(invite) => Some(invite.clone()),
        _ => None,
    });
    invited.collect()
}

/// Romeo makes a room for a call and invites Juliet to the room as such.
fn invited_to_room(via: Via) -> (World, [PersonId; 2], RoomInvite) {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.open(romeo);
    world.run_for(SECOND);
    let guest = world.jid(juliet).to_bare();
    world.command(romeo, Command::InviteToRoom(guest, via));
    world.run_for(SECOND);
    let [invite] = &room_invitations(&world, juliet)[..] else { panic!("one invitation") };
    let invite = invite.clone();
    (world, [romeo, juliet], invite)
}

// Shows dinv-01, dinv-02, dinv-03.
#[test]
fn who_is_invited_directly_was_let_in_before_and_comes_or_says_nothing() {
    let (mut world, [romeo, juliet], invite) = invited_to_room(Via::Message);
    let sent = messages(&world, romeo).pop().expect("an invitation");
    assert_eq!(sent.attr("to"), Some("juliet@capulet.example"));
    let names: Vec<(&str, String)> = sent.children().map(|child| (child.name(), child.ns())).collect();
    assert_eq!(names, [("x", ns::CONFERENCE.to_owned())], "not a word of a call");
    let said = world.wire.iter().filter(|sent| sent.from == romeo);
    let said: Vec<&Element> = said.map(|sent| &sent.stanza).collect();
    let admitted = said.iter().position(|stanza| stanza.has_child("query", ns::MUC_ADMIN)).expect("it is let in");
    assert!(admitted < said.iter().position(|stanza| stanza.name() == "message").expect("it is invited"));
    assert!(invitations(&world, juliet).is_empty(), "nothing rings");
    world.decline_room(juliet, &invite);
    assert!(messages(&world, juliet).is_empty());
    world
        .try_join(juliet, &invite.room, Join::call_room().nick("juliet").invited())
        .expect("the Engine takes the wish");
    world.run_for(2 * SECOND);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

#[test]
fn a_direct_invitation_to_a_room_with_a_password_names_it() {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.join_how(romeo, "balcony", Join::call_room().password(Secret::new("cauldron")));
    world.run_for(SECOND);
    let guest = world.jid(juliet).to_bare();
    world.command(romeo, Command::InviteToRoom(guest, Via::Message));
    world.run_for(SECOND);
    let password = room_invitations(&world, juliet)[0].password.clone();
    assert_eq!(password.expect("it is named").expose(), "cauldron");
}

// Shows muc-inv-01, muc-inv-02.
#[test]
fn an_invitation_through_the_room_goes_to_the_room_and_so_does_its_decline() {
    let (mut world, [romeo, juliet], invite) = invited_to_room(Via::Room);
    let sent = messages(&world, romeo).pop().expect("an invitation");
    assert_eq!((sent.attr("to"), sent.attr("type")), (Some(invite.room.as_str()), None), "of type normal");
    let guest = sent.get_child("x", ns::MUC_USER).and_then(|x| x.get_child("invite", ns::MUC_USER));
    assert_eq!(guest.and_then(|invite| invite.attr("to")), Some("juliet@capulet.example"));
    assert_eq!(invite.from, world.jid(romeo));
    world.decline_room(juliet, &invite);
    world.run_for(SECOND);
    let sent = messages(&world, juliet).pop().expect("an answer");
    assert_eq!(sent.attr("to"), Some(invite.room.as_str()));
    let inviter = sent.get_child("x", ns::MUC_USER).and_then(|x| x.get_child("decline", ns::MUC_USER));
    assert_eq!(inviter.and_then(|decline| decline.attr("to")), Some("romeo@capulet.example"));
    let told = |event: &Event| matches!(event, Event::Declined(who, _) if who.node().is_some_and(|node| node.as_str() == "juliet"));
    assert_eq!(count(&world, romeo, told), 1);
}

// Shows dinv-04.
#[test]
fn invitations_to_one_room_are_shown_once_and_that_to_its_call_wins() {
    let room = "r@conference.capulet.example";
    let direct = format!("<x xmlns='jabber:x:conference' jid='{room}'/>");
    let call = format!(
        "<invite xmlns='urn:xmpp:call-invites:0' id='i1'><muji xmlns='urn:xmpp:jingle:muji:0' room='{room}'/></invite>"
    );
    let shown = |said: &[&str]| {
        let mut world = World::new(1);
        let [romeo] = people(&mut world, ["romeo"]);
        let tybalt = world.puppet("tybalt");
        said.iter().for_each(|children| hears(&mut world, tybalt, romeo, children));
        (room_invitations(&world, romeo).len(), invitations(&world, romeo).len())
    };
    let together = format!("{direct}{call}");
    assert_eq!(shown(&[&direct, &direct]), (1, 0));
    assert_eq!(shown(&[&call, &direct, &call]), (0, 1));
    assert_eq!(shown(&[&direct, &call]), (1, 1), "what was no call is one now");
    assert_eq!(shown(&[&together]), (0, 1));
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    let tybalt = world.puppet("tybalt");
    hears(&mut world, tybalt, romeo, &direct);
    world.run_for(config::INVITATION_LIFETIME);
    hears(&mut world, tybalt, romeo, &direct);
    assert_eq!(room_invitations(&world, romeo).len(), 2, "somebody asks again");
}

#[test]
fn an_invitation_to_a_room_that_we_are_in_is_not_shown() {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.join(romeo, "balcony");
    world.enter_chat_room(juliet, "kitchen");
    world.run_for(SECOND);
    let tybalt = world.puppet("tybalt");
    for (who, room) in [(romeo, "balcony"), (juliet, "kitchen")] {
        let direct = format!("<x xmlns='jabber:x:conference' jid='{}'/>", world.room(room));
        hears(&mut world, tybalt, who, &direct);
        assert!(room_invitations(&world, who).is_empty());
    }
}

#[test]
fn an_invitation_that_the_room_does_not_pass_on_is_told() {
    let (mut world, [romeo, _], invite) = invited_to_room(Via::Room);
    let error = "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    let x = format!("<x xmlns='{}'><invite to='nurse@capulet.example'/></x>", ns::MUC_USER);
    world.forge(
        romeo,
        &format!("<message xmlns='jabber:client' type='error' from='{}'>{x}{error}</message>", invite.room),
    );
    let told = |event: &Event| matches!(event, Event::Warning(Warning::InvitationNotPassedOn { .. }));
    assert_eq!(count(&world, romeo, told), 1);
}

#[test]
fn one_who_invites_again_after_we_declined_is_shown_again() {
    let (mut world, [romeo, juliet], invitation) = invited();
    world.decline(juliet, &invitation);
    world.invite(romeo, juliet);
    world.run_for(SECOND);
    assert_eq!(invitations(&world, juliet).len(), 2);
}

// Shows dinv-05.
#[test]
fn our_features_say_that_we_take_direct_invitations() {
    let mut world = World::new(1);
    let [romeo] = people(&mut world, ["romeo"]);
    let disco = world.answer_disco(romeo, "https://example.org/muji");
    let info = disco.answer(None).expect("every query is answered");
    assert!(info.children().any(|feature| feature.attr("var") == Some(ns::CONFERENCE)));
}
