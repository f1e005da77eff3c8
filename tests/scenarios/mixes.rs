//! Two other clients and two of our own in one call, in every mix and order: a session with everybody who can have one,
//! and a word about the rest.

use std::time::Duration;

use muji_core::{Join, PairState};
use muji_harness::client_profile::{ALL, ClientProfile, DINO_0_4, HOSTILE, LITERAL, MONOCLES, MOVIM, Waits};
use muji_harness::room::Rules;
use muji_harness::world::{Delays, PersonId, World};

use crate::SECOND;

/// The names under which they come, in the order of their kinds.
const OTHERS: [&str; 2] = ["abram", "zelda"];
const OURS: [&str; 2] = ["juliet", "romeo"];

/// In which order the four come, and how long after each other.
const ORDERS: [[usize; 4]; 6] = [[0, 1, 2, 3], [2, 3, 0, 1], [0, 2, 1, 3], [2, 0, 3, 1], [1, 0, 3, 2], [3, 1, 2, 0]];

struct Mix {
    world: World,
    others: [PersonId; 2],
    ours: [PersonId; 2],
    kinds: [ClientProfile; 2],
    story: String,
}

/// All have come, and time enough has passed for every repair.
fn mixed(kinds: [ClientProfile; 2], order: [usize; 4], pause: Duration, seed: u64) -> Mix {
    let delays = Delays { rooms: Duration::from_millis(300), ..Delays::default() };
    let mut world = World::with(seed, delays);
    let room = world.room("balcony");
    world.service.rooms.set(&room, Rules::default());
    let others = [0, 1].map(|index| world.other_client(OTHERS[index], kinds[index], "balcony"));
    let ours = OURS.map(|name| {
        let who = world.person_without_media(name);
        world.answer_disco(who, "https://example.org/muji");
        who
    });
    for index in order {
        match index {
            0 | 1 => world.enter(others[index]),
            _ => world.join_how(ours[index - 2], "balcony", Join::call_room().nick(OURS[index - 2])),
        }
        world.run_for(pause);
    }
    world.run_for(120 * SECOND);
    let story = format!("{} and {}, order {order:?}, pause {pause:?}, seed {seed}", kinds[0].name, kinds[1].name);
    Mix { world, others, ours, kinds, story }
}

impl Mix {
    /// What is wrong: pairs that could have a session and have none, and those without that nobody was told of.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (us, name) in self.ours.into_iter().zip(OURS) {
            for (other, nick) in self.others.into_iter().zip(OTHERS) {
                faults.extend(self.fault(us, other).map(|what| format!("{name} and {nick} {what}")));
            }
        }
        let [juliet, romeo] = self.ours;
        let each_other = |us, them| self.state(us, them) == Some(PairState::Connected);
        if !each_other(juliet, romeo) || !each_other(romeo, juliet) {
            faults.push("juliet and romeo have no session".to_owned());
        }
        faults.into_iter().map(|fault| format!("{fault} ({})", self.story)).collect()
    }

    fn state(&self, us: PersonId, them: PersonId) -> Option<PairState> {
        let jid = self.world.jid(them);
        self.world.pairs(us).into_iter().find(|pair| pair.peer.jid == jid).map(|pair| pair.state)
    }

    fn fault(&self, us: PersonId, other: PersonId) -> Option<String> {
        let scripted = self.world.other(other);
        let state = self.state(us, other);
        let theirs = scripted.session(&self.world.jid(us));
        match (scripted.is_in(), &state) {
            (true, Some(PairState::Connected)) if theirs.is_some() => None,
            // A client that waits for the hostile one for ever publishes nothing, and is shown as preparing.
            (false, Some(PairState::Preparing)) if self.kinds.iter().any(|kind| kind.waits == Waits::ForEver) => None,
            _ => Some(format!("are {state:?}, and theirs is {theirs:?}")),
        }
    }
}

/// Every order, at once and one after the other.
fn every_order(kinds: [ClientProfile; 2]) -> Vec<String> {
    let mut faults = Vec::new();
    for order in ORDERS {
        for pause in [Duration::ZERO, Duration::from_millis(200), 2 * SECOND] {
            for seed in 0..3 {
                faults.extend(mixed(kinds, order, pause, seed).faults());
            }
        }
    }
    faults
}

fn with_all(kind: ClientProfile) {
    let mut faults: Vec<String> = ALL.into_iter().flat_map(|other| every_order([kind, other])).collect();
    let count = faults.len();
    faults.truncate(8);
    assert!(faults.is_empty(), "{count} faults:\n{}", faults.join("\n"));
}

#[test]
fn dino_and_each_of_the_others() {
    with_all(DINO_0_4);
}

#[test]
fn movim_and_each_of_the_others() {
    with_all(MOVIM);
}

#[test]
fn monocles_and_each_of_the_others() {
    with_all(MONOCLES);
}

#[test]
fn a_literal_reader_and_each_of_the_others() {
    with_all(LITERAL);
}

#[test]
fn somebody_hostile_and_each_of_the_others() {
    with_all(HOSTILE);
}
