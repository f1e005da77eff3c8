//! Which encodings of audio there are, and how packets name them.

use muji_xep::rtp::PayloadType;

use super::g711::{self, Law};
use super::opus;
use crate::audio::frame::SAMPLE_RATE;

/// An encoding of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AudioEncoding {
    /// Opus (RFC 7587).
    Opus,
    /// G.711 with µ-law (RFC 3551).
    Pcmu,
    /// G.711 with A-law (RFC 3551).
    Pcma,
}

impl AudioEncoding {
    /// All of them, best first.
    pub(crate) const ALL: [Self; 3] = [Self::Opus, Self::Pcmu, Self::Pcma];

    /// That of a payload type.
    #[must_use]
    pub fn of(payload: &PayloadType) -> Option<Self> {
        let name = payload.name.as_deref()?;
        Self::ALL.into_iter().find(|encoding| name.eq_ignore_ascii_case(encoding.name()))
    }

    /// How it is announced.
    pub(crate) fn payload_type(self) -> PayloadType {
        match self {
            Self::Opus => opus::payload_type(),
            Self::Pcmu => Law::Mu.payload_type(),
            Self::Pcma => Law::A.payload_type(),
        }
    }

    /// Ticks of its timestamps a second.
    pub(crate) fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => SAMPLE_RATE,
            Self::Pcmu | Self::Pcma => g711::CLOCK_RATE,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }
}
