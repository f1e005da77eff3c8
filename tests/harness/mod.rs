//! What tests and benchmarks are made of: chance that repeats, something to encode, rooms, a server, people, a world with a clock of its own.

pub mod authority;
pub mod chance;
pub mod content;
pub mod dino;
pub mod impairment;
pub mod instant;
pub mod link;
pub mod net;
pub mod person;
mod process;
pub mod profile;
pub mod proxy;
pub mod puppet;
pub mod real;
pub mod room;
mod scram;
pub mod server;
pub mod service;
pub mod stanza;
pub mod turn;
pub mod world;
