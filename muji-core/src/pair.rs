//! Who hears whom: how we stand with each participant, since when, and what is being done about it.

use std::time::Instant;

use muji_jingle::{End, Silence};
use muji_xep::rtp::Media;

use crate::guest::ShownGuests;
use crate::peer::Peer;
use crate::trust::{CertificateHash, Verification};

/// How we stand with another participant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairState {
    /// It chooses what it will send.
    Preparing,
    /// It said what it sends; there is no session yet.
    Announced,
    /// Our offer waits for its answer.
    Offered,
    /// Both sides agreed; the transports connect.
    Connecting,
    /// The transports work, and nothing comes: not yet, or of no content any more, see [`Pair::silent`].
    Connected,
    /// Its sound or picture arrives; contents of which nothing comes are in [`Pair::silent`].
    Flowing,
    /// Nothing arrives for now.
    Interrupted,
    /// There is no session.
    Failed(End),
}

impl PairState {
    /// True once its transports work, whatever comes by them just now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected | Self::Flowing | Self::Interrupted)
    }
}

/// What is done about a pair that is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing needs to be done, or nothing more can be.
    Nothing,
    /// It is the other's turn to call; if it does not, we do.
    TheirTurn {
        /// When we do.
        until: Instant,
    },
    /// We call again.
    CallAgain {
        /// When.
        at: Instant,
        /// The first, second or third time.
        attempt: usize,
    },
    /// Its client takes no second call: one of the two must leave the call and join again.
    NeedsRejoin,
}

/// Another participant as we see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Who.
    pub peer: Peer,
    /// What it sends, by the names that the room knows.
    pub contents: Vec<(String, Media)>,
    /// Who takes part through it, if it is a bridge.
    pub guests: ShownGuests,
    /// How we stand with it.
    pub state: PairState,
    /// The contents of its session of which nothing comes though the path works: their names there, and why.
    pub silent: Vec<(String, Media, Silence)>,
    /// Since when.
    pub since: Instant,
    /// What is done about it.
    pub recovery: Recovery,
    /// Whose certificate it shows.
    pub verification: Verification,
    /// The certificate, as SHA-256, once it is known; see [`crate::Engine::pin`].
    pub certificate: Option<CertificateHash>,
}
