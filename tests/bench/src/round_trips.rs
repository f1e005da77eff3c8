//! Virtual time from "join" to sound in both directions with real ICE and DTLS, compared with the round trips that are unavoidable.

use std::time::Duration;

use muji_harness::person::usual;
use muji_harness::room::Rules;
use muji_harness::world::{Delays, PersonId, World};
use muji_media::transport::str0m::{Dtls, Str0m};

use crate::Goals;

/// A packet of sound waits up to this long for its turn.
const FRAME: Duration = Duration::from_millis(20);

const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn measure(goals: &mut Goals) {
    println!("## From \"join\" to the first RTP accepted both ways, in virtual time\n");
    println!("R: client to server and back; P: peer to peer and back, here equal. Goal: 3 R for one who joins,");
    println!("(N + 2) R for N at once, then 3.5 P with DTLS 1.3 or 4 P with 1.2, and 20 ms for the packet's turn.\n");
    println!("| who | R = P | DTLS | took | goal | met |");
    println!("|---|---|---|---|---|---|");
    for millis in [50, 150] {
        for dtls in [Dtls::Auto, Dtls::V12] {
            row(goals, "one joins one", 1, millis, dtls, 3);
        }
        for (who, n) in [("4 at once", 4), ("8 at once", 8)] {
            row(goals, who, n, millis, Dtls::Auto, n + 2);
        }
    }
    println!();
}

fn row(goals: &mut Goals, who: &str, n: u32, millis: u64, dtls: Dtls, server_trips: u32) {
    let r = Duration::from_millis(millis);
    let (version, peer_trips) = match dtls {
        Dtls::Auto => ("1.3", 3.5),
        Dtls::V12 => ("1.2", 4.0),
    };
    let goal = server_trips * r + r.mul_f64(peer_trips) + FRAME;
    let took = join_to_sound(r, dtls, n);
    let met =
        goals.check(took.is_some_and(|took| took <= goal), || format!("{who}, R = P = {millis} ms, DTLS {version}"));
    let took = took.map_or_else(|| "never".to_owned(), |took| format!("{} ms", took.as_millis()));
    println!("| {who} | {millis} ms | {version} | {took} | {} ms | {met} |", goal.as_millis());
}

/// One joins somebody who is there, or several an empty room at once.
fn join_to_sound(r: Duration, dtls: Dtls, newcomers: u32) -> Option<Duration> {
    let mut world = World::with(1, Delays { server: r / 2, rooms: Duration::ZERO, peer: r / 2 });
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules::default());
    let mut people: Vec<PersonId> = Vec::new();
    let mut person = |world: &mut World, name: &str| {
        let transports = Str0m::with_dtls(dtls).expect("the system has random numbers for a certificate");
        people.push(world.client(name, usual(), transports.maker()));
        *people.last().expect("one was just added")
    };
    if newcomers == 1 {
        let host = person(&mut world, "host");
        world.join(host, "balcony");
        world.run_for(Duration::from_secs(10));
    }
    let joined = world.age();
    for index in 0..newcomers {
        let who = person(&mut world, &format!("guest{index}"));
        world.join(who, "balcony");
    }
    let deaf = |world: &World| {
        let pairs = people.iter().flat_map(|a| people.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
        pairs.into_iter().any(|(listener, speaker)| world.first_heard(listener, speaker).is_none())
    };
    world.run_while(LIMIT, deaf).map(|heard| heard - joined)
}
