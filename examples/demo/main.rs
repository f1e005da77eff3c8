//! Calls on one machine: an XMPP server of our own on loopback, and `muji-call` processes around it.
//!
//! Without an argument four people talk, and the matrix shows who hears whom. With `fork` one calls another who has three
//! devices. The last line says what was seen, and the exit code whether it is what should be.

mod fork;
mod four;
mod matrix;
mod pictures;
mod processes;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (name, seen) = match std::env::args().nth(1).as_deref() {
        Some("fork") => ("demo-fork", fork::demo().await),
        _ => ("demo", four::demo().await),
    };
    match seen {
        Ok(seen) => {
            println!("{name}: {}", seen.text);
            ExitCode::from(u8::from(!seen.right))
        }
        Err(why) => {
            println!("{name}: failed, {why}");
            ExitCode::FAILURE
        }
    }
}

/// What a demonstration has shown.
struct Seen {
    right: bool,
    text: String,
}
