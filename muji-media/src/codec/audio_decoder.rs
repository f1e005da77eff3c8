//! The decoder of one audio stream, whose encoding may change.

use super::encoding::AudioEncoding;
use super::g711::{self, Law};
use super::opus::{self, OpusFault};
use crate::audio::frame::FRAME;

/// The decoder of one stream.
pub(crate) struct AudioDecoder {
    opus: opus::Decoder,
    g711: g711::Decoder,
    /// How the last packet was encoded: a gap is filled by the same decoder.
    last: AudioEncoding,
}

impl AudioDecoder {
    /// A decoder that knows nothing yet.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(crate) fn new() -> Result<Self, OpusFault> {
        Ok(Self::with(opus::Decoder::new()?))
    }

    /// One whose Opus is decoded by this decoder.
    pub(crate) fn with(opus: opus::Decoder) -> Self {
        Self { opus, g711: g711::Decoder::default(), last: AudioEncoding::Opus }
    }

    /// Another stream begins.
    pub(crate) fn forget(&mut self) {
        self.opus.forget();
        self.g711 = g711::Decoder::default();
    }

    /// The audio of a packet.
    ///
    /// # Errors
    /// If it is not in this encoding.
    pub(crate) fn decode(&mut self, encoding: AudioEncoding, payload: &[u8]) -> Result<Vec<i16>, OpusFault> {
        self.last = encoding;
        match encoding {
            AudioEncoding::Opus => self.opus.decode(payload),
            AudioEncoding::Pcmu => Ok(self.g711.decode(Law::Mu, payload)),
            AudioEncoding::Pcma => Ok(self.g711.decode(Law::A, payload)),
        }
    }

    /// The audio of a lost packet: Opus may know it from the packet behind it.
    ///
    /// # Errors
    /// If that is not in this encoding.
    pub(crate) fn recover(&mut self, encoding: AudioEncoding, following: &[u8]) -> Result<Vec<i16>, OpusFault> {
        match encoding {
            AudioEncoding::Opus => self.opus.recover(following),
            AudioEncoding::Pcmu | AudioEncoding::Pcma => Ok(self.g711.conceal(FRAME)),
        }
    }

    /// So many samples for a gap, made up from what came before.
    ///
    /// # Errors
    /// If the library fails.
    pub(crate) fn conceal(&mut self, samples: usize) -> Result<Vec<i16>, OpusFault> {
        match self.last {
            AudioEncoding::Opus => self.opus.conceal(samples),
            AudioEncoding::Pcmu | AudioEncoding::Pcma => Ok(self.g711.conceal(samples)),
        }
    }
}
