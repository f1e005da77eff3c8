//! Explores every order of events that can reach real Engines, and says which of its invariants does not hold, if any.
//!
//! The last line is the verdict; anything but "holds" ends with 1.
#![forbid(unsafe_code)]

mod check;
mod digest;
mod ladder;
mod letter;
mod model;
mod person;
mod row;
mod search;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use row::Row;

const NOTHING: Row =
    Row { people: 2, in_chat: false, leaves: 0, crashes: 0, timeouts: 0, refusals: 0, rejoins: 0, adds: 0 };

/// What `make explore` sees to the end; with `--quick` what takes minutes.
fn rows(quick: bool) -> Vec<Row> {
    let two = NOTHING;
    let three = Row { people: 3, ..NOTHING };
    let chat = |row: Row| Row { in_chat: true, ..row };
    let small = [
        two,
        Row { leaves: 1, rejoins: 1, ..two },
        Row { leaves: 2, crashes: 1, timeouts: 1, rejoins: 1, ..two },
        three,
        Row { crashes: 1, ..three },
        Row { refusals: 1, ..three },
        Row { adds: 2, ..two },
    ];
    let (leave, timeout) = (Row { leaves: 1, ..three }, Row { timeouts: 1, ..three });
    let mut rows: Vec<Row> = small.into_iter().flat_map(|row| [row, chat(row)]).collect();
    rows.push(timeout);
    let shown = Row { adds: 2, ..two };
    rows.extend([Row { crashes: 1, ..shown }, Row { timeouts: 1, ..shown }, Row { refusals: 1, ..shown }]);
    if !quick {
        rows.extend([chat(timeout), leave, chat(leave)]);
        rows.extend([Row { leaves: 1, rejoins: 1, ..shown }, Row { adds: 1, ..three }]);
    }
    rows
}

/// Explores every order of events that can reach real Engines.
#[derive(Debug, Parser)]
#[command(name = "muji-explore")]
struct Args {
    /// Only what takes minutes
    #[arg(long, conflicts_with = "people")]
    quick: bool,
    /// One row of so many people instead of all rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    people: Option<u8>,
    /// They sit in a chat room
    #[arg(long, requires = "people")]
    in_chat: bool,
    /// How many leave
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    leaves: usize,
    /// How many die
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    crashes: usize,
    /// How often patience with those ahead runs out
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    timeouts: usize,
    /// How often the room refuses contents
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    refusals: usize,
    /// How many come back
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    rejoins: usize,
    /// How many begin to show pictures
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    adds: usize,
    /// Give up after so long
    #[arg(long, value_name = "N", default_value_t = 3_600)]
    seconds: u64,
    /// Threads, by default one a core
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Other ids
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u8,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let rows = match args.people {
        Some(people) => vec![Row {
            people: people.into(),
            in_chat: args.in_chat,
            leaves: args.leaves,
            crashes: args.crashes,
            timeouts: args.timeouts,
            refusals: args.refusals,
            rejoins: args.rejoins,
            adds: args.adds,
        }],
        None => rows(args.quick),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    explore(&rows, args.seed, args.threads.unwrap_or(cores), Duration::from_secs(args.seconds))
}

fn explore(rows: &[Row], seed: u8, threads: usize, limit: Duration) -> ExitCode {
    let (start, mut states) = (Instant::now(), 0);
    println!(
        "people  room       leave crash T_PREP refuse rejoin   add      states       moves     quiet  healed      time"
    );
    for row in rows {
        let left = limit.saturating_sub(start.elapsed());
        let found = search::exhaust(*row, seed, threads, left);
        states += found.states;
        println!(
            "{:>6}  {:<9} {:>6} {:>5} {:>6} {:>6} {:>6} {:>5} {:>11} {:>11} {:>9} {:>7} {:>7.1} s",
            row.people,
            if row.in_chat { "chat" } else { "dedicated" },
            row.leaves,
            row.crashes,
            row.timeouts,
            row.refusals,
            row.rejoins,
            row.adds,
            found.states,
            found.moves,
            found.quiet,
            found.healed,
            found.took.as_secs_f64()
        );
        if let Some((violation, steps)) = found.fault {
            println!();
            ladder::draw(*row, seed, &steps).iter().for_each(|line| println!("{line}"));
            println!("\nexplore: after {} steps: {violation}", steps.len());
            return ExitCode::FAILURE;
        }
        if found.cut {
            println!("explore: the time was over before every state was seen; {states} were");
            return ExitCode::FAILURE;
        }
    }
    println!(
        "explore: holds in all {states} states of {} rows, seen in {:.0} s",
        rows.len(),
        start.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}
