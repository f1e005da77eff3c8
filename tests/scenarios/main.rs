//! Calls in the simulated world, one behaviour a file.

use std::time::Duration;

use muji_core::Event;
use muji_core::error::{EndReason, RoomFault};
use muji_harness::person::usual;
use muji_harness::world::{Delays, PersonId, World};
use muji_media::transport::str0m::{Dtls, Str0m};

mod adding;
mod availability;
mod bandwidth;
mod bound_certificates;
mod bridge;
mod bridge_failing;
mod bridge_loops;
mod bundling;
mod certificates;
mod client_quirks;
mod consent;
mod contents;
mod direct_calls;
mod holding;
mod hostile;
mod impaired;
mod invitation_over;
mod inviting;
mod jingle;
mod join_stanzas;
mod joining;
mod leaving;
mod limits;
mod mixes;
mod muting;
mod odd_stanzas;
mod overtaking;
mod paths;
mod picking_up;
mod preparing;
mod puppet;
mod reconnecting;
mod refusing;
mod ringing;
mod room_refuses;
mod rooms;
mod rtx;
mod scripted;
mod servers;
mod shared_nick;
mod signalling;
mod silence;
mod speed;
mod stamped;
mod strangers;
mod upgrade_to_room;
mod vanishing;
mod video_encodings;

const SECOND: Duration = Duration::from_secs(1);

/// People with these names in a world.
fn people<const N: usize>(world: &mut World, names: [&str; N]) -> [PersonId; N] {
    names.map(|name| world.person(name))
}

/// People with real transports, ICE and DTLS in virtual time.
fn with_str0m<const N: usize>(delays: Delays, dtls: Dtls, names: [&str; N]) -> (World, [PersonId; N]) {
    let mut world = World::with(1, delays);
    let people = names.map(|name| {
        let transports = Str0m::with_dtls(dtls).expect("the system has random numbers for a certificate");
        world.client(name, usual(), transports.maker())
    });
    (world, people)
}

/// All in a call in the same room, hearing each other.
fn in_call<const N: usize>(world: &mut World, names: [&str; N]) -> [PersonId; N] {
    let people = people(world, names);
    for who in people {
        world.join(who, "balcony");
        world.run_for(SECOND);
    }
    assert_eq!(world.deaf(&people), []);
    people
}

/// Why somebody's call is over.
fn over(world: &World, who: PersonId) -> Option<&EndReason> {
    world.events(who).iter().find_map(|event| if let Event::Ended(over) = event { Some(over) } else { None })
}

/// How the room ended somebody's call.
fn room_fault(world: &World, who: PersonId) -> Option<RoomFault> {
    match over(world, who) {
        Some(EndReason::Room(fault)) => Some(fault.clone()),
        _ => None,
    }
}

/// How many events of a kind somebody saw.
fn count(world: &World, who: PersonId, kind: impl Fn(&Event) -> bool) -> usize {
    world.events(who).iter().filter(|event| kind(event)).count()
}
