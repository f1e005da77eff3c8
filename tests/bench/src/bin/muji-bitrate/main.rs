//! The benchmark of bit rates: encoders whose target changes, how what they make looks and what it costs, and calls over a link whose
//! capacity drops.
//!
//! `make bitrate` writes plots (PNG) and numbers (CSV) into `target/bitrate` and prints tables; the last line says which of the
//! goals were met. Everything but what frames cost runs in virtual time, so the same numbers come each time on the same libraries.
//!
//! usage: muji-bitrate [steps] [vmaf] [cost] [link] [unequal]; without arguments all of them

mod call;
mod cost;
mod encoders;
mod follow;
mod link;
mod steps;
mod unequal;
mod vmaf;
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

const PARTS: [&str; 5] = ["steps", "vmaf", "cost", "link", "unequal"];

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
    let (folder, asked) = (folder()?, std::env::args().skip(1).collect::<Vec<_>>());
    if let Some(unknown) = asked.iter().find(|name| !PARTS.contains(&name.as_str())) {
        return Err(format!("there is no part {unknown}; there are: {}", PARTS.join(", ")).into());
    }
    let mut goals = Vec::new();
    for part in PARTS.into_iter().filter(|part| asked.is_empty() || asked.iter().any(|name| name == part)) {
        goals.extend(match part {
            "steps" => steps::run(&folder)?,
            "vmaf" => vmaf::run(&folder)?,
            "cost" => cost::run().map(|()| Vec::new())?,
            "link" => link::run(&folder)?,
            _ => unequal::run()?,
        });
    }
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
