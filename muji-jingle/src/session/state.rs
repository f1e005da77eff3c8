//! The state of a session, and its requests that wait for results.

use std::time::Instant;

use muji_xep::jingle::Content;

use crate::ids::TransportId;

/// The state of a session. The module `muji_jingle` draws it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The media layer makes our ends; once it has, and we are `offer_permitted`, the offer goes out.
    Opening { offer_permitted: bool, until: Instant },
    /// Our offer is out. `rings`: the peer says that it asks its user.
    Offered { until: Instant, rings: bool },
    /// The peer's offer waits for us.
    Incoming,
    /// We accept as soon as our ends are made.
    Answering { until: Instant },
    /// Both sides agreed; transports connect.
    Connecting { until: Instant },
    /// Every transport works.
    Up,
    /// Over; nothing is sent any more.
    Ended,
}

impl State {
    /// As an error sentence says it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Opening { .. } => "not offered yet",
            Self::Offered { .. } => "offered",
            Self::Incoming | Self::Answering { .. } => "not accepted yet",
            Self::Connecting { .. } | Self::Up => "active",
            Self::Ended => "over",
        }
    }

    /// True from the acceptance to the end.
    pub(super) fn is_active(&self) -> bool {
        matches!(self, Self::Connecting { .. } | Self::Up)
    }

    /// True once we have accepted, or the peer has: before that nothing flows, whatever the peer says.
    pub(super) fn may_flow(&self) -> bool {
        matches!(self, Self::Answering { .. } | Self::Connecting { .. } | Self::Up)
    }

    /// True while the peer knows the session and our ends: they can be told more.
    pub(super) fn is_known_to_peer(&self) -> bool {
        !matches!(self, Self::Opening { .. } | Self::Answering { .. } | Self::Ended)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Opening { until, .. }
            | Self::Answering { until }
            | Self::Offered { until, .. }
            | Self::Connecting { until } => Some(*until),
            Self::Incoming | Self::Up | Self::Ended => None,
        }
    }
}

/// A request to the peer that waits for its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    Initiate,
    Accept,
    /// To add a content.
    Add(Content),
    /// To take our answer to a content of its own.
    AcceptContent(Content),
    /// To change who sends a content.
    Modify(Content),
    /// To take a content out.
    Remove(Content),
    /// To use other credentials.
    Restart(TransportId),
    Other,
}
