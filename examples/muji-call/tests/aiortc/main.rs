//! `muji-call` and aiortc in one call, through Prosody: a WebRTC implementation that shares no code with ours.
//!
//! Sound is measured on both sides by its tone, pictures by their colour.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "shared with the tests of the program, which use more of it")]
mod support;

mod calling;
mod certificates;
mod codecs;
mod room;
mod testbed;
