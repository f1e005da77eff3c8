//! Video as it is offered in a session.

use muji_xep::jingle::Senders;
use muji_xep::rtp::{Feedback, HeaderExtension, PayloadType};

use super::video::CLOCK_RATE;

/// An encoding of video with NACK for lost packets and PLI and FIR for key frames.
pub(crate) fn payload_type(id: u8, name: &str) -> PayloadType {
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
        ..PayloadType::new(id, name, CLOCK_RATE, 1)
    }
}

/// Transport-wide congestion control: numbers the packets of all contents, so that the receiver can report the fate of each.
pub const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// How a frame is to be rotated: phones send what the camera sees, however they are held.
pub const ORIENTATION: &str = "urn:3gpp:video-orientation";

/// The header extensions that we offer with video; the first under the id that Dino uses.
#[must_use]
pub fn extensions() -> Vec<HeaderExtension> {
    let extension = |(id, uri): (u16, &str)| HeaderExtension { id, uri: uri.to_owned(), senders: Senders::Both };
    [(1, ORIENTATION), (2, TRANSPORT_CC)].map(extension).into()
}
