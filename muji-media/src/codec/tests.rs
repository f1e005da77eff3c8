//! What each encoding of video that is built in does, by its library.

use std::time::Duration;

use super::encoding::VideoEncoding;
use super::video::VideoEncoder;
use crate::video::frame::VideoFrame;

fn encoder(encoding: VideoEncoding, [width, height]: [usize; 2]) -> (Box<dyn VideoEncoder>, VideoFrame) {
    let encoder = encoding.encoder([width, height], 200_000).expect("it is built in");
    (encoder, VideoFrame::filled(width, height, [200, 60, 40]))
}

#[test]
fn what_is_encoded_is_decoded_to_nearly_the_same_and_a_key_frame_comes_when_it_is_asked_for() {
    for encoding in VideoEncoding::built_in() {
        let (mut encoder, frame) = encoder(encoding, [160, 96]);
        let mut decoder = encoding.decoder().expect("it is built in");
        for number in 0..10 {
            let encoded = encoder.encode(&frame, number * 3_000, number == 5).unwrap().expect("it is small");
            let key = number % 5 == 0;
            assert_eq!((encoded.key, encoding.is_key(&encoded.bytes)), (key, key), "{encoding:?}");
            let says_size = key && encoding.name() != "H.264";
            assert_eq!(encoding.size(&encoded.bytes), says_size.then_some([160, 96]), "{encoding:?}");
            let decoded = decoder.decode(&encoded.bytes).unwrap().expect("it is shown");
            assert_eq!([decoded.width(), decoded.height()], [160, 96], "{encoding:?}");
            let near = decoded.mean().iter().zip(frame.mean()).all(|(seen, put)| seen.abs_diff(put) <= 10);
            assert!(near, "{encoding:?}: {:?} became {:?}", frame.mean(), decoded.mean());
        }
    }
}

#[test]
fn frames_change_their_size_in_the_middle_of_a_stream() {
    for encoding in VideoEncoding::built_in() {
        let mut decoder = encoding.decoder().expect("it is built in");
        for sides in [[160, 96], [320, 192], [66, 50], [1_920, 1_080], [160, 96]] {
            let (mut encoder, frame) = encoder(encoding, sides);
            let key = encoder.encode(&frame, 0, true).unwrap().expect("key frames are not left out").bytes;
            let decoded = decoder.decode(&key).unwrap().expect("it is shown");
            assert_eq!([decoded.width(), decoded.height()], sides, "{encoding:?}");
        }
    }
}

#[test]
fn a_frame_of_another_size_than_was_said_is_not_encoded() {
    for encoding in VideoEncoding::built_in() {
        let (mut encoder, _) = encoder(encoding, [320, 96]);
        assert!(encoder.encode(&VideoFrame::filled(160, 96, [9, 99, 199]), 0, false).is_err(), "{encoding:?}");
    }
}

#[test]
fn a_damaged_frame_never_panics_and_the_stream_goes_on_with_a_key_frame() {
    for encoding in VideoEncoding::built_in() {
        let (mut encoder, _) = encoder(encoding, [160, 96]);
        let mut decoder = encoding.decoder().expect("it is built in");
        let frames = (0..4u8).filter_map(|number| {
            let frame = VideoFrame::filled(160, 96, [60 * number, 60, 40]);
            Some(encoder.encode(&frame, u64::from(number) * 3_000, false).unwrap()?.bytes)
        });
        let frames: Vec<Vec<u8>> = frames.collect();
        for (number, frame) in frames.iter().enumerate() {
            for (at, with) in (0..frame.len()).flat_map(|at| [0x01, 0x55, 0x80, 0xFF].map(|with| (at, with))) {
                let mut damaged = frame.clone();
                damaged[at] ^= with;
                drop(decoder.decode(&frames[0]));
                let _any_result = decoder.decode(&damaged);
            }
            let shown = decoder.decode(&frames[0]);
            assert!(matches!(shown, Ok(Some(_))), "{encoding:?}, behind frame {number}: {shown:?}");
        }
    }
}

#[test]
fn each_encoder_takes_all_that_it_may_be_told() {
    for encoding in VideoEncoding::built_in() {
        let (mut encoder, frame) = encoder(encoding, [320, 192]);
        let mut decoder = encoding.decoder().expect("it is built in");
        encoder.set_interval(Duration::from_millis(66)).unwrap();
        encoder.set_screen_content().unwrap();
        for number in 0..6 {
            encoder.set_layered(number == 2).unwrap();
            encoder.set_bit_rate(100_000 * (u32::try_from(number).unwrap() + 1)).unwrap();
            let encoded = encoder.encode(&frame, number * 6_000, number == 4).unwrap().expect("it is small");
            let decoded = decoder.decode(&encoded.bytes).unwrap().expect("it is shown");
            assert_eq!([decoded.width(), decoded.height()], [320, 192], "{encoding:?}");
        }
    }
}
