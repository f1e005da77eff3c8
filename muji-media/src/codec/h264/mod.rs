//! H.264 by OpenH264, and how it travels in packets (RFC 6184).

mod level;
mod nal;
#[cfg(feature = "h264")]
mod openh264;
mod parameter_sets;
mod parameters;
mod payload;

use muji_xep::rtp::PayloadType;

pub(crate) use level::{UnknownLevel, decoder_limit};
pub(crate) use nal::is_key;
#[cfg(feature = "h264")]
pub(crate) use openh264::{Decoder, Encoder};
pub(crate) use parameter_sets::ParameterSets;
pub(crate) use payload::{H264Payloader, Packetization, join, read};

use super::offer;

/// Constrained baseline, which every browser and phone takes (RFC 7742 section 6.2).
const PROFILE: &str = "42e0";

/// Level 3.1, which everybody names, and some clients compare: 1280 x 720 at 30 a second.
const LEVEL: u8 = 31;

/// What we can decode beyond that level, in macroblocks of a frame and of a second: 1920 x 1080 at 30 a second.
const MAX_FRAME: &str = "8160";
const MAX_SECOND: &str = "244800";

/// H.264 as we offer it: in packets of one unit under the id that Dino uses, and in pieces under the one that browsers often do.
pub(crate) fn payload_type(packetization: Packetization) -> PayloadType {
    let (id, mode) = match packetization {
        Packetization::Single => (96, "0"),
        Packetization::NonInterleaved => (102, "1"),
    };
    offer::payload_type(id, "H264")
        .with_parameter("level-asymmetry-allowed", "1")
        .with_parameter("max-fs", MAX_FRAME)
        .with_parameter("max-mbps", MAX_SECOND)
        .with_parameter("packetization-mode", mode)
        .with_parameter("profile-level-id", &format!("{PROFILE}{LEVEL:02x}"))
}

#[cfg(all(test, feature = "h264"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::video::{Encoded, MAX_PAYLOAD, Payloader as _, VideoDecoder as _, VideoEncoder as _, VideoFault};
    use crate::video::frame::VideoFrame;

    fn encoder() -> Encoder {
        Encoder::new([160, 96], 200_000, Packetization::NonInterleaved).expect("there is memory")
    }

    /// A frame whose right half moves.
    fn moving(number: usize, [width, height]: [usize; 2]) -> VideoFrame {
        let mut frame = VideoFrame::filled(width, height, [200, 60, 40]);
        for y in 0..height {
            for x in width / 2..width {
                let brightness = ((x / 8 + 1) * (y / 8 + 3) * (number + 7) * 2_654_435_761) >> 8;
                frame.set_brightness(x, y, brightness as u8);
            }
        }
        frame
    }

    #[test]
    fn the_encoder_says_constrained_baseline_as_it_is_offered() {
        let key = encoder().encode(&moving(0, [160, 96]), 0, false).unwrap().expect("it is the first");
        let parameters = nal::units(&key.bytes).next().expect("parameters come first");
        assert_eq!((parameters[0] & 0x1F, parameters[1], parameters[2] & 0x40), (7, 0x42, 0x40));
    }

    /// The bits of each second of moving pictures.
    fn seconds(encoder: &mut Encoder, count: usize, from: usize) -> Vec<usize> {
        let second = |second: usize| {
            let frames = (0..30).map(|frame| from + second * 30 + frame);
            let encoded =
                frames.filter_map(|at| encoder.encode(&moving(at, [160, 96]), at as u64 * 3_000, false).unwrap());
            encoded.map(|encoded: Encoded| encoded.bytes.len() * 8).sum()
        };
        (0..count).map(second).collect()
    }

    #[test]
    fn the_bit_rate_falls_and_rises_with_its_target() {
        let mut encoder = encoder();
        let before = seconds(&mut encoder, 4, 0)[3];
        encoder.set_bit_rate(600_000).unwrap();
        let higher = seconds(&mut encoder, 4, 120)[3];
        encoder.set_bit_rate(100_000).unwrap();
        let lower = seconds(&mut encoder, 4, 240)[3];
        assert!((150_000..250_000).contains(&before), "{before}");
        assert!((330_000..700_000).contains(&higher), "{higher}");
        assert!((60_000..140_000).contains(&lower), "{lower}");
    }

    #[test]
    fn the_bit_rate_is_kept_to_with_five_frames_a_second() {
        let mut encoder = encoder();
        encoder.set_bit_rate(40_000).unwrap();
        encoder.set_interval(Duration::from_millis(200)).unwrap();
        let encoded = (0..40).map(|at| encoder.encode(&moving(at, [160, 96]), at as u64 * 18_000, false).unwrap());
        let bits = encoded.skip(20).flatten().map(|encoded| encoded.bytes.len() * 8).sum::<usize>() / 4;
        assert!((28_000..52_000).contains(&bits), "{bits} a second");
    }

    #[test]
    fn for_peers_that_take_single_units_each_unit_fits_a_packet() {
        let single = Packetization::Single;
        let mut encoder = Encoder::new([640, 384], 2_000_000, single).expect("there is memory");
        let (mut payloader, mut decoder) = (H264Payloader(single), Decoder::new().unwrap());
        for number in 0..10 {
            let frame = moving(number, [640, 384]);
            let Some(encoded) = encoder.encode(&frame, number as u64 * 3_000, false).unwrap() else { continue };
            let packets = payloader.packets(&encoded, 0);
            assert!(number > 0 || packets.len() > 5);
            assert!(packets.iter().all(|packet| packet.payload.len() <= MAX_PAYLOAD));
            let joined = join(packets.iter().map(|packet| packet.payload.to_vec())).unwrap();
            assert!(matches!(decoder.decode(&joined), Ok(Some(_))));
        }
    }

    #[test]
    fn a_size_that_changes_is_taken_with_a_key_frame_alone() {
        let mut decoder = Decoder::new().unwrap();
        let key = encoder().encode(&moving(0, [160, 96]), 0, false).unwrap().expect("it is the first").bytes;
        let mut larger = Encoder::new([320, 192], 400_000, Packetization::NonInterleaved).unwrap();
        larger.set_bit_rate(4_000_000).unwrap();
        let other = larger.encode(&moving(0, [320, 192]), 0, false).unwrap().expect("it is the first").bytes;
        let still = moving(0, [320, 192]);
        let of_other = larger.encode(&still, 3_000, false).unwrap().expect("it is small").bytes;
        let width =
            |decoded: Result<Option<VideoFrame>, VideoFault>| decoded.map(|frame| frame.map(|frame| frame.width()));
        assert_eq!(width(decoder.decode(&key)), Ok(Some(160)));
        let mut parameters = Vec::new();
        nal::append(&mut parameters, nal::units(&other).next().unwrap());
        let sneaked = [parameters, of_other].concat();
        let why = VideoFault::Stream("the size changes without a key frame");
        assert_eq!(width(decoder.decode(&sneaked)), Err(why));
        assert_eq!(width(decoder.decode(&other)), Ok(Some(320)));
        assert_eq!(width(decoder.decode(&key)), Ok(Some(160)));
    }

    #[test]
    fn unknown_profiles_and_nonsense_are_faults_and_the_stream_goes_on() {
        let mut decoder = Decoder::new().unwrap();
        let key = encoder().encode(&moving(0, [160, 96]), 0, false).unwrap().expect("it is the first").bytes;
        // High 4:4:4 (244), and a set that ends too early.
        for (parameters, why) in [
            (&[0x67, 244, 0, 31, 0xFF, 0x80][..], VideoFault::Profile(244)),
            (&[0x67, 0x42], VideoFault::Stream("a sequence parameter set cannot be read")),
        ] {
            let mut frame = Vec::new();
            nal::append(&mut frame, parameters);
            assert_eq!(decoder.decode(&[&frame, &key[..]].concat()), Err(why));
        }
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
        for length in 0..key.len() {
            let _any_result = decoder.decode(&key[..length]);
        }
        let mut decoder = Decoder::new().unwrap();
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
        for at in 0..key.len() {
            let mut damaged = key.clone();
            damaged[at] ^= 0x55;
            let _any_result = decoder.decode(&damaged);
        }
    }
}
