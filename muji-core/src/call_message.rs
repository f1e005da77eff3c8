//! What somebody said about a call with one person (XEP-0353), whichever way it came.

use std::time::Instant;

use jid::FullJid;
use muji_xep::jmi::JingleMessage;

/// Who said something about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sender {
    Peer(FullJid),
    /// Another of our devices, to a peer or to all our devices.
    Device(FullJid),
}

impl Sender {
    pub(crate) fn jid(&self) -> &FullJid {
        match self {
            Self::Peer(jid) | Self::Device(jid) => jid,
        }
    }
}

/// Something said about a call, directly or in a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) sender: Sender,
    pub(crate) message: JingleMessage,
    /// When a proposal was made; `None` if it is over by its age, or that is not known.
    pub(crate) since: Option<Instant>,
}
