//! What comes out of a session, and the switches that go into it.

use muji_xep::bridge::BridgeMark;
use muji_xep::dtmf::Digit;
use muji_xep::jingle::{Reason, ReasonElement};
use muji_xep::rtp::Media;
use xmpp_parsers::iq::Iq;

use super::warning::SessionWarning;
use crate::contents::Silence;
use crate::fault::NegotiationError;
use crate::media::{MediaCommand, PathFailure};
#[cfg(doc)]
use crate::timers;

/// What a session puts out, in the order of the wire.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionOutput {
    /// To the peer.
    Send(Box<Iq>),
    /// To the media layer.
    Media(MediaCommand),
    /// To the owner of the session.
    Event(SessionEvent),
}

/// What happened in a session. It is exhaustive, so that the owner of a session does not compile before it handles a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The offer is out.
    Offered,
    /// The peer confirmed the offer and has not answered it for [`timers::UNANSWERED`]. The session goes on waiting.
    Unanswered,
    /// The peer asks its user.
    Ringing,
    /// The peer is a conference, such as a mixer (XEP-0298), and perhaps this bridge. Before [`Self::Accepted`].
    Focus(Option<BridgeMark>),
    /// Both sides agreed; the transports connect.
    Accepted,
    /// Every transport works, for the first time or again.
    Connected,
    /// Nothing comes from the peer for now; it may come again.
    Interrupted,
    /// The first packet of a content was accepted since [`Self::Connected`].
    Flowing {
        /// The content's name in the session.
        content: String,
        /// It comes again after [`Self::Silent`].
        after_silence: bool,
    },
    /// Nothing comes of a content, though the path to the peer works; or something is known now of why. [`Self::Flowing`] follows when
    /// something comes again.
    Silent {
        /// The content's name in the session.
        content: String,
        /// Audio, video or slides.
        media: Media,
        /// Why, if it is known.
        why: Silence,
    },
    /// The peer pressed a key of a telephone.
    Digit(Digit),
    /// The peer stopped sending a content, given by its label and its medium, or all (`None`).
    Muted(Option<(String, Media)>),
    /// The peer sends a content again, or all (`None`).
    Unmuted(Option<(String, Media)>),
    /// The peer does not listen for now.
    Held,
    /// The peer listens again.
    Unheld,
    /// Both sides agreed on another content.
    ContentAdded {
        /// Its name in the session.
        content: String,
        /// Audio, video or slides.
        media: Media,
    },
    /// A content was taken out, and the other side knows.
    ContentRemoved {
        /// Its name in the session.
        content: String,
        /// Who took it out.
        by_us: bool,
    },
    /// Something was left out; the rest works on.
    Warning(SessionWarning),
    /// It is over.
    Ended(End),
}

/// Why a session is over. It is exhaustive, so that what follows from a new reason has to be decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum End {
    /// We ended it.
    #[error("ended by us ({0})")]
    Ours(Reason),
    /// The peer ended it.
    #[error("ended by the peer ({})", .0.text.as_deref().unwrap_or(.0.reason.as_str()))]
    Peer(ReasonElement),
    /// The peer, or a server for it, refused our offer.
    #[error("the offer was refused ({0})")]
    Refused(String),
    /// The last content that both had was taken out.
    #[error("you and the peer have no content in common any more")]
    Unshared,
    /// Both offered at once; the other session lives.
    #[error("another session with this peer takes its place")]
    TieBreak,
    /// The peer does not know the session any more.
    #[error("the peer forgot the session")]
    Forgotten,
    /// The peer did not answer in time.
    #[error("the peer did not {0} in time")]
    Silent(Awaited),
    /// What the peer offered or answered cannot become a call.
    #[error(transparent)]
    NegotiationError(NegotiationError),
    /// The media layer lost it.
    #[error("no media path to the peer: {0}")]
    Path(PathFailure),
    /// The other end showed another certificate than the peer promised.
    #[error("the other end shows another certificate than the peer promised; an attacker may be between you")]
    WrongCertificate,
    /// Our own media layer did not make its ends.
    #[error("the media layer did not get ready in time, which is a fault of this program")]
    LocalMediaTimeout,
}

/// What the peer did not do in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Awaited {
    /// It did not answer a request.
    #[error("answer")]
    Answer,
    /// It confirmed our offer and did not accept it.
    #[error("accept the call")]
    Acceptance,
}

/// Whether something is muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mute {
    /// Not sent.
    On,
    /// Sent again.
    Off,
}

/// Whether we listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Not for now.
    On,
    /// Again.
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::TransportFailure;

    #[test]
    fn each_end_of_a_session_says_whose_doing_it_is() {
        let why = ReasonElement { text: Some("at supper".to_owned()), ..Reason::Busy.into() };
        let all = [
            End::Ours(Reason::Success),
            End::Peer(Reason::Busy.into()),
            End::Peer(why),
            End::Refused("service-unavailable".to_owned()),
            End::Unshared,
            End::TieBreak,
            End::Forgotten,
            End::Silent(Awaited::Answer),
            End::Silent(Awaited::Acceptance),
            End::NegotiationError(NegotiationError::TooMany),
            End::Path(TransportFailure::Closed.into()),
            End::WrongCertificate,
            End::LocalMediaTimeout,
        ];
        for end in all {
            let sentence = match &end {
                End::Ours(_) => "ended by us (success)",
                End::Peer(ReasonElement { text: None, .. }) => "ended by the peer (busy)",
                End::Peer(_) => "ended by the peer (at supper)",
                End::Refused(_) => "the offer was refused (service-unavailable)",
                End::Unshared => "you and the peer have no content in common any more",
                End::TieBreak => "another session with this peer takes its place",
                End::Forgotten => "the peer forgot the session",
                End::Silent(Awaited::Answer) => "the peer did not answer in time",
                End::Silent(Awaited::Acceptance) => "the peer did not accept the call in time",
                End::NegotiationError(_) => "the session already has the maximum number of contents",
                End::Path(_) => {
                    "no media path to the peer: the peer closed the path (DTLS); if nobody hung up, call again"
                }
                End::WrongCertificate => {
                    "the other end shows another certificate than the peer promised; an attacker may be between you"
                }
                End::LocalMediaTimeout => "the media layer did not get ready in time, which is a fault of this program",
            };
            assert_eq!(end.to_string(), sentence);
        }
    }
}
