//! The simulated world in which calls are tested, and the XMPP server on loopback that `make demo` uses.
//!
//! Both stand on one [`harness::service::Service`]: an XMPP server with a room service, as values. It is a test
//! instrument: it keeps nothing, trusts everybody it let in and knows no other server.
#![forbid(unsafe_code)]

pub mod harness;
