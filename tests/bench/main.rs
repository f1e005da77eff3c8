//! Measures what a call costs, beside the formula or beside the bare transport in the same run. Prints Markdown.
//!
//! Only the last part looks at a real clock; the others are exact and repeat.

mod mesh;
mod round_trips;
mod signalling;

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

fn main() -> ExitCode {
    let mut goals = Goals::default();
    signalling::measure(&mut goals);
    round_trips::measure(&mut goals);
    mesh::measure(&mut goals);
    for missed in &goals.missed {
        println!("missed: {missed}");
    }
    println!("bench: {} goals met, {} missed", goals.met, goals.missed.len());
    ExitCode::from(u8::from(!goals.missed.is_empty()))
}
