//! AV1 by libaom, and how it travels in packets: profile 0, eight bits a sample, sent in one layer.

#[cfg(feature = "av1")]
mod libaom;
mod obu;
mod payload;

use muji_xep::rtp::PayloadType;

#[cfg(feature = "av1")]
pub use libaom::{Decoder, Encoder};
pub(crate) use obu::{configuration, is_key, size};
pub(crate) use payload::{Av1Payloader, join, read};

use super::offer;

/// AV1 as we offer it, up to 1920 x 1080 at 30 a second (level 4.0).
pub(crate) fn payload_type() -> PayloadType {
    let payload_type = offer::payload_type(100, "AV1").with_parameter("level-idx", "8");
    payload_type.with_parameter("profile", "0").with_parameter("tier", "0")
}

#[cfg(all(test, feature = "av1"))]
mod tests {
    use super::*;
    use crate::codec::video::{VideoDecoder as _, VideoEncoder as _, VideoFault};
    use crate::video::frame::VideoFrame;

    fn encoder(size: [usize; 2]) -> Encoder {
        Encoder::new(size, 200_000).expect("libaom works")
    }

    fn key_frame(size: [usize; 2]) -> Vec<u8> {
        let frame = VideoFrame::filled(size[0], size[1], [200, 60, 40]);
        encoder(size).encode(&frame, 0, true).unwrap().expect("key frames are not left out").bytes
    }

    #[test]
    fn what_is_encoded_is_decoded_to_nearly_the_same_and_a_key_frame_comes_when_it_is_asked_for() {
        let (mut encoder, mut decoder) = (encoder([160, 96]), Decoder::new().expect("libaom works"));
        let frame = VideoFrame::filled(160, 96, [200, 60, 40]);
        for number in 0..10 {
            let encoded = encoder.encode(&frame, number * 3_000, number == 5).unwrap().expect("it is small");
            let key = number % 5 == 0;
            assert_eq!((encoded.key, is_key(&encoded.bytes)), (key, key));
            assert_eq!(size(&encoded.bytes), key.then_some([160, 96]));
            let decoded = decoder.decode(&encoded.bytes).unwrap().expect("it is shown");
            assert_eq!((decoded.width(), decoded.height()), (160, 96));
            let near = decoded.mean().iter().zip(frame.mean()).all(|(seen, put)| seen.abs_diff(put) <= 10);
            assert!(near, "{:?} became {:?}", frame.mean(), decoded.mean());
        }
    }

    #[test]
    fn frames_change_their_size_in_the_middle_of_a_stream() {
        let mut decoder = Decoder::new().unwrap();
        for sides in [[160, 96], [320, 192], [66, 50], [1_920, 1_080], [160, 96]] {
            let decoded = decoder.decode(&key_frame(sides)).unwrap().expect("it is shown");
            assert_eq!([decoded.width(), decoded.height()], sides);
        }
    }

    #[test]
    fn nonsense_other_profiles_and_frames_beyond_the_bound_are_faults_and_the_stream_goes_on() {
        let mut decoder = Decoder::new().unwrap();
        let frame = VideoFrame::filled(160, 96, [9, 99, 199]);
        assert!(encoder([320, 96]).encode(&frame, 0, false).is_err());
        let key = key_frame([160, 96]);
        for (sequence, why) in [
            (obu::tests::sequence_of(0, [65_536, 65_536]), VideoFault::Size),
            (obu::tests::sequence_of(0, [8_192, 4_320]), VideoFault::Size),
            (obu::tests::sequence_of(2, [160, 96]), VideoFault::Profile(2)),
            (vec![0x0A, 1, 0], VideoFault::Stream("a sequence header cannot be read")),
            (vec![0x0A, 200, 0], VideoFault::Stream("a unit is longer than its frame")),
        ] {
            assert_eq!(decoder.decode(&[&sequence, &key[..]].concat()), Err(why), "{sequence:02x?}");
        }
        for bytes in [&[][..], &key[..4], &[0xFF; 40], &[1]] {
            assert!(!matches!(decoder.decode(bytes), Ok(Some(_))), "{bytes:02x?}");
        }
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
        for length in 0..key.len() {
            let _any_result = decoder.decode(&key[..length]);
        }
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
    }

    #[test]
    fn a_damaged_frame_never_panics_and_the_stream_goes_on_with_a_key_frame() {
        let (mut encoder, mut decoder) = (encoder([160, 96]), Decoder::new().unwrap());
        let frames: Vec<Vec<u8>> = (0..4u8)
            .map(|number| {
                let frame = VideoFrame::filled(160, 96, [60 * number, 60, 40]);
                encoder.encode(&frame, u64::from(number) * 3_000, false).unwrap().expect("it is small").bytes
            })
            .collect();
        for (number, frame) in frames.iter().enumerate() {
            for (at, with) in (0..frame.len()).flat_map(|at| [0x01, 0x55, 0x80, 0xFF].map(|with| (at, with))) {
                let mut damaged = frame.clone();
                damaged[at] ^= with;
                drop(decoder.decode(&frames[0]));
                let _any_result = decoder.decode(&damaged);
            }
            assert!(matches!(decoder.decode(&frames[0]), Ok(Some(_))), "behind frame {number}");
        }
    }
}
