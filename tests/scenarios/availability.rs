//! Being there to be called, without a client around: presence, copies, contacts.

use muji_core::{Event, Media, Warning};
use muji_harness::world::{PersonId, World};
use muji_xep::{Element, ns};

use crate::{SECOND, count, people};

/// What somebody sent to its own server.
fn said_to_server(world: &World, who: PersonId) -> Vec<String> {
    let of = world.wire.iter().filter(|sent| sent.from == who && sent.stanza.attr("to").is_none());
    let what = |stanza: &Element| match stanza.name() {
        "iq" => stanza.children().next().map_or_else(String::new, |payload| payload.name().to_owned()),
        other => other.to_owned(),
    };
    let words = of.map(|sent| what(&sent.stanza));
    words.collect()
}

// Shows carb-01, jmi-gen-02.
#[test]
fn copies_are_asked_for_before_we_are_seen_and_again_with_each_new_stream() {
    let mut world = World::new(1);
    let [juliet] = people(&mut world, ["juliet"]);
    world.accept_calls(juliet);
    world.run_for(SECOND);
    let greeting = ["enable", "query", "presence"];
    assert_eq!(said_to_server(&world, juliet), greeting);
    assert_eq!(world.events(juliet), [], "the server can");
    world.cut(juliet);
    world.resume(juliet);
    world.run_for(SECOND);
    assert_eq!(said_to_server(&world, juliet), greeting, "nothing was lost");
    world.rebind(juliet);
    world.run_for(SECOND);
    assert_eq!(said_to_server(&world, juliet).len(), 6);
}

// Shows carb-01.
#[test]
fn a_server_that_makes_no_copies_is_told_of() {
    let mut world = World::new(1);
    world.service.makes_copies = false;
    let [juliet] = people(&mut world, ["juliet"]);
    world.accept_calls(juliet);
    world.run_for(SECOND);
    let told = |event: &Event| matches!(event, Event::Warning(Warning::NoCarbons));
    assert_eq!(count(&world, juliet, told), 1);
}

/// How Romeo's call is shown.
fn rings(world: &mut World, romeo: PersonId, juliet: PersonId) -> [usize; 2] {
    let account = world.jid(juliet).to_bare();
    world.ring(romeo, account);
    world.run_for(SECOND);
    world.leave(romeo);
    world.run_for(SECOND);
    let known = count(world, juliet, |event| matches!(event, Event::Ringing { .. }));
    [known, count(world, juliet, |event| matches!(event, Event::Stranger { .. }))]
}

/// The server, or somebody who says so, tells of a change.
fn push(world: &mut World, juliet: PersonId, from: &str, subscription: &str) {
    let item = format!("<item jid='romeo@capulet.example' subscription='{subscription}'/>");
    let query = format!("<query xmlns='{}'>{item}</query>", ns::ROSTER);
    let to = world.jid(juliet);
    world.forge(juliet, &format!("<iq xmlns='jabber:client' type='set' id='p1' {from} to='{to}'>{query}</iq>"));
}

#[test]
fn contacts_ring_and_others_are_strangers() {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.service.contacts.insert("romeo@capulet.example".parse().expect("it is plain"));
    world.accept_calls(juliet);
    world.run_for(SECOND);
    assert_eq!(rings(&mut world, romeo, juliet), [1, 0]);
    push(&mut world, juliet, "", "to");
    assert_eq!(rings(&mut world, romeo, juliet), [1, 1], "who does not see our presence is none");
    push(&mut world, juliet, "from='juliet@capulet.example'", "from");
    assert_eq!(rings(&mut world, romeo, juliet), [2, 1]);
    push(&mut world, juliet, "", "remove");
    assert_eq!(rings(&mut world, romeo, juliet), [2, 2]);
}

#[test]
fn nobody_else_can_make_himself_a_contact() {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.accept_calls(juliet);
    world.run_for(SECOND);
    for from in ["from='romeo@capulet.example/1'", "from='romeo@capulet.example'", "from='montague.example'"] {
        push(&mut world, juliet, from, "both");
    }
    assert_eq!(rings(&mut world, romeo, juliet), [0, 1]);
}

#[test]
fn who_attends_is_called_like_who_has_a_client() {
    let mut world = World::new(1);
    let [romeo, juliet] = people(&mut world, ["romeo", "juliet"]);
    world.service.contacts.insert("romeo@capulet.example".parse().expect("it is plain"));
    world.accept_calls(juliet);
    world.run_for(SECOND);
    let account = world.jid(juliet).to_bare();
    world.try_ring(romeo, account, vec![Media::Audio]).expect("it can be tried");
    world.run_for(SECOND);
    world.pick_up(juliet);
    world.run_for(SECOND);
    assert!(world.hears(romeo, juliet) && world.hears(juliet, romeo));
}
