//! `muji-call` over real networks: namespaces of the kernel's with NATs between them, real XMPP and TURN servers. `make lab` runs it; it
//! takes root, and what is missing is said.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of the program, which use more of it")]
mod support;

mod bridge;
mod federation;
mod killing;
mod losses;
mod nats;
mod outages;
mod place;
