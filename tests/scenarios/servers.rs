//! STUN and TURN servers that the own server knows (XEP-0215).

use std::time::{Duration, SystemTime};

use muji_core::config::Config;
use muji_core::media::{IceServer, ServerKind, ServerTransport};
use muji_core::{Event, Secret};
use muji_harness::person::usual;
use muji_harness::world::{PersonId, World};
use muji_media::transport::loopback;
use muji_xep::{Element, ns};

use crate::ringing::account;
use crate::{SECOND, count};

/// When the world begins, on the wall: 2026-11-28T00:00:00Z.
const BEGINNING: u64 = 1_795_824_000;

fn service(attributes: &str) -> Element {
    format!("<service xmlns='{}' {attributes}/>", ns::EXTDISCO).parse().expect("a test writes XML")
}

fn turn(by: ServerTransport, host: &str, port: u16, user: &str) -> IceServer {
    let kind = ServerKind::Turn { username: user.to_owned(), password: Secret::new("secret") };
    IceServer { kind, by, host: host.to_owned(), port }
}

/// Somebody who asks, and a room for a call.
fn alone(external: Option<Vec<Element>>) -> (World, PersonId) {
    let mut world = World::new(1);
    world.service.external = external;
    let romeo = asker(&mut world, "romeo");
    (world, romeo)
}

fn asker(world: &mut World, name: &str) -> PersonId {
    let who = world.configured(name, usual(), loopback::maker(), Config::default());
    world.set_clock(who, SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING));
    who
}

/// How often the server was asked for this.
fn asked(world: &World, name: &str, namespace: &str) -> usize {
    let asks = |stanza: &Element| stanza.children().any(|child| child.is(name, namespace));
    world.wire.iter().filter(|sent| sent.stanza.name() == "iq" && asks(&sent.stanza)).count()
}

// Shows xdisco-01, xdisco-03.
#[test]
fn who_joins_asks_the_own_server_once_and_learns_of_every_server_that_is_of_use() {
    let (mut world, romeo) = alone(Some(vec![
        service("type='stun' host='stun.x' port='99' transport='udp'"),
        service("type='stun' host='192.0.2.1'"),
        service("type='turn' host='turn.x' transport='udp' username='u' password='secret' restricted='1'"),
        service("type='turn' host='turn.x' port='80' transport='tcp' username='u' password='secret'"),
        service("type='turns' host='turn.x' transport='tcp' username='u' password='secret'"),
        service("type='turns' host='turn.x' transport='udp' username='u' password='secret'"),
        service("type='stuns' host='stun.x' transport='tcp'"),
        service("type='sip' host='sip.x'"),
    ]));
    world.join(romeo, "balcony");
    world.run_for(60 * SECOND);
    assert_eq!(asked(&world, "services", ns::EXTDISCO), 1);
    let stun =
        |host: &str, port| IceServer { kind: ServerKind::Stun, by: ServerTransport::Udp, host: host.to_owned(), port };
    let expected = vec![
        stun("stun.x", 99),
        stun("192.0.2.1", 3_478),
        turn(ServerTransport::Udp, "turn.x", 3_478, "u"),
        turn(ServerTransport::Tcp, "turn.x", 80, "u"),
        turn(ServerTransport::Tls, "turn.x", 5_349, "u"),
    ];
    assert_eq!(world.servers(romeo), [expected]);
    let told = count(&world, romeo, |event| match event {
        Event::Skipped { what, .. } => ["turns at turn.x by udp", "stuns", "sip"].iter().all(|it| what.contains(it)),
        _ => false,
    });
    assert_eq!(told, 1, "what is of no use is told");
}

// Shows xdisco-02.
#[test]
fn a_server_that_knows_no_such_services_is_not_asked_for_them() {
    let (mut world, romeo) = alone(None);
    let juliet = asker(&mut world, "juliet");
    [romeo, juliet].into_iter().for_each(|who| world.join(who, "balcony"));
    world.run_for(10 * SECOND);
    assert_eq!(asked(&world, "services", ns::EXTDISCO), 0);
    assert!(world.hears(romeo, juliet) && world.hears(juliet, romeo), "the call goes its way");
    world.leave(romeo);
    world.join(romeo, "orchard");
    world.run_for(10 * SECOND);
    let own = world.jid(romeo).domain().to_string();
    let by_romeo = world.wire.iter().filter(|sent| sent.from == romeo);
    let to_server = by_romeo.filter(|sent| sent.stanza.attr("to") == Some(own.as_str()));
    assert_eq!(to_server.count(), 1, "nor a second time what it knows");
}

// Shows xdisco-07.
#[test]
fn a_server_that_refuses_does_not_hinder_the_call() {
    let (mut world, romeo) = alone(Some(Vec::new()));
    let juliet = asker(&mut world, "juliet");
    [romeo, juliet].into_iter().for_each(|who| world.join(who, "balcony"));
    world.run_for(300 * SECOND);
    assert_eq!(asked(&world, "services", ns::EXTDISCO), 2, "each once");
    assert!(world.hears(romeo, juliet) && world.servers(romeo).is_empty());
}

// Shows xdisco-04.
#[test]
fn credentials_are_renewed_a_minute_before_they_end_and_for_the_next_call() {
    let ends = |time: &str, user: &str| {
        service(&format!("type='turn' host='turn.x' username='{user}' password='secret' expires='2026-11-28T{time}Z'"))
    };
    let (mut world, romeo) = alone(Some(vec![ends("00:10:00", "first")]));
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    world.service.external = Some(vec![ends("00:20:00", "second")]);
    world.run_for(530 * SECOND);
    assert_eq!(world.servers(romeo).len(), 1, "not before the ninth minute");
    world.run_for(10 * SECOND);
    let by = |user: &str| vec![turn(ServerTransport::Udp, "turn.x", 3_478, user)];
    assert_eq!(world.servers(romeo), [by("first"), by("second")]);
    world.leave(romeo);
    world.service.external = Some(vec![ends("01:20:00", "third")]);
    world.run_for(3_000 * SECOND);
    assert_eq!(asked(&world, "services", ns::EXTDISCO), 2, "nobody needs them without a call");
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    assert_eq!(world.servers(romeo).last(), Some(&by("third")));
}

// Shows xdisco-06.
#[test]
fn credentials_that_a_restricted_service_lacks_are_asked_for() {
    let restricted = service("type='turn' host='turn.x' transport='udp' restricted='1'");
    let (mut world, romeo) = alone(Some(vec![restricted.clone()]));
    let mut credentials = Element::bare("credentials", ns::EXTDISCO);
    credentials.append_child(service("type='turn' host='turn.x' username='u' password='secret'"));
    world.service.credentials = Some(credentials);
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    assert_eq!(world.servers(romeo).last(), Some(&vec![turn(ServerTransport::Udp, "turn.x", 3_478, "u")]));

    let (mut world, romeo) = alone(Some(vec![restricted]));
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    assert_eq!(asked(&world, "credentials", ns::EXTDISCO), 1);
    assert!(world.servers(romeo).iter().all(Vec::is_empty), "without them it is left out");
}

#[test]
fn nobody_is_asked_for_servers_before_the_user_picks_up() {
    let (mut world, romeo) = alone(Some(vec![service("type='stun' host='stun.x'")]));
    let juliet = asker(&mut world, "juliet");
    world.accept_calls(juliet);
    world.befriend_all();
    let account = account(&world, juliet);
    world.ring(romeo, account);
    world.run_for(5 * SECOND);
    let by_juliet = |world: &World| {
        let asks = |stanza: &Element| stanza.children().any(|child| child.is("services", ns::EXTDISCO));
        world.wire.iter().filter(|sent| sent.from == juliet && asks(&sent.stanza)).count()
    };
    assert_eq!(by_juliet(&world), 0);
    world.pick_up(juliet);
    world.run_for(5 * SECOND);
    assert_eq!((by_juliet(&world), world.servers(juliet).len()), (1, 1));
}

#[test]
fn a_clock_that_somebody_sets_by_an_hour_in_a_call_changes_nothing() {
    let service = service(
        "type='turn' host='192.0.2.1' transport='udp' username='u' password='secret' expires='2026-11-28T02:00:00Z'",
    );
    let (mut world, romeo) = alone(Some(vec![service]));
    let juliet = asker(&mut world, "juliet");
    [romeo, juliet].into_iter().for_each(|who| world.join(who, "balcony"));
    world.run_for(10 * SECOND);
    let hour = Duration::from_secs(3_600);
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING);
    let before = world.wire.len();
    for wall in [wall + hour, wall - hour] {
        world.set_clock(romeo, wall);
        world.run_for(600 * SECOND);
        assert!(world.hears(romeo, juliet) && world.hears(juliet, romeo));
    }
    let (own, since) = (world.jid(romeo).domain().to_string(), &world.wire[before..]);
    let asks = since.iter().filter(|sent| sent.from == romeo && sent.stanza.attr("to") == Some(own.as_str()));
    assert_eq!(asks.count(), 0, "credentials last as long as was said when they came");
}
