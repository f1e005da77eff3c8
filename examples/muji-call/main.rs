//! A call for the command line: joins the call in a room, calls somebody or waits to be called, sends and plays sound,
//! records, says who is heard.
//!
//! `muji-call --help` begins with examples; the exit codes are those of [`exit`].

mod args;
mod audio;
mod chat;
mod doctor;
mod exit;
mod keys;
mod live;
mod log;
mod network;
mod password;
mod profile;
mod report;
mod ringing;
mod run;
mod stage;
mod table;
mod trace;
mod video;
#[cfg(feature = "window")]
mod window;
mod wish;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Other};
use exit::Failure;
use run::Surroundings;

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
    #[cfg(feature = "window")]
    if !args.no_window && window::has_screen() {
        return call_with_window(args);
    }
    // On the main thread, whose stack bears the deepest stanza that servers let through.
    block_on(run::run(args, Surroundings::default()))
}

/// The window has to be on the main thread; the rest goes into another, with a stack as large.
#[cfg(feature = "window")]
fn call_with_window(args: Args) -> Result<(), Failure> {
    let stage = stage::Stage::default();
    let (wish, wishes) = window::wishes();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let around = Surroundings { stage: stage.clone(), wishes: Some(wishes), ready: Some(ready) };
    let over = stage.clone();
    let program = std::thread::Builder::new().name("muji-call".to_owned()).stack_size(STACK).spawn(move || {
        let outcome = block_on(run::run(args, around));
        over.with(|scene| scene.over = true);
        outcome
    });
    let program = program.map_err(|why| Failure::Call(format!("the system gives no thread: {why}")))?;
    // Until then the terminal may ask for a password, or say why there is no login.
    if is_ready.recv().is_ok()
        && let Err(why) = window::show(stage, wish)
    {
        eprintln!("muji-call: note: no window can be opened, and the call goes on without: {why}");
    }
    program.join().unwrap_or_else(|_| Err(Failure::Call("the program broke".to_owned())))
}

/// What the main thread's stack usually is.
#[cfg(feature = "window")]
const STACK: usize = 8 << 20;

fn block_on(program: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Failure::Call(format!("the system gives no event loop: {why}")))?;
    runtime.block_on(program)
}

/// Prints what there is for sound and pictures.
#[cfg(any(feature = "devices", feature = "camera"))]
fn devices() -> Result<(), Failure> {
    #[cfg(all(feature = "camera", target_os = "linux"))]
    video::list();
    #[cfg(feature = "devices")]
    audio::list()?;
    Ok(())
}

fn other(other: Other) -> Result<(), Failure> {
    let written = match other {
        #[cfg(any(feature = "devices", feature = "camera"))]
        Other::Devices => return devices(),
        #[cfg(feature = "keyring")]
        Other::Remember(mut login) => {
            profile::load(login.profile.as_deref())?.complete_login(&mut login);
            return password::keyring::remember(login);
        }
        Other::Doctor(mut patient) => {
            profile::load(patient.login.profile.as_deref())?.complete_login(&mut patient.login);
            return block_on(doctor::examine(*patient));
        }
        Other::Completions { shell } => {
            clap_complete::generate(shell, &mut Args::command(), "muji-call", &mut std::io::stdout());
            Ok(())
        }
        Other::Man => clap_mangen::Man::new(Args::command()).render(&mut std::io::stdout()),
    };
    written.map_err(|why| Failure::Usage(format!("the manual cannot be written: {why}")))
}
