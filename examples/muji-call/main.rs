//! A call for the command line: joins the call in a room, sends a tone or a file, records, says who is heard.
//!
//! `muji-call --help` begins with examples; the exit codes are those of [`exit`].

mod args;
mod exit;
mod report;
mod run;
mod trace;

use std::process::ExitCode;

use clap::Parser;

use args::Args;
use exit::Failure;

fn main() -> ExitCode {
    let args = Args::parse();
    // On the main thread, whose stack bears the deepest stanza that servers let through.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run::run(args)),
        Err(why) => Err(Failure::Call(format!("the system gives no event loop: {why}"))),
    };
    if let Err(failure) = &outcome {
        eprintln!("muji-call: {failure}");
    }
    ExitCode::from(exit::code(&outcome))
}
