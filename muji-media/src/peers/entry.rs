//! A transport, and its traffic.

use std::net::SocketAddr;

use crate::stats::Traffic;
use crate::transport::Transport;

/// A transport, and its traffic.
pub(super) struct TransportEntry {
    pub(super) transport: Box<dyn Transport>,
    /// By which addresses something else than checks was sent last.
    pub(super) between: Option<[SocketAddr; 2]>,
    pub(super) sent: Traffic,
    pub(super) received: Traffic,
}
