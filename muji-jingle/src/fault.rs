//! What a peer did wrong, and our answer to it.

use muji_xep::jingle::{Condition, Content, Reason, ReasonElement};
use muji_xep::rtp::Media;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};

/// A request that cannot be fulfilled. Each has one answer on the wire (XEP-0166 section 10).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// `bad-request`.
    #[error("the peer sent a Jingle element without {0}")]
    Malformed(&'static str),
    /// `unexpected-request`, `out-of-order`.
    #[error("{action} makes no sense while the session is {state}")]
    OutOfOrder {
        /// What it asked for.
        action: String,
        /// The state of the session.
        state: &'static str,
    },
    /// `unexpected-request`, `out-of-order`: a session before the user has taken the call.
    #[error("the peer offered a session that was not asked for")]
    Unexpected,
    /// `item-not-found`, `unknown-session`.
    #[error("no session {sid} with this peer")]
    UnknownSession {
        /// The id it named.
        sid: String,
    },
    /// `conflict`, `tie-break`.
    #[error("both asked for the same at once, and ours wins")]
    TieBreak,
    /// `conflict`: the call was answered or declined on another device.
    #[error("the peer offered a session to another device than the one that took the call")]
    Elsewhere,
    /// `feature-not-implemented`.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// `bad-request`.
    #[error("there is no action {0}")]
    NoAction(String),
    /// `feature-not-implemented`, `unsupported-info`.
    #[error("the session-info {0} is not supported")]
    UnsupportedInfo(String),
    /// `service-unavailable`: the answer that someone offline would give.
    #[error("the peer may not call us")]
    Stranger,
    /// `resource-constraint`.
    #[error("the peer offered more sessions than are held at once")]
    TooMany,
}

impl PeerFault {
    /// The stanza error that answers it.
    #[must_use]
    pub fn answer(&self) -> StanzaError {
        let (kind, condition, jingle) = match self {
            Self::Malformed(_) | Self::NoAction(_) => (ErrorType::Modify, DefinedCondition::BadRequest, None),
            Self::OutOfOrder { .. } | Self::Unexpected => {
                (ErrorType::Wait, DefinedCondition::UnexpectedRequest, Some(Condition::OutOfOrder))
            }
            Self::UnknownSession { .. } => {
                (ErrorType::Cancel, DefinedCondition::ItemNotFound, Some(Condition::UnknownSession))
            }
            Self::TieBreak => (ErrorType::Cancel, DefinedCondition::Conflict, Some(Condition::TieBreak)),
            Self::Elsewhere => (ErrorType::Cancel, DefinedCondition::Conflict, None),
            Self::Unsupported(_) => (ErrorType::Cancel, DefinedCondition::FeatureNotImplemented, None),
            Self::UnsupportedInfo(_) => {
                (ErrorType::Modify, DefinedCondition::FeatureNotImplemented, Some(Condition::UnsupportedInfo))
            }
            Self::Stranger => (ErrorType::Cancel, DefinedCondition::ServiceUnavailable, None),
            Self::TooMany => (ErrorType::Wait, DefinedCondition::ResourceConstraint, None),
        };
        let mut error = StanzaError::new(kind, condition, "en", "");
        error.texts.clear();
        error.other = jingle.map(|condition| condition.write());
        error
    }
}

/// Why an offer or an answer, though well-formed, cannot become a call. It ends the session with a reason. A content is named by its
/// medium, with its name in the session behind it if that is another: `video (1)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// `unsupported-applications`.
    #[error("the peer's {0} has no description that we know")]
    Application(String),
    /// `unsupported-transports`.
    #[error("the peer's {0} has no ICE transport with credentials")]
    Transport(String),
    /// `security-error`. DTLS-SRTP is never given up for less.
    #[error("the peer's {0} has no sha-256 fingerprint; its client must offer DTLS-SRTP")]
    Fingerprint(String),
    /// `security-error`.
    #[error(
        "the fingerprint of the peer's {0} is encrypted for another device, or by a device that is not trusted; call again with plain fingerprints"
    )]
    Encrypted(String),
    /// `security-error`.
    #[error("the fingerprint of the peer's {0} is not tied to one of its devices, which the settings here require")]
    Unbound(String),
    /// `security-error`.
    #[error("the peer's {0} has two fingerprints, or a DTLS role with which no handshake can begin")]
    Handshake(String),
    /// `security-error`.
    #[error("the peer's {0} comes with another certificate than those known of the peer; check who it is")]
    Certificate(String),
    /// `unsupported-transports`.
    #[error("the peer takes {0} outside the bundle to which it was added; its client must answer within it")]
    Unbundled(String),
    /// `failed-application`, which XEP-0167 asks for.
    #[error("the peer and we have no codec in common for {0}; one of the two must add one")]
    Codec(String),
    /// `failed-application`.
    #[error("the session already has the maximum number of contents")]
    TooMany,
    /// `failed-application`.
    #[error("the peer's stanza names none of the contents that it answers")]
    Contents,
}

impl From<&NegotiationError> for ReasonElement {
    fn from(why: &NegotiationError) -> Self {
        let crypto_required = matches!(why, NegotiationError::Fingerprint(_));
        Self { text: Some(why.to_string()), crypto_required, ..why.reason().into() }
    }
}

impl NegotiationError {
    /// True if it says nothing about the other contents of a session, nor about who the peer is.
    pub(crate) fn concerns_one_content(&self) -> bool {
        match self {
            Self::Application(_) | Self::Transport(_) | Self::Unbundled(_) | Self::Codec(_) => true,
            Self::Fingerprint(_)
            | Self::Encrypted(_)
            | Self::Unbound(_)
            | Self::Handshake(_)
            | Self::Certificate(_)
            | Self::TooMany
            | Self::Contents => false,
        }
    }

    /// The reason that the peer gets.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Application(_) => Reason::UnsupportedApplications,
            Self::Transport(_) | Self::Unbundled(_) => Reason::UnsupportedTransports,
            Self::Fingerprint(_)
            | Self::Encrypted(_)
            | Self::Unbound(_)
            | Self::Handshake(_)
            | Self::Certificate(_) => Reason::SecurityError,
            Self::Codec(_) | Self::Contents | Self::TooMany => Reason::FailedApplication,
        }
    }
}

/// A content as a user knows it: its medium, and its name in the session if that says something else. Many clients number their contents.
pub(crate) fn spoken(content: &Content) -> String {
    spoken_as(content.media(), &content.name)
}

/// The same, of a medium that is known otherwise.
pub(crate) fn spoken_as(media: Option<&Media>, name: &str) -> String {
    match media.map(Media::as_str) {
        Some(media) if media != name => format!("{media} ({name})"),
        Some(_) | None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use muji_xep::rtp::Description;

    use super::*;

    #[test]
    fn each_fault_of_a_peer_has_its_sentence_and_its_answer() {
        let word = || "word".to_owned();
        let all = [
            PeerFault::Malformed("a name"),
            PeerFault::OutOfOrder { action: "session-accept".to_owned(), state: "over" },
            PeerFault::Unexpected,
            PeerFault::UnknownSession { sid: "s1".to_owned() },
            PeerFault::TieBreak,
            PeerFault::Elsewhere,
            PeerFault::Unsupported(word()),
            PeerFault::NoAction(word()),
            PeerFault::UnsupportedInfo(word()),
            PeerFault::Stranger,
            PeerFault::TooMany,
        ];
        for fault in all {
            let (sentence, condition) = match &fault {
                PeerFault::Malformed(_) => {
                    ("the peer sent a Jingle element without a name", DefinedCondition::BadRequest)
                }
                PeerFault::OutOfOrder { .. } => {
                    ("session-accept makes no sense while the session is over", DefinedCondition::UnexpectedRequest)
                }
                PeerFault::Unexpected => {
                    ("the peer offered a session that was not asked for", DefinedCondition::UnexpectedRequest)
                }
                PeerFault::UnknownSession { .. } => ("no session s1 with this peer", DefinedCondition::ItemNotFound),
                PeerFault::TieBreak => ("both asked for the same at once, and ours wins", DefinedCondition::Conflict),
                PeerFault::Elsewhere => (
                    "the peer offered a session to another device than the one that took the call",
                    DefinedCondition::Conflict,
                ),
                PeerFault::Unsupported(_) => ("word is not supported", DefinedCondition::FeatureNotImplemented),
                PeerFault::NoAction(_) => ("there is no action word", DefinedCondition::BadRequest),
                PeerFault::UnsupportedInfo(_) => {
                    ("the session-info word is not supported", DefinedCondition::FeatureNotImplemented)
                }
                PeerFault::Stranger => ("the peer may not call us", DefinedCondition::ServiceUnavailable),
                PeerFault::TooMany => {
                    ("the peer offered more sessions than are held at once", DefinedCondition::ResourceConstraint)
                }
            };
            assert_eq!((fault.to_string().as_str(), fault.answer().defined_condition), (sentence, condition));
        }
    }

    #[test]
    fn each_offer_that_is_of_no_use_has_its_sentence_and_its_reason() {
        let video = || "video".to_owned();
        let all = [
            NegotiationError::Application(video()),
            NegotiationError::Transport(video()),
            NegotiationError::Fingerprint(video()),
            NegotiationError::Encrypted(video()),
            NegotiationError::Unbound(video()),
            NegotiationError::Handshake(video()),
            NegotiationError::Certificate(video()),
            NegotiationError::Unbundled(video()),
            NegotiationError::Codec(video()),
            NegotiationError::TooMany,
            NegotiationError::Contents,
        ];
        for why in all {
            let (sentence, reason) = match &why {
                NegotiationError::Application(_) => {
                    ("the peer's video has no description that we know", Reason::UnsupportedApplications)
                }
                NegotiationError::Transport(_) => {
                    ("the peer's video has no ICE transport with credentials", Reason::UnsupportedTransports)
                }
                NegotiationError::Fingerprint(_) => (
                    "the peer's video has no sha-256 fingerprint; its client must offer DTLS-SRTP",
                    Reason::SecurityError,
                ),
                NegotiationError::Encrypted(_) => (
                    "the fingerprint of the peer's video is encrypted for another device, or by a device that is not trusted; \
                     call again with plain fingerprints",
                    Reason::SecurityError,
                ),
                NegotiationError::Unbound(_) => (
                    "the fingerprint of the peer's video is not tied to one of its devices, which the settings here require",
                    Reason::SecurityError,
                ),
                NegotiationError::Handshake(_) => (
                    "the peer's video has two fingerprints, or a DTLS role with which no handshake can begin",
                    Reason::SecurityError,
                ),
                NegotiationError::Certificate(_) => (
                    "the peer's video comes with another certificate than those known of the peer; check who it is",
                    Reason::SecurityError,
                ),
                NegotiationError::Unbundled(_) => (
                    "the peer takes video outside the bundle to which it was added; its client must answer within it",
                    Reason::UnsupportedTransports,
                ),
                NegotiationError::Codec(_) => (
                    "the peer and we have no codec in common for video; one of the two must add one",
                    Reason::FailedApplication,
                ),
                NegotiationError::TooMany => {
                    ("the session already has the maximum number of contents", Reason::FailedApplication)
                }
                NegotiationError::Contents => {
                    ("the peer's stanza names none of the contents that it answers", Reason::FailedApplication)
                }
            };
            assert_eq!((why.to_string().as_str(), why.reason()), (sentence, reason));
            let told = ReasonElement::from(&why);
            assert_eq!((told.text.as_deref(), told.reason), (Some(sentence), why.reason()));
            assert_eq!(told.crypto_required, matches!(why, NegotiationError::Fingerprint(_)), "XEP-0167 section 7.2");
        }
    }

    #[test]
    fn a_content_is_named_by_its_medium_and_by_its_name_where_that_says_something_else() {
        let pictures = Description::new(Media::Video, Vec::new());
        let content = |name: &str| Content { description: Some(pictures.clone()), ..Content::new(name) };
        assert_eq!(["video", "1"].map(|name| spoken(&content(name))), ["video", "video (1)"]);
        assert_eq!(spoken(&Content::new("1")), "1", "nothing tells its medium");
    }
}
