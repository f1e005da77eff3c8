//! Networks that lose packets at random, as bad Wi-Fi does: there is no queue that sending less would shorten.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use muji_harness::network::Access::{Open, PortRestricted};
use muji_harness::seeded_random::SeededRandom;
use tokio::process::Child;

use crate::place::{Internet, LIMIT, event, told};
use crate::support::*;

/// Until the bit rate has settled, and how long it is looked at.
const SETTLED: Duration = Duration::from_secs(12);
const LOOK: Duration = Duration::from_secs(20);

/// Pictures of which each differs from the one before everywhere: they take all bits that they can get.
pub(crate) fn detailed_pictures() -> PathBuf {
    const SIDES: (usize, usize) = (640, 360);
    let path = folder("losses").join("detailed.y4m");
    let mut file = std::fs::File::create(&path).unwrap();
    writeln!(file, "YUV4MPEG2 W{} H{} F30:1 C420", SIDES.0, SIDES.1).unwrap();
    let mut random = SeededRandom::new(1);
    for _ in 0..30 {
        // In squares of 8 pixels: of finer noise the encoder would leave out frames.
        let squares: Vec<u8> = (0..SIDES.0 / 8 * (SIDES.1 / 8)).map(|_| random.number() as u8).collect();
        let pixel = |at: usize| squares[at / SIDES.0 / 8 * (SIDES.0 / 8) + at % SIDES.0 / 8];
        let mut frame: Vec<u8> = (0..SIDES.0 * SIDES.1).map(pixel).collect();
        frame.resize(frame.len() * 3 / 2, 128);
        file.write_all(b"FRAME\n").unwrap();
        file.write_all(&frame).unwrap();
    }
    path
}

/// How many kbit/s of romeo's video juliet gets, where one router loses this share of packets, in percent, both ways.
async fn seen_at(pictures: &Path, percent: u32) -> Option<f64> {
    let mut internet = Internet::new(false)?;
    let (here, there) = (internet.site(PortRestricted), internet.site(Open));
    here.lose(percent).unwrap();
    let romeo = ["--audio", "tone:440", "--video", text(pictures)];
    let mut romeo = internet.call(&here, "romeo", &romeo).spawn().unwrap();
    let mut juliet = internet.call(&there, "juliet", &["--audio", "tone:660", "--video", "none"]).spawn().unwrap();
    let (before, begun) = (bytes_at(&mut juliet, SETTLED).await, Instant::now());
    let bytes = bytes_at(&mut juliet, LOOK).await - before;
    romeo.start_kill().unwrap();
    Some(bytes * 8.0 / 1_000.0 / begun.elapsed().as_secs_f64())
}

/// After a time: how many bytes of video have come.
pub(crate) async fn bytes_at(child: &mut Child, time: Duration) -> f64 {
    let until = Instant::now() + time;
    loop {
        let seen = event(child, LIMIT, |event| event["event"] == "seen").await.expect("it is told once a second");
        if Instant::now() >= until {
            return seen["bytes"].as_f64().expect("it is told");
        }
    }
}

#[tokio::test]
async fn random_losses_leave_most_of_the_bit_rate() {
    let pictures = detailed_pictures();
    let mut seen = Vec::new();
    for percent in [0, 2, 5] {
        let Some(kbps) = seen_at(&pictures, percent).await else { return };
        told(&format!("{percent} % of packets lost at random by a router"), &format!("{kbps:.0} kbit/s of video come"));
        seen.push(kbps);
    }
    assert!(seen[1] >= seen[0] * 0.8 && seen[2] >= seen[0] * 0.5, "{seen:?}");
}
