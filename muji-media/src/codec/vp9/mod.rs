//! VP9 by libvpx, and how it travels in packets (RFC 9628): profile 0, sent in one layer.

#[cfg(feature = "vp8")]
mod decoder;
#[cfg(feature = "vp8")]
mod encoder;
mod header;
mod payload;
mod superframe;

use muji_xep::rtp::PayloadType;

#[cfg(feature = "vp8")]
pub use decoder::Decoder;
#[cfg(feature = "vp8")]
pub use encoder::Encoder;
pub(crate) use header::{is_key, look, size};
pub(crate) use payload::{Vp9Payloader, join, read, renumbered};

use super::offer;

/// VP9 as we offer it, under the payload type that Dino uses where it is built with it.
pub(crate) fn payload_type() -> PayloadType {
    offer::payload_type(97, "VP9").with_parameter("profile-id", "0")
}

#[cfg(all(test, feature = "vp8"))]
mod tests {
    use super::*;
    use crate::codec::video::{VideoDecoder as _, VideoEncoder as _, VideoFault};
    use crate::video::frame::VideoFrame;

    fn encoder(size: [usize; 2]) -> Encoder {
        Encoder::new(size[0], size[1], 200_000).expect("libvpx works")
    }

    fn key_frame(size: [usize; 2]) -> Vec<u8> {
        let frame = VideoFrame::filled(size[0], size[1], [200, 60, 40]);
        encoder(size).encode(&frame, 0, true).unwrap().expect("key frames are not left out").bytes
    }

    #[test]
    fn of_layers_in_one_picture_the_last_is_shown_and_each_is_looked_at() {
        let (small, large) = (key_frame([160, 96]), key_frame([320, 192]));
        let picture = superframe::together(&[&small, &large]);
        assert_eq!((is_key(&picture), size(&picture)), (true, Some([320, 192])));
        let decoded = Decoder::new().unwrap().decode(&picture).unwrap().expect("it is shown");
        assert_eq!(decoded.width(), 320);
        let picture = superframe::together(&[&small, &beyond_the_bound()]);
        assert_eq!(Decoder::new().unwrap().decode(&picture), Err(VideoFault::Size));
    }

    /// A key frame that says that it is of 65536 x 65536.
    fn beyond_the_bound() -> Vec<u8> {
        let mut huge = key_frame([160, 96]);
        // Behind four bits of the colours are 16 of each side.
        huge[4] |= 0x0F;
        huge[5..8].fill(0xFF);
        huge[8] |= 0xF0;
        huge
    }

    #[test]
    fn nonsense_other_profiles_and_frames_beyond_the_bound_are_faults_and_the_stream_goes_on() {
        let mut decoder = Decoder::new().unwrap();
        let (key, unreadable) = (key_frame([160, 96]), VideoFault::Stream("the header of a frame cannot be read"));
        assert_eq!(decoder.decode(&beyond_the_bound()), Err(VideoFault::Size));
        // A frame behind the first one, without an index: nobody has looked at it, and nobody makes room for it.
        let hidden = [&key[..], &beyond_the_bound()].concat();
        assert!(decoder.decode(&hidden).is_ok_and(|shown| shown.is_some_and(|shown| shown.width() == 160)));
        assert_eq!(decoder.decode(&[0xA2, 0x49, 0x83, 0x42]), Err(VideoFault::Profile(1)));
        for bytes in [&[][..], &key[..4], &[0xFF; 40], &[1]] {
            assert_eq!(decoder.decode(bytes), Err(unreadable), "{bytes:02x?}");
        }
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
        for length in 0..key.len() {
            let _any_result = decoder.decode(&key[..length]);
        }
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
    }
}
