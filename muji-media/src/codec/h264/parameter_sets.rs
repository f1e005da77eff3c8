//! H.264 of an encoder that is not ours, made fit to be sent: each key frame with its parameters, and nothing that decoders do without.

use super::nal::{NalKind, append, units};
use super::parameters::{self, Sequence};
use crate::codec::video::{SourceFrame, VideoFault};

/// Parameter sets that are kept. Encoders have two; with more this is no camera.
const MAX_SETS: usize = 16;

/// What came so far. Cameras say their parameters once, when they begin; a peer that joins later needs them again.
#[derive(Debug, Default)]
pub(crate) struct ParameterSets {
    sets: Vec<Vec<u8>>,
    sequence: Option<Sequence>,
}

impl ParameterSets {
    /// The next frame (annex B) as it is sent; `None` if it has nothing to show.
    ///
    /// # Errors
    /// If it is no such thing, or of a profile or size that cannot be decoded.
    pub(crate) fn complete(&mut self, frame: &[u8]) -> Result<Option<SourceFrame>, VideoFault> {
        let (mut slices, mut key, mut shows, mut begins, mut any) = (Vec::new(), false, false, true, false);
        for unit in units(frame) {
            any = true;
            match NalKind::of(unit[0]).ok_or(VideoFault::Stream("it has units of no kind"))? {
                NalKind::SequenceParameters => {
                    self.sequence = Some(parameters::read(unit)?);
                    // Repeated alone it belongs to the picture sets that are there.
                    if std::mem::take(&mut begins) && self.sets.iter().all(|kept| kept != unit) {
                        self.sets.clear();
                    }
                    self.keep(unit)?;
                }
                NalKind::PictureParameters => self.keep(unit)?,
                NalKind::KeySlice => {
                    (key, shows) = (true, true);
                    append(&mut slices, unit);
                }
                NalKind::Slice => {
                    shows = true;
                    append(&mut slices, unit);
                }
                NalKind::Information => append(&mut slices, unit),
                NalKind::Other => {}
            }
        }
        if !any {
            return Err(VideoFault::Stream("it has no units behind start codes"));
        }
        if !shows {
            return Ok(None);
        }
        let sequence = match self.sequence {
            Some(sequence) => sequence,
            None if key => return Err(VideoFault::Stream("a key frame comes before its parameters")),
            None => return Ok(None), // A camera that was encoding before it was asked.
        };
        let mut bytes = Vec::new();
        if key {
            self.sets.iter().for_each(|set| append(&mut bytes, set));
        }
        bytes.append(&mut slices);
        let other_profile = (!sequence.is_baseline).then_some(sequence.profile);
        Ok(Some(SourceFrame { bytes, key, size: sequence.shown, other_profile }))
    }

    fn keep(&mut self, set: &[u8]) -> Result<(), VideoFault> {
        // Of several with one id the last counts.
        self.sets.retain(|kept| kept != set);
        if self.sets.len() == MAX_SETS {
            return Err(VideoFault::Stream("it has too many parameter sets"));
        }
        self.sets.push(set.to_vec());
        Ok(())
    }
}

#[cfg(all(test, feature = "h264"))]
mod tests {
    use super::*;
    use crate::codec::h264::{Encoder, Packetization, is_key};
    use crate::codec::video::VideoEncoder as _;
    use crate::video::frame::VideoFrame;

    fn frame(units: &[&[u8]]) -> Vec<u8> {
        let mut frame = Vec::new();
        units.iter().for_each(|unit| append(&mut frame, unit));
        frame
    }

    /// A key frame and the one behind it, each as its units.
    fn encoded() -> [Vec<Vec<u8>>; 2] {
        let mut encoder = Encoder::new([160, 90], 200_000, Packetization::NonInterleaved).expect("there is memory");
        [0, 3_000].map(|at| {
            let encoded = encoder.encode(&VideoFrame::filled(160, 90, [200, 60, 40]), at, false).unwrap();
            units(&encoded.expect("it is small").bytes).map(<[u8]>::to_vec).collect()
        })
    }

    #[test]
    fn a_key_frame_gets_the_parameters_that_came_once_and_loses_what_nobody_needs() {
        let ([key, other], mut sets) = (encoded(), ParameterSets::default());
        let [sequence, picture, slice] = [&key[0], &key[1], &key[2]];
        let delimiter = &[9, 0xF0][..];
        assert_eq!(sets.complete(&frame(&[&other[0]])), Ok(None), "the camera was encoding before");
        assert_eq!(sets.complete(&frame(&[sequence, picture])), Ok(None), "nothing is shown");
        let whole = frame(&[sequence, picture, slice]);
        for units in [&[delimiter, slice][..], &[sequence, picture, slice], &[delimiter, picture, slice, &[12, 0xFF]]] {
            let complete = sets.complete(&frame(units)).unwrap().expect("it is shown");
            let expected = SourceFrame { bytes: whole.clone(), key: true, size: [160, 90], other_profile: None };
            assert_eq!(complete, expected);
            assert!(is_key(&complete.bytes));
        }
        let behind = sets.complete(&frame(&[delimiter, &other[0]])).unwrap().expect("it is shown");
        assert_eq!((behind.bytes, behind.key), (frame(&[&other[0]]), false));
    }

    #[test]
    fn what_is_no_h264_is_refused_in_words() {
        let ([key, _], why) =
            (encoded(), |frame: &[u8]| ParameterSets::default().complete(frame).unwrap_err().to_string());
        let vp8 = [0x10, 2, 0, 0x9D, 1, 0x2A, 160, 0, 90, 0];
        assert_eq!(why(&vp8), "the stream makes no sense: it has no units behind start codes");
        assert_eq!(why(&frame(&[&[0x1F, 1]])), "the stream makes no sense: it has units of no kind");
        assert_eq!(why(&frame(&[&key[2]])), "the stream makes no sense: a key frame comes before its parameters");
        assert_eq!(why(&frame(&[&[0x67, 244, 0, 31, 0xFF, 0x80]])), "profile 244 is not supported");
        let sets: Vec<Vec<u8>> = (0..=MAX_SETS as u8).map(|number| vec![0x68, number, 1]).collect();
        let sets: Vec<&[u8]> = sets.iter().map(Vec::as_slice).collect();
        assert_eq!(why(&frame(&sets)), "the stream makes no sense: it has too many parameter sets");
    }
}
