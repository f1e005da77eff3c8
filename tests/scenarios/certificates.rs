//! Who is at the other end: certificates that are tied to people, and digits to compare by voice.

use muji_core::config::Config;
use muji_core::{CertificateHash, Command, Event, Media, Verification};
use muji_harness::person::usual;
use muji_harness::world::{Delays, PersonId, World};
use muji_media::transport::str0m::{Dtls, Str0m};

use crate::{SECOND, count, with_str0m};

fn in_call<const N: usize>(names: [&str; N]) -> (World, [PersonId; N]) {
    let (mut world, people) = with_str0m(Delays::default(), Dtls::Auto, names);
    for who in people {
        world.join(who, "balcony");
        world.run_for(SECOND);
    }
    world.run_for(3 * SECOND);
    assert_eq!(world.deaf(&people), []);
    (world, people)
}

#[test]
fn all_in_a_call_read_the_same_digits_and_another_call_has_others() {
    let (world, people) = in_call(["romeo", "juliet", "nurse"]);
    let digits = people.map(|who| world.authentication(who).expect("all are connected"));
    assert!(digits.iter().all(|read| *read == digits[0]), "{digits:?}");
    let (another, [romeo, _]) = in_call(["romeo", "juliet"]);
    assert_ne!(another.authentication(romeo), Some(digits[0].clone()));
}

#[test]
fn there_are_no_digits_before_all_are_connected() {
    let (mut world, [romeo, juliet]) = with_str0m(Delays::default(), Dtls::Auto, ["romeo", "juliet"]);
    world.join(romeo, "balcony");
    world.run_for(SECOND);
    assert_eq!(world.authentication(romeo), None);
    world.join(juliet, "balcony");
    world.run_while(SECOND, |world| world.pairs(romeo).is_empty());
    assert_eq!(world.authentication(romeo), None);
    world.run_for(SECOND);
    assert!(world.authentication(romeo).is_some());
}

fn certificate(world: &World, who: PersonId) -> CertificateHash {
    world.pairs(who)[0].certificate.expect("it is known")
}

/// Romeo, for whom a certificate is tied to Juliet's account, comes to her; the certificate he sees is the right one or not.
fn pinned(config: Config, right: bool) -> (World, [PersonId; 2]) {
    pinned_in(World::new(1), config, right)
}

fn pinned_in(mut world: World, config: Config, right: bool) -> (World, [PersonId; 2]) {
    let made = || Str0m::with_dtls(Dtls::Auto).expect("the system has random numbers for a certificate").maker();
    let juliet = world.client("juliet", usual(), made());
    let romeo = world.configured("romeo", usual(), made(), config);
    let nurse = world.client("nurse", usual(), made());
    for who in [juliet, nurse] {
        world.join(who, "balcony");
        world.run_for(2 * SECOND);
    }
    let shown = if right { certificate(&world, nurse) } else { [9; 32] };
    world.leave(nurse);
    world.run_for(SECOND);
    let account = world.jid(juliet).to_bare();
    world.pin(romeo, account, vec![shown]);
    world.join(romeo, "balcony");
    world.run_for(3 * SECOND);
    (world, [romeo, juliet])
}

fn changed(event: &Event) -> bool {
    matches!(event, Event::CertificateChanged(_))
}

#[test]
fn a_certificate_that_is_tied_to_somebody_is_known() {
    let (world, [romeo, juliet]) = pinned(Config::default(), true);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
    assert_eq!(world.pairs(romeo)[0].verification, Verification::Pinned);
    assert_eq!(world.pairs(juliet)[0].verification, Verification::Unverified);
    assert_eq!(count(&world, romeo, changed), 0);
}

#[test]
fn another_certificate_is_told() {
    let (world, [romeo, juliet]) = pinned(Config::default(), false);
    assert_eq!(world.pairs(romeo)[0].verification, Verification::Changed);
    assert_eq!(count(&world, romeo, changed), 1);
    assert_eq!(world.deaf(&[romeo, juliet]), [], "what follows is the client's");
}

#[test]
fn another_certificate_is_refused_by_who_wants_it_so_and_nothing_is_sent_there() {
    let (mut world, [romeo, juliet]) = pinned(Config { refuse_changed: true, ..Config::default() }, false);
    assert_eq!(world.datagrams_to(juliet), datagrams_of_the_nurse(&world, juliet), "not a packet of Romeo's");
    assert!(!world.hears(juliet, romeo) && !world.hears(romeo, juliet));
    let failed = |event: &Event| matches!(event, Event::PeerFailed(_, why) if why.to_string().contains("certificate"));
    assert_eq!(count(&world, romeo, failed), 1);
    let before = world.asked(romeo, "session-initiate");
    world.run_for(60 * SECOND);
    assert_eq!(world.asked(romeo, "session-initiate"), before, "calling again would end the same way");
}

/// Those were sent before Romeo came.
fn datagrams_of_the_nurse(world: &World, juliet: PersonId) -> usize {
    world.datagrams_to_from(juliet, PersonId::nth(2))
}

/// What becomes of the pair when the servers name another certificate for pictures that both add.
fn added_with_another(world: World) -> (World, [PersonId; 2]) {
    let (mut world, both) = pinned_in(world, Config::default(), true);
    world.swaps_certificates = true;
    for who in both {
        world.command(who, Command::Add(Media::Video));
    }
    world.run_for(5 * SECOND);
    (world, both)
}

/// Without a bundle pictures come by a transport of their own.
#[test]
fn a_content_that_is_added_with_another_certificate_is_told_though_the_first_was_right() {
    let mut world = World::new(1);
    world.ungroups = true;
    let (world, [romeo, _]) = added_with_another(world);
    assert_eq!(world.pairs(romeo)[0].verification, Verification::Changed);
    assert_eq!(count(&world, romeo, changed), 1);
}

#[test]
fn a_content_that_is_added_to_a_bundle_with_another_certificate_is_not_taken() {
    let (world, [romeo, juliet]) = added_with_another(World::new(1));
    assert_eq!(world.pairs(romeo)[0].verification, Verification::Pinned);
    assert_eq!(world.flows(romeo, juliet, "video"), (false, false));
    let told = |event: &Event| matches!(event, Event::Warning(warning) if warning.to_string().contains("fingerprint"));
    assert!(count(&world, romeo, told) > 0 && count(&world, juliet, told) > 0);
    assert_eq!(world.deaf(&[romeo, juliet]), []);
}

/// K2: the servers put their own certificates into what they pass on.
#[test]
fn who_sits_between_two_hears_nothing_with_another_certificate() {
    let (mut world, [romeo, juliet]) = with_str0m(Delays::default(), Dtls::Auto, ["romeo", "juliet"]);
    world.swaps_certificates = true;
    for who in [romeo, juliet] {
        world.join(who, "balcony");
    }
    world.run_for(10 * SECOND);
    assert!(!world.hears(romeo, juliet) && !world.hears(juliet, romeo));
    assert_eq!((world.authentication(romeo), world.authentication(juliet)), (None, None));
}
