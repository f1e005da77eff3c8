//! Judges clients: what they say in calls, by the demands of the XEPs.
//!
//! `muji-conformance --subject engine` plays every case with our own Engine, in virtual time; `--subject muji-call` with our program over a
//! server on loopback; `--subject COMMAND` with any client that a shim moves ([`ground::client`]); `--subject none` with whoever comes to a
//! room of a real server, asking the person to do each step ([`ground::online`]).
#![forbid(unsafe_code)]

mod cases;
mod ground;
mod login;
mod play;
mod report;
mod run;
mod wrong;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use muji_conformance::register::Register;
use muji_conformance::{replay, trace};

use ground::person::Desk;
use ground::watched::Visit;
use report::Report;
use run::{Over, Subject};

/// Judges what a client says in calls.
#[derive(Debug, Parser)]
#[command(name = "muji-conformance", version)]
struct Args {
    /// Who is judged: engine, our own in virtual time; wrong:NAME, the same with a fault made on purpose; muji-call; dino, a real one,
    /// as root; a command that moves a client, told what to do on standard input; or none, that is whoever comes to --room
    #[arg(long, default_value = "engine")]
    subject: String,

    /// Over what server a program is judged [default: loopback]
    #[arg(long, value_name = "SERVER")]
    over: Option<Over>,

    #[command(flatten)]
    login: login::Login,

    /// Only cases whose name, group or demand contains this
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,

    /// Write a report too, of a kind that the file's ending says: .txt, .json (an object a line), .xml (JUnit) or .md; may be repeated
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,

    /// List the cases and end
    #[arg(long)]
    list: bool,

    #[command(subcommand)]
    other: Option<Other>,
}

/// What else the program does.
#[derive(Debug, Subcommand)]
enum Other {
    /// List the demands that a trace shows to be broken: by muji-call --trace, or a server's log
    Replay {
        /// The file
        trace: PathBuf,

        /// Draw the call as a sequence diagram into this file
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
    // A wrong name is said before anything is played.
    let kinds = args.report.iter().map(|file| report::Kind::of(file)).collect::<Result<Vec<_>, String>>()?;
    let only = args.only.as_deref();
    if run::chosen(only).next().is_none() {
        return Err("no case has this in its name, its group or its demands; --list shows all".to_owned());
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
    let lines = trace::read(&text).map_err(|why| about(&why))?;
    let breaches = replay::breaches(&lines);
    print!("{}", replay::report(&Register::of_this_repository()?, &lines, &breaches));
    if let Some(diagram) = diagram {
        let title = file.file_stem().unwrap_or_default().to_string_lossy();
        let svg = trace::diagram::draw(&title, lines.iter().map(|(_, line)| line));
        std::fs::write(diagram, svg).map_err(|why| format!("{}: {why}", diagram.display()))?;
    }
    Ok(breaches.is_empty())
}
