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

use row::Row;

const NOTHING: Row = Row { people: 2, in_chat: false, leaves: 0, crashes: 0, timeouts: 0, refusals: 0, rejoins: 0 };

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
    ];
    let (leave, timeout) = (Row { leaves: 1, ..three }, Row { timeouts: 1, ..three });
    let mut rows: Vec<Row> = small.into_iter().flat_map(|row| [row, chat(row)]).collect();
    rows.push(timeout);
    if !quick {
        rows.extend([chat(timeout), leave, chat(leave)]);
    }
    rows
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let index = args.iter().position(|arg| arg == name)?;
        args.get(index + 1)?.parse::<usize>().ok()
    };
    if args.iter().any(|arg| arg == "--help") {
        println!("usage: muji-explore [--seconds N] [--threads N] [--seed N] [--quick]");
        println!(
            "       [--people N [--in-chat] [--leaves N] [--crashes N] [--timeouts N] [--refusals N] [--rejoins N]]"
        );
        return ExitCode::SUCCESS;
    }
    let number = |name| value(name).unwrap_or(0);
    let rows = match value("--people") {
        Some(people) => vec![Row {
            people,
            in_chat: args.iter().any(|arg| arg == "--in-chat"),
            leaves: number("--leaves"),
            crashes: number("--crashes"),
            timeouts: number("--timeouts"),
            refusals: number("--refusals"),
            rejoins: number("--rejoins"),
        }],
        None => rows(args.iter().any(|arg| arg == "--quick")),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = value("--threads").unwrap_or(cores);
    let limit = Duration::from_secs(value("--seconds").unwrap_or(3_600) as u64);
    let seed = u8::try_from(number("--seed") % 256).expect("it is below 256");
    explore(&rows, seed, threads, limit)
}

fn explore(rows: &[Row], seed: u8, threads: usize, limit: Duration) -> ExitCode {
    let (start, mut states) = (Instant::now(), 0);
    println!("people  room       leave crash T_PREP refuse rejoin      states       moves     quiet  healed      time");
    for row in rows {
        let left = limit.saturating_sub(start.elapsed());
        let found = search::exhaust(*row, seed, threads, left);
        states += found.states;
        println!(
            "{:>6}  {:<9} {:>6} {:>5} {:>6} {:>6} {:>6} {:>11} {:>11} {:>9} {:>7} {:>7.1} s",
            row.people,
            if row.in_chat { "chat" } else { "dedicated" },
            row.leaves,
            row.crashes,
            row.timeouts,
            row.refusals,
            row.rejoins,
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
