//! Stanzas and bytes when N people join one after the other, compared with the minimum that XEP-0272 and Jingle allow.

use std::time::Duration;

use muji_harness::room::Rules;
use muji_harness::world::World;

use crate::Goals;

/// Bytes of a preparing presence, one with contents, and the four stanzas of a session, as common clients write them.
const PREPARING: usize = 470;
const CONTENTS: usize = 1_447;
const SESSION: usize = 3_936 + 3_700 + 2 * 150;

pub(crate) fn measure(goals: &mut Goals) {
    println!("## Signalling of N who join one after the other\n");
    println!(
        "Formula: 2N presences and 4 stanzas a session sent; bytes of presences sent and delivered, of the rest once,"
    );
    println!("with the sizes of common clients (1447 B for a presence with contents, 7936 B for a session).\n");
    println!("| N | sent | formula | delivered | formula | bytes | formula | met |");
    println!("|---|---|---|---|---|---|---|---|");
    for n in [4, 8, 16] {
        let mut world = World::new(1);
        let room = world.room("balcony");
        world.service.rooms.set(&room, Rules::default());
        for index in 0..n {
            let who = world.person(&format!("guest{index}"));
            world.join(who, "balcony");
            world.run_for(Duration::from_secs(1));
        }
        let sessions = n * (n - 1) / 2;
        let (sent, delivered) = (2 * n + 4 * sessions, 3 * sessions + 2 * n + 4 * sessions);
        let bytes = PREPARING * (n + n * (n + 1) / 2) + CONTENTS * (n + n * n) + SESSION * sessions;
        let iqs = world.wire.iter().filter(|sent| sent.stanza.name() == "iq");
        let iqs: usize = iqs.map(|sent| String::from(&sent.stanza).len()).sum();
        // Of what goes from client to client the two ways count once.
        let ours = world.sent.bytes + world.delivered.bytes - iqs;
        let met = (world.sent.stanzas, world.delivered.stanzas) == (sent, delivered) && ours <= bytes;
        let met = goals.check(met, || format!("signalling of {n}"));
        println!(
            "| {n} | {} | {sent} | {} | {delivered} | {ours} | {bytes} | {met} |",
            world.sent.stanzas, world.delivered.stanzas
        );
    }
    println!();
}
