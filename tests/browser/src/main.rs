//! Calls between `muji-call` processes and Chromium without a screen, over a real Prosody: in rooms and between two people, with devices
//! that ring together, with sound alone and with pictures.
//!
//! What Chromium shows is the project's own page (`page/`): a web client that knows nothing of our crates. Everybody sends a tone and a
//! colour, and both sides measure what they decode: the page in the browser, `muji-call` in its events.
//!
//! If root runs it, all happens in a network namespace, on whose loopback datagrams can be lost; otherwise on the machine's own, without
//! the calls with losses.
//!
//! An argument takes the scenarios whose name contains it. The last line is the verdict; the exit code is 0 if all was as it should be.

mod chromium;
mod direction;
mod page;
mod run;
mod scenarios;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use muji_harness::network::{Network, enter};
use muji_harness::real_server::RealServer;

use crate::chromium::Chromium;
use crate::scenarios::Scenario;

/// Password of everybody on the server.
const PASSWORD: &str = "montague";

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    match all(&wanted).await {
        Ok(true) => {
            println!("browser: passed");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            println!("browser: failed");
            ExitCode::FAILURE
        }
        Err(why) => {
            println!("{why}\nbrowser: failed");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
async fn all(wanted: &str) -> Result<bool, Failure> {
    let program = Chromium::program().ok_or("Chromium is not installed: scripts/needs tests")?;
    let network = Network::new()?;
    match &network {
        Ok(network) => enter(network.place())?,
        Err(why) => println!("Calls over a network that loses packets: skipped, {why}"),
    }
    let server = RealServer::prosody_for_browsers(PASSWORD)?.ok_or("Prosody is not installed: scripts/needs tests")?;
    let logs = logs()?;
    println!("{}", table::head());
    let mut failed = 0;
    let possible = |scenario: &Scenario| scenario.lost == 0 || network.is_ok();
    let scenarios =
        scenarios::all().into_iter().filter(|scenario| scenario.name.contains(wanted) && possible(scenario));
    for (number, scenario) in scenarios.enumerate() {
        let logs = logs.join(format!("{:02}", number + 1));
        std::fs::create_dir_all(&logs)?;
        if let Ok(network) = &network {
            network.lose(scenario.lost)?;
        }
        let outcome = run::run(&scenario, number, &server, &program, &logs).await?;
        print!("{}", table::rows(&scenario, &outcome));
        failed += usize::from(!outcome.passed());
    }
    std::fs::copy(server.wire(), logs.join("wire.xml"))?;
    if failed > 0 {
        println!("\n{failed} failed; what Chromium and Prosody wrote: {}", logs.display());
    }
    Ok(failed == 0)
}

/// A new folder for what the programs write, where the build is.
fn logs() -> Result<PathBuf, Failure> {
    let build = std::env::current_exe()?.parent().and_then(Path::parent).map(Path::to_owned);
    let folder = build.ok_or("the program lies nowhere")?.join("browser");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
