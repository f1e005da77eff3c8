//! `muji-call` and Dino in one call: real Dinos without screens, with a Prosody in a network of their own. `make dino` runs it; it takes root,
//! and what is missing is said.
//!
//! What each says is asserted strictly. Sound is waited for, because Dino's own sometimes begins late.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of the program, which use more of it")]
mod support;

mod bridge;
mod group;
mod person;
mod testbed;
