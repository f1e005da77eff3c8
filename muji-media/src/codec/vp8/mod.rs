//! VP8 (RFC 6386) by libvpx, and how it travels in packets (RFC 7741).

#[cfg(feature = "vp8")]
mod decoder;
#[cfg(feature = "vp8")]
mod encoder;
mod header;
mod payload;

use muji_xep::rtp::PayloadType;

#[cfg(feature = "vp8")]
pub use decoder::Decoder;
#[cfg(feature = "vp8")]
pub use encoder::Encoder;
pub(crate) use header::{is_key, look, size};
pub(crate) use payload::{Vp8Payloader, read, renumbered};

use super::offer;

/// VP8 as we offer it, under the payload type that Dino uses.
#[must_use]
pub fn payload_type() -> PayloadType {
    offer::payload_type(98, "VP8")
}

#[cfg(all(test, feature = "vp8"))]
mod tests {
    use super::*;
    use crate::codec::video::{Encoded, VideoDecoder as _, VideoEncoder as _, VideoFault};
    use crate::video::frame::VideoFrame;

    fn encoder() -> Encoder {
        Encoder::new(160, 96, 200_000).expect("libvpx works")
    }

    /// Frames that change, in three layers from the first on, then as one, with the layer of each; a key frame is asked for once.
    fn layered(count: u64) -> Vec<Encoded> {
        let mut encoder = encoder();
        let encode = |number: u64| {
            if number == 0 || number == 2 * count / 3 {
                encoder.set_layered(number == 0).unwrap();
            }
            let colour = u8::try_from(number * 3).expect("there are few");
            let frame = VideoFrame::filled(160, 96, [colour, 255 - colour, 90]);
            encoder.encode(&frame, number * 3_000, number == count / 3).unwrap()
        };
        (0..count).filter_map(encode).collect()
    }

    #[test]
    fn a_viewer_that_does_without_the_higher_layers_sees_the_others_as_everybody_does() {
        let all = layered(60);
        let layers: Vec<u8> = all.iter().map(|encoded| encoded.layer.number).collect();
        assert_eq!(layers[..8], [0, 2, 1, 2, 0, 2, 1, 2]);
        assert_eq!(layers[40..], [0; 20], "as one again");
        for highest in [0, 1] {
            let (mut whole, mut part) = (Decoder::new().unwrap(), Decoder::new().unwrap());
            for encoded in &all {
                let seen = whole.decode(&encoded.bytes).unwrap().expect("it is shown");
                if encoded.layer.number <= highest {
                    assert_eq!(part.decode(&encoded.bytes).unwrap().as_ref(), Some(&seen));
                }
            }
        }
    }

    #[test]
    fn nonsense_and_frames_beyond_the_bound_are_faults_and_the_stream_goes_on() {
        let (mut encoder, mut decoder) = (encoder(), Decoder::new().expect("libvpx works"));
        let frame = VideoFrame::filled(160, 96, [9, 99, 199]);
        let key = encoder.encode(&frame, 0, true).unwrap().expect("it is small").bytes;
        let mut huge = key.clone();
        huge[6..10].copy_from_slice(&[0xFF, 0x3F, 0xFF, 0x3F]);
        assert_eq!(decoder.decode(&huge), Err(VideoFault::Size));
        for bytes in [&key[..4], &key[..9], &[0xFF; 40], &[1]] {
            assert!(!matches!(decoder.decode(bytes), Ok(Some(_))), "{bytes:02x?}");
        }
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
        for length in (0..key.len()).step_by(7) {
            let _any_result = decoder.decode(&key[..length]);
        }
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
    }
}
