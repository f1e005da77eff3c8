//! The decoder of one audio stream, whose encoding may change.

use super::encoding::AudioEncoding;
use super::g711::{self, Law};
use super::opus::{self, OpusFault};
use crate::audio::frame::FRAME;

/// The decoder of one stream.
pub(crate) struct AudioDecoder {
    /// Made when it is needed: it loads neural networks, for which neither a handshake should wait nor a peer that sends no sound.
    opus: Option<opus::Decoder>,
    /// Why it could not be made the first time, until that is told.
    trouble: Option<OpusFault>,
    failed: bool,
    /// The machine is too slow for more than what has to be computed.
    thrifty: bool,
    g711: g711::Decoder,
    /// How the last packet was encoded: a gap is filled by the same decoder.
    last: AudioEncoding,
}

impl AudioDecoder {
    /// A decoder that knows nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            opus: None,
            trouble: None,
            failed: false,
            thrifty: false,
            g711: g711::Decoder::default(),
            last: AudioEncoding::Opus,
        }
    }

    /// One whose Opus is decoded by this decoder.
    #[cfg(test)]
    pub(crate) fn with(opus: opus::Decoder) -> Self {
        Self { opus: Some(opus), ..Self::new() }
    }

    /// From now on no more is computed than has to be, or all that helps.
    pub(crate) fn set_thrifty(&mut self, thrifty: bool) {
        self.thrifty = thrifty;
        self.opus.iter_mut().for_each(|opus| opus.set_thrifty(thrifty));
    }

    /// Another stream begins.
    pub(crate) fn forget(&mut self) {
        self.opus.iter_mut().for_each(opus::Decoder::forget);
        self.g711 = g711::Decoder::default();
    }

    /// Why there is no decoder, once.
    pub(crate) fn poll_trouble(&mut self) -> Option<OpusFault> {
        self.trouble.take()
    }

    fn opus(&mut self) -> Result<&mut opus::Decoder, OpusFault> {
        match &mut self.opus {
            Some(opus) => Ok(opus),
            missing => match opus::Decoder::new() {
                Ok(mut opus) => {
                    opus.set_thrifty(self.thrifty);
                    Ok(missing.insert(opus))
                }
                Err(why) => {
                    if !std::mem::replace(&mut self.failed, true) {
                        self.trouble = Some(why.clone());
                    }
                    Err(why)
                }
            },
        }
    }

    /// The audio of a packet.
    ///
    /// # Errors
    /// If it is not in this encoding.
    pub(crate) fn decode(&mut self, encoding: AudioEncoding, payload: &[u8]) -> Result<Vec<i16>, OpusFault> {
        self.last = encoding;
        match encoding {
            AudioEncoding::Opus => self.opus()?.decode(payload),
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
            AudioEncoding::Opus => self.opus()?.recover(following),
            AudioEncoding::Pcmu | AudioEncoding::Pcma => Ok(self.g711.conceal(FRAME)),
        }
    }

    /// So many samples for a gap, made up from what came before.
    ///
    /// # Errors
    /// If the library fails.
    pub(crate) fn conceal(&mut self, samples: usize) -> Result<Vec<i16>, OpusFault> {
        match self.last {
            AudioEncoding::Opus => self.opus()?.conceal(samples),
            AudioEncoding::Pcmu | AudioEncoding::Pcma => Ok(self.g711.conceal(samples)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::opus::Encoder;

    /// What is made up behind two frames of a tone, before which and between which the decoder was told this.
    fn made_up(told: [bool; 2]) -> Vec<i16> {
        let (mut encoder, mut decoder) = (Encoder::new().unwrap(), AudioDecoder::new());
        for (number, thrifty) in told.into_iter().enumerate() {
            decoder.set_thrifty(thrifty);
            let sample = |index: usize| ((number * FRAME + index) as f32 * 0.06).sin() * 8_000.0;
            let payload = encoder.encode(&std::array::from_fn(|index| sample(index) as i16)).unwrap();
            decoder.decode(AudioEncoding::Opus, &payload).unwrap();
        }
        decoder.conceal(FRAME).unwrap()
    }

    #[test]
    fn a_machine_that_is_too_slow_makes_up_what_is_lost_without_a_network_whenever_the_decoder_is_made() {
        let [with, without] = [[false; 2], [true; 2]].map(made_up);
        assert!(with != without, "it is another sound");
        assert!(made_up([false, true]) == without, "it is so from the next frame on");
        assert!(made_up([true, false]) != without, "and no longer when it is quick again");
        assert!(without.iter().any(|sample| sample.unsigned_abs() > 1_000), "it is sound");
    }
}
