//! The conformance suite: judges what a client sends in calls by the requirements of the XEPs.
//!
//! `muji-conformance --subject engine` plays every case with our Engine in virtual time; `--subject muji-call` with our program over a
//! server on loopback; `--subject COMMAND` with any client that a shim controls ([`subjects::client`]); `--subject none` with a client that
//! a person operates in a room of a real server, step by step ([`subjects::real_server`]).
#![forbid(unsafe_code)]

mod cases;
mod faulty_clients;
mod login;
mod play;
mod report;
mod run;
mod subjects;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use muji_harness::register::Register;
use muji_harness::replay;

use report::Report;
use run::{Over, Subject};
use subjects::person::Desk;
use subjects::watched_room::Visit;

/// Judge what an XMPP client sends in calls by the requirements of the XEPs.
#[derive(Debug, Parser)]
#[command(name = "muji-conformance", version)]
struct Args {
    /// The client to judge: engine (our Engine in virtual time), wrong:NAME (the same with a deliberate fault), muji-call, dino
    /// (a real one; needs root), a shim command that reads instructions on standard input, or none (a client that a person
    /// operates in --room)
    #[arg(long, default_value = "engine")]
    subject: String,

    /// The server over which a program is judged [default: loopback]
    #[arg(long, value_name = "SERVER")]
    over: Option<Over>,

    #[command(flatten)]
    login: login::Login,

    /// Run only cases whose name, group or requirement contains this
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,

    /// Also write a report; the extension sets the format: .txt, .json (one object per line), .xml (JUnit) or .md; may be given
    /// several times
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,

    /// List the cases and exit
    #[arg(long)]
    list: bool,

    #[command(subcommand)]
    other: Option<Other>,
}

/// Subcommands.
#[derive(Debug, Subcommand)]
enum Other {
    /// List the requirements that a trace violates: one written by muji-call --trace, or a server's log
    Replay {
        /// The trace
        trace: PathBuf,

        /// Draw the call as a sequence diagram to this file
        #[arg(long, value_name = "FILE.svg")]
        diagram: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Other::Replay { trace, diagram }) = &args.other {
        return match replayed(trace, diagram.as_deref()) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(why) => fault(&why),
        };
    }
    if args.list {
        for (group, case) in run::chosen(args.only.as_deref()) {
            println!("{group:<10} {:<72} {}", case.name, case.ids.join(", "));
        }
        return ExitCode::SUCCESS;
    }
    match judged(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => fault(&why),
    }
}

/// True if nothing fails.
fn judged(args: &Args) -> Result<bool, String> {
    let register = Register::of_this_repository()?;
    // Report a wrong file name before any case is played.
    let kinds = args.report.iter().map(|file| report::Kind::of(file)).collect::<Result<Vec<_>, String>>()?;
    let only = args.only.as_deref();
    if run::chosen(only).next().is_none() {
        return Err("no case contains this in its name, group or requirements; --list shows all cases".to_owned());
    }
    let subject = match args.subject.as_str() {
        "none" => Subject::Present(visit(&args.login)?),
        text => Subject::parse(text, args.over)?,
    };
    let name = if let Subject::Present(visit) = &subject { visit.subject().as_str() } else { &args.subject };
    let results = run::judge(&subject, only);
    let reported = Report { register: &register, subject: name, judged: &results };
    for (file, kind) in args.report.iter().zip(kinds) {
        std::fs::write(file, reported.write(kind)).map_err(|why| format!("{}: {why}", file.display()))?;
    }
    print!("{}", reported.what_is_not_passed());
    Ok(!results.iter().any(|result| result.verdict.is_failure()))
}

/// A person at the terminal, and the room to which he comes with his client.
fn visit(login: &login::Login) -> Result<Visit, String> {
    let (account, room) = login.account()?;
    Visit::begin(account, room, Desk::terminal()).map_err(|why| why.to_string())
}

fn fault(why: &str) -> ExitCode {
    eprintln!("muji-conformance: {why}");
    ExitCode::from(2)
}

/// True if nothing is broken.
fn replayed(file: &Path, diagram: Option<&Path>) -> Result<bool, String> {
    let about = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|why| about(&why))?;
    let lines = muji_trace::read(&text).map_err(|why| about(&why))?;
    let breaches = replay::breaches(&lines);
    print!("{}", replay::report(&Register::of_this_repository()?, &lines, &breaches));
    if let Some(diagram) = diagram {
        let title = file.file_stem().unwrap_or_default().to_string_lossy();
        let svg = muji_trace::diagram::draw(&title, lines.iter().map(|(_, line)| line));
        std::fs::write(diagram, svg).map_err(|why| format!("{}: {why}", diagram.display()))?;
    }
    Ok(breaches.is_empty())
}
