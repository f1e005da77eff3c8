//! What is run, by name.

mod audio;
mod engine;
mod files;
mod gather;
mod login;
mod readers;
#[cfg(feature = "webrtc-ice")]
mod rtcp;
mod session;
mod transport;
mod video;

use crate::Target;

const MEGABYTE: u64 = 1 << 20;

/// All targets.
pub static TARGETS: &[Target] = &[
    // A stanza is doubled with each of seven changes, at most, and printed and parsed again.
    Target { name: "readers", longest: 4_096, most: 256 * MEGABYTE, input: readers::run },
    Target { name: "engine", longest: 512, most: 256 * MEGABYTE, input: engine::run },
    Target { name: "session", longest: 512, most: 256 * MEGABYTE, input: session::run },
    Target { name: "str0m", longest: 1_024, most: 64 * MEGABYTE, input: transport::str0m },
    #[cfg(feature = "webrtc-ice")]
    Target { name: "webrtc-ice", longest: 1_024, most: 64 * MEGABYTE, input: transport::webrtc_ice },
    // The peer is of the second kind, whichever reads.
    #[cfg(feature = "webrtc-ice")]
    Target { name: "rtcp", longest: 1_024, most: 64 * MEGABYTE, input: rtcp::run },
    Target { name: "audio", longest: 1_024, most: 16 * MEGABYTE, input: audio::run },
    // Frames have up to 8 megapixels.
    Target { name: "video", longest: 1_024, most: 256 * MEGABYTE, input: video::run },
    Target { name: "gather", longest: 1_024, most: 16 * MEGABYTE, input: gather::run },
    // A stanza as it comes is up to a megabyte.
    Target { name: "login", longest: 512, most: 64 * MEGABYTE, input: login::run },
    Target { name: "files", longest: 4_096, most: 256 * MEGABYTE, input: files::run },
];
