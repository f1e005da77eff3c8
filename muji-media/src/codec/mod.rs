//! Codecs: between a frame of audio or video, and the payload of packets.

pub(crate) mod opus;
pub(crate) mod vp8;
