//! Contents that share one transport (XEP-0338): with ours, and with clients that want it, take it or do not know it.

use muji_core::error::End;
use muji_core::media::Capabilities;
use muji_core::{Command, Join, Media, PairState};
use muji_harness::client_profile::{ClientProfile, DINO_0_4, DINO_0_5, LITERAL, MONOCLES, MOVIM};
use muji_harness::person::usual;
use muji_harness::world::{PersonId, World};
use muji_media::transport::loopback;
use muji_xep::jingle::Reason;

use crate::SECOND;

fn joins(world: &mut World, who: PersonId, media: &[Media]) {
    world.join_how(who, "balcony", Join::call_room().media(media.iter().cloned()));
    world.run_for(3 * SECOND);
}

/// Romeo's transports to Juliet and hers to him.
fn transports(world: &World, [romeo, juliet]: [PersonId; 2]) -> [usize; 2] {
    [world.transports(romeo, juliet).0, world.transports(juliet, romeo).0]
}

// Shows grp-03.
#[test]
fn a_call_with_pictures_needs_one_transport_at_each_end() {
    let mut world = World::new(1);
    let both = ["romeo", "juliet"].map(|name| world.person(name));
    both.iter().for_each(|who| joins(&mut world, *who, &[Media::Audio, Media::Video]));
    assert_eq!(world.deaf(&both), []);
    assert_eq!(transports(&world, both), [1, 1]);
    for (one, other) in [(0, 1), (1, 0)] {
        assert_eq!(world.flows(both[one], both[other], "video"), (true, true));
    }
}

#[test]
fn pictures_that_either_adds_later_join_the_transport_that_is_there() {
    for first in [0, 1] {
        let mut world = World::new(1);
        let both = ["romeo", "juliet"].map(|name| world.person(name));
        both.iter().for_each(|who| joins(&mut world, *who, &[Media::Audio]));
        for who in [both[first], both[1 - first]] {
            world.command(who, Command::Add(Media::Video));
            world.run_for(3 * SECOND);
        }
        assert_eq!(world.flows(both[0], both[1], "video"), (true, true));
        assert_eq!(transports(&world, both), [1, 1]);
    }
}

/// What a media layer can that neither restarts nor bundles.
fn limited() -> Capabilities {
    Capabilities { ice_restart: false, bundling: false, ..usual() }
}

/// What becomes of it, and by how many transports, if Romeo, whose media layer can this, joins with sound and pictures someone who is in
/// the call with such a client.
fn with(profile: ClientProfile, can: Capabilities) -> (PairState, usize) {
    let mut world = World::new(1);
    let other = world.other_client("tybalt", profile, "balcony");
    world.enter(other);
    world.run_for(3 * SECOND);
    let romeo = world.client_without_media("romeo", can);
    joins(&mut world, romeo, &[Media::Audio, Media::Video]);
    let mut pairs = world.pairs(romeo);
    assert_eq!(pairs.len(), 1, "{}", profile.name);
    (pairs.remove(0).state, world.transports(romeo, other).0)
}

// Shows grp-01, grp-02, R-DINO-4.
#[test]
fn clients_that_bundle_get_one_transport_and_those_that_do_not_one_for_each_content() {
    for (profile, transports) in [(MONOCLES, 1), (MOVIM, 1), (LITERAL, 1), (DINO_0_4, 2), (DINO_0_5, 2)] {
        assert_eq!(with(profile, usual()), (PairState::Connected, transports), "{}", profile.name);
    }
}

#[test]
fn without_bundling_one_who_demands_it_refuses_our_offer_and_others_get_a_transport_for_each_content() {
    // Movim demands it too, but calls us, with sound, and its script takes an answer without.
    for (profile, transports) in [(LITERAL, 2), (DINO_0_4, 2), (DINO_0_5, 2), (MOVIM, 1)] {
        assert_eq!(with(profile, limited()), (PairState::Connected, transports), "{}", profile.name);
    }
    let (state, _) = with(MONOCLES, limited());
    let PairState::Failed(End::Peer(why)) = state else { panic!("{state:?}") };
    assert_eq!(why.reason, Reason::FailedApplication);
}

#[test]
fn a_media_layer_that_does_not_bundle_has_a_transport_for_each_content_whichever_side_calls() {
    for first in [0, 1] {
        let mut world = World::new(1);
        let both = [world.client("romeo", limited(), loopback::maker()), world.person("juliet")];
        for who in [both[first], both[1 - first]] {
            joins(&mut world, who, &[Media::Audio]);
        }
        for who in both {
            world.command(who, Command::Add(Media::Video));
            world.run_for(3 * SECOND);
        }
        assert_eq!(world.deaf(&both), []);
        assert_eq!(world.flows(both[0], both[1], "video"), (true, true));
        assert_eq!(transports(&world, both), [2, 2]);
    }
}
