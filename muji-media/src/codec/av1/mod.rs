//! AV1 by libaom, and how it travels in packets: profile 0, eight bits a sample, sent in one layer.

#[cfg(feature = "av1")]
mod libaom;
mod obu;
mod payload;
mod sequence_header;

use muji_xep::rtp::PayloadType;

#[cfg(feature = "av1")]
pub use libaom::{Decoder, Encoder};
pub(crate) use obu::{configuration, is_key, size};
pub(crate) use payload::{Av1Payloader, join, read};
pub(crate) use sequence_header::SequenceHeader;

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
    fn nonsense_other_profiles_and_frames_beyond_the_bound_are_faults_and_the_stream_goes_on() {
        let mut decoder = Decoder::new().unwrap();
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
}
