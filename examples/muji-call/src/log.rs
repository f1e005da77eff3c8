//! Logs of the libraries on standard error: -vv from level debug, -vvv from level trace.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// These write what travels word for word, passwords and all, or the passwords of ICE (`is`); `--trace` writes stanzas
/// without them.
const LOGS_PASSWORDS: [&str; 3] = ["tokio_xmpp", "rxml", "is::"];

/// Begins, if there is anything to say.
pub(crate) fn begin(verbose: u8) {
    let level = match verbose {
        0 | 1 => return,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let targets = Targets::new().with_default(level);
    let targets = targets.with_targets(LOGS_PASSWORDS.map(|name| (name, LevelFilter::INFO)));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // What is logged by the older crate `log` comes along. A second call would be ours, and there is none.
    let _begun_before = tracing_subscriber::registry().with(lines).with(targets).try_init().is_err();
}
