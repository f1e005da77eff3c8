//! A call for the command line: joins the call in a room, calls somebody or waits to be called, sends and plays sound,
//! records, says who is heard.
//!
//! `muji-call --help` begins with examples; the exit codes are those of [`exit`].

mod args;
mod audio;
mod chat;
mod exit;
mod keys;
mod live;
mod log;
mod password;
mod profile;
mod report;
mod ringing;
mod run;
mod table;
mod trace;
mod video;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Other};
use exit::Failure;

fn main() -> ExitCode {
    let mut args = Args::parse();
    let outcome = match args.other.take() {
        None => call(args),
        Some(other) => self::other(other),
    };
    if let Err(failure) = &outcome {
        eprintln!("muji-call: {failure}");
    }
    ExitCode::from(exit::code(&outcome))
}

fn call(mut args: Args) -> Result<(), Failure> {
    log::begin(args.verbose);
    profile::load(args.login.profile.as_deref())?.complete(&mut args);
    // On the main thread, whose stack bears the deepest stanza that servers let through.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Failure::Call(format!("the system gives no event loop: {why}")))?;
    runtime.block_on(run::run(args))
}

fn other(other: Other) -> Result<(), Failure> {
    let written = match other {
        #[cfg(feature = "devices")]
        Other::Devices => return audio::list(),
        #[cfg(feature = "keyring")]
        Other::Remember(mut login) => {
            profile::load(login.profile.as_deref())?.complete_login(&mut login);
            return password::keyring::remember(login);
        }
        Other::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "muji-call", &mut std::io::stdout());
            Ok(())
        }
        Other::Man => clap_mangen::Man::new(Args::command()).render(&mut std::io::stdout()),
    };
    written.map_err(|why| Failure::Usage(format!("the manual cannot be written: {why}")))
}
