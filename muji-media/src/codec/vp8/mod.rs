//! VP8 (RFC 6386) by libvpx, and how it travels in packets (RFC 7741).

#[cfg(not(feature = "vp8"))]
mod absent;
#[cfg(feature = "vp8")]
mod libvpx;
mod payload;

use muji_xep::jingle::Senders;
use muji_xep::rtp::{Extension, Feedback, PayloadType};

#[cfg(not(feature = "vp8"))]
pub use absent::{Decoder, Encoder};
#[cfg(feature = "vp8")]
pub use libvpx::{Decoder, Encoder};
pub(crate) use payload::renumbered;
pub use payload::{Assembled, Assembler, Frame, Payloader};

/// Ticks a second of a video timestamp.
pub const CLOCK_RATE: u32 = 90_000;

/// VP8, as we offer it, under the id that Dino gives it: whoever misses packets can ask for them, and for key frames.
#[must_use]
pub fn payload_type() -> PayloadType {
    let feedback =
        |kind: &str, subtype: Option<&str>| Feedback { kind: kind.to_owned(), subtype: subtype.map(str::to_owned) };
    PayloadType {
        feedback: vec![
            feedback("ccm", Some("fir")),
            feedback("goog-remb", None),
            feedback("nack", None),
            feedback("nack", Some("pli")),
            feedback("transport-cc", None),
        ],
        ..PayloadType::new(98, "VP8", CLOCK_RATE, 1)
    }
}

/// Counts packets through all contents of a transport, so that whoever gets them can tell how they fared.
pub const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Says how a picture is to be turned: phones send what their camera sees as it is held.
pub const ORIENTATION: &str = "urn:3gpp:video-orientation";

/// The header extensions we offer with pictures; the first under the id that Dino gives it.
#[must_use]
pub fn extensions() -> Vec<Extension> {
    let extension = |(id, uri): (u16, &str)| Extension { id, uri: uri.to_owned(), senders: Senders::Both };
    [(1, ORIENTATION), (2, TRANSPORT_CC)].map(extension).into()
}

/// A picture, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// What came out.
    pub bytes: Vec<u8>,
    /// It needs no picture before it.
    pub key: bool,
    /// Who can do without it.
    pub layer: Layer,
}

/// What of the bit rate the pictures up to each temporal layer take, in percent: of four pictures one is of layer 0 and needs none but
/// those of layer 0 before it, one is of layer 1 and needs none of layer 2, and two are of layer 2, which nothing needs.
pub const LAYERS: [u32; 3] = [40, 60, 100];

/// The temporal layer of a picture (RFC 7741 section 4.2). Without layers all are of the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Layer {
    /// From 0 on: an index of [`LAYERS`].
    pub number: u8,
    /// Of those before it needs one of layer 0 alone.
    pub sync: bool,
}

/// How libvpx keeps to its bit rate. Times are in ms of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateControl {
    /// As constant as it can be, or varying with what is seen.
    pub constant: bool,
    /// What may be ahead or behind.
    pub buffer: u32,
    /// How full that is in the beginning, and should be.
    pub initial: u32,
    /// See `initial`.
    pub optimal: u32,
    /// Pictures are left out when it is less full than that, in percent; 0: never.
    pub drop_below: u32,
}

impl RateControl {
    /// For conversations: a new target is reached within four frames, where browsers' second of buffer takes up to 23, and libvpx's
    /// own six seconds never reach a lower one (`make bitrate`).
    pub const CONVERSATION: Self = Self { constant: true, buffer: 200, initial: 150, optimal: 160, drop_below: 30 };
}

/// What cannot be encoded or decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Vp8Fault {
    /// The picture has not the size that was said, or is too large.
    #[error("a picture of a size that is not taken")]
    Size,
    /// This program was built without feature `vp8`.
    #[error("this program was built without VP8")]
    Absent,
    /// There is no memory.
    #[error("no memory for a picture")]
    Memory,
    /// libvpx says no, with its number.
    #[error("libvpx: error {0}")]
    Codec(u32),
}

/// Whether a frame, or what begins one, needs no picture before it: its first bit is zero then (RFC 6386 section 9.1).
pub(crate) fn is_key(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 1 == 0)
}

/// The sides of the picture that a key frame begins with, in pixels (RFC 6386 section 9.1); `None` if it is none.
pub(crate) fn size(frame: &[u8]) -> Option<[usize; 2]> {
    let [_, _, _, 0x9D, 0x01, 0x2A, rest @ ..] = frame else { return None };
    let [w0, w1, h0, h1, ..] = rest else { return None };
    let side = |low: u8, high: u8| usize::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    is_key(frame).then(|| [side(*w0, *w1), side(*h0, *h1)])
}

#[cfg(all(test, feature = "vp8"))]
mod tests {
    use super::*;
    use crate::video_frame::VideoFrame;

    fn encoder() -> Encoder {
        Encoder::new(160, 96, 200_000).expect("libvpx works")
    }

    #[test]
    fn what_is_encoded_is_decoded_to_nearly_the_same() {
        let (mut encoder, mut decoder) = (encoder(), Decoder::new().expect("libvpx works"));
        let picture = VideoFrame::filled(160, 96, [200, 60, 40]);
        for number in 0..10 {
            let encoded = encoder.encode(&picture, number * 3_000, false).unwrap().expect("it is small");
            assert_eq!(encoded.key, number == 0);
            let decoded = decoder.decode(&encoded.bytes).unwrap().expect("it is shown");
            assert_eq!((decoded.width(), decoded.height()), (160, 96));
            let near = decoded.mean().iter().zip(picture.mean()).all(|(seen, put)| seen.abs_diff(put) <= 10);
            assert!(near, "{:?} became {:?}", picture.mean(), decoded.mean());
        }
    }

    #[test]
    fn a_key_frame_comes_when_it_is_asked_for_and_says_its_size() {
        let mut encoder = encoder();
        let picture = VideoFrame::filled(160, 96, [0, 0, 0]);
        for (number, key) in [(0, true), (1, false), (2, true), (3, false)] {
            let encoded = encoder.encode(&picture, number * 3_000, number == 2).unwrap().expect("it is small");
            assert_eq!((encoded.key, size(&encoded.bytes)), (key, key.then_some([160, 96])));
        }
    }

    /// Pictures that change, in three layers from the first on, then as one, with the layer of each; a key frame is asked for once.
    fn layered(count: u64) -> Vec<Encoded> {
        let mut encoder = encoder();
        let encode = |number: u64| {
            if number == 0 || number == 2 * count / 3 {
                encoder.set_layered(number == 0).unwrap();
            }
            let colour = u8::try_from(number * 3).expect("there are few");
            let picture = VideoFrame::filled(160, 96, [colour, 255 - colour, 90]);
            encoder.encode(&picture, number * 3_000, number == count / 3).unwrap()
        };
        (0..count).filter_map(encode).collect()
    }

    #[test]
    fn whoever_does_without_the_higher_layers_sees_the_others_as_everybody_does() {
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
    fn nonsense_and_pictures_beyond_the_bound_are_faults_and_the_stream_goes_on() {
        let (mut encoder, mut decoder) = (encoder(), Decoder::new().expect("libvpx works"));
        let picture = VideoFrame::filled(160, 96, [9, 99, 199]);
        assert!(Encoder::new(320, 96, 200_000).unwrap().encode(&picture, 0, false).is_err());
        let key = encoder.encode(&picture, 0, true).unwrap().expect("it is small").bytes;
        let mut huge = key.clone();
        huge[6..10].copy_from_slice(&[0xFF, 0x3F, 0xFF, 0x3F]);
        assert_eq!(decoder.decode(&huge), Err(Vp8Fault::Size));
        for bytes in [&key[..4], &key[..9], &[0xFF; 40], &[1]] {
            assert!(!matches!(decoder.decode(bytes), Ok(Some(_))), "{bytes:02x?}");
        }
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
        for length in (0..key.len()).step_by(7) {
            let _whatever = decoder.decode(&key[..length]);
        }
        assert!(matches!(decoder.decode(&key), Ok(Some(_))));
    }
}
