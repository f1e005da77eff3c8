//! Who speaks in what a mixer sends: its contributing sources (CSRC, RFC 3550 section 5.1), and how loud each is (RFC 6465).

use muji_xep::jingle::Senders;
use muji_xep::rtp::HeaderExtension;

/// The header extension that says how loud each of them is.
pub(super) const CSRC_AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:csrc-audio-level";

/// The id under which we offer it with sound; those of video and that of the MID are lower.
const ID: u16 = 4;

/// As many as a packet can name.
pub(crate) const MAX_CONTRIBUTORS: usize = 15;

/// Somebody who is heard in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contributor {
    /// What the mixer calls it.
    pub source: u32,
    /// How many decibels below full scale, from 0, the loudest, to 127, which stands for silence.
    pub level: u8,
}

/// The extension as we offer it with sound.
#[must_use]
pub fn csrc_audio_level() -> HeaderExtension {
    HeaderExtension { id: ID, uri: CSRC_AUDIO_LEVEL.to_owned(), senders: Senders::Both }
}
