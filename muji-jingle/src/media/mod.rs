//! What goes down to a media layer and what comes up from it.

mod bridge;
mod command;
mod failure;
mod report;
mod server;
mod transport;

pub use bridge::{Audibility, Prompt};
pub use command::{MediaCommand, OpenContent, Sending};
pub use failure::{CandidateCounts, MediaTrouble, NetworkFailure, PathFailure, TransportFailure};
pub use report::MediaReport;
pub use server::{IceServer, ServerKind, ServerTransport};
pub use transport::{DtlsRole, IceRole, LocalTransport, RemoteTransport};
