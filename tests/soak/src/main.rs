//! Long calls and crowds: whether memory, descriptors and delays stay flat for hours, and what breaks first in a call that is too large
//! for its machine. Prints Markdown; the last line is the verdict, and the exit code is 1 unless it is met. A part that this machine
//! cannot run is skipped with a word; with `MUJI_TEST_ALL=1` that is a failure.

mod call;
mod crowd;
mod day;
mod growth;
mod median;
mod observed;
mod pair;
mod processes;
mod slow;
mod stalls;
mod vitals;

use std::process::ExitCode;

use clap::{Parser, ValueEnum, value_parser};
use muji_harness::allocations::Counting;

type Failure = Box<dyn std::error::Error>;

#[global_allocator]
static COUNTING: Counting = Counting;

/// The outcome of a part.
enum Outcome {
    /// What is not as it should be, and what was measured.
    Judged { faults: Vec<String>, sentence: String },
    /// What this machine lacks for it.
    Skipped(String),
}

/// Long calls and crowds
#[derive(Debug, Parser)]
#[command(name = "muji-soak")]
struct Args {
    /// What to run, one after the other
    #[arg(required = true)]
    parts: Vec<Part>,
    /// Hours of day
    #[arg(long, default_value_t = 24, value_parser = value_parser!(u32).range(4..=700))]
    hours: u32,
    /// Seed of day
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Hours of pair
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=24))]
    media_hours: u32,
    /// Minutes of processes
    #[arg(long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=10_000))]
    minutes: u32,
    /// People in crowd
    #[arg(long, default_value_t = 32, value_parser = value_parser!(u16).range(2..=64))]
    people: u16,
    /// Seconds of crowd, from when all hear all
    #[arg(long, default_value_t = 30, value_parser = value_parser!(u32).range(5..=10_000))]
    seconds: u32,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// Signalling of a call of six, in virtual time
    Day,
    /// Media between two, in virtual time
    Pair,
    /// Four muji-call processes, in real time
    Processes,
    /// Many muji-call processes, in real time
    Crowd,
    /// A muji-call process with a tenth of a processor, in real time; as root
    Slow,
    /// muji-call processes that are stopped while they join, in real time
    Stalls,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Pair => "pair",
            Self::Processes => "processes",
            Self::Crowd => "crowd",
            Self::Slow => "slow",
            Self::Stalls => "stalls",
        }
    }

    /// The command of the Makefile that runs it.
    fn command(self) -> &'static str {
        match self {
            Self::Day | Self::Pair | Self::Processes => "soak",
            Self::Crowd | Self::Slow | Self::Stalls => "crowd",
        }
    }

    async fn play(self, args: &Args) -> Result<Outcome, Failure> {
        match self {
            Self::Day => Ok(day::play(args.hours, args.seed)),
            Self::Pair => Ok(pair::play(args.media_hours)),
            Self::Processes => processes::play(args.minutes).await,
            Self::Crowd => crowd::play(args.people, args.seconds).await,
            Self::Slow => slow::play().await,
            Self::Stalls => stalls::play().await,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let all_must_run = std::env::var_os("MUJI_TEST_ALL").is_some();
    let (mut failed, mut skipped) = (Vec::new(), Vec::new());
    for part in &args.parts {
        let name = part.name();
        match part.play(&args).await {
            Ok(Outcome::Judged { faults, sentence }) if faults.is_empty() => println!("{name}: holds; {sentence}\n"),
            Ok(Outcome::Judged { faults, sentence }) => {
                println!("{name}: does not hold: {}; {sentence}\n", faults.join("; "));
                failed.push(name);
            }
            Ok(Outcome::Skipped(why)) if all_must_run => {
                println!("{name}: skipped, though everything must run: {why}\n");
                failed.push(name);
            }
            Ok(Outcome::Skipped(why)) => {
                println!("{name}: skipped: {why}\n");
                skipped.push(name);
            }
            Err(why) => {
                println!("{name}: failed, {why}\n");
                failed.push(name);
            }
        }
    }
    let command = args.parts.first().map_or("soak", |part| part.command());
    verdict(command, args.parts.len(), &failed, &skipped)
}

/// The last line.
fn verdict(command: &str, parts: usize, failed: &[&str], skipped: &[&str]) -> ExitCode {
    if !failed.is_empty() {
        println!("{command}: does not hold: {}", failed.join(", "));
        return ExitCode::FAILURE;
    }
    if skipped.len() == parts {
        println!("{command}: skipped");
    } else if skipped.is_empty() {
        println!("{command}: holds");
    } else {
        println!("{command}: holds; skipped: {}", skipped.join(", "));
    }
    ExitCode::SUCCESS
}
