//! What comes up from a media layer.

use muji_xep::dtmf::Digit;
use muji_xep::ice::Candidate;

use super::failure::{MediaTrouble, PathFailure};
use super::transport::LocalTransport;
use crate::ids::{SessionId, TransportId};

/// What the media layer reports.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaReport {
    /// A transport exists, or has other credentials after `Restart`: our end may be sent to the peer.
    Described {
        /// The transport.
        transport: TransportId,
        /// Its end.
        local: LocalTransport,
    },
    /// One more local address.
    Candidate {
        /// The transport.
        transport: TransportId,
        /// The address.
        candidate: Candidate,
    },
    /// ICE and DTLS are done and the fingerprint is the promised one; or, after `Interrupted`, it works again.
    Connected {
        /// The transport.
        transport: TransportId,
    },
    /// Nothing comes from the other end for now.
    Interrupted {
        /// The transport.
        transport: TransportId,
    },
    /// The local address that a transport used is gone; others are reported as candidates.
    Moved {
        /// The transport.
        transport: TransportId,
    },
    /// A transport is lost for good.
    Failed {
        /// The transport.
        transport: TransportId,
        /// Why.
        failure: PathFailure,
    },
    /// The other end of a transport shows another certificate than the promised one: nothing flows by it.
    WrongCertificate {
        /// The transport.
        transport: TransportId,
    },
    /// The first packet of a content was accepted.
    Flowing {
        /// The session.
        session: SessionId,
        /// The content's name in the session.
        content: String,
    },
    /// Nothing has come of a content for five seconds, though its transport works and the peer may send. `Flowing` follows when
    /// something comes again.
    Silent {
        /// The session.
        session: SessionId,
        /// The content's name in the session.
        content: String,
    },
    /// The peer pressed a key of a telephone.
    Digit {
        /// The session.
        session: SessionId,
        /// Which key.
        digit: Digit,
    },
    /// A source, a device, a file, or the level of H.264 that a peer names, is not what it should be; the call goes on.
    Trouble(MediaTrouble),
}

impl MediaReport {
    /// The transport that it is about.
    #[must_use]
    pub fn transport(&self) -> Option<TransportId> {
        match self {
            Self::Described { transport, .. }
            | Self::Candidate { transport, .. }
            | Self::Connected { transport }
            | Self::Interrupted { transport }
            | Self::Moved { transport }
            | Self::WrongCertificate { transport }
            | Self::Failed { transport, .. } => Some(*transport),
            Self::Flowing { .. } | Self::Silent { .. } | Self::Digit { .. } | Self::Trouble(_) => None,
        }
    }

    /// The session that it is about.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Flowing { session, .. }
            | Self::Silent { session, .. }
            | Self::Digit { session, .. }
            | Self::Trouble(MediaTrouble::UnknownLevel { session, .. }) => Some(*session),
            Self::Described { .. }
            | Self::Candidate { .. }
            | Self::Connected { .. }
            | Self::Interrupted { .. }
            | Self::Moved { .. }
            | Self::WrongCertificate { .. }
            | Self::Failed { .. }
            | Self::Trouble(_) => self.transport().map(|transport| transport.session),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_whose_it_is_by_its_transport_or_else_by_its_session() {
        let session = SessionId(7);
        let transport = TransportId { session, index: 1 };
        let connected = MediaReport::Connected { transport };
        assert_eq!((connected.transport(), connected.session()), (Some(transport), Some(session)));
        let flowing = MediaReport::Flowing { session, content: "audio".to_owned() };
        assert_eq!((flowing.transport(), flowing.session()), (None, Some(session)));
    }
}
