//! The explorer: tries every order in which events can reach real Engines and checks the invariants in each state.
//!
//! The last line is the verdict; the exit code is 1 unless it says "holds".
#![forbid(unsafe_code)]

mod ample;
mod bridging;
mod check;
mod digest;
mod forking;
mod in_flight;
mod ladder;
mod model;
#[cfg(test)]
mod outcome;
mod person;
mod row;
mod search;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bridging::{Bridging, Row as BridgeRow};
use clap::Parser;
use forking::{Forking, Row as CallRow};
use model::State;
use row::Row;
use search::{Bounds, MOST_STATES, Orders, World};

const NOTHING: Row =
    Row { people: 2, in_chat: false, leaves: 0, crashes: 0, timeouts: 0, refusals: 0, rejoins: 0, adds: 0, cuts: 0 };

/// The rows of `make explore`; with `--quick` those that take seconds each.
fn rows(quick: bool) -> Vec<Row> {
    let two = NOTHING;
    let three = Row { people: 3, ..NOTHING };
    let chat = |row: Row| Row { in_chat: true, ..row };
    let small = [
        two,
        Row { leaves: 1, rejoins: 1, ..two },
        three,
        Row { people: 4, ..NOTHING },
        Row { crashes: 1, ..three },
        Row { refusals: 1, ..three },
        Row { adds: 2, ..two },
    ];
    let (leave, timeout) = (Row { leaves: 1, ..three }, Row { timeouts: 1, ..three });
    let mut rows: Vec<Row> = small.into_iter().flat_map(|row| [row, chat(row)]).collect();
    let shown = Row { adds: 2, ..two };
    rows.push(Row { cuts: 1, ..shown });
    rows.extend([Row { crashes: 1, ..shown }, Row { timeouts: 1, ..shown }, Row { refusals: 1, ..shown }]);
    if !quick {
        let troubled = Row { leaves: 2, crashes: 1, timeouts: 1, rejoins: 1, ..two };
        rows.extend([troubled, chat(troubled), timeout, chat(timeout), leave, chat(leave)]);
        rows.extend([Row { leaves: 1, rejoins: 1, ..shown }, Row { adds: 1, ..three }]);
    }
    rows
}

const ONE: CallRow = CallRow { devices: 2, accepts: 1, declines: 0, ends: 0, calls_back: 0, returned: 0 };

/// The same for calls with one person.
fn forks(quick: bool) -> Vec<CallRow> {
    let two = CallRow { accepts: 2, ..ONE };
    let mut rows = vec![ONE, CallRow { declines: 1, ends: 1, ..two }, CallRow { calls_back: 1, ..two }];
    rows.push(CallRow { devices: 3, ..two });
    rows.push(CallRow { returned: 2, ends: 1, ..ONE });
    if !quick {
        rows.push(CallRow { devices: 3, accepts: 3, ..ONE });
        rows.push(CallRow { devices: 3, declines: 1, ..two });
        rows.push(CallRow { ends: 1, calls_back: 1, ..two });
        rows.push(CallRow { devices: 3, returned: 2, ..ONE });
    }
    rows
}

const TWO_BRIDGES: BridgeRow = BridgeRow { rooms: 1, bridges: 2, callers: 2, dials: 0, ends: 0 };

/// The same for bridges: in one room with callers, and rooms that are joined.
fn bridges(quick: bool) -> Vec<BridgeRow> {
    let joined = BridgeRow { rooms: 2, bridges: 1, callers: 1, dials: 2, ends: 0 };
    let mut rows = vec![
        TWO_BRIDGES,
        BridgeRow { callers: 1, ends: 1, ..TWO_BRIDGES },
        BridgeRow { callers: 0, dials: 2, ..TWO_BRIDGES },
        joined,
    ];
    if !quick {
        rows.push(BridgeRow { ends: 1, ..TWO_BRIDGES });
        rows.push(BridgeRow { ends: 1, ..joined });
    }
    rows
}

/// The columns that are counted for each row.
const COUNTS: &str = "     states       moves     quiet  healed      time";

/// Explore every order in which events can reach real Engines, and check the invariants in each state.
#[derive(Debug, Parser)]
#[command(name = "muji-explore")]
struct Args {
    /// Only the rows that take seconds each
    #[arg(long, conflicts_with_all = ["people", "devices", "bridges"])]
    quick: bool,
    /// One row with this many people, instead of all rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    people: Option<u8>,
    /// The call is inside a chat room
    #[arg(long, requires = "people")]
    in_chat: bool,
    /// How many leave
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    leaves: usize,
    /// How many processes crash
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    crashes: usize,
    /// How often waiting for people ahead times out
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    timeouts: usize,
    /// How often the room refuses contents
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    refusals: usize,
    /// How many join again
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    rejoins: usize,
    /// How many add video
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    adds: usize,
    /// How often a stream is cut and resumed
    #[arg(long, value_name = "N", default_value_t = 0, requires = "people")]
    cuts: usize,
    /// One row of a call to a person with this many devices
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=3), conflicts_with = "people", group = "calls")]
    devices: Option<u8>,
    /// How often a device accepts
    #[arg(long, value_name = "N", default_value_t = 0, requires = "devices")]
    accepts: usize,
    /// How often a device declines
    #[arg(long, value_name = "N", default_value_t = 0, requires = "devices")]
    declines: usize,
    /// How often somebody cancels or hangs up, or a bridge leaves its room
    #[arg(long, value_name = "N", default_value_t = 0, requires = "calls")]
    ends: usize,
    /// How often the person who is called calls back
    #[arg(long, value_name = "N", default_value_t = 0, requires = "devices")]
    calls_back: usize,
    /// How many copies of the call the server returns
    #[arg(long, value_name = "N", default_value_t = 0, requires = "devices")]
    returned: usize,
    /// One row with this many bridges in each of --rooms
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=2), conflicts_with = "people", group = "calls")]
    bridges: Option<u8>,
    /// Rooms with bridges
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2), requires = "bridges")]
    rooms: u8,
    /// How many call a bridge
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2), requires = "bridges")]
    callers: u8,
    /// How many bridges call the one opposite
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2), requires = "bridges")]
    dials: u8,
    /// Every order, even if it is known to lead to the same state
    #[arg(long)]
    all_orders: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "N", default_value_t = 7_200)]
    seconds: u64,
    /// Threads [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Seed of the ids
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u8,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut totals = Totals {
        seed: args.seed,
        orders: if args.all_orders { Orders::All } else { Orders::Distinct },
        threads: args.threads.unwrap_or(cores),
        limit: Duration::from_secs(args.seconds),
        start: Instant::now(),
        states: 0,
        rows: 0,
    };
    let outcome = match (args.people, args.devices, args.bridges) {
        (Some(people), ..) => totals.conferences(&[Row {
            people: people.into(),
            in_chat: args.in_chat,
            leaves: args.leaves,
            crashes: args.crashes,
            timeouts: args.timeouts,
            refusals: args.refusals,
            rejoins: args.rejoins,
            adds: args.adds,
            cuts: args.cuts,
        }]),
        (None, Some(devices), _) => totals.forks(&[CallRow {
            devices: devices.into(),
            accepts: args.accepts,
            declines: args.declines,
            ends: args.ends,
            calls_back: args.calls_back,
            returned: args.returned,
        }]),
        (None, None, Some(bridges)) => totals.bridges(&[BridgeRow {
            rooms: args.rooms.into(),
            bridges: bridges.into(),
            callers: args.callers.into(),
            dials: args.dials.into(),
            ends: args.ends,
        }]),
        (None, None, None) => {
            let conferences = totals.conferences(&rows(args.quick));
            let calls = conferences.and_then(|()| totals.forks(&forks(args.quick)));
            calls.and_then(|()| totals.bridges(&bridges(args.quick)))
        }
    };
    match outcome {
        Ok(()) => {
            let Totals { states, rows, start, .. } = totals;
            let seconds = start.elapsed().as_secs_f64();
            println!("explore: holds in all {states} states of {rows} rows, seen in {seconds:.0} s");
            ExitCode::SUCCESS
        }
        Err(verdict) => {
            println!("explore: {verdict}");
            ExitCode::FAILURE
        }
    }
}

/// All rows so far.
struct Totals {
    seed: u8,
    orders: Orders,
    threads: usize,
    limit: Duration,
    start: Instant,
    states: u64,
    rows: usize,
}

impl Totals {
    fn conferences(&mut self, rows: &[Row]) -> Result<(), String> {
        println!("people  room       leave crash T_PREP refuse rejoin   add   cut {COUNTS}");
        for row in rows {
            let room = if row.in_chat { "chat" } else { "dedicated" };
            let Row { people, leaves, crashes, timeouts, refusals, rejoins, adds, cuts, .. } = row;
            let first = State::new(*row, self.seed, self.orders);
            self.explore(
                &first,
                &format!(
                    "{people:>6}  {room:<9} {leaves:>6} {crashes:>5} {timeouts:>6} {refusals:>6} {rejoins:>6} {adds:>5} {cuts:>5}"
                ),
            )?;
        }
        Ok(())
    }

    fn forks(&mut self, rows: &[CallRow]) -> Result<(), String> {
        println!("\ndevices         pick up decline hang up call back returned {COUNTS}");
        for row in rows {
            let CallRow { devices, accepts, declines, ends, calls_back, returned } = row;
            let first = Forking::new(*row, self.seed, self.orders);
            self.explore(
                &first,
                &format!("{devices:>7} {:>7} {accepts:>7} {declines:>7} {ends:>7} {calls_back:>9} {returned:>8}", ""),
            )?;
        }
        Ok(())
    }

    fn bridges(&mut self, rows: &[BridgeRow]) -> Result<(), String> {
        println!("\nbridges         rooms  callers    dial hang up                    {COUNTS}");
        for row in rows {
            let BridgeRow { rooms, bridges, callers, dials, ends } = row;
            let first = Bridging::new(*row, self.seed);
            self.explore(&first, &format!("{bridges:>7} {rooms:>13} {callers:>8} {dials:>7} {ends:>7} {:>18}", ""))?;
        }
        Ok(())
    }

    /// Sees all states of a row, and tells how many.
    fn explore<W: World>(&mut self, first: &W, row: &str) -> Result<(), String> {
        let bounds = Bounds { time: self.limit.saturating_sub(self.start.elapsed()), states: MOST_STATES };
        let found = search::exhaust(first, self.orders, self.threads, bounds);
        self.states += found.states;
        self.rows += 1;
        println!(
            "{row} {:>11} {:>11} {:>9} {:>7} {:>7.1} s",
            found.states,
            found.moves,
            found.quiet,
            found.healed,
            found.took.as_secs_f64()
        );
        if let Some((violation, steps)) = found.fault {
            println!();
            ladder::draw(first, &steps).iter().for_each(|line| println!("{line}"));
            println!();
            return Err(format!("after {} steps: {violation}", steps.len()));
        }
        if let Some(why) = found.cut {
            return Err(format!("{why} before every state was seen; {} were", self.states));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use check::Violation;

    use super::*;

    const ALL: Bounds = Bounds { time: Duration::from_secs(600), states: MOST_STATES };

    /// The search with the reductions and the one without come to the same; gives how many states each saw.
    fn same_outcomes<W: World>(row: &str, first: impl Fn(Orders) -> W) -> (u64, u64) {
        let [fewer, all] = [Orders::Distinct, Orders::All].map(|orders| {
            let found = search::exhaust(&first(orders), orders, 2, ALL);
            assert!(found.fault.is_none() && found.cut.is_none(), "{row}: {:?}", found.cut);
            found
        });
        assert!(fewer.outcomes == all.outcomes, "{row}: {:?} and {:?}", fewer.outcomes, all.outcomes);
        assert!(fewer.moves < all.moves, "{row}: {} and {} moves", fewer.moves, all.moves);
        (fewer.states, all.states)
    }

    #[test]
    fn a_search_with_reductions_comes_to_every_end_that_one_without_comes_to() {
        let two = NOTHING;
        let symmetric = [
            two,
            Row { leaves: 1, rejoins: 1, ..two },
            Row { crashes: 1, ..two },
            Row { refusals: 1, ..two },
            Row { adds: 2, ..two },
            Row { adds: 1, cuts: 1, ..two },
        ];
        for row in symmetric.into_iter().flat_map(|row| [row, Row { in_chat: true, ..row }]) {
            let (fewer, all) = same_outcomes(&format!("{row:?}"), |orders| State::new(row, 0, orders));
            assert!(fewer * 10 < all * 6, "{row:?}: {fewer} of {all} states");
        }
        let row = Row { timeouts: 1, ..two };
        let (fewer, all) = same_outcomes(&format!("{row:?}"), |orders| State::new(row, 0, orders));
        assert!(fewer < all, "{row:?}: {fewer} of {all} states");
    }

    #[test]
    fn so_does_one_of_calls_with_one_person() {
        let two = CallRow { accepts: 2, ..ONE };
        for row in [ONE, two, CallRow { returned: 2, ends: 1, ..ONE }] {
            same_outcomes(&format!("{row:?}"), |orders| Forking::new(row, 0, orders));
        }
        let row = CallRow { calls_back: 1, ..ONE };
        let (fewer, all) = same_outcomes(&format!("{row:?}"), |orders| Forking::new(row, 0, orders));
        assert!(fewer * 2 < all, "{fewer} of {all} states");
    }

    #[test]
    fn so_does_one_of_bridges() {
        let small = BridgeRow { callers: 1, ..TWO_BRIDGES };
        for row in [
            small,
            BridgeRow { callers: 0, dials: 1, ..small },
            BridgeRow { rooms: 2, bridges: 1, dials: 1, callers: 0, ..small },
        ] {
            same_outcomes(&format!("{row:?}"), |_| Bridging::new(row, 0));
        }
    }

    #[test]
    fn people_who_are_not_alike_are_not_taken_to_be() {
        let row = Row { timeouts: 1, ..NOTHING };
        let mut first = State::new(row, 0, Orders::Distinct);
        first.heard = Some(0);
        let found = search::exhaust(&first, Orders::Distinct, 1, ALL);
        assert_eq!(found.fault.map(|(violation, _)| violation), Some(Violation::MapsDiffer));
    }
}
