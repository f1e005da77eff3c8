//! Benchmarks: what a call costs, compared with the formula or with the bare transport in the same run. Prints Markdown.
//!
//! Signalling, round trips and instructions are exact and repeat; times are medians of paired rounds with their spread.

mod bare;
mod bridge;
mod bridge_delay;
mod bundle;
mod call;
mod engine;
mod fan_out;
mod forwarding;
mod frame_latency;
mod load;
mod mesh;
mod ours;
mod round_trips;
mod seeing;
mod sharing;
mod signalling;
mod text;

use std::process::ExitCode;

/// Goals, met and missed.
#[derive(Default)]
struct Goals {
    met: usize,
    missed: Vec<String>,
}

impl Goals {
    /// A goal, and how it is written in the table.
    fn check(&mut self, met: bool, what: impl FnOnce() -> String) -> &'static str {
        if met {
            self.met += 1;
            "yes"
        } else {
            self.missed.push(what());
            "no"
        }
    }
}

/// A name, and what is measured by it.
type Part = (&'static str, fn(&mut Goals));

/// What is measured, by the names that `make bench PART="call mesh"` takes.
const PARTS: [Part; 13] = [
    ("signalling", signalling::measure),
    ("engine", engine::measure),
    ("round-trips", round_trips::measure),
    ("load", load::measure),
    ("call", call::measure),
    ("bundle", bundle::measure),
    ("fan-out", fan_out::measure),
    ("latency", frame_latency::measure),
    ("seeing", seeing::measure),
    ("sharing", sharing::measure),
    ("text", text::measure),
    ("mesh", mesh::measure),
    ("bridge", bridge::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if load::child(&arguments).or_else(|| engine::child(&arguments)).or_else(|| seeing::child(&arguments)).is_some() {
        return ExitCode::SUCCESS;
    }
    if let Some(unknown) = arguments.iter().find(|argument| PARTS.iter().all(|(name, _)| name != argument)) {
        println!("bench: there is no part {unknown}");
        return ExitCode::FAILURE;
    }
    let mut goals = Goals::default();
    println!("# What a call costs\n");
    machine();
    let asked = |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
    for (_, measure) in PARTS.iter().filter(|(name, _)| asked(name)) {
        measure(&mut goals);
    }
    for missed in &goals.missed {
        println!("missed: {missed}");
    }
    println!("bench: {} goals met, {} missed", goals.met, goals.missed.len());
    ExitCode::from(u8::from(!goals.missed.is_empty()))
}

/// Where and with what it was measured.
fn machine() {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("unknown")
        .trim_matches([':', '\t', ' ']);
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = read("/proc/loadavg");
    let lock = include_str!("../../../Cargo.lock");
    let version = |name: &str| {
        let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{name}\"\n")));
        let version = entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next());
        format!("{name} {}", version.unwrap_or("unknown"))
    };
    let versions = ["str0m", "aws-lc-rs", "opusic-sys", "tokio-xmpp"].map(version).join(", ");
    println!(
        "{cores} cores of {model}, Linux {}, load {}; {versions}; development profile.\n",
        kernel.trim(),
        load.split(' ').next().unwrap_or("?")
    );
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The median, and the smallest and largest of sorted values.
fn spread(sorted: &[f64]) -> String {
    let (first, last) = (sorted.first().expect("there were rounds"), sorted.last().expect("there were rounds"));
    format!("{:.2} [{first:.2}, {last:.2}]", sorted[sorted.len() / 2])
}
