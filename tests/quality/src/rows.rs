//! The networks: for pictures one way, for sound the path and what it does to packets.

use std::time::Duration;

use muji_harness::impairment::{Impairment, Loss};

/// Pictures over a network.
pub(crate) struct PicturesRow {
    pub(crate) name: &'static str,
    pub(crate) network: Impairment,
    /// How many look.
    pub(crate) viewers: u64,
}

/// How long a path takes in the mean, in milliseconds.
pub(crate) fn path_delay(network: &Impairment) -> f64 {
    (network.delay + network.jitter / 2).as_secs_f64() * 1_000.0
}

const fn network(name: &'static str, delay: u64, jitter: u64, loss: Loss) -> Impairment {
    let (delay, jitter) = (Duration::from_millis(delay), Duration::from_millis(jitter));
    Impairment { name, delay, jitter, loss, rate: None }
}

const fn pictures(name: &'static str, delay: u64, loss: Loss, viewers: u64) -> PicturesRow {
    PicturesRow { name, network: network(name, delay, 0, loss), viewers }
}

/// Pictures; the delay is one way.
pub(crate) const PICTURES: [PicturesRow; 9] = [
    pictures("clean, 40 ms", 40, Loss::Each(0.0), 1),
    pictures("2 %, 40 ms", 40, Loss::Each(0.02), 1),
    pictures("5 %, 40 ms", 40, Loss::Each(0.05), 1),
    pictures("10 %, 40 ms", 40, Loss::Each(0.10), 1),
    pictures("2 %, 100 ms", 100, Loss::Each(0.02), 1),
    pictures("5 %, 100 ms", 100, Loss::Each(0.05), 1),
    pictures("10 %, 100 ms", 100, Loss::Each(0.10), 1),
    pictures("5 % in bursts of 3, 40 ms", 40, Loss::Bursts { share: 0.05, mean: 3.0 }, 1),
    pictures("eight viewers, 5 %, 40 ms", 40, Loss::Each(0.05), 8),
];

/// How long the path of sound is, one way. It is no part of the delay in the table, which is what the two ends add.
const SOUND_PATH: u64 = 20;

/// Sound.
pub(crate) const SOUND: [Impairment; 8] = [
    network("clean", SOUND_PATH, 0, Loss::Each(0.0)),
    network("2 %", SOUND_PATH, 0, Loss::Each(0.02)),
    network("5 %", SOUND_PATH, 0, Loss::Each(0.05)),
    network("10 %", SOUND_PATH, 0, Loss::Each(0.10)),
    network("20 %", SOUND_PATH, 0, Loss::Each(0.20)),
    network("10 % in bursts of 3", SOUND_PATH, 0, Loss::Bursts { share: 0.10, mean: 3.0 }),
    network("20 % in bursts of 5", SOUND_PATH, 0, Loss::Bursts { share: 0.20, mean: 5.0 }),
    network("mixed: 5 % and jitter up to 60 ms", SOUND_PATH, 60, Loss::Each(0.05)),
];
