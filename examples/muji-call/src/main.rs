//! Audio and video calls over XMPP from the command line: joins the call in a room, calls a person, or waits to be called.
//!
//! `muji-call --help` begins with examples; the exit codes are those of [`exit`].

// They panic if the reader is gone: see `output.rs`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod args;
mod audio;
mod chat;
mod devices;
mod doctor;
mod exit;
mod keys;
mod log;
mod network;
mod output;
mod pair_matrix;
mod password;
mod profile;
mod report;
mod ringing;
mod run;
mod serve;
mod statistics;
mod trace;
mod user_action;
mod video;
#[cfg(feature = "window")]
mod window;
mod window_state;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Other};
use exit::Failure;
use run::Frontend;

fn main() -> ExitCode {
    let mut args = Args::parse();
    let outcome = match args.other.take() {
        None => call(args),
        Some(other) => self::other(other),
    };
    if let Err(failure) = &outcome {
        output::error(format_args!("muji-call: {failure}"));
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
    block_on(run::run(args, Frontend::default()))
}

/// The window has to be on the main thread; the rest goes into another, with a stack as large.
#[cfg(feature = "window")]
fn call_with_window(args: Args) -> Result<(), Failure> {
    let shared_view = window_state::SharedWindowState::default();
    let (action, actions) = window::actions();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let around = Frontend { shared_view: shared_view.clone(), actions: Some(actions), ready: Some(ready) };
    let over = shared_view.clone();
    let program = std::thread::Builder::new().name("muji-call".to_owned()).stack_size(STACK).spawn(move || {
        let outcome = block_on(run::run(args, around));
        over.with(|window_state| window_state.over = true);
        outcome
    });
    let program = program.map_err(|why| Failure::Call(format!("the system cannot start a thread: {why}")))?;
    // Until then the terminal may ask for a password, or say why there is no login.
    if is_ready.recv().is_ok()
        && let Err(why) = window::show(shared_view, action)
    {
        output::error(format_args!(
            "muji-call: note: the window cannot be opened, the call continues without it: {why}"
        ));
    }
    program
        .join()
        .unwrap_or_else(|_| Err(Failure::Call("the program crashed; please report what it printed above".to_owned())))
}

/// What the main thread's stack usually is.
#[cfg(feature = "window")]
const STACK: usize = 8 << 20;

fn block_on(program: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|why| Failure::Call(format!("the system cannot start an event loop: {why}")))?;
    runtime.block_on(program)
}

/// Prints what there is for sound and pictures.
#[cfg(any(feature = "devices", feature = "camera", feature = "screen"))]
fn list_devices() -> Result<(), Failure> {
    #[cfg(all(feature = "camera", target_os = "linux"))]
    video::list_cameras();
    #[cfg(all(feature = "screen", target_os = "linux"))]
    video::list_screens();
    #[cfg(feature = "devices")]
    audio::list()?;
    Ok(())
}

fn other(other: Other) -> Result<(), Failure> {
    let written = match other {
        #[cfg(any(feature = "devices", feature = "camera", feature = "screen"))]
        Other::Devices => return list_devices(),
        #[cfg(feature = "keyring")]
        Other::Remember(mut login) => {
            profile::load(login.profile.as_deref())?.complete_login(&mut login);
            return password::keyring::remember(login);
        }
        Other::Doctor(mut options) => {
            profile::load(options.login.profile.as_deref())?.complete_login(&mut options.login);
            return block_on(doctor::check(*options));
        }
        Other::Serve(options) => return block_on(serve::run(*options)),
        Other::Completions { shell } => {
            // Into memory first: written straight to a pipe that was closed, it would panic.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "muji-call", &mut script);
            std::io::stdout().write_all(&script)
        }
        Other::Man => clap_mangen::Man::new(Args::command()).render(&mut std::io::stdout()),
    };
    written.map_err(|why| Failure::Usage(format!("cannot write to standard output: {why}")))
}
