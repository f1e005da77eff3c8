//! A bridge that loses its server, is killed, or has callers who break the rules: each learns what became of its call, and nobody waits for ever.

use muji_core::EndpointStatus;
use muji_core::bridge::AdmissionPolicy;
use muji_core::config;
use muji_core::error::EndReason;
use muji_core::media::Capabilities;
use muji_harness::person::usual;
use muji_media::transport::loopback;
use muji_xep::rtp::PayloadType;

use crate::bridge::{Bridged, bridged, connected};
use crate::{SECOND, over, people};

#[test]
fn a_bridge_that_loses_its_server_keeps_its_callers_and_is_the_same_when_it_comes_back() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.world.cut(it.phone);
    for _ in 0..50 {
        it.world.run_for(SECOND);
        let heard = [(it.nurse, it.phone), (it.phone, it.nurse), (it.juliet, it.phone), (it.phone, it.juliet)];
        assert!(heard.iter().all(|(who, whom)| it.world.hears(*who, *whom)));
        assert_eq!(it.world.joined_calls(it.phone), 2);
    }
    it.world.resume(it.phone);
    it.world.run_for(5 * SECOND);
    assert_eq!((it.guests(), over(&it.world, it.nurse)), (vec![connected("nurse")], None));
    it.calls(it.tybalt);
    assert_eq!(it.guests(), [connected("nurse"), connected("tybalt")]);
}

#[test]
fn a_bridge_that_comes_back_on_a_new_stream_under_its_name_has_its_callers_still() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.world.cut(it.phone);
    it.world.service.rooms.forget_all();
    it.world.run_for(20 * SECOND);
    it.world.rebind_same(it.phone);
    it.world.run_for(10 * SECOND);
    assert_eq!(over(&it.world, it.nurse), None);
    assert!(it.world.hears(it.nurse, it.phone) && it.world.hears(it.phone, it.nurse));
    assert_eq!((it.guests(), it.world.joined_calls(it.phone)), (vec![connected("nurse")], 2));
}

#[test]
fn a_bridge_whose_server_stays_away_ends_all_after_a_minute() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.world.cut(it.phone);
    it.world.run_for(config::DISCONNECTED + SECOND);
    assert!(it.world.callers(it.phone).is_empty());
    assert!(!it.world.hears(it.nurse, it.phone));
}

// Shows brg-fail-04.
#[test]
fn the_caller_of_a_bridge_that_was_killed_is_told_and_is_in_again_once_the_next_one_runs() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.world.vanish(it.phone);
    it.world.lose_media(it.phone);
    it.world.run_for(SECOND);
    assert!(matches!(over(&it.world, it.nurse), Some(EndReason::Session(_))), "the path is gone");
    let [phone] = people(&mut it.world, ["phone"]);
    it.world.befriend_all();
    it.world.join(phone, "balcony");
    it.world.run_for(SECOND);
    it.world.bridge(phone, AdmissionPolicy::default());
    it.phone = phone;
    it.calls(it.nurse);
    it.world.run_for(5 * SECOND);
    assert!(it.world.hears(it.nurse, it.phone) && it.world.hears(it.juliet, it.phone));
    assert_eq!(it.guests(), [connected("nurse")]);
}

/// How many seconds it takes until the call of somebody is over.
fn lasts(it: &mut Bridged) -> u64 {
    (1..600)
        .find(|_| {
            it.world.run_for(SECOND);
            over(&it.world, it.nurse).is_some()
        })
        .expect("it ends")
}

#[test]
fn who_rings_at_a_bridge_that_dies_does_not_ring_for_ever() {
    let mut it = bridged(AdmissionPolicy::default());
    let phone = it.world.jid(it.phone).to_bare();
    it.world.ring(it.nurse, phone);
    it.world.vanish(it.phone);
    assert!(lasts(&mut it) <= 60);
    assert_eq!(over(&it.world, it.nurse), Some(&EndReason::Unanswered));
}

#[test]
fn whom_a_bridge_calls_that_dies_does_not_ring_for_ever() {
    let mut it = bridged(AdmissionPolicy::default());
    it.world.dial_in(it.phone, it.nurse);
    it.world.run_for(SECOND);
    assert_eq!(it.guests(), [("nurse".to_owned(), EndpointStatus::Alerting, false)]);
    it.world.vanish(it.phone);
    assert!(lasts(&mut it) <= 90);
    assert_eq!(over(&it.world, it.nurse), Some(&EndReason::Expired));
}

#[test]
fn who_picks_up_a_call_of_a_bridge_that_died_is_told() {
    let mut it = bridged(AdmissionPolicy::default());
    it.world.dial_in(it.phone, it.nurse);
    it.world.run_for(SECOND);
    it.world.vanish(it.phone);
    it.world.pick_up(it.nurse);
    assert!(lasts(&mut it) <= 15);
    assert_eq!(over(&it.world, it.nurse), Some(&EndReason::NoOffer));
}

#[test]
fn a_caller_without_a_codec_that_we_have_is_refused_for_that_reason() {
    let mut it = bridged(AdmissionPolicy::default());
    let speex = PayloadType::new(98, "speex", 16_000, 1);
    let can = Capabilities { audio: vec![speex], ..usual() };
    let old = it.world.client("old", can, loopback::maker());
    it.world.befriend_all();
    it.calls(old);
    let why = over(&it.world, old).expect("it ends").to_string();
    assert!(why.contains("the peer and we have no codec in common for audio"), "{why}");
    assert!(it.world.callers(it.phone).is_empty() && it.guests().is_empty());
}

#[test]
fn a_caller_whose_media_never_comes_is_gone_from_the_room_after_a_while() {
    let mut it = bridged(AdmissionPolicy::default());
    let silent = it.world.person_without_media("silent");
    it.world.befriend_all();
    it.calls(silent);
    let entering = ("silent".to_owned(), EndpointStatus::DialingIn, false);
    assert_eq!((it.guests(), it.world.joined_calls(it.phone)), (vec![entering], 0));
    it.calls(it.nurse);
    it.world.run_for(60 * SECOND);
    assert_eq!(it.guests(), [connected("nurse")]);
}

#[test]
fn somebody_who_calls_from_a_second_device_takes_part_with_that_alone() {
    let mut it = bridged(AdmissionPolicy::default());
    let [first, second] = it.world.devices("friar");
    it.world.befriend_all();
    it.calls(first);
    it.calls(second);
    assert_eq!((over(&it.world, first), over(&it.world, second)), (Some(&EndReason::HungUp), None));
    assert!(it.world.hears(it.phone, second));
    assert_eq!(it.guests(), [connected("friar")]);
}

// Shows brg-adm-07.
#[test]
fn who_is_banned_from_the_room_is_out_of_its_call_within_two_seconds_and_comes_in_no_more_before_that_is_taken_back() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.calls(it.tybalt);
    let (room, nurse) = (it.world.room("balcony"), it.world.jid(it.nurse).to_bare());
    it.world.with_rooms(|rooms| rooms.announce_affiliation(&room, &nurse, "outcast"));
    it.world.run_for(2 * SECOND);
    assert_eq!((over(&it.world, it.nurse), it.guests()), (Some(&EndReason::HungUp), vec![connected("tybalt")]));
    it.calls(it.nurse);
    assert_eq!(it.guests(), [connected("tybalt")]);
    it.world.leave(it.nurse);
    it.world.with_rooms(|rooms| rooms.announce_affiliation(&room, &nurse, "none"));
    it.world.run_for(2 * SECOND);
    it.calls(it.nurse);
    assert_eq!(it.guests(), [connected("tybalt"), connected("nurse")]);
}
