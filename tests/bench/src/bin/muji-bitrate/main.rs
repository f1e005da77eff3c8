//! The benchmark of bit rates: encoders whose target changes, and calls over a link whose capacity drops.
//!
//! `make bitrate` writes plots (PNG) and numbers (CSV) into `target/bitrate` and prints tables; the last line says which of the
//! goals were met. Everything runs in virtual time, so the same numbers come each time on the same libraries.

mod call;
mod follow;
mod link;
mod steps;
mod unequal;
mod x264;

use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) type Failure = Box<dyn std::error::Error>;

/// What was to be reached, and what was.
pub(crate) struct Goal {
    pub(crate) name: String,
    pub(crate) met: bool,
    pub(crate) seen: String,
}

impl Goal {
    /// At most so much.
    pub(crate) fn at_most(name: impl Into<String>, seen: f64, limit: f64, unit: &str) -> Self {
        let text = format!("{seen:.1}{unit} (at most {limit}{unit})");
        Self { name: name.into(), met: seen <= limit, seen: text }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(goals) => {
            println!();
            for Goal { name, met, seen } in &goals {
                println!("{} {name}: {seen}", if *met { "met   " } else { "missed" });
            }
            let met = goals.iter().filter(|goal| goal.met).count();
            println!("bitrate: {met} of {} goals met", goals.len());
            ExitCode::from(u8::from(met < goals.len()))
        }
        Err(why) => {
            println!("bitrate: failed, {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Vec<Goal>, Failure> {
    let folder = folder()?;
    let mut goals = steps::run(&folder)?;
    goals.extend(link::run(&folder)?);
    goals.extend(unequal::run()?);
    println!("\nPlots and numbers: {}", folder.display());
    Ok(goals)
}

/// Where the plots go: beside the build.
fn folder() -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let folder = program.ancestors().nth(2).ok_or("the program lies nowhere")?.join("bitrate");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
