//! The cost of connections, packets and calls, compared with bare str0m doing the same work in the same run.
//!
//! Set-up, packets and memory are measured without a network: datagrams go from hand to hand in virtual time, so what is
//! compared is what our layer adds. The call is a real one, over loopback and in real time.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;
use muji_core::CallId;
use muji_media::transport::RtpPacket;

use crate::bare::Bare;
use crate::ours::Ours;
use crate::{Goals, sorted, spread};

/// Participants of the mesh whose set-up is measured.
const MANY: usize = 16;
/// Paired rounds; one before them warms both up.
const ROUNDS: usize = 7;
/// Of bare str0m's CPU time.
const SETUP_GOAL: f64 = 1.15;
/// Of bare str0m's instructions.
const PACKET_GOAL: f64 = 1.05;
/// Of bare str0m's memory.
const MEMORY_GOAL: f64 = 1.2;
/// Packets in the two runs whose difference is taken.
const FEW_AND_MANY_PACKETS: (u64, u64) = (1_000, 11_000);
/// A packet of 1200 bytes with its header.
const PAYLOAD: usize = 1_188;

pub(crate) const CALL: CallId = CallId(1);
pub(crate) const PUBLICATION: &str = "audio";
pub(crate) const SSRC: u32 = 7;

pub(crate) fn measure(goals: &mut Goals) {
    println!("## Beside bare str0m, without a network\n");
    println!(
        "Bare: one `Rtc` for each end, told of its peer. Ours: `Peers` with its commands, reports, routing and fan-out.\n"
    );
    println!("| what | ours | bare str0m | ratio | goal | met |");
    println!("|---|---|---|---|---|---|");
    set_up(goals);
    packets(goals);
    memory(goals);
    println!();
}

fn set_up(goals: &mut Goals) {
    let connections = (MANY * (MANY - 1) / 2) as f64;
    let mut rounds = Vec::new();
    for _ in 0..=ROUNDS {
        let (ours, bare) = (cpu(|| Ours::mesh(MANY)), cpu(|| Bare::mesh(MANY)));
        rounds.push((ours.as_secs_f64() * 1_000.0 / connections, bare.as_secs_f64() * 1_000.0 / connections));
    }
    rounds.remove(0);
    let ratios = sorted(rounds.iter().map(|(ours, bare)| ours / bare));
    let met = goals.check(ratios[ROUNDS / 2] <= SETUP_GOAL, || "CPU time of a connection's set-up".to_owned());
    println!(
        "| CPU of a connection's set-up, both ends, {MANY} participants, {ROUNDS} paired rounds | {} ms | {} ms | {} | {SETUP_GOAL} | {met} |",
        spread(&sorted(rounds.iter().map(|(ours, _)| *ours))),
        spread(&sorted(rounds.iter().map(|(_, bare)| *bare))),
        spread(&ratios),
    );
}

fn cpu<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = ThreadTime::now();
    let result = work();
    let took = begun.elapsed();
    drop(result);
    took
}

fn packets(goals: &mut Goals) {
    let (few, many) = FEW_AND_MANY_PACKETS;
    let per_packet = |who: &str| {
        let total = |count: u64| instructions(&["packets", who, &count.to_string()]);
        Some((total(many)? - total(few)?) / (many - few) as f64)
    };
    match (per_packet("ours"), per_packet("bare")) {
        (Some(ours), Some(bare)) => {
            let ratio = ours / bare;
            let met = goals.check(ratio <= PACKET_GOAL, || "instructions of a packet".to_owned());
            println!(
                "| instructions of a 1200-byte packet, sent and received (callgrind, {many} less {few} packets, without the entropy source) | {ours:.0} | {bare:.0} | {ratio:.3} | {PACKET_GOAL} | {met} |"
            );
        }
        _ => {
            let met = goals.check(false, || "valgrind is not installed, so no instructions were counted".to_owned());
            println!("| instructions of a 1200-byte packet | - | - | - | {PACKET_GOAL} | {met} |");
        }
    }
}

/// Functions of the cryptography's entropy source (jitterentropy in aws-lc). It is asked again after a number of random bytes, which differs
/// from run to run, and once costs as much as hundreds of packets.
const ENTROPY: [&str; 5] = ["jent", "rol64", "xoshiro128starstar", "uint32rotl", "ptr_to_le"];

/// Instructions of this program with these arguments, but for those of the entropy source, as callgrind counts them.
fn instructions(arguments: &[&str]) -> Option<f64> {
    let file = std::env::temp_dir().join(format!("muji-bench-{}.callgrind", std::process::id()));
    let mut command = Command::new("valgrind");
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", file.display()));
    command.arg(std::env::current_exe().ok()?).args(arguments);
    let counted = command.output().ok().filter(|output| output.status.success()).and_then(|_| {
        let listed =
            Command::new("callgrind_annotate").args(["--threshold=100", "--auto=no"]).arg(&file).output().ok()?;
        Some(String::from_utf8_lossy(&listed.stdout).lines().filter_map(of_function).sum())
    });
    let _left = std::fs::remove_file(&file);
    counted.filter(|counted| *counted > 0.0)
}

/// The instructions that a line of callgrind_annotate tells of a function: `31,175,672 ( 5.10%)  file:function [program]`.
fn of_function(line: &str) -> Option<f64> {
    let (counted, rest) = line.trim_start().split_once(" (")?;
    let (_, function) = rest.split_once(":")?;
    let counted = counted.replace(',', "").parse().ok()?;
    (!ENTROPY.iter().any(|name| function.contains(name))).then_some(counted)
}

fn memory(goals: &mut Goals) {
    let per_end = |who: &str| {
        let resident = |n: usize| {
            let output =
                Command::new(std::env::current_exe().ok()?).args(["memory", who, &n.to_string()]).output().ok()?;
            String::from_utf8_lossy(&output.stdout).trim().parse::<f64>().ok()
        };
        let ends = (MANY * (MANY - 1) - MANY / 2 * (MANY / 2 - 1)) as f64;
        Some((resident(MANY)? - resident(MANY / 2)?) / ends)
    };
    let (Some(ours), Some(bare)) = (per_end("ours"), per_end("bare")) else {
        goals.check(false, || "the system does not tell how much memory is used".to_owned());
        return;
    };
    let ratio = ours / bare;
    let met = goals.check(ratio <= MEMORY_GOAL, || "memory of a further peer".to_owned());
    println!(
        "| memory of a further peer (resident, {} to {MANY} participants) | {ours:.0} kB | {bare:.0} kB | {ratio:.2} | {MEMORY_GOAL} | {met} |",
        MANY / 2
    );
}

/// What this program does when it is run by itself: `packets WHO COUNT`, `memory WHO N`.
pub(crate) fn child(arguments: &[String]) -> Option<()> {
    let [what, who, number] = arguments else { return None };
    let number: usize = number.parse().ok()?;
    match (what.as_str(), who.as_str()) {
        ("packets", "ours") => Ours::mesh(2).packets(number),
        ("packets", "bare") => Bare::mesh(2).packets(number),
        ("memory", "ours") => resident(&Ours::mesh(number)),
        ("memory", "bare") => resident(&Bare::mesh(number)),
        _ => return None,
    }
    Some(())
}

pub(crate) fn resident<T>(_held: &T) {
    println!("{}", resident_kilobytes().map_or_else(String::new, |kilobytes| kilobytes.to_string()));
}

/// Resident memory of this process, where the system tells.
pub(crate) fn resident_kilobytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The address of a participant, or of one of its ends.
pub(crate) fn address(participant: usize, end: usize) -> SocketAddr {
    let number = |number: usize| u8::try_from(number).expect("small meshes only");
    ([10, 0, number(participant), number(end)], 5_000).into()
}

pub(crate) fn packet(number: u32) -> RtpPacket {
    RtpPacket { timestamp: number.wrapping_mul(960), marker: false, payload: Arc::from([7u8; PAYLOAD].as_slice()) }
}

pub(crate) type Wire = VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>;
