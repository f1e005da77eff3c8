//! Judges clients: what they say in calls, by the demands of the XEPs.
//!
//! `muji-conformance --subject engine` plays every case with our own Engine, in virtual time.
#![forbid(unsafe_code)]

mod cases;
mod ground;
mod line;
mod play;
mod report;
mod run;
mod wrong;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

/// Judges what a client says in calls.
#[derive(Debug, Parser)]
#[command(name = "muji-conformance", version)]
struct Args {
    /// Who is judged: engine, our own in virtual time; or wrong:NAME, the same with a fault made on purpose
    #[arg(long, default_value = "engine")]
    subject: String,

    /// Only cases whose name, group or demand contains this
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,

    /// How it is reported
    #[arg(long, value_enum, default_value = "table")]
    report: Format,

    /// Where to, instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// List the cases and end
    #[arg(long)]
    list: bool,
}

/// How it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// An object for each case
    Json,
    /// For build servers
    Junit,
    /// For documents
    Markdown,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        for (group, case) in run::chosen(args.only.as_deref()) {
            println!("{group:<10} {:<72} {}", case.name, case.ids.join(", "));
        }
        return ExitCode::SUCCESS;
    }
    let done = run::Subject::parse(&args.subject).and_then(|subject| {
        let results = run::judge(&subject, args.only.as_deref());
        let text = report::write(args.report, &args.subject, &results)?;
        match &args.out {
            Some(file) => std::fs::write(file, text).map_err(|why| format!("{}: {why}", file.display()))?,
            None => print!("{text}"),
        }
        Ok(results)
    });
    match done {
        Ok(results) => {
            let failed = results.iter().filter(|result| result.verdict.is_failure()).count();
            if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("muji-conformance: {why}");
            ExitCode::from(2)
        }
    }
}
