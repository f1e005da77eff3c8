//! Two find a path to each other, and agree on keys.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use muji_core::media::IceRole;
use muji_media::parts::codec::vp8;

use crate::pair::*;

#[test]
fn before_it_is_told_whom_to_connect_to_nothing_is_sent() {
    for kinds in all() {
        let mut pair = Pair::new(kinds);
        pair.run(Duration::from_secs(60), |_| false);
        assert_eq!(pair.datagrams, 0);
    }
}

// Shows ice-role-01, ice-check-01.
#[test]
fn the_initiator_controls_and_every_check_has_its_priority_and_the_names_of_both() {
    for kinds in secure() {
        let pair = Pair::connected(kinds, true);
        let names = [0, 1].map(|index| pair.ends[index].transport.local().ufrag);
        for (sender, bytes) in &pair.wire {
            let Some((BINDING, attributes)) = stun(bytes) else { continue };
            let has = |kind: u16| attributes.iter().any(|(of, _)| *of == kind);
            assert!(has(PRIORITY));
            assert_eq!((has(ICE_CONTROLLING), has(ICE_CONTROLLED)), (*sender == 0, *sender == 1));
            let user = attributes.iter().find(|(of, _)| *of == USERNAME).map(|(_, name)| name.as_slice());
            assert_eq!(user, Some(format!("{}:{}", names[1 - sender], names[*sender]).as_bytes()));
        }
        assert!(
            pair.wire.iter().filter(|(_, bytes)| stun(bytes).is_some_and(|(kind, _)| kind == BINDING)).count() >= 2
        );
    }
}

// Shows ice-check-01.
#[test]
fn a_check_that_somebody_forged_is_not_answered() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        let check =
            pair.wire.iter().find(|(sender, bytes)| *sender == 1 && stun(bytes).is_some_and(|it| it.0 == BINDING));
        let (_, mut forged) = check.expect("the other checks").clone();
        forged[8..20].copy_from_slice(b"forged check"); // Another transaction, so the integrity does not fit.
        let (to, from) = (pair.ends[0].address, pair.ends[1].address);
        pair.ends[0].transport.handle_datagram(pair.now, to, from, &forged);
        pair.carry();
        let answered =
            |bytes: &[u8]| stun(bytes).is_some_and(|it| it.0 == BINDING_SUCCESS) && bytes[8..20] == forged[8..20];
        assert!(!pair.wire.iter().any(|(_, bytes)| answered(bytes)));
    }
}

// Shows ice-check-02.
#[test]
fn every_check_is_answered_and_an_answer_from_elsewhere_makes_no_path() {
    for kinds in secure() {
        let pair = Pair::connected(kinds, true);
        let of = |kind: u16| {
            let of = pair.wire.iter().filter(move |(_, bytes)| stun(bytes).is_some_and(|it| it.0 == kind));
            of.map(|(_, bytes)| bytes[8..20].to_vec()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(of(BINDING), of(BINDING_SUCCESS));
        let mut pair = Pair::new(kinds);
        pair.answers_from = Some(SocketAddr::from(([10, 0, 0, 99], 5_000)));
        pair.introduce(true, |_| ());
        pair.run(Duration::from_secs(5), |_| false);
        assert!(pair.ends.iter().all(|end| !end.connected));
    }
}

#[test]
fn a_check_that_overtakes_the_answer_is_not_lost() {
    // The agent of webrtc-ice checks by itself as often as that of the peer.
    for kinds in secure().into_iter().filter(|kinds| kinds[0].is_str0m()) {
        let mut pair = Pair::new(kinds);
        // The first offers more header extensions than the second knows, so what it made for its offer has to change.
        pair.extensions.truncate(1);
        pair.tell(1, true, |_| (), vp8::payload_type());
        pair.run(Duration::from_millis(100), |_| false);
        assert!(pair.wire.iter().all(|(sender, _)| *sender == 1) && !pair.wire.is_empty(), "the second checks");
        pair.tell(0, true, |_| (), vp8::payload_type());
        pair.run(Duration::from_millis(100), |ends| ends.iter().all(|end| end.connected));
        assert!(pair.ends.iter().all(|end| end.connected), "{kinds:?}: connected before the second checks again");
    }
}

// Shows ice-cred-02.
#[test]
fn every_end_has_credentials_of_its_own_that_are_long_enough() {
    for kinds in secure() {
        let locals: Vec<_> = (0..8)
            .map(|number| end(Instant::now(), number, kinds[usize::from(number) % 2]).transport.local())
            .collect();
        for (index, local) in locals.iter().enumerate() {
            let (ufrag, pwd) = (&local.ufrag, local.pwd.expose());
            assert!(ufrag.len() >= 4 && pwd.len() >= 22, "RFC 8445 section 5.3: 24 and 128 bits");
            let ice = |letter: char| letter.is_ascii_alphanumeric() || letter == '+' || letter == '/';
            assert!(ufrag.chars().all(ice) && pwd.chars().all(ice));
            let others = locals.iter().enumerate().filter(|(other, _)| *other != index);
            assert!(others.into_iter().all(|(_, other)| other.ufrag != *ufrag && other.pwd != local.pwd));
        }
    }
}

// Shows dtls-role-01.
#[test]
fn the_handshake_is_opened_by_whom_both_agreed_on() {
    for (client, kinds) in secure().into_iter().flat_map(|kinds| [(0, kinds), (1, kinds)]) {
        let mut pair = Pair::new(kinds);
        pair.client = client;
        pair.introduce(true, |_| ());
        pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
        assert!(pair.ends.iter().all(|end| end.connected), "{client} {kinds:?}");
        // A record with a handshake message, whose first is the ClientHello (RFC 6347 sections 4.1 and 4.2.2).
        let hello = |bytes: &[u8]| bytes.first() == Some(&22) && bytes.get(13) == Some(&1);
        let greeting = pair.wire.iter().filter(|(_, bytes)| hello(bytes)).map(|(sender, _)| *sender);
        let greeting: Vec<usize> = greeting.collect();
        assert!(!greeting.is_empty() && greeting.iter().all(|sender| *sender == client), "{greeting:?}");
    }
}

#[test]
fn two_who_both_want_to_decide_or_neither_find_out_who_does() {
    for role in [IceRole::Controlling, IceRole::Controlled] {
        for kinds in secure() {
            let mut pair = Pair::new(kinds);
            pair.ends = [0, 1].map(|number| end_as(pair.now, number, kinds[usize::from(number)], role));
            pair.introduce(true, |_| ());
            pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
            assert!(pair.ends.iter().all(|end| end.connected), "both {role:?}, {kinds:?}");
            assert_eq!(flow(&mut pair, 1..50), [49, 49]);
        }
    }
}

#[test]
fn the_handshake_ends_though_datagrams_are_lost_doubled_and_out_of_order() {
    for kinds in secure() {
        let took = (1..=20).map(|seed| {
            let mut pair = Pair::new(kinds);
            pair.disorder = Some(Disorder { state: seed, held: None });
            pair.introduce(true, |_| ());
            pair.run(Duration::from_secs(24), |ends| ends.iter().all(|end| end.connected));
            assert!(pair.ends.iter().all(|end| end.connected), "seed {seed}");
            pair.now - pair.start
        });
        let mut took: Vec<Duration> = took.collect();
        took.sort_unstable();
        // Flights are sent again after 1, 2, 4 s: a peer that loses the same one three times waits long.
        assert!(took[16] <= Duration::from_secs(5), "{took:?}");
    }
}

// Shows dtls-bind-01.
#[test]
fn a_peer_with_another_certificate_than_promised_is_never_connected_to() {
    for kinds in secure() {
        let mut pair = Pair::new(kinds);
        pair.introduce(true, |fingerprint| fingerprint[0] ^= 1);
        pair.run(Duration::from_secs(60), |ends| ends[0].wrong_certificate);
        assert!(pair.ends[0].wrong_certificate && !pair.ends[0].connected, "{kinds:?}");
        pair.ends[1].transport.send(pair.now, pair.now, "audio", &[packet(1)]);
        pair.run(Duration::from_secs(1), |_| false);
        assert!(pair.ends[0].received.is_empty());
    }
}

/// When the addresses of the peer become known.
#[derive(Debug, Clone, Copy)]
enum Trickle {
    Before,
    After,
    /// Three seconds later, when both have asked in vain.
    Late,
}

#[test]
fn addresses_may_come_before_the_passwords_and_after_them_and_late() {
    for kinds in all() {
        for when in [
            [Trickle::Before; 2],
            [Trickle::After; 2],
            [Trickle::Late; 2],
            [Trickle::Before, Trickle::Late],
            [Trickle::Late, Trickle::After],
        ] {
            let mut pair = Pair::new(kinds);
            let locals = pair.ends.each_ref().map(|end| end.transport.local());
            let name = |pair: &mut Pair, which: fn(Trickle) -> bool| {
                for (one, other) in [(0, 1), (1, 0)] {
                    let candidates = locals[other].candidates.iter().filter(|_| which(when[one]));
                    candidates.for_each(|candidate| pair.ends[one].transport.add_remote_candidate(pair.now, candidate));
                }
            };
            name(&mut pair, |when| matches!(when, Trickle::Before));
            pair.names = false;
            pair.introduce(true, |_| ());
            name(&mut pair, |when| matches!(when, Trickle::After));
            pair.run(Duration::from_secs(3), |ends| ends.iter().all(|end| end.connected));
            let late = pair.now;
            name(&mut pair, |when| matches!(when, Trickle::Late));
            pair.run(Duration::from_secs(5), |ends| ends.iter().all(|end| end.connected));
            assert!(pair.ends.iter().all(|end| end.connected), "{when:?}");
            assert!(pair.now - late <= Duration::from_secs(1), "{when:?}: {:?}", pair.now - late);
            assert_eq!(flow(&mut pair, 1..20), [19, 19], "{when:?}");
        }
    }
}

// Shows dtls-bind-01.
#[test]
fn a_certificate_that_differs_from_the_fingerprint_in_any_byte_is_refused() {
    for kinds in secure() {
        for byte in 0..32 {
            let mut pair = Pair::new(kinds);
            pair.client = byte % 2; // DTLS client and server verify in different flights.
            pair.introduce(true, |fingerprint| fingerprint[byte] ^= 1);
            pair.run(Duration::from_secs(60), |ends| ends[0].wrong_certificate || ends[0].connected);
            assert!(pair.ends[0].wrong_certificate && !pair.ends[0].connected, "{byte}, {kinds:?}");
        }
    }
}
