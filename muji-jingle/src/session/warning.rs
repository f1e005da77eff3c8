//! What a session leaves out while the rest of it works on: each sentence says whose fault it is.

use muji_xep::jingle::ReasonElement;
use muji_xep::rtp::Media;

use crate::fault::{NegotiationError, spoken_as};
use crate::media::{MediaTrouble, PathFailure};

/// Something was left out; the rest of the session works on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionWarning {
    /// A content that the peer offered is not taken. The peer is told why.
    #[error(transparent)]
    ContentRejected(NegotiationError),
    /// A content did not get into the running session, or was lost before it did.
    #[error("{} is not added: {why}", spoken_as(Some(media), content))]
    NotAdded {
        /// Its name in the session.
        content: String,
        /// Its medium.
        media: Media,
        /// Why.
        why: ContentFailure,
    },
    /// The media layer has lost something else than a path.
    #[error(transparent)]
    Media(MediaTrouble),
}

/// Why a content did not get into a running session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContentFailure {
    /// It cannot become part of the session as we or the peer describe it.
    #[error(transparent)]
    NegotiationError(NegotiationError),
    /// The peer answered with a content-reject.
    #[error("the peer does not take it ({})", .0.text.as_deref().unwrap_or(.0.reason.as_str()))]
    Rejected(ReasonElement),
    /// The peer, or a server for it, answered with an error, which says this.
    #[error("the peer refused it ({0})")]
    Refused(String),
    /// The peer did not answer our content-add.
    #[error("the peer did not answer in time")]
    Silent,
    /// Our own media layer did not make its end.
    #[error("the media layer did not get ready in time, which is a fault of this program")]
    Unready,
    /// Its transport did not connect, or was lost.
    #[error("no media path to the peer: {0}")]
    Path(PathFailure),
}

#[cfg(test)]
mod tests {
    use muji_xep::jingle::Reason;

    use super::*;
    use crate::media::TransportFailure;

    #[test]
    fn each_reason_why_a_content_is_not_added_says_whose_fault_it_is() {
        let all = [
            ContentFailure::NegotiationError(NegotiationError::TooMany),
            ContentFailure::Rejected(Reason::Decline.into()),
            ContentFailure::Rejected(ReasonElement {
                text: Some("no camera here".to_owned()),
                ..Reason::Decline.into()
            }),
            ContentFailure::Refused("service-unavailable".to_owned()),
            ContentFailure::Silent,
            ContentFailure::Unready,
            ContentFailure::Path(TransportFailure::Closed.into()),
        ];
        for failure in all {
            let sentence = match &failure {
                ContentFailure::NegotiationError(_) => "the session already has the maximum number of contents",
                ContentFailure::Rejected(ReasonElement { text: None, .. }) => "the peer does not take it (decline)",
                ContentFailure::Rejected(_) => "the peer does not take it (no camera here)",
                ContentFailure::Refused(_) => "the peer refused it (service-unavailable)",
                ContentFailure::Silent => "the peer did not answer in time",
                ContentFailure::Unready => {
                    "the media layer did not get ready in time, which is a fault of this program"
                }
                ContentFailure::Path(_) => {
                    "no media path to the peer: the peer closed the path (DTLS); if nobody hung up, call again"
                }
            };
            assert_eq!(failure.to_string(), sentence);
        }
    }

    #[test]
    fn each_warning_of_a_session_names_what_is_left_out() {
        let video = || "video".to_owned();
        let all = [
            SessionWarning::ContentRejected(NegotiationError::Codec(video())),
            SessionWarning::NotAdded { content: "1".to_owned(), media: Media::Video, why: ContentFailure::Silent },
            SessionWarning::Media(MediaTrouble::Device("the camera is gone".to_owned())),
        ];
        for warning in all {
            let sentence = match &warning {
                SessionWarning::ContentRejected(_) => {
                    "the peer and we have no codec in common for video; one of the two must add one"
                }
                SessionWarning::NotAdded { .. } => "video (1) is not added: the peer did not answer in time",
                SessionWarning::Media(_) => "the camera is gone",
            };
            assert_eq!(warning.to_string(), sentence);
        }
    }
}
