//! AV1 of an encoder that is not ours, made fit to be sent: each key frame with its sequence header, and nothing that decoders do without.

use super::obu::{Obu, Sequence, obus};
use crate::codec::video::{SourceFrame, VideoFault};
use crate::video::frame::MAX_PIXELS;

/// The sequence header that came last. Encoders may say it once, when they begin; a peer that joins later needs it again.
#[derive(Debug, Default)]
pub(crate) struct SequenceHeader(Option<(Vec<u8>, Sequence)>);

impl SequenceHeader {
    /// The next frame as it is sent; `None` if it has nothing to show.
    ///
    /// # Errors
    /// If it is no such thing, or of a profile or size that cannot be decoded.
    pub(crate) fn complete(&mut self, frame: &[u8]) -> Result<Option<SourceFrame>, VideoFault> {
        let obus = obus(frame)?;
        if obus.iter().any(|obu| obu.is_reserved()) {
            return Err(VideoFault::Stream("it has units of no kind"));
        }
        let mut is_complete = false;
        for obu in &obus {
            if let Some(sequence) = obu.sequence() {
                self.keep(*obu, sequence?)?;
                is_complete = true;
            }
        }
        let Some(key) = obus.iter().find_map(|obu| obu.key()) else { return Ok(None) };
        let (header, sequence) = match &self.0 {
            Some(known) => known,
            None if key => return Err(VideoFault::Stream("a key frame comes before its sequence header")),
            None => return Ok(None), // A camera that was encoding before it was asked.
        };
        let mut bytes = if key && !is_complete { header.clone() } else { Vec::new() };
        obus.into_iter().filter(|obu| !obu.is_dispensable()).for_each(|obu| obu.append_to(&mut bytes));
        Ok(Some(SourceFrame { bytes, key, size: sequence.sides, other_profile: None }))
    }

    fn keep(&mut self, obu: Obu<'_>, sequence: Sequence) -> Result<(), VideoFault> {
        let [width, height] = sequence.sides;
        if width * height > MAX_PIXELS {
            return Err(VideoFault::Size);
        }
        let mut header = Vec::new();
        obu.append_to(&mut header);
        self.0 = Some((header, sequence));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::av1::is_key;
    use crate::codec::av1::obu::tests::sequence_of;

    const DELIMITER: [u8; 2] = [0x12, 0];
    const KEY: [u8; 4] = [0x32, 2, 0x10, 7];
    const INTER: [u8; 4] = [0x32, 2, 0x30, 7];

    #[test]
    fn a_key_frame_gets_the_sequence_header_that_came_once_and_loses_what_nobody_needs() {
        let (mut stream, header) = (SequenceHeader::default(), sequence_of(0, [160, 96]));
        let mut complete = |units: &[&[u8]]| stream.complete(&units.concat());
        assert_eq!(complete(&[&DELIMITER, &INTER]), Ok(None), "the camera was encoding before");
        assert_eq!(complete(&[&DELIMITER, &header]), Ok(None), "nothing is shown");
        let whole = [&header[..], &KEY].concat();
        for units in [&[&DELIMITER[..], &KEY][..], &[&DELIMITER, &header, &KEY], &[&KEY]] {
            let expected = SourceFrame { bytes: whole.clone(), key: true, size: [160, 96], other_profile: None };
            assert_eq!(complete(units), Ok(Some(expected)), "{units:02x?}");
        }
        assert!(is_key(&whole));
        let behind = complete(&[&DELIMITER, &INTER]).unwrap().expect("it is shown");
        assert_eq!((behind.bytes, behind.key), (INTER.to_vec(), false));
        let other = sequence_of(0, [320, 180]);
        assert_eq!(complete(&[&other, &KEY]).unwrap().expect("it is shown").size, [320, 180]);
        assert_eq!(complete(&[&KEY]).unwrap().expect("it is shown").bytes, [&other[..], &KEY].concat());
    }

    #[test]
    fn what_is_no_av1_is_refused_in_words() {
        let why = |frame: &[u8]| SequenceHeader::default().complete(frame).unwrap_err().to_string();
        assert_eq!(why(b"I am a teapot, and no camera."), "the stream makes no sense: it has units of no kind");
        assert_eq!(why(&KEY[..3]), "the stream makes no sense: a unit is longer than its frame");
        assert_eq!(why(&KEY), "the stream makes no sense: a key frame comes before its sequence header");
        assert_eq!(why(&sequence_of(2, [160, 96])), "profile 2 is not supported");
        assert_eq!(why(&sequence_of(0, [8_192, 4_320])), "the size of the frame is not supported");
    }
}
