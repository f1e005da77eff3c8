//! A path that is lost, found again, or given up.

use std::net::SocketAddr;
use std::time::Duration;

use muji_core::media::TransportFailure;
use muji_media::transport::hosts;

use crate::pair::*;

#[test]
fn to_a_peer_that_does_not_answer_any_more_nothing_is_sent_after_thirty_seconds_and_it_is_given_up_after_sixty() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        pair.ends[1].address.set_port(1); // Whatever is sent to it is lost.
        let connected = pair.now;
        let mut last = Duration::ZERO;
        for number in 1..=700 {
            let before = pair.packets;
            pair.ends[0].transport.send(pair.now, pair.now, "audio", &[packet(number)]);
            let until = pair.now + Duration::from_millis(100);
            pair.run(Duration::from_millis(100), |ends| ends[0].failed.is_some());
            if pair.packets > before {
                last = pair.now - connected;
            }
            if pair.ends[0].failed.is_some() {
                break;
            }
            pair.now = until;
        }
        assert!(matches!(pair.ends[0].failed, Some(TransportFailure::Silent(_))));
        let took = pair.now - connected;
        assert!((Duration::from_secs(25)..=Duration::from_secs(30)).contains(&last), "sent until {last:?}");
        assert!((Duration::from_secs(55)..=Duration::from_secs(60)).contains(&took), "{took:?}");
    }
}

#[test]
fn a_restart_changes_credentials_and_nothing_else_and_until_it_is_answered_all_goes_on_as_before() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        let before = pair.ends[0].transport.local();
        pair.ends[0].transport.restart();
        let after = pair.ends[0].transport.local();
        assert!(before.ufrag != after.ufrag && before.pwd.expose() != after.pwd.expose());
        assert_eq!(before.fingerprint, after.fingerprint);
        assert_eq!(flow(&mut pair, 1..300), [299, 299], "the peer has not answered");
        pair.ends[1].transport.restart();
        pair.renew();
        let flowed = flow(&mut pair, 300..600);
        assert!(flowed.iter().all(|arrived| *arrived >= 298), "{flowed:?} of 300 after the answer, {kinds:?}");
        assert!(pair.ends.iter().all(|end| end.failed.is_none() && !end.interrupted));
        let wire = pair.wire.len();
        pair.run(Duration::from_secs(20), |_| false);
        let requests =
            pair.wire[wire..].iter().filter_map(|(_, bytes)| stun(bytes)).filter(|(kind, _)| *kind == BINDING);
        let attributes = requests.flat_map(|(_, attributes)| attributes);
        let names: Vec<Vec<u8>> = attributes.filter(|(kind, _)| *kind == USERNAME).map(|(_, name)| name).collect();
        let old = |name: &Vec<u8>| String::from_utf8_lossy(name).contains(&before.ufrag);
        assert!(!names.is_empty() && !names.iter().any(old), "the old names are forgotten");
    }
}

#[test]
fn after_thirty_seconds_without_a_network_a_restart_brings_sound_back_at_once() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        let places = pair.ends.each_ref().map(|end| end.address);
        pair.ends.iter_mut().for_each(|end| end.address.set_port(1)); // Whatever is sent to them is lost.
        pair.run(Duration::from_secs(30), |_| false);
        pair.now += Duration::from_millis(1);
        pair.ends.iter_mut().zip(places).for_each(|(end, place)| end.address = place);
        pair.ends.iter_mut().for_each(|end| end.transport.restart());
        pair.renew();
        let back = pair.now;
        pair.run(Duration::from_secs(10), |ends| ends.iter().all(|end| !end.interrupted));
        let took = pair.now - back;
        assert!(took <= Duration::from_millis(500), "{took:?}");
        let flowed = flow(&mut pair, 1..100);
        assert!(flowed.iter().all(|arrived| *arrived >= 97), "{flowed:?}");
    }
}

#[test]
fn after_thirty_five_seconds_without_a_network_sound_is_back_though_nobody_could_be_told_anything() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        flow(&mut pair, 1..50);
        pair.goes = Some(pair.datagrams); // Whatever is sent is lost.
        flow(&mut pair, 50..1_800);
        pair.goes = None;
        let back = pair.now;
        while flow(&mut pair, 2_000..2_005).contains(&0) {
            assert!(pair.now - back <= Duration::from_secs(3), "{:?}", pair.now - back);
        }
        assert_eq!(flow(&mut pair, 2_100..2_200), [100, 100]);
    }
}

#[test]
fn a_peer_that_gets_another_address_goes_on_there_after_a_restart() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        assert_eq!(flow(&mut pair, 1..50), [49, 49]);
        let old = pair.ends[0].address;
        pair.ends[0].address = SocketAddr::from(([10, 0, 0, 77], 6_000));
        let now = pair.now;
        let found = hosts(&[pair.ends[0].address]);
        pair.ends[0].transport.add_local_candidate(now, &found[0]);
        pair.ends[0].transport.remove_local_candidate(now, &hosts(&[old])[0]);
        pair.ends.iter_mut().for_each(|end| end.transport.restart());
        pair.renew();
        pair.run(Duration::from_secs(1), |_| false);
        let flowed = flow(&mut pair, 50..150);
        assert!(flowed.iter().all(|arrived| *arrived >= 98), "{flowed:?}");
        assert!(pair.ends.iter().all(|end| end.failed.is_none()));
    }
}

#[test]
fn a_peer_that_is_not_heard_for_five_seconds_is_interrupted_and_well_again_when_it_is() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        pair.run(Duration::from_secs(60), |ends| ends.iter().any(|end| end.interrupted));
        assert!(
            pair.ends.iter().all(|end| !end.interrupted),
            "silence of both is no interruption: checks are answered"
        );
        pair.ends[1].address.set_port(1); // Whatever is sent to it is lost.
        let cut = pair.now;
        pair.run(Duration::from_secs(20), |ends| ends[0].interrupted);
        let took = pair.now - cut;
        assert!(pair.ends[0].interrupted && took <= Duration::from_secs(5), "{took:?}");
        pair.ends[1].address.set_port(5_000);
        pair.run(Duration::from_secs(10), |ends| !ends[0].interrupted);
        assert!(!pair.ends[0].interrupted);
    }
}

#[test]
fn a_peer_that_goes_without_a_word_at_any_moment_leaves_the_other_with_an_error_in_good_time() {
    for kinds in secure() {
        let whole = Pair::connected(kinds, true).datagrams;
        for after in 0..=whole + 2 {
            let mut pair = Pair::new(kinds);
            pair.goes = Some(after);
            pair.introduce(true, |_| ());
            let gone = pair.now;
            pair.run(Duration::from_secs(100), |ends| ends[0].failed.is_some());
            let why = &pair.ends[0].failed;
            // The retransmissions of str0m's DTLS have jitter, so now and then they end before our 25 s.
            assert!(
                matches!(
                    why,
                    Some(
                        TransportFailure::NoPath { .. }
                            | TransportFailure::NoHandshake
                            | TransportFailure::Silent(_)
                            | TransportFailure::Closed
                            | TransportFailure::Handshake { .. }
                            | TransportFailure::Library(_)
                    )
                ),
                "{after}: {why:?}"
            );
            assert!(pair.now - gone <= Duration::from_secs(66), "{after}: {:?}", pair.now - gone);
        }
    }
}

#[test]
fn an_address_that_goes_and_comes_back_serves_again_though_ice_restarted_meanwhile() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        let ours = hosts(&[pair.ends[0].address]).remove(0);
        pair.ends[0].transport.remove_local_candidate(pair.now, &ours);
        pair.goes = Some(pair.datagrams);
        pair.run(Duration::from_secs(6), |_| false);
        pair.ends.iter_mut().for_each(|end| end.transport.restart());
        pair.renew();
        pair.run(Duration::from_secs(5), |_| false);
        pair.goes = None;
        pair.ends[0].transport.add_local_candidate(pair.now, &ours);
        pair.ends[1].transport.add_remote_candidate(pair.now, &ours.advertised);
        let back = pair.now;
        pair.run(Duration::from_secs(10), |ends| ends.iter().all(|end| !end.interrupted));
        assert!(pair.now - back <= Duration::from_secs(1), "{:?}", pair.now - back);
        let flowed = flow(&mut pair, 1..100);
        assert!(flowed.iter().all(|arrived| *arrived >= 97), "{flowed:?}");
    }
}

/// str0m needs the restart.
#[cfg(feature = "webrtc-ice")]
#[test]
fn a_peer_that_gets_another_address_is_found_there_without_a_word_of_signalling() {
    for moves in [0, 1] {
        let mut pair = Pair::connected([Kind::WebrtcIce; 2], true);
        assert_eq!(flow(&mut pair, 1..50), [49, 49]);
        let old = hosts(&[pair.ends[moves].address]).remove(0);
        pair.ends[moves].address = SocketAddr::from(([10, 0, 0, 77], 6_000));
        let new = hosts(&[pair.ends[moves].address]).remove(0);
        pair.ends[moves].transport.remove_local_candidate(pair.now, &old);
        pair.ends[moves].transport.add_local_candidate(pair.now, &new);
        flow(&mut pair, 50..600);
        assert_eq!(flow(&mut pair, 600..700), [100, 100], "who moves: {moves}");
    }
}

// Shows ice-role-01.
#[test]
fn an_ice_restart_keeps_the_role_of_each_side() {
    for kinds in secure() {
        let mut pair = Pair::connected(kinds, true);
        pair.ends.iter_mut().for_each(|end| end.transport.restart());
        pair.renew();
        let wire = pair.wire.len();
        pair.run(Duration::from_secs(5), |_| false);
        // The two sides repair a role conflict by themselves, so a wrong role shows only in the checks.
        let mut checks = [0, 0];
        for (sender, bytes) in &pair.wire[wire..] {
            let Some((BINDING, attributes)) = stun(bytes) else { continue };
            let has = |kind: u16| attributes.iter().any(|(of, _)| *of == kind);
            assert_eq!((has(ICE_CONTROLLING), has(ICE_CONTROLLED)), (*sender == 0, *sender == 1), "{kinds:?}");
            checks[*sender] += 1;
        }
        assert!(checks.iter().all(|checks| *checks > 0), "{kinds:?}: {checks:?}");
    }
}
