//! What the tests of Muji for Rust stand on.
//!
//! [`world`] is the simulated world in which calls are tested, with a clock of its own; [`server`] is the XMPP server on loopback that
//! `make demo` uses. Both stand on one [`simulated_server::SimulatedServer`]: an XMPP server with a room service, as values. It is a test instrument: it
//! keeps nothing, trusts everybody it let in and knows no other server.
//!
//! Also here: real servers where they are installed ([`real_server`], [`turn`]), networks of the kernel's ([`network`]), [`muji_call`]
//! processes, a [`dino`] and a [`desktop`] without a screen, a [`plot`] of what was measured, the [`register`] of requirements,
//! [`recognition`] of tones and colours, and [`replay`], which says what requirements a trace breaks.

pub use muji_simulation::{instant_backend, room, seeded_random, simulated_server, stanza};

pub mod allocations;
pub mod authority;
pub mod client_profile;
pub mod desktop;
pub mod dino;
pub mod impairment;
pub mod link;
pub mod muji_call;
pub mod network;
pub mod person;
pub mod plot;
mod process;
pub mod proxy;
pub mod puppet;
pub mod real_server;
pub mod recognition;
pub mod register;
pub mod replay;
pub mod scram;
pub mod server;
pub mod test_content;
pub mod turn;
pub mod world;
