//! People who know nothing of Muji are in a room's call, through somebody who is a bridge.

use std::collections::BTreeSet;

use muji_core::bridge::{AdmissionPolicy, CallerState, Pin};
use muji_core::error::EndReason;
use muji_core::{EndpointStatus, Event, Guest, PairState};
use muji_harness::world::{PersonId, World};

use crate::{SECOND, over, people};

/// Juliet and Romeo in a room with the bridge, which has all others among its contacts.
struct Bridged {
    world: World,
    juliet: PersonId,
    phone: PersonId,
    nurse: PersonId,
    tybalt: PersonId,
}

fn bridged(policy: AdmissionPolicy) -> Bridged {
    let mut world = World::new(1);
    let [juliet, romeo, phone] = people(&mut world, ["juliet", "romeo", "phone"]);
    for who in [juliet, romeo, phone] {
        world.join(who, "balcony");
        world.run_for(SECOND);
    }
    let [nurse, tybalt] = people(&mut world, ["nurse", "tybalt"]);
    world.befriend_all();
    world.bridge(phone, policy);
    Bridged { world, juliet, phone, nurse, tybalt }
}

impl Bridged {
    fn calls(&mut self, who: PersonId) {
        let phone = self.world.jid(self.phone).to_bare();
        self.world.ring(who, phone);
        self.world.run_for(3 * SECOND);
    }

    /// Who takes part through the bridge, as Juliet sees it.
    fn guests(&self) -> Vec<(String, EndpointStatus, bool)> {
        let phone = self.world.jid(self.phone);
        let pair = self.world.pairs(self.juliet).into_iter().find(|pair| pair.peer.jid == phone);
        let short = |guest: Guest| (guest.name, guest.status, guest.muted);
        pair.into_iter().flat_map(|pair| pair.guests).map(short).collect()
    }

    fn is_connected(&self, who: PersonId) -> bool {
        let pairs = self.world.pairs(who);
        matches!(&pairs[..], [pair] if matches!(pair.state, PairState::Connected | PairState::Flowing))
    }
}

fn connected(name: &str) -> (String, EndpointStatus, bool) {
    (name.to_owned(), EndpointStatus::Connected, false)
}

#[test]
fn a_contact_who_calls_is_in_the_rooms_call_and_shown_there() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    assert!(it.is_connected(it.nurse) && it.world.hears(it.nurse, it.phone));
    assert_eq!(it.guests(), [connected("nurse")]);
    assert_eq!(it.world.joined_calls(it.phone), 2);
    it.calls(it.tybalt);
    assert_eq!(it.guests(), [connected("nurse"), connected("tybalt")]);
    assert_eq!(it.world.joined_calls(it.phone), 3);
    it.world.leave(it.nurse);
    it.world.run_for(SECOND);
    assert_eq!(it.guests(), [connected("tybalt")]);
    assert_eq!(it.world.joined_calls(it.phone), 2);
}

#[test]
fn who_knows_no_proposals_offers_a_session_and_is_let_in_all_the_same() {
    let mut it = bridged(AdmissionPolicy::default());
    let device = it.world.jid(it.phone);
    it.world.ring(it.nurse, device);
    it.world.run_for(3 * SECOND);
    assert!(it.is_connected(it.nurse));
    assert_eq!(it.guests(), [connected("nurse")]);
}

#[test]
fn a_stranger_is_told_nothing_and_opens_nothing() {
    let mut it = bridged(AdmissionPolicy::default());
    let [eve] = people(&mut it.world, ["eve"]);
    it.calls(eve);
    let heard = it.world.events(eve);
    assert!(heard.iter().all(|event| !matches!(event, Event::DeviceRings(_) | Event::PickedUp(_))), "{heard:?}");
    assert_eq!((it.world.callers(it.phone).len(), it.world.sessions(eve)), (0, 0));
}

#[test]
fn with_a_pin_nobody_is_joined_before_it_is_entered_and_the_room_sees_who_waits() {
    let mut it = bridged(AdmissionPolicy { pin: Pin::new("493021"), ..AdmissionPolicy::default() });
    it.calls(it.nurse);
    assert!(matches!(it.world.callers(it.phone)[0].state, CallerState::Lobby { .. }));
    assert_eq!(
        (it.guests(), it.world.joined_calls(it.phone)),
        (vec![("nurse".to_owned(), EndpointStatus::DialingIn, false)], 0)
    );
    it.world.run_for(61 * SECOND);
    assert_eq!(over(&it.world, it.nurse), Some(&EndReason::HungUp), "the time is up");
    assert!(it.guests().is_empty() && it.world.callers(it.phone).is_empty());
    let admitted = BTreeSet::from([it.world.jid(it.nurse).to_bare()]);
    let mut it = bridged(AdmissionPolicy { admitted, pin: Pin::new("493021"), ..AdmissionPolicy::default() });
    it.calls(it.nurse);
    assert_eq!(it.guests(), [connected("nurse")], "on the list");
}

#[test]
fn a_caller_who_vanishes_is_gone_from_the_room_and_the_others_stay() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.calls(it.tybalt);
    it.world.lose_media(it.nurse);
    it.world.run_for(5 * SECOND);
    assert_eq!(it.guests(), [connected("tybalt")]);
    assert!(it.is_connected(it.tybalt));
}

#[test]
fn a_bridge_that_is_put_out_of_the_room_ends_the_calls_of_its_callers() {
    let mut it = bridged(AdmissionPolicy::default());
    it.calls(it.nurse);
    it.calls(it.tybalt);
    it.world.put_out(it.phone, "balcony", &[307]);
    it.world.run_for(5 * SECOND);
    for caller in [it.nurse, it.tybalt] {
        assert_eq!(over(&it.world, caller), Some(&EndReason::HungUp));
    }
    assert!(it.world.callers(it.phone).is_empty());
}

#[test]
fn forty_who_call_at_once_are_let_in_as_far_as_there_are_places_and_the_room_goes_on() {
    let mut it = bridged(AdmissionPolicy { max_callers: 5, ..AdmissionPolicy::default() });
    let names: Vec<String> = (0..40).map(|number| format!("guest{number}")).collect();
    let crowd: Vec<PersonId> = names.iter().map(|name| it.world.person(name)).collect();
    it.world.befriend_all();
    let phone = it.world.jid(it.phone).to_bare();
    crowd.iter().for_each(|who| it.world.ring(*who, phone.clone()));
    it.world.run_for(10 * SECOND);
    assert_eq!(it.guests().len(), 5);
    let inside = crowd.iter().filter(|who| it.is_connected(**who)).count();
    assert_eq!(inside, 5);
    assert!(it.world.hears(it.juliet, it.phone), "the room hears the bridge");
}
