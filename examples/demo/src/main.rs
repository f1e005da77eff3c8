//! The demonstration: calls on one machine between `muji-call` processes, over an XMPP server of its own on loopback.
//!
//! Without an argument four people talk, and a matrix shows who hears and sees whom. With `fork` one person calls another who has
//! three devices, with `bridge` people call into a room. The last line is the verdict; the exit code is 0 if everything was as expected.

mod bridge;
mod fork;
mod four;
mod matrix;
mod pictures;

use std::process::ExitCode;

use muji_harness::muji_call::Processes;
use muji_harness::server::Server;

/// Password of everybody on the server of a demonstration.
const PASSWORD: &str = "montague";

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (name, verdict) = match std::env::args().nth(1).as_deref() {
        Some("fork") => ("demo-fork", fork::demo().await),
        Some("bridge") => ("bridge", bridge::demo().await),
        _ => ("demo", four::demo().await),
    };
    match verdict {
        Ok(verdict) => {
            println!("{name}: {}", verdict.text);
            ExitCode::from(u8::from(!verdict.passed))
        }
        Err(why) => {
            println!("{name}: failed, {why}");
            ExitCode::FAILURE
        }
    }
}

/// None yet, on this server.
fn processes(server: &Server) -> Result<Processes, Failure> {
    Ok(Processes::new(&["--server", &server.address().to_string(), "--tls", "none"], PASSWORD)?)
}

/// The result of a demonstration.
struct Verdict {
    passed: bool,
    text: String,
}
