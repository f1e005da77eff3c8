//! The simulated world in which calls are tested, and the XMPP server on loopback that `make demo` uses; the program `muji-conformance`
//! judges clients with both.
//!
//! Also here: an authority for test certificates, and real servers ([`harness::real`]) where they are installed.
//!
//! World and server stand on one [`harness::service::Service`]: an XMPP server with a room service, as values. It is a test
//! instrument: it keeps nothing, trusts everybody it let in and knows no other server.
#![forbid(unsafe_code)]

pub mod harness;
pub mod register;
pub mod replay;
pub mod trace;
