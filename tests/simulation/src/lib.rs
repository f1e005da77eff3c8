//! An XMPP server with a room service, and media that are connected at once: as values, without I/O.
//!
//! What the explorer of event orders stands on; the harness with its simulated world has it too. It does not depend on `muji-media`, so that
//! the explorer is built in seconds when the crates below it change.
#![forbid(unsafe_code)]

use muji_core::config::Config;

pub mod instant_backend;
pub mod room;
pub mod seeded_random;
pub mod simulated_server;
pub mod stanza;

/// The limits of those who call here: the usual ones. They do not ask for servers that are not there, which costs two stanzas for each
/// stream.
#[must_use]
pub fn config() -> Config {
    Config { discover_servers: false, ..Config::default() }
}
