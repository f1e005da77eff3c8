//! The demonstration: calls on one machine between `muji-call` processes, over an XMPP server of its own on loopback.
//!
//! Without an argument four people talk, and a matrix shows who hears and sees whom. With `fork` one person calls another who has
//! three devices. The last line is the verdict; the exit code is 0 if everything was as expected.

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
