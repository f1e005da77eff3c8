//! What is asked of STUN and TURN servers, when, and what follows from their answers; in virtual time. A real TURN server answers in the
//! tests of muji-call.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_core::Secret;
use muji_core::media::{IceServer, ServerKind, ServerTransport};
use muji_media::backend::{GatherPolicy, Relays};
use muji_media::parts::{GatherOutput, Gatherer};
use muji_media::transport::LocalCandidate;
use muji_xep::ice::CandidateKind;
use turn_client_proto::stun::types::attribute::XorMappedAddress;
use turn_client_proto::stun::types::message::{Message, MessageWriteVec};
use turn_client_proto::stun::types::prelude::{MessageWrite, MessageWriteExt};

const STEP: Duration = Duration::from_millis(20);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("a test writes addresses")
}

fn ours() -> SocketAddr {
    address("192.168.1.7:40000")
}

fn stun(host: &str) -> (IceServer, Vec<SocketAddr>) {
    let server = IceServer { kind: ServerKind::Stun, by: ServerTransport::Udp, host: host.to_owned(), port: 3_478 };
    (server, vec![address(&format!("{host}:3478"))])
}

fn turn(host: &str, by: ServerTransport) -> (IceServer, Vec<SocketAddr>) {
    let kind = ServerKind::Turn { username: "romeo".to_owned(), password: Secret::new("secret") };
    (IceServer { kind, by, host: host.to_owned(), port: 3_478 }, vec![address(&format!("{host}:3478"))])
}

/// Everything that is to be done now.
fn outputs(gatherer: &mut Gatherer) -> Vec<GatherOutput> {
    std::iter::from_fn(|| gatherer.poll_output()).collect()
}

/// What is done within this time, and when from its beginning.
fn within(gatherer: &mut Gatherer, start: Instant, time: Duration) -> Vec<(Duration, GatherOutput)> {
    let mut done = Vec::new();
    let mut now = start;
    while now < start + time {
        gatherer.handle_timeout(now);
        done.extend(outputs(gatherer).into_iter().map(|output| (now - start, output)));
        now += STEP;
    }
    done
}

/// One socket set that gathers by these servers.
fn gathering(
    now: Instant,
    reach: GatherPolicy,
    servers: Vec<(IceServer, Vec<SocketAddr>)>,
) -> (Gatherer, Vec<LocalCandidate>) {
    let mut gatherer = Gatherer::new(reach);
    let hosts = gatherer.add_socket_set(now, &[ours()]);
    gatherer.set_servers(now, servers);
    assert!(outputs(&mut gatherer).is_empty(), "nobody is asked before there is a session");
    gatherer.set_wanted(now, true);
    (gatherer, hosts)
}

/// What a STUN server answers that sees us so.
fn answer(question: &[u8], seen: SocketAddr) -> Vec<u8> {
    let question = Message::from_bytes(question).expect("we ask in STUN");
    let mut answer = Message::builder_success(&question, MessageWriteVec::new());
    let mapped = XorMappedAddress::new(seen, question.transaction_id());
    answer.add_attribute(&mapped).expect("there is room");
    answer.finish()
}

fn found(outputs: &[GatherOutput]) -> Vec<LocalCandidate> {
    let found = outputs.iter().filter_map(|output| match output {
        GatherOutput::Found { candidate, .. } => Some(candidate.clone()),
        _ => None,
    });
    found.collect()
}

fn asked(outputs: &[GatherOutput]) -> Vec<(SocketAddr, Vec<u8>)> {
    let asked = outputs.iter().filter_map(|output| match output {
        GatherOutput::Datagram { to, bytes, .. } => Some((*to, bytes.clone())),
        _ => None,
    });
    asked.collect()
}

#[test]
fn what_a_stun_server_sees_is_told_with_the_socket_as_its_base() {
    let now = Instant::now();
    let (mut gatherer, hosts) =
        gathering(now, GatherPolicy::default(), vec![stun("198.51.100.1"), stun("198.51.100.2")]);
    assert_eq!(hosts.iter().map(|host| host.advertised.address).collect::<Vec<_>>(), [ours()]);
    let questions = asked(&outputs(&mut gatherer));
    assert_eq!(questions.len(), 2, "two servers tell a NAT that shows each another address");
    let seen = address("203.0.113.9:1234");
    for (server, question) in &questions {
        assert!(gatherer.handle_datagram(now, ours(), *server, &answer(question, seen)));
    }
    let found = found(&outputs(&mut gatherer));
    assert_eq!(found.len(), 1, "both see the same");
    let LocalCandidate { advertised, base } = &found[0];
    assert_eq!((advertised.kind, advertised.address, *base), (CandidateKind::ServerReflexive, seen, ours()));
    assert_eq!(advertised.related, Some(ours()));
    assert!(advertised.priority < hosts[0].advertised.priority);
    assert_eq!(gatherer.candidates(0).len(), 2, "a session that opens later has it at once");
}

#[test]
fn an_answer_that_was_not_asked_for_is_left_to_the_peers() {
    let now = Instant::now();
    let (mut gatherer, _) = gathering(now, GatherPolicy::default(), vec![stun("198.51.100.1")]);
    let questions = asked(&outputs(&mut gatherer));
    let forged = answer(&questions[0].1, address("203.0.113.9:1"));
    assert!(!gatherer.handle_datagram(now, ours(), address("198.51.100.66:3478"), &forged), "by somebody else");
    let mut other = forged;
    other[8] ^= 1;
    assert!(!gatherer.handle_datagram(now, ours(), questions[0].0, &other), "to another question");
    assert!(found(&outputs(&mut gatherer)).is_empty());
}

#[test]
fn a_server_that_says_nothing_is_asked_a_few_times_and_then_told_of() {
    let now = Instant::now();
    let (mut gatherer, _) = gathering(now, GatherPolicy::default(), vec![stun("198.51.100.1")]);
    let done = within(&mut gatherer, now, Duration::from_secs(30));
    let questions = done.iter().filter(|(_, output)| matches!(output, GatherOutput::Datagram { .. })).count();
    assert!((3..=6).contains(&questions), "{questions}");
    let attempts = gatherer.attempts();
    assert_eq!(attempts[0].what, "STUN at 198.51.100.1:3478");
    assert_eq!(attempts[0].outcome, Some(Err("no answer".to_owned())));
    assert!(gatherer.poll_timeout().is_none(), "nothing is left to do");
}

#[test]
fn ways_to_a_relay_are_tried_one_after_the_other_best_first() {
    let now = Instant::now();
    let servers = [ServerTransport::Tls, ServerTransport::Tcp, ServerTransport::Udp];
    let servers = servers.map(|by| turn("198.51.100.1", by)).into();
    let (mut gatherer, _) = gathering(now, GatherPolicy { relays: Relays::Only, ..GatherPolicy::default() }, servers);
    let done = within(&mut gatherer, now, Duration::from_secs(3));
    let first = |kind: &dyn Fn(&GatherOutput) -> bool| {
        done.iter().find(|(_, output)| kind(output)).map(|(at, _)| *at).expect("it is done")
    };
    let by_udp = first(&|output| matches!(output, GatherOutput::Datagram { .. }));
    let by_tcp = first(&|output| matches!(output, GatherOutput::Connect { tls_name: None, .. }));
    let by_tls =
        first(&|output| matches!(output, GatherOutput::Connect { tls_name: Some(name), .. } if name == "198.51.100.1"));
    assert!(by_udp < STEP && by_tcp >= Duration::from_millis(700) && by_tls >= 2 * Duration::from_millis(700));
    assert!(by_tls <= Duration::from_secs(2));
}

#[test]
fn a_way_that_fails_is_followed_by_the_next_at_once() {
    let now = Instant::now();
    let servers = vec![turn("198.51.100.1", ServerTransport::Tcp), turn("198.51.100.2", ServerTransport::Tcp)];
    let (mut gatherer, _) = gathering(now, GatherPolicy { relays: Relays::Only, ..GatherPolicy::default() }, servers);
    let streams = |outputs: &[GatherOutput]| {
        let streams = outputs.iter().filter_map(|output| match output {
            GatherOutput::Connect { connection: stream, to, .. } => Some((*stream, *to)),
            _ => None,
        });
        streams.collect::<Vec<_>>()
    };
    let first = streams(&outputs(&mut gatherer));
    gatherer.closed(now, first[0].0, "connection refused");
    let second = streams(&outputs(&mut gatherer));
    assert_eq!((first.len(), second[0].1), (1, address("198.51.100.2:3478")));
    assert_eq!(gatherer.attempts()[0].outcome, Some(Err("connection refused".to_owned())));
}

#[test]
fn who_wants_relays_alone_asks_nobody_how_it_is_seen_and_tells_no_address() {
    let now = Instant::now();
    let reach = GatherPolicy { relays: Relays::Only, ..GatherPolicy::default() };
    let (mut gatherer, hosts) = gathering(now, reach, vec![stun("198.51.100.1")]);
    assert!(hosts.is_empty() && outputs(&mut gatherer).is_empty());
    let never = GatherPolicy { relays: Relays::Never, ..GatherPolicy::default() };
    let (mut gatherer, hosts) = gathering(now, never, vec![turn("198.51.100.1", ServerTransport::Tcp)]);
    assert!(hosts.len() == 1 && outputs(&mut gatherer).is_empty(), "and who wants none asks for none");
}

#[test]
fn private_addresses_that_nobody_shall_learn_are_not_named_as_related_either() {
    let now = Instant::now();
    let reach = GatherPolicy { private: false, ..GatherPolicy::default() };
    let (mut gatherer, hosts) = gathering(now, reach, vec![stun("198.51.100.1")]);
    assert!(hosts.is_empty());
    let questions = asked(&outputs(&mut gatherer));
    gatherer.handle_datagram(now, ours(), questions[0].0, &answer(&questions[0].1, address("203.0.113.9:1234")));
    let found = found(&outputs(&mut gatherer));
    assert_eq!(found[0].advertised.related, Some(address("0.0.0.0:9")));
    assert_eq!(found[0].base, ours(), "it is used all the same");
}

#[test]
fn after_the_last_session_nothing_more_is_asked() {
    let now = Instant::now();
    let servers = vec![stun("198.51.100.1"), turn("198.51.100.1", ServerTransport::Udp)];
    let (mut gatherer, _) = gathering(now, GatherPolicy::default(), servers);
    assert!(!outputs(&mut gatherer).is_empty());
    gatherer.set_wanted(now, false);
    outputs(&mut gatherer);
    assert!(within(&mut gatherer, now, Duration::from_secs(60)).is_empty());
    gatherer.set_wanted(now, true);
    assert!(!outputs(&mut gatherer).is_empty(), "and with the next it begins again");
}
